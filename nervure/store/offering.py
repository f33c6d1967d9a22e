"""Who is asked to do a fulfillment order, and until when, in SQL: each answer is one conditional statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.hours import open_until
from nervure.orders.rules import EVERYWHERE
from nervure.store import tables
from nervure.store.channels import IS_SERVED
from nervure.store.handling import HandlingStore
from nervure.store.orders import RELEASED_STATES
from nervure.store.routing import RoutingStore
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, ORDER
from schemas.fulfillment import FulfillmentState, OfferState, StepKind
from schemas.locations import LocationKind

OFFER = tables.of(tables.FulfillmentOfferRow)
_IS_ALLOCATED = FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value
_IS_OPEN = OFFER.c.state == OfferState.OPEN.value
_TO_OFFER = (
    sa.select(FULFILLMENT.c.id)
    .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
    .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
    .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
    .where(
        _IS_ALLOCATED,
        FULFILLMENT.c.accept_by.is_(None),
        LOCATION.c.accept_seconds.is_not(None),
        LOCATION.c.kind != LocationKind.SUPPLIER.value,
        ORDER.c.state.in_(RELEASED_STATES),
        IS_SERVED,
    )
)
_TO_TAKE_BACK = (
    sa.select(FULFILLMENT.c.id)
    .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
    .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
    .where(_IS_ALLOCATED, FULFILLMENT.c.accept_by.is_not(None), ~IS_SERVED)
)
_NOBODY_HAS_IT = (
    sa.select(FULFILLMENT.c.id)
    .where(FULFILLMENT.c.id == OFFER.c.fulfillment_order_id, _IS_ALLOCATED)
    .correlate(OFFER)
    .exists()
)


def _has_times() -> sa.Select[*tuple[int]]:
    now = sa.bindparam("now", type_=FULFILLMENT.c.accept_by.type)
    times = (
        (FulfillmentState.ALLOCATED, FULFILLMENT.c.accept_by),
        (FulfillmentState.READY_FOR_PICKUP, FULFILLMENT.c.pickup_until),
    )
    late = (sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.state == state.value, at <= now) for state, at in times)
    over = sa.select(OFFER.c.id).where(_IS_OPEN, sa.or_(OFFER.c.accept_by <= now, ~_NOBODY_HAS_IT))
    # Mostly the hub serves all channels, and then not even what waits needs to be read.
    to_take_back = sa.and_(sa.select(CHANNEL.c.id).where(~IS_SERVED).exists(), _TO_TAKE_BACK.exists())
    return sa.select(sa.literal(1)).where(
        sa.or_(_TO_OFFER.exists(), to_take_back, over.exists(), *(query.exists() for query in late))
    )


_HAS_TIMES = _has_times()


@dataclass(frozen=True, slots=True)
class Offer:
    """What became of an offer to one location. `moved_to`: the fulfillment order that is done instead."""

    location_id: int
    state: OfferState
    moved_to: int | None


class OfferingStore:
    """Offers of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._handling = HandlingStore(connection, now)

    # -- offering ----------------------------------------------------------------------------------------------

    def to_offer(self) -> list[int]:
        """What may be done now at a location that must accept it, and was not offered yet."""
        return list(self._connection.execute(_TO_OFFER.order_by(FULFILLMENT.c.id)).scalars())

    def begin(self, number: int) -> bool:
        """Starts the time within which the location that holds the units must accept; False: it has started."""
        here = sa.select(LOCATION).join(FULFILLMENT, FULFILLMENT.c.location_id == LOCATION.c.id)
        row = self._connection.execute(here.where(FULFILLMENT.c.id == number)).one()
        begun = self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == number, _IS_ALLOCATED, FULFILLMENT.c.accept_by.is_(None))
            .values(accept_by=self._until(row))
        )
        if begun.rowcount:
            self._handling.note(number, StepKind.OFFERED)
        return begun.rowcount == 1

    def ask(self, number: int, location_ids: Sequence[int]) -> None:
        """Offers it to these locations too, the best first; also to those that it was taken back from."""
        rows = {
            row.id: row
            for row in self._connection.execute(sa.select(LOCATION).where(LOCATION.c.id.in_(sorted(location_ids))))
        }
        for rank, location in enumerate(location_ids, start=1):
            its = {"fulfillment_order_id": number, "location_id": location}
            said = {
                "rank": rank,
                "state": OfferState.OPEN.value,
                "made_at": self._now,
                "accept_by": self._until(rows[location]),
            }
            again = self._connection.execute(
                OFFER.update()
                .where(
                    *(OFFER.c[name] == value for name, value in its.items()),
                    OFFER.c.state == OfferState.WITHDRAWN.value,
                )
                .values(**said, ended_at=None)
            )
            if again.rowcount or insert_new(self._connection, OFFER, [its | said]):
                self._handling.note(number, StepKind.OFFERED, location_id=location)

    def to_take_back(self) -> list[int]:
        """What was offered, is not accepted, and is of a channel that the hub does not serve any more."""
        return list(self._connection.execute(_TO_TAKE_BACK.order_by(FULFILLMENT.c.id)).scalars())

    def take_back(self, number: int) -> None:
        """Asks nobody any more for what nobody has accepted. It may be offered anew later, with all its time."""
        back = self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == number, _IS_ALLOCATED, FULFILLMENT.c.accept_by.is_not(None))
            .values(accept_by=None)
        )
        if back.rowcount:
            self._handling.note(number, StepKind.WITHDRAWN)
            self._end(OfferState.WITHDRAWN, StepKind.WITHDRAWN, OFFER.c.fulfillment_order_id == number)

    def more_time(self, number: int) -> None:
        """Gives the location that holds the units its time once more."""
        here = sa.select(LOCATION).join(FULFILLMENT, FULFILLMENT.c.location_id == LOCATION.c.id)
        row = self._connection.execute(here.where(FULFILLMENT.c.id == number)).one()
        self._connection.execute(
            FULFILLMENT.update().where(FULFILLMENT.c.id == number).values(accept_by=self._until(row))
        )

    def _until(self, location: sa.Row[*tuple[Any, ...]]) -> datetime:
        own = RoutingStore(self._connection, self._now).routing().locations.get(location.code, EVERYWHERE)
        return open_until(own, location.time_zone, self._now, location.accept_seconds or 0.0)

    # -- answering ---------------------------------------------------------------------------------------------

    def asked(self, number: int, location: str) -> Offer | None:
        """What a location was asked; None: it was not."""
        query = (
            sa.select(OFFER.c.location_id, OFFER.c.state, FULFILLMENT.c.moved_to_id)
            .join(LOCATION, LOCATION.c.id == OFFER.c.location_id)
            .join(FULFILLMENT, FULFILLMENT.c.id == OFFER.c.fulfillment_order_id)
            .where(OFFER.c.fulfillment_order_id == number, LOCATION.c.code == location)
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Offer(row.location_id, OfferState(row.state), row.moved_to_id)

    def was_taken(self, number: int) -> bool:
        """Whether another location than the one that held the units has accepted it."""
        query = sa.select(OFFER.c.id).where(
            OFFER.c.fulfillment_order_id == number, OFFER.c.state == OfferState.ACCEPTED.value
        )
        return self._connection.execute(query).first() is not None

    def answer(self, number: int, location_id: int, state: OfferState) -> bool:
        """Ends an offer that is open on what nobody has accepted; False: it is not."""
        nobody = sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.id == number, _IS_ALLOCATED)
        ended = self._connection.execute(
            OFFER.update()
            .where(
                OFFER.c.fulfillment_order_id == number,
                OFFER.c.location_id == location_id,
                _IS_OPEN,
                nobody.exists(),
            )
            .values(state=state.value, ended_at=self._now)
        )
        return ended.rowcount == 1

    def close(self, number: int) -> None:
        """Somebody has accepted it: nobody else may any more."""
        self._end(OfferState.TAKEN, StepKind.TAKEN, OFFER.c.fulfillment_order_id == number)

    def are_open(self) -> bool:
        """Whether anybody is asked for something at all."""
        return self._connection.execute(sa.select(OFFER.c.id).where(_IS_OPEN).limit(1)).first() is not None

    # -- times -------------------------------------------------------------------------------------------------

    def has_times(self) -> bool:
        """Whether something is to be offered or taken back, is late, or is asked of somebody in vain.

        It takes no lock.
        """
        return self._connection.execute(_HAS_TIMES, {"now": self._now}).first() is not None

    def expire(self) -> int:
        """Ends offers that were not accepted in time; answers how many."""
        return self._end(OfferState.EXPIRED, StepKind.TIMED_OUT, OFFER.c.accept_by <= self._now, _NOBODY_HAS_IT)

    def withdraw(self) -> int:
        """Ends offers of what was canceled, has gone elsewhere, or is done without being accepted first."""
        return self._end(OfferState.WITHDRAWN, StepKind.WITHDRAWN, ~_NOBODY_HAS_IT)

    def _end(self, state: OfferState, kind: StepKind, *which: sa.ColumnElement[bool]) -> int:
        ended = self._connection.execute(
            OFFER.update()
            .where(_IS_OPEN, *which)
            .values(state=state.value, ended_at=self._now)
            .returning(OFFER.c.fulfillment_order_id, OFFER.c.location_id)
        ).all()
        for number, location in sorted(ended):
            self._handling.note(number, kind, location_id=location)
        return len(ended)
