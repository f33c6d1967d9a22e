"""The tables of stock, and what set-wise statements are made with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.store import tables

LEVEL = tables.of(tables.StockLevelRow)
MOVEMENT = tables.of(tables.StockMovementRow)
OBSERVATION = tables.of(tables.StockObservationRow)
CLAIM = tables.of(tables.ClaimRow)
SAFETY = tables.of(tables.SafetyStockRow)
CHANGE = tables.of(tables.AvailabilityChangeRow)
KIT = tables.of(tables.KitComponentRow)

CHUNK = 4_000
T = TypeVar("T")


def as_arrays(types: Mapping[str, sa.types.TypeEngine[Any]]) -> sa.TableValuedAlias:
    """Rows as PostgreSQL takes them many at once: one array for each column, bound by its name."""
    arrays = (sa.bindparam(name, type_=postgresql.ARRAY(kind)) for name, kind in types.items())
    return sa.func.unnest(*arrays).table_valued(*types, name="given").render_derived()


def as_columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """Rows turned by a quarter, as the arrays want them."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cuts rows so that no statement has more parameters than a database takes."""
    batch: list[T] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Inserts rows; those that a unique constraint already holds are left alone. Answers how many were new."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # Without the option the count of an INSERT is only known while its cursor is open: on PostgreSQL it would be -1.
    statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    # The rows are parameters, not a VALUES list: a list of each length would be compiled anew.
    return sum(connection.execute(statement, part).rowcount for part in chunks([dict(row) for row in rows], 5_000))


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Inserts rows that all name the same columns, in as few statements as the database allows."""
    for part in chunks(rows, 5_000):
        if connection.dialect.name == "postgresql":
            connection.execute(_pour_into(table, tuple(part[0])), as_columns(part))
        else:
            connection.execute(_insert_into(table), part)


@cache
def _pour_into(table: sa.Table, columns: tuple[str, ...]) -> sa.Insert:
    given = as_arrays({name: table.c[name].type for name in columns})
    return table.insert().from_select(list(columns), sa.select(*given.c))


@cache
def _insert_into(table: sa.Table) -> sa.Insert:
    return table.insert()


class StockTransaction:
    """One transaction on stock at one time of the hub's clock. What moved is noted for whoever publishes it."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._is_postgresql = connection.dialect.name == "postgresql"

    def touch(self, places: Iterable[Place]) -> None:
        """Notes in this transaction that availability moved there."""
        rows = [
            {"item_id": place.item_id, "location_id": place.location_id, "changed_at": self._now}
            for place in sorted(set(places))
        ]
        insert_rows(self._connection, CHANGE, rows)
