"""What is expected to come in."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.tables.fields import own_id, ref, time


class PurchaseRow(SQLModel, table=True):
    """A purchase by the name that people give it. Once `closed_at`, what never came is no longer expected."""

    __tablename__ = "purchase"
    __table_args__ = (
        UniqueConstraint("name"),
        Index(
            "ix_purchase_open",
            "id",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: int | None = own_id()
    name: str
    supplier: str | None = None
    recorded_at: datetime = time()
    closed_at: datetime | None = time(nullable=True)


class PurchaseLineRow(SQLModel, table=True):
    """What is expected of one item at one location. 0 units: goods came in that nobody had expected."""

    __tablename__ = "purchase_line"
    __table_args__ = (
        UniqueConstraint("purchase_id", "item_id", "location_id"),
        CheckConstraint("units_expected >= 0", name="expected"),
        CheckConstraint("(units_expected = 0) = (expected_on IS NULL)", name="dated"),
    )

    id: int | None = own_id()
    purchase_id: int = ref("purchase")
    item_id: int = ref("item", index=True)
    location_id: int = ref("location")
    units_expected: int
    expected_on: date | None = None


class PurchaseReceiptRow(SQLModel, table=True):
    """A receipt that came for a line, by the cause of its movement. One that was taken back counts no longer."""

    __tablename__ = "purchase_receipt"
    __table_args__ = (UniqueConstraint("cause_key"), CheckConstraint("units > 0", name="units"))

    id: int | None = own_id()
    purchase_line_id: int = ref("purchase_line", index=True)
    cause_key: str = Field()
    units: int
    recorded_at: datetime = time()
