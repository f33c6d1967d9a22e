"""Fulfillment orders at their location in SQL: each step one conditional statement, and a row that says who did it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.channels import IS_SERVED
from nervure.store.fulfillment import DELIVERY
from nervure.store.orders import RELEASED_STATES, OrderStore
from nervure.store.statements import CLAIM, LEVEL, insert_new
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, ORDER
from schemas.fulfillment import AT_LOCATION, FulfillmentState, StepKind
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod

PICK = tables.of(tables.FulfillmentPickRow)
SERIAL_CLAIM = tables.of(tables.SerialClaimRow)

IS_TO_BE_DONE = sa.and_(
    FULFILLMENT.c.state.in_(sorted(AT_LOCATION)),
    ORDER.c.state.in_(RELEASED_STATES),
    sa.or_(IS_SERVED, FULFILLMENT.c.state == FulfillmentState.READY_FOR_PICKUP.value),
)
"""A location has to do it. Whoever serves the channel: a customer who was told that goods are ready comes for them."""


@dataclass(frozen=True, slots=True)
class Handled:
    """A fulfillment order under its order's lock. `is_served`: the hub serves its channel.

    `may_be_done` False: it is not served, or waits for a payment or an acceptance. `is_store`: its location is one.
    """

    number: int
    order_id: int
    location: str
    state: FulfillmentState
    delivery: DeliveryMethod
    is_served: bool
    may_be_done: bool
    accept_by: datetime | None
    pickup_until: datetime | None
    pickup_code: str | None
    hold_pickup_seconds: float | None
    is_store: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One step. `by` empty: the hub itself. `location`: where, if that is not where the fulfillment order is."""

    id: int
    kind: StepKind
    by: str
    reason: str
    recorded_at: datetime
    location: str | None = None


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
                LOCATION.c.kind,
                LOCATION.c.hold_pickup_seconds,
                DELIVERY,
                IS_SERVED.label("is_served"),
                sa.and_(ORDER.c.state.in_(RELEASED_STATES), IS_SERVED).label("may_be_done"),
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
            DeliveryMethod(row.delivery),
            is_served=bool(row.is_served),
            may_be_done=bool(row.may_be_done),
            accept_by=row.accept_by,
            pickup_until=row.pickup_until,
            pickup_code=row.pickup_code,
            hold_pickup_seconds=row.hold_pickup_seconds,
            is_store=row.kind == LocationKind.STORE.value,
        )

    def events(self, number: int) -> list[Event]:
        """Everything that happened to a fulfillment order, in that order."""
        query = (
            sa.select(FULFILLMENT_EVENT, LOCATION.c.code)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT_EVENT.c.location_id, isouter=True)
            .where(FULFILLMENT_EVENT.c.fulfillment_order_id == number)
        )
        return [
            Event(row.id, StepKind(row.kind), row.by, row.reason, row.recorded_at, row.code)
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

    def note(
        self, number: int, kind: StepKind, *, by: str = "", reason: str = "", location_id: int | None = None
    ) -> int:
        """Writes a step that changes no state; answers its number. `location_id`: where, if it happened elsewhere."""
        row = {"fulfillment_order_id": number, "kind": kind.value, "by": by, "reason": reason}
        if location_id is not None:
            row["location_id"] = location_id
        made = self._connection.execute(
            FULFILLMENT_EVENT.insert().values(**row, recorded_at=self._now).returning(FULFILLMENT_EVENT.c.id)
        )
        return int(made.scalar_one())

    def split_off(self, fulfillment_order_id: int, units: Mapping[int, int]) -> tuple[int, dict[int, int]]:
        copied = ["order_id", "location_id", "state", "created_at", "pickup_until", "pickup_code", "delivery_method"]
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

    def not_accepted(self) -> list[int]:
        """What was offered and not accepted in time."""
        return self._due(FulfillmentState.ALLOCATED, FULFILLMENT.c.accept_by)

    def not_fetched(self) -> list[int]:
        """What was ready for pickup and not fetched in time."""
        return self._due(FulfillmentState.READY_FOR_PICKUP, FULFILLMENT.c.pickup_until)

    def _due(self, state: FulfillmentState, until: sa.Column[Any]) -> list[int]:
        query = sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.state == state.value, until <= self._now)
        return list(self._connection.execute(query.order_by(FULFILLMENT.c.id)).scalars())
