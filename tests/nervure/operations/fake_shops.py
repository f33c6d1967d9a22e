"""Shops without a wire: a connection with state, and a hub around it. What a shop raises is told to it beforehand."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

from connectors.errors import ConnectorError
from connectors.records import Channel, ChannelSettings, Page
from connectors.transport import HttpRequest, HttpResponse, Runtime
from mappings.errors import UnreadableDocumentError
from nervure.clock import Clock
from nervure.operations.hub import Account, Hub
from nervure.store.database import Database
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.fulfillment import ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome
from schemas.orders import Order
from tests.nervure.world import SHOP, START, World, merchant


def order_document(order: Order) -> RawDocument:
    """An order as the fake shop writes it."""
    body = order.model_dump_json().encode()
    return RawDocument("order", order.external_id, f"order-{order.external_id}", body, Heard.POLL)


def broken_document(number: int) -> RawDocument:
    """A document that the fake shop's mapping cannot read."""
    return RawDocument("order", f"broken-{number}", f"broken-{number}", b"jane@example.com", Heard.POLL)


@dataclass
class FakeShop:
    """One account: what it shows, what it has to tell, and what it raises instead of answering."""

    shown: dict[LevelKey, int] = field(default_factory=dict)
    documents: list[RawDocument] = field(default_factory=list)
    error: ConnectorError | None = None
    gate: threading.Event | None = None
    """While it is there and not set, every call hangs."""
    asked: int = 0

    def _call(self) -> None:
        self.asked += 1
        if self.gate is not None:
            self.gate.wait(20)
        if self.error is not None:
            raise self.error

    def check(self) -> str:
        return "a fake shop"

    def pull_places(self) -> Iterator[Page]:
        yield Page(())

    def pull_catalogue(self) -> Iterator[Page]:
        self._call()
        yield Page(())

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        self._call()
        yield Page(tuple(self.documents), since)

    def pull_stock(self, stock_points: Sequence[str]) -> Iterator[Page]:
        self._call()
        yield Page(())

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        self._call()
        self.shown |= {write.key: write.units for write in writes}
        return [LevelAnswer(write.key, WriteOutcome.CONFIRMED) for write in writes]

    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        self._call()
        return [LevelReading(key, self.shown.get(key)) for key in keys]

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> NoReturn:
        raise AssertionError(receipt)

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        self._call()

    def push_ready(self, notice: ReadyNotice) -> bool:
        raise AssertionError(notice)

    def push_shipment(self, shipment: Shipment) -> None:
        self._call()

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        self._call()

    def ensure_webhooks(self, callback_url: str) -> list[str]:
        return []


def _translate(document: RawDocument, _: Translation) -> Sequence[Fact]:
    if document.body.startswith(b"{"):
        return [Order.model_validate_json(document.body)]
    raise UnreadableDocumentError(f"{document.topic} {document.document_id} is not JSON")


def _no_wire(_: HttpRequest) -> HttpResponse:
    raise AssertionError("a fake shop has no wire")


def fake_hub(database: Database, clock: Clock, shops: Mapping[str, FakeShop]) -> Hub:
    """A hub whose accounts are fake shops."""

    def account(shop: FakeShop) -> Account:
        def connect(_: ChannelSettings, __: Runtime) -> FakeShop:
            return shop

        return Account(
            Channel("emulated", SHOP, ChannelSettings, connect, _translate),
            ChannelSettings(name="fake", url="http://localhost"),
            order_poll_seconds=1.0,
        )

    accounts = {name: account(shop) for name, shop in shops.items()}
    return Hub(database=database, clock=clock, accounts=accounts, suppliers={}, wire=lambda _, __: _no_wire)


def fill(database: Database) -> None:
    """The merchant of `tests.nervure.world`, with stock."""
    with database.write() as connection:
        merchant(World(connection, START), bolt_paris=5, nut_paris=8, bolt_lyon=2)
