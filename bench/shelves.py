"""A small merchant: items on one location, put there by the hub's own code."""

from collections.abc import Sequence
from datetime import UTC, datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, Database
from nervure.store.locations import LocationStore
from nervure.store.stock import StockStore
from schemas.items import Item, ItemKind
from schemas.locations import Location, LocationKind
from schemas.stock import MovementKind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LOCATION = "warehouse"


def skus(count: int) -> list[str]:
    return [f"SKU-{number:05d}" for number in range(count)]


def stock_up(database: Database, count: int, *, units: int) -> list[Place]:
    """Makes items and brings `units` of each; 0 units make no stock level."""

    def work(connection: Connection) -> list[Place]:
        catalogue = CatalogueStore(connection, NOW)
        location = LocationStore(connection, NOW).put(
            Location(code=LOCATION, name="Warehouse", kind=LocationKind.WAREHOUSE, time_zone="Europe/Paris")
        )
        catalogue.put_items([Item(sku=sku, title=sku, kind=ItemKind.SIMPLE) for sku in skus(count)])
        ids = catalogue.item_ids(skus(count))
        places = [Place(ids[sku], location) for sku in skus(count)]
        if units:
            book(StockStore(connection, NOW), received(places, units, "opening"))
        return places

    return database.run(work)


def received(places: Sequence[Place], units: int, cause: str) -> list[Entry]:
    """A receipt at each place; `cause` makes them new."""
    return [
        Entry(place, MovementKind.RECEIVED, units, f"{cause}|{number}", NOW, document=cause)
        for number, place in enumerate(places)
    ]
