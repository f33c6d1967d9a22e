"""Mirakl Marketplace, seller side: one operator's marketplace, one shop.

API: seller REST API, contract snapshot 2026-08 (OpenAPI 3.1), read 2026-11-22. Most French marketplaces are this API
behind another address. There are no webhooks for sellers, no idempotency keys, and one number per account.

Ceilings, in the contract's operation texts, seconds between two calls: STO01 60, STO02 15, STO03 60, OR11 60 (900 for
an external partner), RT11 300. OR11 is counted per read, not per page, and not when it reads named orders ("at each
order page display"). OF21, OR21, OR23, OR24, OR28, OR30: as often as the event itself. Pages hold 100 rows at most.

Stock goes through STO01 (quantities only), never OF24, which resets every field that is not sent. An import is
asynchronous: its number is confirmed by STO02 and STO03, or by reading the offer back. Imports of stock cannot be
listed (OF04 and PRI02 list others): one whose id was lost with its answer is known by its effect alone. The contract
says not how long an import may take, but to ask for it every 5 minutes: LATE_IMPORT_SECONDS is twice that, our choice.

Mirakl takes units off the offer's quantity when an order is created, before anybody accepts it. Neither the contract
nor its texts say whether a refused or canceled order puts them back: this connector declares that it does; where an
operator has it otherwise, the sweep for drift finds the difference.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from connectors.errors import ContractError, NoAnswerError, RefusedError, ThrottledError
from connectors.mirakl_api import (
    OFFERS_PATH,
    ORDERS_PATH,
    PAGE_SIZE,
    MiraklApi,
    MiraklSettings,
    object_of,
    objects_of,
    order_path,
    rows_of,
)
from connectors.mirakl_stock import RUNNING, import_state, outcomes, report_reasons, stock_file
from connectors.mirakl_withdrawals import DEAD_STATES, LEFT_STATES, cancelation, outstanding, refund
from connectors.records import Channel, Page
from connectors.transport import Runtime
from mappings.mirakl import CAME_BACK, STOCK_POINT, translate
from schemas.capabilities import Capabilities, Confirmation, DecrementMoment, StockMeaning, WriteMode
from schemas.documents import Heard, RawDocument
from schemas.fulfillment import Parcel, ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome

ORDERS_PERIOD_SECONDS = 60.0
PARTNER_ORDERS_PERIOD_SECONDS = 900.0
RETURNS_PERIOD_SECONDS = 300.0
RETURNS_LOOKBACK = timedelta(days=1)
"""Returns are read less often than orders, under the orders' watermark: each read reaches back this far."""

STOCK_IMPORT_PERIOD_SECONDS = 60.0
IMPORT_STATUS_PERIOD_SECONDS = 15.0
ERROR_REPORT_PERIOD_SECONDS = 60.0
LATE_IMPORT_SECONDS = 600.0
"""So long an import whose id nobody knows may still be waiting or running."""

READ_ONE_BY_ONE = 20
"""Up to so many offers are read back by sku; more cost less as a full listing."""

IMPORTS_PATH = f"{OFFERS_PATH}/stock/imports"
# By title: the default order, by price, moves while prices change.
OFFER_ORDER = {"sort": "productTitle", "order": "asc"}
WAITING_STATES = frozenset({"STAGING", "WAITING_ACCEPTANCE"})


