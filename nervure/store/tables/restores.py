"""When the hub was alive, and when its database was restored."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import own_id, time


class HubLifeRow(SQLModel, table=True):
    """One row: the hub published at `beat_at`, for the `beat`th time. `noticed_at`: a silence since then was noticed.

    `identity`: in which database the row was written, where a database tells that.
    """

    __tablename__ = "hub_life"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: int = Field(primary_key=True)
    beat: int
    beat_at: datetime = time()
    noticed_at: datetime | None = time(nullable=True)
    identity: str | None = None


class RestoreRow(SQLModel, table=True):
    """The database was restored: it knows nothing that happened between `known_until` and `restored_at`.

    `last_fulfillment_id`: later fulfillment orders may have the number of one that was lost. `suppliers_told_at`: a
    person said what becomes of orders to suppliers that may have been sent before.
    """

    __tablename__ = "restore"

    id: int | None = own_id()
    noticed_by: str
    known_until: datetime = time()
    restored_at: datetime = time()
    last_fulfillment_id: int = Field(sa_column=Column(BigId, nullable=False))
    suppliers_told_at: datetime | None = time(nullable=True)
