"""What all of Square's wire models share: open models, absent lists, decimal strings, times."""

import re
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from mappings.errors import UnreadableDocumentError
from schemas.base import UtcDateTime


class Wire(BaseModel):
    """A document of Square, of which only the named fields are read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _empty_for_null(value: object) -> object:
    return () if value is None else value


def _only_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a time is written as RFC 3339 text")  # noqa: TRY004 - pydantic turns ValueErrors into its own
    return value


T = TypeVar("T")
Many = Annotated[tuple[T, ...], BeforeValidator(_empty_for_null)]
"""A list that Square leaves out, or sends as null, when it is empty."""

Stamp = Annotated[UtcDateTime, BeforeValidator(_only_text)]
"""An RFC 3339 time with its zone; Square writes up to nanoseconds, of which microseconds are kept."""


def whole_units(quantity: str, where: str) -> int:
    """Reads a decimal string (up to 5 digits after the point) as units.

    Raises:
        UnreadableDocumentError: not a number, or a fraction of a unit.
    """
    if not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,5})?", quantity):
        raise UnreadableDocumentError(f"{where}: {quantity[:26]!r} is not a quantity")
    number = Decimal(quantity)
    if number != number.to_integral_value():
        raise UnreadableDocumentError(f"{where}: {quantity} is not a whole number of units")
    return int(number)
