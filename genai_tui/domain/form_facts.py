"""A form against what exists: what would fail, what would only wait, what to suggest.

Pure functions over the rows of the picture. A list the identity may not read arrives empty, and then nothing is
said about it: not knowing is not a problem of the form.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from genai_tui.domain.catalogue import NgcSource
from genai_tui.domain.cluster import Taint
from genai_tui.domain.currencies import currencies
from genai_tui.domain.deployment import EngineType, Toleration
from genai_tui.domain.documents import Model
from genai_tui.domain.form_field import Choices, Draft
from genai_tui.domain.form_lines import numbered, read_selector, read_tolerations, write_toleration
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.pace import StartKind, Usual
from genai_tui.domain.problems import FieldProblem
from genai_tui.domain.quantities import parse_quantity
from genai_tui.domain.rows import DeploymentRow, EndpointRow, ModelRow, NodeRow, OrganizationRow, Ref
from genai_tui.domain.tolerating import tolerates

_HOST = "kubernetes.io/hostname"
_ZONE = "topology.kubernetes.io/zone"
_DULL_LABELS = ("kubernetes.io/hostname", "beta.kubernetes.io/", "node.kubernetes.io/instance-type")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a form is checked against. Empty sequences mean not known, or none."""

    models: Sequence[ModelRow] = ()
    endpoints: Sequence[EndpointRow] = ()
    organizations: Sequence[OrganizationRow] = ()
    deployments: Sequence[DeploymentRow] = ()
    nodes: Sequence[NodeRow] = ()
    namespaces: Sequence[str] = ()
    usual_start: Callable[[StartKind], Usual | None] = lambda _: None
    """What starts of an image and model took in this cluster."""

    def model(self, name: str) -> Model | None:
        """The catalogue model of that name, when it is there and readable."""
        return next((row.document for row in self.models if row.name == name), None)


