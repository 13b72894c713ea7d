"""What GPUs cost while somebody holds them or nobody does, against what their tokens brought in.

A GPU costs as long as its node is there. It is idle while no pod holds it, and while the engines of the deployment that
holds it count no token. How long each was held is seen by the console and `genai-tui meter` while they run; of the rest
of a time nothing is known, and nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from genai_tui.domain.currencies import currencies
from genai_tui.domain.money import Cost, total
from genai_tui.domain.naming import did_you_mean
from genai_tui.domain.rows import NodeRow, Ref
from genai_tui.domain.usage import UsageLine

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
UNKNOWN_TYPE = "unknown"
FREE, OTHERS = "(free)", "(other pods)"
"""Holders that are no deployment; no name of one has brackets."""
MOST_DIGITS = 6
EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Held:
    """GPUs of one node in one hand: a deployment as `namespace/name`, `FREE` or `OTHERS`."""

    node: str
    node_type: str
    holder: str
    gpus: int


@dataclass(frozen=True, slots=True)
class HeldTime:
    """How many GPU-milliseconds that was in the hour that begins at `start`."""

    start: datetime
    node: str
    node_type: str
    holder: str
    gpu_ms: int


@dataclass(frozen=True, slots=True)
class GpuPrice:
    """What one GPU of a node type costs an hour; it holds from the whole hour `since` on, until a later one does."""

    node_type: str
    per_hour: Decimal
    currency: str
    since: datetime


@dataclass(frozen=True, slots=True)
class GpuCostLine:
    """A deployment, or a node.

    Attributes:
        name: `namespace/name`, `FREE`, `OTHERS`, or the node's name.
        node_types: where its GPUs were.
        gpu_hours: held, or there.
        idle_hours: of these, without work; None where no engine was read.
        costs: one a currency; `unpriced` when GPUs without a price are in none of them.
        idle_costs: of the idle hours.
        income: of its requests; a node's is its share of each deployment's, by GPU time.
    """

    name: str
    node_types: tuple[str, ...]
    gpu_hours: float
    idle_hours: float | None
    costs: tuple[Cost, ...]
    idle_costs: tuple[Cost, ...]
    unpriced: bool
    income: tuple[Cost, ...]

    @property
    def balance(self) -> Cost | None:
        """Income less cost; None where a price is missing or they are not of one currency."""
        if self.unpriced or len(self.costs) != 1 or any(one.currency != self.costs[0].currency for one in self.income):
            return None
        cost = self.costs[0]
        return Cost(sum((one.amount for one in self.income), Decimal(0)) - cost.amount, cost.currency)


@dataclass(frozen=True, slots=True)
class GpuCosts:
    """A window: how much of it was watched, and its lines, the most GPU hours first."""

    watched: timedelta
    deployments: tuple[GpuCostLine, ...]
    nodes: tuple[GpuCostLine, ...]


def node_type(row: NodeRow) -> str:
    """What the cloud calls the machine, else the product of its GPUs."""
    return row.node.meta.labels.get(INSTANCE_TYPE) or row.gpu_product or UNKNOWN_TYPE


def held(rows: Iterable[NodeRow]) -> tuple[Held, ...]:
    """Who holds the GPUs of each node now, the free ones included."""
    found: list[Held] = []
    for row in rows:
        name, kind = row.node.meta.name, node_type(row)
        known = [Held(name, kind, str(ref), gpus) for ref, gpus in row.holders]
        others = row.gpu_total - row.gpu_free - sum(one.gpus for one in known)
        rest = (Held(name, kind, OTHERS, others), Held(name, kind, FREE, row.gpu_free))
        found += [one for one in (*known, *rest) if one.gpus > 0]
    return tuple(found)


def parse_price(node_type_: str, amount: str, currency: str, since: datetime) -> GpuPrice:
    """A price as it was written.

    Raises:
        ValueError: it is none, or its currency is unknown; with a sentence that says what to write.
    """
    if not node_type_.strip():
        raise ValueError("name the node type the price is for")
    if currency not in currencies():
        raise ValueError(f"'{currency}' is not an ISO 4217 currency code{did_you_mean(currency.upper(), currencies())}")
    try:
        value = Decimal(amount)
    except InvalidOperation as error:
        raise ValueError(f"'{amount}' is not an amount: write it as 2.50") from error
    if not value.is_finite() or value < 0:
        raise ValueError("write an amount of 0 or more")
    exponent = value.normalize().as_tuple().exponent
    if (isinstance(exponent, int) and -exponent > MOST_DIGITS) or value.adjusted() >= MOST_DIGITS:
        raise ValueError(f"write at most {MOST_DIGITS} digits before and after the point")
    return GpuPrice(node_type_.strip(), value, currency, since)


class _Sum:
    """GPU time and what it costs, exactly."""

    def __init__(self) -> None:
        self.hours = self.idle = Fraction(0)
        self.costs: dict[str, Fraction] = {}
        self.idle_costs: dict[str, Fraction] = {}
        self.types: set[str] = set()
        self.unpriced = self.unknown = False

    def add(self, time: HeldTime, price: GpuPrice | None, idle: Fraction | None) -> None:
        hours = Fraction(time.gpu_ms, 3_600_000)
        self.hours += hours
        self.types.add(time.node_type)
        if idle is None:
            self.unknown = True
        else:
            self.idle += hours * idle
        if price is None:
            self.unpriced = True
            return
        cost = hours * Fraction(price.per_hour)
        self.costs[price.currency] = self.costs.get(price.currency, Fraction(0)) + cost
        self.idle_costs[price.currency] = self.idle_costs.get(price.currency, Fraction(0)) + cost * (idle or 0)

    def line(self, name: str, income: tuple[Cost, ...]) -> GpuCostLine:
        types, idle = tuple(sorted(self.types)), None if self.unknown else float(self.idle)
        idle_costs = () if self.unknown else _costs(self.idle_costs)
        costs = _costs(self.costs)
        return GpuCostLine(name, types, float(self.hours), idle, costs, idle_costs, self.unpriced, income)


def gpu_costs(
    times: Sequence[HeldTime],
    prices: Sequence[GpuPrice],
    idle: Mapping[str, Fraction],
    requests: Iterable[UsageLine],
    watched: timedelta,
) -> GpuCosts:
    """Everything of a window.

    Args:
        times: who held GPUs when.
        prices: of node types.
        idle: of a deployment's time, the share (0 to 1) in which its engines counted nothing; none: they were not read.
        requests: what deployments took in.
        watched: how much of the window somebody looked.
    """
    income: dict[str, list[Cost]] = {}
    for line in requests:
        if line.cost is not None:
            income.setdefault(line.group, []).append(line.cost)
    of_holder: dict[str, _Sum] = {}
    of_node: dict[str, _Sum] = {}
    shares: dict[str, dict[str, int]] = {}
    for time, price in _joined(times, prices):
        share = Fraction(1) if time.holder == FREE else idle.get(time.holder)
        of_holder.setdefault(time.holder, _Sum()).add(time, price, share)
        of_node.setdefault(time.node, _Sum()).add(time, price, share)
        mine = shares.setdefault(time.holder, {})
        mine[time.node] = mine.get(time.node, 0) + time.gpu_ms
    lines = [found.line(name, total(income.get(name, ()))) for name, found in of_holder.items()]
    nodes = [found.line(name, _share_of(income, shares, name)) for name, found in of_node.items()]
    return GpuCosts(watched, _by_hours(lines), _by_hours(nodes))


def _joined(times: Iterable[HeldTime], prices: Sequence[GpuPrice]) -> Iterator[tuple[HeldTime, GpuPrice | None]]:
    """The hours of one holder, node and price as one, in whole milliseconds: fractions of each would take seconds."""
    of_hour: dict[tuple[str, datetime], GpuPrice | None] = {}
    joined: dict[tuple[str, str, str, GpuPrice | None], HeldTime] = {}
    for time in times:
        hour = (time.node_type, time.start)
        if hour not in of_hour:
            of_hour[hour] = in_force(prices, *hour)
        place = (time.node, time.node_type, time.holder, of_hour[hour])
        before = joined.get(place)
        joined[place] = time if before is None else replace(before, gpu_ms=before.gpu_ms + time.gpu_ms)
    for (_, _, _, price), time in joined.items():
        yield time, price


def _by_hours(lines: Iterable[GpuCostLine]) -> tuple[GpuCostLine, ...]:
    return tuple(sorted(lines, key=lambda one: (-one.gpu_hours, one.name)))


def in_force(prices: Iterable[GpuPrice], kind: str, at: datetime) -> GpuPrice | None:
    """The price of a node type that held at a time."""
    mine = [price for price in prices if price.node_type == kind and price.since <= at]
    return max(mine, key=lambda price: price.since, default=None)


def _share_of(income: Mapping[str, list[Cost]], shares: Mapping[str, Mapping[str, int]], node: str) -> tuple[Cost, ...]:
    sums: dict[str, Fraction] = {}
    for holder, nodes in shares.items():
        if node in nodes:
            share = Fraction(nodes[node], sum(nodes.values()) or 1)
            for cost in income.get(holder, ()):
                sums[cost.currency] = sums.get(cost.currency, Fraction(0)) + Fraction(cost.amount) * share
    return _costs(sums)


def _costs(sums: Mapping[str, Fraction]) -> tuple[Cost, ...]:
    """Rounded once, half to even, to a hundredth of the currency's minor unit."""
    found = []
    for currency, value in sorted(sums.items()):
        unit = 10 ** (currencies()[currency].minor_digits + 2 if currency in currencies() else MOST_DIGITS)
        found.append(Cost(Decimal(round(value * unit)) / unit, currency))
    return tuple(found)


def deployment_of(holder: str) -> Ref | None:
    """The deployment that a holder is; None for the others."""
    namespace, _, name = holder.partition("/")
    return Ref(namespace, name) if name else None


def price_of(kind: str, text: str, now: datetime, known: Iterable[GpuPrice]) -> GpuPrice:
    """`2.50 USD`, or `2.50 USD from 2026-11-01` in UTC.

    Without a day the first price of a node type has always held, and any other holds from the hour of now on.

    Raises:
        ValueError: it is none; with a sentence that says what to write.
    """
    words = [word for word in text.split() if word != "from"]
    if len(words) not in (2, 3):
        raise ValueError("write an amount and a currency: 2.50 USD, or 2.50 USD from 2026-11-01")
    since = now if any(price.node_type == kind for price in known) else EVER
    if len(words) == 3:
        try:
            since = datetime.fromisoformat(words[2])
        except ValueError as error:
            raise ValueError(f"'{words[2]}' is no day: write it as 2026-11-01") from error
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
    return parse_price(
        kind, words[0], words[1].upper(), since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    )
