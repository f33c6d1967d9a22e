"""Serial numbers and EPCs in SQL: a unit is known once, and taken once because the database says so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.store.serial_claims import SERIAL, SERIAL_CLAIM
from nervure.store.statements import CLAIM, KIT, LEVEL, chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE
from schemas.stock import Condition


@dataclass(frozen=True, slots=True)
class SerialState:
    """One single unit. `location` None: it has left. `line`: the fulfillment line that has it, open or gone with it."""

    id: int
    item_id: int
    sku: str
    serial: str
    epc: str | None
    location_id: int | None
    location: str | None
    condition: str
    state: str
    document: str
    line: int | None


@dataclass(frozen=True, slots=True)
class FulfillmentUnits:
    """What one line of a fulfillment order has of one item, and how many of these units are named."""

    line_id: int
    order_id: int
    item_id: int
    location_id: int
    location: str
    state: str
    units: int
    named: int


class SerialStore:
    """The single units of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def set_tracking(self, item_id: int, *, is_tracked: bool) -> None:
        """Whether single units of an item are known by serial number."""
        self._connection.execute(ITEM.update().where(ITEM.c.id == item_id).values(serial_tracking=is_tracked))

    def is_tracked(self, item_id: int) -> bool:
        return bool(self._connection.execute(sa.select(ITEM.c.serial_tracking).where(ITEM.c.id == item_id)).scalar())

    def find(
        self, texts: Collection[str], item_ids: Collection[int] | None = None, *, locked: bool = True
    ) -> list[SerialState]:
        """Reads the units of these serials or EPCs under their locks, by id; `item_ids` None: of any item."""
        ids: list[int] = []
        for batch in chunks(sorted(set(texts))):
            query = sa.select(SERIAL.c.id).where(SERIAL.c.serial.in_(batch) | SERIAL.c.epc.in_(batch))
            if item_ids is not None:
                query = query.where(SERIAL.c.item_id.in_(sorted(item_ids)))
            ids.extend(self._connection.execute(query).scalars())
        found: list[SerialState] = []
        for id_batch in chunks(sorted(ids)):
            lock = sa.select(SERIAL.c.id).where(SERIAL.c.id.in_(id_batch)).order_by(SERIAL.c.id).with_for_update()
            if locked:
                self._connection.execute(lock).all()
            found.extend(self._read(id_batch))
        return found

    def _read(self, ids: Collection[int]) -> list[SerialState]:
        query = (
            sa.select(SERIAL, ITEM.c.sku, LOCATION.c.code, SERIAL_CLAIM.c.fulfillment_line_id)
            .join(ITEM, ITEM.c.id == SERIAL.c.item_id)
            .join(LOCATION, LOCATION.c.id == SERIAL.c.location_id, isouter=True)
            .join(
                SERIAL_CLAIM,
                sa.and_(SERIAL_CLAIM.c.serial_id == SERIAL.c.id, SERIAL_CLAIM.c.ended_at.is_(None)),
                isouter=True,
            )
            .where(SERIAL.c.id.in_(ids))
            .order_by(SERIAL.c.id)
        )
        return [
            SerialState(
                row.id,
                row.item_id,
                row.sku,
                row.serial,
                row.epc,
                row.location_id,
                row.code,
                row.condition,
                row.state,
                row.document,
                row.fulfillment_line_id,
            )
            for row in self._connection.execute(query)
        ]

    def at(self, place: Place) -> list[SerialState]:
        """The single units known at one place, by id."""
        query = sa.select(SERIAL.c.id).where(
            SERIAL.c.item_id == place.item_id, SERIAL.c.location_id == place.location_id
        )
        return [one for batch in chunks(sorted(self._connection.execute(query).scalars())) for one in self._read(batch)]

    def add(self, place: Place, epc_by_serial: Mapping[str, str | None], document: str) -> int:
        """Writes units that are not known yet; answers how many were new: serial and EPC are unique."""
        rows = [
            {
                "item_id": place.item_id,
                "serial": serial,
                "epc": epc,
                "location_id": place.location_id,
                "condition": Condition.SELLABLE.value,
                "state": "here",
                "document": document,
                "changed_at": self._now,
            }
            for serial, epc in epc_by_serial.items()
        ]
        return insert_new(self._connection, SERIAL, rows)

    def put(self, serial_ids: Sequence[int], location_id: int, document: str) -> None:
        """Units lie at another location now."""
        for batch in chunks(sorted(serial_ids)):
            self._connection.execute(
                SERIAL.update()
                .where(SERIAL.c.id.in_(batch), SERIAL.c.state == "here")
                .values(location_id=location_id, document=document, changed_at=self._now)
            )

    def units_there(self, place: Place) -> tuple[int, int]:
        """Units on hand at a place in any condition, and how many single units are known there."""
        on_hand = sa.select(sa.func.coalesce(sa.func.sum(LEVEL.c.on_hand), 0)).where(
            LEVEL.c.item_id == place.item_id, LEVEL.c.location_id == place.location_id
        )
        known = sa.select(sa.func.count()).where(
            SERIAL.c.item_id == place.item_id, SERIAL.c.location_id == place.location_id
        )
        return int(self._connection.execute(on_hand).scalar_one()), int(self._connection.execute(known).scalar_one())

    # -- taking ------------------------------------------------------------------------------------------------

    def fulfillment(self, fulfillment_order_id: int) -> list[FulfillmentUnits]:
        """What a fulfillment order has to send, or has sent, of each item. Who calls holds its order's lock."""
        named = (
            sa.select(SERIAL_CLAIM.c.fulfillment_line_id, SERIAL.c.item_id, sa.func.count().label("units"))
            .join(SERIAL, SERIAL.c.id == SERIAL_CLAIM.c.serial_id)
            .where(SERIAL_CLAIM.c.state.in_(["held", "left"]))
            .group_by(SERIAL_CLAIM.c.fulfillment_line_id, SERIAL.c.item_id)
            .subquery()
        )
        taken = (
            sa.select(CLAIM.c.fulfillment_line_id, LEVEL.c.item_id, sa.func.sum(CLAIM.c.units).label("units"))
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .where(CLAIM.c.state.in_(["held", "consumed"]), CLAIM.c.kind == "allocation")
            .group_by(CLAIM.c.fulfillment_line_id, LEVEL.c.item_id)
            .subquery()
        )
        # What a till handed over was never claimed: there the line itself says how many.
        item = sa.func.coalesce(taken.c.item_id, KIT.c.part_id, LINE.c.item_id)
        units = sa.func.coalesce(taken.c.units, FULFILLMENT_LINE.c.units * sa.func.coalesce(KIT.c.units, 1))
        query = (
            sa.select(
                FULFILLMENT_LINE.c.id,
                FULFILLMENT.c.order_id,
                FULFILLMENT.c.location_id,
                FULFILLMENT.c.state,
                LOCATION.c.code,
                item.label("item"),
                units.label("units"),
                sa.func.coalesce(named.c.units, 0).label("named"),
            )
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(taken, taken.c.fulfillment_line_id == FULFILLMENT_LINE.c.id, isouter=True)
            .join(KIT, sa.and_(KIT.c.kit_id == LINE.c.item_id, taken.c.item_id.is_(None)), isouter=True)
            .join(
                named,
                sa.and_(named.c.fulfillment_line_id == FULFILLMENT_LINE.c.id, named.c.item_id == item),
                isouter=True,
            )
            .where(FULFILLMENT.c.id == fulfillment_order_id, FULFILLMENT_LINE.c.units > 0)
            .order_by(FULFILLMENT_LINE.c.id, item)
        )
        return [
            FulfillmentUnits(
                row.id, row.order_id, row.item, row.location_id, row.code, row.state, int(row.units), int(row.named)
            )
            for row in self._connection.execute(query)
        ]

    def order_of(self, fulfillment_order_id: int) -> int | None:
        query = sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == fulfillment_order_id)
        return self._connection.execute(query).scalar_one_or_none()

    def take(self, serial_id: int, fulfillment_line_id: int, *, has_left: bool) -> bool:
        """Takes one unit for a line; False: somebody has it. The unique index decides, whoever else tries."""
        row = {
            "serial_id": serial_id,
            "fulfillment_line_id": fulfillment_line_id,
            "state": "left" if has_left else "held",
            "created_at": self._now,
            "left_at": self._now if has_left else None,
        }
        return bool(insert_new(self._connection, SERIAL_CLAIM, [row]))
