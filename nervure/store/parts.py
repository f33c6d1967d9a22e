"""What goes to a channel in parts of its own, because it was refused together."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.leaving import may_leave
from nervure.store.publications import PUBLICATION
from nervure.store.statements import chunks
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.publications import PublicationState


class PartStore:
    """Parts of refused writes, in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def largest(self, points: Sequence[int]) -> int | None:
        """How many of what was refused together may go as one part now; None: nothing of the kind waits."""
        query = (
            sa.select(sa.func.max(PUBLICATION.c.most_rows))
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(PUBLICATION.c.stock_point_id.in_(points), PUBLICATION.c.most_rows.is_not(None), may_leave(self._now))
        )
        found = self._connection.execute(query).scalar()
        return None if found is None else int(found)

    def take_turn(self, channel: str) -> bool:
        """Whether parts come first in this write; in the next one all other numbers do, and so on."""
        turned = (
            CHANNEL.update()
            .where(CHANNEL.c.name == channel)
            .values(sends_part_next=~CHANNEL.c.sends_part_next)
            .returning(CHANNEL.c.sends_part_next)
        )
        return not self._connection.execute(turned).scalar_one()

    def widen(self, channel: str, most: int, limit: int) -> None:
        """A part of so many is shown: others of that size that still wait may go as twice as many, or as any others.

        So what was refused for a while, though no row was at fault, is not sent in small parts for long. `limit`: rows
        that one write takes.
        """
        wider = 2 * most if 2 * most < limit else None
        query = (
            sa.select(PUBLICATION.c.id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(
                CHANNEL.c.name == channel,
                PUBLICATION.c.most_rows == most,
                PUBLICATION.c.state == PublicationState.PENDING.value,
            )
            .order_by(PUBLICATION.c.id)
            .with_for_update(of=PUBLICATION, skip_locked=True)
        )
        for batch in chunks(list(self._connection.execute(query).scalars())):
            self._connection.execute(PUBLICATION.update().where(PUBLICATION.c.id.in_(batch)).values(most_rows=wider))
