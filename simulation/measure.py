"""From purchase to shelf: how long other shelves went on offering what was sold.

A shelf is settled for a purchase once it shows no more than what is left after that purchase: opening stock plus
what came back until then, less everything sold up to that purchase. Only shelves of other platforms count: the own
one is moved by the platform itself. A shelf that never settles counts as infinite.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

from simulation.platform import ShelfChange

SLOWLY_SECONDS = 60.0
"""So often a platform that is heard slowly tells its sales."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Units of a sku that left what a stock point stands for, by a purchase on `platform` at `at` (seconds)."""

    platform: str
    sku: str
    stock_point: str
    units: int
    at: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in seconds over `count` (purchase, shelf) pairs."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None

    def as_json(self) -> dict[str, float | int | str | None]:
        """JSON knows no infinity: it is written as text."""
        return {
            "count": self.count,
            **{
                name: "infinite" if value == inf else (None if value is None else round(value, 3))
                for name, value in (("p50", self.p50), ("p95", self.p95), ("p99", self.p99))
            },
        }


def percentiles(values: Iterable[float]) -> Latency:
    """Nearest-rank percentiles."""
    ranked = sorted(values)

    def at(share: float) -> float | None:
        return ranked[max(ceil(share * len(ranked)) - 1, 0)] if ranked else None

    return Latency(len(ranked), at(0.5), at(0.95), at(0.99))


def settle_times(
    platform: str,
    opening: Mapping[tuple[str, str], int],
    taken: Iterable[Taken],
    came_back: Iterable[Taken],
    shelf_log: Sequence[ShelfChange],
    *,
    heard_slowly: Collection[str] = (),
) -> list[tuple[str, float]]:
    """Seconds from each purchase elsewhere until each shelf of `platform` settled, with whose delay it is.

    That is the platform where it was bought; or one that is `heard_slowly`, if it sold the same goods just before: the
    shelf cannot settle for both before that one is heard.

    `opening`: units by (sku, stock point) at the start. `taken` and `came_back` speak of this platform's points.
    """
    sold: dict[tuple[str, str], list[Taken]] = defaultdict(list)
    returned: dict[tuple[str, str], list[Taken]] = defaultdict(list)
    for pile, events in ((sold, taken), (returned, came_back)):
        for event in events:
            pile[event.sku, event.stock_point].append(event)
    shelves: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for change in shelf_log:
        shelves[change.sku, change.stock_point].append((change.at.timestamp(), change.units))
    waits: list[tuple[str, float]] = []
    for key, purchases in sold.items():
        if key in opening:
            found = _waits(platform, opening[key], purchases, returned[key], shelves[key])
            waits.extend((_whose(purchase, purchases, heard_slowly), seconds) for purchase, seconds in found)
    return waits


def _whose(purchase: Taken, purchases: Sequence[Taken], heard_slowly: Collection[str]) -> str:
    unheard = (
        other.platform
        for other in reversed(purchases)
        if other.platform in heard_slowly and purchase.at - SLOWLY_SECONDS <= other.at <= purchase.at
    )
    return purchase.platform if purchase.platform in heard_slowly else next(unheard, purchase.platform)


def _waits(
    platform: str,
    opening: int,
    purchases: list[Taken],
    returned: list[Taken],
    shelf: Sequence[tuple[float, int]],
) -> Iterable[tuple[Taken, float]]:
    purchases.sort(key=lambda purchase: purchase.at)
    returned.sort(key=lambda event: event.at)
    times = [moment for moment, _ in shelf]
    back_times = [event.at for event in returned]
    back_units = [0]
    for event in returned:
        back_units.append(back_units[-1] + event.units)

    def left(sold: int, moment: float) -> int:
        return max(opening - sold + back_units[bisect_right(back_times, moment)], 0)

    sold = 0
    for purchase in purchases:
        sold += purchase.units
        if purchase.platform == platform:
            continue
        first = bisect_right(times, purchase.at) - 1
        if first >= 0 and shelf[first][1] <= left(sold, purchase.at):
            yield purchase, 0.0
            continue
        settled = (moment for moment, units in shelf[first + 1 :] if units <= left(sold, moment))
        yield purchase, next(settled, inf) - purchase.at
