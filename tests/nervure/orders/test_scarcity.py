"""What a unit is worth to later orders: dual prices, and what the choice makes of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.inventory.stock import Place
from nervure.orders.costs import EURO, Costs, Terms
from nervure.orders.programs import Program, solve_program
from nervure.orders.routing import Candidate, Pick, Wanted, route
from nervure.orders.scarcity import Outlook, PastDemand, Watch, Ways, _Network, learn_prices
from schemas.routing import RoutingMethod

PARIS, LYON = 1, 2
MUG = 10
WAYS: Ways = {
    "FR 75": {PARIS: 5 * EURO, LYON: 9 * EURO},
    "FR 69": {PARIS: 9 * EURO, LYON: 5 * EURO},
    "FR 21": {PARIS: 6 * EURO, LYON: 7 * EURO},
}
EURO_COSTS = Costs(per_km=EURO, split=20 * EURO)


def learned(stock: dict[int, int], expected: dict[str, float], futures: int = 20) -> dict[Place, int]:
    return learn_prices([(MUG, Outlook(stock, expected))], WAYS, np.random.default_rng(1), futures=futures)


def test_a_unit_is_worth_what_a_later_order_would_pay_more_for_another_one() -> None:
    # Somebody in Paris is as good as certain to want more than there is there, and all of Lyon's is not needed there.
    assert learned({PARIS: 1, LYON: 100}, {"FR 75": 40.0}) == {Place(MUG, PARIS): 4 * EURO}
    assert learned({PARIS: 100, LYON: 1}, {"FR 69": 40.0}) == {Place(MUG, LYON): 4 * EURO}


def test_where_there_is_enough_of_it_everywhere_nothing_is_scarce() -> None:
    assert learned({PARIS: 1_000, LYON: 1_000}, {"FR 75": 40.0, "FR 69": 40.0, "FR 21": 9.0}) == {}


def test_where_there_is_no_choice_or_no_demand_there_is_no_price() -> None:
    assert learned({PARIS: 1}, {"FR 75": 40.0}) == {}
    assert learned({PARIS: 1, LYON: 0}, {"FR 75": 40.0}) == {}
    assert learned({PARIS: 1, LYON: 5}, {}) == {}
    assert learned({PARIS: 1, LYON: 5}, {"BE 10": 40.0}) == {}


def test_the_price_is_that_of_the_last_unit_and_not_of_the_next_one() -> None:
    # Two are wanted in Paris, and two lie there: without one of them the other customer is served from Lyon.
    network = _Network(WAYS)
    prices = network.duals({PARIS: 2, LYON: 9}, network.by_area({"FR 75": 2.0}).astype(int))
    assert list(prices) == pytest.approx([4.0, 0.0])


costs_of_ways = st.lists(st.lists(st.integers(1, 12), min_size=3, max_size=3), min_size=1, max_size=4)
shelves = st.lists(st.integers(1, 6), min_size=3, max_size=3)


def least_cost(costs: list[list[int]], stock: list[int], wanted: list[int]) -> float:
    """The transport by itself, as a program of its own."""
    program = Program()
    rows = [program.add_row(upper=units) for units in stock]
    for area, units in enumerate(wanted):
        served = program.add_row(lower=units, upper=units)
        program.add_column(max(costs[area]), {served: 1.0})
        for location, cost in enumerate(costs[area]):
            program.add_column(cost, {served: 1.0, rows[location]: 1.0})
    return solve_program(program).bound


@settings(max_examples=60, deadline=None)
@given(costs_of_ways, shelves, st.data())
def test_prices_are_dual_prices(costs: list[list[int]], stock: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.integers(0, 5), min_size=len(costs), max_size=len(costs)))
    network = _Network({str(a): {i: cost * EURO for i, cost in enumerate(row)} for a, row in enumerate(costs)})
    prices = network.duals(dict(enumerate(stock)), np.array(wanted))
    now = least_cost(costs, stock, wanted)
    assert all(price >= 0 for price in prices)
    for location, price in enumerate(prices):
        fewer = [units - (i == location) for i, units in enumerate(stock)]
        more = [units + (i == location) for i, units in enumerate(stock)]
        # The cost is convex in what lies there: the price of the last unit is between what it saves and the next saves.
        assert now - least_cost(costs, more, wanted) <= price + 1e-6
        assert price <= least_cost(costs, fewer, wanted) - now + 1e-6
        if stock[location] > sum(wanted):
            assert price == pytest.approx(0.0, abs=1e-9)
    richer = [units + (i == 0) for i, units in enumerate(stock)]
    # More units at a place make none dearer there.
    assert network.duals(dict(enumerate(richer)), np.array(wanted))[0] <= prices[0] + 1e-6


def test_the_last_unit_of_paris_is_not_spent_on_an_order_that_lyon_could_serve() -> None:
    paris, lyon = (
        Candidate(PARIS, "PARIS", False, 0, 6.0, Terms()),
        Candidate(LYON, "LYON", False, 1, 7.0, Terms()),
    )
    wanted, stock = [Wanted(1, 1, {MUG: 1})], {Place(MUG, PARIS): 1, Place(MUG, LYON): 5}
    plan = route(wanted, [paris, lyon], stock, costs=EURO_COSTS)
    assert plan.picks == (Pick(1, PARIS, 1),)
    assert (plan.cost, plan.scarcity) == (6 * EURO, 0)
    prices = {Place(MUG, PARIS): 4 * EURO}
    plan = route(wanted, [paris, lyon], stock, costs=EURO_COSTS, prices=prices)
    assert plan.picks == (Pick(1, LYON, 1),)
    assert (plan.cost, plan.scarcity, plan.gap) == (7 * EURO, 0, 0)
    assert plan.bill["cost"] == "7.00"
    assert plan.bill["scarcity"] == "0.00"
    assert plan.bill["locations"] == {
        "LYON": {
            "is_chosen": True,
            "has_all": True,
            "units": 1,
            "total": "7.00",
            "scarcity": "0.00",
            "costs": {"distance": "7.00"},
        },
        "PARIS": {
            "is_chosen": False,
            "has_all": True,
            "units": 1,
            "total": "6.00",
            "scarcity": "4.00",
            "costs": {"distance": "6.00"},
        },
    }


def test_what_nobody_pays_is_no_cost_of_the_plan() -> None:
    paris = Candidate(PARIS, "PARIS", False, 0, 6.0, Terms(not_found=EURO, reliefs={MUG: EURO // 2}))
    kit = [Wanted(1, 2, {MUG: 2})]
    plan = route(kit, [paris], {Place(MUG, PARIS): 4}, costs=EURO_COSTS, prices={Place(MUG, PARIS): 4 * EURO})
    assert (plan.cost, plan.scarcity) == (8 * EURO, 16 * EURO)
    assert plan.bill["locations"]["PARIS"]["costs"] == {"distance": "6.00", "risk and relief": "2.00"}
    assert plan.bill["locations"]["PARIS"]["total"] == "8.00"


def test_the_orders_of_the_field_know_no_prices() -> None:
    places = [Candidate(n, str(n), False, n, float(n), Terms()) for n in (PARIS, LYON)]
    stock = {Place(MUG, PARIS): 1, Place(MUG, LYON): 5}
    for method in (RoutingMethod.PRIORITY, RoutingMethod.DISTANCE):
        costs = Costs(method=method, per_km=EURO)
        plan = route([Wanted(1, 1, {MUG: 1})], places, stock, costs=costs, prices={Place(MUG, PARIS): 99 * EURO})
        assert (plan.picks, plan.cost, plan.scarcity) == ((Pick(1, PARIS, 1),), EURO, 0)
        assert "scarcity" not in plan.bill


def test_what_sold_seldom_is_expected_where_all_else_sold() -> None:
    demand = PastDemand({1: {"a": 60, "b": 20}, 2: {"b": 20}}, days=10, orders=100)
    assert dict(demand.expected(5, [1, 3, 2])) == {
        1: {"a": pytest.approx(40 / 100 * (60 + 20 * 0.6)), "b": pytest.approx(40 / 100 * (20 + 20 * 0.4))},
        2: {"a": pytest.approx(10 / 40 * (0 + 20 * 0.6)), "b": pytest.approx(10 / 40 * (20 + 20 * 0.4))},
    }


def test_a_unit_bears_its_share_of_a_parcel() -> None:
    parcels = {"a": {PARIS: 9 * EURO, LYON: 6 * EURO}}
    units = {MUG: {"a": 3}, 2: {"a": 3, "b": 3}}
    assert PastDemand(units, days=1, orders=3).ways(parcels) == {"a": {PARIS: 3 * EURO, LYON: 2 * EURO}}
    assert PastDemand(units, days=1, orders=9).ways(parcels) == parcels, (
        "where each unit is an order, it bears all of it"
    )
    assert PastDemand({}, days=1, orders=0).ways(parcels) == parcels


def test_prices_are_learned_again_when_units_have_moved_and_six_hours_have_passed() -> None:
    begin = datetime(2026, 3, 2, 8, tzinfo=UTC)
    demand = PastDemand({MUG: {"FR 75": 400}}, days=10, orders=400)
    watch = Watch(demand, WAYS, begin + timedelta(days=10), np.random.default_rng(1))
    scarce, plenty = {Place(MUG, PARIS): 1, Place(MUG, LYON): 900}, {Place(MUG, PARIS): 900, Place(MUG, LYON): 900}
    assert watch(begin, scarce) == {Place(MUG, PARIS): 4 * EURO}
    assert watch(begin + timedelta(hours=5), plenty) == {Place(MUG, PARIS): 4 * EURO}
    assert watch(begin + timedelta(hours=6), plenty) == {}
