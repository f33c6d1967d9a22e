"""What suppliers say they have."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
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


class SupplierRequestRow(SQLModel, table=True):
    """A line that a supplier was asked to send, and what it answered: what scores of suppliers are made of.

    `line`: as the order to the supplier names it. `units_offered`, `as_of`: what its feed said then, and from when that
    was. `answer_by`: until when it is to answer; `ship_by`: the day on which the goods are to leave, in the location's
    time zone. `answered_at`: its first word, by its own clock; `units_refused`: the most it would not send.
    """

    __tablename__ = "supplier_request"
    __table_args__ = (
        UniqueConstraint("fulfillment_order_id", "line"),
        CheckConstraint("units > 0 AND units_refused BETWEEN 0 AND units", name="units"),
        CheckConstraint("units_refused = 0 OR answered_at IS NOT NULL", name="answered"),
        Index("ix_supplier_request_location_id_asked_at", "location_id", "asked_at"),
        Index(
            "ix_supplier_request_open",
            "answer_by",
            sqlite_where=text("answered_at IS NULL"),
            postgresql_where=text("answered_at IS NULL"),
        ),
    )

    id: int | None = own_id()
    supplier: str
    location_id: int = ref("location")
    fulfillment_order_id: int = ref("fulfillment_order")
    line: str
    supplier_sku: str
    units: int
    units_offered: int | None = None
    units_refused: int = 0
    as_of: datetime | None = time(nullable=True)
    asked_at: datetime = time()
    answer_by: datetime | None = time(nullable=True)
    ship_by: date | None = None
    answered_at: datetime | None = time(nullable=True)
