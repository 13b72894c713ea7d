"""Undoing the last write: what was there before is applied again, or what was made is deleted, guarded by what is live.

Implements `domain.audit.AuditTrail` on the recorded writes and the operations.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from genai_tui.auditing import Recorder
from genai_tui.domain.audit import DONE, Undo, Verb, Write
from genai_tui.domain.deployment import DeploymentSpec
from genai_tui.domain.disputes import UNDECIDED, Resolution
from genai_tui.domain.documents import ModelDeployment, NamespacedMetadata
from genai_tui.domain.naming import KIND_LABEL
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput, NotFound
from genai_tui.kube.journal import act
from genai_tui.kube.manifests.catalogue import KIND_VALUES, read_entry
from genai_tui.metering.audit import AuditRows
from genai_tui.services import AnyDocument, Operations, Session

EVER = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 200
"""Rows that are looked at for the last act: more than any one act writes."""
_KINDS = {value: kind for kind, value in KIND_VALUES.items()}


class Trail:
    """The writes of this machine, and the way back from the last one.

    Args:
        rows: where the writes are.
        recorder: says whether the last one is among them.
        operations: undo by ordinary acts, which are recorded too.
        session: the cluster.
    """

    def __init__(self, rows: AuditRows, recorder: Recorder, operations: Operations, session: Session) -> None:
        self._rows, self._recorder, self._operations, self._session = rows, recorder, operations, session

    @property
    def problem(self) -> str:
        """Why the last write is not recorded."""
        return self._recorder.problem

    async def writes(
        self, since: datetime, until: datetime | None = None, *, cluster: str | None = None, limit: int = 1_000
    ) -> Sequence[Write]:
        """Newest first."""
        return await self._rows.read(since, until, cluster=cluster, limit=limit)

    async def last(self) -> Undo:
        """How the last act on this cluster would be undone."""
        rows = await self._rows.read(EVER, cluster=self._session.server, limit=_LATEST)
        acts: dict[str, list[Write]] = {}
        for row in rows:
            if row.result in DONE:
                acts.setdefault(row.act, []).append(row)
        last = next((tuple(found) for found in acts.values() if not _left_nothing(found)), None)
        if last is None:
            raise NotFound("nothing was written to this cluster from here", next_step="see genai-tui audit")
        return await self._plan(last)

    async def _plan(self, writes: tuple[Write, ...]) -> Undo:
        main = _main(writes)
        refusal = _refusal(main)
        if refusal:
            return Undo(main.act, "", refusal, writes=writes)
        document = _document(main, main.before)
        if document is None:
            made = _document(main, main.after)
            name = made.metadata.name if made is not None else main.name
            what = f"delete {main.reference} with what belongs to it"
            lines = "".join(f"- {row.reference}\n" for row in reversed(writes))
            return Undo(main.act, what, "", lines, f"{name} was made by this act.", writes)
        number = _scaled(document, _document(main, main.after))
        if number is not None:
            return Undo(main.act, f"scale {main.reference} back to {number}", "", main.diff, "", writes)
        preview = await self._operations.preview(document)
        told = preview.refusal or "; ".join(problem.message for problem in preview.problems)
        again = main.verb is Verb.DELETE
        what = f"make {main.reference} again" if again else f"apply {main.reference} as it was before"
        remark = "Its pods start anew; what was in a volume of its own is gone." if again else ""
        return Undo(main.act, what, told, preview.diff, remark, writes)

    async def undo(self, undo: Undo, resolution: Resolution = UNDECIDED) -> None:
        """Undo it, if what is live is still what it wrote."""
        if undo.refusal:
            raise BadInput("this cannot be undone", why=undo.refusal)
        latest = await self.last()
        if latest.act != undo.act:
            raise BadInput("another write came after this one", next_step="look again: the last write is undone first")
        main = _main(undo.writes)
        before, after = _document(main, main.before), _document(main, main.after)
        with act():
            if before is None:
                await self._delete(main, after)
            elif main.verb is Verb.DELETE:
                await self._operations.apply(before, create_only=True, resolution=resolution)
            elif (replicas := _scaled(before, after)) is not None:
                await self._operations.scale(
                    Ref(main.namespace, main.name), replicas, resolution, base=_deployment(after)
                )
            else:
                await self._operations.apply(before, base=after, resolution=resolution)

    async def _delete(self, main: Write, made: AnyDocument | None) -> None:
        if made is None:
            raise BadInput(f"{main.reference} cannot be read back", next_step="delete it by its name")
        if isinstance(made, ModelDeployment):
            await self._operations.delete("ModelDeployment", main.name, main.namespace, base=made)
        else:
            await self._operations.delete(made.kind, made.metadata.name)


def _deployment(document: AnyDocument | None) -> ModelDeployment | None:
    return document if isinstance(document, ModelDeployment) else None


def _scaled(before: AnyDocument, after: AnyDocument | None) -> int | None:
    """The replicas to go back to, where nothing but their number was changed."""
    if not isinstance(before, ModelDeployment) or not isinstance(after, ModelDeployment):
        return None
    number = before.spec.engine.replicas
    engine = after.spec.engine.model_copy(update={"replicas": number})
    return number if after.spec.model_copy(update={"engine": engine}) == before.spec else None


def _left_nothing(writes: Sequence[Write]) -> bool:
    """Whether all that was made was deleted again in the same act, as the key of a probe is."""
    made = {row.reference for row in writes if row.verb is Verb.CREATE}
    return bool(made) and made == {row.reference for row in writes if row.verb is Verb.DELETE}


def _main(writes: Sequence[Write]) -> Write:
    """The write that the others of the act belong to."""
    ours = [row for row in writes if row.before is not None or row.after is not None]
    applied = [row for row in ours if row.verb is not Verb.PATCH]
    return (applied or ours or list(writes))[-1]


def _refusal(main: Write) -> str:
    if main.verb is Verb.PATCH:
        if "paused" in main.diff:
            return f"{main.reference} was paused or resumed: P on the deployment turns that round"
        return f"{main.reference} was restarted: pods that were replaced do not come back"
    if main.kind == "Secret":
        gone = main.verb is Verb.DELETE
        back = "a key is taken back by revoking it, on Access; another Secret by deleting it with kubectl"
        return "a key that was revoked is kept nowhere" if gone else back
    if main.before is None and main.after is None:
        return f"what {main.reference} held is not known here"
    if main.before is not None and _document(main, main.before) is None:
        return f"what {main.reference} held before cannot be read"
    return ""


def _document(main: Write, text: str | None) -> AnyDocument | None:
    """The document a write held before or after; None where it held none that can be read."""
    if text is None:
        return None
    if main.kind == "Deployment":
        try:
            spec = DeploymentSpec.model_validate(json.loads(text), by_alias=True, by_name=False)
            return ModelDeployment(metadata=NamespacedMetadata(name=main.name, namespace=main.namespace), spec=spec)
        except (ValueError, RecursionError):
            return None
    value = main.name.partition("-")[0]
    found = read_entry({KIND_LABEL: value}, {"spec": text}, main.name)
    return None if isinstance(found, str) else found
