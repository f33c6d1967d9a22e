"""Square: tills that keep their own count per location.

API: Square-Version 2025-08-20, JSON over HTTPS, a bearer token. Facts from the published OpenAPI description
(square/connect-api-specification), the Inventory and Orders guides of developer.squareup.com and, for what a refund
does to stock, thread 15697 of its developer forum; read 2026-11-22.

Limits: a cursor lives 5 minutes; 10 locations and 1,000 orders a search; 1,000 counts or changes a page; 100 changes
a write; an idempotency key of 128 characters; `occurred_at` within the last 24 hours and not in the future on
Square's clock. The rate limit is not published: 429, then back off.

What the number means: units in the state IN_STOCK at one location. Square takes units off it when an order is fully
paid, and puts none back when an order is canceled, because only unpaid orders can be. It orders all changes by their
`occurred_at`: a physical count holds for that moment, and a sale that happened later is taken off it.

A webhook about an order holds its id only (topic `order.hint`): fetch that order, or pull the orders, at once. A sale
rung up at a till announces itself by its payment and its counts; `order.created` is sent for orders of the API alone.
A till that was offline sends its tickets up to 72 hours late, with the true `created_at` and a new `updated_at`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from pydantic import SecretStr

from connectors.errors import ContractError, RefusedError
from connectors.records import Channel, ChannelSettings, Page
from connectors.square_client import SquareClient, Wire, is_reading, moment_of, rfc3339
from connectors.square_fulfillments import push_cancellation, push_ready, push_shipment
from connectors.square_webhooks import receive, subscribe
from connectors.square_writes import CountWriter, shown_counts
from connectors.transport import Runtime
from mappings.square import CHANGE, COUNT, ITEM, LOCATION, ORDER, translate
from schemas.capabilities import Capabilities, Confirmation, DecrementMoment, StockMeaning, WriteMode
from schemas.documents import Heard, RawDocument
from schemas.fulfillment import ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite

LOCATIONS_A_SEARCH = 10
ORDERS_A_PAGE = 500
COUNTS_A_PAGE = 1000
IDS_A_QUESTION = 100
"""Variations or locations named in one question about counts: the contract names no ceiling, so we keep to ours."""


class SquareSettings(ChannelSettings):
    """One seller's account. `webhook_secrets` are the signature keys of its subscriptions, old and new."""

    url: str = "https://connect.squareup.com"
    access_token: SecretStr


class SquareConnection:
    """See `ChannelConnection`; `fetch_order` answers an `order.hint`."""

    def __init__(self, settings: SquareSettings, runtime: Runtime) -> None:
        self._now = runtime.now
        self._client = SquareClient(runtime, settings.access_token)
        self._writer = CountWriter(self._client, runtime.now, self.read_levels)

    def check(self) -> str:
        merchant = self._client.get("/v2/merchants/me").get("merchant") or {}
        name, country, currency = (merchant.get(field, "?") for field in ("business_name", "country", "currency"))
        return f"{name} ({country}, {currency}), {len(self._locations())} locations"

    def pull_places(self) -> Iterator[Page]:
        yield Page(tuple(_document(LOCATION, _id(row), "", row) for row in self._locations()))

    def pull_catalogue(self) -> Iterator[Page]:
        for answer in self._client.pages(lambda at: self._client.get("/v2/catalog/list", types="ITEM", **at)):
            items = answer.get("objects") or ()
            yield Page(tuple(_document(ITEM, _id(row), row.get("updated_at", ""), row) for row in items))

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        """Inventory changes first (what is no sale), then orders and returns, ten locations at a time.

        A page of the last ten locations carries a watermark: everything else was read before it. It is never later
        than our clock before the read, nor than the newest row, so a clock that runs ahead or behind loses nothing.
        """
        before = self._now()
        locations = [_id(row) for row in self._locations()]
        newest = since
        for changes in self._changes(since):
            newest = _newest(newest, [_stamped(change).get("created_at") for change in changes])
            yield Page(tuple(_change_document(change) for change in changes))
        groups = [locations[at : at + LOCATIONS_A_SEARCH] for at in range(0, len(locations), LOCATIONS_A_SEARCH)]
        for group in groups:
            for orders in self._orders(group, since):
                stamp = _newest(since, [order.get("updated_at") for order in orders])
                newest = max(newest, stamp)
                is_last = group is groups[-1]
                watermark = max(since, min(before, stamp)) if is_last and orders else None
                yield Page(tuple(map(_order_document, orders)), watermark)
        yield Page((), max(since, min(before, newest)))

    def fetch_order(self, order_id: str) -> RawDocument:
        """Reads one order, as an `order.hint` asks for.

        Raises:
            RefusedError: Square knows no such order.
        """
        return _order_document(self._order(order_id))

    def pull_stock(self, stock_points: Sequence[str]) -> Iterator[Page]:
        for at in range(0, len(stock_points), IDS_A_QUESTION):
            question = {
                "location_ids": list(stock_points[at : at + IDS_A_QUESTION]),
                "states": ["IN_STOCK"],
                "limit": COUNTS_A_PAGE,
            }
            for answer in self._counts(question):
                yield Page(tuple(map(_count_document, answer.get("counts") or ())))

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        """Sets numbers by physical counts. SENT: taken, but Square shows another number, as after a sale."""
        return self._writer.write(writes, idempotency_key)

    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        """Fractions are cut off, as Square's tills do."""
        shown = {}
        for at in range(0, len(keys), IDS_A_QUESTION):
            part = keys[at : at + IDS_A_QUESTION]
            question = {
                "catalog_object_ids": sorted({key.stock_id for key in part}),
                "location_ids": sorted({key.stock_point for key in part}),
                "states": ["IN_STOCK"],
                "limit": COUNTS_A_PAGE,
            }
            for answer in self._counts(question):
                shown.update(shown_counts(answer))
        return [LevelReading(key, math.floor(shown[key]) if key in shown else None) for key in keys]

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        raise RefusedError("Square confirms numbers in its answer: it has no import reports")

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        raise RefusedError("Square's orders need no acceptance")

    def push_shipment(self, shipment: Shipment) -> None:
        """Completes the fulfillments that the shipment covers, with its tracking; a till ticket has none."""
        push_shipment(self._client, shipment)

    def push_ready(self, notice: ReadyNotice) -> bool:
        """Moves pickups whose lines are all there to PREPARED; Square tells the customer as its seller has set it."""
        return push_ready(self._client, notice)

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        """Cancels a whole unpaid order; what is paid must be refunded in Square by a person."""
        push_cancellation(self._client, order_external_id, lines)

    def ensure_webhooks(self, callback_url: str) -> list[str]:
        """Needs the application's personal access token: subscriptions are the application's, not the seller's."""
        return subscribe(self._client, callback_url, self._now())

    def _locations(self) -> list[Wire]:
        return list(self._client.get("/v2/locations").get("locations") or ())

    def _order(self, order_id: str) -> Wire:
        return self._client.get(f"/v2/orders/{quote(order_id, safe='')}").get("order") or {}

    def _changes(self, since: datetime) -> Iterator[list[Wire]]:
        # Square answers what is later than the given time; the hub asks for what is not earlier.
        question = {"updated_after": rfc3339(since - timedelta(milliseconds=1)), "limit": COUNTS_A_PAGE}
        path = "/v2/inventory/changes/batch-retrieve"
        for answer in self._client.pages(lambda at: self._client.ask(path, {**question, **at})):
            yield list(answer.get("changes") or ())

    def _orders(self, locations: Sequence[str], since: datetime) -> Iterator[list[Wire]]:
        question = {
            "location_ids": list(locations),
            "limit": ORDERS_A_PAGE,
            "return_entries": False,
            "query": {
                "filter": {"date_time_filter": {"updated_at": {"start_at": rfc3339(since)}}},
                "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
            },
        }
        for answer in self._client.pages(lambda at: self._client.ask("/v2/orders/search", {**question, **at})):
            yield list(answer.get("orders") or ())

    def _counts(self, question: Wire) -> Iterator[Wire]:
        path = "/v2/inventory/counts/batch-retrieve"
        return self._client.pages(lambda at: self._client.ask(path, {**question, **at}))


