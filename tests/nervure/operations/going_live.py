"""A merchant who has been selling for long on the emulated platforms, and a hub that has just been installed."""

import json
from collections.abc import Mapping

from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import ManualClock
from nervure.operations.hub import Hub
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.locations import LocationStore
from nervure.store.stock_points import StockPointStore
from schemas.items import Item, ItemKind, KitComponent
from simulation.accounts import SUPPLIER_NAME, open_accounts, open_supplier
from simulation.catalogue import SUPPLIER
from simulation.hubs import hub_account, hub_supplier, write_places
from simulation.platform import ShelfCause
from simulation.world import World
from tests.simulation.merchants import GOODS, POINTS, START, Merchant

PHYSICAL = {("MUG", "WH-LYON"): 20, ("MUG", "ST-PARIS"): 3, ("TRAY", "WH-LYON"): 10, ("TRAY", SUPPLIER.code): 0}
SHOPS = ("webshop", "boutique", "marketplace")


def going_live(database: Database, physical: Mapping[tuple[str, str], int] | None = None) -> Merchant:
    """The hub knows items and places, no stock and no listing, and each of its channels is gated."""
    there = dict(PHYSICAL if physical is None else physical)
    clock = ManualClock(START)
    accounts = {account.name: account for account in open_accounts()}
    world = World(GOODS, there, accounts, open_supplier(), clock)
    world.open()
    hub = Hub(
        database=database,
        clock=clock,
        accounts={account.name: hub_account(account) for account in accounts.values()},
        suppliers={SUPPLIER_NAME: hub_supplier()},
        wire=lambda name, url: merchant.send(name),
        callback_url="https://hub.example",
    )
    merchant = Merchant(world, hub, clock)
    return merchant


def install(merchant: Merchant) -> None:
    """The hub is set up, some time after the shops were."""
    now = merchant.clock.now()
    with merchant.hub.database.write() as connection:
        catalogue = CatalogueStore(connection, now)
        catalogue.put_items(
            [
                Item(
                    sku=good.sku,
                    title=good.entry.title,
                    gtin=good.entry.gtin,
                    kind=ItemKind.KIT if good.parts else ItemKind.SIMPLE,
                    components=tuple(KitComponent(sku=sku, units=units) for sku, units in good.parts.items()),
                )
                for good in GOODS
            ]
        )
        places = write_places(LocationStore(connection, now))
        for account in merchant.world.accounts.values():
            StockPointStore(connection, now).put_channel(
                account.name,
                account.platform,
                buffer_units=0,
                stock_points={point: [places[code] for code in codes] for point, codes in account.stock_points.items()},
                orders_since=now,
                needs_cutover=True,
            )


def show(merchant: Merchant, account: str, **units: int) -> None:
    """Somebody, or an old tool, writes numbers into a live system."""
    for sku, count in units.items():
        merchant.world.accounts[account].emulator.set_shelf(sku, POINTS[account], count, merchant.clock.now())


def written(merchant: Merchant) -> int:
    """How many numbers the hub has written on all platforms."""
    return sum(
        change.cause is ShelfCause.WRITTEN
        for account in merchant.world.accounts.values()
        for change in account.emulator.shelf_log
    )


def changes_something(name: str, request: HttpRequest) -> bool:
    """Whether a request could change anything at its platform. What is not known to be reading counts as changing."""
    match name:
        case "webshop":
            return not json.loads(request.body)["query"].lstrip().startswith("query")
        case "tills":
            return request.method != "GET" and not request.path.split("?")[0].endswith(("/search", "/batch-retrieve"))
        case _:
            return request.method != "GET"


def listen(merchant: Merchant) -> list[tuple[str, str, str]]:
    """Everything that leaves and could change something, from now on: account, method, path."""
    heard: list[tuple[str, str, str]] = []

    def tap(name: str) -> None:
        def passed(answer: Send, request: HttpRequest) -> HttpResponse:
            if changes_something(name, request):
                heard.append((name, request.method, request.path))
            return answer(request)

        merchant.disturb[name] = passed

    for name in (*merchant.world.accounts, SUPPLIER_NAME):
        tap(name)
    return heard
