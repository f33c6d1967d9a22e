"""The words of the stock rules, in internal ids, and what they need from storage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind


class Place(NamedTuple):
    """One item at one location, whoever owns the units."""

    item_id: int
    location_id: int


class ClaimKind(StrEnum):
    RESERVATION = "reservation"
    ALLOCATION = "allocation"


class Against(StrEnum):
    """What a claim may take: a promise keeps the safety stock, an accepted order may use it."""

    AVAILABLE_TO_PROMISE = "available_to_promise"
    CLAIMABLE = "claimable"


@dataclass(frozen=True, slots=True)
class Level:
    """One sellable stock level under lock: the units that are free, and those that are reserved or allocated.

    `expires_at`: from then on its lot is not promised any more.
    """

    id: int
    place: Place
    owner: str
    claimable: int
    claimed: int = 0
    lot: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """`units` of one level, for one claim."""

    level_id: int
    place: Place
    units: int


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """An allocation that still holds units."""

    id: int
    level_id: int
    place: Place
    units: int
    fulfillment_line_id: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A movement to book. `units` is signed; `cause_key` is unique for ever.

    `document`: what a person calls the cause, shared by all its movements; empty: the cause key itself.
    `compensates`: the cause key of the movement that this adjustment takes back.
    """

    place: Place
    kind: MovementKind
    units: int
    cause_key: str
    occurred_at: datetime
    reason: AdjustmentReason | None = None
    owner: str = OUR_OWN
    condition: Condition = Condition.SELLABLE
    lot: str = ""
    document: str = ""
    compensates: str | None = None


def cause_key(*parts: str | int) -> str:
    """The unique text of a cause; its parts cannot run into each other, whatever skus and documents are called."""
    return "|".join(str(part).replace("\\", "\\\\").replace("|", "\\|") for part in parts)


@dataclass(frozen=True, slots=True)
class Shortage:
    """What a claim wanted at a place, and what was there."""

    place: Place
    wanted: int
    there: int


class InsufficientStockError(Exception):
    """A claim was refused whole; nothing was taken."""

    def __init__(self, shortages: Sequence[Shortage]) -> None:
        self.shortages = tuple(shortages)
        text = ", ".join(
            f"item {s.place.item_id} at location {s.place.location_id}: wanted {s.wanted}, there {s.there}"
            for s in self.shortages
        )
        super().__init__(f"not enough stock: {text}")


class UnbookableError(Exception):
    """What was to be booked cannot be; nothing was written."""


class ImpossibleLevelError(UnbookableError):
    """More units of one thing would be on hand in one place, or be missing there, than anybody has."""

    def __init__(self, sku: str, location: str, on_hand: int) -> None:
        super().__init__(f"{on_hand:,} units of {sku!r} would be on hand at {location}: that is a slip")


class KitStockError(UnbookableError):
    """Units were to be booked on an item that is a kit, perhaps since a moment ago; nothing was written."""

    def __init__(self, sku: str) -> None:
        super().__init__(f"{sku!r} is a kit and has no stock of its own: book what it is made of")


class StockRepository(Protocol):
    """Stock in storage, within one transaction."""

    def lock_sellable(self, places: Collection[Place]) -> list[Level]:
        """Locks the sellable levels of all owners there, in primary-key order, and reads them.

        Lots that have expired are left out, but for what they owe.
        """

    def lock_promisable(self, places: Collection[Place]) -> tuple[list[Level], Mapping[Place, int]]:
        """The same, and the units held back at each place; places without an entry hold back nothing."""

    def take(self, takes: Sequence[Take], kind: ClaimKind) -> bool:
        """Adds to what is claimed, each in one conditional statement; False as soon as one has not enough."""

    def book(self, entries: Sequence[Entry]) -> list[Entry]:
        """Locks the levels, writes movements and levels together; answers those whose cause was new.

        Raises:
            KitStockError: an item is a kit.
        """

    def last_counts(self, places: Collection[Place]) -> Mapping[Place, datetime]:
        """The newest time at which another master's number was booked at each place."""
