"""What channels show beside what we told them: heard, judged by the channel's policy, and decided by a person."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.risk import risk_rank
from nervure.store.leaving import HAS_HEARD_ORDERS
from nervure.store.pace import PaceStore
from nervure.store.publications import PUBLICATION
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tasks import TASK
from schemas.publications import DriftPolicy, PublicationState

TASK_KIND = "drift"

Row = sa.Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Drift:
    """One number that somebody else changed on the channel. `is_asked`: it waits for a person."""

    publication_id: int
    sku: str
    stock_point: str
    shown_units: int
    our_units: int
    is_asked: bool


class DriftStore:
    """Drift in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- hearing -----------------------------------------------------------------------------------------------

    def heard(
        self, publication_id: int, units: int, observed_at: datetime, policy: DriftPolicy = DriftPolicy.REPAIR
    ) -> bool:
        """The channel shows `units`; True: that is drift, or a write that was dropped, and orders are heard first.

        An observation older than our last write, or made while one is in flight, says nothing. A number that was not
        read back yet and shows what it showed before its write was dropped in silence: that is repaired, whatever the
        policy says of what people change.
        """
        query = sa.select(PUBLICATION).where(PUBLICATION.c.id == publication_id).with_for_update()
        row = self._connection.execute(query).one()
        if row.flight is not None or row.state == PublicationState.EXCLUDED.value:
            return False
        if row.channel_units_at is not None and observed_at <= row.channel_units_at:
            return False
        seen: dict[str, Any] = {"channel_units": units, "channel_units_at": observed_at}
        if row.state == PublicationState.CONFIRMED.value and row.channel_units != units:
            if is_dropped(row, units):
                self.drop(row, units, observed_at)
            else:
                shown = None if policy is DriftPolicy.REPAIR else units
                self._put(row.id, **seen, **self._hear_first(row), drift_units=shown)
            return True
        if row.drift_units is not None and row.state != PublicationState.CONFIRMED.value:
            seen["drift_units"] = units
            if is_asked(row) and units == row.salable_quantity:
                seen |= self._confirmed(row)
                self._close(row.id)
        self._put(row.id, **seen)
        return False

    def drop(self, row: Row, units: int, seen_at: datetime) -> None:
        """The channel confirmed a write that it did not carry out: it is sent again, and counts as riskier."""
        item = self._connection.execute(sa.select(LISTING.c.item_id).where(LISTING.c.id == row.listing_id)).scalar_one()
        pace = PaceStore(self._connection, self._now).of([item]).get(item, 0.0)
        self._put(
            row.id,
            **self._hear_first(row),
            reason=f"the channel confirmed {row.channel_units} and shows {units}",
            channel_units=units,
            channel_units_at=seen_at,
            drift_units=None,
            drops=row.drops + 1,
            risk_rank=risk_rank(row.salable_quantity, pace, row.drops + 1),
        )

    def gone(self, row: Row) -> None:
        """The channel does not show a number there (any more)."""
        reason = "the channel does not know this listing at this stock point"
        self._put(row.id, check_at=None, drift_units=None, state=PublicationState.FAILED.value, reason=reason)

    # -- judging -----------------------------------------------------------------------------------------------

    def judge(self, channel: str, policy: DriftPolicy) -> Counter[str]:
        """Decides about the drift of a channel for which all orders are heard; answers how often what was decided.

        What orders explain is no drift. Accepting holds until our own number changes: one that has changed since is
        sent. Where the policy repairs, what waits from another policy is repaired too.
        """
        open_states = [PublicationState.PENDING.value]
        if policy is not DriftPolicy.ASK:
            open_states.append(PublicationState.FAILED.value)
        if policy is DriftPolicy.REPAIR:
            open_states.append(PublicationState.CONFIRMED.value)
        decided: Counter[str] = Counter()
        for row in self._drifted(channel, PUBLICATION.c.state.in_(open_states), HAS_HEARD_ORDERS):
            if row.state != PublicationState.CONFIRMED.value and row.channel_units == row.salable_quantity:
                self._put(row.id, **self._confirmed(row))
                decided["explained by orders"] += 1
            elif policy is DriftPolicy.ASK:
                self._ask(channel, row)
                decided["drift asked about"] += 1
                continue
            elif policy is DriftPolicy.ACCEPT and row.salable_quantity == row.sent_units:
                self._put(row.id, **self._accepted(row))
                decided["drift accepted"] += 1
            else:
                self._put(row.id, **self._resent(row))
            self._close(row.id)
        return decided

    def listed(self, channel: str) -> list[Drift]:
        """The numbers of a channel that somebody else changed and that stay for now."""
        return [
            Drift(row.id, row.sku or "", row.external_id, row.drift_units, row.salable_quantity, is_asked(row))
            for row in self._drifted(channel)
        ]

    def decide(self, channel: str, skus: Collection[str], *, keeps: bool) -> int:
        """A person decides about what was asked, of some skus or (none given) of all; answers about how many numbers.

        `keeps`: what the channel shows stays until our own number changes. Else ours is sent, orders heard first.
        """
        rows = [
            row
            for row in self._drifted(channel, PUBLICATION.c.state == PublicationState.FAILED.value)
            if not skus or row.sku in skus
        ]
        for row in rows:
            self._put(row.id, **(self._accepted(row) if keeps else self._resent(row, waits=True)))
            self._close(row.id)
        return len(rows)

    # ----------------------------------------------------------------------------------------------------------

    def _drifted(self, channel: str, *conditions: sa.ColumnElement[bool]) -> Sequence[Row]:
        query = (
            sa.select(PUBLICATION, LISTING.c.sku, POINT.c.external_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, PUBLICATION.c.drift_units.is_not(None), PUBLICATION.c.flight.is_(None))
            .where(*conditions)
            .order_by(PUBLICATION.c.id)
            .with_for_update(of=PUBLICATION)
        )
        return self._connection.execute(query).all()

    def has_any(self, channel: str) -> bool:
        """Whether a channel has drift that was not simply repaired."""
        query = (
            sa.select(PUBLICATION.c.id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, PUBLICATION.c.drift_units.is_not(None))
            .limit(1)
        )
        return self._connection.execute(query).first() is not None

    def _hear_first(self, row: Row) -> dict[str, object]:
        return {
            "state": PublicationState.PENDING.value,
            "revision": row.revision + 1,
            "waits_for_orders_since": self._now,
            "check_at": None,
        }

    def _confirmed(self, row: Row) -> dict[str, object]:
        """The channel shows our number, without our having sent it."""
        return {
            "state": PublicationState.CONFIRMED.value,
            "reason": None,
            "sent_revision": row.revision,
            "sent_units": row.salable_quantity,
            "confirmed_revision": row.revision,
            "confirmed_at": self._now,
            "waits_for_orders_since": None,
            "check_at": None,
            "drift_units": None,
        }

    def _accepted(self, row: Row) -> dict[str, object]:
        return self._confirmed(row) | {
            "drift_units": row.drift_units,
            "reason": f"the channel shows {row.drift_units}, which stays until our number changes",
        }

    def _resent(self, row: Row, *, waits: bool = False) -> dict[str, object]:
        return {
            "state": PublicationState.PENDING.value,
            "revision": row.revision + 1,
            "reason": None,
            "waits_for_orders_since": self._now if waits else None,
            "drift_units": None,
        }

    def _ask(self, channel: str, row: Row) -> None:
        shown = f"{channel} shows {row.drift_units} of {row.sku} at {row.external_id}"
        reason = f"{shown}, where {row.salable_quantity} belong: a person must decide"
        self._put(row.id, state=PublicationState.FAILED.value, reason=reason, waits_for_orders_since=None)
        text = f"{shown}, where {row.salable_quantity} belong: `nervure channels drift {channel}` decides"
        task = {"kind": TASK_KIND, "subject": f"publication:{row.id}", "text": text, "created_at": self._now}
        insert_new(self._connection, TASK, [task])

    def _close(self, publication_id: int) -> None:
        self._connection.execute(
            TASK.update()
            .where(TASK.c.kind == TASK_KIND, TASK.c.subject == f"publication:{publication_id}")
            .where(TASK.c.closed_at.is_(None))
            .values(closed_at=self._now)
        )

    def _put(self, publication_id: int, **values: object) -> None:
        self._connection.execute(PUBLICATION.update().where(PUBLICATION.c.id == publication_id).values(**values))


def is_asked(row: Row) -> bool:
    """Whether a person is asked what shall stand there: until then nothing is sent."""
    return row.state == PublicationState.FAILED.value and row.drift_units is not None


def is_dropped(row: Row, units: int) -> bool:
    """Whether a number that was never seen to have arrived shows what it showed before its write."""
    return row.check_at is not None and (row.prior_units is None or row.prior_units == units)
