"""What was sent of each number and what the channel answered: one row an answer, kept for a while."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.answers import Landing
from nervure.store import tables
from nervure.store.statements import as_arrays, as_columns, chunks
from schemas.publications import PublicationState

ANSWER = tables.of(tables.PublicationAnswerRow)

HISTORY_DAYS = 90
"""So long it can be said what was sent and answered."""

_ANSWERS = as_arrays({column.name: column.type for column in ANSWER.c if column.name != "id"})
_POUR = ANSWER.insert().from_select([column.name for column in _ANSWERS.c], sa.select(*_ANSWERS.c))
_WRITE = ANSWER.insert()


class Sent(Protocol):
    """A number on its way."""

    @property
    def publication_id(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def units(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One number that was sent, and what became of it. `channel_units`: what the channel was seen to show."""

    revision: int
    units: int
    sent_at: datetime
    state: PublicationState
    answered_at: datetime
    reason: str | None
    channel_units: int | None


class HistoryStore:
    """The answers of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def landed(
        self,
        known: Mapping[int, sa.Row[*tuple[Any, ...]]],
        flights: Sequence[tuple[Sent, Landing]],
        flight: str,
    ) -> None:
        """Keeps answers, all in one statement. `known`: the publications under lock, as they were before them.

        An answer that comes too late is none, and asking again without news leaves no row.
        """
        rows = [
            {
                "publication_id": number.publication_id,
                "revision": number.revision,
                "units": number.units,
                "state": landing.state.value,
                "reason": landing.reason,
                "channel_units": number.units if landing.state is PublicationState.CONFIRMED else landing.channel_units,
                "noted_at": row.carried_at if landing.state is PublicationState.CONFIRMED else None,
                "sent_at": row.sent_at,
                "answered_at": self._now,
            }
            for number, landing in sorted(flights, key=lambda pair: pair[0].publication_id)
            if (row := known.get(number.publication_id)) is not None
            and (row.flight, row.sent_revision) == (flight, number.revision)
            and not _is_known(row, landing)
        ]
        for part in chunks(rows, 5_000):
            if self._connection.dialect.name == "postgresql":
                self._connection.execute(_POUR, as_columns(part))
            else:
                self._connection.execute(_WRITE, part)

    def newest(self, publication_ids: Collection[int], moment: datetime) -> dict[int, Answer]:
        """The last answer that each publication had until a moment."""
        newest = (
            sa.select(sa.func.max(ANSWER.c.id))
            .where(ANSWER.c.publication_id.in_(sorted(publication_ids)), ANSWER.c.answered_at <= moment)
            .group_by(ANSWER.c.publication_id)
        )
        return {
            row.publication_id: Answer(
                revision=row.revision,
                units=row.units,
                sent_at=row.sent_at,
                state=PublicationState(row.state),
                answered_at=row.answered_at,
                reason=row.reason,
                channel_units=row.channel_units,
            )
            for row in self._connection.execute(sa.select(ANSWER).where(ANSWER.c.id.in_(newest)))
        }

    def forget(self, limit: int = 10_000) -> int:
        """Deletes answers whose time is over, so many at once; answers how many."""
        old = (
            sa.select(ANSWER.c.id)
            .where(ANSWER.c.answered_at <= self._now - timedelta(days=HISTORY_DAYS))
            .order_by(ANSWER.c.answered_at)
            .limit(limit)
        )
        return self._connection.execute(ANSWER.delete().where(ANSWER.c.id.in_(old))).rowcount


def _is_known(row: sa.Row[*tuple[Any, ...]], landing: Landing) -> bool:
    """Whether this was said before: it is still not known, or still under way."""
    match landing.state:
        case PublicationState.SENT:
            return row.receipt is not None
        case PublicationState.UNKNOWN:
            return bool(row.state == PublicationState.UNKNOWN.value)
        case _:
            return False