def _document(topic: str, document_id: str, stamp: str, row: Wire) -> RawDocument:
    """A polled row; its event is its stamp and a hash of it, because not everything Square sends has a version."""
    body = json.dumps(row, separators=(",", ":"), sort_keys=True).encode()
    version = f"{stamp}-{hashlib.sha256(body).hexdigest()[:12]}" if stamp else hashlib.sha256(body).hexdigest()[:12]
    return RawDocument(topic, document_id, f"{topic}:{document_id}:{version}", body, Heard.POLL, moment_of(stamp))


def _order_document(order: Wire) -> RawDocument:
    return _document(ORDER, _id(order), order.get("updated_at", ""), order)


def _count_document(count: Wire) -> RawDocument:
    place = f"{_field(count, 'catalog_object_id')}:{_field(count, 'location_id')}"
    return _document(COUNT, place, count.get("calculated_at", ""), count)


def _change_document(change: Wire) -> RawDocument:
    content = _stamped(change)
    return _document(CHANGE, _id(content), content.get("created_at", ""), change)


def _stamped(change: Wire) -> Wire:
    """The content of an inventory change, whatever its type: it has the id and the times."""
    for kind in ("physical_count", "adjustment", "transfer"):
        content = change.get(kind)
        if isinstance(content, dict):
            return content
    raise ContractError("Square answered an inventory change without content")


def _id(row: Wire) -> str:
    return _field(row, "id")


def _field(row: Wire, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise ContractError(f"Square answered a row without {name!r}")
    return value


def _newest(floor: datetime, stamps: Sequence[object]) -> datetime:
    return max([floor, *(moment for stamp in stamps if (moment := moment_of(stamp)) is not None)])


CHANNEL = Channel(
    platform="square",
    is_reading=is_reading,
    capabilities=Capabilities(
        stock_meaning=StockMeaning.AVAILABLE,
        committed_included=False,
        decrements_at=DecrementMoment.PAYMENT,
        restocks_on_cancel=False,
        write_mode=WriteMode.LAST_WRITER_WINS,
        confirmation=Confirmation.ANSWER,
        has_webhooks=True,
        dates_levels=True,
        can_push_ready=True,
        write_batch=100,
        read_batch=IDS_A_QUESTION,
        calls_per_minute=600.0,
        order_poll_seconds=60.0,
        stock_poll_seconds=900.0,
        order_overlap_seconds=600.0,
    ),
    settings=SquareSettings,
    connect=SquareConnection,
    translate=translate,
    receive=receive,
)
