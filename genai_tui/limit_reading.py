"""How far the limits of a deployment are used up now, as the ledger of this machine tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import LOOK_BACK, Verdict, caller_of, counted, readings, verdict
from genai_tui.domain.limits import Reading
from genai_tui.domain.refusals import Refusal
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import may_call
from genai_tui.errors import BadInput
from genai_tui.services import Services

_MOST_ROWS = 200_000
_NO_KEY = 401
REFUSED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LimitsNow:
    """Every limit with its use, and what was refused.

    Attributes:
        readings: the limits.
        callers: how many keys may call.
        said: what one key would be told.
        refused: the requests that were refused in the last hour, newest first.
        unknown: how many came without a key that is known, to whatever deployment.
    """

    readings: tuple[Reading, ...]
    callers: int
    said: Verdict | None = None
    refused: tuple[Refusal, ...] = ()
    unknown: int = 0


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
    server = services.session.server
    refused = await services.refusals.recent(now - REFUSED_WITHIN, cluster=server, ref=ref)
    refused = tuple(one for one in refused if chosen is None or one.key == chosen.id)
    others = await services.refusals.recent(now - REFUSED_WITHIN, cluster=server, ref=Ref("", ""), limit=_MOST_ROWS)
    unknown = sum(one.count for one in others if one.status == _NO_KEY)
    of = [key for key in keys if may_call(spec.sharing, ref, key)] if chosen is None else [chosen]

    def count() -> LimitsNow:
        windows = counted(rows, server)
        found = readings(windows, ref, spec.rate_limits, map(caller_of, of), now)
        said = verdict(windows, ref, spec.sharing, spec.rate_limits, chosen, now) if chosen is not None else None
        return LimitsNow(found, len(of), said, refused, unknown)

    # A busy gateway makes a hundred thousand rows in this time: not for the thread that draws.
    return await asyncio.to_thread(count)
