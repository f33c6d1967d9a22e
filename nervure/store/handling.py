"""Fulfillment orders at their location in SQL: each step one conditional statement, and a row that says who did it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.orders import (
    CHANNEL,
    FULFILLMENT,
    FULFILLMENT_EVENT,
    FULFILLMENT_LINE,
    LOCATION,
    ORDER,
    RELEASED_STATES,
    OrderStore,
)
from nervure.store.statements import CLAIM, LEVEL, insert_new
from schemas.fulfillment import FulfillmentState, StepKind
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod

PICK = tables.of(tables.FulfillmentPickRow)
SERIAL_CLAIM = tables.of(tables.SerialClaimRow)

_TO_OFFER = (
    sa.select(FULFILLMENT.c.id, LOCATION.c.accept_seconds)
    .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
    .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
    .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
    .where(
        FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
        FULFILLMENT.c.accept_by.is_(None),
        LOCATION.c.accept_seconds.is_not(None),
        LOCATION.c.kind != LocationKind.SUPPLIER.value,
        ORDER.c.state.in_(RELEASED_STATES),
        CHANNEL.c.is_gated.is_(False),
    )
)


def _has_times() -> sa.Select[*tuple[int]]:
    now = sa.bindparam("now", type_=FULFILLMENT.c.accept_by.type)
    times = (
        (FulfillmentState.ALLOCATED, FULFILLMENT.c.accept_by),
        (FulfillmentState.READY_FOR_PICKUP, FULFILLMENT.c.pickup_until),
    )
    late = (sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.state == state.value, at <= now) for state, at in times)
    return sa.select(sa.literal(1)).where(sa.or_(_TO_OFFER.exists(), *(query.exists() for query in late)))


_HAS_TIMES = _has_times()


@dataclass(frozen=True, slots=True)
class Handled:
    """A fulfillment order under its order's lock. `may_be_done` False: it waits for a payment or an acceptance."""

    number: int
    order_id: int
    location: str
    state: FulfillmentState
    delivery: DeliveryMethod
    may_be_done: bool
    accept_by: datetime | None
    pickup_until: datetime | None
    pickup_code: str | None
    accept_seconds: float | None
    hold_pickup_seconds: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """One step. `by` empty: the hub itself."""

    id: int
    kind: StepKind
    by: str
    reason: str
    recorded_at: datetime


