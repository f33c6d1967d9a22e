"""Holds of carts and pending payments, with what was asked for. Their units are in `claim`."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from nervure.store.tables.fields import own_id, ref, time


class ReservationRow(SQLModel, table=True):
    """One hold. It ends once, by an event: released, expired by the upkeep, or consumed by an order.

    `expires_at`: from when the upkeep may end it; until it does, the units are held.
    `order_external_id`: the order of the channel that will take the units over, or has.
    """

    __tablename__ = "reservation"
    __table_args__ = (
        UniqueConstraint("reference"),
        CheckConstraint("state IN ('held', 'released', 'expired', 'consumed')", name="state"),
        CheckConstraint("(state = 'held') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(state = 'consumed') = (order_id IS NOT NULL)", name="consumed"),
        CheckConstraint("order_external_id IS NULL OR channel_id IS NOT NULL", name="named"),
        Index("ix_reservation_order", "channel_id", "order_external_id"),
        Index(
            "ix_reservation_held",
            "expires_at",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
    )

    id: int | None = own_id()
    reference: str
    channel_id: int | None = ref("channel", nullable=True)
    order_external_id: str | None = None
    order_id: int | None = ref("sales_order", nullable=True)
    state: str
    expires_at: datetime = time()
    created_at: datetime = time()
    ended_at: datetime | None = time(nullable=True)


class ReservationLineRow(SQLModel, table=True):
    """What was asked for, kits as kits. `location_id` NULL: from the pool of the channel."""

    __tablename__ = "reservation_line"
    __table_args__ = (CheckConstraint("units > 0", name="units"),)

    id: int | None = own_id()
    reservation_id: int = ref("reservation", index=True)
    item_id: int = ref("item")
    location_id: int | None = ref("location", nullable=True)
    units: int
