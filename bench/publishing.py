"""Publishing a whole catalogue to the Shopify emulator, beside what the shop's cost bucket would allow.

The emulator runs in this process (no HTTP): its own time is measured apart. The bucket is all but empty at the start
and restores 1,000 points a second; what it allows is that rate by the points that one listing cost. "The first time"
the shop's numbers are not known, so they are read before they are written with compare-and-set; "again" they are known.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median

from bench.databases import Kind
from bench.figures import Figure, Say, rounded
from bench.shelves import LOCATION, received, skus, stock_up
from bench.shops import CHANNEL_NAME, CLOCK, SECRET, STOCK_POINT, TOKEN, fill, settings
from bench.sizes import Sizes
from connectors.registry import channels
from connectors.shopify import WRITE_BATCH
from connectors.transport import HttpRequest, HttpResponse
from nervure.inventory.ledger import book
from nervure.operations.hub import Account, Hub
from nervure.operations.publish import publish, refresh
from nervure.publication.coverage import Group
from nervure.store.bindings import BindingStore
from nervure.store.coverage import CoverageStore
from nervure.store.database import Connection, Database, open_database
from nervure.store.locations import LocationStore
from nervure.store.publications import PublicationStore
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from schemas.levels import LevelKey, LevelWrite
from schemas.publications import ChannelListing
from simulation.platforms.shopify import ShopifyEmulator
from simulation.platforms.shopify_api import Rate

RATE = Rate(restored_per_second=1000)
IDLE_SECONDS = 0.01
_SPENT = re.compile(rb'"actualQueryCost":(\d+)')
_LEFT = re.compile(rb'"currentlyAvailable":(\d+)')


class Shop:
    """The emulator behind a function, with what went through it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._emulator = ShopifyEmulator(access_token=TOKEN, webhook_secret=SECRET, rate=RATE)
        fill(self._emulator, names)
        self.points = self.left = self.calls = 0
        self.wall = self.cpu = 0.0

    def send(self, request: HttpRequest) -> HttpResponse:
        wall, cpu = time.perf_counter(), time.thread_time()
        answer = self._emulator.handle(request, CLOCK.now())
        self.wall += time.perf_counter() - wall
        self.cpu += time.thread_time() - cpu
        self.calls += 1
        if spent := _SPENT.search(answer.body[-400:]):
            self.points += int(spent[1])
        if left := _LEFT.search(answer.body[-400:]):
            self.left = int(left[1])
        return answer

    def shows(self) -> set[int]:
        return set(self._emulator.shelf().values())


@dataclass(frozen=True, slots=True)
class Run:
    """One catalogue published. Seconds; `emulator` and `cpu` (the hub's) are parts of `wall`."""

    listings: int
    wall: float
    emulator: float
    cpu: float
    points: int
    calls: int

    @property
    def rate(self) -> float:
        return self.listings / self.wall

    @property
    def allowed(self) -> float:
        return RATE.restored_per_second * self.listings / self.points


