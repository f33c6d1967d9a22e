"""Stock: keys, movements, and what other masters say."""

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from schemas.base import (
    Canonical,
    Code,
    ExternalId,
    Gtin,
    Money,
    NonNegativeUnits,
    Sku,
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


class StockKey(Canonical):
    """What one stock level is kept for."""

    sku: Sku
    location: Code
    owner: Code = OUR_OWN
    condition: Condition = Condition.SELLABLE
    lot: str = ""


class Cause(Canonical):
    """Why a movement happened. The same cause twice is one movement."""

    channel: str
    document: ExternalId
    line: str = ""

    @property
    def key(self) -> str:
        """The unique text of this cause; the parts cannot run into each other."""
        return "|".join(
            part.replace("\\", "\\\\").replace("|", "\\|") for part in (self.channel, self.document, self.line)
        )


class StockMovement(Canonical):
    """One immutable ledger entry. `units` is signed: what leaves is negative."""

    stock_key: StockKey
    kind: MovementKind
    units: Units
    cause: Cause
    occurred_at: UtcDateTime
    reason: AdjustmentReason | None = None

    @model_validator(mode="after")
    def _sign_and_reason_fit_the_kind(self) -> Self:
        if self.units == 0:
            raise ValueError("a movement moves at least one unit")
        if self.kind in OUTWARD and self.units > 0:
            raise ValueError(f"{self.kind} takes units away: units must be negative")
        if self.kind in INWARD and self.units < 0:
            raise ValueError(f"{self.kind} brings units: units must be positive")
        if (self.kind is MovementKind.ADJUSTED) != (self.reason is not None):
            raise ValueError("an adjustment, and nothing else, names its reason")
        return self


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
