"""Replays real order history through the emulated platforms, under one accelerated clock, against a whole hub.

Each invoice becomes an order on one channel. The shoppers' thread follows the history and never waits for the hub;
the hub's thread does what its flows do; a third carries the webhooks. All of them, the platforms' ceilings and the
times to live go by the same scaled clock.
"""

import hashlib
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.errors import ConnectorError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import ScaledClock
from nervure.operations.drain import drain
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import are_orders_due, pull_orders
from nervure.operations.staff import adjust, ship_fulfillment
from nervure.operations.suppliers import pull_offers, pull_replies
from nervure.operations.webhooks import WebhookRefusedError, take_webhook
from nervure.store.database import Database
from nervure.store.publications import PublicationStore
from nervure.store.reports import ReportStore
from schemas.fulfillment import Parcel
from schemas.stock import AdjustmentReason
from simulation.accounts import SUPPLIER_NAME, open_accounts, open_supplier
from simulation.catalogue import STORES, SUPPLIER, WAREHOUSE, Good, Stock
from simulation.history import Event, EventKind, History
from simulation.hubs import fill_shelves, has_come_to_rest, open_hub, write_merchant
from simulation.platform import BasketLine, CatalogueEntry
from simulation.server import Postman
from simulation.shoppers import make_shopper
from simulation.verdict import Verdict, judge, look
from simulation.world import World

logger = logging.getLogger(__name__)

OPENING_SPEED = 20.0
"""Speed of the clock while the first numbers go out: a platform's cursor lives some minutes of it."""

SHIP_AFTER = timedelta(hours=6)
STAFF_PERIOD = timedelta(hours=1)
FEED_PERIOD = timedelta(minutes=30)
REST_SPEED = 300.0
"""Speed after the last event: what a hub under too much load left behind is heard while platforms' cursors live."""

SETTLE_WALL_SECONDS = 1200.0
"""A hub that is not quiet so long after the last event is judged as it stands."""


@dataclass
class ReplayReport:
    """The verdict and what the history held."""

    verdict: Verdict
    rows_read: int
    rows_refused: Mapping[str, int]
    blind_returns: int = 0
    adjustments: int = 0
    taken_back: int = 0
    taken_back_unsold: int = 0
    wall_seconds: float = 0.0
    speed: float = 0.0
    requests: Mapping[str, int] = field(default_factory=dict)
    webhooks: int = 0

    def as_json(self) -> dict[str, Any]:
        """All figures as JSON knows them."""
        own = {name: value for name, value in vars(self).items() if name != "verdict"}
        return self.verdict.as_json() | own | {"rows_refused": dict(self.rows_refused), "requests": dict(self.requests)}


def stock_for(history: History) -> Stock:
    """Opening stock: one item in four has less than was asked for in the history, so that it runs out."""
    wanted: Counter[str] = Counter()
    for event in history.events:
        if event.kind in (EventKind.SALE, EventKind.ADJUSTMENT):
            for sku, units in event.lines:
                wanted[sku] += abs(units)
    stock: Stock = {}
    for sku in sorted(history.titles):
        chance = random.Random(f"stock {sku}")
        total = int(wanted[sku] * (0.55 if chance.random() < 0.25 else 1.4)) + 1
        shares = {WAREHOUSE.code: 0.4, SUPPLIER.code: 0.15 if chance.random() < 0.2 else 0.0}
        shares |= {store.code: 0.15 for store in STORES}
        for place, share in shares.items():
            stock[sku, place] = int(total * share)
    return stock


