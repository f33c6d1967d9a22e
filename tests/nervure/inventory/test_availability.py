import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.inventory.availability import PlaceStock, Terms, available_at, salable_quantity, shown_of
from nervure.inventory.stock import Place
from schemas.base import MAX_UNITS

BOLT, NUT, PARIS, LYON = 1, 2, 10, 20
BOLT_ONLY = {BOLT: 1}
PAIR = {BOLT: 1, NUT: 2}


def stock(**claimable: int) -> dict[Place, PlaceStock]:
    items, places = {"bolt": BOLT, "nut": NUT}, {"paris": PARIS, "lyon": LYON}
    return {
        Place(items[name.split("_")[0]], places[name.split("_")[1]]): PlaceStock(units)
        for name, units in claimable.items()
    }


def test_a_simple_item_is_available_as_far_as_it_is_claimable() -> None:
    assert available_at(BOLT_ONLY, PARIS, stock(bolt_paris=7)) == 7


def test_where_nothing_is_known_nothing_is_available() -> None:
    assert available_at(BOLT_ONLY, LYON, stock(bolt_paris=7)) == 0


def test_safety_stock_is_not_promised() -> None:
    assert available_at(BOLT_ONLY, PARIS, {Place(BOLT, PARIS): PlaceStock(7, safety_stock=3)}) == 4


def test_more_safety_stock_than_units_is_nothing_available() -> None:
    assert available_at(BOLT_ONLY, PARIS, {Place(BOLT, PARIS): PlaceStock(2, safety_stock=3)}) == 0


@pytest.mark.requirement("R37")
def test_a_kit_is_available_as_its_scarcest_part_allows() -> None:
    assert available_at(PAIR, PARIS, stock(bolt_paris=9, nut_paris=7)) == 3


@pytest.mark.requirement("R37")
def test_a_kit_is_counted_at_each_location_and_then_summed() -> None:
    parts_apart = stock(bolt_paris=5, nut_paris=2, bolt_lyon=1, nut_lyon=10)
    assert salable_quantity(PAIR, [PARIS, LYON], parts_apart) == 1 + 1


def test_a_location_that_owes_units_takes_nothing_from_the_others() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS, LYON], stock(bolt_paris=-4, bolt_lyon=3)) == 3


def test_the_buffer_is_taken_off_once_from_the_sum() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS, LYON], stock(bolt_paris=2, bolt_lyon=3), Terms(buffer_units=4)) == 1


def test_a_channel_never_shows_less_than_nothing() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=2), Terms(buffer_units=3)) == 0


def test_a_stock_point_without_locations_shows_nothing() -> None:
    assert salable_quantity(BOLT_ONLY, [], stock(bolt_paris=2)) == 0


def test_a_share_is_rounded_down() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=7), Terms(share_percent=50)) == 3


def test_a_share_is_of_the_pool_and_not_of_each_location() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS, LYON], stock(bolt_paris=5, bolt_lyon=5), Terms(share_percent=50)) == 5


def test_the_buffer_comes_out_of_the_channels_share() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=10), Terms(share_percent=50, buffer_units=2)) == 3


def test_a_cap_is_what_is_shown_and_the_buffer_is_already_off() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=10), Terms(buffer_units=2, cap_units=5)) == 5
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=6), Terms(buffer_units=2, cap_units=5)) == 4


def test_what_may_be_sold_beyond_comes_on_top_of_share_and_cap() -> None:
    terms = Terms(share_percent=50, cap_units=4, beyond_units=3)
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=10), terms) == 4 + 3


def test_a_buffer_without_units_keeps_back_what_may_be_sold_beyond() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=1), Terms(buffer_units=3, beyond_units=5)) == 3


def test_a_location_that_owes_takes_nothing_from_what_may_be_sold_beyond() -> None:
    assert salable_quantity(BOLT_ONLY, [PARIS], stock(bolt_paris=-4), Terms(beyond_units=5)) == 5


@pytest.mark.requirement("R37")
def test_share_cap_and_buffer_of_a_kit_are_whole_kits() -> None:
    there = stock(bolt_paris=9, nut_paris=14)
    assert salable_quantity(PAIR, [PARIS], there, Terms(share_percent=50)) == 3
    assert salable_quantity(PAIR, [PARIS], there, Terms(buffer_units=1, cap_units=4)) == 4


UNITS = st.integers(-3, 9)


@pytest.mark.requirement("R37")
@given(st.tuples(UNITS, UNITS, UNITS, UNITS), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4))
def test_as_many_kits_are_shown_as_can_be_packed_one_by_one(
    units: tuple[int, int, int, int], bolts: int, nuts: int, buffer_units: int
) -> None:
    shelves = {
        PARIS: {BOLT: units[0], NUT: units[1]},
        LYON: {BOLT: units[2], NUT: units[3]},
    }
    shown = salable_quantity(
        {BOLT: bolts, NUT: nuts},
        [PARIS, LYON],
        {Place(item, place): PlaceStock(there) for place, shelf in shelves.items() for item, there in shelf.items()},
        Terms(buffer_units=buffer_units),
    )
    packed = 0
    for shelf in shelves.values():
        while shelf[BOLT] >= bolts and shelf[NUT] >= nuts:
            shelf[BOLT] -= bolts
            shelf[NUT] -= nuts
            packed += 1
    assert shown == max(packed - buffer_units, 0)


def test_no_number_is_shown_that_no_platform_takes() -> None:
    assert shown_of(MAX_UNITS, Terms()) == MAX_UNITS
    assert shown_of(3 * MAX_UNITS, Terms(beyond_units=5)) == MAX_UNITS
    assert shown_of(3 * MAX_UNITS, Terms(cap_units=7)) == 7
