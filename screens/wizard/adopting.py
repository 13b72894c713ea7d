"""The form of a new deployment with the settings of one that others made, which is never written to."""

from __future__ import annotations

from dataclasses import replace

from genai_tui.domain.adoption import Adoption
from genai_tui.domain.documents import ModelDeployment
from genai_tui.services import Preview, SavedDraft
from screens.wizard.screen import WizardScreen
from screens.wizard.start import Start, adopting, start_of


class AdoptScreen(WizardScreen):
    """The deployment form, filled in from a deployment of others.

    Args:
        adoption: what was read back, and what did not fit.
    """

    def __init__(self, adoption: Adoption) -> None:
        super().__init__()
        self._adoption = adoption

    def start_with(self, kept: SavedDraft | None) -> Start:
        """The form as it was read back, or one that was kept."""
        if kept is not None:
            return start_of(self.services, self.facts, None, None, kept)
        return adopting(self.services, self.facts, self._adoption)

    def lead(self) -> str:
        """What is not taken over."""
        lines = [f"  {left.line}" for left in self._adoption.leftovers]
        return "\n".join([f"Beside {self._adoption.ref}, which stays as it is. Not taken over:", *lines])

    async def preview(self, document: ModelDeployment) -> Preview:
        """Also how it differs from the one it was read from."""
        found = await super().preview(document)
        return replace(found, diff=await self.services.operations.compare(self._adoption.ref, document))
