"""Keeping the store in order: what is kept too long is forgotten, what is overdue or differs is counted."""

from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.orders import CHANNEL, PERSON, POINT, TASK
from nervure.store.publications import FLIGHT_SECONDS, INBOX, PUBLICATION
from schemas.publications import PublicationState


class UpkeepStore:
    """Upkeep in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def forget_persons(self) -> int:
        """Deletes personal data of orders whose time is over; answers of how many orders."""
        return self._connection.execute(PERSON.delete().where(PERSON.c.expires_at <= self._now)).rowcount

    def close_task(self, task_id: int) -> bool:
        """A person has looked; False: there is no such open task."""
        closed = self._connection.execute(
            TASK.update().where(TASK.c.id == task_id, TASK.c.closed_at.is_(None)).values(closed_at=self._now)
        )
        return closed.rowcount == 1

    def has_untold(self) -> bool:
        """Whether there is a dead letter that nobody was told of."""
        query = sa.select(INBOX.c.id).where(INBOX.c.state == "dead", INBOX.c.told_at.is_(None)).limit(1)
        return self._connection.execute(query).first() is not None

    def tell_again(self, inbox_ids: Collection[int]) -> None:
        """Nobody could be told of these dead letters: they count as untold again."""
        self._connection.execute(INBOX.update().where(INBOX.c.id.in_(sorted(inbox_ids))).values(told_at=None))

    def overdue_flights(self) -> dict[str, int]:
        """Numbers by channel whose answer nobody has asked for long after it was due."""
        due = self._now - timedelta(seconds=2 * FLIGHT_SECONDS)
        return self._count(sa.and_(PUBLICATION.c.flight.is_not(None), PUBLICATION.c.flight_until < due))

    def differing(self) -> dict[str, int]:
        """Numbers by channel that count as confirmed, and the channel was seen to show another one."""
        return self._count(
            sa.and_(
                PUBLICATION.c.state == PublicationState.CONFIRMED.value,
                PUBLICATION.c.channel_units != PUBLICATION.c.salable_quantity,
                PUBLICATION.c.drift_units.is_(None),
            )
        )

    def _count(self, condition: sa.ColumnElement[bool]) -> dict[str, int]:
        query = (
            sa.select(CHANNEL.c.name, sa.func.count())
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(PUBLICATION, PUBLICATION.c.stock_point_id == POINT.c.id)
            .where(condition)
            .group_by(CHANNEL.c.name)
        )
        return {name: int(count) for name, count in self._connection.execute(query)}
