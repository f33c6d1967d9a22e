"""How long a plan of many orders at once takes until it is proved to be near the cheapest, beside one plain program.

No database takes part. The warehouses are cheap and have few units of what sells most, the stores are many and have one
to three of a third of it: the orders want more of the good places than there is.
"""

import random
import time
from collections.abc import Iterator
from decimal import Decimal
from math import isfinite

from bench.databases import Kind
from bench.figures import Figure, Number, Say, rounded
from bench.plain_batch import plan_plainly
from bench.routing import COSTS, WAREHOUSES, ZONES
from bench.sizes import Sizes
from nervure.inventory.stock import Place
from nervure.orders.batch import plan_together
from nervure.orders.costs import EURO, Terms, micros
from nervure.orders.routing import TIE, Candidate, OrderQuestion, Wanted, by_preference
from nervure.orders.ways import JointOrder

SEED = 1
ITEMS = 200
WIDTH_KM = 1_000
GAP = 0.005
MISSED_EUROS = 60
"""What a missing unit weighs in the plain program: more than any parcel, and not so much that small costs vanish."""


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    if kind.name != "SQLite":
        return
    for orders, locations, plenty in sizes.batches:
        say(f"batches: {orders} x {locations}, stock x {plenty}")
        joint, stock = question(random.Random(SEED), orders, locations, plenty)
        started = time.perf_counter()
        plan = plan_together(joint, stock)
        ours = time.perf_counter() - started
        say(f"batches: {ours:.1f} s, gap {plan.gap / max(plan.cost, 1):.2%}; now the plain program")
        scale = EURO * TIE
        plain = plan_plainly(joint, stock, (MISSED_EUROS * scale, scale), seconds=sizes.plain_seconds, gap=GAP)
        total = (plan.cost + plan.missing * MISSED_EUROS * scale) / scale
        yield Figure(
            "batches",
            f"{orders} orders x {locations} locations, {plan.missing} units short",
            "none",
            "s",
            rounded(ours),
            [],
            f"plain HiGHS, {GAP:.1%} or {sizes.plain_seconds:.0f} s",
            rounded(plain.seconds),
            rounded(ours / plain.seconds),
            {
                "gap_percent": rounded(100 * plan.gap / max(plan.cost, 1)),
                "plain_gap_percent": _finite(100 * (plain.total - plain.bound) / max(plain.total, 1.0)),
                "total_euros": rounded(total),
                "plain_total_euros": _finite(plain.total),
                "rounds": plan.rounds,
            },
        )


def _finite(amount: float) -> Number:
    """The plain program may have found no plan at all."""
    return rounded(amount) if isfinite(amount) else "infinite"


def question(
    chance: random.Random, orders: int, locations: int, plenty: float
) -> tuple[list[JointOrder], dict[Place, int]]:
    popular = [1 / (item + 1) ** 0.8 for item in range(ITEMS)]
    spots = [(chance.uniform(0, WIDTH_KM), chance.uniform(0, WIDTH_KM)) for _ in range(locations)]
    stock: dict[Place, int] = {}
    for location in range(locations):
        is_store = location >= WAREHOUSES
        for item in range(ITEMS):
            if chance.random() < (0.33 if is_store else 0.8):
                units = chance.randint(1, 3 if is_store else 8)
                stock[Place(item, location)] = max(1, round(units * plenty * (0.3 + 3 * popular[item]) / 2))
    handling = [
        micros(Decimal(chance.randint(150, 300)) / 100) if location >= WAREHOUSES else micros(Decimal("1.10"))
        for location in range(locations)
    ]
    risk = [
        micros(Decimal(chance.randint(0, 30)) / 100) if location >= WAREHOUSES else 0 for location in range(locations)
    ]
    grams = [chance.choice((150, 300, 700, 1_200)) for _ in range(ITEMS)]
    joint: list[JointOrder] = []
    for _ in range(orders):
        x, y = chance.uniform(0, WIDTH_KM), chance.uniform(0, WIDTH_KM)
        items = dict.fromkeys(chance.choices(range(ITEMS), popular, k=chance.choice((1, 1, 2, 2, 3, 4))))
        wanted = [
            Wanted(line, chance.choice((1, 1, 1, 2, 3)), {item: 1}, grams[item]) for line, item in enumerate(items)
        ]
        pool: list[Candidate] = []
        for location, (a, b) in enumerate(spots):
            km = ((a - x) ** 2 + (b - y) ** 2) ** 0.5
            zone = ZONES[min(int(km / 250), 3)]
            late = 1 if km > 800 else 0
            terms = Terms(handling[location], zone, late, risk[location])
            pool.append(Candidate(location, f"L{location}", False, location, km, terms))
        here = {place: units for place, units in stock.items() if place.item_id in items}
        question = OrderQuestion(wanted, sorted(pool, key=by_preference(COSTS)), here, COSTS, {})
        places = [one.location_id for one in question.ranked]
        joint.append(JointOrder(question.demands, question.sources, places, COSTS.split * TIE))
    return joint, stock
