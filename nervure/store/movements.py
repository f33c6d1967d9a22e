"""Movements by hand in SQL: levels under lock by their stock key, documents, and what suppliers' goods were used."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from nervure.inventory.movements import Key, Occasion
from nervure.inventory.stock import Place
from nervure.inventory.undo import INSTEAD, KINDS_BY_HAND, UNDO, Booked
from nervure.store.statements import LEVEL, MOVEMENT, chunks
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.movements import RECIPE
from schemas.stock import AdjustmentReason, Condition, MovementKind

_USED = (
    MovementKind.SOLD,
    MovementKind.SHIPPED,
    MovementKind.CONSUMED,
    MovementKind.RETURNED,
    MovementKind.ASSEMBLED,
    MovementKind.DISASSEMBLED,
)


@dataclass(frozen=True, slots=True)
class Used:
    """Units of an owner that were used by one kind of movement; those that came back are taken off."""

    sku: str
    location: str
    lot: str
    kind: str
    units: int


class MovementStore(StockStore):
    """The stock of one transaction, and documents booked by hand."""

    def lock_keys(self, keys: Collection[Key]) -> dict[Key, int]:
        identities = {key: (*key.place, key.owner, key.condition.value, key.lot) for key in keys}
        ids = self._level_ids(set(identities.values()))
        on_hand: dict[int, int] = {}
        for batch in chunks(sorted(ids.values())):
            query = (
                sa.select(LEVEL.c.id, LEVEL.c.on_hand)
                .where(LEVEL.c.id.in_(batch))
                .order_by(LEVEL.c.id)
                .with_for_update()
            )
            on_hand.update((row.id, row.on_hand) for row in self._connection.execute(query))
        return {key: on_hand[ids[identity]] for key, identity in identities.items()}

    def moved(self, occasion: Occasion, item_id: int) -> int | None:
        came = sa.func.sum(sa.case((MOVEMENT.c.units > 0, MOVEMENT.c.units), else_=0))
        left = sa.func.sum(sa.case((MOVEMENT.c.units < 0, -MOVEMENT.c.units), else_=0))
        is_its_own = sa.or_(
            MOVEMENT.c.cause_key == occasion.cause,
            MOVEMENT.c.cause_key.startswith(f"{occasion.cause}|", autoescape=True),
        )
        query = (
            sa.select(came.label("came"), left.label("left"))
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            # What a count had seen was taken back by a movement of its own, under the same document.
            .where(
                MOVEMENT.c.document == occasion.document,
                is_its_own,
                MOVEMENT.c.compensates_id.is_(None),
                LEVEL.c.item_id == item_id,
            )
        )
        found = self._connection.execute(query).one()
        return None if found.came is None else max(int(found.came), int(found.left))

    def recipe(self, product_id: int) -> dict[int, int]:
        """Units of each part in one assembled item; empty: it is not assembled."""
        query = sa.select(RECIPE.c.part_id, RECIPE.c.units).where(RECIPE.c.product_id == product_id)
        return {row.part_id: row.units for row in self._connection.execute(query)}

    def names_of(self, document: str) -> list[str]:
        """Documents of the ledger that are called so, with or without the word for their kind.

        Those that were not booked by hand are named only where no other is called so.
        """
        by_hand = [f"{kind}:{document}" for kind in KINDS_BY_HAND]
        names = [document, *by_hand, *(f"{kind}:{document}" for kind in INSTEAD)]
        query = (
            sa.select(MOVEMENT.c.document)
            .where(MOVEMENT.c.document.in_(names))
            .distinct()
            .order_by(MOVEMENT.c.document)
        )
        found = list(self._connection.execute(query).scalars())
        return [document] if document in found else [one for one in found if one in by_hand] or found

    def of_document(self, document: str) -> list[Booked]:
        """The movements of a document, in the order of booking."""
        later = MOVEMENT.alias("later")
        is_undone = sa.select(later.c.id).where(later.c.cause_key == UNDO + "|" + MOVEMENT.c.cause_key).exists()
        query = (
            sa.select(MOVEMENT, LEVEL, LOCATION.c.master, is_undone.label("is_undone"))
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .where(MOVEMENT.c.document == document)
            .order_by(MOVEMENT.c.id)
        )
        return [
            Booked(
                key=Key(Place(row.item_id, row.location_id), row.owner, Condition(row.condition), row.lot),
                kind=MovementKind(row.kind),
                units=row.units,
                cause_key=row.cause_key,
                document=row.document,
                occurred_at=row.occurred_at,
                is_ours=row.master is None,
                is_undone=row.is_undone,
                compensates=row.compensates_id is not None,
            )
            for row in self._connection.execute(query)
        ]

    def used(self, owner: str, since: datetime, until: datetime) -> list[Used]:
        """What an owner's goods were used for, by what was heard in [since, until), undone movements taken off.

        A movement stands in the period in which it was heard, so that a period that is over never changes.
        """
        first = MOVEMENT.alias("first")
        is_undo = MOVEMENT.c.document.startswith(f"{UNDO}:", autoescape=True)
        kind = sa.case((is_undo, first.c.kind), else_=MOVEMENT.c.kind)
        reason = sa.case((is_undo, first.c.reason), else_=MOVEMENT.c.reason)
        is_bought = reason == AdjustmentReason.OWNERSHIP_CHANGE.value
        label = sa.case((is_bought, AdjustmentReason.OWNERSHIP_CHANGE.value), else_=kind)
        query = (
            sa.select(ITEM.c.sku, LOCATION.c.code, LEVEL.c.lot, label.label("kind"), -sa.func.sum(MOVEMENT.c.units))
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .join(first, first.c.id == MOVEMENT.c.compensates_id, isouter=True)
            .where(
                LEVEL.c.owner == owner,
                MOVEMENT.c.recorded_at >= since,
                MOVEMENT.c.recorded_at < until,
                sa.or_(kind.in_([one.value for one in _USED]), is_bought),
            )
            .group_by(ITEM.c.sku, LOCATION.c.code, LEVEL.c.lot, label)
            .having(sa.func.sum(MOVEMENT.c.units) != 0)
            .order_by(ITEM.c.sku, LOCATION.c.code, LEVEL.c.lot, label)
        )
        return [
            Used(sku, code, lot, kind_, int(units)) for sku, code, lot, kind_, units in self._connection.execute(query)
        ]
