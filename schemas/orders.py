"""What a customer bought, exactly as the channel states it."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import model_validator

from schemas.base import (
    Canonical,
    Code,
    Currency,
    ExternalId,
    Money,
    NonNegativeUnits,
    PositiveUnits,
    Sku,
    UtcDateTime,
)
from schemas.locations import Address
from schemas.stock import Condition


class OrderState(StrEnum):
    """Where the order stands on its channel."""

    AWAITING_PAYMENT = "awaiting_payment"
    AWAITING_ACCEPTANCE = "awaiting_acceptance"
    OPEN = "open"
    COMPLETED = "completed"
    CANCELED = "canceled"


class DeliveryMethod(StrEnum):
    SHIP = "ship"
    PICKUP = "pickup"
    HANDED_OVER = "handed_over"


class Customer(Canonical):
    """Personal data of an order: stored in rows of its own that expire, never logged."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None


class Delivery(Canonical):
    """How the goods reach the customer.

    `stock_point` is the platform's place for a pickup or a till sale. `address` is None until the channel tells it.
    """

    method: DeliveryMethod
    stock_point: ExternalId | None = None
    address: Address | None = None

    @model_validator(mode="after")
    def _a_place_where_one_is_needed(self) -> Self:
        if self.method is not DeliveryMethod.SHIP and self.stock_point is None:
            raise ValueError(f"delivery by {self.method} needs its stock point")
        return self


class OrderLine(Canonical):
    """One line. `units` is what was ordered; `units_canceled` of them will not be delivered.

    `line_total` is what the channel charges for the whole line, discounts taken off, tax as the channel states
    amounts (see `Order.tax_included`). The sku is what the platform writes, for people: the listing id decides.
    `units_charged` are the units that `line_total` is for, None: all of `units`; some channels take what was canceled
    off the amount and not off the units. `discount_amount` is the line's part of the order's own `discount_amount`,
    which `line_total` still holds; 0 where the channel took it off the lines, or where it is not about goods.
    `listing_external_id` None: the channel names nothing of its catalogue (a typed-in line, a deleted article); such a
    line moves money only, unless it was goods when it was heard before.
    """

    external_id: ExternalId
    listing_external_id: ExternalId | None
    sku: Sku | None = None
    title: str = ""
    units: PositiveUnits
    units_canceled: NonNegativeUnits = 0
    unit_price: Decimal
    line_total: Decimal
    tax_amount: Decimal = Decimal(0)
    units_charged: NonNegativeUnits | None = None
    discount_amount: Decimal = Decimal(0)

    @model_validator(mode="after")
    def _cancels_at_most_what_was_ordered(self) -> Self:
        if self.units_canceled > self.units:
            raise ValueError(f"line {self.external_id!r} cancels {self.units_canceled} of {self.units}")
        return self


class Order(Canonical):
    """One order in its newest form on the channel; superseded by a later `updated_at`, never edited.

    `updated_at` tells statements of the channel apart, so it stays on the channel's own clock, which was
    `clock_ahead` (negative: behind); every other time is the hub's as far as that was known.

    All amounts are in `currency`. `difference` is what the total holds beyond lines, shipping, tax and discount
    (rounding, fees): an explicit amount, never spread over lines. `units_canceled` of the lines and state
    `canceled` both speak of what will not be delivered; goods that come back are a `Return`. `reservation` is the
    reference of the hold that the shop's cart took with the hub, where the shop carries it in the order.

    `units_left_at` is when the units left the channel's own number (at a till: the shelf), however late the order was
    written or heard; None where the channel does not say.
    """

    channel: Code
    external_id: ExternalId
    number: str
    placed_at: UtcDateTime
    updated_at: UtcDateTime
    units_left_at: UtcDateTime | None = None
    clock_ahead: timedelta = timedelta(0)
    state: OrderState
    currency: Currency
    lines: tuple[OrderLine, ...]
    delivery: Delivery
    customer: Customer | None = None
    reservation: ExternalId | None = None
    shipping_amount: Decimal = Decimal(0)
    tax_amount: Decimal = Decimal(0)
    tax_included: bool = True
    discount_amount: Decimal = Decimal(0)
    difference: Decimal = Decimal(0)
    total: Decimal

    @property
    def changed_at(self) -> datetime:
        """When the order came to its newest form, on the hub's clock."""
        return self.updated_at - self.clock_ahead

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if not self.lines:
            raise ValueError(f"order {self.number!r} has no lines")
        ids = [line.external_id for line in self.lines]
        if len(set(ids)) != len(ids):
            raise ValueError(f"order {self.number!r} names a line twice")
        tax = Decimal(0) if self.tax_included else self.tax_amount
        lines = sum((line.line_total for line in self.lines), Decimal(0))
        stated = lines + self.shipping_amount + tax - self.discount_amount + self.difference
        if stated != self.total:
            raise ValueError(
                f"order {self.number!r} does not add up: lines, shipping, tax, discount and difference give"
                f" {stated}, the channel states {self.total} {self.currency}"
            )
        return self


class ReturnLine(Canonical):
    """`units` came back (or were taken off the books) for one order line, or blind where `order_line` is None.

    `restocked` False: only money moved, no goods. `listing_external_id` None: the channel names it no more; what came
    back is known by its order line, and without one only money moved. `serials`: which single units came back.
    """

    external_id: ExternalId
    order_line: ExternalId | None = None
    listing_external_id: ExternalId | None
    units: PositiveUnits
    restocked: bool
    condition: Condition = Condition.SELLABLE
    stock_point: ExternalId | None = None
    serials: tuple[ExternalId, ...] = ()


class Return(Canonical):
    """Goods that come back after they left, or after the sale at a till. `order` None is a blind return.

    `occurred_at` is the hub's time as far as the channel's clock, `clock_ahead` of it, was known.
    """

    channel: Code
    external_id: ExternalId
    order: ExternalId | None = None
    occurred_at: UtcDateTime
    clock_ahead: timedelta = timedelta(0)
    lines: tuple[ReturnLine, ...]
    refund: Money | None = None

    @property
    def stated_at(self) -> datetime:
        """What tells statements of the channel apart: its own time, also where the clock was measured in between."""
        return self.occurred_at + self.clock_ahead
