"""Channels in the shadow, day by day."""

from datetime import date

from sqlalchemy import CheckConstraint, Column, ForeignKey
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId


class ShadowDayRow(SQLModel, table=True):
    """One day (UTC) of one channel, summed over its samples; `..._revisions`: of all its numbers together."""

    __tablename__ = "shadow_day"
    __table_args__ = (CheckConstraint("differing <= compared", name="differing"),)

    channel_id: int = Field(sa_column=Column(BigId, ForeignKey("channel.id"), primary_key=True))
    day: date = Field(primary_key=True)
    samples: int
    compared: int
    differing: int
    unseen: int
    first_revisions: int = Field(sa_column=Column(BigId, nullable=False))
    last_revisions: int = Field(sa_column=Column(BigId, nullable=False))
