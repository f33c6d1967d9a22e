"""Going live: how far each channel is, and what a person decided of its listings."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Column, ForeignKey
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import time


class CutoverRow(SQLModel, table=True):
    """One channel's cutover. `heard_at`: catalogue, levels and orders since `orders_since` had been read by then.

    `ended_at`: its first number was allowed to be sent.
    """

    __tablename__ = "cutover"

    channel_id: int = Field(sa_column=Column(BigId, ForeignKey("channel.id"), primary_key=True))
    began_at: datetime = time()
    orders_since: datetime = time()
    heard_at: datetime | None = time(nullable=True)
    ended_at: datetime | None = time(nullable=True)


class BindingDecisionRow(SQLModel, table=True):
    """What a person decided of a listing: its binding is right, or it is left out for a reason."""

    __tablename__ = "binding_decision"
    __table_args__ = (
        CheckConstraint("decision IN ('bind', 'exclude')", name="decision"),
        CheckConstraint("decision <> 'exclude' OR reason IS NOT NULL", name="reason"),
    )

    listing_id: int = Field(sa_column=Column(BigId, ForeignKey("listing.id"), primary_key=True))
    decision: str
    reason: str | None = None
    decided_at: datetime = time()
