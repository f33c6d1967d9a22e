"""Stock: keys, movements, and what other masters say."""

from enum import StrEnum

from schemas.base import (
    Canonical,
    Code,
    ExternalId,
    Gtin,
    Money,
    NonNegativeUnits,
    Units,
    UtcDateTime,
)

OUR_OWN = "us"
"""The owner of goods that are ours."""


class Condition(StrEnum):
    SELLABLE = "sellable"
    DAMAGED = "damaged"
    QUALITY_CONTROL = "quality_control"
    ON_HOLD = "on_hold"


class MovementKind(StrEnum):
    RECEIVED = "received"
    SOLD = "sold"
    SHIPPED = "shipped"
    RETURNED = "returned"
    TRANSFERRED_OUT = "transferred_out"
    TRANSFERRED_IN = "transferred_in"
    CONSUMED = "consumed"
    CONDITION_CHANGED = "condition_changed"
    ASSEMBLED = "assembled"
    DISASSEMBLED = "disassembled"
    ADJUSTED = "adjusted"


class AdjustmentReason(StrEnum):
    CYCLE_COUNT = "cycle_count"
    DAMAGED = "damaged"
    LOST = "lost"
    FOUND = "found"
    CORRECTION = "correction"
    OWNERSHIP_CHANGE = "ownership_change"
    EXPIRED = "expired"


OUTWARD = frozenset({MovementKind.SOLD, MovementKind.SHIPPED, MovementKind.TRANSFERRED_OUT, MovementKind.CONSUMED})
INWARD = frozenset({MovementKind.RECEIVED, MovementKind.RETURNED, MovementKind.TRANSFERRED_IN})


class ChannelMovement(Canonical):
    """A stock movement heard from a platform, still in the platform's ids.

    `units` is signed. `external_id` is the platform's id of the movement.
    """

    channel: Code
    external_id: ExternalId
    listing_external_id: ExternalId
    stock_point: ExternalId
    kind: MovementKind
    units: Units
    occurred_at: UtcDateTime
    condition: Condition = Condition.SELLABLE
    reason: AdjustmentReason | None = None


class StockObservation(Canonical):
    """What another system shows: `units` of a listing at a stock point.

    `observed_at` is on that platform's clock. What the number means (on hand or available, whether committed
    units are inside) is declared by the platform's capabilities. `units` may be negative.
    `is_physical_count`: somebody counted there; otherwise it is a system's running number.
    """

    channel: Code
    listing_external_id: ExternalId
    stock_point: ExternalId
    units: Units
    observed_at: UtcDateTime
    version: str | None = None
    is_physical_count: bool = False


class SupplierOffer(Canonical):
    """What a supplier says it has of a sku, as of its own clock.

    `units` None: a catalogue entry without a stock figure. After `as_of` + the supplier's time to live the units
    are no longer promised.
    """

    supplier: Code
    supplier_sku: ExternalId
    gtin: Gtin | None = None
    title: str = ""
    units: NonNegativeUnits | None = None
    unit_cost: Money | None = None
    lead_time_days: NonNegativeUnits | None = None
    as_of: UtcDateTime
