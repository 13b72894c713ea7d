"""What can be done to one deployment: keys, questions before a write, and how the write went."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import from_document
from genai_tui.domain.replacing import restart_note
from genai_tui.domain.revisions import rolled_back
from genai_tui.domain.rollouts import restart_refusal
from genai_tui.domain.rows import DeploymentDetail, Ref
from genai_tui.domain.scaling import scale_note
from genai_tui.errors import GenaiTuiError
from genai_tui.spare import room_for_one_more
from screens.acting import act, ask_replicas, ask_to_delete, scale
from screens.asking import talk_refusal
from screens.base import ConsoleScreen
from screens.deployment.history import HistoryDialog
from screens.deployment.overview import fix_fields
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.difference import DifferenceDialog
from screens.dialogs.problem import ProblemDialog

VERBS = {
    "scale": "patch",
    "stop": "patch",
    "pause": "patch",
    "history": "patch",
    "edit": "patch",
    "fix": "patch",
    "restart": "patch",
    "share": "patch",
    "take_theirs": "patch",
    "put_back": "patch",
    "delete": "delete",
}
"""The verb on apps/deployments each writing action needs."""


class ActingScreen(ConsoleScreen):
    """Base of a screen about one deployment: `_last` is its last known state, `_gone` whether it was deleted since."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "chat", "Chat", id="deployment.chat", tooltip="Talk to it in the playground"),
        Binding("e", "edit", "Edit", id="deployment.edit", tooltip="Change its settings in the form"),
        Binding("x", "fix", "Fix", id="deployment.fix", tooltip="Open the form with what would mend it filled in"),
        Binding("s", "scale", "Scale", id="deployment.scale", tooltip="Change how many replicas it has; 0 stops it"),
        Binding("r", "restart", "Restart", id="deployment.restart", tooltip="Replace every pod"),
        Binding("ctrl+d", "delete", "Delete", id="deployment.delete", tooltip="Delete it with what belongs to it"),
        Binding("A", "adopt", "Adopt", id="deployment.adopt",
                tooltip="Open its settings in the form, as a new deployment of ours beside it"),
        Binding("u", "history", "Roll back", show=False, id="deployment.history",
                tooltip="Earlier revisions, what going back to one changes, and going back"),
        Binding("Z", "stop", "Stop or start", show=False, id="deployment.stop",
                tooltip="Stop it, so that its GPUs become free; or start it with the replicas it had"),
        Binding("P", "pause", "Pause or resume", show=False, id="deployment.pause",
                tooltip="Hold its rollout, so that changes wait; or let it go on"),
    ]  # fmt: skip
    WRITES: ClassVar[frozenset[str]] = frozenset(VERBS)

    def __init__(self, ref: Ref) -> None:
        super().__init__()
        self._ref = ref
        self._last: DeploymentDetail | None = None
        self._gone = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key that mends is there while something can be filled in, the one that adopts on what others made."""
        if action == "adopt" and (self._last is None or not self._last.row.foreign or self.services.session.read_only):
            return False
        if action == "fix" and not self._filled():
            return False
        return super().check_action(action, parameters)

    def _filled(self) -> dict[str, str]:
        """What the fix of the present cause fills into the form."""
        return fix_fields(self._last) if self._last is not None and not self._gone else {}

    def refusal(self, action: str) -> str:
        """Why it cannot be done to this deployment by this identity now."""
        if action == "adopt":
            return self.services.access.permission("create", "apps/deployments", self._ref.namespace).reason
        if action not in VERBS and action != "chat":
            return ""
        if self._last is None:
            return f"nothing is known of {self._ref}"
        if self._gone:
            return f"{self._ref} does not exist any more"
        if action == "chat":
            missing = talk_refusal(self.services, self._last.row)
            waiting = "" if self._last.row.ready else f"no replica of {self._ref} is ready: nobody would answer"
            return missing or waiting
        if self._last.row.foreign:
            return f"{self._ref} was made by {self._last.row.managed_by}: nothing here writes to it"
        if action == "restart" and (why := restart_refusal(paused=self._last.workload.paused)):
            return why
        return self.services.access.permission(VERBS[action], "apps/deployments", self._ref.namespace).reason

    # Into other screens -----------------------------------------------------------------------------------------------

    def action_chat(self) -> None:
        """Talk to it."""
        self.app.open_playground(self._ref)

    def action_fix(self) -> None:
        """Open the form with the fix filled in: an edit like any other, reviewed before it is saved."""
        self.app.open_filled(self._ref, self._filled())

    def action_edit(self) -> None:
        """Change its settings."""
        self.app.open_wizard(edit=self._ref)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_adopt(self) -> None:
        """Read it back, say what does not fit, and open the form with the rest."""
        try:
            adoption = await self.services.operations.adoption(self._ref)
        except GenaiTuiError as error:
            self.app.push_screen(ProblemDialog(error.problem))
            return
        text = "Its settings open in the form, for a new deployment of ours beside it. Nothing is written to it."
        left = "\n".join(left.line for left in adoption.leftovers) or "everything fits"
        title = f"Adopt {self._ref}, made by {adoption.managed_by}?"
        asking = DifferenceDialog(title, f"{text}\nNot taken over:", left, yes="open the form")
        if await self.app.push_screen_wait(asking):
            self.app.open_adoption(adoption)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_history(self) -> None:
        """Choose an earlier revision; the form shows what going back to it changes, and saves it."""
        document = self._last.document if self._last is not None else None
        if document is None:
            self.notify(f"what {self._ref} was made from cannot be read", severity="warning")
            return
        reading = self.services.operations.revisions(self._ref)

        def room(then: ModelDeployment) -> bool:
            return room_for_one_more(self.services.picture, then.spec, self._ref)

        then = await self.app.push_screen_wait(HistoryDialog(document, reading, self.services.clock, room))
        if then is not None:
            self.app.open_filled(self._ref, from_document(rolled_back(document, then)), review=True)

    # Questions, then writes -------------------------------------------------------------------------------------------

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_scale(self) -> None:
        """Ask for a number of replicas."""
        if self._last is not None:
            workload = self._last.workload
            await ask_replicas(self.app, self._ref, workload, offered=workload.replicas)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_stop(self) -> None:
        """Stop what runs, after asking; start what is stopped, with as many replicas as it had."""
        if self._last is None:
            return
        workload = self._last.workload
        if not workload.replicas:
            offered = workload.before_stop or 1
            await ask_replicas(self.app, self._ref, workload, verb="Start", offered=offered)
            return
        means = scale_note(workload, 0, ()).removeprefix("stops it: ")
        text = f"In {self.services.session.context}: {means} until Z starts it again."
        if await self.app.push_screen_wait(ConfirmDialog(f"Stop {self._ref}?", text, yes="Stop")):
            await scale(self.app, self._ref, 0)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_pause(self) -> None:
        """Hold the rollout, or let it go on."""
        if self._last is None:
            return
        paused = self._last.workload.paused
        where = f"In {self.services.session.context}: "
        if paused:
            title, yes, text = (
                f"Resume {self._ref}?",
                "Resume",
                "its rollout goes on, with all that was changed meanwhile.",
            )
        else:
            title, yes = f"Pause {self._ref}?", "Pause"
            text = "changes of its pods wait until it is resumed. What runs goes on answering."
        if await self.app.push_screen_wait(ConfirmDialog(title, where + text, yes=yes)):
            done = f"the rollout of {self._ref} {'goes on' if paused else 'is paused'}"
            await act(self.app, self.services.operations.pause(self._ref, paused=not paused), done)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_restart(self) -> None:
        """Ask, then replace every pod."""
        if self._last is None:
            return
        spec = self._last.document.spec if self._last.document is not None else None
        room = spec is None or room_for_one_more(self.services.picture, spec, self._ref)
        meaning = restart_note(self._last.workload, needs_gpus=spec is not None and spec.resources.gpu > 0, room=room)
        text = f"In {self.services.session.context}: every pod is replaced. {meaning}"
        if await self.app.push_screen_wait(ConfirmDialog(f"Restart {self._ref}?", text, yes="Restart")):
            await act(self.app, self.services.operations.restart(self._ref), f"{self._ref} is being restarted")

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_delete(self) -> None:
        """Ask for the name, then delete."""
        await ask_to_delete(self.app, self._ref)
