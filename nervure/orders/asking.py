"""One order among many, asked again and again at prices of the stock: which way of serving it is the cheapest."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import NamedTuple

from nervure.inventory.stock import Place
from nervure.orders.pricing import Source, capacities
from nervure.orders.solving import solve
from nervure.orders.ways import ROOM, JointOrder, Row, Takes, Way, Worth, worth

MAX_CASES = 32
"""So many ways of leaving units out are looked at one by one."""

AROUND = 3
"""So many sources at most are left out, one at a time."""


class Answer(NamedTuple):
    """The cheapest way that was found, if it may be gone; no way costs less at the prices than `bound`."""

    way: Way | None
    bound: int
    missing_bound: int = 0


class _Case(NamedTuple):
    """The cheapest way that leaves out some units, and what all those cost and miss at least."""

    way: Way
    bound: int
    missing_bound: int


@dataclass(frozen=True, slots=True)
class Asking:
    """At which prices an order is asked, by location and item: what units are worth, and the price of that.

    `missed`: what a missing unit weighs. `short`: the parts of which units may be missing that need not be; None: all.
    """

    prices: Mapping[int, Mapping[int, Sequence[tuple[Worth, int]]]]
    missed: int
    short: Collection[int] | None
    nodes: int


class Asked:
    """An order that is asked again and again."""

    def __init__(self, order: JointOrder, stock: Mapping[Place, int]) -> None:
        self.order = order
        self.own = {order.locations[i] for taken in order.stay or () for i, units in taken.items() if units}
        self.rooms = {place.location_id for place in stock if place.item_id == ROOM} - self.own
        self.stay = None if order.stay is None else self.way(order.stay)
        self.most = self._places()
        self.known: list[Way] = []
        self._takes: list[Takes] = []
        self.must_miss = 0
        self._near: Collection[int] = ()
        self.least = 0
        self.floors = self._floors()
        self._asked: tuple[Mapping[Row, int], int] | None = None
        self.may_miss = [demand.units for demand in order.demands]
        if order.stay is not None:
            self.may_miss = [units - sum(one.values()) for units, one in zip(self.may_miss, order.stay, strict=True)]

    def way(self, takes: Takes) -> Way:
        """What it costs and uses to serve the order so."""
        order = self.order
        takes = [{i: units for i, units in taken.items() if units} for taken in takes]
        grams: Counter[int] = Counter()
        uses: Counter[Place] = Counter()
        cost, missing = 0, 0
        for d, (demand, taken) in enumerate(zip(order.demands, takes, strict=True)):
            missing += demand.units - sum(taken.values())
            for i, units in taken.items():
                grams[i] += units * demand.grams
                cost += units * order.sources[i].unit_costs[d]
                uses.update({Place(part, order.locations[i]): units * per for part, per in demand.parts.items()})
        for i, weight in grams.items():
            cost += order.sources[i].fixed + order.sources[i].grid.price(weight)
            if order.locations[i] in self.rooms:
                uses[Place(ROOM, order.locations[i])] = 1
        cost -= order.split if grams else 0
        is_new = order.stay is not None and takes != [{i: n for i, n in one.items() if n} for one in order.stay]
        return Way(takes, missing, cost + (order.change if is_new else 0), uses)

    def nothing(self) -> Way:
        """Serving nothing."""
        return self.way([{} for _ in self.order.demands])

    def _places(self) -> Counter[Place]:
        """What the order may use at most of each place."""
        most: Counter[Place] = Counter()
        for source, location in zip(self.order.sources, self.order.locations, strict=True):
            for demand in self.order.demands:
                for part, per in demand.parts.items():
                    if source.stock.get(part, 0) >= per:
                        most[Place(part, location)] += demand.units * per
            if location in self.rooms:
                most[Place(ROOM, location)] = 1
        return most

    def ask_first(self, missed: int, nodes: int) -> Answer:
        """The cheapest way if no other order were there."""
        answer = self.ask(Asking({}, missed, (), nodes))
        self.least = answer.bound
        self.must_miss = answer.missing_bound
        self.know([way for way in (answer.way, self.stay) if way is not None])
        return answer

    def _floors(self) -> list[tuple[int, int]]:
        """By source, what a way costs at least that uses it, and what another parcel costs if it lacks something."""
        order = self.order
        parcels = [source.fixed + source.grid.steps[0][1] for source in order.sources]
        low = sorted(range(len(parcels)), key=lambda i: parcels[i])[:2]
        base = self._least() - order.split
        found: list[tuple[int, int]] = []
        for i, (source, parcel) in enumerate(zip(order.sources, parcels, strict=True)):
            caps = source.caps or next(capacities(order.demands, [source.stock]))
            is_full = all(cap >= demand.units for cap, demand in zip(caps, order.demands, strict=True))
            other = next((parcels[j] for j in low if j != i), 0)
            found.append((parcel + base, 0 if is_full else other))
        return found

    def is_allowed(self, way: Way) -> bool:
        """Whether no demand misses more than it may."""
        return all(
            demand.units - sum(taken.values()) <= most
            for demand, taken, most in zip(self.order.demands, way.takes, self.may_miss, strict=True)
        )

    def know(self, ways: Sequence[Way]) -> bool:
        """Keeps ways that were found; False: they are known."""
        fresh = [way for way in ways if way.takes not in self._takes]
        self.known += fresh
        self._takes += [way.takes for way in fresh]
        return bool(fresh)

    def forget_prices(self) -> None:
        """What was asked at other weights says nothing."""
        self._asked = None

    def ask_again(self, asking: Asking, slack: int) -> Answer:
        """As `ask`; but where the prices have changed so little that no way can be better than those known by more than
        `slack`, they are what is answered.
        """
        if self._asked is not None and self._fit(asking):
            before, bound = self._asked
            now = self._relevant(asking)
            fallen = sum(
                (price - now.get(row, 0)) * worth(row[1], self.most[row[0]])
                for row, price in before.items()
                if price > now.get(row, 0)
            )
            best = min(self.priced(way, asking) for way in self._fit(asking))
            if best <= bound - fallen + slack:
                return Answer(None, min(bound - fallen, best))
        answer = self.ask(asking)
        self._asked = (self._relevant(asking), answer.bound)
        return answer

    def _relevant(self, asking: Asking) -> Mapping[Row, int]:
        """The prices at the places that were worth asking: what is elsewhere is dearer than what is known."""
        return {
            (place, said): price
            for place in self.most
            if place.location_id in self._near and place.location_id in asking.prices
            for said, price in asking.prices[place.location_id].get(place.item_id, ())
        }

    def ask(self, asking: Asking) -> Answer:
        """The cheapest way at these prices."""
        kept = self._worth_asking(asking)
        self._near = {self.order.locations[i] for i in kept}
        sources = [
            self._priced(i, asking.prices[self.order.locations[i]])
            if self.order.locations[i] in asking.prices
            else self.order.sources[i]
            for i in kept
        ]
        missable = self._missable(asking)
        cases = [range(units + 1) for units in missable]
        if prod(len(one) for one in cases) > MAX_CASES:
            cases = [range(1) for _ in missable]
            sources.append(self._nowhere(missable, asking.missed))
        answers = [self._ask_for(asking, missed, kept, sources) for missed in product(*cases)]
        best = min((answer.way for answer in answers), key=lambda way: self.priced(way, asking))
        bound = min(answer.bound for answer in answers)
        if self.stay is not None and (any(missable) or self.stay.missing <= answers[0].missing_bound):
            bound = min(bound, self.priced(self.stay, asking))
        return Answer(best if self.is_allowed(best) else None, bound, answers[0].missing_bound)

    def _nowhere(self, missable: Sequence[int], missed: int) -> Source:
        """A place that has what may be missing; of kits that share a part it may say too much, and no plan less."""
        there: Counter[int] = Counter()
        for demand, units in zip(self.order.demands, missable, strict=True):
            there.update({part: units * per for part, per in demand.parts.items()})
        return Source(0, [missed for _ in self.order.demands], there, caps=missable)

    def ask_around(self, asking: Asking) -> list[Way]:
        """Ways that are nearly as cheap: without one of the sources of the cheapest one known."""
        way = min(self.known, key=lambda one: self.priced(one, asking))
        missed = [
            demand.units - sum(taken.values()) for demand, taken in zip(self.order.demands, way.takes, strict=True)
        ]
        found: list[Way] = []
        for without in sorted({i for taken in way.takes for i in taken})[:AROUND]:
            kept = [i for i in range(len(self.order.sources)) if i != without]
            sources = [
                self._priced(i, asking.prices[self.order.locations[i]])
                if self.order.locations[i] in asking.prices
                else self.order.sources[i]
                for i in kept
            ]
            other = self._ask_for(asking, missed, kept, sources).way
            if self.is_allowed(other) and other.missing == way.missing:
                found.append(other)
        return found

    def _ask_for(
        self, asking: Asking, missed: Sequence[int], kept: Sequence[int], sources: Sequence[Source]
    ) -> "_Case":
        """The cheapest way that leaves out so many units of each demand, and what all those cost at least."""
        order, demands = self.order, self.order.demands
        if any(missed):
            demands = [replace(one, units=one.units - left) for one, left in zip(demands, missed, strict=True)]
            sources = [replace(source, caps=None) for source in sources]
        found = solve(demands, sources, max_nodes=asking.nodes)
        way = self.way([{kept[k]: n for k, n in taken.items() if k < len(kept)} for taken in found.takes])
        bound = found.bound if found.missing == found.missing_bound else self._least()
        bound -= order.split if found.missing_bound < sum(demand.units for demand in demands) else 0
        bound += order.change if order.stay is not None else 0
        missing = found.missing_bound + sum(missed)
        return _Case(way, bound + missing * asking.missed, missing)

    def _missable(self, asking: Asking) -> Sequence[int]:
        return [
            most if asking.short is None or any(part in asking.short for part in demand.parts) else 0
            for demand, most in zip(self.order.demands, self.may_miss, strict=True)
        ]

    def _fit(self, asking: Asking) -> list[Way]:
        """The ways known that do not miss more than is asked for."""
        may_miss = any(self._missable(asking))
        return [way for way in self.known if may_miss or way.missing == self.must_miss]

    def _worth_asking(self, asking: Asking) -> Sequence[int]:
        """The sources without those whose parcel alone, and one more where they lack something, costs more than a way
        that is known.
        """
        fit = self._fit(asking)
        if not fit:
            return range(len(self.order.sources))
        limit = min(self.priced(way, asking) for way in fit)
        more = asking.missed if any(self._missable(asking)) else 0 if self.must_miss else limit + 1
        return [i for i, (floor, other) in enumerate(self.floors) if floor + min(other, max(more, 0)) <= limit]

    def priced(self, way: Way, asking: Asking) -> int:
        """What a way costs at these prices, with what it misses."""
        paid = sum(
            worth(said, units) * price
            for at, units in way.uses.items()
            for said, price in asking.prices.get(at.location_id, {}).get(at.item_id, ())
        )
        return way.missing * asking.missed + way.cost + paid

    def ask_of(self, left: Mapping[Place, int], missed: int, nodes: int) -> Way:
        """The cheapest way from what others have left."""
        first = self.known[0]
        if first.cost + first.missing * missed <= self.least and all(
            units <= left[at] for at, units in first.uses.items()
        ):
            return first
        sources = [
            replace(source, stock=self._left(location, left), caps=None)
            for source, location in zip(self.order.sources, self.order.locations, strict=True)
        ]
        return self.way(solve(self.order.demands, sources, max_nodes=nodes).takes)

    def _left(self, location: int, left: Mapping[Place, int]) -> Mapping[int, int]:
        if location in self.rooms and left.get(Place(ROOM, location), 0) < 1:
            return {}
        return {part: left.get(Place(part, location), 0) for demand in self.order.demands for part in demand.parts}

    def _priced(self, i: int, prices: Mapping[int, Sequence[tuple[Worth, int]]]) -> Source:
        source = self.order.sources[i]
        unit = list(source.unit_costs)
        extras: dict[int, list[int]] = {}
        for d, demand in enumerate(self.order.demands):
            for part, per in demand.parts.items():
                if part not in prices:
                    continue
                # Kits that share a part may pay less than both together would: what is proved stays true.
                paid = [
                    sum(worth(said, n * per) * price for said, price in prices[part]) for n in range(demand.units + 1)
                ]
                slope = min(price // n for n, price in enumerate(paid) if n)
                unit[d] += slope
                more = [price - n * slope for n, price in enumerate(paid)]
                if any(more):
                    extras[d] = [a + b for a, b in zip(more, extras.get(d, [0] * len(more)), strict=True)]
        room = sum(price for _, price in prices.get(ROOM, ())) if self.order.locations[i] in self.rooms else 0
        return Source(source.fixed + room, unit, source.stock, source.grid, source.caps, extras or None)

    def _least(self) -> int:
        """Below what any way costs, at no prices or others."""
        return sum(
            demand.units * min([0, *(source.unit_costs[d] for source in self.order.sources)])
            for d, demand in enumerate(self.order.demands)
        )

    def dearest(self) -> int:
        """What one unit costs at most, in a parcel of its own."""
        return max(
            (
                source.fixed + source.grid.price(demand.grams) + abs(source.unit_costs[d])
                for source in self.order.sources
                for d, demand in enumerate(self.order.demands)
            ),
            default=0,
        )

    def spread(self) -> int:
        """By how much one way may be dearer than another at most."""
        return sum(demand.units for demand in self.order.demands) * self.dearest() + self.order.change - self._least()
