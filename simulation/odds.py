"""How often channels that cannot be locked sell the same last unit, measured, beside what a formula predicts.

Many goods lie in one warehouse, two units of each, and three channels sell them. Shoppers come to each channel as a
Poisson stream. Nothing goes wrong: this is the speed of light of webhooks, polls and platforms' ceilings, not a fault.

Without a buffer every channel shows both units. When the last one is sold on a channel, the others offer it until they
are told, `d` seconds later: P(oversell) = 1 - exp(-sum of lambda * d over the others). With a buffer of one unit each
shows one, and three must be sold before any is told: all the others must sell within their delays.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from math import exp, prod
from statistics import fmean

from simulation.agenda import Agenda
from simulation.catalogue import WAREHOUSE, Good, Stock
from simulation.faults import Weather, forecast
from simulation.platform import BasketLine, ShelfCause, ShelfChange
from simulation.post import Post
from simulation.process import HubProcess
from simulation.shoppers import make_shopper
from simulation.template import Copies, make_template, open_copies
from simulation.trace import Trace

UNITS = 2
GOODS = 120
HOURS = 1.0
REST = timedelta(minutes=10)
"""After the last shopper the platforms are heard and told for so long."""

SHOPPERS_PER_HOUR = 6.0
"""Shoppers of one good on one channel."""

CHANNELS = ("webshop", "boutique", "marketplace")


@dataclass
class Sales:
    """What was sold of one good: (when, where), and when each other shelf was next written after the first sale."""

    sold: list[tuple[datetime, str]] = field(default_factory=list)
    told_after: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Odds:
    """One row: goods whose decisive unit was sold on `channel`. Shares are from 0 to 1, `delay_seconds` is a mean."""

    channel: str
    buffer_units: int
    goods: int
    delay_seconds: float
    predicted: float
    realized: float


@dataclass(frozen=True, slots=True)
class Market:
    """What is played: so many units of each good, for so long, and what happens beside the shoppers.

    `opened` and `closed` are called with the hub's life when the doors open, and when all has come to rest.
    """

    units: int = UNITS
    buffer_units: int = 0
    goods: int = field(default_factory=lambda: GOODS)
    hours: float = field(default_factory=lambda: HOURS)
    opened: Callable[[HubProcess, Agenda], None] = lambda hub, agenda: None
    closed: Callable[[HubProcess, Agenda], None] = lambda hub, agenda: None


def measure(runs: int, first_seed: int = 1) -> list[Odds]:
    """Plays some runs without and with a buffer."""
    rows: list[Odds] = []
    with open_copies() as copies:
        for buffer_units in (0, 1):
            found: list[Sales] = []
            for seed in range(first_seed, first_seed + runs):
                found += play(copies, seed, Market(buffer_units=buffer_units))
            rows += _odds(found, buffer_units)
    return rows


def play(copies: Copies, seed: int, market: Market) -> list[Sales]:
    """One run; answers what was sold of each good."""

    def stock_of(goods: Sequence[Good]) -> Stock:
        return {(good.sku, WAREHOUSE.code): market.units for good in goods if not good.parts}

    template = make_template(market.goods, seed, buffer_units=market.buffer_units, stock_of=stock_of)
    agenda = Agenda(template.opens_at)
    closes_at = template.opens_at + timedelta(hours=market.hours)
    weather = Weather(seed, forecast(seed, (), CHANNELS, opens_at=template.opens_at, ends_at=closes_at))
    world = template.world(agenda, {}, poll_seconds=None)
    goods = [good.sku for good in world.goods if not good.parts]
    sales = {sku: Sales() for sku in goods}
    chance = random.Random(f"odds {seed}")
    with copies.of(template) as database:
        trace = Trace(agenda)
        hub = HubProcess(world, agenda, database, weather, trace)
        post = Post(world, agenda, weather, hub, trace)
        hub.wires.on_answer = post.soon
        hub.start()
        post.start()
        market.opened(hub, agenda)

        def buy(channel: str, sku: str) -> None:
            [point] = world.accounts[channel].stock_points
            shopper = make_shopper(chance, 0)
            if world.buy(channel, [BasketLine(sku, 1)], shopper, point).order_id is not None:
                sales[sku].sold.append((agenda.now(), channel))
                post.soon(channel)

        for sku in goods:
            for channel in CHANNELS:
                for moment in _stream(chance, template.opens_at, closes_at):
                    agenda.at(moment, partial(buy, channel, sku))
        agenda.pass_until(closes_at + REST)
        market.closed(hub, agenda)
    for channel in CHANNELS:
        _note_told(channel, world.accounts[channel].emulator.shelf_log, sales)
    return list(sales.values())


def _stream(chance: random.Random, begins_at: datetime, ends_at: datetime) -> Iterator[datetime]:
    moment = begins_at
    while (moment := moment + timedelta(hours=chance.expovariate(SHOPPERS_PER_HOUR))) < ends_at:
        yield moment


def _note_told(channel: str, log: Sequence[ShelfChange], sales: Mapping[str, Sales]) -> None:
    for change in log:
        found = sales.get(change.sku)
        if found is None or not found.sold or change.cause is not ShelfCause.WRITTEN:
            continue
        at, where = found.sold[0]
        if where != channel and change.at > at:
            found.told_after.setdefault(channel, (change.at - at).total_seconds())


def _odds(found: Sequence[Sales], buffer_units: int) -> Iterator[Odds]:
    """Realized and predicted, by the channel that sold the decisive unit: the last one, with a buffer the first."""
    delays: dict[str, list[dict[str, float]]] = defaultdict(list)
    for one in found:
        if one.sold and len(one.told_after) == len(CHANNELS) - 1:
            delays[one.sold[0][1]].append(one.told_after)
    decisive = 0 if buffer_units else UNITS - 1
    for channel in CHANNELS:
        goods = [one for one in found if len(one.sold) > decisive and one.sold[decisive][1] == channel]
        told = delays[channel]
        if not goods or not told:
            continue
        yield Odds(
            channel,
            buffer_units,
            len(goods),
            fmean(seconds for one in told for seconds in one.values()),
            fmean(_chance_of(one.values(), buffer_units) for one in told),
            sum(len(one.sold) > UNITS for one in goods) / len(goods),
        )


def _chance_of(delays: Iterable[float], buffer_units: int) -> float:
    within = [1 - exp(-SHOPPERS_PER_HOUR * seconds / 3600) for seconds in delays]
    return prod(within) if buffer_units else 1 - prod(1 - one for one in within)
