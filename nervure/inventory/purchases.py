"""Purchases: what is expected to come in, and how goods that come in count against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from nervure.inventory.ledger import LedgerRepository, book
from nervure.inventory.stock import Entry, Place, cause_key
from schemas.stock import OUR_OWN, Condition, MovementKind


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of one item at one location: units, and the day on that location's calendar."""

    units: int
    expected_on: date


@dataclass(frozen=True, slots=True)
class PurchaseLine:
    """Where one line stands. `expected_on` None: goods came in that nobody had expected."""

    id: int
    place: Place
    units_expected: int
    expected_on: date | None
    units_received: int

    @property
    def units_open(self) -> int:
        """Units that have not come in, whether or not somebody still waits for them."""
        return max(self.units_expected - self.units_received, 0)


@dataclass(frozen=True, slots=True)
class Purchase:
    """One purchase under lock. A closed one expects nothing any more."""

    id: int
    name: str
    supplier: str | None
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """Goods that came in with one delivery note. The note, the sku and the location name it for ever.

    `expires_on`: the last day of a lot that is new.
    """

    document: str
    sku: str
    location: str
    units: int
    condition: Condition = Condition.SELLABLE
    lot: str = ""
    owner: str = OUR_OWN
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How a receipt counted: units over what was still expected, and where its line stands now."""

    over: int
    line: PurchaseLine


class Said(StrEnum):
    """What saying an expectation did."""

    NEW = "new"
    KNOWN = "known"
    REVISED = "revised"
    DIFFERS = "differs"
    CLOSED = "closed"


class PurchaseRepository(Protocol):
    """Purchases in storage, within one transaction that holds the purchase's lock."""

    def lines(self, purchase_id: int, place: Place | None = None) -> Mapping[Place, PurchaseLine]:
        """All lines of a purchase, or the one for a place, if there is one."""

    def add_line(self, purchase_id: int, place: Place, units: int, expected_on: date | None) -> None: ...

    def revise_line(self, line_id: int, units: int, expected_on: date) -> None: ...

    def count(self, line_id: int, cause_key: str, units: int) -> None:
        """Notes that a receipt, by the cause of its movement, came for this line."""


def receipt_entry(receipt: Receipt, place: Place, received_at: datetime) -> Entry:
    """The movement of a receipt. One note may bring an item in several conditions and lots."""
    stock_key = () if (receipt.condition, receipt.lot) == (Condition.SELLABLE, "") else (receipt.condition, receipt.lot)
    owner = () if receipt.owner == OUR_OWN else ("owner", receipt.owner)
    return Entry(
        place=place,
        kind=MovementKind.RECEIVED,
        units=receipt.units,
        cause_key=cause_key("hub", receipt.document, receipt.sku, receipt.location, *stock_key, *owner),
        document=f"receipt:{receipt.document}",
        occurred_at=received_at,
        owner=receipt.owner,
        condition=receipt.condition,
        lot=receipt.lot,
    )


def expect(
    purchase: Purchase, wanted: Mapping[Place, Expected], purchases: PurchaseRepository, *, revise: bool
) -> dict[Place, Said]:
    """Writes what is expected, each line once; a line that says something else is changed only with `revise`.

    Nothing is written for a line that answers KNOWN, DIFFERS or CLOSED.
    """
    lines = purchases.lines(purchase.id)
    said: dict[Place, Said] = {}
    for place, expected in sorted(wanted.items()):
        line = lines.get(place)
        said[place] = _judge(purchase, line, expected, revise=revise)
        if said[place] in (Said.NEW, Said.REVISED):
            if line is None:
                purchases.add_line(purchase.id, place, expected.units, expected.expected_on)
            else:
                purchases.revise_line(line.id, expected.units, expected.expected_on)
    return said


def _judge(purchase: Purchase, line: PurchaseLine | None, expected: Expected, *, revise: bool) -> Said:
    if line is not None and (line.units_expected, line.expected_on) == (expected.units, expected.expected_on):
        return Said.KNOWN
    if purchase.is_closed:
        return Said.CLOSED
    # Goods may have come in before anybody said that they were expected: the first word on them is no revision.
    if line is None or line.expected_on is None:
        return Said.NEW
    return Said.REVISED if revise else Said.DIFFERS


def receive(
    entry: Entry, purchase: Purchase, stock: LedgerRepository, purchases: PurchaseRepository
) -> tuple[Sequence[Entry], Counted | None]:
    """Books a receipt and counts it against a purchase; None: that receipt had been booked.

    Goods that nobody expects (any more) are booked all the same: they are there.
    """
    booked = book(stock, [entry])
    if not booked:
        return [], None
    line = purchases.lines(purchase.id, entry.place).get(entry.place)
    if line is None:
        purchases.add_line(purchase.id, entry.place, 0, None)
        line = purchases.lines(purchase.id, entry.place)[entry.place]
    still_expected = 0 if purchase.is_closed else line.units_open
    purchases.count(line.id, entry.cause_key, entry.units)
    return booked, Counted(max(entry.units - still_expected, 0), purchases.lines(purchase.id, entry.place)[entry.place])
