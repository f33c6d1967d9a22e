"""The web service of an emulated PrestaShop 8.0.4: signs in, asks, filters, pages and writes.

Its answers are held against recorded ones, key by key and type by type. As on the real one, a key that is bound to a
shop reads and overwrites stock rows of every shop.
"""

import base64
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import ShelfCause
from simulation.platforms import prestashop_answers as answers
from simulation.platforms.prestashop_rows import DATES, FIELDS, INDEXED, RESOURCES, Row
from simulation.platforms.prestashop_shop import PAYMENT_ERROR, REMOTE_PAYMENT, TAX, Shop, cents

_ORDER_ROW = (
    *("id", "product_id", "product_attribute_id", "product_quantity", "product_name", "product_reference"),
    *("product_ean13", "product_isbn", "product_upc", "product_price", "id_customization"),
    *("unit_price_tax_incl", "unit_price_tax_excl"),
)
_BY_ID = ("", "[id_ASC]")
_INTEGER = re.compile(r"-?\d{1,10}")


@dataclass(frozen=True, slots=True)
class Key:
    """A web service key: the shop it is bound to, and whether it may write."""

    shop: int
    may_write: bool = True


class WebserviceError(Exception):
    """An answer that is an error; raised inside, never out of `handle`."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class _Question:
    resource: str
    row: int | None
    query: Mapping[str, str]
    is_json: bool
    key: Key


class WebserviceApi:
    """Answers requests from the rows of one installation."""

    def __init__(self, shop: Shop, keys: Mapping[str, Key]) -> None:
        self._shop = shop
        self._keys = dict(keys)

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """One call."""
        path, _, text = request.path.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        form = query.get("output_format") or request.headers.get("output-format", "")
        is_json = form.upper() == "JSON"
        name = _sign_in(request, query)
        if name is None:
            return answers.not_signed_in()
        key = self._keys.get(name)
        if key is None:
            refusal = [
                (20, "Authentification key is not active"),
                (21, "No permission for this authentication key"),
            ]
            return answers.failure(401, refusal, is_json=is_json, version="0")
        try:
            question = _question(path, query, key, is_json=is_json)
            return self._answer(question, request, now)
        except WebserviceError as error:
            return answers.failure(error.status, [(error.code, str(error))], is_json=is_json)

    def _answer(self, question: _Question, request: HttpRequest, now: datetime) -> HttpResponse:
        kind = RESOURCES[question.resource]
        if request.method not in kind.methods:
            raise WebserviceError(
                405, 101, f"Method {request.method} is not allowed for the resource {question.resource}"
            )
        if request.method != "GET" and not question.key.may_write:
            raise WebserviceError(
                405,
                25,
                f"Method {request.method} is not allowed for the resource {question.resource}"
                " with this authentication key",
            )
        match request.method:
            case "GET" if question.row is None:
                return self._list(question, request)
            case "GET":
                return self._single(question, request)
            case "PATCH" | "PUT":
                return self._change(question, request, now)
            case "POST":
                return self._create(question, request, now)
            case _:
                raise WebserviceError(405, 101, f"Method {request.method} is not emulated for {question.resource}")

    def _whole(self, resource: str, row: Row) -> Row:
        """The row with what belongs to it."""
        tables = self._shop.tables
        if resource == "orders":
            rows = [{name: detail[name] for name in _ORDER_ROW} for detail in self._shop.details_of(row)]
            return {**row, "associations": {"order_rows": rows}}
        if resource == "products":
            combinations = tables["combinations"].of("id_product", row["id"])
            stock = tables["stock_availables"].of("id_product", row["id"])
            values = {value["id"]: None for one in combinations for value in _values(one)}
            associations: dict[str, list[Row]] = {"categories": [{"id": 2}]}
            if combinations:
                associations["combinations"] = [{"id": one["id"]} for one in combinations]
                associations["product_option_values"] = [{"id": value} for value in values]
            associations["stock_availables"] = [
                {"id": one["id"], "id_product_attribute": one["id_product_attribute"]}
                for one in stock
                if one["id_shop"] in (0, row["id_shop_default"])
            ]
            return {**row, "associations": associations}
        return row

    def _single(self, question: _Question, request: HttpRequest) -> HttpResponse:
        row = self._shop.tables[question.resource].rows.get(question.row or 0)
        if row is None:
            return answers.missing()
        whole = self._whole(question.resource, row)
        render = answers.json_single if question.is_json else answers.xml_single
        known = request.headers.get("local-content-sha1", "")
        return answers.answer(200, render(question.resource, whole), is_json=question.is_json, unchanged_sha1=known)

    def _list(self, question: _Question, request: HttpRequest) -> HttpResponse:
        resource, query = question.resource, question.query
        offset, count = _limit(query.get("limit"))
        found = self._filtered(resource, query)
        # rows come by id: a page of them needs no more rows than it shows
        rows = list(islice(found, offset, offset + count)) if query.get("sort", "") in _BY_ID else []
        if query.get("sort", "") not in _BY_ID:
            rows = self._sorted(resource, list(found), query["sort"])[offset : offset + count]
        display = _display(resource, query.get("display"))
        if display is None:
            rows = [self._whole(resource, row) for row in rows]
        render = answers.json_list if question.is_json else answers.xml_list
        known = request.headers.get("local-content-sha1", "")
        return answers.answer(200, render(resource, rows, display), is_json=question.is_json, unchanged_sha1=known)

    def _filtered(self, resource: str, query: Mapping[str, str]) -> Iterator[Row]:
        table = self._shop.tables[resource]
        filters: dict[str, str] = {}
        for name, value in query.items():
            if name.startswith("filter["):
                filters[name[7:-1]] = value
        has_dates = query.get("date") == "1"
        known = [name for name in FIELDS[resource] if has_dates or name not in ("date_add", "date_upd")]
        for name in filters:
            if name not in known:
                raise WebserviceError(400, 32, _did_you_mean("This filter does not exist.", name, known))
        rows: Iterable[Row] | None = None
        for name in ("id", *INDEXED):
            choices = _choices(filters.get(name, ""))
            if choices is not None:
                del filters[name]
                owned = (row for one in choices for row in table.of(name, one))
                by_id = (table.rows[one] for one in choices if one in table.rows)
                rows = by_id if name == "id" else sorted(owned, key=lambda row: int(row["id"]))
                break
        if rows is None:
            bounds = _bounds(filters.get("id", ""))
            filters = filters if bounds is None else {name: filters[name] for name in filters if name != "id"}
            rows = table.between(*(bounds or (0, table.last_id)))
        for name, value in filters.items():
            rows = filter(_matcher(name, value), rows)
        return iter(rows)

    def _sorted(self, resource: str, rows: list[Row], sort: str) -> list[Row]:
        for part in reversed([part for part in sort.strip("[]").split(",") if part]):
            name, _, direction = part.rpartition("_")
            if name not in FIELDS[resource]:
                raise WebserviceError(400, 34, _did_you_mean("Unable to sort by this field.", name, FIELDS[resource]))
            rows.sort(key=lambda row, name=name: row[name], reverse=direction.upper() == "DESC")  # type: ignore[misc]
        return rows

    def _change(self, question: _Question, request: HttpRequest, now: datetime) -> HttpResponse:
        resource = question.resource
        kind = RESOURCES[resource]
        sent = _fields(request.body, kind.row_name)
        number = question.row or int(sent.get("id") or 0)
        row = self._shop.tables[resource].rows.get(number)
        if row is None:
            raise WebserviceError(404, 92, "Invalid ID")
        for name in kind.read_only:
            if name in sent:
                raise WebserviceError(
                    400, 93, f'parameter "{name}" not writable. Please remove this attribute of this XML'
                )
        if request.method == "PUT":
            for name in kind.required:
                if name not in sent:
                    raise WebserviceError(400, 41, f'parameter "{name}" required')
        for name in kind.integers:
            if name in sent and not _INTEGER.fullmatch(sent[name]):
                owner = "".join(part.capitalize() for part in kind.row_name.split("_"))
                text = f'Validation error: "Property {owner}-&gt;{name} is not valid"'
                raise WebserviceError(400, 85, text)
        self._write(resource, row, sent, now)
        if question.is_json:
            return answers.answer(200, answers.json_single(resource, row, sent), is_json=True)
        return answers.answer(200, answers.xml_single(resource, self._whole(resource, row)), is_json=False)

    def _write(self, resource: str, row: Row, sent: Mapping[str, str], now: datetime) -> None:
        for name, text in sent.items():
            if name in row and name not in ("id", "quantity"):
                row[name] = int(text) if isinstance(row[name], int) and _INTEGER.fullmatch(text) else text
        if resource == "stock_availables" and "quantity" in sent:
            self._shop.set_level(row, int(sent["quantity"]), ShelfCause.WRITTEN, now)
        if resource == "order_carriers" and "tracking_number" in sent:
            # seen: the order shows it, and its date_upd does not move
            self._shop.tables["orders"].rows[row["id_order"]]["shipping_number"] = sent["tracking_number"]

    def _create(self, question: _Question, request: HttpRequest, now: datetime) -> HttpResponse:
        match question.resource:
            case "order_histories":
                return self._create_history(request, question, now)
            case "carts":
                return self._create_cart(request, question, now)
            case "orders":
                return self._create_order(request, question, now)
            case other:
                raise WebserviceError(405, 101, f"Method POST is not emulated for the resource {other}")

    def _create_history(self, request: HttpRequest, question: _Question, now: datetime) -> HttpResponse:
        sent = _fields(request.body, "order_history")
        state, number = int(sent["id_order_state"]), int(sent["id_order"])
        order = self._shop.tables["orders"].rows.get(number)
        if order is None or state not in self._shop.tables["order_states"].rows:
            return answers.broken()
        row = self._shop.change_state(order, state, now)
        # seen: the id and the order come back as text, the state as a number
        shown = {**row, "id": str(row["id"]), "id_order": str(number)}
        return self._created("order_histories", shown, {}, question)

    def _create_cart(self, request: HttpRequest, question: _Question, now: datetime) -> HttpResponse:
        root = _parsed(request.body).find("cart")
        if root is None:
            raise WebserviceError(400, 41, "cart required")
        fields = _fields(request.body, "cart")
        lines = [
            (int(line.findtext("id_product", "0")), int(line.findtext("id_product_attribute", "0")), _units(line))
            for line in root.iterfind("associations/cart_rows/cart_row")
        ]
        numbers = {name: int(text) for name, text in fields.items() if name.startswith("id_") and text}
        cart = self._shop.add_cart(numbers, lines, now)
        cart["secure_key"] = fields.get("secure_key", "")
        return self._created("carts", {**cart, "id": str(cart["id"])}, fields, question)

    def _create_order(self, request: HttpRequest, question: _Question, now: datetime) -> HttpResponse:
        """The state that is sent is ignored: an amount that is not the cart's makes a payment error behind a 201."""
        sent = _fields(request.body, "order")
        cart = self._shop.tables["carts"].rows.get(int(sent["id_cart"]))
        if cart is None or self._shop.tables["orders"].of("id_cart", cart["id"]):
            return answers.broken("Cart cannot be loaded or an order has already been placed using this cart")
        total = sum(
            (
                cents(self._shop.price_of(line["id_product"], line["id_product_attribute"]) * TAX * line["quantity"])
                for line in cart["associations"]["cart_rows"]
            ),
            Decimal(0),
        )
        paid = Decimal(sent["total_paid_real"])
        order = self._shop.place(cart, REMOTE_PAYMENT if cents(paid) == total else PAYMENT_ERROR, now)
        order["total_paid_real"] = str(paid.quantize(Decimal("0.000001")))
        shown = {**dict.fromkeys(FIELDS["orders"], ""), "id": order["id"]}
        shown["associations"] = self._whole("orders", order)["associations"]
        return self._created("orders", shown, {**sent, "current_state": ""}, question)

    def _created(self, resource: str, row: Row, sent: Mapping[str, str], question: _Question) -> HttpResponse:
        if not question.is_json:
            return answers.answer(201, answers.xml_single(resource, row), is_json=False)
        given = {name: text for name, text in sent.items() if name != "id"}
        return answers.answer(201, answers.json_single(resource, row, given), is_json=True)


