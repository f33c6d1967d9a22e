"""Numbers that a channel confirmed, read back to see whether they are there: the riskiest first, each once."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.channels import IS_NAMED
from nervure.store.drift import DriftStore, is_dropped
from nervure.store.publications import PUBLICATION
from nervure.store.statements import chunks
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.levels import LevelKey
from schemas.publications import DriftPolicy, PublicationState

_NAMED = (
    sa.select(POINT.c.id)
    .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
    .where(CHANNEL.c.name == sa.bindparam("channel"), IS_NAMED)
    .order_by(POINT.c.id)
)
_DUE = (
    sa.select(
        PUBLICATION.c.id,
        PUBLICATION.c.revision,
        PUBLICATION.c.risk_rank,
        LISTING.c.stock_id,
        POINT.c.external_id,
    )
    .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
    .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
    .where(
        PUBLICATION.c.stock_point_id == sa.bindparam("point"),
        PUBLICATION.c.check_at.is_not(None),
        PUBLICATION.c.check_at <= sa.bindparam("now", type_=PUBLICATION.c.check_at.type),
    )
    .order_by(PUBLICATION.c.risk_rank, PUBLICATION.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer()))
)


@dataclass(frozen=True, slots=True)
class Check:
    """A confirmed number to be read back, and the fence under which what is seen is recorded."""

    publication_id: int
    revision: int
    key: LevelKey


class ReadBackStore:
    """Read-backs of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def due(self, channel: str, limit: int) -> list[Check]:
        """The riskiest confirmed numbers of a channel whose time to be read back has come.

        Nothing but a confirmed number has such a time, so the index of those times is all that is read.
        """
        named = self._connection.execute(_NAMED, {"channel": channel})
        found = [row for point in named.scalars().all() for row in self._due_at(point, limit)]
        found.sort(key=lambda row: (row.risk_rank, row.id))
        return [Check(row.id, row.revision, LevelKey(row.stock_id, row.external_id)) for row in found[:limit]]

    def _due_at(self, point: int, limit: int) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        return self._connection.execute(_DUE, {"point": point, "now": self._now, "most": limit}).all()

    def seen(self, publication_ids: Collection[int], observed_at: datetime) -> None:
        """The channel itself said after the write that it shows these numbers: they need not be read back."""
        for batch in chunks(sorted(publication_ids)):
            self._connection.execute(
                PUBLICATION.update()
                .where(
                    PUBLICATION.c.id.in_(batch),
                    PUBLICATION.c.check_at.is_not(None),
                    PUBLICATION.c.flight.is_(None),
                    PUBLICATION.c.sent_at <= observed_at,
                )
                .values(check_at=None)
            )

    def read(
        self,
        checks: Sequence[Check],
        shown: Mapping[LevelKey, int | None],
        read_at: datetime,
        *,
        masters: Collection[str],
        policy: DriftPolicy,
    ) -> Counter[str]:
        """Takes in what was read back at or after `read_at`; answers how many numbers were what.

        A number that still shows what it showed before the write was dropped in silence: it is sent again once all
        orders are heard, and counts as riskier from then on. Any other difference is drift; at a stock point where the
        channel is the master of the stock (`masters`) it is a count, which is heard as an observation.
        """
        by_id = {check.publication_id: check for check in checks}
        outcomes: Counter[str] = Counter()
        drift = DriftStore(self._connection, self._now)
        there: list[int] = []
        for row in self._locked(sorted(by_id)):
            check = by_id[row.id]
            is_other = row.revision != check.revision or row.flight is not None or row.channel_units_at is None
            if is_other or row.state != PublicationState.CONFIRMED.value or row.channel_units_at > read_at:
                continue
            units = shown.get(check.key)
            if units == row.channel_units:
                there.append(row.id)
            elif units is None:
                drift.gone(row)
                outcomes["read back and gone"] += 1
            elif is_dropped(row, units):
                drift.drop(row, units, read_at)
                outcomes["dropped in silence"] += 1
            elif check.key.stock_point in masters:
                there.append(row.id)
            else:
                drift.heard(row.id, units, read_at, policy)
                outcomes["read back and drifted"] += 1
        for batch in chunks(there):
            self._connection.execute(PUBLICATION.update().where(PUBLICATION.c.id.in_(batch)).values(check_at=None))
            outcomes["read back and there"] += len(batch)
        return outcomes

    def _locked(self, publication_ids: Collection[int]) -> list[sa.Row[*tuple[Any, ...]]]:
        rows: list[sa.Row[*tuple[Any, ...]]] = []
        for batch in chunks(publication_ids):
            query = sa.select(PUBLICATION).where(PUBLICATION.c.id.in_(batch))
            rows.extend(self._connection.execute(query.order_by(PUBLICATION.c.id).with_for_update()).all())
        return rows
