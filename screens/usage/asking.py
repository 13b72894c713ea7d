"""What the usage screen asks in a dialog: a window of one's own, a file to write; and the prices it shows in one.

Call these in a worker: they wait for dialogs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from genai_tui.domain.usage import UsageLine
from genai_tui.domain.windows import parse_window
from genai_tui.usage_files import file_problem, line_item, write_items
from screens.app import GenaiTui
from screens.dialogs.prices import PricesDialog
from screens.dialogs.text import TextDialog
from screens.format import plural
from screens.usage.reading import Asked


async def ask_window(app: GenaiTui, text: str, now: datetime) -> str:
    """Ask for a length of time, or for days; `text` as it was where the dialog is left."""

    def problem(typed: str) -> str:
        try:
            parse_window(typed, now)
        except ValueError as error:
            return str(error)
        return ""

    about = "A length of time back from now (90m, 36h, 14d), or days in UTC: 2026-11-01 2026-11-15."
    return await app.push_screen_wait(TextDialog("Window", text, problem=problem, text=about)) or text


async def ask_file(app: GenaiTui, asked: Asked, lines: Sequence[UsageLine]) -> None:
    """Ask for a new file and write the lines into it."""
    name = "-".join(["usage", asked.by.value, asked.window.name.replace(" ", "-")]) + ".csv"
    about = f"{plural(len(lines), 'row')} as shown. The name's end says how: .csv or .json."
    dialog = TextDialog("Write usage into a file", name, problem=file_problem, text=about)
    chosen = await app.push_screen_wait(dialog)
    if chosen is None:
        return
    span = {
        "since": f"{asked.window.since:%Y-%m-%dT%H:%M:%SZ}",
        "until": f"{asked.window.until:%Y-%m-%dT%H:%M:%SZ}",
    }
    try:
        path = await asyncio.to_thread(write_items, chosen, [{**line_item(asked.by, line), **span} for line in lines])
    except OSError as error:
        app.notify(f"cannot write {error.filename or chosen}: {error.strerror}", severity="error")
    else:
        app.notify(f"{plural(len(lines), 'row')} written to {path}")


async def show_prices(app: GenaiTui, name: str) -> None:
    """Show every price of a deployment (`namespace/name`) with the time from which it held.

    Raises:
        GenaiTuiError: the ledger cannot be read.
    """
    namespace, _, deployment = name.rpartition("/")
    history = await app.services.usage.price_history(app.services.session.server, namespace, deployment)
    await app.push_screen_wait(PricesDialog(name, history))
