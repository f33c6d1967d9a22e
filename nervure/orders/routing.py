"""From where an order is served: rules filter, costs rank, and the plan says why.

The plan is the cheapest one at the merchant's costs, proved (`nervure.orders.solving`). The stock handed in is what
stands there under lock, so a plan can be claimed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from operator import mul
from typing import Any

from nervure.inventory.availability import Parts
from nervure.inventory.stock import Place
from nervure.orders.contracts import keep_to
from nervure.orders.costs import AS_EVER, PLAIN_TERMS, Costs, Terms, euros
from nervure.orders.parcels import Grid
from nervure.orders.pricing import Demand, Source, capacities, capacity, cost_of, have_common_parts
from nervure.orders.solving import MAX_NODES, Solution, solve
from schemas.base import counted
from schemas.routing import RoutingMethod

TIE = 1 << 20
"""A millionth of a euro is so many points: among equal costs the merchant's order decides, a rank being a point."""


MAX_BILLED = 50
"""A bill is kept with its order: so many locations are on it, those that are used and the cheapest others."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A location that may serve the order. `distance_km` None: it, or the destination, lies nobody knows where.

    `must_accept`: a store that has a time within which it accepts what it is offered. `if_needed`: one that is out, and
    serves on these terms what nobody else has.
    """

    location_id: int
    code: str
    is_supplier: bool
    rank: int
    distance_km: float | None
    terms: Terms = PLAIN_TERMS
    must_accept: bool = False
    if_needed: Terms | None = None

    def parcel_costs(self, costs: Costs) -> dict[str, int]:
        """What a parcel from here costs whatever is in it, in micros, by its reason; without the price by weight."""
        km = costs.unknown_km if self.distance_km is None else self.distance_km
        return {
            "distance": round(km * costs.per_km),
            "supplier": costs.supplier if self.is_supplier else 0,
            "handling": self.terms.handling,
            "lateness": self.terms.days_late * costs.late_day,
        }

    def unit_cost(self, parts: Parts) -> int:
        """What one unit made of these parts costs here, in micros: the risk, less what selling it here saves."""
        risk, reliefs = self.terms.not_found, self.terms.reliefs
        return sum((risk - reliefs.get(part, 0)) * per for part, per in parts.items())


@dataclass(frozen=True, slots=True)
class Wanted:
    """Units of one order line that need a place. `grams` is of one unit; 0: nobody knows."""

    line_id: int
    units: int
    parts: Parts
    grams: int = 0


@dataclass(frozen=True, slots=True)
class Pick:
    """`units` of a line from a location."""

    line_id: int
    location_id: int
    units: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each unit comes from; `missing` units of a line come from nowhere. `reasons` explain it for people.

    `cost` is in micros. No plan is cheaper by more than `gap` micros or has fewer missing units by more than
    `missing_gap`; both are 0 where the plan is proved. `bill`: the same in euros for people, where the merchant
    has said what things cost. `scarcity`: what the units taken are worth to later orders, in micros; nobody pays it,
    and it is no part of `cost`, but `gap` is of both together.
    """

    picks: tuple[Pick, ...]
    missing: Mapping[int, int]
    reasons: Mapping[str, str] = field(default_factory=dict)
    bill: Mapping[str, Any] = field(default_factory=dict)
    cost: int = 0
    gap: int = 0
    missing_gap: int = 0
    scarcity: int = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done for a plan. `nodes`: steps of the search. `explains`: with reasons and a bill, for people."""

    nodes: int = MAX_NODES
    explains: bool = True


OF_AN_ORDER = Effort()


