"""The emulated inventory of Square: a history of counts and adjustments, and the number that follows from it.

A number is the last physical count plus every adjustment that occurred after it, whatever order they arrived in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from simulation.platform import ShelfCause

Wire = dict[str, Any]
Key = tuple[str, str]
"""Variation id and location id."""

COUNTS_AT_MOST_OLD = timedelta(hours=24)


def stamp(moment: datetime) -> str:
    """A time as Square writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def amount_text(units: Decimal) -> str:
    """A quantity as Square writes it: no zeros after the point."""
    return f"{units.normalize():f}"


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the history."""

    created_at: datetime
    occurred_at: datetime
    key: Key
    wire: Wire


@dataclass(slots=True)
class _Shelf:
    units: Decimal
    counted_at: datetime
    calculated_at: datetime
    last_count: Decimal | None = None
    later: list[tuple[datetime, Decimal]] = field(default_factory=list)

    def count(self, units: Decimal, occurred_at: datetime) -> None:
        if occurred_at < self.counted_at:
            return
        self.later = [(at, moved) for at, moved in self.later if at > occurred_at]
        self.units = units + sum((moved for _, moved in self.later), Decimal(0))
        self.counted_at, self.last_count = occurred_at, units

    def move(self, units: Decimal, occurred_at: datetime, now: datetime) -> None:
        if occurred_at < self.counted_at:
            return
        self.units += units
        self.later = [(at, moved) for at, moved in self.later if at > now - COUNTS_AT_MOST_OLD]
        self.later.append((occurred_at, units))


class InventoryBook:
    """What Square knows to be in stock. `changed` hears every number that moved; `written_at` stamps them."""

    def __init__(
        self,
        new_id: Callable[[str], str],
        changed: Callable[[Key, Decimal, ShelfCause, datetime], None],
        written_at: Callable[[datetime], datetime] = lambda now: now,
    ) -> None:
        self._written_at = written_at
        self._new_id = new_id
        self._changed = changed
        self._shelves: dict[Key, _Shelf] = {}
        self.history: list[Change] = []

    def open(self, key: Key, now: datetime) -> None:
        """Starts to keep a number, at 0, which nobody has counted."""
        self._shelves[key] = _Shelf(Decimal(0), now, now)

    def units(self, key: Key) -> Decimal:
        """The number now."""
        return self._shelves[key].units

    def numbers(self) -> Mapping[Key, Decimal]:
        """All numbers now."""
        return {key: shelf.units for key, shelf in self._shelves.items()}

    def is_unchanged(self, key: Key, units: Decimal) -> bool:
        """Whether the last physical count said the same."""
        return self._shelves[key].last_count == units

    def wire_count(self, key: Key) -> Wire:
        """The number as the API gives it."""
        shelf = self._shelves[key]
        return {
            "catalog_object_id": key[0],
            "catalog_object_type": "ITEM_VARIATION",
            "state": "IN_STOCK",
            "location_id": key[1],
            "quantity": amount_text(shelf.units),
            "calculated_at": stamp(shelf.calculated_at),
        }

    def calculated_at(self, key: Key) -> datetime:
        """When the newest change of a number was received."""
        return self._shelves[key].calculated_at

    def count(
        self, key: Key, units: Decimal, cause: ShelfCause, now: datetime, *, occurred_at: datetime, extra: Wire
    ) -> Wire:
        """Somebody counted; answers the change."""
        content = self._content(key, units, now, occurred_at) | {"state": "IN_STOCK"} | extra
        before = self.units(key)
        self._shelves[key].count(units, occurred_at)
        return self._recorded(
            Change(now, occurred_at, key, {"type": "PHYSICAL_COUNT", "physical_count": content}), before, cause
        )

    def move(
        self, key: Key, units: Decimal, states: tuple[str, str], cause: ShelfCause, now: datetime, **more: Any
    ) -> Wire:
        """Moves units from one state to another; only IN_STOCK has a number. `occurred_at` may be named."""
        occurred_at = more.pop("occurred_at", now)
        content = self._content(key, units, now, occurred_at) | {"from_state": states[0], "to_state": states[1]} | more
        before = self.units(key)
        if "IN_STOCK" in states:
            self._shelves[key].move(units if states[1] == "IN_STOCK" else -units, occurred_at, now)
        return self._recorded(
            Change(now, occurred_at, key, {"type": "ADJUSTMENT", "adjustment": content}), before, cause
        )

    def _content(self, key: Key, units: Decimal, now: datetime, occurred_at: datetime) -> Wire:
        return {
            "id": self._new_id("change"),
            "catalog_object_id": key[0],
            "catalog_object_type": "ITEM_VARIATION",
            "location_id": key[1],
            "quantity": amount_text(units),
            "occurred_at": stamp(occurred_at),
            "created_at": stamp(now),
        }

    def _recorded(self, change: Change, before: Decimal, cause: ShelfCause) -> Wire:
        shelf = self._shelves[change.key]
        shelf.calculated_at = max(shelf.calculated_at, self._written_at(change.created_at))
        self.history.append(change)
        if shelf.units != before:
            self._changed(change.key, shelf.units, cause, change.created_at)
        return change.wire
