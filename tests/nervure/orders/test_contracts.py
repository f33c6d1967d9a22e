"""What a supplier is given of one order: worth enough by its contract, and not more than it may serve."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from nervure.inventory.stock import Place
from nervure.orders.costs import EURO, Costs, Limits, Terms, euros
from nervure.orders.routing import Candidate, Pick, Plan, Wanted, route
from schemas.routing import RoutingMethod

BOLT, NUT = 1, 2
COSTS = Costs(per_km=0, unknown_km=0, supplier=0, split=EURO)
OURS, ACME = 10, 30


def ours(**terms: object) -> Candidate:
    return Candidate(OURS, "ours", False, 0, None, Terms(**terms))  # type: ignore[arg-type]  # as Terms takes them


def acme(limits: Limits, **terms: object) -> Candidate:
    return Candidate(ACME, "acme", True, 1, None, Terms(limits=limits, **terms))  # type: ignore[arg-type]  # as above


def shelves(units: Mapping[tuple[int, int], int]) -> dict[Place, int]:
    return {Place(item, location): count for (item, location), count in units.items()}


def taken(plan: Plan) -> Counter[int]:
    """Units by location."""
    found: Counter[int] = Counter()
    for pick in plan.picks:
        found[pick.location_id] += pick.units
    return found


def test_what_is_worth_too_little_for_a_supplier_comes_from_elsewhere_and_the_gap_says_what_that_costs() -> None:
    limits = Limits(min_value=10 * EURO, values={BOLT: 3 * EURO})
    pool = [ours(handling=4 * EURO), acme(limits, handling=EURO)]
    stock = shelves({(BOLT, OURS): 9, (BOLT, ACME): 9})
    plan = route([Wanted(1, 3, {BOLT: 1})], pool, stock, costs=COSTS)
    assert (plan.picks, plan.cost, euros(plan.gap)) == ((Pick(1, OURS, 3),), 4 * EURO, "3.00")
    assert plan.reasons["acme"] == "dropped: its part would be worth 9.00, its contract asks for 10.00"
    assert (list(plan.bill["locations"]), plan.bill["gap"], plan.bill["is_proved"]) == (["ours"], "3.00", False)
    enough = route([Wanted(1, 4, {BOLT: 1})], pool, stock, costs=COSTS)
    assert (enough.picks, enough.gap) == ((Pick(1, ACME, 4),), 0)


def test_a_supplier_is_given_more_where_nothing_would_be_missing_only_so() -> None:
    limits = Limits(min_value=9 * EURO, values={BOLT: 3 * EURO})
    # Each unit costs more there, so ours would be sent first, and acme's rest of two would be worth too little.
    pool = [ours(), acme(limits, not_found=2 * EURO)]
    plan = route([Wanted(1, 3, {BOLT: 1})], pool, shelves({(BOLT, OURS): 1, (BOLT, ACME): 9}), costs=COSTS)
    assert (plan.picks, plan.missing, plan.cost) == ((Pick(1, ACME, 3),), {}, 6 * EURO)
    assert euros(plan.gap) == "1.00"


def test_what_has_no_price_counts_nothing() -> None:
    pool = [acme(Limits(min_value=EURO, values={BOLT: EURO // 2}))]
    lines = [Wanted(1, 1, {BOLT: 1}), Wanted(2, 9, {NUT: 1})]
    plan = route(lines, pool, shelves({(BOLT, ACME): 1, (NUT, ACME): 9}), costs=COSTS)
    assert (plan.picks, plan.missing) == ((), {1: 1, 2: 9})
    assert (plan.missing_gap, plan.bill["missing_gap"]) == (10, 10)


def test_no_more_units_than_a_day_has_left_are_taken_and_first_what_nobody_else_has() -> None:
    pool = [ours(handling=9 * EURO), acme(Limits(max_units=3))]
    stock = shelves({(BOLT, OURS): 5, (BOLT, ACME): 5, (NUT, ACME): 2})
    plan = route([Wanted(1, 5, {BOLT: 1}), Wanted(2, 2, {NUT: 1})], pool, stock, costs=COSTS)
    assert set(plan.picks) == {Pick(1, OURS, 4), Pick(1, ACME, 1), Pick(2, ACME, 2)}
    assert plan.missing == {}


def test_kits_beyond_what_a_day_has_left_are_not_taken_there() -> None:
    pool = [ours(handling=9 * EURO), acme(Limits(max_units=1))]
    stock = shelves({(BOLT, OURS): 9, (NUT, OURS): 9, (BOLT, ACME): 9, (NUT, ACME): 9})
    plan = route([Wanted(1, 2, {BOLT: 1, NUT: 1})], pool, stock, costs=COSTS)
    assert plan.picks == (Pick(1, OURS, 2),)
    assert plan.reasons["acme"] == "dropped: its part would be 2 units, and it may serve 1 more of the day"


def test_a_baseline_keeps_to_contracts_too() -> None:
    first = Candidate(ACME, "acme", True, -1, None, Terms(limits=Limits(min_value=EURO)))
    stock = shelves({(BOLT, OURS): 1, (BOLT, ACME): 1})
    plan = route([Wanted(1, 1, {BOLT: 1})], [first, ours()], stock, costs=Costs(method=RoutingMethod.PRIORITY))
    assert plan.picks == (Pick(1, OURS, 1),)


SUPPLIERS = (30, 40)
UNITS = st.integers(0, 3)
LIMITS = st.builds(
    Limits,
    min_value=st.integers(0, 5).map(lambda euros: euros * EURO),
    max_units=st.none() | st.integers(0, 3),
    values=st.fixed_dictionaries({BOLT: st.just(EURO), NUT: st.just(2 * EURO)}),
)


def keeps(limits: Limits, bolts: int, nuts: int) -> bool:
    worth = bolts * limits.values[BOLT] + nuts * limits.values[NUT]
    fits = limits.max_units is None or bolts + nuts <= limits.max_units
    return not bolts + nuts or (worth >= limits.min_value and fits)


def cheapest(wanted: tuple[int, int], pool: Sequence[Candidate], stock: Mapping[Place, int]) -> tuple[int, int]:
    """By brute force over every split: the fewest missing units, and the least that this costs."""
    best = (sum(wanted), 0)
    each = [
        product(range(stock[Place(BOLT, one.location_id)] + 1), range(stock[Place(NUT, one.location_id)] + 1))
        for one in pool
    ]
    for split in product(*each):
        bolts, nuts = (sum(part) for part in zip(*split, strict=True))
        if bolts > wanted[0] or nuts > wanted[1]:
            continue
        if all(
            one.terms.limits is None or keeps(one.terms.limits, *part) for one, part in zip(pool, split, strict=True)
        ):
            used = [one for one, part in zip(pool, split, strict=True) if any(part)]
            risks = sum(one.terms.not_found * sum(part) for one, part in zip(pool, split, strict=True))
            cost = sum(one.terms.handling for one in used) + risks + EURO * max(len(used) - 1, 0)
            best = min(best, (sum(wanted) - bolts - nuts, cost))
    return best


@given(
    st.tuples(UNITS, UNITS).filter(any),
    st.lists(st.tuples(UNITS, UNITS), min_size=3, max_size=3),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=3, max_size=3),
    st.tuples(LIMITS, LIMITS),
)
def test_no_plan_breaks_a_contract_and_none_within_them_is_better_by_more_than_the_gap(
    wanted: tuple[int, int],
    units: list[tuple[int, int]],
    costs: list[tuple[int, int]],
    limits: tuple[Limits, Limits],
) -> None:
    terms = [
        Terms(handling=handling * EURO, not_found=risk * EURO, limits=limit)
        for (handling, risk), limit in zip(costs, (None, *limits), strict=True)
    ]
    pool = [
        Candidate(number, f"L{number}", number in SUPPLIERS, rank, None, one)
        for rank, (number, one) in enumerate(zip((OURS, *SUPPLIERS), terms, strict=True))
    ]
    stock = {
        Place(item, one.location_id): count
        for one, here in zip(pool, units, strict=True)
        for item, count in zip((BOLT, NUT), here, strict=True)
    }
    lines = [Wanted(item, count, {item: 1}) for item, count in zip((BOLT, NUT), wanted, strict=True) if count]
    plan = route(lines, pool, stock, costs=COSTS)
    given_to: Counter[tuple[int, int]] = Counter()
    for pick in plan.picks:
        given_to[pick.location_id, pick.line_id] += pick.units
    for number, limit in zip(SUPPLIERS, limits, strict=True):
        assert keeps(limit, given_to[number, BOLT], given_to[number, NUT])
    missing = sum(plan.missing.values())
    fewest, least = cheapest(wanted, pool, stock)
    assert missing >= fewest >= missing - plan.missing_gap
    if missing == fewest:
        assert plan.cost >= least
        assert plan.missing_gap or plan.cost - plan.gap <= least
