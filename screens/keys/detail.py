"""One API key: whose it is, what it may call, until when, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Static

from genai_tui.domain.keys import KeyRecord, timestamp
from genai_tui.domain.text import printable
from genai_tui.key_use import USED_WITHIN
from screens.dialogs.base import Dialog
from screens.format import MISSING, age
from screens.keys.views import expiry

Answer = Literal["revoke", "new_key"]


@dataclass(frozen=True, slots=True)
class Told:
    """What is known beside the key itself: its last uses (None: the ledger cannot be read), what is wrong with it."""

    used: Mapping[str, datetime] | None
    doubt: str
    now: datetime


class KeyDialog(Dialog[Answer]):
    """Describes a key; answers what shall be done with it.

    Args:
        key: the key.
        told: what is known beside it.
        answers: what may be done here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,d,q", "leave", "Close", show=False, tooltip="Back to the list"),
        Binding("ctrl+d", "answer('revoke')", "Revoke", id="key.revoke", tooltip="Revoke this key"),
        Binding("K", "answer('new_key')", "New key", id="key.another", tooltip="Make another key for this user"),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]

    def __init__(self, key: KeyRecord, told: Told, answers: frozenset[Answer]) -> None:
        super().__init__(f"API key {key.id}")
        self._key, self._told, self._answers = key, told, answers
        offered = {"revoke": "ctrl+d revoke", "new_key": "K another for this user"}
        self.keys = "   ".join([*(text for answer, text in offered.items() if answer in answers), "esc back"])

    def compose_content(self) -> ComposeResult:
        """Labelled lines, then what can be done."""
        with VerticalScroll(classes="dialog--scroll key--facts", can_focus=False):
            for label, text, tone in self._lines():
                with Horizontal(classes="dialog--row"):
                    yield Static(label, classes="dialog--label -wide", markup=False)
                    yield Static(printable(text), classes=f"key--value {tone and f'phase--{tone}'}", markup=False)
        with Horizontal(classes="dialog--buttons"):
            yield Button("Close", id="close", compact=True)
            if "new_key" in self._answers:
                yield Button("New key", id="new_key", compact=True)
            if "revoke" in self._answers:
                yield Button("Revoke", id="revoke", compact=True, variant="error")

    def _lines(self) -> list[tuple[str, str, str]]:
        key, now = self._key, self._told.now
        ends = expiry(key, now)
        until = f"{ends.text} ({timestamp(key.expires)})" if key.expires else ends.text
        made = f"{timestamp(key.created)} ({age(key.created, now)} ago)" if key.created else MISSING
        lines = [
            ("problem", f"▲ {self._told.doubt}", "waiting") if self._told.doubt else ("", "", ""),
            ("name", key.name or MISSING, ""),
            ("description", key.description or MISSING, ""),
            ("organization", key.organization, ""),
            ("user", key.user, ""),
            ("may call", ", ".join(key.deployments) or "all that are shared with its organization", ""),
            ("created", made, ""),
            ("created by", key.created_by or "not recorded", ""),
            ("expires", until, ends.tone),
            ("last used", self._used(), ""),
        ]
        return [line for line in lines if line[0]]

    def _used(self) -> str:
        if self._told.used is None:
            return f"{MISSING} (the ledger of this machine cannot be read)"
        at = self._told.used.get(self._key.id)
        if at is None:
            return f"not seen here within {USED_WITHIN.days} days"
        return f"{timestamp(at)} ({age(at, self._told.now)} ago, as seen here)"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what may be done here."""
        return action != "answer" or parameters[0] in self._answers

    def action_answer(self, answer: Answer) -> None:
        """Close with what to do."""
        self.dismiss(answer)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        match event.button.id:
            case "revoke" | "new_key" as answer:
                self.dismiss(answer)
            case _:
                self.dismiss(None)
