"""The steps of the wizard down the left side, each with how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the rail: `problems` fields are shown to be wrong; `done` when it was visited and is right."""

    title: str
    problems: int = 0
    done: bool = False


class StepRail(Widget):
    """Titles of the steps; the current one stands out, wrong ones carry the number of their problems."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rail--step", "rail--current", "rail--problem", "rail--done"}

    steps: reactive[tuple[Step, ...]] = reactive(())
    """The steps in order."""
    current: reactive[str] = reactive("")
    """Title of the step that is open."""

    @dataclass
    class StepChosen(Message):
        """A step was clicked."""

        title: str

    def __init__(self, titles: Sequence[str], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(StepRail.steps, tuple(Step(title) for title in titles))
        self.set_reactive(StepRail.current, titles[0])

    def render(self) -> Content:
        """One line a step."""
        return Content("\n").join(self._line(step) for step in self.steps)

    def _line(self, step: Step) -> Content:
        if step.problems:
            mark, style = f"✖{step.problems}", "rail--problem"
        elif step.done:
            mark, style = "✔", "rail--done"
        else:
            mark, style = "·", "rail--step"
        current = step.title == self.current
        return Content.assemble(
            Content.styled("▌" if current else " ", self.get_visual_style("rail--current")),
            Content.styled(f"{mark:<3}", self.get_visual_style(style)),
            Content.styled(step.title, self.get_visual_style("rail--current" if current else "rail--step")),
        )

    def on_click(self, event: events.Click) -> None:
        """Open the step under the mouse."""
        offset = event.get_content_offset(self)
        if offset is not None and 0 <= offset.y < len(self.steps):
            self.post_message(self.StepChosen(self.steps[offset.y].title))
