"""A sample of the evaluation on real demand: who knows nothing of the future is held to those who know all of it."""

import numpy as np
import pytest

from bench.retail import BEGINS_AT, LEARNED_FROM, Shape, make_merchant
from nervure.orders.comparison import Rule, compare
from nervure.orders.scarcity import Watch
from tests.reference import shared


def test_real_demand_is_played_by_every_rule_from_the_same_stock() -> None:
    data = shared("data", "online_retail").parent
    shape = Shape(days=7, articles=3)
    merchant = make_merchant(data, shape, 0)
    again = make_merchant(data, shape, 0)
    assert again.period.stock == merchant.period.stock
    assert all(BEGINS_AT <= one.at < merchant.ends_at for one in merchant.period.orders)
    # What is known before: the weeks before, and nothing of the week itself.
    assert merchant.demand.days == (BEGINS_AT - LEARNED_FROM).days
    longer = make_merchant(data, Shape(days=14, articles=3), 0)
    assert longer.demand == merchant.demand
    watch = Watch(merchant.demand, merchant.ways, merchant.ends_at, np.random.default_rng(0))
    found = compare(merchant.period, watch, seconds=30)
    costs = {rule: found.tallies[rule].cost for rule in Rule}
    assert len({found.tallies[rule].missing for rule in Rule}) == 1
    assert found.bound <= costs[Rule.HINDSIGHT] == min(costs.values())
    assert costs[Rule.HINDSIGHT] == pytest.approx(found.bound, rel=1e-4)
    assert costs[Rule.MYOPIC] < costs[Rule.DISTANCE] < costs[Rule.PRIORITY]
