"""Keeping the store in order: what is kept too long is forgotten, what is overdue or differs is counted."""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.channels import CEILING, CHECK_CONFIRMED, PULL_REPLIES
from nervure.store.flights import FLIGHT_SECONDS
from nervure.store.inbox import INBOX
from nervure.store.leaving import HAS_HEARD_ORDERS
from nervure.store.offering import OFFER
from nervure.store.outbox import OUTBOX
from nervure.store.places import REQUEST
from nervure.store.publications import PUBLICATION
from nervure.store.shortfalls import PROPOSAL
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import FULFILLMENT, PERSON, SHORTFALL
from schemas.fulfillment import FulfillmentState, OfferState
from schemas.publications import PublicationState


class Waiting(StrEnum):
    """What waits in the database for a moment to come."""

    DOCUMENT = "document"
    MESSAGE = "message"
    NUMBER = "number"
    ORDERS = "orders"
    STOCK = "stock"
    CHECK = "check"
    SLOT = "slot"
    STEP = "step"
    CHOICE = "choice"
    AGE = "age"


def _due() -> sa.CompoundSelect[*tuple[Any, ...]]:
    """The first moment after `now` for each kind of what waits, and each account."""
    now = sa.bindparam("now", type_=CHANNEL.c.orders_next_at.type)

    def first(
        kind: Waiting, account: sa.ColumnElement[str], at: sa.ColumnElement[datetime]
    ) -> sa.Select[*tuple[Any, ...]]:
        return sa.select(sa.literal(kind.value).label("kind"), account.label("account"), sa.func.min(at).label("at"))

    nobody: sa.ColumnElement[str] = sa.literal("")
    numbers = (PUBLICATION.c.next_at, PUBLICATION.c.flight_until)
    return sa.union_all(
        *(
            first(Waiting.NUMBER, CHANNEL.c.name, column)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(PUBLICATION, PUBLICATION.c.stock_point_id == POINT.c.id)
            .where(column > now)
            .group_by(CHANNEL.c.name)
            for column in numbers
        ),
        *(
            sa.select(sa.literal(kind.value), CHANNEL.c.name, column).where(column > now)
            for kind, column in (
                (Waiting.ORDERS, CHANNEL.c.orders_next_at),
                (Waiting.STOCK, CHANNEL.c.stock_next_at),
                (Waiting.NUMBER, CHANNEL.c.write_next_at),
            )
        ),
        *(
            first(Waiting.MESSAGE, OUTBOX.c.target, column)
            .where(OUTBOX.c.state == state, column > now)
            .group_by(OUTBOX.c.target)
            for state, column in (("waiting", OUTBOX.c.next_at), ("leased", OUTBOX.c.lease_until))
        ),
        first(Waiting.DOCUMENT, nobody, INBOX.c.lease_until).where(
            INBOX.c.state == "leased", INBOX.c.lease_until > now
        ),
        first(Waiting.CHECK, CHANNEL.c.name, PUBLICATION.c.check_at)
        .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
        .join(PUBLICATION, PUBLICATION.c.stock_point_id == POINT.c.id)
        .where(PUBLICATION.c.check_at > now)
        .group_by(CHANNEL.c.name),
        first(Waiting.SLOT, CEILING.c.account, CEILING.c.free_at)
        .where(CEILING.c.free_at > now, CEILING.c.operation.in_([CHECK_CONFIRMED, PULL_REPLIES]))
        .group_by(CEILING.c.account),
        *(
            first(Waiting.STEP, nobody, until).where(FULFILLMENT.c.state == state.value, until > now)
            for state, until in (
                (FulfillmentState.ALLOCATED, FULFILLMENT.c.accept_by),
                (FulfillmentState.READY_FOR_PICKUP, FULFILLMENT.c.pickup_until),
            )
        ),
        first(Waiting.STEP, nobody, OFFER.c.accept_by).where(
            OFFER.c.state == OfferState.OPEN.value, OFFER.c.accept_by > now
        ),
        first(Waiting.STEP, nobody, REQUEST.c.answer_by).where(
            REQUEST.c.answered_at.is_(None), REQUEST.c.answer_by > now
        ),
        first(Waiting.CHOICE, nobody, PROPOSAL.c.expires_at).where(
            PROPOSAL.c.state == "open", PROPOSAL.c.expires_at > now
        ),
        first(Waiting.CHOICE, nobody, SHORTFALL.c.look_at).where(SHORTFALL.c.look_at > now),
    )


