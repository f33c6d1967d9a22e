"""The ledger as it is stored: append-only, gapless, each cause once."""

import pytest

from nervure.inventory.stock import Entry, ImpossibleLevelError
from nervure.store.statements import CHANGE, LEVEL, MOVEMENT
from schemas.base import MAX_UNITS
from schemas.stock import Condition, MovementKind
from tests.nervure.world import World, at, merchant, must_hold
from tests.reference import ROOT


def entry(world: World, sku: str, units: int, cause: str, minute: float = 0) -> Entry:
    return Entry(world.place(sku, "paris"), MovementKind.CONSUMED, units, cause, at(minute))


def test_a_movement_is_booked_with_its_level_and_noted_once(world: World) -> None:
    merchant(world)
    world.forget_changes()
    later = world.later(9)
    later.stock.book([entry(later, "BOLT", -2, "a", 3), entry(later, "BOLT", 5, "b", 4)])
    [level] = world.connection.execute(LEVEL.select()).all()
    assert (level.on_hand, level.sequence, level.owner, level.condition, level.lot) == (3, 2, "us", "sellable", "")
    rows = world.connection.execute(MOVEMENT.select().order_by(MOVEMENT.c.id)).all()
    assert [(row.sequence, row.units, row.occurred_at, row.recorded_at) for row in rows] == [
        (1, -2, at(3), at(9)),
        (2, 5, at(4), at(9)),
    ]
    assert world.rows(CHANGE) == 1
    must_hold(world)


@pytest.mark.requirement("R22")
def test_the_same_entries_again_change_nothing(world: World) -> None:
    merchant(world)
    entries = [entry(world, "BOLT", 4, "a"), entry(world, "NUT", 1, "b"), entry(world, "BOLT", -1, "c")]
    assert world.stock.book(entries) == entries
    world.forget_changes()
    assert world.stock.book(entries) == []
    assert world.stock.book([entry(world, "BOLT", 9, "a")]) == [], "the cause decides, not the units"
    assert world.rows(CHANGE) == 0
    assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (3, 1)
    must_hold(world)


@pytest.mark.requirement("R22")
def test_a_cause_named_twice_in_one_batch_is_one_movement(world: World) -> None:
    merchant(world)
    first = entry(world, "BOLT", 4, "a")
    assert world.stock.book([first, entry(world, "BOLT", 4, "a")]) == [first]
    assert world.on_hand("BOLT", "paris") == 4
    must_hold(world)


def test_of_a_batch_only_what_is_new_is_booked(world: World) -> None:
    merchant(world)
    world.stock.book([entry(world, "BOLT", 4, "a")])
    fresh = entry(world, "BOLT", -1, "b")
    assert world.stock.book([entry(world, "BOLT", 4, "a"), fresh]) == [fresh]
    must_hold(world)


def test_nothing_to_book_books_nothing(world: World) -> None:
    assert world.stock.book([]) == []
    assert world.rows(CHANGE) == 0


@pytest.mark.requirement("R09", "R12")
def test_owner_condition_and_lot_have_levels_of_their_own(world: World) -> None:
    merchant(world)
    world.receive("BOLT", "paris", 1)
    world.receive("BOLT", "paris", 2, owner="acme")
    world.receive("BOLT", "paris", 3, lot="L1")
    world.move("BOLT", "paris", 4, condition=Condition.ON_HOLD)
    levels = {(row.owner, row.condition, row.lot): row.on_hand for row in world.connection.execute(LEVEL.select())}
    assert levels == {
        ("us", "sellable", ""): 1,
        ("acme", "sellable", ""): 2,
        ("us", "sellable", "L1"): 3,
        ("us", "on_hold", ""): 4,
    }
    assert world.on_hand("BOLT", "paris") == 6


def test_a_condition_that_changes_moves_units_from_one_level_to_the_other(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.move("BOLT", "paris", -2, MovementKind.CONDITION_CHANGED)
    world.move("BOLT", "paris", 2, MovementKind.CONDITION_CHANGED, condition=Condition.DAMAGED)
    assert world.on_hand("BOLT", "paris") == 3
    must_hold(world)


def test_an_observation_is_kept_once(world: World) -> None:
    merchant(world)
    assert world.later(9).count("BOLT", "lyon", 3, minute=5)
    assert not world.later(10).count("BOLT", "lyon", 3, minute=5)
    place = world.place("BOLT", "lyon")
    assert world.stock.last_counts([place, world.place("NUT", "lyon")]) == {place: at(5)}


def test_a_history_of_thousands_is_booked_in_one_go(world: World) -> None:
    merchant(world)
    place = world.place("BOLT", "paris")
    many = [Entry(place, MovementKind.RECEIVED, 1, f"cause {number}", at(0)) for number in range(6_000)]
    assert len(world.stock.book(many)) == 6_000
    assert world.stock.book(many) == []
    assert world.on_hand("BOLT", "paris") == 6_000
    must_hold(world)


def test_no_code_of_the_hub_rewrites_or_deletes_a_movement() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "nervure").rglob("*.py")]
    assert sum("insert_rows(self._connection, MOVEMENT" in source for source in sources) == 1
    others = ("MOVEMENT.insert(", "MOVEMENT.update(", "MOVEMENT.delete(")
    assert not [word for source in sources for word in others if word in source]


def test_no_level_holds_or_lacks_more_than_anybody_has(world: World) -> None:
    merchant(world)
    world.stock.book([entry(world, "BOLT", MAX_UNITS, "a")])
    with pytest.raises(ImpossibleLevelError, match="1,000,000,001 units of 'BOLT' would be on hand at paris"):
        world.stock.book([entry(world, "BOLT", 1, "b"), entry(world, "NUT", 1, "c")])
    assert world.on_hand("NUT", "paris") == 0, "nothing of the batch"
    world.stock.book([entry(world, "BOLT", -MAX_UNITS, "d"), entry(world, "BOLT", -MAX_UNITS, "e")])
    with pytest.raises(ImpossibleLevelError, match="-1,000,000,001 units"):
        world.stock.book([entry(world, "BOLT", -1, "f")])
    world.stock.book([entry(world, "BOLT", MAX_UNITS, "g")])
    assert world.on_hand("BOLT", "paris") == 0
    must_hold(world)