class MiraklConnection:
    """One shop. Offers' quantities are last-writer-wins."""

    def __init__(self, settings: MiraklSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._api = MiraklApi(settings, runtime)
        self._offers_of_orders: dict[str, dict[str, int]] = {}

    def check(self) -> str:
        """Signs in (A01)."""
        account = self._account()
        return f"Mirakl shop {account['shop_name']!r} ({account['shop_id']}) is {account['shop_state']}"

    def pull_places(self) -> Iterator[Page]:
        """The account itself. A01 also holds bank details: only the shop's name and state are kept."""
        account = self._account()
        body = json.dumps(account, sort_keys=True).encode()
        yield Page((_polled("account", STOCK_POINT, _short_hash(body), body, self._runtime.now()),))

    def pull_catalogue(self) -> Iterator[Page]:
        """Every offer (OF21). Offers have no version: a change of what is listed, not of its stock, is an event."""
        now = self._runtime.now()
        for rows in self._api.offset_pages(OFFERS_PATH, "offers", OFFER_ORDER):
            yield Page(tuple(_offer_document(row, now) for row in rows))

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        """Orders by OR11, then returns by RT11.

        OR11 sorts by creation only, so nothing is safe before its last page: the watermark is the moment before the
        read. There is no upper bound on the update time: an order updated meanwhile would leave the filter and hide
        the row behind it.
        """
        is_partner = self._settings.is_external_partner
        self._api.reserve("OR11", PARTNER_ORDERS_PERIOD_SECONDS if is_partner else ORDERS_PERIOD_SECONDS)
        before = self._runtime.now()
        for rows in self._api.offset_pages(ORDERS_PATH, "orders", {"start_update_date": _stamp(since)}):
            yield Page(tuple(_order_document(row) for row in rows))
        if self._settings.has_returns:
            yield from self._pull_returns(since - RETURNS_LOOKBACK)
        yield Page((), watermark=before)

    def pull_stock(self, stock_points: Sequence[str]) -> Iterator[Page]:
        """The quantity of every offer (OF21). The number is at least as new as the moment before its page."""
        if STOCK_POINT not in stock_points:
            return
        pages = self._api.offset_pages(OFFERS_PATH, "offers", OFFER_ORDER)
        while True:
            now = self._runtime.now()
            rows = next(pages, None)
            if rows is None:
                return
            yield Page(tuple(_quantity_documents(rows, now)))

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        """Uploads one stock file (STO01). Mirakl knows no idempotency key: it only names the file."""
        refusals = {write.key: reason for write in writes if (reason := _why_not(write))}
        sent = [write for write in writes if write.key not in refusals]
        outcome, receipt = (WriteOutcome.SENT, None) if not sent else self._upload(sent, idempotency_key)
        return [
            LevelAnswer(write.key, WriteOutcome.REFUSED, refusals[write.key])
            if write.key in refusals
            else LevelAnswer(write.key, outcome, None, receipt)
            for write in writes
        ]

    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        """Reads offers back by sku (OF21)."""
        skus = dict.fromkeys(key.stock_id for key in keys if key.stock_point == STOCK_POINT)
        shown: dict[str, int] = {}
        if len(skus) > READ_ONE_BY_ONE:
            for rows in self._api.offset_pages(OFFERS_PATH, "offers", OFFER_ORDER):
                shown |= _quantities(rows)
        # An offer may slip between two pages of the listing: only its own answer proves that it is gone.
        for sku in skus:
            if sku not in shown:
                for rows in self._api.offset_pages(OFFERS_PATH, "offers", {"sku": sku}):
                    shown |= _quantities(rows)
        return [LevelReading(key, shown.get(key.stock_id) if key.stock_point == STOCK_POINT else None) for key in keys]

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        """Asks how far an import is (STO02), and for its refused rows (STO03).

        Raises:
            ThrottledError: one of the two was asked too recently; ask for the receipt again later.
            ContractError: the import is in a state that nobody knows.
        """
        self._api.reserve("STO02", IMPORT_STATUS_PERIOD_SECONDS)
        path = f"{IMPORTS_PATH}/{quote(receipt, safe='')}"
        try:
            state = import_state(self._api.get(f"{path}/status"))
        except RefusedError:
            return [
                LevelAnswer(write.key, WriteOutcome.UNKNOWN, "Mirakl forgot the import", receipt) for write in writes
            ]
        if state.status in RUNNING:
            return [LevelAnswer(write.key, WriteOutcome.SENT, None, receipt) for write in writes]
        if state.status not in ("COMPLETE", "FAILED"):
            raise ContractError(f"Mirakl import {receipt!r} is in the unknown state {state.status[:40]!r}")
        refused: list[tuple[str | None, str]] = []
        if state.has_report:
            self._api.reserve("STO03", ERROR_REPORT_PERIOD_SECONDS)
            refused = report_reasons(self._api.get(f"{path}/error_report", accept="text/csv").body)
        return outcomes(writes, state, refused, receipt)

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        """Decides on every line at once (OR21).

        Raises:
            RefusedError: a line is missing, or the order was decided otherwise, or it is gone.
        """
        decisions = [{"id": line, "accepted": is_accepted} for line, is_accepted in accepted_lines.items()]
        try:
            self._api.put(order_path(order_external_id, "accept"), {"order_lines": decisions}, is_repeatable=True)
        except RefusedError:
            if not _is_decided(self._api.order(order_external_id), accepted_lines):
                raise

    def push_shipment(self, shipment: Shipment) -> None:
        """Tells the parcel (OR23) and that the order left (OR24).

        OR24 ships an order whole, so only the shipment that completes it is told; parcels before it are not.
        """
        if not shipment.completes_order:
            return
        try:
            if shipment.parcel is not None:
                tracking = self._tracking(shipment.parcel)
                self._api.put(order_path(shipment.order, "tracking"), tracking, is_repeatable=True)
            self._api.put(order_path(shipment.order, "ship"), is_repeatable=True)
        except RefusedError:
            if self._api.order(shipment.order)["order_state"] not in LEFT_STATES:
                raise

    def push_ready(self, notice: ReadyNotice) -> bool:
        raise RefusedError("Mirakl's seller API has no word for an order that waits for its customer")

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        """Withdraws units: canceled (OR30) while Mirakl allows it, else refunded and taken out of the shipment (OR28).

        `lines` are each line's withdrawn units in all, so that telling them again does nothing.
        """
        order = self._api.order(order_external_id)
        withdrawals = outstanding(order, lines)
        if not withdrawals:
            return
        if order["order_state"] in WAITING_STATES:
            raise RefusedError(f"Mirakl order {order_external_id!r} waits for acceptance: refuse its lines instead")
        if order["can_cancel"]:
            path, name, entry, code = "cancel", "cancelations", cancelation, self._settings.cancellation_reason_code
        elif order.get("customer_debited_date"):
            path, name, entry, code = "refund", "refunds", refund, self._settings.refund_reason_code
        else:
            raise RefusedError(f"Mirakl order {order_external_id!r} can be neither canceled nor refunded now")
        if code is None:
            raise RefusedError(self._reason_codes("CANCELATION" if path == "cancel" else "REFUND"))
        entries = [entry(withdrawal, order["currency_iso_code"], code) for withdrawal in withdrawals]
        body = {name: entries, "order_tax_mode": order["order_tax_mode"]}
        self._api.put(f"{ORDERS_PATH}/{path}", body, is_repeatable=False)

    def ensure_webhooks(self, callback_url: str) -> list[str]:
        """Sellers have none."""
        return []

    def _account(self) -> dict[str, Any]:
        answer = object_of(self._api.get("/api/account"))
        return {name: answer.get(name) for name in ("shop_id", "shop_name", "shop_state")}

    def _upload(self, writes: Sequence[LevelWrite], idempotency_key: str) -> tuple[WriteOutcome, str | None]:
        self._api.reserve("STO01", STOCK_IMPORT_PERIOD_SECONDS)
        name = "".join(letter for letter in idempotency_key if letter.isalnum() or letter in "-_")[:64]
        try:
            answer = self._api.post_file(IMPORTS_PATH, f"stock-{name}.csv", stock_file(writes))
        except NoAnswerError:
            return WriteOutcome.UNKNOWN, None
        match object_of(answer):
            case {"import_id": str(receipt) | int(receipt)}:
                return WriteOutcome.SENT, str(receipt)
            case _:
                return WriteOutcome.UNKNOWN, None

    def _tracking(self, parcel: Parcel) -> dict[str, str]:
        code = self._settings.carrier_codes.get(parcel.carrier, self._settings.carrier_code)
        if code is not None:
            return {"carrier_code": code, "tracking_number": parcel.tracking_number}
        url = {"carrier_url": parcel.tracking_url} if parcel.tracking_url else {}
        return {"carrier_name": parcel.carrier, "tracking_number": parcel.tracking_number, **url}

    def _reason_codes(self, kind: str) -> str:
        reasons = objects_of(self._api.get(f"/api/reasons/{kind}"), "reasons")
        known = ", ".join(f"{reason.get('code')} ({reason.get('label')})" for reason in reasons)
        return f"Mirakl wants a {kind} reason: set its code in the settings, one of {known}"

    def _pull_returns(self, since: datetime) -> Iterator[Page]:
        try:
            self._api.reserve("RT11", RETURNS_PERIOD_SECONDS)
        except ThrottledError:
            return
        query = {"return_last_updated_from": _stamp(since), "limit": str(PAGE_SIZE)}
        while True:
            answer = self._api.get("/api/returns", query)
            rows = rows_of(answer, "data")
            self._learn_offers(rows)
            yield Page(tuple(_return_document(row, self._offers_of_orders) for row in rows))
            token = object_of(answer).get("next_page_token")
            if not token:
                return
            query = {**query, "page_token": str(token)}

    def _learn_offers(self, rows: Sequence[bytes]) -> None:
        """A return names order lines, not offers; a line's offer never changes, so it is asked once."""
        returns = [wire for wire in map(json.loads, rows) if wire.get("state") in CAME_BACK]
        orders = dict.fromkeys(str(wire.get("order_id")) for wire in returns)
        unknown = [order for order in orders if order not in self._offers_of_orders]
        if not unknown:
            return
        query = {"order_ids": ",".join(unknown), "max": str(PAGE_SIZE)}
        for order in self._api.orders(query):
            offers = {line["order_line_id"]: line["offer_id"] for line in order["order_lines"]}
            self._offers_of_orders[order["order_id"]] = offers


def _why_not(write: LevelWrite) -> str | None:
    if write.key.stock_point != STOCK_POINT:
        return f"a Mirakl account has no stock point {write.key.stock_point!r}"
    return "a quantity cannot be negative" if write.units < 0 else None


def _is_decided(order: Mapping[str, Any], accepted_lines: Mapping[str, bool]) -> bool:
    if order["order_state"] in WAITING_STATES:
        return False
    states = {line["order_line_id"]: line["order_line_state"] for line in order["order_lines"]}
    return all(
        line in states and (states[line] not in DEAD_STATES) == is_accepted
        for line, is_accepted in accepted_lines.items()
    )


def _quantities(rows: Sequence[bytes]) -> dict[str, int]:
    try:
        return {wire["shop_sku"]: int(wire["quantity"]) for wire in map(json.loads, rows)}
    except (KeyError, TypeError, ValueError) as error:
        raise ContractError("a Mirakl offer has no sku or no quantity") from error


def _offer_document(row: bytes, now: datetime) -> RawDocument:
    wire = json.loads(row)
    identity = [wire.get(name) for name in ("shop_sku", "product_title", "product_references")]
    return _polled("offer", str(wire.get("offer_id")), _short_hash(json.dumps(identity).encode()), row, now)


def _quantity_documents(rows: Sequence[bytes], now: datetime) -> Iterator[RawDocument]:
    """The rows of a page as one document: they are read every few minutes. What looks odd stands alone, so that it
    holds nothing else up.
    """
    plain: list[bytes] = []
    first = ""
    for row in rows:
        wire = json.loads(row)
        if type(wire.get("offer_id")) is int and type(wire.get("quantity")) is int:
            first = first or str(wire["offer_id"])
            plain.append(row)
        else:
            yield _quantity_document("offer_quantity", str(wire.get("offer_id")), row, now)
    if plain:
        yield _quantity_document("offer_quantities", f"from {first}", b'{"offers": [%s]}' % b",".join(plain), now)


def _quantity_document(topic: str, document_id: str, body: bytes, now: datetime) -> RawDocument:
    # The same number seen later is a new observation.
    return _polled(topic, document_id, f"{_stamp(now)}:{_short_hash(body)}", body, now)


def _order_document(row: bytes) -> RawDocument:
    wire = json.loads(row)
    # The stamp has whole seconds: two changes within one differ by content only.
    version = f"{wire.get('last_updated_date')}:{_short_hash(row)}"
    return _polled("order", str(wire.get("order_id")), version, row, None)


def _return_document(row: bytes, offers: Mapping[str, Mapping[str, int]]) -> RawDocument:
    wire = json.loads(row)
    lines = json.dumps(offers.get(wire.get("order_id"), {})).encode()
    version = f"{wire.get('last_updated')}:{_short_hash(row)}"
    return _polled("return", str(wire.get("id")), version, b'{"stated": %s, "offers": %s}' % (row, lines), None)


def _polled(topic: str, document_id: str, version: str, body: bytes, happened_at: datetime | None) -> RawDocument:
    return RawDocument(topic, document_id, f"{topic}:{document_id}:{version}", body, Heard.POLL, happened_at)


def _short_hash(body: bytes) -> str:
    return sha256(body).hexdigest()[:12]


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


CHANNEL = Channel(
    platform="mirakl",
    capabilities=Capabilities(
        stock_meaning=StockMeaning.AVAILABLE,
        committed_included=False,
        decrements_at=DecrementMoment.ORDER,
        restocks_on_cancel=True,
        withdraws_units=True,
        write_mode=WriteMode.LAST_WRITER_WINS,
        confirmation=Confirmation.IMPORT_REPORT,
        has_webhooks=False,
        must_accept_orders=True,
        write_batch=10_000,
        read_batch=1,
        throttles_by_operation=True,
        order_poll_seconds=ORDERS_PERIOD_SECONDS,
        stock_poll_seconds=900.0,
        write_period_seconds=STOCK_IMPORT_PERIOD_SECONDS,
        late_effect_seconds=LATE_IMPORT_SECONDS,
        order_overlap_seconds=300.0,
    ),
    settings=MiraklSettings,
    connect=MiraklConnection,
    translate=translate,
)
