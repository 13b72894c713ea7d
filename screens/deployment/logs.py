"""The logs: of one container or of all replicas by time, followed, read again where they broke, searched, saved.

Data path: `operations.logs` in a worker -> `LogBuffer` (what is new) -> rows of the `TextView`, ten times a second.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from genai_tui.domain.cluster import ContainerState
from genai_tui.domain.rows import Phase, Ref, ReplicaRow
from genai_tui.errors import GenaiTuiError, NotFound
from genai_tui.services import LogLine, Operations
from screens import format as shown
from screens.deployment.choice_line import Choice, ChoiceLine
from screens.deployment.log_lines import LogBuffer
from screens.deployment.searching import SearchedText
from screens.deployment.text_view import KEPT, TextView
from screens.deployment.timeline import short_name

TAIL = 2_000
AT_ONCE = 16
"""Replicas whose logs are followed at the same time."""
BATCH_S = 0.1
AGAIN_S = 3.0
PAUSE_S = 0.5
GONE = "this replica is gone"
NO_RUN_BEFORE = "there was no run before this one"


@dataclass(frozen=True, slots=True)
class Source:
    """A container of a replica."""

    pod: str
    container: str


def sources_of(replicas: Sequence[ReplicaRow]) -> tuple[Source, ...]:
    """Every container that has or will have a log, replicas in order, init containers first."""
    found: dict[Source, None] = {}
    for row in replicas:
        names = [state.name for state in row.pod.states if state.init] + [spec.name for spec in row.pod.containers]
        for name in names:
            found[Source(row.pod.meta.name, name)] = None
    return tuple(found)


def engines_of(replicas: Sequence[ReplicaRow]) -> tuple[Source, ...]:
    """The main container of each replica, the newest revision first."""
    order = sorted(replicas, key=lambda row: not row.current)
    return tuple(Source(row.pod.meta.name, row.pod.containers[0].name) for row in order if row.pod.containers)


def first_source(replicas: Sequence[ReplicaRow]) -> Source | None:
    """The container somebody most likely wants to read: of a failing replica, of the newest revision."""
    order = sorted(replicas, key=lambda row: (not row.current, row.assessment.phase is not Phase.FAILED))
    for row in order:
        mains = [Source(row.pod.meta.name, spec.name) for spec in row.pod.containers]
        if mains:
            return mains[0]
    return None


class LogsPane(SearchedText):
    """Shows a log.

    Args:
        operations: where logs come from.
        ref: the deployment.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "source(1)", "Next replica", show=False, key_display="]", id="logs.next",
                tooltip="The log of the next container or replica"),
        Binding("left_square_bracket", "source(-1)", "Replica before", show=False, key_display="[", id="logs.before",
                tooltip="The log of the container or replica before"),
        Binding("a", "all", "All replicas", show=False, id="logs.all",
                tooltip="The logs of all replicas by time, each line with its replica; or of one"),
        Binding("f", "follow", "Follow", show=False, id="logs.follow", tooltip="Stay at the end, or stop"),
        Binding("p", "previous", "Previous run", show=False, id="logs.previous",
                tooltip="The run before the last restart, or this one"),
        Binding("t", "times", "Times", show=False, id="logs.times", tooltip="Show when each line was written"),
    ]  # fmt: skip

    def __init__(self, operations: Operations, ref: Ref, *, id: str | None = None) -> None:
        super().__init__(follow=True, id=id)
        self._operations, self._ref = operations, ref
        self._replicas: tuple[ReplicaRow, ...] = ()
        self._source: Source | None = None
        self._all = self._previous = self._times = False
        self._following: set[Source] = set()
        self._buffer = LogBuffer()
        self._incoming: deque[LogLine] = deque(maxlen=KEPT)
        self._told: dict[Source | None, str] = {None: "no replica yet"}
        self._changed: dict[Source, asyncio.Event] = {}

    def compose_top(self) -> ComposeResult:
        """What is shown, and the switches."""
        yield ChoiceLine(id="logs-choices")

    def on_mount(self) -> None:
        """Take in what was read, in batches."""
        super().on_mount()
        self.set_interval(BATCH_S, self._flush)
        self.show_choices()
        self.show_status()

    # What is read -----------------------------------------------------------------------------------------------------

    def show(self, replicas: tuple[ReplicaRow, ...]) -> None:
        """Follow the replicas; what is read stays, even when its replica is gone."""
        self._replicas = replicas
        for changed in self._changed.values():
            changed.set()
        if self._source is None:
            found = first_source(replicas)
            if found is not None:
                self._open(found)
        elif self._all:
            self._follow_new()
        self.show_choices()
        self.show_status()

    def _open(self, source: Source) -> None:
        self._source = source
        self.workers.cancel_group(self, "log")
        self._buffer = LogBuffer()
        self._incoming.clear()
        self._following.clear()
        self._changed.clear()
        self._told.clear()
        self.view.replace(())
        self.view.following = True
        self._follow_new()
        self.show_choices()
        self.show_status()

    def _follow_new(self) -> None:
        """Read what is not read yet."""
        wanted = engines_of(self._replicas)[:AT_ONCE] if self._all else (self._source,)
        for source in wanted:
            if source is not None and source not in self._following:
                self._following.add(source)
                self._changed[source] = asyncio.Event()
                self._told[source] = "reading ..."
                self._read(source, self._previous)

    @work(group="log", exit_on_error=False)
    async def _read(self, source: Source, previous: bool) -> None:
        """Read to the end; while the replica lives, go on where it broke."""
        changed = self._changed[source]
        while True:
            wait = self._not_yet(source)
            if wait:
                self._say(source, wait)
            elif await self._read_once(source, previous):
                return
            changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), AGAIN_S)
            # Several changes come at once; one reading is enough for all of them.
            await asyncio.sleep(PAUSE_S)
            # What has come must be known before it can be skipped.
            self._flush()
            self._buffer.begin_again(source.pod, source.container)

    async def _read_once(self, source: Source, previous: bool) -> bool:
        """Read until the stream ends; returns whether there will never be more."""
        stream = self._operations.logs(
            self._ref, source.pod, container=source.container, follow=not previous, previous=previous, tail=TAIL
        )
        self._say(source, "")
        try:
            async with aclosing(stream) as lines:
                async for line in lines:
                    self._incoming.append(line)
        except NotFound as error:
            self._say(source, GONE if self._is_gone(source) else NO_RUN_BEFORE if previous else error.problem.line)
            return previous or self._is_gone(source)
        except GenaiTuiError as error:
            self._say(source, error.problem.line)
            return False
        gone = self._is_gone(source)
        self._say(source, "the end of the previous run" if previous else GONE if gone else "it ended")
        return previous or gone

    def _is_gone(self, source: Source) -> bool:
        return all(row.pod.meta.name != source.pod for row in self._replicas)

    def _not_yet(self, source: Source) -> str:
        """Why there is nothing to read yet."""
        row = next((row for row in self._replicas if row.pod.meta.name == source.pod), None)
        if row is None:
            return ""
        state = self._state(source)
        started = state is not None and (state.state != "waiting" or state.restarts or state.last_finished)
        return "" if started else f"not started yet. {shown.phase_text(row.assessment)}"

    def _state(self, source: Source) -> ContainerState | None:
        for row in self._replicas:
            if row.pod.meta.name == source.pod:
                return next((state for state in row.pod.states if state.name == source.container), None)
        return None

    def _flush(self) -> None:
        if not self._incoming:
            return
        lines = list(self._incoming)
        self._incoming.clear()
        again, end = self._buffer.take(lines)
        if end:
            rows = (self._buffer.row(line, times=self._times, named=self._all) for line in end)
            self.view.replace_end(again, rows)
            self.show_status()

    def _draw_again(self) -> None:
        self.view.replace(self._buffer.rows(times=self._times, named=self._all))
        self.show_status()

    # What is said of it -----------------------------------------------------------------------------------------------

    def _say(self, source: Source, text: str) -> None:
        # What was left for another may still have something to say.
        if source in self._following:
            self._told[source] = text
            if self.is_mounted:
                self.show_status()

    @property
    def status(self) -> str:
        """How much there is, and why there is no more."""
        if self._source is None:
            return self._told[None]
        told = self._all_told() if self._all else self._told.get(self._source, "")
        lines = shown.plural(len(self.view.rows), "line") if self.view.rows or not told else ""
        following = "following" if self.view.following else "not following, f goes to the end"
        alive = any(not text for text in self._told.values())
        parts = [lines, following if alive and not self._previous else "", told]
        return "   ".join(part for part in parts if part)

    def _all_told(self) -> str:
        """What is said of single replicas; many that say the same are counted."""
        said: dict[str, list[str]] = {}
        for source, text in self._told.items():
            if source is not None and text:
                said.setdefault(text, []).append(short_name(source.pod))
        parts = [
            f"{', '.join(pods) if len(pods) < 3 else f'{len(pods)} replicas'}: {text}" for text, pods in said.items()
        ]
        left_out = len(engines_of(self._replicas)) - AT_ONCE
        if left_out > 0:
            parts.append(f"{left_out} more replicas are not read")
        return "   ".join(parts)

    def show_choices(self) -> None:
        """The line above: which replica, which switches are on."""
        if not self.is_mounted:
            return
        on = self.view
        self.query_one("#logs-choices", ChoiceLine).show(
            (
                Choice("[ ]", "one" if self._all else self._named(), "source(1)"),
                Choice("a", "all", "all", self._all),
                Choice("f", "follow", "follow", on.following and not self._previous),
                Choice("p", "previous", "previous", self._previous, short="prev"),
                Choice("w", "wrap", "wrap", on.wrapping),
                Choice("t", "times", "times", self._times, short="time"),
                Choice("^s", "save", "save"),
                Choice("/", "search", "search", short="find"),
            )
        )

    def _named(self) -> str:
        if self._source is None:
            return "no replica"
        every = sources_of(self._replicas)
        at = f" {every.index(self._source) + 1}/{len(every)}" if self._source in every and len(every) > 1 else ""
        several = len({source.container for source in every}) > 1
        return short_name(self._source.pod) + (f" {self._source.container}" if several else "") + at

    @on(TextView.FollowingChanged)
    def _following_changed(self, event: TextView.FollowingChanged) -> None:
        event.stop()
        self.show_choices()
        self.show_status()

    @on(ChoiceLine.Clicked)
    async def _clicked(self, event: ChoiceLine.Clicked) -> None:
        event.stop()
        await self.run_action(event.action)

    # Actions ----------------------------------------------------------------------------------------------------------

    def action_source(self, by: int) -> None:
        """Another container or replica."""
        every = sources_of(self._replicas)
        if self._all and self._source is not None:
            self._all = False
            self._open(self._source)
        elif every:
            at = every.index(self._source) if self._source in every else -1
            chosen = every[(at + by) % len(every)]
            if chosen != self._source:
                self._open(chosen)

    def action_all(self) -> None:
        """All replicas, or one."""
        if self._source is not None:
            self._all = not self._all
            self._open(self._source)

    def action_follow(self) -> None:
        """Stay at the end, or stop."""
        self.view.following = not self.view.following
        self.show_choices()
        self.show_status()

    def action_previous(self) -> None:
        """The run before, or this one."""
        if self._source is not None:
            self._previous = not self._previous
            self._open(self._source)

    def action_times(self) -> None:
        """Show times, or not."""
        self._times = not self._times
        self._draw_again()
        self.show_choices()

    def whole_text(self) -> str:
        """Every line with its time, and its replica where there are several."""
        return self._buffer.plain(named=self._all)

    def file_name(self) -> str:
        """Named after the container, and the run."""
        source = self._source or Source(self._ref.name, "none")
        if self._all:
            return f"{self._ref.name}-all{'-previous' if self._previous else ''}.log"
        return f"{source.pod}-{source.container}{'-previous' if self._previous else ''}.log"
