"""How long the plan of one order takes, in euros and proved, beside taking the locations in the order of distance.

No database takes part: this is the work that is done while the stock of the order is locked. The merchant has three
warehouses that have nearly everything and stores that have a third of it in few units; parcels are priced by zone and
weight, stores cost more handling, some of their stock is slow, and what a store has is sometimes not found.
"""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import quantiles

from bench.databases import Kind
from bench.figures import Figure, Say, rounded
from bench.sizes import Sizes
from nervure.inventory.stock import Place
from nervure.orders.costs import Costs, Terms, micros
from nervure.orders.parcels import Grid
from nervure.orders.routing import Candidate, Plan, Wanted, route
from schemas.routing import RoutingMethod

SEED = 20261128
WAREHOUSES = 3
ZONES = tuple(
    Grid(tuple((kilos * 1_000, micros(base + Decimal("0.45") * kilos)) for kilos in (1, 2, 5, 10, 20, 30)))
    for base in (Decimal("4.50"), Decimal("5.20"), Decimal("6.90"), Decimal("9.80"))
)
COSTS = Costs(per_km=0, unknown_km=0, supplier=0, split=micros(Decimal(2)), late_day=micros(Decimal("1.50")))


@dataclass(frozen=True, slots=True)
class Question:
    wanted: Sequence[Wanted]
    pool: Sequence[Candidate]
    stock: dict[Place, int]


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    if kind.name != "SQLite":
        return
    for lines, locations in sizes.routed:
        say(f"routing: {lines} x {locations}")
        chance = random.Random(SEED)
        questions = [_question(chance, lines, locations) for _ in range(sizes.routed_orders)]
        ours, theirs = [], []
        plans: list[Plan] = []
        for one in questions:
            started = time.perf_counter()
            plans.append(route(one.wanted, one.pool, one.stock, costs=COSTS))
            between = time.perf_counter()
            route(one.wanted, one.pool, one.stock, costs=Costs(method=RoutingMethod.DISTANCE))
            theirs.append(time.perf_counter() - between)
            ours.append(between - started)
        proved = sum(not plan.gap and not plan.missing_gap for plan in plans)
        yield Figure(
            "routing",
            f"{lines} line{'s' if lines > 1 else ''} x {locations} locations",
            "none",
            "plans/s",
            rounded(len(ours) / sum(ours)),
            [],
            "the order of distance",
            rounded(len(theirs) / sum(theirs)),
            rounded(sum(theirs) / sum(ours)),
            {
                "median_ms": _percentile(ours, 50),
                "p99_ms": _percentile(ours, 99),
                "proved_percent": rounded(100 * proved / len(plans)),
                "largest_gap_euros": rounded(max(plan.gap for plan in plans) / 1_000_000),
            },
        )


def _percentile(seconds: Sequence[float], percent: int) -> float:
    return rounded(1_000 * quantiles(seconds, n=100, method="inclusive")[percent - 1])


def _question(chance: random.Random, lines: int, locations: int) -> Question:
    wanted = [
        Wanted(line, chance.choice((1, 1, 1, 2, 3)), {line: 1}, chance.choice((150, 300, 700, 1_200)))
        for line in range(lines)
    ]
    pool, stock = [], {}
    for number in range(locations):
        is_store = number >= WAREHOUSES
        for line in range(lines):
            if chance.random() < (0.33 if is_store else 0.95):
                stock[Place(line, number)] = chance.randint(1, 4 if is_store else 50)
        slow = {line: micros(Decimal("0.80")) for line in range(lines) if is_store and chance.random() < 0.1}
        terms = Terms(
            handling=micros(Decimal(chance.randint(150, 300)) / 100) if is_store else micros(Decimal("1.10")),
            shipping=chance.choice(ZONES),
            days_late=chance.choice((0, 0, 0, 1)),
            not_found=micros(Decimal(chance.randint(0, 30)) / 100) if is_store else 0,
            reliefs=slow,
        )
        pool.append(Candidate(number, f"L{number}", False, number, chance.uniform(1, 900), terms))
    return Question(wanted, pool, stock)
