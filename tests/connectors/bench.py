"""What the laws of the suite share: a loaded account, the hub's side of a poll, and the shop floor in plain words."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from connectors.errors import ThrottledError
from connectors.records import Channel, ChannelConnection, IncomingWebhook, Page
from connectors.transport import HttpRequest, HttpResponse, Send
from schemas.capabilities import Capabilities, Confirmation
from schemas.documents import Fact, RawDocument, Translation
from schemas.fulfillment import FulfillmentLine, Parcel, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome
from schemas.orders import Order, OrderState, Return
from schemas.publications import ChannelListing
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from tests.connectors.rig import START, Rig

CALLBACK = "https://hub.example/webhooks/account"
LONG_AGO = START - timedelta(days=1)
SHOPPER = Shopper(
    name="Zephyrine Quillfeather",
    email="zephyrine@quillfeather.example",
    country="FR",
    postal_code="75020",
    city="Quillbourg",
    street="77 Quillgate",
)
PERSONAL = ("zephyrine", "quillfeather", "quillbourg", "quillgate")
"""Words that stand in the shopper's data and nowhere else."""

A, B, C, D = "LAW-A", "LAW-B", "LAW-C", "LAW-D"
GTIN_OF_A = "4006381333931"
PRICES = {
    A: Decimal("19.98"),
    B: Decimal("0.30"),
    C: Decimal("1234.56"),
    D: Decimal("12.00"),
    "LAW-VS": Decimal("8.40"),
    "LAW-VM": Decimal("8.40"),
}
"""With 20 % tax inside, each price is a whole number of cents without it too."""

GOODS = (
    CatalogueEntry(A, "Law A", PRICES[A], GTIN_OF_A),
    CatalogueEntry(B, "Law B", PRICES[B]),
    CatalogueEntry(C, "Law C", PRICES[C]),
    CatalogueEntry(D, "Law D", PRICES[D]),
    CatalogueEntry("LAW-VS", "Law V", PRICES["LAW-VS"], None, "LAWV", {"Size": "S"}),
    CatalogueEntry("LAW-VM", "Law V", PRICES["LAW-VM"], None, "LAWV", {"Size": "M"}),
)

F = TypeVar("F", bound=Fact)
Line = tuple[str, int]
Shelf = dict[tuple[str, str], int]


