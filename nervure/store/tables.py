"""The tables. CHECK and UNIQUE constraints carry the rules; nothing here has behavior.

Times are UTC. Units are ints. Amounts are exact text with the currency beside them.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId, ExactDecimal, Json, Utc

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def _id() -> Any:  # SQLModel's Field is typed as the field's own type
    return Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))


def _ref(target: str, *, nullable: bool = False, index: bool = False, primary_key: bool = False) -> Any:  # as above
    return Field(
        default=None,
        sa_column=Column(
            BigId,
            ForeignKey(f"{target}.id"),
            nullable=nullable and not primary_key,
            index=index,
            primary_key=primary_key,
        ),
    )


def _time(*, nullable: bool = False, index: bool = False) -> Any:  # as above
    return Field(default=None, sa_column=Column(Utc, nullable=nullable, index=index))


def _amount() -> Any:  # as above
    return Field(sa_column=Column(ExactDecimal, nullable=False))


def _json(*, nullable: bool = False) -> Any:  # as above
    return Field(default=None, sa_column=Column(Json, nullable=nullable))


class ItemRow(SQLModel, table=True):
    __tablename__ = "item"
    __table_args__ = (UniqueConstraint("sku"), CheckConstraint("kind IN ('simple', 'kit')", name="kind"))

    id: int | None = _id()
    sku: str
    title: str
    kind: str
    gtin: str | None = Field(default=None, index=True)
    options: dict[str, str] = _json()
    tax_class: str | None = None
    weight_grams: int | None = None


class KitComponentRow(SQLModel, table=True):
    __tablename__ = "kit_component"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("kit_id <> part_id", name="not_itself"),
    )

    kit_id: int = _ref("item", primary_key=True)
    part_id: int = Field(sa_column=Column(BigId, ForeignKey("item.id"), primary_key=True, index=True))
    units: int


class LocationRow(SQLModel, table=True):
    """`master`: who counts there: NULL is the hub, else the channel or supplier of that name.

    `as_of` and `ttl_seconds`: a supplier's units are promised until `as_of` + `ttl_seconds`.
    """

    __tablename__ = "location"
    __table_args__ = (UniqueConstraint("code"),)

    id: int | None = _id()
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
    as_of: datetime | None = _time(nullable=True)
    was_fresh: bool = Field(default=True)


class StockLevelRow(SQLModel, table=True):
    """Projection of the ledger for one stock key, and what is claimed of it."""

    __tablename__ = "stock_level"
    __table_args__ = (
        UniqueConstraint("item_id", "location_id", "owner", "condition", "lot"),
        CheckConstraint("reserved >= 0 AND allocated >= 0 AND sequence >= 0", name="signs"),
        CheckConstraint("condition = 'sellable' OR (reserved = 0 AND allocated = 0)", name="claims_are_sellable"),
    )

    id: int | None = _id()
    item_id: int = _ref("item")
    location_id: int = _ref("location", index=True)
    owner: str
    condition: str
    lot: str
    on_hand: int
    reserved: int = 0
    allocated: int = 0
    sequence: int = 0


class StockMovementRow(SQLModel, table=True):
    """The append-only ledger. `compensates_id`: the movement that this adjustment takes back."""

    __tablename__ = "stock_movement"
    __table_args__ = (
        UniqueConstraint("stock_level_id", "sequence"),
        UniqueConstraint("cause_key"),
        CheckConstraint("units <> 0", name="moves"),
        CheckConstraint("sequence > 0", name="sequence"),
        CheckConstraint("(kind = 'adjusted') = (reason IS NOT NULL)", name="reason"),
    )

    id: int | None = _id()
    stock_level_id: int = _ref("stock_level")
    sequence: int
    kind: str
    units: int
    reason: str | None = None
    cause_key: str
    occurred_at: datetime = _time()
    recorded_at: datetime = _time()
    compensates_id: int | None = _ref("stock_movement", nullable=True)


class StockObservationRow(SQLModel, table=True):
    """What another master said, what we expected there, and by that the difference that was booked."""

    __tablename__ = "stock_observation"
    __table_args__ = (
        UniqueConstraint("location_id", "item_id", "source", "observed_at", "version"),
        Index("ix_stock_observation_newest", "item_id", "location_id", "observed_at"),
    )

    id: int | None = _id()
    location_id: int = _ref("location")
    item_id: int = _ref("item")
    source: str
    version: str = ""
    units: int
    expected_units: int
    is_booked: bool
    observed_at: datetime = _time()
    recorded_at: datetime = _time()


class SafetyStockRow(SQLModel, table=True):
    __tablename__ = "safety_stock"
    __table_args__ = (CheckConstraint("units >= 0", name="units"),)

    item_id: int = _ref("item", primary_key=True)
    location_id: int = _ref("location", primary_key=True)
    units: int


class ClaimRow(SQLModel, table=True):
    """Units of one stock level taken for somebody. Ends once: consumed or released."""

    __tablename__ = "claim"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("kind IN ('reservation', 'allocation')", name="kind"),
        CheckConstraint("state IN ('held', 'consumed', 'released')", name="state"),
        CheckConstraint("(kind = 'allocation') = (fulfillment_line_id IS NOT NULL)", name="purpose"),
        CheckConstraint("(kind = 'reservation') = (expires_at IS NOT NULL)", name="expiry"),
        Index("ix_claim_fulfillment_line_id_state", "fulfillment_line_id", "state"),
        Index(
            "ix_claim_held",
            "stock_level_id",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
    )

    id: int | None = _id()
    stock_level_id: int = _ref("stock_level")
    kind: str
    units: int
    state: str
    reference: str = Field(index=True)
    fulfillment_line_id: int | None = _ref("fulfillment_line", nullable=True)
    expires_at: datetime | None = _time(nullable=True)
    created_at: datetime = _time()
    ended_at: datetime | None = _time(nullable=True)


class ChannelRow(SQLModel, table=True):
    """Durable state of one account.

    `orders_heard_until`: every order changed before it had been stored by `orders_stored_at`.
    """

    __tablename__ = "channel"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("buffer_units >= 0", name="buffer"))

    id: int | None = _id()
    name: str
    platform: str
    buffer_units: int = 0
    is_paused: bool = False
    orders_watermark: datetime | None = _time(nullable=True)
    orders_heard_until: datetime | None = _time(nullable=True)
    orders_stored_at: datetime | None = _time(nullable=True)
    orders_next_at: datetime | None = _time(nullable=True)
    stock_next_at: datetime | None = _time(nullable=True)
    write_next_at: datetime | None = _time(nullable=True)
    problem: str | None = None


class StockPointRow(SQLModel, table=True):
    __tablename__ = "stock_point"
    __table_args__ = (UniqueConstraint("channel_id", "external_id"),)

    id: int | None = _id()
    channel_id: int = _ref("channel")
    external_id: str


class StockPointLocationRow(SQLModel, table=True):
    """The stock point stands for these locations; the first rank is where goods given back there lie."""

    __tablename__ = "stock_point_location"

    stock_point_id: int = _ref("stock_point", primary_key=True)
    location_id: int = Field(sa_column=Column(BigId, ForeignKey("location.id"), primary_key=True, index=True))
    rank: int


class ListingRow(SQLModel, table=True):
    """A listing and its binding. `item_id` NULL: not bound, for the reason given."""

    __tablename__ = "listing"
    __table_args__ = (
        UniqueConstraint("channel_id", "external_id"),
        CheckConstraint("(item_id IS NULL) = (unbound_reason IS NOT NULL)", name="binding"),
    )

    id: int | None = _id()
    channel_id: int = _ref("channel")
    item_id: int | None = _ref("item", nullable=True, index=True)
    external_id: str
    stock_id: str = Field(index=True)
    sku: str | None = None
    gtin: str | None = None
    title: str = ""
    unbound_reason: str | None = None


class PublicationRow(SQLModel, table=True):
    """One number for one (listing, stock point).

    `revision` fences `salable_quantity`; `sent_revision` and `sent_units` are what is in flight or was last answered;
    `channel_units` is what we believe the channel showed at `channel_units_at`.
    `waits_for_orders_since`: not sent before every order changed until then has been heard.
    """

    __tablename__ = "publication"
    __table_args__ = (
        UniqueConstraint("listing_id", "stock_point_id"),
        CheckConstraint("state IN ('pending', 'sent', 'unknown', 'confirmed', 'failed', 'excluded')", name="state"),
        CheckConstraint("salable_quantity >= 0", name="salable"),
        CheckConstraint("sent_revision <= revision AND confirmed_revision <= revision", name="revisions"),
        CheckConstraint("(state IN ('sent', 'unknown')) = (flight IS NOT NULL)", name="flight"),
        CheckConstraint("state <> 'confirmed' OR confirmed_revision = revision", name="confirmed"),
        CheckConstraint("state NOT IN ('failed', 'excluded') OR reason IS NOT NULL", name="reason"),
        Index("ix_publication_state", "stock_point_id", "state", "salable_quantity"),
        Index(
            "ix_publication_flight",
            "flight",
            sqlite_where=text("flight IS NOT NULL"),
            postgresql_where=text("flight IS NOT NULL"),
        ),
    )

    id: int | None = _id()
    listing_id: int = _ref("listing")
    stock_point_id: int = _ref("stock_point")
    revision: int = 0
    salable_quantity: int = 0
    state: str
    channel_units: int | None = None
    channel_units_at: datetime | None = _time(nullable=True)
    sent_revision: int = 0
    sent_units: int | None = None
    sent_at: datetime | None = _time(nullable=True)
    flight: str | None = None
    flight_until: datetime | None = _time(nullable=True)
    receipt: str | None = None
    confirmed_revision: int = 0
    confirmed_at: datetime | None = _time(nullable=True)
    next_at: datetime | None = _time(nullable=True)
    waits_for_orders_since: datetime | None = _time(nullable=True)
    attempts: int = 0
    reason: str | None = None


class AvailabilityChangeRow(SQLModel, table=True):
    """The outbox of numbers: something moved here, so publications must be computed again.

    `listing_id` set: the channel moved its own number at `moved_at` by `channel_delta` (NULL: by we do not know how
    much), so the listing is sent again even if our number stays.
    """

    __tablename__ = "availability_change"

    id: int | None = _id()
    item_id: int | None = _ref("item", nullable=True)
    location_id: int | None = _ref("location", nullable=True)
    listing_id: int | None = _ref("listing", nullable=True)
    stock_point_id: int | None = _ref("stock_point", nullable=True)
    channel_delta: int | None = None
    moved_at: datetime | None = _time(nullable=True)
    changed_at: datetime = _time()


class InboxRow(SQLModel, table=True):
    """A document as it was heard; its body lies apart, because it may hold personal data and expires."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "event_id"),
        CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name="state"),
        CheckConstraint("state <> 'dead' OR reason IS NOT NULL", name="reason"),
        Index(
            "ix_inbox_open",
            "id",
            sqlite_where=text("state IN ('waiting', 'leased')"),
            postgresql_where=text("state IN ('waiting', 'leased')"),
        ),
        Index("ix_inbox_document", "channel", "document_id"),
        Index("ix_inbox_state", "state"),
    )

    id: int | None = _id()
    channel: str
    topic: str
    document_id: str
    event_id: str
    heard: str
    state: str
    attempts: int = 0
    reason: str | None = None
    lease: str | None = None
    lease_until: datetime | None = _time(nullable=True)
    happened_at: datetime | None = _time(nullable=True)
    received_at: datetime = _time()
    handled_at: datetime | None = _time(nullable=True)
    told_at: datetime | None = _time(nullable=True)
    accepted_at: datetime | None = _time(nullable=True)


