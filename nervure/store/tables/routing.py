"""What the settings say about routing, what units are worth to later orders, and how often something is not found."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint
from sqlmodel import Field, SQLModel

from nervure.store.tables.fields import ref, time


class RoutingSettingRow(SQLModel, table=True):
    """One row, `routing`: costs, zones, and each location's rules, as JSON; every process reads them from here."""

    __tablename__ = "routing_setting"

    name: str = Field(primary_key=True)
    body: str


class ScarcityPriceRow(SQLModel, table=True):
    """What the last unit of an item at a location is worth to later orders, in micros of a euro; none: nothing."""

    __tablename__ = "scarcity_price"
    __table_args__ = (CheckConstraint("price > 0", name="price"),)

    item_id: int = ref("item", primary_key=True)
    location_id: int = ref("location", primary_key=True)
    price: int = Field(sa_type=BigInteger)
    learned_at: datetime = time()


class NotFoundRow(SQLModel, table=True):
    """How often a location did not find what it was to send in the last days: of so many tries so many were missed."""

    __tablename__ = "not_found"
    __table_args__ = (CheckConstraint("missed >= 0 AND missed <= tried", name="missed"),)

    location_id: int = ref("location", primary_key=True)
    tried: int = Field(sa_type=BigInteger)
    missed: int = Field(sa_type=BigInteger)
    measured_at: datetime = time()
