"""Promises a second over loopback HTTP by the real service, beside the same plans computed in a bare loop.

The merchant has three warehouses that have nearly everything and stores that have a third of it in few units, parcels
priced by zone and weight, and a cost of handling at each place. The service is a process of its own, and so is this
client, whose connections wait for each answer (a closed loop).
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal

from bench.databases import Kind
from bench.figures import Figure, Say, beside, interleave, rounded
from bench.servers import free_port, send_all, service
from bench.shelves import NOW, skus
from bench.sizes import Sizes
from nervure.clock import SystemClock
from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place
from nervure.operations.promises import Basket, BasketQuestion, question_of
from nervure.operations.results import percentile
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, Database, open_database
from nervure.store.locations import LocationStore
from nervure.store.stock import StockStore
from schemas.items import Item, ItemKind
from schemas.stock import MovementKind

SEED = 20261128
WAREHOUSES = 3
ITEMS = 200
POSTAL_CODES = ("75011", "69003", "13001", "59000", "33000", "67000")
OURS, PLANS = "ours", "the plans alone"
SETTINGS = """
[hub]
database = "{database}"
port = {port}

[routing]
split = "2.00"
promise_days = 2
late_day = "1.50"

[[routing.zones]]
name = "north"
countries = ["FR"]
postal_codes = ["59", "75"]
steps = [
  {{ up_to_grams = 1000, euros = "4.95" }},
  {{ up_to_grams = 5000, euros = "6.75" }},
  {{ up_to_grams = 30000, euros = "18.00" }},
]

[[routing.zones]]
name = "elsewhere"
countries = ["FR"]
transit_days = 2
steps = [
  {{ up_to_grams = 1000, euros = "5.65" }},
  {{ up_to_grams = 5000, euros = "7.45" }},
  {{ up_to_grams = 30000, euros = "18.70" }},
]

[[channels]]
needs_cutover = false
platform = "shopify"
name = "webshop"
url = "http://127.0.0.1:9"
access_token = {{ env = "BENCH_TOKEN" }}
webhook_secrets = [{{ env = "BENCH_TOKEN" }}]
stock_points = {{ "1" = {codes} }}
"""
LOCATION = """
[[locations]]
code = "{code}"
name = "{code}"
kind = "{kind}"
time_zone = "Europe/Paris"
address = {{ country = "FR", postal_code = "{postal_code}" }}

[locations.routing]
handling = "{handling}"
"""


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    port, chance = free_port(), random.Random(SEED)
    with kind.fresh() as url:
        settings = _settings(chance, url, port, sizes.locations)
        with service(settings, port, {"BENCH_TOKEN": "emulated"}), closing(open_database(url)) as database:
            database.run(lambda connection: _stock_up(connection, random.Random(SEED), sizes.locations))
            for lines in sizes.promised_lines:
                for connections in (1, sizes.promise_connections):
                    name = f"{lines} lines x {sizes.locations} locations, {connections} at once"
                    say(f"promises: {kind.name}, {name}")
                    yield from _case(Figure("promises", name, kind.name, "calls/s", None), database, port, sizes)


def _case(shown: Figure, database: Database, port: int, sizes: Sizes) -> Iterator[Figure]:
    lines, connections = (int(shown.case.split()[place]) for place in (0, 5))
    chance = random.Random(SEED)
    baskets = [_basket(chance, lines) for _ in range(sizes.promises)]
    with database.read() as connection:
        asked = [question_of(connection, SystemClock().now(), one) for one in baskets]
    latencies: list[float] = []
    _call_all(port, baskets[: len(baskets) // 5 + 1], connections)

    def over_http() -> float:
        found, seconds = _call_all(port, baskets, connections)
        latencies.extend(found)
        return len(baskets) / seconds

    plans: list[float] = []
    measured = interleave({OURS: over_http, PLANS: lambda: _plan_all(asked, plans)}, sizes.repetitions)
    yield from beside(shown, measured)
    for share, tail in ((0.5, "p50"), (0.99, "p99")):
        one, other = (percentile(values, share) or 0.0 for values in (latencies, plans))
        yield Figure(
            "promises",
            f"{shown.case}, {tail} of {len(latencies):,}",
            shown.database,
            "ms",
            rounded(one * 1_000),
            [],
            PLANS,
            rounded(other * 1_000),
            rounded(one / other),
        )


def _plan_all(asked: Sequence[BasketQuestion], latencies: list[float]) -> float:
    begun = time.perf_counter()
    for one in asked:
        started = time.perf_counter()
        one.plan()
        latencies.append(time.perf_counter() - started)
    return len(asked) / (time.perf_counter() - begun)


def _call_all(port: int, baskets: Sequence[Basket], connections: int) -> tuple[list[float], float]:
    """Asks for all of them on so many connections: how long each took, and all together."""
    return send_all(port, [_request(port, one) for one in baskets], connections, _is_promised)


def _is_promised(head: bytes, body: bytes) -> bool:
    return head.startswith(b"HTTP/1.1 200") and bool(json.loads(body)["parcels"])


def _request(port: int, basket: Basket) -> bytes:
    body = json.dumps(
        {
            "channel": basket.channel,
            "country": basket.country,
            "postal_code": basket.postal_code,
            "lines": [{"sku": sku, "units": units} for sku, units in basket.lines],
        }
    ).encode()
    head = f"POST /promise HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _basket(chance: random.Random, lines: int) -> Basket:
    wanted = [(sku, chance.choice((1, 1, 1, 2, 3))) for sku in chance.sample(skus(ITEMS), lines)]
    return Basket("webshop", wanted, country="FR", postal_code=chance.choice(POSTAL_CODES))


def _codes(count: int) -> list[str]:
    return [f"L{number}" for number in range(count)]


def _settings(chance: random.Random, url: str, port: int, locations: int) -> str:
    codes = _codes(locations)
    sections = [
        LOCATION.format(
            code=code,
            kind="store" if number >= WAREHOUSES else "warehouse",
            postal_code=chance.choice(POSTAL_CODES),
            handling=Decimal(chance.randint(150, 300)) / 100 if number >= WAREHOUSES else "1.10",
        )
        for number, code in enumerate(codes)
    ]
    return SETTINGS.format(database=url, port=port, codes=json.dumps(codes)) + "".join(sections)


def _stock_up(connection: Connection, chance: random.Random, locations: int) -> None:
    catalogue = CatalogueStore(connection, NOW)
    names = skus(ITEMS)
    weights = (150, 300, 700, 1_200)
    catalogue.put_items(
        [Item(sku=sku, title=sku, kind=ItemKind.SIMPLE, weight_grams=chance.choice(weights)) for sku in names]
    )
    items, places = catalogue.item_ids(names), LocationStore(connection, NOW).ids(_codes(locations))
    entries = [
        Entry(
            Place(items[sku], places[code]),
            MovementKind.RECEIVED,
            chance.randint(1, 4 if number >= WAREHOUSES else 50),
            f"opening|{sku}|{code}",
            NOW,
        )
        for sku in names
        for number, code in enumerate(_codes(locations))
        if chance.random() < (0.33 if number >= WAREHOUSES else 0.95)
    ]
    book(StockStore(connection, NOW), entries)
