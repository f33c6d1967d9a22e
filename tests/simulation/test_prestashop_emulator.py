"""The emulated PrestaShop against recorded answers of 8.0.4, and its shop floor."""

import base64
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import BasketLine, CatalogueEntry, ShelfCause, ShelfChange, Shopper
from simulation.platforms import prestashop_answers as answers
from simulation.platforms.prestashop import KEY, NEIGHBORS_UNITS, READ_ONLY_KEY, PrestaShopEmulator
from simulation.platforms.prestashop_rows import Row
from tests.reference import shared

START = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
SHOPPER = Shopper("Test Buyer", "buyer@example.com", "FR", "75001", "Paris", "1 rue du Test")


def emulator(**options: Any) -> PrestaShopEmulator:
    """Thirty products, one of them with four combinations, as many on the shelf as its number says."""
    catalogue = [
        CatalogueEntry(f"HUB-{n:04}", f"Alpine Thing {n}", Decimal("9.24"), gtin="03760999000029") for n in range(1, 31)
    ]
    catalogue += [
        CatalogueEntry(f"HUB-V1-{n}", "Hoodie", Decimal("38.28"), "03760999005000", "HUB-V1", {"Size": n})
        for n in ("S", "M", "L", "XL")
    ]
    made = PrestaShopEmulator(**options)
    made.load(catalogue, ["1"], START)
    for number, entry in enumerate(catalogue, start=1):
        made.set_shelf(entry.sku, "1", number, START)
    return made


def sign_in(key: str) -> str:
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def recording(name: str) -> dict[str, Any]:
    folder = shared("recordings", "prestashop")
    found: dict[str, Any] = json.loads(next(folder.glob(f"{name}-*.json")).read_text())
    return found


def replay(
    shop: PrestaShopEmulator, name: str, path: str | None = None, body: str | None = None
) -> tuple[HttpResponse, dict[str, Any]]:
    """Sends a recorded request, with our ids in it, and answers with what it gave here and there."""
    found = recording(name)
    request = found["request"]
    headers = dict(request["headers"])
    if "authorization" in headers:
        headers["authorization"] = sign_in({"76": "NOSUCHKEY", "77": READ_ONLY_KEY}.get(name, KEY))
    sent = body if body is not None else request["body"] or ""
    answer = shop.handle(HttpRequest(request["method"], path or request["path"], headers, sent.encode()), START)
    return answer, found["response"]


