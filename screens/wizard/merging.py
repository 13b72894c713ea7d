"""An edit that was begun before another console saved: both edits side by side, then one form."""

from __future__ import annotations

from collections.abc import Mapping

from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM, from_document
from genai_tui.domain.form_field import Draft
from genai_tui.domain.merging import Merge, merge
from genai_tui.domain.rows import Ref
from genai_tui.errors import ChangedMeanwhile
from screens.app import GenaiTui
from screens.dialogs.confirm import ConfirmDialog
from screens.dialogs.disputes import DisputesDialog
from screens.forms.form_screen import FormScreen
from screens.wizard.start import Start, based_on

_LONGEST = 40


async def merged(
    app: GenaiTui, ref: Ref, before: Draft, live: ModelDeployment, mine: Draft
) -> Mapping[str, str] | None:
    """Show what both changed, and ask about what both changed to something else.

    Args:
        app: shows the dialogs; call it in a worker.
        ref: what is edited.
        before: the texts the form was begun with.
        live: what another saved meanwhile.
        mine: the form as typed.

    Returns:
        The form with both edits; None where the operator left the question.
    """
    found = _merge(ref, before, live, mine)
    title, text = f"{ref} was saved by another console meanwhile", _text(found, before)
    if not found.disputes:
        yes = await app.push_screen_wait(ConfirmDialog(title, text, yes="Take it in"))
        return found.draft if yes else None
    answer = await app.push_screen_wait(DisputesDialog(title, found.disputes, text=text, done="take in"))
    return found.decided(answer.resolution) if answer is not None else None


def told_of(ref: Ref, before: Draft, live: ModelDeployment) -> str:
    """What another saved while the form is open, in one sentence."""
    found = _merge(ref, before, live, before)
    what = ", ".join(f"{field.label} {_short(was)} → {_short(now)}" for field, was, now in found.taken)
    return f"Another console saved {ref}: {what or 'nothing the form shows'}. Saving here shows both edits first."


def _merge(ref: Ref, before: Draft, live: ModelDeployment, mine: Draft) -> Merge:
    return merge(DEPLOYMENT_FORM.fields, before, {**from_document(live), "namespace": ref.namespace}, mine)


def _text(found: Merge, before: Draft) -> str:
    lines = ["Nothing was written. What is taken in is reviewed before it is saved."]
    lines += [f"theirs  {field.label}: {_short(was)} → {_short(now)}" for field, was, now in found.taken]
    lines += [f"yours   {field.label} stays as you typed it" for field in found.kept]
    lines += [
        f"both    {dispute.path}, which was {_short(before.get(dispute.field, ''))}" for dispute in found.disputes
    ]
    return "\n".join(lines)


def _short(text: str) -> str:
    line = text.replace("\n", " ⏎ ")
    return (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…") or "(empty)"


class SharedEditScreen(FormScreen):
    """The form of something that others may save while it is open.

    Attributes:
        start: with what the form was begun; its texts before move on with `base`.
        base: what was live when the form was begun, or when it last took in what another had saved; None for a new one.
        applying: whether a save is under way, whose own change is no news.
    """

    def __init__(self) -> None:
        super().__init__()
        self.start: Start
        self.base: ModelDeployment | None = None
        self.applying = False
        self._told: ModelDeployment | None = None

    def begin(self, start: Start) -> None:
        """Take what the form begins with."""
        self.start, self.base = start, start.document

    def kept(self) -> dict[str, str]:
        """Also on what it is based: a form that is taken up again later may be behind."""
        return super().kept() | based_on(self.base)

    def refresh_from_picture(self) -> None:
        """Follow the cluster; say at once when another saved what is edited here."""
        super().refresh_from_picture()
        edited, base = self.start.editing, self.base
        if edited is None or base is None or self.applying:
            return
        detail = self.services.picture.deployment(edited)
        live = detail.document if detail is not None else None
        known = (base, self._told)
        if live is not None and all(one is None or live.spec != one.spec for one in known):
            self._told = live
            self.notify(told_of(edited, self.start.before, live), title="Changed meanwhile", severity="warning")

    async def take_in(self, error: ChangedMeanwhile) -> bool:
        """Bring what another saved into the form; False where that was not wanted, or nothing is live any more.

        What is saved next is compared with the version that was taken in, and locked to it.
        """
        edited, live = self.start.editing, error.live
        if edited is None or live is None:
            return False
        found = await merged(self.app, edited, self.start.before, live, self.state.draft)
        if found is None:
            return False
        self.base, self.start = live, self.start.on(live)
        self.fill_in(found)
        self.keeper.note(self.draft_title(), self.kept())
        await self.keeper.write()
        return True
