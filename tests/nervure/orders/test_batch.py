"""Many orders at once: the joint plan against brute force, and against one plain program of HiGHS."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.batches import question
from bench.plain_batch import plan_plainly
from nervure.inventory.stock import Place
from nervure.orders.asking import Asked
from nervure.orders.batch import JointEffort, JointPlan, plan_together
from nervure.orders.costs import EURO
from nervure.orders.parcels import Grid
from nervure.orders.pricing import Demand, Source
from nervure.orders.routing import TIE
from nervure.orders.ways import ROOM, JointOrder, Way, worth
from tests.nervure.orders.test_solving import FLAT, spreads

pytestmark = pytest.mark.requirement("R05")

BOLT, NUT = 1, 2
BY_WEIGHT = Grid(((500, 4), (1_000, 5), (3_000, 9)))
EXACT = JointEffort(gap=0.0)


def every_way(order: JointOrder, stock: Mapping[Place, int]) -> Iterator[Way]:
    asked = Asked(order, stock)
    each = [
        [{i: n for i, n in enumerate(one) if n} for one in spreads(demand.units, [demand.units] * len(order.sources))]
        for demand in order.demands
    ]
    for takes in product(*each):
        way = asked.way(takes)
        if asked.is_allowed(way) and all(units <= stock.get(at, 0) for at, units in way.uses.items()):
            yield way


def by_brute_force(orders: Sequence[JointOrder], stock: Mapping[Place, int]) -> tuple[int, int]:
    """(missing units, cost) of the best of all plans."""
    best: tuple[int, int] | None = None
    ways = [list(every_way(order, stock)) for order in orders]
    for chosen in product(*ways):
        used: Counter[Place] = Counter()
        for way in chosen:
            used.update(way.uses)
        if all(units <= stock.get(at, 0) for at, units in used.items()):
            found = (sum(way.missing for way in chosen), sum(way.cost for way in chosen))
            best = found if best is None else min(best, found)
    assert best is not None
    return best


def must_hold(plan: JointPlan, orders: Sequence[JointOrder], stock: Mapping[Place, int]) -> None:
    """It can be carried out, is counted right, and nobody gets less than before."""
    used: Counter[Place] = Counter()
    for order, way in zip(orders, plan.ways, strict=True):
        again = Asked(order, stock)
        assert again.way(way.takes) == way
        assert again.is_allowed(way)
        used.update(way.uses)
    assert all(units <= stock.get(at, 0) for at, units in used.items())
    assert plan.missing == sum(way.missing for way in plan.ways)
    assert plan.cost == sum(way.cost for way in plan.ways)


SIMPLE: Sequence[Mapping[int, int]] = [{BOLT: 1}, {NUT: 1}]
KITS: Sequence[Mapping[int, int]] = [{BOLT: 1}, {NUT: 1}, {BOLT: 1, NUT: 1}]
Question = tuple[list[JointOrder], dict[Place, int]]


@st.composite
def questions(draw: st.DrawFn, parts: Sequence[Mapping[int, int]]) -> Question:
    locations = draw(st.integers(1, 3))
    stock = {Place(part, i): draw(st.integers(0, 3)) for part in (BOLT, NUT) for i in range(locations)}
    limit = draw(st.sampled_from([None, 1, 2]))
    if limit is not None:
        stock[Place(ROOM, 0)] = limit
    orders = []
    for _ in range(draw(st.integers(1, 3))):
        recipes = draw(st.lists(st.sampled_from(parts), min_size=1, max_size=2, unique_by=lambda r: (*r.items(),)))
        grams = draw(st.sampled_from([0, 450]))
        demands = [Demand(draw(st.integers(1, 3 if len(recipes) == 1 else 2)), parts, grams) for parts in recipes]
        sources = [
            Source(
                draw(st.integers(2, 9)) + 2,
                [draw(st.integers(-2, 4)) for _ in demands],
                {part: stock[Place(part, i)] for part in (BOLT, NUT)},
                draw(st.sampled_from([FLAT, BY_WEIGHT])),
            )
            for i in range(locations)
        ]
        orders.append(JointOrder(demands, sources, list(range(locations)), split=2))
    return orders, stock


def must_not_be_beaten(plan: JointPlan, orders: Sequence[JointOrder], stock: Mapping[Place, int]) -> tuple[int, int]:
    """The bounds are below the best of all plans, which is answered."""
    must_hold(plan, orders, stock)
    best = by_brute_force(orders, stock)
    assert plan.missing_bound <= best[0]
    if plan.missing_bound == best[0]:
        assert plan.bound <= best[1]
    assert (plan.missing, plan.cost) >= best
    return best


def served(asked: Question, change: int, chance: random.Random) -> Question:
    """Each order is served in some way already."""
    orders, stock = asked
    left = Counter(stock)
    now = []
    for order in orders:
        ways = [way for way in every_way(order, stock) if all(left[at] >= n for at, n in way.uses.items())]
        way = chance.choice(ways)
        left.subtract(way.uses)
        now.append(replace(order, stay=way.takes, change=change))
    return now, stock


@settings(max_examples=200, deadline=None)
@given(questions(SIMPLE))
def test_the_joint_plan_is_the_one_that_brute_force_finds(asked: Question) -> None:
    plan = plan_together(*asked, EXACT)
    missing, cost = must_not_be_beaten(plan, *asked)
    assert plan.missing == missing
    assert plan.cost - plan.gap <= cost, "what is left to gain is said"


@settings(max_examples=100, deadline=None)
@given(questions(KITS))
def test_of_kits_that_share_parts_the_bounds_are_true(asked: Question) -> None:
    must_not_be_beaten(plan_together(*asked, EXACT), *asked)


@settings(max_examples=150, deadline=None)
@given(questions(SIMPLE), st.integers(0, 5), st.randoms(use_true_random=False))
def test_who_is_served_already_is_planned_as_brute_force_does(
    asked: Question, change: int, chance: random.Random
) -> None:
    now = served(asked, change, chance)
    plan = plan_together(*now, EXACT)
    assert plan.missing == must_not_be_beaten(plan, *now)[0]


@settings(max_examples=100, deadline=None)
@given(questions(KITS), st.integers(0, 5), st.randoms(use_true_random=False))
def test_nobody_who_is_served_already_loses_anything(asked: Question, change: int, chance: random.Random) -> None:
    orders, stock = served(asked, change, chance)
    plan = plan_together(orders, stock, EXACT)
    must_not_be_beaten(plan, orders, stock)
    stays = [way for order in orders if (way := Asked(order, stock).stay) is not None]
    before = (sum(way.missing for way in stays), sum(way.cost for way in stays))
    assert (plan.missing, plan.cost) <= before


@pytest.mark.parametrize(("seed", "plenty"), [(1, 0.5), (2, 0.5), (3, 1.0), (4, 1.0)])
def test_a_batch_is_as_good_as_the_plain_program_says(seed: int, plenty: float) -> None:
    orders, stock = question(random.Random(seed), 25, 8, plenty)
    plan = plan_together(orders, stock)
    must_hold(plan, orders, stock)
    scale = EURO * TIE
    weight = 1_000
    plain = plan_plainly(orders, stock, (weight * scale, scale), seconds=60, gap=1e-6)
    plainly = [Asked(order, stock).way(takes) for order, takes in zip(orders, plain.takes, strict=True)]
    best = (sum(way.missing for way in plainly), sum(way.cost for way in plainly))
    assert plan.missing_bound <= plan.missing == best[0]
    assert plan.bound <= best[1] + scale // 100
    assert plan.cost <= best[1] + plan.gap
    assert plan.gap <= plan.cost * 0.02


def test_units_together_are_worth_what_their_dearest_parts_are() -> None:
    assert [worth((0, 1), units) for units in range(7)] == [0, 0, 1, 1, 2, 2, 3]
    assert [worth((0, 1, 2), units) for units in range(7)] == [0, 0, 1, 2, 2, 3, 4]
    assert worth((1,), 7) == 7
