"""Transfers in two steps: units leave one place, are in transit, and arrive at another; at no moment is one missing.

Units in transit lie at a location of their own, that belongs to no channel. Owner, condition and lot travel with them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from nervure.inventory.stock import Entry, Place
from schemas.base import counted
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind

IN_TRANSIT = "in-transit"
"""The code of the location that the hub makes for units under way.

One for the whole hub: a transfer itself says from where and to where, and one place answers "what is under way".
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which units are meant: of one condition; of any owner and lot unless they are named."""

    condition: Condition = Condition.SELLABLE
    owner: str | None = None
    lot: str | None = None

    def matches(self, owner: str, lot: str) -> bool:
        return self.owner in (None, owner) and self.lot in (None, lot)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lies of one owner and lot at the place of departure, under lock."""

    owner: str
    lot: str
    on_hand: int
    claimable: int


@dataclass(frozen=True, slots=True)
class Sent:
    """Units of one owner and lot that leave."""

    owner: str
    lot: str
    units: int


class NotThereError(Exception):
    """More was to leave than may; nothing was written. `there`: units that may leave."""

    def __init__(self, there: int) -> None:
        self.there = there
        super().__init__(f"only {counted(there, 'unit')} may leave")


def choose(units: int, shelves: Sequence[Shelf], choice: Choice, *, force: bool) -> list[Sent]:
    """Decides from which owner and lot units leave, in the order of the shelves.

    `force`: they have left, whatever was promised or recorded: what nobody claims goes first, then what is on hand,
    and the rest is taken from a level that falls below 0.

    Raises:
        NotThereError: not so many units are free.
    """
    meant = [shelf for shelf in shelves if choice.matches(shelf.owner, shelf.lot)]
    # What one owner's level owes lies on the same shelf as what another's still has.
    there = min(sum(max(shelf.claimable, 0) for shelf in meant), sum(shelf.claimable for shelf in shelves))
    if units > there and not force:
        raise NotThereError(max(there, 0))
    taken: Counter[tuple[str, str]] = Counter()
    missing = units
    free_first = [(shelf, shelf.claimable) for shelf in meant]
    for shelf, limit in free_first + [(shelf, shelf.on_hand) for shelf in meant]:
        key = (shelf.owner, shelf.lot)
        if portion := min(missing, max(limit - taken[key], 0)):
            taken[key] += portion
            missing -= portion
    if missing:
        taken[choice.owner or OUR_OWN, choice.lot or ""] += missing
    return [Sent(owner, lot, count) for (owner, lot), count in taken.items() if count]


@dataclass(frozen=True, slots=True)
class UnderWay:
    """One stock key of a transfer: `units` have left, and have not arrived, come back or been lost."""

    line_id: int
    item_id: int
    owner: str
    condition: Condition
    lot: str
    units: int


@dataclass(frozen=True, slots=True)
class Route:
    """A transfer under lock: its name, and its three locations."""

    id: int
    name: str
    origin_id: int
    transit_id: int
    destination_id: int

    @property
    def document(self) -> str:
        """What the ledger calls it."""
        return f"transfer:{self.name}"


def deal(units: int, under_way: Iterable[UnderWay]) -> list[tuple[UnderWay, int]]:
    """Deals units that arrived out to the stock keys that are under way, the first sent first."""
    dealt: list[tuple[UnderWay, int]] = []
    missing = units
    for line in under_way:
        if portion := min(missing, line.units):
            dealt.append((line, portion))
            missing -= portion
    return dealt


def sent_entries(route: Route, line: UnderWay, at: datetime) -> list[Entry]:
    """Units leave their place and are in transit."""
    return _carried(_in_transit(route, line, "sent", at), route.origin_id, route.transit_id)


def arrived_entries(route: Route, line: UnderWay, units: int, *, statement: str, at: datetime) -> list[Entry]:
    """Units in transit arrive. `statement` tells the arrivals of one line apart."""
    arriving = replace(_in_transit(route, line, f"arrived|{statement}", at), units=units)
    return _carried(arriving, route.transit_id, route.destination_id)


def returned_entries(route: Route, line: UnderWay, at: datetime) -> list[Entry]:
    """All that is still in transit of a line comes back to where it left."""
    return _carried(_in_transit(route, line, "returned", at), route.transit_id, route.origin_id)


def lost_entry(route: Route, line: UnderWay, at: datetime) -> Entry:
    """All that is still in transit of a line will not arrive."""
    here = _in_transit(route, line, "lost", at)
    return replace(here, kind=MovementKind.ADJUSTED, reason=AdjustmentReason.LOST, units=-line.units)


def found_entry(route: Route, line: UnderWay, units: int, *, statement: str, at: datetime) -> Entry:
    """Units that arrived and that nobody had sent: they are taken for more of this line."""
    return replace(
        _in_transit(route, line, f"found|{statement}", at),
        place=Place(line.item_id, route.destination_id),
        kind=MovementKind.ADJUSTED,
        reason=AdjustmentReason.FOUND,
        units=units,
    )


def _in_transit(route: Route, line: UnderWay, step: str, at: datetime) -> Entry:
    return Entry(
        place=Place(line.item_id, route.transit_id),
        kind=MovementKind.TRANSFERRED_IN,
        units=line.units,
        cause_key=f"transfer_line|{line.line_id}|{step}",
        document=route.document,
        occurred_at=at,
        owner=line.owner,
        condition=line.condition,
        lot=line.lot,
    )


def _carried(units: Entry, origin_id: int, destination_id: int) -> list[Entry]:
    """The two movements of one step: the units leave here, and are there."""
    return [
        replace(
            units,
            place=Place(units.place.item_id, origin_id),
            kind=MovementKind.TRANSFERRED_OUT,
            units=-units.units,
            cause_key=f"{units.cause_key}|out",
        ),
        replace(units, place=Place(units.place.item_id, destination_id), cause_key=f"{units.cause_key}|in"),
    ]
