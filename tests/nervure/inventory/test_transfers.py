"""Which units leave, and which have arrived."""

import pytest

from nervure.inventory.transfers import Choice, NotThereError, Sent, Shelf, UnderWay, choose, deal
from schemas.stock import Condition

OURS = Shelf("us", "", on_hand=5, claimable=3)
THEIRS = Shelf("acme", "", on_hand=4, claimable=4)
LOT = Shelf("us", "L1", on_hand=2, claimable=2)


@pytest.mark.parametrize(
    ("units", "leaving"),
    [
        (3, [Sent("us", "", 3)]),
        (5, [Sent("us", "", 3), Sent("acme", "", 2)]),
        (9, [Sent("us", "", 3), Sent("acme", "", 4), Sent("us", "L1", 2)]),
    ],
)
def test_units_leave_in_the_order_of_the_shelves(units: int, leaving: list[Sent]) -> None:
    assert choose(units, [OURS, THEIRS, LOT], Choice(), force=False) == leaving


@pytest.mark.parametrize(
    ("choice", "there"), [(Choice(), 9), (Choice(owner="acme"), 4), (Choice(lot="L1"), 2), (Choice(lot="L2"), 0)]
)
def test_what_is_promised_or_not_meant_may_not_leave(choice: Choice, there: int) -> None:
    with pytest.raises(NotThereError) as refused:
        choose(there + 1, [OURS, THEIRS, LOT], choice, force=False)
    assert refused.value.there == there
    if there:
        assert sum(sent.units for sent in choose(there, [OURS, THEIRS, LOT], choice, force=False)) == there


def test_what_one_owner_lacks_holds_back_what_another_has() -> None:
    shelves = [Shelf("us", "", on_hand=0, claimable=-2), THEIRS]
    assert choose(2, shelves, Choice(), force=False) == [Sent("acme", "", 2)]
    with pytest.raises(NotThereError) as refused:
        choose(3, shelves, Choice(owner="acme"), force=False)
    assert refused.value.there == 2


@pytest.mark.parametrize(
    ("units", "leaving"),
    [
        (8, [Sent("us", "", 4), Sent("acme", "", 4)]),
        (9, [Sent("us", "", 5), Sent("acme", "", 4)]),
        (11, [Sent("us", "", 7), Sent("acme", "", 4)]),
    ],
)
def test_by_force_the_free_units_leave_first_then_the_promised_then_what_nobody_knew_of(
    units: int, leaving: list[Sent]
) -> None:
    assert choose(units, [OURS, THEIRS], Choice(), force=True) == leaving


def test_by_force_unknown_units_are_of_the_owner_and_lot_that_were_named() -> None:
    assert choose(2, [], Choice(owner="acme", lot="L9"), force=True) == [Sent("acme", "L9", 2)]


def test_what_was_sent_first_arrives_first() -> None:
    lines = [UnderWay(n, 1, "us", Condition.SELLABLE, "", units) for n, units in enumerate([2, 0, 3])]
    assert deal(4, lines) == [(lines[0], 2), (lines[2], 2)]
    assert deal(9, lines) == [(lines[0], 2), (lines[2], 3)]
