"""The seller API of the emulated marketplace: routes, ceilings, refusals."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.parser import BytesParser
from math import ceil
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from connectors.transport import HttpRequest, HttpResponse
from simulation.platforms import mirakl_documents as documents
from simulation.platforms.mirakl_orders import BEFORE_DEBIT, Line, Order, State, StockImport, Withdrawn

if TYPE_CHECKING:
    from simulation.platforms.mirakl import MiraklEmulator

MAX_PAGE = 100
DEFAULT_PAGE = 10
CARRIERS = frozenset({"COLISSIMO", "CHRONOPOST", "UPS"})
REASONS = {
    "CANCELATION": {"34": "Article indisponible", "16": "Annulé par le client"},
    "REFUND": {"15": "Article indisponible", "17": "Article retourné"},
}


@dataclass(frozen=True, slots=True)
class Call:
    """One authorized call."""

    shop: MiraklEmulator
    now: datetime
    path: tuple[str, ...]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def first(self, name: str) -> str | None:
        """A query parameter's value."""
        return self.query[name][0] if name in self.query else None


class RefusalError(Exception):
    """An answer of 400 or above."""

    def __init__(self, status: int, code: str, *, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.retry_after = retry_after


def answer(shop: MiraklEmulator, request: HttpRequest, now: datetime) -> HttpResponse:
    """Answers one request of the seller."""
    path, _, query = request.path.partition("?")
    for method, pattern, operation, handler in ROUTES:
        if request.method == method and (found := re.fullmatch(pattern, path)):
            values = parse_qs(query, keep_blank_values=True)
            call = Call(shop, now, tuple(map(unquote, found.groups())), values, request.headers, request.body)
            try:
                return _admitted(call, operation, handler)
            except RefusalError as refusal:
                return _refused(refusal)
    return _refused(RefusalError(404, "RESOURCE_NOT_FOUND"))


def _refused(refusal: RefusalError) -> HttpResponse:
    headers = {"retry-after": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    return _json({"code": refusal.code, "message": "refused", "status": refusal.status}, refusal.status, headers)


def _admitted(call: Call, operation: str, handler: Callable[[Call], HttpResponse]) -> HttpResponse:
    if call.headers.get("authorization") != call.shop.api_key:
        raise RefusalError(401, "UNAUTHORIZED_KEY")
    if call.first("shop_id") not in (None, str(call.shop.shop_id)):
        raise RefusalError(403, "SHOP_FORBIDDEN")
    call.shop.calls[operation] += 1
    # A read goes on over its pages, and named orders are shown on demand: neither is a new read.
    is_new = call.first("offset") in (None, "0") and not {"order_ids", "page_token"} & set(call.query)
    period = call.shop.ceilings.get(operation)
    if period is not None and is_new:
        last = call.shop.last_calls.get(operation)
        if last is not None and (left := last + timedelta(seconds=period) - call.now) > timedelta():
            raise RefusalError(429, "TOO_MANY_REQUESTS", retry_after=ceil(left.total_seconds()))
        call.shop.last_calls[operation] = call.now
    return handler(call)


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json", **(headers or {})}, json.dumps(content).encode())


def _account(call: Call) -> HttpResponse:
    return _json(documents.account(call.shop, call.now))


def _offers(call: Call) -> HttpResponse:
    offers = sorted(call.shop.offers.values(), key=lambda offer: (offer.entry.title, offer.offer_id))
    sku = call.first("sku")
    found = [offer for offer in offers if sku in (None, offer.entry.sku)]
    return _offset_page(call, "offers", [documents.offer(offer, call.now) for offer in found])


def _orders(call: Call) -> HttpResponse:
    orders = sorted(call.shop.orders.values(), key=lambda order: (order.created_at, order.order_id))
    if (ids := call.first("order_ids")) is not None:
        orders = [order for order in orders if order.order_id in ids.split(",")]
    if (start := call.first("start_update_date")) is not None:
        since = datetime.fromisoformat(start)
        orders = [order for order in orders if order.updated_at >= since]
    return _offset_page(call, "orders", [documents.order(order) for order in orders])


def _offset_page(call: Call, key: str, rows: list[dict[str, Any]]) -> HttpResponse:
    try:
        size, offset = int(call.first("max") or DEFAULT_PAGE), int(call.first("offset") or 0)
    except ValueError:
        raise RefusalError(400, "VALIDATION_ERROR") from None
    if not 1 <= size <= MAX_PAGE or offset < 0:
        raise RefusalError(400, "VALIDATION_ERROR")
    return _json({key: rows[offset : offset + size], "total_count": len(rows)})


def _returns(call: Call) -> HttpResponse:
    since = datetime.fromisoformat(call.first("return_last_updated_from") or "1970-01-01T00:00:00Z")
    size, start = int(call.first("limit") or DEFAULT_PAGE), int(call.first("page_token") or 0)
    if not 1 <= size <= MAX_PAGE:
        raise RefusalError(400, "VALIDATION_ERROR")
    found = [back for back in call.shop.returns if back.at >= since]
    more = {"next_page_token": str(start + size)} if start + size < len(found) else {}
    return _json({"data": [documents.goods_back(back) for back in found[start : start + size]], **more})


def _accept(call: Call) -> HttpResponse:
    order = _order(call)
    decisions = [(_text(one, "id"), one.get("accepted")) for one in _list(_content(call), "order_lines")]
    if order.state is not State.WAITING_ACCEPTANCE:
        raise RefusalError(400, "ORDER_INVALID_STATE")
    named = [line for line, _ in decisions]
    if len(set(named)) != len(named):
        raise RefusalError(400, "ORDER_LINE_DUPLICATE_ID")
    known = {line.line_id for line in order.lines}
    if not set(named) <= known:
        raise RefusalError(400, "ORDER_LINE_NOT_FOUND")
    if set(named) != known:
        raise RefusalError(400, "ORDER_LINE_ACCEPTANCE_DECISION_MISSING")
    if not all(isinstance(is_accepted, bool) for _, is_accepted in decisions):
        raise RefusalError(400, "VALIDATION_ERROR")
    call.shop.decide(order, {line: bool(is_accepted) for line, is_accepted in decisions}, call.now)
    return HttpResponse(204)


def _track(call: Call) -> HttpResponse:
    order = _order(call)
    tracking = {name: str(value) for name, value in _content(call).items()}
    code = tracking.get("carrier_code")
    if order.state not in (State.SHIPPING, State.SHIPPED):
        raise RefusalError(400, "ORDER_INVALID_STATE")
    if (code is None and not tracking.get("carrier_name")) or (code is not None and code not in CARRIERS):
        raise RefusalError(400, "VALIDATION_ERROR")
    order.tracking = tracking
    order.touch(call.now)
    return HttpResponse(204)


def _ship(call: Call) -> HttpResponse:
    order = _order(call)
    if order.state is not State.SHIPPING:
        raise RefusalError(400, "ORDER_INVALID_STATE")
    order.advance(State.SHIPPED, call.now)
    return HttpResponse(204)


def _cancel(call: Call) -> HttpResponse:
    content = _content(call)
    booked = [_withdrawal(call, one, "CANCELATION") for one in _list(content, "cancelations")]
    if any(order.state not in BEFORE_DEBIT - {State.WAITING_ACCEPTANCE} for order, _, _ in booked):
        raise RefusalError(400, "ORDER_INVALID_STATE")
    for order, line, one in booked:
        call.shop.cancel_units(order, line, one)
        order.settle(call.now)
    mode = content.get("order_tax_mode", "TAX_INCLUDED")
    return _json({"cancelations": [documents.canceled(line, one) for _, line, one in booked], "order_tax_mode": mode})


def _refund(call: Call) -> HttpResponse:
    content = _content(call)
    stated = _list(content, "refunds")
    booked = [_withdrawal(call, one, "REFUND") for one in stated]
    if any(order.state in BEFORE_DEBIT or order.debited_at is None for order, _, _ in booked):
        raise RefusalError(400, "ORDER_INVALID_STATE")
    for (order, line, one), entry in zip(booked, stated, strict=True):
        one.is_out = entry.get("excluded_from_shipment") is True and line.shipped_at is None
        call.shop.refund_units(order, line, one)
        order.settle(call.now)
    mode = content.get("order_tax_mode", "TAX_INCLUDED")
    return _json({"refunds": [documents.refunded(line, one) for _, line, one in booked], "order_tax_mode": mode})


def _withdrawal(call: Call, entry: Mapping[str, Any], kind: str) -> tuple[Order, Line, Withdrawn]:
    line_id = _text(entry, "order_line_id")
    for order in call.shop.orders.values():
        for line in order.lines:
            if line.line_id == line_id:
                break
        else:
            continue
        break
    else:
        raise RefusalError(404, "ORDER_LINE_NOT_FOUND")
    try:
        amount, shipping = Decimal(str(entry["amount"])), Decimal(str(entry["shipping_amount"]))
        units = int(entry.get("quantity", 0))
    except (KeyError, ValueError, InvalidOperation):
        raise RefusalError(400, "VALIDATION_ERROR") from None
    reason = _text(entry, "reason_code")
    given_back = sum((one.amount for one in line.refunds), Decimal(0))
    if (
        reason not in REASONS[kind]
        or not 0 <= units <= line.units_to_ship
        or not 0 <= amount <= line.price - given_back
        or not 0 <= shipping <= line.shipping_price
        or "taxes" not in entry
    ):
        raise RefusalError(400, "VALIDATION_ERROR")
    return order, line, Withdrawn(call.shop.next_number(), call.now, units, amount, shipping, reason)


def _reasons(call: Call) -> HttpResponse:
    reasons = REASONS.get(call.path[0])
    if reasons is None:
        raise RefusalError(404, "RESOURCE_NOT_FOUND")
    rows = [{"code": code, "label": label} for code, label in reasons.items()]
    return _json({"reasons": rows, "total_count": len(rows)})


def _import(call: Call) -> HttpResponse:
    rows = list(csv.reader(io.StringIO(_uploaded(call)), delimiter=";"))
    is_stock = bool(rows) and rows[0][:2] == ["offer-sku", "quantity"]
    if any(row and row[0] in call.shop.refuses_files_with for row in rows):
        raise RefusalError(400, "VALIDATION_ERROR")
    one = StockImport(str(call.shop.next_number()), call.now, [row for row in rows[1:] if row] if is_stock else None)
    call.shop.imports[one.import_id] = one
    where = f"/api/offers/stock/imports/{one.import_id}/status"
    return _json({"import_id": one.import_id}, 201, {"location": where})


def _uploaded(call: Call) -> str:
    head = b"Content-Type: " + call.headers.get("content-type", "").encode() + b"\r\n\r\n"
    message = BytesParser().parsebytes(head + call.body)
    for part in message.walk():
        if part.get_param("name", header="content-disposition") == "file":
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                return payload.decode("utf-8-sig")
    raise RefusalError(400, "VALIDATION_ERROR")


def _import_status(call: Call) -> HttpResponse:
    one = _stock_import(call)
    content: dict[str, Any] = {
        "date_created": documents.stamp(one.received_at),
        "has_error_report": bool(one.errors),
        "import_id": one.import_id,
        "shop_id": call.shop.shop_id,
        "status": one.status,
    }
    if one.status == "COMPLETE":
        content |= {"lines_in_error": len(one.errors), "lines_in_success": len(one.rows or ()) - len(one.errors)}
    return _json(content)


def _import_errors(call: Call) -> HttpResponse:
    one = _stock_import(call)
    if not one.errors:
        raise RefusalError(404, "REPORT_NOT_FOUND")
    text = io.StringIO()
    lines = csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL)
    lines.writerow(["error-line", "error-message", "offer-sku", "quantity", "warehouse-code", "update-delete"])
    lines.writerows([number, reason, *row] for number, reason, row in one.errors)
    return HttpResponse(200, {"content-type": "text/csv;charset=UTF-8"}, text.getvalue().encode())


def _stock_import(call: Call) -> StockImport:
    one = call.shop.imports.get(call.path[0])
    if one is None:
        raise RefusalError(404, "IMPORT_NOT_FOUND")
    return one


def _order(call: Call) -> Order:
    order = call.shop.orders.get(call.path[0])
    if order is None:
        raise RefusalError(404, "ORDER_NOT_FOUND")
    return order


def _content(call: Call) -> dict[str, Any]:
    try:
        content = json.loads(call.body)
    except ValueError:
        content = None
    if call.headers.get("content-type") != "application/json" or not isinstance(content, dict):
        raise RefusalError(400, "VALIDATION_ERROR")
    return content


def _list(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = content.get(name)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise RefusalError(400, "VALIDATION_ERROR")
    return rows


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise RefusalError(400, "VALIDATION_ERROR")
    return value


ROUTES: tuple[tuple[str, str, str, Callable[[Call], HttpResponse]], ...] = (
    ("GET", r"/api/account", "A01", _account),
    ("GET", r"/api/offers", "OF21", _offers),
    ("GET", r"/api/orders", "OR11", _orders),
    ("PUT", r"/api/orders/cancel", "OR30", _cancel),
    ("PUT", r"/api/orders/refund", "OR28", _refund),
    ("PUT", r"/api/orders/([^/]+)/accept", "OR21", _accept),
    ("PUT", r"/api/orders/([^/]+)/tracking", "OR23", _track),
    ("PUT", r"/api/orders/([^/]+)/ship", "OR24", _ship),
    ("GET", r"/api/returns", "RT11", _returns),
    ("GET", r"/api/reasons/([^/]+)", "RE02", _reasons),
    ("POST", r"/api/offers/stock/imports", "STO01", _import),
    ("GET", r"/api/offers/stock/imports/([^/]+)/status", "STO02", _import_status),
    ("GET", r"/api/offers/stock/imports/([^/]+)/error_report", "STO03", _import_errors),
)
