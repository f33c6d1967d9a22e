"""How much of an item a channel may show: the one function that every reader calls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nervure.inventory.stock import Place


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


def available_at(parts: Parts, location_id: int, stock: Mapping[Place, PlaceStock]) -> int:
    """Units that can be promised at one location: for a kit, as many as its scarcest part allows. At least 0."""
    return min(
        max(stock.get(Place(part, location_id), NOTHING).available_to_promise, 0) // units
        for part, units in parts.items()
    )


def salable_quantity(
    parts: Parts, location_ids: Iterable[int], stock: Mapping[Place, PlaceStock], *, buffer_units: int = 0
) -> int:
    """Units that one stock point may show.

    A location where more is owed than is there counts as 0 and takes nothing from the others: the open promise is
    served or becomes a shortfall by itself. The buffer is taken off once, from the sum. Never below 0.
    """
    return max(sum(available_at(parts, location, stock) for location in location_ids) - buffer_units, 0)