class HandlingStore:
    """Fulfillment orders of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- reading under lock ------------------------------------------------------------------------------------

    def locked(self, number: int) -> Handled | None:
        """Locks the order that it belongs to and reads it then; None: there is none, or it is a supplier's."""
        order = self._connection.execute(
            sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == number)
        ).scalar_one_or_none()
        if order is None:
            return None
        OrderStore(self._connection, self._now).lock(order)
        row = self._connection.execute(
            sa.select(
                FULFILLMENT,
                LOCATION.c.code,
                LOCATION.c.accept_seconds,
                LOCATION.c.hold_pickup_seconds,
                ORDER.c.delivery_method,
                sa.and_(ORDER.c.state.in_(RELEASED_STATES), CHANNEL.c.is_gated.is_(False)).label("may_be_done"),
            )
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(FULFILLMENT.c.id == number, LOCATION.c.kind != LocationKind.SUPPLIER.value)
        ).one_or_none()
        if row is None:
            return None
        return Handled(
            number,
            order,
            row.code,
            FulfillmentState(row.state),
            DeliveryMethod(row.delivery_method),
            may_be_done=bool(row.may_be_done),
            accept_by=row.accept_by,
            pickup_until=row.pickup_until,
            pickup_code=row.pickup_code,
            accept_seconds=row.accept_seconds,
            hold_pickup_seconds=row.hold_pickup_seconds,
        )

    def events(self, number: int) -> list[Event]:
        """Everything that happened to a fulfillment order, in that order."""
        query = sa.select(FULFILLMENT_EVENT).where(FULFILLMENT_EVENT.c.fulfillment_order_id == number)
        return [
            Event(row.id, StepKind(row.kind), row.by, row.reason, row.recorded_at)
            for row in self._connection.execute(query.order_by(FULFILLMENT_EVENT.c.id))
        ]

    # -- steps -------------------------------------------------------------------------------------------------

    def step(
        self,
        number: int,
        kind: StepKind,
        change: tuple[Collection[FulfillmentState], FulfillmentState],
        *,
        by: str = "",
        reason: str = "",
        **values: object,
    ) -> bool:
        """Changes the state from one of some to another, and notes who did it; False: it was in none of these."""
        before, after = change
        changed = self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == number, FULFILLMENT.c.state.in_(sorted(before)))
            .values(state=after.value, **values)
        )
        if changed.rowcount:
            self.note(number, kind, by=by, reason=reason)
        return changed.rowcount == 1

    def note(self, number: int, kind: StepKind, *, by: str = "", reason: str = "") -> int:
        """Writes a step that changes no state; answers its number."""
        row = {"fulfillment_order_id": number, "kind": kind.value, "by": by, "reason": reason}
        made = self._connection.execute(
            FULFILLMENT_EVENT.insert().values(**row, recorded_at=self._now).returning(FULFILLMENT_EVENT.c.id)
        )
        return int(made.scalar_one())

    def split_off(self, fulfillment_order_id: int, units: Mapping[int, int]) -> tuple[int, dict[int, int]]:
        copied = ["order_id", "location_id", "state", "created_at", "pickup_until", "pickup_code"]
        whole = sa.select(*(FULFILLMENT.c[name] for name in copied)).where(FULFILLMENT.c.id == fulfillment_order_id)
        part = self._connection.execute(
            FULFILLMENT.insert().from_select(copied, whole).returning(FULFILLMENT.c.id)
        ).scalar_one()
        written: dict[int, int] = {}
        for line, count in units.items():
            made = FULFILLMENT_LINE.insert().values(
                fulfillment_order_id=part, order_line_id=line, units=count, units_given_back=0
            )
            written[line] = self._connection.execute(made.returning(FULFILLMENT_LINE.c.id)).scalar_one()
        return int(part), written

    def take_lines(self, line_ids: Sequence[int], fulfillment_order_id: int) -> None:
        self._connection.execute(
            FULFILLMENT_LINE.update()
            .where(FULFILLMENT_LINE.c.id.in_(line_ids))
            .values(fulfillment_order_id=fulfillment_order_id)
        )

    def has_serials(self, line_ids: Collection[int]) -> bool:
        """Whether single units are named for one of these lines."""
        query = sa.select(SERIAL_CLAIM.c.id).where(
            SERIAL_CLAIM.c.fulfillment_line_id.in_(sorted(line_ids)), SERIAL_CLAIM.c.state == "held"
        )
        return self._connection.execute(query.limit(1)).first() is not None

    # -- picking -----------------------------------------------------------------------------------------------

    def pick(self, fulfillment_line_id: int, item_id: int, units: int) -> bool:
        """Counts units taken from the shelf for a line; False: more than it holds of the item, nothing was counted."""
        key = {"fulfillment_line_id": fulfillment_line_id, "item_id": item_id}
        insert_new(self._connection, PICK, [key | {"units": 0}])
        held = (
            sa.select(sa.func.coalesce(sa.func.sum(CLAIM.c.units), 0))
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .where(
                CLAIM.c.fulfillment_line_id == fulfillment_line_id,
                CLAIM.c.state == "held",
                LEVEL.c.item_id == item_id,
            )
            .scalar_subquery()
        )
        counted = self._connection.execute(
            PICK.update()
            .where(
                PICK.c.fulfillment_line_id == fulfillment_line_id,
                PICK.c.item_id == item_id,
                PICK.c.units + units <= held,
                PICK.c.units + units >= 0,
            )
            .values(units=PICK.c.units + units)
        )
        return counted.rowcount == 1

    def forget_picks(self, line_ids: Collection[int]) -> None:
        """What lines give back is on the shelf again: what stays of them is picked anew."""
        self._connection.execute(PICK.delete().where(PICK.c.fulfillment_line_id.in_(sorted(line_ids))))

    # -- times -------------------------------------------------------------------------------------------------

    def has_times(self) -> bool:
        """Whether something is to be offered, or was not accepted or fetched in time. It takes no lock."""
        return self._connection.execute(_HAS_TIMES, {"now": self._now}).first() is not None

    def offer(self) -> int:
        """Starts the time within which locations must accept what they may do now; answers how many were offered."""
        found = self._connection.execute(_TO_OFFER.order_by(FULFILLMENT.c.id)).all()
        return sum(self._offer_one(number, seconds) for number, seconds in found)

    def _offer_one(self, number: int, seconds: float) -> int:
        until = self._now + timedelta(seconds=seconds)
        offered = self._connection.execute(
            FULFILLMENT.update()
            .where(
                FULFILLMENT.c.id == number,
                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
                FULFILLMENT.c.accept_by.is_(None),
            )
            .values(accept_by=until)
        )
        if offered.rowcount:
            self.note(number, StepKind.OFFERED)
        return int(offered.rowcount)

    def wait_until(self, number: int, accept_by: datetime) -> None:
        """Gives a location more time to accept what nobody else has."""
        self._connection.execute(FULFILLMENT.update().where(FULFILLMENT.c.id == number).values(accept_by=accept_by))

    def not_accepted(self) -> list[int]:
        """What was offered and not accepted in time."""
        return self._due(FulfillmentState.ALLOCATED, FULFILLMENT.c.accept_by)

    def not_fetched(self) -> list[int]:
        """What was ready for pickup and not fetched in time."""
        return self._due(FulfillmentState.READY_FOR_PICKUP, FULFILLMENT.c.pickup_until)

    def _due(self, state: FulfillmentState, until: sa.Column[Any]) -> list[int]:
        query = sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.state == state.value, until <= self._now)
        return list(self._connection.execute(query.order_by(FULFILLMENT.c.id)).scalars())
