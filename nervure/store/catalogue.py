"""What the merchant has, in SQL: items by their skus, and what kits and recipes are made of."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import bindings
from nervure.store.policy_log import Change, log, made_of
from nervure.store.statements import KIT, chunks, insert_new, note_items
from nervure.store.tables.catalogue import ITEM
from nervure.store.tables.movements import RECIPE
from nervure.store.tables.skus import ALIAS
from schemas.items import Item
from schemas.policies import Logged


class CatalogueStore:
    """The items of one transaction at one time of the hub's clock.

    What a merchant changes here moves numbers as a sale does: the publications that it concerns are computed again.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put_items(self, items: Sequence[Item]) -> int:
        """Writes items by sku, kits after their parts, and binds the listings that waited for them.

        Answers how many items were new.

        What is told of a sku that its item has given up is not taken: it makes no new item, and changes none.

        Raises:
            KeyError: a kit names a part that does not exist.
        """
        given_up = self.given_up([item.sku for item in items])
        items = [item for item in items if item.sku not in given_up]
        new = insert_new(self._connection, ITEM, [item_row(item) for item in items])
        taken_meanwhile = self.given_up([item.sku for item in items]) if new else set()
        if taken_meanwhile:
            # Somebody renamed an item while its old name waited to be written here.
            new -= self._connection.execute(ITEM.delete().where(ITEM.c.sku.in_(sorted(taken_meanwhile)))).rowcount
            items = [item for item in items if item.sku not in taken_meanwhile]
        ids = bindings.current_ids(self._connection, [item.sku for item in items])
        for batch in chunks(items):
            self._connection.execute(
                ITEM.update()
                .where(ITEM.c.id == sa.bindparam("item"))
                .values(**{name: sa.bindparam(f"new_{name}", type_=ITEM.c[name].type) for name in _REWRITTEN}),
                [
                    {"item": ids[item.sku]} | {f"new_{name}": item_row(item)[name] for name in _REWRITTEN}
                    for item in batch
                ],
            )
        kits = [item for item in items if item.components]
        before = self._recipes(ids.values())
        for some_ids in chunks(sorted(ids.values())):
            self._connection.execute(KIT.delete().where(KIT.c.kit_id.in_(some_ids)))
        parts = self.item_ids([component.sku for kit in kits for component in kit.components])
        for kit in kits:
            # Two names of one item, where one was merged into the other, are one part.
            recipe: Counter[int] = Counter()
            for component in kit.components:
                recipe[parts[component.sku]] += component.units
            self._connection.execute(
                KIT.insert(),
                [{"kit_id": ids[kit.sku], "part_id": part, "units": units} for part, units in recipe.items()],
            )
        after = self._recipes(ids.values())
        changed = {item for item in ids.values() if before.get(item) != after.get(item)}
        made = (Change(Logged.KIT, made_of(after.get(item, {})), item_id=item) for item in sorted(changed))
        log(self._connection, self._now, made)
        note_items(self._connection, self._now, changed)
        self._put_recipes(items, ids)
        bindings.bind_to(self._connection, self._now, ids, [item.gtin for item in items if item.gtin])
        return new

    def _put_recipes(self, items: Sequence[Item], ids: Mapping[str, int]) -> None:
        """Writes what items are assembled from. It moves no number: what is assembled holds stock of its own."""
        for some_ids in chunks(sorted(ids.values())):
            self._connection.execute(RECIPE.delete().where(RECIPE.c.product_id.in_(some_ids)))
        parts = self.item_ids([part.sku for item in items for part in item.recipe])
        rows = [
            {"product_id": ids[item.sku], "part_id": parts[part.sku], "units": part.units}
            for item in items
            for part in item.recipe
        ]
        for batch in chunks(rows):
            self._connection.execute(RECIPE.insert(), batch)

    def _recipes(self, item_ids: Collection[int]) -> dict[int, dict[int, int]]:
        found: dict[int, dict[int, int]] = {}
        for batch in chunks(sorted(item_ids)):
            for row in self._connection.execute(sa.select(KIT).where(KIT.c.kit_id.in_(batch))):
                found.setdefault(row.kit_id, {})[row.part_id] = row.units
        return found

    def item_ids(self, skus: Collection[str]) -> dict[str, int]:
        """Internal ids by sku, or by a sku that the item had before; unknown skus are left out."""
        return bindings.item_ids(self._connection, skus)

    def given_up(self, skus: Collection[str]) -> set[str]:
        """Which of these are former names that their items keep from others."""
        found: set[str] = set()
        for batch in chunks(sorted(set(skus))):
            query = sa.select(ALIAS.c.sku).where(ALIAS.c.sku.in_(batch), ALIAS.c.freed_at.is_(None))
            found.update(self._connection.execute(query).scalars())
        return found

    def cause_sku(self, sku: str) -> str:
        """The name under which causes of an item's movements are written: its first one, however it is called now."""
        before = sa.select(ALIAS.c.origin).where(ALIAS.c.sku == sku, ALIAS.c.freed_at.is_(None))
        renamed = (
            sa.select(ALIAS.c.origin)
            .join(ITEM, ITEM.c.id == ALIAS.c.item_id)
            .where(ITEM.c.sku == sku, ALIAS.c.is_merged.is_(False))
            .order_by(ALIAS.c.id)
            .limit(1)
        )
        is_current = self._connection.execute(sa.select(ITEM.c.id).where(ITEM.c.sku == sku)).first() is not None
        found = self._connection.execute(renamed if is_current else before).scalar()
        return sku if found is None else str(found)

    def skus(self) -> dict[int, str]:
        """Every item's sku by internal id."""
        return {row.id: row.sku for row in self._connection.execute(sa.select(ITEM.c.id, ITEM.c.sku))}

    def skus_of(self, item_ids: Collection[int]) -> dict[int, str]:
        """The skus of these items by internal id."""
        found: dict[int, str] = {}
        for batch in chunks(sorted(item_ids)):
            query = sa.select(ITEM.c.id, ITEM.c.sku).where(ITEM.c.id.in_(batch))
            found.update((row.id, row.sku) for row in self._connection.execute(query))
        return found

    def items_by_gtin(self, gtins: Collection[str]) -> dict[str, list[int]]:
        """Items that carry a GTIN; more than one is ambiguous."""
        return bindings.items_by_gtin(self._connection, gtins)

    def kits(self, item_ids: Collection[int]) -> set[int]:
        """Which of these items are made of others."""
        found: set[int] = set()
        for batch in chunks(sorted(item_ids)):
            found.update(self._connection.execute(sa.select(KIT.c.kit_id).where(KIT.c.kit_id.in_(batch))).scalars())
        return found


_REWRITTEN = (
    "title",
    "kind",
    "gtin",
    "options",
    "tax_class",
    "weight_grams",
    "lot_tracking",
    "temperature_class",
    "size_class",
)


def item_row(item: Item) -> dict[str, object]:
    """An item as a row, without its recipe."""
    return {
        "sku": item.sku,
        "title": item.title,
        "kind": item.kind.value,
        "gtin": item.gtin,
        "options": item.options,
        "tax_class": item.tax_class,
        "weight_grams": item.weight_grams,
        "serial_tracking": item.serial_tracking,
        "lot_tracking": item.lot_tracking.value,
        "temperature_class": item.temperature_class,
        "size_class": item.size_class,
    }
