"""Counts: what somebody says lies at a place, and the difference to what the ledger says of that moment.

The counts of a place stand in the order of their own times. The difference of each is booked at its own time, against
the ledger of that time, the counts before it included. Whatever is heard later and happened earlier, a movement or
another count, makes the differences after it be taken again, and only the change is booked. So the end does not depend
on the order in which things are heard.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from nervure.inventory.stock import Entry, Place, cause_key
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind

PART_OF_KIT = "|kit"
"""Ends the cause of a movement of a part that was sold within a kit: of the part's own number nothing was taken."""


class Basis(StrEnum):
    """What a number counts, and so what it is compared with."""

    EVERYTHING = "everything"
    """Every unit that lies there, set aside for somebody or not."""
    SHELF = "shelf"
    """Somebody counted; what is set aside or held back may be in it or not: a number between the two says nothing."""
    FREE = "free"
    """A number that leaves out what is set aside or held back."""
    LESS_OUR_ORDERS = "less_our_orders"
    """A supplier's number, without the units of those of our orders that it has and has not shipped."""
    RUNNING = "running"
    """A system's own number, compared with what it showed before and sold since; what we did and it was not told yet
    is not in it."""


@dataclass(frozen=True, slots=True)
class Count:
    """`units` counted at a place at `observed_at` on the clock of whoever counted.

    `owner` and `lot` name the level on which the difference is booked; `is_whole`: units of every owner and lot were
    counted. `withheld_units`: held back by settings when it was heard. `base_units`, `base_at`: what a running number
    was before, and since when. `difference`: what is booked for it.
    """

    place: Place
    source: str
    units: int
    observed_at: datetime
    basis: Basis = Basis.EVERYTHING
    version: str = ""
    condition: Condition = Condition.SELLABLE
    owner: str = OUR_OWN
    lot: str = ""
    is_whole: bool = True
    withheld_units: int = 0
    base_units: int | None = None
    base_at: datetime | None = None
    difference: int = 0
    id: int = 0

    @property
    def rank(self) -> tuple[datetime, bool, str, int, int, str, int]:
        """Where it stands among the counts of its place. At one instant the later version is the last word, of two
        without a version the smaller number: nothing is promised that may not be there.
        """
        number = int(self.version) if self.version.isascii() and self.version.isdigit() else 0
        return (
            self.observed_at,
            self.basis is not Basis.RUNNING,
            self.source,
            number,
            len(self.version),
            self.version,
            -self.units,
        )

    def sees(self, entry: Entry) -> bool:
        """Whether a movement is of the units that were counted, and happened before they were.

        A running number has seen its own system's sales since it was last known, and nothing else.
        """
        if entry.condition is not self.condition or entry.occurred_at > self.observed_at:
            return False
        if self.basis is Basis.RUNNING:
            return self.base_at is not None and self.base_at < entry.occurred_at and is_own_sale(entry, self.source)
        return self.counts_level(entry.owner, entry.lot)

    def counts_level(self, owner: str, lot: str) -> bool:
        """Whether units of this owner and lot were counted."""
        return self.is_whole or (owner, lot) == (self.owner, self.lot)


def is_own_sale(entry: Entry, channel: str) -> bool:
    """Whether a channel handed these units over itself, and so took them off its own number."""
    return (
        entry.kind is MovementKind.SOLD
        and entry.document.startswith(f"order:{channel}:")
        and not entry.cause_key.endswith(PART_OF_KIT)
    )


class CountRepository(Protocol):
    """Counts and the ledger in storage, within one transaction."""

    def book(self, entries: Sequence[Entry]) -> list[Entry]: ...

    def lock_counted(self, counts: Sequence[Count]) -> None:
        """Locks every level of the places in those conditions, those of the differences included, in key order."""

    def record_count(self, count: Count) -> int | None:
        """Keeps a count; answers its id, or None where it was heard before."""

    def correct_count(self, count: Count) -> None:
        """Keeps the difference that is booked for a count by now, and what a running number goes on from."""

    def counts_since(self, place: Place, moment: datetime) -> list[Count]:
        """The counts of a place at or after a moment, in their order."""

    def on_hand_counted(self, count: Count) -> int:
        """Units of what was counted, by the movements until then."""

    def set_aside_counted(self, count: Count) -> int:
        """Units of it that were claimed at that time; for a supplier's number: that the supplier had orders for."""

    def own_sales_counted(self, count: Count, since: datetime) -> int:
        """Signed units that its own system handed over after `since`, until the count."""


def difference(count: Count, on_hand: int, set_aside: int, own_sales: int) -> int:
    """What a count differs by from what was expected at its time."""
    hidden = set_aside + count.withheld_units
    match count.basis:
        case Basis.EVERYTHING:
            return count.units - on_hand
        case Basis.SHELF:
            return max(count.units - on_hand, 0) + min(count.units - (on_hand - hidden), 0)
        case Basis.FREE | Basis.LESS_OUR_ORDERS:
            # Nobody shows less than nothing: 0 may stand for any debt.
            is_floor = count.units == 0 and on_hand < hidden
            return 0 if is_floor else count.units - (on_hand - hidden)
        case Basis.RUNNING:
            return count.units - (count.base_units or 0) - own_sales


