"""A supplier that ships to the customer: a CSV feed, an address for orders, and one for replies.

    GET  /feed/stock.csv        the last published figures, with ETag and Last-Modified
    GET  /feed/stock.csv.done   there when the feed is complete
    POST /orders                JSON {reference, recipient, lines: [{line, supplier_sku, units}]}; 409: known already
    GET  /replies?after=N       JSON {replies: [...], next: path or null}, what was not taken back yet
    POST /replies/ID/ack        takes a reply back

The feed is a publication of the past, every `publish_every_seconds`. Its number falls when goods leave, not when an
order is confirmed, so units of our orders are inside until they ship (feed_counts_our_orders is False). The
supplier's other customers can only take what it has not confirmed to somebody.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from heapq import heappop, heappush
from typing import Any
from urllib.parse import parse_qs, unquote

from connectors.transport import HttpRequest, HttpResponse

FEED_PATH = "/feed/stock.csv"
PAGE_SIZE = 100


class FeedDamage(StrEnum):
    """What can be wrong with the published file. SHORT has two rows of five; UNFINISHED breaks off, without marker."""

    NONE = "none"
    MANGLED = "mangled"
    SHORT = "short"
    UNFINISHED = "unfinished"
    ALL_ZERO = "all_zero"
    WRONG_ENCODING = "wrong_encoding"


@dataclass(slots=True)
class _Order:
    reference: str
    lines: tuple[tuple[str, str, int], ...]
    is_confirmed: bool = False
    promised: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Publication:
    at: datetime
    stock: Mapping[str, int]


class SupplierEmulator:
    """One supplier. Whoever drives it passes the time; it never goes back.

    Args:
        publish_every_seconds: how old the feed can get.
        confirm_after_seconds: from the order to its confirmation, when units are promised to it.
        ship_after_seconds: from the confirmation until the goods leave.
        token: what `Authorization: Bearer …` must carry; None: nobody asks.
    """

    platform = "supplier_feed"

    def __init__(
        self,
        *,
        publish_every_seconds: float = 900.0,
        confirm_after_seconds: float = 60.0,
        ship_after_seconds: float = 3600.0,
        token: str | None = None,
    ) -> None:
        if publish_every_seconds <= 0:
            raise ValueError("a feed is published every so many seconds, more than 0")
        self._every = timedelta(seconds=publish_every_seconds)
        self._confirm_after = timedelta(seconds=confirm_after_seconds)
        self._ship_after = timedelta(seconds=ship_after_seconds)
        self._token = token
        self._stock: dict[str, int] = {}
        self._changed_at = datetime.min.replace(tzinfo=UTC)
        self._promised: Counter[str] = Counter()
        self._orders: dict[str, _Order] = {}
        self._due: list[tuple[datetime, int, _Order | None]] = []
        self._plans = 0
        self._replies: dict[int, dict[str, Any]] = {}
        self._reply_count = 0
        self._shipped: dict[str, int] = {}
        self._publication: _Publication | None = None
        self._damage = FeedDamage.NONE
        self._requests: Counter[str] = Counter()

    def load(self, stock: Mapping[str, int], now: datetime) -> None:
        """Sets the number of each sku and publishes."""
        self.advance(now)
        self._stock.update(stock)
        self._changed_at = now
        if self._publication is None:
            self._plan(now + self._every, None)
        self._publish(now)

    def stock(self) -> Mapping[str, int]:
        """Units in the supplier's house now, those promised to orders inside."""
        return dict(self._stock)

    def sell(self, sku: str, units: int, now: datetime) -> int:
        """Another customer buys: answers how many units it got."""
        self.advance(now)
        sold = min(units, self._free(sku))
        if sold:
            self._stock[sku] -= sold
            self._changed_at = now
        return sold

    def spoil(self, kind: str) -> None:
        """Publishes its figures in a damaged file from now on; "none" mends it."""
        self._damage = FeedDamage(kind)

    @property
    def changed_at(self) -> datetime:
        """When a number in the supplier's house moved last."""
        return self._changed_at

    def shipped(self) -> Mapping[str, int]:
        """Units that left, by our reference."""
        return dict(self._shipped)

    def requests_by_operation(self) -> Mapping[str, int]:
        """How many calls the hub made, by operation."""
        return dict(self._requests)

    def advance(self, now: datetime) -> None:
        """Publishes, confirms and ships what is due until `now`, in the order of time."""
        while self._due and self._due[0][0] <= now:
            at, _, order = heappop(self._due)
            if order is None:
                self._publish(at)
                self._plan(at + self._every, None)
            elif order.is_confirmed:
                self._ship(order, at)
            else:
                self._confirm(order, at)

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answers the hub."""
        self.advance(now)
        if self._token is not None and request.headers.get("authorization") != f"Bearer {self._token}":
            self._requests["refused_sign_in"] += 1
            return HttpResponse(401)
        path, _, query = request.path.partition("?")
        match (request.method, path.strip("/").split("/")):
            case ("GET", ["feed", "stock.csv"]):
                operation, response = "feed", self._feed(request)
            case ("GET", ["feed", "stock.csv.done"]):
                operation = "feed_marker"
                response = HttpResponse(404 if self._damage is FeedDamage.UNFINISHED else 200)
            case ("POST", ["orders"]):
                operation, response = "order", self._order(request, now)
            case ("GET", ["replies"]):
                operation, response = "replies", self._reply_page(query)
            case ("POST", ["replies", reply_id, "ack"]):
                operation, response = "acknowledge", self._taken_back(unquote(reply_id))
            case _:
                operation, response = "unknown", HttpResponse(404)
        self._requests[operation] += 1
        return response

    def _free(self, sku: str) -> int:
        return max(0, self._stock.get(sku, 0) - self._promised[sku])

    def _plan(self, at: datetime, what: _Order | None) -> None:
        self._plans += 1
        heappush(self._due, (at, self._plans, what))

    def _publish(self, at: datetime) -> None:
        self._publication = _Publication(at, dict(self._stock))

    def _confirm(self, order: _Order, at: datetime) -> None:
        promised: list[tuple[str, str, int]] = []
        answers: list[dict[str, Any]] = []
        for line, sku, units in order.lines:
            taken = min(units, self._free(sku))
            if taken == 0:
                answers.append({"line": line, "units": 0, "refusal": f"no stock of {sku}"})
                continue
            self._promised[sku] += taken
            promised.append((line, sku, taken))
            answers.append({"line": line, "units": taken, "refusal": None})
        order.promised, order.is_confirmed = tuple(promised), True
        if promised:
            self._plan(at + self._ship_after, order)
        self._reply(order.reference, at, answers, None)

    def _ship(self, order: _Order, at: datetime) -> None:
        self._changed_at = at
        for _, sku, units in order.promised:
            self._stock[sku] -= units
            self._promised[sku] -= units
        self._shipped[order.reference] = sum(units for _, _, units in order.promised)
        answers = [{"line": line, "units": units, "refusal": None} for line, _, units in order.promised]
        self._reply(order.reference, at, answers, f"SP{len(self._shipped):010d}FR")

    def _reply(self, reference: str, at: datetime, answers: list[dict[str, Any]], tracking: str | None) -> None:
        self._reply_count += 1
        self._replies[self._reply_count] = {
            "id": str(self._reply_count),
            "orderReference": reference,
            "at": at.isoformat(),
            "carrier": "Colissimo" if tracking else None,
            "trackingNumber": tracking,
            "lines": answers,
        }

    def _order(self, request: HttpRequest, now: datetime) -> HttpResponse:
        try:
            document = json.loads(request.body)
            reference = document["reference"]
            lines = tuple((str(row["line"]), str(row["supplier_sku"]), row["units"]) for row in document["lines"])
        except (ValueError, KeyError, TypeError):
            return _problem(400, "the order cannot be read")
        if not isinstance(reference, str) or not reference or not lines:
            return _problem(400, "the order has no reference or no lines")
        if any(type(units) is not int or units < 1 for _, _, units in lines):
            return _problem(422, "every line needs at least one unit")
        if reference in self._orders:
            return _problem(409, "this reference is known")
        self._orders[reference] = _Order(reference, lines)
        self._plan(now + self._confirm_after, self._orders[reference])
        return HttpResponse(201, {"content-type": "application/json"}, json.dumps({"reference": reference}).encode())

    def _reply_page(self, query: str) -> HttpResponse:
        after = parse_qs(query).get("after", ["0"])[0]
        if not after.isdecimal():
            return _problem(400, "after must be a number")
        waiting = [reply for number, reply in self._replies.items() if number > int(after)]
        page = waiting[:PAGE_SIZE]
        more = f"/replies?after={page[-1]['id']}" if len(waiting) > len(page) else None
        body = json.dumps({"replies": page, "next": more}).encode()
        return HttpResponse(200, {"content-type": "application/json"}, body)

    def _taken_back(self, reply_id: str) -> HttpResponse:
        if not reply_id.isdecimal() or not 1 <= int(reply_id) <= self._reply_count:
            return _problem(404, "no such reply")
        self._replies.pop(int(reply_id), None)
        return HttpResponse(204)

    def _feed(self, request: HttpRequest) -> HttpResponse:
        if self._publication is None:
            return _problem(404, "nothing is published")
        body = self._csv(self._publication)
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        headers = {
            "content-type": "text/csv",
            "etag": etag,
            "last-modified": format_datetime(self._publication.at.astimezone(UTC), usegmt=True),
        }
        if "if-none-match" in request.headers:
            is_known = request.headers["if-none-match"] == etag
        else:
            is_known = _is_not_newer(self._publication.at, request.headers.get("if-modified-since", ""))
        return HttpResponse(304, headers) if is_known else HttpResponse(200, headers, body)

    def _csv(self, publication: _Publication) -> bytes:
        stock = list(publication.stock.items())
        if self._damage is FeedDamage.SHORT:
            stock = stock[: len(stock) * 2 // 5]
        rows = ["sku;ean;title;stock;price;currency;lead_days;as_of"]
        for number, (sku, units) in enumerate(stock, start=1):
            code = _ean(number)
            if self._damage is FeedDamage.MANGLED:
                code = f"{code[0]},{code[1:6].rstrip('0') or '0'}E+12"
            shown = 0 if self._damage is FeedDamage.ALL_ZERO else units
            rows.append(f"{sku};{code};Thé n° {number};{shown};{number},50;EUR;2;{publication.at.isoformat()}")
        text = "\r\n".join(rows) + "\r\n"
        if self._damage is FeedDamage.UNFINISHED:
            text = text[: text.rindex("Thé") + 2]
        return text.encode("latin-1" if self._damage is FeedDamage.WRONG_ENCODING else "utf-8")


def _ean(number: int) -> str:
    digits = f"300{number:09d}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def _is_not_newer(published_at: datetime, known: str) -> bool:
    try:
        return published_at.replace(microsecond=0) <= parsedate_to_datetime(known)
    except ValueError:
        return False


def _problem(status: int, message: str) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps({"error": message}).encode())
