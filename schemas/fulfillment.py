"""Who serves which part of an order, and what left."""

from enum import StrEnum

from schemas.base import Canonical, Code, ExternalId, PositiveUnits, UtcDateTime


class FulfillmentState(StrEnum):
    """Where a fulfillment order is; at a location of ours in this order."""

    ALLOCATED = "allocated"
    ACCEPTED = "accepted"
    PICKING = "picking"
    PACKED = "packed"
    READY_FOR_PICKUP = "ready_for_pickup"
    SENT_TO_SUPPLIER = "sent_to_supplier"
    SHIPPED = "shipped"
    HANDED_OVER = "handed_over"
    CANCELED = "canceled"


AT_LOCATION = frozenset(
    {
        FulfillmentState.ALLOCATED,
        FulfillmentState.ACCEPTED,
        FulfillmentState.PICKING,
        FulfillmentState.PACKED,
        FulfillmentState.READY_FOR_PICKUP,
    }
)
"""Its goods lie at a location of ours, and may be given back."""

MAY_MOVE = frozenset({FulfillmentState.ALLOCATED, FulfillmentState.ACCEPTED})
"""Nobody has taken its goods from the shelf yet: it may be served from elsewhere."""


class StepKind(StrEnum):
    """What happened to a fulfillment order at a location.

    Of one that was offered to several: `taken`, another location has accepted it; `lacks`, it was accepted where its
    units were gone; `withdrawn`, it is not offered any more. Of a pickup that is ready: `notified`, its channel knows;
    `not_notified`, it cannot be told, or has refused.
    """

    OFFERED = "offered"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    WAITS = "waits"
    PICKING = "picking"
    PACKED = "packed"
    READY = "ready"
    TOLD = "told"
    WRONG_CODE = "wrong_code"
    SHIPPED = "shipped"
    HANDED_OVER = "handed_over"
    UNCLAIMED = "unclaimed"
    TAKEN = "taken"
    LACKS = "lacks"
    WITHDRAWN = "withdrawn"
    NOTIFIED = "notified"
    NOT_NOTIFIED = "not_notified"
    REDUCED = "reduced"
    CANCELED = "canceled"
    PUT_BACK = "put_back"
    REPLANNED = "replanned"


class OfferState(StrEnum):
    """Where an offer to a location stands that does not hold the units. All but `open` are final."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    TAKEN = "taken"
    LACKING = "lacking"
    WITHDRAWN = "withdrawn"


class RejectReason(StrEnum):
    """Why a location does not do a fulfillment order. `not_found`: its units are not where they should be."""

    NOT_FOUND = "not_found"
    DAMAGED = "damaged"
    NO_TIME = "no_time"
    CLOSED = "closed"
    OTHER = "other"


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


class ReadyNotice(Canonical):
    """What waits for its customer at one location of one order, all of it, whether that is new or not."""

    channel: Code
    order: ExternalId
    location: Code
    lines: tuple[FulfillmentLine, ...]


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
