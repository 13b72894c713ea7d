"""The playground: talk to a deployment, and see what each answer used, how fast it came and what it cost.

Data path: `services.playground.ask` yields events; they are collected and drawn five times a second at most, so that
a fast engine floods neither the event loop nor an SSH line.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from genai_tui.domain.chat import Answered, ChatEvent, ChatRequest, TextDelta, ThoughtDelta
from genai_tui.domain.conversation import Turn, context_used, messages, other_try, totals, tried_again
from genai_tui.domain.form_facts import Choice
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.errors import GenaiTuiError, explain
from screens.base import ConsoleScreen
from screens.chat.code_dialog import LANGUAGES, CodeDialog, Language
from screens.chat.facts import side, title, warning
from screens.chat.memory import Held, held
from screens.chat.prompt import Prompt
from screens.chat.settings import SYSTEM, ChatSettings
from screens.chat.turn_view import TurnView
from screens.chat.words import context_line, totals_line
from screens.format import phase_text
from screens.forms.picker import PickerScreen

log = logging.getLogger(__name__)
DRAWS_PER_SECOND = 5
_ALMOST_FULL = 0.9
_NEAR_THE_END = 2
_EMPTY = (
    "Nothing was asked yet. What is typed below goes to {ref}; each answer shows its tokens, its speed and its cost, "
    "and is one row of the usage ledger."
)


class PlaygroundScreen(ConsoleScreen):
    """A conversation with one deployment.

    Args:
        ref: the deployment; None asks which.
    """

    HELP = """
Ask a running model, and read what the answer used: tokens as the engine counts them, time to the first token, speed,
and the cost at the price in force. `first` is the time from sending to the first token. Every question becomes a row
of the usage ledger, also when it is stopped or fails.

`ctrl+r` asks the last question again, `f8` changes it first; what was answered before stays beside it, and `f9` shows
it again: the conversation goes on from what is shown. Every try was answered and paid, and is in the sums.

