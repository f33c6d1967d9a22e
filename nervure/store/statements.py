"""The tables of stock, and what set-wise statements are made with."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from json import dumps
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.store import tables
from nervure.store.digests import StockKey

LEVEL = tables.of(tables.StockLevelRow)
MOVEMENT = tables.of(tables.StockMovementRow)
OBSERVATION = tables.of(tables.StockObservationRow)
CLAIM = tables.of(tables.ClaimRow)
SAFETY = tables.of(tables.SafetyStockRow)
CHANGE = tables.of(tables.AvailabilityChangeRow)
KIT = tables.of(tables.KitComponentRow)

CHUNK = 4_000
ROWS_WORTH_A_COPY = 200
T = TypeVar("T")


def note_items(connection: Connection, now: datetime, item_ids: Iterable[int]) -> None:
    """Notes items of which something moved, or of which something else holds now: their numbers are computed again."""
    rows = [{"item_id": item, "changed_at": now} for item in sorted(item_ids)]
    if rows:
        connection.execute(CHANGE.insert(), rows)


def as_arrays(types: Mapping[str, sa.types.TypeEngine[Any]]) -> sa.TableValuedAlias:
    """Rows as PostgreSQL takes them many at once: one array for each column, bound by its name."""
    arrays = (sa.bindparam(name, type_=postgresql.ARRAY(kind)) for name, kind in types.items())
    return sa.func.unnest(*arrays).table_valued(*types, name="given").render_derived()


def as_columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """Rows turned by a quarter, as the arrays want them."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def is_among(column: sa.Column[int], dialect: str) -> sa.ColumnElement[bool]:
    """Whether a number is one of many, which go as one JSON text: a parameter for each would cost more than its row."""
    text = sa.bindparam("numbers", type_=sa.Text())
    if dialect == "postgresql":
        values = sa.func.json_array_elements_text(sa.cast(text, postgresql.JSON)).table_valued("value")
        return column == sa.any_(sa.func.array(sa.select(sa.cast(values.c.value, column.type)).scalar_subquery()))
    return column.in_(sa.select(sa.func.json_each(text).table_valued("value").c.value))


def as_one(numbers: Iterable[int]) -> dict[str, str]:
    """The numbers as `is_among` wants them."""
    return {"numbers": dumps(list(numbers))}


def are_among(columns: Sequence[sa.Column[Any]], dialect: str) -> sa.ColumnElement[bool]:
    """Whether columns together are one of many rows of numbers and texts, which go as one JSON text.

    A list of rows in the statement would not be looked up in an index: SQLite reads the whole table for it, and so
    does PostgreSQL while a table is filled.
    """
    text = sa.bindparam("rows", type_=sa.Text())
    row: list[sa.ColumnElement[Any]]
    if dialect == "postgresql":
        values = sa.func.json_array_elements(sa.cast(text, postgresql.JSON)).table_valued("value").c.value
        row = [sa.cast(values.op("->>")(sa.literal_column(str(n))), one.type) for n, one in enumerate(columns)]
    else:
        values = sa.func.json_each(text).table_valued("value").c.value
        row = [sa.func.json_extract(values, sa.literal_column(f"'$[{n}]'")) for n, _ in enumerate(columns)]
    return sa.tuple_(*columns).in_(sa.select(*row))


def as_rows(rows: Iterable[Sequence[int | str]]) -> dict[str, str]:
    """The rows as `are_among` wants them."""
    return {"rows": dumps(list(rows))}


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cuts rows so that no statement has more parameters than a database takes."""
    left = iter(rows)
    while batch := list(islice(left, size)):
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


Row = tuple[object, ...]


def insert_rows(connection: Connection, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Inserts rows, each with a value for each column, as fast as the database takes them."""
    for part in chunks(rows, 20_000):
        if connection.dialect.name != "postgresql":
            stored = list(_as_stored(connection, table, columns, part))
            connection.exec_driver_sql(_insert_text(table, columns), stored)
        elif len(part) < ROWS_WORTH_A_COPY:
            given = dict(zip(columns, map(list, zip(*part, strict=True)), strict=True))
            connection.execute(_pour_into(table, columns), given)
        else:
            _copy_into(connection, table, columns, _as_stored(connection, table, columns, part))


@cache
def _pour_into(table: sa.Table, columns: tuple[str, ...]) -> sa.Insert:
    given = as_arrays({name: table.c[name].type for name in columns})
    return table.insert().from_select(list(columns), sa.select(*given.c))


@cache
def _insert_text(table: sa.Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own tables


def _copy_into(connection: Connection, table: sa.Table, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
    statement = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # As SQLAlchemy would have said it: who waits for a broken rule, or tries again, looks for its errors.
        raise sa.exc.DBAPIError.instance(statement, None, error, psycopg.Error, dialect=connection.dialect) from error


def _as_stored(connection: Connection, table: sa.Table, columns: tuple[str, ...], rows: Sequence[Row]) -> Iterable[Row]:
    """Values as the driver takes them, row by row: columns of many rows at once call up the garbage collector."""
    found = [(n, table.c[name].type.dialect_impl(connection.dialect)) for n, name in enumerate(columns)]
    converters = [(n, _Converted(convert)) for n, kind in found if (convert := kind.bind_processor(connection.dialect))]
    return _stored(rows, converters) if converters else rows


def _stored(rows: Iterable[Row], converters: Sequence[tuple[int, "_Converted"]]) -> Iterator[Row]:
    for row in rows:
        values = list(row)
        for place, converted in converters:
            values[place] = converted[values[place]]
        yield tuple(values)


class _Converted(dict[object, object]):
    """Times are many and mostly the same few: each is converted once."""

    def __init__(self, convert: Callable[[Any], object]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, value: object) -> object:
        self[value] = stored = self._convert(value)
        return stored


class StockTransaction:
    """One transaction on stock at one time of the hub's clock. What moved is noted for whoever publishes it."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._is_postgresql = connection.dialect.name == "postgresql"
        # Stock keys never change: what was locked need not be read again for the digests of claims.
        self._stock_keys: dict[int, StockKey] = {}

    def stock_keys(self, level_ids: Iterable[int]) -> Mapping[int, StockKey]:
        """The full stock keys of levels."""
        for batch in chunks(sorted(set(level_ids) - self._stock_keys.keys())):
            query = sa.select(LEVEL).where(LEVEL.c.id.in_(batch))
            for row in self._connection.execute(query):
                self._stock_keys[row.id] = (row.item_id, row.location_id, row.owner, row.condition, row.lot)
        return self._stock_keys

    def touch(self, places: Iterable[Place]) -> None:
        """Notes in this transaction that availability moved there."""
        rows: list[Row] = [(place.item_id, place.location_id, self._now) for place in sorted(set(places))]
        insert_rows(self._connection, CHANGE, ("item_id", "location_id", "changed_at"), rows)
