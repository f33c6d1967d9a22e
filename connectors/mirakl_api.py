"""Calls to one Mirakl shop: sign-in, shop choice, ceilings, refusal codes, and rows cut out of answers as they came."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from connectors.errors import ContractError, RefusedError, ThrottledError
from connectors.records import ChannelSettings
from connectors.transport import HttpClient, HttpRequest, HttpResponse, Runtime

PAGE_SIZE = 100
"""The most rows of a page, with either kind of paging."""

OFFERS_PATH = "/api/offers"
ORDERS_PATH = "/api/orders"

ORDER_FIELDS = frozenset({"order_id", "order_state", "can_cancel", "currency_iso_code", "order_tax_mode"})
LINE_FIELDS = frozenset(
    {"order_line_id", "order_line_state", "offer_id", "quantity", "price", "price_unit", "shipping_price"}
)

_CODE = re.compile(rb"\b[A-Z]{2,}(?:_[A-Z]+)+\b")


class MiraklSettings(ChannelSettings):
    """One shop on one operator's marketplace.

    `shop_id` is needed where the key opens several shops. `is_external_partner`: Mirakl lets an external partner read
    orders once in 900 s instead of 60 s. `carrier_code` is the operator's code of the carrier that serves unless
    `carrier_codes` names one for the parcel's carrier; without either the carrier is sent as unregistered, by name.
    The reason codes are the operator's too (RE02, kinds CANCELATION and REFUND); without them units of an accepted
    order cannot be withdrawn. `has_returns` False: the operator has not switched returns on.
    """

    api_key: SecretStr
    shop_id: int | None = None
    is_external_partner: bool = False
    carrier_code: str | None = None
    carrier_codes: Mapping[str, str] = {}
    cancellation_reason_code: str | None = None
    refund_reason_code: str | None = None
    has_returns: bool = True


class MiraklApi:
    """Sends calls of one shop. Refusals carry Mirakl's own code, never its text, which may quote a customer."""

    def __init__(self, settings: MiraklSettings, runtime: Runtime) -> None:
        self._shop = {} if settings.shop_id is None else {"shop_id": str(settings.shop_id)}
        self._runtime = runtime
        naming = Runtime(send=self._send, now=runtime.now, sleep=runtime.sleep, reserve=runtime.reserve)
        self._http = HttpClient(
            naming, platform="Mirakl", headers={"authorization": settings.api_key.get_secret_value()}
        )

    def reserve(self, operation: str, period_seconds: float) -> None:
        """Takes the shop's next slot of an operation.

        Raises:
            ThrottledError: none is free yet; nothing was sent.
        """
        wait = self._runtime.reserve(operation, period_seconds)
        if wait > 0:
            raise ThrottledError(
                f"Mirakl allows {operation} once in {period_seconds:.0f} s: wait {wait:.0f} s", retry_after_seconds=wait
            )

    def get(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json"
    ) -> HttpResponse:
        """Reads."""
        return self._http.request("GET", self._address(path, query), headers={"accept": accept})

    def put(self, path: str, content: object = None, *, is_repeatable: bool) -> HttpResponse:
        """Writes JSON, or nothing where `content` is None.

        Raises:
            ContractError: the answer is neither empty nor an object, as a page of somebody in between is.
        """
        if content is None:
            answer = self._http.request("PUT", self._address(path), is_repeatable=is_repeatable)
        else:
            answer = self._http.request(
                "PUT",
                self._address(path),
                body=json.dumps(content).encode(),
                headers={"content-type": "application/json", "accept": "application/json"},
                is_repeatable=is_repeatable,
            )
        if answer.body:
            object_of(answer)
        return answer

    def post_file(self, path: str, name: str, content: bytes) -> HttpResponse:
        """Uploads a CSV file as the form field `file`; never sent again by itself."""
        boundary = f"nervure-{sha256(content).hexdigest()[:32]}"
        body = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                f"Content-Type: text/csv\r\n\r\n"
            ).encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        return self._http.request(
            "POST",
            self._address(path),
            body=body,
            headers={"content-type": f"multipart/form-data; boundary={boundary}", "accept": "application/json"},
        )

    def offset_pages(self, path: str, key: str, query: Mapping[str, str]) -> Iterator[list[bytes]]:
        """Every page of a list, each row as it came.

        A row that slips to a later page while we read is read twice; callers deduplicate. A filter that rows can leave
        meanwhile must not be used: rows behind them would slip to an earlier page, unread.
        """
        offset = 0
        while True:
            answer = self.get(path, {**query, "max": str(PAGE_SIZE), "offset": str(offset)})
            rows = rows_of(answer, key)
            yield rows
            offset += PAGE_SIZE
            if not rows or offset >= _total(answer):
                return

    def order(self, order_id: str) -> dict[str, Any]:
        """One order as it stands. One order on demand is not under OR11's ceiling.

        Raises:
            RefusedError: Mirakl does not know it.
        """
        for order in self.orders({"order_ids": order_id}):
            if order["order_id"] == order_id:
                return order
        raise RefusedError(f"Mirakl does not know order {order_id!r}")

    def orders(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """One page of orders, amounts as Decimal, every field that decisions are made on being there.

        Raises:
            ContractError: such a field is missing.
        """
        orders = objects_of(self.get(ORDERS_PATH, query), "orders")
        for order in orders:
            lines = order.get("order_lines")
            if not (order.keys() >= ORDER_FIELDS and isinstance(lines, list)):
                raise ContractError("a Mirakl order lacks a field that its contract requires")
            if not all(isinstance(line, dict) and line.keys() >= LINE_FIELDS for line in lines):
                raise ContractError("a Mirakl order line lacks a field that its contract requires")
        return orders

    def _address(self, path: str, query: Mapping[str, str] | None = None) -> str:
        pairs = {**(query or {}), **self._shop}
        return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path

    def _send(self, request: HttpRequest) -> HttpResponse:
        response = self._runtime.send(request)
        if response.status in (400, 404, 409, 422):
            code = _CODE.search(response.body)
            reason = code[0].decode() if code else "no code given"
            raise RefusedError(
                f"Mirakl answered {response.status} to {request.method} {request.path.partition('?')[0]}: {reason}",
                request_id=response.headers.get("x-request-id"),
            )
        return response


def order_path(order_id: str, step: str) -> str:
    """The address of one step of an order."""
    return f"{ORDERS_PATH}/{quote(order_id, safe='')}/{step}"


def rows_of(answer: HttpResponse, key: str) -> list[bytes]:
    """Cuts the objects of a top-level list out of an answer, byte for byte: no number is rewritten.

    Raises:
        ContractError: the answer has no such list.
    """
    decoder = json.JSONDecoder()
    try:
        text = answer.body.decode()
        at = _past(text, 0, "{")
        while text[at] != "}":
            name, at = decoder.raw_decode(text, at)
            at = _past(text, at, ":")
            if name == key:
                return [row.encode() for row in _elements(text, at, decoder)]
            _, at = decoder.raw_decode(text, at)
            at = _past(text, at, ",") if text[_blank(text, at)] == "," else _blank(text, at)
    except (ValueError, IndexError, RecursionError) as error:
        raise ContractError(f"Mirakl's answer is not the JSON that it should be ({len(answer.body)} bytes)") from error
    raise ContractError(f"Mirakl's answer has no {key!r}")


def _elements(text: str, at: int, decoder: json.JSONDecoder) -> Iterator[str]:
    at = _past(text, at, "[")
    while text[at] != "]":
        row, end = decoder.raw_decode(text, at)
        if not isinstance(row, dict):
            raise ContractError("a row of Mirakl's answer is no object")
        yield text[at:end]
        at = _blank(text, end)
        if text[at] == ",":
            at = _past(text, at, ",")


def _past(text: str, at: int, wanted: str) -> int:
    at = _blank(text, at)
    if text[at] != wanted:
        raise ValueError(f"{wanted} expected")
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def object_of(answer: HttpResponse) -> dict[str, Any]:
    """The answer as an object, amounts as Decimal.

    Raises:
        ContractError: it is something else.
    """
    try:
        wire = json.loads(answer.body, parse_float=Decimal)
    except (ValueError, RecursionError):
        wire = None
    if not isinstance(wire, dict):
        raise ContractError(f"Mirakl's answer is no JSON object ({len(answer.body)} bytes)")
    return wire


def objects_of(answer: HttpResponse, key: str) -> list[dict[str, Any]]:
    """A list of objects inside the answer.

    Raises:
        ContractError: there is none.
    """
    rows = object_of(answer).get(key)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ContractError(f"Mirakl's answer has no list {key!r}")
    return rows


def _total(answer: HttpResponse) -> int:
    total = object_of(answer).get("total_count")
    if not isinstance(total, int):
        raise ContractError("Mirakl's page does not say how many rows there are")
    return total
