"""What may take the place of what, and what was offered to whom for units that cannot be served."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.columns import ExactDecimal
from nervure.store.tables.fields import of, own_id, ref, time


class SubstitutionGroupRow(SQLModel, table=True):
    """Items that may take each other's place; what a customer pays then, by direction of their ranks."""

    __tablename__ = "substitution_group"
    __table_args__ = (
        UniqueConstraint("name"),
        CheckConstraint("relation IN ('variant', 'model')", name="relation"),
        CheckConstraint("price_same IN ('as_paid', 'difference', 'never')", name="price_same"),
        CheckConstraint("price_up IN ('as_paid', 'difference', 'never')", name="price_up"),
        CheckConstraint("price_down IN ('as_paid', 'difference', 'never')", name="price_down"),
    )

    id: int | None = own_id()
    name: str
    relation: str
    price_same: str
    price_up: str
    price_down: str


class SubstitutionMemberRow(SQLModel, table=True):
    __tablename__ = "substitution_member"
    __table_args__ = (CheckConstraint("rank >= 0", name="rank"),)

    group_id: int = ref("substitution_group", primary_key=True)
    item_id: int = ref("item", primary_key=True)
    rank: int
    price: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))


class ProposalRow(SQLModel, table=True):
    """What a customer may choose from for `units` of an order line that cannot be served; a line has one open at most.

    It ends once: `chosen`, `expired` when nobody answered in time, or `withdrawn` when the units came by themselves.
    `token`: who shows it may choose, and nothing else. `ended_by`: who chose; empty: the hub itself.
    """

    __tablename__ = "proposal"
    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("state IN ('open', 'chosen', 'expired', 'withdrawn')", name="state"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(state = 'chosen') = (chosen_key IS NOT NULL)", name="chosen"),
        Index(
            "uq_proposal_open",
            "order_line_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_proposal_line", "order_line_id"),
    )

    id: int | None = own_id()
    order_line_id: int = ref("order_line")
    units: int
    state: str
    token: str
    opened_at: datetime = time()
    expires_at: datetime = time()
    ended_at: datetime | None = time(nullable=True)
    ended_by: str = ""
    chosen_key: str | None = None


class ProposalOptionRow(SQLModel, table=True):
    """One option of a proposal. Its units are held by its reservation, where it needs any; `position` from 1.

    `due`: what the customer pays on top for all its units, below 0: gets back; NULL: it is not known.
    """

    __tablename__ = "proposal_option"
    __table_args__ = (
        UniqueConstraint("proposal_id", "key"),
        CheckConstraint("kind IN ('variant', 'higher_model', 'pickup', 'later', 'lower_model', 'cancel')", name="kind"),
        CheckConstraint("(kind IN ('variant', 'higher_model', 'lower_model')) = (item_id IS NOT NULL)", name="item"),
        CheckConstraint("(kind = 'pickup') = (location_id IS NOT NULL)", name="place"),
        CheckConstraint("kind <> 'later' OR expected_on IS NOT NULL", name="day"),
        CheckConstraint("(kind IN ('later', 'cancel')) = (reservation_id IS NULL)", name="held"),
    )

    id: int | None = own_id()
    proposal_id: int = ref("proposal")
    position: int
    key: str
    kind: str
    reason: str
    item_id: int | None = ref("item", nullable=True)
    listing_id: int | None = ref("listing", nullable=True)
    location_id: int | None = ref("location", nullable=True)
    expected_on: date | None = None
    due: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    reservation_id: int | None = ref("reservation", nullable=True, index=True)


class LineCutRow(SQLModel, table=True):
    """Units of an order line that the hub gave up by itself; they are among the line's canceled units.

    `known_at`: since when the channel says so too. `substitute_line_id`: the line that takes their place.
    """

    __tablename__ = "line_cut"
    __table_args__ = (
        UniqueConstraint("proposal_id"),
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("reason IN ('substituted', 'canceled')", name="reason"),
        CheckConstraint("(reason = 'substituted') = (substitute_line_id IS NOT NULL)", name="substitute"),
    )

    id: int | None = own_id()
    order_line_id: int = ref("order_line", index=True)
    proposal_id: int = ref("proposal")
    units: int
    reason: str
    substitute_line_id: int | None = ref("order_line", nullable=True)
    cut_at: datetime = time()
    known_at: datetime | None = time(nullable=True)


CUT = of(LineCutRow)
