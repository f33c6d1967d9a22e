"""What an emulated Shopify shop is made of: variants, levels, orders and what happened to them."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from simulation.platform import CatalogueEntry, Shopper

CURRENCY = "EUR"
SHIPPING = Decimal("4.90")
TAX_RATE = Decimal("0.2")
CENT = Decimal("0.01")


@dataclass(slots=True)
class Variant:
    id: int
    product: int
    item: int
    entry: CatalogueEntry
    title: str
    updated_at: datetime

    @property
    def variant_title(self) -> str:
        return " / ".join(self.entry.options.values()) or "Default Title"


@dataclass(slots=True)
class Level:
    id: int
    item: int
    place: int
    updated_at: datetime
    available: int = 0
    committed: int = 0


@dataclass(slots=True)
class Line:
    """An order line; `discount` is its share of the order's discount code."""

    id: int
    variant: Variant
    units: int
    discount: Decimal

    @property
    def total(self) -> Decimal:
        return self.variant.entry.price * self.units - self.discount

    @property
    def tax(self) -> Decimal:
        return (self.total * TAX_RATE / (1 + TAX_RATE)).quantize(CENT, ROUND_HALF_UP)


@dataclass(slots=True)
class FulfillmentOrder:
    """`lines`: id of its own line by order line; `remaining`: units to send by order line.

    `method`: how it is delivered; `is_prepared`: the customer was told that it is ready to be picked up.
    """

    id: int
    place: int
    lines: dict[int, int]
    totals: dict[int, int]
    remaining: dict[int, int]
    status: str = "OPEN"
    method: str = "SHIPPING"
    is_prepared: bool = False


@dataclass(slots=True)
class Fulfillment:
    id: int
    place: int
    units: dict[int, int]
    at: datetime
    number: str | None
    company: str | None
    url: str | None
    status: str = "SUCCESS"


@dataclass(slots=True)
class RefundLine:
    id: int
    line: int
    units: int
    restock_type: str
    place: int | None
    amount: Decimal = Decimal(0)


@dataclass(slots=True)
class Refund:
    id: int
    at: datetime
    lines: list[RefundLine]
    amount: Decimal


@dataclass(slots=True)
class Order:
    id: int
    number: int
    at: datetime
    updated_at: datetime
    shopper: Shopper
    place: int
    lines: list[Line]
    fulfillment_orders: list[FulfillmentOrder]
    is_paid: bool
    fulfillments: list[Fulfillment] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    cancelled_at: datetime | None = None

    @property
    def discount(self) -> Decimal:
        return sum((line.discount for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        return sum((line.total for line in self.lines), SHIPPING)

    @property
    def refunded(self) -> Decimal:
        return sum((refund.amount for refund in self.refunds), Decimal(0))

    def line(self, id_: int) -> Line | None:
        return next((line for line in self.lines if line.id == id_), None)

    def left(self, line: int) -> int:
        return sum(one.units.get(line, 0) for one in self.fulfillments if one.status == "SUCCESS")

    def remaining(self, line: int) -> int:
        return sum(one.remaining.get(line, 0) for one in self.fulfillment_orders)

    def refunded_units(self, line: int) -> int:
        return sum(item.units for refund in self.refunds for item in refund.lines if item.line == line)

    def still_out(self, line: Line) -> int:
        """Units that left and were not refunded since."""
        dropped = line.units - self.left(line.id) - self.remaining(line.id)
        return max(0, self.left(line.id) - (self.refunded_units(line.id) - dropped))

    @property
    def financial_status(self) -> str:
        if not self.is_paid:
            return "PENDING"
        if self.refunded == 0:
            return "PAID"
        return "REFUNDED" if self.refunded >= self.total else "PARTIALLY_REFUNDED"

    @property
    def fulfillment_status(self) -> str:
        left = any(self.left(line.id) for line in self.lines)
        if left and not any(self.remaining(line.id) for line in self.lines):
            return "FULFILLED"
        return "PARTIALLY_FULFILLED" if left else "UNFULFILLED"


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    order: int
    restock: bool
    refunds: bool
    due_at: datetime


def whole_second(moment: datetime) -> datetime:
    """Shopify's stamps have no fraction."""
    return moment.replace(microsecond=0)
