"""What a count is compared with, and which of two is the last word."""

import pytest

from nervure.inventory.counts import PART_OF_KIT, Basis, Count, difference
from nervure.inventory.stock import Entry, Place
from schemas.stock import Condition, MovementKind
from tests.nervure.world import World, at, must_hold

HERE = Place(1, 10)


def sale(minute: float, *, channel: str = "till", cause: str = "fulfillment|1|1", owner: str = "us") -> Entry:
    return Entry(HERE, MovementKind.SOLD, -1, cause, at(minute), document=f"order:{channel}:7", owner=owner)


@pytest.mark.parametrize(
    ("basis", "units", "expected"),
    [
        (Basis.EVERYTHING, 12, 2),
        (Basis.EVERYTHING, 7, -3),
        (Basis.SHELF, 12, 2),
        (Basis.SHELF, 10, 0),
        (Basis.SHELF, 8, 0),
        (Basis.SHELF, 6, 0),
        (Basis.SHELF, 5, -1),
        (Basis.FREE, 6, 0),
        (Basis.FREE, 7, 1),
        (Basis.FREE, 0, -6),
        (Basis.LESS_OUR_ORDERS, 5, -1),
        (Basis.RUNNING, 12, 12 - 9 + 2),
    ],
)
def test_what_a_number_differs_by(basis: Basis, units: int, expected: int) -> None:
    """Ten are there, three are claimed and one is held back; the system showed 9 and sold 2 since."""
    count = Count(HERE, "till", units, at(5), basis, withheld_units=1, base_units=9, base_at=at(1))
    assert difference(count, 10, 3, -2) == expected


def test_nothing_shown_may_stand_for_any_debt() -> None:
    count = Count(HERE, "acme", 0, at(5), Basis.FREE)
    assert (difference(count, 2, 3, 0), difference(count, 3, 3, 0), difference(count, 4, 3, 0)) == (0, 0, -1)


def test_what_a_count_has_seen() -> None:
    whole = Count(HERE, "till", 3, at(6))
    assert [whole.sees(sale(minute)) for minute in (5, 6, 6.01)] == [True, True, False]
    assert whole.sees(sale(5, owner="acme"))
    one_lot = Count(HERE, "count:C-1", 3, at(6), is_whole=False, owner="acme", lot="L1")
    assert not one_lot.sees(sale(5))
    damaged = Count(HERE, "count:C-1", 3, at(6), condition=Condition.DAMAGED)
    assert not damaged.sees(sale(5))


def test_a_running_number_has_seen_its_own_systems_sales_since_it_was_last_known_and_nothing_else() -> None:
    running = Count(HERE, "till", 3, at(6), Basis.RUNNING, base_units=4, base_at=at(2))
    assert [running.sees(sale(minute)) for minute in (2, 2.01, 6, 6.01)] == [False, True, True, False]
    assert not running.sees(sale(5, channel="till2"))
    assert not running.sees(sale(5, cause=f"fulfillment|1|1{PART_OF_KIT}")), "only the kit's number fell"
    assert not running.sees(Entry(HERE, MovementKind.RECEIVED, 4, "delivery", at(5), document="receipt:4711"))


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    ("one", "other", "stands"),
    [
        ((7, "9"), (4, "10"), 4),
        ((4, "9"), (7, "10"), 7),
        ((4, "b"), (7, "a"), 4),
        ((7, ""), (4, ""), 4),
        ((4, "1"), (7, ""), 4),
    ],
)
def test_two_counts_of_one_instant_are_settled_by_version_whichever_is_heard_first(
    world: World, first: int, one: tuple[int, str], other: tuple[int, str], stands: int
) -> None:
    world = world.later(30)
    world.items("BOLT")
    world.location("store")
    world.receive("BOLT", "store", 10)
    both = [one, other]
    for units, version in (both[first], both[1 - first], both[first]):
        world.count("BOLT", "store", units, minute=20, version=version)
    assert world.on_hand("BOLT", "store") == stands
    assert world.move("BOLT", "store", -1, MovementKind.SOLD, minute=20) != []
    assert world.on_hand("BOLT", "store") == stands
    must_hold(world)
