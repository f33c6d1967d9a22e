"""The plain form of a Shopify order, into which both of Shopify's ways of writing it are read.

Webhooks carry REST-shaped JSON (snake case, numeric ids: `shopify_rest`); the Admin GraphQL API answers camel case with
global ids such as `gid://shopify/Order/1` (`shopify_nodes`).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


@dataclass(frozen=True, slots=True)
class PlainLine:
    """An order line. `to_fulfill` is what Shopify says is still to be sent, None where it does not say.

    `units` are ordered, `units_now` are left of them after refunds and edits; `discount` is the line's whole share.
    """

    id: str
    variant: str | None
    sku: str | None
    title: str
    units: int
    units_now: int | None
    to_fulfill: int | None
    unit_price: Decimal
    discount: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class PlainRefundLine:
    id: str
    line: str
    units: int
    restock_type: str
    place: str | None


@dataclass(frozen=True, slots=True)
class PlainRefund:
    """A refund; `refunded` is None where Shopify states it in another currency than the order's."""

    id: str
    processed_at: datetime
    refunded: Decimal | None
    currency: str | None
    lines: tuple[PlainRefundLine, ...]


@dataclass(frozen=True, slots=True)
class PlainAddress:
    name: str | None
    lines: tuple[str, ...]
    city: str | None
    postal_code: str | None
    country: str | None


@dataclass(frozen=True, slots=True)
class PlainOrder:
    """An order in shop currency. `left` counts the units of each line in fulfillments that succeeded.

    `extras` are the amounts that Shopify states apart: tips, duties, fees, cash rounding. `is_pickup_known` is False
    where the document cannot tell a pickup from a shipment: webhooks do not name the place of a pickup.
    """

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    is_cancelled: bool
    financial_status: str | None
    fulfillment_status: str | None
    currency: str
    taxes_included: bool
    total: Decimal
    discounts: Decimal
    shipping: Decimal
    tax: Decimal
    extras: tuple[Decimal, ...]
    lines: tuple[PlainLine, ...]
    left: dict[str, int]
    refunds: tuple[PlainRefund, ...]
    email: str | None
    phone: str | None
    buyer: str | None
    address: PlainAddress | None
    till_place: str | None
    pickup_place: str | None
    is_pickup_known: bool


FULFILLMENT_LEFT = {
    "success": True,
    "pending": False,
    "open": False,
    "cancelled": False,
    "error": False,
    "failure": False,
}
"""Whether the units of a fulfillment in this status have left."""


def number(gid: str) -> str:
    """The numeric id at the end of a global id."""
    return gid.partition("?")[0].rsplit("/", 1)[-1]


def gid(kind: str, number: int | str) -> str:
    """The global id of a numeric one."""
    return f"gid://shopify/{kind}/{number}"


class Wire(BaseModel):
    """A piece of a document. Shopify writes null and leaves out for the same thing: both take the default."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: inner for name, inner in value.items() if inner is not None}
        return value


def address(
    name: str | None, lines: tuple[str | None, ...], town: tuple[str | None, str | None], country: str | None
) -> PlainAddress:
    """Puts an address together; `town` is city and postal code. Empty text is as absent as null."""
    return PlainAddress(
        name=name or None,
        lines=tuple(line for line in lines if line),
        city=town[0] or None,
        postal_code=town[1] or None,
        country=country or None,
    )


def left_by_line(fulfillments: list[tuple[str, list[tuple[str, int]]]]) -> dict[str, int]:
    """Sums the units that left by line, from (status, [(line, units)]).

    Raises:
        ValueError: a status that nobody knows.
    """
    left: dict[str, int] = {}
    for status, lines in fulfillments:
        if status.lower() not in FULFILLMENT_LEFT:
            raise ValueError(f"unknown fulfillment status {status!r}")
        if FULFILLMENT_LEFT[status.lower()]:
            for line, units in lines:
                left[line] = left.get(line, 0) + units
    return left
