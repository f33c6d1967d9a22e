"""One order as numbers: what is demanded, what each source has of it, and what it costs there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import compress
from operator import add, ge

from nervure.inventory.availability import Parts
from nervure.orders.parcels import FREE, Grid


class OutOfWorkError(Exception):
    """The search has reached its limit."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Units of one thing: `parts` and `grams` are of one unit. No two demands have the same parts."""

    units: int
    parts: Parts
    grams: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """A location: `unit_costs` are by demand, `stock` is units of parts. `fixed` is not negative.

    `caps`: what `capacities` says of `stock`, where that is known already. `extras`: by demand, what so many units of
    it cost on top, which is not negative; where there are any.
    """

    fixed: int
    unit_costs: Sequence[int]
    stock: Mapping[int, int]
    grid: Grid = FREE
    caps: Sequence[int] | None = None
    extras: Mapping[int, Sequence[int]] | None = None


@dataclass(frozen=True)
class Case:
    """The sources that have anything, the lowest `fixed` first; all lists are by source, then by demand.

    `fixed` and `unit` hold the straight line beneath each parcel's price, and are the price itself where `is_flat`.
    `need` is what can be served of each demand by itself. `numbers` are the sources' places in the question.
    """

    demands: Sequence[Demand]
    numbers: Sequence[int]
    sources: Sequence[Source]
    fixed: Sequence[int]
    unit: Sequence[Sequence[int]]
    caps: Sequence[Sequence[int]]
    need: Sequence[int]
    missing_bound: int
    is_flat: bool
    shares_parts: bool
    is_plain: bool

    def keep(self, kept: Sequence[int]) -> "Case":
        """The same with some of its sources, in this order."""
        if kept == list(range(len(self.numbers))):
            return self
        return replace(
            self,
            numbers=[self.numbers[i] for i in kept],
            sources=[self.sources[i] for i in kept],
            fixed=[self.fixed[i] for i in kept],
            unit=[self.unit[i] for i in kept],
            caps=[self.caps[i] for i in kept],
        )

    @property
    def missing_alone(self) -> int:
        """Units that are missing of the demands, each by itself."""
        return sum(demand.units for demand in self.demands) - sum(self.need)

    @cached_property
    def everything(self) -> int:
        """One bit for each demand of which something can be served."""
        return sum(1 << d for d, need in enumerate(self.need) if need)

    @cached_property
    def masks(self) -> list[int]:
        """By source, one bit for each demand of which it has something."""
        bits = _bits(len(self.need))
        return [sum(compress(bits, caps)) for caps in self.caps]

    @cached_property
    def full(self) -> list[int]:
        """By source, one bit for each demand that it serves alone."""
        bits = _bits(len(self.need))
        return [
            sum(compress(bits, map(ge, caps, self.need))) & mask
            for caps, mask in zip(self.caps, self.masks, strict=True)
        ]

    @cached_property
    def holders(self) -> list[list[int]]:
        """By demand, the sources that have something of it."""
        numbers = range(len(self.caps))
        columns: Sequence[Sequence[int]] = list(zip(*self.caps, strict=True)) or [() for _ in self.demands]
        return [list(compress(numbers, column)) for column in columns]

    def service(self, chosen: Sequence[int]) -> tuple[int, list[int]] | None:
        """The least that all units cost from these sources, and the dearest of each demand; None: they lack some."""
        total, worst = 0, []
        for d, need in enumerate(self.need):
            left, last = need, 0
            for cost, i in sorted((self.unit[i][d], i) for i in chosen if self.caps[i][d]):
                if not left:
                    break
                units = min(left, self.caps[i][d])
                total, last, left = total + units * cost, cost, left - units
            if left:
                return None
            worst.append(last)
        return total, worst

    def cost_beneath(self, chosen: Sequence[int]) -> int:
        """The least that a set costs; more than anything where it does not serve everything."""
        found = self.service(chosen)
        return 1 << 200 if found is None else found[0] + sum(self.fixed[i] for i in chosen)

    def gains(self, chosen: Sequence[int], closed: Sequence[int]) -> tuple[int, list[tuple[int, int]]]:
        """The least that the units cost from a set that serves all, and what each open source saves at most there."""
        found = self.service(chosen)
        assert found is not None
        service, worst = found
        if self.is_plain:
            return service, [(-fixed, i) for i, fixed in enumerate(self.fixed) if not closed[i]]
        saved = [-fixed for fixed in self.fixed]
        for d, (here, dear) in enumerate(zip(self.holders, worst, strict=True)):
            for i in here:
                cost = self.unit[i][d]
                if cost < dear:
                    saved[i] += self.caps[i][d] * (dear - cost)
        return service, [(gain, i) for i, gain in enumerate(saved) if not closed[i] and i not in chosen]

    def filled_in(self, order: Sequence[int]) -> list[int]:
        """The sources used when the demands are filled in this order, each from the sources in their order."""
        left = [dict(source.stock) for source in self.sources]
        used: set[int] = set()
        for d in order:
            demand, units = self.demands[d], self.demands[d].units
            for i, stock in enumerate(left):
                taken = min(units, capacity(demand, stock))
                if taken:
                    used.add(i)
                    units -= taken
                    for part, per in demand.parts.items():
                        stock[part] -= taken * per
        return sorted(used)


