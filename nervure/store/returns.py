"""Returns in SQL: what came back, where, in which condition."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.work import ReturnState
from nervure.store import tables
from nervure.store.channels import channel_id_of
from nervure.store.statements import insert_new
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import LINE, ORDER
from schemas.orders import Return, ReturnLine
from schemas.stock import Condition

RETURN = tables.of(tables.GoodsReturnRow)
RETURN_LINE = tables.of(tables.GoodsReturnLineRow)


class ReturnStore:
    """The returns of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, goods: Return) -> int:
        channel_id = channel_id_of(self._connection, goods.channel)
        insert_new(
            self._connection,
            RETURN,
            [
                {
                    "channel_id": channel_id,
                    "external_id": goods.external_id,
                    "order_external_id": goods.order,
                    "occurred_at": goods.occurred_at,
                    "recorded_at": self._now,
                    "refund_amount": goods.refund.amount if goods.refund else None,
                    "refund_currency": goods.refund.currency if goods.refund else None,
                }
            ],
        )
        this = sa.and_(RETURN.c.channel_id == channel_id, RETURN.c.external_id == goods.external_id)
        found = int(self._connection.execute(sa.select(RETURN.c.id).where(this).with_for_update()).scalar_one())
        # The order, and the money, may be told after the goods.
        if goods.order is not None:
            self._connection.execute(
                RETURN.update().where(this, RETURN.c.order_external_id.is_(None)).values(order_external_id=goods.order)
            )
        if goods.refund is not None:
            self._connection.execute(
                RETURN.update()
                .where(this, RETURN.c.refund_amount.is_(None))
                .values(refund_amount=goods.refund.amount, refund_currency=goods.refund.currency)
            )
        return found

    def line(self, return_id: int, line: ReturnLine, item_id: int) -> tuple[bool, ReturnState]:
        row = {
            "goods_return_id": return_id,
            "external_id": line.external_id,
            "item_id": item_id,
            "order_line": line.order_line,
            "units": line.units,
            "units_back": 0,
            "condition": line.condition.value,
            "stated_at": self._now,
            "steps": 0,
        }
        is_new = bool(insert_new(self._connection, RETURN_LINE, [row]))
        query = sa.select(RETURN_LINE).where(
            RETURN_LINE.c.goods_return_id == return_id, RETURN_LINE.c.external_id == line.external_id
        )
        known = self._connection.execute(query).one()
        return is_new, ReturnState(
            known.id,
            known.units,
            known.units_back,
            Condition(known.condition),
            known.location_id,
            known.stated_at,
            known.steps,
        )

    def put_line(self, state: ReturnState) -> None:
        self._connection.execute(
            RETURN_LINE.update()
            .where(RETURN_LINE.c.id == state.id)
            .values(
                units=state.units,
                units_back=state.units_back,
                condition=state.condition.value,
                location_id=state.location_id,
                stated_at=state.stated_at,
                steps=state.steps,
            )
        )

    def over_returned(self, channel: str, order: str) -> list[tuple[int, str, int]]:
        back = (
            sa.select(RETURN_LINE.c.order_line, sa.func.sum(RETURN_LINE.c.units_back).label("units"))
            .join(RETURN, RETURN.c.id == RETURN_LINE.c.goods_return_id)
            .join(CHANNEL, CHANNEL.c.id == RETURN.c.channel_id)
            .where(CHANNEL.c.name == channel, RETURN.c.order_external_id == order)
            .group_by(RETURN_LINE.c.order_line)
            .subquery()
        )
        query = (
            sa.select(LINE.c.id, LINE.c.external_id, back.c.units - LINE.c.units_ordered)
            .join(back, back.c.order_line == LINE.c.external_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(CHANNEL.c.name == channel, ORDER.c.external_id == order)
            .order_by(LINE.c.id)
        )
        return [(line, name, int(units)) for line, name, units in self._connection.execute(query)]
