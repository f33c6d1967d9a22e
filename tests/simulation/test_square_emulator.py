"""The emulated Square keeps to what Square does: counts by date, tickets at payment, cursors, keys, webhooks."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import BasketLine, CatalogueEntry, EmulatedPlatform, ShelfCause, Shopper
from simulation.platforms.square import ACCESS_TOKEN, SIGNATURE_KEY, SquareEmulator
from simulation.platforms.square_book import InventoryBook
from simulation.platforms.square_tickets import tax_inside
from tests.connectors.conformance import START

MAIN, SECOND = "LMAIN0000001", "LSECOND00002"
SHOPPER = Shopper("Ada Invented", "ada@example.org", "FR", "75011", "Paris", "1 rue Inventée")
HEADERS = {"authorization": f"Bearer {ACCESS_TOKEN}", "square-version": "2025-08-20"}
NOW = START + timedelta(minutes=1)


def at(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def till() -> SquareEmulator:
    platform = SquareEmulator()
    entries = [
        CatalogueEntry("MUG", "Mug", Decimal("7.50"), "04006381333931"),
        CatalogueEntry("CAP", "Cap", Decimal("12.00")),
    ]
    platform.load(entries, (MAIN, SECOND), START)
    platform.set_shelf("MUG", MAIN, 5, START)
    return platform


def call(
    till: SquareEmulator,
    path: str,
    payload: Mapping[str, object] | None = None,
    now: Any = NOW,
    *,
    method: str | None = None,
    headers: Mapping[str, str] = HEADERS,
) -> HttpResponse:
    body = b"" if payload is None else json.dumps(payload).encode()
    return till.handle(HttpRequest(method or ("GET" if payload is None else "POST"), path, headers, body), now)


def answer(*args: Any, **more: Any) -> Any:
    response = call(*args, **more)
    assert response.status == 200, response.body
    return response.json()


def problem(*args: Any, **more: Any) -> tuple[int, str]:
    response = call(*args, **more)
    [error] = response.json()["errors"]
    return response.status, error["code"]


def mug(till: SquareEmulator) -> str:
    items = answer(till, "/v2/catalog/list?types=ITEM")["objects"]
    return str(items[0]["item_data"]["variations"][0]["id"])


def setting(variation: str, quantity: str = "9", place: str = MAIN, when: Any = NOW, **more: Any) -> dict[str, Any]:
    count = {
        "catalog_object_id": variation,
        "location_id": place,
        "state": "IN_STOCK",
        "quantity": quantity,
        "occurred_at": when.isoformat(),
        **more,
    }
    return {"type": "PHYSICAL_COUNT", "physical_count": count}


def change(till: SquareEmulator, *changes: Any, key: str = "k", now: Any = NOW, **more: Any) -> Any:
    return answer(till, "/v2/inventory/changes/batch-create", {"idempotency_key": key, "changes": changes, **more}, now)


CHANGE = "/v2/inventory/changes/batch-create"


def test_it_is_an_emulated_platform(till: SquareEmulator) -> None:
    platform: EmulatedPlatform = till
    assert platform.platform == "square"
    platform.advance(NOW)
    assert platform.shelf() == {("MUG", MAIN): 5, ("MUG", SECOND): 0, ("CAP", MAIN): 0, ("CAP", SECOND): 0}
    assert [(entry.sku, entry.stock_point, entry.units, entry.cause) for entry in platform.shelf_log] == [
        ("MUG", MAIN, 0, ShelfCause.LOADED),
        ("MUG", SECOND, 0, ShelfCause.LOADED),
        ("CAP", MAIN, 0, ShelfCause.LOADED),
        ("CAP", SECOND, 0, ShelfCause.LOADED),
        ("MUG", MAIN, 5, ShelfCause.EDITED),
    ]


def test_the_same_world_twice_is_the_same_account(till: SquareEmulator) -> None:
    other = SquareEmulator()
    other.load([CatalogueEntry("MUG", "Mug", Decimal("7.50"), "04006381333931")], (MAIN, SECOND), START)
    assert mug(till) == mug(other)


def test_a_ticket_takes_its_units_when_it_is_paid_and_only_then(till: SquareEmulator) -> None:
    order_id = till.open_ticket([BasketLine("MUG", 2)], MAIN, NOW)
    assert till.shelf()["MUG", MAIN] == 5
    assert answer(till, f"/v2/orders/{order_id}")["order"]["state"] == "OPEN"
    till.pay(order_id, at(1))
    assert till.shelf()["MUG", MAIN] == 3
    order = answer(till, f"/v2/orders/{order_id}")["order"]
    assert (order["state"], order["total_money"]) == ("COMPLETED", {"amount": 1500, "currency": "EUR"})
    [adjustment] = [
        row["adjustment"]
        for row in answer(till, "/v2/inventory/changes/batch-retrieve", {"types": ["ADJUSTMENT"]})["changes"]
    ]
    states = (adjustment["from_state"], adjustment["to_state"], adjustment["quantity"], adjustment["transaction_id"])
    assert states == ("IN_STOCK", "SOLD", "2", order_id)
    assert till.shipped() == {order_id: 2}


def test_a_till_sells_what_the_shelf_has(till: SquareEmulator) -> None:
    bought = till.buy([BasketLine("MUG", 3), BasketLine("MUG", 4), BasketLine("CAP", 1)], SHOPPER, MAIN, NOW)
    assert bought.lines == (BasketLine("MUG", 3), BasketLine("MUG", 2))
    assert bought.refused == (BasketLine("MUG", 2), BasketLine("CAP", 1))
    assert till.shelf()["MUG", MAIN] == 0
    nothing = till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    assert (nothing.order_id, nothing.lines, nothing.refused) == (None, (), (BasketLine("MUG", 1),))


def test_only_an_unpaid_ticket_can_be_canceled(till: SquareEmulator) -> None:
    bought = till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    assert bought.order_id is not None
    assert till.cancel(bought.order_id, (), NOW) is False
    assert till.cancel(till.order_ahead([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW), (), NOW) is False
    opened = till.open_ticket([BasketLine("MUG", 2), BasketLine("CAP", 1)], MAIN, NOW)
    uid = answer(till, f"/v2/orders/{opened}")["order"]["line_items"][0]["uid"]
    assert till.cancel(opened, [BasketLine("MUG", 3)], NOW) is False
    assert till.cancel(opened, [BasketLine("MUG", 1), BasketLine("CAP", 1)], NOW) is True
    [line] = answer(till, f"/v2/orders/{opened}")["order"]["line_items"]
    assert (line["uid"], line["quantity"]) == (uid, "1")
    assert till.cancel(opened, [BasketLine("MUG", 1)], NOW) is True
    order = answer(till, f"/v2/orders/{opened}")["order"]
    assert (order["state"], order["line_items"][0]["uid"]) == ("CANCELED", uid)
    assert till.cancel(opened, (), NOW) is False
    assert till.shelf()["MUG", MAIN] == 3


@pytest.mark.parametrize(("restock", "left"), [(True, 5), (False, 3)])
def test_goods_come_back_to_the_shelf_only_when_restocked(till: SquareEmulator, restock: bool, left: int) -> None:
    bought = till.buy([BasketLine("MUG", 2)], SHOPPER, MAIN, NOW)
    back = till.give_back(bought.order_id, [BasketLine("MUG", 2)], MAIN, at(5), restock=restock)
    assert till.shelf()["MUG", MAIN] == left
    changes = answer(till, "/v2/inventory/changes/batch-retrieve", {"updated_after": at(1).isoformat()})["changes"]
    states = [(row["adjustment"]["from_state"], row["adjustment"]["to_state"]) for row in changes]
    assert states[0] == ("SOLD", "RETURNED_BY_CUSTOMER")
    assert states[1:] == ([("RETURNED_BY_CUSTOMER", "IN_STOCK")] if restock else [])
    [part] = answer(till, f"/v2/orders/{back.partition(':')[0]}")["order"]["returns"]
    assert (part["source_order_id"], part["uid"]) == (bought.order_id, back.partition(":")[2])
    with pytest.raises(ValueError, match="cannot come back"):
        till.give_back(bought.order_id, [BasketLine("MUG", 1)], MAIN, at(6))


def test_an_unlinked_return_brings_units_in(till: SquareEmulator) -> None:
    till.give_back(None, [BasketLine("MUG", 1)], SECOND, NOW)
    assert till.shelf()["MUG", SECOND] == 1
    [row] = answer(till, "/v2/inventory/changes/batch-retrieve", {"updated_after": START.isoformat()})["changes"]
    assert (row["adjustment"]["from_state"], row["adjustment"]["to_state"]) == ("UNLINKED_RETURN", "IN_STOCK")


def test_staff_recount_waste_and_receive(till: SquareEmulator) -> None:
    till.recount("MUG", MAIN, 8, at(1))
    till.waste("MUG", MAIN, 2, at(2))
    till.receive("MUG", MAIN, 4, at(3))
    assert till.shelf()["MUG", MAIN] == 10
    assert [(e.units, e.cause) for e in till.shelf_log[-3:]] == [
        (8, ShelfCause.EDITED),
        (6, ShelfCause.EDITED),
        (10, ShelfCause.EDITED),
    ]


def test_a_count_holds_for_its_moment_and_later_sales_are_taken_off(till: SquareEmulator) -> None:
    variation = mug(till)
    till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, at(10))
    written = change(till, setting(variation, "9", when=at(5)), now=at(20))
    assert [(count["quantity"], count["location_id"]) for count in written["counts"]] == [("8", MAIN)]
    till.sell_offline([BasketLine("MUG", 2)], MAIN, at(4), at(30))
    assert till.shelf()["MUG", MAIN] == 8
    change(till, setting(variation, "1", when=at(2)), key="older", now=at(40))
    assert till.shelf()["MUG", MAIN] == 8
    assert [e.cause for e in till.shelf_log[-2:]] == [ShelfCause.SOLD, ShelfCause.WRITTEN]


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 9)),
        min_size=1,
        max_size=4,
        unique_by=lambda e: e[0],
    )
)
def test_a_number_is_the_last_count_and_what_came_after_in_any_order_of_arrival(
    events: list[tuple[int, bool, int]],
) -> None:
    expected = 0
    for _, is_count, units in sorted(events):
        expected = units if is_count else expected - units
    for order in permutations(events):
        book = InventoryBook(lambda kind: kind, lambda *change: None)
        book.open(("V", "L"), NOW)
        for second, is_count, units in order:
            moment = {"occurred_at": at(second)}
            if is_count:
                book.count(("V", "L"), Decimal(units), ShelfCause.EDITED, at(60), extra={}, **moment)
            else:
                book.move(("V", "L"), Decimal(units), ("IN_STOCK", "SOLD"), ShelfCause.SOLD, at(60), **moment)
        assert book.units(("V", "L")) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"variation": "NOSUCH"}, (404, "NOT_FOUND")),
        ({"place": "NOSUCH"}, (404, "NOT_FOUND")),
        ({"quantity": "-1"}, (400, "INVALID_VALUE")),
        ({"quantity": "1.123456"}, (400, "INVALID_VALUE")),
        ({"state": "WASTE"}, (400, "INVALID_ENUM_VALUE")),
        ({"when": NOW + timedelta(milliseconds=1)}, (400, "INVALID_TIME")),
        ({"when": NOW - timedelta(hours=24, seconds=1)}, (400, "INVALID_TIME")),
    ],
)
def test_one_bad_row_refuses_the_whole_batch(till: SquareEmulator, row: Any, expected: tuple[int, str]) -> None:
    good = mug(till)
    bad = setting(row.pop("variation", good), **row)
    written = len(till.shelf_log)
    assert problem(till, CHANGE, {"idempotency_key": "k", "changes": [setting(good), bad]}) == expected
    assert till.shelf()["MUG", MAIN] == 5
    assert len(till.shelf_log) == written
    assert change(till, setting(good))["counts"][0]["quantity"] == "9"


def test_a_batch_holds_a_hundred_rows(till: SquareEmulator) -> None:
    row = setting(mug(till))
    too_many = {"idempotency_key": "k", "changes": [row] * 101}
    assert problem(till, CHANGE, too_many) == (400, "ARRAY_LENGTH_TOO_LONG")
    assert problem(till, CHANGE, {"idempotency_key": "k" * 129, "changes": []}) == (400, "VALUE_TOO_LONG")
    assert len(change(till, *[row] * 100)["counts"]) == 1


def test_a_key_has_one_effect_and_one_body(till: SquareEmulator) -> None:
    variation = mug(till)
    first = change(till, setting(variation))
    till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, at(1))
    assert change(till, setting(variation), now=at(2)) == first
    other = {"idempotency_key": "k", "changes": [setting(variation, "3")]}
    assert problem(till, CHANGE, other, at(2)) == (400, "IDEMPOTENCY_KEY_REUSED")
    assert till.shelf()["MUG", MAIN] == 8


def test_an_unchanged_count_is_ignored_unless_told_otherwise(till: SquareEmulator) -> None:
    variation = mug(till)
    till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    assert change(till, setting(variation, "5", when=at(1)), now=at(1))["counts"][0]["quantity"] == "4"
    row = setting(variation, "5", when=at(2))
    sent = change(till, row, key="k2", now=at(2), ignore_unchanged_counts=False)
    assert (sent["counts"][0]["quantity"], len(sent["changes"])) == ("5", 1)


def test_cursors_keep_their_question_and_live_five_minutes() -> None:
    till = SquareEmulator(page_limit=2)
    till.load([CatalogueEntry(f"S{n}", f"S{n}", Decimal(1)) for n in range(5)], (MAIN,), START)
    path = "/v2/inventory/counts/batch-retrieve"
    first = answer(till, path, {"limit": 3})
    assert len(first["counts"]) == 2
    going_on = {"limit": 3, "cursor": first["cursor"]}
    second = answer(till, path, going_on, at(299))
    assert answer(till, path, {"limit": 3, "cursor": second["cursor"]}, at(300)).keys() == {"counts"}
    assert problem(till, path, {"limit": 2, "cursor": first["cursor"]}) == (400, "INVALID_CURSOR")
    assert problem(till, path, going_on, at(301)) == (400, "INVALID_CURSOR")
    assert problem(till, path, {"cursor": "invented"}) == (400, "INVALID_CURSOR")


def test_a_page_is_of_the_moment_of_its_question() -> None:
    till = SquareEmulator(page_limit=1)
    till.load([CatalogueEntry("MUG", "Mug", Decimal("7.50"))], (MAIN,), START)
    ids = [till.open_ticket([BasketLine("MUG", 1)], MAIN, at(n)) for n in range(2)]
    asked = {
        "location_ids": [MAIN],
        "query": {
            "filter": {"date_time_filter": {"updated_at": {"start_at": NOW.isoformat()}}},
            "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
        },
    }
    first = answer(till, "/v2/orders/search", asked, at(5))
    till.pay(ids[1], at(6))
    second = answer(till, "/v2/orders/search", {**asked, "cursor": first["cursor"]}, at(7))
    assert [order["id"] for order in first["orders"] + second["orders"]] == ids
    assert second["orders"][0]["state"] == "OPEN"


@pytest.mark.parametrize(
    "more",
    [
        {"location_ids": []},
        {"location_ids": [f"L{n}" for n in range(11)]},
        {"query": {"filter": {"date_time_filter": {"updated_at": {}}}, "sort": {"sort_field": "CREATED_AT"}}},
        {"query": {"filter": {"date_time_filter": {"updated_at": {}}}}},
    ],
)
def test_what_a_search_of_orders_may_not_ask(till: SquareEmulator, more: dict[str, Any]) -> None:
    assert problem(till, "/v2/orders/search", {"location_ids": [MAIN], **more}) == (400, "BAD_REQUEST")


def test_limits_bodies_and_paths(till: SquareEmulator) -> None:
    assert problem(till, "/v2/orders/search", {"location_ids": [MAIN], "limit": 1001}) == (400, "VALUE_TOO_HIGH")
    assert problem(till, "/v2/nothing") == (404, "NOT_FOUND")
    broken = till.handle(HttpRequest("POST", "/v2/orders/search", HEADERS, b"["), NOW)
    assert (broken.status, broken.json()["errors"][0]["code"]) == (400, "EXPECTED_JSON_BODY")
    assert problem(till, "/v2/locations", headers={}) == (401, "UNAUTHORIZED")
    old = {**HEADERS, "square-version": "2019-01-01"}
    assert problem(till, "/v2/locations", headers=old) == (400, "INVALID_SQUARE_VERSION_FORMAT")
    asked = {"updated_after": "2026-03-02T09:00:00"}
    assert problem(till, "/v2/inventory/counts/batch-retrieve", asked) == (400, "INVALID_TIME")
    assert till.requests_by_operation() == {"SearchOrders": 2, "BatchRetrieveInventoryCounts": 1}


def test_an_order_is_updated_by_its_newest_version_only(till: SquareEmulator) -> None:
    order_id = till.order_ahead([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW, kind="SHIPMENT")
    path = f"/v2/orders/{order_id}"
    order = answer(till, path)["order"]
    assert (order["state"], order["version"], till.shelf()["MUG", MAIN]) == ("OPEN", 2, 4)
    update = {"location_id": MAIN, "version": 1, "fulfillments": [{"uid": order["fulfillments"][0]["uid"]}]}
    assert problem(till, path, {"order": update}, method="PUT") == (409, "CONFLICT")
    canceled = {"location_id": MAIN, "version": 2, "state": "CANCELED"}
    assert problem(till, path, {"order": canceled}, method="PUT") == (400, "BAD_REQUEST")
    done = {"uid": order["fulfillments"][0]["uid"], "state": "COMPLETED"}
    told = {"idempotency_key": "k", "order": {"location_id": MAIN, "version": 2, "fulfillments": [done]}}
    assert answer(till, path, told, method="PUT")["order"]["state"] == "COMPLETED"
    assert answer(till, path, told, method="PUT")["order"]["version"] == 3
    assert problem(till, path, {"order": {**update, "version": 3}}, method="PUT") == (400, "BAD_REQUEST")
    ticket = till.open_ticket([BasketLine("MUG", 1)], MAIN, NOW)
    assert problem(till, f"/v2/orders/{ticket}", {"order": canceled}, method="PUT") == (400, "BAD_REQUEST")


def subscribed(till: SquareEmulator, *kinds: str) -> None:
    subscription = {"notification_url": "https://hub.example/in?c=1", "event_types": list(kinds), "name": "t"}
    answer(till, "/v2/webhooks/subscriptions", {"subscription": subscription})


def test_webhooks_are_signed_and_come_again_until_they_are_taken(till: SquareEmulator) -> None:
    till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    assert till.due_webhooks(NOW) == []
    subscribed(till, "inventory.count.updated", "payment.created")
    till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    count, payment = till.due_webhooks(NOW)
    assert (count.request.method, count.request.path) == ("POST", "/in?c=1")
    content = b"https://hub.example/in?c=1" + count.request.body
    signature = base64.b64encode(hmac.new(SIGNATURE_KEY.encode(), content, hashlib.sha256).digest()).decode()
    assert count.request.headers["x-square-hmacsha256-signature"] == signature
    till.delivered(payment.delivery_id, 200, NOW)
    till.delivered(count.delivery_id, 500, NOW)
    assert till.due_webhooks(at(59)) == []
    [again] = till.due_webhooks(at(60))
    assert (again.delivery_id, again.request) == (count.delivery_id, count.request)
    assert till.due_webhooks(at(179)) == []
    assert len(till.due_webhooks(at(180))) == 1
    offers, moment = 3, at(180)
    for _ in range(20):
        moment += timedelta(days=2)
        offers += len(till.due_webhooks(moment))
    assert offers == 12


def test_a_till_sale_publishes_no_order_event_and_an_online_order_does(till: SquareEmulator) -> None:
    subscribed(till, "order.created", "order.updated")
    till.buy([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    assert till.due_webhooks(NOW) == []
    till.order_ahead([BasketLine("MUG", 1)], SHOPPER, MAIN, NOW)
    events = [json.loads(delivery.request.body) for delivery in till.due_webhooks(NOW)]
    assert [event["type"] for event in events] == ["order.created", "order.updated"]
    created, updated = (event["data"]["object"] for event in events)
    assert (created["order_created"]["version"], updated["order_updated"]["version"]) == (1, 2)
    assert len({event["event_id"] for event in events}) == 2


@pytest.mark.parametrize(("total", "tax"), [(0, 0), (1, 0), (3, 1), (600, 100), (750, 125), (1990, 332)])
def test_the_tax_inside_a_price(total: int, tax: int) -> None:
    assert tax_inside(total) == tax
