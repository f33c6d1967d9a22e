"""Rows looked at one by one: whether they fit their digests, and the rules that the database itself was given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from nervure.store import tables
from nervure.store.digests import (
    SEALED_CLAIM,
    SEALED_MOVEMENT,
    claim_digest,
    count_digest,
    ended_claim_digest,
    movement_digest,
)
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT, OBSERVATION
from nervure.store.tables.catalogue import ITEM, LOCATION

KEY = ("item_id", "location_id", "owner", "condition", "lot")
ROWS_AT_ONCE = 5_000
_UNITS = ("units", "units_ordered", "units_expected", "units_sent", "on_hand")
_STREAMED = {"stream_results": True, "yield_per": ROWS_AT_ONCE}


@dataclass(frozen=True, slots=True)
class RowAudit:
    """A row that is not what it was, or may not be. `units`: what it speaks of, 0 where of none."""

    table: str
    row_id: str
    sku: str
    location: str
    units: int
    found: str
    must: str


class RowAuditStore:
    """Reads rows one by one, a few thousand at a time, so that their number does not matter."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stream(self, query: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
        """Rows of a query, never all of them at once."""
        # Closed also where the reader stops early: a cursor left open holds its rows on the server.
        with self._connection.execute(query, execution_options=_STREAMED) as result:
            yield from result

    def altered(self) -> Iterator[RowAudit]:
        """Movements, claims and counts that are not what was written."""
        for name, query, compute in (
            ("movement", _with_key(MOVEMENT), _of_movement),
            ("claim", _with_key(CLAIM), _of_claim),
            ("count", _with_names(sa.select(OBSERVATION), OBSERVATION), lambda row: count_digest(_own(row))),
        ):
            for found in self.stream(query):
                row = found._mapping  # noqa: SLF001 - a public name of SQLAlchemy
                must = compute(row)
                if row["digest"] != must:
                    yield RowAudit(
                        name,
                        str(row["id"]),
                        row["at_sku"] or "?",
                        row["at_code"] or "?",
                        row["units"],
                        f"digest {row['digest']}",
                        f"digest {must}",
                    )

    def unbooked_levels(self) -> Iterator[RowAudit]:
        """Levels that no movement and no count has made."""
        counted = sa.and_(*(OBSERVATION.c[name] == LEVEL.c[name] for name in KEY))
        moved = sa.select(MOVEMENT.c.id).where(MOVEMENT.c.stock_level_id == LEVEL.c.id).exists()
        query = _with_names(sa.select(LEVEL), LEVEL).where(~moved, ~sa.select(OBSERVATION.c.id).where(counted).exists())
        for row in self.stream(query):
            yield RowAudit(
                "level", str(row.id), row.at_sku or "?", row.at_code or "?", row.on_hand, "no movement", "at least one"
            )

    def broken_rules(self) -> Iterator[RowAudit]:
        """Rows that point to nothing, are there twice, or break a check: the database would not have taken them."""
        for table in SQLModel.metadata.sorted_tables:
            for key in sorted(table.foreign_keys, key=lambda one: one.parent.name):
                yield from self._dangling(table, key.parent, key.column)
            for constraint in sorted(table.constraints, key=lambda one: str(one.name)):
                if isinstance(constraint, sa.CheckConstraint) and constraint.name is not None:
                    yield from self._refused(table, constraint)
                elif isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint):
                    yield from self._twice(table, list(constraint.columns), None)
            for index in table.indexes:
                if index.unique:
                    where = index.dialect_options[self._connection.dialect.name]["where"]
                    yield from self._twice(table, list(index.columns), where)

    def _dangling(self, table: sa.Table, column: sa.Column[Any], target: sa.Column[Any]) -> Iterator[RowAudit]:
        for row in self.stream(_pointing_nowhere(table, column, target)):
            yield _as_audit(table, row, f"{column.name} {_get(row, column.name)}", f"a row of {target.table.name}")

    def _refused(self, table: sa.Table, constraint: sa.CheckConstraint) -> Iterator[RowAudit]:
        said = str(constraint.sqltext)
        name = str(constraint.name).removeprefix(f"ck_{table.name}_")
        for row in self.stream(_breaking(table, said)):
            yield _as_audit(table, row, f"breaks the rule {name}", said)

    def _twice(self, table: sa.Table, columns: Sequence[sa.Column[Any]], where: Any) -> Iterator[RowAudit]:
        for row in self.stream(_several(table, tuple(columns), where)):
            said = ", ".join(f"{column.name} {_get(row, column.name)}" for column in columns)
            yield _as_audit(table, row, f"several with {said}", "one")