class InboxBodyRow(SQLModel, table=True):
    __tablename__ = "inbox_body"

    inbox_id: int = Field(sa_column=Column(BigId, ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    expires_at: datetime = _time(index=True)


class SalesOrderRow(SQLModel, table=True):
    """The newest form of an order. `routing` holds why its locations were chosen.

    `is_counted`: the channel has taken the units off its own number, so ours are claimed.
    """

    __tablename__ = "sales_order"
    __table_args__ = (UniqueConstraint("channel_id", "external_id"),)

    id: int | None = _id()
    channel_id: int = _ref("channel")
    external_id: str
    number: str
    state: str
    placed_at: datetime = _time()
    updated_at: datetime = _time()
    recorded_at: datetime = _time()
    currency: str
    total: Decimal = _amount()
    shipping_amount: Decimal = _amount()
    tax_amount: Decimal = _amount()
    tax_included: bool
    discount_amount: Decimal = _amount()
    difference: Decimal = _amount()
    delivery_method: str
    is_counted: bool = False
    stock_point: str | None = None
    country: str | None = None
    postal_code: str | None = None
    routing: dict[str, Any] | None = _json(nullable=True)


class OrderPersonRow(SQLModel, table=True):
    """Personal data of one order; the row is deleted when it expires."""

    __tablename__ = "order_person"

    order_id: int = _ref("sales_order", primary_key=True)
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    city: str | None = None
    address_lines: list[str] = _json()
    expires_at: datetime = _time(index=True)


class OrderLineRow(SQLModel, table=True):
    """`units_ordered` = units in fulfillment orders + canceled + open shortfall, once the order counts."""

    __tablename__ = "order_line"
    __table_args__ = (
        UniqueConstraint("order_id", "external_id"),
        CheckConstraint("units_ordered > 0", name="ordered"),
        CheckConstraint("units_canceled BETWEEN 0 AND units_ordered", name="canceled"),
    )

    id: int | None = _id()
    order_id: int = _ref("sales_order")
    external_id: str
    listing_id: int = _ref("listing")
    item_id: int = _ref("item", index=True)
    title: str
    units_ordered: int
    units_canceled: int = 0
    unit_price: Decimal = _amount()
    line_total: Decimal = _amount()
    tax_amount: Decimal = _amount()


class FulfillmentOrderRow(SQLModel, table=True):
    __tablename__ = "fulfillment_order"
    __table_args__ = (
        CheckConstraint(
            "state IN ('allocated', 'sent_to_supplier', 'shipped', 'handed_over', 'canceled')", name="state"
        ),
        Index("ix_fulfillment_order_state", "state", "location_id"),
    )

    id: int | None = _id()
    order_id: int = _ref("sales_order", index=True)
    location_id: int = _ref("location")
    state: str
    created_at: datetime = _time()
    ended_at: datetime | None = _time(nullable=True)
    carrier: str | None = None
    tracking_number: str | None = None


class FulfillmentLineRow(SQLModel, table=True):
    __tablename__ = "fulfillment_line"
    __table_args__ = (
        UniqueConstraint("fulfillment_order_id", "order_line_id"),
        CheckConstraint("units >= 0", name="units"),
    )

    id: int | None = _id()
    fulfillment_order_id: int = _ref("fulfillment_order")
    order_line_id: int = _ref("order_line", index=True)
    units: int


class ShortfallRow(SQLModel, table=True):
    """Units of an accepted line that no location can serve."""

    __tablename__ = "shortfall"
    __table_args__ = (
        UniqueConstraint("order_line_id"),
        CheckConstraint("units >= 0", name="units"),
    )

    id: int | None = _id()
    order_line_id: int = _ref("order_line")
    units: int
    reason: str
    created_at: datetime = _time()


class TaskRow(SQLModel, table=True):
    """Something a person must look at. One open task for each subject."""

    __tablename__ = "task"
    __table_args__ = (
        Index(
            "uq_task_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: int | None = _id()
    kind: str
    subject: str
    text: str
    created_at: datetime = _time()
    closed_at: datetime | None = _time(nullable=True)


class GoodsReturnRow(SQLModel, table=True):
    __tablename__ = "goods_return"
    __table_args__ = (UniqueConstraint("channel_id", "external_id"),)

    id: int | None = _id()
    channel_id: int = _ref("channel")
    external_id: str
    order_external_id: str | None = None
    occurred_at: datetime = _time()
    recorded_at: datetime = _time()
    refund_amount: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    refund_currency: str | None = None


class GoodsReturnLineRow(SQLModel, table=True):
    __tablename__ = "goods_return_line"
    __table_args__ = (
        UniqueConstraint("goods_return_id", "external_id"),
        CheckConstraint("units > 0", name="units"),
    )

    id: int | None = _id()
    goods_return_id: int = _ref("goods_return")
    external_id: str
    item_id: int = _ref("item")
    order_line: str | None = None
    units: int
    restocked: bool
    condition: str


class OutboxRow(SQLModel, table=True):
    """A message for a platform or a supplier, written in the transaction that made it necessary."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("kind", "reference"),
        CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name="state"),
        Index(
            "ix_outbox_open",
            "id",
            sqlite_where=text("state IN ('waiting', 'leased')"),
            postgresql_where=text("state IN ('waiting', 'leased')"),
        ),
    )

    id: int | None = _id()
    kind: str
    target: str
    reference: str
    payload: dict[str, Any] = _json()
    state: str
    attempts: int = 0
    next_at: datetime = _time()
    lease_until: datetime | None = _time(nullable=True)
    reason: str | None = None
    created_at: datetime = _time()
    done_at: datetime | None = _time(nullable=True)


class CallCeilingRow(SQLModel, table=True):
    """The next free slot of an operation that an account may call once in a period."""

    __tablename__ = "call_ceiling"

    account: str = Field(primary_key=True)
    operation: str = Field(primary_key=True)
    free_at: datetime = _time()


class SupplierFeedRow(SQLModel, table=True):
    """The last feed taken from a supplier, and why the newest is held if it is."""

    __tablename__ = "supplier_feed"

    supplier: str = Field(primary_key=True)
    rows: int
    as_of: datetime = _time()
    taken_at: datetime = _time()
    held_reason: str | None = None


class SupplierOfferRow(SQLModel, table=True):
    __tablename__ = "supplier_offer"
    __table_args__ = (UniqueConstraint("supplier", "supplier_sku"),)

    id: int | None = _id()
    supplier: str
    supplier_sku: str
    item_id: int | None = _ref("item", nullable=True, index=True)
    gtin: str | None = None
    title: str = ""
    units: int | None = None
    unit_cost: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    currency: str | None = None
    lead_time_days: int | None = None
    as_of: datetime = _time()


def of(row: type[SQLModel]) -> Table:
    """The plain table behind a row class, for set-wise statements."""
    return SQLModel.metadata.tables[str(row.__tablename__)]
