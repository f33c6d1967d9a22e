"""Replays real order history through the emulated platforms, under one accelerated clock, against a whole hub.

Each invoice becomes an order on one channel. The shoppers' thread follows the history and never waits for the hub;
the hub's thread does what its flows do; a third carries the webhooks. All of them, the platforms' ceilings and the
times to live go by the same scaled clock.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connectors.errors import ConnectorError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import ScaledClock
from nervure.operations.drain import drain
from nervure.operations.giving_up import ask_again, keep_times
from nervure.operations.hub import Search
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import are_orders_due, pull_orders
from nervure.operations.searching import search
from nervure.operations.suppliers import pull_offers, pull_replies
from nervure.operations.webhooks import WebhookRefusedError, take_webhook
from nervure.store.database import Database
from nervure.store.publications import PublicationStore
from schemas.base import counted
from simulation.accounts import SUPPLIER_NAME, open_accounts, open_supplier
from simulation.catalogue import SUPPLIER, Good
from simulation.history import History
from simulation.hubs import fill_shelves, has_come_to_rest, open_hub, write_merchant
from simulation.platform import CatalogueEntry
from simulation.reenactment import Reenactment, stock_for
from simulation.servable import Servable, count_servable
from simulation.server import Postman
from simulation.shelves import Shelves
from simulation.store_staff import ACCEPT_WITHIN, StoreStaff
from simulation.verdict import Verdict, judge, look
from simulation.world import World

logger = logging.getLogger(__name__)

OPENING_SPEED = 20.0
"""Speed of the clock while the first numbers go out: a platform's cursor lives some minutes of it."""

STAFF_PERIOD = timedelta(hours=1)
LOOK_PERIOD = timedelta(minutes=5)
"""So often the hub looks what was not accepted in time."""

SEARCH_DAYS = 30
"""What an order lacks is looked for where nobody has counted it for so long."""

FEED_PERIOD = timedelta(minutes=30)
REST_SPEED = 300.0
"""Speed after the last event: what a hub under too much load left behind is heard while platforms' cursors live."""

SETTLE_WALL_SECONDS = 1200.0
"""A hub that is not quiet so long after the last event is judged as it stands."""


@dataclass
class ReplayReport:
    """The verdict and what the history held."""

    verdict: Verdict
    servable: Servable
    rows_read: int
    rows_refused: Mapping[str, int]
    blind_returns: int = 0
    adjustments: int = 0
    taken_back: int = 0
    taken_back_unsold: int = 0
    accuracy: float = 1.0
    wrong_records: int = 0
    staff: Mapping[str, int] = field(default_factory=dict)
    wall_seconds: float = 0.0
    speed: float = 0.0
    requests: Mapping[str, int] = field(default_factory=dict)
    webhooks: int = 0

    def as_json(self) -> dict[str, Any]:
        """All figures as JSON knows them."""
        own = {name: value for name, value in vars(self).items() if name not in {"verdict", "servable"}}
        own |= {
            "rows_refused": dict(self.rows_refused),
            "requests": dict(self.requests),
            "staff": dict(self.staff),
            "servable_orders": self.servable.orders,
            "short_though_there": self.servable.short,
        }
        return self.verdict.as_json() | own


