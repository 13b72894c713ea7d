"""How far the limits of a deployment are used up now, as the gateway that keeps them tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from genai_tui.domain.catalogue import EndpointSpec
from genai_tui.domain.deployment import RateLimits
from genai_tui.domain.enforcement import Backend
from genai_tui.domain.keys import KeyRecord
from genai_tui.domain.limit_use import Counters, Use, Verdict, caller_of, kept_elsewhere, uses, verdict
from genai_tui.domain.refusals import Refusal
from genai_tui.domain.rows import Ref
from genai_tui.domain.sharing import may_call
from genai_tui.errors import BadInput, GenaiTuiError, Unreachable
from genai_tui.services import Services

_MOST_ROWS = 200_000
_NO_KEY = 401
_EMBEDDED, _LIMITADOR = "the embedded gateway", "Kuadrant's Limitador"
REFUSED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class LimitsNow:
    """Every limit with its use, and what was refused.

    Attributes:
        uses: the limits.
        callers: how many keys may call.
        not_known: why the counters are not known here; empty where they are.
        counted_by: who counts; empty where the counters are not known.
        since: since when it counts; None where that is not known.
        said: what one key would be told; None where no key is chosen or the counters are not known.
        refused: the requests that gateways of this machine refused in the last hour, newest first.
        unknown: how many came without a key that is known, to whatever deployment.
    """

    uses: tuple[Use, ...]
    callers: int
    not_known: str = ""
    counted_by: str = ""
    since: datetime | None = None
    said: Verdict | None = None
    refused: tuple[Refusal, ...] = ()
    unknown: int = 0

    @property
    def source(self) -> str:
        """Where the figures are from, or why there are none."""
        if self.not_known:
            return f"how much is used is not known here: {self.not_known}"
        since = f", since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"as {self.counted_by} counts{since}"

    @property
    def nothing_refused(self) -> str:
        """What is to be said where no refusal is listed; empty where it is not known whether there was one."""
        if self.not_known:
            return ""
        # Refusals are written down by the embedded gateway alone.
        if self.counted_by != _EMBEDDED:
            return "what was refused is not known here: Kuadrant does not tell"
        return "nothing was refused in the last hour"


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
    server = services.session.server
    refused = await services.refusals.recent(now - REFUSED_WITHIN, cluster=server, ref=ref)
    refused = tuple(one for one in refused if chosen is None or one.key == chosen.id)
    others = await services.refusals.recent(now - REFUSED_WITHIN, cluster=server, ref=Ref("", ""), limit=_MOST_ROWS)
    unknown = sum(one.count for one in others if one.status == _NO_KEY)
    of = (
        [key for key in keys if may_call(spec.sharing, ref, key) and not key.expired(now)]
        if chosen is None
        else [chosen]
    )
    callers = tuple(map(caller_of, of))
    row = next((row for row in services.picture.endpoints() if row.name == spec.endpoint), None)
    endpoint = row.document.spec if row is not None and row.document is not None else None
    not_known = kept_elsewhere(spec.endpoint, endpoint)
    if not not_known:
        try:
            by, told = await _told(services, ref, endpoint, spec.rate_limits)
        except GenaiTuiError as error:
            not_known = error.problem.line
        else:
            windows = told.windows(ref)
            said = verdict(windows, ref, spec.sharing, spec.rate_limits, chosen, now) if chosen is not None else None
            found = uses(windows, ref, spec.rate_limits, callers)
            return LimitsNow(found, len(of), "", by, told.since, said, refused, unknown)
    found = uses(None, ref, spec.rate_limits, callers)
    return LimitsNow(found, len(of), not_known, refused=refused, unknown=unknown)


async def _told(
    services: Services, ref: Ref, endpoint: EndpointSpec | None, limits: RateLimits
) -> tuple[str, Counters]:
    """Who counts, and what it counted. Raises GenaiTuiError: that is not known."""
    if endpoint is None or endpoint.enforcement != Backend.KUADRANT.value:
        return _EMBEDDED, await services.windows.of(ref)
    told = await services.limitador.of(ref)
    lacking = told.lacking(limits)
    if lacking:
        # Not yet, or not any more: without its limit nothing is counted, and that is not 0.
        what = f"{_LIMITADOR} does not have the limit of {' and '.join(lacking)}"
        raise Unreachable(what, next_step=f"see `genai-tui enforcement {ref.name}`")
    return _LIMITADOR, told
