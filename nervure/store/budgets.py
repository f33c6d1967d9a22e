"""What each credential may call now: what its platform said, and whether it answers at all. Shared by all processes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import insert_new

BUDGET = tables.of(tables.CallBudgetRow)
_ALL = sa.select(BUDGET)

FAILURES_IN_A_ROW = 5
"""After so many calls without an answer the platform counts as down."""

FIRST_PROBE_SECONDS = 15.0
LONGEST_PROBE_SECONDS = 300.0
LEAST_WAIT_SECONDS = 0.001
"""What is missing for a shorter time is there: clocks count no finer."""

PROBE_SECONDS = 60.0
"""Whoever tries whether a platform is up again has so long; then another one may try."""


@dataclass(frozen=True, slots=True)
class Line:
    """How it stands with one credential. `probe_at` set: the platform is down, and is tried again then."""

    free_at: datetime | None = None
    failures: int = 0
    probe_at: datetime | None = None
    reason: str | None = None
    points: float | None = None

    def wait_seconds(self, now: datetime) -> float:
        """How long the platform asked for silence still."""
        return 0.0 if self.free_at is None else max(0.0, (self.free_at - now).total_seconds())


class BudgetStore:
    """Budgets of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, credential: str) -> Line:
        return self.lines().get(credential, Line()) if credential else Line()

    def lines(self) -> dict[str, Line]:
        """Every credential of which something is known."""
        return {
            row.credential: Line(row.free_at, row.failures, row.probe_at, row.reason, row.points)
            for row in self._connection.execute(_ALL)
        }

    def throttled(self, credential: str, seconds: float) -> None:
        """The platform wants silence for so long; an earlier wish for a longer one stays."""
        row = self._locked(credential)
        until = self._now + timedelta(seconds=seconds)
        if row.free_at is None or row.free_at < until:
            self._put(credential, free_at=until)

    def take_probe(self, credential: str) -> bool:
        """Takes the one call that tries whether a platform is up again; False: too early, or another one tries."""
        taken = self._connection.execute(
            BUDGET.update()
            .where(BUDGET.c.credential == credential, BUDGET.c.probe_at <= self._now)
            .values(probe_at=self._now + timedelta(seconds=PROBE_SECONDS))
        )
        return taken.rowcount == 1

    def failed(self, credential: str, reason: str, *, is_probe: bool) -> None:
        """A call got no answer. What had been sent before the platform counted as down says nothing new."""
        row = self._locked(credential)
        if row.probe_at is not None and not is_probe:
            return
        values: dict[str, Any] = {"failures": row.failures + 1, "reason": reason[:200]}
        if is_probe or row.failures + 1 >= FAILURES_IN_A_ROW:
            seconds = min(FIRST_PROBE_SECONDS * 2 ** min(row.probes, 10), LONGEST_PROBE_SECONDS)
            values |= {"probes": row.probes + 1, "probe_at": self._now + timedelta(seconds=seconds)}
        self._put(credential, **values)

    def worked(self, credential: str) -> None:
        """The platform answers (again)."""
        self._put(credential, failures=0, probes=0, probe_at=None, reason=None)

    # -- buckets -----------------------------------------------------------------------------------------------

    def spend(self, credential: str, points: float, *, kept: float = 0.0) -> float:
        """Takes points out of the credential's bucket, if `kept` share of it stay in; else the seconds until it can.

        What is not known is not waited for. More than the bucket holds is taken from a full one.
        """
        row = self._locked(credential)
        if row.points is None:
            return 0.0
        passed = max(0.0, (self._now - row.points_at).total_seconds())
        there = min(row.maximum, row.points + passed * row.restored_per_second)
        wanted = min(points + kept * row.maximum, row.maximum)
        if wanted - there > LEAST_WAIT_SECONDS * row.restored_per_second:
            return float((wanted - there) / row.restored_per_second)
        self._put(credential, points=there - points, points_at=self._now)
        return 0.0

    def learn(self, credential: str, points: float, *, maximum: float, restored_per_second: float) -> None:
        """The platform said how full the bucket is."""
        self._locked(credential)
        self._put(
            credential,
            points=points,
            points_at=self._now,
            maximum=maximum,
            restored_per_second=max(1.0, restored_per_second),
        )

    def _locked(self, credential: str) -> sa.Row[*tuple[Any, ...]]:
        query = sa.select(BUDGET).where(BUDGET.c.credential == credential).with_for_update()
        row = self._connection.execute(query).one_or_none()
        if row is None:
            insert_new(self._connection, BUDGET, [{"credential": credential, "failures": 0, "probes": 0}])
            row = self._connection.execute(query).one()
        return row

    def _put(self, credential: str, **values: object) -> None:
        self._connection.execute(BUDGET.update().where(BUDGET.c.credential == credential).values(**values))