def shape(value: Any) -> Any:
    """Keys in their order and types; the distinct shapes of a list's rows."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        distinct: list[Any] = []
        for inner in map(shape, value):
            if inner not in distinct:
                distinct.append(inner)
        return [list, sorted(distinct, key=repr)]
    return type(value).__name__


def tree(body: bytes | str) -> Any:
    """Tags and attribute names."""

    def walk(element: Any) -> Any:
        inner: list[Any] = []
        for child in map(walk, element):
            if child not in inner:
                inner.append(child)
        return (element.tag, sorted(element.attrib), sorted(inner, key=repr))

    return walk(fromstring(body if isinstance(body, bytes) else body.encode()))


def same_form(answer: HttpResponse, recorded: Mapping[str, Any]) -> None:
    """Status, headers, error codes, keys, their order and types."""
    assert answer.status == recorded["status"]
    headers = dict(recorded["headers"])
    assert headers.keys() <= answer.headers.keys()
    for name in headers.keys() - {"content-sha1"}:
        assert answer.headers[name] == headers[name]
    if headers.get("content-type") == "application/json" and recorded["body"]:
        here, there = json.loads(answer.body), json.loads(recorded["body"])
        assert shape(here) == shape(there)
        if "errors" in there:
            assert [fault["code"] for fault in here["errors"]] == [fault["code"] for fault in there["errors"]]
    elif headers.get("content-type", "").startswith("text/xml"):
        assert tree(answer.body) == tree(recorded["body"])
    else:
        assert answer.body == recorded["body"].encode()


def stock_id(shop: PrestaShopEmulator, sku: str, point: str = "1") -> int:
    return int(shop.row_of(sku, point)["id"])


def place(shop: PrestaShopEmulator, *lines: tuple[str, int], now: datetime = START) -> int:
    bought = shop.buy([BasketLine(*line) for line in lines], SHOPPER, "1", now)
    assert bought.order_id is not None
    return int(bought.order_id)


def patch(shop: PrestaShopEmulator, row: int, quantity: object) -> HttpResponse:
    body = f"<prestashop><stock_available><id>{row}</id><quantity>{quantity}</quantity></stock_available></prestashop>"
    path = f"/api/stock_availables/{row}?output_format=JSON"
    return shop.handle(HttpRequest("PATCH", path, {"authorization": sign_in(KEY)}, body.encode()), START)


def get(shop: PrestaShopEmulator, path: str, now: datetime = START) -> Any:
    answer = shop.handle(HttpRequest("GET", f"/api/{path}&output_format=JSON", {"authorization": sign_in(KEY)}), now)
    assert answer.status == 200
    return json.loads(answer.body)


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("01", "products"),
        ("02", "products"),
        ("06", "combinations"),
        ("07", "stock_availables"),
        ("45", "orders"),
        ("51", "order_states"),
        ("55", "order_histories"),
        ("56", "order_carriers"),
    ],
)
def test_lists_are_written_byte_for_byte(name: str, resource: str) -> None:
    body = recording(name)["response"]["body"]

    assert answers.json_list(resource, json.loads(body)[resource], None) == body.encode()


def test_xml_and_single_rows_are_written_byte_for_byte() -> None:
    def body(name: str) -> str:
        return str(recording(name)["response"]["body"])

    rows = json.loads(body("07"))["stock_availables"]
    empty = next(row for row in rows if row["id"] == 111)
    order = {**json.loads(body("45"))["orders"][0], **json.loads(body("46"))["order"]}

    assert answers.xml_list("stock_availables", rows, None) == body("08").encode()
    assert answers.json_single("stock_availables", empty) == body("13").encode()
    assert answers.xml_single("stock_availables", empty) == body("14").encode()
    assert answers.xml_list("orders", [], None) == body("40").encode()
    assert answers.json_single("orders", order) == body("46").encode()
    assert answers.xml_single("orders", order) == body("47").encode()


def test_the_digest_is_the_recorded_one() -> None:
    recorded = recording("13")["response"]

    answer = answers.answer(200, recorded["body"].encode(), is_json=True)

    assert answer.headers["content-sha1"] == recorded["headers"]["content-sha1"]


def test_reading_products_and_combinations() -> None:
    shop = emulator()

    for name, path in [
        ("01", None),
        ("02", "/api/products?display=full&output_format=JSON&filter[id]=[31]"),
        ("03", "/api/products/31?output_format=JSON"),
        ("04", None),
        ("05", "/api/products?display=[id,reference]&filter[reference]=[HUB-V1-S]&output_format=JSON"),
        ("06", "/api/combinations?display=full&filter[id_product]=[31]&output_format=JSON"),
        ("34", None),
        ("78", "/api/products?display=[id]&id_shop=99&limit=0,3&output_format=JSON"),
    ]:
        same_form(*replay(shop, name, path))


def test_reading_stock() -> None:
    shop = emulator()
    shop.set_shelf("HUB-0003", "1", 0, START)
    empty, some = stock_id(shop, "HUB-0003"), stock_id(shop, "HUB-0002")
    both = "/api/stock_availables?display=full&filter[id_product]=[2]"
    shop.row_of("HUB-0002", "99")["out_of_stock"] = 0

    for name, path in [
        ("07", "/api/stock_availables?display=full&output_format=JSON&sort=[id_ASC]&limit=5,12"),
        ("08", "/api/stock_availables?display=full&sort=[id_ASC]&limit=5,12"),
        ("09", f"{both}&filter[id_shop]=[1]&output_format=JSON"),
        ("10", "/api/stock_availables?display=full&filter[id_shop]=[1]&filter[id_product]=[31]&output_format=JSON"),
        ("11", f"{both}&output_format=JSON"),
        ("12", f"{both}&id_shop=1&output_format=JSON"),
        ("13", f"/api/stock_availables/{empty}?output_format=JSON"),
        ("14", f"/api/stock_availables/{empty}"),
        ("15", f"/api/stock_availables/{some}?output_format=JSON"),
        ("33", None),
        ("35", None),
        ("36", None),
        ("41", None),
        ("42", None),
        ("43", None),
        ("75", None),
        ("76", None),
    ]:
        same_form(*replay(shop, name, path))


def test_a_shop_reads_its_neighbors_rows_too_unless_it_filters() -> None:
    shop = emulator()

    leaked = get(shop, "stock_availables?display=full&filter[id_product]=[2]&id_shop=1")["stock_availables"]
    filtered = get(shop, "stock_availables?display=full&filter[id_product]=[2]&filter[id_shop]=[1]")

    assert [(row["id_shop"], row["quantity"]) for row in leaked] == [(1, 2), (99, NEIGHBORS_UNITS)]
    assert [row["id_shop"] for row in filtered["stock_availables"]] == [1]


def test_writing_stock() -> None:
    shop = emulator()
    row, other, variant = stock_id(shop, "HUB-0002"), stock_id(shop, "HUB-0003"), stock_id(shop, "HUB-V1-S")
    foreign = stock_id(shop, "HUB-0002", "99")
    shop.row_of("HUB-0002", "99")["out_of_stock"] = 0

    for name, number in [
        ("16", row),
        ("18", other),
        ("19", other),
        ("20", other),
        ("21", other),
        ("22", row),
        ("23", row),
        ("24", row),
        ("25", None),
        ("26", row),
        ("28", variant),
        ("30", foreign),
        ("31", row),
        ("32", 999999),
        ("77", row),
    ]:
        path = "/api/stock_availables" + (f"/{number}" if number else "") + "?output_format=JSON"
        body = re.sub(r"<id>\d+</id>", f"<id>{number}</id>", recording(name)["request"]["body"] or "")
        same_form(*replay(shop, name, path, body))

    assert (shop.shelf()["HUB-0002", "1"], shop.shelf()["HUB-0003", "1"], shop.shelf()["HUB-V1-S", "1"]) == (52, -3, 9)
    assert shop.row_of("HUB-0002", "99")["quantity"] == 4
    same_form(*replay(shop, "27", "/api/products/2?output_format=JSON"))
    same_form(*replay(shop, "17", f"/api/stock_availables?display=full&filter[id]=[{row}]&output_format=JSON"))


def test_only_hub_writes_are_logged_as_written_and_the_neighbor_is_not_on_our_shelf() -> None:
    shop = emulator()
    before = len(shop.shelf_log)

    patch(shop, stock_id(shop, "HUB-0002"), 9)
    patch(shop, stock_id(shop, "HUB-0002"), 9)
    patch(shop, stock_id(shop, "HUB-0002", "99"), 5)

    assert list(shop.shelf_log[before:]) == [ShelfChange(START, "HUB-0002", "1", 9, ShelfCause.WRITTEN)]


def test_a_combination_write_makes_the_sum_anew_and_a_wrong_sum_stays_until_then() -> None:
    shop = emulator()
    sum_row = next(row for row in shop.shop.tables["stock_availables"].of("id_product", 31) if row["id_shop"] == 1)
    assert sum_row["quantity"] == 31 + 32 + 33 + 34

    patch(shop, sum_row["id"], 1)
    assert sum_row["quantity"] == 1
    patch(shop, stock_id(shop, "HUB-V1-M"), 0)

    assert sum_row["quantity"] == 31 + 33 + 34


@given(levels=st.lists(st.tuples(st.sampled_from(["S", "M", "L", "XL"]), st.integers(-50, 50)), max_size=8))
def test_the_sum_row_is_always_the_sum(levels: Sequence[tuple[str, int]]) -> None:
    shop = emulator()
    for size, units in levels:
        patch(shop, stock_id(shop, f"HUB-V1-{size}"), units)

    rows = get(shop, "stock_availables?display=full&filter[id_product]=[31]&filter[id_shop]=[1]")["stock_availables"]

    leaves = [row["quantity"] for row in rows if row["id_product_attribute"]]
    assert [row["quantity"] for row in rows if not row["id_product_attribute"]] == [sum(leaves)]


def test_orders_and_what_belongs_to_them() -> None:
    shop = emulator()
    orders = [place(shop, ("HUB-0020", 1)) for _ in range(8)]
    first = orders[0]
    shop.shop.change_state(shop.shop.tables["orders"].rows[first], 3, START)
    tracked = recording("57")["request"]["body"].replace("<id>15<", f"<id>{first}<")
    history = recording("52")["request"]["body"]

    same_form(*replay(shop, "57", f"/api/order_carriers/{first}?output_format=JSON", tracked))
    for name, path in [
        ("37", None),
        ("38", recording("38")["request"]["path"].replace("%2015:36", "%2015:00")),
        ("39", None),
        ("40", None),
        ("44", None),
        ("45", None),
        ("46", f"/api/orders/{first}?output_format=JSON"),
        ("47", f"/api/orders/{first}"),
        ("48", "/api/customers/1?output_format=JSON"),
        ("49", "/api/addresses/1?output_format=JSON"),
        ("50", None),
        ("51", None),
        ("53", f"/api/orders?display=[id,current_state,date_upd]&filter[id]=[{first}]&output_format=JSON"),
        ("55", f"/api/order_histories?display=full&filter[id_order]=[{first}]&output_format=JSON"),
        ("56", f"/api/order_carriers?display=full&filter[id_order]=[{first}]&output_format=JSON"),
        (
            "58",
            f"/api/orders?display=[id,shipping_number,current_state,date_upd]&filter[id]=[{first}]&output_format=JSON",
        ),
    ]:
        same_form(*replay(shop, name, path))
    same_form(*replay(shop, "52", None, history.replace(">15<", f">{first}<")))
    same_form(*replay(shop, "54", None, recording("54")["request"]["body"].replace(">15<", f">{first}<")))


def test_tracking_does_not_move_date_upd_and_a_state_does() -> None:
    shop = emulator()
    number = place(shop, ("HUB-0020", 1))
    order = shop.shop.tables["orders"].rows[number]
    later = START + timedelta(minutes=5)

    body = f"<order_carrier><id>{number}</id><tracking_number>6A</tracking_number></order_carrier>"
    body = f"<prestashop>{body}</prestashop>"
    path = f"/api/order_carriers/{number}?output_format=JSON"
    shop.handle(HttpRequest("PATCH", path, {"authorization": sign_in(KEY)}, body.encode()), later)
    assert (order["shipping_number"], order["date_upd"]) == ("6A", "2026-11-22 15:30:00")

    shop.shop.change_state(order, 4, later)
    assert order["date_upd"] == "2026-11-22 15:35:00"
    assert shop.shipped() == {str(number): 1}


def cart_body(name: str, product: int, units: int) -> str:
    body = recording(name)["request"]["body"]
    body = re.sub(r"<id_product>\d+<", f"<id_product>{product}<", body)
    return re.sub(r"<quantity>\d+<", f"<quantity>{units}<", body)


def order_body(name: str, cart: int, paid: str) -> str:
    body = re.sub(r"<id_cart>\d+<", f"<id_cart>{cart}<", recording(name)["request"]["body"])
    return re.sub(r"<(total_paid|total_paid_real)>[\d.]+<", rf"<\1>{paid}<", body)


def test_api_orders_take_stock_even_where_there_is_none_but_not_after_a_payment_error() -> None:
    shop = emulator()
    same_form(*replay(shop, "59", body=cart_body("59", 2, 1)))
    same_form(*replay(shop, "60", body=order_body("60", 1, "9.24")))
    same_form(*replay(shop, "61", recording("61")["request"]["path"].replace("[37]", "[1]")))
    same_form(*replay(shop, "63", body=order_body("63", 1, "9.24")))
    same_form(*replay(shop, "64", recording("64")["request"]["path"].replace("[38]", "[1]")))
    order = shop.shop.tables["orders"].rows[1]
    assert (order["current_state"], shop.shelf()["HUB-0002", "1"]) == (11, 1)

    same_form(*replay(shop, "62", body=recording("62")["request"]["body"].replace(">37<", ">1<")))
    assert (order["current_state"], shop.shelf()["HUB-0002", "1"]) == (6, 2)

    replay(shop, "59", body=cart_body("59", 3, 1))
    same_form(*replay(shop, "65", body=order_body("65", 2, "1")))
    same_form(*replay(shop, "66", recording("66")["request"]["path"].replace("[38]", "[2]")))
    failed = shop.shop.tables["orders"].rows[2]
    assert (failed["current_state"], failed["valid"], failed["total_paid_real"]) == (8, 0, "1.000000")
    assert shop.shelf()["HUB-0003", "1"] == 3

    same_form(*replay(shop, "68", body=cart_body("68", 3, 50)))
    same_form(*replay(shop, "69", body=order_body("69", 3, "462.00")))
    same_form(*replay(shop, "71", recording("71")["request"]["path"].replace("[39]", "[3]")))
    oversold = shop.shop.tables["orders"].rows[3]
    assert (oversold["current_state"], oversold["valid"], shop.shelf()["HUB-0003", "1"]) == (9, 0, -47)
    row = stock_id(shop, "HUB-0003")
    same_form(*replay(shop, "70", f"/api/stock_availables?display=full&filter[id]=[{row}]&output_format=JSON"))


def test_what_was_read_before_is_not_sent_again() -> None:
    shop = emulator()
    path = f"/api/stock_availables?display=[id,quantity]&filter[id]=[{stock_id(shop, 'HUB-0002')}]&output_format=JSON"
    first = shop.handle(HttpRequest("GET", path, {"authorization": sign_in(KEY)}), START)
    headers = {"authorization": sign_in(KEY), "local-content-sha1": first.headers["content-sha1"]}

    again = shop.handle(HttpRequest("GET", path, headers), START)

    recorded = recording("79")["response"]
    assert (again.status, again.body) == (recorded["status"], b"")
    assert first.headers["content-sha1"] == hashlib.sha1(first.body, usedforsecurity=False).hexdigest()
    assert first.headers["set-cookie"].startswith("PrestaShop-")


def test_the_front_sells_only_what_a_row_shows() -> None:
    shop = emulator()

    bought = shop.buy([BasketLine("HUB-0002", 2), BasketLine("HUB-0002", 3)], SHOPPER, "1", START)
    nothing = shop.buy([BasketLine("HUB-0002", 1)], SHOPPER, "1", START)

    assert bought.lines == (BasketLine("HUB-0002", 2),)
    assert bought.refused == (BasketLine("HUB-0002", 3),)
    assert (nothing.order_id, nothing.lines, nothing.refused) == (None, (), (BasketLine("HUB-0002", 1),))
    assert shop.shelf()["HUB-0002", "1"] == 0


@pytest.mark.parametrize(
    ("states", "units"),
    [
        ((6,), 10),
        ((8,), 10),
        ((6, 8), 10),
        ((6, 2), 7),
        ((3, 4), 7),
        ((7,), 7),
        ((10, 6), 10),
    ],
)
def test_states_move_stock_as_the_core_does(states: Sequence[int], units: int) -> None:
    shop = emulator()
    order = shop.shop.tables["orders"].rows[place(shop, ("HUB-0010", 3))]
    assert shop.shelf()["HUB-0010", "1"] == 7

    for state in states:
        shop.shop.change_state(order, state, START)

    assert shop.shelf()["HUB-0010", "1"] == units
    assert shop.shop.tables["order_histories"].of("id_order", order["id"])[-1]["id_order_state"] == states[-1]


def test_canceling_a_part_makes_the_row_smaller_and_the_totals_follow() -> None:
    shop = emulator()
    number = place(shop, ("HUB-0010", 3), ("HUB-0011", 1))
    order = shop.shop.tables["orders"].rows[number]
    later = START + timedelta(minutes=1)

    assert shop.cancel(str(number), [BasketLine("HUB-0010", 2), BasketLine("HUB-0011", 1)], later)

    details = shop.shop.details_of(order)
    assert [(row["product_reference"], row["product_quantity"]) for row in details] == [("HUB-0010", 1)]
    assert (order["total_products_wt"], order["total_paid"]) == ("9.240000", "14.140000")
    assert (shop.shelf()["HUB-0010", "1"], shop.shelf()["HUB-0011", "1"]) == (9, 11)
    assert order["date_upd"] == "2026-11-22 15:31:00"


def test_too_late_or_too_much_to_cancel_changes_nothing() -> None:
    shop = emulator()
    number = place(shop, ("HUB-0010", 3))
    order = shop.shop.tables["orders"].rows[number]
    assert not shop.cancel(str(number), [BasketLine("HUB-0010", 4)], START)
    shop.shop.change_state(order, 4, START)
    shelf = dict(shop.shelf())

    assert not shop.cancel(str(number), [], START)
    assert shop.shelf() == shelf
    assert order["current_state"] == 4


def test_canceling_all_units_is_canceling_the_order() -> None:
    shop = emulator()
    number = place(shop, ("HUB-0010", 3))

    assert shop.cancel(str(number), [BasketLine("HUB-0010", 3)], START)

    assert shop.shop.tables["orders"].rows[number]["current_state"] == 6
    assert shop.shelf()["HUB-0010", "1"] == 10


def test_a_return_is_a_credit_slip_that_leaves_the_orders_date_alone() -> None:
    shop = emulator()
    number = place(shop, ("HUB-0010", 3))
    shop.shop.change_state(shop.shop.tables["orders"].rows[number], 4, START)

    slip = shop.give_back(str(number), [BasketLine("HUB-0010", 2)], "1", START + timedelta(hours=1))

    [found] = get(shop, f"order_slip?display=full&filter[id_order]=[{number}]")["order_slips"]
    assert (str(found["id"]), found["date_add"], found["total_products_tax_incl"]) == (
        slip,
        "2026-11-22 16:30:00",
        "18.480000",
    )
    lines = found["associations"]["order_slip_details"]
    assert [(line["id_order_detail"], line["product_quantity"]) for line in lines] == [(1, 2)]
    [detail] = get(shop, f"order_details?display=full&filter[id_order]=[{number}]")["order_details"]
    assert (detail["product_quantity_return"], detail["product_quantity_reinjected"]) == (2, 2)
    assert get(shop, f"orders?display=[date_upd]&filter[id]=[{number}]")["orders"] == [
        {"date_upd": "2026-11-22 15:30:00"}
    ]
    assert shop.shelf()["HUB-0010", "1"] == 9


def test_there_are_no_blind_returns() -> None:
    with pytest.raises(ValueError, match="no return without an order"):
        emulator().give_back(None, [BasketLine("HUB-0010", 2)], "1", START)


def test_a_bank_wire_comes_later() -> None:
    shop = emulator(unpaid_every=2, wire_seconds=600)
    paid, unpaid = place(shop, ("HUB-0010", 1)), place(shop, ("HUB-0010", 1))
    rows: dict[int, Row] = shop.shop.tables["orders"].rows

    assert (rows[paid]["current_state"], rows[unpaid]["current_state"]) == (2, 10)
    shop.advance(START + timedelta(seconds=599))
    assert rows[unpaid]["current_state"] == 10
    shop.advance(START + timedelta(seconds=900))
    assert (rows[unpaid]["current_state"], rows[unpaid]["date_upd"]) == (2, "2026-11-22 15:40:00")


def test_a_group_that_shares_its_stock_has_rows_without_a_shop() -> None:
    shop = PrestaShopEmulator()
    shop.load([CatalogueEntry("A", "A", Decimal(1))], ["group-2"], START)
    shop.set_shelf("A", "group-2", 5, START)

    shop.buy([BasketLine("A", 2)], SHOPPER, "group-2", START)

    rows = get(shop, "stock_availables?display=full&filter[id_shop_group]=[2]")["stock_availables"]
    assert [(row["id_shop"], row["id_shop_group"], row["quantity"]) for row in rows] == [(0, 2, 3)]
    assert shop.shelf() == {("A", "group-2"): 3}


def test_order_rows_add_up_to_the_total() -> None:
    shop = emulator()
    place(shop, ("HUB-0010", 3), ("HUB-V1-S", 2), ("HUB-V1-XL", 1))

    [order] = get(shop, "orders?display=full")["orders"]

    parts = [order[f"total_{part}"] for part in ("products_wt", "shipping_tax_incl", "wrapping_tax_incl")]
    assert sum(map(Decimal, parts)) - Decimal(order["total_discounts_tax_incl"]) == Decimal(order["total_paid"])


def test_a_level_costs_well_under_a_millisecond() -> None:
    shop = emulator()
    row = stock_id(shop, "HUB-V1-S")
    patch(shop, row, 1)

    started = time.process_time()
    for units in range(300):
        patch(shop, row, units)

    assert (time.process_time() - started) / 300 < 0.001
    assert shop.requests_by_operation() == {"PATCH stock_availables": 301}
