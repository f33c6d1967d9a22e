"""Messages for platforms and suppliers: written with the change that caused them, sent afterwards, each done once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.channels import IS_SERVED
from nervure.store.fulfillment import LEFT
from nervure.store.outbox import OUTBOX, TOLD_OF, OutboxStore
from nervure.store.restores import MAY_BE_WITH_SUPPLIER
from nervure.store.statements import CLAIM, LEVEL
from nervure.store.tables import SupplierOfferRow, of
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, PERSON
from nervure.store.tables.substitution import CUT
from schemas.fulfillment import FulfillmentLine, FulfillmentState, Parcel, ReadyNotice, Shipment

OFFER = of(SupplierOfferRow)
LEASE_SECONDS = 120
OPEN = ("waiting", "leased")

_IS_READY = FULFILLMENT.c.state == FulfillmentState.READY_FOR_PICKUP.value
_WITH_SUPPLIER = (FulfillmentState.ALLOCATED.value, FulfillmentState.SENT_TO_SUPPLIER.value)
_IS_AWAITED = (
    sa.select(FULFILLMENT.c.id)
    .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
    .where(LOCATION.c.master == sa.bindparam("supplier"), FULFILLMENT.c.state.in_(_WITH_SUPPLIER))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message taken for sending."""

    id: int
    kind: str
    target: str
    reference: str
    payload: Mapping[str, Any]
    attempts: int


class Handover(NamedTuple):
    """What a supplier is asked: when it was ordered, who gets it, and (name, supplier's sku, units).

    `is_first_try` False: the supplier may have it already.
    """

    placed_at: datetime
    recipient: Mapping[str, str]
    lines: Sequence[tuple[str, str, int]]
    is_first_try: bool


def _has_open_acceptance() -> sa.Exists:
    """Whether a shipment of the outbox belongs to an order whose acceptance is still to be told."""
    shipped = sa.case((OUTBOX.c.kind == "shipment", TOLD_OF))
    order = sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == shipped).correlate(OUTBOX).scalar_subquery()
    older = OUTBOX.alias("acceptance")
    return (
        sa.select(older.c.id)
        .where(
            older.c.kind == "accept_order",
            older.c.reference == sa.literal("order:") + sa.cast(order, sa.String),
            older.c.state.in_(OPEN),
            older.c.id < OUTBOX.c.id,
        )
        .exists()
    )


def _due() -> sa.Select[*tuple[Any, ...]]:
    """What is due to `target` at `now`, oldest first."""
    target: sa.BindParameter[str] = sa.bindparam("target")
    now = sa.bindparam("now", type_=OUTBOX.c.next_at.type)
    free = sa.or_(OUTBOX.c.state == "waiting", sa.and_(OUTBOX.c.state == "leased", OUTBOX.c.lease_until < now))
    silent = sa.select(CHANNEL.c.id).where(CHANNEL.c.name == target, ~IS_SERVED).exists()
    return (
        sa.select(OUTBOX)
        .where(
            OUTBOX.c.state.in_(OPEN),
            OUTBOX.c.target == target,
            ~silent,
            free,
            OUTBOX.c.next_at <= now,
            ~_has_open_acceptance(),
            ~MAY_BE_WITH_SUPPLIER,
        )
        .order_by(OUTBOX.c.id)
    )


_DUE = _due()
_HAS_DUE = _DUE.limit(1)


