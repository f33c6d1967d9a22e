"""Units on their way from one location to another."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from nervure.store.tables.fields import own_id, ref, time

OPEN = "units_arrived + units_returned + units_lost < units_sent"


class TransferRow(SQLModel, table=True):
    __tablename__ = "transfer"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("origin_id <> destination_id", name="moves"))

    id: int | None = own_id()
    name: str
    origin_id: int = ref("location")
    destination_id: int = ref("location")
    expected_on: date | None = None
    recorded_at: datetime = time()


class TransferLineRow(SQLModel, table=True):
    """Units of one stock key that left, and what became of them. `asked`: which units the dispatch had named."""

    __tablename__ = "transfer_line"
    __table_args__ = (
        UniqueConstraint("transfer_id", "item_id", "asked", "owner", "condition", "lot"),
        CheckConstraint("units_sent > 0", name="sent"),
        CheckConstraint("units_arrived >= 0 AND units_returned >= 0 AND units_lost >= 0", name="signs"),
        CheckConstraint("units_arrived + units_returned + units_lost <= units_sent", name="no_more_than_sent"),
        Index("ix_transfer_line_open", "item_id", sqlite_where=text(OPEN), postgresql_where=text(OPEN)),
    )

    id: int | None = own_id()
    transfer_id: int = ref("transfer")
    item_id: int = ref("item")
    asked: str
    owner: str
    condition: str
    lot: str
    units_sent: int
    units_arrived: int = 0
    units_returned: int = 0
    units_lost: int = 0


class TransferArrivalRow(SQLModel, table=True):
    """A statement that units arrived: the same one again changes nothing. `asked`: what it spoke of."""

    __tablename__ = "transfer_arrival"
    __table_args__ = (UniqueConstraint("transfer_id", "document", "asked"),)

    id: int | None = own_id()
    transfer_id: int = ref("transfer")
    document: str
    asked: str
    recorded_at: datetime = time()
