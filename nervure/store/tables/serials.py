"""Single units that are known one by one, and who took each."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from nervure.store.tables.fields import own_id, ref, time


class SerialRow(SQLModel, table=True):
    """One unit of an item: where it is, or that it has left. `document`: what put it there, or took it away."""

    __tablename__ = "serial"
    __table_args__ = (
        UniqueConstraint("item_id", "serial"),
        UniqueConstraint("epc"),
        CheckConstraint("(state = 'here') = (location_id IS NOT NULL)", name="place"),
        CheckConstraint("state IN ('here', 'left')", name="state"),
        Index("ix_serial_location", "location_id", "item_id"),
        Index("ix_serial_serial", "serial"),
    )

    id: int | None = own_id()
    item_id: int = ref("item")
    serial: str
    epc: str | None = None
    location_id: int | None = ref("location", nullable=True)
    condition: str
    state: str
    document: str
    changed_at: datetime = time()


class SerialClaimRow(SQLModel, table=True):
    """One unit taken for one fulfillment line: held until it leaves, then left until it comes back.

    The unique index on what is not ended is the rule that nobody takes a unit twice.
    """

    __tablename__ = "serial_claim"
    __table_args__ = (
        CheckConstraint("state IN ('held', 'left', 'released', 'returned')", name="state"),
        CheckConstraint("(state IN ('held', 'left')) = (ended_at IS NULL)", name="ended"),
        Index(
            "uq_serial_claim_open",
            "serial_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_serial_claim_fulfillment_line_id_state", "fulfillment_line_id", "state"),
    )

    id: int | None = own_id()
    serial_id: int = ref("serial")
    fulfillment_line_id: int = ref("fulfillment_line")
    state: str
    created_at: datetime = time()
    left_at: datetime | None = time(nullable=True)
    ended_at: datetime | None = time(nullable=True)
