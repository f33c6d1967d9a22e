from collections.abc import Callable
from itertools import permutations

import pytest

from nervure.inventory.counts import Count
from nervure.inventory.ledger import book, compensation, count_difference, is_inside_count
from nervure.inventory.stock import Entry, Place
from nervure.store.statements import MOVEMENT
from schemas.stock import AdjustmentReason, Condition, MovementKind
from tests.nervure.world import World, at, must_hold

HERE = Place(1, 10)
SALE = Entry(HERE, MovementKind.SOLD, -2, "ticket 7", at(5), owner="acme", lot="L1")


def test_a_movement_up_to_the_moment_of_a_count_is_inside_it() -> None:
    assert is_inside_count(SALE, at(6))
    assert is_inside_count(SALE, at(5))
    assert not is_inside_count(SALE, at(4.9))
    assert not is_inside_count(SALE, None)


def test_a_count_sees_units_of_its_own_condition_only() -> None:
    broken = Entry(HERE, MovementKind.RECEIVED, 1, "broken", at(5), condition=Condition.DAMAGED)
    assert not Count(HERE, "till", 3, at(6)).sees(broken)
    assert Count(HERE, "till", 3, at(6), condition=Condition.DAMAGED).sees(broken)


def test_a_compensation_takes_back_exactly_its_movement() -> None:
    assert compensation(SALE) == Entry(
        HERE,
        MovementKind.ADJUSTED,
        2,
        "ticket 7|counted",
        at(5),
        reason=AdjustmentReason.CORRECTION,
        owner="acme",
        lot="L1",
        compensates="ticket 7",
    )


def test_a_count_books_the_difference_and_no_difference_books_nothing() -> None:
    reason = AdjustmentReason.CYCLE_COUNT
    assert count_difference(HERE, 0, counted_at=at(5), cause_key="count 1", reason=reason) is None
    assert count_difference(HERE, -3, counted_at=at(5), cause_key="count 1", reason=reason) == Entry(
        HERE, MovementKind.ADJUSTED, -3, "count 1", at(5), reason=reason
    )


def store(world: World) -> None:
    world.items("BOLT")
    world.location("store", master="till")
    world.receive("BOLT", "store", 10)


@pytest.mark.requirement("R03")
def test_a_sale_heard_after_the_count_that_saw_it_is_booked_and_taken_back(world: World) -> None:
    world = world.later(30)
    store(world)
    assert world.count("BOLT", "store", 8, minute=20)
    booked = world.move("BOLT", "store", -2, MovementKind.SOLD, cause="ticket 7", minute=10)
    assert [(entry.units, entry.compensates) for entry in booked] == [(-2, None), (2, "ticket 7")]
    assert world.on_hand("BOLT", "store") == 8
    assert world.movements("BOLT", "store") == [("received", 10), ("adjusted", -2), ("sold", -2), ("adjusted", 2)]
    linked = MOVEMENT.alias()
    [(cause, compensated)] = world.connection.execute(
        MOVEMENT.select()
        .join(linked, linked.c.id == MOVEMENT.c.compensates_id)
        .with_only_columns(MOVEMENT.c.cause_key, linked.c.cause_key)
    ).all()
    assert (cause, compensated) == ("ticket 7|counted", "ticket 7")
    must_hold(world)


@pytest.mark.requirement("R03", "R21")
def test_a_sale_that_was_booked_before_the_count_is_not_taken_back_when_it_is_heard_again(world: World) -> None:
    world = world.later(30)
    store(world)
    world.move("BOLT", "store", -2, MovementKind.SOLD, cause="ticket 7", minute=10)
    assert world.count("BOLT", "store", 8, minute=20)
    assert world.move("BOLT", "store", -2, MovementKind.SOLD, cause="ticket 7", minute=10) == []
    assert world.on_hand("BOLT", "store") == 8
    assert world.movements("BOLT", "store") == [("received", 10), ("sold", -2)]


@pytest.mark.requirement("R03", "R21")
def test_of_a_batch_only_what_is_new_is_taken_back(world: World) -> None:
    world = world.later(30)
    store(world)
    place = world.place("BOLT", "store")
    known, late = (Entry(place, MovementKind.SOLD, -1, cause, at(10)) for cause in ("known", "late"))
    book(world.stock, [known])
    assert world.count("BOLT", "store", 7, minute=20)
    assert [(entry.cause_key, entry.units) for entry in book(world.stock, [known, late])] == [
        ("late", -1),
        ("late|counted", 1),
    ]
    assert world.on_hand("BOLT", "store") == 7


def test_a_sale_after_the_count_is_booked_alone(world: World) -> None:
    world = world.later(30)
    store(world)
    world.count("BOLT", "store", 8, minute=20)
    assert len(world.move("BOLT", "store", -1, MovementKind.SOLD, minute=21)) == 1
    assert world.on_hand("BOLT", "store") == 7


def test_an_older_count_heard_late_is_kept_and_changes_nothing(world: World) -> None:
    world = world.later(30)
    store(world)
    assert world.count("BOLT", "store", 8, minute=20)
    assert world.count("BOLT", "store", 3, minute=15)
    assert world.on_hand("BOLT", "store") == 8
    assert world.on_hand_at("BOLT", "store", 15) == 3
    assert not world.count("BOLT", "store", 3, minute=15), "it is known"


@pytest.mark.requirement("R03", "R21")
def test_count_tickets_and_echoes_end_the_same_in_every_order(world: World) -> None:
    # Two were sold before the count at minute 20 found 7 (one was lost), one was sold after it, the first heard twice.
    happened: dict[str, Callable[[World], object]] = {
        "ticket before": lambda world: world.move("BOLT", "store", -2, MovementKind.SOLD, cause="before", minute=10),
        "ticket before, again": lambda world: world.move(
            "BOLT", "store", -2, MovementKind.SOLD, cause="before", minute=10
        ),
        "count": lambda world: world.count("BOLT", "store", 7, minute=20),
        "ticket after": lambda world: world.move("BOLT", "store", -1, MovementKind.SOLD, cause="after", minute=25),
    }
    world = world.later(30)
    store(world)
    ends = set()
    for order in permutations(happened):
        with world.undone():
            for name in order:
                happened[name](world)
            must_hold(world)
            ends.add(world.on_hand("BOLT", "store"))
    assert ends == {6}


@pytest.mark.requirement("R03")
def test_sale_refund_recount_and_edit_end_at_the_serial_sum_in_every_order(world: World) -> None:
    happened: list[Callable[[World], object]] = [
        lambda world: world.move("BOLT", "store", -3, MovementKind.SOLD, cause="sale", minute=1),
        lambda world: world.move("BOLT", "store", 1, MovementKind.RETURNED, cause="refund", minute=2),
        lambda world: world.count("BOLT", "store", 7, minute=3),
        lambda world: world.move(
            "BOLT", "store", 4, MovementKind.ADJUSTED, cause="edit", minute=4, reason=AdjustmentReason.FOUND
        ),
    ]
    world = world.later(30)
    store(world)
    ends = set()
    for order in permutations(happened):
        with world.undone():
            for one in order:
                one(world)
            ends.add(world.on_hand("BOLT", "store"))
    assert ends == {7 + 4}
