"""From purchase to shelf, computed by hand."""

from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.measure import Latency, Taken, percentiles, settle_times
from simulation.platform import ShelfCause, ShelfChange

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BEGAN = START.timestamp()
OPENING = {("MUG", "web"): 5}


def shows(*changes: tuple[float, int], sku: str = "MUG", point: str = "web") -> list[ShelfChange]:
    return [
        ShelfChange(START + timedelta(seconds=second), sku, point, units, ShelfCause.WRITTEN)
        for second, units in changes
    ]


def sold(second: float, units: int = 1, *, on: str = "till", sku: str = "MUG") -> Taken:
    return Taken(on, sku, "web", units, BEGAN + second)


def waits(taken: list[Taken], log: list[ShelfChange], back: list[Taken] | None = None) -> list[tuple[str, float]]:
    return settle_times("shop", OPENING, taken, back or [], log)


def test_a_shelf_is_settled_when_it_shows_what_is_left() -> None:
    assert waits([sold(10)], shows((0, 5), (12.5, 4))) == [("till", 2.5)]


def test_each_purchase_waits_for_a_shelf_that_knows_of_it() -> None:
    log = shows((0, 5), (15, 4), (18, 3))
    assert waits([sold(10), sold(11, on="market")], log) == [("till", 5.0), ("market", 7.0)]


def test_a_shelf_that_shows_less_is_settled_at_once() -> None:
    assert waits([sold(10)], shows((0, 5), (9, 3))) == [("till", 0.0)]


def test_a_purchase_on_the_platform_itself_does_not_count_but_leaves_less() -> None:
    log = shows((0, 5), (5, 4), (12, 3))
    assert waits([sold(5, on="shop"), sold(10)], log) == [("till", 2.0)]


def test_a_shelf_that_never_learns_of_it_never_settles() -> None:
    assert waits([sold(10)], shows((0, 5))) == [("till", inf)]
    assert waits([sold(10)], []) == [("till", inf)]


def test_more_sold_than_there_was_needs_a_shelf_of_zero() -> None:
    assert waits([sold(10, 9)], shows((0, 5), (11, 1), (14, 0))) == [("till", 4.0)]


def test_what_came_back_until_then_is_there_to_be_shown() -> None:
    back = [sold(9, on="till"), sold(30, on="till")]
    assert waits([sold(10)], shows((0, 5)), back) == [("till", 0.0)]
    assert waits([sold(8)], shows((0, 5)), back) == [("till", inf)]
    assert waits([sold(8)], shows((0, 5), (9.5, 5)), back) == [("till", 1.5)]


def test_the_order_in_which_things_are_told_does_not_matter() -> None:
    log = shows((0, 5), (15, 4), (18, 3))
    assert waits([sold(11, on="market"), sold(10)], log) == waits([sold(10), sold(11, on="market")], log)


def test_each_sku_and_stock_point_is_its_own_shelf_and_unknown_ones_are_left_out() -> None:
    other = [sold(10, sku="KIT"), Taken("till", "MUG", "elsewhere", 1, BEGAN)]
    assert waits([sold(10), *other], shows((0, 5)) + shows((11, 0), sku="TRAY") + shows((12, 4))) == [("till", 2.0)]


def test_percentiles_are_values_that_were_there() -> None:
    assert percentiles([]) == Latency(0, None, None, None)
    assert percentiles([3.0]) == Latency(1, 3.0, 3.0, 3.0)
    assert percentiles([float(n) for n in range(100, 0, -1)]) == Latency(100, 50.0, 95.0, 99.0)
    assert percentiles([1.0, inf]) == Latency(2, 1.0, inf, inf)


def test_json_knows_no_infinity() -> None:
    assert Latency(3, 0.12345, None, inf).as_json() == {"count": 3, "p50": 0.123, "p95": None, "p99": "infinite"}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_no_percentile_is_exceeded_by_more_than_its_share(values: list[float]) -> None:
    found = percentiles(values)
    for share, value in ((0.5, found.p50), (0.95, found.p95), (0.99, found.p99)):
        assert value in values
        assert sum(one > value for one in values) <= (1 - share) * len(values) + 1e-9


@pytest.mark.parametrize("delay", [0.0, 0.5, 30.0])
def test_a_delay_is_measured_exactly(delay: float) -> None:
    assert waits([sold(10)], shows((0, 5), (10 + delay, 4))) == [("till", delay)]


def test_a_sale_of_goods_that_a_slow_platform_has_just_sold_waits_for_that_one() -> None:
    """Until the marketplace is heard the shelf can show what is left after the till's sale alone, and no less."""
    taken = [sold(0, on="market"), sold(10), sold(100)]
    log = shows((0, 5), (11, 4), (50, 3), (101, 2))
    assert settle_times("shop", OPENING, taken, [], log, heard_slowly={"market"}) == [
        ("market", 11.0),
        ("market", 40.0),
        ("till", 1.0),
    ]
    assert settle_times("shop", OPENING, taken, [], log) == [("market", 11.0), ("till", 40.0), ("till", 1.0)]
