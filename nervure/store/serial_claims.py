"""What orders do with single units: they leave with a line, are let go, and come back."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from nervure.inventory.stock import Entry
from nervure.store import tables
from nervure.store.statements import CLAIM, LEVEL, StockTransaction, chunks, insert_new
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, ORDER

SERIAL = tables.of(tables.SerialRow)
SERIAL_CLAIM = tables.of(tables.SerialClaimRow)

_OPEN = SERIAL_CLAIM.c.ended_at.is_(None)


class SerialClaimStore(StockTransaction):
    """The single units of one transaction, as orders see them."""

    def serials_leave(self, fulfillment_line_ids: Collection[int], left_at: datetime) -> None:
        for batch in chunks(sorted(fulfillment_line_ids)):
            left = self._connection.execute(
                SERIAL_CLAIM.update()
                .where(SERIAL_CLAIM.c.fulfillment_line_id.in_(batch), SERIAL_CLAIM.c.state == "held")
                .values(state="left", left_at=left_at)
                .returning(SERIAL_CLAIM.c.serial_id, SERIAL_CLAIM.c.fulfillment_line_id)
            ).all()
            for row in left:
                self.mark_left(row.serial_id, row.fulfillment_line_id)

    def mark_left(self, serial_id: int, fulfillment_line_id: int) -> None:
        """A single unit lies nowhere of ours any more; the order that it left with is noted."""
        order = (
            sa.select(sa.literal("order:") + CHANNEL.c.name + ":" + ORDER.c.external_id)
            .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.fulfillment_order_id == FULFILLMENT.c.id)
            .where(FULFILLMENT_LINE.c.id == fulfillment_line_id)
            .scalar_subquery()
        )
        self._connection.execute(
            SERIAL.update()
            .where(SERIAL.c.id == serial_id)
            .values(state="left", location_id=None, document=order, changed_at=self._now)
        )

    def release_serials(self, fulfillment_line_id: int) -> None:
        query = (
            sa.select(SERIAL_CLAIM.c.id, SERIAL.c.item_id)
            .join(SERIAL, SERIAL.c.id == SERIAL_CLAIM.c.serial_id)
            .where(SERIAL_CLAIM.c.fulfillment_line_id == fulfillment_line_id, SERIAL_CLAIM.c.state == "held")
            .order_by(SERIAL_CLAIM.c.id)
        )
        named = self._connection.execute(query).all()
        if not named:
            return
        held = (
            sa.select(LEVEL.c.item_id, sa.func.sum(CLAIM.c.units))
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .where(CLAIM.c.fulfillment_line_id == fulfillment_line_id, CLAIM.c.state == "held")
            .group_by(LEVEL.c.item_id)
        )
        left = {item: int(units) for item, units in self._connection.execute(held)}
        for row in named:
            left[row.item_id] = left.get(row.item_id, 0) - 1
            if left[row.item_id] < 0:
                self._end(SERIAL_CLAIM.c.id == row.id, "released")

    def serials_return(self, serials: Collection[str], entry: Entry, *, may_register: bool) -> None:
        place, known = entry.place, set[str]()
        values = {
            "state": "here",
            "location_id": place.location_id,
            "condition": entry.condition.value,
            "document": entry.document,
            "changed_at": self._now,
        }
        for batch in chunks(sorted(set(serials))):
            query = (
                sa.select(SERIAL.c.id, SERIAL.c.serial)
                .where(SERIAL.c.item_id == place.item_id, SERIAL.c.serial.in_(batch))
                .order_by(SERIAL.c.id)
                .with_for_update()
            )
            for row in self._connection.execute(query).all():
                known.add(row.serial)
                self._end(sa.and_(SERIAL_CLAIM.c.serial_id == row.id, _OPEN), "returned")
                self._connection.execute(SERIAL.update().where(SERIAL.c.id == row.id).values(**values))
        if may_register:
            fresh = sorted(set(serials) - known)
            insert_new(self._connection, SERIAL, [{"item_id": place.item_id, "serial": one, **values} for one in fresh])

    def _end(self, condition: sa.ColumnElement[bool], state: str) -> None:
        self._connection.execute(SERIAL_CLAIM.update().where(condition, _OPEN).values(state=state, ended_at=self._now))
