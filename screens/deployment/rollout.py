"""The rollout: which revisions there are, how far each replica is, what happened."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from genai_tui.domain.cluster import ReplicaSet
from genai_tui.domain.pace import Usual, in_words, outlook
from genai_tui.domain.rows import DeploymentDetail, Health, Phase, ReplicaRow
from screens import format as shown
from screens.deployment.sheet import Bit, Block, Grid, Heading, Line, Space, Text
from screens.deployment.timeline import STAGES, Happening, Stage, StageState, happenings, short_name, stages_of

CELL = 8
"""Cells of one stage, just wide enough for `✔ 12m34s`: at 80 columns the node and its restarts stand beside them."""
_RAILS = {
    StageState.DONE: "━",
    StageState.SKIPPED: "━",
    StageState.NOW: "╌",
    StageState.STUCK: "╌",
    StageState.AHEAD: "╌",
}
_TONES = {
    StageState.DONE: "good",
    StageState.SKIPPED: "good",
    StageState.NOW: "busy",
    StageState.STUCK: "bad",
    StageState.AHEAD: "quiet",
}


def rollout(
    detail: DeploymentDetail,
    now: datetime,
    width: int,
    health: Health | None = None,
    known: Usual | None = None,
    replacing: str = "",
) -> list[Block]:
    """Everything about the rollout, from the newest revision to the oldest event: what is new stands where one looks.

    `health` says what is not seen, `known` what such starts usually take in this cluster, `replacing` how the next
    rollout replaces the replicas, and why so.
    """
    hidden = health.not_visible("Pod", "ReplicaSet") if health is not None else ""
    blocks: list[Block] = (
        [Text(f"replicas are {hidden}", "waiting")] if hidden else list(_revisions(detail, now, width))
    )
    if known is not None:
        blocks[1:1] = _outlook(detail, now, known)
    if replacing:
        blocks += [Space(), Text(replacing, "quiet")]
    told = happenings(detail.events)
    nothing = "none kept; the cluster keeps them for about an hour"
    nothing = (health.not_visible("Event") if health is not None else "") or nothing
    blocks += [Space(), Heading("EVENTS", "newest first" if told else nothing)]
    if told:
        blocks.append(event_grid(told[::-1]))
    return blocks


def _outlook(detail: DeploymentDetail, now: datetime, known: Usual) -> list[Block]:
    """How long the replicas that start still take: the slowest of them; nothing where none starts."""
    resting = (Phase.FAILED, Phase.TERMINATING, Phase.RUNNING)
    found = [
        outlook(row.stages, now, known)
        for row in detail.replicas
        if row.current and row.assessment.phase not in resting
    ]
    ahead = [one for one in found if one is not None]
    if not ahead:
        return []
    return [Text(in_words(max(seconds for seconds, _ in ahead), any(late for _, late in ahead), known), "quiet")]


def moving(detail: DeploymentDetail) -> bool:
    """Whether a stage is under way, so that its time goes on."""
    resting = (Phase.RUNNING, Phase.FAILED, Phase.TERMINATING)
    return any(row.assessment.phase not in resting for row in detail.replicas)


def _revisions(detail: DeploymentDetail, now: datetime, width: int) -> Iterator[Block]:
    by_set: dict[str, list[ReplicaRow]] = {}
    for row in detail.replicas:
        by_set.setdefault(row.pod.meta.owner or "", []).append(row)
    current = [row for row in detail.replicas if row.current]
    old = [row for row in detail.replicas if not row.current]
    newest = next((rs for rs in detail.replicasets if rs.revision == detail.workload.revision), None)
    yield Heading(_revision_title("REVISION", newest, detail.workload.revision), _revision_remark(detail, newest, now))
    if current:
        yield _bars(current, now, width)
        yield from _causes(current)
    else:
        yield Text("no replica yet" if detail.workload.replicas else "stopped: no replicas are wanted", "quiet")
    if old:
        sets = {rs.meta.uid: rs for rs in detail.replicasets}
        revisions = sorted({sets[uid].revision for uid in by_set if uid in sets and sets[uid] is not newest})
        named = f"REVISION {', '.join(revisions)}" if revisions else "BEFORE"
        yield Space()
        yield Heading(named, f"previous, {shown.plural(len(old), 'replica')} left")
        yield _bars(old, now, width)
        yield from _causes(old)


def _revision_title(word: str, found: ReplicaSet | None, revision: str) -> str:
    return f"{word} {found.revision if found is not None else revision or shown.MISSING}"


def _revision_remark(detail: DeploymentDetail, found: ReplicaSet | None, now: datetime) -> str:
    workload = detail.workload
    ready = sum(row.assessment.phase is Phase.RUNNING for row in detail.replicas if row.current)
    parts = [f"{ready} of {workload.replicas} ready"]
    if found is not None and found.meta.created is not None:
        age = shown.age(found.meta.created, now)
        parts.append("just made" if age == "now" else f"{age} old")
    parts.append("stops all, then starts" if workload.strategy == "Recreate" else "replaces one by one")
    if workload.paused:
        parts.append("PAUSED")
    return "   ".join(parts)


def _bars(rows: list[ReplicaRow], now: datetime, width: int) -> Grid:
    cell = CELL if width < 110 else 14
    head: Line = (
        Bit("replica", "label"),
        *(Bit(f"{title:<{cell}}"[:cell], "label") for _, title in STAGES),
        Bit("node", "label"),
    )
    return Grid((head, *(_bar(row, now, cell) for row in rows)), cut=True, gap=1)


def _bar(row: ReplicaRow, now: datetime, cell: int) -> Line:
    stages = stages_of(row, now)
    cells = [_cell(stage, row, cell, last=i == len(stages) - 1) for i, stage in enumerate(stages)]
    going = row.assessment.phase is Phase.TERMINATING
    name = Bit(short_name(row.pod.meta.name), "quiet" if going or not row.current else "strong")
    return (name, *cells, Bit(_place(row), "quiet"))


def _cell(stage: Stage, row: ReplicaRow, size: int, *, last: bool) -> Bit:
    state, tone = stage.state, _TONES[stage.state]
    if row.assessment.phase is Phase.TERMINATING:
        tone = "quiet"
    elif state is StageState.STUCK and row.assessment.phase is not Phase.FAILED:
        tone = "waiting"
    took = _took(stage.seconds)
    if state is StageState.DONE:
        text = f"✔ {took}"
    elif state is StageState.NOW:
        text = f"{shown.phase_look(row.assessment.phase).glyph} {_share(stage) or took}"
    elif state is StageState.STUCK:
        text = f"{shown.phase_look(row.assessment.phase).glyph} {took}"
    else:
        text = "" if state is StageState.SKIPPED else "·"
    text = text.strip()
    rail = "" if last else _RAILS[state] * (size - len(text) - (1 if text else 0))
    return Bit(f"{text} {rail}".strip() if rail else text, tone)


def _took(seconds: float | None) -> str:
    """Whole seconds: tenths would change all the time and tell nothing."""
    if seconds is None:
        return ""
    return f"{seconds:.0f}s" if seconds < 10 else shown.seconds(seconds).replace(" ", "")


def _share(stage: Stage) -> str:
    return "" if stage.progress is None else shown.percent(stage.progress)


def _place(row: ReplicaRow) -> str:
    if row.pod.node is None:
        return shown.MISSING
    restarts = sum(state.restarts for state in row.pod.states)
    return row.pod.node + (f" ↻{restarts}" if restarts else "")


def _causes(rows: list[ReplicaRow]) -> Iterator[Block]:
    """Why replicas are where they are; what holds for several is said once."""
    said: dict[tuple[str, str | None], list[str]] = {}
    for row in rows:
        if row.assessment.cause:
            said.setdefault((row.assessment.cause, row.assessment.fix), []).append(short_name(row.pod.meta.name))
    for (cause, fix), names in said.items():
        who = "" if len(rows) == len(names) else f"{', '.join(names)}: "
        yield Text(f"{who}{cause}", "strong", 2)
        if fix:
            yield Text(f"do: {fix}", "", 2)


def event_grid(told: tuple[Happening, ...]) -> Grid:
    """When, about what, why, and the message, below each other."""
    rows = tuple(
        (
            Bit(shown.clock(item.last), "quiet"),
            Bit(item.about, "quiet"),
            Bit(item.reason + (f" ×{item.times}" if item.times > 1 else ""), "waiting" if item.warning else ""),
            Bit(item.message),
        )
        for item in told
    )
    return Grid(rows)
