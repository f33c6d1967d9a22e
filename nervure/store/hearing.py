"""How each channel is heard: by its webhooks, or only because it was asked."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.inbox import INBOX
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import ORDER
from schemas.documents import Heard

LOOK_BACK_DAYS = 7


@dataclass(frozen=True, slots=True)
class Heed:
    """Orders of the last days, and how many of them no webhook had told of."""

    orders: int
    polled: int

    @property
    def share(self) -> str:
        """The part that was found by asking alone, for people; empty where there were no orders."""
        return f"{100 * self.polled / self.orders:.0f} %" if self.orders else ""


class HearingStore:
    """Hearing in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def heeds(self) -> dict[str, Heed]:
        """By channel; a document of an order carries the order's id, whichever way it came."""
        told = (
            sa.select(INBOX.c.id)
            .where(
                INBOX.c.channel == CHANNEL.c.name,
                INBOX.c.document_id == ORDER.c.external_id,
                INBOX.c.heard == Heard.WEBHOOK.value,
            )
            .correlate(CHANNEL, ORDER)
            .exists()
        )
        query = (
            sa.select(CHANNEL.c.name, sa.func.count(), sa.func.sum(sa.case((told, 0), else_=1)))
            .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
            .where(ORDER.c.placed_at > self._now - timedelta(days=LOOK_BACK_DAYS))
            .group_by(CHANNEL.c.name)
        )
        return {name: Heed(int(count), int(polled)) for name, count, polled in self._connection.execute(query)}

    def has_webhooks(self, channel: str) -> bool:
        """Whether any webhook of a channel has ever come."""
        query = sa.select(INBOX.c.id).where(INBOX.c.channel == channel, INBOX.c.heard == Heard.WEBHOOK.value).limit(1)
        return self._connection.execute(query).first() is not None
