"""How the cost of the same work grows with the merchant: at 10,000, 100,000 and 1,000,000 skus, and what is stored.

Each line stands beside the same work with the fewest skus, in the same run: 1.00 means that size does not matter.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from statistics import median

import psycopg
import sqlalchemy as sa

from bench.databases import Kind, file_of, plain
from bench.figures import Figure, Say, rounded
from bench.shelves import LOCATION, NOW, received, skus
from bench.sizes import Sizes
from nervure.inventory.claims import claim
from nervure.inventory.ledger import book
from nervure.inventory.stock import Against, ClaimKind, Place
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, Database, open_database
from nervure.store.flights import FlightStore
from nervure.store.locations import LocationStore
from nervure.store.publications import PublicationStore
from nervure.store.salable import SalableStore
from nervure.store.statements import insert_rows
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import POINT
from schemas.items import Item, ItemKind
from schemas.locations import Location, LocationKind

BATCH = 20_000
ASKED = 1_000
"""So many movements or numbers in one transaction."""

UNITS = 1_000
CLAIMS = 100
CHANGES = 10


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    fewest: dict[str, float] = {}
    for count in sizes.growth:
        with kind.fresh() as url, closing(open_database(url)) as database:
            say(f"growth: {kind.name}, {count:,} skus are brought in")
            shop = _Shop(database, count)
            say(f"growth: {kind.name}, {count:,} skus, the same work")
            works: dict[str, Callable[[], float]] = {
                "claims of one unit, one by one": shop.claim,
                f"movements, {ASKED:,} in one transaction": shop.move,
                f"numbers of one channel, {ASKED:,} skus": shop.number,
                f"{CHANGES} changes until they may be sent": shop.launch,
            }
            for name, work in works.items():
                work()
                values = [work() for _ in range(sizes.repetitions)]
                first = fewest.setdefault(name, median(values))
                yield Figure(
                    "growth",
                    f"{name}; {count:,} skus",
                    kind.name,
                    "a second",
                    rounded(median(values)),
                    [rounded(one) for one in values],
                    f"{sizes.growth[0]:,} skus",
                    rounded(first),
                    rounded(median(values) / first),
                )
            if count == sizes.growth[-1]:
                yield _stored(kind, url, shop)


def _stored(kind: Kind, url: str, shop: "_Shop") -> Figure:
    """What movements take on the disk, with their indexes, on levels that are there."""
    begin, taken = _bytes(url), 0
    for _ in range(5):
        taken += shop.book(BATCH)
    megabytes = (_bytes(url) - begin) / taken
    return Figure("growth", "the database, for each 1,000,000 movements", kind.name, "MB", rounded(megabytes))


def _bytes(url: str) -> int:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(url))) as file:
            [(pages, size)] = file.execute("SELECT page_count, page_size FROM pragma_page_count, pragma_page_size")
            return int(pages * size)
    with psycopg.connect(plain(url), autocommit=True) as connection:
        row = connection.execute(
            b"SELECT pg_total_relation_size('stock_movement') + pg_total_relation_size('stock_level')"
        ).fetchone()
        assert row is not None
        return int(row[0])


class _Shop:
    """A merchant of so many skus at one place, all listed on one channel and confirmed."""

    def __init__(self, database: Database, count: int) -> None:
        self._database = database
        self._chance = random.Random(count)
        self._rounds = 0
        self._location = database.run(self._open)
        names = skus(count)
        self._places: list[Place] = []
        for begin in range(0, count, BATCH):
            batch = names[begin : begin + BATCH]
            self._places += database.run(lambda connection, batch=batch: self._bring_in(connection, batch))  # type: ignore[misc]  # bound to this turn of the loop
        self._point = database.run(self._list_all)
        if database.is_postgresql:
            # As its own housekeeping does within a minute of such a load: without it, it knows nothing of the new rows.
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("ANALYZE")

    def _open(self, connection: Connection) -> int:
        location = LocationStore(connection, NOW).put(
            Location(code=LOCATION, name="Warehouse", kind=LocationKind.WAREHOUSE, time_zone="Europe/Paris")
        )
        StockPointStore(connection, NOW).put_channel(
            "shop", "shopify", buffer_units=0, stock_points={"1": [location]}, orders_since=NOW
        )
        return location

    def _bring_in(self, connection: Connection, names: Sequence[str]) -> list[Place]:
        catalogue = CatalogueStore(connection, NOW)
        catalogue.put_items([Item(sku=sku, title=sku, kind=ItemKind.SIMPLE) for sku in names])
        ids = catalogue.item_ids(names)
        places = [Place(ids[sku], self._location) for sku in names]
        book(StockStore(connection, NOW), received(places, UNITS, f"opening {names[0]}"))
        return places

    def _list_all(self, connection: Connection) -> int:
        point, channel = connection.execute(sa.select(POINT.c.id, POINT.c.channel_id)).one()
        columns = ("channel_id", "external_id", "stock_id", "title", "is_goods", "item_id")
        rows = [(channel, f"{one.item_id}", f"{one.item_id}", "", True, one.item_id) for one in self._places]
        insert_rows(connection, LISTING, columns, rows)
        PublicationStore(connection, NOW).create_missing("shop")
        # What a first publication ends with; how long it takes is measured elsewhere.
        connection.execute(sa.text("DELETE FROM availability_change"))
        connection.execute(sa.text("UPDATE publication SET revision = 1, salable_quantity = :units"), {"units": UNITS})
        _confirm_all(connection)
        return int(point)

    def _settle(self) -> None:
        """Every number is sent, and the channel says yes."""
        while self._database.run(lambda connection: PublicationStore(connection, NOW).refresh()):
            pass
        self._database.run(_confirm_all)

    def _some(self, count: int) -> list[Place]:
        return self._chance.sample(self._places, count)

    def book(self, count: int) -> int:
        """Books a movement at so many places; answers how many."""
        self._rounds += 1
        places = [self._chance.choice(self._places) for _ in range(count)]
        entries = received(places, 1, f"round {self._rounds}")
        return self._database.run(lambda connection: len(book(StockStore(connection, NOW), entries)))

    def claim(self) -> float:
        started = time.perf_counter()
        for place in self._some(CLAIMS):
            self._database.run(lambda connection, place=place: _claim(connection, place))  # type: ignore[misc]  # bound to this turn of the loop
        return CLAIMS / (time.perf_counter() - started)

    def move(self) -> float:
        started = time.perf_counter()
        done = self.book(ASKED)
        return done / (time.perf_counter() - started)

    def number(self) -> float:
        wanted = {(place.item_id, self._point) for place in self._some(ASKED)}
        started = time.perf_counter()
        with self._database.read() as connection:
            found = SalableStore(connection, NOW).of(wanted)
        return len(found) / (time.perf_counter() - started)

    def launch(self) -> float:
        """Some skus move: until their numbers are computed and taken for one write."""
        self._settle()
        self.book(CHANGES)
        started = time.perf_counter()
        self._database.run(lambda connection: PublicationStore(connection, NOW).refresh())
        sent = self._database.run(lambda connection: len(FlightStore(connection, NOW).launch("shop", 250, "one")))
        seconds = time.perf_counter() - started
        assert 0 < sent <= CHANGES
        return sent / seconds


def _claim(connection: Connection, place: Place) -> None:
    stock = StockStore(connection, NOW)
    takes = claim(stock, {place: 1}, kind=ClaimKind.RESERVATION, against=Against.AVAILABLE_TO_PROMISE)
    stock.reserve_all([(take, "bench", NOW + timedelta(minutes=15)) for take in takes])


def _confirm_all(connection: Connection) -> None:
    connection.execute(
        sa.text(
            "UPDATE publication SET state = 'confirmed', confirmed_revision = revision, sent_revision = revision,"
            " channel_units = salable_quantity, flight = NULL, flight_until = NULL WHERE state <> 'confirmed'"
        )
    )
