"""What the settings name: only that is written to. The rest is kept, and comes back when it is named again.

A stock point that the settings name stands for some location; one that they name no more stands for none.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.channels import IS_NAMED
from nervure.store.policy_log import Change, freshness, log
from nervure.store.publications import NOT_NAMED, PUBLICATION, PublicationStore
from nervure.store.statements import CHANGE, chunks
from nervure.store.tables.catalogue import LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from schemas.policies import Logged
from schemas.publications import PublicationState

CHANNEL_NOT_NAMED = "the settings do not name it: nothing is read or written"
READMITTED = "named again"
"""The flight of a number that nobody knows to have arrived before its stock point was taken out: it is read back."""


class ScopeStore:
    """What is in and out, in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def keep_channels(self, names: Collection[str]) -> None:
        """Only these channels are named: the stock points of all others stand for nothing."""
        others = CHANNEL.c.name.not_in(sorted(names))
        self._connection.execute(
            CHANNEL.update()
            .where(others, CHANNEL.c.problem.is_distinct_from(CHANNEL_NOT_NAMED))
            .values(problem=CHANNEL_NOT_NAMED)
        )
        self._connection.execute(
            CHANNEL.update().where(~others, CHANNEL.c.problem == CHANNEL_NOT_NAMED).values(problem=None)
        )
        points = sa.select(POINT.c.id).join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id).where(others)
        pools = sa.select(POINT_LOCATION.c.stock_point_id).where(POINT_LOCATION.c.stock_point_id.in_(points)).distinct()
        gone = sorted(self._connection.execute(pools).scalars())
        log(
            self._connection,
            self._now,
            [Change(Logged.POOL, {"locations": []}, stock_point_id=point) for point in gone],
        )
        self._connection.execute(POINT_LOCATION.delete().where(POINT_LOCATION.c.stock_point_id.in_(points)))

    def keep_locations(self, codes: Collection[str]) -> None:
        """Only these locations are named: of all others nobody is the master, and no supplier promises their units."""
        left = self._connection.execute(
            LOCATION.update()
            .where(LOCATION.c.code.not_in(sorted(codes)), LOCATION.c.master.is_not(None))
            .values(master=None, ttl_seconds=sa.case((LOCATION.c.ttl_seconds.is_not(None), 0.0)))
            .returning(LOCATION.c.id, LOCATION.c.ttl_seconds, LOCATION.c.as_of)
        ).all()
        log(self._connection, self._now, [freshness(row.id, row.ttl_seconds, row.as_of) for row in left])

    def settle(self) -> list[str]:
        """Excludes the numbers of what is named no more, takes in those of what is named anew or again.

        Answers the channels that have such a stock point.
        """
        self._exclude()
        enlarged = self._without_numbers()
        for channel in enlarged:
            PublicationStore(self._connection, self._now).create_missing(channel)
        return sorted({*enlarged, *self._readmit()})

    def _exclude(self) -> None:
        points = list(self._connection.execute(sa.select(POINT.c.id).where(~IS_NAMED)).scalars())
        if not points:
            return
        open_numbers = sa.and_(
            PUBLICATION.c.stock_point_id.in_(points), PUBLICATION.c.state != PublicationState.EXCLUDED.value
        )
        for batch in chunks(self._locked(open_numbers)):
            # An answer that is still to come belongs to a flight that there is no more: it changes nothing.
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_(batch))
                .values(
                    state=PublicationState.EXCLUDED.value,
                    reason=NOT_NAMED,
                    flight=None,
                    flight_until=None,
                    receipt=None,
                    next_at=None,
                    waits_for_orders_since=None,
                    check_at=None,
                    drift_units=None,
                )
            )

    def _readmit(self) -> set[str]:
        """What comes back is new: computed anew, its orders heard first; what may have been sent is read back first."""
        named = sa.select(POINT.c.id).where(IS_NAMED)
        out = sa.and_(
            PUBLICATION.c.stock_point_id.in_(named),
            PUBLICATION.c.state == PublicationState.EXCLUDED.value,
            PUBLICATION.c.reason == NOT_NAMED,
        )
        channels: set[str] = set()
        is_unknown = PUBLICATION.c.sent_revision > PUBLICATION.c.confirmed_revision
        for batch in chunks(self._locked(out)):
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_(batch))
                .values(
                    state=sa.case((is_unknown, PublicationState.UNKNOWN.value), else_=PublicationState.PENDING.value),
                    flight=sa.case((is_unknown, READMITTED)),
                    flight_until=sa.case((is_unknown, sa.literal(self._now, PUBLICATION.c.flight_until.type))),
                    reason=None,
                    revision=0,
                    sent_revision=0,
                    confirmed_revision=0,
                    channel_units=None,
                    channel_units_at=None,
                    waits_for_orders_since=self._now,
                    attempts=0,
                )
            )
            listed = sa.select(PUBLICATION.c.listing_id).where(PUBLICATION.c.id.in_(batch))
            items = sa.select(LISTING.c.item_id).where(LISTING.c.id.in_(listed), LISTING.c.item_id.is_not(None))
            when = sa.literal(self._now, CHANGE.c.changed_at.type)
            self._connection.execute(
                CHANGE.insert().from_select(["item_id", "changed_at"], items.add_columns(when).distinct())
            )
            whose = (
                sa.select(CHANNEL.c.name)
                .join(LISTING, LISTING.c.channel_id == CHANNEL.c.id)
                .where(LISTING.c.id.in_(listed))
                .distinct()
            )
            channels.update(self._connection.execute(whose).scalars())
        return channels

    def _locked(self, condition: sa.ColumnElement[bool]) -> list[int]:
        query = sa.select(PUBLICATION.c.id).where(condition).order_by(PUBLICATION.c.id).with_for_update()
        return list(self._connection.execute(query).scalars())

    def _without_numbers(self) -> list[str]:
        """Channels with listings and a new stock point, which no listing has a number at."""
        query = (
            sa.select(CHANNEL.c.name)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .where(
                IS_NAMED,
                ~sa.select(PUBLICATION.c.id).where(PUBLICATION.c.stock_point_id == POINT.c.id).exists(),
                sa.select(LISTING.c.id)
                .where(LISTING.c.channel_id == CHANNEL.c.id, LISTING.c.item_id.is_not(None))
                .exists(),
            )
            .distinct()
        )
        return list(self._connection.execute(query).scalars())
