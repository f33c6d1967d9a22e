"""Lots in SQL: what is known of each, what lies of it where, and what has expired."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.movements import Key
from nervure.inventory.stock import Place
from nervure.store.expiries import LOT, expiries_of
from nervure.store.statements import CLAIM, LEVEL, insert_new, note_items
from nervure.store.tables.catalogue import ITEM, LOCATION
from schemas.items import LotTracking
from schemas.stock import Condition


@dataclass(frozen=True, slots=True)
class LotStock:
    """Units of one stock key of a lot; the lot is empty where none was asked for."""

    lot: str
    expires_on: date | None
    location: str
    owner: str
    condition: str
    on_hand: int
    claimed: int


@dataclass(frozen=True, slots=True)
class Expired:
    """A sellable level whose lot has expired: its key, the units that no cart holds, and how often it was moved."""

    level_id: int
    key: Key
    units: int
    sequence: int


class LotStore:
    """The lots of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def tracking(self, item_id: int) -> LotTracking:
        """What an item asks of its receipts."""
        query = sa.select(ITEM.c.lot_tracking).where(ITEM.c.id == item_id)
        return LotTracking(self._connection.execute(query).scalar_one())

    def expires_on(self, item_id: int, lot: str) -> date | None:
        """The last day of a lot; None: it is not known, or has none."""
        query = sa.select(LOT.c.expires_on).where(LOT.c.item_id == item_id, LOT.c.name == lot)
        found: date | None = self._connection.execute(query).scalar_one_or_none()
        return found

    def put(self, item_id: int, lot: str, expires_on: date | None) -> date | None:
        """Writes a lot that is new; answers the last day that is known of it, which a day given first decides."""
        is_new = insert_new(self._connection, LOT, [{"item_id": item_id, "name": lot, "expires_on": expires_on}])
        if is_new and expires_on is not None:
            # It may have been counted somewhere before anybody said what it is.
            self._date_levels(item_id, lot)
        this = sa.and_(LOT.c.item_id == item_id, LOT.c.name == lot)
        if expires_on is not None:
            first = LOT.update().where(this, LOT.c.expires_on.is_(None)).values(expires_on=expires_on)
            if self._connection.execute(first).rowcount:
                self._date_levels(item_id, lot)
        found: date | None = self._connection.execute(sa.select(LOT.c.expires_on).where(this)).scalar_one()
        return found

    def correct(self, item_id: int, lot: str, expires_on: date) -> bool:
        """Writes another last day of a lot; False: there is no such lot."""
        changed = self._connection.execute(
            LOT.update().where(LOT.c.item_id == item_id, LOT.c.name == lot).values(expires_on=expires_on)
        )
        if changed.rowcount:
            self._date_levels(item_id, lot)
        return changed.rowcount == 1

    def _date_levels(self, item_id: int, lot: str) -> None:
        here = sa.and_(LEVEL.c.item_id == item_id, LEVEL.c.lot == lot)
        query = sa.select(LEVEL.c.id, LEVEL.c.location_id).where(here).order_by(LEVEL.c.id).with_for_update()
        rows = self._connection.execute(query).all()
        expiries = expiries_of(self._connection, {(item_id, row.location_id, lot) for row in rows})
        for row in rows:
            expiry = expiries.get((item_id, row.location_id, lot))
            self._connection.execute(LEVEL.update().where(LEVEL.c.id == row.id).values(expires_at=expiry))
        if rows:
            note_items(self._connection, self._now, [item_id])

    def stock(self, item_id: int) -> list[LotStock]:
        """What lies of each lot, the first to expire first; keys without units are left out."""
        query = (
            sa.select(LEVEL, LOCATION.c.code, LOT.c.expires_on)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .join(LOT, sa.and_(LOT.c.item_id == LEVEL.c.item_id, LOT.c.name == LEVEL.c.lot), isouter=True)
            .where(LEVEL.c.item_id == item_id, LEVEL.c.on_hand != 0)
            .order_by(
                sa.func.coalesce(LOT.c.expires_on, sa.literal(date.max)), LEVEL.c.lot, LOCATION.c.code, LEVEL.c.id
            )
        )
        return [
            LotStock(
                row.lot, row.expires_on, row.code, row.owner, row.condition, row.on_hand, row.reserved + row.allocated
            )
            for row in self._connection.execute(query)
        ]

    def expired(self, limit: int = 500) -> list[Expired]:
        """Sellable levels with units whose lot has expired, in primary-key order; carts keep theirs until they end."""
        query = (
            sa.select(LEVEL)
            .where(
                LEVEL.c.expires_at <= self._now,
                LEVEL.c.condition == Condition.SELLABLE.value,
                LEVEL.c.on_hand > LEVEL.c.reserved,
            )
            .order_by(LEVEL.c.id)
            .limit(limit)
        )
        return [
            Expired(
                row.id,
                Key(Place(row.item_id, row.location_id), row.owner, lot=row.lot),
                row.on_hand - row.reserved,
                row.sequence,
            )
            for row in self._connection.execute(query)
        ]

    def lines_on(self, level_ids: Collection[int]) -> list[int]:
        """Fulfillment lines that hold units of these levels, the oldest claim first."""
        query = (
            sa.select(CLAIM.c.fulfillment_line_id)
            .where(
                CLAIM.c.stock_level_id.in_(sorted(level_ids)),
                CLAIM.c.state == "held",
                CLAIM.c.fulfillment_line_id.is_not(None),
            )
            .order_by(CLAIM.c.id)
        )
        return list(dict.fromkeys(self._connection.execute(query).scalars()))
