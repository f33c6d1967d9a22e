"""Orders, their fulfillment, shortfalls and returns."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.columns import ExactDecimal
from nervure.store.tables.fields import amount, json, of, own_id, ref, time


class SalesOrderRow(SQLModel, table=True):
    """The newest form of an order. `routing` holds why its locations were chosen.

    `is_counted`: the channel has taken the units off its own number, so ours are claimed.
    `money_lines`: what was bought and is no goods of ours.
    """

    __tablename__ = "sales_order"
    __table_args__ = (UniqueConstraint("channel_id", "external_id"),)

    id: int | None = own_id()
    channel_id: int = ref("channel")
    external_id: str
    number: str
    state: str
    placed_at: datetime = time(index=True)
    updated_at: datetime = time()
    recorded_at: datetime = time()
    currency: str
    total: Decimal = amount()
    shipping_amount: Decimal = amount()
    tax_amount: Decimal = amount()
    tax_included: bool
    discount_amount: Decimal = amount()
    difference: Decimal = amount()
    delivery_method: str
    is_counted: bool = False
    stock_point: str | None = None
    country: str | None = None
    postal_code: str | None = None
    routing: dict[str, Any] | None = json(nullable=True)
    money_lines: list[dict[str, Any]] = json()


class OrderPersonRow(SQLModel, table=True):
    """Personal data of one order; the row is deleted when it expires."""

    __tablename__ = "order_person"

    order_id: int = ref("sales_order", primary_key=True)
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    city: str | None = None
    address_lines: list[str] = json()
    expires_at: datetime = time(index=True)


class OrderLineRow(SQLModel, table=True):
    """`units_ordered` = units in fulfillment orders + canceled + open shortfall, once the order counts.

    `line_total` is for `units_charged` of them, as the channel stated both last, and still holds `discount_amount`, the
    line's part of what the channel takes off the order. `substitutes_id`: the line whose units it takes the place of.
    `is_stated` false: the hub made it, and the channel does not know it (yet).
    """

    __tablename__ = "order_line"
    __table_args__ = (
        UniqueConstraint("order_id", "external_id"),
        CheckConstraint("units_ordered > 0", name="ordered"),
        CheckConstraint("units_canceled BETWEEN 0 AND units_ordered", name="canceled"),
        CheckConstraint("units_charged BETWEEN 0 AND units_ordered", name="charged"),
        CheckConstraint("is_stated OR substitutes_id IS NOT NULL", name="stated"),
    )

    id: int | None = own_id()
    order_id: int = ref("sales_order")
    external_id: str
    listing_id: int = ref("listing")
    item_id: int = ref("item", index=True)
    title: str
    units_ordered: int
    units_canceled: int = 0
    unit_price: Decimal = amount()
    line_total: Decimal = amount()
    tax_amount: Decimal = amount()
    units_charged: int
    discount_amount: Decimal = amount()
    substitutes_id: int | None = ref("order_line", nullable=True)
    is_stated: bool = True


class FulfillmentOrderRow(SQLModel, table=True):
    """`moved_to_id`: the fulfillment order that does it at another location instead; this one is canceled.

    `accept_by`: until when the location must have accepted it. `pickup_until`: how long it is held for who says
    `pickup_code`. `delivery_method`: how this part goes, where that is another way than its order's.
    """

    __tablename__ = "fulfillment_order"
    __table_args__ = (
        CheckConstraint(
            "state IN ('allocated', 'accepted', 'picking', 'packed', 'ready_for_pickup', 'sent_to_supplier', 'shipped',"
            " 'handed_over', 'canceled')",
            name="state",
        ),
        CheckConstraint("state <> 'ready_for_pickup' OR pickup_code IS NOT NULL", name="pickup_code"),
        Index("ix_fulfillment_order_state", "state", "location_id"),
        Index("ix_fulfillment_order_given", "location_id", "created_at"),
    )

    id: int | None = own_id()
    order_id: int = ref("sales_order", index=True)
    location_id: int = ref("location")
    state: str
    created_at: datetime = time()
    ended_at: datetime | None = time(nullable=True)
    carrier: str | None = None
    tracking_number: str | None = None
    moved_to_id: int | None = ref("fulfillment_order", nullable=True)
    accept_by: datetime | None = time(nullable=True)
    pickup_until: datetime | None = time(nullable=True)
    pickup_code: str | None = None
    delivery_method: str | None = None


class FulfillmentLineRow(SQLModel, table=True):
    """Units of an order line that a location serves. `units_given_back`: were in it once, and are free again."""

    __tablename__ = "fulfillment_line"
    __table_args__ = (
        UniqueConstraint("fulfillment_order_id", "order_line_id"),
        CheckConstraint("units >= 0", name="units"),
    )

    id: int | None = own_id()
    fulfillment_order_id: int = ref("fulfillment_order")
    order_line_id: int = ref("order_line", index=True)
    units: int
    units_given_back: int = 0


class ShortfallRow(SQLModel, table=True):
    """Units of an accepted line that no location can serve.

    `backorder_units` of them were sold beyond what is there on purpose, promised until the end of `promised_on` (UTC);
    `is_overdue`: that day has passed, and a person was told. `look_at`: when it is looked next for what could be had
    instead; NULL: now.
    """

    __tablename__ = "shortfall"
    __table_args__ = (
        UniqueConstraint("order_line_id"),
        CheckConstraint("units >= 0", name="units"),
        CheckConstraint("backorder_units >= 0 AND (backorder_units = 0 OR backorder_units <= units)", name="backorder"),
        CheckConstraint("(backorder_units > 0) = (promised_on IS NOT NULL)", name="promise"),
        Index(
            "ix_shortfall_promised_on",
            "promised_on",
            sqlite_where=text("promised_on IS NOT NULL"),
            postgresql_where=text("promised_on IS NOT NULL"),
        ),
    )

    id: int | None = own_id()
    order_line_id: int = ref("order_line")
    units: int
    reason: str
    created_at: datetime = time()
    backorder_units: int = 0
    promised_on: date | None = None
    is_overdue: bool = False
    look_at: datetime | None = time(nullable=True)


class GoodsReturnRow(SQLModel, table=True):
    __tablename__ = "goods_return"
    __table_args__ = (
        UniqueConstraint("channel_id", "external_id"),
        Index("ix_goods_return_order", "channel_id", "order_external_id"),
    )

    id: int | None = own_id()
    channel_id: int = ref("channel")
    external_id: str
    order_external_id: str | None = None
    occurred_at: datetime = time()
    recorded_at: datetime = time()
    refund_amount: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    refund_currency: str | None = None


class GoodsReturnLineRow(SQLModel, table=True):
    """`units` were refunded or came back; `units_back` of them are booked, at a location in a condition.

    `stated_at`: when the statement was made that decided on both; `steps`: how often it was booked anew.
    """

    __tablename__ = "goods_return_line"
    __table_args__ = (
        UniqueConstraint("goods_return_id", "external_id"),
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("units_back BETWEEN 0 AND units", name="units_back"),
    )

    id: int | None = own_id()
    goods_return_id: int = ref("goods_return", index=True)
    external_id: str
    item_id: int = ref("item")
    order_line: str | None = None
    units: int
    units_back: int
    condition: str
    location_id: int | None = ref("location", nullable=True)
    stated_at: datetime = time()
    steps: int = 0


ORDER = of(SalesOrderRow)
PERSON = of(OrderPersonRow)
LINE = of(OrderLineRow)
FULFILLMENT = of(FulfillmentOrderRow)
FULFILLMENT_LINE = of(FulfillmentLineRow)
SHORTFALL = of(ShortfallRow)
