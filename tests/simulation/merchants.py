"""A small emulated merchant with a whole hub around it, under a clock moved by hand."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from connectors.errors import ConnectorError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import ManualClock
from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import are_orders_due, pull_catalogue, pull_orders
from nervure.operations.suppliers import pull_offers, pull_replies
from nervure.operations.webhooks import WebhookRefusedError, callback_url, take_webhook
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.locations import LocationStore
from nervure.store.reports import ReportStore
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from schemas.items import Item, ItemKind, KitComponent
from schemas.stock import MovementKind
from simulation.accounts import SUPPLIER_NAME, open_accounts, open_supplier
from simulation.catalogue import SUPPLIER, Good
from simulation.hubs import hub_account, hub_supplier, write_places
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from simulation.server import Postman
from simulation.verdict import Verdict, judge, look
from simulation.world import World

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SHOPPER = Shopper("Ada Invented", "ada@shopper.example", "FR", "75011", "Paris", "1 rue des Essais")
GOODS = (
    Good(CatalogueEntry("MUG", "Mug", Decimal("7.50"), "2000000000015")),
    Good(CatalogueEntry("TRAY", "Tray", Decimal("12.00"), "2000000000022")),
    Good(CatalogueEntry("SET", "Gift box", Decimal("30.00")), parts={"MUG": 2, "TRAY": 1}),
)
STOCK = {
    ("MUG", "WH-LYON"): 6,
    ("MUG", "ST-PARIS"): 3,
    ("TRAY", "WH-LYON"): 4,
    ("TRAY", "ST-LILLE"): 2,
    ("TRAY", SUPPLIER.code): 5,
}
POINTS = {
    "webshop": "gid://shopify/Location/1001",
    "boutique": "1",
    "marketplace": "account",
    "tills": "LSTPARIS",
}


@dataclass
class Merchant:
    """World and hub; `disturb` may stand in the way of an account's requests."""

    world: World
    hub: Hub
    clock: ManualClock
    disturb: dict[str, Callable[[Send, HttpRequest], HttpResponse]] = field(default_factory=dict)

    def send(self, name: str) -> Send:
        """The wire to an account."""
        answer = self.world.answer("supplier" if name == SUPPLIER_NAME else name)

        def sent(request: HttpRequest) -> HttpResponse:
            disturbed = self.disturb.get(name)
            return answer(request) if disturbed is None else disturbed(answer, request)

        return sent

    def open(self) -> None:
        """Everything is bound, subscribed and shown."""
        pull_offers(self.hub, SUPPLIER_NAME)
        for name, account in self.world.accounts.items():
            pull_catalogue(self.hub, name)
            if account.has_webhooks:
                self.hub.connection(name).ensure_webhooks(callback_url(self.hub, name))
        self.rest()

    def turn(self, *, has_webhooks: bool = True) -> None:
        """One turn of everything that the flows do."""
        self.world.advance()
        if has_webhooks:
            self.deliver()
        for name in self.world.accounts:
            if are_orders_due(self.hub, name):
                with suppress(ConnectorError):
                    pull_orders(self.hub, name)
        with suppress(ConnectorError):
            pull_offers(self.hub, SUPPLIER_NAME)
            pull_replies(self.hub, SUPPLIER_NAME)
        while drain(self.hub).handled:
            pass
        while refresh(self.hub):
            pass
        for name in self.world.accounts:
            with suppress(ConnectorError):
                publish(self.hub, name)
        send_messages(self.hub)

    def rest(self, *, has_webhooks: bool = True) -> None:
        """Turns until nothing is waiting and every account was asked since the beginning."""
        begun = self.clock.now()
        for _ in range(80):
            self.turn(has_webhooks=has_webhooks)
            self.clock.advance(15)
            if self.is_quiet() and (self.clock.now() - begun).total_seconds() > 330:
                return
        raise AssertionError("the hub did not come to rest")

    def is_quiet(self) -> bool:
        with self.hub.database.read() as connection:
            return ReportStore(connection, self.clock.now()).is_quiet()

    def verdict(self) -> Verdict:
        """What really happened against what the hub made of it."""
        return judge(self.world.record(), look(self.hub.database, self.clock.now()))

    def deliver(self) -> int:
        """Carries the webhooks that are due to the hub."""
        return sum(
            Postman(account.emulator, self.world.locks[name], self.clock, self.receiver(name)).round()
            for name, account in self.world.accounts.items()
            if account.has_webhooks
        )

    def receiver(self, name: str) -> Send:
        def receive(request: HttpRequest) -> HttpResponse:
            try:
                take_webhook(self.hub, name, request.headers, request.body)
            except WebhookRefusedError as error:
                return HttpResponse(error.status)
            return HttpResponse(200)

        return receive

    def buy(self, account: str, **units: int) -> str:
        """Somebody buys on an account; answers the order's id."""
        lines = [BasketLine(sku, count) for sku, count in units.items()]
        purchase = self.world.buy(account, lines, SHOPPER, POINTS[account])
        assert purchase.order_id is not None
        return purchase.order_id

    def shelf(self, account: str) -> dict[str, int]:
        """What an account shows, at its first stock point."""
        shelf = self.world.accounts[account].emulator.shelf()
        return {sku: units for (sku, point), units in shelf.items() if point == POINTS[account]}


def open_merchant(
    database: Database, stock: Mapping[tuple[str, str], int] | None = None, *, lag_seed: int = 1
) -> Merchant:
    """The merchant with an empty hub: nothing is bound yet. `lag_seed`: how the tills' stamps lie apart."""
    there = dict(STOCK if stock is None else stock)
    clock = ManualClock(START)
    accounts = {account.name: account for account in open_accounts(lag_seed=lag_seed)}
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
    with database.write() as connection:
        catalogue = CatalogueStore(connection, clock.now())
        catalogue.put_items(
            [
                Item(
                    sku=good.sku,
                    title=good.entry.title,
                    kind=ItemKind.KIT if good.parts else ItemKind.SIMPLE,
                    components=tuple(KitComponent(sku=sku, units=units) for sku, units in good.parts.items()),
                )
                for good in GOODS
            ]
        )
        places = write_places(LocationStore(connection, clock.now()))
        for account in accounts.values():
            StockPointStore(connection, clock.now()).put_channel(
                account.name,
                account.platform,
                buffer_units=0,
                stock_points={point: [places[code] for code in codes] for point, codes in account.stock_points.items()},
                orders_since=START,
            )
        items = catalogue.item_ids([good.sku for good in GOODS])
        book(
            StockStore(connection, START),
            [
                Entry(Place(items[sku], places[code]), MovementKind.RECEIVED, units, f"opening|{sku}|{code}", START)
                for (sku, code), units in there.items()
                if code != SUPPLIER.code
            ],
        )
    return merchant
