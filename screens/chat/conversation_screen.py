"""A conversation as it is held: asked, drawn five times a second at most, counted, kept.

Data path: `services.playground.ask` yields events; they are collected and drawn five times a second at most, so that
a fast engine floods neither the event loop nor an SSH line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, Static, TextArea

from genai_tui.chat_ports import Playground
from genai_tui.domain.chat import ChatRequest
from genai_tui.domain.conversation import Turn, context_used, messages, totals
from genai_tui.domain.form_facts import Choice
from genai_tui.domain.problems import Problem
from genai_tui.domain.rows import DeploymentDetail, DeploymentRow, Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.base import ConsoleScreen
from screens.chat.all_settings import SettingsDialog
from screens.chat.answering import follow
from screens.chat.as_developer import Developer
from screens.chat.facts import side, title, warning
from screens.chat.memory import Asking, Held, held
from screens.chat.prompt import Prompt
from screens.chat.settings import ChatSettings
from screens.chat.turns import Turns
from screens.chat.words import context_line, facts_line, next_line, totals_line, wanted_line
from screens.format import phase_text
from screens.forms.picker import PickerScreen

log = logging.getLogger(__name__)
DRAWS_PER_SECOND = 5
_ALMOST_FULL = 0.9
_COUNT_AFTER_S = 0.4
"""Typing pauses so long before what is typed is counted."""
_QUESTION = "ask something: enter sends, ctrl+j makes a new line"
_RESULT = "its result, JSON or plain text: enter sends, ctrl+j makes a new line"
_EMPTY = (
    "Nothing was asked yet. What is typed below goes to {ref}; each answer shows its tokens, its speed and its cost, "
    "and is one row of the usage ledger."
)


class ConversationScreen(ConsoleScreen):
    """A conversation with one deployment, and what is said around it; its keys are in `screens.playground`.

    Args:
        ref: the deployment; None asks which.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012

    def __init__(self, ref: Ref | None = None) -> None:
        super().__init__()
        self._ref = ref
        self._held = Held()
        self._most: int | None = None
        self._asking: Asking | None = None
        self._ticks: Timer | None = None
        self._counting: Timer | None = None
        self._next: int | None = None
        self._said: dict[str, str | Content] = {}
        self._developer: Developer | None = None

    @property
    def playground(self) -> Playground:
        """Whom questions go through: our own way, or a developer's."""
        return self._developer.playground if self._developer is not None else self.services.playground

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
                yield Turns()
                yield Static("", id="chat-totals", markup=False)
                yield Static("", id="chat-doing", markup=False)
                yield Prompt(_QUESTION)

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
        """Go to the conversation with a deployment; an answer that is on its way is stopped and stays in its own."""
        self._leave_conversation()
        self._show_conversation(ref)

    def _show_conversation(self, ref: Ref) -> None:
        if ref != self._ref:
            self._be_oneself()
        self._ref, self._held, self._most, self._next = ref, held(self.app, ref), None, None
        prompt, settings = self.query_one(Prompt), self.query_one(ChatSettings)
        with self.prevent(TextArea.Changed, Input.Changed):
            prompt.put(self._held.typed)
            settings.put(self._held.settings)
        prompt.past = [turn.question for turn in self._held.turns if turn.question]
        if self._held.results is None and self._held.edit is None:
            self._held.want_results()
        self._show_turns()
        self._learn_context(ref)

    def _leave_conversation(self) -> None:
        # What was typed last may not have been told yet.
        self._held.typed = self.query_one(Prompt).text
        self._stop_asking()

    @on(ChatSettings.Changed)
    def _keep_settings(self, event: ChatSettings.Changed) -> None:
        event.stop()
        self._held.settings = self.query_one(ChatSettings).texts

    def _show_turns(self) -> None:
        self.query_one(Turns).show(self._held.turns)
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

    def answering_first(self) -> list[DeploymentRow]:
        """Every deployment, those that answer before the others."""
        return sorted(self.services.picture.deployments(), key=lambda row: (not row.ready, str(row.ref)))

    @work(exclusive=True, group="dialog")
    async def action_pick(self) -> None:
        """Choose the deployment to talk to; those that answer come first."""
        rows = self.answering_first()
        choices = [Choice(str(row.ref), f"{row.model or ''}  {phase_text(row.assessment)}") for row in rows]
        none = "there is no deployment to talk to: esc, then n makes one"
        chosen = await self.app.push_screen_wait(
            PickerScreen("Talk to which deployment?", choices, current=str(self._ref or ""), empty=none)
        )
        if chosen is not None:
            self._talk_to(rows[chosen].ref)
        elif self._ref is None:
            self.dismiss()

    # Asking -----------------------------------------------------------------------------------------------------------

    @property
    def asking(self) -> bool:
        """Whether an answer is on its way."""
        return self._asking is not None

    @property
    def _line(self) -> tuple[Turn, ...]:
        """The conversation, with the turn that is being answered."""
        return self._asking.line() if self._asking is not None else self._held.turns

    @on(Prompt.Sent)
    def _sent(self, event: Prompt.Sent) -> None:
        event.stop()
        settings = self.query_one(ChatSettings)
        _, _, problems = settings.read()
        if problems:
            self._go_to(problems[0].field)
        elif self.asking:
            self.notify("an answer is on its way: esc stops it", severity="warning", timeout=3)
        elif self._ref is not None:
            event.prompt.past.append(event.text)
            turn = self._held.next(event.text)
            if turn is None:
                self._give(event.text)
                return
            edit, self._held.edit = self._held.edit, None
            self._held.typed = edit.draft if edit is not None else ""
            event.prompt.put(self._held.typed)
            self._ask(self._ref, turn, edit.at if edit is not None else len(self._held.turns))

    def _give(self, result: str) -> None:
        """Keep the result of a call until those of the others are there."""
        given, edit = (*(self._held.results or ()), result), self._held.edit
        self._held.results = given
        before = self._held.turns[edit.at].results[len(given) :] if edit is not None else ()
        self.query_one(Prompt).put(before[0] if before else "")
        self._refresh_words()

    def _ask(self, ref: Ref, turn: Turn, at: int) -> None:
        """Ask at a place of the conversation; what stands there, and all behind it, stays as another try."""
        request, self._held.results = self._request(ref, turn, self._held.turns[:at]), None
        view = self.query_one(Turns).begin(turn, at)
        self._asking = Asking(self._held, at, turn, view)
        self.refresh_bindings()
        self._refresh_words()
        if self._ticks is not None:
            self._ticks.resume()
        self._follow(self._asking, request)

    @work(exclusive=True, group="ask", exit_on_error=False)
    async def _follow(self, asking: Asking, request: ChatRequest) -> None:
        def see(turn: Turn) -> None:
            # What is said of one that was stopped comes too late.
            if self._asking is asking:
                asking.turn = turn

        unkept: Problem | None = None
        try:
            unkept = await follow(self.playground, request, asking.turn, see)
        finally:
            self._over(asking)
        if unkept is not None:
            self.notify(unkept.line, title="this answer is not in the ledger", severity="error", timeout=20)

    @property
    def _before(self) -> tuple[Turn, ...]:
        """The turns that what is typed follows, with the one that is being answered."""
        return self._line if self._held.edit is None else self._held.before

    def _request(self, ref: Ref, turn: Turn, before: Sequence[Turn]) -> ChatRequest:
        settings = self.query_one(ChatSettings)
        sampling, output, _ = settings.read()
        return ChatRequest(ref, messages(settings.system, before, turn.question, turn.results), sampling, output)

    def _over(self, asking: Asking) -> None:
        """Keep the turn, once, with its conversation; a question that got no answer can be sent again."""
        if self._asking is not asking:
            return
        self._asking, conversation = None, asking.conversation
        conversation.turns = asking.line()
        conversation.want_results()
        if not asking.turn.answered and not conversation.typed:
            conversation.typed = asking.turn.question
        if self._ticks is not None:
            self._ticks.pause()
        # In the screen's own time: one that is being left has nothing to draw on any more.
        self.call_later(self._show_end, asking)

    async def _show_end(self, asking: Asking) -> None:
        if asking.conversation is not self._held:
            return
        prompt = self.query_one(Prompt)
        if not asking.turn.answered and not prompt.text and not self.asking:
            prompt.put(asking.turn.question)
        self.refresh_bindings()
        self._refresh_words()
        turns = self._held.turns
        if asking.at < len(turns):
            await self.query_one(Turns).draw(asking.view, turns[asking.at], running=False)

    async def _draw_live(self) -> None:
        if self._asking is not None:
            await self.query_one(Turns).draw(self._asking.view, self._asking.turn, running=True)
            self._refresh_counts()

    def _stop_asking(self) -> None:
        """Stop the answer: from here on the turn is one of its conversation, with what came of it."""
        asking = self._asking
        self.workers.cancel_group(self, "ask")
        if asking is not None:
            asking.stop()
            self._over(asking)

    def _go_to(self, field: str) -> None:
        if field in ChatSettings.FIELDS:
            self.query_one(ChatSettings).go_to(field)
        else:
            self.action_all_settings()

    def action_all_settings(self) -> None:
        """Every setting on one page."""
        texts = self.query_one(ChatSettings).texts
        self.app.push_screen(SettingsDialog(texts, self._most), self._change_settings)

    def _change_settings(self, texts: Mapping[str, str] | None) -> None:
        if texts is not None:
            settings = self.query_one(ChatSettings)
            with self.prevent(TextArea.Changed, Input.Changed):
                settings.put(texts)
            self._held.settings = settings.texts

    def _be_oneself(self) -> None:
        """Ask with our own rights again; a key that was made for asking otherwise is revoked."""
        left, self._developer = self._developer, None
        if left is not None and left.copy is not None:
            revoking = self.services.keys.revoke([left.copy])
            self.app.run_worker(revoking, name=f"revoke {left.copy.id}", group="revoke", exit_on_error=False)

    def on_unmount(self) -> None:
        """Whoever leaves asks for nobody any more; what came of an answer stays in its conversation."""
        self._stop_asking()
        self._be_oneself()

    # Words around the conversation ------------------------------------------------------------------------------------

    def refresh_from_picture(self) -> None:
        """The deployment changed."""
        self._refresh_words()

    def _refresh_words(self) -> None:
        if self._ref is None:
            return
        detail = self._detail
        self._say("#chat-who", title(self._ref, detail))
        asking_as = f"▲ asking as a developer: {self._developer.words}; ctrl+y goes back" if self._developer else ""
        self._say("#chat-warning", printable(asking_as) or warning(self._ref, detail))
        self._say("#chat-empty", "" if self._line else _EMPTY.format(ref=self._ref))
        self._say("#chat-doing", self._doing())
        self.query_one(Prompt).placeholder = _RESULT if self._held.wanted else _QUESTION
        self._refresh_counts()

    def _doing(self) -> str:
        """What is being done to the conversation beside asking a question; empty for nothing."""
        wanted = self._held.wanted
        leave = "goes on without" if self._held.edit is None else "gives the change up"
        return wanted_line(wanted, len(self._held.results or ()) + len(wanted), leave)

    def on_resize(self) -> None:
        """Counts go where there is room."""
        self.call_after_refresh(self._refresh_words)

    def _say(self, selector: str, words: str | Content) -> None:
        """Change words that stand around; the same ones are not drawn again, none take no room."""
        if self._said.get(selector) != words:
            self._said[selector] = words
            line = self.query_one(selector, Static)
            line.update(words)
            line.set_class(not words, "-nothing")

    def _refresh_counts(self) -> None:
        turns = self._line
        used = context_used(turns)
        self._say("#chat-context", context_line(used, self._most))
        full = bool(used and self._most and used >= _ALMOST_FULL * self._most)
        self.query_one("#chat-context").set_class(full, "-full")
        to_send = next_line(self._next, self._most)
        room = self.query_one("#chat-totals").content_size.width
        self._say("#chat-totals", facts_line([to_send, totals_line(totals(self._held.turns))], room))
        self.query_one("#chat-totals").set_class(to_send.startswith("▲"), "-full")
        self._say("#chat-facts", side(self._detail, turns, self._most))

    @on(TextArea.Changed, "#chat-prompt")
    def _grow(self, event: TextArea.Changed) -> None:
        """The prompt is as high as its text, within bounds; that is content, not look."""
        event.stop()
        self._held.typed = event.text_area.text
        event.text_area.styles.height = min(6, max(1, event.text_area.wrapped_document.height))
        if self._counting is not None:
            self._counting.stop()
        self._counting = self.set_timer(_COUNT_AFTER_S, self._count)

    @work(exclusive=True, group="count", exit_on_error=False)
    async def _count(self) -> None:
        """Ask the engine how many tokens would be sent; one that cannot tell leaves it unknown."""
        text = self.query_one(Prompt).text.strip()
        turn, self._next = self._held.next(text), None
        if text and turn is not None and self._ref is not None:
            try:
                said = self._request(self._ref, turn, self._before)
                self._next = await self.services.playground.count_tokens(self._ref, said.messages, said.output.tools)
            except GenaiTuiError as error:
                log.info("what is typed is not counted: %s", error.problem.line)
        self._refresh_counts()
