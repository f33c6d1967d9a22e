"""What a Mirakl marketplace remembers, and how an order's state follows from its lines."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from simulation.platform import CatalogueEntry, Shopper

CENT = Decimal("0.01")
TAX_CODE = "FR20"
TAX_RATE = Decimal(20)


class State(StrEnum):
    """States of orders and of their lines (REFUNDED is a line's only)."""

    WAITING_ACCEPTANCE = "WAITING_ACCEPTANCE"
    WAITING_DEBIT = "WAITING_DEBIT"
    WAITING_DEBIT_PAYMENT = "WAITING_DEBIT_PAYMENT"
    SHIPPING = "SHIPPING"
    SHIPPED = "SHIPPED"
    CLOSED = "CLOSED"
    REFUSED = "REFUSED"
    CANCELED = "CANCELED"
    REFUNDED = "REFUNDED"


BEFORE_DEBIT = frozenset({State.WAITING_ACCEPTANCE, State.WAITING_DEBIT, State.WAITING_DEBIT_PAYMENT})
BEFORE_SHIPMENT = BEFORE_DEBIT | {State.SHIPPING}
DEAD = frozenset({State.REFUSED, State.CANCELED, State.REFUNDED})


@dataclass(slots=True)
class Offer:
    """One offer; `quantity` is the number that shoppers see."""

    offer_id: int
    entry: CatalogueEntry
    quantity: int = 0


@dataclass(slots=True)
class Withdrawn:
    """Units or money taken off a line: a cancelation, or a refund (`is_out` where its units were not to be shipped)."""

    number: int
    at: datetime
    units: int
    amount: Decimal
    shipping_amount: Decimal
    reason_code: str
    is_out: bool = True


@dataclass(slots=True)
class Line:
    """One order line. Its price loses what is canceled; what is refunded stays in it."""

    line_id: str
    offer: Offer
    units: int
    unit_price: Decimal
    price: Decimal
    shipping_price: Decimal
    state: State
    updated_at: datetime
    cancelations: list[Withdrawn] = field(default_factory=list)
    refunds: list[Withdrawn] = field(default_factory=list)
    debited_at: datetime | None = None
    shipped_at: datetime | None = None

    @property
    def units_to_ship(self) -> int:
        """What is neither canceled nor refunded out of the shipment."""
        if self.state in (State.REFUSED, State.CANCELED):
            return 0
        out = [one for one in self.refunds if one.is_out]
        return self.units - sum(one.units for one in (*self.cancelations, *out))

    @property
    def tax(self) -> Decimal:
        """The tax inside the price."""
        return (self.price * TAX_RATE / (100 + TAX_RATE)).quantize(CENT, ROUND_HALF_UP)


@dataclass(slots=True)
class Order:
    """One order. `debit_from` is when it was accepted; the debit takes its time from there."""

    order_id: str
    commercial_id: str
    shopper: Shopper
    created_at: datetime
    updated_at: datetime
    lines: list[Line]
    state: State = State.WAITING_ACCEPTANCE
    accepted_at: datetime | None = None
    debited_at: datetime | None = None
    tracking: dict[str, str] = field(default_factory=dict)

    def touch(self, now: datetime, *lines: Line) -> None:
        """Something of the order changed."""
        self.updated_at = now
        for line in lines:
            line.updated_at = now

    def settle(self, now: datetime) -> None:
        """Lines that have nothing left to ship end, and so does the order when all of them have ended."""
        for line in self.lines:
            if line.state in BEFORE_SHIPMENT and line.units_to_ship == 0:
                is_canceled = sum(one.units for one in line.cancelations) == line.units
                line.state = State.CANCELED if is_canceled else State.REFUNDED
                line.updated_at = now
        states = {line.state for line in self.lines}
        if states == {State.REFUSED}:
            self.state = State.REFUSED
        elif states <= {State.REFUSED, State.CANCELED}:
            self.state = State.CANCELED
        elif states <= DEAD:
            self.state = State.CLOSED

    def advance(self, state: State, now: datetime) -> None:
        """Takes the order and its living lines to the next state."""
        self.state = state
        for line in self.lines:
            if line.state not in DEAD:
                line.state = state
                line.updated_at = now
                if state is State.SHIPPING:
                    line.debited_at = now
                if state is State.SHIPPED:
                    line.shipped_at = now
        if state is State.SHIPPING:
            self.debited_at = now
        self.updated_at = now


@dataclass(slots=True)
class StockImport:
    """One uploaded stock file: rows as (sku, quantity) texts, None where its header is not that of a stock file."""

    import_id: str
    received_at: datetime
    rows: list[list[str]] | None
    status: str = "WAITING"
    errors: list[tuple[int, str, list[str]]] = field(default_factory=list)


@dataclass(slots=True)
class GoodsBack:
    """One return: units by line, received and found in order by the seller."""

    return_id: str
    order: Order
    at: datetime
    lines: list[tuple[Line, int]]
