"""Who serves which part of an order, and what left."""

from enum import StrEnum

from schemas.base import Canonical, Code, ExternalId, PositiveUnits, UtcDateTime


class FulfillmentState(StrEnum):
    ALLOCATED = "allocated"
    SENT_TO_SUPPLIER = "sent_to_supplier"
    SHIPPED = "shipped"
    HANDED_OVER = "handed_over"
    CANCELED = "canceled"


class FulfillmentLine(Canonical):
    """`units` of one order line."""

    order_line: ExternalId
    units: PositiveUnits


class FulfillmentOrder(Canonical):
    """The part of an order that one location must do."""

    number: int
    channel: Code
    order: ExternalId
    location: Code
    state: FulfillmentState
    lines: tuple[FulfillmentLine, ...]


class Parcel(Canonical):
    """How a shipment can be followed."""

    carrier: str
    tracking_number: str
    tracking_url: str | None = None


class Shipment(Canonical):
    """What left one location for one order. `external_id` is ours: stable over resends."""

    external_id: ExternalId
    channel: Code
    order: ExternalId
    location: Code
    shipped_at: UtcDateTime
    lines: tuple[FulfillmentLine, ...]
    parcel: Parcel | None = None
    completes_order: bool
