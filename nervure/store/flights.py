"""Numbers on their way: taken for one write at a time for each key, and what their answers change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.answers import Landing
from nervure.store.channels import IS_NAMED, IS_SERVED
from nervure.store.history import HistoryStore
from nervure.store.leaving import may_leave
from nervure.store.parts import PartStore
from nervure.store.publications import PUBLICATION
from nervure.store.statements import chunks
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.levels import LevelKey
from schemas.publications import PublicationState

_HAS_OVERDUE = (
    sa.select(PUBLICATION.c.id)
    .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
    .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
    .where(
        CHANNEL.c.name == sa.bindparam("channel"),
        PUBLICATION.c.flight.is_not(None),
        PUBLICATION.c.flight_until <= sa.bindparam("now", type_=PUBLICATION.c.flight_until.type),
    )
    .limit(1)
)

FLIGHT_SECONDS = 120
"""After this a write without a recorded answer is unknown and is read back."""


# A write that did not arrive leaves its changes to the next one. How long the first number took says nothing of a sale.
_CARRIED = sa.case(
    (PUBLICATION.c.confirmed_revision == 0, sa.null()),
    (PUBLICATION.c.confirmed_revision == PUBLICATION.c.sent_revision, PUBLICATION.c.noted_at),
    else_=sa.func.coalesce(PUBLICATION.c.carried_at, PUBLICATION.c.noted_at),
)


@dataclass(frozen=True, slots=True)
class Flight:
    """A number on its way: what the connector needs, and the fence under which its answer is recorded."""

    publication_id: int
    revision: int
    key: LevelKey
    units: int
    expected_units: int | None
    sku: str
    sent_at: datetime
    most_rows: int | None = None
    attempts: int = 1


class FlightStore:
    """The numbers on their way, of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._history = HistoryStore(connection, now)
        self._parts = PartStore(connection, now)

    def launch(self, channel: str, limit: int, flight: str) -> list[Flight]:
        """Takes the riskiest pending numbers of a channel (few units, fast sellers) for one write.

        The index gives each stock point's riskiest in their order, so that the work is that of the numbers taken.
        What the channel refused together goes in parts of its own, the largest first, in turns with all other numbers.
        """
        points = self._open_points(channel)
        most = self._parts.largest(points)
        turns = [None] if most is None else [most, None] if self._parts.take_turn(channel) else [None, most]
        rows = next((found for turn in turns if (found := self._pending(points, turn, limit))), [])
        if rows:
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_([row.id for row in rows]))
                .values(
                    state=PublicationState.SENT.value,
                    flight=flight,
                    flight_until=self._now + timedelta(seconds=FLIGHT_SECONDS),
                    sent_revision=PUBLICATION.c.revision,
                    sent_units=PUBLICATION.c.salable_quantity,
                    sent_at=self._now,
                    carried_at=_CARRIED,
                    noted_at=None,
                    receipt=None,
                    waits_for_orders_since=None,
                    check_at=None,
                    attempts=PUBLICATION.c.attempts + 1,
                )
            )
        return [
            Flight(
                row.id,
                row.revision,
                LevelKey(row.stock_id, row.external_id),
                row.salable_quantity,
                row.channel_units,
                row.sku or "",
                self._now,
                row.most_rows,
                row.attempts + 1,
            )
            for row in rows
        ]

    def _pending(self, points: Sequence[int], most: int | None, limit: int) -> list[sa.Row[*tuple[Any, ...]]]:
        """The riskiest of these stock points that may leave: of those that go as one of `most`, or of all others."""
        limit = limit if most is None else min(limit, most)
        query = (
            sa.select(PUBLICATION, LISTING.c.stock_id, LISTING.c.sku, POINT.c.external_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(
                PUBLICATION.c.stock_point_id == sa.bindparam("point"),
                may_leave(self._now),
                PUBLICATION.c.most_rows == most,
            )
            .order_by(PUBLICATION.c.risk_rank, PUBLICATION.c.id)
            .limit(limit)
            .with_for_update(of=PUBLICATION, skip_locked=True)
        )
        found = [row for point in points for row in self._connection.execute(query, {"point": point})]
        return sorted(found, key=lambda row: (row.risk_rank, row.id))[:limit]

    def _open_points(self, channel: str) -> list[int]:
        """The stock points of a channel to which numbers may be sent now."""
        query = (
            sa.select(POINT.c.id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, CHANNEL.c.is_paused.is_(False), IS_SERVED, IS_NAMED)
            .order_by(POINT.c.id)
        )
        return list(self._connection.execute(query).scalars())

    def land(self, flights: Sequence[tuple[Flight, Landing]], flight: str) -> None:
        """Records answers: each under its fence, so that a late answer to an older number changes nothing newer."""
        # Answers of one form are written together: the rows are locked first, so that their order stays the keys'.
        known: dict[int, sa.Row[*tuple[Any, ...]]] = {}
        for batch in chunks(sorted(number.publication_id for number, _ in flights)):
            query = sa.select(PUBLICATION).where(PUBLICATION.c.id.in_(batch))
            locked = self._connection.execute(query.order_by(PUBLICATION.c.id).with_for_update()).all()
            known.update((row.id, row) for row in locked)
        self._history.landed(known, flights, flight)
        forms: dict[_Form, list[dict[str, Any]]] = {}
        for number, landing in sorted(flights, key=lambda pair: pair[0].publication_id):
            form = _Form(landing.state, landing.channel_units is not None, landing.waits_for_orders_since is not None)
            forms.setdefault(form, []).append(
                {
                    "publication": number.publication_id,
                    "answered_revision": number.revision,
                    "answered_units": number.units,
                    "answered_flight": flight,
                    "why": landing.reason,
                    "later": landing.next_at,
                    "said_receipt": landing.receipt,
                    "seen_units": landing.channel_units,
                    "waits": landing.waits_for_orders_since,
                    "check": landing.check_at,
                    "most": landing.most_rows,
                    "now": self._now,
                }
            )
        for form, answers in forms.items():
            self._connection.execute(_landing(form), answers)

    def has_overdue(self, channel: str) -> bool:
        """Whether a number is on its way whose answer may be asked for, or must be read back. It takes no lock."""
        return self._connection.execute(_HAS_OVERDUE, {"channel": channel, "now": self._now}).first() is not None

    def adopt_lost(self, channel: str, limit: int, flight: str) -> list[Flight]:
        """Takes over numbers whose answer never came, to read them back."""
        return self._take_over(
            channel,
            limit,
            flight,
            sa.and_(
                PUBLICATION.c.flight.is_not(None),
                PUBLICATION.c.flight_until <= self._now,
                PUBLICATION.c.receipt.is_(None),
            ),
        )

    def adopt_imports(self, channel: str, limit: int, flight: str) -> dict[str, list[Flight]]:
        """Takes over numbers whose import may have finished, by receipt."""
        due = sa.and_(
            PUBLICATION.c.flight.is_not(None),
            PUBLICATION.c.receipt.is_not(None),
            PUBLICATION.c.flight_until <= self._now,
        )
        query = (
            sa.select(PUBLICATION.c.receipt)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, due)
            .distinct()
        )
        return {
            receipt: self._take_over(channel, limit, flight, sa.and_(due, PUBLICATION.c.receipt == receipt))
            for receipt in self._connection.execute(query).scalars().all()
        }

    def _take_over(self, channel: str, limit: int, flight: str, condition: sa.ColumnElement[bool]) -> list[Flight]:
        query = (
            sa.select(PUBLICATION, LISTING.c.stock_id, LISTING.c.sku, POINT.c.external_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, condition)
            .order_by(PUBLICATION.c.id)
            .limit(limit)
            .with_for_update(of=PUBLICATION, skip_locked=True)
        )
        rows = self._connection.execute(query).all()
        if rows:
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_([row.id for row in rows]))
                .values(flight=flight, flight_until=self._now + timedelta(seconds=FLIGHT_SECONDS))
            )
        return [
            Flight(
                row.id,
                row.sent_revision,
                LevelKey(row.stock_id, row.external_id),
                row.sent_units or 0,
                row.channel_units,
                row.sku or "",
                row.sent_at,
                row.most_rows,
                row.attempts,
            )
            for row in rows
        ]


