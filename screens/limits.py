"""How far the limits of a deployment are used up now, live; and what a key would be told if it asked now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from genai_tui.domain.form_facts import Choice
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import Use
from genai_tui.domain.limits import Level, whole_seconds
from genai_tui.domain.rows import Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from genai_tui.limit_reading import LimitsNow, limits_now
from screens.format import MISSING, clock, count, plural
from screens.forms.picker import PickerScreen
from screens.ledger_screen import LedgerScreen
from screens.widgets.virtual_table import Cell, Cells, Column, VirtualTable

KEYS_EVERY_S = 20.0
"""Keys change seldom, and are asked from the cluster."""
_ASKING = "limits"
_BAR = 8
_REFUSED_SHOWN = 5
_NEARLY = 0.8
_COLUMNS = (
    Column("level", "LEVEL", least=12),
    Column("who", "WHO", least=9, most=40, flexible=True),
    Column("unit", "UNIT", least=8),
    Column("bar", "", least=_BAR, rank=1),
    Column("used", "USED", least=12, most=20, right=True),
    Column("limit", "LIMIT", least=7, right=True),
    Column("resets", "RESETS IN", least=9, right=True),
)


class LimitsScreen(LedgerScreen):
    """Every limit with its window, of all keys that may call, or of one.

    Args:
        ref: the deployment.
    """

    NAME = "limits"
    READ_EVERY_S = 2.0
    HELP = """
# Limits

For each organization, user and key that may call the deployment: how much of each limit is used in the window that is
open now, and when it ends, as the embedded gateway counts, or Kuadrant's Limitador where that keeps the limits. A limit
whose bar is full refuses the next request. Below stands what the embedded gateway refused last and why. It is asked
every two seconds. Where the counters are not known here (Envoy Gateway keeps them, Limitador cannot be reached, or no
embedded gateway runs on this machine) a dash stands in their place, and why.

`t` chooses a key: its own limits, and whether a request with it would be let in now, or by which limit refused; `esc`
goes back to all keys. Limits themselves are changed in the deployment's form.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "key", "Try a key", id="limits.key", tooltip="Would this key be refused now, and by which limit?"),
        Binding("r", "read", "Read again", id="limits.read", tooltip="Ask the gateway now"),
        Binding("escape", "leave", "Back", id="limits.back", tooltip="To all keys, or back to the deployment"),
    ]

    def __init__(self, ref: Ref) -> None:
        super().__init__()
        self._ref = ref
        self._chosen: KeyRecord | None = None
        self._keys: Sequence[KeyRecord] = ()
        self._keys_read = -KEYS_EVERY_S
        self._known = False

    def compose_body(self) -> ComposeResult:
        """What it is of, the verdict, the table; or why there is none."""
        yield Static("", id="limits-title", markup=False)
        yield Static("", id="limits-said", markup=False)
        yield VirtualTable[str](_COLUMNS, natural=str, id="limits-table")
        yield Static("", id="limits-nothing", markup=False)
        yield Static("", id="limits-refused", markup=False)
        yield Static("", id="limits-source", markup=False)

    def on_mount(self) -> None:
        """Nothing is known before the first reading."""
        super().on_mount()
        self.say("nothing", "asking the gateway ...")

    def _read_again(self) -> None:
        # A gateway of the cluster may take longer than the pause: another question would end this one unanswered.
        if all(worker.is_finished for worker in self.workers if worker.node is self and worker.group == _ASKING):
            super()._read_again()

    @work(exclusive=True, group=_ASKING, exit_on_error=False)
    async def action_read(self) -> None:
        """Read the keys and the counters, and draw."""
        of = f", key {self._chosen.id} of {self._chosen.user} ({self._chosen.organization})" if self._chosen else ""
        self.say("title", printable(f"Limits of {self._ref}{of}"))
        try:
            if time.monotonic() - self._keys_read >= KEYS_EVERY_S:
                self._keys, self._keys_read = await self.services.keys.listed(), time.monotonic()
            now = await limits_now(self.services, self._ref, self._keys, self._chosen)
        except GenaiTuiError as error:
            self.say("said", f"✖ {error.problem.line}")
            if not self._known:
                self.say("nothing", "No use of limits is known here. r asks again.")
            return
        self._show(now)

    def _show(self, now: LimitsNow) -> None:
        self._known = True
        # The widest level first, as they are asked.
        rows = {f"{list(Level).index(use.level)}/{use.subject}/{use.unit.value}": _cells(use) for use in now.uses}
        self.table.replace(rows)
        self.table.display = bool(rows)
        nothing = ""
        if not rows:
            nothing = (
                f"{self._ref} has no limits. Its form sets them: e, then Rate limits."
                if now.callers
                else f"No key may call {self._ref}. Area 4 makes keys; the Sharing tab says who may call."
            )
        self.say("nothing", nothing)
        self.say("refused", _refused(now))
        self.say("source", printable(now.source))
        if now.said is None:
            self.say("said", f"{plural(now.callers, 'key')} may call" if rows else "")
        elif now.said.admitted:
            self.say("said", "✔ a request with this key would be let in now")
        else:
            self.say("said", printable(f"✖ it would be refused with {now.said.status}: {now.said.reason}"))

    @work(exclusive=True, group="dialog")
    async def action_key(self) -> None:
        """Choose a key."""
        try:
            keys = self._keys = await self.services.keys.listed()
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=8)
            return
        choices = [Choice(key.id, f"{key.user}  {key.organization}  {key.name}") for key in keys]
        empty = "there are no keys: area 4 makes them"
        chosen = await self.app.push_screen_wait(PickerScreen("Try which key?", choices, empty=empty))
        self._chosen = keys[chosen] if chosen is not None else None
        self.action_read()

    def action_leave(self) -> None:
        """To all keys, else back to the deployment."""
        if self._chosen is None:
            self.dismiss()
        else:
            self._chosen = None
            self.action_read()


def _refused(now: LimitsNow) -> str:
    """What was refused last, and why."""
    lines = []
    for one in now.refused[:_REFUSED_SHOWN]:
        times = f" x{one.count}" if one.count > 1 else ""
        lines.append(printable(f"{clock(one.last)}  {one.status}{times}  {one.who} {one.key}: {one.reason}"))
    if len(now.refused) > _REFUSED_SHOWN:
        lines.append(f"and {len(now.refused) - _REFUSED_SHOWN} more: genai-tui limits lists them")
    if now.unknown:
        lines.append(f"{count(now.unknown)} requests without a known key (401), to whatever deployment")
    if not lines:
        return now.nothing_refused
    return "\n".join(["refused in the last hour", *lines])


def _cells(use: Use) -> Cells:
    share = use.share
    full = min(_BAR, round(_BAR * (share or 0)))
    tone = "bad" if use.spent else "waiting" if share is not None and share >= _NEARLY else ""
    used = MISSING if use.used is None else f"{count(use.used)}{' spent' if use.spent else ''}"
    return (
        Cell(use.level.value),
        Cell(printable(use.subject)),
        Cell(use.unit.value),
        Cell("" if share is None else "█" * full + "░" * (_BAR - full), tone, share),
        Cell(used, tone, use.used),
        Cell(count(use.limit), order=use.limit),
        Cell(f"{whole_seconds(use.resets_in)} s" if use.resets_in is not None else MISSING, order=use.resets_in),
    )
