"""What becomes of skus, in SQL: events, former names, and everything that points to an item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.expiries import LOT
from nervure.store.offers import OFFER
from nervure.store.policy_log import log_recipes
from nervure.store.serial_claims import SERIAL
from nervure.store.statements import CLAIM, KIT, LEVEL, note_items
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.movements import RECIPE
from nervure.store.tables.skus import ALIAS

EVENT = tables.of(tables.ItemEventRow)
MEMBER = tables.of(tables.SubstitutionMemberRow)


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item under its lock."""

    id: int
    sku: str
    is_kit: bool
    has_serials: bool


@dataclass(frozen=True, slots=True)
class LevelUnits:
    """Units on hand of one stock level under its lock."""

    id: int
    location_id: int
    owner: str
    condition: str
    lot: str
    on_hand: int


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """One thing that became of an item. `until`: when it gave up the name `old`."""

    kind: str
    document: str
    occurred_at: datetime
    details: Mapping[str, Any]


class SkuStore:
    """Items and their names in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def lock(self, *skus: str) -> dict[str, ItemState]:
        """Locks the items that have these names now, in the order of their ids, and reads them."""
        ids = self._connection.execute(sa.select(ITEM.c.id).where(ITEM.c.sku.in_(skus))).scalars().all()
        query = sa.select(ITEM).where(ITEM.c.id.in_(sorted(ids))).order_by(ITEM.c.id).with_for_update()
        return {
            row.sku: ItemState(row.id, row.sku, row.kind == "kit", row.serial_tracking)
            for row in self._connection.execute(query)
            if row.sku in skus
        }

    def alias(self, sku: str, at: datetime | None = None) -> int | None:
        """The item that had this name at a time, or (None) that gave it up and keeps it from others."""
        query = sa.select(ALIAS.c.item_id).where(ALIAS.c.sku == sku)
        query = query.where(ALIAS.c.freed_at.is_(None)) if at is None else query.where(ALIAS.c.until > at)
        return self._connection.execute(query.order_by(ALIAS.c.until).limit(1)).scalar_one_or_none()

    def resolve(self, sku: str, at: datetime | None = None) -> int | None:
        """The item that a sku meant at a time (None: that it means now); None: no item ever."""
        if at is not None and (then := self.alias(sku, at)) is not None:
            return then
        current = self._connection.execute(sa.select(ITEM.c.id).where(ITEM.c.sku == sku)).scalar_one_or_none()
        return current if current is not None else self.alias(sku)

    def event(self, document: str) -> ItemEvent | None:
        row = self._connection.execute(sa.select(EVENT).where(EVENT.c.document == document)).one_or_none()
        return None if row is None else ItemEvent(row.kind, row.document, row.occurred_at, row.details)

    def note(self, kind: str, document: str, item_id: int, other_id: int | None, details: Mapping[str, object]) -> None:
        """Writes what became of an item. A document that is known is a broken rule: one event has one document."""
        self._connection.execute(
            EVENT.insert().values(
                kind=kind,
                document=document,
                item_id=item_id,
                other_item_id=other_id,
                details=dict(details),
                occurred_at=self._now,
            )
        )

    def history(self, item_id: int) -> list[ItemEvent]:
        """What became of an item, oldest first."""
        query = (
            sa.select(EVENT)
            .where(sa.or_(EVENT.c.item_id == item_id, EVENT.c.other_item_id == item_id))
            .order_by(EVENT.c.id)
        )
        return [
            ItemEvent(row.kind, row.document, row.occurred_at, row.details) for row in self._connection.execute(query)
        ]

    def names(self, item_id: int) -> list[tuple[str, datetime, datetime | None]]:
        """The names that an item had: (sku, until, freed at), oldest first."""
        query = sa.select(ALIAS).where(ALIAS.c.item_id == item_id).order_by(ALIAS.c.until, ALIAS.c.id)
        return [(row.sku, row.until, row.freed_at) for row in self._connection.execute(query)]

    # -- names -------------------------------------------------------------------------------------------------

    def give_up(self, item_id: int, sku: str, origin: str, *, to_item_id: int | None = None) -> None:
        """An item's name becomes a former name of it, or of the item that it is merged into."""
        self._connection.execute(
            ALIAS.insert().values(
                sku=sku,
                item_id=item_id if to_item_id is None else to_item_id,
                origin=origin,
                is_merged=to_item_id is not None,
                until=self._now,
            )
        )

    def rename(self, item_id: int, sku: str) -> None:
        """Gives an item its new name."""
        self._connection.execute(ITEM.update().where(ITEM.c.id == item_id).values(sku=sku))

    def free(self, sku: str) -> bool:
        """Lets a former name be given to another item; False: nobody keeps it."""
        freed = self._connection.execute(
            ALIAS.update().where(ALIAS.c.sku == sku, ALIAS.c.freed_at.is_(None)).values(freed_at=self._now)
        )
        return freed.rowcount == 1

    # -- what points to an item --------------------------------------------------------------------------------

    def lock_levels(self, item_id: int) -> list[LevelUnits]:
        """Locks every level of an item, in primary-key order: nobody claims of it, or moves it, before the end."""
        query = sa.select(LEVEL).where(LEVEL.c.item_id == item_id).order_by(LEVEL.c.id).with_for_update()
        return [
            LevelUnits(row.id, row.location_id, row.owner, row.condition, row.lot, row.on_hand)
            for row in self._connection.execute(query)
        ]

    def open_claims(self, level_ids: Sequence[int]) -> int:
        """Units that carts and orders hold of these levels."""
        query = sa.select(sa.func.coalesce(sa.func.sum(CLAIM.c.units), 0)).where(
            CLAIM.c.stock_level_id.in_(level_ids), CLAIM.c.state == "held"
        )
        return int(self._connection.execute(query).scalar_one())

    def same_serials(self, item_id: int, other_id: int) -> list[str]:
        """Serial numbers that both items know."""
        theirs = sa.select(SERIAL.c.serial).where(SERIAL.c.item_id == other_id)
        query = sa.select(SERIAL.c.serial).where(SERIAL.c.item_id == item_id, SERIAL.c.serial.in_(theirs))
        return list(self._connection.execute(query.order_by(SERIAL.c.serial)).scalars())

    def has_lots(self, item_id: int) -> bool:
        """Whether lots of an item are known."""
        return self._connection.execute(sa.select(LOT.c.id).where(LOT.c.item_id == item_id)).first() is not None

    def recipe_of(self, item_id: int) -> str | None:
        """A product that is assembled from this item, or by its own recipe; None: there is none."""
        whole = sa.or_(RECIPE.c.part_id == item_id, RECIPE.c.product_id == item_id)
        query = sa.select(ITEM.c.sku).join(RECIPE, RECIPE.c.product_id == ITEM.c.id).where(whole).order_by(ITEM.c.id)
        return self._connection.execute(query.limit(1)).scalar()

    def point_to(self, into_id: int, from_id: int) -> int:
        """Everything that named one item names the other from now on; answers how many listings were bound anew.

        The old one becomes as good as a kit of one of the other: what names it in orders, shortfalls and returns
        takes and gives the other's units.
        """
        rebound = self._connection.execute(
            LISTING.update().where(LISTING.c.item_id == from_id).values(item_id=into_id)
        ).rowcount
        for table in (OFFER, SERIAL):
            self._connection.execute(table.update().where(table.c.item_id == from_id).values(item_id=into_id))
        self._connection.execute(
            ALIAS.update().where(ALIAS.c.item_id == from_id).values(item_id=into_id, is_merged=True)
        )
        self._repoint_groups(into_id, from_id)
        kits = self._repoint_kits(into_id, from_id)
        gtin = self._connection.execute(sa.select(ITEM.c.gtin).where(ITEM.c.id == from_id)).scalar_one()
        self._connection.execute(ITEM.update().where(ITEM.c.id == from_id).values(kind="kit", gtin=None))
        self._connection.execute(ITEM.update().where(ITEM.c.id == into_id, ITEM.c.gtin.is_(None)).values(gtin=gtin))
        self._connection.execute(KIT.insert().values(kit_id=from_id, part_id=into_id, units=1))
        log_recipes(self._connection, self._now, {from_id, *kits})
        note_items(self._connection, self._now, [into_id])
        return rebound

    def _repoint_groups(self, into_id: int, from_id: int) -> None:
        """What may take the place of the one may take that of the other; an item stands in no group twice."""
        there = sa.select(MEMBER.c.group_id).where(MEMBER.c.item_id == into_id)
        self._connection.execute(MEMBER.delete().where(MEMBER.c.item_id == from_id, MEMBER.c.group_id.in_(there)))
        self._connection.execute(MEMBER.update().where(MEMBER.c.item_id == from_id).values(item_id=into_id))

    def _repoint_kits(self, into_id: int, from_id: int) -> set[int]:
        uses = {
            row.kit_id: row.units
            for row in self._connection.execute(sa.select(KIT).where(KIT.c.part_id == from_id)).all()
        }
        for kit, units in sorted(uses.items()):
            has_both = self._connection.execute(
                KIT.update().where(KIT.c.kit_id == kit, KIT.c.part_id == into_id).values(units=KIT.c.units + units)
            ).rowcount
            part = sa.and_(KIT.c.kit_id == kit, KIT.c.part_id == from_id)
            self._connection.execute(
                KIT.delete().where(part) if has_both else KIT.update().where(part).values(part_id=into_id)
            )
        return set(uses)

    def copy(self, item_id: int, sku: str) -> int:
        """A new item like another one, but for its name and GTIN."""
        like = self._connection.execute(sa.select(ITEM).where(ITEM.c.id == item_id)).mappings().one()
        values = {name: value for name, value in like.items() if name not in {"id", "sku", "gtin"}}
        return int(self._connection.execute(ITEM.insert().values(sku=sku, **values).returning(ITEM.c.id)).scalar_one())
