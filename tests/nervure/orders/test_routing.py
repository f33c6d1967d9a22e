import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nervure.inventory.stock import Place
from nervure.orders.costs import EURO, Costs, Terms
from nervure.orders.parcels import Grid
from nervure.orders.routing import Candidate, Effort, Pick, Wanted, route
from schemas.routing import RoutingMethod

BOLT, NUT = 1, 2
NEAR = Candidate(10, "near", is_supplier=False, rank=0, distance_km=5.0)
FAR = Candidate(20, "far", is_supplier=False, rank=1, distance_km=400.0)
ACME = Candidate(30, "acme", is_supplier=True, rank=2, distance_km=1.0)

BOLTS = {BOLT: 1}
PAIR = {BOLT: 1, NUT: 1}


def stock(shelves: Mapping[Candidate, Mapping[int, int]]) -> dict[Place, int]:
    return {Place(item, where.location_id): n for where, shelf in shelves.items() for item, n in shelf.items()}


def test_the_nearest_location_that_has_all_serves_the_order() -> None:
    plan = route([Wanted(1, 2, BOLTS)], [FAR, NEAR], stock({NEAR: {BOLT: 2}, FAR: {BOLT: 9}}))
    assert plan.picks == (Pick(1, NEAR.location_id, 2),)
    assert plan.missing == {}
    assert plan.reasons == {"near": "chosen: has all of it, 5 km", "far": "not chosen: has all of it, 400 km"}


def test_a_far_location_that_has_all_comes_before_two_parcels() -> None:
    plan = route([Wanted(1, 3, BOLTS)], [NEAR, FAR], stock({NEAR: {BOLT: 2}, FAR: {BOLT: 3}}))
    assert plan.picks == (Pick(1, FAR.location_id, 3),)
    assert plan.reasons["near"] == "not chosen: lacks 1 of 3 units, 5 km"


def test_our_own_location_comes_before_a_supplier_however_near() -> None:
    plan = route([Wanted(1, 1, BOLTS)], [ACME, FAR], stock({ACME: {BOLT: 9}, FAR: {BOLT: 1}}))
    assert plan.picks == (Pick(1, FAR.location_id, 1),)
    assert plan.reasons["acme"] == "not chosen: has all of it, 1 km, supplier"


def test_among_two_parcels_those_without_a_supplier_are_chosen() -> None:
    shelves = stock({NEAR: {BOLT: 1}, FAR: {BOLT: 1}, ACME: {BOLT: 1}})
    plan = route([Wanted(1, 2, BOLTS)], [ACME, NEAR, FAR], shelves)
    assert {pick.location_id for pick in plan.picks} == {NEAR.location_id, FAR.location_id}


def test_among_two_parcels_the_shorter_way_is_chosen() -> None:
    farther = Candidate(40, "farther", is_supplier=False, rank=0, distance_km=800.0)
    shelves = stock({NEAR: {BOLT: 1}, FAR: {BOLT: 1}, farther: {BOLT: 1}})
    plan = route([Wanted(1, 2, BOLTS)], [farther, FAR, NEAR], shelves)
    assert {pick.location_id for pick in plan.picks} == {NEAR.location_id, FAR.location_id}


def test_without_a_destination_the_merchants_order_decides() -> None:
    first = Candidate(10, "first", is_supplier=False, rank=0, distance_km=None)
    second = Candidate(20, "second", is_supplier=False, rank=1, distance_km=None)
    plan = route([Wanted(1, 1, BOLTS)], [second, first], stock({first: {BOLT: 1}, second: {BOLT: 1}}))
    assert plan.picks == (Pick(1, first.location_id, 1),)
    assert plan.reasons["first"] == "chosen: has all of it, distance unknown"


def test_a_location_nobody_knows_the_way_to_is_not_the_nearest() -> None:
    somewhere = Candidate(40, "somewhere", is_supplier=False, rank=0, distance_km=None)
    plan = route([Wanted(1, 1, BOLTS)], [somewhere, FAR], stock({somewhere: {BOLT: 1}, FAR: {BOLT: 1}}))
    assert plan.picks == (Pick(1, FAR.location_id, 1),)


def test_what_nobody_has_is_missing_and_the_rest_is_served() -> None:
    plan = route([Wanted(1, 5, BOLTS)], [NEAR, FAR], stock({NEAR: {BOLT: 2}, FAR: {BOLT: 1}}))
    assert plan.picks == (Pick(1, NEAR.location_id, 2), Pick(1, FAR.location_id, 1))
    assert plan.missing == {1: 2}


