"""Opening the hub from its settings: database, master data, and the wires to the accounts."""

import csv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from threading import Lock

from pydantic import ValidationError

from connectors.registry import channels as known_channels
from connectors.registry import suppliers as known_suppliers
from connectors.transport import Send, httpx_sender
from nervure.clock import Clock
from nervure.inventory.counts import CountLimits
from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.hub import Account, Hub, SupplierAccount
from nervure.settings import LocationSection, Settings, SettingsError
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, open_database
from nervure.store.inbox import InboxStore
from nervure.store.migrations import upgrade
from nervure.store.scope import ScopeStore
from nervure.store.stock import StockStore
from schemas.items import Item, ItemKind, KitComponent, LotTracking
from schemas.locations import Location, LocationKind
from schemas.stock import MovementKind


@contextmanager
def open_hub(settings: Settings, clock: Clock) -> Iterator[Hub]:
    """Opens the hub that the settings describe: migrates its database and writes its master data.

    Raises:
        SettingsError: a file that the settings name cannot be used.
        DatabaseError: the database cannot be used.
    """
    database = open_database(settings.hub.database)
    with ExitStack() as stack:
        stack.callback(database.close)
        upgrade(database)
        wires = _Wires(stack)
        hub = Hub(
            database=database,
            clock=clock,
            accounts={
                section.account.name: Account(
                    known_channels()[section.platform],
                    section.account,
                    section.order_poll_seconds,
                    creates_items=section.creates_items,
                )
                for section in settings.channels
            },
            suppliers={
                section.exchange.name: SupplierAccount(known_suppliers()[section.platform], section.exchange)
                for section in settings.suppliers
            },
            wire=wires.open,
            callback_url=settings.hub.callback_url,
            personal_data_days=settings.hub.personal_data_days,
            count_limits=CountLimits(
                units=settings.hub.count_limit_units,
                share=settings.hub.count_limit_share,
                value=settings.hub.count_limit_value,
            ),
        )
        database.run(lambda connection: write_master_data(connection, settings, clock.now()))
        yield hub


class _Wires:
    """One HTTP wire for each account, opened when first used, closed with the hub."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[str, Send] = {}
        self._lock = Lock()

    def open(self, account: str, url: str) -> Send:
        with self._lock:
            if account not in self._open:
                self._open[account] = self._stack.enter_context(httpx_sender(url))
            return self._open[account]


def write_master_data(connection: Connection, settings: Settings, now: datetime) -> None:
    """Writes locations, items, channels and opening stock as the settings say; done again it changes nothing.

    What is in the database and not in the settings is kept, and neither written to nor promised.
    """
    catalogue = CatalogueStore(connection, now)
    suppliers = {section.location: section.exchange for section in settings.suppliers}
    locations = {}
    for section in settings.locations:
        exchange = suppliers.get(section.code)
        if exchange is not None and section.kind is not LocationKind.SUPPLIER:
            raise SettingsError(f"location {section.code!r} of supplier {exchange.name!r} must be of kind 'supplier'")
        locations[section.code] = catalogue.put_location(
            Location.model_validate(section.model_dump(exclude={"master"})),
            master=exchange.name if exchange else section.master,
            ttl_seconds=exchange.ttl_seconds if exchange else _ttl_without_exchange(section),
        )
    if settings.hub.items is not None:
        try:
            catalogue.put_items(read_items(settings.hub.items))
        except KeyError as error:
            raise SettingsError(
                f"{settings.hub.items.name}: a kit or a recipe names the part {error}, which is not an item"
            ) from error
    for channel in settings.channels:
        catalogue.put_channel(
            channel.account.name,
            channel.platform,
            buffer_units=channel.buffer_units,
            stock_points={point: [locations[code] for code in codes] for point, codes in channel.stock_points.items()},
            orders_since=now,
        )
    _keep_to(connection, settings, now)
    if settings.hub.opening_stock is not None:
        _open_stock(connection, settings.hub.opening_stock, locations, now)


def _ttl_without_exchange(section: LocationSection) -> float | None:
    """A supplier of whom nobody says what it has (any more) promises nothing."""
    return 0.0 if section.kind is LocationKind.SUPPLIER and section.master is None else None


def _keep_to(connection: Connection, settings: Settings, now: datetime) -> None:
    """What the settings do not name any more is not written to; what they name again comes back."""
    scope = ScopeStore(connection, now)
    scope.keep_locations([section.code for section in settings.locations])
    scope.keep_channels([channel.account.name for channel in settings.channels])
    for channel in scope.settle():
        inbox = InboxStore(connection, now)
        inbox.replay(reason_like=f"channel {channel!r} is not configured")
        inbox.replay(reason_like=f"of channel {channel!r} stands for no location")


def read_items(path: Path) -> list[Item]:
    """Reads items from CSV: sku, title, and optionally gtin, components, recipe, lot_tracking.

    Components ("SKU:2 OTHER:1") make a kit; a recipe, written alike, says what a simple item is assembled from.

    Raises:
        SettingsError: a row cannot be used; nothing of the file is.
    """
    items = []
    for line, row in _rows(path, {"sku", "title"}):
        parts = _parts(row.get("components"))
        try:
            items.append(
                Item(
                    sku=row["sku"],
                    title=row["title"],
                    gtin=row.get("gtin") or None,
                    kind=ItemKind.KIT if parts else ItemKind.SIMPLE,
                    components=tuple(KitComponent(sku=sku, units=int(units)) for sku, units in parts),
                    recipe=tuple(KitComponent(sku=sku, units=int(units)) for sku, units in _parts(row.get("recipe"))),
                    lot_tracking=LotTracking(row.get("lot_tracking") or LotTracking.NONE),
                )
            )
        except (ValidationError, ValueError) as error:
            fault = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise SettingsError(f"{path.name}, line {line}: {fault}") from error
    return sorted(items, key=lambda item: item.kind is ItemKind.KIT)


def _parts(text: str | None) -> list[tuple[str, str]]:
    return [(sku, units) for sku, _, units in (part.rpartition(":") for part in (text or "").split())]


def _open_stock(connection: Connection, path: Path, locations: dict[str, int], now: datetime) -> None:
    rows = _rows(path, {"sku", "location", "units"})
    items = CatalogueStore(connection, now).item_ids([row["sku"] for _, row in rows])
    entries = []
    seen: set[tuple[str, str]] = set()
    for line, row in rows:
        if row["sku"] not in items or row["location"] not in locations or not _is_whole(row["units"]):
            raise SettingsError(f"{path.name}, line {line}: needs a known sku, a known location and whole units")
        if (row["sku"], row["location"]) in seen:
            raise SettingsError(f"{path.name}, line {line}: {row['sku']!r} at {row['location']!r} is there twice")
        seen.add((row["sku"], row["location"]))
        if int(row["units"]):
            entries.append(
                Entry(
                    place=Place(items[row["sku"]], locations[row["location"]]),
                    kind=MovementKind.RECEIVED,
                    units=int(row["units"]),
                    cause_key=cause_key("opening", row["sku"], row["location"]),
                    document="opening",
                    occurred_at=now,
                )
            )
    book(StockStore(connection, now), entries)


def _is_whole(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit()


def _rows(path: Path, needed: set[str]) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = needed - set(reader.fieldnames or ())
            if missing:
                raise SettingsError(f"{path.name} lacks the column {sorted(missing)[0]!r}")
            return [(number, row) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path.name} cannot be read: {error}") from error
