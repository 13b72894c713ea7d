"""Asking as a developer does: at the public address, with an API key or with none, and without our own rights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from genai_tui.chat_ports import Playground
from genai_tui.domain.form_facts import Choice
from genai_tui.domain.keys import KeyRecord, KeyRequest
from genai_tui.domain.own_credentials import API_KEY
from genai_tui.domain.rows import Ref
from genai_tui.domain.text import is_address, printable
from genai_tui.errors import GenaiTuiError
from genai_tui.services import Services
from screens.dialogs.base import Dialog
from screens.dialogs.confirm import ConfirmDialog
from screens.forms.picker import PickerScreen

COPY_LASTS = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Developer:
    """Who is asking in our place.

    Attributes:
        who: who it is.
        address: where it asks.
        playground: asks as they do.
        asking_at: asks as they do at another address, with the same key.
        copy: the key that was made for it, to be revoked at the end; None for none.
    """

    who: str
    address: str
    playground: Playground
    asking_at: Callable[[str], Playground]
    copy: KeyRecord | None = None

    @property
    def words(self) -> str:
        """Who it is and where it asks."""
        return f"{self.who}, at {self.address}"


def no_address(ref: Ref) -> str:
    """Why nobody can be asked for it as a developer, and what helps."""
    return f"no public address of {ref} is known: `gateway` in the settings gives the embedded gateway's"


async def same_developer(developer: Developer, services: Services, asked: Ref, ref: Ref) -> Developer | None:
    """The developer who asks one deployment, asking another at that one's address; None where none is known."""
    known = await services.playground.public_address(ref)
    if not known:
        return None
    # One gateway before both: an address that was typed is then where both are.
    together = known == await services.playground.public_address(asked)
    address = developer.address if together else known
    return Developer(developer.who, address, developer.asking_at(address), developer.asking_at)


class CallerDialog(Dialog[tuple[str, str]]):
    """Asks for the address and a key; answers both, the key empty for none.

    Args:
        ref: the deployment.
        address: what is known of its public address.
        with_key: whether a key is asked for.
        at_hand: where this machine has one; empty for nowhere.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]
    KEYS = "enter ask so from now on   ↑ ↓ field   esc back"

    def __init__(self, ref: Ref, address: str, *, with_key: bool, at_hand: str = "") -> None:
        super().__init__(f"Ask {ref} as a developer")
        self.add_class("-secret")
        self._ref, self._address, self._with_key, self._at_hand = ref, address, with_key, at_hand

    def compose_content(self) -> ComposeResult:
        """What it is for, the address, the key."""
        text = "Questions go to the public address as those of developers do: keys, sharing and limits hold."
        yield Static(text, classes="dialog--text", markup=False)
        yield Input(
            self._address, placeholder="https://… where callers reach it", id="caller-address", compact=True,
            classes="dialog--input", select_on_focus=False,
        )  # fmt: skip
        if self._with_key:
            hint = f"API key; empty takes that of {self._at_hand}" if self._at_hand else "API key"
            yield Input(placeholder=hint, password=True, id="caller-key", compact=True, classes="dialog--input")
        unknown = "" if self._address else f"{no_address(self._ref)}; or type one here"
        yield Static(unknown, classes="dialog--note", markup=False)

    def on_mount(self) -> None:
        """What is not known yet has the focus."""
        last = self.query(Input).last()
        (last if self._address else self.query_one("#caller-address")).focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        address = self.query_one("#caller-address", Input).value.strip()
        key = self.query_one("#caller-key", Input).value.strip() if self._with_key else ""
        if not is_address(address):
            self.query_one("#caller-address").focus()
            self.tell("write the address as http://host:8090 or https://host")
        elif self._with_key and not key and not self._at_hand:
            self.query_one("#caller-key").focus()
            self.tell("type the key; to ask without one, choose so in the list before")
        else:
            self.dismiss((address.rstrip("/").removesuffix("/v1"), key))


async def choose_developer(app: App[None], services: Services, ref: Ref) -> Developer | None:
    """Ask as whom; None when it was left.

    Raises:
        GenaiTuiError: a key cannot be made, or the operator's own does not come from where it should.
    """
    keys, why = await _keys(services)
    choices = [
        Choice("with a key", "an API key that you paste"),
        Choice("without a key", "as somebody who has none"),
        *(Choice(key.id, f"{key.user}  {key.organization}  {key.name}") for key in keys),
    ]
    title = f"Ask {ref} as whom?" if not why else f"Ask {ref} as whom? (keys are not listed: {why})"
    chosen = await app.push_screen_wait(PickerScreen(printable(title), choices))
    if chosen is None:
        return None
    record = keys[chosen - 2] if chosen > 1 else None
    own = await services.credentials.find(API_KEY)
    address = await services.playground.public_address(ref)
    answered = await app.push_screen_wait(
        CallerDialog(ref, address, with_key=chosen == 0, at_hand=own.source if chosen == 0 else "")
    )
    if answered is None:
        return None
    address, key = answered
    if record is not None:
        return await _as_copy(app, services, ref, record, address)
    if chosen == 0 and not key:
        key = await services.credentials.value(API_KEY) or ""
    who = f"with {own.source or 'a key that you typed'}" if key else "without a key"
    return _developer(services, who, address, key or None)


def _developer(services: Services, who: str, address: str, key: str | None, copy: KeyRecord | None = None) -> Developer:
    def asking_at(where: str) -> Playground:
        return services.playground.as_developer(where, key)

    return Developer(who, address, asking_at(address), asking_at, copy)


async def _keys(services: Services) -> tuple[Sequence[KeyRecord], str]:
    """The keys there are, without those that have ended; and why they cannot be listed."""
    try:
        keys = await services.keys.listed()
    except GenaiTuiError as error:
        return (), error.problem.what
    now = services.clock()
    return tuple(key for key in keys if not key.expired(now)), ""


async def _as_copy(app: App[None], services: Services, ref: Ref, record: KeyRecord, address: str) -> Developer | None:
    """With a key like that one, made for it: a key itself can never be read back."""
    who = f"{record.user} of {record.organization}"
    question = f"Make a key of {who} in {services.session.context}?"
    text = (
        f"The text of {record.id} cannot be read back. A key like it is made for 15 minutes, and revoked when you go "
        "back to being yourself. The limits of its user and organization count what is asked; those of a single key "
        "begin anew."
    )
    if not record.allows(ref.namespace, ref.name):
        text = f"{record.id} may not call {ref}: neither will its like. {text}"
    if not await app.push_screen_wait(ConfirmDialog(question, text, yes="Make it")):
        return None
    wanted = KeyRequest(
        record.organization,
        record.user,
        name=f"like {record.id}"[:60],
        description=f"made in the console to ask {ref} as {record.user}",
        expires=services.clock() + COPY_LASTS,
        deployments=record.deployments,
    )
    made = await services.keys.create(wanted)
    who = f"{who} with {made.record.id}, like {record.id}"
    return _developer(services, who, address, made.text, made.record)
