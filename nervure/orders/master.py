"""The program over ways of serving orders: one way each, and no place gives more than it has. HiGHS solves it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product

import highspy
import numpy as np
from highspy._core import _Highs

from nervure.inventory.stock import Place
from nervure.orders.ways import UNITS, Row, Way, Worth, worth

MIP_NODES = 2_000
"""Steps of the integer program: a limit of work that is the same on every machine."""


TOLERANCE = 1e-6
HALF = 0.5

WORTHS: tuple[Worth, ...] = tuple(
    (one, two, three)
    for one, two, three in product(range(3), range(5), range(7))
    if two >= 2 * one and three >= one + two and (one, two, three) not in {(1, 2, 3), (2, 4, 6), (0, 0, 0)}
)
"""Orders want few units of a thing: what rules out their mixtures is among these."""

MAX_CUT = 24
"""Where so many units are, mixtures hardly differ from whole ways."""

LEAST_BROKEN = 0.005


class Master:
    """The ways known so far. Amounts inside are floats of `scale` whole ones: what is proved is not computed here."""

    def __init__(self, orders: int, stock: Mapping[Place, int], *, missed: int, scale: int) -> None:
        self.stock = stock
        self.missed = missed
        self.scale = scale
        self.ways: list[tuple[int, Way]] = []
        self._orders = orders
        self._rows: dict[Row, int] = {}
        self._said: dict[Place, list[Worth]] = {}
        self._known: set[tuple[int, tuple[tuple[tuple[int, int], ...], ...]]] = set()
        self._solver = _Highs()  # `Highs` itself writes a line to the terminal when it is made
        for name, value in (("output_flag", False), ("threads", 1), ("random_seed", 1), ("mip_max_nodes", MIP_NODES)):
            self._solver.setOptionValue(name, value)
        for _ in range(orders):
            self._solver.addRow(1.0, 1.0, 0, _indices([]), _values([]))

    def add(self, order: int, way: Way) -> bool:
        """Adds a way of serving an order; False: it is known."""
        key = (order, tuple(tuple(sorted(taken.items())) for taken in way.takes))
        if key in self._known:
            return False
        self._known.add(key)
        self.ways.append((order, way))
        rows = [(order, 1)]
        for place, units in way.uses.items():
            if place not in self._said:
                self._add_row((place, UNITS))
            rows += [(self._rows[place, said], count) for said in self._said[place] if (count := worth(said, units))]
        cost = (way.missing * self.missed + way.cost) / self.scale
        self._solver.addCol(
            cost, 0.0, highspy.kHighsInf, len(rows), _indices([row for row, _ in rows]), _values([n for _, n in rows])
        )
        return True

    def prices(self) -> tuple[int, dict[Row, int]]:
        """The cost of the best mixture of ways, and what one more would be worth in each row."""
        self._solver.run()
        dual = self._solver.getSolution().row_dual
        value = round(self._solver.getInfo().objective_function_value * self.scale)
        return value, {
            row: worth for row, number in self._rows.items() if (worth := round(-dual[number] * self.scale)) > 0
        }

    def cut(self) -> int:
        """Adds rows that the best mixture breaks and no choice of whole ways does; answers how many."""
        self._solver.run()
        values = self._solver.getSolution().col_value
        mixed: dict[Place, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for (_, way), value in zip(self.ways, values, strict=True):
            if value > TOLERANCE:
                for place, units in way.uses.items():
                    mixed[place][units] += value
        found = [(place, said) for place, taken in mixed.items() if (said := self._broken(place, taken)) is not None]
        for place, said in found:
            members = [
                (number, count)
                for number, (_, way) in enumerate(self.ways)
                if (count := worth(said, way.uses.get(place, 0)))
            ]
            self._add_row((place, said), members)
        return len(found)

    def _broken(self, place: Place, taken: Mapping[int, float]) -> Worth | None:
        """By which worth more is taken at a place than there is, most clearly."""
        there = self.stock[place]
        if there > MAX_CUT or all(abs(value - round(value)) < TOLERANCE for value in taken.values()):
            return None
        worst, found = LEAST_BROKEN, None
        for said in WORTHS:
            limit = worth(said, there)
            over = sum(worth(said, units) * value for units, value in taken.items()) - limit
            if limit and over / limit > worst and (place, said) not in self._rows:
                worst, found = over / limit, said
        return found

    def _add_row(self, row: Row, members: Sequence[tuple[int, int]] = ()) -> None:
        self._rows[row] = self._orders + len(self._rows)
        self._said.setdefault(row[0], []).append(row[1])
        self._solver.addRow(
            -highspy.kHighsInf,
            float(row_limit(self.stock, row)),
            len(members),
            _indices([number for number, _ in members]),
            _values([count for _, count in members]),
        )

    def choose(self) -> list[Way] | None:
        """The best choice of one way each that is found in the limit of work."""
        count = len(self.ways)
        numbers = _indices(range(count))
        self._solver.changeColsIntegrality(count, numbers, np.ones(count, dtype=np.uint8))
        self._solver.run()
        values = list(self._solver.getSolution().col_value)
        chosen: list[Way | None] = [None] * self._orders
        for (order, way), value in zip(self.ways, values, strict=True):
            if value > HALF:
                chosen[order] = way
        self._solver.changeColsIntegrality(count, numbers, np.zeros(count, dtype=np.uint8))
        return [way for way in chosen if way is not None] if all(chosen) else None


def _indices(numbers: Sequence[int] | range) -> "np.typing.NDArray[np.int32]":
    return np.array(numbers, dtype=np.int32)


def _values(numbers: Sequence[int]) -> "np.typing.NDArray[np.float64]":
    return np.array(numbers, dtype=np.float64)


def row_limit(stock: Mapping[Place, int], row: Row) -> int:
    """How many may count in a row."""
    place, said = row
    return worth(said, max(stock.get(place, 0), 0))
