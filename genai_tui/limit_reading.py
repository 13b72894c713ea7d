"""How far the limits of a deployment are used up now, as the ledger of this machine tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import LOOK_BACK, Verdict, caller_of, counted, readings, verdict
from genai_tui.domain.limits import Reading
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import may_call
from genai_tui.errors import BadInput
from genai_tui.services import Services

_MOST_ROWS = 200_000


@dataclass(frozen=True, slots=True)
class LimitsNow:
    """Every limit with its use; `callers` is how many keys may call, `said` what one key would be told."""

    readings: tuple[Reading, ...]
    callers: int
    said: Verdict | None = None


async def limits_now(services: Services, ref: Ref, keys: Sequence[KeyRecord], chosen: KeyRecord | None) -> LimitsNow:
    """Read them.

    Args:
        services: the ports.
        ref: the deployment.
        keys: every key there is.
        chosen: the one key to look at; None for all that may call.

    Raises:
        BadInput: others made the deployment. GenaiTuiError: the ledger cannot be read.
    """
    detail = services.picture.deployment(ref)
    if detail is None or detail.document is None:
        raise BadInput(f"{ref} was made by others: no limits are kept with it")
    spec, now = detail.document.spec, services.clock()
    rows = await services.usage.requests(now - LOOK_BACK, limit=_MOST_ROWS)
    of = [key for key in keys if may_call(spec.sharing, ref, key)] if chosen is None else [chosen]

    def count() -> LimitsNow:
        windows = counted(rows, services.session.server)
        found = readings(windows, ref, spec.rate_limits, map(caller_of, of), now)
        said = verdict(windows, ref, spec.sharing, spec.rate_limits, chosen, now) if chosen is not None else None
        return LimitsNow(found, len(of), said)

    # A busy gateway makes a hundred thousand rows in this time: not for the thread that draws.
    return await asyncio.to_thread(count)
