"""The emulated API of Square: sign-in, cursors that expire, errors with codes, idempotency keys, dated counts."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qsl, unquote

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import ShelfCause
from simulation.platforms.square_account import Account
from simulation.platforms.square_book import COUNTS_AT_MOST_OLD, Change, Wire, stamp

CURSOR_LIFE = timedelta(minutes=5)
VERSION = "2025-08-20"
CATALOGUE_PAGE = 100


class ApiError(Exception):
    """What the API answers instead."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = {"category": _category(status), "code": code, "detail": detail}
        if field is not None:
            self.problem["field"] = field


def _category(status: int) -> str:
    return {401: "AUTHENTICATION_ERROR", 403: "AUTHENTICATION_ERROR"}.get(status, "INVALID_REQUEST_ERROR")


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a list goes on, for whom, and until when."""

    question: str
    rows: Sequence[Wire]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, taken apart."""

    query: dict[str, str]
    payload: Wire
    target: str
    now: datetime


class SquareApi:
    """Answers the hub."""

    def __init__(self, account: Account, access_token: str, page_limit: int) -> None:
        self._account = account
        self._access_token = access_token
        self._page_limit = page_limit
        self._cursors: dict[str, _Cursor] = {}
        self._taken: dict[str, tuple[Wire, Wire]] = {}
        self.calls: Counter[str] = Counter()
        self._routes: list[tuple[str, str, str, Callable[[_Call], Wire]]] = [
            ("GET", r"/v2/merchants/(me)", "RetrieveMerchant", self._merchant),
            ("GET", r"/v2/locations()", "ListLocations", self._locations),
            ("GET", r"/v2/catalog/list()", "ListCatalog", self._catalogue),
            ("POST", r"/v2/inventory/counts/batch-retrieve()", "BatchRetrieveInventoryCounts", self._counts),
            ("POST", r"/v2/inventory/changes/batch-retrieve()", "BatchRetrieveInventoryChanges", self._changes),
            ("POST", r"/v2/inventory/changes/batch-create()", "BatchChangeInventory", self._change),
            ("POST", r"/v2/orders/search()", "SearchOrders", self._search),
            ("GET", r"/v2/orders/([^/]+)", "RetrieveOrder", self._order),
            ("PUT", r"/v2/orders/([^/]+)", "UpdateOrder", self._update_order),
            ("GET", r"/v2/webhooks/subscriptions()", "ListWebhookSubscriptions", self._subscriptions),
            ("POST", r"/v2/webhooks/subscriptions()", "CreateWebhookSubscription", self._subscribe),
            ("PUT", r"/v2/webhooks/subscriptions/([^/]+)", "UpdateWebhookSubscription", self._resubscribe),
        ]

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answers one request."""
        try:
            status, answer = 200, self._answer(request, now)
        except ApiError as error:
            status, answer = error.status, {"errors": [error.problem]}
        headers = {"content-type": "application/json", "date": format_datetime(now, usegmt=True)}
        return HttpResponse(status, headers, json.dumps(answer).encode())

    def _answer(self, request: HttpRequest, now: datetime) -> Wire:
        if request.headers.get("authorization") != f"Bearer {self._access_token}":
            raise ApiError(401, "UNAUTHORIZED", "This request could not be authorized.")
        if request.headers.get("square-version") != VERSION:
            raise ApiError(400, "INVALID_SQUARE_VERSION_FORMAT", f"The emulator speaks version {VERSION} only.")
        path, _, query = request.path.partition("?")
        for method, pattern, name, answer in self._routes:
            found = re.fullmatch(pattern, path) if method == request.method else None
            if found:
                self.calls[name] += 1
                payload = _payload(request) if method != "GET" else {}
                return answer(_Call(dict(parse_qsl(query)), payload, unquote(found[1]), now))
        raise ApiError(404, "NOT_FOUND", "API endpoint not found.")

    def _merchant(self, call: _Call) -> Wire:
        account = self._account
        merchant = {"id": account.merchant_id, "business_name": "Emulated stores", "country": account.country}
        return {"merchant": merchant | {"currency": account.currency, "status": "ACTIVE"}}

    def _locations(self, call: _Call) -> Wire:
        return {"locations": sorted(self._account.locations.values(), key=lambda row: str(row["name"]))}

    def _catalogue(self, call: _Call) -> Wire:
        types = {part.strip().upper() for part in call.query.get("types", "ITEM").split(",")}
        rows = self._account.items if "ITEM" in types else []
        return self._page(call, "objects", rows, CATALOGUE_PAGE)

    def _counts(self, call: _Call) -> Wire:
        asked = call.payload
        after = _moment(asked.get("updated_after"), "updated_after")
        states = asked.get("states")
        book = self._account.book
        keys = [
            key
            for key in book.numbers()
            if _among(key[0], asked.get("catalog_object_ids"))
            and _among(key[1], asked.get("location_ids"))
            and _among("IN_STOCK", states)
            and (after is None or book.calculated_at(key) > after)
        ]
        keys.sort(key=book.calculated_at, reverse=True)
        return self._page(call, "counts", [book.wire_count(key) for key in keys], _limit(asked, 100))

    def _changes(self, call: _Call) -> Wire:
        asked = call.payload
        after = _moment(asked.get("updated_after"), "updated_after")
        before = _moment(asked.get("updated_before"), "updated_before")

        def is_asked(change: Change) -> bool:
            content = change.wire.get("adjustment", {})
            return (
                _among(change.wire["type"], asked.get("types"))
                and _among(change.key[0], asked.get("catalog_object_ids"))
                and _among(change.key[1], asked.get("location_ids"))
                and (not content or not asked.get("states") or content["to_state"] in asked["states"])
                and (before is None or change.created_at < before)
            )

        recent = takewhile(
            lambda change: after is None or change.created_at > after, reversed(self._account.book.history)
        )
        rows = list(filter(is_asked, recent))
        rows.reverse()
        rows.sort(key=lambda change: change.occurred_at)
        return self._page(call, "changes", [change.wire for change in rows], _limit(asked, 100))

    def _change(self, call: _Call) -> Wire:
        key = call.payload.get("idempotency_key")
        if not isinstance(key, str) or not 1 <= len(key) <= 128:
            raise ApiError(400, "VALUE_TOO_LONG", "Field must be 1 to 128 characters.", "idempotency_key")
        if key in self._taken:
            asked, answer = self._taken[key]
            if asked != call.payload:
                raise ApiError(400, "IDEMPOTENCY_KEY_REUSED", "The key was used with another body.", "idempotency_key")
            return answer
        changes = call.payload.get("changes") or []
        if len(changes) > 100:
            raise ApiError(400, "ARRAY_LENGTH_TOO_LONG", "Array can contain at most 100 elements.", "changes")
        counts = [self._checked_count(change, at, call.now) for at, change in enumerate(changes)]
        answer = self._applied(counts, call)
        self._taken[key] = (call.payload, answer)
        return answer

    def _checked_count(self, change: Wire, at: int, now: datetime) -> Wire:
        """One row of a batch; a bad one refuses all."""
        where = f"changes[{at}]"
        count = change.get("physical_count")
        if change.get("type") != "PHYSICAL_COUNT" or not isinstance(count, dict):
            raise ApiError(400, "INVALID_VALUE", "The emulator takes physical counts only.", f"{where}.type")
        variation, location = str(count.get("catalog_object_id")), str(count.get("location_id"))
        if variation not in self._account.variations:
            raise ApiError(404, "NOT_FOUND", f"Item variation with catalog object ID `{variation}` not found.")
        if location not in self._account.locations:
            raise ApiError(404, "NOT_FOUND", f"Location with ID `{location}` not found.")
        if count.get("state") != "IN_STOCK":
            raise ApiError(400, "INVALID_ENUM_VALUE", "Counts are kept of IN_STOCK only.", f"{where}.state")
        if not re.fullmatch(r"[0-9]+(\.[0-9]{1,5})?", str(count.get("quantity"))):
            raise ApiError(400, "INVALID_VALUE", "Invalid quantity.", f"{where}.physical_count.quantity")
        occurred_at = _moment(count.get("occurred_at"), "occurred_at")
        if occurred_at is None or not now - COUNTS_AT_MOST_OLD <= occurred_at <= now:
            field = f"{where}.physical_count.occurred_at"
            raise ApiError(400, "INVALID_TIME", "Time must be within the last 24 hours and not in the future.", field)
        return count

    def _applied(self, counts: Sequence[Wire], call: _Call) -> Wire:
        book, made, keys = self._account.book, [], []
        for count in counts:
            key = (count["catalog_object_id"], count["location_id"])
            units = Decimal(count["quantity"])
            keys.append(key)
            if call.payload.get("ignore_unchanged_counts", True) and book.is_unchanged(key, units):
                continue
            occurred_at = _moment(count["occurred_at"], "occurred_at") or call.now
            extra = {"source": {"product": "EXTERNAL_API", "application_id": "sq0idp-emulated", "name": "Nervure"}}
            if "reference_id" in count:
                extra["reference_id"] = count["reference_id"]
            made.append(book.count(key, units, ShelfCause.WRITTEN, call.now, occurred_at=occurred_at, extra=extra))
        return {"errors": [], "counts": [book.wire_count(key) for key in dict.fromkeys(keys)], "changes": made}

    def _search(self, call: _Call) -> Wire:
        asked = call.payload
        places = asked.get("location_ids") or []
        if not 1 <= len(places) <= 10:
            raise ApiError(400, "BAD_REQUEST", "Between 1 and 10 locations must be named.", "location_ids")
        query = asked.get("query", {})
        spans = query.get("filter", {}).get("date_time_filter", {})
        field = query.get("sort", {}).get("sort_field", "CREATED_AT").lower()
        if spans and list(spans) != [field]:
            raise ApiError(400, "BAD_REQUEST", "The sort field must be the field that is filtered.", "query.sort")
        span = spans.get(field, {})
        start, end = _moment(span.get("start_at"), "start_at"), _moment(span.get("end_at"), "end_at")
        rows = [
            (moment, order)
            for order in self._account.orders.values()
            if order["location_id"] in places
            and (moment := self._account.moment_of(order, field)) is not None
            and (start is None or moment >= start)
            and moment <= (end or call.now)
        ]
        rows.sort(key=lambda row: row[0], reverse=query.get("sort", {}).get("sort_order", "DESC") == "DESC")
        return self._page(call, "orders", [order for _, order in rows], _limit(asked, 500))

    def _order(self, call: _Call) -> Wire:
        order = self._account.orders.get(call.target)
        if order is None:
            raise ApiError(404, "NOT_FOUND", f"Order not found for id {call.target}")
        return {"order": order}

    def _update_order(self, call: _Call) -> Wire:
        order = dict(self._order(call)["order"])
        change = call.payload.get("order") or {}
        key = str(call.payload.get("idempotency_key", ""))
        if key and key in self._taken:
            return {"order": order}
        if order["state"] in ("COMPLETED", "CANCELED"):
            raise ApiError(400, "BAD_REQUEST", "A completed or canceled order cannot be updated.")
        if "version" not in order:
            raise ApiError(400, "BAD_REQUEST", "Only orders made through the API can be updated.", "order.version")
        if change.get("version") != order["version"]:
            raise ApiError(409, "CONFLICT", "The order has another version by now.", "order.version")
        order["fulfillments"] = [_fulfilled(part, change) for part in order.get("fulfillments", [])]
        states = {part["state"] for part in order["fulfillments"]}
        if change.get("state") == "CANCELED":
            if order.get("tenders") or states - {"CANCELED", "FAILED"}:
                raise ApiError(400, "BAD_REQUEST", "Only unpaid orders without open fulfillments can be canceled.")
            order |= {"state": "CANCELED", "closed_at": stamp(call.now)}
        elif order.get("tenders") and states == {"COMPLETED"}:
            order |= {"state": "COMPLETED", "closed_at": stamp(call.now)}
        self._account.save(order, call.now)
        if key:
            self._taken[key] = (call.payload, {})
        return {"order": order}

    def _subscriptions(self, call: _Call) -> Wire:
        hidden = call.query.get("include_disabled") != "true"
        rows = [row for row in self._account.events.subscriptions.values() if row["enabled"] or not hidden]
        return self._page(call, "subscriptions", [_without_key(row) for row in rows], 100)

    def _subscribe(self, call: _Call) -> Wire:
        wanted = call.payload["subscription"]
        return {"subscription": self._account.events.subscribe(wanted, call.now)}

    def _resubscribe(self, call: _Call) -> Wire:
        known = self._account.events.subscriptions.get(call.target)
        if known is None:
            raise ApiError(404, "NOT_FOUND", "Subscription not found.")
        known |= call.payload["subscription"] | {"updated_at": stamp(call.now)}
        return {"subscription": _without_key(known)}

    def _page(self, call: _Call, field: str, rows: Sequence[Wire], limit: int) -> Wire:
        """Cuts a page off; what is left waits under a cursor that only the same question may use."""
        fields = call.payload or call.query
        question = json.dumps([field, {name: value for name, value in fields.items() if name != "cursor"}])
        given = fields.get("cursor")
        if given:
            known = self._cursors.get(given)
            if known is None or known.expires_at < call.now or known.question != question:
                raise ApiError(400, "INVALID_CURSOR", "The cursor is not valid.", "cursor")
            rows = known.rows
        size = min(limit, self._page_limit)
        answer: Wire = {field: list(rows[:size])}
        if len(rows) > size:
            self._cursors = {name: kept for name, kept in self._cursors.items() if kept.expires_at >= call.now}
            answer["cursor"] = self._account.new_id("cursor")
            # A page is of the moment when the list was asked for: what changes meanwhile is in the next list.
            left = rows[size:] if given else json.loads(json.dumps(rows[size:]))
            self._cursors[answer["cursor"]] = _Cursor(question, left, call.now + CURSOR_LIFE)
        return answer


def _payload(request: HttpRequest) -> Wire:
    try:
        payload = json.loads(request.body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise ApiError(400, "EXPECTED_JSON_BODY", "The body is not a JSON object.")
    return payload


def _limit(asked: Wire, default: int) -> int:
    limit = asked.get("limit", default)
    if not isinstance(limit, int) or not 1 <= limit <= 1000:
        raise ApiError(400, "VALUE_TOO_HIGH", "The limit is between 1 and 1000.", "limit")
    return limit


def _moment(text: Any, field: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ApiError(400, "INVALID_TIME", "Not an RFC 3339 time.", field)
    return moment


def _among(value: object, asked: object) -> bool:
    return not isinstance(asked, list) or not asked or value in asked


def _fulfilled(part: Wire, change: Wire) -> Wire:
    for asked in change.get("fulfillments") or ():
        if asked.get("uid") == part["uid"]:
            details = {name: {**part.get(name, {}), **asked[name]} for name in asked if name.endswith("_details")}
            return {**part, "state": asked.get("state", part["state"]), **details}
    return part


def _without_key(subscription: Wire) -> Wire:
    return {name: value for name, value in subscription.items() if name != "signature_key"}
