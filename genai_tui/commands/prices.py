"""`genai-tui prices`: what the tokens of a deployment cost, and from when on."""

from __future__ import annotations

from datetime import datetime

from genai_tui.commands.named import IN_LEDGER, the_one
from genai_tui.commands.output import Format, Row, as_table, timestamp, write, wrote_stable
from genai_tui.domain.money import Price, plain
from genai_tui.services import Services

_COLUMNS = ("from", "currency", "inputPerMillion", "cachedInputPerMillion", "outputPerMillion")


async def prices(services: Services, name: str, namespace: str | None, form: Format) -> None:
    """Print every price a deployment had, oldest first, as this machine knows it.

    Raises:
        NotFound, BadInput: the ledger knows nothing, or more than one deployment, of that name.
    """
    server = services.session.server
    ref = the_one(name, namespace, await services.usage.deployments(server), IN_LEDGER)
    history = await services.usage.price_history(server, ref.namespace, ref.name)
    items = [_item(at, price) for at, price in history]
    if wrote_stable({"items": items}, form, _COLUMNS):
        return
    if not items:
        write(f"no price of {ref} is known here; it is kept when it is applied, or asked, from this machine")
    else:
        write(as_table(("from", "currency", "input", "cached", "output"), [tuple(item.values()) for item in items]))


def _item(at: datetime, price: Price | None) -> Row:
    """One price as `prices -o json` promises it (docs/cli.md); null throughout where it had none from then on."""
    cached = price.cached_per_million if price else None
    return {
        "from": timestamp(at),
        "currency": price.currency if price else None,
        "inputPerMillion": plain(price.input_per_million) if price else None,
        "cachedInputPerMillion": plain(cached) if cached is not None else None,
        "outputPerMillion": plain(price.output_per_million) if price else None,
    }
