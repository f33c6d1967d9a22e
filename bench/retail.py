"""A merchant made of real data: what a gift shop sold, from stores of a real network, to addresses all over France."""

import csv
import gzip
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import numpy as np

from nervure.inventory.stock import Place
from nervure.orders.costs import Costs, Terms, micros
from nervure.orders.geography import distance_km, locate
from nervure.orders.parcels import Grid
from nervure.orders.replays import Period, ReplayedOrder
from nervure.orders.routing import Candidate, Wanted
from nervure.orders.scarcity import PastDemand, Ways
from schemas.locations import Coordinates

LEARNED_FROM = datetime(2011, 1, 4, tzinfo=UTC)
BEGINS_AT = datetime(2011, 1, 31, tzinfo=UTC)
GRID = Grid(((30_000, micros(Decimal("4.90"))),))
COSTS = Costs(per_km=micros(Decimal("0.005")), supplier=0, split=micros(Decimal("2.00")))
WAREHOUSE_HANDLING = micros(Decimal("1.10"))
STORE_HANDLING = micros(Decimal("2.80"))


@dataclass(frozen=True, slots=True)
class Shape:
    """`articles`: so many that sold most, from `first` on. `fill`: stock as a share of what is expected to be sold.
    `central`: the share of it in the warehouse.
    """

    days: int = 28
    articles: int = 60
    first: int = 0
    stores: int = 5
    fill: float = 1.0
    central: float = 0.4
    lines: str = "baskets"


@dataclass(frozen=True, slots=True)
class Merchant:
    """A period to be played, and what was known before it began."""

    period: Period
    demand: PastDemand
    ways: Ways
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    at: datetime
    articles: tuple[str, ...]
    address: tuple[str, Coordinates]


def make_merchant(data: Path, shape: Shape, seed: int) -> Merchant:
    chance = random.Random(seed)
    sites = read_sites(data)
    places = [place for _, place in chance.sample(sites, shape.stores + 1)]
    ends_at = BEGINS_AT + timedelta(days=shape.days)
    sales = read_sales(data)
    sold = Counter(a for at, articles in sales if LEARNED_FROM <= at < BEGINS_AT for a in articles)
    few = [article for article, _ in sold.most_common(shape.first + shape.articles)][shape.first :]
    number = {article: i for i, article in enumerate(few)}
    sizes = [len(articles) for _, articles in sales if len(articles) <= 5]
    orders = list(_deal(sales, number, sizes if shape.lines == "baskets" else [1], sites, chance))
    before = [one for one in orders if LEARNED_FROM <= one.at < BEGINS_AT]
    ordered: dict[int, Counter[str]] = {i: Counter() for i in number.values()}
    for one in before:
        for article in one.articles:
            ordered[number[article]][one.address[0]] += 1
    demand = PastDemand(ordered, (BEGINS_AT - LEARNED_FROM).days, len(before))
    pool = [_candidate(i, place, place) for i, place in enumerate(places)]
    areas = {area: locate("FR", area) for area in {one.address[0] for one in orders}}
    parcels = {
        area: {i: _parcel(_candidate(i, place, middle)) for i, place in enumerate(places)}
        for area, middle in areas.items()
        if middle is not None
    }
    stock = _place(demand, parcels, shape, len(pool), np.random.default_rng(seed))
    asked = [
        ReplayedOrder(
            one.at,
            [Wanted(number[article], 1, {number[article]: 1}, 0) for article in one.articles],
            [_candidate(i, place, one.address[1]) for i, place in enumerate(places)],
        )
        for one in orders
        if BEGINS_AT <= one.at < ends_at
    ]
    return Merchant(Period(asked, stock, COSTS), demand, demand.ways(parcels), ends_at)


def _deal(
    sales: Sequence[tuple[datetime, tuple[str, ...]]],
    number: Mapping[str, int],
    sizes: Sequence[int],
    sites: Sequence[tuple[str, Coordinates]],
    chance: random.Random,
) -> Iterator[Order]:
    for at, articles in sales:
        left = [article for article in dict.fromkeys(articles) if article in number]
        while left:
            size = chance.choice(sizes)
            yield Order(at, tuple(left[:size]), chance.choice(sites))
            left = left[size:]


def _candidate(number: int, place: Coordinates, to: Coordinates) -> Candidate:
    handling = STORE_HANDLING if number else WAREHOUSE_HANDLING
    return Candidate(
        number, f"L{number}", False, number, distance_km(place, to), Terms(handling=handling, shipping=GRID)
    )


def _parcel(one: Candidate) -> int:
    return sum(one.parcel_costs(COSTS).values()) + one.terms.shipping.price(0)


def _place(
    demand: PastDemand, ways: Ways, shape: Shape, locations: int, chance: np.random.Generator
) -> dict[Place, int]:
    """The warehouse has its share, each store that of the demand that it is nearest to."""
    stock: dict[Place, int] = {}
    for item, areas in demand.expected(shape.days, demand.units):
        share = np.zeros(locations)
        for area, units in areas.items():
            if area in ways:
                share[min(range(1, locations), key=lambda i: ways[area][i])] += units
        shares = (1 - shape.central) / share.sum() * share
        shares[0] = shape.central
        total = int(shape.fill * sum(areas.values()) + chance.random())
        placed = np.floor(shares * total).astype(int)
        rest = total - int(placed.sum())
        if rest:
            over = shares * total - placed
            placed[chance.choice(locations, rest, replace=False, p=over / over.sum())] += 1
        stock |= {Place(item, location): int(placed[location]) for location in range(locations) if placed[location]}
    return stock


@lru_cache(maxsize=2)
def read_sales(data: Path) -> list[tuple[datetime, tuple[str, ...]]]:
    """The invoices in the order of their times, with their articles; cancellations and what is no goods left out."""
    invoices: dict[str, tuple[datetime, list[str]]] = {}
    for file in sorted((data / "online_retail").glob("*.csv.gz")):
        with gzip.open(file, "rt", encoding="utf-8", errors="replace") as lines:
            for row in csv.DictReader(lines):
                is_sale = not row["InvoiceNo"].startswith("C") and row["Quantity"].isdigit() and row["Quantity"] != "0"
                if is_sale and row["StockCode"][:5].isdigit() and float(row["UnitPrice"] or 0) > 0:
                    at = datetime.fromisoformat(row["InvoiceDate"]).replace(tzinfo=UTC)
                    invoices.setdefault(row["InvoiceNo"], (at, []))[1].append(row["StockCode"].upper())
    return sorted((at, tuple(articles)) for at, articles in invoices.values())


@lru_cache(maxsize=2)
def read_sites(data: Path) -> list[tuple[str, Coordinates]]:
    """Real shops in mainland France with their department: where shops are, people are."""
    with (data / "geo" / "retail_sites_geo.csv").open(encoding="utf-8") as lines:
        return [
            (row["postal_code"][:2], Coordinates(latitude=float(row["lat"]), longitude=float(row["lon"])))
            for row in csv.DictReader(lines)
            if row["lat"] and 41 < float(row["lat"]) < 51.5 and not row["postal_code"].startswith(("20", "97"))
        ]
