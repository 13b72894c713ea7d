"""`genai-tui get`: what the screens list, without a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from genai_tui.commands.key_rows import COLUMNS as KEY_COLUMNS
from genai_tui.commands.key_rows import WIDE as KEY_WIDE
from genai_tui.commands.key_rows import ReadKey, key_cells, key_item, read_keys
from genai_tui.commands.nodes import COLUMNS, WIDE, ReadNode, node_cells, node_item, read_nodes
from genai_tui.commands.output import Format, Row, age, as_json, as_table, as_yaml, note, timestamp, write
from genai_tui.domain.cluster import Kind
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.rows import DeploymentRow, EndpointRow, ModelRow, NodeRow, OrganizationRow
from genai_tui.errors import NotFound, NotPermitted
from genai_tui.services import Services


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of one kind in every form: `items` for JSON, `columns` and `cells` for tables."""

    items: Sequence[Row]
    columns: Sequence[str]
    cells: Sequence[Sequence[object]]


async def get(
    services: Services, kind: str, name: str | None, namespace: str | None, form: Format, *, ask_others: bool = False
) -> None:
    """Print the rows of `kind`, all or the one called `name`, of one namespace or of all.

    `ask_others` is for nodes: whether a command may be run in pods that were not made here to learn of their GPUs.

    Raises:
        NotPermitted: they may not be listed.
        NotFound: when `name` is given and nothing is called so; the nearest name is offered.
    """
    now = services.clock()
    rows: Sequence[object]
    if kind == "keys":
        rows = await services.keys.listed()
    else:
        await services.settle()
        rows = _ROWS[kind](services)
        missing = services.picture.health.not_visible(_KINDS.get(kind, Kind.CONFIGMAP))
        if not rows and missing:
            raise NotPermitted(f"{kind} are {missing}")
    if kind == "deployments" and namespace is not None:
        rows = [row for row in rows if isinstance(row, DeploymentRow) and row.ref.namespace == namespace]
    if name is not None:
        names = [_name(row) for row in rows]
        rows = [row for row in rows if _name(row) == name]
        if not rows:
            where = f" in namespace {namespace}" if namespace and kind == "deployments" else ""
            raise NotFound(f"no {kind.removesuffix('s')} is called '{name}'{where}{did_you_mean(name, names)}")
    rows = await _read(services, rows, ask_others=ask_others)
    within = services.picture.health.within
    if kind == "deployments" and namespace is None and within is not None:
        note(f"genai-tui: only namespace {within} is visible to you")
    listing = _list(kind, rows, now, wide=form == "wide")
    if form in ("json", "yaml"):
        document = {"items": list(listing.items)}
        write(as_json(document) if form == "json" else as_yaml(document))
    elif not listing.items:
        where = f" in namespace {namespace}" if namespace and kind == "deployments" else ""
        write(f"no {kind}{where}")
    else:
        write(as_table(listing.columns, listing.cells))


async def _read(services: Services, rows: Sequence[object], *, ask_others: bool) -> Sequence[object]:
    """What is asked elsewhere of rows of some kinds: what GPUs do, when keys were used."""
    nodes = [row for row in rows if isinstance(row, NodeRow)]
    keys = [row for row in rows if isinstance(row, KeyRecord)]
    if keys:
        return await read_keys(services, keys)
    if not nodes:
        return rows
    read = await read_nodes(services, nodes, ask_others=ask_others)
    for about in dict.fromkeys(node.about for node in read if node.about and not node.gpus):
        note(f"genai-tui: GPUs: {about}")
    return read


def _name(row: object) -> str:
    match row:
        case DeploymentRow():
            return row.ref.name
        case NodeRow():
            return row.node.meta.name
        case KeyRecord():
            return row.id
        case ModelRow() | EndpointRow() | OrganizationRow():
            return row.name
        case _:
            raise TypeError(f"not a row: {type(row).__name__}")


_ROWS: dict[str, Callable[[Services], Sequence[object]]] = {
    "deployments": lambda s: s.picture.deployments(),
    "models": lambda s: s.picture.models(),
    "endpoints": lambda s: s.picture.endpoints(),
    "organizations": lambda s: s.picture.organizations(),
    "nodes": lambda s: s.picture.nodes(),
}


_KINDS = {"deployments": Kind.DEPLOYMENT, "nodes": Kind.NODE}
"""Where the rows come from that are not of the catalogue."""


