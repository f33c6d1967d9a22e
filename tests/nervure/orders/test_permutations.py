"""Every order of arrival of one order's documents ends in one state (R23)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.store.database import Database
from schemas.capabilities import DecrementMoment
from schemas.orders import Order, OrderState
from tests.nervure.world import (
    Bought,
    World,
    a_return,
    a_till_sale,
    an_order,
    capable,
    merchant,
    must_hold,
    thrown_away,
)

CREATED = an_order("1", {"BOLT": 3, "PAIR": 2}, state=OrderState.AWAITING_PAYMENT)
EDITED = an_order("1", {"BOLT": 2, "PAIR": 2}, minute=2)
PARTLY_CANCELED = an_order("1", [Bought("BOLT", 2), Bought("PAIR", 2, canceled=1)], minute=3)
CANCELED = an_order("1", [Bought("BOLT", 2), Bought("PAIR", 2, canceled=1)], minute=4, state=OrderState.CANCELED)
COMPLETED = an_order("1", [Bought("BOLT", 2), Bought("PAIR", 2, canceled=1)], minute=4, state=OrderState.COMPLETED)

State = tuple[object, ...]


def ends(world: World, documents: Sequence[Order], moment: DecrementMoment) -> list[State]:
    """Where the merchant stands after each order of arrival, every document heard twice in a row."""
    found: list[State] = []
    for order in permutations(documents):
        with world.undone():
            for document in order:
                for _ in range(2):
                    world.take_in(document, capable(decrements_at=moment))
            must_hold(world)
            stock = {
                (sku, place): (world.on_hand(sku, place), world.allocated(sku, place))
                for sku in ("BOLT", "NUT")
                for place in ("paris", "lyon")
            }
            lines = {line: numbers for line, numbers in world.lines("1").items() if numbers != (0, 0, 0)}
            found.append((stock, lines, world.served("1"), world.open_tasks()))
    return found


MOMENTS = [DecrementMoment.ORDER, DecrementMoment.PAYMENT, DecrementMoment.DEBIT]


@pytest.mark.requirement("R23")
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_order_that_ends_canceled_leaves_everything_where_it_was(
    sqlite_world: World, moment: DecrementMoment
) -> None:
    merchant(sqlite_world, bolt_paris=9, nut_paris=9)
    found = ends(sqlite_world, [CREATED, EDITED, PARTLY_CANCELED, CANCELED], moment)
    untouched = {("BOLT", "paris"): (9, 0), ("NUT", "paris"): (9, 0), ("BOLT", "lyon"): (0, 0), ("NUT", "lyon"): (0, 0)}
    assert len(found) == 24
    assert all(end == (untouched, {}, {}, {}) for end in found)


@pytest.mark.requirement("R23")
def test_an_order_that_ends_completed_has_left_as_it_was_stated_last(world: World) -> None:
    merchant(world, bolt_paris=9, nut_paris=9)
    found = ends(world, [CREATED, EDITED, PARTLY_CANCELED, COMPLETED], DecrementMoment.PAYMENT)
    left = {("BOLT", "paris"): (6, 0), ("NUT", "paris"): (7, 0), ("BOLT", "lyon"): (0, 0), ("NUT", "lyon"): (0, 0)}
    served = {("1-1", "paris", "shipped"): 2, ("1-2", "paris", "shipped"): 1}
    assert len(found) == 24
    assert all(end == (left, {"1-1": (2, 2, 0), "1-2": (1, 1, 0)}, served, {}) for end in found)


@pytest.mark.requirement("R02", "R23")
def test_an_order_that_cannot_be_served_whole_falls_short_by_the_same_units(world: World) -> None:
    merchant(world, bolt_paris=2, nut_paris=9)
    found = ends(world, [CREATED, EDITED, PARTLY_CANCELED], DecrementMoment.ORDER)
    short = {sum(numbers[2] for numbers in end[1].values()) for end in found}  # type: ignore[attr-defined]  # the lines
    assert short == {1}
    assert {end[3]["shortfall"] for end in found} == {1}  # type: ignore[index]  # the open tasks


@pytest.mark.requirement("R23")
def test_a_ticket_heard_open_after_it_was_heard_paid_sells_once(world: World) -> None:
    merchant(world, bolt_lyon=9)
    opened = a_till_sale("1", {"BOLT": 2}, "counter", channel="till", state=OrderState.AWAITING_PAYMENT)
    paid = a_till_sale("1", {"BOLT": 2}, "counter", channel="till", minute=1)
    for order in permutations([opened, paid, paid]):
        with world.undone():
            for document in order:
                world.take_in(document)
            assert world.movements("BOLT", "lyon") == [("received", 9), ("sold", -2)]
            must_hold(world)


@pytest.mark.requirement("R23", "R38")
def test_refund_return_and_order_end_the_same_in_every_order(world: World) -> None:
    merchant(world, bolt_paris=9)
    happened: list[Callable[[World], bool]] = [
        lambda world: world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.COMPLETED)),
        lambda world: world.take_back(a_return("refund", {"BOLT": 1}, minute=2, restocked=False)),
        lambda world: world.take_back(a_return("goods", {"BOLT": 1}, minute=3)),
    ]
    for arrival in permutations(happened):
        with world.undone():
            for one in arrival:
                one(world)
            assert (world.on_hand("BOLT", "paris"), world.claimable("BOLT", "paris")) == (8, 8)
            assert world.served("1") == {("1-1", "paris", "shipped"): 2}
            must_hold(world)


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody does to an order within its second: cancels of a line, or adds a line."""

    line: int
    canceled: int


