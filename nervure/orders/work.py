"""The words of order work, in internal ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from nervure.inventory.stock import Place
from schemas.fulfillment import FulfillmentState
from schemas.orders import Order, OrderState
from schemas.stock import Condition


class UnboundListingError(Exception):
    """An order or a count names a listing that is not bound to an item (yet)."""


@dataclass(frozen=True, slots=True)
class BoundListing:
    """A listing with the item behind it."""

    listing_id: int
    item_id: int


class KnownOrder(NamedTuple):
    """An order under its lock. `is_tie`: another statement of the same instant was heard before."""

    id: int
    is_new: bool
    was_counted: bool
    is_tie: bool


@dataclass(frozen=True, slots=True)
class LineState:
    """Where one order line stands. `units_served` are in fulfillment orders, whatever their state.

    `units_backordered` of those that are short were sold beyond what is there on purpose; `is_overdue`: the day on
    which they were promised has passed. `is_stated` False: the hub made the line, in the place of another one's units,
    and the channel does not know it.
    """

    id: int
    external_id: str
    listing_id: int
    item_id: int
    units_ordered: int
    units_canceled: int
    units_served: int
    units_short: int
    units_backordered: int = 0
    is_overdue: bool = False
    is_stated: bool = True

    @property
    def units_open(self) -> int:
        """Units that must be served or be a shortfall."""
        return self.units_ordered - self.units_canceled

    @property
    def is_acceptable(self) -> bool:
        """Whether a channel that asks is told yes: each of its units has a source, or was sold beyond on purpose."""
        return self.units_short == self.units_backordered


@dataclass(frozen=True, slots=True)
class FulfillmentLineState:
    """One line of one fulfillment order."""

    id: int
    fulfillment_order_id: int
    location_id: int
    state: FulfillmentState
    order_id: int
    order_line_id: int
    item_id: int
    units: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Units of one level that a reservation holds by one claim."""

    claim_id: int
    reservation_id: int
    level_id: int
    place: Place
    units: int


@dataclass(frozen=True, slots=True)
class ReturnState:
    """Where one line of a return stands: `units_back` of `units` are booked at a location, in a condition.

    `stated_at`: when the statement was made that decided on both; `steps`: how often it was booked anew.
    """

    id: int
    units: int
    units_back: int
    condition: Condition
    location_id: int | None
    stated_at: datetime
    steps: int


def is_older(order: Order, known_at: datetime, known_state: OrderState) -> bool:
    """Whether a statement says less than what is known; of two made in one instant the later stage is the newer."""
    stages = list(OrderState)
    return (order.updated_at, stages.index(order.state)) < (known_at, stages.index(known_state))


def is_tie(order: Order, known_at: datetime, known_state: OrderState) -> bool:
    """Whether two statements were made in one instant and stage: neither can be told to be the newer."""
    return (order.updated_at, order.state) == (known_at, known_state)


def is_behind(order: Order, known: Sequence[LineState]) -> bool:
    """Whether a statement of the same instant was made before a cancellation that is known: it says nothing new."""
    open_units = {line.external_id: line.units_open for line in known}
    stated = {line.external_id: line.units - line.units_canceled for line in order.lines}
    news = [stated[name] - units for name, units in open_units.items() if name in stated]
    return not stated.keys() - open_units.keys() and min(news, default=0) >= 0 and max(news, default=0) > 0


def order_document(channel: str, external_id: str) -> str:
    """What the ledger calls an order."""
    return f"order:{channel}:{external_id}"
