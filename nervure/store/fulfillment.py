"""Fulfillment orders in SQL: who does which part of an order, and what happened to it."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.work import FulfillmentLineState
from nervure.store.orders import OrderStore
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER
from schemas.fulfillment import AT_LOCATION, FulfillmentState, StepKind

DELIVERY = sa.func.coalesce(FULFILLMENT.c.delivery_method, ORDER.c.delivery_method).label("delivery")
"""How a part of an order goes: as the order does, unless its customer agreed on another way."""

LEFT = (FulfillmentState.SHIPPED.value, FulfillmentState.HANDED_OVER.value)
STILL_HERE = (*sorted(AT_LOCATION), FulfillmentState.SENT_TO_SUPPLIER.value)


class FulfillmentStore:
    """The fulfillment orders of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def add(self, order_id: int, location_id: int, state: FulfillmentState, units: Mapping[int, int]) -> dict[int, int]:
        made = self._connection.execute(
            FULFILLMENT.insert()
            .values(
                order_id=order_id,
                location_id=location_id,
                state=state.value,
                created_at=self._now,
                ended_at=self._now if state.value in LEFT else None,
            )
            .returning(FULFILLMENT.c.id)
        ).scalar_one()
        rows = self._connection.execute(
            FULFILLMENT_LINE.insert().returning(FULFILLMENT_LINE.c.order_line_id, FULFILLMENT_LINE.c.id),
            [
                {"fulfillment_order_id": made, "order_line_id": line, "units": count, "units_given_back": 0}
                for line, count in units.items()
            ],
        )
        return {row.order_line_id: row.id for row in rows}

    def lines(
        self, *, order_id: int | None = None, fulfillment_order_id: int | None = None, line_ids: Collection[int] = ()
    ) -> list[FulfillmentLineState]:
        query = (
            sa.select(
                FULFILLMENT_LINE, FULFILLMENT.c.location_id, FULFILLMENT.c.state, FULFILLMENT.c.order_id, LINE.c.item_id
            )
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .where(FULFILLMENT_LINE.c.units > 0)
            .order_by(FULFILLMENT_LINE.c.id)
        )
        if order_id is not None:
            query = query.where(FULFILLMENT.c.order_id == order_id)
        elif fulfillment_order_id is not None:
            query = query.where(FULFILLMENT.c.id == fulfillment_order_id)
        else:
            query = query.where(FULFILLMENT_LINE.c.id.in_(sorted(set(line_ids))))
        return [
            FulfillmentLineState(
                row.id,
                row.fulfillment_order_id,
                row.location_id,
                FulfillmentState(row.state),
                row.order_id,
                row.order_line_id,
                row.item_id,
                row.units,
            )
            for row in self._connection.execute(query)
        ]

    def shrink(self, fulfillment_line_id: int, units: int) -> None:
        number = self._connection.execute(
            FULFILLMENT_LINE.update()
            .where(FULFILLMENT_LINE.c.id == fulfillment_line_id)
            .values(
                units=FULFILLMENT_LINE.c.units - units,
                units_given_back=FULFILLMENT_LINE.c.units_given_back + units,
            )
            .returning(FULFILLMENT_LINE.c.fulfillment_order_id)
        ).scalar_one()
        left = sa.select(FULFILLMENT_LINE.c.id).where(
            FULFILLMENT_LINE.c.fulfillment_order_id == number, FULFILLMENT_LINE.c.units > 0
        )
        canceled = self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == number, FULFILLMENT.c.state != FulfillmentState.CANCELED.value, ~left.exists())
            .values(state=FulfillmentState.CANCELED.value, ended_at=self._now)
        )
        if canceled.rowcount:
            self.note_step(number, StepKind.CANCELED)

    def note_step(self, fulfillment_order_id: int, kind: StepKind, *, by: str = "", reason: str = "") -> None:
        row = {"fulfillment_order_id": fulfillment_order_id, "kind": kind.value, "by": by, "reason": reason}
        self._connection.execute(FULFILLMENT_EVENT.insert().values(**row, recorded_at=self._now))

    def end(self, fulfillment_order_id: int, state: FulfillmentState, at: datetime, *, by: str = "") -> bool:
        order = sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == fulfillment_order_id)
        for order_id in self._connection.execute(order).scalars():
            OrderStore(self._connection, self._now).lock(order_id)
        changed = self._connection.execute(
            FULFILLMENT.update()
            .where(
                FULFILLMENT.c.id == fulfillment_order_id,
                FULFILLMENT.c.state.in_(STILL_HERE),
            )
            .values(state=state.value, ended_at=at)
        )
        if changed.rowcount == 1:
            self.note_step(fulfillment_order_id, StepKind(state.value), by=by)
        return changed.rowcount == 1

    def moved(self, fulfillment_order_id: int, to_fulfillment_order_id: int) -> None:
        self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == fulfillment_order_id)
            .values(moved_to_id=to_fulfillment_order_id)
        )

    def name_of(self, fulfillment_order_id: int) -> tuple[str, str]:
        query = (
            sa.select(CHANNEL.c.name, ORDER.c.external_id)
            .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        )
        channel, external_id = self._connection.execute(query).one()
        return channel, external_id
