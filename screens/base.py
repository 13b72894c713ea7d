"""What every screen of the console is: header, body, footer, and following the picture while it can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from genai_tui.services import Services
from screens.app import GenaiTui
from screens.widgets.header import AREAS, ConsoleHeader


class ConsoleScreen(Screen[None]):
    """A screen. What it adds is in `compose_body`; `HELP` is its own part of the help screen."""

    HELP = ""
    AREA = ""
    """The area this screen is the first screen of; empty for screens opened from another one."""

    app = getters.app(GenaiTui)

    def __init__(self) -> None:
        super().__init__()
        self._unsubscribe: Callable[[], None] | None = None
        self._drawn_at = -1

    @property
    def services(self) -> Services:
        """The ports."""
        return self.app.services

    def compose(self) -> ComposeResult:
        """Header, body, footer."""
        header = ConsoleHeader(self.services)
        header.area = self.AREA
        yield header
        yield from self.compose_body()
        yield Footer(compact=True, show_command_palette=False)

    def compose_body(self) -> ComposeResult:
        """The screen's own widgets."""
        yield from ()

    def refresh_from_picture(self) -> None:
        """Follow the picture; called while the screen can be seen, at most four times a second."""

    def on_screen_resume(self) -> None:
        """Begin to follow; catch up when something changed while nobody looked."""
        if self._unsubscribe is None:
            self._unsubscribe = self.services.picture.subscribe(self._follow)
        if self._drawn_at != self.services.picture.revision:
            self.call_after_refresh(self._follow)

    def on_screen_suspend(self) -> None:
        """Stop to follow: nothing is drawn on a hidden screen."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _on_unmount(self) -> None:
        self.on_screen_suspend()
        super()._on_unmount()

    def _follow(self) -> None:
        if not self.is_mounted or not self.is_current:
            return
        self._drawn_at = self.services.picture.revision
        for header in self.query(ConsoleHeader):
            header.refresh()
        self.refresh_from_picture()

    @on(ConsoleHeader.AreaChosen)
    def _area_chosen(self, event: ConsoleHeader.AreaChosen) -> None:
        event.stop()
        self.app.open_area(event.area)


class AreaScreen(ConsoleScreen):
    """The first screen of an area: the digits lead to the others."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(number), f"app.open_area('{area}')", title, show=False, id=f"area.{area}", tooltip=f"Go to {title}")
        for number, (area, title) in enumerate(AREAS, 1)
    ]
