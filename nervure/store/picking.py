"""What a location has to do, in SQL: its queue, its pick lists, and where things lie there."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.channels import IS_SERVED
from nervure.store.fulfillment import DELIVERY
from nervure.store.handling import IS_TO_BE_DONE, PICK
from nervure.store.offering import OFFER
from nervure.store.orders import RELEASED_STATES
from nervure.store.statements import CLAIM, LEVEL, chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, PERSON
from schemas.fulfillment import FulfillmentState, OfferState, StepKind
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod

SHELF = tables.of(tables.ShelfRow)
GTIN_DIGITS = 14

_TAKEN = (StepKind.PICKING.value, StepKind.PACKED.value, StepKind.READY.value)
"""After one of these steps the goods do not lie on their shelf any more."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Units of one item and lot to take from a shelf for one fulfillment line, and how many were taken."""

    line_id: int
    item_id: int
    sku: str
    title: str
    gtin: str | None
    options: dict[str, str]
    shelf: str
    lots: tuple[str, ...]
    units: int
    picked: int

    def is_named(self, scanned: str) -> bool:
        """Whether a scan names it: by its GTIN, whatever zeros stand before it, or by its sku."""
        code = scanned.strip()
        is_gtin = self.gtin is not None and code.isdigit() and code.zfill(GTIN_DIGITS) == self.gtin.zfill(GTIN_DIGITS)
        return is_gtin or code == self.sku


