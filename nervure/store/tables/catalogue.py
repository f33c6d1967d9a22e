"""What is sold, where goods are, and how channels name them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, UniqueConstraint
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import json, of, own_id, ref, time


class ItemRow(SQLModel, table=True):
    """`serial_tracking`: single units of it are known by serial number.

    `temperature_class`, `size_class`: what a location must be able to take. NULL: any location can.
    """

    __tablename__ = "item"
    __table_args__ = (
        UniqueConstraint("sku"),
        CheckConstraint("kind IN ('simple', 'kit')", name="kind"),
        CheckConstraint("lot_tracking IN ('none', 'lot', 'expiry')", name="lot_tracking"),
    )

    id: int | None = own_id()
    sku: str
    title: str
    kind: str
    gtin: str | None = Field(default=None, index=True)
    options: dict[str, str] = json()
    tax_class: str | None = None
    weight_grams: int | None = None
    serial_tracking: bool = False
    lot_tracking: str = "none"
    temperature_class: str | None = None
    size_class: str | None = None


class KitComponentRow(SQLModel, table=True):
    __tablename__ = "kit_component"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("kit_id <> part_id", name="not_itself"),
    )

    kit_id: int = ref("item", primary_key=True)
    part_id: int = Field(sa_column=Column(BigId, ForeignKey("item.id"), primary_key=True, index=True))
    units: int


class LocationRow(SQLModel, table=True):
    """`master`: who counts there: NULL is the hub, else the channel or supplier of that name.

    `as_of` and `ttl_seconds`: a supplier's units are promised until `as_of` + `ttl_seconds`.
    `opened_at`: since when the stock there is known, by an opening stock.
    `accept_seconds`: how long it may take to accept what it is to do; `hold_pickup_seconds`: how long what is ready
    waits for its customer. NULL: for ever.
    """

    __tablename__ = "location"
    __table_args__ = (UniqueConstraint("code"),)

    id: int | None = own_id()
    code: str
    name: str
    kind: str
    country: str | None = None
    postal_code: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    time_zone: str
    can_ship: bool
    can_pickup: bool
    master: str | None = None
    ttl_seconds: float | None = None
    as_of: datetime | None = time(nullable=True)
    was_fresh: bool = Field(default=True)
    opened_at: datetime | None = time(nullable=True)
    accept_seconds: float | None = None
    hold_pickup_seconds: float | None = None


class ListingRow(SQLModel, table=True):
    """A listing and its binding. `item_id` NULL: not bound, for the reason given.

    `is_goods` false: a service, a gift card: it moves money only, and is never bound.
    """

    __tablename__ = "listing"
    __table_args__ = (
        UniqueConstraint("channel_id", "external_id"),
        CheckConstraint("(item_id IS NULL) = (unbound_reason IS NOT NULL)", name="binding"),
    )

    id: int | None = own_id()
    channel_id: int = ref("channel")
    item_id: int | None = ref("item", nullable=True, index=True)
    external_id: str
    stock_id: str = Field(index=True)
    sku: str | None = None
    gtin: str | None = None
    title: str = ""
    is_goods: bool = True
    unbound_reason: str | None = None


ITEM = of(ItemRow)
LISTING = of(ListingRow)
LOCATION = of(LocationRow)
