"""What was heard, what is to be told, and what a person must look at."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import json, own_id, time


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

    id: int | None = own_id()
    channel: str
    topic: str
    document_id: str
    event_id: str
    heard: str
    state: str
    attempts: int = 0
    reason: str | None = None
    lease: str | None = None
    lease_until: datetime | None = time(nullable=True)
    happened_at: datetime | None = time(nullable=True)
    received_at: datetime = time()
    handled_at: datetime | None = time(nullable=True)
    told_at: datetime | None = time(nullable=True)
    accepted_at: datetime | None = time(nullable=True)


class InboxBodyRow(SQLModel, table=True):
    __tablename__ = "inbox_body"

    inbox_id: int = Field(sa_column=Column(BigId, ForeignKey("inbox.id", ondelete="CASCADE"), primary_key=True))
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    expires_at: datetime = time(index=True)


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

    id: int | None = own_id()
    kind: str
    target: str
    reference: str
    payload: dict[str, Any] = json()
    state: str
    attempts: int = 0
    next_at: datetime = time()
    lease_until: datetime | None = time(nullable=True)
    reason: str | None = None
    created_at: datetime = time()
    done_at: datetime | None = time(nullable=True)


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

    id: int | None = own_id()
    kind: str
    subject: str
    text: str
    created_at: datetime = time()
    closed_at: datetime | None = time(nullable=True)
