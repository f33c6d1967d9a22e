"""Lots of items that ask for them."""

from datetime import date

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import SQLModel

from nervure.store.tables.fields import own_id, ref


class LotRow(SQLModel, table=True):
    """One production batch of an item. `expires_on`: its last day; on that day it is not promised any more."""

    __tablename__ = "lot"
    __table_args__ = (UniqueConstraint("item_id", "name"), CheckConstraint("name <> ''", name="name"))

    id: int | None = own_id()
    item_id: int = ref("item")
    name: str
    expires_on: date | None = None
