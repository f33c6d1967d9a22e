"""What suppliers say they have."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from nervure.store.columns import ExactDecimal
from nervure.store.tables.fields import own_id, ref, time


class SupplierFeedRow(SQLModel, table=True):
    """The last feed taken from a supplier, and why the newest is held if it is."""

    __tablename__ = "supplier_feed"

    supplier: str = Field(primary_key=True)
    rows: int
    as_of: datetime = time()
    taken_at: datetime = time()
    held_reason: str | None = None


class SupplierOfferRow(SQLModel, table=True):
    __tablename__ = "supplier_offer"
    __table_args__ = (UniqueConstraint("supplier", "supplier_sku"),)

    id: int | None = own_id()
    supplier: str
    supplier_sku: str
    item_id: int | None = ref("item", nullable=True, index=True)
    gtin: str | None = None
    title: str = ""
    units: int | None = None
    unit_cost: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    currency: str | None = None
    lead_time_days: int | None = None
    as_of: datetime = time()