def stated_in_one_second(lines: Sequence[int], steps: Sequence[Step]) -> list[Order]:
    """An order as it stands after each step; all of its forms carry one stamp."""
    bought = [Bought(("BOLT", "NUT", "PAIR")[at % 3], units) for at, units in enumerate(lines)]
    found = [an_order("1", bought[:1])]
    shown = 1
    for step in steps:
        if step.canceled == 0:
            shown = min(shown + 1, len(bought))
        else:
            at = step.line % shown
            line = bought[at]
            bought[at] = Bought(line.sku, line.units, min(line.units, line.canceled + step.canceled))
        found.append(an_order("1", bought[:shown]))
    return found


@pytest.mark.requirement("R23")
@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.lists(st.builds(Step, st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_statements_of_one_second_end_where_the_last_of_them_stood_in_every_order(
    shared_sqlite: Database, lines: list[int], steps: list[Step], random: Random
) -> None:
    documents = stated_in_one_second(lines, steps)
    last = {line.external_id: line.units - line.units_canceled for line in documents[-1].lines}
    with thrown_away(shared_sqlite) as connection:
        world = World(connection)
        merchant(world, bolt_paris=9, nut_paris=9)
        for _ in range(4):
            with world.undone():
                for document in random.sample(documents * 2, 2 * len(documents)):
                    world.take_in(document)
                must_hold(world)
                assert {name: numbers[0] for name, numbers in world.lines("1").items()} == last


@pytest.mark.requirement("R23")
def test_an_older_document_of_the_same_second_does_not_undo_a_cancellation(world: World) -> None:
    merchant(world, bolt_paris=5, nut_paris=5)
    ordered = an_order("1", [Bought("BOLT", 2), Bought("NUT", 1)])
    canceled = an_order("1", [Bought("BOLT", 2, 2), Bought("NUT", 1)])
    for arrival in permutations([ordered, canceled, ordered]):
        with world.undone():
            for document in arrival:
                world.take_in(document)
            assert world.lines("1") == {"1-1": (0, 0, 0), "1-2": (1, 1, 0)}
            assert (world.allocated("BOLT", "paris"), world.allocated("NUT", "paris")) == (0, 1)
            must_hold(world)


@pytest.mark.requirement("R23")
def test_two_statements_of_one_second_that_each_know_of_another_cancellation_are_both_believed(world: World) -> None:
    merchant(world, bolt_paris=5, nut_paris=5)
    one = an_order("1", [Bought("BOLT", 2, 1), Bought("NUT", 2)])
    other = an_order("1", [Bought("BOLT", 2), Bought("NUT", 2, 2)])
    for arrival in permutations([one, other, one]):
        with world.undone():
            for document in arrival:
                world.take_in(document)
            assert world.lines("1") == {"1-1": (1, 1, 0), "1-2": (0, 0, 0)}
            must_hold(world)
