"""Purchases in SQL. Whoever changes one holds its lock first, and reads under it."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.purchases import Purchase, PurchaseLine
from nervure.inventory.stock import Place
from nervure.store import tables
from nervure.store.statements import LEVEL, MOVEMENT, insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION

PURCHASE = tables.of(tables.PurchaseRow)
PURCHASE_LINE = tables.of(tables.PurchaseLineRow)
PURCHASE_RECEIPT = tables.of(tables.PurchaseReceiptRow)

_BOOKED = MOVEMENT.alias("booked")
_TAKEN_BACK = MOVEMENT.alias("taken_back")
_COUNTED = _BOOKED.c.cause_key + "|counted"

_STANDS = ~(
    sa.select(_TAKEN_BACK.c.id)
    .join(
        _BOOKED,
        sa.and_(
            # The level and the sequence say nothing new: they are what the ledger has an index of.
            _TAKEN_BACK.c.stock_level_id == _BOOKED.c.stock_level_id,
            _TAKEN_BACK.c.sequence > _BOOKED.c.sequence,
            _TAKEN_BACK.c.compensates_id == _BOOKED.c.id,
        ),
    )
    .where(
        _BOOKED.c.cause_key == PURCHASE_RECEIPT.c.cause_key,
        # What a count had already seen is compensated too, and came in all the same.
        sa.func.substr(_TAKEN_BACK.c.cause_key, 1, sa.func.length(_COUNTED)) != _COUNTED,
    )
    .correlate(PURCHASE_RECEIPT)
    .exists()
)
UNITS_RECEIVED = (
    sa.select(sa.func.coalesce(sa.func.sum(PURCHASE_RECEIPT.c.units), 0))
    .where(PURCHASE_RECEIPT.c.purchase_line_id == PURCHASE_LINE.c.id, _STANDS)
    .correlate(PURCHASE_LINE)
    .scalar_subquery()
)
"""Units that came in for a line: by its receipts, without those that the ledger has taken back."""


def receipts(connection: Connection) -> Iterator[tuple[str, str, str, int, int]]:
    """Every receipt of a purchase: whose it is, sku, location, units as the purchase says, and as the ledger says."""
    is_there = sa.and_(LEVEL.c.item_id == PURCHASE_LINE.c.item_id, LEVEL.c.location_id == PURCHASE_LINE.c.location_id)
    units = sa.case((is_there, MOVEMENT.c.units), else_=0)
    query = (
        sa.select(
            PURCHASE.c.name,
            PURCHASE_RECEIPT.c.cause_key,
            ITEM.c.sku,
            LOCATION.c.code,
            PURCHASE_RECEIPT.c.units,
            units.label("booked"),
        )
        .join(PURCHASE_LINE, PURCHASE_LINE.c.id == PURCHASE_RECEIPT.c.purchase_line_id)
        .join(PURCHASE, PURCHASE.c.id == PURCHASE_LINE.c.purchase_id)
        .join(ITEM, ITEM.c.id == PURCHASE_LINE.c.item_id)
        .join(LOCATION, LOCATION.c.id == PURCHASE_LINE.c.location_id)
        .join(MOVEMENT, MOVEMENT.c.cause_key == PURCHASE_RECEIPT.c.cause_key, isouter=True)
        .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id, isouter=True)
        .order_by(PURCHASE_RECEIPT.c.id)
    )
    for name, cause, sku, location, said, booked in connection.execute(query):
        yield f"purchase {name}, receipt {cause}", sku, location, said, booked or 0


class PurchaseStore:
    """The purchases of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def open(self, name: str, supplier: str | None) -> Purchase:
        """Writes a purchase if it is new, and locks it. Who it is from is filled in where nobody had said."""
        insert_new(self._connection, PURCHASE, [{"name": name, "supplier": supplier, "recorded_at": self._now}])
        if supplier is not None:
            self._connection.execute(
                PURCHASE.update()
                .where(PURCHASE.c.name == name, PURCHASE.c.supplier.is_(None))
                .values(supplier=supplier)
            )
        found = self.lock(name)
        assert found is not None
        return found

    def lock(self, name: str) -> Purchase | None:
        """Locks a purchase; None: there is none of that name."""
        query = sa.select(PURCHASE).where(PURCHASE.c.name == name).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return Purchase(row.id, row.name, row.supplier, row.closed_at is not None) if row else None

    def lines(self, purchase_id: int, place: Place | None = None) -> Mapping[Place, PurchaseLine]:
        query = sa.select(PURCHASE_LINE, UNITS_RECEIVED.label("received")).where(
            PURCHASE_LINE.c.purchase_id == purchase_id
        )
        if place is not None:
            query = query.where(
                PURCHASE_LINE.c.item_id == place.item_id, PURCHASE_LINE.c.location_id == place.location_id
            )
        return {
            (here := Place(row.item_id, row.location_id)): PurchaseLine(
                row.id, here, row.units_expected, row.expected_on, int(row.received)
            )
            for row in self._connection.execute(query.order_by(PURCHASE_LINE.c.id))
        }

    def add_line(self, purchase_id: int, place: Place, units: int, expected_on: date | None) -> None:
        self._connection.execute(
            PURCHASE_LINE.insert().values(
                purchase_id=purchase_id,
                item_id=place.item_id,
                location_id=place.location_id,
                units_expected=units,
                expected_on=expected_on,
            )
        )

    def revise_line(self, line_id: int, units: int, expected_on: date) -> None:
        self._connection.execute(
            PURCHASE_LINE.update()
            .where(PURCHASE_LINE.c.id == line_id)
            .values(units_expected=units, expected_on=expected_on)
        )

    def count(self, line_id: int, cause_key: str, units: int) -> None:
        row = {"purchase_line_id": line_id, "cause_key": cause_key, "units": units, "recorded_at": self._now}
        self._connection.execute(PURCHASE_RECEIPT.insert(), [row])

    def close(self, purchase_id: int) -> bool:
        """Nothing of it is expected any more; False: it was closed."""
        closed = self._connection.execute(
            PURCHASE.update()
            .where(PURCHASE.c.id == purchase_id, PURCHASE.c.closed_at.is_(None))
            .values(closed_at=self._now)
        )
        return closed.rowcount == 1