Leave a setting empty for the engine's own default. The gauge shows how much of the context the conversation takes;
begin a new one when it is nearly full.
"""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", tooltip="Stop the answer; the engine stops too"),
        Binding("escape", "leave", "Back", id="chat.leave", tooltip="Go back; the conversation is found again"),
        Binding("ctrl+n", "clear", "New", id="chat.new", priority=True, tooltip="Forget this conversation"),
        Binding("f2", "pick", "Switch", id="chat.pick", priority=True, tooltip="Talk to another deployment"),
        Binding("f3", "settings", "Settings", id="chat.settings", priority=True, tooltip="System prompt and sampling"),
        Binding("f4", "code", "Code", id="chat.code", priority=True,
                tooltip="The same request in curl, Python and Node"),
        Binding("f5", "copy", "Copy", id="chat.copy", priority=True, tooltip="Copy the last answer"),
        Binding("ctrl+r", "retry", "Retry", id="chat.retry", priority=True,
                tooltip="Ask the last question again; the answer that is there is kept beside the new one"),
        Binding("f8", "edit", "Edit question", show=False, id="chat.edit", priority=True,
                tooltip="Change the last question and ask it instead; what was answered is kept beside"),
        Binding("f9", "other(1)", "Another try", show=False, id="chat.other", priority=True,
                tooltip="Show another answer to the last question; the conversation goes on from what is shown"),
        Binding("pageup", "page(-1)", "Back up", show=False, priority=True, tooltip="Earlier answers"),
        Binding("pagedown", "page(1)", "Forward", show=False, priority=True, tooltip="Later answers"),
    ]  # fmt: skip

    def __init__(self, ref: Ref | None = None) -> None:
        super().__init__()
        self._ref = ref
        self._held = Held()
        self._most: int | None = None
        self._view: TurnView | None = None
        self._live: Turn | None = None
        self._ticks: Timer | None = None
        self._editing = False
        self._said: dict[str, str | Content] = {}

    def compose_body(self) -> ComposeResult:
        """Whom one talks to, the settings, the conversation, the line to ask."""
        with Horizontal(id="chat-title"):
            yield Static("", id="chat-who", markup=False)
            yield Static("", id="chat-context", markup=False)
        with Horizontal(id="chat-middle"):
            with Vertical(id="chat-side"):
                yield ChatSettings()
                yield Static("", id="chat-facts", markup=False)
            with Vertical(id="chat-main"):
                yield Static("", id="chat-warning", markup=False)
                with VerticalScroll(id="chat-turns", can_focus=False):
                    yield Static("", id="chat-empty", markup=False)
                yield Static("", id="chat-totals", markup=False)
                yield Prompt("ask something: enter sends, ctrl+j makes a new line")

    def on_mount(self) -> None:
        """Open the conversation, or ask with whom."""
        self._ticks = self.set_interval(1 / DRAWS_PER_SECOND, self._draw_live, pause=True)
        self.query_one(Prompt).focus()
        if self._ref is None:
            self._refresh_words()
            self.call_after_refresh(self.action_pick)
        else:
            self._talk_to(self._ref)

    # Whom one talks to ------------------------------------------------------------------------------------------------

    def _talk_to(self, ref: Ref) -> None:
        self._ref, self._held, self._most = ref, held(self.app, ref), None
        prompt, settings = self.query_one(Prompt), self.query_one(ChatSettings)
        with self.prevent(TextArea.Changed, Input.Changed):
            prompt.put(self._held.typed)
            settings.put(self._held.settings)
        prompt.past = [turn.question for turn in self._held.turns]
        self._show_turns()
        self._learn_context(ref)

    @on(ChatSettings.Changed)
    def _keep_settings(self, event: ChatSettings.Changed) -> None:
        event.stop()
        self._held.settings = self.query_one(ChatSettings).texts

    def _show_turns(self) -> None:
        turns = self.query_one("#chat-turns", VerticalScroll)
        turns.query(TurnView).remove()
        turns.mount(*(TurnView(turn) for turn in self._held.turns))
        turns.scroll_end(animate=False)
        self._refresh_words()

    @work(exclusive=True, group="context", exit_on_error=False)
    async def _learn_context(self, ref: Ref) -> None:
        """The engine's own word counts; until it is heard, the deployment's setting."""
        document = self._detail.document if self._detail is not None else None
        wanted = document.spec.engine.context_length if document is not None else None
        self._most = wanted if isinstance(wanted, int) else None
        try:
            self._most = await self.services.playground.context_length(ref) or self._most
        except GenaiTuiError as error:
            log.info("the context of %s is not known: %s", ref, error.problem.line)
        settings = self.query_one(ChatSettings)
        settings.context_length = self._most
        settings.check()
        self._refresh_words()

    @property
    def _detail(self) -> DeploymentDetail | None:
        return self.services.picture.deployment(self._ref) if self._ref is not None else None

    @work(exclusive=True, group="dialog")
    async def action_pick(self) -> None:
        """Choose the deployment to talk to; those that answer come first."""
        rows = sorted(self.services.picture.deployments(), key=lambda row: (not row.ready, str(row.ref)))
        choices = [Choice(str(row.ref), f"{row.model or ''}  {phase_text(row.assessment)}") for row in rows]
        none = "there is no deployment to talk to: esc, then n makes one"
        chosen = await self.app.push_screen_wait(
            PickerScreen("Talk to which deployment?", choices, current=str(self._ref or ""), empty=none)
        )
        if chosen is not None:
            self._stop_asking()
            self._talk_to(rows[chosen].ref)
        elif self._ref is None:
            self.dismiss()

    # Asking -----------------------------------------------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """Whether an answer is on its way."""
        return self._live is not None

    @on(Prompt.Sent)
    def _sent(self, event: Prompt.Sent) -> None:
        event.stop()
        settings = self.query_one(ChatSettings)
        _, problems = settings.read()
        if problems:
            settings.go_to(problems[0].field)
        elif self.asking:
            self.notify("an answer is on its way: esc stops it", severity="warning", timeout=3)
        elif self._ref is not None:
            event.prompt.put("")
            event.prompt.past.append(event.text)
            self._ask(self._ref, event.text, self._taken_back() if self._editing else None)

    def _taken_back(self) -> Turn | None:
        """The last turn, out of the conversation: another try comes in its place."""
        self._editing = False
        if not self._held.turns:
            return None
        self.query(TurnView).last().remove()
        return self._held.turns.pop()

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def _ask(self, ref: Ref, question: str, instead: Turn | None = None) -> None:
        settings = self.query_one(ChatSettings)
        said = messages(settings.system, self._held.turns, question)
        request = ChatRequest(ref, said, settings.read()[0])
        self._live = Turn(question)
        self.refresh_bindings()
        await self._begin(self._live)
        unkept: Problem | None = None
        try:
            async with aclosing(self.services.playground.ask(request)) as events:
                async for event in events:
                    self._live = _with(self._live, event)
        except asyncio.CancelledError:
            self._live = replace(self._live, stopped=True)
            raise
        except Exception as error:
            problem = explain(error).problem
            if not isinstance(error, GenaiTuiError):
                log.exception("asking %s failed", ref)
            # After a whole answer only the ledger can fail: the answer stands.
            if self._live.end is not None:
                unkept = problem
            else:
                self._live = replace(self._live, problem=problem)
        finally:
            await self._end(tried_again(instead, self._live) if instead is not None else self._live, self._held)
        if unkept is not None:
            self.notify(unkept.line, title="this answer is not in the ledger", severity="error", timeout=20)

    async def _begin(self, turn: Turn) -> None:
        self._view = TurnView(turn)
        turns = self.query_one("#chat-turns", VerticalScroll)
        self._refresh_words()
        await turns.mount(self._view)
        turns.scroll_end(animate=False)
        if self._ticks is not None:
            self._ticks.resume()

    async def _end(self, turn: Turn, conversation: Held) -> None:
        """Keep the turn; a question that got no answer goes back to where it can be sent again."""
        self._live = None
        self.refresh_bindings()
        conversation.turns.append(turn)
        if self._ticks is not None:
            self._ticks.pause()
        if not self.is_mounted or self._view is None:
            return
        await self._draw(self._view, turn, running=False)
        prompt = self.query_one(Prompt)
        if not turn.answer and not prompt.text:
            prompt.put(turn.question)
        self._refresh_words()

    async def _draw_live(self) -> None:
        if self._live is not None and self._view is not None and self._view.is_mounted:
            await self._draw(self._view, self._live, running=True)
            self._refresh_counts()

    async def _draw(self, view: TurnView, turn: Turn, *, running: bool) -> None:
        """Draw a turn; the end stays in sight for those who look at the end."""
        turns = self.query_one("#chat-turns", VerticalScroll)
        follow = turns.scroll_y >= turns.max_scroll_y - _NEAR_THE_END
        await view.draw(turn, running=running)
        if follow:
            turns.scroll_end(animate=False)

    def _stop_asking(self) -> None:
        self.workers.cancel_group(self, "ask")

    # Words around the conversation ------------------------------------------------------------------------------------

    def refresh_from_picture(self) -> None:
        """The deployment changed."""
        self._refresh_words()

    def _refresh_words(self) -> None:
        if self._ref is None:
            return
        detail = self._detail
        self._say("#chat-who", title(self._ref, detail))
        self._say("#chat-warning", warning(self._ref, detail))
        asked = self._held.turns or self.asking
        self._say("#chat-empty", "" if asked else _EMPTY.format(ref=self._ref))
        self._refresh_counts()

    def _say(self, selector: str, words: str | Content) -> None:
        """Change words that stand around; the same ones are not drawn again, none take no room."""
        if self._said.get(selector) != words:
            self._said[selector] = words
            line = self.query_one(selector, Static)
            line.update(words)
            line.set_class(not words, "-nothing")

    def _refresh_counts(self) -> None:
        turns = [*self._held.turns, self._live] if self._live is not None else self._held.turns
        used = context_used(turns)
        self._say("#chat-context", context_line(used, self._most))
        full = bool(used and self._most and used >= _ALMOST_FULL * self._most)
        self.query_one("#chat-context").set_class(full, "-full")
        self._say("#chat-totals", totals_line(totals(self._held.turns)))
        self._say("#chat-facts", side(self._detail, turns, self._most))

    @on(TextArea.Changed, "#chat-prompt")
    def _grow(self, event: TextArea.Changed) -> None:
        """The prompt is as high as its text, within bounds; that is content, not look."""
        event.stop()
        self._held.typed = event.text_area.text
        event.text_area.styles.height = min(6, max(1, event.text_area.wrapped_document.height))

    # Keys -------------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape stops an answer that is on its way, and else goes back."""
        if action in ("stop", "leave"):
            return self.asking == (action == "stop")
        if action in ("retry", "edit", "other"):
            return bool(self._held.turns) and not self.asking
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        """Stop the answer."""
        self._stop_asking()

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss()

    def action_retry(self) -> None:
        """Ask the last question again."""
        turn = self._taken_back()
        if turn is not None and self._ref is not None:
            prompt = self.query_one(Prompt)
            # A question without an answer was given back to be sent; now it is sent.
            if prompt.text == turn.question:
                prompt.put("")
            self._ask(self._ref, turn.question, turn)

    def action_edit(self) -> None:
        """Put the last question where it can be changed; sending it takes its place."""
        self._editing = not self._editing
        prompt = self.query_one(Prompt)
        prompt.put(self._held.turns[-1].question if self._editing else "")
        prompt.focus()
        said = (
            "sending it takes the place of the last question; f8 again gives that up" if self._editing else "given up"
        )
        self.notify(said, timeout=4)

    def action_other(self, by: int) -> None:
        """Show another try of the last question."""
        if not self._held.turns[-1].others:
            self.notify("there is one answer to the last question; ctrl+r asks it again", timeout=4)
            return
        self._held.turns[-1] = other_try(self._held.turns[-1], by)
        self._show_turns()

    def action_clear(self) -> None:
        """Forget the conversation and begin a new one; settings stay."""
        self._stop_asking()
        self._editing = False
        self._held.turns.clear()
        self._show_turns()
        self.query_one(Prompt).focus()

    def action_copy(self) -> None:
        """Copy the last answer to the clipboard of the terminal (OSC 52)."""
        answers = [turn.answer for turn in self._held.turns if turn.answer]
        if not answers:
            self.notify("there is no answer to copy yet", severity="warning", timeout=3)
            return
        self.app.copy_to_clipboard(answers[-1])
        self.notify(f"copied {len(answers[-1]):,} characters, if your terminal lets programs copy", timeout=4)

    def action_settings(self) -> None:
        """To the settings, and back to the prompt."""
        prompt = self.query_one(Prompt)
        if self.focused is prompt:
            self.query_one(ChatSettings).go_to(SYSTEM)
        else:
            # At once: what is typed ahead over a slow line must not land in the field that is left.
            self.set_focus(prompt)

    def action_page(self, by: int) -> None:
        """Scroll the conversation."""
        turns = self.query_one("#chat-turns", VerticalScroll)
        turns.scroll_page_up(animate=False) if by < 0 else turns.scroll_page_down(animate=False)

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_code(self) -> None:
        """Show the request in code."""
        if self._ref is None:
            return
        samples: dict[Language, str] = {}
        try:
            for language in LANGUAGES:
                samples[language] = await self.services.playground.sample_code(self._ref, language)
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=10)
            return
        await self.app.push_screen_wait(CodeDialog(f"Ask {self._ref} from a program", samples))


def _with(turn: Turn, event: ChatEvent) -> Turn:
    """The turn after one more event."""
    match event:
        case TextDelta(text, usage, cost):
            turn = replace(turn, answer=turn.answer + text)
        case ThoughtDelta(text, usage, cost):
            turn = replace(turn, thoughts=turn.thoughts + text)
        case Answered():
            return replace(turn, end=event)
    return turn if usage is None else replace(turn, running_usage=usage, running_cost=cost)
