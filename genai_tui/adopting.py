"""Reading a deployment of others into a form of ours. Nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genai_tui.domain.adoption import Adoption, Leftover
from genai_tui.domain.catalogue import HubSource, ModelSpec, NgcSource
from genai_tui.domain.naming import MANAGED_BY_LABEL, MANAGER
from genai_tui.domain.rows import Ref
from genai_tui.errors import BadInput
from genai_tui.kube import writes
from genai_tui.kube.connection import Connection
from genai_tui.kube.manifests.readback import ReadBack, read_back
from genai_tui.services import ClusterPicture

Json = dict[str, Any]


async def adoption_of(connection: Connection, picture: ClusterPicture, ref: Ref) -> Adoption:
    """What a deployment of others would be as one of ours.

    Raises:
        BadInput: it is ours already, or runs no engine that is known here. NotFound, NotPermitted: as any request.
    """
    live = await connection.get_json(writes.path_of("Deployment", "apps/v1", ref.namespace, ref.name))
    labels = live["metadata"].get("labels") or {}
    if labels.get(MANAGED_BY_LABEL) == MANAGER:
        raise BadInput(f"{ref} was made by genai-tui already", next_step="edit it")
    read = read_back(live)
    if read is None:
        raise BadInput(f"{ref} runs neither vLLM nor NIM", next_step="only these can be deployed here")
    owners = live["metadata"].get("ownerReferences") or ()
    controller = next((f"{owner['kind']} {owner['name']}" for owner in owners if owner.get("controller")), "")
    managed_by = controller or labels.get(MANAGED_BY_LABEL) or "others"
    leftovers = [*_model(read, picture), *read.leftovers, *_callers(read, ref, controller)]
    taken = {row.ref.name for row in picture.deployments() if row.ref.namespace == ref.namespace}
    texts = {**read.texts, "name": _free(ref.name, taken), "namespace": ref.namespace}
    if texts.get("advanced.strategy") == "RollingUpdate":
        # What Kubernetes puts where nothing was chosen; ours does not wait for GPUs that its own old pods hold.
        texts["advanced.strategy"] = "auto"
    texts["description"] = f"adopted from {ref.name}"
    return Adoption(ref, managed_by, texts, tuple(leftovers))


def _free(name: str, taken: set[str]) -> str:
    """A name beside the old one: both run until the old one is taken away."""
    wanted, number = f"{name[:50]}-adopted", 2
    while wanted in taken:
        wanted, number = f"{name[:50]}-adopted-{number}", number + 1
    return wanted


def _model(read: ReadBack, picture: ClusterPicture) -> Sequence[Leftover]:
    """Choose the model of the catalogue that is what the engine was told."""
    image = read.texts.get("engine.image", "")
    for row in picture.models():
        if row.document is not None and _is(row.document.spec, read, image):
            read.texts["model"] = row.name
            return ()
    told = read.model or image
    why = "no model of the catalogue is this one: add it, then choose it" if told else "the model is not known"
    return (Leftover("model", told or "(not known)", why),)


def _is(spec: ModelSpec, read: ReadBack, image: str) -> bool:
    source = spec.source
    if isinstance(source, HubSource):
        told = (read.model or "").removeprefix("hf://").partition(":")[0]
        return source.repository == told and source.revision == (read.revision or "main")
    if isinstance(source, NgcSource):
        return read.texts.get("engine.type") == "nim" and _repository(source.image) == _repository(image)
    return bool(read.model) and (read.model or "").rstrip("/").endswith(f"/{source.path.strip('/')}")


def _repository(image: str) -> str:
    return image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]


def _callers(read: ReadBack, ref: Ref, controller: str) -> Sequence[Leftover]:
    """What those who call it, and what made it, have to know."""
    names = ", ".join(read.names)
    found = [Leftover("served names", names, "the new one answers to its own name and its model's")] if names else []
    text = f"{ref}"
    why = "goes on running, with its Service and its GPUs; take it away with what made it once the new one runs"
    found.append(Leftover("the old one", text, why))
    if controller:
        found.append(Leftover("owner", controller, "keeps the old one as it is"))
    return found
