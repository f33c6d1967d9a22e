"""The units inside one set of sources: who gives what."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from nervure.orders.pricing import Case, capacity

MISSING = 1 << 120
"""What a missing unit weighs against any cost."""


class Search(Protocol):
    """Who asks: the best total known, a limit of work, and where a better solution goes."""

    best: int

    def work(self, steps: int = 1) -> None: ...

    def offer(self, cost: int, takes: Sequence[Mapping[int, int]]) -> None: ...


def split_total(total: int) -> tuple[int, int]:
    """(missing units, cost) of a total; a cost may be negative, and is far smaller than half a missing unit."""
    missing = (total + MISSING // 2) // MISSING
    return missing, total - missing * MISSING


def take_each(case: Case, chosen: Sequence[int]) -> tuple[int, list[dict[int, int]]]:
    """Where no demand is in another's way and no weight matters, each takes its cheapest units."""
    takes: list[dict[int, int]] = []
    cost, missing = 0, 0
    used: set[int] = set()
    for d, demand in enumerate(case.demands):
        left = demand.units
        taken: dict[int, int] = {}
        for unit, i in sorted((case.unit[i][d], i) for i in chosen if case.caps[i][d]):
            if not left:
                break
            taken[i] = units = min(left, case.caps[i][d])
            cost, left = cost + units * unit, left - units
        used.update(taken)
        takes.append(taken)
        missing += left
    return missing * MISSING + cost + sum(case.fixed[i] for i in used), takes


class Assignment:
    """Every way of taking the units from a few sources, left as soon as it cannot be the best one any more."""

    def __init__(self, case: Case, chosen: Sequence[int], search: Search) -> None:
        self.case = case
        self.search = search
        self.stock = {i: dict(case.sources[i].stock) for i in chosen}
        self.grams = dict.fromkeys(chosen, 0)
        self.units = dict.fromkeys(chosen, 0)
        self.prices = dict.fromkeys(chosen, 0)
        self.parcels = 0
        self.takes: list[dict[int, int]] = [{} for _ in case.demands]
        self.order = sorted(
            range(len(case.demands)), key=lambda d: (-len(case.demands[d].parts), -case.demands[d].grams)
        )
        self.ways = [
            sorted((case.sources[i].unit_costs[d], i) for i in chosen if case.caps[i][d])
            for d in range(len(case.demands))
        ]
        floors = [self._least(d) for d in self.order]
        self.after = [sum(floors[number:]) for number in range(len(floors) + 1)]

    def run(self) -> None:
        """Offers what is better than the best one known."""
        self._next(0, 0)

    def _least(self, d: int) -> int:
        """The least that a demand costs here by itself; what is missing by itself is missing."""
        left, cost = self.case.demands[d].units, 0
        for unit, i in self.ways[d]:
            units = min(left, self.case.caps[i][d])
            if self.case.shares_parts and unit >= 0:
                break
            cost, left = cost + units * unit, left - units
        return cost + (0 if self.case.shares_parts else left * MISSING)

    def _next(self, number: int, cost: int) -> None:
        total = cost + self.parcels
        if total + self.after[number] >= self.search.best:
            return
        if number == len(self.order):
            self.search.offer(total, self.takes)
            return
        self._deal(number, 0, self.case.demands[self.order[number]].units, cost)

    def _parcel(self, i: int) -> int:
        source = self.case.sources[i]
        return source.fixed + source.grid.price(self.grams[i]) if self.units[i] else 0

    def _deal(self, number: int, place: int, left: int, cost: int) -> None:
        """Takes `left` units of one demand from the sources from `place` on."""
        d = self.order[number]
        ways = self.ways[d]
        if not left or place == len(ways):
            self._next(number + 1, cost + left * MISSING)
            return
        self.search.work()
        unit, i = ways[place]
        least = ways[place + 1][0] if place + 1 < len(ways) else MISSING
        extras = self.case.sources[i].extras
        extra = extras.get(d) if extras else None
        for units in range(min(left, capacity(self.case.demands[d], self.stock[i])), -1, -1):
            if units:
                self._move(i, d, units)
            so_far = cost + units * unit + (extra[units] if extra else 0)
            if so_far + (left - units) * least + self.parcels + self.after[number + 1] < self.search.best:
                self._deal(number, place + 1, left - units, so_far)
            if units:
                self._move(i, d, -units)

    def _move(self, i: int, d: int, units: int) -> None:
        demand = self.case.demands[d]
        for part, per in demand.parts.items():
            self.stock[i][part] -= units * per
        self.grams[i] += units * demand.grams
        self.units[i] += units
        before, price = self.prices[i], self._parcel(i)
        self.prices[i] = price
        self.parcels += price - before
        if units > 0:
            self.takes[d][i] = units
        else:
            del self.takes[d][i]
