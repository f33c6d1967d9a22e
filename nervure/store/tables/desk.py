"""What the people at a location do with fulfillment orders, who they are, and where things lie there."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from nervure.store.tables.fields import of, own_id, ref, time


class FulfillmentEventRow(SQLModel, table=True):
    """One step of a fulfillment order, never changed. `by` empty: the hub itself. `reason`: why, or of what.

    `location_id`: where it happened, if that is not the location that the order is at.
    """

    __tablename__ = "fulfillment_event"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('offered', 'accepted', 'rejected', 'timed_out', 'waits', 'picking', 'packed', 'ready', 'told',"
            " 'wrong_code', 'shipped', 'handed_over', 'unclaimed', 'reduced', 'canceled', 'put_back', 'taken', 'lacks',"
            " 'withdrawn', 'notified', 'not_notified', 'replanned')",
            name="kind",
        ),
        CheckConstraint("kind <> 'rejected' OR reason <> ''", name="reason"),
    )

    id: int | None = own_id()
    fulfillment_order_id: int = ref("fulfillment_order", index=True)
    kind: str
    by: str
    reason: str
    recorded_at: datetime = time()
    location_id: int | None = ref("location", nullable=True)


class FulfillmentOfferRow(SQLModel, table=True):
    """A fulfillment order offered to a location that does not hold its units: the first to accept gets them.

    It can be accepted while it is open and the fulfillment order is allocated. `rank`: by what the location costs, the
    cheapest being 1. `accept_by`: until when it must accept.
    """

    __tablename__ = "fulfillment_offer"
    __table_args__ = (
        UniqueConstraint("fulfillment_order_id", "location_id"),
        CheckConstraint(
            "state IN ('open', 'accepted', 'declined', 'expired', 'taken', 'lacking', 'withdrawn')", name="state"
        ),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        Index(
            "ix_fulfillment_offer_open",
            "location_id",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index(
            "ix_fulfillment_offer_accepted",
            "fulfillment_order_id",
            unique=True,
            sqlite_where=text("state = 'accepted'"),
            postgresql_where=text("state = 'accepted'"),
        ),
    )

    id: int | None = own_id()
    fulfillment_order_id: int = ref("fulfillment_order")
    location_id: int = ref("location")
    rank: int
    state: str
    made_at: datetime = time()
    accept_by: datetime = time()
    ended_at: datetime | None = time(nullable=True)


class FulfillmentPickRow(SQLModel, table=True):
    """Units of an item that were taken from the shelf for a fulfillment line; for a kit each part by itself."""

    __tablename__ = "fulfillment_pick"
    __table_args__ = (CheckConstraint("units >= 0", name="units"),)

    fulfillment_line_id: int = ref("fulfillment_line", primary_key=True)
    item_id: int = ref("item", primary_key=True)
    units: int


class ShelfRow(SQLModel, table=True):
    """Where an item lies at a location, as the people there call it."""

    __tablename__ = "shelf"

    location_id: int = ref("location", primary_key=True)
    item_id: int = ref("item", primary_key=True)
    name: str


class DeskUserRow(SQLModel, table=True):
    """Somebody who works at one location. The password is kept as a salted hash only."""

    __tablename__ = "desk_user"
    __table_args__ = (UniqueConstraint("location_id", "name"),)

    id: int | None = own_id()
    location_id: int = ref("location")
    name: str
    password_hash: str
    created_at: datetime = time()
    disabled_at: datetime | None = time(nullable=True)


class DeskSessionRow(SQLModel, table=True):
    """Somebody who is signed in until `expires_at`. The token is kept as its hash only."""

    __tablename__ = "desk_session"
    __table_args__ = (UniqueConstraint("token_hash"),)

    id: int | None = own_id()
    desk_user_id: int = ref("desk_user", index=True)
    token_hash: str
    created_at: datetime = time()
    expires_at: datetime = time()


class DeskSignInRow(SQLModel, table=True):
    """One attempt to sign in; one that is being checked has not succeeded yet."""

    __tablename__ = "desk_sign_in"
    __table_args__ = (Index("ix_desk_sign_in_who", "location", "name", "recorded_at"),)

    id: int | None = own_id()
    location: str
    name: str
    succeeded: bool
    recorded_at: datetime = time()


FULFILLMENT_EVENT = of(FulfillmentEventRow)
