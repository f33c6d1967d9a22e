"""What comes in, and how much can be promised once it is here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from nervure.inventory.incoming import Incoming, Step, future_availability
from nervure.operations.hub import Hub
from nervure.operations.staff import UnknownStockError, item_of
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.incoming import IncomingStore
from nervure.store.locations import LocationStore
from nervure.store.stock import StockStore


@dataclass(frozen=True, slots=True)
class IncomingLine:
    """Units that are expected at a location, in the merchant's words. `expected_on` None: nobody said when."""

    sku: str
    location: str
    units: int
    condition: str
    expected_on: date | None
    is_overdue: bool
    document: str


@dataclass(frozen=True, slots=True)
class Future:
    """How many units can be promised, now and later; and what comes in that no promise is built on."""

    steps: tuple[Step, ...]
    not_promised: tuple[IncomingLine, ...]


def incoming(hub: Hub, sku: str | None = None) -> list[IncomingLine]:
    """Open purchases and transfers under way, by day; for a kit those of its parts.

    Raises:
        UnknownStockError: no such sku.
    """
    with hub.database.read() as connection:
        now = hub.clock.now()
        if sku is None:
            return _named(connection, hub, IncomingStore(connection, now).incoming())
        item = item_of(connection, now, sku)
        parts = StockStore(connection, now).parts_of([item])[item]
        return _named(connection, hub, IncomingStore(connection, now).incoming(parts.keys()))


def future(hub: Hub, sku: str, locations: Sequence[str] = ()) -> Future:
    """How many units of a sku these locations (none: all that promise) can promise, now and later.

    Raises:
        UnknownStockError: no such sku or location.
    """
    with hub.database.read() as connection:
        now = hub.clock.now()
        stock, store = StockStore(connection, now), IncomingStore(connection, now)
        item = item_of(connection, now, sku)
        ids = _location_ids(connection, hub, locations)
        at = [location for location in store.promised_from() if ids is None or location in ids]
        parts = stock.parts_of([item])[item]
        coming = [one for one in store.incoming(parts.keys()) if one.place.location_id in at]
        owed = store.owed(parts.keys(), at)
        steps = future_availability(parts, at, stock.at_items(parts.keys()), coming, owed=owed)
        return Future(tuple(steps), tuple(_named(connection, hub, [one for one in coming if not one.is_promised])))


def _location_ids(connection: Connection, hub: Hub, codes: Sequence[str]) -> set[int] | None:
    known = LocationStore(connection, hub.clock.now()).ids()
    for code in codes:
        if code not in known:
            raise UnknownStockError(f"location {code!r} is not known")
    return {known[code] for code in codes} or None


def _named(connection: Connection, hub: Hub, found: Sequence[Incoming]) -> list[IncomingLine]:
    catalogue = CatalogueStore(connection, hub.clock.now())
    codes = {location: code for code, location in LocationStore(connection, hub.clock.now()).ids().items()}
    skus = catalogue.skus_of({one.place.item_id for one in found})
    return [
        IncomingLine(
            skus[one.place.item_id],
            codes[one.place.location_id],
            one.units,
            one.condition,
            one.expected_on,
            one.is_overdue,
            one.document,
        )
        for one in found
    ]
