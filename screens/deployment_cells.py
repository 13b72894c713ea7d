"""A deployment as a line of the home list."""

from __future__ import annotations

from datetime import datetime

from genai_tui.domain.rows import DeploymentRow
from screens.format import MISSING, age, count, phase_look, phase_text, rate, ratio
from screens.widgets.table_columns import Cell, Cells, Column

COLUMNS = (
    Column("name", "NAME", least=10, most=32),
    Column("namespace", "NAMESPACE", least=8, most=20, rank=2),
    Column("model", "MODEL", least=8, most=24, rank=4),
    Column("engine", "ENGINE", least=6, most=6, rank=7),
    Column("phase", "PHASE", least=36, most=200, flexible=True),
    Column("ready", "READY", least=5, most=9, right=True, rank=1),
    Column("gpus", "GPUS", least=4, most=6, right=True, rank=3),
    Column("endpoint", "ENDPOINT", least=8, most=18, rank=9),
    Column("requests", "REQ/S", least=5, most=7, right=True, rank=8),
    Column("tokens", "TOK/S", least=5, most=7, right=True, rank=6),
    Column("age", "AGE", least=4, most=5, right=True, rank=5),
)
SORT_KEYS = {
    "N": "name",
    "W": "namespace",
    "M": "model",
    "E": "engine",
    "P": "phase",
    "R": "ready",
    "U": "gpus",
    "O": "endpoint",
    "Q": "requests",
    "T": "tokens",
    "A": "age",
}
"""Shift and a letter sorts by a column; the same again turns the order round, then takes it away."""


def cells_of(row: DeploymentRow, now: datetime) -> Cells:
    """The line. Glyph, phase and cause stand in one cell; what others made says whose it is."""
    look = phase_look(row.assessment.phase)
    phase = f"{look.glyph} {phase_text(row.assessment)}"
    name, tone = row.ref.name, ""
    if row.foreign:
        name, tone = f"{name} ⌁{row.managed_by}", "quiet"
    traffic = row.traffic
    return (
        Cell(name, tone),
        Cell(row.ref.namespace, "quiet"),
        Cell(row.model or MISSING, tone if row.model else "quiet"),
        Cell(row.engine or MISSING, "quiet"),
        Cell(phase, look.tone, float(look.urgency)),
        Cell(ratio(row.ready, row.replicas), tone, row.ready / row.replicas if row.replicas else 1.0),
        Cell(count(row.gpus), tone if row.gpus is not None else "quiet", row.gpus),
        Cell(row.endpoint or MISSING, tone if row.endpoint else "quiet"),
        _rate(traffic.requests_per_second),
        _rate(traffic.tokens_per_second),
        Cell(age(row.created, now), "quiet", -row.created.timestamp() if row.created else None),
    )


def _rate(value: float | None) -> Cell:
    return Cell(rate(value), "" if value else "quiet", value)