@dataclass(frozen=True, slots=True)
class Job:
    """One fulfillment order as a location sees it.

    `channel_knows` that it waits for its customer; False: it could not be told, None: it was not tried yet.
    `offered_to`: so many other locations may accept it too. `is_asked`: another location holds the units until this one
    accepts; `accept_by` is its own then.
    """

    number: int
    state: FulfillmentState
    location: str
    channel: str
    order: str
    delivery: DeliveryMethod
    placed_at: datetime
    accept_by: datetime | None
    pickup_until: datetime | None
    units: int
    is_told: bool
    carrier: str | None
    tracking_number: str | None
    pickup_code: str | None
    offered_to: int
    channel_knows: bool | None
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets it, and where."""

    name: str
    lines: tuple[str, ...]
    email: str
    phone: str


class PickingStore:
    """One look at what is to be done, at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def skus_of(self, item_ids: Collection[int]) -> dict[int, str]:
        """Skus by item."""
        found: dict[int, str] = {}
        for batch in chunks(sorted(set(item_ids))):
            query = sa.select(ITEM.c.id, ITEM.c.sku).where(ITEM.c.id.in_(batch))
            found.update((row.id, row.sku) for row in self._connection.execute(query))
        return found

    def picks(self, number: int) -> list[Pick]:
        """What to fetch for a fulfillment order, shelf by shelf; what has no shelf comes last."""
        query = (
            sa.select(
                FULFILLMENT_LINE.c.id.label("line_id"),
                LEVEL.c.item_id,
                LEVEL.c.lot,
                ITEM.c.sku,
                ITEM.c.title,
                ITEM.c.gtin,
                ITEM.c.options,
                SHELF.c.name.label("shelf"),
                PICK.c.units.label("picked"),
                sa.func.sum(CLAIM.c.units).label("units"),
            )
            .join(CLAIM, CLAIM.c.fulfillment_line_id == FULFILLMENT_LINE.c.id)
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
            .join(
                SHELF,
                sa.and_(SHELF.c.location_id == LEVEL.c.location_id, SHELF.c.item_id == LEVEL.c.item_id),
                isouter=True,
            )
            .join(
                PICK,
                sa.and_(PICK.c.fulfillment_line_id == FULFILLMENT_LINE.c.id, PICK.c.item_id == LEVEL.c.item_id),
                isouter=True,
            )
            .where(FULFILLMENT_LINE.c.fulfillment_order_id == number, CLAIM.c.state.in_(["held", "consumed"]))
            .group_by(
                FULFILLMENT_LINE.c.id,
                LEVEL.c.item_id,
                LEVEL.c.lot,
                ITEM.c.id,
                SHELF.c.name,
                PICK.c.units,
            )
            .order_by(LEVEL.c.lot)
        )
        rows: dict[tuple[int, int], list[sa.Row[*tuple[Any, ...]]]] = {}
        for row in self._connection.execute(query):
            rows.setdefault((row.line_id, row.item_id), []).append(row)
        picks = [_as_pick(parts) for parts in rows.values()]
        return sorted(picks, key=lambda one: (not one.shelf, one.shelf, one.sku, one.line_id))

    def lines(self, number: int) -> list[tuple[str, str, int]]:
        """What was bought and is done here, as (sku, title, units); a kit is one line."""
        query = (
            sa.select(ITEM.c.sku, LINE.c.title, ITEM.c.title.label("own_title"), FULFILLMENT_LINE.c.units)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(FULFILLMENT_LINE.c.fulfillment_order_id == number, FULFILLMENT_LINE.c.units > 0)
            .order_by(LINE.c.id)
        )
        return [(row.sku, row.title or row.own_title, row.units) for row in self._connection.execute(query)]

    def jobs(self, location: str) -> list[Job]:
        """What a location has to do, or may accept: what it must accept soonest first, then the oldest order."""
        query = self._jobs().where(LOCATION.c.code == location, IS_TO_BE_DONE)
        jobs = [_as_job(row) for row in self._connection.execute(query)] + self._asked(location)
        return sorted(jobs, key=lambda job: (job.accept_by is None, job.accept_by or job.placed_at, job.number))

    def _asked(self, location: str, number: int | None = None) -> list[Job]:
        """What a location is offered while another one holds the units."""
        there = LOCATION.alias("there")
        query = (
            self._jobs()
            .add_columns(OFFER.c.accept_by.label("answer_by"))
            .join(OFFER, OFFER.c.fulfillment_order_id == FULFILLMENT.c.id)
            .join(there, there.c.id == OFFER.c.location_id)
            .where(
                there.c.code == location,
                OFFER.c.state == OfferState.OPEN.value,
                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
                ORDER.c.state.in_(RELEASED_STATES),
                IS_SERVED,
            )
        )
        if number is not None:
            query = query.where(FULFILLMENT.c.id == number)
        return [
            replace(_as_job(row), location=location, accept_by=row.answer_by, is_asked=True)
            for row in self._connection.execute(query)
        ]

    def to_put_back(self, location: str) -> list[Job]:
        """What was canceled after its goods had been taken from the shelf, and does not lie there again."""
        event = FULFILLMENT_EVENT
        of_it = event.c.fulfillment_order_id == FULFILLMENT.c.id
        query = self._jobs().where(
            LOCATION.c.code == location,
            FULFILLMENT.c.state == FulfillmentState.CANCELED.value,
            sa.select(event.c.id).where(of_it, event.c.kind.in_(_TAKEN)).exists(),
            ~sa.select(event.c.id).where(of_it, event.c.kind == StepKind.PUT_BACK.value).exists(),
        )
        return [_as_job(row) for row in self._connection.execute(query.order_by(FULFILLMENT.c.id))]

    def job(self, number: int) -> Job | None:
        """One fulfillment order of a location of ours; None: there is none."""
        row = self._connection.execute(self._jobs().where(FULFILLMENT.c.id == number)).one_or_none()
        return None if row is None else _as_job(row)

    def job_at(self, number: int, location: str) -> Job | None:
        """One fulfillment order that a location has, or is offered, under this number; None: neither."""
        found = self.job(number)
        if found is not None and found.location == location:
            return found
        return next(iter(self._asked(location, number)), None)

    def offers(self, number: int) -> list[tuple[str, str, datetime]]:
        """To whom else a fulfillment order was offered, as (location, state, to be accepted by), the best first."""
        query = (
            sa.select(LOCATION.c.code, OFFER.c.state, OFFER.c.accept_by)
            .join(LOCATION, LOCATION.c.id == OFFER.c.location_id)
            .where(OFFER.c.fulfillment_order_id == number)
            .order_by(OFFER.c.rank)
        )
        return [(row.code, row.state, row.accept_by) for row in self._connection.execute(query)]

    def instead(self, number: int, location: str) -> int | None:
        """The number under which a location does what was offered to it under another; None: it does not."""
        moved = FULFILLMENT.alias("moved")
        query = (
            sa.select(moved.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.moved_to_id == moved.c.id)
            .join(LOCATION, LOCATION.c.id == moved.c.location_id)
            .where(FULFILLMENT.c.id == number, LOCATION.c.code == location)
        )
        return self._connection.execute(query).scalar_one_or_none()

    def ready(self) -> list[Job]:
        """What waits for its customer anywhere, the oldest first."""
        query = self._jobs().where(FULFILLMENT.c.state == FulfillmentState.READY_FOR_PICKUP.value)
        return [_as_job(row) for row in self._connection.execute(query.order_by(FULFILLMENT.c.id))]

    def recipient(self, number: int) -> Recipient | None:
        """Who gets a fulfillment order; None: nobody is named, or not any more."""
        query = (
            sa.select(PERSON, ORDER.c.postal_code, ORDER.c.country)
            .join(ORDER, ORDER.c.id == PERSON.c.order_id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .where(FULFILLMENT.c.id == number, PERSON.c.expires_at > self._now)
        )
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        town = " ".join(part for part in (row.postal_code, row.city) if part)
        lines = tuple(part for part in (*row.address_lines, town, row.country) if part)
        return Recipient(row.name or "", lines, row.email or "", row.phone or "")

    def put_shelf(self, location_id: int, item_id: int, name: str) -> None:
        """Writes where an item lies at a location; an empty name forgets it."""
        its = sa.and_(SHELF.c.location_id == location_id, SHELF.c.item_id == item_id)
        if not name:
            self._connection.execute(SHELF.delete().where(its))
            return
        insert_new(self._connection, SHELF, [{"location_id": location_id, "item_id": item_id, "name": name}])
        self._connection.execute(SHELF.update().where(its).values(name=name))

    @staticmethod
    def _jobs() -> sa.Select[Any]:
        units = (
            sa.select(sa.func.coalesce(sa.func.sum(FULFILLMENT_LINE.c.units), 0))
            .where(FULFILLMENT_LINE.c.fulfillment_order_id == FULFILLMENT.c.id)
            .scalar_subquery()
        )

        def has(kind: StepKind) -> sa.Exists:
            its = FULFILLMENT_EVENT.c.fulfillment_order_id == FULFILLMENT.c.id
            return sa.select(FULFILLMENT_EVENT.c.id).where(its, FULFILLMENT_EVENT.c.kind == kind.value).exists()

        offered_to = (
            sa.select(sa.func.count())
            .select_from(OFFER)
            .where(
                OFFER.c.fulfillment_order_id == FULFILLMENT.c.id,
                OFFER.c.state == OfferState.OPEN.value,
                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
            )
            .correlate(FULFILLMENT)
            .scalar_subquery()
        )
        return (
            sa.select(
                FULFILLMENT,
                offered_to.label("offered_to"),
                LOCATION.c.code,
                CHANNEL.c.name.label("channel"),
                ORDER.c.external_id,
                ORDER.c.number.label("order_number"),
                DELIVERY,
                ORDER.c.placed_at,
                units.label("units"),
                has(StepKind.TOLD).label("is_told"),
                sa.case((has(StepKind.NOTIFIED), 1), (has(StepKind.NOT_NOTIFIED), 0)).label("channel_knows"),
            )
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(LOCATION.c.kind != LocationKind.SUPPLIER.value)
        )


def _as_pick(rows: list[sa.Row[*tuple[Any, ...]]]) -> Pick:
    first = rows[0]
    return Pick(
        first.line_id,
        first.item_id,
        first.sku,
        first.title,
        first.gtin,
        dict(first.options or {}),
        first.shelf or "",
        tuple(row.lot for row in rows if row.lot),
        sum(int(row.units) for row in rows),
        first.picked or 0,
    )


def _as_job(row: sa.Row[*tuple[Any, ...]]) -> Job:
    return Job(
        number=row.id,
        state=FulfillmentState(row.state),
        location=row.code,
        channel=row.channel,
        order=row.order_number or row.external_id,
        delivery=DeliveryMethod(row.delivery),
        placed_at=row.placed_at,
        accept_by=row.accept_by if row.state == FulfillmentState.ALLOCATED.value else None,
        pickup_until=row.pickup_until,
        units=int(row.units),
        is_told=bool(row.is_told),
        carrier=row.carrier,
        tracking_number=row.tracking_number,
        pickup_code=row.pickup_code,
        offered_to=int(row.offered_to),
        channel_knows=None if row.channel_knows is None else bool(row.channel_knows),
    )
