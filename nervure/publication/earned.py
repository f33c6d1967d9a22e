"""Buffers that are earned: how many units a channel keeps back for what others sell before it is told.

A sale elsewhere is a number on this channel `d` seconds later. Until then a shopper here can buy a unit that has gone.
A buffer of b units answers for the first b of them, so an oversell needs more than b units sold elsewhere within d.

- Orders elsewhere come as a Poisson stream, each takes as many units as orders of this item took lately. Where each
  takes one, their units in a window follow Poisson(lambda * d). Where some take several, they are overdispersed, and
  in windows of seconds that is the only reason for it that history can show: days that differ from each other say
  nothing of it. So the sizes themselves are used, not a negative binomial fitted to daily figures.
- d is not one number either: the chance is the mean over what was measured.
- The newsvendor keeps one unit more back as long as that costs less than it saves: a unit kept back in vain is a sale
  lost (`margin`), one too few a cancellation. So the smallest b
  with P(more than b) <= margin / (margin + cancellation).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import exp, fsum
from typing import Any

Stream = Mapping[int, float]
"""Orders a second by the units that each takes; units are at least 1."""

POINTS = 20
"""A distribution of delays is kept as so many equally likely ones."""

MOST_UNITS = 10
"""No buffer is higher, unless the merchant says so."""

STEADY = 1.25
"""A buffer is lowered when the lower one would do at so many times the pace: numbers must not flutter."""

SECONDS_A_DAY = 86_400
MICROS = 1_000_000
UNLIKELY = 1e-12


@dataclass(frozen=True, slots=True)
class Stakes:
    """What one unit too few and one too many cost, in micros of a euro. At least one of them is above 0."""

    cancellation: int
    margin: int

    @property
    def risk(self) -> float:
        """The chance of selling what has gone at which one unit more kept back costs what it saves."""
        return self.margin / (self.margin + self.cancellation)


@dataclass(frozen=True, slots=True)
class Earning:
    """How a channel earns its buffers; amounts are micros of a euro.

    `margin`: of each sale; None: `margin_percent` of the item's price.
    """

    cancellation: int
    margin: int | None = None
    margin_percent: int = 0
    most_units: int = MOST_UNITS

    def stakes(self, price: int | None) -> Stakes | None:
        """The stakes of an item of this price; None: its price is needed and not known, or nothing is at stake."""
        margin = self.margin
        if margin is None:
            if price is None:
                return None
            margin = price * self.margin_percent // 100
        return Stakes(self.cancellation, margin) if margin + self.cancellation > 0 else None


@dataclass(frozen=True, slots=True)
class Delays:
    """How long until a sale elsewhere is shown, in seconds: equally likely points in their order."""

    points: tuple[float, ...]

    @property
    def p50(self) -> float:
        return self.points[(len(self.points) - 1) // 2]

    @property
    def p95(self) -> float:
        return self.points[(len(self.points) * 95 - 1) // 100]


def spread(samples: Sequence[float]) -> tuple[float, ...]:
    """The samples as equally likely points, in their order: the middle of each twentieth."""
    known = sorted(samples)
    return tuple(known[(2 * point + 1) * len(known) // (2 * POINTS)] for point in range(POINTS))


def told_after(heard: Sequence[float], published: Sequence[float]) -> Delays:
    """The time from a sale to the shelf: it is heard, and then its number is published, each as it was measured."""
    return Delays(spread([one + other for one, other in product(spread(heard), spread(published))]))


def chances(stream: Stream, seconds: float, most: int) -> list[float]:
    """P(exactly n units are sold within a window), for n from 0 to `most`."""
    found = [exp(-seconds * fsum(stream.values()))]
    for units in range(1, most + 1):
        sizes = (size * rate * found[units - size] for size, rate in stream.items() if size <= units)
        found.append(seconds / units * fsum(sizes))
    return found


def chance_beyond(units: int, stream: Stream, delays: Delays) -> float:
    """P(more than `units` are sold elsewhere before the channel is told)."""
    return _beyond(stream, delays, units)[units]


def _beyond(stream: Stream, delays: Delays, most: int) -> list[float]:
    """P(more than n units), for n from 0 to `most`."""
    windows = [chances(stream, seconds, most) for seconds in delays.points]
    return [
        max(1 - fsum(chance for window in windows for chance in window[: units + 1]) / len(windows), 0.0)
        for units in range(most + 1)
    ]


def smallest_buffer(stream: Stream, delays: Delays, risk: float, most: int) -> int:
    """The fewest units kept back with which more are asked for elsewhere at most with this chance; at most `most`."""
    # The mean of the chances of any sale is at most the chance at the mean delay: most items need no more than that.
    if 1 - exp(-fsum(stream.values()) * fsum(delays.points) / len(delays.points)) <= risk:
        return 0
    found = _beyond(stream, delays, most)
    return next((units for units, chance in enumerate(found) if chance <= risk), most)


def settled(kept: int, stream: Stream, delays: Delays, risk: float, most: int) -> int:
    """The buffer that follows one of `kept` units: raised at once, lowered once the lower one would do for long."""
    needed = smallest_buffer(stream, delays, risk, most)
    if kept <= needed:
        return needed
    faster = {size: rate * STEADY for size, rate in stream.items()}
    return min(kept, smallest_buffer(faster, delays, risk, most))


# -- why it is so ------------------------------------------------------------------------------------------------


def grounds(units: int, stream: Stream, delays: Delays, stakes: Stakes) -> dict[str, Any]:
    """Why so many units are kept back, as the log of policies keeps it."""
    return {
        "units": units,
        "units_per_day": round(SECONDS_A_DAY * fsum(size * rate for size, rate in stream.items()), 3),
        "p50_seconds": round(delays.p50, 1),
        "p95_seconds": round(delays.p95, 1),
        "cancellation": stakes.cancellation,
        "margin": stakes.margin,
        "risk": round(stakes.risk, 4),
        "chance_without": round(chance_beyond(0, stream, delays), 4),
        "chance": round(chance_beyond(units, stream, delays), 4),
    }


def sentence(why: Mapping[str, Any]) -> str:
    """The same for people."""
    return (
        f"{why['units_per_day']:.1f} a day sell elsewhere, told after {why['p50_seconds']:.0f} s (p95"
        f" {why['p95_seconds']:.0f} s): {why['chance']:.1%} beyond it, {why['chance_without']:.1%} without;"
        f" {why['margin'] / MICROS:.2f} € a sale and {why['cancellation'] / MICROS:.2f} € a cancellation"
        f" allow {why['risk']:.1%}"
    )


# -- predicted beside realized ---------------------------------------------------------------------------------


def likely(chances_of: Sequence[float], sure: float = 0.95) -> tuple[int, int]:
    """Between how many of some independent events will happen, so that both ends together are as sure as that."""
    counts = [1.0]
    for chance in chances_of:
        counts = [
            (counts[n] * (1 - chance) if n < len(counts) else 0.0) + (counts[n - 1] * chance if n else 0.0)
            for n in range(len(counts) + 1)
        ]
        # What is this unlikely changes no end; of thousands of events it is most.
        while len(counts) > 1 and counts[-1] < UNLIKELY:
            counts.pop()
    side = (1 - sure) / 2
    low = high = None
    below = 0.0
    for number, chance in enumerate(counts):
        below += chance
        if low is None and below > side:
            low = number
        if high is None and below >= 1 - side:
            high = number
    return low or 0, len(chances_of) if high is None else high
