"""Making an API key: for whom, until when, for what; then the key itself, this once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Static

from genai_tui.domain.documents import Organization
from genai_tui.domain.durations import parse_duration
from genai_tui.domain.keys import KeyRequest, NewKey, full_names, problems
from genai_tui.domain.problems import FieldProblem
from genai_tui.errors import BadInput, GenaiTuiError, explain
from screens.dialogs.base import Dialog

Create = Callable[[KeyRequest], Awaitable[NewKey]]
_FIELDS = (
    ("organization", "Organization", "", "whose limits and usage it counts for"),
    ("user", "User", "", ""),
    ("name", "Name", "", "what people call it, e.g. alice laptop"),
    ("expires", "Expires in", "90d", "never; e.g. 30d, 12h"),
    ("deployments", "May call", "", "all that are shared; e.g. team-a/chat, team-b/extract"),
    ("description", "Description", "", "what it is for"),
)


class NewKeyDialog(Dialog[NewKey]):
    """Asks what the key shall be and makes it; answers the key.

    Args:
        organizations: those there are.
        deployments: those there are, as `namespace/name`.
        create: makes the key.
        clock: the time.
        unheld: where no key is checked (`enforcement.unheld`).
        organization: the one that is filled in.
        user: the one that is filled in.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "create", "Make", id="key.create", tooltip="Make the key"),
        Binding("down", "app.focus_next", "Next field", show=False),
        Binding("up", "app.focus_previous", "Field before", show=False),
    ]
    KEYS = "enter next field   ctrl+s make the key   esc back"

    def __init__(
        self,
        organizations: Sequence[Organization],
        deployments: Sequence[str],
        create: Create,
        clock: Callable[[], datetime],
        *,
        unheld: str = "",
        organization: str = "",
        user: str = "",
    ) -> None:
        super().__init__("New API key")
        self._organizations, self._deployments = organizations, deployments
        self._create, self._clock, self._unheld = create, clock, unheld
        self._first = {"organization": organization, "user": user}
        self._making = False

    def compose_content(self) -> ComposeResult:
        """One line a field, and one for what is wrong."""
        for field, label, initial, placeholder in _FIELDS:
            with Horizontal(classes="key--line"):
                yield Static(label, classes="key--label", markup=False)
                yield Input(
                    self._first.get(field) or initial,
                    placeholder=placeholder,
                    suggester=self._suggester(field),
                    id=f"key-{field}",
                    compact=True,
                    select_on_focus=False,
                )
        yield Static("", classes="dialog--note key--note", markup=False)
        with Horizontal(classes="dialog--buttons"):
            yield Button("Cancel", id="key-cancel", compact=True)
            yield Button("Make the key", id="key-make", compact=True, variant="primary")

    def _suggester(self, field: str) -> SuggestFromList | None:
        known = {
            "organization": [organization.metadata.name for organization in self._organizations],
            "deployments": self._deployments,
        }.get(field)
        return SuggestFromList(known) if known else None

    def _offer_users(self) -> None:
        """The users of the organization that stands there."""
        chosen = self._text("organization")
        users = next((o.spec.users for o in self._organizations if o.metadata.name == chosen), ())
        line = self.query_one("#key-user", Input)
        line.suggester = SuggestFromList(users) if users else None
        line.placeholder = f"{chosen} has: {', '.join(users)}" if users else "one of the organization's users"

    def on_mount(self) -> None:
        """Begin at the first empty field."""
        self._offer_users()
        inputs = list(self.query(Input))
        next((line for line in inputs if not line.value), inputs[0]).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "key-make":
            self.action_create()
        else:
            self.action_leave()

    def _text(self, field: str) -> str:
        return self.query_one(f"#key-{field}", Input).value.strip()

    def _read(self) -> tuple[KeyRequest, tuple[FieldProblem, ...]]:
        now, ends, wrong = self._clock(), None, []
        if self._text("expires"):
            try:
                ends = now + parse_duration(self._text("expires"))
            except (ValueError, OverflowError) as error:
                wrong.append(FieldProblem("expires", str(error)))
        request = KeyRequest(
            self._text("organization"),
            self._text("user"),
            self._text("name"),
            self._text("description"),
            ends,
            full_names(self._text("deployments").replace(",", " ").split(), self._deployments),
        )
        return request, (*wrong, *problems(request, self._organizations, self._deployments, now))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        field = (event.input.id or "").removeprefix("key-")
        if field == "organization":
            self._offer_users()
        _, wrong = self._read()
        here = next((problem for problem in wrong if problem.field == field and self._text(field)), None)
        if here is not None:
            self._say(here.message)
        else:
            self._say(self._unheld if self._text("expires") or self._text("deployments") else "", wrong=False)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == f"key-{_FIELDS[-1][0]}":
            self.action_create()
        else:
            self.focus_next()

    def action_create(self) -> None:
        """Make the key, or go to the first wrong field."""
        request, wrong = self._read()
        if wrong:
            self._refused(wrong)
        elif not self._making:
            self._making = True
            self._say("making the key...", wrong=False)
            self._make(request)

    @work(exclusive=True, exit_on_error=False)
    async def _make(self, request: KeyRequest) -> None:
        try:
            key = await self._create(request)
        except GenaiTuiError as error:
            if isinstance(error, BadInput) and error.fields:
                self._refused(error.fields)
            else:
                self._say(explain(error).problem.line)
            return
        finally:
            self._making = False
        self.dismiss(key)

    def _refused(self, wrong: Sequence[FieldProblem]) -> None:
        first = wrong[0]
        self.query_one(f"#key-{first.field}", Input).focus()
        label = next(label for field, label, *_ in _FIELDS if field == first.field)
        self._say(f"{label}: {first.message}")

    def _say(self, text: str, *, wrong: bool = True) -> None:
        note = self.query_one(".key--note", Static)
        note.update(f"✖ {text}" if text and wrong else text)
        note.set_class(bool(text) and wrong, "-problem")


class ShownOnceDialog(Dialog[bool]):
    """Shows a new key. When it is closed nobody can read the key again, here or anywhere but in its Secret.

    Args:
        key: the key.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy", id="key.copy", tooltip="Copy the line to the clipboard of the terminal"),
        Binding("enter", "leave", "Done", id="key.done", tooltip="Forget the key"),
        Binding("left,right", "app.focus_next", "Other button", show=False),
    ]
    KEYS = "y copy   enter done"

    def __init__(self, key: NewKey) -> None:
        super().__init__(f"Key {key.record.id} of {key.record.user} in {key.record.organization}")
        self._line = f"export API_KEY={key.text}"

    def compose_content(self) -> ComposeResult:
        """The key as a line for a shell."""
        yield Static("It is shown this once. Hand it over now:", classes="dialog--text", markup=False)
        yield Static(self._line, classes="key--text", markup=False)
        yield Static("", classes="dialog--note", markup=False)
        with Horizontal(classes="dialog--buttons"):
            yield Button("Copy", id="key-copy", compact=True)
            yield Button("Done", id="key-done", compact=True, variant="primary")

    def on_mount(self) -> None:
        """Enter is done."""
        self.query_one("#key-done").focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "key-copy":
            self.action_copy()
        else:
            self.action_leave()

    def action_copy(self) -> None:
        """Copy by OSC 52."""
        self.app.copy_to_clipboard(self._line)
        self.query_one(".dialog--note", Static).update("copied, if your terminal lets programs copy")