class Replay:
    """One history, one world, one hub.

    Args:
        history: what happened.
        database: migrated and empty.
        speed: seconds of the history in one second.
        tell: takes a line about how far it is.
    """

    def __init__(self, history: History, database: Database, *, speed: float, tell: Callable[[str], None]) -> None:
        if not history.events:
            raise ValueError("the history holds no sale, return or adjustment of goods")
        self._history = history
        self._tell = tell
        self._speed = speed
        self.clock = ScaledClock(history.events[0].at - timedelta(hours=1), OPENING_SPEED)
        goods = [
            Good(CatalogueEntry(sku, title, history.prices.get(sku, Decimal("1.00"))))
            for sku, title in sorted(history.titles.items())
        ]
        self._accounts = {account.name: account for account in open_accounts()}
        self.world = World(goods, stock_for(history), self._accounts, open_supplier(), self.clock)
        self.world.open()
        self.hub = open_hub(self.world, database)
        write_merchant(self.hub, self.world)
        self._sold: dict[str, tuple[str, str, str, Counter[str]]] = {}
        self.adjusted: Counter[tuple[str, str]] = Counter()
        self.figures: Counter[str] = Counter()
        self._done = threading.Event()
        self._at_rest = threading.Event()
        self._failures: list[BaseException] = []
        self._webhooks = 0
        self._ended_at = self.clock.now()

    def run(self) -> ReplayReport:
        """Opens the hub, replays, lets it come to rest, and judges."""
        started = time.monotonic()
        self._first_publication()
        self.clock.run_at(self._speed)
        threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name)
            for name, work in (("shoppers", self._shop), ("webhooks", self._carry_webhooks), ("hub", self._work))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        record = self.world.record(self._webhooks)
        verdict = judge(record, look(self.hub.database, self.clock.now()), self.adjusted)
        return ReplayReport(
            verdict,
            self._history.rows_read,
            dict(self._history.refused),
            blind_returns=self.figures["blind returns"],
            adjustments=self.figures["adjustments"],
            taken_back=self.figures["taken back"],
            taken_back_unsold=self.figures["taken back unsold"],
            wall_seconds=round(time.monotonic() - started, 1),
            speed=self._speed,
            requests=record.requests,
            webhooks=self._webhooks,
        )

    # -- the hub -----------------------------------------------------------------------------------------------

    def _first_publication(self) -> None:
        """Every shelf is filled before the doors open."""
        fill_shelves(self.hub, self.world)
        self._tell(f"opened with {len(self.world.goods)} items on {len(self._accounts)} channels")

    def _work(self) -> None:
        """What the flows do, one after the other: intake first, then numbers, then everything that is due."""
        next_staff = next_feed = self.clock.now()
        deadline: float | None = None
        while not self._at_rest.is_set():
            worked = 0
            while handled := drain(self.hub, limit=200).handled:
                worked += handled
            worked += refresh(self.hub)
            for name in self._accounts:
                with suppress(ConnectorError):
                    worked += publish(self.hub, name).total
                if are_orders_due(self.hub, name):
                    with suppress(ConnectorError):
                        worked += pull_orders(self.hub, name)
            worked += send_messages(self.hub)
            now = self.clock.now()
            if now >= next_feed:
                next_feed = now + FEED_PERIOD
                self._hear_supplier()
            if now >= next_staff:
                next_staff = now + (timedelta(minutes=5) if self._done.is_set() else STAFF_PERIOD)
                worked += self._ship(now)
            if self._done.is_set():
                deadline = deadline or time.monotonic() + SETTLE_WALL_SECONDS
                if has_come_to_rest(self.hub, self.world, self._ended_at) or time.monotonic() > deadline:
                    self._at_rest.set()
                    return
            if not worked:
                time.sleep(0.002)

    def _hear_supplier(self) -> None:
        with suppress(ConnectorError):
            pull_offers(self.hub, SUPPLIER_NAME)
            pull_replies(self.hub, SUPPLIER_NAME)
        self.hub.database.run(lambda c: PublicationStore(c, self.clock.now()).note_aging())

    def _ship(self, now: datetime) -> int:
        with self.hub.database.read() as connection:
            wait = timedelta() if self._done.is_set() else SHIP_AFTER
            due = ReportStore(connection, now).fulfillments_before(now - wait)
        for number in due:
            parcel = Parcel(carrier="Colissimo", tracking_number=f"6A{number:011d}")
            ship_fulfillment(self.hub, number, parcel=parcel)
        return len(due)

    # -- the world ---------------------------------------------------------------------------------------------

    def _shop(self) -> None:
        """Follows the history; when the machine is behind, events follow each other without a pause."""
        total = len(self._history.events)
        for number, event in enumerate(self._history.events, start=1):
            wait = (event.at - self.clock.now()).total_seconds()
            if wait > 0:
                self.clock.sleep(wait)
            self._happen(event)
            if number % 200 == 0 or number == total:
                self._tell(f"{event.at:%Y-%m-%d}: {number} of {total} events")
        self._ended_at = self.clock.now()
        self.clock.run_at(min(self._speed, REST_SPEED))
        self._done.set()

    def _happen(self, event: Event) -> None:
        lines = [BasketLine(sku, units) for sku, units in event.lines]
        match event.kind:
            case EventKind.SALE:
                name, point = self._channel_of(event)
                shopper = make_shopper(random.Random(f"shopper {event.customer or event.invoice}"), 0)
                purchase = self.world.buy(name, lines, shopper, point)
                if purchase.order_id is not None:
                    bought = Counter({line.sku: line.units for line in purchase.lines})
                    self._sold[event.invoice] = (name, point, purchase.order_id, bought)
            case EventKind.TAKE_BACK:
                self._take_back(event, lines)
            case EventKind.BLIND_RETURN:
                _, point = self._till_of(event)
                self.world.give_back("tills", None, lines, point)
                self.figures["blind returns"] += len(lines)
            case EventKind.ADJUSTMENT:
                for sku, units in event.lines:
                    adjust(
                        self.hub,
                        sku,
                        WAREHOUSE.code,
                        units,
                        reason=AdjustmentReason.CORRECTION,
                        document=event.invoice,
                    )
                    self.adjusted[sku, WAREHOUSE.code] += units
                    self.figures["adjustments"] += 1

    def _take_back(self, event: Event, lines: Sequence[BasketLine]) -> None:
        """What had been sold here is canceled if it has not left, else it comes back; the rest was never sold."""
        name, point, order_id, units = self._sold.get(event.of or "", ("", "", "", Counter()))
        sold: list[BasketLine] = []
        for line in lines:
            taken = min(line.units, units[line.sku])
            if taken:
                units[line.sku] -= taken
                sold.append(BasketLine(line.sku, taken))
            self.figures["taken back"] += taken
            self.figures["taken back unsold"] += line.units - taken
        if sold:
            never_sent = self.world.take_back(name, order_id, sold, point)
            self.figures["taken back"] -= never_sent
            self.figures["taken back unsold"] += never_sent

    def _channel_of(self, event: Event) -> tuple[str, str]:
        """Chosen by customer and country, by the invoice where the customer is blank."""
        key = f"{event.customer}|{event.country}" if event.customer else event.invoice
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])
        names = sorted(self._accounts)
        points = list(self._accounts[names[number % len(names)]].stock_points)
        return names[number % len(names)], points[number // len(names) % len(points)]

    def _till_of(self, event: Event) -> tuple[str, str]:
        points = list(self._accounts["tills"].stock_points)
        return "tills", points[int.from_bytes(hashlib.sha256(event.invoice.encode()).digest()[:4]) % len(points)]

    def _carry_webhooks(self) -> None:
        postmen = [
            Postman(account.emulator, self.world.locks[name], self.clock, self._receiver(name))
            for name, account in self._accounts.items()
            if account.has_webhooks
        ]
        while not self._at_rest.is_set():
            self.world.advance()
            if not sum(postman.round() for postman in postmen):
                time.sleep(0.002)
        self._webhooks = sum(postman.sent for postman in postmen)

    def _receiver(self, name: str) -> Send:
        def receive(request: HttpRequest) -> HttpResponse:
            try:
                take_webhook(self.hub, name, request.headers, request.body)
            except WebhookRefusedError as error:
                return HttpResponse(error.status)
            return HttpResponse(200)

        return receive

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failures.append(error)
            self._done.set()
            self._at_rest.set()
