from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import (
    MAX_UNITS,
    Canonical,
    Code,
    Currency,
    Gtin,
    Money,
    NonNegativeUnits,
    PositiveUnits,
    Sku,
    Units,
    UtcDateTime,
    counted,
)

TIME = TypeAdapter[datetime](UtcDateTime)
GTIN = TypeAdapter[str](Gtin)


def refuses(kind: Any, value: object) -> str:
    """The message with which a value is refused."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(value)
    [error] = refused.value.errors()
    return str(error["msg"])


@pytest.mark.requirement("R25")
@pytest.mark.parametrize(
    "naive",
    [datetime(2026, 3, 29, 2, 30), "2026-03-29T02:30:00", "2026-03-29 02:30", "2026-03-29"],  # noqa: DTZ001
)
def test_a_time_without_its_zone_is_never_guessed(naive: object) -> None:
    assert refuses(UtcDateTime, naive) == "Value error, a time needs its zone: naive times are never guessed"


@pytest.mark.requirement("R25")
@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        ("2026-03-29T02:30:00+14:00", "2026-03-28T12:30:00+00:00"),
        ("2026-03-29T02:30:00-12:00", "2026-03-29T14:30:00+00:00"),
        ("2026-03-29T02:30:00Z", "2026-03-29T02:30:00+00:00"),
        ("2026-10-25T02:30:00.123456+02:00", "2026-10-25T00:30:00.123456+00:00"),
    ],
)
def test_a_time_with_a_zone_is_kept_in_utc(stated: str, moment: str) -> None:
    found = TIME.validate_python(stated)
    assert found.isoformat() == moment
    assert found.tzinfo is UTC


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_a_time_is_the_same_moment_whatever_its_zone(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert TIME.validate_python(aware) == aware


@pytest.mark.requirement("R39")
@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("4006381333931", "04006381333931"),
        ("04006381333931", "04006381333931"),
        ("036000291452", "00036000291452"),
        ("96385074", "00000096385074"),
        ("4006381-333931", "04006381333931"),
    ],
)
def test_one_article_has_one_gtin_whatever_its_length(stated: str, kept: str) -> None:
    assert GTIN.validate_python(stated) == kept


@pytest.mark.requirement("R39")
@pytest.mark.parametrize(
    "stated",
    [
        "",
        "0",
        "4006381333932",
        "400638133393",
        "40063813339310",
        "4,00638E+12",
        "4.00638E+12",
        "ABC",
    ],
)
def test_what_is_not_a_gtin_is_refused(stated: str) -> None:
    assert refuses(Gtin, stated).startswith(f"Value error, {stated!r} is not a GTIN: ")


@pytest.mark.parametrize("stated", ["", " BOLT", "BOLT ", "BOLT\n", "\tBOLT", "B" * 129, None, 7])
def test_a_sku_is_never_empty_padded_or_a_number(stated: object) -> None:
    refuses(Sku, stated)


def test_a_sku_is_kept_as_it_is_written() -> None:
    for sku in ("BOLT", "bolt", "M4 x 20/é", "0012"):
        assert TypeAdapter(Sku).validate_python(sku) == sku


@pytest.mark.parametrize("stated", ["", "-shop", "my shop", "shop/1", "shop\n", "é", "s" * 65])
def test_a_code_is_a_plain_name(stated: str) -> None:
    refuses(Code, stated)


@pytest.mark.parametrize("stated", [1.0, "1", True, None, 1.5])
@pytest.mark.parametrize("kind", [Units, PositiveUnits, NonNegativeUnits])
def test_units_are_whole_numbers_and_nothing_that_looks_like_one(kind: Any, stated: object) -> None:
    assert refuses(kind, stated) == "Input should be a valid integer"


def test_units_have_the_sign_that_they_need() -> None:
    assert TypeAdapter(Units).validate_python(-3) == -3
    assert refuses(PositiveUnits, 0) == "Input should be greater than 0"
    assert refuses(NonNegativeUnits, -1) == "Input should be greater than or equal to 0"


@pytest.mark.parametrize("stated", ["eur", "EURO", "E", "", "€", "EUR\n"])
def test_a_currency_is_three_capital_letters(stated: str) -> None:
    refuses(Currency, stated)


@pytest.mark.requirement("R40")
@pytest.mark.parametrize("stated", ["7178.69", "0.10", "19.9000", "-3.00", "0.005", "99999999999999999999.99"])
def test_money_keeps_every_digit(stated: str) -> None:
    money = Money.model_validate({"amount": stated, "currency": "EUR"})
    assert str(money.amount) == stated
    assert Money.model_validate_json(money.model_dump_json()) == money


@pytest.mark.requirement("R40")
def test_money_adds_up_exactly_and_only_in_one_currency() -> None:
    tenth = Money(amount=Decimal("0.10"), currency="EUR")
    total = tenth + tenth + tenth
    assert (total.amount, total.currency) == (Decimal("0.30"), "EUR")
    with pytest.raises(ValueError, match=r"^cannot add USD to EUR$"):
        _ = tenth + Money(amount=Decimal(1), currency="USD")


@pytest.mark.requirement("R40")
@pytest.mark.parametrize("stated", ["NaN", "Infinity", "-Infinity", "1,50", "", None])
def test_what_is_no_amount_is_refused(stated: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate({"amount": stated, "currency": "EUR"})


def test_a_word_of_the_hub_is_closed_and_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Money.model_validate({"amount": "1", "currency": "EUR", "rate": "2"})
    with pytest.raises(ValidationError, match="Instance is frozen"):
        Money(amount=Decimal(1), currency="EUR").amount = Decimal(2)  # type: ignore[misc]  # that is the point


class _Note(Canonical):
    text: str
    lines: tuple[str, ...] = ()
    named: dict[str, str] = {}


def test_what_no_database_stores_is_left_out_of_every_text() -> None:
    note = _Note(text="a\x00b\ud83dc", lines=("\x00", "d"), named={"e": "f\udc00"})
    assert note == _Note(text="abc", lines=("", "d"), named={"e": "f"})
    assert _Note(text="whole pairs stay: \U0001f600").text.endswith("\U0001f600")


def test_a_time_at_the_end_of_the_calendar_is_refused() -> None:
    for ends in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert "end of the calendar" in refuses(UtcDateTime, ends)


@pytest.mark.parametrize("kind", [Units, PositiveUnits, NonNegativeUnits])
def test_more_units_than_anybody_has_are_refused(kind: Any) -> None:
    assert TypeAdapter[int](kind).validate_python(MAX_UNITS) == 1_000_000_000
    assert "less than or equal" in refuses(kind, MAX_UNITS + 1)


def test_what_is_counted_is_said_as_people_say_it() -> None:
    assert [counted(number, "unit") for number in (0, 1, 2, -1)] == ["0 units", "1 unit", "2 units", "-1 units"]
    assert [counted(number, "unit is", "units are") for number in (1, 2)] == ["1 unit is", "2 units are"]