def route(
    wanted: Sequence[Wanted],
    candidates: Sequence[Candidate],
    claimable: Mapping[Place, int],
    *,
    may_split: bool = True,
    costs: Costs = AS_EVER,
    prices: Mapping[Place, int] | None = None,
    effort: Effort = OF_AN_ORDER,
) -> Plan:
    """Chooses the locations of one order.

    `prices`: what a unit is worth to later orders at a place, in micros (`nervure.orders.scarcity`); they weigh in the
    choice by cost, and are not paid.
    """
    ranked = sorted((one for one in candidates if one.terms.dropped is None), key=by_preference(costs))
    question = OrderQuestion(wanted, ranked if may_split else ranked[:1], claimable, costs, prices or {})

    def choose(sources: Sequence[Source]) -> Solution:
        if costs.method is RoutingMethod.COST:
            return solve(question.demands, sources, max_nodes=effort.nodes)
        return question.one_after_the_other(sources)

    limits = {i: one.terms.limits for i, one in enumerate(question.ranked) if one.terms.limits is not None}
    solution, left_out = keep_to(limits, question.demands, question.sources, choose)
    plan = question.answer(solution)
    if not effort.explains:
        return plan
    out = {question.ranked[i].code: why for i, why in left_out.items()}
    return question.explained(plan, solution, dropped(candidates) | out)


def dropped(candidates: Sequence[Candidate]) -> dict[str, str]:
    """By the code of a location that is out, the rule by which it is."""
    return {one.code: one.terms.dropped for one in candidates if one.terms.dropped is not None}


def by_preference(costs: Costs) -> Callable[[Candidate], tuple[float, int]]:
    """By what locations are ranked before it is known what each must send."""

    def by_cost(one: Candidate) -> tuple[float, int]:
        return sum(one.parcel_costs(costs).values()) + one.terms.shipping.steps[0][1], one.rank

    def by_rank(one: Candidate) -> tuple[float, int]:
        return 0.0, one.rank

    def by_distance(one: Candidate) -> tuple[float, int]:
        return float(costs.unknown_km) if one.distance_km is None else one.distance_km, one.rank

    return {
        RoutingMethod.COST: by_cost,
        RoutingMethod.PRIORITY: by_rank,
        RoutingMethod.DISTANCE: by_distance,
    }[costs.method]