class Replay:
    """One history, one world, one hub.

    Args:
        history: what happened.
        database: migrated and empty.
        speed: seconds of the history in one second.
        tell: takes a line about how far it is.
        accuracy: the share of the stores' stock records that are right when the doors open.
    """

    def __init__(
        self,
        history: History,
        database: Database,
        *,
        speed: float,
        tell: Callable[[str], None],
        accuracy: float = 1.0,
    ) -> None:
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
        self.hub.search = Search(days=SEARCH_DAYS)
        write_merchant(self.hub, self.world, accept_within_seconds=ACCEPT_WITHIN.total_seconds())
        seed = f"{history.events[0].at:%Y-%m-%d}"
        self.shelves = Shelves(self.world.stock, accuracy=accuracy, seed=seed)
        self.staff = StoreStaff(self.hub, self.shelves, seed)
        self._scene = Reenactment(self.world, self.hub, self.shelves)
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
            for name, work in (
                ("shoppers", self._shop),
                ("webhooks", self._carry_webhooks),
                ("hub", self._work),
                ("staff", self._staff),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        record = self.world.record(self._webhooks)
        found = look(self.hub.database, self.clock.now())
        verdict = judge(record, found, self.shelves.adjusted)
        lying_wrong = self.shelves.differences(found.on_hand)
        verdict.units_not_conserved += len(lying_wrong)
        verdict.details += lying_wrong
        really_there = self.shelves.opening | {
            (sku, place): units for (sku, place), units in self.world.stock.items() if place == SUPPLIER.code
        }
        return ReplayReport(
            verdict,
            count_servable(record, really_there, self._scene.corrections, found.lines),
            self._history.rows_read,
            dict(self._history.refused),
            blind_returns=self._scene.figures["blind returns"],
            adjustments=self._scene.figures["adjustments"],
            taken_back=self._scene.figures["taken back"],
            taken_back_unsold=self._scene.figures["taken back unsold"],
            accuracy=self.shelves.accuracy,
            wrong_records=self.shelves.wrong_records,
            staff=dict(sorted((self.staff.figures + self._scene.not_found).items())),
            wall_seconds=round(time.monotonic() - started, 1),
            speed=self._speed,
            requests=record.requests,
            webhooks=self._webhooks,
        )

    # -- the hub -----------------------------------------------------------------------------------------------

    def _first_publication(self) -> None:
        """Every shelf is filled before the doors open."""
        fill_shelves(self.hub, self.world)
        self._tell(f"opened with {counted(len(self.world.goods), 'item')} on {len(self._accounts)} channels")

    def _work(self) -> None:
        """What the flows do, one after the other: intake first, then numbers, then everything that is due."""
        next_look = next_feed = self.clock.now()
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
            if now >= next_look:
                next_look = now + LOOK_PERIOD
                worked += sum(keep_times(self.hub)) + ask_again(self.hub) + search(self.hub)
            if self._done.is_set():
                deadline = deadline or time.monotonic() + SETTLE_WALL_SECONDS
                is_at_rest = self.staff.has_counted() and has_come_to_rest(self.hub, self.world, self._ended_at)
                if is_at_rest or time.monotonic() > deadline:
                    self._at_rest.set()
                    return
            if not worked:
                time.sleep(0.002)

    def _hear_supplier(self) -> None:
        with suppress(ConnectorError):
            pull_offers(self.hub, SUPPLIER_NAME)
            pull_replies(self.hub, SUPPLIER_NAME)
        self.hub.database.run(lambda c: PublicationStore(c, self.clock.now()).note_aging())

    def _staff(self) -> None:
        """Rounds of the people at the desks; after the last event they hurry."""
        while not self._at_rest.is_set():
            due = self.clock.now() + (timedelta(minutes=5) if self._done.is_set() else STAFF_PERIOD)
            is_over = self._done.is_set()
            self.staff.round(in_a_hurry=is_over)
            while self.clock.now() < due and not self._at_rest.is_set() and is_over == self._done.is_set():
                time.sleep(0.002)

    # -- the world ---------------------------------------------------------------------------------------------

    def _shop(self) -> None:
        """Follows the history; when the machine is behind, events follow each other without a pause."""
        total = len(self._history.events)
        for number, event in enumerate(self._history.events, start=1):
            wait = (event.at - self.clock.now()).total_seconds()
            if wait > 0:
                self.clock.sleep(wait)
            self._scene.happen(event)
            if number % 200 == 0 or number == total:
                self._tell(f"{event.at:%Y-%m-%d}: {number} of {total} events")
        self._ended_at = self.clock.now()
        self.clock.run_at(min(self._speed, REST_SPEED))
        self._done.set()

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
