"""Cycle counts: what is to be counted at a location, and what was found."""

from datetime import datetime

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from nervure.store.tables.fields import own_id, ref, time


class CycleCountRow(SQLModel, table=True):
    """One count document. `is_open_to_all`: any item may be entered, not only those it was opened with."""

    __tablename__ = "cycle_count"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'closed', 'canceled')", name="state"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
    )

    id: int | None = own_id()
    name: str = Field(unique=True)
    location_id: int = ref("location")
    is_open_to_all: bool
    state: str
    opened_at: datetime = time()
    ended_at: datetime | None = time(nullable=True)


class CycleCountLineRow(SQLModel, table=True):
    """One stock key of a count. `round` rises when it is counted again after it was booked.

    `difference` is what was booked, with the ledger's units at `counted_at` as they were known then.
    """

    __tablename__ = "cycle_count_line"
    __table_args__ = (
        UniqueConstraint(
            "cycle_count_id", "item_id", "owner", "condition", "lot", "round", name="uq_cycle_count_line_key"
        ),
        CheckConstraint("units >= 0", name="units"),
        CheckConstraint(
            "(units IS NULL) = (counted_at IS NULL) AND (units IS NULL) = (reason IS NULL)", name="entered"
        ),
        CheckConstraint(
            "(booked_at IS NULL) = (difference IS NULL) AND (booked_at IS NULL OR units IS NOT NULL)", name="booked"
        ),
    )

    id: int | None = own_id()
    cycle_count_id: int = ref("cycle_count")
    item_id: int = ref("item")
    owner: str
    condition: str
    lot: str
    round: int
    units: int | None = None
    counted_at: datetime | None = time(nullable=True)
    counted_by: str = ""
    reason: str | None = None
    difference: int | None = None
    confirmed_by: str = ""
    booked_at: datetime | None = time(nullable=True)