@cache
def _pointing_nowhere(table: sa.Table, column: sa.Column[Any], target: sa.Column[Any]) -> sa.Select[Any]:
    there = target.table.alias("there")
    return _with_names(sa.select(table), table).where(
        column.is_not(None), ~sa.select(there.c[target.name]).where(there.c[target.name] == column).exists()
    )


@cache
def _breaking(table: sa.Table, said: str) -> sa.Select[Any]:
    return _where(table, sa.text(f"NOT ({said})"))


@cache
def _several(table: sa.Table, columns: tuple[sa.Column[Any], ...], where: Any) -> sa.Select[Any]:
    wanted = sa.and_(*(column.is_not(None) for column in columns), *([] if where is None else [where]))
    several = sa.select(*columns).where(wanted).group_by(*columns).having(sa.func.count() > 1)
    return _where(table, sa.and_(wanted, sa.tuple_(*columns).in_(several)))


def _where(table: sa.Table, condition: sa.ColumnElement[bool] | sa.TextClause) -> sa.Select[Any]:
    """Rows that a condition is true of, which names columns of this table alone."""
    key = list(table.primary_key.columns)
    return _with_names(sa.select(table), table).where(sa.tuple_(*key).in_(sa.select(*key).where(condition)))


def _get(row: sa.Row[Any], name: str) -> Any:
    return row._mapping.get(name)  # noqa: SLF001 - a public name of SQLAlchemy


def _as_audit(table: sa.Table, row: sa.Row[Any], found: str, must: str) -> RowAudit:
    name = ",".join(str(_get(row, column.name)) for column in table.primary_key.columns)
    units = next((_get(row, one) for one in _UNITS if one in table.c), 0)
    return RowAudit(
        table.name, name, _get(row, "at_sku") or "", _get(row, "at_code") or "", int(units or 0), found, must
    )


def _with_key(table: sa.Table) -> sa.Select[Any]:
    key = (LEVEL.c[name].label(f"key_{name}") for name in KEY)
    return (
        sa.select(table, *key, ITEM.c.sku.label("at_sku"), LOCATION.c.code.label("at_code"))
        .join(LEVEL, LEVEL.c.id == table.c.stock_level_id, isouter=True)
        .join(ITEM, ITEM.c.id == LEVEL.c.item_id, isouter=True)
        .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id, isouter=True)
        .order_by(table.c.id)
    )


def _with_names(query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    """Whose units they are, and where, as far as the row says it."""
    item, location = table.c.get("item_id"), table.c.get("location_id")
    if "stock_level_id" in table.c:
        level = LEVEL.alias("at_level")
        query = query.join(level, level.c.id == table.c.stock_level_id, isouter=True)
        item, location = level.c.item_id, level.c.location_id
    elif "order_line_id" in table.c:
        line = tables.of(tables.OrderLineRow).alias("at_line")
        query = query.join(line, line.c.id == table.c.order_line_id, isouter=True)
        item = line.c.item_id
    if item is not None:
        at_item = ITEM.alias("at_item")
        query = query.join(at_item, at_item.c.id == item, isouter=True).add_columns(at_item.c.sku.label("at_sku"))
    if location is not None:
        here = LOCATION.alias("at_location")
        query = query.join(here, here.c.id == location, isouter=True).add_columns(here.c.code.label("at_code"))
    return query


def _key(row: Any) -> tuple[int, int, str, str, str]:
    item, location, owner, condition, lot = (row[f"key_{name}"] for name in KEY)
    return item, location, owner, condition, lot


def _of_movement(row: Any) -> int:
    return movement_digest(_key(row), [row[name] for name in SEALED_MOVEMENT])


def _of_claim(row: Any) -> int:
    held = claim_digest(_key(row), [row[name] for name in SEALED_CLAIM])
    return ended_claim_digest(held, row["state"], row["ended_at"], row["end_recorded_at"])


def _own(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("at_")}


def as_row(table: str, row: Any, found: str, must: str) -> RowAudit:
    """A row with its `id`, `units`, `at_sku` and `at_code`, and what is wrong with it."""
    return RowAudit(table, str(row.id), row.at_sku or "?", row.at_code or "?", int(row.units or 0), found, must)


def with_names_of_level(query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    """Adds `at_sku` and `at_code` of the level that a row of `table` is of."""
    return (
        query.add_columns(ITEM.c.sku.label("at_sku"), LOCATION.c.code.label("at_code"))
        .join(LEVEL, LEVEL.c.id == table.c.stock_level_id, isouter=True)
        .join(ITEM, ITEM.c.id == LEVEL.c.item_id, isouter=True)
        .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id, isouter=True)
    )
