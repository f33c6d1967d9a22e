"""What a file of master data or opening stock is compared with, read under lock where it will be written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.store.catalogue import item_row
from nervure.store.statements import KIT, LEVEL, MOVEMENT, OBSERVATION, are_among, as_rows, chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.movements import RECIPE
from nervure.store.tables.skus import ALIAS
from schemas.items import Item, LotTracking
from schemas.stock import OUR_OWN, Condition

OPENING = "opening"
"""The version under which the number that a place was opened with is kept."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as it stands in the hub; `parts` of a kit and `recipe` of assembled goods are units by sku."""

    id: int
    title: str
    kind: str
    gtin: str | None
    options: Mapping[str, str]
    tax_class: str | None
    weight_grams: int | None
    lot_tracking: LotTracking
    temperature_class: str | None
    size_class: str | None
    parts: Mapping[str, int] = field(default_factory=dict)
    recipe: Mapping[str, int] = field(default_factory=dict)


class ImportStore:
    """Comparison of one batch of rows within one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- items -------------------------------------------------------------------------------------------------

    def add_items(self, items: Sequence[Item]) -> None:
        """Makes the rows of items that are not there yet, without their recipes: so that they can be locked."""
        rows = [item_row(item) for item in sorted(items, key=lambda item: item.sku)]
        if insert_new(self._connection, ITEM, rows):
            # Somebody may have renamed an item while its old name waited to be written here.
            given_up = sa.select(ALIAS.c.sku).where(ALIAS.c.freed_at.is_(None))
            for batch in chunks(sorted(item.sku for item in items)):
                self._connection.execute(ITEM.delete().where(ITEM.c.sku.in_(batch), ITEM.c.sku.in_(given_up)))

    def items(self, skus: Collection[str], *, locked: bool) -> dict[str, StoredItem]:
        """Items by sku as they stand now; `locked`: until the end of the transaction."""
        rows: list[sa.Row[*tuple[Any, ...]]] = []
        for batch in chunks(sorted(set(skus))):
            query = sa.select(ITEM).where(ITEM.c.sku.in_(batch)).order_by(ITEM.c.id)
            rows.extend(self._connection.execute(query.with_for_update() if locked else query))
        parts = self._made_of(KIT, KIT.c.kit_id, [row.id for row in rows if row.kind == "kit"])
        recipes = self._made_of(RECIPE, RECIPE.c.product_id, [row.id for row in rows if row.kind == "simple"])
        return {
            row.sku: StoredItem(
                row.id,
                row.title,
                row.kind,
                row.gtin,
                row.options or {},
                row.tax_class,
                row.weight_grams,
                LotTracking(row.lot_tracking),
                row.temperature_class,
                row.size_class,
                parts.get(row.id, {}),
                recipes.get(row.id, {}),
            )
            for row in rows
        }

    def _made_of(
        self, table: sa.Table, whole: sa.ColumnElement[int], item_ids: Collection[int]
    ) -> dict[int, dict[str, int]]:
        """Units of each part, by sku, of each of these items."""
        found: dict[int, dict[str, int]] = {}
        for batch in chunks(sorted(item_ids)):
            query = sa.select(whole, ITEM.c.sku, table.c.units).join(table, ITEM.c.id == table.c.part_id)
            for item, sku, units in self._connection.execute(query.where(whole.in_(batch))):
                found.setdefault(item, {})[sku] = units
        return found

    def with_lots(self, item_ids: Collection[int]) -> set[int]:
        """Which of these items ask for lots."""
        found: set[int] = set()
        for batch in chunks(sorted(item_ids)):
            query = sa.select(ITEM.c.id).where(ITEM.c.id.in_(batch), ITEM.c.lot_tracking != LotTracking.NONE.value)
            found.update(self._connection.execute(query).scalars())
        return found

    def kinds(self, item_ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """The sku that each item has now, and its kind."""
        found: dict[int, tuple[str, str]] = {}
        for batch in chunks(sorted(set(item_ids))):
            query = sa.select(ITEM.c.id, ITEM.c.sku, ITEM.c.kind).where(ITEM.c.id.in_(batch))
            found.update({number: (sku, kind) for number, sku, kind in self._connection.execute(query)})
        return found

    def with_stock(self, item_ids: Collection[int]) -> set[int]:
        """Which of these items were ever moved by themselves."""
        found: set[int] = set()
        for batch in chunks(sorted(item_ids)):
            query = sa.select(LEVEL.c.item_id).where(LEVEL.c.item_id.in_(batch), LEVEL.c.sequence > 0)
            found.update(self._connection.execute(query).scalars())
        return found

    def parts_of_kits(self, item_ids: Collection[int]) -> set[int]:
        """Which of these items are parts of a kit."""
        found: set[int] = set()
        for batch in chunks(sorted(item_ids)):
            query = sa.select(KIT.c.part_id).where(KIT.c.part_id.in_(batch))
            found.update(self._connection.execute(query).scalars())
        return found

    # -- locations ---------------------------------------------------------------------------------------------

    def locations(self, *, locked: bool = False) -> dict[str, Mapping[str, Any]]:
        """Every location's columns by its code."""
        query = sa.select(LOCATION).order_by(LOCATION.c.id)
        found = self._connection.execute(query.with_for_update() if locked else query).mappings()
        return {row["code"]: dict(row) for row in found}

    # -- opening stock -----------------------------------------------------------------------------------------

    def booked(self, cause_keys: Collection[str]) -> dict[str, int]:
        """Units of the movements with these causes."""
        found: dict[str, int] = {}
        for batch in chunks(sorted(set(cause_keys))):
            query = sa.select(MOVEMENT.c.cause_key, MOVEMENT.c.units).where(MOVEMENT.c.cause_key.in_(batch))
            found.update((row.cause_key, row.units) for row in self._connection.execute(query))
        return found

    def lock_places(self, places: Collection[Place]) -> None:
        """Makes the levels of our own sellable units there and locks them: nobody books there until we end."""
        rows = [
            {
                "item_id": place.item_id,
                "location_id": place.location_id,
                "owner": OUR_OWN,
                "condition": Condition.SELLABLE.value,
                "lot": "",
                "on_hand": 0,
                "reserved": 0,
                "allocated": 0,
                "sequence": 0,
            }
            for place in sorted(set(places))
        ]
        insert_new(self._connection, LEVEL, rows)
        for batch in chunks(sorted(set(places)), 1_000):
            here = are_among((LEVEL.c.item_id, LEVEL.c.location_id), self._connection.dialect.name)
            query = sa.select(LEVEL.c.id).where(here).order_by(LEVEL.c.id).with_for_update()
            self._connection.execute(query, as_rows(batch)).all()

    def moved(self, places: Collection[Place]) -> set[Place]:
        """Those of the places where something was booked, of any owner, condition or lot."""
        found: set[Place] = set()
        for batch in chunks(sorted(set(places)), 1_000):
            here = are_among((LEVEL.c.item_id, LEVEL.c.location_id), self._connection.dialect.name)
            query = sa.select(LEVEL.c.item_id, LEVEL.c.location_id).where(here, LEVEL.c.sequence > 0).distinct()
            rows = self._connection.execute(query, as_rows(batch))
            found.update(Place(item, location) for item, location in rows)
        return found

    def on_hand(self, places: Collection[Place], until: datetime) -> dict[Place, int]:
        """Sellable units there, of all owners and lots, by the movements that occurred until then."""
        found: dict[Place, int] = {}
        for batch in chunks(sorted(set(places)), 1_000):
            query = (
                sa.select(LEVEL.c.item_id, LEVEL.c.location_id, sa.func.sum(MOVEMENT.c.units))
                .join(MOVEMENT, MOVEMENT.c.stock_level_id == LEVEL.c.id)
                .where(
                    are_among((LEVEL.c.item_id, LEVEL.c.location_id), self._connection.dialect.name),
                    LEVEL.c.condition == Condition.SELLABLE.value,
                    MOVEMENT.c.occurred_at <= until,
                )
                .group_by(LEVEL.c.item_id, LEVEL.c.location_id)
            )
            rows = self._connection.execute(query, as_rows(batch))
            found.update({Place(item, location): int(units) for item, location, units in rows})
        return found

    def opened(self, places: Collection[Place]) -> set[Place]:
        """Those of the places whose opening number was kept as an observation."""
        found: set[Place] = set()
        for batch in chunks(sorted(set(places)), 1_000):
            query = sa.select(OBSERVATION.c.item_id, OBSERVATION.c.location_id).where(
                are_among((OBSERVATION.c.item_id, OBSERVATION.c.location_id), self._connection.dialect.name),
                OBSERVATION.c.version == OPENING,
            )
            rows = self._connection.execute(query, as_rows(batch))
            found.update(Place(item, location) for item, location in rows)
        return found

    def note_opening(self, location_ids: Collection[int], at: datetime) -> None:
        """The stock of these locations is known since `at`; an earlier opening is kept."""
        self._connection.execute(
            LOCATION.update()
            .where(LOCATION.c.id.in_(sorted(set(location_ids))), LOCATION.c.opened_at.is_(None))
            .values(opened_at=at)
        )
