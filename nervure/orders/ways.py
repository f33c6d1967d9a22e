"""One order among many: what it wants, what a way of serving it costs, and what that uses of what all share."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nervure.inventory.stock import Place
from nervure.orders.pricing import Demand, Source

ROOM = -1
"""Stands for an item: a location with a limit has so many of it, and each order that is new there takes one."""

Worth = tuple[int, ...]
"""What one unit, two units, ... taken together are worth; more of them what their dearest parts are."""

UNITS: Worth = (1,)
"""Each unit is worth one."""

Row = tuple[Place, Worth]
"""What all ways take at a place is worth no more than all that lies there, whatever some units together are worth.

With `UNITS` that is the stock itself. With (0, 1) it says that three units serve one order that wants two of them, and
not one and a half: it holds for whole ways and rules out mixtures of them.
"""


@lru_cache(maxsize=65_536)
def worth(said: Worth, units: int) -> int:
    """What so many units taken together are worth."""
    if said == UNITS:
        return units
    found = [0]
    for count in range(1, units + 1):
        own = said[count - 1] if count <= len(said) else 0
        found.append(max([own, *(found[part] + found[count - part] for part in range(1, count // 2 + 1))]))
    return found[-1]


Takes = Sequence[Mapping[int, int]]


@dataclass(frozen=True, slots=True)
class JointOrder:
    """One order among many: what it wants, and its sources, each at one of `locations` and with all that is there.

    A source's `fixed` holds `split`, which the first parcel does not cost. `stay`: how the order is served now, if it
    is; another way costs `change` more, and no demand may miss more than it does now.
    """

    demands: Sequence[Demand]
    sources: Sequence[Source]
    locations: Sequence[int]
    split: int = 0
    stay: Takes | None = None
    change: int = 0


@dataclass(frozen=True, slots=True)
class Way:
    """One way of serving one order: `takes[demand][source]` units, and what that uses of what all share.

    `cost` does not hold what missing units weigh.
    """

    takes: Takes
    missing: int
    cost: int
    uses: Mapping[Place, int]


def by_location(prices: Mapping[Row, int]) -> dict[int, dict[int, list[tuple[Worth, int]]]]:
    """Prices by location and item."""
    found: dict[int, dict[int, list[tuple[Worth, int]]]] = defaultdict(lambda: defaultdict(list))
    for (place, said), price in prices.items():
        if price:
            found[place.location_id][place.item_id].append((said, price))
    return {location: dict(items) for location, items in found.items()}
