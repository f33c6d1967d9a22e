from datetime import UTC, date, datetime

import pytest

from nervure.inventory.claims import share_out
from nervure.inventory.lots import Draw, LotError, check_lot, draw, expires_at
from nervure.inventory.stock import Level, Place, Take
from schemas.items import LotTracking
from tests.nervure.world import at

HERE, THERE = Place(1, 10), Place(1, 20)


def test_what_expires_first_is_taken_first_then_our_own_then_the_oldest_level() -> None:
    levels = [
        Level(1, HERE, "us", 1),
        Level(2, HERE, "acme", 1, lot="B", expires_at=at(20)),
        Level(3, HERE, "us", 1, lot="B", expires_at=at(20)),
        Level(4, HERE, "acme", 1, lot="A", expires_at=at(10)),
        Level(5, HERE, "us", 1),
        Level(6, HERE, "acme", 1),
    ]
    takes, _ = share_out({HERE: 6}, levels, {})
    assert takes == [Take(number, HERE, 1) for number in (4, 3, 2, 1, 5, 6)]


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("UTC", datetime(2026, 3, 29, 0, 0, tzinfo=UTC)),
        ("Europe/Paris", datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 29, 4, 0, tzinfo=UTC)),
    ],
)
def test_a_lot_is_promised_until_its_last_day_begins_where_it_lies(zone: str, moment: datetime) -> None:
    assert expires_at(date(2026, 3, 29), zone) == moment


@pytest.mark.parametrize(
    ("tracking", "lot", "day", "sentence"),
    [
        (LotTracking.NONE, "", date(2026, 3, 1), "a last day is a lot's: name the lot of 'JAM'"),
        (LotTracking.LOT, "", None, "'JAM' is kept by lots: name the lot"),
        (LotTracking.EXPIRY, "", date(2026, 3, 1), "'JAM' is kept by lots with expiry dates: name the lot"),
        (LotTracking.EXPIRY, "L1", None, "lot 'L1' of 'JAM' is new: say when it expires"),
        (LotTracking.EXPIRY, "L1", date.min, "0001-01-01 is no day on which a lot of 'JAM' expires"),
        (LotTracking.EXPIRY, "L1", date.max, "9999-12-31 is no day on which a lot of 'JAM' expires"),
    ],
)
def test_a_lot_that_is_not_named_as_the_item_asks_is_refused(
    tracking: LotTracking, lot: str, day: date | None, sentence: str
) -> None:
    with pytest.raises(LotError, match=f"^{sentence}"):
        check_lot("JAM", tracking, lot, day)


def test_a_lot_that_is_named_as_the_item_asks_is_taken() -> None:
    check_lot("JAM", LotTracking.NONE, "", None)
    check_lot("JAM", LotTracking.NONE, "L1", None)
    check_lot("JAM", LotTracking.LOT, "L1", None)
    check_lot("JAM", LotTracking.EXPIRY, "L1", date(2026, 3, 1))


def test_a_till_takes_free_units_first_and_those_of_a_supplier_before_what_is_set_aside() -> None:
    levels = [Level(1, HERE, "us", 1, claimed=2), Level(2, HERE, "acme", 2)]
    assert draw(levels, [(HERE, 4)]) == [[Draw("us", "", 2), Draw("acme", "", 2)]]
    assert draw(levels, [(HERE, 2), (HERE, 2)]) == [
        [Draw("us", "", 1), Draw("acme", "", 1)],
        [Draw("acme", "", 1), Draw("us", "", 1)],
    ]


def test_what_nobody_has_is_taken_from_our_own() -> None:
    assert draw([Level(1, HERE, "acme", 1), Level(2, THERE, "us", 9)], [(HERE, 3)]) == [
        [Draw("acme", "", 1), Draw("us", "", 2)]
    ]
    assert draw([], [(HERE, 1)]) == [[Draw("us", "", 1)]]
    assert draw([Level(1, HERE, "us", -2, claimed=3)], [(HERE, 2)]) == [[Draw("us", "", 2)]]
