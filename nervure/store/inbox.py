"""Documents received: stored once, taken in order per document, kept when they cannot be understood."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import are_among, as_rows, chunks
from schemas.documents import Heard, RawDocument

INBOX = tables.of(tables.InboxRow)
BODY = tables.of(tables.InboxBodyRow)

_STORE = {
    name: dialect.insert(INBOX).on_conflict_do_nothing().returning(INBOX.c.id, INBOX.c.channel, INBOX.c.event_id)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
_STORE_BODY = BODY.insert()


def _free() -> sa.ColumnElement[bool]:
    """Nobody holds the document: it waits, or its lease has expired."""
    now = sa.bindparam("now", type_=INBOX.c.lease_until.type)
    is_free = sa.or_(INBOX.c.state == "waiting", sa.and_(INBOX.c.state == "leased", INBOX.c.lease_until < now))
    return sa.and_(INBOX.c.state.in_(["waiting", "leased"]), is_free)


def _to_lease() -> sa.Select[*tuple[Any, ...]]:
    older = INBOX.alias("older")
    blocked = (
        sa.select(older.c.id)
        .where(
            older.c.channel == INBOX.c.channel,
            older.c.document_id == INBOX.c.document_id,
            older.c.id < INBOX.c.id,
            older.c.state == "leased",
            older.c.lease_until >= sa.bindparam("now", type_=INBOX.c.lease_until.type),
        )
        .exists()
    )
    return (
        sa.select(INBOX.c.id, INBOX.c.channel, INBOX.c.document_id)
        .where(_free(), ~blocked)
        .order_by(INBOX.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer()))
        .with_for_update(skip_locked=True)
    )


_HAS_WAITING = sa.select(INBOX.c.id).where(_free()).limit(1)
_TO_LEASE = _to_lease()
_LEASED = (
    sa.select(INBOX, BODY.c.body)
    .join(BODY, BODY.c.inbox_id == INBOX.c.id, isouter=True)
    .where(INBOX.c.lease == sa.bindparam("leased_as"), INBOX.c.state == "leased")
    .order_by(INBOX.c.id)
)

LEASE_SECONDS = 60
BODY_DAYS = 30
"""How long raw bodies (they may hold personal data) are kept."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A document taken for handling. `is_accepted`: a person said that what looks wrong in it is meant."""

    id: int
    channel: str
    document: RawDocument
    received_at: datetime
    is_accepted: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A document that could not be handled."""

    id: int
    channel: str
    topic: str
    document_id: str
    reason: str
    received_at: datetime


class InboxStore:
    """The inbox of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, channel: str, documents: Sequence[RawDocument], *, body_days: int = BODY_DAYS) -> int:
        """Stores documents; those whose event is known are dropped. Answers how many were new."""
        [new] = self.put_all([(channel, documents)], body_days=body_days)
        return new

    def put_all(self, heard: Sequence[tuple[str, Sequence[RawDocument]]], *, body_days: int = BODY_DAYS) -> list[int]:
        """Stores what several channels said by the same two statements; answers how many of each were new."""
        unique: dict[tuple[str, str], tuple[int, RawDocument]] = {}
        for number, (channel, documents) in enumerate(heard):
            for document in documents:
                unique.setdefault((channel, document.event_id), (number, document))
        rows = [
            {
                "channel": channel,
                "topic": document.topic,
                "document_id": document.document_id,
                "event_id": document.event_id,
                "heard": document.heard.value,
                "state": "waiting",
                "attempts": 0,
                "happened_at": document.happened_at,
                "received_at": self._now,
            }
            for (channel, _), (_, document) in unique.items()
        ]
        # One statement decides what is new, also where the same event is stored by another at this instant.
        made = {
            (row.channel, row.event_id): row.id
            for part in chunks(rows)
            for row in self._connection.execute(_STORE[self._connection.dialect.name], part)
        }
        bodies = [
            {"inbox_id": number, "body": unique[key][1].body, "expires_at": self._now + timedelta(days=body_days)}
            for key, number in made.items()
        ]
        if bodies:
            self._connection.execute(_STORE_BODY, bodies)
        new = Counter(unique[key][0] for key in made)
        return [new[number] for number in range(len(heard))]

    def first_told(self, channel: str, event_ids: Collection[str], since: datetime) -> set[str]:
        """Those of these events of a channel that came since a moment, and are the first about their thing."""
        older = INBOX.alias("older")
        is_known = (
            sa.select(older.c.id)
            .where(
                older.c.channel == INBOX.c.channel,
                older.c.document_id == INBOX.c.document_id,
                older.c.id < INBOX.c.id,
            )
            .exists()
        )
        found: set[str] = set()
        for batch in chunks(sorted(event_ids)):
            query = sa.select(INBOX.c.event_id).where(
                INBOX.c.channel == channel, INBOX.c.event_id.in_(batch), INBOX.c.received_at >= since, ~is_known
            )
            found.update(self._connection.execute(query).scalars())
        return found

    def has_waiting(self) -> bool:
        """Whether there may be a document to take. It takes no lock."""
        return self._connection.execute(_HAS_WAITING, {"now": self._now}).first() is not None

    def lease(self, limit: int) -> list[Leased]:
        """Takes the oldest documents for handling; an expired lease is free again.

        A document waits while an older one about the same thing is open, so their order is kept per thing.
        """
        locked = self._connection.execute(_TO_LEASE, {"now": self._now, "most": limit}).all()
        if not locked:
            return []
        lease = uuid4().hex
        self._connection.execute(
            INBOX.update()
            .where(INBOX.c.id.in_(self._without_overtaking(locked)))
            .values(
                state="leased",
                lease=lease,
                lease_until=self._now + timedelta(seconds=LEASE_SECONDS),
                attempts=INBOX.c.attempts + 1,
            )
        )
        return [
            Leased(
                row.id,
                row.channel,
                RawDocument(
                    row.topic, row.document_id, row.event_id, row.body or b"", Heard(row.heard), row.happened_at
                ),
                row.received_at,
                row.accepted_at is not None,
            )
            for row in self._connection.execute(_LEASED, {"leased_as": lease})
        ]

    def _without_overtaking(self, locked: Sequence[sa.Row[*tuple[Any, ...]]]) -> list[int]:
        """Those of the locked documents that have no older one about the same thing in somebody else's hands.

        Another dispatcher's lease may not be committed yet, so here every open document that is not ours counts.
        """
        query = (
            sa.select(INBOX.c.channel, INBOX.c.document_id, sa.func.min(INBOX.c.id).label("oldest"))
            .where(
                are_among((INBOX.c.channel, INBOX.c.document_id), self._connection.dialect.name),
                INBOX.c.state.in_(["waiting", "leased"]),
                INBOX.c.id.not_in([row.id for row in locked]),
            )
            .group_by(INBOX.c.channel, INBOX.c.document_id)
        )
        documents = as_rows({(row.channel, row.document_id) for row in locked})
        elsewhere = {(row.channel, row.document_id): row.oldest for row in self._connection.execute(query, documents)}
        return [row.id for row in locked if row.id < elsewhere.get((row.channel, row.document_id), row.id + 1)]

    def done(self, ids: Collection[int]) -> None:
        """Acknowledges handled documents, in the transaction that holds their effects."""
        for batch in chunks(sorted(ids)):
            self._connection.execute(
                INBOX.update()
                .where(INBOX.c.id.in_(batch))
                .values(state="done", handled_at=self._now, lease=None, lease_until=None, reason=None)
            )

    def bury(self, inbox_id: int, reason: str) -> None:
        """Moves a document to the dead letters with its reason."""
        self._connection.execute(
            INBOX.update()
            .where(INBOX.c.id == inbox_id)
            .values(state="dead", handled_at=self._now, lease=None, lease_until=None, reason=reason, told_at=None)
        )

    def dead(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters first."""
        query = sa.select(INBOX).where(INBOX.c.state == "dead").order_by(INBOX.c.id.desc()).limit(limit)
        return [_dead(row) for row in self._connection.execute(query)]

    def take_untold(self, limit: int = 20) -> list[DeadLetter]:
        """Dead letters that nobody was told of yet; each is answered once."""
        query = (
            sa.select(INBOX)
            .where(INBOX.c.state == "dead", INBOX.c.told_at.is_(None))
            .order_by(INBOX.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        found = [_dead(row) for row in self._connection.execute(query)]
        if found:
            self._connection.execute(
                INBOX.update().where(INBOX.c.id.in_([letter.id for letter in found])).values(told_at=self._now)
            )
        return found

    def replay(self, inbox_ids: Collection[int] | None = None, *, reason_like: str | None = None) -> int:
        """Puts dead letters back; None: all of them (whose reason contains `reason_like`). Answers how many."""
        statement = INBOX.update().where(INBOX.c.state == "dead").values(state="waiting", reason=None, handled_at=None)
        if inbox_ids is not None:
            statement = statement.where(INBOX.c.id.in_(sorted(inbox_ids)))
        if reason_like is not None:
            statement = statement.where(INBOX.c.reason.contains(reason_like, autoescape=True))
        return self._connection.execute(statement).rowcount

    def accept(self, inbox_id: int) -> str | None:
        """Puts a dead letter back, to be taken as it is; answers its account; None: it is no dead letter."""
        accepted = self._connection.execute(
            INBOX.update()
            .where(INBOX.c.id == inbox_id, INBOX.c.state == "dead")
            .values(state="waiting", reason=None, handled_at=None, accepted_at=self._now)
            .returning(INBOX.c.channel)
        )
        return accepted.scalar_one_or_none()

    def open_count(self, channel: str | None = None) -> int:
        """Documents stored and not yet handled."""
        query = sa.select(sa.func.count()).select_from(INBOX).where(INBOX.c.state.in_(["waiting", "leased"]))
        if channel is not None:
            query = query.where(INBOX.c.channel == channel)
        return int(self._connection.execute(query).scalar_one())

    def forget_bodies(self) -> int:
        """Deletes raw bodies whose time is over, but for dead letters, which still wait for somebody."""
        dead = sa.select(INBOX.c.id).where(INBOX.c.state != "done")
        return self._connection.execute(
            BODY.delete().where(BODY.c.expires_at < self._now, BODY.c.inbox_id.not_in(dead))
        ).rowcount


def _dead(row: sa.Row[*tuple[object, ...]]) -> DeadLetter:
    return DeadLetter(row.id, row.channel, row.topic, row.document_id, row.reason, row.received_at)
