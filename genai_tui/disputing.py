"""An apply among others who write to the same objects: nothing of theirs is taken that the operator did not decide.

Path of the data: what is wanted -> compared with what is live and with what was applied last -> disputes -> the
operator's decisions -> what is left of the wanted, locked to the version that was looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genai_tui.domain.disputes import GONE, Dispute, Drift, Resolution, Stand
from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM, from_document
from genai_tui.domain.naming import MANAGER
from genai_tui.domain.quantities import parse_quantity
from genai_tui.errors import Conflict, Disputed
from genai_tui.kube import ownership, writes
from genai_tui.kube.connection import Connection
from genai_tui.kube.manifests.readback import read_back
from genai_tui.kube.ownership import Difference
from genai_tui.kube.refusals import Modified

Json = dict[str, Any]
Objects = tuple[Json, ...]
SPEC_PATH = ".metadata.annotations.genai-tui.dev/spec"


@dataclass(frozen=True, slots=True)
class Standing:
    """One wanted object beside what is live.

    Attributes:
        item: what is wanted.
        live: what is there; None for nothing.
        found: the fields others hold another value for.
        anew: what is there goes before this is written.
    """

    item: Json
    live: Json | None
    found: tuple[Difference, ...] = ()
    anew: bool = False

    @property
    def reference(self) -> str:
        """The object."""
        return writes.reference(self.item)

    @property
    def disputes(self) -> tuple[Dispute, ...]:
        """The same for people; an earlier apply of our own is nobody else's."""
        return ownership.disputes(self.reference, self.found)

    def kept(self, resolution: Resolution) -> frozenset[ownership.Path]:
        """The fields that stay as others have them."""
        return frozenset(
            found.path
            for found, dispute in zip(self.found, self.disputes, strict=True)
            if resolution.get(dispute.key) is Stand.THEIRS
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """An object to be applied: without what stays theirs; `force` where something is taken; at `version` only.

    `seen` is the version that was looked at: what is forced is forced at it alone. `anew`: nothing of it is there by
    then.
    """

    item: Json
    force: bool = False
    version: str = ""
    seen: str = ""
    anew: bool = False


async def look(
    connection: Connection, wanted: Sequence[Json], before: Sequence[Json] = (), leaving: Collection[str] = ()
) -> tuple[Standing, ...]:
    """Each wanted object beside what is live.

    Args:
        connection: the cluster.
        wanted: what is to be written.
        before: what the last apply wrote, where that is known.
        leaving: references of what is gone before anything is written: nobody is asked about what it holds.
    """
    known = {writes.reference(item): item for item in before}
    found: list[Standing] = []
    for item in wanted:
        if writes.reference(item) in leaving:
            found.append(Standing(item, None, anew=True))
            continue
        live = await writes.read(connection, item)
        differences: tuple[Difference, ...] = ()
        if live is not None:
            compared = ownership.differences(item, live, known.get(writes.reference(item)))
            differences = tuple(found for found in compared if found.manager != MANAGER)
        found.append(Standing(item, live, differences))
    return tuple(found)


def undecided(standing: Sequence[Standing], resolution: Resolution) -> tuple[Dispute, ...]:
    """What has to be decided before anything is written."""
    return tuple(dispute for one in standing for dispute in one.disputes if dispute.key not in resolution)


def take_theirs(document: ModelDeployment, standing: Standing, resolution: Resolution) -> ModelDeployment:
    """The document with what stays theirs read into it, as far as the form can hold it.

    So the spec that is kept in the annotation says what is live, and the next apply does not ask again.
    """
    kept = standing.kept(resolution)
    if standing.live is None or not kept:
        return document
    changed = read_changes(standing.item, _with_theirs(standing, kept))
    reading = DEPLOYMENT_FORM.read({**from_document(document), **changed})
    return reading.document if reading.document is not None else document


def read_changes(rendered: Json, live: Json) -> dict[str, str]:
    """The texts of the form's fields that a live Deployment has otherwise than the rendered one."""
    wanted, there = read_back(rendered), read_back(live)
    if wanted is None or there is None:
        return {}
    names = there.texts.keys() | wanted.texts.keys()
    pairs = ((name, wanted.texts.get(name, ""), there.texts.get(name, "")) for name in sorted(names))
    return {name: theirs for name, ours, theirs in pairs if not _same(name, ours, theirs)}


def _same(field: str, one: str, other: str) -> bool:
    """Whether two texts of a form field mean the same: `2000m` and `2` cores do."""
    if one == other or field not in ("resources.cpu", "resources.memory", "advanced.sharedMemory"):
        return one == other
    try:
        return parse_quantity(one) == parse_quantity(other)
    except ValueError:
        return False


def _with_theirs(standing: Standing, kept: frozenset[ownership.Path]) -> Json:
    """What is wanted, with the values others have in the fields that stay theirs."""
    item = ownership.without(standing.item, kept)
    for found in standing.found:
        if found.path in kept and found.theirs is not None:
            ownership.put(item, found.path, found.theirs)
    return item


def decide(standing: Sequence[Standing], resolution: Resolution, *, lock: bool = False) -> tuple[Decided, ...]:
    """What is applied after every dispute is decided; `lock` holds the first object to the version looked at."""
    decided: list[Decided] = []
    for at, one in enumerate(standing):
        item = ownership.without(one.item, one.kept(resolution))
        taken = any(key[0] == one.reference and stand is Stand.OURS for key, stand in resolution.items())
        seen = one.live["metadata"]["resourceVersion"] if one.live is not None else ""
        decided.append(Decided(item, taken, seen if taken or (lock and at == 0) else "", seen, one.anew))
    return tuple(decided)


async def checked(connection: Connection, one: Decided, resolution: Resolution) -> tuple[Decided, writes.Outcome]:
    """Ask the server what it would do, without force first: it may see a dispute that was not looked at.

    Raises:
        Disputed: it does, and nothing was decided about it. Otherwise as any apply.
    """
    if one.anew:
        # Forced, as nothing is written: what is there now goes before this is.
        await writes.apply(connection, one.item, dry_run=True, force=True)
        return one, "created"
    try:
        done = await writes.apply(connection, one.item, dry_run=True, version=one.version)
    except Modified:
        raise
    except Conflict as error:
        if not error.owners:
            raise
        told = server_disputes(writes.reference(one.item), one.item, error.owners)
        # Who saves a spec has been shown the one that is live: its annotation is no question of its own.
        missing = tuple(d for d in told if resolution.get(d.key) is not Stand.OURS and d.path != SPEC_PATH)
        if missing:
            raise Disputed(missing) from error
        one = replace(one, force=True, version=one.seen)
        done = await writes.apply(connection, one.item, dry_run=True, force=True, version=one.version)
    return one, done.outcome


def server_disputes(reference: str, item: Json, owners: dict[str, str]) -> tuple[Dispute, ...]:
    """Conflicts as the server names them, with our value where it can be found."""
    ours = {ownership.shown(path): (path, value) for path, value in ownership.fields(item).items()}
    found: list[Dispute] = []
    for text, manager in owners.items():
        path, value = ours.get(text, ((), None))
        field = ownership.form_field(path) if path else ""
        found.append(Dispute(reference, text, manager, "another value", ownership.text_of(path, value), field))
    return tuple(found)


async def drift_of(connection: Connection, rendered: Objects) -> Drift:
    """How what is live differs from what the spec makes of it; also where an earlier version of ours made otherwise."""
    found: list[Dispute] = []
    texts: dict[str, str] = {}
    generation = 0
    for item in rendered:
        reference, live = writes.reference(item), await writes.read(connection, item)
        if live is None:
            found.append(Dispute(reference, GONE, "", None, "there"))
            continue
        found += ownership.disputes(reference, ownership.differences(item, live, item))
        if item["kind"] == "Deployment":
            found += ownership.disputes(reference, ownership.additions(item, live))
            texts = read_changes(item, live)
            generation = live["metadata"].get("generation") or 0
    return Drift(tuple(found), texts, generation)
