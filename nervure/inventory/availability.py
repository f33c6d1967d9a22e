"""How much of an item a channel may show: the one function that every reader calls.

The order in which it applies what holds, and why it is that order:

1. **Pool**: the locations that a stock point stands for. A supplier whose numbers are too old is not among them.
2. **Each location for itself**: what is claimable minus the safety stock kept there, never below 0, for a kit as many
   as its scarcest part allows. First, because one location's debt must not be paid with another one's units, and
   parts are not sent from two places.
3. **Share**: a percentage of that sum, rounded down. Before the buffer: a share divides what is there, and a buffer
   answers for sales on this one channel that were not heard yet, so it comes out of this channel's part.
4. **Buffer**: taken off once, not at each location: the sale that was not heard takes its units once.
5. **Cap**: after all that keeps back, because it says how much is shown, not how much is kept; a cap before the buffer
   would show less than it says while there is plenty.
6. **Backorder or preorder**: added last. These units are not there: no share, buffer or cap of shelves concerns them.
   What was sold beyond already is off.
7. **Never below 0**, once, at the end. A buffer that finds too few units keeps back units of the allowance too: the
   sales that it is there for may have been made out of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nervure.inventory.stock import Place
from schemas.base import MAX_UNITS


@dataclass(frozen=True, slots=True)
class PlaceStock:
    """What stands at one place: `claimable` over all owners (may be negative), and the units kept back there."""

    claimable: int
    safety_stock: int = 0

    @property
    def available_to_promise(self) -> int:
        """Units that a new promise may take; below 0 where more is owed than is there."""
        return self.claimable - self.safety_stock


NOTHING = PlaceStock(0)

Parts = Mapping[int, int]
"""Units of each part in one unit of an item; a simple item is one of itself."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one item on one channel. `beyond_units`: units that may still be sold though nothing is there.

    `share_percent` is 0 to 100; `cap_units` None: no cap.
    """

    share_percent: int = 100
    buffer_units: int = 0
    cap_units: int | None = None
    beyond_units: int = 0


PLAIN = Terms()


def available_at(parts: Parts, location_id: int, stock: Mapping[Place, PlaceStock]) -> int:
    """Units that can be promised at one location: for a kit, as many as its scarcest part allows. At least 0."""
    return min(
        max(stock.get(Place(part, location_id), NOTHING).available_to_promise, 0) // units
        for part, units in parts.items()
    )


def salable_quantity(
    parts: Parts, location_ids: Iterable[int], stock: Mapping[Place, PlaceStock], terms: Terms = PLAIN
) -> int:
    """Units that one stock point may show, in the order that this module's first lines give. Never below 0.

    A location where more is owed than is there counts as 0 and takes nothing from the others: the open promise is
    served or becomes a shortfall by itself.
    """
    return shown_of(sum(available_at(parts, location, stock) for location in location_ids), terms)


def shown_of(pooled_units: int, terms: Terms) -> int:
    """Units that a stock point may show of what its pool can promise. Never below 0, nor above MAX_UNITS.

    Many places that each have all they may would sum to a number that no platform takes.
    """
    units = pooled_units * terms.share_percent // 100 - terms.buffer_units
    if terms.cap_units is not None:
        units = min(units, terms.cap_units)
    return min(max(units + terms.beyond_units, 0), MAX_UNITS)
