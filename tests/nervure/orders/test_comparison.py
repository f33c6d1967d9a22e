"""A period played by every rule, and what somebody would have done who knew all of it."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from nervure.inventory.stock import Place
from nervure.orders.comparison import COLUMNS, Comparison, Rule, compare, interval, share_closed, table, verdict
from nervure.orders.costs import EURO, Costs, Terms
from nervure.orders.hindsight import look_back
from nervure.orders.parcels import Grid
from nervure.orders.replays import Arrival, Period, ReplayedOrder, replay, tally
from nervure.orders.routing import Candidate, Pick, Wanted, route

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)
LYON, PARIS = 1, 2
MUG = 10
COSTS = Costs(per_km=EURO, split=2 * EURO)


def asked(hour: int, lyon_km: float, paris_km: float, units: int = 1) -> ReplayedOrder:
    few = [
        Candidate(LYON, "LYON", False, 0, lyon_km, Terms()),
        Candidate(PARIS, "PARIS", False, 1, paris_km, Terms(days_late=1)),
    ]
    return ReplayedOrder(MONDAY + timedelta(hours=hour), [Wanted(hour, units, {MUG: 1})], few)


PERIOD = Period(
    [asked(1, 4, 3), asked(2, 9, 1)],
    {Place(MUG, LYON): 1, Place(MUG, PARIS): 1},
    COSTS,
)


def worth_three(_: object, __: object) -> dict[Place, int]:
    return {Place(MUG, PARIS): 3 * EURO}


def test_every_rule_plays_the_same_orders_and_regret_has_its_reasons() -> None:
    found = compare(PERIOD, worth_three, seconds=10)
    assert {rule: found.tallies[rule].cost // EURO for rule in Rule} == {
        Rule.PRIORITY: 5,  # Lyon has it, and then Paris
        Rule.DISTANCE: 12,
        Rule.MYOPIC: 12,
        Rule.SCARCITY: 5,
        Rule.HINDSIGHT: 5,
    }
    assert found.bound == pytest.approx(5 * EURO, abs=20)
    assert found.regret(Rule.MYOPIC)["distance"] == 7 * EURO
    assert [row[:7] for row in table([found])] == [
        ("priority", "5.00", "2", "0", "1", "2", "0"),
        ("distance", "12.00", "2", "0", "1", "6", "0"),
        ("cost", "12.00", "2", "0", "1", "6", "0"),
        ("cost and scarcity", "5.00", "2", "0", "1", "2", "0"),
        ("hindsight", "5.00", "2", "0", "1", "2", "0"),
        ("bound", "5.00", "", "", "", "", ""),
    ]
    assert [row[7:] for row in table([found])][:2] == [("0.00", ""), ("7.00", "distance 7.00")]
    assert all(len(row) == len(COLUMNS) for row in table([found]))
    assert verdict([found]) == (
        "scarcity closes 100 % of the gap between cost and the bound of hindsight,"
        " 100 % of that to the best plans found"
    )


def test_where_other_units_went_missing_nothing_is_claimed() -> None:
    found = compare(PERIOD, worth_three, seconds=10)
    other = tally(PERIOD, [(), ()])
    assert other.missing == 2
    assert verdict([Comparison({**found.tallies, Rule.SCARCITY: other}, found.bound)]).startswith("with scarcity other")


def test_nobody_sends_what_has_not_come_in_yet() -> None:
    late = Arrival(MONDAY + timedelta(hours=1, minutes=30), Place(MUG, LYON), 1)
    period = Period([asked(1, 1, 5), asked(2, 4, 3)], {Place(MUG, PARIS): 1}, COSTS, [late])
    plans = replay(period, COSTS)
    assert [plan.picks for plan in plans] == [(Pick(1, PARIS, 1),), (Pick(2, LYON, 1),)]
    looked = look_back(period, [plan.picks for plan in plans], seconds=10)
    assert looked.picked == [[Pick(1, PARIS, 1)], [Pick(2, LYON, 1)]]
    assert looked.bound == pytest.approx(9 * EURO, abs=20)


@pytest.mark.parametrize("seed", range(25))
def test_hindsight_of_one_order_is_its_cheapest_plan(seed: int) -> None:
    chance = random.Random(seed)
    grid = Grid(((500, 4 * EURO), (1_000, 6 * EURO), (2_000, 7 * EURO)))
    few = [
        Candidate(
            n, str(n), False, n, float(chance.randint(1, 9)), Terms(shipping=grid, not_found=chance.randint(0, EURO))
        )
        for n in range(4)
    ]
    wanted = [
        Wanted(
            line,
            chance.randint(1, 4),
            {line: 1, 9: 1} if chance.random() < 0.3 else {line: 1},
            chance.choice((0, 300, 900)),
        )
        for line in range(3)
    ]
    stock = {Place(part, n): chance.randint(0, 3) for part in (0, 1, 2, 9) for n in range(4)}
    plan = route(wanted, few, stock, costs=COSTS)
    period = Period([ReplayedOrder(MONDAY, wanted, few)], stock, COSTS)
    looked = look_back(period, [plan.picks], seconds=30)
    assert looked.picked is not None
    # Which units go missing is a choice too, and hindsight serves the same ones.
    assert tally(period, looked.picked).cost == plan.cost == tally(period, [plan.picks]).cost
    assert looked.bound == pytest.approx(plan.cost, abs=100)


def test_an_interval_is_around_the_share_and_narrow_where_all_agree() -> None:
    assert share_closed([(1, 4), (3, 4)]) == 0.5
    assert share_closed([(0, 0)]) is None
    assert interval([(1, 2)]) is None
    assert interval([(1, 2)] * 5) == (0.5, 0.5)
    low, high = interval([(1, 4), (3, 4)] * 5) or (0.0, 0.0)
    assert 0.25 <= low < 0.5 < high <= 0.75
