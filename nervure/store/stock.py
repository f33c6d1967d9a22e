"""Stock in SQL, as the rules ask for it: what is there, the ledger and the claims of one transaction."""

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa

from nervure.inventory.availability import Parts, PlaceStock
from nervure.inventory.stock import Place
from nervure.store.counts import CountStore
from nervure.store.expiries import is_promised
from nervure.store.holds import HoldStore
from nervure.store.ledger import LedgerStore
from nervure.store.serial_claims import SerialClaimStore
from nervure.store.statements import (
    KIT,
    LEVEL,
    SAFETY,
    chunks,
)
from schemas.stock import Condition


class StockStore(LedgerStore, HoldStore, SerialClaimStore, CountStore):
    """The stock of one transaction at one time of the hub's clock."""

    def parts_of(self, item_ids: Collection[int]) -> dict[int, Parts]:
        """What each item is made of; a simple item is one of itself."""
        parts: dict[int, dict[int, int]] = defaultdict(dict)
        for batch in chunks(sorted(item_ids)):
            query = sa.select(KIT.c.kit_id, KIT.c.part_id, KIT.c.units).where(KIT.c.kit_id.in_(batch))
            for kit, part, units in self._connection.execute(query):
                parts[kit][part] = units
        return {item: parts.get(item) or {item: 1} for item in item_ids}

    def at_items(self, item_ids: Collection[int]) -> dict[Place, PlaceStock]:
        """What stands at every place of these items, without a lock."""
        found: dict[Place, PlaceStock] = {}
        for batch in chunks(sorted(item_ids)):
            held_back = {
                Place(item, location): units
                for item, location, units in self._connection.execute(
                    sa.select(SAFETY.c.item_id, SAFETY.c.location_id, SAFETY.c.units).where(SAFETY.c.item_id.in_(batch))
                )
            }
            query = (
                sa.select(
                    LEVEL.c.item_id,
                    LEVEL.c.location_id,
                    sa.func.sum(LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated),
                )
                .where(
                    LEVEL.c.item_id.in_(batch),
                    LEVEL.c.condition == Condition.SELLABLE.value,
                    is_promised(self._now),
                )
                .group_by(LEVEL.c.item_id, LEVEL.c.location_id)
            )
            for item, location, claimable in self._connection.execute(query).all():
                place = Place(item, location)
                found[place] = PlaceStock(int(claimable), held_back.get(place, 0))
        return found
