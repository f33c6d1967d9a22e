"""The cheapest plan of many orders that want the same scarce stock, proved: who gives way to whom.

Each order by itself is searched exactly (`nervure.orders.solving`). Where the plans of all fit together, they are the
joint plan. Where not, the places that cannot serve everybody get prices, and each order is searched again at these:

- A program over the ways found so far (`nervure.orders.master`) chooses one for each order and says the prices.
- At any prices, what all orders cost at least, less what the stock is worth at them, is nowhere above what a joint plan
  costs (Lagrange; the searches are exact, and the sum is in whole numbers). That is the proof.
- Orders that no scarce place connects are planned apart.

Fewest missing units come first, then the cost.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nervure.inventory.stock import Place
from nervure.orders.asking import Asked, Asking
from nervure.orders.master import Master, row_limit
from nervure.orders.solving import MAX_NODES
from nervure.orders.ways import JointOrder, Row, Way, by_location

KEPT = 0.6
"""So much of the best known prices is kept when they move towards those that the program says: less to and fro."""

SMALL = 0.2
"""A share that is not halved any more."""

FEW = 4
"""A missing unit weighs so many times the dearest parcel, as long as that is enough."""

POLISH = 3
"""So many times at most each order is searched again while the others stay."""


@dataclass(frozen=True, slots=True)
class JointPlan:
    """`ways` are in the order of the orders. No plan has fewer than `missing_bound` missing, nor, with as few, a lower
    cost than `bound`. `rounds`: how often prices were asked for.
    """

    ways: Sequence[Way]
    missing: int
    cost: int
    missing_bound: int
    bound: int
    rounds: int = 0

    @property
    def gap(self) -> int:
        """By how much a plan with as few missing units may be cheaper."""
        return max(self.cost - self.bound, 0)


@dataclass(frozen=True, slots=True)
class JointEffort:
    """Limits of work. `gap`: a plan is good enough that is above the cheapest by this share of its cost at most."""

    rounds: int = 60
    nodes: int = 5 * MAX_NODES
    gap: float = 0.001


REAL = JointEffort()


def plan_together(orders: Sequence[JointOrder], stock: Mapping[Place, int], effort: JointEffort = REAL) -> JointPlan:
    """Serves as many units as can be, at the lowest cost. How orders are served now must fit into the stock."""
    asked = [Asked(order, stock) for order in orders]
    missed = 2 * sum(one.spread() for one in asked) + 1
    ways: list[Way | None] = [None for _ in orders]
    sums = Counter[str]()
    for numbers in _groups(asked, stock):
        group = _Group([asked[number] for number in numbers], stock, missed, effort)
        for number, way in zip(numbers, group.run(), strict=True):
            ways[number] = way
        sums.update(missing_bound=group.missing_bound, bound=group.bound, rounds=group.rounds)
    found = [way for way in ways if way is not None]
    missing, cost = sum(way.missing for way in found), sum(way.cost for way in found)
    return JointPlan(found, missing, cost, sums["missing_bound"], sums["bound"], sums["rounds"])


def _groups(asked: Sequence[Asked], stock: Mapping[Place, int]) -> Iterator[list[int]]:
    """Orders that some place connects of which they may want more than there is, the first order first."""
    wants = [one.most for one in asked]
    total: Counter[Place] = Counter()
    for places in wants:
        total.update(places)
    leader = list(range(len(asked)))

    def lead(number: int) -> int:
        while leader[number] != number:
            leader[number] = number = leader[leader[number]]
        return number

    first: dict[Place, int] = {}
    for number, places in enumerate(wants):
        for place in places:
            if total[place] > stock.get(place, 0):
                one, other = sorted((lead(number), lead(first.setdefault(place, number))))
                leader[other] = one
    groups: dict[int, list[int]] = {}
    for number in range(len(asked)):
        groups.setdefault(lead(number), []).append(number)
    yield from groups.values()


class _Group:
    """Orders that are planned at once."""

    def __init__(self, asked: Sequence[Asked], stock: Mapping[Place, int], missed: int, effort: JointEffort) -> None:
        self.asked = asked
        self.stock = stock
        self.missed = missed
        self.effort = effort
        self.rounds = 0
        self.best = [one.stay or one.nothing() for one in self.asked]
        self.floors: list[tuple[int, int, int | None]] = []
        self.missing_bound = 0

    @property
    def bound(self) -> int:
        """What all plans cost at least that miss as few units as can be; some floors hold for one number of them."""
        return max(
            floor - weight * self.missing_bound
            for floor, weight, missing in self.floors
            if missing in {None, self.missing_bound}
        )

    def run(self) -> list[Way]:
        """The best ways found; the bounds are known then."""
        alone = [one.ask_first(self.missed, self.effort.nodes) for one in self.asked]
        self.floors.append((sum(answer.bound for answer in alone), self.missed, None))
        must_miss = sum(one.must_miss for one in self.asked)
        short = self._count_missing()
        self.missing_bound = max(must_miss, sum(short.values()))
        found = [answer.way for answer in alone if answer.way is not None]
        if len(found) == len(self.asked) and self._fits(found):
            self._offer(found)
        if self._is_good() or len(self.asked) == 1:
            return self.best
        self._start()
        weight = min(FEW * max(one.dearest() for one in self.asked), self.missed)
        # With all weights that are high enough the plans are the same; high ones make it hard to see small costs.
        if not self._is_good():
            self._price(weight, short if must_miss < self.missing_bound else ())
        for weighs in (weight, self.missed):
            if self._sum(self.best)[0] > self.missing_bound:
                self._price(weighs, None)
        return self.best

    def _count_missing(self) -> dict[int, int]:
        """Units of simple lines that are not there, however the stock is shared out."""
        wanted: Counter[int] = Counter()
        places: set[Place] = set()
        for one in self.asked:
            places.update(one.most)
            for demand in one.order.demands:
                if list(demand.parts.values()) == [1]:
                    wanted.update({next(iter(demand.parts)): demand.units})
        there: Counter[int] = Counter()
        for place in places:
            there[place.item_id] += max(self.stock.get(place, 0), 0)
        return {part: units - there[part] for part, units in wanted.items() if units > there[part]}

    def _price(self, weight: int, short: Collection[int] | None) -> None:
        """Asks all orders at better and better prices until none knows a better way; then chooses among the ways."""
        master = Master(len(self.asked), self.stock, missed=weight, scale=max(weight >> 7, 1))
        for number, one in enumerate(self.asked):
            one.forget_prices()
            for way in one.known:
                master.add(number, way)
        prices, best = self._find_prices(master, weight, short)
        self.floors.append((best, weight, None if short is None else self.missing_bound))
        if weight == self.missed:
            self.missing_bound = max(self.missing_bound, (best + weight // 2) // weight)
        around = Asking(by_location(prices), weight, short, self.effort.nodes // 10)
        for number, one in enumerate(self.asked):
            for way in one.ask_around(around):
                if one.know([way]):
                    master.add(number, way)
        found = master.choose()
        if found is not None and self._fits(found):
            self._offer(found)
            self._polish(self.best, range(len(self.asked)))

    def _find_prices(self, master: Master, weight: int, short: Collection[int] | None) -> tuple[Mapping[Row, int], int]:
        """The best prices found, and what all plans cost at least by them, missing units weighing what they do."""
        kept: Mapping[Row, int] = {}
        best = -(1 << 200)
        share = KEPT
        for _ in range(self.effort.rounds):
            self.rounds += 1
            value, said = master.prices()
            prices = {row: round(share * kept.get(row, 0) + (1 - share) * said.get(row, 0)) for row in {*kept, *said}}
            floor, is_new = self._ask(master, prices, Asking(by_location(prices), weight, short, self.effort.nodes))
            if floor > best:
                best, kept = floor, prices
            is_done = value - best < self.effort.gap * abs(best) / 4 or not (is_new or share)
            if is_done and not master.cut():
                break
            share = KEPT if is_new else share / 2 if share > SMALL else 0.0
        return kept, best

    def _ask(self, master: Master, prices: Mapping[Row, int], asking: Asking) -> tuple[int, bool]:
        floor = -sum(price * row_limit(self.stock, row) for row, price in prices.items())
        is_new = False
        slack = int(abs(self._sum(self.best)[1]) * self.effort.gap) // (4 * len(self.asked))
        for number, one in enumerate(self.asked):
            answer = one.ask_again(asking, slack)
            floor += answer.bound
            if answer.way is not None and one.know([answer.way]):
                is_new |= master.add(number, answer.way)
        return floor, is_new

    def _is_good(self) -> bool:
        missing, cost = self._sum(self.best)
        return missing == self.missing_bound and cost - self.bound <= self.effort.gap * abs(cost)

    def _sum(self, ways: Sequence[Way]) -> tuple[int, int]:
        return sum(way.missing for way in ways), sum(way.cost for way in ways)

    def _offer(self, ways: Sequence[Way]) -> None:
        if self._sum(ways) < self._sum(self.best):
            self.best = list(ways)

    def _fits(self, ways: Sequence[Way]) -> bool:
        return all(units <= self.stock.get(at, 0) for at, units in _uses(ways).items())

    def _start(self) -> None:
        """Some ways of sharing out: who comes first is served first, from both ends."""
        numbers = range(len(self.asked))
        before = self.best
        for turn in (numbers, reversed(numbers), sorted(numbers, key=lambda n: len(self.asked[n].most))):
            self._polish(before, list(turn))

    def _polish(self, ways: Sequence[Way], turn: Sequence[int]) -> None:
        """Searches each order again among what the others leave."""
        ways = list(ways)
        left = Counter(self.stock)
        left.subtract(_uses(ways))
        for _ in range(POLISH):
            before = self._sum(ways)
            for number in turn:
                one, way = self.asked[number], ways[number]
                if way.cost + way.missing * self.missed <= one.least:
                    continue
                left.update(way.uses)
                found = one.ask_of(left, self.missed, self.effort.nodes)
                if (found.missing, found.cost) < (way.missing, way.cost) and one.is_allowed(found):
                    ways[number] = way = found
                left.subtract(way.uses)
            if self._sum(ways) == before:
                break
        for one, way in zip(self.asked, ways, strict=True):
            one.know([way])
        self._offer(ways)


def _uses(ways: Sequence[Way]) -> Counter[Place]:
    total: Counter[Place] = Counter()
    for way in ways:
        total.update(way.uses)
    return total
