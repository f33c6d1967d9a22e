"""What suppliers were asked for and what they answered, in SQL. Rows are kept: scores are made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.hours import open_until
from nervure.store.messages import OPEN
from nervure.store.outbox import OUTBOX
from nervure.store.places import OFFER, REQUEST
from nervure.store.policy_log import POLICY_CHANGE
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT
from nervure.store.tasks import TASK
from schemas.dropship import SupplierReply
from schemas.fulfillment import FulfillmentState, StepKind
from schemas.locations import LocationKind
from schemas.policies import Logged
from schemas.routing import LocationRouting

SILENT = "supplier_silent"
SILENCE_OF = "silence:fulfillment:"
"""What a task about a supplier's silence is about: the number of the fulfillment order follows."""
LOOK_AHEAD_DAYS = 366
"""A location that is closed for a year sends nothing."""


@dataclass(frozen=True, slots=True)
class RequestedLine:
    """One line that a supplier was asked for. `left_on`: the day on which its order left, in the location's zone."""

    supplier: str
    location: str
    fulfillment_order: int
    line: str
    supplier_sku: str
    units: int
    units_offered: int | None
    units_refused: int
    as_of: datetime | None
    asked_at: datetime
    answer_by: datetime | None
    answered_at: datetime | None
    ship_by: date | None
    left_on: date | None
    is_open: bool
    time_zone: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """From `since` on a supplier's units were promised until `as_of` and `ttl_seconds` more. None: for ever; never."""

    supplier: str
    location: str
    since: datetime
    ttl_seconds: float | None
    as_of: datetime | None


