"""The outbox: what must be told to channels and suppliers, queued in the transaction that made it true."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.channels import IS_SERVED
from nervure.store.fulfillment import LEFT, STILL_HERE
from nervure.store.orders import RELEASED_STATES
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, LINE, ORDER, SHORTFALL
from schemas.fulfillment import FulfillmentState
from schemas.locations import LocationKind

OUTBOX = tables.of(tables.OutboxRow)
TOLD_OF = OUTBOX.c.payload["fulfillment_order"].as_integer()
"""The fulfillment order that a message of the outbox is about; its reference may say more than that."""


class OutboxStore:
    """The messages that one transaction queues at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def order_drop_ships(self, order_id: int) -> None:
        query = (
            sa.select(FULFILLMENT.c.id, LOCATION.c.master)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(
                FULFILLMENT.c.order_id == order_id,
                IS_SERVED,
                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
                LOCATION.c.kind == LocationKind.SUPPLIER.value,
                LOCATION.c.master.is_not(None),
                ORDER.c.state.in_(RELEASED_STATES),
            )
        )
        for number, supplier in self._connection.execute(query).all():
            self.enqueue("drop_ship", supplier, f"fulfillment:{number}", {"fulfillment_order": number})

    def tell_acceptance(self, order_id: int, lines: Mapping[str, bool]) -> None:
        query = (
            sa.select(ORDER.c.external_id, CHANNEL.c.name)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(ORDER.c.id == order_id, IS_SERVED)
        )
        for external_id, channel in self._connection.execute(query):
            self.enqueue("accept_order", channel, f"order:{order_id}", {"order": external_id, "lines": dict(lines)})

    def tell_shipment(self, fulfillment_order_id: int) -> None:
        self._tell_channel("shipment", fulfillment_order_id)

    def tell_ready(self, fulfillment_order_id: int) -> None:
        """Queues that a fulfillment order waits for its customer."""
        self._tell_channel("ready", fulfillment_order_id)

    def _tell_channel(self, kind: str, fulfillment_order_id: int) -> None:
        query = (
            sa.select(CHANNEL.c.name)
            .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        )
        channel = self._connection.execute(query).scalar_one()
        self.enqueue(kind, channel, f"fulfillment:{fulfillment_order_id}", {"fulfillment_order": fulfillment_order_id})

    def is_complete(self, order_id: int) -> bool:
        """Whether nothing of an order is still to be sent, here or by a supplier, or has no source."""
        still_here = sa.select(FULFILLMENT.c.id).where(
            FULFILLMENT.c.order_id == order_id, FULFILLMENT.c.state.in_(STILL_HERE)
        )
        short = (
            sa.select(SHORTFALL.c.id)
            .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
            .where(LINE.c.order_id == order_id, SHORTFALL.c.units > 0)
        )
        return not self._connection.execute(sa.select(sa.or_(still_here.exists(), short.exists()))).scalar_one()

    def tell_completion(self, order_id: int) -> None:
        query = (
            sa.select(CHANNEL.c.name, sa.func.max(FULFILLMENT.c.id).label("last"))
            .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .where(ORDER.c.id == order_id, FULFILLMENT.c.state.in_(LEFT))
            .group_by(CHANNEL.c.name)
        )
        found = self._connection.execute(query).one_or_none()
        if found is not None and self.is_complete(order_id):
            # The last parcel is told once more: only now does it complete the order.
            payload = {"fulfillment_order": found.last}
            self.enqueue("shipment", found.name, f"fulfillment:{found.last}:completes", payload)

    def enqueue(self, kind: str, target: str, reference: str, payload: Mapping[str, Any]) -> None:
        """Queues one message; the same kind and reference is queued once for ever."""
        row = {
            "kind": kind,
            "target": target,
            "reference": reference,
            "payload": dict(payload),
            "state": "waiting",
            "attempts": 0,
            "next_at": self._now,
            "created_at": self._now,
        }
        insert_new(self._connection, OUTBOX, [row])