def _sign_in(request: HttpRequest, query: Mapping[str, str]) -> str | None:
    """The key that was given: as the user name of basic authentication, or in the address."""
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        return base64.b64decode(credentials).decode().partition(":")[0] or None
    return query.get("ws_key")


def _question(path: str, query: Mapping[str, str], key: Key, *, is_json: bool) -> _Question:
    parts = path.strip("/").split("/")
    resource = parts[1] if len(parts) > 1 else ""
    if resource not in RESOURCES:
        raise WebserviceError(
            400, 27, _did_you_mean(f'Resource of type "{resource}" does not exists.', resource, sorted(RESOURCES))
        )
    if resource != "stock_availables" and int(query.get("id_shop") or key.shop) != key.shop:
        raise WebserviceError(403, 132, "No permission for this key on this shop")
    return _Question(resource, int(parts[2]) if len(parts) > 2 else None, query, is_json, key)


def _did_you_mean(text: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = (get_close_matches(name, names, n=1, cutoff=0.0) or names[:1])[0]
    listed = ", ".join(f'"{one}"' for one in names)
    return f'{text} Did you mean: "{near}"? The full list is: {listed}'


def _display(resource: str, display: str | None) -> list[str] | None:
    """Fields of a list; None: all."""
    if display == "full":
        return None
    wanted = ["id"] if display is None else display.strip("[]").split(",")
    for name in wanted:
        if name not in FIELDS[resource]:
            text = "Unable to display this field. However, these are available:"
            raise WebserviceError(400, 35, f"{text} {', '.join(FIELDS[resource])}")
    return wanted


def _choices(value: str) -> list[int] | None:
    """The ids of `[1]` or `[1|2]`; None: another kind of filter."""
    inside = value[1:-1]
    if not value.startswith("[") or not value.endswith("]") or "," in inside:
        return None
    parts = inside.split("|")
    return sorted({int(part) for part in parts}) if all(part.isdecimal() for part in parts) else None


def _bounds(value: str) -> tuple[int, int] | None:
    """The bounds of `[1,10]`; None: another kind of filter."""
    low, _, high = value[1:-1].partition(",")
    return (int(low), int(high)) if value.startswith("[") and low.isdecimal() and high.isdecimal() else None


def _limit(value: str | None) -> tuple[int, int]:
    """Offset and count of `5,10` or `10`."""
    parts = [int(part) for part in (value or "").split(",") if part]
    return (0, sys.maxsize - 1) if not parts else (0, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def _matcher(name: str, value: str) -> Callable[[Row], bool]:
    """`[a]`, `[a|b]` and `[a,b]`, both bounds inside; a text is compared without regard to case."""
    inside = value.strip("[]")
    if "," in inside:
        low, _, high = inside.partition(",")
        if name in DATES:
            return lambda row: low <= row[name] <= high
        return lambda row: int(low) <= int(row[name]) <= int(high)
    choices = _choices(value)
    if choices is not None:
        return lambda row: row[name] in choices or str(row[name]) in inside.split("|")
    wanted = {part.casefold() for part in inside.split("|")}
    return lambda row: str(row[name]).casefold() in wanted


def _values(combination: Row) -> list[Row]:
    return list(combination["associations"]["product_option_values"])


def _parsed(body: bytes) -> Any:
    try:
        return fromstring(body)
    except (ParseError, DefusedXmlException, ValueError) as error:
        text = body.decode(errors="replace")
        message = f"XML error : String could not be parsed as XML\nXML length : {len(body)}\nOriginal XML : {text}"
        raise WebserviceError(500, 127, message) from error


def _fields(body: bytes, element: str) -> dict[str, str]:
    """The plain fields of the element that was sent."""
    root = _parsed(body).find(element)
    if root is None:
        raise WebserviceError(400, 41, f'parameter "{element}" required')
    return {child.tag: child.text or "" for child in root if not len(child)}


def _units(line: Any) -> int:
    return int(line.findtext("quantity", "0"))
