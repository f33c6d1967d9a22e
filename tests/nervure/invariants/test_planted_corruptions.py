"""Any one row deleted, doubled or altered by hand: `nervure check` names it. A sample by default, all in soak."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from nervure.invariants import Violation, check_all
from nervure.store import tables
from nervure.store.audit import AuditStore
from nervure.store.columns import Utc
from nervure.store.database import Database
from nervure.store.serial_claims import SERIAL_CLAIM
from nervure.store.statements import CLAIM
from nervure.store.tables.catalogue import ITEM
from nervure.store.tables.orders import FULFILLMENT_LINE, LINE
from tests.nervure.invariants.rich import fill, without_rules
from tests.nervure.invariants.test_rules import PLANTED

ROWS: tuple[type[SQLModel], ...] = (
    tables.StockMovementRow,
    tables.StockLevelRow,
    tables.ClaimRow,
    tables.FulfillmentLineRow,
    tables.OrderLineRow,
    tables.ShortfallRow,
    tables.KitComponentRow,
    tables.StockObservationRow,
    tables.PurchaseLineRow,
    tables.PurchaseReceiptRow,
    tables.TransferLineRow,
    tables.ReservationRow,
    tables.ReservationLineRow,
    tables.SerialClaimRow,
    tables.LineCutRow,
)

SEALED = {"stock_movement", "claim", "stock_observation"}
"""Rows with a digest: every column of them is told, times and texts included."""

UNTOLD = {
    "stock_movement.id": "a surrogate; what names it (compensates_id) is told",
    "claim.id": "a surrogate; its movement names it",
    "order_line.external_id": "the channel's word for the line; nothing of ours repeats it",
    "order_line.title": "text for people",
    "order_line.listing_id": "a listing may be bound anew; that it is of the order's channel is told",
    "order_line.unit_price": "money as the channel said it, no units",
    "order_line.line_total": "money as the channel said it, no units",
    "order_line.tax_amount": "money as the channel said it, no units",
    "shortfall.reason": "text for people",
    "shortfall.is_overdue": "whether somebody was reminded; the next turn of the upkeep says it again",
    "kit_component.kit_id": "a recipe is the merchant's to change; what was taken counts",
    "kit_component.part_id": "a recipe is the merchant's to change; what was taken counts",
    "kit_component.units": "a recipe is the merchant's to change; what was taken counts",
    "purchase_line.units_expected": "what is expected is said once, and revised by its supplier",
    "transfer_line.asked": "the words of the dispatch; what left is told",
    "reservation.channel_id": "whose cart it is; what it holds is told",
    "reservation.order_external_id": "which order will take it over is said once; which has, is told",
    "serial_claim.serial_id": "which single unit was named is said once while the order is open",
    "reservation_line.location_id": "a cart may take from the pool what lies at one place",
}
"""Columns in which nothing else says what must stand there, and why. Times without a digest are not told either."""

UNTOLD_ROWS = {
    "kit_component": "a recipe is the merchant's to change",
    "purchase_receipt": "a receipt that counts for no purchase is a receipt all the same",
}
# Beside these, a released claim of a part of a kit (no recipe says how many units it was of, and nobody has it), and a
# held serial claim (a unit that was not named yet looks the same).
"""Tables of which a row may be missing without anything else that speaks of it, and why."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """One thing that somebody did to one row. `column` None: the row was deleted, or (`is_double`) written twice."""

    table: sa.Table
    key: tuple[Any, ...]
    column: str | None = None
    value: Any = None
    is_double: bool = False

    def __str__(self) -> str:
        row = f"{self.table.name} {self.key}"
        if self.column is not None:
            return f"{row}: {self.column} = {self.value!r}"
        return f"{row}: {'doubled' if self.is_double else 'deleted'}"

    def plant(self, connection: Connection) -> None:
        """Does it."""
        columns = list(self.table.primary_key.columns)
        here = sa.and_(*(column == value for column, value in zip(columns, self.key, strict=True)))
        if self.column is not None:
            connection.execute(self.table.update().where(here).values({self.column: self.value}))
        elif self.is_double:
            row = dict(connection.execute(self.table.select().where(here)).mappings().one())
            if "id" in row:
                row["id"] = connection.execute(sa.select(sa.func.max(self.table.c.id))).scalar_one() + 1
            connection.execute(self.table.insert().values(**row))
        else:
            connection.execute(self.table.delete().where(here))


def corruptions(connection: Connection) -> Iterator[Corruption]:
    """Everything that can be done to any one row."""
    for table in [tables.of(row) for row in ROWS]:
        keys = list(table.primary_key.columns)
        rows = connection.execute(table.select().order_by(*keys)).mappings().all()
        seen = {column.name: sorted({row[column.name] for row in rows} - {None}, key=str) for column in table.columns}
        for row in rows:
            key = tuple(row[column.name] for column in keys)
            is_released_part = table is CLAIM and row["state"] == "released" and _is_of_kit(connection, row)
            is_only_named = table is SERIAL_CLAIM and row["state"] == "held"
            if table.name not in UNTOLD_ROWS and not is_released_part and not is_only_named:
                yield Corruption(table, key)
            if not is_released_part:
                yield Corruption(table, key, is_double=True)
            for column in table.columns:
                if _is_told(column):
                    value = _other(connection, column, row[column.name], seen[column.name])
                    if value is not None:
                        yield Corruption(table, key, column.name, value)


def _is_of_kit(connection: Connection, claim: sa.RowMapping) -> bool:
    query = (
        sa.select(ITEM.c.kind)
        .join(LINE, LINE.c.item_id == ITEM.c.id)
        .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.order_line_id == LINE.c.id)
        .where(FULFILLMENT_LINE.c.id == claim["fulfillment_line_id"])
    )
    return connection.execute(query).scalar_one_or_none() == "kit"


def _is_told(column: sa.Column[Any]) -> bool:
    if column.name == "id" or f"{column.table.name}.{column.name}" in UNTOLD:
        return False
    is_time = isinstance(column.type, Utc | sa.Date)
    return column.table.name in SEALED or not is_time


def _other(connection: Connection, column: sa.Column[Any], value: Any, seen: list[Any]) -> Any:
    """Another value that could stand there: one that the database would take, where there is one."""
    if column.foreign_keys:
        [key] = column.foreign_keys
        target = key.column
        found = connection.execute(sa.select(target).where(target != value if value is not None else sa.true()))
        return found.scalars().first()
    others = [one for one in seen if one != value]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    if isinstance(value, str):
        return others[0] if others else value + "x"
    return others[0] if others else None


def found_in(connection: Connection, corruption: Corruption) -> list[Violation]:
    """What the check says while the corruption is there."""
    savepoint = connection.begin_nested()
    try:
        corruption.plant(connection)
        return check_all(AuditStore(connection))
    finally:
        savepoint.rollback()


def one_of_each(chosen: Iterator[Corruption]) -> list[Corruption]:
    """For each table and column one corruption of it, and one row deleted and doubled: not always of the first row."""
    by_kind: dict[tuple[str, str | None, bool], list[Corruption]] = {}
    for one in chosen:
        by_kind.setdefault((one.table.name, one.column, one.is_double), []).append(one)
    return [found[number % len(found)] for number, found in enumerate(by_kind.values())]


def plant(database: Database, *, is_sample: bool) -> None:
    """Plants corruptions, one by one, and says how many were found."""
    fill(database)
    with database.read() as connection:
        assert check_all(AuditStore(connection)) == []
    without_rules(database)
    missed: list[str] = []
    rules: set[str] = set()
    with database.engine.connect() as connection, connection.begin() as transaction:
        assert check_all(AuditStore(connection)) == []
        everything = corruptions(connection)
        chosen = one_of_each(everything) if is_sample else list(everything)
        for one in chosen:
            found = found_in(connection, one)
            rules |= {violation.rule for violation in found}
            if not any(violation.found and violation.must for violation in found):
                missed.append(str(one))
        transaction.rollback()
    print(f"\n{database.engine.dialect.name}: {len(chosen)} corruptions planted, {len(chosen) - len(missed)} found")
    print(f"by {', '.join(sorted(rules))}")
    assert not missed, "\n".join(missed)
    assert is_sample or PLANTED - rules <= {"recipes_whole"}, "a rule found nothing"


@pytest.mark.requirement("R13")
def test_a_sample_of_all_corruptions_is_found_to_the_last(database: Database) -> None:
    plant(database, is_sample=True)


@pytest.mark.soak
@pytest.mark.requirement("R13")
def test_every_corruption_is_found(database: Database) -> None:
    plant(database, is_sample=False)
