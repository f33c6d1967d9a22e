"""Accounts, their stock points and call ceilings."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, UniqueConstraint
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import of, own_id, ref, time


class ChannelRow(SQLModel, table=True):
    """Durable state of one account.

    `orders_heard_until`: every order changed before it had been stored by `orders_stored_at`.
    `orders_since`: where its first pull began. `orders_late_seconds`: the longest time that an order was shown to a
    pull too late, and when that was seen last.
    `levels_heard_until`: what it showed then, or later, had been stored by `levels_stored_at`.
    `is_gated`: it was not cut over yet, and no number or message may be sent to it.
    `is_shadow`: it is read, and nothing that could change it leaves. `settings_mode`: what the settings said last.
    `sends_part_next`: after a write that it refused as a whole, parts of that take turns with all other numbers.
    `hears_since`: no number is sent from its locations before all that happened until then was heard; that was so at
    `heard_again_at`, and is in the numbers once what was noted by then is computed.
    """

    __tablename__ = "channel"
    __table_args__ = (UniqueConstraint("name"), CheckConstraint("buffer_units >= 0", name="buffer"))

    id: int | None = own_id()
    name: str
    platform: str
    buffer_units: int = 0
    is_paused: bool = False
    is_gated: bool = False
    is_shadow: bool = False
    settings_mode: str | None = None
    orders_watermark: datetime | None = time(nullable=True)
    orders_heard_until: datetime | None = time(nullable=True)
    orders_stored_at: datetime | None = time(nullable=True)
    orders_since: datetime | None = time(nullable=True)
    orders_late_seconds: float | None = None
    orders_late_at: datetime | None = time(nullable=True)
    orders_next_at: datetime | None = time(nullable=True)
    levels_heard_until: datetime | None = time(nullable=True)
    levels_stored_at: datetime | None = time(nullable=True)
    hears_since: datetime | None = time(nullable=True)
    heard_again_at: datetime | None = time(nullable=True)
    stock_next_at: datetime | None = time(nullable=True)
    write_next_at: datetime | None = time(nullable=True)
    sends_part_next: bool = False
    problem: str | None = None


class StockPointRow(SQLModel, table=True):
    __tablename__ = "stock_point"
    __table_args__ = (UniqueConstraint("channel_id", "external_id"),)

    id: int | None = own_id()
    channel_id: int = ref("channel")
    external_id: str


class StockPointLocationRow(SQLModel, table=True):
    """The stock point stands for these locations; the first rank is where goods given back there lie."""

    __tablename__ = "stock_point_location"

    stock_point_id: int = ref("stock_point", primary_key=True)
    location_id: int = Field(sa_column=Column(BigId, ForeignKey("location.id"), primary_key=True, index=True))
    rank: int


class CallCeilingRow(SQLModel, table=True):
    """The next free slot of an operation that an account may call once in a period."""

    __tablename__ = "call_ceiling"

    account: str = Field(primary_key=True)
    operation: str = Field(primary_key=True)
    free_at: datetime = time()


class CallBudgetRow(SQLModel, table=True):
    """What one credential may call now, for all processes and all channels that share it.

    `free_at`: the platform asked for silence until then. `failures`: calls in a row that nobody answered; after too
    many nothing is called until `probe_at`, when one call tries again, later and later (`probes`). `points` were in the
    platform's bucket at `points_at`.
    """

    __tablename__ = "call_budget"
    __table_args__ = (CheckConstraint("failures >= 0 AND probes >= 0", name="counts"),)

    credential: str = Field(primary_key=True)
    free_at: datetime | None = time(nullable=True)
    failures: int = 0
    probes: int = 0
    probe_at: datetime | None = time(nullable=True)
    reason: str | None = None
    points: float | None = None
    points_at: datetime | None = time(nullable=True)
    maximum: float | None = None
    restored_per_second: float | None = None


class PlatformClockRow(SQLModel, table=True):
    """What the last answers to one credential said of its platform's clock, for all who share it.

    It is between `least_seconds` and `most_seconds` ahead of the hub's (below 0: behind), said so many `answers` in a
    row since `since`. Times that it stamped are corrected by `ahead_seconds`.
    """

    __tablename__ = "platform_clock"
    __table_args__ = (
        CheckConstraint("least_seconds <= most_seconds", name="span"),
        CheckConstraint("answers > 0", name="answers"),
        CheckConstraint("ahead_seconds BETWEEN -600 AND 600", name="ahead"),
    )

    credential: str = Field(primary_key=True)
    least_seconds: float
    most_seconds: float
    answers: int
    since: datetime = time()
    ahead_seconds: float = 0.0


CHANNEL = of(ChannelRow)
POINT = of(StockPointRow)
POINT_LOCATION = of(StockPointLocationRow)
