"""The plan of many orders as one plain mixed-integer program for HiGHS: the reference beside the hub's own way."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from highspy import kHighsInf
from highspy._core import _Highs

from nervure.inventory.stock import Place
from nervure.orders.pricing import Demand, capacity
from nervure.orders.ways import ROOM, JointOrder, Takes

Terms = list[tuple[int, float]]
"""(column, factor)."""


@dataclass(frozen=True, slots=True)
class Plain:
    """What HiGHS found. `total` and `bound` are of `scale`, with `missed` for each missing unit."""

    takes: Sequence[Takes]
    total: float
    bound: float
    seconds: float


@dataclass
class Program:
    """Columns that are whole numbers, and rows, while they are written down."""

    costs: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    rows: list[tuple[float, float, Terms]] = field(default_factory=list)

    def column(self, cost: float, most: float) -> int:
        self.costs.append(cost)
        self.most.append(most)
        return len(self.costs) - 1

    def row(self, terms: Terms, *, least: float = -kHighsInf, most: float = kHighsInf) -> None:
        self.rows.append((least, most, terms))

    def solve(self, seconds: float, gap: float) -> tuple[Sequence[float], float, float]:
        """Values, the total and its bound."""
        solver = _Highs()
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("time_limit", seconds),
            ("mip_rel_gap", gap),
            ("mip_abs_gap", 0.0),
        ):
            solver.setOptionValue(name, value)
        count = len(self.costs)
        no_index, no_value = np.empty(0, np.int32), np.empty(0)
        solver.addCols(
            count, np.array(self.costs), np.zeros(count), np.array(self.most), 0, no_index, no_index, no_value
        )
        solver.changeColsIntegrality(count, np.arange(count, dtype=np.int32), np.ones(count, dtype=np.uint8))
        starts = np.cumsum([0, *(len(terms) for _, _, terms in self.rows[:-1])]).astype(np.int32)
        columns = np.array([column for _, _, terms in self.rows for column, _ in terms], dtype=np.int32)
        factors = np.array([factor for _, _, terms in self.rows for _, factor in terms], dtype=np.float64)
        solver.addRows(
            len(self.rows),
            np.array([least for least, _, _ in self.rows]),
            np.array([most for _, most, _ in self.rows]),
            len(columns),
            starts,
            columns,
            factors,
        )
        solver.run()
        info = solver.getInfo()
        return list(solver.getSolution().col_value), info.objective_function_value, info.mip_dual_bound


class _Writer:
    """Writes orders into one program: units by order, demand and source; a parcel by order and source, with its price
    step.
    """

    def __init__(self, stock: Mapping[Place, int], missed: float, scale: float) -> None:
        self.program = Program()
        self.stock = stock
        self.missed = missed
        self.scale = scale
        self.units: dict[tuple[int, int, int], int] = {}
        self.shared: dict[Place, Terms] = defaultdict(list)

    def write(self, o: int, order: JointOrder) -> None:
        program = self.program
        parcels = [
            (column, -1.0) for i in range(len(order.sources)) if (column := self._parcel(o, order, i)) is not None
        ]
        if order.split:
            program.row([(program.column(-order.split / self.scale, 1), 1.0), *parcels], most=0)
        for d, demand in enumerate(order.demands):
            least = 0 if order.stay is None else sum(order.stay[d].values())
            here = [
                (column, 1.0) for i in range(len(order.sources)) if (column := self.units.get((o, d, i))) is not None
            ]
            missing = program.column(self.missed / self.scale, demand.units - least)
            program.row([*here, (missing, 1.0)], least=demand.units, most=demand.units)

    def _parcel(self, o: int, order: JointOrder, i: int) -> int | None:
        program, source, location = self.program, order.sources[i], order.locations[i]
        caps = [capacity(demand, source.stock) for demand in order.demands]
        if not any(caps):
            return None
        used = program.column(source.fixed / self.scale, 1)
        weight: Terms = []
        for d, (demand, most) in enumerate(zip(order.demands, caps, strict=True)):
            if most:
                taken = self.units[o, d, i] = program.column(source.unit_costs[d] / self.scale, most)
                program.row([(taken, 1.0), (used, -most)], most=0)
                weight.append((taken, demand.grams))
                for part, per in demand.parts.items():
                    self.shared[Place(part, location)].append((taken, per))
        self._price(order.demands, source.grid.steps, used, weight)
        own = {order.locations[k] for one in order.stay or () for k, units in one.items() if units}
        if location not in own and Place(ROOM, location) in self.stock:
            self.shared[Place(ROOM, location)].append((used, 1.0))
        return used

    def _price(self, demands: Sequence[Demand], steps: Sequence[tuple[int, int]], used: int, weight: Terms) -> None:
        heaviest, dearest = steps[-1]
        most = sum(demand.units * demand.grams for demand in demands)
        chosen = [(self.program.column(price / self.scale, 1), grams) for grams, price in steps]
        full = self.program.column(dearest / self.scale, most // heaviest)
        self.program.row([(column, 1.0) for column, _ in chosen], most=1)
        self.program.row([*((column, 1.0) for column, _ in chosen), (full, 1.0), (used, -1.0)], least=0)
        self.program.row([*weight, *((column, -grams) for column, grams in chosen), (full, -heaviest)], most=0)


def plan_plainly(
    orders: Sequence[JointOrder],
    stock: Mapping[Place, int],
    weights: tuple[float, float],
    *,
    seconds: float,
    gap: float,
) -> Plain:
    """Solves the whole at once. `weights`: of a missing unit, and how many whole ones make an amount of 1."""
    started = time.perf_counter()
    writer = _Writer(stock, *weights)
    for o, order in enumerate(orders):
        writer.write(o, order)
    for place, terms in writer.shared.items():
        writer.program.row(terms, most=max(stock.get(place, 0), 0))
    values, total, bound = writer.program.solve(seconds, gap)
    takes: list[list[dict[int, int]]] = [[{} for _ in order.demands] for order in orders]
    for (o, d, i), column in writer.units.items():
        if values and int(values[column] + 0.5):
            takes[o][d][i] = int(values[column] + 0.5)
    return Plain(takes, total, bound, time.perf_counter() - started)
