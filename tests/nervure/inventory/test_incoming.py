"""How much can be promised once goods are in: exact numbers, by hand."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.inventory.availability import PlaceStock
from nervure.inventory.incoming import Incoming, Step, future_availability, is_overdue
from nervure.inventory.stock import Place
from schemas.stock import Condition

BOLT, NUT, PAIR = 1, 2, 3
PARIS, LYON = 10, 20
ITSELF = {BOLT: 1}


def day(number: int) -> date:
    return date(2026, 3, number)


def bolts(units: int, on: date | None, at: int = PARIS, *, overdue: bool = False) -> Incoming:
    return Incoming("purchase:P", Place(BOLT, at), units, on, is_overdue=overdue)


def steps(*pairs: tuple[int | None, int]) -> list[Step]:
    return [Step(None if on is None else day(on), units) for on, units in pairs]


def test_each_day_on_which_more_can_be_promised_is_a_step() -> None:
    incoming = [bolts(4, day(9)), bolts(10, day(5)), bolts(1, day(5), LYON)]
    stock = {Place(BOLT, PARIS): PlaceStock(3)}
    assert future_availability(ITSELF, [PARIS, LYON], stock, incoming, owed={}) == steps((None, 3), (5, 14), (9, 18))


def test_only_the_places_that_are_asked_for_count_and_each_once() -> None:
    incoming = [bolts(10, day(5)), bolts(1, day(5), LYON)]
    stock = {Place(BOLT, PARIS): PlaceStock(3), Place(BOLT, LYON): PlaceStock(2)}
    assert future_availability(ITSELF, [LYON, LYON], stock, incoming, owed={}) == steps((None, 2), (5, 3))


def test_what_is_overdue_or_has_no_day_or_cannot_be_sold_is_not_promised() -> None:
    incoming = [
        bolts(10, day(1), overdue=True),
        bolts(10, None),
        Incoming("transfer:T", Place(BOLT, PARIS), 10, day(5), Condition.DAMAGED),
    ]
    assert future_availability(ITSELF, [PARIS], {}, incoming, owed={}) == steps((None, 0))


def test_who_waits_is_served_first_from_what_comes_in() -> None:
    incoming = [bolts(4, day(5)), bolts(4, day(9))]
    assert future_availability(ITSELF, [PARIS], {}, incoming, owed={BOLT: 5}) == steps((None, 0), (9, 3))


def test_what_can_be_promised_now_is_not_taken_for_those_whom_it_could_not_serve() -> None:
    stock = {Place(BOLT, PARIS): PlaceStock(3)}
    assert future_availability(ITSELF, [PARIS], stock, [bolts(4, day(5))], owed={BOLT: 2}) == steps((None, 3), (5, 5))


def test_a_place_that_owes_more_than_it_has_fills_its_hole_before_it_serves_anybody() -> None:
    stock = {Place(BOLT, PARIS): PlaceStock(-2)}
    incoming = [bolts(3, day(5)), bolts(5, day(9), LYON)]
    assert future_availability(ITSELF, [PARIS, LYON], stock, incoming, owed={BOLT: 3}) == steps((None, 0), (9, 3))


def test_safety_stock_is_filled_before_anything_is_promised() -> None:
    stock = {Place(BOLT, PARIS): PlaceStock(2, safety_stock=5)}
    assert future_availability(ITSELF, [PARIS], stock, [bolts(4, day(5))], owed={}) == steps((None, 0), (5, 1))


@pytest.mark.requirement("R37")
def test_a_kit_waits_for_its_scarcest_part_at_each_place() -> None:
    parts = {BOLT: 1, NUT: 2}
    stock = {Place(BOLT, PARIS): PlaceStock(5), Place(NUT, PARIS): PlaceStock(1), Place(NUT, LYON): PlaceStock(9)}
    incoming = [Incoming("purchase:P", Place(NUT, PARIS), 4, day(5)), bolts(1, day(9), LYON)]
    assert future_availability(parts, [PARIS, LYON], stock, incoming, owed={}) == steps((None, 0), (5, 2), (9, 3))


@pytest.mark.parametrize(
    ("zone", "hour", "overdue"),
    [("UTC", 23, False), ("Asia/Tokyo", 14, False), ("Asia/Tokyo", 16, True), ("America/Los_Angeles", 23, False)],
)
def test_a_day_is_over_when_it_is_over_where_the_goods_are_expected(zone: str, hour: int, overdue: bool) -> None:
    assert is_overdue(day(2), zone, datetime(2026, 3, 2, hour, tzinfo=UTC)) is overdue


def test_what_has_no_day_is_never_overdue() -> None:
    assert not is_overdue(None, "UTC", datetime(2026, 3, 2, tzinfo=UTC))


@given(
    claimable=st.dictionaries(st.sampled_from([PARIS, LYON]), st.integers(-5, 10)),
    coming=st.lists(st.tuples(st.integers(1, 28), st.integers(1, 9), st.sampled_from([PARIS, LYON])), max_size=6),
    owed=st.integers(0, 12),
)
def test_whatever_comes_in_the_promise_only_grows_and_ends_at_no_more_than_all_there_will_be(
    claimable: dict[int, int], coming: list[tuple[int, int, int]], owed: int
) -> None:
    stock = {Place(BOLT, location): PlaceStock(units) for location, units in claimable.items()}
    incoming = [bolts(units, day(on), location) for on, units, location in coming]
    found = future_availability(ITSELF, [PARIS, LYON], stock, incoming, owed={BOLT: owed})
    assert found == future_availability(ITSELF, [LYON, PARIS], stock, incoming[::-1], owed={BOLT: owed})
    units = [step.units for step in found]
    assert units == sorted(set(units))
    now = sum(max(held, 0) for held in claimable.values())
    there = sum(
        max(claimable.get(place, 0) + sum(u for _, u, at in coming if at == place), 0) for place in (PARIS, LYON)
    )
    assert (units[0], units[-1]) == (now, max(now, there - owed))
