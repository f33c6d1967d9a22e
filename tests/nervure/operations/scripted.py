"""Accounts and suppliers with state that do what a test says, and the hub around them."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from connectors.errors import ConnectorError, RefusedError
from connectors.records import (
    Channel,
    ChannelSettings,
    IncomingWebhook,
    Page,
    Supplier,
    SupplierSettings,
)
from connectors.transport import Runtime
from mappings.errors import UnreadableDocumentError
from nervure.clock import ManualClock
from nervure.operations.drain import DrainReport, drain
from nervure.operations.hub import Account, Hub, SupplierAccount
from nervure.operations.publish import refresh
from nervure.operations.pull import store
from nervure.store.database import Database
from nervure.store.inbox import DeadLetter, InboxStore
from nervure.store.reports import OpenTask, ReportStore
from schemas.capabilities import Capabilities
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.dropship import DropShipOrder, FeedVerdict, SupplierReply
from schemas.fulfillment import ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome
from schemas.orders import Order, Return
from schemas.publications import ChannelListing, ChannelPlace, DriftPolicy
from schemas.stock import ChannelMovement, StockObservation, SupplierOffer
from tests.nervure.operations.fake_shops import FakeShop
from tests.nervure.world import SHOP, START, World

KINDS: dict[str, type[BaseModel]] = {
    kind.__name__: kind for kind in (Order, Return, ChannelMovement, StockObservation, ChannelListing, ChannelPlace)
}
SECRET = b"signed "

Answer = Callable[[Sequence[LevelWrite]], list[LevelAnswer]]


def document(event: str, *facts: Fact, about: str | None = None, heard: Heard = Heard.POLL) -> RawDocument:
    """Facts as the scripted shop writes them down."""
    body = [[type(fact).__name__, fact.model_dump(mode="json")] for fact in facts]
    return RawDocument("facts", about or event, event, json.dumps(body).encode(), heard)


def order_of(order: Order) -> RawDocument:
    """One statement of an order, named by its id and its time."""
    return document(f"{order.external_id}@{order.updated_at.isoformat()}", order, about=order.external_id)


def read_facts(raw: RawDocument, _: Translation) -> Sequence[Fact]:
    try:
        return [KINDS[kind].model_validate(value) for kind, value in json.loads(raw.body)]  # type: ignore[misc]  # KINDS holds facts
    except json.JSONDecodeError as error:
        raise UnreadableDocumentError(f"{raw.topic} {raw.document_id} is not JSON") from error


@dataclass
class ScriptedShop(FakeShop):
    """A shop that checks what it is told it shows, refuses rows, and answers the next calls as a script says."""

    is_compare_and_set: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    script: deque[Answer] = field(default_factory=deque)
    writes: list[list[LevelWrite]] = field(default_factory=list)
    reads: list[list[LevelKey]] = field(default_factory=list)
    imports: dict[str, dict[LevelKey, LevelAnswer]] = field(default_factory=dict)
    receipt_error: ConnectorError | None = None
    pages: list[Page | ConnectorError] = field(default_factory=list)
    sinces: list[datetime] = field(default_factory=list)
    shipments: dict[str, Shipment] = field(default_factory=dict)
    accepted: list[tuple[str, dict[str, bool]]] = field(default_factory=list)
    ready: list[ReadyNotice] = field(default_factory=list)
    has_a_word_for_ready: bool = True
    canceled: list[tuple[str, dict[str, int]]] = field(default_factory=list)

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        self._call()
        self.sinces.append(since)
        for page in self.pages:
            if isinstance(page, ConnectorError):
                raise page
            yield page

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        self._call()
        self.writes.append(list(writes))
        return self.script.popleft()(writes) if self.script else self.apply(writes)

    def apply(self, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        """What it does when nothing goes wrong."""
        answers = []
        for write in writes:
            reason = self.refused.get(write.key.stock_id)
            if reason is not None:
                answers.append(LevelAnswer(write.key, WriteOutcome.REFUSED, reason))
            elif self.is_compare_and_set and self.shown.get(write.key, 0) != write.expected_units:
                answers.append(LevelAnswer(write.key, WriteOutcome.STALE))
            else:
                self.shown[write.key] = write.units
                answers.append(LevelAnswer(write.key, WriteOutcome.CONFIRMED))
        return answers

    def read_levels(self, keys: Sequence[LevelKey]) -> list[Any]:
        self.reads.append(list(keys))
        return list(super().read_levels(keys))

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:  # type: ignore[override]  # the fake shop has no imports
        self._call()
        if self.receipt_error is not None:
            raise self.receipt_error
        known = self.imports[receipt]
        return [known.get(write.key, LevelAnswer(write.key, WriteOutcome.SENT, receipt=receipt)) for write in writes]

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        self._call()
        self.accepted.append((order_external_id, dict(accepted_lines)))

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        self._call()
        self.canceled.append((order_external_id, dict(lines)))

    def push_shipment(self, shipment: Shipment) -> None:
        self._call()
        self.shipments[shipment.external_id] = shipment

    def push_ready(self, notice: ReadyNotice) -> bool:
        self._call()
        self.ready.append(notice)
        return self.has_a_word_for_ready

    def units(self) -> dict[str, int]:
        """What it shows, by listing."""
        return {key.stock_id.removeprefix("S-"): units for key, units in self.shown.items()}


@dataclass
class ScriptedSupplier:
    """A supplier that keeps each order once, by its reference."""

    feeds: list[RawDocument] = field(default_factory=list)
    orders: dict[str, DropShipOrder] = field(default_factory=dict)
    replies: list[SupplierReply] = field(default_factory=list)
    error: ConnectorError | None = None
    fails_after_effect: ConnectorError | None = None
    tries: int = 0

    def check(self) -> str:
        return "a scripted supplier"

    def pull_offers(self) -> Iterator[Page]:
        if self.error is not None:
            raise self.error
        yield Page(tuple(self.feeds))

    def send_order(self, order: DropShipOrder) -> None:
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.orders.setdefault(order.reference, order)
        if self.fails_after_effect is not None:
            raise self.fails_after_effect

    def pull_replies(self) -> Iterator[SupplierReply]:
        if self.error is not None:
            raise self.error
        yield from self.replies


def feed(event: str, as_of: datetime, held: str | None = None, supplier: str = "acme", **units: int) -> RawDocument:
    """A supplier's feed: units by sku."""
    body = {"as_of": as_of.isoformat(), "held": held, "units": units, "supplier": supplier}
    return RawDocument("feed", supplier, event, json.dumps(body).encode(), Heard.POLL)


