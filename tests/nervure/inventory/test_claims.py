from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.inventory.claims import claim, claim_in_turn, share_out, sum_demand
from nervure.inventory.stock import (
    Against,
    ClaimKind,
    Entry,
    InsufficientStockError,
    Level,
    Place,
    Shortage,
    Take,
)
from nervure.store.statements import CHANGE
from schemas.stock import Condition
from tests.nervure.world import World, must_hold

HERE, THERE = Place(1, 10), Place(1, 20)


def test_demand_at_one_place_is_summed() -> None:
    assert sum_demand([(HERE, 2), (THERE, 1), (HERE, 3)]) == {HERE: 5, THERE: 1}


def test_demand_for_nothing_is_left_out() -> None:
    assert sum_demand([(HERE, 0)]) == {}


def test_negative_demand_is_a_defect_of_the_caller() -> None:
    with pytest.raises(ValueError, match="a demand cannot be negative: -1 at"):
        sum_demand([(HERE, -1)])


def test_our_own_units_are_taken_before_a_suppliers() -> None:
    levels = [Level(1, HERE, "acme", 5), Level(2, HERE, "us", 3)]
    assert share_out({HERE: 4}, levels, {}) == ([Take(2, HERE, 3), Take(1, HERE, 1)], [])


def test_among_suppliers_the_oldest_level_is_taken_first() -> None:
    levels = [Level(7, HERE, "bolts", 5), Level(4, HERE, "acme", 1)]
    assert share_out({HERE: 3}, levels, {}) == ([Take(4, HERE, 1), Take(7, HERE, 2)], [])


def test_a_place_that_lacks_units_gives_none() -> None:
    levels = [Level(1, HERE, "us", 5), Level(2, THERE, "us", 1)]
    assert share_out({HERE: 2, THERE: 3}, levels, {}) == ([Take(1, HERE, 2)], [Shortage(THERE, 3, 1)])


def test_what_is_held_back_cannot_be_taken() -> None:
    assert share_out({HERE: 4}, [Level(1, HERE, "us", 5)], {HERE: 2}) == ([], [Shortage(HERE, 4, 3)])


def test_what_one_owners_level_owes_is_taken_off_what_the_place_has() -> None:
    levels = [Level(1, HERE, "us", -2), Level(2, HERE, "acme", 5)]
    assert share_out({HERE: 4}, levels, {}) == ([], [Shortage(HERE, 4, 3)])
    assert share_out({HERE: 3}, levels, {}) == ([Take(2, HERE, 3)], [])


def test_a_shortage_never_speaks_of_less_than_nothing() -> None:
    assert share_out({HERE: 1}, [Level(1, HERE, "us", -2)], {}) == ([], [Shortage(HERE, 1, 0)])


@pytest.mark.requirement("R05")
@given(
    st.lists(
        st.tuples(st.sampled_from([HERE, THERE]), st.sampled_from(["us", "acme"]), st.integers(-3, 6)), max_size=5
    ),
    st.dictionaries(st.sampled_from([HERE, THERE]), st.integers(1, 8)),
    st.dictionaries(st.sampled_from([HERE, THERE]), st.integers(0, 3)),
)
def test_a_place_gives_all_that_is_wanted_or_nothing(
    rows: list[tuple[Place, str, int]], demand: dict[Place, int], held_back: dict[Place, int]
) -> None:
    levels = [Level(number, place, owner, units) for number, (place, owner, units) in enumerate(rows)]
    takes, shortages = share_out(demand, levels, held_back)
    taken = Counter[Place]()
    for take in takes:
        taken[take.place] += take.units
        assert 0 < take.units <= levels[take.level_id].claimable
    short = {shortage.place for shortage in shortages}
    for place, wanted in demand.items():
        there = sum(level.claimable for level in levels if level.place == place) - held_back.get(place, 0)
        assert (place in short) == (there < wanted)
        assert taken[place] == (0 if place in short else wanted)
    assert len({take.level_id for take in takes}) == len(takes)


class LyingStock:
    """Storage that shows five units under lock and then refuses to give them."""

    def lock_sellable(self, places: Collection[Place]) -> list[Level]:
        return [Level(number, place, "us", 5) for number, place in enumerate(sorted(places))]

    def lock_promisable(self, places: Collection[Place]) -> tuple[list[Level], Mapping[Place, int]]:
        return self.lock_sellable(places), {}

    def take(self, _takes: Sequence[Take], _kind: ClaimKind) -> bool:
        return False

    def book(self, _entries: Sequence[Entry]) -> list[Entry]:
        return []

    def last_counts(self, _places: Collection[Place]) -> Mapping[Place, datetime]:
        return {}


