"""What the merchant decided about numbers, when, and what became of the numbers that were sent."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import SQLModel

from nervure.store.tables.fields import json, own_id, ref, time


class PolicyRow(SQLModel, table=True):
    """A policy in force. `scope` names channel and item in one text, so that each scope has one of a kind.

    `is_over`: its last day has passed, and the numbers that it concerned were computed again.
    """

    __tablename__ = "policy"
    __table_args__ = (
        UniqueConstraint("kind", "scope"),
        CheckConstraint("kind IN ('buffer', 'earned', 'share', 'cap', 'backorder', 'preorder')", name="kind"),
        CheckConstraint("units >= 0 AND (kind <> 'share' OR units <= 100)", name="units"),
        CheckConstraint("(kind IN ('backorder', 'preorder')) = (promised_on IS NOT NULL)", name="promise"),
        CheckConstraint(
            "(kind NOT IN ('buffer', 'earned', 'share', 'cap') OR channel_id IS NOT NULL)"
            " AND (kind NOT IN ('buffer', 'earned', 'backorder', 'preorder') OR item_id IS NOT NULL)",
            name="scope",
        ),
    )

    id: int | None = own_id()
    kind: str
    scope: str
    channel_id: int | None = ref("channel", nullable=True, index=True)
    item_id: int | None = ref("item", nullable=True, index=True)
    units: int
    promised_on: date | None = None
    is_over: bool = False


class PolicyChangeRow(SQLModel, table=True):
    """The append-only log of everything a number follows from beside stock and claims. `value` NULL: taken back."""

    __tablename__ = "policy_change"

    id: int | None = own_id()
    kind: str
    channel_id: int | None = ref("channel", nullable=True, index=True)
    item_id: int | None = ref("item", nullable=True, index=True)
    location_id: int | None = ref("location", nullable=True, index=True)
    stock_point_id: int | None = ref("stock_point", nullable=True, index=True)
    value: dict[str, Any] | None = json(nullable=True)
    recorded_at: datetime = time()


class BackorderChangeRow(SQLModel, table=True):
    """The append-only log of units sold beyond what is there: signed, by the line that was sold."""

    __tablename__ = "backorder_change"
    __table_args__ = (CheckConstraint("units <> 0", name="moves"),)

    id: int | None = own_id()
    order_line_id: int = ref("order_line", index=True)
    item_id: int = ref("item", index=True)
    channel_id: int = ref("channel")
    units: int
    promised_on: date
    recorded_at: datetime = time()


class PublicationAnswerRow(SQLModel, table=True):
    """What was sent of a publication and what the channel answered: append-only, deleted after its time.

    `noted_at`: when the oldest change happened that a confirmed number told the channel of.
    """

    __tablename__ = "publication_answer"
    __table_args__ = (Index("ix_publication_answer_newest", "publication_id", "answered_at"),)

    id: int | None = own_id()
    publication_id: int = ref("publication")
    revision: int
    units: int
    state: str
    reason: str | None = None
    channel_units: int | None = None
    noted_at: datetime | None = time(nullable=True)
    sent_at: datetime = time()
    answered_at: datetime = time(index=True)
