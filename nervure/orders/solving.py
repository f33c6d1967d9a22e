"""The cheapest way to serve one order, proved: which sources, and how many units of each demand from which.

A source that is used costs one parcel: `fixed`, and a price that grows in steps with the weight. A unit costs what it
costs there. Fewest missing units come first, then the cost; costs are whole numbers of any one unit.

Sets of sources are searched depth first. A set is left as soon as no set that contains it can be cheaper than the best
one known. What cannot be cheaper is proved by these lower bounds, in which a parcel's price is a straight line beneath
the real one:

- Let a unit of each demand be worth some price. Then a set costs at least what the units are worth, and what each of
  its sources costs beyond what it gets for its units (`nervure.orders.duals`). This holds at any prices: at middling
  ones, and at the highest ones that leave no source a profit.
- A demand that lacks units needs at least so many more sources, and each demand that lacks some needs a source of it.
- Adding sources to a set that serves everything saves at most the sum of what each would save alone: cheaper units
  replace dearer ones, and they can be replaced once.

If the search reaches its limit of work it stops, and the solution says how far it may be from the cheapest one.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, islice, permutations
from operator import add

from nervure.orders.assignment import MISSING, Assignment, split_total, take_each
from nervure.orders.duals import Prices, lowest_prices, middling_prices, price_units
from nervure.orders.pricing import Case, Demand, OutOfWorkError, Source, make_case

MAX_NODES = 10_000
"""Steps of the search, each of a few microseconds."""

SOURCES_A_STEP = 2
"""Asking what so many sources would save takes about as long as a step."""

FIRST_FILLS = 2_000
"""Where kits share parts, so many times a source is asked for units of a demand in looking for a first solution."""

MAX_DOMINATING = 24
"""Each source is compared with so many cheaper ones that may take its place."""

FIRST_SINGLES = 8
"""So many single sources that have everything are tried for a first solution."""

_INFINITE = 1 << 200


@dataclass(frozen=True, slots=True)
class Solution:
    """`takes[demand][source]` units. No solution has fewer than `missing_bound` missing, nor, with as few, a lower
    cost than `bound`: where both are reached, it is proved.
    """

    takes: Sequence[Mapping[int, int]]
    missing: int
    cost: int
    missing_bound: int
    bound: int
    nodes: int

    @property
    def is_proved(self) -> bool:
        return (self.missing, self.cost) == (self.missing_bound, self.bound)


def solve(demands: Sequence[Demand], sources: Sequence[Source], *, max_nodes: int = MAX_NODES) -> Solution:
    """Serves as many units as can be, at the lowest cost."""
    case = make_case(demands, sources)
    if not case.everything:
        return Solution([{} for _ in demands], case.missing_bound, 0, case.missing_bound, 0, 0)
    return _Search(case, max_nodes).run()


class _Search:
    """One search over the sources of a case, which are in the order of their fixed costs."""

    def __init__(self, case: Case, max_nodes: int) -> None:
        self.max_nodes = max_nodes
        self.nodes = 0
        self.may_miss = False
        self.best = _INFINITE
        self.takes: list[dict[int, int]] = []
        self._look_at(case)

    def _look_at(self, case: Case, prices: Prices | None = None) -> None:
        """Goes on with these sources, in the order of what is left over there at middling prices of units."""
        middling = lowest_prices(case) if self.may_miss else middling_prices(case)
        slack = prices.slack if prices else [0] * len(case.fixed)
        order = sorted(range(len(case.fixed)), key=lambda i: (middling.slack[i], i))
        self.case = case.keep(order)
        self.weight = [max(middling.slack[i], 0) for i in order]
        self.base = middling.worth + sum(min(one, 0) for one in middling.slack)
        self.worth = prices.worth if prices else -_INFINITE
        self.slack = [slack[i] for i in order]
        self.closed = bytearray(len(order))
        self.covers: dict[int, int] = {0: 0}
        self.fronts = _fronts(zip(self.case.masks, self.weight, strict=True))
        self.most = [max((self.case.caps[i][d] for i in here), default=0) for d, here in enumerate(self.case.holders)]

    def run(self) -> Solution:
        with suppress(OutOfWorkError):
            self._start()
        missing = split_total(self.best)[0]
        least = self.case.missing_bound * MISSING
        if missing > self.case.missing_alone:
            self.may_miss = True
            self._look_at(self.case)
        bound = least + self.base + (0 if self.may_miss else self._cover(self.case.everything))
        try:
            if bound < self.best and not self.may_miss:
                bound = max(bound, least + self._reduce())
            if bound < self.best:
                self._extend([], 0, 0, [0 for _ in self.case.demands])
            bound = self.best
        except OutOfWorkError:
            bound = min(bound, self.best)
        return Solution(self.takes, *split_total(self.best), *split_total(bound), self.nodes)

    # -- before the search -------------------------------------------------------------------------------------

    def _start(self) -> None:
        """A good first solution: the best single source, and a greedy cover, as far as that can be bettered."""
        case = self.case
        singles = (i for i, full in enumerate(case.full) if full == case.everything)
        tried = [*([i] for i in islice(singles, FIRST_SINGLES)), self._greedy()]
        for chosen in tried:
            self._take(chosen)
        if case.shares_parts and split_total(self.best)[0] > case.missing_bound:
            tries = max(FIRST_FILLS // (len(case.fixed) * len(case.demands)), 1)
            for order in islice(permutations(range(len(case.demands))), tries):
                self._take(case.filled_in(order))
                if split_total(self.best)[0] == case.missing_bound:
                    break
        elif not case.is_plain:
            for chosen in (min(tried, key=case.cost_beneath), tried[-1]):
                self._better(chosen)

    def _greedy(self) -> list[int]:
        """Adds the source with the lowest cost for each unit that is still lacking."""
        case = self.case
        lack = list(case.need)
        chosen: list[int] = []
        while any(lack):
            best, best_i = None, -1
            for i, caps in enumerate(case.caps):
                units = sum(map(min, caps, lack))
                if units and i not in chosen and (best is None or case.fixed[i] * best[1] < best[0] * units):
                    best, best_i = (case.fixed[i], units), i
            chosen.append(best_i)
            lack = [max(left - cap, 0) for left, cap in zip(lack, case.caps[best_i], strict=True)]
        return sorted(chosen)

    def _better(self, chosen: list[int]) -> None:
        """Adds the source that saves most, and drops what is not needed any more, as long as that makes it cheaper."""
        case = self.case
        cost = case.cost_beneath(chosen)
        while True:
            _, gains = case.gains(chosen, self.closed)
            tries = [[*chosen, i] for gain, i in sorted(gains, reverse=True)[:3] if gain > 0]
            tries += [[k for k in one if k != i] for one in [chosen, *tries] for i in one[:12] if len(one) > 1]
            found = min(((case.cost_beneath(one), one) for one in tries), default=(cost, chosen))
            if found[0] >= cost:
                break
            cost, chosen = found
        self._take(chosen)

    def _reduce(self) -> int:
        """Leaves out the sources that no better solution uses; answers a lower bound of the cost."""
        case = self.case
        least = case.missing_bound * MISSING
        floor = least + self.base
        kept = [
            i
            for i, (weight, mask) in enumerate(zip(self.weight, case.masks, strict=True))
            if floor + weight < self.best and floor + weight + self._cover(case.everything & ~mask) < self.best
        ]
        case = case.keep(kept)
        if case.is_flat and not case.shares_parts:
            case = case.keep(_undominated(case))
        if not all(here for need, here in zip(case.need, case.holders, strict=True) if need):
            return self.best - least
        prices = price_units(case)
        kept = [i for i, slack in enumerate(prices.slack) if least + prices.worth + slack < self.best]
        self._look_at(case.keep(kept), Prices(prices.worth, [prices.slack[i] for i in kept]))
        return prices.worth

    # -- the search --------------------------------------------------------------------------------------------

    def work(self, steps: int = 1) -> None:
        """Counts steps.

        Raises:
            OutOfWorkError: there were too many, and there is a solution.
        """
        self.nodes += steps
        if self.nodes > self.max_nodes and self.best < _INFINITE:
            raise OutOfWorkError

    def _extend(self, chosen: list[int], weight: int, slack: int, have: list[int]) -> None:
        """Looks at every set that contains `chosen` and no closed source."""
        self.work()
        lacking = [d for d, need in enumerate(self.case.need) if have[d] < need]
        if lacking and not self.may_miss:
            self._serve(chosen, weight, slack, have, lacking)
            return
        self._take(chosen)
        more = self._open() if self.may_miss else self._worthwhile(chosen, weight)
        floor, priced = self._floor(weight, slack)
        for i in more:
            if floor + self.weight[i] < self.best and priced + self.slack[i] < self.best:
                self._down(chosen, weight, slack, have, i)
            self.closed[i] = 1
        for i in more:
            self.closed[i] = 0

    def _open(self) -> list[int]:
        return [i for i in range(len(self.case.fixed)) if not self.closed[i]]

    def _serve(self, chosen: list[int], weight: int, slack: int, have: list[int], lacking: list[int]) -> None:
        """The demand that is hardest to serve is served by some source of those that have it: branches over these."""
        case, most = self.case, self.most
        if not all(most[d] for d in lacking):
            return
        parcels, _, d = max((-((have[d] - case.need[d]) // most[d]), -len(case.holders[d]), d) for d in lacking)
        opens = [i for i in case.holders[d] if not self.closed[i]]
        if sum(case.caps[i][d] for i in opens) < case.need[d] - have[d]:
            return
        sums = [0, *accumulate(self.weight[i] for i in opens)]
        floor, priced = self._floor(weight, slack)
        mask = sum(1 << d for d in lacking)
        done = 0
        for i in opens:
            if done + parcels > len(opens) or floor + sums[done + parcels] - sums[done] >= self.best:
                break
            done += 1
            self.closed[i] = 1
            if priced + self.slack[i] >= self.best:
                continue
            rest = mask & ~case.full[i]
            if rest & case.masks[i]:
                rest = sum(1 << d for d in lacking if have[d] + case.caps[i][d] < case.need[d])
            if floor + self.weight[i] + self._cover(rest) < self.best:
                self._down(chosen, weight, slack, have, i)
        for i in opens[:done]:
            self.closed[i] = 0
        self.work(done)

    def _floor(self, weight: int, slack: int) -> tuple[int, int]:
        """What a set costs at least, at middling prices of units and at the highest ones."""
        least = self.case.missing_bound * MISSING
        return least + self.base + weight, least + self.worth + slack

    def _down(self, chosen: list[int], weight: int, slack: int, have: list[int], i: int) -> None:
        self.closed[i] = 1
        caps = self.case.caps[i]
        self._extend([*chosen, i], weight + self.weight[i], slack + self.slack[i], list(map(add, have, caps)))

    def _worthwhile(self, chosen: list[int], weight: int) -> list[int]:
        """Sources that may still make a set cheaper that serves everything.

        Where prices do not grow with the weight, a source that saves nothing now saves nothing later.
        """
        case = self.case
        floor = self._floor(weight, 0)[0]
        if floor + self.weight[0] >= self.best:
            return []
        floor = case.missing_bound * MISSING + sum(case.fixed[i] for i in chosen)
        self.work(len(case.fixed) // SOURCES_A_STEP)
        service, gains = case.gains(chosen, self.closed)
        hope = sum(gain for gain, _ in gains if gain > 0)
        is_settled = case.is_flat and not case.shares_parts
        return [
            i for gain, i in gains if floor + service - hope - min(gain, 0) < self.best and (gain > 0 or not is_settled)
        ]

    def _cover(self, mask: int) -> int:
        """The least that sources cost which serve something of each of these demands."""
        found = self.covers.get(mask)
        if found is None:
            case = self.case
            single = next((weight for front, weight in self.fronts if not mask & ~front), _INFINITE)
            firsts = [case.holders[d] for d in range(len(case.need)) if mask >> d & 1]
            dearest = max(self.weight[here[0]] if here else _INFINITE for here in firsts)
            found = self.covers[mask] = min(single, dearest + self.weight[0])
        return found

    def _take(self, chosen: Sequence[int]) -> None:
        """Takes the units from these sources in the cheapest way, and keeps that if it is the best one known."""
        if self.case.is_flat and not self.case.shares_parts:
            self.offer(*take_each(self.case, chosen))
        elif self.case.shares_parts or self.case.missing_bound * MISSING + self.case.cost_beneath(chosen) < self.best:
            # What uses only some of these sources is found in the sets without the others.
            Assignment(self.case, chosen, self).run()

    def offer(self, cost: int, takes: Sequence[Mapping[int, int]]) -> None:
        """Keeps a solution if it is the best one known."""
        if cost < self.best:
            self.best = cost
            self.takes = [{self.case.numbers[i]: units for i, units in taken.items()} for taken in takes]


def _fronts(sources: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of (mask, weight), the lightest first, those that have something that no lighter one has."""
    fronts: list[tuple[int, int]] = []
    for mask, weight in sources:
        for front, _ in fronts:
            if not mask & ~front:
                break
        else:
            fronts.append((mask, weight))
    return fronts


def _undominated(case: Case) -> list[int]:
    """Leaves out sources of which another one can always take all: it has enough of everything, nowhere dearer.

    Whatever a plan takes there it can take from the other one instead, also on top of what that gives already.
    """
    kept: list[int] = []
    strong: list[tuple[int, Sequence[int]]] = []
    for i, mask in enumerate(case.masks):
        unit = case.unit[i]
        for full, theirs in strong:
            if not mask & ~full and (
                case.is_plain or all(theirs[d] <= unit[d] for d in range(len(unit)) if mask >> d & 1)
            ):
                break
        else:
            kept.append(i)
            if case.full[i] and len(strong) < MAX_DOMINATING:
                strong.append((case.full[i], unit))
    return kept
