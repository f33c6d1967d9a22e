"""How far the platforms' clocks are off, by credential. Shared by all processes."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.clock import Measured, measure
from nervure.store import tables
from nervure.store.statements import insert_new

CLOCK = tables.of(tables.PlatformClockRow)
_ALL = sa.select(CLOCK)
_ONE = _ALL.where(CLOCK.c.credential == sa.bindparam("named"))
_LOCKED = _ONE.with_for_update()


class ClockStore:
    """Platforms' clocks of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, credential: str) -> Measured | None:
        """What is known of one platform's clock; None: nothing."""
        row = self._connection.execute(_ONE, {"named": credential}).one_or_none()
        return None if row is None else _measured(row)

    def all(self) -> dict[str, Measured]:
        """Every clock of which something is known."""
        return {row.credential: _measured(row) for row in self._connection.execute(_ALL)}

    def heard(self, credential: str, least: float, most: float) -> Measured:
        """Takes in one more answer, whatever others take in at the same time; answers what is known then."""
        fresh = measure(None, least, most, self._now)
        if insert_new(self._connection, CLOCK, [{"credential": credential, **_values(fresh)}]):
            return fresh
        known = _measured(self._connection.execute(_LOCKED, {"named": credential}).one())
        found = measure(known, least, most, self._now)
        if found is not known:
            self._connection.execute(CLOCK.update().where(CLOCK.c.credential == credential).values(**_values(found)))
        return found


def _measured(row: sa.Row[*tuple[object, ...]]) -> Measured:
    return Measured(row.least_seconds, row.most_seconds, row.answers, row.since, row.ahead_seconds)


def _values(one: Measured) -> dict[str, object]:
    return {
        "least_seconds": one.least,
        "most_seconds": one.most,
        "answers": one.answers,
        "since": one.since,
        "ahead_seconds": one.ahead,
    }
