"""A list to choose from, in the middle of the screen: type to narrow it, enter to take one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from genai_tui.domain.form_facts import Choice
from screens.dialogs.base import Dialog

_WIDEST = 40


class PickerScreen(Dialog[int]):
    """Asks for one of many; answers its place among the choices, or None when it was left.

    Args:
        title: what is asked, in one line.
        choices: what there is.
        current: the text that is chosen now.
        narrowing: whether a line to narrow the list is offered.
        empty: what to say when there is nothing to choose.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "step(1)", "Down", show=False),
        Binding("up", "step(-1)", "Up", show=False),
    ]
    KEYS = "enter choose   esc back"

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        current: str = "",
        narrowing: bool = True,
        empty: str = "nothing to choose from",
    ) -> None:
        super().__init__(title)
        self._choices = tuple(choices)
        self._shown: tuple[int, ...] = ()
        self._current = current
        self._narrowing = narrowing
        self._empty = empty

    def compose_content(self) -> ComposeResult:
        """The line to narrow the list, and the list."""
        if self._narrowing:
            yield Input(placeholder="type to narrow", compact=True, classes="dialog--input picker--narrow")
        yield OptionList(classes="picker--list", compact=True, markup=False)
        yield Static(self._empty, classes="picker--empty", markup=False)

    def on_mount(self) -> None:
        """Fill the list and stand on what is chosen now."""
        self._fill("")
        at = next((i for i, of in enumerate(self._shown) if self._choices[of].text == self._current), 0)
        options = self.query_one(OptionList)
        if self._shown:
            options.highlighted = at
        self.query_one(Input if self._narrowing else OptionList).focus()

    def _fill(self, wanted: str) -> None:
        words = wanted.lower().split()
        texts = [f"{choice.text} {choice.about}".lower() for choice in self._choices]
        self._shown = tuple(at for at, text in enumerate(texts) if all(word in text for word in words))
        shown = [self._choices[at] for at in self._shown]
        width = min(_WIDEST, max((len(choice.text) for choice in shown), default=0))
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(
            Option(Content.assemble(choice.text.ljust(width), "  ", (choice.about, "$text-muted"))) for choice in shown
        )
        options.display = bool(self._shown)
        self.query_one(".picker--empty").display = not self._shown
        if self._shown:
            options.highlighted = 0

    @property
    def highlighted(self) -> int | None:
        """The place of the one under the cursor among the choices."""
        at = self.query_one(OptionList).highlighted
        return self._shown[at] if at is not None and at < len(self._shown) else None

    @on(Input.Changed)
    def _narrow(self, event: Input.Changed) -> None:
        event.stop()
        self._fill(event.value)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        event.stop()
        if self.highlighted is not None:
            self.dismiss(self.highlighted)

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._shown[event.option_index])

    def action_step(self, by: int) -> None:
        """Move in the list while the line to narrow it has the focus."""
        options = self.query_one(OptionList)
        if by > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()
