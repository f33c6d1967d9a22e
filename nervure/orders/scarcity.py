"""What a unit at a place is worth to later orders: the dual prices of sending stock to the demand that is expected.

For each item, possible futures until the next replenishment are drawn from what its areas order. In each of them a
linear program sends the stock to the demand at the lowest cost; the dual price of a location's stock is what that cost
would rise by if a unit less lay there. The price of a unit is the mean over the futures (Acimovic and Graves, Making
better fulfillment decisions on the fly in an online retail environment, 2015, take the duals of one expected future;
where an item sells a few units, that future never happens).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from nervure.inventory.stock import Place
from nervure.orders.costs import EURO
from nervure.orders.programs import INFINITE, Floats, Program, Repeated

EVERY = timedelta(hours=6)
"""So often prices are learned again."""
BORROWED = 20
FUTURES = 20
LESS = 1 / 1024
"""So much of a unit less lies at each place than there is: of several duals that gives the price of the last unit, not
of the next one."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """One item: its units by location now, and by area the units that are expected to be ordered until the end."""

    stock: Mapping[int, int]
    expected: Mapping[str, float]


Whole = npt.NDArray[np.int64]
Ways = Mapping[str, Mapping[int, int]]
"""By area, what a unit from each location that can send there costs, in micros."""


def learn_prices(
    outlooks: Iterable[tuple[int, Outlook]], ways: Ways, chance: np.random.Generator, *, futures: int = FUTURES
) -> dict[Place, int]:
    """What the last unit at each place is worth more than where it is wanted least, in micros; never negative.

    `outlooks`: by item, each at most once. Only prices that are not 0 are in the answer. An item that lies at one place
    has none: there is no choice.
    """
    network = _Network(ways)
    found: dict[Place, int] = {}
    for item, outlook in outlooks:
        stock = {location: units for location, units in outlook.stock.items() if units > 0 and location in network.rows}
        wanted = network.by_area(outlook.expected)
        if len(stock) <= 1 or not wanted.any():
            continue
        total = np.zeros(len(stock))
        for drawn in _draw(wanted, sum(stock.values()), chance, futures):
            total += network.duals(stock, drawn)
        prices = np.rint((total - total.min()) / futures * EURO)
        found |= {Place(item, location): int(price) for location, price in zip(stock, prices, strict=True) if price}
    return found


def _draw(wanted: Floats, there: int, chance: np.random.Generator, count: int) -> Iterator[Whole]:
    """Units by area: each comes by itself, one as likely as the other to be next; after the last unit all is lost."""
    for drawn in chance.poisson(wanted, size=(count, len(wanted))):
        yield chance.multivariate_hypergeometric(drawn, there) if drawn.sum() > there else drawn


class _Network:
    """All ways as one linear program: a row for each location's stock, a row for each area's demand.

    Units that nobody can send cost as much as the dearest way there.
    """

    def __init__(self, ways: Ways) -> None:
        program = Program()
        locations = sorted({location for costs in ways.values() for location in costs})
        self.rows = {location: program.add_row() for location in locations}
        self._areas = {area: program.add_row() for area in ways}
        for area, served in self._areas.items():
            program.add_column(max(ways[area].values(), default=0) / EURO, {served: 1.0})
            for location, cost in ways[area].items():
                program.add_column(cost / EURO, {served: 1.0, self.rows[location]: 1.0})
        self._program = Repeated(program)
        self._lower = np.full(len(program.row_lower), -INFINITE)

    def by_area(self, units: Mapping[str, float]) -> Floats:
        return np.array([units.get(area, 0.0) for area in self._areas])

    def duals(self, stock: Mapping[int, int], wanted: Whole) -> Floats:
        """The dual price of each location's stock, in euros."""
        lower, upper = self._lower.copy(), np.zeros(len(self._lower))
        for location, units in stock.items():
            upper[self.rows[location]] = units - LESS
        lower[len(self.rows) :] = upper[len(self.rows) :] = wanted
        found = self._program.duals(lower, upper)
        return np.maximum([-found[self.rows[location]] for location in stock], 0.0)


@dataclass(frozen=True, slots=True)
class PastDemand:
    """What was ordered in so many days, by so many orders: units by item and area."""

    units: Mapping[int, Mapping[str, int]]
    days: float
    orders: int

    def ways(self, parcels: Ways) -> Ways:
        """What a unit costs, where a parcel costs this: its share of one.

        The program sends units one by one, but a parcel is paid once for all that an order takes from a place. Were
        each charged a whole one, an order of three would be counted three parcels, and its units together would be
        priced at three times what they can save. The prices of all its units should add up to the one parcel that is
        dearer elsewhere: each bears, on average, orders over units of it. That is too little for a unit that alone of
        its order is scarce, and too much for one in an order that is larger than most: which units are ordered
        together is not known here.
        """
        units = sum(sum(areas.values()) for areas in self.units.values())
        share = self.orders / units if units else 1.0
        return {area: {place: round(cost * share) for place, cost in few.items()} for area, few in parcels.items()}

    def expected(self, days: float, item_ids: Iterable[int]) -> Iterator[tuple[int, dict[str, float]]]:
        """Units by area in days to come, one of these items after the other: each has all areas, so never all at once.

        An item that has sold little is taken to sell where all others do: `BORROWED` units of its own weigh as much.
        What has sold nothing is left out.
        """
        everywhere: Counter[str] = Counter()
        for areas in self.units.values():
            everywhere.update(areas)
        total = everywhere.total()
        for item in item_ids:
            if item not in self.units:
                continue
            areas = self.units[item]
            own = sum(areas.values())
            pace = own / self.days * days / (own + BORROWED)
            yield (
                item,
                {area: pace * (areas.get(area, 0) + BORROWED * units / total) for area, units in everywhere.items()},
            )


class Watch:
    """Prices that are learned again as time passes, for the items of which units moved meanwhile, and all each day."""

    def __init__(self, demand: PastDemand, ways: Ways, ends_at: datetime, chance: np.random.Generator) -> None:
        self._demand = demand
        self._ways = ways
        self._ends_at = ends_at
        self._chance = chance
        self._looked_at: datetime | None = None
        self._day: date | None = None
        self._known: dict[int, dict[int, int]] = {}
        self._prices: dict[int, dict[Place, int]] = {}
        self._flat: dict[Place, int] = {}

    def __call__(self, at: datetime, stock: Mapping[Place, int]) -> Mapping[Place, int]:
        if self._looked_at is None or at >= self._looked_at + EVERY:
            self._look(at, stock)
        return self._flat

    def _look(self, at: datetime, stock: Mapping[Place, int]) -> None:
        self._looked_at = at
        if at.date() != self._day:
            self._day = at.date()
            self._known.clear()
        there: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for place, units in stock.items():
            there[place.item_id][place.location_id] = units
        moved = [item for item, units in there.items() if self._known.get(item) != units]
        expected = self._demand.expected((self._ends_at - at) / timedelta(days=1), moved)
        outlooks = ((item, Outlook(there[item], areas)) for item, areas in expected)
        learned = learn_prices(outlooks, self._ways, self._chance)
        for item in moved:
            self._known[item] = there[item]
            self._prices[item] = {}
        for place, price in learned.items():
            self._prices[place.item_id][place] = price
        self._flat = {place: price for prices in self._prices.values() for place, price in prices.items()}