def test_without_candidates_everything_is_missing() -> None:
    plan = route([Wanted(1, 5, BOLTS)], [], stock({NEAR: {BOLT: 9}}))
    assert (plan.picks, plan.missing, plan.reasons) == ((), {1: 5}, {})


def test_a_place_that_owes_units_gives_none() -> None:
    plan = route([Wanted(1, 1, BOLTS)], [NEAR, FAR], stock({NEAR: {BOLT: -2}, FAR: {BOLT: 1}}))
    assert plan.picks == (Pick(1, FAR.location_id, 1),)


def test_an_order_that_may_not_be_split_takes_what_its_one_place_has() -> None:
    shelves = stock({NEAR: {BOLT: 2}, FAR: {BOLT: 9}})
    plan = route([Wanted(1, 3, BOLTS)], [FAR, NEAR], shelves, may_split=False)
    assert plan.picks == (Pick(1, NEAR.location_id, 2),)
    assert plan.missing == {1: 1}


@pytest.mark.requirement("R05")
def test_two_lines_of_one_item_do_not_count_the_same_unit_twice() -> None:
    wanted = [Wanted(1, 2, BOLTS), Wanted(2, 2, BOLTS)]
    plan = route(wanted, [NEAR], stock({NEAR: {BOLT: 3}}))
    assert plan.picks == (Pick(1, NEAR.location_id, 2), Pick(2, NEAR.location_id, 1))
    assert plan.missing == {2: 1}


@pytest.mark.requirement("R05")
def test_kits_that_share_a_part_do_not_count_it_twice() -> None:
    wanted = [Wanted(1, 1, PAIR), Wanted(2, 1, {NUT: 2})]
    plan = route(wanted, [NEAR], stock({NEAR: {BOLT: 1, NUT: 2}}))
    assert plan.picks == (Pick(2, NEAR.location_id, 1),) or plan.picks == (Pick(1, NEAR.location_id, 1),)
    assert sum(plan.missing.values()) == 1


def test_a_kit_gets_the_part_that_it_needs_at_one_place_when_a_single_part_can_come_from_elsewhere() -> None:
    wanted = [Wanted(1, 1, BOLTS), Wanted(2, 1, PAIR)]
    plan = route(wanted, [NEAR, FAR], stock({NEAR: {BOLT: 1, NUT: 1}, FAR: {BOLT: 1}}))
    assert set(plan.picks) == {Pick(1, FAR.location_id, 1), Pick(2, NEAR.location_id, 1)}
    assert plan.missing == {}


def test_a_pool_too_large_to_try_every_split_is_still_served_whole() -> None:
    pool = [Candidate(n, f"store {n}", is_supplier=False, rank=n, distance_km=float(n)) for n in range(1, 41)]
    plan = route([Wanted(1, 40, BOLTS)], pool, {Place(BOLT, n): 1 for n in range(1, 41)})
    assert len(plan.picks) == 40
    assert plan.missing == {}


def test_in_a_large_pool_one_place_that_has_all_is_found_however_far() -> None:
    pool = [Candidate(n, f"store {n}", is_supplier=False, rank=n, distance_km=float(n)) for n in range(1, 41)]
    shelves = {Place(BOLT, n): 1 for n in range(1, 40)} | {Place(BOLT, 40): 2}
    assert route([Wanted(1, 2, BOLTS)], pool, shelves).picks == (Pick(1, 40, 2),)


POOL = [
    Candidate(10, "a", is_supplier=False, rank=0, distance_km=30.0),
    Candidate(20, "b", is_supplier=False, rank=1, distance_km=10.0),
    Candidate(30, "c", is_supplier=False, rank=2, distance_km=20.0),
    Candidate(40, "s", is_supplier=True, rank=3, distance_km=1.0),
]
SHELVES = st.lists(st.integers(-1, 4), min_size=8, max_size=8)


def shelves_of(units: Sequence[int]) -> dict[Place, int]:
    places = [Place(item, candidate.location_id) for candidate in POOL for item in (BOLT, NUT)]
    return dict(zip(places, units, strict=True))


def is_served_by(demand: Mapping[int, int], group: Sequence[Candidate], shelves: Mapping[Place, int]) -> bool:
    return all(
        sum(max(shelves[Place(item, candidate.location_id)], 0) for candidate in group) >= units
        for item, units in demand.items()
    )


