"""The form of a deployment that others may save while it is open."""

from __future__ import annotations

from genai_tui.domain.documents import ModelDeployment
from genai_tui.domain.drafts import DEPLOYMENT_FORM, from_document
from genai_tui.errors import ChangedMeanwhile
from screens.forms.form_screen import FormScreen
from screens.forms.merging import merged, told_of
from screens.wizard.start import Start, based_on


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
            theirs = {**from_document(live), "namespace": edited.namespace}
            told = told_of(str(edited), DEPLOYMENT_FORM.fields, self.start.before, theirs)
            self.notify(told, title="Changed meanwhile", severity="warning")

    async def take_in(self, error: ChangedMeanwhile) -> bool:
        """Bring what another saved into the form; False where that was not wanted, or nothing is live any more.

        What is saved next is compared with the version that was taken in, and locked to it.
        """
        edited, live = self.start.editing, error.live
        if edited is None or not isinstance(live, ModelDeployment):
            return False
        theirs = {**from_document(live), "namespace": edited.namespace}
        fields = DEPLOYMENT_FORM.fields
        found = await merged(self.app, str(edited), fields, self.start.before, theirs, self.state.draft)
        if found is None:
            return False
        self.base, self.start = live, self.start.on(live)
        self.fill_in(found)
        self.keeper.note(self.draft_title(), self.kept())
        await self.keeper.write()
        return True
