"""Where the live objects are not as the spec says: told on the overview, taken into the form, or put back."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from genai_tui.domain.disputes import OURSELVES, Dispute, Drift, Stand, all_of, shown
from genai_tui.domain.drafts import DEPLOYMENT_FORM
from genai_tui.domain.rows import Ref
from genai_tui.errors import GenaiTuiError
from screens.acting import act
from screens.deciding import written
from screens.deployment.acting import ActingScreen
from screens.deployment.sheet import Bit, Block, Grid, Heading, Space, Text
from screens.dialogs.confirm import ConfirmDialog
from screens.format import plural

FEW = 4
VALUE = 60
_LABELS = {field.id: field.label for field in DEPLOYMENT_FORM.fields}


def drift_blocks(drift: Drift | None) -> list[Block]:
    """The fields that are otherwise, the first few; nothing where everything is as asked for."""
    if drift is None or not drift.fields:
        return []
    keys = ", ".join(
        name
        for name, there in (("t takes it into the form", drift.texts), ("b puts ours back", drift.restorable))
        if there
    )
    blocks: list[Block] = [Space(), Heading("CHANGED ELSEWHERE", keys)]
    blocks.append(Grid(tuple(_line(found) for found in drift.fields[:FEW])))
    if len(drift.fields) > FEW:
        blocks.append(Text(f"and {len(drift.fields) - FEW} more: m on the tab Manifest shows all", "quiet"))
    return blocks


def _line(found: Dispute) -> tuple[Bit, ...]:
    label = _LABELS.get(found.field) or found.path.rsplit(".", 1)[-1]
    asked = "added" if found.ours is None else f"asked for {_short(found.ours)}"
    text = f"{_short(found.theirs)}, {asked}   by {found.holder}"
    return (Bit(label, "waiting"), Bit(text))


def drift_lines(drift: Drift) -> str:
    """Every field with both values, in full."""
    parts: list[str] = []
    for found in drift.fields:
        parts += [f"{found.reference}  {found.path}", f"  by {found.holder}"]
        parts += [f"  - asked for  {shown(found.ours)}", f"  + live       {shown(found.theirs)}", ""]
    return "\n".join(parts)


def _short(value: str | None) -> str:
    text = " ".join(shown(value).split())
    return text if len(text) <= VALUE else f"{text[: VALUE - 1]}…"


class DriftScreen(ActingScreen):
    """A screen of one deployment that says where it drifted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "take_theirs", "Take theirs", show=False, id="drift.take",
                tooltip="Open the form with what was changed elsewhere filled in"),
        Binding("b", "put_back", "Put ours back", show=False, id="drift.back",
                tooltip="Write the fields that were changed elsewhere as they were asked for"),
    ]  # fmt: skip

    def __init__(self, ref: Ref) -> None:
        super().__init__(ref)
        self.drift: Drift | None = None
        self._compared: tuple[int, str] | None = None

    def drift_changed(self) -> None:
        """Show what was found."""

    def follow_drift(self) -> None:
        """Compare again when the object or its spec changed."""
        if self._last is None or self._gone or self._last.document is None:
            return
        now = (self._last.workload.meta.generation, self._last.document.spec.canonical_json())
        if now != self._compared:
            self._compared = now
            self._compare()

    @work(exclusive=True, group="drift", exit_on_error=False)
    async def _compare(self) -> None:
        try:
            self.drift = await self.services.operations.drift(self._ref)
        except GenaiTuiError as error:
            # It is an extra: what cannot be compared is told nowhere as equal.
            self.drift, self._compared = None, None
            self.log.warning(error.problem.line)
        self.drift_changed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys are there while there is something to take or to put back."""
        found = self.drift if self.drift is not None and not self._gone else Drift()
        if (action == "take_theirs" and not found.texts) or (action == "put_back" and not found.restorable):
            return False
        return super().check_action(action, parameters)

    def action_take_theirs(self) -> None:
        """Open the form with it filled in: an edit like any other."""
        if self.drift is not None:
            self.app.open_filled(self._ref, self.drift.texts)

    @work(exclusive=True, group="act", exit_on_error=False)
    async def action_put_back(self) -> None:
        """Ask, then write what was asked for."""
        drift, document = self.drift, self._last.document if self._last is not None else None
        if drift is None or document is None:
            return
        fields = drift.restorable
        lines = [f"{_LABELS.get(f.field) or f.path}: {_short(f.theirs)} becomes {_short(f.ours)}" for f in fields]
        stale = any(found.manager == OURSELVES for found in fields)
        remark = "\nSome were written by an earlier version of this program or of the catalogue." if stale else ""
        text = f"In {self.services.session.context}:\n" + "\n".join(lines[:10]) + remark
        if len(lines) > 10:
            text += f"\nand {len(lines) - 10} more"
        title = f"Put back {plural(len(fields), 'field')} of {self._ref}?"
        if not await self.app.push_screen_wait(ConfirmDialog(title, text, yes="Put back", tone="danger")):
            return
        operations, ours = self.services.operations, all_of(fields, Stand.OURS)
        putting = written(
            self.app,
            title,
            lambda decided: operations.apply(document, base=document, resolution={**ours, **decided}),
        )
        await act(self.app, putting, f"{self._ref} is as asked for again")
        self._compare()
