"""The rollout: each replica's stages with their times, and the events of all, merged."""

from __future__ import annotations

from datetime import datetime

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from genai_tui.domain.cluster import Event
from genai_tui.domain.rows import DeploymentDetail, Phase, ReplicaRow
from screens import format as shown
from screens.deployment.overview import Tone

STAGES = (
    (Phase.PENDING, "schedule"),
    (Phase.PULLING, "pull"),
    (Phase.DOWNLOADING, "download"),
    (Phase.LOADING, "load"),
    (Phase.WARMING_UP, "warm up"),
    (Phase.RUNNING, "ready"),
)
EVENTS_SHOWN = 200


def rollout(detail: DeploymentDetail, now: datetime, tone: Tone) -> RenderableType:
    """Revisions, replicas, events."""
    parts: list[RenderableType] = [_revisions(detail, tone), Text(""), _replicas(detail, now, tone)]
    for row in detail.replicas:
        if row.assessment.cause:
            look = shown.phase_look(row.assessment.phase)
            parts.append(Text(f"{look.glyph} {row.pod.meta.name}: {row.assessment.cause}", tone(look.tone)))
            if row.assessment.fix:
                parts.append(Text(f"  what to do: {row.assessment.fix}", tone("accent")))
    parts += [Text(""), _events(detail, tone)]
    return Group(*parts)


def _revisions(detail: DeploymentDetail, tone: Tone) -> Text:
    text = Text()
    for i, rs in enumerate(detail.replicasets[:4]):
        style = tone("accent") if i == 0 else tone("quiet")
        text.append(f"revision {rs.revision or '?'}: {rs.ready}/{rs.replicas} ready   ", style)
    return text if text else Text("no ReplicaSet yet", tone("quiet"))


def _replicas(detail: DeploymentDetail, now: datetime, tone: Tone) -> RenderableType:
    if not detail.replicas:
        return Text("no pods", tone("quiet"))
    table = Table.grid(padding=(0, 2))
    for i, title in enumerate(("replica", *(name for _, name in STAGES), "node")):
        table.add_column(title, no_wrap=i != len(STAGES) + 1)
    table.add_row(*(Text(t, tone("quiet")) for t in ("replica", *(name for _, name in STAGES), "node")))
    for row in detail.replicas:
        table.add_row(*_replica(row, now, tone))
    return table


def _replica(row: ReplicaRow, now: datetime, tone: Tone) -> list[Text]:
    name = row.pod.meta.name.rsplit("-", 1)[-1]
    since = dict(row.stages)
    reached = [phase for phase, _ in STAGES if phase in since]
    current = row.assessment.phase
    cells = [Text(("" if row.current else "old ") + name, Style() if row.current else tone("quiet"))]
    for phase, _ in STAGES:
        cells.append(_stage(phase, current, since, reached, now, tone))
    restarts = sum(state.restarts for state in row.pod.states)
    place = row.pod.node or shown.MISSING
    cells.append(
        Text(place + (f"  {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""), tone("quiet"))
    )
    return cells


def _stage(
    phase: Phase, current: Phase, since: dict[Phase, datetime], reached: list[Phase], now: datetime, tone: Tone
) -> Text:
    """A stage: done with its time, going on, failed, or still to come."""
    look = shown.phase_look(current)
    at = since.get(phase)
    later = [p for p in reached if STAGES_ORDER[p] > STAGES_ORDER[phase]]
    if at is not None and later and current is not Phase.FAILED:
        if phase is Phase.RUNNING:
            return Text("✔", tone("good"))
        return Text(f"{shown.seconds((since[later[0]] - at).total_seconds())} ✔", tone("good"))
    if phase is Phase.RUNNING and current is Phase.RUNNING:
        return Text("✔", tone("good"))
    if phase is current or (at is not None and not later and current in (Phase.FAILED, Phase.TERMINATING)):
        spent = shown.seconds((now - at).total_seconds()) if at is not None else ""
        return Text(f"{look.glyph} {spent}".strip(), tone(look.tone))
    return Text(shown.MISSING, tone("quiet"))


STAGES_ORDER = {phase: i for i, (phase, _) in enumerate(STAGES)}


def merged(events: tuple[Event, ...]) -> list[Event]:
    """The newest of what was said the same way about the same object, newest first."""
    found: dict[tuple[str, str, str], Event] = {}
    for event in events:
        found[event.regarding_name, event.reason, event.message] = event
    ordered = sorted(found.values(), key=lambda e: (e.last_seen is not None, e.last_seen, e.meta.name), reverse=True)
    return ordered[:EVENTS_SHOWN]


def _events(detail: DeploymentDetail, tone: Tone) -> RenderableType:
    events = merged(detail.events)
    if not events:
        return Text("no events (they are kept for an hour)", tone("quiet"))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style=tone("quiet"))
    table.add_column(no_wrap=True, style=tone("quiet"))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for event in events:
        style = tone("waiting") if event.type == "Warning" else Style()
        times = f" ×{event.count}" if event.count > 1 else ""
        about = (
            event.regarding_name.rsplit("-", 1)[-1] if event.regarding_kind == "Pod" else event.regarding_kind.lower()
        )
        table.add_row(shown.clock(event.last_seen), about, Text(event.reason + times, style), Text(event.message))
    return table
