"""The playground: talk to a deployment, and see what each answer used, how fast it came and what it cost."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from genai_tui.domain.chat import ChatRequest, TokenChance
from genai_tui.domain.conversation import SavedConversation, SavedPrompt, SavedQuestion, messages
from genai_tui.domain.form_facts import Choice
from genai_tui.domain.rows import Ref
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.chat.as_developer import choose_developer, same_developer
from screens.chat.beside import BesideScreen
from screens.chat.branching import BRANCH_KEYS, BranchingScreen
from screens.chat.chances import ChancesDialog
from screens.chat.code_dialog import LANGUAGES, CodeDialog, Language
from screens.chat.keeping import CONVERSATION, PROMPT, QUESTION, KeepDialog, Saved, SavedScreen, Wanted
from screens.chat.load_screen import LoadDialog
from screens.chat.memory import Held, held, hold, left
from screens.chat.prompt import Prompt
from screens.chat.settings import SYSTEM, ChatSettings
from screens.chat.turns import Turns
from screens.chat.words import short
from screens.dialogs.confirm import ConfirmDialog
from screens.format import phase_text, plural
from screens.forms.picker import PickerScreen


class PlaygroundScreen(BranchingScreen):
    """A conversation with one deployment.

    Args:
        ref: the deployment; None asks which.
    """

    HELP = """
Ask a running model, and read what the answer used: tokens as the engine counts them, time to the first token, speed,
and the cost at the price in force. `first` is the time from sending to the first token. Every question becomes a row
of the usage ledger, also when it is stopped or fails.

`ctrl+r` asks the last question again, `f8` changes it first. `alt+up` and `alt+down`, or a click, mark an earlier
question, and these keys are then of that one: a branch begins there. What was answered before stays beside it with all
that followed, and `f9` shows it again; the conversation goes on from what is shown. Every answer of every branch was
paid, and is in the sums. `esc` leaves the mark.

Where an answer calls tools, nothing is called: you type what each call came to, one after the other, as JSON or plain
text, and the model goes on with all of them (one more row of the ledger). `esc` goes on without: the next question does
not carry the calls then. Results belong to their try: `ctrl+r` sends them again, `f8` changes them.

`ctrl+s` keeps the conversation with its branches, its system prompt, or a question (what is typed, else the last one)
by a name on this machine (a file that only you can read), `ctrl+o` opens what was kept; a conversation goes on with
the deployment it was held with. Another deployment (`f2`), a new conversation or one that is opened stops an answer
that is on its way: what came of it stays in the conversation in which it was asked. What was not kept stays under
`ctrl+o` until the console ends.

`f4` shows what is typed, the marked question or the last one as a request in code. `ctrl+b` asks this deployment and
another the same, beside each other, as a developer where one is asking. `ctrl+l` asks what is typed, or the last
question, many times and several at once, and shows latencies and throughput.

`ctrl+y` asks as a developer does, from then on: at the public address, with an API key that you paste, with none, or
with one like that of somebody, made for 15 minutes. What a gateway refuses is shown in its own words. Again goes back.