def best_groups(demand: Mapping[int, int], shelves: Mapping[Place, int]) -> list[set[int]]:
    """By brute force: the smallest groups that have all of it; of these the fewest suppliers, then the shortest way."""
    for size in range(1, len(POOL) + 1):
        able = [group for group in combinations(POOL, size) if is_served_by(demand, group, shelves)]
        if able:

            def cost(group: tuple[Candidate, ...]) -> tuple[int, float]:
                return sum(one.is_supplier for one in group), sum(one.distance_km or 0.0 for one in group)

            cheapest = min(cost(group) for group in able)
            return [{one.location_id for one in group} for group in able if cost(group) == cheapest]
    return []


@pytest.mark.requirement("R05", "R06", "R07")
@given(SHELVES, st.lists(st.tuples(st.sampled_from([BOLT, NUT]), st.integers(1, 4)), min_size=1, max_size=3))
def test_the_plan_is_the_one_that_brute_force_finds(units: list[int], lines: list[tuple[int, int]]) -> None:
    shelves = shelves_of(units)
    wanted = [Wanted(number, count, {item: 1}) for number, (item, count) in enumerate(lines)]
    demand = Counter[int]()
    for item, count in lines:
        demand[item] += count
    plan = route(wanted, POOL, shelves)
    taken = Counter[Place]()
    for pick in plan.picks:
        assert pick.units > 0
        [(part, per)] = wanted[pick.line_id].parts.items()
        taken[Place(part, pick.location_id)] += pick.units * per
    assert all(count <= shelves[place] for place, count in taken.items())
    for line in wanted:
        picked = sum(pick.units for pick in plan.picks if pick.line_id == line.line_id)
        assert picked + plan.missing.get(line.line_id, 0) == line.units
    best = best_groups(demand, shelves)
    if best:
        assert plan.missing == {}
        assert {pick.location_id for pick in plan.picks} in best
    else:
        there = {
            item: sum(max(shelves[Place(item, candidate.location_id)], 0) for candidate in POOL) for item in demand
        }
        served = Counter[int]()
        for place, count in taken.items():
            served[place.item_id] += count
        assert served == Counter({item: min(demand[item], there[item]) for item in demand})


def assignments(wanted: Sequence[Wanted], shelves: Mapping[Place, int]) -> Iterator[tuple[int, ...]]:
    """Every way of giving each one-unit line one place of its own that the shelves allow."""
    for places in product([candidate.location_id for candidate in POOL], repeat=len(wanted)):
        left = dict(shelves)
        for line, place in zip(wanted, places, strict=True):
            for part, per in line.parts.items():
                left[Place(part, place)] -= per
        if all(left[place] >= 0 or left[place] == shelves[place] for place in left):
            yield places


@pytest.mark.requirement("R02", "R05")
@given(SHELVES, st.lists(st.sampled_from([(1, 0), (0, 1), (1, 1), (2, 1)]), min_size=2, max_size=3))
def test_nothing_is_short_while_some_way_serves_kits_and_parts_together(
    units: list[int], recipes: list[tuple[int, int]]
) -> None:
    shelves = shelves_of(units)
    wanted = [
        Wanted(number, 1, {item: per for item, per in ((BOLT, bolts), (NUT, nuts)) if per})
        for number, (bolts, nuts) in enumerate(recipes)
    ]
    assume(next(assignments(wanted, shelves), None) is not None)
    assert route(wanted, POOL, shelves).missing == {}