class OrderQuestion:
    """One order as demands and sources: lines of the same thing are one demand, dealt out in their order."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        ranked: Sequence[Candidate],
        claimable: Mapping[Place, int],
        costs: Costs,
        prices: Mapping[Place, int],
    ) -> None:
        self.wanted = wanted
        self.ranked = ranked
        self.costs = costs
        self.lines: dict[tuple[tuple[int, int], ...], list[Wanted]] = {}
        for line in wanted:
            self.lines.setdefault(tuple(sorted(line.parts.items())), []).append(line)
        # However its lines are ordered, a basket has one plan: a cart's is its order's.
        self.lines = dict(sorted(self.lines.items()))
        self.demands = [
            Demand(sum(line.units for line in lines), lines[0].parts, lines[0].grams) for lines in self.lines.values()
        ]
        self.grams = [demand.grams for demand in self.demands]
        self.part_counts = [sum(demand.parts.values()) for demand in self.demands]
        pairs = [pair for demand in self.demands for pair in demand.parts.items()]
        self.singles = pairs if len(pairs) == len(self.demands) else None
        self.shares_parts = have_common_parts(self.demands)
        self.scarcity = self._scarcity(prices) if prices and costs.method is RoutingMethod.COST else None
        shelves: dict[int, dict[int, int]] = {one.location_id: {} for one in ranked}
        for place, units in claimable.items():
            if place.location_id in shelves:
                shelves[place.location_id][place.item_id] = units
        stocks = [one.terms.left_of(shelves[one.location_id]) for one in ranked]
        self.sources = [
            Source(
                (sum(one.parcel_costs(costs).values()) + costs.split) * TIE + number,
                self._unit_costs(one, number),
                stock,
                _scaled(one.terms.shipping),
                caps,
            )
            for number, (one, stock, caps) in enumerate(
                zip(ranked, stocks, capacities(self.demands, stocks), strict=True)
            )
        ]

    def _scarcity(self, prices: Mapping[Place, int]) -> list[list[int]]:
        """By location and demand, what a unit is worth to later orders."""
        return [
            [
                sum(prices.get(Place(part, one.location_id), 0) * per for part, per in demand.parts.items())
                for demand in self.demands
            ]
            for one in self.ranked
        ]

    def _worth(self, number: int, units: Sequence[int]) -> int:
        """What these units from a location are worth to later orders, in micros."""
        return sum(map(mul, units, self.scarcity[number])) if self.scarcity else 0

    def _unit_costs(self, one: Candidate, number: int) -> list[int]:
        real = self._real_unit_costs(one)
        if not self.scarcity:
            return real
        return [cost + worth * TIE for cost, worth in zip(real, self.scarcity[number], strict=True)]

    def _real_unit_costs(self, one: Candidate) -> list[int]:
        risk, reliefs = one.terms.not_found * TIE, one.terms.reliefs
        if not reliefs:
            return [risk * count for count in self.part_counts]
        if self.singles is None:
            return [one.unit_cost(demand.parts) * TIE for demand in self.demands]
        return [(risk - reliefs.get(part, 0) * TIE) * per for part, per in self.singles]

    def one_after_the_other(self, sources: Sequence[Source]) -> Solution:
        """Takes from each location in turn all that it has: the source selections of the field."""
        left = [dict(source.stock) for source in sources]
        takes: list[dict[int, int]] = []
        missing = 0
        for demand in self.demands:
            units, taken = demand.units, {}
            for i, stock in enumerate(left):
                there = min(units, capacity(demand, stock))
                if there:
                    taken[i] = there
                    units -= there
                    for part, per in demand.parts.items():
                        stock[part] -= there * per
            takes.append(taken)
            missing += units
        cost = cost_of(self.demands, sources, takes)
        return Solution(takes, missing, cost, missing, cost, 0)

    def cost(self, takes: Sequence[Mapping[int, int]]) -> int:
        """What it costs to take these units by demand and source, with a split for every parcel."""
        return cost_of(self.demands, self.sources, takes)

    def worth(self, takes: Sequence[Mapping[int, int]]) -> int:
        """What the units taken, by demand and source, are worth to later orders, in micros."""
        used = {i for taken in takes for i in taken} if self.scarcity else set()
        return sum(self._worth(i, [taken.get(i, 0) for taken in takes]) for i in used)

    def answer(self, solution: Solution) -> Plan:
        """The plan in the words of the order, without explanations."""
        picks: list[Pick] = []
        missing: dict[int, int] = {}
        for lines, demand, taken in zip(self.lines.values(), range(len(self.demands)), solution.takes, strict=True):
            piles = [(i, taken[i]) for i in sorted(taken, key=lambda i: (self.sources[i].unit_costs[demand], i))]
            for line in lines:
                units = line.units
                while units and piles:
                    i, there = piles.pop(0)
                    picks.append(Pick(line.line_id, self.ranked[i].location_id, min(units, there)))
                    if there > units:
                        piles.insert(0, (i, there - units))
                    units -= min(units, there)
                if units:
                    missing[line.line_id] = units
        place = {line.line_id: number for number, line in enumerate(self.wanted)}
        picks.sort(key=lambda pick: place[pick.line_id])
        split = self.costs.split if picks else 0
        worth = self.worth(solution.takes)
        return Plan(
            tuple(picks),
            missing,
            cost=solution.cost // TIE - split - worth,
            gap=-(-(solution.cost - solution.bound) // TIE) if self._is_as_full(solution) else 0,
            missing_gap=solution.missing - solution.missing_bound,
            scarcity=worth,
        )

    def explained(self, plan: Plan, solution: Solution, dropped: Mapping[str, str]) -> Plan:
        """The same plan, with what people are told of it. `dropped`: by location, the rule by which it is out."""
        used = {pick.location_id for pick in plan.picks}
        bill = self._bill(solution, plan, dropped) if self.costs != AS_EVER else {}
        return replace(plan, reasons=self._reasons(used, dropped), bill=bill)

    def _reasons(self, used: set[int], dropped: Mapping[str, str]) -> dict[str, str]:
        total = sum(demand.units for demand in self.demands)
        reasons: dict[str, str] = {}
        for one, source in zip(self.ranked, self.sources, strict=True):
            lacks = total - self._has(source)
            has = f"lacks {lacks} of {counted(total, 'unit')}" if lacks else "has all of it"
            verdict = "chosen" if one.location_id in used else "not chosen"
            distance = "distance unknown" if one.distance_km is None else f"{one.distance_km:.0f} km"
            rules = one.terms.barred and sorted(set(one.terms.barred.values()))
            barred = "".join(f", {rule}" for rule in rules)
            reasons[one.code] = f"{verdict}: {has}, {distance}{', supplier' if one.is_supplier else ''}{barred}"
        return reasons | {code: f"dropped: {rule}" for code, rule in dropped.items()}

    def _bill(self, solution: Solution, plan: Plan, dropped: Mapping[str, str]) -> dict[str, Any]:
        """What the plan costs, and what each location costs or would cost, the cheapest first, scarcity counted."""
        used, worth = {pick.location_id for pick in plan.picks}, plan.scarcity
        rows: list[tuple[bool, bool, int, int, list[int]]] = []
        total = sum(demand.units for demand in self.demands)
        for i, (one, source) in enumerate(zip(self.ranked, self.sources, strict=True)):
            is_used = one.location_id in used
            units = [taken.get(i, 0) for taken in solution.takes] if is_used else list(source.caps or ())
            if any(units) and one.code not in dropped:
                lacks = sum(units) < total or (not is_used and self.shares_parts and self._has(source) < total)
                rows.append((not is_used, lacks, self._alone(source, units), i, units))
        rows.sort()
        billed = {
            self.ranked[i].code: {"is_chosen": not outranked, "has_all": not lacks, **self._billed(i, units)}
            for outranked, lacks, _, i, units in rows[:MAX_BILLED]
        }
        split = self.costs.split if used else 0
        fewer = solution.missing - solution.missing_bound
        return {
            "method": self.costs.method.value,
            "cost": euros(solution.cost // TIE - split - worth),
            **({"scarcity": euros(worth)} if self.scarcity else {}),
            "split": euros(self.costs.split * max(len(used) - 1, 0)),
            "gap": euros(-(-(solution.cost - solution.bound) // TIE) if self._is_as_full(solution) else 0),
            "is_proved": self.costs.method is RoutingMethod.COST and solution.is_proved,
            **({"missing_gap": fewer} if fewer else {}),
            "locations": billed,
        }

    def _alone(self, source: Source, units: Sequence[int]) -> int:
        """What these units cost from one source, with its parcel."""
        grams = sum(map(mul, units, self.grams))
        cost: int = source.fixed + sum(map(mul, units, source.unit_costs))
        return cost + source.grid.price(grams)

    def _billed(self, i: int, units: Sequence[int]) -> dict[str, Any]:
        one, source = self.ranked[i], self.sources[i]
        grams = sum(map(mul, units, self.grams))
        parts = one.parcel_costs(self.costs) | {
            "shipping": one.terms.shipping.price(grams),
            "risk and relief": sum(map(mul, units, source.unit_costs)) // TIE - self._worth(i, units),
        }
        shown = {name: euros(amount) for name, amount in parts.items() if amount}
        scarcity = {"scarcity": euros(self._worth(i, units))} if self.scarcity else {}
        return {"units": sum(units), "total": euros(sum(parts.values())), **scarcity, "costs": shown}

    def _is_as_full(self, solution: Solution) -> bool:
        return solution.missing == solution.missing_bound

    def _has(self, source: Source) -> int:
        """Units of the order that a location can give by itself."""
        if not self.shares_parts:
            return sum(source.caps or ())
        left = dict(source.stock)
        total = 0
        for demand in self.demands:
            units = capacity(demand, left)
            total += units
            for part, per in demand.parts.items():
                left[part] = left.get(part, 0) - units * per
        return total


@lru_cache(maxsize=4096)
def _scaled(grid: Grid) -> Grid:
    return Grid(tuple((grams, price * TIE) for grams, price in grid.steps))
