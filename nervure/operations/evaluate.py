"""A period of the hub's own orders played again by every rule, beside what could have been known in hindsight."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.scarcity import read_parcels
from nervure.orders.comparison import Comparison, compare
from nervure.orders.replays import Period, ReplayedOrder
from nervure.orders.routing import Candidate, Wanted
from nervure.orders.scarcity import PastDemand, Watch, Ways
from nervure.store.database import Connection
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import PastOrder, ScarcityStore
from nervure.store.stock import StockStore

HISTORY_DAYS = 56
"""So far back orders are learned from unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when, and until before when, orders are played again; until then stock was to last."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class _Past:
    period: Period
    demand: PastDemand
    ways: Ways


def evaluate(hub: Hub, span: Span, *, seeds: int, seconds: float) -> list[Comparison]:
    """Plays a period of the hub by every rule, once for each seed of the futures that prices are learned from.

    Raises:
        RefusalError: no order that is sent was placed in the period, or none before, or the settings say no costs.
    """
    with hub.database.read() as connection:
        past = _read(connection, hub, span)
    return [
        compare(past.period, Watch(past.demand, past.ways, span.end, np.random.default_rng(seed)), seconds=seconds)
        for seed in range(seeds)
    ]


def _read(connection: Connection, hub: Hub, span: Span) -> _Past:
    now = hub.clock.now()
    store, routing, stock = ScarcityStore(connection, now), RoutingStore(connection, now), StockStore(connection, now)
    said = routing.routing()
    if said.settings is None:
        raise RefusalError("the settings say nothing of what routing costs ([routing]): there is nothing to compare")
    orders = store.orders(span.begin, span.end)
    days = said.settings.scarcity.history_days if said.settings.scarcity else HISTORY_DAYS
    units, goals, before = store.demand(span.begin - timedelta(days=days), span.begin)
    if not orders:
        raise RefusalError("no order that is sent was placed in this period")
    if not units:
        raise RefusalError(f"no order that is sent was placed in the {days} days before: nothing can be learned")
    parts_of = stock.parts_of({line.item_id for one in orders for line in one.lines})
    items = {part: None for parts in parts_of.values() for part in parts}
    sent = frozenset(one.document for one in orders)
    there, arrivals = store.opening(items, span.begin, span.end, sent)
    candidates = _candidates(routing, orders)
    asked = [
        ReplayedOrder(
            one.goal.placed_at,
            [Wanted(line.line_id, line.units, parts_of[line.item_id], line.grams) for line in one.lines],
            few,
        )
        for one, few in zip(orders, candidates, strict=True)
    ]
    demand = PastDemand(units, days, before)
    ways = demand.ways(read_parcels(connection, goals))
    return _Past(Period(asked, there, said.costs, arrivals), demand, ways)


def _candidates(routing: RoutingStore, orders: Sequence[PastOrder]) -> list[list[Candidate]]:
    """The locations of each order's channel, those that a rule drops left out."""
    found: dict[int, list[Candidate]] = {}
    for channel in {one.channel_id for one in orders}:
        numbers = [number for number, one in enumerate(orders) if one.channel_id == channel]
        senders = routing.senders(channel, [orders[number].goal for number in numbers])
        found |= {
            number: [one for one in few if one.terms.dropped is None]
            for number, few in zip(numbers, senders, strict=True)
        }
    return [found[number] for number in range(len(orders))]
