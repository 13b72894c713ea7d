"""The conversation as it is seen: a view for each turn, the newest at the end and in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from genai_tui.domain.conversation import Turn
from screens.chat.turn_view import TurnView

_NEAR_THE_END = 2


class Turns(VerticalScroll):
    """Turns below each other; one may be marked."""

    class Pointed(Message):
        """A turn was clicked."""

        def __init__(self, turns: Turns, at: int) -> None:
            self.turns, self.at = turns, at
            super().__init__()

        @property
        def control(self) -> Turns:
            """The turns."""
            return self.turns

    def __init__(self) -> None:
        super().__init__(id="chat-turns", can_focus=False)
        self._views: list[TurnView] = []
        self._gone: list[TurnView] = []
        self._ended: TurnView | None = None
        self._drawing = asyncio.Lock()
        # Textual's own anchor puts what is shorter than its place at the bottom of it.
        self._following = True

    def compose(self) -> ComposeResult:
        """What is said while there is none."""
        yield Static("", id="chat-empty", markup=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Whoever looks at the end goes on doing so, whatever grows; who scrolls back is left in peace."""
        super().watch_scroll_y(old_value, new_value)
        self._following = new_value >= self.max_scroll_y - _NEAR_THE_END

    def watch_virtual_size(self) -> None:
        """Something was laid out: an answer that streams, a turn that was there before, a table that is folded."""
        if self._following:
            self.scroll_end(animate=False, immediate=True)

    def on_resize(self) -> None:
        """The prompt grows with what is in it, as when a refused question is given back."""
        if self._following:
            self.scroll_end(animate=False)

    def on_click(self, event: events.Click) -> None:
        """A click on a turn points at it."""
        inside = event.widget.ancestors_with_self if event.widget is not None else ()
        views = (node for node in inside if isinstance(node, TurnView))
        at = next((self._views.index(view) for view in views if view in self._views), None)
        if at is not None:
            self.post_message(self.Pointed(self, at))

    def show(self, turns: Iterable[Turn]) -> None:
        """Other turns."""
        self._take_away(0)
        self._views = [TurnView(turn) for turn in turns]
        self._following = True
        self.mount(*self._views)
        self.scroll_end(animate=False)

    def begin(self, turn: Turn, at: int) -> TurnView:
        """A new turn, after so many of those that are shown; answers the view that draws it."""
        self._take_away(at)
        view = TurnView(turn)
        self._views.append(view)
        self._following = True
        self.mount(view)
        self.scroll_end(animate=False)
        return view

    async def draw(self, view: TurnView, turn: Turn, *, running: bool) -> None:
        """Draw the new turn as it is now."""
        async with self._drawing:
            # A drawing of what was on its way must not come after the one of its end.
            if view not in self._views or (running and view is self._ended):
                return
            if not running:
                self._ended = view
            if not view.is_mounted:
                view.turn = turn
                return
            await view.draw(turn, running=running)

    def mark(self, at: int | None) -> None:
        """Show which turn is meant, and bring it into sight; None for none."""
        for number, view in enumerate(self._views):
            view.set_class(number == at, "-marked")
        if at is not None:
            self.call_after_refresh(self.scroll_to_widget, self._views[at], animate=False, top=True)

    def page(self, by: int) -> None:
        """Scroll by pages."""
        self.scroll_page_up(animate=False) if by < 0 else self.scroll_page_down(animate=False)

    def _take_away(self, since: int) -> None:
        """Out of sight at once, and removed when nothing is being drawn: a view must not go while it is."""
        taken = self._views[since:]
        del self._views[since:]
        for view in taken:
            view.display = False
        self._gone += taken
        if self._gone:
            self.call_later(self._remove_gone)

    async def _remove_gone(self) -> None:
        async with self._drawing:
            gone, self._gone = self._gone, []
            for view in gone:
                view.remove()