def test_a_storage_that_lies_is_not_believed() -> None:
    with pytest.raises(InsufficientStockError) as refused:
        claim(LyingStock(), {HERE: 2}, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    assert refused.value.shortages == (Shortage(HERE, 2, 0),)


def shelf(world: World) -> None:
    world.items("BOLT", "NUT")
    world.location("paris")
    world.receive("BOLT", "paris", 5)
    world.receive("NUT", "paris", 1)


def test_a_claim_takes_its_units_and_notes_the_change(world: World) -> None:
    shelf(world)
    world.forget_changes()
    place = world.place("BOLT", "paris")
    level = world.level_id("BOLT", "paris")
    takes = claim(world.stock, {place: 3}, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    assert takes == [Take(level, place, 3)]
    assert (world.on_hand("BOLT", "paris"), world.claimable("BOLT", "paris")) == (5, 2)
    assert world.rows(CHANGE) == 1


@pytest.mark.requirement("R01")
def test_the_statement_that_takes_units_takes_none_that_are_not_there(world: World) -> None:
    shelf(world)
    bolts = Take(world.level_id("BOLT", "paris"), world.place("BOLT", "paris"), 3)
    assert world.stock.take([bolts], ClaimKind.ALLOCATION)
    assert not world.stock.take([bolts], ClaimKind.RESERVATION)
    assert world.claimable("BOLT", "paris") == 2


@pytest.mark.requirement("R01")
def test_units_that_carts_hold_are_taken_recorded_and_noted_at_once_and_none_that_are_not_there(world: World) -> None:
    shelf(world)
    world.forget_changes()
    bolt, level = world.place("BOLT", "paris"), world.level_id("BOLT", "paris")
    first = [(Take(level, bolt, 2), "cart 1", world.now), (Take(level, bolt, 2), "cart 2", world.now)]
    assert world.stock.hold([])
    assert world.stock.hold(first)
    assert world.claimable("BOLT", "paris") == 1
    assert [len(world.stock.held_by_reference(name)) for name in ("cart 1", "cart 2")] == [1, 1]
    assert world.rows(CHANGE) == 1
    must_hold(world)
    assert not world.stock.hold([(Take(level, bolt, 2), "cart 3", world.now)])
    assert world.claimable("BOLT", "paris") == 1


@pytest.mark.requirement("R02")
def test_a_claim_that_lacks_one_unit_takes_nothing_anywhere(world: World) -> None:
    shelf(world)
    world.forget_changes()
    bolt, nut = world.place("BOLT", "paris"), world.place("NUT", "paris")
    with pytest.raises(InsufficientStockError) as refused:
        claim(world.stock, {bolt: 3, nut: 2}, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    assert refused.value.shortages == (Shortage(nut, 2, 1),)
    assert str(refused.value) == (
        f"not enough stock: item {nut.item_id} at location {nut.location_id}: wanted 2, there 1"
    )
    assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (5, 1)
    assert world.rows(CHANGE) == 0


def test_a_promise_keeps_the_safety_stock_and_an_accepted_order_may_use_it(world: World) -> None:
    shelf(world)
    place = world.place("BOLT", "paris")
    world.policies.put_safety_stock(place.item_id, place.location_id, 2)
    with pytest.raises(InsufficientStockError) as refused:
        claim(world.stock, {place: 4}, kind=ClaimKind.RESERVATION, against=Against.AVAILABLE_TO_PROMISE)
    assert refused.value.shortages == (Shortage(place, 4, 3),)
    takes = claim(world.stock, {place: 3}, kind=ClaimKind.RESERVATION, against=Against.AVAILABLE_TO_PROMISE)
    world.stock.reserve(takes, reference="cart 1", expires_at=world.now)
    claim(world.stock, {place: 2}, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    assert world.claimable("BOLT", "paris") == 0


def test_demands_are_served_in_turn_and_one_that_lacks_takes_nothing_from_the_next(world: World) -> None:
    shelf(world)
    bolt, nut = world.place("BOLT", "paris"), world.place("NUT", "paris")
    demands = [{bolt: 2}, {bolt: 2, nut: 2}, {bolt: 3, nut: 1}, {bolt: 2}]
    answers = claim_in_turn(world.stock, demands, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    assert [
        sum(take.units for take in answer) if isinstance(answer, list) else answer.shortages for answer in answers
    ] == [
        2,
        (Shortage(nut, 2, 1),),
        4,
        (Shortage(bolt, 2, 0),),
    ]
    assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (0, 0)


@pytest.mark.requirement("R11")
def test_a_reservation_is_given_back_once(world: World) -> None:
    shelf(world)
    place = world.place("BOLT", "paris")
    takes = claim(world.stock, {place: 3}, kind=ClaimKind.RESERVATION, against=Against.AVAILABLE_TO_PROMISE)
    world.stock.reserve(takes, reference="cart 1", expires_at=world.now)
    held = world.stock.held_by_reference("cart 1")
    assert world.stock.end_claims(held, "released") == takes
    assert world.stock.end_claims(held, "released") == []
    assert world.stock.held_by_reference("cart 1") == []
    assert world.claimable("BOLT", "paris") == 5
    must_hold(world)


@pytest.mark.requirement("R09")
def test_units_that_are_not_sellable_cannot_be_claimed(world: World) -> None:
    shelf(world)
    world.move("NUT", "paris", 9, condition=Condition.DAMAGED)
    place = world.place("NUT", "paris")
    with pytest.raises(InsufficientStockError) as refused:
        claim(world.stock, {place: 2}, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    assert refused.value.shortages == (Shortage(place, 2, 1),)
