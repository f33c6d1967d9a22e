"""The plans of somebody who knew all orders of a period before the first: a mixed-integer program, with its bound."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nervure.inventory.stock import Place
from nervure.orders.costs import EURO
from nervure.orders.programs import Program, solve_program
from nervure.orders.replays import Period, ReplayedOrder
from nervure.orders.routing import Candidate, Pick, Wanted

TOLERANCE = 1e-6
"""HiGHS counts in floating point: so much of a bound is not believed."""

_Key = tuple[int, int, int]
"""Order by its place in the period, line, location."""


@dataclass(frozen=True, slots=True)
class Hindsight:
    """`bound`: no plans for the same units cost less, in micros. `picked`: the best ones found, by order."""

    bound: int
    picked: Sequence[Sequence[Pick]] | None


def look_back(period: Period, served: Sequence[Sequence[Pick]], *, seconds: float) -> Hindsight:
    """The cheapest plans of a whole period that serve, of each line, as many units as `served` does.

    So that the same goods are compared; who had known all might have left others without. `served` is where the
    search starts.
    """
    model = _Model(period, served)
    values = solve_program(model.program, seconds=seconds, start=model.start())
    split = period.costs.split * sum(1 for picks in served if picks)
    bound = int((values.bound - abs(values.bound) * TOLERANCE) * EURO) - split
    return Hindsight(bound, model.picks(values.values) if values.values else None)


@dataclass(slots=True)
class _Shelf:
    """The rows of one place: what the orders before each arrival took is no more than came before."""

    ends: list[datetime] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class _Model:
    """Columns: `taken` units of a line from a location, `sent` whether it sends anything, `parcels` by their step."""

    def __init__(self, period: Period, served: Sequence[Sequence[Pick]]) -> None:
        self.period = period
        self.served = served
        self.program = Program()
        self.taken: dict[_Key, int] = {}
        self.sent: dict[tuple[int, int], int] = {}
        self.parcels: dict[tuple[int, int], list[int]] = {}
        self.most = self._most()
        self.shelves = self._add_shelves()
        for number, (asked, picks) in enumerate(zip(period.orders, served, strict=True)):
            if picks:
                self._add_order(number, asked, picks)

    def _most(self) -> dict[Place, int]:
        most: defaultdict[Place, int] = defaultdict(int, self.period.stock)
        for arrival in self.period.arrivals:
            most[arrival.place] += arrival.units
        return dict(most)

    def _add_shelves(self) -> dict[Place, _Shelf]:
        shelves: defaultdict[Place, _Shelf] = defaultdict(_Shelf)
        there = dict(self.period.stock)
        for arrival in self.period.arrivals:
            shelf = shelves[arrival.place]
            shelf.ends.append(arrival.at)
            shelf.rows.append(self.program.add_row(upper=there.get(arrival.place, 0)))
            there[arrival.place] = there.get(arrival.place, 0) + arrival.units
        for place, units in there.items():
            shelves[place].rows.append(self.program.add_row(upper=units))
        return dict(shelves)

    def _add_order(self, number: int, asked: ReplayedOrder, picks: Sequence[Pick]) -> None:
        units: defaultdict[int, int] = defaultdict(int)
        for pick in picks:
            units[pick.line_id] += pick.units
        lines = [line for line in asked.wanted if units[line.line_id]]
        full = {
            line.line_id: self.program.add_row(lower=units[line.line_id], upper=units[line.line_id]) for line in lines
        }
        only = {pick.location_id for pick in picks} if not asked.may_split else None
        for one in asked.candidates:
            if one.terms.dropped is None and (only is None or one.location_id in only):
                self._add_source(number, one, [(line, full[line.line_id], units[line.line_id]) for line in lines])

    def _add_source(self, number: int, one: Candidate, lines: Sequence[tuple[Wanted, int, int]]) -> None:
        """`lines` with the row of each and its units."""
        program, shipping = self.program, one.terms.shipping
        offers = [(line, row, cap) for line, row, units in lines if (cap := min(units, self._cap(line, one))) > 0]
        if not offers:
            return
        key = (number, one.location_id)
        links = [program.add_row(upper=0.0) for _ in offers]
        sends = {row: -float(cap) for row, (_, _, cap) in zip(links, offers, strict=True)}
        fixed = sum(one.parcel_costs(self.period.costs).values()) + self.period.costs.split
        heavy = sum(line.grams * cap for line, _, cap in offers)
        weight = None
        if shipping.is_flat(heavy):
            fixed += shipping.price(heavy)
        else:
            weight, some = program.add_row(upper=0.0), program.add_row(upper=0.0)
            sends[some] = 1.0
            last = shipping.steps[-1][0]
            self.parcels[key] = [
                program.add_column(
                    price / EURO,
                    {weight: -float(most), some: -1.0},
                    upper=heavy // last + 1 if most == last else 1.0,
                    is_whole=True,
                )
                for most, price in shipping.steps
            ]
        self.sent[key] = program.add_column(fixed / EURO, sends, upper=1.0, is_whole=True)
        for (line, full, cap), link in zip(offers, links, strict=True):
            entries = {link: 1.0, full: 1.0} | ({} if weight is None else {weight: float(line.grams)})
            for part, per in line.parts.items():
                for shelf in self._rows(Place(part, one.location_id), self.period.orders[number].at):
                    entries[shelf] = float(per)
            self.taken[number, line.line_id, one.location_id] = program.add_column(
                one.unit_cost(line.parts) / EURO, entries, upper=cap, is_whole=True
            )

    def _cap(self, line: Wanted, one: Candidate) -> int:
        """Units of a line that could be made at a location if nobody else took any."""
        return min(
            (self.most.get(Place(part, one.location_id), 0) - one.terms.keep_units) // per
            for part, per in line.parts.items()
        )

    def _rows(self, place: Place, at: datetime) -> list[int]:
        shelf = self.shelves[place]
        return [row for end, row in zip(shelf.ends, shelf.rows, strict=False) if at < end] + shelf.rows[-1:]

    def start(self) -> list[float]:
        """What is known already, as values of the columns."""
        values = [0.0] * len(self.program.costs)
        for number, (asked, picks) in enumerate(zip(self.period.orders, self.served, strict=True)):
            grams: defaultdict[int, int] = defaultdict(int)
            of_line = {line.line_id: line.grams for line in asked.wanted}
            for pick in picks:
                values[self.taken[number, pick.line_id, pick.location_id]] += pick.units
                values[self.sent[number, pick.location_id]] = 1.0
                grams[pick.location_id] += of_line[pick.line_id] * pick.units
            for location, weight in grams.items():
                if (number, location) in self.parcels:
                    self._fill(values, number, location, weight)
        return values

    def _fill(self, values: list[float], number: int, location: int, weight: int) -> None:
        steps = next(
            one.terms.shipping.steps for one in self.period.orders[number].candidates if one.location_id == location
        )
        full, rest = divmod(weight, steps[-1][0])
        columns = self.parcels[number, location]
        values[columns[-1]] += full
        if rest or not full:
            values[next(column for column, step in zip(columns, steps, strict=True) if rest <= step[0])] += 1

    def picks(self, values: Sequence[float]) -> list[list[Pick]]:
        found: list[list[Pick]] = [[] for _ in self.period.orders]
        for (number, line, location), column in self.taken.items():
            units = round(values[column])
            if units:
                found[number].append(Pick(line, location, units))
        return found