def read_feed(raw: RawDocument, rows: int | None, units: int | None) -> FeedVerdict:
    """Reads a feed; it is held when it says so, and when half of the rows of the last one are gone."""
    said = json.loads(raw.body)
    offers = tuple(
        SupplierOffer(
            supplier=said["supplier"], supplier_sku=sku, units=count, as_of=datetime.fromisoformat(said["as_of"])
        )
        for sku, count in said["units"].items()
    )
    reason = said["held"] or (f"{len(offers)} rows after {rows}" if rows and 2 * len(offers) <= rows else None)
    return FeedVerdict(() if reason else offers, held_reason=reason)


def scripted_hub(
    database: Database,
    shops: Mapping[str, ScriptedShop],
    *,
    capabilities: Mapping[str, Capabilities] | None = None,
    supplier: ScriptedSupplier | None = None,
    feed_counts_our_orders: bool = False,
    clock: ManualClock | None = None,
    creates_items: bool = False,
    drift: DriftPolicy = DriftPolicy.REPAIR,
) -> Hub:
    """A hub around scripted accounts, and around supplier "acme" where there is one."""

    def account(name: str, shop: ScriptedShop) -> Account:
        def connect(_: ChannelSettings, __: Runtime) -> ScriptedShop:
            return shop

        return Account(
            Channel(
                "emulated", (capabilities or {}).get(name, SHOP), ChannelSettings, connect, read_facts, read_webhook
            ),
            ChannelSettings(name=name, url="http://localhost"),
            creates_items=creates_items,
            drift=drift,
        )

    suppliers = {}
    if supplier is not None:

        @contextmanager
        def exchange(_: SupplierSettings, __: Runtime) -> Iterator[ScriptedSupplier]:
            yield supplier

        suppliers["acme"] = SupplierAccount(
            Supplier("scripted", SupplierSettings, exchange, read_feed),
            SupplierSettings(name="acme", ttl_seconds=3600, feed_counts_our_orders=feed_counts_our_orders),
        )
    return Hub(
        database=database,
        clock=clock or ManualClock(START),
        accounts={name: account(name, shop) for name, shop in shops.items()},
        suppliers=suppliers,
        wire=no_wire,
        callback_url="https://hub.example",
    )


def no_wire(account: str, url: str) -> Callable[[object], Any]:
    def send(_: object) -> Any:
        raise AssertionError(f"{account} has no wire to {url}")

    return send


def read_webhook(_: ChannelSettings, incoming: IncomingWebhook) -> list[RawDocument]:
    """Verifies and takes a webhook: the body is what `webhook` wrote."""
    if incoming.headers.get("x-signature") != "right":
        raise RefusedError("the signature is wrong")
    event = incoming.headers["x-event"]
    return [RawDocument("facts", event, event, incoming.body, Heard.WEBHOOK)]


def advance(hub: Hub, seconds: float) -> None:
    """Moves the hub's clock."""
    assert isinstance(hub.clock, ManualClock)
    hub.clock.advance(seconds)


def hear(hub: Hub, channel: str, *documents: RawDocument) -> DrainReport:
    """Stores documents, drains them all and computes the numbers that follow."""
    store(hub, channel, documents)
    return settle(hub)


def settle(hub: Hub) -> DrainReport:
    """Drains the whole inbox and computes what changed."""
    report = DrainReport()
    while (batch := drain(hub)).handled or batch.dead:
        report.add(batch)
    while refresh(hub):
        pass
    return report


@contextmanager
def looking(hub: Hub) -> Iterator[World]:
    """The merchant as one look shows it."""
    with hub.database.read() as connection:
        yield World(connection, hub.clock.now())


def dead(hub: Hub) -> list[DeadLetter]:
    with hub.database.read() as connection:
        return InboxStore(connection, hub.clock.now()).dead()


def tasks(hub: Hub) -> list[OpenTask]:
    with hub.database.read() as connection:
        return ReportStore(connection, hub.clock.now()).tasks()
