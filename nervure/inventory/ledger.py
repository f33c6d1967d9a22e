"""Booking movements: append-only, each cause once, and nothing counted twice.

Where another master counts (or somebody counted physically), a movement heard late may already be inside a count. It is
booked all the same, and an adjustment linked to it takes it back, at the time of that count.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from nervure.inventory.counts import CountRepository, compensation, count_again
from nervure.inventory.stock import Entry, Place, StockRepository
from schemas.stock import AdjustmentReason, MovementKind

__all__ = ["LedgerRepository", "book", "compensation", "count_difference", "is_inside_count"]


class LedgerRepository(StockRepository, CountRepository, Protocol):
    """Stock in storage, with the counts that were taken of it."""


def book(stock: LedgerRepository, entries: Sequence[Entry]) -> list[Entry]:
    """Books entries and the compensations they need; answers what was new, compensations included."""
    booked = stock.book(entries)
    # Counts are read once the levels are locked, so that a count taken meanwhile is seen; and only what was booked
    # just now is taken back: a movement heard again was inside the ledger before the count.
    counted = stock.last_counts({entry.place for entry in booked})
    return booked + count_again(stock, [entry for entry in booked if is_inside_count(entry, counted.get(entry.place))])


def is_inside_count(entry: Entry, counted_at: datetime | None) -> bool:
    """Whether a count taken at `counted_at` may have seen this movement."""
    return counted_at is not None and entry.occurred_at <= counted_at


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