def make_case(demands: Sequence[Demand], sources: Sequence[Source]) -> Case:
    """Counts what each source can do for the order."""
    grams = sum(demand.units * demand.grams for demand in demands)
    # Hundreds of sources share a few price lists, which are many numbers: each is known by its id here.
    grids = {id(source.grid): source.grid for source in sources}
    lines = {key: grid.line_beneath(grams) for key, grid in grids.items()}
    found: list[tuple[int, int, Sequence[int]]] = []
    for number, source in enumerate(sources):
        caps = source.caps or next(capacities(demands, [source.stock]))
        if any(caps):
            found.append((source.fixed + lines[id(source.grid)][0], number, caps))
    found.sort(key=lambda one: one[:2])
    kept = [sources[number] for _, number, _ in found]
    caps_of = [caps for _, _, caps in found]
    there = [sum(column) for column in zip(*caps_of, strict=True)] or [0 for _ in demands]
    need = [min(demand.units, units) for demand, units in zip(demands, there, strict=True)]
    is_flat = all(grid.is_flat(grams) for grid in grids.values())
    have_extras = any(source.extras for source in kept)
    slopes = {key: [slope * demand.grams for demand in demands] for key, (_, slope) in lines.items() if slope}
    unit = [
        list(map(add, source.unit_costs, slope)) if (slope := slopes.get(id(source.grid))) else source.unit_costs
        for source in kept
    ]
    return Case(
        demands,
        [number for _, number, _ in found],
        kept,
        [fixed for fixed, _, _ in found],
        unit,
        caps_of,
        need,
        _least_missing(demands, kept, need),
        is_flat and not have_extras,
        have_common_parts(demands),
        not any(any(costs) for costs in unit),
    )


def capacity(demand: Demand, stock: Mapping[int, int]) -> int:
    """Units of a demand that a stock makes, as far as they are asked for."""
    return max(min([demand.units, *(stock.get(part, 0) // per for part, per in demand.parts.items())]), 0)


def have_common_parts(demands: Sequence[Demand]) -> bool:
    """Whether what one demand takes may be what another one needs."""
    uses = Counter(part for demand in demands for part in demand.parts)
    return any(count > 1 for count in uses.values())


def capacities(demands: Sequence[Demand], stocks: Iterable[Mapping[int, int]]) -> Iterator[list[int]]:
    """Units of each demand that each stock makes by itself."""
    pairs = [(demand.units, *pair) for demand in demands for pair in demand.parts.items()]
    if len(pairs) > len(demands) or any(per != 1 for _, _, per in pairs):
        yield from ([capacity(demand, stock) for demand in demands] for stock in stocks)
        return
    plain = [(units, part) for units, part, _ in pairs]
    for stock in stocks:
        of = stock.get
        yield [units if (there := of(part, 0)) >= units else there if there > 0 else 0 for units, part in plain]


def cost_of(demands: Sequence[Demand], sources: Sequence[Source], takes: Sequence[Mapping[int, int]]) -> int:
    """What `takes[demand][source]` units cost, with a parcel of each source that is used."""
    used = {i for taken in takes for i in taken}
    grams = {i: sum(t.get(i, 0) * d.grams for t, d in zip(takes, demands, strict=True)) for i in used}
    parcels = sum(sources[i].fixed + sources[i].grid.price(grams[i]) for i in used)
    return parcels + sum(u * sources[i].unit_costs[d] for d, t in enumerate(takes) for i, u in t.items())


@cache
def _bits(count: int) -> list[int]:
    return [1 << number for number in range(count)]


def _least_missing(demands: Sequence[Demand], sources: Sequence[Source], need: Sequence[int]) -> int:
    """A lower bound of the missing units: each demand by itself, and the most that those lack which share one part."""
    uses = Counter(part for demand in demands for part in demand.parts)
    worst = 0
    for part in (part for part, count in uses.items() if count > 1):
        left = sum(max(source.stock.get(part, 0), 0) for source in sources)
        lost = 0
        for per, d in sorted((demand.parts[part], d) for d, demand in enumerate(demands) if part in demand.parts):
            served = min(need[d], left // per)
            left -= served * per
            lost += need[d] - served
        worst = max(worst, lost)
    return sum(demand.units for demand in demands) - sum(need) + worst
