"""What must be known before a fulfillment order is given to another location."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.fulfillment import DELIVERY
from nervure.store.routing import is_fresh
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.orders import FULFILLMENT, ORDER
from schemas.fulfillment import FulfillmentState
from schemas.orders import DeliveryMethod


@dataclass(frozen=True, slots=True)
class Movable:
    """A fulfillment order under its order's lock. `moved_to`: the one that does it instead, and where."""

    order_id: int
    location_id: int
    state: FulfillmentState
    delivery: DeliveryMethod
    moved_to: int | None
    moved_to_location_id: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """A location that a fulfillment order may be given to."""

    id: int
    can_ship: bool
    is_fresh: bool


class MoveStore:
    """Fulfillment orders and locations of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def movable(self, fulfillment_order_id: int) -> Movable | None:
        """Locks the order that it belongs to and reads it then; None: there is none of that number."""
        order = self._connection.execute(
            sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == fulfillment_order_id)
        ).scalar_one_or_none()
        if order is None:
            return None
        self._connection.execute(sa.select(ORDER.c.id).where(ORDER.c.id == order).with_for_update())
        instead = FULFILLMENT.alias("instead")
        row = self._connection.execute(
            sa.select(
                FULFILLMENT.c.location_id,
                FULFILLMENT.c.state,
                FULFILLMENT.c.moved_to_id,
                DELIVERY,
                instead.c.location_id.label("instead_at"),
            )
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(instead, instead.c.id == FULFILLMENT.c.moved_to_id, isouter=True)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        ).one()
        return Movable(
            order,
            row.location_id,
            FulfillmentState(row.state),
            DeliveryMethod(row.delivery),
            row.moved_to_id,
            row.instead_at,
        )

    def target(self, code: str) -> Target | None:
        """A location by its code."""
        row = self._connection.execute(sa.select(LOCATION).where(LOCATION.c.code == code)).one_or_none()
        return None if row is None else Target(row.id, row.can_ship, is_fresh(row.as_of, row.ttl_seconds, self._now))
