"""Cycle counts in SQL: the documents, their lines, and what lies at their place."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.channels import IS_SERVED
from nervure.store.offers import OFFER
from nervure.store.shortfalls import UNPLANNED
from nervure.store.statements import KIT, LEVEL, MOVEMENT, OBSERVATION, chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.orders import LINE as ORDER_LINE
from nervure.store.tables.orders import ORDER, SHORTFALL
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod, OrderState
from schemas.stock import OUR_OWN, AdjustmentReason, Condition

COUNT = tables.of(tables.CycleCountRow)
LINE = tables.of(tables.CycleCountLineRow)


@dataclass(frozen=True, slots=True)
class Document:
    """One count document, and who is the master of its location (None: the hub)."""

    id: int
    name: str
    location_id: int
    location: str
    master: str | None
    is_open_to_all: bool
    state: str


@dataclass(frozen=True, slots=True)
class Line:
    """One stock key of a count; `units` None: not counted yet. `difference` is there once it is booked."""

    id: int
    item_id: int
    sku: str
    owner: str
    condition: Condition
    lot: str
    round: int
    units: int | None
    counted_at: datetime | None
    counted_by: str
    reason: AdjustmentReason | None
    difference: int | None
    confirmed_by: str


@dataclass(frozen=True, slots=True)
class Sought:
    """An item that an order line lacks, and a place that has none of it free. `last_moved`: when it came or left."""

    line_id: int
    item_id: int
    location_id: int
    last_moved: datetime


class CycleCountStore:
    """The cycle counts of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def master_of(self, location_id: int) -> str | None:
        """Who counts at a location; None: the hub."""
        query = sa.select(LOCATION.c.master).where(LOCATION.c.id == location_id)
        found: str | None = self._connection.execute(query).scalar_one()
        return found

    def open(self, name: str, location_id: int, *, is_open_to_all: bool) -> bool:
        """Writes a document; False: there is one of this name."""
        row = {"name": name, "location_id": location_id, "is_open_to_all": is_open_to_all, "state": "open"}
        return bool(insert_new(self._connection, COUNT, [row | {"opened_at": self._now}]))

    def find(self, name: str, *, locked: bool = False) -> Document | None:
        """A document by its name; `locked`: whoever else works on it waits until the end."""
        query = (
            sa.select(COUNT, LOCATION.c.code, LOCATION.c.master)
            .join(LOCATION, LOCATION.c.id == COUNT.c.location_id)
            .where(COUNT.c.name == name)
        )
        row = self._connection.execute(query.with_for_update(of=COUNT) if locked else query).one_or_none()
        if row is None:
            return None
        return Document(row.id, row.name, row.location_id, row.code, row.master, row.is_open_to_all, row.state)

    def end(self, document: Document, state: str) -> None:
        """Closes or cancels a document."""
        self._connection.execute(
            COUNT.update().where(COUNT.c.id == document.id).values(state=state, ended_at=self._now)
        )

    def lines(self, document: Document) -> list[Line]:
        """The lines of a document in the order of their skus; of a key that was counted again, every round."""
        query = (
            sa.select(LINE, ITEM.c.sku)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(LINE.c.cycle_count_id == document.id)
            .order_by(ITEM.c.sku, LINE.c.condition, LINE.c.owner, LINE.c.lot, LINE.c.round)
        )
        return [_as_line(row) for row in self._connection.execute(query)]

    def add_lines(
        self, document: Document, keys: Collection[tuple[int, str, Condition, str]], *, turn: int = 1
    ) -> None:
        """Adds stock keys (item, owner, condition, lot) that are to be counted; those that are there stay."""
        rows = [
            {
                "cycle_count_id": document.id,
                "item_id": item,
                "owner": owner,
                "condition": condition.value,
                "lot": lot,
                "round": turn,
                "counted_by": "",
                "confirmed_by": "",
            }
            for item, owner, condition, lot in sorted(keys)
        ]
        insert_new(self._connection, LINE, rows)

    def enter(self, line: Line, units: int, counted_at: datetime, by: str, reason: AdjustmentReason) -> None:
        """Writes what was found; it replaces what was entered before."""
        self._connection.execute(
            LINE.update()
            .where(LINE.c.id == line.id, LINE.c.booked_at.is_(None))
            .values(units=units, counted_at=counted_at, counted_by=by, reason=reason.value)
        )

    def book(self, line: Line, difference: int, by: str) -> bool:
        """Marks a line as booked; False: it was."""
        marked = self._connection.execute(
            LINE.update()
            .where(LINE.c.id == line.id, LINE.c.booked_at.is_(None))
            .values(difference=difference, confirmed_by=by, booked_at=self._now)
        )
        return marked.rowcount == 1

    def kept_at(
        self, location_id: int, item_ids: Collection[int] | None = None, condition: Condition = Condition.SELLABLE
    ) -> dict[int, list[tuple[str, str]]]:
        """Owners and lots of which units lie at a location, by item (None: of every item)."""
        found: dict[int, list[tuple[str, str]]] = {}
        here = sa.and_(LEVEL.c.location_id == location_id, LEVEL.c.condition == condition.value, LEVEL.c.on_hand != 0)
        query = sa.select(LEVEL.c.item_id, LEVEL.c.owner, LEVEL.c.lot).where(here)
        query = query.order_by(LEVEL.c.item_id, LEVEL.c.owner != OUR_OWN, LEVEL.c.owner, LEVEL.c.lot)
        batches = [None] if item_ids is None else list(chunks(sorted(item_ids)))
        for batch in batches:
            some = query if batch is None else query.where(LEVEL.c.item_id.in_(batch))
            for item, owner, lot in self._connection.execute(some):
                found.setdefault(item, []).append((owner, lot))
        return found

    def sought(self, not_since: datetime, limit: int = 10_000) -> list[Sought]:
        """What open orders lack, with the places of ours that had it once and have nothing of it free, line by line.

        Without places that counted it after `not_since` or are to count it, lines that it was searched for, and items
        that were searched for any line after `not_since`.
        """
        item = sa.func.coalesce(KIT.c.part_id, ORDER_LINE.c.item_id)
        is_pickup = ORDER.c.delivery_method == DeliveryMethod.PICKUP.value
        was_sought = sa.select(COUNT.c.id).where(
            COUNT.c.name == sa.literal("missing-") + sa.cast(ORDER_LINE.c.id, sa.Text) + sa.literal("-1")
        )
        was_sought_for_others = (
            sa.select(LINE.c.id)
            .join(COUNT, COUNT.c.id == LINE.c.cycle_count_id)
            .where(COUNT.c.name.like("missing-%"), COUNT.c.opened_at > not_since, LINE.c.item_id == LEVEL.c.item_id)
        )
        was_counted = sa.select(OBSERVATION.c.id).where(
            OBSERVATION.c.item_id == LEVEL.c.item_id,
            OBSERVATION.c.location_id == LEVEL.c.location_id,
            OBSERVATION.c.observed_at > not_since,
            OBSERVATION.c.is_booked.is_(True),
        )
        is_to_count = (
            sa.select(LINE.c.id)
            .join(COUNT, COUNT.c.id == LINE.c.cycle_count_id)
            .where(COUNT.c.state == "open", COUNT.c.location_id == LEVEL.c.location_id)
            .where(LINE.c.item_id == LEVEL.c.item_id, LINE.c.booked_at.is_(None))
        )
        last = sa.and_(MOVEMENT.c.stock_level_id == LEVEL.c.id, MOVEMENT.c.sequence == LEVEL.c.sequence)
        query = (
            sa.select(ORDER_LINE.c.id, LEVEL.c.item_id, LEVEL.c.location_id, sa.func.max(MOVEMENT.c.occurred_at))
            .select_from(SHORTFALL)
            .join(ORDER_LINE, ORDER_LINE.c.id == SHORTFALL.c.order_line_id)
            .join(ORDER, ORDER.c.id == ORDER_LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(KIT, KIT.c.kit_id == ORDER_LINE.c.item_id, isouter=True)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(POINT_LOCATION, POINT_LOCATION.c.stock_point_id == POINT.c.id)
            .join(LOCATION, LOCATION.c.id == POINT_LOCATION.c.location_id)
            .join(LEVEL, sa.and_(LEVEL.c.location_id == LOCATION.c.id, LEVEL.c.item_id == item))
            .join(MOVEMENT, last)
            .where(
                UNPLANNED > 0,
                ORDER.c.state == OrderState.OPEN.value,
                IS_SERVED,
                LOCATION.c.master.is_(None),
                LOCATION.c.kind.in_([LocationKind.STORE.value, LocationKind.WAREHOUSE.value]),
                sa.or_(
                    sa.and_(~is_pickup, LOCATION.c.can_ship.is_(True)),
                    sa.and_(is_pickup, LOCATION.c.can_pickup.is_(True), POINT.c.external_id == ORDER.c.stock_point),
                ),
                LEVEL.c.condition == Condition.SELLABLE.value,
                LEVEL.c.on_hand <= LEVEL.c.reserved + LEVEL.c.allocated,
                ~was_sought.exists(),
                ~was_sought_for_others.exists(),
                ~was_counted.exists(),
                ~is_to_count.exists(),
            )
            .group_by(ORDER_LINE.c.id, LEVEL.c.item_id, LEVEL.c.location_id)
            .order_by(ORDER_LINE.c.id, LEVEL.c.location_id, LEVEL.c.item_id)
            .limit(limit)
        )
        return [Sought(*row) for row in self._connection.execute(query)]

    def unit_costs(self, item_ids: Sequence[int]) -> dict[int, Decimal]:
        """The highest price at which a supplier offers each item; items that nobody offers are left out."""
        found: dict[int, Decimal] = {}
        for batch in chunks(sorted(set(item_ids))):
            query = sa.select(OFFER.c.item_id, OFFER.c.unit_cost).where(
                OFFER.c.item_id.in_(batch), OFFER.c.unit_cost.is_not(None)
            )
            for item, cost in self._connection.execute(query):
                found[item] = max(found.get(item, cost), cost)
        return found


def _as_line(row: sa.Row[Any]) -> Line:
    return Line(
        id=row.id,
        item_id=row.item_id,
        sku=row.sku,
        owner=row.owner,
        condition=Condition(row.condition),
        lot=row.lot,
        round=row.round,
        units=row.units,
        counted_at=row.counted_at,
        counted_by=row.counted_by,
        reason=AdjustmentReason(row.reason) if row.reason else None,
        difference=row.difference,
        confirmed_by=row.confirmed_by,
    )
