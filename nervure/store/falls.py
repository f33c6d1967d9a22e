"""Numbers that fall to 0, noted when they are computed, under their publication's lock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import chunks, insert_new
from nervure.store.tables.catalogue import LISTING
from schemas.publications import PublicationState

FALL = tables.of(tables.ZeroFallRow)
PUBLICATION = tables.of(tables.PublicationRow)

DECIDED = ("held", "refused")
MINE = FALL.c.publication_id == PUBLICATION.c.id
# What shows 0 already, because its last units were sold there, has nothing left to be held.
_STILL_SHOWS = sa.or_(PUBLICATION.c.channel_units.is_(None), PUBLICATION.c.channel_units > 0)
WAITS = sa.and_(PUBLICATION.c.state == PublicationState.PENDING.value, _STILL_SHOWS)

HELD_BACK = (
    sa.select(FALL.c.publication_id)
    .where(MINE, FALL.c.verdict.is_distinct_from("passed"), _STILL_SHOWS)
    .correlate(PUBLICATION)
    .exists()
)
"""The number is a 0 that was not judged yet, or that a person must decide, or has refused."""

HELD = sa.select(FALL.c.publication_id).where(MINE, FALL.c.verdict.in_(DECIDED), WAITS).correlate(PUBLICATION).exists()
"""The number waits for a person."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A number as it was computed. `units_before`: what the channel is believed to show, known at `known_at`.

    `is_changed`: the number is another one than before, or the channel has moved its own.
    """

    publication_id: int
    units: int
    units_before: int
    known_at: datetime | None
    is_changed: bool


def note_zeros(connection: Connection, now: datetime, numbers: Iterable[Computed]) -> None:
    """Notes which numbers fall to 0, in the transaction that computed them; one that does not any more is forgotten."""
    gone, again, falls = [], [], []
    for number in numbers:
        if number.units > 0 or number.units_before <= 0:
            gone.append(number.publication_id)
        else:
            again.append(number.publication_id)
            if number.is_changed:
                falls.append(number)
    for batch in chunks(gone):
        connection.execute(FALL.delete().where(FALL.c.publication_id.in_(batch)))
    for batch in chunks(again):
        decided = sa.and_(FALL.c.publication_id.in_(batch), FALL.c.verdict.in_(DECIDED), FALL.c.is_new.is_(False))
        connection.execute(FALL.update().where(decided).values(is_new=True))
    owners = _owners(connection, [fall.publication_id for fall in falls])
    insert_new(
        connection,
        FALL,
        [
            {
                "publication_id": fall.publication_id,
                "channel_id": owners[fall.publication_id][0],
                "listing_id": owners[fall.publication_id][1],
                "units_before": fall.units_before,
                "known_at": fall.known_at,
                "fell_at": now,
                "is_new": True,
            }
            for fall in falls
        ],
    )


def _owners(connection: Connection, publications: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Channel and listing of each publication."""
    found: dict[int, tuple[int, int]] = {}
    for batch in chunks(publications):
        query = (
            sa.select(PUBLICATION.c.id, LISTING.c.channel_id, LISTING.c.id.label("listing"))
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .where(PUBLICATION.c.id.in_(batch))
        )
        found.update((row.id, (row.channel_id, row.listing)) for row in connection.execute(query))
    return found
