"""Orders in SQL, as their channels state them: headers, persons, lines."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.work import (
    BoundListing,
    KnownOrder,
    LineState,
    is_behind,
    is_older,
    is_tie,
)
from nervure.store.channels import channel_id_of
from nervure.store.statements import insert_new
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT_LINE, LINE, ORDER, PERSON, SHORTFALL
from nervure.store.tables.substitution import CUT
from nervure.store.tasks import TaskStore
from schemas.orders import Order, OrderLine, OrderState

RELEASED_STATES = (OrderState.OPEN.value, OrderState.COMPLETED.value)
"""Only these orders may be sent: others wait for a payment or an acceptance, and may have no address yet."""

OVER_STATES = (OrderState.COMPLETED.value, OrderState.CANCELED.value)
"""Nothing is missing of these orders any more."""

TOLD_BY_HAND = ("substituted", "refund")
"""Tasks for what a person must tell the channel of an order line, until the channel says it."""

PERSONAL_DATA_DAYS = 90
"""How long names and addresses of an order are kept unless the merchant says otherwise."""


class OrderStore:
    """The orders of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime, *, personal_data_days: int = PERSONAL_DATA_DAYS) -> None:
        self._connection = connection
        self._now = now
        self._personal_data_days = personal_data_days

    def upsert(self, order: Order) -> KnownOrder | None:
        channel_id = channel_id_of(self._connection, order.channel)
        header = _header(order)
        is_new = bool(
            insert_new(
                self._connection,
                ORDER,
                [{**header, "channel_id": channel_id, "recorded_at": self._now, "is_counted": False}],
            )
        )
        known = self._connection.execute(
            sa.select(ORDER.c.id, ORDER.c.updated_at, ORDER.c.state, ORDER.c.is_counted)
            .where(ORDER.c.channel_id == channel_id, ORDER.c.external_id == order.external_id)
            .with_for_update()
        ).one()
        ties = not is_new and is_tie(order, known.updated_at, OrderState(known.state))
        if not is_new:
            if is_older(order, known.updated_at, OrderState(known.state)):
                return None
            if ties and is_behind(order, self.lines(known.id)):
                return None
            self._connection.execute(ORDER.update().where(ORDER.c.id == known.id).values(**header))
        self._put_person(known.id, order)
        return KnownOrder(known.id, is_new=is_new, was_counted=known.is_counted, is_tie=ties)

    def _put_person(self, order_id: int, order: Order) -> None:
        customer, address = order.customer, order.delivery.address
        if customer is None and (address is None or not (address.lines or address.city)):
            return
        self._connection.execute(PERSON.delete().where(PERSON.c.order_id == order_id))
        self._connection.execute(
            PERSON.insert().values(
                order_id=order_id,
                name=customer.name if customer else None,
                email=customer.email if customer else None,
                phone=customer.phone if customer else None,
                city=address.city if address else None,
                address_lines=list(address.lines) if address else [],
                expires_at=self._now + timedelta(days=self._personal_data_days),
            )
        )

    def lock(self, order_id: int) -> None:
        self._connection.execute(sa.select(ORDER.c.id).where(ORDER.c.id == order_id).with_for_update())

    def mark_counted(self, order_id: int) -> None:
        self._connection.execute(ORDER.update().where(ORDER.c.id == order_id).values(is_counted=True))

    def lines_of(self, channel: str, order_external_id: str) -> list[LineState]:
        query = (
            sa.select(ORDER.c.id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(CHANNEL.c.name == channel, ORDER.c.external_id == order_external_id)
        )
        return [line for order_id in self._connection.execute(query).scalars() for line in self.lines(order_id)]

    def lines(self, order_id: int) -> list[LineState]:
        served = (
            sa.select(sa.func.coalesce(sa.func.sum(FULFILLMENT_LINE.c.units), 0))
            .where(FULFILLMENT_LINE.c.order_line_id == LINE.c.id)
            .scalar_subquery()
        )
        query = (
            sa.select(
                LINE, served.label("served"), SHORTFALL.c.units, SHORTFALL.c.backorder_units, SHORTFALL.c.is_overdue
            )
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id, isouter=True)
            .where(LINE.c.order_id == order_id)
            .order_by(LINE.c.id)
        )
        return [
            LineState(
                row.id,
                row.external_id,
                row.listing_id,
                row.item_id,
                row.units_ordered,
                row.units_canceled,
                int(row.served),
                row.units or 0,
                row.backorder_units or 0,
                is_overdue=bool(row.is_overdue),
                is_stated=bool(row.is_stated),
            )
            for row in self._connection.execute(query)
        ]

    def put_lines(self, order_id: int, lines: Sequence[tuple[OrderLine, BoundListing, int, int]]) -> None:
        known = set(
            self._connection.execute(sa.select(LINE.c.external_id).where(LINE.c.order_id == order_id)).scalars()
        )
        fresh: list[dict[str, object]] = []
        for line, bound, ordered, canceled in lines:
            values: dict[str, object] = {
                "title": line.title,
                "units_ordered": ordered,
                "units_canceled": canceled,
                "unit_price": line.unit_price,
                "line_total": line.line_total,
                "tax_amount": line.tax_amount,
                "units_charged": line.units if line.units_charged is None else line.units_charged,
                "discount_amount": line.discount_amount,
            }
            if line.external_id in known:
                self._connection.execute(
                    LINE.update()
                    .where(LINE.c.order_id == order_id, LINE.c.external_id == line.external_id)
                    .values(**values)
                )
            else:
                identity = {
                    "order_id": order_id,
                    "external_id": line.external_id,
                    "listing_id": bound.listing_id,
                    "item_id": bound.item_id,
                }
                fresh.append(identity | values)
        if fresh:
            self._connection.execute(LINE.insert(), fresh)

    def put_money_lines(self, order_id: int, lines: Sequence[OrderLine]) -> None:
        rows = [
            {"line": line.external_id, "title": line.title, "units": line.units, "amount": str(line.line_total)}
            for line in lines
        ]
        self._connection.execute(ORDER.update().where(ORDER.c.id == order_id).values(money_lines=rows))

    def cancel_units(self, line_id: int, units_canceled: int) -> None:
        self._connection.execute(LINE.update().where(LINE.c.id == line_id).values(units_canceled=units_canceled))

    def untold_cuts(self, order_id: int) -> dict[int, int]:
        query = (
            sa.select(CUT.c.order_line_id, sa.func.sum(CUT.c.units))
            .join(LINE, LINE.c.id == CUT.c.order_line_id)
            .where(LINE.c.order_id == order_id, CUT.c.known_at.is_(None))
            .group_by(CUT.c.order_line_id)
        )
        return {line: int(units) for line, units in self._connection.execute(query)}

    def told_cuts(self, line_ids: Collection[int]) -> None:
        told = (
            CUT.update()
            .where(CUT.c.order_line_id.in_(sorted(line_ids)), CUT.c.known_at.is_(None))
            .values(known_at=self._now)
            .returning(CUT.c.order_line_id, CUT.c.proposal_id)
        )
        tasks = TaskStore(self._connection, self._now)
        for line, proposal in self._connection.execute(told).all():
            for kind in TOLD_BY_HAND:
                tasks.close(kind, f"order_line:{line}:proposal:{proposal}")

    def name_line(self, line_id: int, external_id: str) -> None:
        self._connection.execute(
            LINE.update().where(LINE.c.id == line_id).values(external_id=external_id, is_stated=True)
        )

    def explain(self, order_id: int, reasons: Mapping[str, str], bill: Mapping[str, Any] | None = None) -> None:
        routing = {"at": self._now.isoformat(), "locations": dict(reasons), **({"bill": dict(bill)} if bill else {})}
        self._connection.execute(ORDER.update().where(ORDER.c.id == order_id).values(routing=routing))


def _header(order: Order) -> dict[str, object]:
    address = order.delivery.address
    return {
        "external_id": order.external_id,
        "number": order.number,
        "state": order.state.value,
        "placed_at": order.placed_at,
        "updated_at": order.updated_at,
        "currency": order.currency,
        "total": order.total,
        "shipping_amount": order.shipping_amount,
        "tax_amount": order.tax_amount,
        "tax_included": order.tax_included,
        "discount_amount": order.discount_amount,
        "difference": order.difference,
        "money_lines": [],
        "delivery_method": order.delivery.method.value,
        "stock_point": order.delivery.stock_point,
        "country": address.country if address else None,
        "postal_code": address.postal_code if address else None,
    }
