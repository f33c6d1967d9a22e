import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.orders.parcels import Grid
from nervure.orders.pricing import Demand, Source
from nervure.orders.solving import Solution, solve

BOLT, NUT, PIN = 1, 2, 3
FLAT = Grid()
BY_WEIGHT = Grid(((500, 4), (1_000, 5), (3_000, 9)))
CHEAP_AND_HEAVY = Grid(((900, 3), (2_000, 14)))


def spreads(units: int, capacities: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every way of taking at most so many units from places that have so many."""
    if not capacities:
        yield ()
        return
    for taken in range(min(units, capacities[0]) + 1):
        for rest in spreads(units - taken, capacities[1:]):
            yield (taken, *rest)


def cost_of(takes: Sequence[Mapping[int, int]], demands: Sequence[Demand], sources: Sequence[Source]) -> int:
    used = {i for taken in takes for i, units in taken.items() if units}
    grams = {i: sum(taken.get(i, 0) * d.grams for taken, d in zip(takes, demands, strict=True)) for i in used}
    return sum(sources[i].fixed + sources[i].grid.price(grams[i]) for i in used) + sum(
        units * sources[i].unit_costs[d] for d, taken in enumerate(takes) for i, units in taken.items()
    )


def is_there(takes: Sequence[Mapping[int, int]], demands: Sequence[Demand], sources: Sequence[Source]) -> bool:
    return all(
        sum(taken.get(i, 0) * demand.parts.get(part, 0) for taken, demand in zip(takes, demands, strict=True))
        <= max(source.stock.get(part, 0), 0)
        for i, source in enumerate(sources)
        for part in {part for demand in demands for part in demand.parts}
    )


def by_brute_force(demands: Sequence[Demand], sources: Sequence[Source]) -> tuple[int, int]:
    """(missing units, cost) of the best of all ways."""
    best: tuple[int, int] | None = None

    def take(takes: list[dict[int, int]]) -> None:
        nonlocal best
        if not is_there([*takes, *({} for _ in demands[len(takes) :])], demands, sources):
            return
        if len(takes) == len(demands):
            missing = sum(d.units - sum(taken.values()) for d, taken in zip(demands, takes, strict=True))
            found = (missing, cost_of(takes, demands, sources))
            best = found if best is None else min(best, found)
            return
        units = demands[len(takes)].units
        for spread in spreads(units, [units] * len(sources)):
            take([*takes, {i: taken for i, taken in enumerate(spread) if taken}])

    take([])
    assert best is not None
    return best


def must_be_best(demands: Sequence[Demand], sources: Sequence[Source]) -> Solution:
    found = solve(demands, sources)
    assert is_there(found.takes, demands, sources)
    assert found.missing == sum(d.units - sum(t.values()) for d, t in zip(demands, found.takes, strict=True))
    assert found.cost == cost_of(found.takes, demands, sources)
    assert found.is_proved
    assert (found.missing, found.cost) == by_brute_force(demands, sources)
    return found


def sources_of(parts: Sequence[int], demands: int, grids: Sequence[Grid]) -> st.SearchStrategy[list[Source]]:
    source = st.builds(
        Source,
        fixed=st.integers(0, 9),
        unit_costs=st.lists(st.integers(-4, 4) | st.sampled_from([-40, 40]), min_size=demands, max_size=demands),
        stock=st.fixed_dictionaries({part: st.integers(-1, 3) for part in parts}),
        grid=st.sampled_from(grids),
    )
    return st.lists(source, min_size=1, max_size=4)


UNITS = st.integers(1, 3)


@pytest.mark.requirement("R05", "R06", "R07")
@settings(max_examples=300)
@given(st.data(), st.integers(1, 3))
def test_the_plan_of_simple_lines_is_the_one_that_brute_force_finds(data: st.DataObject, lines: int) -> None:
    demands = [Demand(data.draw(UNITS), {part: 1}) for part in (BOLT, NUT, PIN)[:lines]]
    must_be_best(demands, data.draw(sources_of((BOLT, NUT, PIN)[:lines], lines, [FLAT])))


@pytest.mark.requirement("R05", "R06")
@settings(max_examples=300)
@given(st.data(), st.integers(1, 3))
def test_the_plan_of_lines_with_a_weight_is_the_one_that_brute_force_finds(data: st.DataObject, lines: int) -> None:
    grams = st.sampled_from([0, 300, 450, 800])
    demands = [Demand(data.draw(UNITS), {part: 1}, data.draw(grams)) for part in (BOLT, NUT, PIN)[:lines]]
    grids = [FLAT, BY_WEIGHT, CHEAP_AND_HEAVY]
    must_be_best(demands, data.draw(sources_of((BOLT, NUT, PIN)[:lines], lines, grids)))


RECIPES = [{BOLT: 1}, {NUT: 1}, {BOLT: 1, NUT: 1}, {BOLT: 2, NUT: 1}, {NUT: 2}]


@pytest.mark.requirement("R02", "R05")
@settings(max_examples=300)
@given(st.data())
def test_the_plan_of_kits_that_share_parts_is_the_one_that_brute_force_finds(data: st.DataObject) -> None:
    recipes = data.draw(st.lists(st.sampled_from(RECIPES), min_size=2, max_size=3, unique_by=lambda r: (*r.items(),)))
    grams = data.draw(st.sampled_from([0, 450]))
    demands = [Demand(data.draw(st.integers(1, 2)), parts, grams) for parts in recipes]
    must_be_best(demands, data.draw(sources_of((BOLT, NUT), len(demands), [FLAT, BY_WEIGHT])))


def by_all_sets(demands: Sequence[Demand], sources: Sequence[Source]) -> tuple[int, int]:
    """(missing units, cost) of the best set, each demand from its cheapest units: all there is without weights."""
    found: list[tuple[int, int]] = []
    for size in range(len(sources) + 1):
        for chosen in combinations(sources, size):
            missing, cost = 0, sum(source.fixed for source in chosen)
            for d, demand in enumerate(demands):
                [part] = demand.parts
                left = demand.units
                for unit, there in sorted((one.unit_costs[d], max(one.stock.get(part, 0), 0)) for one in chosen):
                    units = min(left, there)
                    cost, left = cost + units * unit, left - units
                missing += left
            found.append((missing, cost))
    return min(found)


@pytest.mark.requirement("R05", "R06")
@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_the_plan_from_more_sources_is_the_best_of_all_sets(seed: int) -> None:
    chance = random.Random(seed)
    demands = [Demand(chance.randint(1, 3), {part: 1}) for part in range(5)]
    sources = [
        Source(
            chance.randint(5, 40),
            [chance.randint(-12, 12) for _ in demands],
            {part: chance.randint(1, 3) for part in range(5) if chance.random() < 0.6},
        )
        for _ in range(8)
    ]
    found = solve(demands, sources)
    assert found.is_proved
    assert (found.missing, found.cost) == by_all_sets(demands, sources)


@pytest.mark.requirement("R02", "R05")
def test_where_parts_do_not_reach_for_all_the_dearest_units_are_those_that_are_missing() -> None:
    demands = [Demand(2, {BOLT: 1}, 450), Demand(1, {BOLT: 1, NUT: 1}, 450), Demand(1, {BOLT: 2, NUT: 1}, 450)]
    sources = [
        Source(8, [40, -4, -40], {BOLT: 1, NUT: 0}, BY_WEIGHT),
        Source(8, [-40, 40, -40], {BOLT: 0, NUT: 3}),
        Source(1, [40, 4, -4], {BOLT: 3, NUT: 2}, BY_WEIGHT),
        Source(3, [4, 0, -4], {BOLT: 0, NUT: 3}),
    ]
    found = must_be_best(demands, sources)
    assert (found.missing, found.cost) == (1, 58)
