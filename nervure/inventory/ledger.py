"""Booking movements: append-only, each cause once, and nothing counted twice.

Where another master counts (or somebody counted physically), a movement heard late may already be inside the last
count. It is booked all the same, and an adjustment linked to it takes it back.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from nervure.inventory.stock import Entry, Place, StockRepository
from schemas.stock import AdjustmentReason, Condition, MovementKind


def book(stock: StockRepository, entries: Sequence[Entry]) -> list[Entry]:
    """Books entries and the compensations they need; answers what was new, compensations included."""
    booked = stock.book(entries)
    # Counts are read once the levels are locked, so that a count taken meanwhile is seen; and only what was booked
    # just now is taken back: a movement heard again was inside the ledger before the count.
    counted = stock.last_counts({entry.place for entry in booked if entry.condition is Condition.SELLABLE})
    return booked + stock.book(
        [compensation(entry) for entry in booked if is_inside_count(entry, counted.get(entry.place))]
    )


def is_inside_count(entry: Entry, counted_at: datetime | None) -> bool:
    """Whether a count taken at `counted_at` had already seen this movement."""
    return entry.condition is Condition.SELLABLE and counted_at is not None and entry.occurred_at <= counted_at


def compensation(entry: Entry) -> Entry:
    """The adjustment that takes a movement back which a count had already seen."""
    return replace(
        entry,
        kind=MovementKind.ADJUSTED,
        reason=AdjustmentReason.CORRECTION,
        units=-entry.units,
        cause_key=f"{entry.cause_key}|counted",
        compensates=entry.cause_key,
    )


def count_difference(
    place: Place, difference: int, *, counted_at: datetime, cause_key: str, reason: AdjustmentReason, document: str = ""
) -> Entry | None:
    """The adjustment that a count asks for: the difference at the time of counting, never a "set"."""
    if difference == 0:
        return None
    return Entry(
        place=place,
        kind=MovementKind.ADJUSTED,
        reason=reason,
        units=difference,
        cause_key=cause_key,
        document=document,
        occurred_at=counted_at,
    )