class Bench:
    """One account on its rig, with what a law needs to speak shortly. Numbers are of the first stock point."""

    def __init__(self, rig: Rig, goods: Sequence[CatalogueEntry] = GOODS) -> None:
        rig.emulator.load(goods, rig.stock_points, rig.clock.now())
        self.rig = rig
        self.emulator = rig.emulator
        self.clock = rig.clock
        self.capabilities: Capabilities = rig.record.capabilities
        self.point = rig.stock_points[0]
        self.hub = rig.connect()
        self._listings: dict[str, ChannelListing] = {}

    @property
    def channel(self) -> str:
        return self.rig.settings.name

    @property
    def secrets(self) -> list[str]:
        """Every secret of the settings, as text."""
        found: list[str] = []
        for name in type(self.rig.settings).model_fields:
            value = getattr(self.rig.settings, name)
            parts = value if isinstance(value, tuple) else (value,)
            found += [part.get_secret_value() for part in parts if isinstance(part, SecretStr)]
        return found

    # what is heard

    def translate(self, document: RawDocument) -> Sequence[Fact]:
        translation = Translation(self.channel, self.rig.settings.time_zone)
        return self.rig.record.translate(document, translation)

    def facts(self, documents: Iterable[RawDocument], kind: type[F]) -> list[F]:
        return [fact for one in documents for fact in self.translate(one) if isinstance(fact, kind)]

    def listings(self) -> dict[str, ChannelListing]:
        """The suite's own goods as the account lists them, by sku."""
        if not self._listings:
            found = self.facts(documents(self.hub.pull_catalogue()), ChannelListing)
            self._listings = {one.sku: one for one in found if one.sku is not None}
        return self._listings

    def key(self, sku: str, point: str | None = None) -> LevelKey:
        return LevelKey(self.listings()[sku].stock_id, point or self.point)

    def pull(self, since: datetime = LONG_AGO) -> list[RawDocument]:
        return documents(self.hub.pull_orders(since))

    def order(self, order_id: str) -> Order:
        """The order in its newest form."""
        return newest(self.facts(self.pull(), Order))[order_id]

    def live(self, order: Order) -> dict[str, int]:
        """Units that are still to be delivered or were, by sku; nothing for a canceled order."""
        units: Counter[str] = Counter()
        for line in order.lines:
            units[self.sku_of(line.listing_external_id)] += line.units - line.units_canceled
        return {sku: count for sku, count in units.items() if count}

    def sku_of(self, listing: str | None) -> str:
        [sku] = [sku for sku, one in self.listings().items() if one.external_id == listing]
        return sku

    # the shop floor

    def stock(self, *lines: Line, point: str | None = None) -> None:
        """Somebody sets numbers by hand."""
        for sku, units in lines:
            self.emulator.set_shelf(sku, point or self.point, units, self.clock.now())

    def units(self, sku: str, point: str | None = None) -> int:
        return self.shelf()[sku, point or self.point]

    def shelf(self) -> Shelf:
        """What shoppers see, once the platform has done what it does by itself."""
        self.emulator.advance(self.clock.now())
        return dict(self.emulator.shelf())

    def buy(self, *lines: Line) -> str:
        bought = self.emulator.buy(basket(*lines), SHOPPER, self.point, self.clock.now())
        assert bought.order_id is not None
        assert bought.refused == ()
        return bought.order_id

    # what is told

    def write(self, *rows: tuple[LevelKey, int], key: str = "write-1") -> list[LevelAnswer]:
        """Writes without expectation; one answer for each row, in their order."""
        return self.write_all([LevelWrite(one, units) for one, units in rows], key=key)

    def write_all(
        self, writes: Sequence[LevelWrite], *, key: str = "write-1", hub: ChannelConnection | None = None
    ) -> list[LevelAnswer]:
        answers = (hub or self.hub).write_levels(writes, idempotency_key=key)
        assert [answer.key for answer in answers] == [write.key for write in writes]
        return answers

    def settle(self, writes: Sequence[LevelWrite], answers: Sequence[LevelAnswer]) -> list[LevelAnswer]:
        """Waits for import reports and sends again what was not applied, until every row has its last answer."""
        known = dict(zip(writes, answers, strict=True))
        for attempt in range(2, 12):
            again = [write for write in writes if known[write].outcome is WriteOutcome.NOT_APPLIED]
            if again:
                self.clock.advance(self.capabilities.write_period_seconds)
                known |= zip(again, self.write_all(again, key=f"write-{attempt}"), strict=True)
            receipts = {known[write].receipt for write in writes if known[write].outcome is WriteOutcome.SENT} - {None}
            if not again and not receipts:
                break
            self.clock.advance(30)
            for receipt in receipts:
                rows = [write for write in writes if known[write].receipt == receipt]
                known |= zip(rows, self._receipt(str(receipt), rows), strict=True)
        return [known[write] for write in writes]

    def _receipt(self, receipt: str, rows: Sequence[LevelWrite]) -> list[LevelAnswer]:
        try:
            return self.hub.read_receipt(receipt, rows)
        except ThrottledError as error:
            self.clock.advance(error.retry_after_seconds)
            return self.hub.read_receipt(receipt, rows)

    def shipment(self, order: Order, units: Mapping[str, int] | None = None, number: int = 1) -> Shipment:
        """A parcel of the whole order, or of some units by order line."""
        sent = units or {line.external_id: line.units for line in order.lines}
        return Shipment(
            external_id=f"shipment-{number}",
            channel=self.channel,
            order=order.external_id,
            location="warehouse",
            shipped_at=self.clock.now(),
            lines=tuple(FulfillmentLine(order_line=line, units=count) for line, count in sent.items()),
            parcel=Parcel(carrier="COLISSIMO", tracking_number=f"TRACK-{number}"),
            completes_order=units is None or number > 1,
        )

    # webhooks

    def deliveries(self) -> list[IncomingWebhook]:
        """Takes every delivery that is due, as our address hears it."""
        found: list[IncomingWebhook] = []
        for one in self.emulator.due_webhooks(self.clock.now()):
            self.emulator.delivered(one.delivery_id, 200, self.clock.now())
            found.append(IncomingWebhook(CALLBACK, dict(one.request.headers), one.request.body))
        return found

    def receive(self, webhook: IncomingWebhook, *secrets: str) -> Sequence[RawDocument]:
        """What the record makes of a webhook, under other secrets where some are given."""
        assert self.rig.record.receive is not None
        settings = self.rig.settings
        if secrets:
            settings = settings.model_copy(update={"webhook_secrets": tuple(map(SecretStr, secrets))})
        return self.rig.record.receive(settings, webhook)


