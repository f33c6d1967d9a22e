"""Learning what units are worth to later orders, from the hub's own orders."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from nervure.operations.hub import Hub
from nervure.orders.costs import Costs
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goal
from nervure.orders.scarcity import Outlook, PastDemand, Ways, learn_prices
from nervure.store.database import Connection
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import ScarcityStore


def learn_scarcity(hub: Hub) -> int:
    """Learns all prices anew where the settings want them; answers how many there are.

    They are computed outside of any transaction: orders come in meanwhile, and a price is a forecast.
    """
    now = hub.clock.now()
    with hub.database.read() as connection:
        said = RoutingStore(connection, now).routing().settings
        if said is None or said.scarcity is None:
            return 0
        store = ScarcityStore(connection, now)
        units, goals, orders = store.demand(now - timedelta(days=said.scarcity.history_days), now)
        demand = PastDemand(units, said.scarcity.history_days, orders)
        ways = demand.ways(read_parcels(connection, goals))
        stock = store.stock(units)
    expected = demand.expected(said.scarcity.horizon_days, (item for item in units if item in stock))
    outlooks = ((item, Outlook(stock[item], areas)) for item, areas in expected)
    prices = learn_prices(outlooks, ways, np.random.default_rng(int(now.timestamp())))
    hub.database.run(lambda c: ScarcityStore(c, now).put(prices))
    return len(prices)


def read_parcels(connection: Connection, goals: Mapping[str, Goal]) -> Ways:
    """What a parcel of little weight costs from each of our locations to where the last order of each area went."""
    if not goals:
        return {}
    store = RoutingStore(connection, max(goal.placed_at for goal in goals.values()))
    costs = store.routing().costs
    senders = store.senders(None, list(goals.values()))
    return {
        area: {one.location_id: _parcel(one, costs) for one in few if one.terms.dropped is None}
        for area, few in zip(goals, senders, strict=True)
    }


def _parcel(one: Candidate, costs: Costs) -> int:
    return sum(one.parcel_costs(costs).values()) + one.terms.shipping.price(0)