IN_EUROS = Costs(per_km=0, unknown_km=0, supplier=0, split=EURO, late_day=EURO // 2)
TO_HOME = Grid(((1_000, 4 * EURO), (5_000, 6 * EURO)))


def a_location(number: int, terms: Terms) -> Candidate:
    return Candidate(number, f"L{number}", is_supplier=False, rank=number, distance_km=None, terms=terms)


@pytest.mark.requirement("R06")
def test_the_cost_of_a_plan_is_its_parcels_its_split_and_its_units() -> None:
    one = a_location(1, Terms(handling=EURO, shipping=TO_HOME, days_late=1, not_found=EURO // 10))
    two = a_location(2, Terms(handling=2 * EURO, shipping=TO_HOME, reliefs={NUT: EURO // 4}))
    wanted = [Wanted(1, 2, BOLTS, grams=600), Wanted(2, 1, {NUT: 1}, grams=100)]
    plan = route(wanted, [one, two], {Place(BOLT, 1): 2, Place(NUT, 2): 1}, costs=IN_EUROS)
    assert plan.picks == (Pick(1, 1, 2), Pick(2, 2, 1))
    # 1 + 6 + 0.5 late + 2 * 0.1 risk; 2 + 4 - 0.25 relief; a second parcel.
    assert (plan.cost, plan.gap, plan.missing_gap) == (14_450_000, 0, 0)


def test_two_light_parcels_are_sent_where_one_heavy_one_is_dearer() -> None:
    steep = Grid(((1_000, 2 * EURO), (2_000, 9 * EURO)))
    pool = [a_location(number, Terms(shipping=steep)) for number in (1, 2)]
    wanted = [Wanted(1, 2, BOLTS, grams=900)]
    plan = route(wanted, pool, {Place(BOLT, 1): 2, Place(BOLT, 2): 2}, costs=IN_EUROS)
    assert (plan.picks, plan.cost) == ((Pick(1, 1, 1), Pick(1, 2, 1)), 5 * EURO)


def test_a_parcel_heavier_than_the_price_list_is_sent_as_several() -> None:
    pool = [a_location(1, Terms(shipping=TO_HOME))]
    assert route([Wanted(1, 11, BOLTS, grams=1_000)], pool, {Place(BOLT, 1): 11}, costs=IN_EUROS).cost == 16 * EURO


def test_slow_stock_is_sold_first_while_its_relief_outweighs_the_rest() -> None:
    shelves = {Place(BOLT, 1): 1, Place(BOLT, 2): 1}
    near, slow = a_location(1, Terms()), a_location(2, Terms(handling=EURO, reliefs={BOLT: EURO + 1}))
    assert route([Wanted(1, 1, BOLTS)], [near, slow], shelves, costs=IN_EUROS).picks == (Pick(1, 2, 1),)
    same = a_location(2, Terms(handling=EURO, reliefs={BOLT: EURO}))
    assert route([Wanted(1, 1, BOLTS)], [near, same], shelves, costs=IN_EUROS).picks == (Pick(1, 1, 1),)


def test_the_units_that_must_stay_in_a_store_are_not_taken() -> None:
    store = a_location(1, Terms(keep_units=2))
    plan = route([Wanted(1, 2, BOLTS)], [store], {Place(BOLT, 1): 3}, costs=IN_EUROS)
    assert (plan.picks, plan.missing) == ((Pick(1, 1, 1),), {1: 1})


def test_a_location_that_a_rule_drops_gives_nothing_and_says_why() -> None:
    closed = a_location(1, Terms(dropped="closed on 25 December"))
    plan = route([Wanted(1, 1, BOLTS)], [closed], {Place(BOLT, 1): 3}, costs=IN_EUROS)
    assert (plan.missing, plan.reasons) == ({1: 1}, {"L1": "dropped: closed on 25 December"})


def test_the_baselines_take_from_each_location_in_turn_all_that_it_has() -> None:
    shelves = stock({NEAR: {BOLT: 1}, FAR: {BOLT: 3}})
    first = Candidate(40, "first", is_supplier=False, rank=-1, distance_km=900.0)
    shelves[Place(BOLT, 40)] = 1
    by_rank = route([Wanted(1, 3, BOLTS)], [FAR, NEAR, first], shelves, costs=Costs(method=RoutingMethod.PRIORITY))
    assert by_rank.picks == (Pick(1, 40, 1), Pick(1, NEAR.location_id, 1), Pick(1, FAR.location_id, 1))
    by_distance = route([Wanted(1, 3, BOLTS)], [FAR, NEAR, first], shelves, costs=Costs(method=RoutingMethod.DISTANCE))
    assert by_distance.picks == (Pick(1, NEAR.location_id, 1), Pick(1, FAR.location_id, 2))
    assert route([Wanted(1, 3, BOLTS)], [FAR, NEAR, first], shelves).picks == (Pick(1, FAR.location_id, 3),)


def test_a_search_that_is_cut_off_says_how_far_its_plan_may_be_from_the_cheapest() -> None:
    chance = random.Random(2)
    pool = [a_location(number, Terms(handling=chance.randint(300, 900) * EURO // 100)) for number in range(60)]
    shelves = {Place(item, number): 1 for number in range(60) for item in range(8) if chance.random() < 0.3}
    wanted = [Wanted(item, 1, {item: 1}) for item in range(8)]
    best = route(wanted, pool, shelves, costs=IN_EUROS)
    assert (best.cost, best.gap) == (10_500_000, 0)
    hurried = route(wanted, pool, shelves, costs=IN_EUROS, effort=Effort(nodes=0))
    assert (hurried.cost, hurried.gap) == (13_940_000, 4_883_334)