Leave a setting empty for the engine's own default; `ctrl+g` shows all there are: penalties, seed, stop texts, JSON
answers, tools, and the chances of each token, which `f12` lists. What is typed is counted by the engine before it is
sent, where it can (`/tokenize`). The gauge shows how much of the context the conversation takes;
begin a new one when it is nearly full.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", tooltip="Stop the answer; the engine stops too"),
        *BRANCH_KEYS[:1],
        Binding("escape", "leave", "Back", id="chat.leave", tooltip="Go back; the conversation is found again"),
        Binding("ctrl+n", "clear", "New", id="chat.new", priority=True,
                tooltip="Begin a new conversation; one that was not kept stays under Open"),
        Binding("f2", "pick", "Switch", id="chat.pick", priority=True, tooltip="Talk to another deployment"),
        Binding("f3", "settings", "Settings", id="chat.settings", priority=True, tooltip="System prompt and sampling"),
        Binding("ctrl+g", "all_settings", "All settings", show=False, id="chat.all_settings", priority=True,
                tooltip="Every setting: penalties, seed, stop texts, JSON, tools, logprobs"),
        Binding("f12", "chances", "Token chances", show=False, id="chat.chances", priority=True,
                tooltip="How sure the model was of each token of the last answer (needs logprobs in the settings)"),
        Binding("f4", "code", "Code", id="chat.code", priority=True,
                tooltip="The same request in curl, Python and Node"),
        Binding("f5", "copy", "Copy", id="chat.copy", priority=True,
                tooltip="Copy the last answer, or that of the marked question"),
        *BRANCH_KEYS[1:],
        Binding("ctrl+b", "beside", "Side by side", show=False, id="chat.beside", priority=True,
                tooltip="Ask another deployment the same, beside this one"),
        Binding("ctrl+y", "developer", "As a developer", show=False, id="chat.developer", priority=True,
                tooltip="Ask at the public address with an API key, as developers do; again to be yourself"),
        Binding("ctrl+l", "load", "Load test", show=False, id="chat.load", priority=True,
                tooltip="Ask the same many times, several at once: latencies and tokens a second"),
        Binding("ctrl+s", "keep", "Keep", show=False, id="chat.keep", priority=True,
                tooltip="Keep this conversation, its system prompt or a question by a name on this machine"),
        Binding("ctrl+o", "open", "Open", show=False, id="chat.open", priority=True,
                tooltip="Open a conversation, a system prompt or a question that was kept"),
        Binding("pageup", "page(-1)", "Back up", show=False, priority=True, tooltip="Earlier answers"),
        Binding("pagedown", "page(1)", "Forward", show=False, priority=True, tooltip="Later answers"),
    ]  # fmt: skip

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape stops an answer that is on its way, then gives up what is being done, and else goes back."""
        if action == "stop":
            return self.asking
        if action == "leave":
            return not self.asking and not self.check_action("unmark", ())
        if action == "chances":
            return bool(self._chances)
        return super().check_action(action, parameters)

    def action_stop(self) -> None:
        """Stop the answer."""
        self._stop_asking()

    def action_leave(self) -> None:
        """Go back."""
        self.dismiss()

    def action_clear(self) -> None:
        """Begin a new conversation; settings and what is typed stay."""
        if self._ref is None:
            return
        edit, typed = self._held.edit, self.query_one(Prompt).text
        self._leave_conversation()
        new = Held(settings=self._held.settings, typed=edit.draft if edit is not None else typed)
        hold(self.app, self._ref, new, self.services.clock())
        self._show_conversation(self._ref)
        self.query_one(Prompt).focus()

    def action_copy(self) -> None:
        """Copy the last answer, or the marked question's, to the clipboard of the terminal (OSC 52)."""
        turns = self._line if self._marked is None else self._line[self._marked : self._marked + 1]
        answers = [turn.answer for turn in turns if turn.answer]
        if not answers:
            self.notify("there is no answer to copy yet", severity="warning", timeout=3)
            return
        self.app.copy_to_clipboard(answers[-1])
        self.notify(f"copied {len(answers[-1]):,} characters, if your terminal lets programs copy", timeout=4)

    @work(exclusive=True, group="dialog")
    async def action_beside(self) -> None:
        """Choose another deployment, and ask both the same."""
        settings = self.query_one(ChatSettings)
        sampling, output, problems = settings.read()
        rows = [row for row in self.answering_first() if row.ref != self._ref]
        if self._ref is None or problems:
            self.notify(problems[0].message if problems else "choose whom to talk to first: f2", timeout=4)
            return
        choices = [Choice(str(row.ref), f"{row.model or ''}  {phase_text(row.assessment)}") for row in rows]
        none = "there is no other deployment to ask"
        chosen = await self.app.push_screen_wait(PickerScreen(f"Beside {self._ref}?", choices, empty=none))
        if chosen is not None:
            refs = (self._ref, rows[chosen].ref)
            who = self._developer
            as_well = await same_developer(who, self.services, *refs) if who is not None else None
            self.app.push_screen(BesideScreen(refs, settings.system, sampling, output, (who, as_well)))

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_developer(self) -> None:
        """Ask as a developer from now on; or, when one is asking, be oneself again."""
        if self._ref is None or self.asking:
            return
        if self._developer is not None:
            self._be_oneself()
            self._refresh_words()
            return
        try:
            self._developer = await choose_developer(self.app, self.services, self._ref)
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=10)
        self._refresh_words()

    def action_load(self) -> None:
        """A load test with what is typed, or with the last question."""
        question, settings = self._question, self.query_one(ChatSettings)
        sampling, output, problems = settings.read()
        if self._ref is None or not question or problems:
            self.notify("type the question to be asked first" if not problems else problems[0].message, timeout=4)
            return
        request = ChatRequest(self._ref, messages(settings.system, (), question), sampling, output)
        self.app.push_screen(LoadDialog(self.playground, self.services.session.context, request))

    @property
    def _question(self) -> str:
        """What is typed, else the last or the marked question; empty for none."""
        typed = "" if self._held.wanted else self.query_one(Prompt).text.strip()
        # Results go back to the question they follow.
        asked = (turn.question for turn in reversed(self._held.turns[: self._at + 1]) if turn.question)
        return typed or next(asked, "")

    def action_keep(self) -> None:
        """Keep the conversation, the system prompt, or a question."""
        if self._ref is None:
            return
        first = next((turn.question for turn in self._held.turns), "")
        system = self.query_one(ChatSettings).system
        names = {CONVERSATION: self._held.name or short(first)} if first else {}
        names |= {PROMPT: short(system)} if system.strip() else {}
        names |= {QUESTION: short(self._question)} if self._question else {}
        if not names:
            self.notify("there is nothing to keep yet: no question and no system prompt", timeout=4)
            return
        taken = {
            CONVERSATION: [one.name for one in self.services.conversations.saved()],
            PROMPT: [one.name for one in self.services.prompts.saved()],
            QUESTION: [one.name for one in self.services.questions.saved()],
        }
        self.app.push_screen(KeepDialog(names, taken), self._keep)

    def _keep(self, wanted: Wanted | None) -> None:
        if wanted is None or self._ref is None:
            return
        settings, now = self.query_one(ChatSettings), self.services.clock()
        turns = self._held.turns
        try:
            if wanted.what == PROMPT:
                self.services.prompts.save(SavedPrompt(wanted.name, settings.system, now))
            elif wanted.what == QUESTION:
                self.services.questions.save(SavedQuestion(wanted.name, self._question, now))
            else:
                self.services.conversations.save(SavedConversation(wanted.name, self._ref, settings.texts, turns, now))
                self._held.name, self._held.kept = wanted.name, turns
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=10)
            return
        self.notify(f"kept: {printable(wanted.name)}   ctrl+o opens it again", timeout=4)

    @work(exclusive=True, group="dialog")
    async def action_open(self) -> None:
        """Open what was kept."""
        shelves = (self.services.conversations, self.services.prompts, self.services.questions)
        for words in (said for shelf in shelves for said in shelf.set_aside()):
            self.notify(words, severity="warning", timeout=10)
        unkept = left(self.app)
        saved: list[Saved] = [*unkept, *(one for shelf in shelves for one in shelf.saved())]
        at = await self.app.push_screen_wait(SavedScreen(saved, self.services.clock(), self._forget, len(unkept)))
        if at is None:
            return
        match saved[at]:
            case SavedPrompt(_, text):
                self._change_settings({**self.query_one(ChatSettings).texts, SYSTEM: text})
            case SavedQuestion(_, text):
                # Beside what is typed: that is not lost.
                self.query_one(Prompt).insert(text)
            case SavedConversation() as one:
                await self._reopen(one, kept=at >= len(unkept))

    def _forget(self, one: Saved) -> None:
        if isinstance(one, SavedConversation) and one in left(self.app):
            left(self.app).remove(one)
            return
        match one:
            case SavedConversation():
                self.services.conversations.discard(one.name)
            case SavedPrompt():
                self.services.prompts.discard(one.name)
            case SavedQuestion():
                self.services.questions.discard(one.name)

    async def _reopen(self, one: SavedConversation, *, kept: bool) -> None:
        """With whom it was held, where that is still there; a conversation that was not kept is not lost unasked."""
        known = self.services.picture.deployment(one.ref) is not None
        ref = one.ref if known or self._ref is None else self._ref
        there = held(self.app, ref)
        asked = self._asking.line() if self._asking is not None and there is self._held else there.turns
        if asked and asked != there.kept:
            question = f"Put {printable(one.name)} in the place of the conversation with {ref}?"
            text = f"That one has {plural(len(asked), 'question')} and was not kept: it stays under ctrl+o until the "
            text += "console ends." if not self.asking else "console ends. Its answer is on its way, and is stopped."
            if not await self.app.push_screen_wait(ConfirmDialog(question, text, yes="Replace")):
                return
        self._leave_conversation()
        new = Held(one.turns, one.settings, self._held.typed if ref == self._ref else there.typed)
        if kept:
            new.name, new.kept = one.name, one.turns
        else:
            left(self.app).remove(one)
        hold(self.app, ref, new, self.services.clock())
        self._show_conversation(ref)
        if ref != one.ref:
            self.notify(f"{one.ref} is not there any more: it goes on with {ref}", severity="warning", timeout=8)

    def action_settings(self) -> None:
        """To the settings, and back to the prompt."""
        prompt = self.query_one(Prompt)
        if self.focused is prompt:
            self.query_one(ChatSettings).go_to(SYSTEM)
        else:
            # At once: what is typed ahead over a slow line must not land in the field that is left.
            self.set_focus(prompt)

    @property
    def _chances(self) -> tuple[TokenChance, ...]:
        end = self._held.turns[self._at].end if self._held.turns else None
        return end.chances if end is not None else ()

    def action_chances(self) -> None:
        """How sure the model was of each token of the last answer, or the marked question's."""
        self.app.push_screen(ChancesDialog(self._chances))

    def action_page(self, by: int) -> None:
        """Scroll the conversation."""
        self.query_one(Turns).page(by)

    @work(exclusive=True, group="dialog", exit_on_error=False)
    async def action_code(self) -> None:
        """Show the request in code."""
        if self._ref is None:
            return
        request = self._in_code(self._ref)
        samples: dict[Language, str] = {}
        try:
            for language in LANGUAGES:
                samples[language] = await self.playground.sample_code(self._ref, language, request)
        except GenaiTuiError as error:
            self.notify(error.problem.line, severity="error", timeout=10)
            return
        await self.app.push_screen_wait(CodeDialog(f"Ask {self._ref} from a program", samples))

    def _in_code(self, ref: Ref) -> ChatRequest | None:
        """The marked question's request, else that of what is typed, else the one that was made last."""
        typed, turns = self.query_one(Prompt).text.strip(), self._line
        turn = self._held.next(typed)
        if typed and turn is not None and (self._marked is None or self._held.edit is not None):
            return self._request(ref, turn, self._before)
        if not turns:
            return None
        at = len(turns) - 1 if self._marked is None else self._marked
        return self._request(ref, turns[at], turns[:at])