_DUE = _due()


def _has_numbers() -> sa.Select[*tuple[Any, ...]]:
    now = sa.bindparam("now", type_=PUBLICATION.c.next_at.type)
    may_leave = sa.and_(
        PUBLICATION.c.state == PublicationState.PENDING.value,
        sa.or_(PUBLICATION.c.next_at.is_(None), PUBLICATION.c.next_at <= now),
        sa.or_(CHANNEL.c.write_next_at.is_(None), CHANNEL.c.write_next_at <= now),
        # Whether all was heard that must be heard after a restore is only looked at before something is sent.
        sa.or_(HAS_HEARD_ORDERS, CHANNEL.c.hears_since.is_not(None)),
    )
    return (
        sa.select(PUBLICATION.c.id)
        .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
        .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
        .where(CHANNEL.c.name == sa.bindparam("channel"), sa.or_(may_leave, PUBLICATION.c.flight_until <= now))
        .limit(1)
    )


_HAS_NUMBERS = _has_numbers()
_AGE = sa.select(LOCATION.c.as_of, LOCATION.c.ttl_seconds).where(
    LOCATION.c.ttl_seconds.is_not(None), LOCATION.c.as_of.is_not(None)
)


class UpkeepStore:
    """Upkeep in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def forget_persons(self) -> int:
        """Deletes personal data of orders whose time is over; answers of how many orders."""
        return self._connection.execute(PERSON.delete().where(PERSON.c.expires_at <= self._now)).rowcount

    def has_untold(self) -> bool:
        """Whether there is a dead letter that nobody was told of."""
        query = sa.select(INBOX.c.id).where(INBOX.c.state == "dead", INBOX.c.told_at.is_(None)).limit(1)
        return self._connection.execute(query).first() is not None

    def tell_again(self, inbox_ids: Collection[int]) -> None:
        """Nobody could be told of these dead letters: they count as untold again."""
        self._connection.execute(INBOX.update().where(INBOX.c.id.in_(sorted(inbox_ids))).values(told_at=None))

    def next_due(self) -> dict[tuple[Waiting, str], datetime]:
        """When what waits comes due next, by kind and account ("" where it is nobody's); only moments after now.

        Who looks no sooner than that, or after something was written, misses nothing.
        """
        due: dict[tuple[Waiting, str], datetime] = {}

        def note(kind: Waiting, account: str, at: datetime | None) -> None:
            if at is not None and at > self._now:
                due[kind, account] = min(at, due.get((kind, account), at))

        for kind, account, at in self._connection.execute(_DUE, {"now": self._now}):
            note(Waiting(kind), account, at)
        for as_of, ttl_seconds in self._connection.execute(_AGE):
            note(Waiting.AGE, "", as_of + timedelta(seconds=ttl_seconds))
        return due

    def has_numbers(self, channel: str) -> bool:
        """Whether a channel has numbers that may be sent, asked for or read back now. It takes no lock."""
        return self._connection.execute(_HAS_NUMBERS, {"channel": channel, "now": self._now}).first() is not None

    def has_numbers_waiting(self) -> bool:
        """Whether a number waits until channels have been heard."""
        numbers = sa.select(PUBLICATION.c.id).where(PUBLICATION.c.waits_for_orders_since.is_not(None))
        channels = sa.select(CHANNEL.c.id).where(CHANNEL.c.hears_since.is_not(None))
        query = sa.select(sa.literal(1)).where(sa.or_(numbers.exists(), channels.exists()))
        return self._connection.execute(query).first() is not None

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
