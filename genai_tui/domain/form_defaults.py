"""Sensible first values of a deployment form, sized to the model and to the nodes.

Sizing: GPU memory wanted = weights x 1.2 + 2 GiB at 16 bits a parameter, of which each GPU gives 90 % (the rule
GPUStack starts from). It is a lower bound, as the context's own memory is not in it; the engine has the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from genai_tui.domain.catalogue import NgcSource, parameter_count
from genai_tui.domain.documents import Model
from genai_tui.domain.drafts import DEPLOYMENT_FORM
from genai_tui.domain.form_facts import Facts
from genai_tui.domain.form_field import Draft
from genai_tui.domain.rows import NodeRow

_GIB = 2**30
_USABLE = 0.9
_DEFAULT_GPU_GIB = 80
_UNKNOWN_GPUS = 1


@dataclass(frozen=True, slots=True)
class Size:
    """What one replica needs, as a form says it."""

    cpu: str
    memory: str
    gpu: int


def size_for(model: Model, nodes: Sequence[NodeRow]) -> Size:
    """CPU, memory and GPUs for one replica. A model of unknown size gets one GPU and a middling rest."""
    if model.spec.parameters is None:
        return Size("4", "16Gi", _UNKNOWN_GPUS)
    weights = parameter_count(model.spec.parameters) * 2
    per_gpu = max((row.gpu_memory_mib or 0 for row in nodes), default=0) * 2**20 or _DEFAULT_GPU_GIB * _GIB
    wanted = weights * 1.2 + 2 * _GIB
    gpus = 1
    # A power of two: attention heads must divide by the number of GPUs.
    while gpus < 64 and gpus * per_gpu * _USABLE < wanted:
        gpus *= 2
    # One replica's weights pass through main memory on their way to the GPUs, beside the engine itself.
    memory = 4 * -(-int(weights * 1.2 + 4 * _GIB) // (4 * _GIB))
    small = weights < 2 * _GIB
    return Size("2" if small else str(4 * gpus), f"{max(4, memory) if not small else 4}Gi", gpus)


def free_name(wanted: str, namespace: str, facts: Facts) -> str:
    """`wanted` as a name, or `wanted-2` and so on where the namespace has it already; `vllm` is never free.

    Models may have dots in their names, deployments may not.
    """
    wanted = wanted.replace(".", "-")
    taken = {row.ref.name for row in facts.deployments if row.ref.namespace == namespace} | {"vllm"}
    name, number = wanted[:63].rstrip("-"), 2
    while name in taken:
        suffix = f"-{number}"
        name, number = f"{wanted[: 63 - len(suffix)].rstrip('-')}{suffix}", number + 1
    return name


def suggested_for(model: Model, facts: Facts) -> dict[str, str]:
    """The texts that follow from a model: engine, image, resources."""
    size = size_for(model, facts.nodes)
    texts = {"resources.cpu": size.cpu, "resources.memory": size.memory, "resources.gpu": str(size.gpu)}
    source = model.spec.source
    if isinstance(source, NgcSource):
        texts |= {"engine.type": "nim", "engine.image": source.image}
    else:
        blank = DEPLOYMENT_FORM.blank()
        texts |= {field: blank[field] for field in ("engine.type", "engine.image")}
    return texts


def new_draft(facts: Facts, *, namespace: str = "", model: str = "") -> dict[str, str]:
    """The form as it is first shown: what can be known is filled in, nothing is invented.

    The only namespace, and the only endpoint inside the cluster, are chosen as there is no choice.
    """
    draft = DEPLOYMENT_FORM.blank()
    draft["namespace"] = namespace or (facts.namespaces[0] if len(facts.namespaces) == 1 else "")
    inside = [row.name for row in facts.endpoints if row.document and row.document.spec.exposure == "cluster"]
    draft["endpoint"] = inside[0] if len(inside) == 1 else ""
    return choose_model(draft, model, facts, untouched=frozenset(draft)) if model else draft


def choose_model(draft: Draft, name: str, facts: Facts, *, untouched: frozenset[str]) -> dict[str, str]:
    """The form after a model was chosen: what nobody has typed yet follows the model.

    Args:
        draft: the form so far.
        name: the chosen model.
        facts: what exists.
        untouched: ids of the fields that still hold a suggestion.
    """
    chosen = {**draft, "model": name}
    model = facts.model(name)
    if model is None:
        return chosen
    texts = suggested_for(model, facts)
    texts["name"] = free_name(name, draft.get("namespace", ""), facts)
    return {**chosen, **{field: text for field, text in texts.items() if field in untouched}}
