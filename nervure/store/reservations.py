"""Reservations in SQL: asked for once by their reference, ended once by an event."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.claims import must_be_taken
from nervure.inventory.stock import Take
from nervure.orders.reservations import Ask
from nervure.store.holds import RESERVATION, RESERVATION_LINE, claim_reference
from nervure.store.statements import CLAIM, LEVEL, Row, chunks, insert_rows
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import ORDER
from schemas.orders import DeliveryMethod

_OPEN = {
    name: dialect.insert(RESERVATION).on_conflict_do_nothing().returning(RESERVATION.c.id, RESERVATION.c.reference)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


@dataclass(frozen=True, slots=True)
class ReservationState:
    """One reservation under lock. `order`: how the channel names the order that takes it over, or has."""

    id: int
    reference: str
    channel: str | None
    order: str | None
    state: str
    expires_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewReservation:
    """A reservation that is to be written."""

    reference: str
    channel_id: int | None
    expires_at: datetime
    asks: Sequence[Ask]


@dataclass(frozen=True, slots=True)
class HeldUnits:
    """Units that a reservation holds, or held, of one item at one location."""

    sku: str
    location: str
    units: int


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """An order that the hub has heard of. `counts`: its units are to be claimed."""

    id: int
    counts: bool
    delivery: DeliveryMethod


class ReservationStore:
    """The reservations of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self.stock = StockStore(connection, now)

    def open(self, wanted: Sequence[NewReservation]) -> dict[str, int]:
        """Writes reservations and what they ask for; answers the ids of those whose reference was free."""
        unique = {one.reference: one for one in reversed(wanted)}
        rows = [
            {
                "reference": reference,
                "channel_id": one.channel_id,
                "state": "held",
                "expires_at": one.expires_at,
                "created_at": self._now,
            }
            # By their keys: two who open the same ones do not wait for each other in a circle.
            for reference, one in sorted(unique.items())
        ]
        made: dict[str, int] = {}
        for part in chunks(rows, 5_000):
            new = self._connection.execute(_OPEN[self._connection.dialect.name], part)
            made.update({row.reference: row.id for row in new})
        lines: list[Row] = [
            (made[one.reference], ask.item_id, ask.location_id, ask.units)
            for one in unique.values()
            if one.reference in made
            for ask in one.asks
        ]
        columns = ("reservation_id", "item_id", "location_id", "units")
        insert_rows(self._connection, RESERVATION_LINE, columns, lines)
        return made

    def forget(self, ids: Collection[int]) -> None:
        """Takes reservations out that were opened in this transaction and got nothing."""
        for batch in chunks(sorted(ids)):
            self._connection.execute(RESERVATION_LINE.delete().where(RESERVATION_LINE.c.reservation_id.in_(batch)))
            self._connection.execute(RESERVATION.delete().where(RESERVATION.c.id.in_(batch)))

    def find(self, reference: str, *, locked: bool = False) -> ReservationState | None:
        """Reads one reservation; None: there is none of that reference."""
        query = (
            sa.select(RESERVATION, CHANNEL.c.name.label("channel"))
            .join(CHANNEL, CHANNEL.c.id == RESERVATION.c.channel_id, isouter=True)
            .where(RESERVATION.c.reference == reference)
        )
        row = self._connection.execute(query.with_for_update(of=RESERVATION) if locked else query).one_or_none()
        if row is None:
            return None
        return ReservationState(
            row.id, row.reference, row.channel, row.order_external_id, row.state, row.expires_at, row.ended_at
        )

    def asks(self, reservation_id: int) -> list[Ask]:
        """What a reservation asked for."""
        query = sa.select(RESERVATION_LINE).where(RESERVATION_LINE.c.reservation_id == reservation_id)
        return [Ask(row.item_id, row.location_id, row.units) for row in self._connection.execute(query)]

    def hold(self, held: Sequence[tuple[NewReservation, Sequence[Take]]]) -> None:
        """Takes the units that were decided on for new reservations.

        Raises:
            InsufficientStockError: less was there than the locks had shown; nothing may be kept.
        """
        takes = [(take, claim_reference(one.reference), one.expires_at) for one, takes in held for take in takes]
        must_be_taken([take for take, _, _ in takes], self.stock.hold(takes))

    def held(self, references: Collection[str]) -> dict[str, tuple[HeldUnits, ...]]:
        """What reservations took, whether or not they still hold it; those that took nothing are left out."""
        query = (
            sa.select(CLAIM.c.reference, ITEM.c.sku, LOCATION.c.code, sa.func.sum(CLAIM.c.units).label("units"))
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .where(CLAIM.c.reference.in_(sa.bindparam("references", expanding=True)))
            .group_by(CLAIM.c.reference, ITEM.c.sku, LOCATION.c.code)
            .order_by(ITEM.c.sku, LOCATION.c.code)
        )
        named = {claim_reference(one): one for one in references}
        found: dict[str, list[HeldUnits]] = defaultdict(list)
        for batch in chunks(sorted(named)):
            for row in self._connection.execute(query, {"references": batch}):
                found[named[row.reference]].append(HeldUnits(row.sku, row.code, int(row.units)))
        return {reference: tuple(units) for reference, units in found.items()}

    def extend(self, reservation_id: int, expires_at: datetime) -> None:
        """Lets a held reservation end later; never sooner."""
        self._connection.execute(
            RESERVATION.update()
            .where(
                RESERVATION.c.id == reservation_id,
                RESERVATION.c.state == "held",
                RESERVATION.c.expires_at < expires_at,
            )
            .values(expires_at=expires_at)
        )

    def name_order(self, reservation_id: int, channel_id: int, order: str) -> None:
        """Says which order of a channel will take the units over."""
        self._connection.execute(
            RESERVATION.update()
            .where(RESERVATION.c.id == reservation_id, RESERVATION.c.state == "held")
            .values(channel_id=channel_id, order_external_id=order)
        )

    def release(self, reservation: ReservationState) -> list[Take]:
        """Ends a held reservation and gives its units back; answers them, nothing where it had ended."""
        return self._end([reservation.id], "released", sa.true())

    def expire(self, limit: int = 500) -> tuple[int, list[Take]]:
        """Ends the reservations whose time is over; answers how many, and the units that they gave back.

        One that was extended or taken over in this moment is left alone: its row is read again under its lock.
        """
        query = (
            sa.select(RESERVATION.c.id)
            .where(RESERVATION.c.state == "held", RESERVATION.c.expires_at <= self._now)
            .order_by(RESERVATION.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        due = list(self._connection.execute(query).scalars())
        return len(due), self._end(due, "expired", RESERVATION.c.expires_at <= self._now)

    def _end(self, ids: Collection[int], state: str, condition: sa.ColumnElement[bool]) -> list[Take]:
        claims: list[int] = []
        for one in sorted(ids):
            ended = self._connection.execute(
                RESERVATION.update()
                .where(RESERVATION.c.id == one, RESERVATION.c.state == "held", condition)
                .values(state=state, ended_at=self._now)
                .returning(RESERVATION.c.reference)
            ).scalar_one_or_none()
            if ended is not None:
                claims.extend(self.stock.held_by_reference(claim_reference(ended)))
        return self.stock.end_claims(claims, "released")

    # -- around it ---------------------------------------------------------------------------------------------

    def order(self, channel_id: int, external_id: str) -> KnownOrder | None:
        """Locks and reads an order of a channel; None: not heard yet."""
        query = (
            sa.select(ORDER.c.id, ORDER.c.is_counted, ORDER.c.delivery_method)
            .where(ORDER.c.channel_id == channel_id, ORDER.c.external_id == external_id)
            .with_for_update()
        )
        row = self._connection.execute(query).one_or_none()
        return None if row is None else KnownOrder(row.id, row.is_counted, DeliveryMethod(row.delivery_method))
