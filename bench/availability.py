"""How long a number takes: one sku over many locations, and every sku of a channel.

The references are statements written by hand for exactly this question and nothing else: they know no kits, no shares,
no caps. The same figure at several sizes of the catalogue shows how the cost grows with rows.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import sqlalchemy as sa

from bench.databases import Kind, file_of, plain
from bench.figures import Figure, Say, beside, interleave
from bench.shelves import NOW, received, skus
from bench.sizes import Sizes
from nervure.inventory.ledger import book
from nervure.inventory.stock import Place
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, Database, open_database
from nervure.store.locations import LocationStore
from nervure.store.salable import SalableStore
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from nervure.store.tables.channels import POINT
from schemas.items import Item, ItemKind
from schemas.locations import Location, LocationKind

ONE_SKU = "SELECT sum(on_hand - reserved - allocated) FROM stock_level WHERE item_id = {0} AND condition = 'sellable'"
EVERY_SKU = """
SELECT item_id, sum(CASE WHEN free > 0 THEN free ELSE 0 END) FROM (
  SELECT l.item_id, l.location_id, sum(l.on_hand - l.reserved - l.allocated) - coalesce(max(s.units), 0) AS free
  FROM stock_level l
  JOIN stock_point_location p ON p.location_id = l.location_id AND p.stock_point_id = {0}
  LEFT JOIN safety_stock s ON s.item_id = l.item_id AND s.location_id = l.location_id
  WHERE l.condition = 'sellable' GROUP BY l.item_id, l.location_id
) AS place GROUP BY item_id
"""
ASKED = 200
"""So often one sku is asked for in one repetition."""


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    with kind.fresh() as url, closing(open_database(url)) as database:
        say(f"availability: {kind.name}, one sku over {sizes.locations:,} locations")
        item, point = _stock_up(database, 1, sizes.locations)
        with _raw(url, ONE_SKU, item) as select:
            yield from _beside(
                f"one sku over {sizes.locations:,} locations",
                kind,
                sizes,
                {
                    "ours": lambda: _asked(lambda: _ours(database, [item], point)),
                    "one indexed SELECT": lambda: _asked(select),
                },
            )
    for count in sizes.catalogues:
        with kind.fresh() as url, closing(open_database(url)) as database:
            say(f"availability: {kind.name}, {count:,} skus of one channel")
            first, point = _stock_up(database, count, sizes.catalogue_locations)
            items = range(first, first + count)
            with _raw(url, EVERY_SKU, point) as by_hand:
                yield from _beside(
                    f"{count:,} skus x {sizes.catalogue_locations} locations for one channel",
                    kind,
                    sizes,
                    {
                        "ours": lambda database=database, items=items, point=point: (  # type: ignore[misc]  # bound to this turn of the loop
                            len(items) / _seconds(lambda: _ours(database, items, point))
                        ),
                        "one statement by hand": lambda by_hand=by_hand, items=items: len(items) / _seconds(by_hand),  # type: ignore[misc]  # as above
                    },
                )


def _beside(case: str, kind: Kind, sizes: Sizes, sides: dict[str, Callable[[], float]]) -> Iterator[Figure]:
    for side in sides.values():
        side()
    yield from beside(
        Figure("availability", case, kind.name, "skus/s", None), interleave(sides, min(sizes.repetitions, 3))
    )


def _asked(work: Callable[[], object]) -> float:
    return ASKED / _seconds(lambda: [work() for _ in range(ASKED)])


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _ours(database: Database, items: "range | list[int]", point: int) -> int:
    with database.read() as connection:
        numbers = SalableStore(connection, NOW).of({(item, point) for item in items})
    return len(numbers)


@contextmanager
def _raw(url: str, statement: str, number: int) -> Iterator[Callable[[], object]]:
    """The statement on a driver's connection of its own, open for as long as this lasts."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(url), timeout=60)) as file:
            yield lambda: file.execute(statement.format("?"), (number,)).fetchall()
    else:
        with psycopg.connect(plain(url), autocommit=True) as connection:
            yield lambda: connection.execute(statement.format("%s").encode(), (number,), prepare=True).fetchall()


def _stock_up(database: Database, count: int, locations: int) -> tuple[int, int]:
    """Items with ten units at each location, all in one stock point's pool: the first item's id, and the point's."""

    def work(connection: Connection) -> tuple[int, int]:
        catalogue = CatalogueStore(connection, NOW)
        places = [
            LocationStore(connection, NOW).put(
                Location(code=f"L{number}", name=f"L{number}", kind=LocationKind.WAREHOUSE, time_zone="UTC")
            )
            for number in range(locations)
        ]
        names = skus(count)
        catalogue.put_items([Item(sku=sku, title=sku, kind=ItemKind.SIMPLE) for sku in names])
        ids = sorted(catalogue.item_ids(names).values())
        assert ids[-1] - ids[0] == count - 1
        StockPointStore(connection, NOW).put_channel(
            "shop", "shopify", buffer_units=0, stock_points={"1": places}, orders_since=NOW
        )
        stock = StockStore(connection, NOW)
        for begin in range(0, count, 10_000):
            batch = [Place(item, place) for item in ids[begin : begin + 10_000] for place in places]
            book(stock, received(batch, 10, f"opening {begin}"))
        return ids[0], int(connection.execute(sa.select(POINT.c.id)).scalar_one())

    return database.run(work)
