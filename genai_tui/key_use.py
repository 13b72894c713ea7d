"""When API keys were last used, as far as this machine's ledger has seen it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from genai_tui.domain.usage import Dimension
from genai_tui.usage_ports import UsageReports

USED_WITHIN = timedelta(days=90)
"""How far back is looked."""


async def last_used(usage: UsageReports, now: datetime) -> Mapping[str, datetime]:
    """When each key was last used, by its id; a key that is missing was not seen here within `USED_WITHIN`.

    Raises:
        GenaiTuiError: the ledger cannot be read.
    """
    lines = await usage.usage(Dimension.KEY, now - USED_WITHIN)
    found: dict[str, datetime] = {}
    for line in lines:
        if line.group and line.last_at:
            found[line.group] = max(line.last_at, found.get(line.group, line.last_at))
    return found
