"""The shadow in SQL: who is in it, how far its numbers and those of the channel are apart, day by day."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.shadow import ShadowDay
from nervure.store import tables
from nervure.store.inbox import INBOX
from nervure.store.publications import PUBLICATION
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.publications import PublicationState

DAY = tables.of(tables.ShadowDayRow)

FRESH = timedelta(minutes=30)
"""What was seen longer ago is not compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that would have been sent. `shown_units` None: nobody has seen what the channel shows."""

    listing: str
    sku: str
    stock_point: str
    shown_units: int | None
    wanted_units: int


class ShadowStore:
    """The shadow of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def is_shadow(self, channel: str) -> bool:
        query = sa.select(CHANNEL.c.id).where(CHANNEL.c.name == channel, CHANNEL.c.is_shadow.is_(True))
        return self._connection.execute(query).first() is not None

    def lock(self, channel: str) -> bool:
        """Whether the channel is in the shadow; nobody changes that until the end of the transaction."""
        query = sa.select(CHANNEL.c.is_shadow).where(CHANNEL.c.name == channel).with_for_update()
        return bool(self._connection.execute(query).scalar_one())

    def put(self, channel: str, *, is_shadow: bool) -> bool:
        """Puts a channel into the shadow, or takes it out; False: it was there."""
        other = sa.and_(CHANNEL.c.name == channel, CHANNEL.c.is_shadow.is_(not is_shadow))
        return self._connection.execute(CHANNEL.update().where(other).values(is_shadow=is_shadow)).rowcount == 1

    def is_settled(self, channel: str) -> bool:
        """Whether what the channel shows was read not long ago, and everything that it said is understood."""
        open_documents = sa.select(INBOX.c.id).where(
            INBOX.c.channel == channel, INBOX.c.state.in_(["waiting", "leased"])
        )
        query = sa.select(CHANNEL.c.id).where(
            CHANNEL.c.name == channel, CHANNEL.c.levels_heard_until > self._now - FRESH, ~open_documents.exists()
        )
        return self._connection.execute(query).first() is not None

    def take_sample(self, channel: str) -> ShadowDay:
        """Compares the numbers with what the channel shows now, and adds that to the day; answers the day."""
        differs = sa.and_(
            PUBLICATION.c.channel_units.is_not(None), PUBLICATION.c.channel_units != PUBLICATION.c.salable_quantity
        )
        counted = [
            sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)
            for condition in (PUBLICATION.c.channel_units.is_not(None), differs, PUBLICATION.c.channel_units.is_(None))
        ]
        query = (
            sa.select(*counted, sa.func.coalesce(sa.func.sum(PUBLICATION.c.revision), 0))
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, PUBLICATION.c.state != PublicationState.EXCLUDED.value)
        )
        compared, differing, unseen, revisions = (int(count) for count in self._connection.execute(query).one())
        channel_id, today = self._id(channel), self._now.date()
        begun = {"samples": 0, "compared": 0, "differing": 0, "unseen": 0}
        key = {"channel_id": channel_id, "day": today}
        insert_new(self._connection, DAY, [key | begun | {"first_revisions": revisions, "last_revisions": revisions}])
        self._connection.execute(
            DAY.update()
            .where(DAY.c.channel_id == channel_id, DAY.c.day == today)
            .values(
                samples=DAY.c.samples + 1,
                compared=DAY.c.compared + compared,
                differing=DAY.c.differing + differing,
                unseen=DAY.c.unseen + unseen,
                last_revisions=sa.case((DAY.c.last_revisions < revisions, revisions), else_=DAY.c.last_revisions),
            )
        )
        return self.days(channel, since=today)[today]

    def days(self, channel: str, *, since: date) -> dict[date, ShadowDay]:
        """The days of a channel from then on."""
        query = sa.select(DAY).where(DAY.c.channel_id == self._id(channel), DAY.c.day >= since).order_by(DAY.c.day)
        return {
            row.day: ShadowDay(
                row.day,
                row.samples,
                row.compared,
                row.differing,
                row.unseen,
                row.last_revisions - row.first_revisions,
            )
            for row in self._connection.execute(query)
        }

    def differences(self, channel: str) -> list[Difference]:
        """Every number that would be sent now: the channel shows another, or nobody knows what it shows."""
        query = (
            sa.select(
                LISTING.c.external_id,
                ITEM.c.sku,
                POINT.c.external_id.label("point"),
                PUBLICATION.c.channel_units,
                PUBLICATION.c.salable_quantity,
            )
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(ITEM, ITEM.c.id == LISTING.c.item_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .where(
                POINT.c.channel_id == self._id(channel),
                PUBLICATION.c.state != PublicationState.EXCLUDED.value,
                PUBLICATION.c.revision > 0,
                PUBLICATION.c.channel_units.is_distinct_from(PUBLICATION.c.salable_quantity),
            )
            .order_by(ITEM.c.sku, PUBLICATION.c.id)
        )
        return [Difference(*row) for row in self._connection.execute(query)]

    def _id(self, channel: str) -> int:
        return int(self._connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == channel)).scalar_one())