@dataclass
class Poller:
    """The hub's side of polling: documents stored by event id, and the watermark less the overlap asked for next."""

    bench: Bench
    watermark: datetime = LONG_AGO
    documents: dict[str, RawDocument] = field(default_factory=dict)
    repeated: int = 0

    def poll(self, *, pages: int | None = None, between: Callable[[int], None] | None = None) -> int:
        """One poll, cut off after some pages as by a crash; answers how many pages it had."""
        since = self.watermark - timedelta(seconds=self.bench.capabilities.order_overlap_seconds)
        count = 0
        for page in self.bench.rig.connect().pull_orders(since):
            for document in page.documents:
                self.repeated += document.event_id in self.documents
                self.documents.setdefault(document.event_id, document)
            self.watermark = page.watermark or self.watermark
            count += 1
            if count == pages:
                break
            if between is not None:
                between(count)
        return count

    def orders(self) -> dict[str, Order]:
        return newest(self.bench.facts(self.documents.values(), Order))


@dataclass
class Disturbed:
    """A wire whose requests from number `first` on (counted from 0) meet `fault`; `times` None: for ever."""

    bench: Bench
    fault: Callable[[HttpRequest, Send], HttpResponse]
    first: int = 0
    times: int | None = None
    sent: list[HttpRequest] = field(default_factory=list)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        number = len(self.sent)
        self.sent.append(request)
        last = None if self.times is None else self.first + self.times
        if number < self.first or (last is not None and number >= last):
            return self.bench.rig.wire(request)
        return self.fault(request, self.bench.rig.wire)

    def connect(self) -> ChannelConnection:
        return self.bench.rig.connect(self)


class Laws:
    """A platform's suite: says how its account is made, and how its shop floor differs from the plain one.

    `small_pages` are page sizes of its modules, made small so that a handful of rows fills several pages.
    `has_idempotency_keys`: the platform knows a write again by its key.
    """

    small_pages: Mapping[str, int] = {}
    has_idempotency_keys = False

    def make_rig(self) -> Rig:
        raise NotImplementedError

    def plant(self, record: Channel[Any]) -> Channel[Any]:
        """Where a planted bug gets in; there is none."""
        return record

    def setup_method(self) -> None:
        self._patch = pytest.MonkeyPatch()
        for name, size in self.small_pages.items():
            self._patch.setattr(name, size)

    def teardown_method(self) -> None:
        self._patch.undo()

    def bench(self, goods: Sequence[CatalogueEntry] = GOODS) -> Bench:
        """A fresh account."""
        rig = self.make_rig()
        rig.record = self.plant(rig.record)
        return Bench(rig, goods)

    def unpaid_order(self, bench: Bench, *lines: Line) -> str | None:
        """An order that nobody has paid yet; None: the platform shows sellers none."""
        return None

    def pay(self, bench: Bench, order_id: str) -> None:
        """The payment of an unpaid order arrives."""
        raise NotImplementedError

    def waiting_order(self, bench: Bench, *lines: Line) -> str:
        """An order that its shopper can still cancel."""
        return bench.buy(*lines)

    def paid_order(self, bench: Bench, *lines: Line) -> str:
        """An order that was paid, and accepted where it must be, and waits for its shipment."""
        order_id = bench.buy(*lines)
        if bench.capabilities.must_accept_orders:
            bench.hub.accept_order(order_id, {line.external_id: True for line in bench.order(order_id).lines})
            bench.clock.advance(60)
        return order_id

    def order_that_left(self, bench: Bench, *lines: Line) -> str:
        """An order whose goods the shopper has."""
        order_id = self.paid_order(bench, *lines)
        order = bench.order(order_id)
        if order.state is not OrderState.COMPLETED:
            bench.hub.push_shipment(bench.shipment(order))
        bench.clock.advance(60)
        return order_id


def documents(pages: Iterable[Page]) -> list[RawDocument]:
    return [document for page in pages for document in page.documents]


def basket(*lines: Line) -> list[BasketLine]:
    return [BasketLine(sku, units) for sku, units in lines]


def newest(orders: Iterable[Order]) -> dict[str, Order]:
    """Each order in its newest form; of two forms of one second the one heard later."""
    found: dict[str, Order] = {}
    for order in orders:
        known = found.get(order.external_id)
        if known is None or known.updated_at <= order.updated_at:
            found[order.external_id] = order
    return found


def returned_units(bench: Bench, found: Iterable[Return]) -> dict[str, int]:
    """Units of the given returns by sku."""
    units: Counter[str] = Counter()
    for one in found:
        for line in one.lines:
            units[bench.sku_of(line.listing_external_id)] += line.units
    return dict(units)


def unlike(stock_id: str) -> str:
    """An id of the same form that the platform has not."""
    kept = stock_id.rstrip("0123456789")
    return f"{kept}99999999" if kept != stock_id else stock_id[::-1]


def is_import(capabilities: Capabilities) -> bool:
    return capabilities.confirmation is Confirmation.IMPORT_REPORT
