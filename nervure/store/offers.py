"""Supplier offers in SQL, and what the ledger expects a supplier to have."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.counts import Count
from nervure.store.counts import count_row, was_held, with_supplier
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT, OBSERVATION, chunks, insert_new
from nervure.store.tables import SupplierOfferRow, of
from nervure.store.tables.catalogue import LOCATION
from schemas.stock import Condition, SupplierOffer

OFFER = of(SupplierOfferRow)


class OfferStore:
    """The offers of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def totals(self, supplier: str) -> tuple[int | None, int | None]:
        """Rows and units of the offers in force; None where there are none."""
        query = sa.select(sa.func.count(), sa.func.sum(OFFER.c.units)).where(OFFER.c.supplier == supplier)
        rows, units = self._connection.execute(query).one()
        return (int(rows), None if units is None else int(units)) if rows else (None, None)

    def put(self, supplier: str, offers: Sequence[SupplierOffer], items: Sequence[int | None]) -> None:
        """Writes a whole feed: offers that it no longer names keep their row, with 0 units."""
        known = set(
            self._connection.execute(sa.select(OFFER.c.supplier_sku).where(OFFER.c.supplier == supplier)).scalars()
        )
        rows = [
            {
                "supplier": supplier,
                "supplier_sku": offer.supplier_sku,
                "item_id": item,
                "gtin": offer.gtin,
                "title": offer.title,
                "units": offer.units,
                "unit_cost": offer.unit_cost.amount if offer.unit_cost else None,
                "currency": offer.unit_cost.currency if offer.unit_cost else None,
                "lead_time_days": offer.lead_time_days,
                "as_of": offer.as_of,
            }
            for offer, item in zip(offers, items, strict=True)
        ]
        insert_new(self._connection, OFFER, [row for row in rows if row["supplier_sku"] not in known])
        changed = [row for row in rows if row["supplier_sku"] in known]
        if changed:
            fields = [name for name in changed[0] if name not in ("supplier", "supplier_sku")]
            statement = (
                OFFER.update()
                .where(OFFER.c.supplier == supplier, OFFER.c.supplier_sku == sa.bindparam("this_sku"))
                .values(**{name: sa.bindparam(f"new_{name}", type_=OFFER.c[name].type) for name in fields})
            )
            for batch in chunks(changed):
                self._connection.execute(
                    statement,
                    [
                        {"this_sku": row["supplier_sku"]} | {f"new_{name}": row[name] for name in fields}
                        for row in batch
                    ],
                )
        gone = sorted(known - {offer.supplier_sku for offer in offers})
        for names in chunks(gone):
            self._connection.execute(
                OFFER.update()
                .where(OFFER.c.supplier == supplier, OFFER.c.supplier_sku.in_(names))
                .values(units=sa.case((OFFER.c.units.is_(None), None), else_=0), as_of=self._now)
            )

    def offered(self, supplier: str) -> dict[int, int]:
        """Units offered of each bound item that the feed has a figure for."""
        query = (
            sa.select(OFFER.c.item_id, sa.func.sum(OFFER.c.units))
            .where(OFFER.c.supplier == supplier, OFFER.c.item_id.is_not(None), OFFER.c.units.is_not(None))
            .group_by(OFFER.c.item_id)
        )
        return {item: int(units) for item, units in self._connection.execute(query)}

    def expected(self, location_id: int, moment: datetime) -> tuple[dict[int, int], dict[int, int]]:
        """Sellable units per item that the ledger says were there at `moment`, and those of our orders among them
        that the supplier had and had not shipped.
        """
        here = sa.and_(LEVEL.c.location_id == location_id, LEVEL.c.condition == Condition.SELLABLE.value)
        query = sa.select(LEVEL.c.item_id, sa.func.sum(LEVEL.c.on_hand)).where(here).group_by(LEVEL.c.item_id)
        found = {item: int(units) for item, units in self._connection.execute(query)}
        later = (
            sa.select(LEVEL.c.item_id, sa.func.sum(MOVEMENT.c.units))
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .where(here, MOVEMENT.c.occurred_at > moment)
            .group_by(LEVEL.c.item_id)
        )
        for item, units in self._connection.execute(later):
            found[item] -= int(units)
        ordered = with_supplier(
            sa.select(LEVEL.c.item_id, sa.func.sum(CLAIM.c.units)).join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
        ).where(here, was_held(moment))
        return found, {item: int(units) for item, units in self._connection.execute(ordered.group_by(LEVEL.c.item_id))}

    def lock_location(self, location_id: int) -> datetime | None:
        """Serializes feeds of one location; answers the time of the last one."""
        query = sa.select(LOCATION.c.as_of).where(LOCATION.c.id == location_id).with_for_update()
        found: datetime | None = self._connection.execute(query).scalar_one()
        return found

    def observe(self, counts: Sequence[Count]) -> None:
        """Keeps what the feed said of each item."""
        insert_new(self._connection, OBSERVATION, [count_row(count, self._now) for count in counts])