class _Form(NamedTuple):
    """Answers of one form change the same columns."""

    state: PublicationState
    has_units: bool
    waits: bool


@cache
def _landing(form: _Form) -> sa.Update:
    """The statement that records one answer of this form."""
    answered: sa.BindParameter[int] = sa.bindparam("answered_revision", type_=PUBLICATION.c.revision.type)
    is_newest = PUBLICATION.c.revision == answered
    later, now = (sa.bindparam(name, type_=PUBLICATION.c.next_at.type) for name in ("later", "now"))
    values: dict[str, Any] = {
        "flight": None,
        "flight_until": None,
        "receipt": None,
        "reason": sa.bindparam("why"),
        "next_at": later,
        "most_rows": sa.func.coalesce(sa.bindparam("most", type_=sa.Integer()), PUBLICATION.c.most_rows),
        # What was computed since the write has heard what made it stale.
        "waits_for_orders_since": sa.case(
            (is_newest, sa.bindparam("waits", type_=PUBLICATION.c.waits_for_orders_since.type)), else_=None
        )
        if form.waits
        else None,
    }
    match form.state:
        case PublicationState.CONFIRMED:
            values |= {
                "state": sa.case((is_newest, PublicationState.CONFIRMED.value), else_=PublicationState.PENDING.value),
                "confirmed_revision": answered,
                "confirmed_at": now,
                "channel_units": sa.bindparam("answered_units"),
                "channel_units_at": now,
                "attempts": 0,
                "next_at": None,
                "most_rows": None,
                "check_at": sa.case((is_newest, sa.bindparam("check", type_=PUBLICATION.c.check_at.type)), else_=None),
                "prior_units": PUBLICATION.c.channel_units,
                "drift_units": None,
            }
        case PublicationState.SENT:
            values = {"receipt": sa.bindparam("said_receipt"), "flight_until": later}
        case PublicationState.UNKNOWN:
            values = {
                "state": PublicationState.UNKNOWN.value,
                "flight_until": later,
                "receipt": None,
                "reason": sa.bindparam("why"),
                "most_rows": values["most_rows"],
            }
        case PublicationState.FAILED:
            values |= {
                "state": sa.case((is_newest, PublicationState.FAILED.value), else_=PublicationState.PENDING.value),
                "next_at": sa.case((is_newest, later), else_=None),
            }
        case _:
            values |= {"state": PublicationState.PENDING.value}
    if form.has_units:
        values |= {"channel_units": sa.bindparam("seen_units"), "channel_units_at": now}
    return (
        PUBLICATION.update()
        .where(
            PUBLICATION.c.id == sa.bindparam("publication"),
            PUBLICATION.c.flight == sa.bindparam("answered_flight"),
            PUBLICATION.c.sent_revision == answered,
        )
        .values(**values)
    )