@dataclass(frozen=True, slots=True)
class CountLimits:
    """Up to where one person's count is enough: units, share of the expected units, value. None: no limit."""

    units: int | None = 5
    share: float | None = None
    value: Decimal | None = None

    def are_passed(self, difference: int, expected: int, unit_cost: Decimal | None) -> bool:
        """Whether a difference needs a second person. Without a known cost its value is no reason."""
        size = abs(difference)
        return size > 0 and (
            (self.units is not None and size > self.units)
            or (self.share is not None and size > self.share * max(expected, 0))
            or (self.value is not None and unit_cost is not None and size * unit_cost > self.value)
        )


def take(stock: CountRepository, count: Count, *, reason: AdjustmentReason, document: str) -> list[Entry] | None:
    """Books what a count differs by, and what that changes for counts after it; None: it was heard before."""
    stock.lock_counted([count])
    number = stock.record_count(count)
    if number is None:
        return None
    cause = Entry(
        place=count.place,
        kind=MovementKind.ADJUSTED,
        units=0,
        cause_key=_cause_key(count),
        document=document,
        occurred_at=count.observed_at,
        reason=reason,
        owner=count.owner,
        condition=count.condition,
        lot=count.lot,
    )
    counts = [one for one in stock.counts_since(count.place, count.observed_at) if one.rank >= count.rank]
    return _Recount(stock, cause, new_count=number).go_through(counts)


def count_again(stock: CountRepository, late: Sequence[Entry]) -> list[Entry]:
    """Takes the differences of counts again that had seen these movements, which were booked just now."""
    by_place: dict[Place, list[Entry]] = defaultdict(list)
    for entry in late:
        by_place[entry.place].append(entry)
    booked: list[Entry] = []
    for place, entries in by_place.items():
        for position, entry in enumerate(entries):
            counts = stock.counts_since(place, entry.occurred_at)
            if any(count.sees(entry) for count in counts):
                booked += _Recount(stock, entry, unseen=entries[position + 1 :]).go_through(counts)
    return booked


@dataclass(slots=True)
class _Recount:
    """Goes through the counts of a place because of something that is new: a movement, or the first of the counts.

    `unseen`: movements there that are in the ledger already, and are dealt with after this one.
    """

    stock: CountRepository
    cause: Entry
    new_count: int | None = None
    unseen: Sequence[Entry] = ()
    booked: list[Entry] = field(default_factory=list)
    done: list[Count] = field(default_factory=list)

    def go_through(self, counts: Sequence[Count]) -> list[Entry]:
        for position, stored in enumerate(counts):
            count = self._on_newest_base(stored)
            if self._may_differ(count, stored):
                count = replace(count, difference=self._difference(count, counts[position:]))
                if count != stored:
                    # The base too: whatever is heard next between it and this number must be measured from there.
                    self.stock.correct_count(count)
                if count.difference != stored.difference:
                    change = count.difference - stored.difference
                    self.booked += self.stock.book([self._correction(stored, change)])
            self.done.append(count)
        return self.booked

    def _on_newest_base(self, count: Count) -> Count:
        """A running number goes on from the last word of its own system, also where that was heard after it."""
        if count.basis is not Basis.RUNNING or count.base_at is None:
            return count
        for earlier in reversed(self.done):
            if earlier.source == count.source and earlier.observed_at >= count.base_at:
                return replace(count, base_units=earlier.units, base_at=earlier.observed_at)
        return count

    def _may_differ(self, count: Count, stored: Count) -> bool:
        if stored.id == self.new_count or count is not stored:
            return True
        if count.basis is Basis.RUNNING:
            return count.sees(self.cause)
        # What left was set aside before: a count that a shipment leaves as it was may have hidden less.
        is_shipment = self.cause.kind is MovementKind.SHIPPED
        moved = [entry for entry in (self.cause, *self.booked) if count.sees(entry)]
        return is_shipment or sum(entry.units for entry in moved) != 0

    def _difference(self, count: Count, counts: Sequence[Count]) -> int:
        unseen = [entry for entry in self.unseen if count.sees(entry)]
        moved_later = sum(entry.units for entry in unseen)
        if count.basis is Basis.RUNNING:
            since = count.base_at or count.observed_at
            return difference(count, 0, 0, self.stock.own_sales_counted(count, since) - moved_later)
        # What this count and those after it booked in this very instant is not what they were compared with.
        at_once = sum(
            one.difference
            for one in counts
            if one.observed_at == count.observed_at
            and one.condition is count.condition
            and count.counts_level(one.owner, one.lot)
        )
        on_hand = self.stock.on_hand_counted(count) - at_once - moved_later
        return difference(count, on_hand, self.stock.set_aside_counted(count), 0)

    def _correction(self, count: Count, units: int) -> Entry:
        if count.id == self.new_count:
            return replace(self.cause, units=units)
        name = f"{self.cause.cause_key}|counted"
        return replace(
            compensation(self.cause),
            units=units,
            cause_key=f"{name}|{count.id}" if self.booked else name,
            occurred_at=count.observed_at,
            owner=count.owner,
            condition=count.condition,
            lot=count.lot,
        )


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


def _cause_key(count: Count) -> str:
    moment = count.observed_at.isoformat()
    return cause_key(
        "count", count.source, *count.place, moment, count.version, count.units, count.condition, count.owner, count.lot
    )
