"""Ledger rows per second, booked by the hub in one transaction, beside the same rows poured into a table like it.

The hub also finds or makes each level, locks it, numbers its movements without a gap, leaves out what it knows,
projects the levels, looks for counts, and notes what moved. The reference does none of that.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from typing import Any

import psycopg
import sqlalchemy as sa

from bench.databases import Kind, file_of, plain
from bench.figures import Figure, Say, beside, interleave
from bench.shelves import NOW, received, stock_up
from bench.sizes import Sizes
from nervure.inventory.ledger import book
from nervure.inventory.stock import Place
from nervure.store.database import Database, open_database
from nervure.store.statements import LEVEL
from nervure.store.stock import StockStore

COLUMNS = (
    "stock_level_id",
    "sequence",
    "kind",
    "units",
    "reason",
    "cause_key",
    "document",
    "occurred_at",
    "recorded_at",
    "compensates_id",
    "digest",
)
Row = tuple[Any, ...]  # one value of each column


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    reference = "COPY" if kind.name == "PostgreSQL" else "executemany"
    with kind.fresh() as url, closing_database(url) as database:
        _make_table(url)
        places = stock_up(database, sizes.ledger_levels, units=1)
        with database.read() as connection:
            levels = list(connection.execute(sa.select(LEVEL.c.id).order_by(LEVEL.c.id)).scalars())
        rounds = count()
        where = f"{sizes.ledger_rows:,} rows on {sizes.ledger_levels:,} levels"
        say(f"ledger: {kind.name}, {where}")
        sides: dict[str, Callable[[], float]] = {
            "ours": lambda: _book(database, places, sizes.ledger_rows, next(rounds)),
            f"raw {reference}": lambda: _pour(url, levels, sizes.ledger_rows, next(rounds)),
        }
        for side in sides.values():
            side()
        yield from beside(
            Figure("ledger", f"{where}, one transaction", kind.name, "rows/s", None),
            interleave(sides, sizes.repetitions),
        )


def closing_database(url: str) -> "closing[Database]":
    return closing(open_database(url))


def _book(database: Database, places: Sequence[Place], rows: int, number: int) -> float:
    entries = received([places[row % len(places)] for row in range(rows)], 1, f"round {number}")
    started = time.perf_counter()
    booked = database.run(lambda connection: len(book(StockStore(connection, NOW), entries)))
    seconds = time.perf_counter() - started
    assert booked == rows
    return rows / seconds


def _pour(url: str, levels: Sequence[int], rows: int, number: int) -> float:
    moment = NOW if not url.startswith("sqlite") else NOW.strftime("%Y-%m-%d %H:%M:%S.%f")
    first = number * rows
    values: list[Row] = [
        (
            levels[row % len(levels)],
            first + row + 1,
            "received",
            1,
            None,
            f"round {number}|{row}",
            f"round {number}",
            moment,
            moment,
            None,
            0,
        )
        for row in range(rows)
    ]
    pour: Callable[[str, Sequence[Row]], float] = _executemany if url.startswith("sqlite") else _copy
    return rows / pour(url, values)


def _executemany(url: str, rows: Sequence[Row]) -> float:
    with closing(sqlite3.connect(file_of(url), timeout=60, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        marks = ", ".join("?" for _ in COLUMNS)
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO bench_movement ({', '.join(COLUMNS)}) VALUES ({marks})", rows)  # noqa: S608 - our own names
        connection.execute("COMMIT")
        return time.perf_counter() - started


def _copy(url: str, rows: Sequence[Row]) -> float:
    with psycopg.connect(plain(url)) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        with cursor.copy(f"COPY bench_movement ({', '.join(COLUMNS)}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()
        return time.perf_counter() - started


def _make_table(url: str) -> None:
    """A table with the columns, indexes, checks and references of the ledger."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(file_of(url))) as file:
            query = "SELECT sql FROM sqlite_master WHERE tbl_name = 'stock_movement' AND sql IS NOT NULL"
            for (text,) in file.execute(query).fetchall():
                made = text.replace('"stock_movement"', "stock_movement")
                file.execute(made.replace("stock_movement", "bench_movement"))
            file.commit()
        return
    with psycopg.connect(plain(url)) as connection:
        connection.execute(b"CREATE TABLE bench_movement (LIKE stock_movement INCLUDING ALL)")
        references = connection.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = 'stock_movement'::regclass AND contype = 'f'"
        ).fetchall()
        for (text,) in references:
            made = str(text).replace("stock_movement", "bench_movement")
            connection.execute(f"ALTER TABLE bench_movement ADD {made}".encode())