class MessageStore:
    """The outbox of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def has_due(self, target: str) -> bool:
        """Whether there is something to send to this target now."""
        return self._connection.execute(_HAS_DUE, self._at(target)).first() is not None

    def lease(self, target: str, limit: int) -> list[Message]:
        """Takes messages to one target that are due, oldest first; an expired lease is free again.

        A shipment is not due while the acceptance of its order is open: no channel takes a parcel of an order that it
        does not know to be accepted. Nothing else needs an order. What a supplier may have had before the database was
        restored waits for a person's word. What concerns a channel that was not cut over yet
        or is in the shadow
        waits with its numbers.
        """
        rows = self._connection.execute(_DUE.limit(limit).with_for_update(skip_locked=True), self._at(target)).all()
        if rows:
            self._connection.execute(
                OUTBOX.update()
                .where(OUTBOX.c.id.in_([row.id for row in rows]))
                .values(
                    state="leased",
                    lease_until=self._now + timedelta(seconds=LEASE_SECONDS),
                    attempts=OUTBOX.c.attempts + 1,
                )
            )
        return [Message(row.id, row.kind, row.target, row.reference, row.payload, row.attempts + 1) for row in rows]

    def _at(self, target: str) -> dict[str, object]:
        return {"target": target, "now": self._now}

    def give_back(self, message_ids: Collection[int]) -> None:
        """These were taken and not tried: whoever comes next may take them at once."""
        self._connection.execute(
            OUTBOX.update()
            .where(OUTBOX.c.id.in_(sorted(message_ids)), OUTBOX.c.state == "leased")
            .values(state="waiting", lease_until=None, attempts=OUTBOX.c.attempts - 1)
        )

    def done(self, message_id: int) -> bool:
        """The message arrived, whatever another sender of it was told; False: that was known."""
        changed = self._connection.execute(
            OUTBOX.update()
            .where(OUTBOX.c.id == message_id, OUTBOX.c.state != "done")
            .values(state="done", done_at=self._now, reason=None, lease_until=None)
        )
        return changed.rowcount == 1

    def later(self, message_id: int, seconds: float, reason: str) -> None:
        """The message is tried again after `seconds`."""
        self._end_lease(message_id, state="waiting", next_at=self._now + timedelta(seconds=seconds), reason=reason)

    def bury(self, message_id: int, reason: str) -> bool:
        """The message can never arrive, a person must look; False: another sender has brought it to its end."""
        return self._end_lease(message_id, state="dead", done_at=self._now, reason=reason)

    def _end_lease(self, message_id: int, **values: object) -> bool:
        changed = self._connection.execute(
            OUTBOX.update()
            .where(OUTBOX.c.id == message_id, OUTBOX.c.state == "leased")
            .values(lease_until=None, **values)
        )
        return changed.rowcount == 1

    def open_count(self) -> int:
        """Messages not sent yet."""
        query = sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.state.in_(OPEN))
        return int(self._connection.execute(query).scalar_one())

    def stranded(self, targets: Collection[str]) -> dict[str, int]:
        """Open messages by target, to all but these."""
        query = (
            sa.select(OUTBOX.c.target, sa.func.count())
            .where(OUTBOX.c.state.in_(OPEN), OUTBOX.c.target.not_in(sorted(targets)))
            .group_by(OUTBOX.c.target)
        )
        return {target: int(count) for target, count in self._connection.execute(query)}

    # -- what messages say -------------------------------------------------------------------------------------

    def shipment(self, fulfillment_order_id: int) -> Shipment:
        """The shipment of a fulfillment order that has left."""
        head = self._connection.execute(
            sa.select(FULFILLMENT, ORDER.c.external_id, CHANNEL.c.name.label("channel"), LOCATION.c.code)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        ).one()
        bought = LINE.alias("bought")
        is_known = sa.select(CUT.c.id).where(CUT.c.substitute_line_id == LINE.c.id, CUT.c.known_at.is_not(None))
        # A substitute that the channel does not know is told as the line whose place it takes, while that is there.
        lines = self._connection.execute(
            sa.select(
                sa.case((LINE.c.is_stated, LINE.c.external_id), else_=bought.c.external_id).label("name"),
                sa.func.sum(FULFILLMENT_LINE.c.units).label("units"),
            )
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(bought, bought.c.id == LINE.c.substitutes_id, isouter=True)
            .where(FULFILLMENT_LINE.c.fulfillment_order_id == fulfillment_order_id, FULFILLMENT_LINE.c.units > 0)
            .where(sa.or_(LINE.c.is_stated, ~is_known.exists()))
            .group_by("name")
            .order_by(sa.func.min(LINE.c.id))
        ).all()
        return Shipment(
            external_id=f"nervure-{fulfillment_order_id}",
            channel=head.channel,
            order=head.external_id,
            location=head.code,
            shipped_at=head.ended_at,
            lines=tuple(FulfillmentLine(order_line=line.name, units=int(line.units)) for line in lines),
            parcel=Parcel(carrier=head.carrier or "", tracking_number=head.tracking_number)
            if head.tracking_number
            else None,
            completes_order=OutboxStore(self._connection, self._now).is_complete(head.order_id),
        )

    def ready(self, fulfillment_order_id: int) -> ReadyNotice | None:
        """What waits for the customer of a fulfillment order; None: it does not wait any more."""
        head = self._connection.execute(
            sa.select(
                FULFILLMENT.c.order_id,
                FULFILLMENT.c.location_id,
                ORDER.c.external_id,
                CHANNEL.c.name.label("channel"),
                LOCATION.c.code,
            )
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .where(FULFILLMENT.c.id == fulfillment_order_id, _IS_READY)
        ).one_or_none()
        if head is None:
            return None
        # What was ready before counts too: a channel may have a word for the whole only.
        units = sa.func.sum(FULFILLMENT_LINE.c.units).label("units")
        lines = self._connection.execute(
            sa.select(LINE.c.external_id, units)
            .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.order_line_id == LINE.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .where(
                FULFILLMENT.c.order_id == head.order_id,
                FULFILLMENT.c.location_id == head.location_id,
                _IS_READY,
                FULFILLMENT_LINE.c.units > 0,
            )
            .group_by(LINE.c.id, LINE.c.external_id)
            .order_by(LINE.c.id)
        ).all()
        return ReadyNotice(
            channel=head.channel,
            order=head.external_id,
            location=head.code,
            lines=tuple(FulfillmentLine(order_line=line.external_id, units=int(line.units)) for line in lines),
        )

    def location_of(self, fulfillment_order_id: int) -> int | None:
        """Where a fulfillment order is to be done; None: there is none of this number."""
        query = sa.select(FULFILLMENT.c.location_id).where(FULFILLMENT.c.id == fulfillment_order_id)
        return self._connection.execute(query).scalar_one_or_none()

    def order_of(self, fulfillment_order_id: int) -> list[int]:
        """The order that a fulfillment order belongs to; none where there is none."""
        query = sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == fulfillment_order_id)
        return list(self._connection.execute(query).scalars())

    def drop_ship(self, fulfillment_order_id: int) -> Handover | None:
        """Marks an order as sent to its supplier and answers what it must send: when ordered, to whom, and
        (name, supplier's sku, units); None: canceled or shipped since. Whoever calls holds the order's lock.
        """
        head = self._connection.execute(
            sa.select(FULFILLMENT, ORDER.c.country, ORDER.c.postal_code)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .where(FULFILLMENT.c.id == fulfillment_order_id, FULFILLMENT.c.state.in_(_WITH_SUPPLIER))
        ).one_or_none()
        if head is None:
            return None
        self.sent_to_supplier(fulfillment_order_id)
        person = self._connection.execute(sa.select(PERSON).where(PERSON.c.order_id == head.order_id)).one_or_none()
        recipient = {
            "name": person.name if person else None,
            "email": person.email if person else None,
            "phone": person.phone if person else None,
            "street": ", ".join(person.address_lines) if person else None,
            "city": person.city if person else None,
            "postal_code": head.postal_code,
            "country": head.country,
        }
        asked = self.asked_of_supplier(fulfillment_order_id)
        return Handover(
            head.created_at,
            {name: value for name, value in recipient.items() if value},
            [(name, sku, units) for name, _, sku, units in asked],
            is_first_try=head.state == FulfillmentState.ALLOCATED.value,
        )

    def is_awaited(self, supplier: str) -> bool:
        """Whether a supplier has an order of ours that it has not sent yet, or is to get one. It takes no lock."""
        return self._connection.execute(_IS_AWAITED, {"supplier": supplier}).first() is not None

    def not_offered(self, fulfillment_order_id: int) -> list[int]:
        """Fulfillment lines of which the supplier offers some part no more."""
        query = (
            sa.select(FULFILLMENT_LINE.c.id)
            .join(CLAIM, sa.and_(CLAIM.c.fulfillment_line_id == FULFILLMENT_LINE.c.id, CLAIM.c.state == "held"))
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .join(
                OFFER,
                sa.and_(OFFER.c.item_id == LEVEL.c.item_id, OFFER.c.supplier == LOCATION.c.master),
                isouter=True,
            )
            .where(FULFILLMENT_LINE.c.fulfillment_order_id == fulfillment_order_id, OFFER.c.id.is_(None))
            .distinct()
        )
        return list(self._connection.execute(query).scalars())

    def asked_of_supplier(self, fulfillment_order_id: int) -> list[tuple[str, int, str, int]]:
        """What a supplier is to send: (name, fulfillment line, supplier's sku, units), each part of a kit by itself.

        Of several offers of one item the fullest is asked for, once.
        """
        units = sa.func.sum(CLAIM.c.units).label("units")
        query = (
            sa.select(
                FULFILLMENT_LINE.c.id,
                LINE.c.item_id.label("bought"),
                LEVEL.c.item_id,
                OFFER.c.supplier_sku,
                OFFER.c.units.label("offered"),
                units,
            )
            .join(CLAIM, sa.and_(CLAIM.c.fulfillment_line_id == FULFILLMENT_LINE.c.id, CLAIM.c.state == "held"))
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .join(OFFER, sa.and_(OFFER.c.item_id == LEVEL.c.item_id, OFFER.c.supplier == LOCATION.c.master))
            .where(FULFILLMENT_LINE.c.fulfillment_order_id == fulfillment_order_id)
            .group_by(FULFILLMENT_LINE.c.id, LINE.c.item_id, LEVEL.c.item_id, OFFER.c.supplier_sku, OFFER.c.units)
        )
        fullest: dict[tuple[int, int], sa.Row[*tuple[Any, ...]]] = {}
        for row in sorted(self._connection.execute(query), key=lambda row: (-(row.offered or 0), row.supplier_sku)):
            fullest.setdefault((row.id, row.item_id), row)
        return sorted(
            (
                f"{row.id}" if row.item_id == row.bought else f"{row.id}.{row.item_id}",
                row.id,
                row.supplier_sku,
                int(row.units),
            )
            for row in fullest.values()
        )

    def sent_to_supplier(self, fulfillment_order_id: int) -> None:
        """The supplier has the order now."""
        self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == fulfillment_order_id, FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value)
            .values(state=FulfillmentState.SENT_TO_SUPPLIER.value)
        )

    def not_sent_to_supplier(self, fulfillment_order_id: int) -> None:
        """The supplier certainly does not have the order: it can still be canceled."""
        self._connection.execute(
            FULFILLMENT.update()
            .where(
                FULFILLMENT.c.id == fulfillment_order_id,
                FULFILLMENT.c.state == FulfillmentState.SENT_TO_SUPPLIER.value,
            )
            .values(state=FulfillmentState.ALLOCATED.value)
        )

    def track(self, fulfillment_order_id: int, carrier: str | None, tracking_number: str | None) -> None:
        """Writes how a parcel that has left can be followed, unless that was said before."""
        self._connection.execute(
            FULFILLMENT.update()
            .where(
                FULFILLMENT.c.id == fulfillment_order_id,
                FULFILLMENT.c.state.in_(LEFT),
                FULFILLMENT.c.tracking_number.is_(None),
            )
            .values(carrier=carrier, tracking_number=tracking_number)
        )
