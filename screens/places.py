"""Going to another context or namespace without leaving the console."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widgets import Input, OptionList

from genai_tui.domain.form_facts import Choice
from genai_tui.domain.places import ContextEntry
from genai_tui.domain.text import printable
from genai_tui.errors import GenaiTuiError
from screens.app import GenaiTui
from screens.dialogs.problem import ProblemDialog
from screens.forms.picker import PickerScreen

ALL = "all namespaces"


class PlacePicker(PickerScreen):
    """Also takes what is typed and not in the list: namespaces may be there that may not be listed."""

    def __init__(self, title: str, choices: Sequence[Choice], *, current: str, empty: str) -> None:
        super().__init__(title, choices, current=current, empty=empty)
        self.typed = ""

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        event.stop()
        event.prevent_default()
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._shown):
            self.dismiss(self._shown[at])
        elif event.value.strip():
            self.typed = event.value.strip()
            self.dismiss(-1)


async def choose_context(app: GenaiTui) -> None:
    """Ask for a context and go there, to its own namespace for what needs one, to all for what is listed."""
    try:
        entries = app.services.places.contexts()
    except GenaiTuiError as error:
        app.push_screen(ProblemDialog(error.problem))
        return
    choices = [Choice(printable(entry.name), _about(entry)) for entry in entries]
    here = app.services.session.context
    picker = PickerScreen("Go to context", choices, current=printable(here), empty="the kubeconfig has no such context")
    chosen = await app.push_screen_wait(picker)
    if chosen is not None and entries[chosen].name != here:
        await go(app, entries[chosen].name, None)


def _about(entry: ContextEntry) -> str:
    marked = ("production",) if entry.production else ()
    return printable("  ".join((*marked, entry.cluster, *([entry.namespace] if entry.namespace else ()))))


async def choose_namespace(app: GenaiTui) -> None:
    """Ask for a namespace, and watch nothing else from then on."""
    picture, session = app.services.picture, app.services.session
    names = list(picture.namespaces())
    unseen = picture.health.not_visible("Namespace")
    counts: dict[str, int] = {}
    for row in picture.deployments():
        counts[row.ref.namespace] = counts.get(row.ref.namespace, 0) + 1
    choices = [Choice(ALL, f"{sum(counts.values())} deployments seen")]
    choices += [Choice(printable(name), str(counts.get(name) or "–")) for name in names]
    current = picture.health.within or ALL
    title = "Work in namespace" + (" (not all may be listed: type one)" if unseen else "")
    picker = PlacePicker(title, choices, current=current, empty="enter: the namespace that is typed")
    chosen = await app.push_screen_wait(picker)
    if chosen is None:
        return
    wanted = picker.typed if chosen < 0 else None if chosen == 0 else names[chosen - 1]
    if (wanted or ALL) != current:
        await go(app, session.context, wanted)


async def go(app: GenaiTui, context: str, namespace: str | None) -> None:
    """Open the place, then leave this one; what cannot be opened leaves everything as it is."""
    try:
        services = app.services.places.open(context, namespace)
    except GenaiTuiError as error:
        app.push_screen(ProblemDialog(error.problem))
        return
    await app.move(services)
    app.notify(f"{printable(context)}: {printable(namespace or ALL)}", timeout=3)
