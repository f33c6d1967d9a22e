"""What a supplier offers, what it is asked to ship, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.base import Canonical, NonNegativeUnits, PositiveUnits, UtcDateTime
from schemas.stock import SupplierOffer


class DropShipLine(Canonical):
    """`units` of the supplier's own sku."""

    line: str
    supplier_sku: str
    units: PositiveUnits


class DropShipOrder(Canonical):
    """What a supplier is asked to send to a customer. `reference` is ours: the supplier deduplicates on it."""

    reference: str
    placed_at: UtcDateTime
    recipient: Mapping[str, str]
    lines: tuple[DropShipLine, ...]


class SupplierReply(Canonical):
    """What a supplier says about one order: each given line's units, confirmed or refused, and tracking."""

    reference: str
    confirmed: Mapping[str, NonNegativeUnits] = {}
    refused: Mapping[str, str] = {}
    carrier: str | None = None
    tracking_number: str | None = None
    happened_at: UtcDateTime


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a feed that cannot be used, or one that was used with a remark."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class FeedVerdict:
    """What a feed says as a whole. `held_reason` set: nothing of it is applied, and the last one stays in force."""

    offers: tuple[SupplierOffer, ...]
    refused: tuple[RefusedRow, ...] = ()
    remarks: tuple[RefusedRow, ...] = ()
    held_reason: str | None = None
