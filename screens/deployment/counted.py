"""Tokens on the overview: what the engines counted, what of it is attributed, and the rest, which is nobody's."""

from __future__ import annotations

from datetime import timedelta

from genai_tui.domain.counters import Reconciliation
from screens import format as shown
from screens.deployment.sheet import Bit, Block, Grid, Heading, Space, Text

COUNTED_OVER = timedelta(hours=24)
COUNTED_EVERY_S = 10.0


def counted_blocks(line: Reconciliation | None) -> list[Block]:
    """Nothing where the engines were never read."""
    if line is None or line.counted is None or line.unattributed is None:
        return []
    rest = line.unattributed.total
    tone = "waiting" if rest else "quiet"
    share = f" {shown.percent(rest / line.counted.total)}" if rest > 0 and line.counted.total else ""
    cells = (
        ("by the engines", shown.count(line.counted.total), ""),
        ("attributed", shown.count(line.attributed.total), ""),
        ("unattributed", f"{shown.count(rest)}{share}", tone),
    )
    names = tuple(Bit(f"{name:>14}", "label") for name, _, _ in cells)
    values = tuple(Bit(f"{value:>14}", look) for _, value, look in cells)
    blocks: list[Block] = [Space(), Heading("TOKENS", f"since {shown.moment(line.since)} UTC"), Grid((names, values))]
    if line.restarts:
        blocks.append(Text(f"{shown.plural(line.restarts, 'restart')}: tokens counted just before are lost", "quiet"))
    return blocks
