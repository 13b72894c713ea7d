"""Making a Secret that a deployment needs, on the way to saving it. What is typed is shown as dots and kept nowhere."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from genai_tui.domain.model_secrets import NGC_USER, MissingSecret
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Services
from screens.dialogs.base import Dialog


class SecretDialog(Dialog[bool]):
    """Asks for the value and makes the Secret; answers True when it was made.

    Args:
        services: the ports.
        missing: which Secret.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]
    KEYS = "enter make it   esc back"

    def __init__(self, services: Services, missing: MissingSecret) -> None:
        act = "Add to" if missing.exists else "Make"
        super().__init__(f"{act} Secret {missing.namespace}/{missing.name} in {services.session.context}")
        self.add_class("-secret")
        self._services, self._missing = services, missing
        self._making = False

    def compose_content(self) -> ComposeResult:
        """What it will hold, and the lines to type into."""
        missing = self._missing
        yield Static(_about(missing), classes="dialog--text", markup=False)
        if missing.wants_user:
            yield Input(
                placeholder=f"user at {missing.registry}", id="secret-user", compact=True, classes="dialog--input"
            )
        yield Input(placeholder=missing.what, password=True, id="secret-value", compact=True, classes="dialog--input")
        yield Static("", classes="dialog--note", markup=False)

    def on_mount(self) -> None:
        """The first line has the focus; what speaks against it is said before anything is typed."""
        self.query_one(Input).focus()
        self.tell(self._services.secrets.refusal(self._missing))
        self._look()

    @work(group="look", exit_on_error=False)
    async def _look(self) -> None:
        """Say where this machine has the value. A program of the operator's may be asked, which takes its time."""
        at_hand = await self._services.secrets.at_hand(self._missing)
        if at_hand:
            self.query_one("#secret-value", Input).placeholder = f"{self._missing.what}; empty takes that of {at_hand}"

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "secret-user":
            self.query_one("#secret-value").focus()
        elif not self._making:
            self._making = True
            user = self.query_one("#secret-user", Input).value if self._missing.wants_user else ""
            self._make(event.value, user)

    @work(exclusive=True, group="secret", exit_on_error=False)
    async def _make(self, value: str, user: str) -> None:
        try:
            await self._services.secrets.make(self._missing, value, user)
        except GenaiTuiError as error:
            self.tell(error.problem.line)
        else:
            self.dismiss(True)
        finally:
            self._making = False


def _about(missing: MissingSecret) -> str:
    if missing.registry:
        user = "the user you name" if missing.wants_user else f"the user {NGC_USER}"
        held = f"It will hold credentials for pulling from {missing.registry} ({user} and what you type)"
    elif missing.exists:
        held = f"It keeps what it has; what you type is added under the key {missing.key}, for {missing.used_for}"
    else:
        held = f"It will hold what you type, under the key {missing.key}, for {missing.used_for}"
    return f"{held}. The value is sent to the cluster once; it is not kept here, in drafts, logs or the audit."
