"""A period played again: its orders one by one, by any rule, from the stock that lay there when it began."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nervure.inventory.stock import Place
from nervure.orders.costs import Costs
from nervure.orders.routing import Candidate, Pick, Plan, Wanted, route

Prices = Mapping[Place, int]
Pricing = Callable[[datetime, Mapping[Place, int]], Prices]
"""What units are worth at a time, by what lies where then."""


@dataclass(frozen=True, slots=True)
class ReplayedOrder:
    """An order as it came, with the locations that could have served it."""

    at: datetime
    wanted: Sequence[Wanted]
    candidates: Sequence[Candidate]
    may_split: bool = True


@dataclass(frozen=True, slots=True)
class Arrival:
    """Units that came in."""

    at: datetime
    place: Place
    units: int


@dataclass(frozen=True, slots=True)
class Period:
    """Orders and arrivals in the order of their times; `stock` is what lay there before."""

    orders: Sequence[ReplayedOrder]
    stock: Mapping[Place, int]
    costs: Costs
    arrivals: Sequence[Arrival] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """What plans came to. Amounts are micros; `charges` by reason, together the cost.

    `late_days` and `km` are of all parcels; `splits` are parcels after the first of an order.
    """

    charges: Mapping[str, int]
    parcels: int = 0
    splits: int = 0
    late_days: int = 0
    km: float = 0.0
    missing: int = 0

    @property
    def cost(self) -> int:
        return sum(self.charges.values())


@dataclass(slots=True)
class _Shelves:
    """What lies where as the period goes on."""

    units: dict[Place, int]
    arrivals: list[Arrival] = field(default_factory=list)

    def advance(self, to: datetime) -> None:
        while self.arrivals and self.arrivals[0].at <= to:
            one = self.arrivals.pop(0)
            self.units[one.place] = self.units.get(one.place, 0) + one.units


def replay(period: Period, costs: Costs, pricing: Pricing | None = None) -> list[Plan]:
    """Plans each order from what the orders before it have left."""
    shelves = _Shelves(dict(period.stock), list(period.arrivals))
    plans = []
    for one in period.orders:
        shelves.advance(one.at)
        there = {
            place: shelves.units.get(place, 0)
            for place in {Place(p, c.location_id) for line in one.wanted for p in line.parts for c in one.candidates}
        }
        prices = pricing(one.at, shelves.units) if pricing else None
        plan = route(one.wanted, one.candidates, there, may_split=one.may_split, costs=costs, prices=prices)
        parts = {line.line_id: line.parts for line in one.wanted}
        for pick in plan.picks:
            for part, per in parts[pick.line_id].items():
                shelves.units[Place(part, pick.location_id)] -= pick.units * per
        plans.append(plan)
    return plans


def tally(period: Period, picked: Sequence[Sequence[Pick]]) -> Tally:
    """Adds up what each order's picks cost at the period's costs."""
    charges: Counter[str] = Counter()
    parcels = splits = late_days = missing = 0
    km = 0.0
    for asked, picks in zip(period.orders, picked, strict=True):
        used = {one.location_id: one for one in asked.candidates}
        inside: dict[int, list[Pick]] = defaultdict(list)
        for pick in picks:
            inside[pick.location_id].append(pick)
        charges.update(order_charges(asked, picks, period.costs))
        parcels += len(inside)
        splits += max(len(inside) - 1, 0)
        late_days += sum(used[location].terms.days_late for location in inside)
        km += sum(used[location].distance_km or 0.0 for location in inside)
        missing += sum(line.units for line in asked.wanted) - sum(pick.units for pick in picks)
    return Tally(charges, parcels, splits, late_days, km, missing)


def order_charges(asked: ReplayedOrder, picks: Sequence[Pick], costs: Costs) -> Counter[str]:
    """What one order's picks cost, in micros, by reason."""
    lines = {line.line_id: line for line in asked.wanted}
    known = {one.location_id: one for one in asked.candidates}
    inside: dict[int, list[Pick]] = defaultdict(list)
    for pick in picks:
        inside[pick.location_id].append(pick)
    charges: Counter[str] = Counter()
    for location, taken in inside.items():
        one = known[location]
        charges.update(one.parcel_costs(costs))
        charges["shipping"] += one.terms.shipping.price(sum(p.units * lines[p.line_id].grams for p in taken))
        charges["risk and relief"] += sum(p.units * one.unit_cost(lines[p.line_id].parts) for p in taken)
    charges["split"] = costs.split * max(len(inside) - 1, 0)
    return charges