class Meter:
    """What is spent from now on."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._points, self._calls = shop.points, shop.calls
        self._their_wall, self._their_cpu = shop.wall, shop.cpu
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def read(self, listings: int) -> Run:
        wall, cpu = time.perf_counter() - self._wall, time.thread_time() - self._cpu
        return Run(
            listings,
            wall,
            self._shop.wall - self._their_wall,
            cpu - (self._shop.cpu - self._their_cpu),
            self._shop.points - self._points,
            self._shop.calls - self._calls,
        )


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    first: list[Run] = []
    again: list[Run] = []
    alone: list[Run] = []
    for repetition in range(sizes.publish_repetitions):
        say(f"publishing: {kind.name}, {sizes.listings:,} listings, {repetition + 1} of {sizes.publish_repetitions}")
        with kind.fresh() as url, closing(open_database(url)) as database:
            places = stock_up(database, sizes.listings, units=5)
            shop = Shop(skus(sizes.listings))
            hub = _open(database, shop)
            _list(hub)
            first.append(_publish(hub, shop, sizes.listings))
            assert shop.shows() == {5}
            database.run(lambda c, places=places: len(book(StockStore(c, CLOCK.now()), received(places, 1, "more"))))  # type: ignore[misc]  # bound here
            again.append(_publish(hub, shop, sizes.listings))
            assert shop.shows() == {6}
            alone.append(_connector_alone(hub, shop))
            assert shop.shows() == {7}
    cases = (
        ("the first time: read, then written", first),
        ("again: written", again),
        ("again, the connector without the hub", alone),
    )
    for case, runs in cases:
        yield _figure(f"{sizes.listings:,} listings, {case}", kind.name, runs)


def _figure(case: str, database: str, runs: Sequence[Run]) -> Figure:
    rates = [run.rate for run in runs]
    run = runs[0]
    return Figure(
        "publishing",
        case,
        database,
        "listings/s",
        rounded(median(rates)),
        [rounded(rate) for rate in rates],
        "the cost bucket",
        rounded(run.allowed),
        rounded(median(one.rate / one.allowed for one in runs)),
        {
            "hub_cpu_ms_per_listing": rounded(median(1_000 * one.cpu / one.listings for one in runs)),
            "emulator_ms_per_listing": rounded(median(1_000 * one.emulator / one.listings for one in runs)),
            "points": run.points,
            "calls": run.calls,
        },
    )


def _open(database: Database, shop: Shop) -> Hub:
    account = Account(channels()["shopify"], settings())
    return Hub(database, CLOCK, {CHANNEL_NAME: account}, {}, lambda _account, _url: shop.send)


def _list(hub: Hub) -> None:
    """The shop's listings, as its own catalogue answers them, bound and waiting to be published."""
    account = hub.accounts[CHANNEL_NAME]
    listings = [
        fact
        for page in hub.connection(CHANNEL_NAME).pull_catalogue()
        for document in page.documents
        for fact in account.record.translate(document, hub.translation(CHANNEL_NAME))
        if isinstance(fact, ChannelListing)
    ]

    def work(connection: Connection) -> None:
        points = {STOCK_POINT: [LocationStore(connection, hub.clock.now()).ids()[LOCATION]]}
        StockPointStore(connection, hub.clock.now()).put_channel(
            CHANNEL_NAME, "shopify", buffer_units=0, stock_points=points, orders_since=hub.clock.now()
        )
        BindingStore(connection).put_listings(CHANNEL_NAME, listings)
        PublicationStore(connection, hub.clock.now()).create_missing(CHANNEL_NAME)

    hub.database.run(work)


def _publish(hub: Hub, shop: Shop, listings: int) -> Run:
    """Numbers computed and sent until nothing is left to do, in one thread."""
    _empty(hub, shop)
    meter = Meter(shop)
    while refresh(hub):
        pass
    while not _is_done(hub, listings):
        if not publish(hub, CHANNEL_NAME).total:
            time.sleep(IDLE_SECONDS)
    return meter.read(listings)


def _is_done(hub: Hub, listings: int) -> bool:
    with hub.database.read() as connection:
        [covered] = CoverageStore(connection, hub.clock.now()).channels([CHANNEL_NAME])
    return covered.count(Group.CONFIRMED) == listings


def _connector_alone(hub: Hub, shop: Shop) -> Run:
    """The same writes, one unit more each, without the hub's part."""
    with hub.database.read() as connection:
        numbers = PublicationStore(connection, hub.clock.now()).numbers(CHANNEL_NAME)
    writes = [LevelWrite(one.key, one.salable_quantity + 1, one.salable_quantity, one.sku) for one in numbers]
    connection_to_shop = hub.connection(CHANNEL_NAME)
    _empty(hub, shop)
    meter = Meter(shop)
    for start in range(0, len(writes), WRITE_BATCH):
        connection_to_shop.write_levels(writes[start : start + WRITE_BATCH], idempotency_key=f"alone-{start}")
    return meter.read(len(writes))


def _empty(hub: Hub, shop: Shop) -> None:
    """Spends what is in the bucket, so that the run begins with nothing saved."""
    with hub.database.read() as connection:
        keys: list[LevelKey] = [one.key for one in PublicationStore(connection, hub.clock.now()).numbers(CHANNEL_NAME)][
            :WRITE_BATCH
        ]
    shop.left = int(RATE.maximum_points)
    cost = 0
    while shop.left >= cost:
        spent = shop.points
        hub.connection(CHANNEL_NAME).read_levels(keys)
        cost = max(shop.points - spent, 1)