def _list(kind: str, rows: Sequence[object], now: datetime, *, wide: bool) -> Listing:
    columns = _COLUMNS[kind] + (_WIDE.get(kind, ()) if wide else ())
    pairs = [_render(row, now) for row in rows]
    return Listing([item for item, _ in pairs], columns, [cells[: len(columns)] for _, cells in pairs])


_COLUMNS: dict[str, tuple[str, ...]] = {
    "deployments": ("name", "namespace", "model", "engine", "phase", "ready", "gpus", "age"),
    "models": ("name", "provider", "source", "use case", "deployments", "age"),
    "endpoints": ("name", "hostname", "exposure", "deployments", "age"),
    "organizations": ("name", "display name", "users", "age"),
    "nodes": COLUMNS,
    "keys": KEY_COLUMNS,
}
_WIDE: dict[str, tuple[str, ...]] = {
    "deployments": ("endpoint", "served names", "managed by"),
    "models": ("context", "parameters", "description"),
    "endpoints": ("description",),
    "nodes": WIDE,
    "keys": KEY_WIDE,
}


def _render(row: object, now: datetime) -> tuple[Row, Sequence[object]]:
    match row:
        case DeploymentRow():
            return deployment_item(row), _deployment_cells(row, now)
        case ModelRow():
            return _model(row, now)
        case EndpointRow():
            return _endpoint(row, now)
        case OrganizationRow():
            return _organization(row, now)
        case ReadNode():
            return node_item(row), node_cells(row, now)
        case ReadKey():
            return key_item(row, now), key_cells(row, now)
        case _:
            raise TypeError(f"not a row: {type(row).__name__}")


def deployment_item(row: DeploymentRow) -> Row:
    """A deployment as `get deployments -o json` promises it (docs/cli.md)."""
    return {
        "name": row.ref.name,
        "namespace": row.ref.namespace,
        "model": row.model,
        "endpoint": row.endpoint,
        "engine": row.engine,
        "phase": row.assessment.phase.value,
        "cause": row.assessment.cause,
        "ready": row.ready,
        "replicas": row.replicas,
        "gpus": row.gpus,
        "servedNames": list(row.served_names),
        "managedBy": row.managed_by,
        "created": timestamp(row.created),
    }


def _deployment_cells(row: DeploymentRow, now: datetime) -> Sequence[object]:
    phase, cause = row.assessment.phase.value, row.assessment.cause
    return (
        row.ref.name,
        row.ref.namespace,
        row.model,
        row.engine,
        f"{phase}: {cause}" if cause else phase,
        f"{row.ready}/{row.replicas}",
        row.gpus,
        age(row.created, now),
        row.endpoint,
        ", ".join(row.served_names),
        row.managed_by,
    )


def _model(row: ModelRow, now: datetime) -> tuple[Row, Sequence[object]]:
    spec = row.document.spec if row.document else None
    source = spec.source.model_dump(mode="json", exclude_none=True) if spec else None
    place = (
        next((v for k, v in source.items() if k in ("repository", "image", "claim")), None) if source else row.problem
    )
    item: Row = {
        "name": row.name,
        "description": spec.description if spec else None,
        "useCase": spec.use_case.value if spec else None,
        "provider": spec.provider if spec else None,
        "source": source,
        "contextLength": spec.context_length if spec else None,
        "parameters": spec.parameters if spec else None,
        "deployments": row.deployments,
        "problem": row.problem,
        "created": timestamp(row.created),
    }
    cells = (row.name, item["provider"], place, item["useCase"], row.deployments, age(row.created, now))
    return item, (*cells, item["contextLength"], item["parameters"], item["description"])


def _endpoint(row: EndpointRow, now: datetime) -> tuple[Row, Sequence[object]]:
    spec = row.document.spec if row.document else None
    item: Row = {
        "name": row.name,
        "description": spec.description if spec else None,
        "hostname": spec.hostname if spec else None,
        "exposure": spec.exposure if spec else None,
        "deployments": row.deployments,
        "problem": row.problem,
        "created": timestamp(row.created),
    }
    shown = item["hostname"] or row.problem
    return item, (row.name, shown, item["exposure"], row.deployments, age(row.created, now), item["description"])


def _organization(row: OrganizationRow, now: datetime) -> tuple[Row, Sequence[object]]:
    spec = row.document.spec if row.document else None
    item: Row = {
        "name": row.name,
        "displayName": spec.display_name if spec else None,
        "users": list(spec.users) if spec else None,
        "problem": row.problem,
        "created": timestamp(row.created),
    }
    users = ", ".join(spec.users) if spec else row.problem
    return item, (row.name, item["displayName"], users, age(row.created, now))