class RequestStore:
    """The requests of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def ask(
        self, fulfillment_order_id: int, lines: Sequence[tuple[str, str, int]], rules: Mapping[str, LocationRouting]
    ) -> None:
        """Notes what a supplier is asked for: (name, supplier's sku, units). Once: a second try notes nothing."""
        place = self._connection.execute(
            sa.select(LOCATION)
            .join(FULFILLMENT, FULFILLMENT.c.location_id == LOCATION.c.id)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        ).one()
        offers = self._connection.execute(
            sa.select(OFFER.c.supplier_sku, OFFER.c.units, OFFER.c.lead_time_days).where(
                OFFER.c.supplier == place.master, OFFER.c.supplier_sku.in_(sorted({sku for _, sku, _ in lines}))
            )
        ).all()
        lead = timedelta(days=max((offer.lead_time_days or 0 for offer in offers), default=0))
        own = rules.get(place.code, LocationRouting())
        local = (self._now + lead).astimezone(ZoneInfo(place.time_zone))
        offered = {offer.supplier_sku: offer.units for offer in offers}
        said = {
            "supplier": place.master,
            "location_id": place.id,
            "fulfillment_order_id": fulfillment_order_id,
            "units_refused": 0,
            "as_of": place.as_of,
            "asked_at": self._now,
            "answer_by": self._answer_by(place, own),
            "ship_by": own.dispatch_day(local, LOOK_AHEAD_DAYS),
        }
        rows = [
            {**said, "line": name, "supplier_sku": sku, "units": units, "units_offered": offered.get(sku)}
            for name, sku, units in lines
        ]
        insert_new(self._connection, REQUEST, rows)

    def reached(self, fulfillment_order_id: int, rules: Mapping[str, LocationRouting]) -> None:
        """The supplier has what it may not have had after an earlier try: its time to answer begins now."""
        place = self._connection.execute(
            sa.select(LOCATION)
            .join(FULFILLMENT, FULFILLMENT.c.location_id == LOCATION.c.id)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        ).one()
        own = rules.get(place.code, LocationRouting())
        self._connection.execute(
            REQUEST.update()
            .where(REQUEST.c.fulfillment_order_id == fulfillment_order_id, REQUEST.c.answered_at.is_(None))
            .values(asked_at=self._now, answer_by=self._answer_by(place, own))
        )

    def _answer_by(self, place: sa.Row[*tuple[Any, ...]], own: LocationRouting) -> datetime | None:
        if place.accept_seconds is None:
            return None
        return open_until(own, place.time_zone, self._now, place.accept_seconds)

    def withdraw(self, fulfillment_order_id: int) -> None:
        """The supplier certainly does not have the order: it was asked for nothing."""
        self._connection.execute(
            REQUEST.delete().where(
                REQUEST.c.fulfillment_order_id == fulfillment_order_id, REQUEST.c.answered_at.is_(None)
            )
        )

    def answer(self, fulfillment_order_id: int, reply: SupplierReply) -> None:
        """Notes what a reply says of each line; a line that is not named is answered when the goods leave.

        Replies come twice, late, and in any order: the first word counts for the time, and the most that is refused.
        """
        query = sa.select(REQUEST.c.id, REQUEST.c.line, REQUEST.c.units).where(
            REQUEST.c.fulfillment_order_id == fulfillment_order_id
        )
        for row in self._connection.execute(query).all():
            kept = 0 if row.line in reply.refused else reply.confirmed.get(row.line)
            if kept is not None or reply.tracking_number is not None:
                refused = 0 if kept is None else max(row.units - kept, 0)
                self._note(REQUEST.c.id == row.id, sa.literal(refused), reply.happened_at)

    def refuse(self, fulfillment_order_id: int) -> None:
        """The supplier refused a whole order when it was handed over."""
        self._note(REQUEST.c.fulfillment_order_id == fulfillment_order_id, REQUEST.c.units, self._now)

    def _note(self, which: sa.ColumnElement[bool], refused: sa.ColumnElement[int], at: datetime) -> None:
        said, first = REQUEST.c.units_refused, REQUEST.c.answered_at
        self._connection.execute(
            REQUEST.update()
            .where(which)
            .values(
                units_refused=sa.case((said > refused, said), else_=refused),
                answered_at=sa.case((first < at, first), else_=sa.literal(at, first.type)),
            )
        )

    def silent(self) -> list[int]:
        """Fulfillment orders of which a supplier says nothing when it should, and no task says so; oldest first.

        While ours is not delivered for certain, nobody can answer it.
        """
        is_told = (
            sa.select(TASK.c.id)
            .where(
                TASK.c.kind == SILENT,
                TASK.c.subject == sa.literal(SILENCE_OF) + sa.cast(REQUEST.c.fulfillment_order_id, sa.String),
                TASK.c.closed_at.is_(None),
            )
            .correlate(REQUEST)
            .exists()
        )
        is_on_its_way = (
            sa.select(OUTBOX.c.id)
            .where(
                OUTBOX.c.kind == "drop_ship",
                OUTBOX.c.reference == sa.literal("fulfillment:") + sa.cast(REQUEST.c.fulfillment_order_id, sa.String),
                OUTBOX.c.state.in_(OPEN),
            )
            .correlate(REQUEST)
            .exists()
        )
        query = (
            sa.select(REQUEST.c.fulfillment_order_id)
            .join(FULFILLMENT, FULFILLMENT.c.id == REQUEST.c.fulfillment_order_id)
            .where(
                REQUEST.c.answered_at.is_(None),
                REQUEST.c.answer_by <= self._now,
                FULFILLMENT.c.state == FulfillmentState.SENT_TO_SUPPLIER.value,
                ~is_told,
                ~is_on_its_way,
            )
            .distinct()
        )
        return sorted(self._connection.execute(query).scalars())

    def awaited(self, fulfillment_order_id: int) -> tuple[str, str, datetime] | None:
        """The supplier that is to answer a fulfillment order, its location's code, and until when; None: it did.

        It may be in the settings no more.
        """
        query = (
            sa.select(REQUEST.c.supplier, LOCATION.c.code, REQUEST.c.answer_by)
            .join(LOCATION, LOCATION.c.id == REQUEST.c.location_id)
            .where(REQUEST.c.fulfillment_order_id == fulfillment_order_id, REQUEST.c.answered_at.is_(None))
            .where(REQUEST.c.answer_by <= self._now)
            .order_by(REQUEST.c.answer_by.desc(), REQUEST.c.id)
            .limit(1)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else (row.supplier, row.code, row.answer_by)

    def has_answered(self, fulfillment_order_id: int) -> bool:
        """Whether a supplier has said something of any part of a fulfillment order."""
        query = sa.select(REQUEST.c.id).where(
            REQUEST.c.fulfillment_order_id == fulfillment_order_id, REQUEST.c.answered_at.is_not(None)
        )
        return self._connection.execute(query.limit(1)).first() is not None

    def is_void(self, fulfillment_order_id: int) -> bool:
        """Whether a supplier has lost a fulfillment order by its silence."""
        query = sa.select(FULFILLMENT_EVENT.c.id).where(
            FULFILLMENT_EVENT.c.fulfillment_order_id == fulfillment_order_id,
            FULFILLMENT_EVENT.c.kind == StepKind.TIMED_OUT.value,
        )
        return self._connection.execute(query.limit(1)).first() is not None

    def asked(self, begin: datetime, end: datetime) -> list[RequestedLine]:
        """What suppliers were asked for from `begin` until before `end`, oldest first."""
        query = (
            sa.select(REQUEST, LOCATION.c.code, LOCATION.c.time_zone, FULFILLMENT.c.state, FULFILLMENT.c.ended_at)
            .join(LOCATION, LOCATION.c.id == REQUEST.c.location_id)
            .join(FULFILLMENT, FULFILLMENT.c.id == REQUEST.c.fulfillment_order_id)
            .where(REQUEST.c.asked_at >= begin, REQUEST.c.asked_at < end)
            .order_by(REQUEST.c.id)
        )
        return [
            RequestedLine(
                row.supplier,
                row.code,
                row.fulfillment_order_id,
                row.line,
                row.supplier_sku,
                row.units,
                row.units_offered,
                row.units_refused,
                row.as_of,
                row.asked_at,
                row.answer_by,
                row.answered_at,
                row.ship_by,
                row.ended_at.astimezone(ZoneInfo(row.time_zone)).date()
                if row.state == FulfillmentState.SHIPPED.value
                else None,
                row.state == FulfillmentState.SENT_TO_SUPPLIER.value,
                row.time_zone,
            )
            for row in self._connection.execute(query)
        ]

    def freshness(self, begin: datetime, end: datetime) -> list[Freshness]:
        """How long each supplier's numbers held, as it was known from when on, until `end`; oldest first.

        Of what was known before `begin` only the last is of use.
        """
        before = (
            sa.select(sa.func.max(POLICY_CHANGE.c.id))
            .where(POLICY_CHANGE.c.kind == Logged.FRESHNESS.value, POLICY_CHANGE.c.recorded_at < begin)
            .group_by(POLICY_CHANGE.c.location_id)
        )
        query = (
            sa.select(POLICY_CHANGE.c.value, POLICY_CHANGE.c.recorded_at, LOCATION.c.code, LOCATION.c.master)
            .join(LOCATION, LOCATION.c.id == POLICY_CHANGE.c.location_id)
            .where(
                POLICY_CHANGE.c.kind == Logged.FRESHNESS.value,
                POLICY_CHANGE.c.recorded_at <= end,
                sa.or_(POLICY_CHANGE.c.recorded_at >= begin, POLICY_CHANGE.c.id.in_(before)),
                LOCATION.c.kind == LocationKind.SUPPLIER.value,
                LOCATION.c.master.is_not(None),
            )
            .order_by(POLICY_CHANGE.c.id)
        )
        return [
            Freshness(
                row.master,
                row.code,
                row.recorded_at,
                row.value["ttl_seconds"],
                datetime.fromisoformat(row.value["as_of"]) if row.value["as_of"] else None,
            )
            for row in self._connection.execute(query)
        ]
