"""The hub's side of the emulated merchant: its accounts, what it knows at first, and whether it has come to rest."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from connectors.registry import channels as known_channels
from connectors.registry import suppliers as known_suppliers
from connectors.transport import Send
from nervure.clock import Clock
from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry
from nervure.inventory.stock import Place as StockPlace
from nervure.operations.drain import drain
from nervure.operations.hub import Account as HubAccount
from nervure.operations.hub import Hub, SupplierAccount
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import pull_catalogue
from nervure.operations.suppliers import pull_offers
from nervure.operations.webhooks import callback_url
from nervure.store.catalogue import CatalogueStore
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.locations import LocationStore
from nervure.store.reports import ReportStore
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from schemas.items import Item, ItemKind, KitComponent
from schemas.locations import Address, Coordinates, Location, LocationKind
from schemas.stock import MovementKind
from simulation.accounts import SUPPLIER_NAME, Account, supplier_settings
from simulation.catalogue import PLACES, STORES, SUPPLIER
from simulation.world import World

SUPPLIER_TTL_SECONDS = 6 * 3600.0
FILLING_PAUSE_SECONDS = 5.0


def open_hub(
    world: World,
    database: Database,
    wire: Callable[[str, str], Send] | None = None,
    clock: Clock | None = None,
) -> Hub:
    """A hub that knows the world's accounts. `wire` None: straight to the platforms; `clock` None: the world's own."""
    return Hub(
        database=database,
        clock=clock or world.clock,
        accounts={account.name: hub_account(account) for account in world.accounts.values()},
        suppliers={SUPPLIER_NAME: hub_supplier()},
        wire=wire or (lambda name, url: world.answer("supplier" if name == SUPPLIER_NAME else name)),
        callback_url="https://hub.example",
    )


def write_merchant(
    hub: Hub, world: World, *, buffer_units: int = 0, accept_within_seconds: float | None = None
) -> None:
    """Writes items, locations, channels and opening stock into an empty database; stores accept within a time."""
    now = hub.clock.now()
    with hub.database.write() as connection:
        catalogue = CatalogueStore(connection, now)
        catalogue.put_items(
            [
                Item(
                    sku=good.sku,
                    title=good.entry.title,
                    kind=ItemKind.KIT if good.parts else ItemKind.SIMPLE,
                    components=tuple(KitComponent(sku=sku, units=units) for sku, units in good.parts.items()),
                )
                for good in world.goods
            ]
        )
        locations = write_places(LocationStore(connection, now), accept_within_seconds=accept_within_seconds)
        for account in world.accounts.values():
            StockPointStore(connection, now).put_channel(
                account.name,
                account.platform,
                buffer_units=buffer_units,
                stock_points={point: [locations[c] for c in codes] for point, codes in account.stock_points.items()},
                orders_since=now,
            )
        items = catalogue.item_ids([good.sku for good in world.goods])
        opening = [
            Entry(
                place=StockPlace(items[sku], locations[place]),
                kind=MovementKind.RECEIVED,
                units=units,
                cause_key=f"opening|{sku}|{place}",
                occurred_at=now,
            )
            for (sku, place), units in sorted(world.stock.items())
            if units and place != SUPPLIER.code
        ]
        book(StockStore(connection, now), opening)


def fill_shelves(hub: Hub, world: World) -> None:
    """Listings are bound, webhooks subscribed, the feed read, and every shelf filled, before the doors open."""
    pull_offers(hub, SUPPLIER_NAME)
    for name, account in world.accounts.items():
        pull_catalogue(hub, name)
        if account.has_webhooks:
            hub.connection(name).ensure_webhooks(callback_url(hub, name))
    while drain(hub).handled:
        pass
    while not is_quiet(hub):
        while refresh(hub):
            pass
        for name in world.accounts:
            publish(hub, name)
        hub.clock.sleep(FILLING_PAUSE_SECONDS)


def is_quiet(hub: Hub) -> bool:
    """Whether nothing waits in the hub."""
    with hub.database.read() as connection:
        return ReportStore(connection, hub.clock.now()).is_quiet()


def has_come_to_rest(hub: Hub, world: World, ended_at: datetime) -> bool:
    """Everything until `ended_at` heard, shipped, told and shown, and the supplier's last word heard."""
    with hub.database.read() as connection:
        now = hub.clock.now()
        reports, states = ReportStore(connection, now), ChannelStore(connection, now)
        if not reports.is_quiet() or reports.fulfillments_before(now, with_suppliers=True):
            return False
        heard = [states.get(name).orders_heard_until for name in world.accounts]
        feed = states.feed_as_of(SUPPLIER_NAME)
    if any(until is None or until <= ended_at for until in heard):
        return False
    if feed is None or feed < world.supplier.changed_at:
        return False
    return all(not account.emulator.due_webhooks(now) for account in world.accounts.values())


def hub_account(account: Account, url: str | None = None) -> HubAccount:
    """The hub's side of an emulated account."""
    record = known_channels()[account.platform]
    secrets: dict[str, Any] = dict(account.secrets)
    if "webhook_secrets" in secrets:
        secrets["webhook_secrets"] = (secrets["webhook_secrets"],)
    settings = record.settings.model_validate(
        {"name": account.name, "url": url or f"http://{account.path}.example", **account.settings, **secrets}
    )
    return HubAccount(record, settings, account.order_poll_seconds)


def hub_supplier(url: str = "http://supplier.example") -> SupplierAccount:
    """The hub's side of the emulated supplier."""
    record = known_suppliers()["supplier_feed"]
    values = supplier_settings(ttl_seconds=SUPPLIER_TTL_SECONDS) | {"url": url}
    own = {name: value for name, value in values.items() if name not in ("platform", "location")}
    return SupplierAccount(record, record.settings.model_validate(own))


def write_places(locations: LocationStore, *, accept_within_seconds: float | None = None) -> dict[str, int]:
    """Writes the merchant's locations; answers their ids by code. `accept_within_seconds`: of the stores."""
    return {
        place.code: locations.put(
            Location(
                code=place.code,
                name=place.name,
                kind=LocationKind(place.kind),
                address=Address(country="FR", postal_code=place.postal_code, city=place.city),
                coordinates=Coordinates(latitude=place.latitude, longitude=place.longitude),
                can_pickup=place in STORES,
                accept_within_seconds=accept_within_seconds if place in STORES else None,
            ),
            master=SUPPLIER_NAME if place == SUPPLIER else None,
            ttl_seconds=SUPPLIER_TTL_SECONDS if place == SUPPLIER else None,
        )
        for place in PLACES
    }
