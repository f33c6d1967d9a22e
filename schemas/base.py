"""The shared ground of every canonical model: closed, frozen, exact."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from stdnum import ean
from stdnum.exceptions import ValidationError as StdnumError


class Canonical(BaseModel):
    """A word of the hub: immutable, and closed to fields nobody declared.

    Text is kept as it came, but for what no database stores: zero characters, and halves of surrogate pairs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_no_text(cls, values: object) -> object:
        return {name: _storable(value) for name, value in values.items()} if isinstance(values, dict) else values


_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def _storable(value: object) -> object:
    match value:
        case str():
            return _NO_TEXT.sub("", value) if _NO_TEXT.search(value) else value
        case tuple() | list() if any(isinstance(one, str) for one in value):
            return tuple(_storable(one) for one in value)
        case dict():
            return {key: _storable(one) for key, one in value.items()}
    return value


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone: naive times are never guessed")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time at the end of the calendar has no UTC") from error


def _to_gtin(code: str) -> str:
    try:
        return str(ean.validate(code)).zfill(14)
    except StdnumError as error:
        raise ValueError(f"{code!r} is not a GTIN: {error}") from error


def _unpadded(text: str) -> str:
    if text != text.strip():
        raise ValueError(f"{text!r} has blanks around it")
    return text


UtcDateTime = Annotated[datetime, AfterValidator(_to_utc)]
"""An aware time, converted to UTC."""

Gtin = Annotated[str, AfterValidator(_to_gtin)]
"""GTIN-8, -12, -13 or -14 with a right check digit, kept as 14 digits."""

Sku = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_unpadded)]
"""Our stock-keeping unit: case-sensitive text."""

CODE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=CODE)]
"""A name that settings give to a channel or a location."""

ExternalId = Annotated[str, Field(min_length=1, max_length=255)]
"""Somebody else's id, as they write it."""

MAX_UNITS = 1_000_000_000
"""More than anybody has of one thing; a larger number is a slip."""

Units = Annotated[int, Field(strict=True, ge=-MAX_UNITS, le=MAX_UNITS)]
PositiveUnits = Annotated[int, Field(strict=True, gt=0, le=MAX_UNITS)]
NonNegativeUnits = Annotated[int, Field(strict=True, ge=0, le=MAX_UNITS)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


class Money(Canonical):
    """An exact amount in one currency (ISO 4217)."""

    amount: Decimal
    currency: Currency

    def __add__(self, other: Self) -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount=self.amount + other.amount, currency=self.currency)


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things as people say it: `1 unit`, `2 units`. `many` None: its word only takes an s."""
    return f"{number} {one}" if number == 1 else f"{number} {many or f'{one}s'}"
