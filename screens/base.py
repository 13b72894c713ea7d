"""What every screen of the console has: header, body, footer, the services, and a picture that is followed.

A screen is told of changes only while it is on top; what it missed it learns when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from textual import events, getters, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from genai_tui.services import Services
from screens.app import GenaiTui
from screens.widgets.footer import FooterBar
from screens.widgets.header import AREAS, HeaderBar


@dataclass(frozen=True, slots=True)
class ScreenAction:
    """A binding as it stands now: `refusal` says why it cannot be used, and is empty when it can."""

    binding: Binding
    key: str
    namespace: str
    refusal: str = ""


class ConsoleScreen(Screen[None]):
    """Base of every screen. The digits of the header lead to the areas, where a screen has no use of its own for them.

    Attributes:
        AREA: the area tab this screen belongs to; empty for none.
        HELP: what the screen is for and how to use it, Markdown; bindings are added by the help screen.
        WRITES: names of actions that change the cluster; they do not exist in a read-only console.
    """

    AREA: ClassVar[str] = ""
    HELP: ClassVar[str | None] = ""
    WRITES: ClassVar[frozenset[str]] = frozenset()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(number), f"app.open_area('{area}')", title, show=False, id=f"area.{area}", tooltip=f"Go to {title}")
        for number, (area, title) in enumerate(AREAS, 1)
    ]

    app = getters.app(GenaiTui)
    _seen_revision: int | None = None
    _namespace_shown: str | None = None

    @property
    def services(self) -> Services:
        """The ports."""
        return self.app.services

    def compose(self) -> ComposeResult:
        """Header, body, footer."""
        yield HeaderBar(self.AREA)
        yield from self.compose_body()
        yield FooterBar()

    def compose_body(self) -> ComposeResult:
        """What is between header and footer."""
        yield from ()

    def refresh_from_picture(self) -> None:
        """Draw what changed in the cluster; called once when the screen is first shown, then after every change."""

    def refusal(self, action: str) -> str:
        """Why an action cannot be used now: a missing permission with verb, resource and namespace; empty if it can."""
        return ""

    def commands(self) -> Iterable[tuple[str, Callable[[], object], str]]:
        """What the palette offers here beside the bindings: (name, what to call, what it does)."""
        return ()

    # Following the picture --------------------------------------------------------------------------------------------

    def picture_changed(self, *, always: bool = False) -> None:
        """The picture changed, or this screen came back: follow it; `always` although nothing is newer."""
        self._follow_header()
        if always or self._seen_revision != self.services.picture.revision:
            self._seen_revision = self.services.picture.revision
            self.refresh_from_picture()

    def header_namespace(self, name: str | None) -> None:
        """Say in the header that this screen shows one namespace; None for what the session has."""
        self._namespace_shown = name
        self._follow_header()

    def _follow_header(self) -> None:
        for header in self.query(HeaderBar):
            header.follow(self.services, self._namespace_shown, broken=self.app.failure is not None)

    def on_screen_resume(self) -> None:
        """What was missed while hidden."""
        self.picture_changed()

    @on(HeaderBar.AreaChosen)
    def _area_chosen(self, event: HeaderBar.AreaChosen) -> None:
        event.stop()
        self.app.open_area(event.area)

    # Actions ----------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Read-only takes writing actions away; a refusal leaves them there, disabled."""
        if action in self.WRITES and self.services.session.read_only:
            return False
        return None if self.refusal(action) else True

    def actions(self) -> Iterator[ScreenAction]:
        """Every binding that exists now, the focused widget's first, with why it cannot be used."""
        for key, active in self.active_bindings.items():
            if active.binding.description:
                refusal = "" if active.enabled else self.refusal(active.binding.action.partition("(")[0])
                yield ScreenAction(active.binding, key, type(active.node).__name__, refusal)

    def on_key(self, event: events.Key) -> None:
        """A key whose action is refused says why."""
        action = next((a for a in self.actions() if a.key == event.key and a.refusal), None)
        if action is not None:
            event.stop()
            self.notify(action.refusal, title=f"{action.binding.description} is not possible now", severity="warning")


class AreaScreen(ConsoleScreen):
    """The first screen of an area."""