@dataclass(frozen=True, slots=True)
class Findings:
    """`problems` stop the deployment; `warnings` say what will wait or cost something."""

    problems: tuple[FieldProblem, ...] = ()
    warnings: tuple[FieldProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose or to insert: the text, and what it is."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the checks look at, read from a form that may be wrong elsewhere."""

    ref: Ref
    model: str
    endpoint: str
    organizations: tuple[tuple[int, str], ...]
    engine: str
    image: str
    context_length: int | None
    startup_budget: int | None
    gpus: int | None
    gpu_resource: str
    tolerations: tuple[Toleration, ...]
    node_selector: Mapping[str, str]


def _asked(draft: Draft) -> _Asked:
    def text(field: str) -> str:
        return draft.get(field, "").strip()

    def number(field: str) -> int | None:
        digits = text(field).replace(",", "").replace("_", "")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None

    shared = draft.get("sharing.organizations", "") if text("sharing.mode") == "organizations" else ""
    return _Asked(
        ref=Ref(text("namespace"), text("name")),
        model=text("model"),
        endpoint=text("endpoint"),
        organizations=tuple((at, name) for at, line in numbered(shared) for name in line.replace(",", " ").split()),
        engine=text("engine.type"),
        image=text("engine.image"),
        startup_budget=number("engine.startupBudgetSeconds"),
        context_length=number("engine.contextLength"),
        gpus=number("resources.gpu") if text("resources.gpu") else 1,
        gpu_resource=text("resources.gpuResource") or "nvidia.com/gpu",
        tolerations=read_tolerations(draft.get("advanced.tolerations", "")).value,
        node_selector=read_selector(draft.get("advanced.nodeSelector", "")).value,
    )


def check_against(draft: Draft, facts: Facts, editing: Ref | None = None) -> Findings:
    """What the cluster says about a deployment form, even while other fields of it are wrong.

    Args:
        draft: the form as typed.
        facts: what exists.
        editing: the deployment that is being changed, which is no duplicate of itself.
    """
    asked = _asked(draft)
    problems = [
        *_name(asked.ref, facts, editing),
        *_unknown("namespace", asked.ref.namespace, "namespace", facts.namespaces),
        *_unknown("model", asked.model, "model", [row.name for row in facts.models], closed=True),
        *_unknown("endpoint", asked.endpoint, "endpoint", [row.name for row in facts.endpoints], closed=True),
        *_organizations(asked, facts),
        *_gpus(asked, facts),
    ]
    return Findings(tuple(problems), (*_model_fits(asked, facts), *_placement(asked, facts), *_starts(asked, facts)))


def usual_start_of(draft: Draft, facts: Facts) -> Usual | None:
    """What starts of the image and model of a form took in this cluster; None where none was seen."""
    return _usual_start(_asked(draft), facts)


def _usual_start(asked: _Asked, facts: Facts) -> Usual | None:
    return facts.usual_start(StartKind(asked.image, asked.model, asked.gpus or 0))


def _starts(asked: _Asked, facts: Facts) -> Iterable[FieldProblem]:
    """A budget that is shorter than what such starts take. One sized to the model is looked at in the review."""
    usual = _usual_start(asked, facts)
    if usual is None or asked.startup_budget is None:
        return
    if asked.startup_budget < max(usual.loading, usual.last_loading):
        text = f"pods would be restarted before they are ready: {usual.loads_in_words()}; {usual.enough} leaves room"
        yield FieldProblem("engine.startupBudgetSeconds", text)


def _name(ref: Ref, facts: Facts, editing: Ref | None) -> Iterable[FieldProblem]:
    if ref.name == EngineType.VLLM:
        yield FieldProblem(
            "name",
            "a Service named vllm sets VLLM_PORT in every pod of the namespace, which stops vLLM; choose another name",
        )
    if ref != editing and any(row.ref == ref for row in facts.deployments):
        yield FieldProblem("name", f"{ref.namespace} already has a deployment named {ref.name}; choose another name")
    if not ref.namespace:
        yield FieldProblem("namespace", "may not be empty")


def _unknown(
    field: str, name: str, what: str, known: Sequence[str], *, closed: bool = False, line: int | None = None
) -> Iterable[FieldProblem]:
    if name in known or not name or not (known or closed):
        return
    if not known:
        yield FieldProblem(field, f"there is no {what} '{name}'; there are no {what}s yet", line)
        return
    yield FieldProblem(field, f"there is no {what} '{name}'{did_you_mean(name, known)}", line)


def _organizations(asked: _Asked, facts: Facts) -> Iterable[FieldProblem]:
    known = [row.name for row in facts.organizations]
    for line, name in asked.organizations:
        yield from _unknown("sharing.organizations", name, "organization", known, line=line)


def _capacity(node: NodeRow, resource: str) -> int:
    if node.gpu_resource == resource:
        return node.gpu_total
    return int(parse_quantity(node.node.allocatable.get(resource, "0")))


def _gpus(asked: _Asked, facts: Facts) -> Iterable[FieldProblem]:
    wanted, resource = asked.gpus, asked.gpu_resource
    if not wanted or not facts.nodes:
        return
    best = max(facts.nodes, key=lambda node: _capacity(node, resource))
    largest = _capacity(best, resource)
    if largest >= wanted:
        return
    if largest:
        text = f"no node has {wanted} {resource}; the largest has {largest} ({best.node.meta.name})"
        yield FieldProblem("resources.gpu", text)
        return
    others = sorted({node.gpu_resource for node in facts.nodes if node.gpu_resource})
    hint = f"; the nodes have {', '.join(others)}" if others else ""
    yield FieldProblem("resources.gpuResource", f"no node has any {resource}{hint}")


def _model_fits(asked: _Asked, facts: Facts) -> Iterable[FieldProblem]:
    model = facts.model(asked.model)
    if model is None:
        return
    made_for = model.spec.context_length
    from_ngc = isinstance(model.spec.source, NgcSource)
    if asked.engine == EngineType.NIM and not from_ngc:
        yield FieldProblem(
            "engine.type",
            f"model {asked.model} does not come from NGC: the image must be a NIM that can load it by itself",
        )
    if asked.engine == EngineType.VLLM and from_ngc:
        yield FieldProblem("engine.type", f"model {asked.model} is an image of NGC, which vLLM cannot load")
    if made_for is not None and asked.context_length is not None and asked.context_length > made_for:
        yield FieldProblem(
            "engine.contextLength", f"the model was made for {made_for:,} tokens; the engine may refuse to start"
        )


def _placement(asked: _Asked, facts: Facts) -> Iterable[FieldProblem]:
    """What makes pods wait although some node is large enough."""
    wanted, resource = asked.gpus, asked.gpu_resource
    chosen = [node for node in facts.nodes if asked.node_selector.items() <= node.node.meta.labels.items()]
    if asked.node_selector and facts.nodes and not chosen:
        yield FieldProblem("advanced.nodeSelector", "no node has all of these labels: the pods will wait for one")
        return
    if not wanted or not any(_capacity(node, resource) >= wanted for node in facts.nodes):
        return
    large = [node for node in chosen if _capacity(node, resource) >= wanted]
    if not large:
        yield FieldProblem("advanced.nodeSelector", f"no node with these labels has {wanted} {resource}")
        return
    willing = [node for node in large if not _refusing(node, asked.tolerations)]
    if not willing:
        line = write_toleration(toleration_of(_refusing(large[0], asked.tolerations)[0]))
        node = large[0].node.meta.name
        yield FieldProblem(
            "advanced.tolerations", f"every node with {wanted} {resource} is tainted ({node}); add {line}"
        )
        return
    best = max(willing, key=lambda node: node.gpu_free)
    if best.gpu_resource == resource and best.gpu_free < wanted:
        yield FieldProblem(
            "resources.gpu",
            f"no node has {wanted} free {resource} now (most: {best.gpu_free} on {best.node.meta.name}); "
            "replicas will wait",
        )


def _refusing(node: NodeRow, tolerations: Sequence[Toleration]) -> list[Taint]:
    """The taints that keep the pods away."""
    return [
        taint
        for taint in node.node.taints
        if taint.effect != "PreferNoSchedule" and not any(tolerates(each, taint) for each in tolerations)
    ]


def toleration_of(taint: Taint) -> Toleration:
    """The toleration that matches just this taint."""
    equal = {"operator": "Equal", "value": taint.value} if taint.value else {"operator": "Exists"}
    return Toleration.model_validate({"key": taint.key, "effect": taint.effect, **equal})


# Choices --------------------------------------------------------------------------------------------------------------


def choices_of(source: Choices, facts: Facts, draft: Draft) -> tuple[Choice, ...]:
    """What can be chosen for, or inserted into, a field of the form as it is now."""
    match source:
        case Choices.STARTS:
            took = usual_start_of(draft, facts)
            return (Choice(str(took.enough), took.loads_in_words()),) if took is not None else ()
        case Choices.MODELS:
            return tuple(Choice(row.name, _about_model(row)) for row in facts.models)
        case Choices.ENDPOINTS:
            return tuple(Choice(row.name, _about_endpoint(row)) for row in facts.endpoints)
        case Choices.NAMESPACES:
            return tuple(Choice(name) for name in facts.namespaces)
        case Choices.ORGANIZATIONS:
            return tuple(
                Choice(row.name, row.document.spec.display_name if row.document else "") for row in facts.organizations
            )
        case Choices.CURRENCIES:
            first = ("USD", "EUR", "GBP", "JPY", "CHF")
            known = currencies()
            codes = (*first, *(code for code in known if code not in first))
            return tuple(Choice(code, known[code].name) for code in codes)
        case _:
            return _from_nodes(source, facts.nodes)


def _about_model(row: ModelRow) -> str:
    if row.document is None:
        return row.problem or "cannot be read"
    spec = row.document.spec
    parts = [spec.use_case.value, spec.parameters or "", spec.source.type, spec.description]
    return " · ".join(part for part in parts if part)


def _about_endpoint(row: EndpointRow) -> str:
    if row.document is None:
        return row.problem or "cannot be read"
    spec = row.document.spec
    return " · ".join(part for part in (spec.exposure, spec.hostname, spec.description) if part)


def _from_nodes(source: Choices, nodes: Sequence[NodeRow]) -> tuple[Choice, ...]:
    held: dict[str, list[str]] = defaultdict(list)
    for row in nodes:
        for text in _offered(source, row):
            held[text].append(row.node.meta.name)
    order = sorted(held.items(), key=lambda item: (not item[0].startswith("nvidia.com/"), item[0]))
    return tuple(Choice(text, _on_nodes(names)) for text, names in order)


def _offered(source: Choices, row: NodeRow) -> Iterable[str]:
    node = row.node
    match source:
        case Choices.GPU_RESOURCES:
            known = {row.gpu_resource} if row.gpu_resource else set()
            return known | {name for name in node.allocatable if "/" in name}
        case Choices.TAINTS:
            return {write_toleration(toleration_of(taint)) for taint in node.taints}
        case Choices.NODE_LABELS:
            return {f"{key}={value}" for key, value in node.meta.labels.items() if not key.startswith(_DULL_LABELS)}
        case Choices.TOPOLOGY:
            keys = [key for key in (_HOST, _ZONE) if key in node.meta.labels]
            return {f"{way} app=web on {key}" for way in ("near", "apart") for key in keys}
        case _:
            return ()


def _on_nodes(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
