"""What the focused field means, where the eye finds it without leaving the form."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from genai_tui.domain.form_field import FormField


class FieldHelp(Widget):
    """Label, meaning and an example of one field."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"help--label", "help--example"}

    field: reactive[FormField | None] = reactive(None, layout=True)
    """The field that has the focus; None shows nothing."""

    def render(self) -> Content:
        """One paragraph."""
        field = self.field
        if field is None:
            return Content("")
        parts = [Content.styled(f"{field.label}  ", self.get_visual_style("help--label")), Content(field.help)]
        if field.choices is not None:
            parts.append(Content.styled("  F2 lists them.", self.get_visual_style("help--example")))
        return Content("").join(parts)
