"""Numbers for channels, and what makes them be computed again."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import own_id, ref, time


class PublicationRow(SQLModel, table=True):
    """One number for one (listing, stock point).

    `revision` fences `salable_quantity`; `sent_revision` and `sent_units` are what is in flight or was last answered;
    `channel_units` is what we believe the channel showed at `channel_units_at`.
    `waits_for_orders_since`: not sent before every order changed until then has been heard.
    `noted_at`: the oldest change that no write has carried yet; `carried_at`: the oldest one that the
    last write carried.
    `most_rows`: its channel refused a larger write as a whole, so it is sent with others as one of at most so many.
    `risk_rank`: the lower, the sooner it is sent and read back. `check_at`: when a confirmed number is to be read back;
    `prior_units` is what the channel was believed to show before that write, and `drops` how often a write that it had
    confirmed was not there. `drift_units`: what somebody else made the channel show, where it is not simply repaired:
    pending, it is to be judged; failed, a person is asked; confirmed, it was let stand.
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
        CheckConstraint("most_rows > 0", name="most_rows"),
        Index("ix_publication_state", "stock_point_id", "state", "risk_rank", "id"),
        Index(
            "ix_publication_drift",
            "stock_point_id",
            sqlite_where=text("drift_units IS NOT NULL"),
            postgresql_where=text("drift_units IS NOT NULL"),
        ),
        Index(
            "ix_publication_parts",
            "stock_point_id",
            "most_rows",
            sqlite_where=text("most_rows IS NOT NULL"),
            postgresql_where=text("most_rows IS NOT NULL"),
        ),
        Index(
            "ix_publication_check",
            "stock_point_id",
            "risk_rank",
            "id",
            sqlite_where=text("check_at IS NOT NULL"),
            postgresql_where=text("check_at IS NOT NULL"),
        ),
        Index(
            "ix_publication_flight",
            "stock_point_id",
            "flight_until",
            sqlite_where=text("flight IS NOT NULL"),
            postgresql_where=text("flight IS NOT NULL"),
        ),
    )

    id: int | None = own_id()
    listing_id: int = ref("listing")
    stock_point_id: int = ref("stock_point")
    revision: int = 0
    salable_quantity: int = 0
    state: str
    channel_units: int | None = None
    channel_units_at: datetime | None = time(nullable=True)
    sent_revision: int = 0
    sent_units: int | None = None
    sent_at: datetime | None = time(nullable=True)
    noted_at: datetime | None = time(nullable=True)
    carried_at: datetime | None = time(nullable=True)
    flight: str | None = None
    flight_until: datetime | None = time(nullable=True)
    receipt: str | None = None
    confirmed_revision: int = 0
    confirmed_at: datetime | None = time(nullable=True)
    next_at: datetime | None = time(nullable=True)
    waits_for_orders_since: datetime | None = time(nullable=True)
    attempts: int = 0
    reason: str | None = None
    risk_rank: int = 0
    most_rows: int | None = None
    check_at: datetime | None = time(nullable=True)
    prior_units: int | None = None
    drops: int = 0
    drift_units: int | None = None


class SalesPaceRow(SQLModel, table=True):
    """How fast an item sold lately over all channels, kits that hold it included."""

    __tablename__ = "sales_pace"
    __table_args__ = (CheckConstraint("units_per_day >= 0", name="units"),)

    item_id: int = ref("item", primary_key=True)
    units_per_day: float
    measured_at: datetime = time()


class AvailabilityChangeRow(SQLModel, table=True):
    """The outbox of numbers: something moved here, so publications must be computed again.

    `listing_id` set: the channel moved its own number at `moved_at` by `channel_delta` (NULL: by we do not know how
    much), so the listing is sent again even if our number stays.
    """

    __tablename__ = "availability_change"

    id: int | None = own_id()
    item_id: int | None = ref("item", nullable=True)
    location_id: int | None = ref("location", nullable=True)
    listing_id: int | None = ref("listing", nullable=True)
    stock_point_id: int | None = ref("stock_point", nullable=True)
    channel_delta: int | None = None
    moved_at: datetime | None = time(nullable=True)
    changed_at: datetime = time()


class ZeroFallRow(SQLModel, table=True):
    """A number that was computed to be 0 where the channel showed `units_before`, as it was known at `known_at`.

    `verdict` NULL: nobody has judged it yet, and it is not sent. `is_new`: something happened since it was judged.
    """

    __tablename__ = "zero_fall"
    __table_args__ = (
        CheckConstraint("verdict IN ('passed', 'held', 'refused')", name="verdict"),
        CheckConstraint("units_before > 0", name="before"),
        Index("ix_zero_fall_channel", "channel_id", "fell_at"),
    )

    publication_id: int = Field(sa_column=Column(BigId, ForeignKey("publication.id"), primary_key=True))
    channel_id: int = ref("channel")
    listing_id: int = ref("listing")
    units_before: int
    known_at: datetime | None = time(nullable=True)
    fell_at: datetime = time()
    verdict: str | None = None
    is_new: bool = True
