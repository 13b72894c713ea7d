"""What a field of a form is, and what a form as typed is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Draft = Mapping[str, str]
"""A form as typed: field id -> text. A field that is absent counts as empty."""


class FieldKind(StrEnum):
    """How a field is typed."""

    TEXT = "text"
    CHOICE = "choice"
    NUMBER = "number"
    SWITCH = "switch"
    LINES = "multi-line"


class Choices(StrEnum):
    """Where the choices or suggestions of an open field come from."""

    MODELS = "models"
    ENDPOINTS = "endpoints"
    NAMESPACES = "namespaces"
    ORGANIZATIONS = "organizations"
    CURRENCIES = "currencies"
    GPU_RESOURCES = "GPU resources of the nodes"
    TAINTS = "taints of the nodes"
    NODE_LABELS = "labels of the nodes"
    TOPOLOGY = "topology of the nodes"
    STARTS = "starts of this image and model"


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form.

    Attributes:
        id: path in the file format, and the name of the text in a draft.
        tab: title of the tab it stands on.
        label: what the form calls it.
        help: one or two sentences: what it means and what to type.
        kind: how it is typed.
        initial: text of a new form.
        placeholder: shown while the field is empty.
        unit: shown after the field.
        required: whether an empty text is a problem.
        options: the only texts allowed, where the set is closed.
        choices: where open choices or suggestions come from.
        when: (id of another field, its texts) that make this field apply; None means always.
    """

    id: str
    tab: str
    label: str
    help: str
    kind: FieldKind = FieldKind.TEXT
    initial: str = ""
    placeholder: str = ""
    unit: str = ""
    required: bool = False
    options: tuple[str, ...] = ()
    choices: Choices | None = None
    when: tuple[str, tuple[str, ...]] | None = None

    @property
    def engine(self) -> str | None:
        """The only engine it applies to; None when it applies to every engine."""
        return self.when[1][0] if self.when and self.when[0] == "engine.type" else None

    def applies(self, draft: Draft) -> bool:
        """Whether the form as typed has this field."""
        return self.when is None or draft.get(self.when[0], "").strip() in self.when[1]
