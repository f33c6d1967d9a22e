"""The emulated Shopify shop: held against the published schemas and the captures, and its own rules."""

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import jsonschema
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import shopify_documents as documents
from connectors.shopify import CHANNEL, TOPICS
from connectors.transport import HttpRequest
from mappings.shopify import ORDER_NODE
from schemas.documents import Fact, Heard, RawDocument, Translation
from schemas.orders import Order, OrderState, Return
from simulation.platform import BasketLine, CatalogueEntry, Delivery, ShelfCause, Shopper
from simulation.platforms.shopify import ShopifyEmulator
from simulation.platforms.shopify_api import PATH, Rate
from simulation.platforms.shopify_schema import SCHEMA
from simulation.platforms.shopify_webhooks import RETRY_AFTER_SECONDS
from tests.connectors.conformance import START
from tests.reference import shared

NORTH = "gid://shopify/Location/501"
SOUTH = "gid://shopify/Location/502"
CALLBACK = "https://hub.example/webhooks/shop?account=1"
SHOPPER = Shopper("Ada Lovelace", "ada@example.com", "FR", "75001", "Paris", "1 rue de Rivoli")
SET = """mutation Set($input: InventorySetQuantitiesInput!, $idempotencyKey: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $idempotencyKey) {
    inventoryAdjustmentGroup {
      id createdAt reason referenceDocumentUri
      changes { name delta quantityAfterChange item { id } location { id } }
    }
    userErrors { field message code }
  }
}"""


def made(*, items: int = 4, pays_at_once: bool = True, rate: Rate | None = None) -> ShopifyEmulator:
    shop = ShopifyEmulator(rate=rate or Rate(restored_per_second=1000.0), pays_at_once=pays_at_once)
    catalogue = [CatalogueEntry(f"SKU-{n}", f"Thing {n}", Decimal("9.99") + n) for n in range(items)]
    shop.load(catalogue, (NORTH, SOUTH), START)
    return shop


def ask(shop: ShopifyEmulator, text: str, now: datetime = START, /, **variables: Any) -> Any:
    body = json.dumps({"query": text, "variables": variables}).encode()
    answer = shop.handle(HttpRequest("POST", PATH, {"x-shopify-access-token": "shpat_emulated"}, body), now)
    assert answer.status == 200
    return answer.json()


def ask_for(shop: ShopifyEmulator, document: documents.Document, now: datetime = START, **variables: Any) -> Any:
    return ask(shop, document.text, now, **variables)["data"]


def item(shop: ShopifyEmulator, sku: str) -> str:
    return f"gid://shopify/InventoryItem/{shop._shop.by_sku[sku].item}"


def row(shop: ShopifyEmulator, sku: str, units: int, **other: Any) -> dict[str, Any]:
    return {"inventoryItemId": item(shop, sku), "locationId": NORTH, "quantity": units, **other}


def set_rows(shop: ShopifyEmulator, *rows: dict[str, Any], key: str = "k", name: str = "available") -> Any:
    wanted = {"name": name, "reason": "correction", "quantities": list(rows)}
    return ask(shop, SET, input=wanted, idempotencyKey=key)


def bought(shop: ShopifyEmulator, *basket: tuple[str, int], now: datetime = START) -> str:
    for sku, units in basket:
        shop.set_shelf(sku, NORTH, shop.shelf()[sku, NORTH] + units, now)
    purchase = shop.buy([BasketLine(*line) for line in basket], SHOPPER, NORTH, now)
    assert purchase.order_id is not None
    return purchase.order_id


def fulfill(shop: ShopifyEmulator, order: str, units: int | None = None, now: datetime = START) -> Any:
    """Sends everything that waits, or some units of its first line."""
    [waiting] = shop._shop.orders[int(order)].fulfillment_orders
    wanted: dict[str, Any] = {"fulfillmentOrderId": f"gid://shopify/FulfillmentOrder/{waiting.id}"}
    if units is not None:
        own = next(iter(waiting.lines.values()))
        lines = [{"id": f"gid://shopify/FulfillmentOrderLineItem/{own}", "quantity": units}]
        wanted["fulfillmentOrderLineItems"] = lines
    told = {"lineItemsByFulfillmentOrder": [wanted], "trackingInfo": {"number": "T1", "company": "DHL"}}
    return ask_for(shop, documents.CREATE_FULFILLMENT, now, fulfillment=told)["fulfillmentCreate"]


def subscribe(shop: ShopifyEmulator, *topics: str) -> None:
    for topic in topics or TOPICS:
        wanted = {"uri": CALLBACK, "format": "JSON"}
        data = ask_for(shop, documents.SUBSCRIBE, topic=topic, webhookSubscription=wanted)
        assert data["webhookSubscriptionCreate"]["userErrors"] == []


# the schema


@cache
def contract() -> GraphQLSchema:
    sdl = gzip.decompress(shared("contracts", "shopify", "admin_2026-10.graphql.gz").read_bytes()).decode()
    return build_schema(sdl, assume_valid=True)


def test_every_name_and_type_is_shopifys() -> None:
    for name, ours in SCHEMA.type_map.items():
        if name.startswith("__"):
            continue
        theirs = contract().type_map[name]
        assert type(ours) is type(theirs), name
        if isinstance(ours, GraphQLEnumType) and isinstance(theirs, GraphQLEnumType):
            assert set(ours.values) <= set(theirs.values), name
        if isinstance(ours, GraphQLInputObjectType) and isinstance(theirs, GraphQLInputObjectType):
            for field, given_as in ours.fields.items():
                assert str(given_as.type) == str(theirs.fields[field].type), (name, field)
        if isinstance(ours, GraphQLObjectType | GraphQLInterfaceType):
            compare_fields(ours, theirs)


def compare_fields(ours: GraphQLObjectType | GraphQLInterfaceType, theirs: Any) -> None:
    for field, declared in ours.fields.items():
        assert str(declared.type) == str(theirs.fields[field].type), (ours.name, field)
        for argument, wanted in declared.args.items():
            real = theirs.fields[field].args[argument]
            assert (str(wanted.type), wanted.default_value) == (str(real.type), real.default_value), (ours.name, field)


# the captures


def capture(*path: str) -> Any:
    return json.loads(shared("contracts", "shopify", "recorded", *path).read_text())


def without_ids(value: Any) -> Any:
    """An answer without what differs between two shops: ids, times, and the bucket."""
    if isinstance(value, dict):
        ignored = {"id", "createdAt", "updatedAt", "extensions", "locations", "referenceDocumentUri"}
        return {name: without_ids(inner) for name, inner in value.items() if name not in ignored or name == "code"}
    return [without_ids(inner) for inner in value] if isinstance(value, list) else value


def replayed(shop: ShopifyEmulator, captured: dict[str, Any], sku: str = "SKU-0") -> Any:
    """Sends a captured inventorySetQuantities with our shop's ids in the place of the captured ones."""
    variables = json.loads(json.dumps(captured["variables"]))
    for one in variables["input"]["quantities"]:
        if not one["inventoryItemId"].endswith("/999999999999"):
            one["inventoryItemId"] = item(shop, sku)
        if not one["locationId"].endswith("/999999999999"):
            one["locationId"] = NORTH
    return ask(shop, SET, **variables)


def answer_of(captured: dict[str, Any]) -> Any:
    response = json.loads(json.dumps(captured["response"]))
    for change in ((response["data"]["inventorySetQuantities"] or {}).get("inventoryAdjustmentGroup") or {}).get(
        "changes", ()
    ):
        change["location"].pop("name", None)
    return response


def codes(answer: Any) -> list[str]:
    return [error["extensions"]["code"] for error in answer.get("errors", [])]


def test_setting_answers_as_captured() -> None:
    recorded = capture("inventory-quantity-contracts-2026-04.json")["inventorySetQuantities"]
    answer = replayed(made(), recorded)
    assert without_ids(answer) == without_ids(answer_of(recorded))
    group = answer["data"]["inventorySetQuantities"]["inventoryAdjustmentGroup"]
    assert group["referenceDocumentUri"] == recorded["variables"]["input"]["referenceDocumentUri"]


@pytest.mark.parametrize("case", ["setUnknownInventoryItem", "setUnknownLocation"])
def test_unknown_rows_are_refused_as_captured(case: str) -> None:
    recorded = capture("inventory-quantity-contracts-2026-04.json")["unknownIdValidation"][case]
    assert without_ids(replayed(made(), recorded)) == without_ids(answer_of(recorded))


def test_a_missing_compare_quantity_is_refused_as_captured() -> None:
    recorded = capture("inventory-quantity-contracts-2026-04.json")["missingSetChangeFromQuantity"]
    answer = replayed(made(), recorded)
    assert answer["data"] == recorded["response"]["data"]
    assert answer["errors"][0]["message"] == recorded["response"]["errors"][0]["message"]
    assert answer["errors"][0]["path"] == recorded["response"]["errors"][0]["path"]
    assert codes(answer) == codes(recorded["response"]) == ["INVALID_FIELD_ARGUMENTS"]


def test_a_missing_idempotency_key_is_refused_as_captured() -> None:
    recorded = capture("inventory-quantity-contracts-2026-04.json")["missingSetIdempotency"]["response"]
    shop = made()
    query = SET.replace(" @idempotent(key: $idempotencyKey)", "").replace(", $idempotencyKey: String!", "")
    rows = [row(shop, "SKU-0", 5, changeFromQuantity=0)]
    answer = ask(shop, query, input={"name": "available", "reason": "correction", "quantities": rows})
    assert (answer["data"], answer["errors"][0]["message"]) == (recorded["data"], recorded["errors"][0]["message"])
    assert codes(answer) == codes(recorded) == ["BAD_REQUEST"]
    assert shop.shelf()["SKU-0", NORTH] == 0


def test_a_field_that_is_gone_is_refused_as_captured() -> None:
    recorded = capture("inventory-quantity-contracts-2026-04.json")["legacySetShape"]
    answer = replayed(made(), recorded)
    assert codes(answer) == codes(recorded["response"]) == ["INVALID_VARIABLE"]
    assert "data" not in answer


@pytest.mark.parametrize("case", ["onHandNegative", "availableTooLow", "availableNegativeWithinBounds"])
def test_bounds_are_those_captured(case: str) -> None:
    cases = capture("inventorySetQuantities-quantity-bounds.json")["cases"]
    recorded = cases[case]
    found = replayed(made(), recorded)["data"]["inventorySetQuantities"]["userErrors"]
    theirs = recorded["response"]["data"]["inventorySetQuantities"]["userErrors"]
    assert [(error["field"], error["code"]) for error in found] == [(error["field"], error["code"]) for error in theirs]


def test_fulfilling_is_refused_as_captured() -> None:
    cases = capture("fulfillment-create-preconditions.json")["cases"]
    shop = made()
    order = bought(shop, ("SKU-0", 1))
    [waiting] = shop._shop.orders[int(order)].fulfillment_orders

    def message(case: str) -> str:
        text: str = cases[case]["response"]["data"]["fulfillmentCreate"]["userErrors"][0]["message"]
        return text

    assert fulfill(shop, order, 0)["userErrors"][0]["message"] == message("nonPositiveQuantity")
    assert fulfill(shop, order, 2)["userErrors"][0]["message"] == message("overFulfill")
    unknown = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": "gid://shopify/FulfillmentOrder/999999999"}]}
    data = ask_for(shop, documents.CREATE_FULFILLMENT, fulfillment=unknown)["fulfillmentCreate"]
    assert data["userErrors"] == cases["missingFulfillmentOrder"]["response"]["data"]["fulfillmentCreate"]["userErrors"]
    assert fulfill(shop, order)["userErrors"] == []
    again = fulfill(shop, order)
    assert again["fulfillment"] is None
    closed = message("closed").replace("9825095909682", str(waiting.id))
    assert again["userErrors"] == [{"field": ["fulfillment"], "message": closed}]


def test_canceling_begins_a_job_as_captured() -> None:
    recorded = capture("fulfillment-create-preconditions.json")["cases"]["cancelled"]["setup"]["orderCancel"]
    shop = made()
    order = bought(shop, ("SKU-0", 1))
    query = """mutation C($orderId: ID!, $reason: OrderCancelReason!, $notifyCustomer: Boolean!, $restock: Boolean!) {
      orderCancel(orderId: $orderId, reason: $reason, notifyCustomer: $notifyCustomer, restock: $restock) {
        job { id done } orderCancelUserErrors { field message code } userErrors { field message } } }"""
    variables = {**recorded["variables"], "orderId": f"gid://shopify/Order/{order}"}
    assert without_ids(ask(shop, query, **variables)) == without_ids(recorded["response"])
    assert shop._shop.orders[int(order)].cancelled_at is None
    shop.advance(START + timedelta(seconds=1))
    assert shop._shop.orders[int(order)].cancelled_at == START + timedelta(seconds=1)
    assert shop.shelf()["SKU-0", NORTH] == 1


@pytest.mark.parametrize(
    ("uri", "case"),
    [("https://a.example/b", None), ("http://a.example/b", "updateHttpUri"), ("", "updateBlankUri")],
)
def test_addresses_of_webhooks_are_checked_as_captured(uri: str, case: str | None) -> None:
    wanted = {"uri": uri, "format": "JSON"}
    answer = ask_for(made(), documents.SUBSCRIBE, topic="ORDERS_CREATE", webhookSubscription=wanted)
    expected: list[Any] = []
    if case is not None:
        recorded = capture("webhook-subscription-conformance.json")["updateValidation"][case]["response"]["payload"]
        expected = recorded["data"]["webhookSubscriptionUpdate"]["userErrors"]
    assert answer["webhookSubscriptionCreate"]["userErrors"] == expected


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("{ orders(first: 1) { nodes { id } pageInfo { hasNextPage } } }", 3),
        ('mutation M($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { fulfillment { id'
         " trackingInfo { number } fulfillmentLineItems(first: 5) { nodes { id lineItem { id } } } }"
         " userErrors { field } } }", 19),
        ("mutation M($i: ID!) { orderCancel(orderId: $i, reason: OTHER, restock: false) { job { id }"
         " orderCancelUserErrors { message } } }", 10),
    ],
)  # fmt: skip
def test_costs_are_those_captured(query: str, points: int) -> None:
    shop = made()
    variables: dict[str, Any] = {"i": "gid://shopify/Order/1", "f": {"lineItemsByFulfillmentOrder": []}}
    used = {name: value for name, value in variables.items() if f"${name}:" in query}
    assert ask(shop, query, **used)["extensions"]["cost"]["requestedQueryCost"] == points


# signing in, and the bucket


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (HttpRequest("POST", PATH, {}, b"{}"), 401),
        (HttpRequest("POST", PATH, {"x-shopify-access-token": "wrong"}, b"{}"), 401),
        (HttpRequest("POST", "/admin/api/2020-01/graphql.json", {"x-shopify-access-token": "shpat_emulated"}), 404),
        (HttpRequest("GET", PATH, {"x-shopify-access-token": "shpat_emulated"}), 404),
        (HttpRequest("POST", PATH, {"x-shopify-access-token": "shpat_emulated"}, b"no"), 400),
        (HttpRequest("POST", PATH, {"x-shopify-access-token": "shpat_emulated"}, b"[]"), 400),
    ],
)
def test_requests_that_are_none(request_: HttpRequest, status: int) -> None:
    assert made().handle(request_, START).status == status


@pytest.mark.parametrize(
    "query", ["{ shop { colour } }", "{ shop { name }", "query A { shop { name } } query B { shop { name } }"]
)
def test_documents_that_are_none_are_refused_with_200(query: str) -> None:
    answer = ask(made(), query)
    assert "data" not in answer
    assert len(answer["errors"]) == 1


def test_the_bucket_empties_and_fills() -> None:
    shop = made(rate=Rate(maximum_points=20, restored_per_second=5))
    first = ask(shop, documents.LOCATIONS.text, first=250)["extensions"]["cost"]
    assert (first["requestedQueryCost"], first["actualQueryCost"]) == (12, 4), "what was not used flows back"
    assert first["throttleStatus"] == {"maximumAvailable": 20, "currentlyAvailable": 16, "restoreRate": 5}
    for _ in range(2):
        assert "errors" not in ask(shop, documents.LOCATIONS.text, first=250)
    refused = ask(shop, documents.LOCATIONS.text, first=250)
    assert (codes(refused), "data" in refused) == (["THROTTLED"], False)
    assert refused["extensions"]["cost"]["requestedQueryCost"] == 12
    assert "errors" in ask(shop, documents.LOCATIONS.text, START + timedelta(seconds=0.7), first=250)
    assert "data" in ask(shop, documents.LOCATIONS.text, START + timedelta(seconds=0.8), first=250)
    assert shop.requests_by_operation() == {"locations": 4}


def test_one_document_may_not_cost_too_much() -> None:
    query = "updated_at:>='2026-01-01T00:00:00Z'"
    answer = ask(made(), documents.ORDERS.text, first=250, query=query, parts=250, inner=250)
    assert codes(answer) == ["MAX_COST_EXCEEDED"]


def test_two_hundred_and_fifty_rows_cost_little() -> None:
    shop = made(items=250)
    took = []
    for attempt in range(5):
        rows = [row(shop, f"SKU-{n}", attempt + 1, changeFromQuantity=attempt) for n in range(250)]
        variables = {"key": f"k{attempt}", "input": {"name": "available", "reason": "correction", "quantities": rows}}
        body = json.dumps({"query": documents.SET_LEVELS.text, "variables": variables}).encode()
        request = HttpRequest("POST", PATH, {"x-shopify-access-token": "shpat_emulated"}, body)
        began = time.process_time()
        answer = shop.handle(request, START)
        took.append(time.process_time() - began)
        assert answer.json()["data"]["inventorySetQuantities"]["userErrors"] == []
    assert min(took) < 0.02  # about 0.004 on the machine it was written on


# numbers


def test_compare_and_set_is_all_or_nothing() -> None:
    shop = made()
    shop.set_shelf("SKU-1", NORTH, 3, START)
    rows = [row(shop, "SKU-0", 5, changeFromQuantity=0), row(shop, "SKU-1", 5, changeFromQuantity=0)]
    answer = set_rows(shop, *rows)["data"]["inventorySetQuantities"]
    assert answer["inventoryAdjustmentGroup"] is None
    [error] = answer["userErrors"]
    assert (error["field"], error["code"]) == (
        ["input", "quantities", "1", "changeFromQuantity"],
        "CHANGE_FROM_QUANTITY_STALE",
    )
    assert shop.shelf()["SKU-0", NORTH] == 0


def test_a_pair_named_twice_is_refused() -> None:
    shop = made()
    rows = [row(shop, "SKU-0", units, changeFromQuantity=None) for units in (1, 2)]
    [error] = set_rows(shop, *rows)["data"]["inventorySetQuantities"]["userErrors"]
    assert error["code"] == "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"


def test_on_hand_counts_what_is_committed() -> None:
    shop = made()
    bought(shop, ("SKU-0", 3))
    set_rows(shop, row(shop, "SKU-0", 10, changeFromQuantity=3), name="on_hand")
    assert (shop.shelf()["SKU-0", NORTH], shop.committed("SKU-0", NORTH)) == (7, 3)


def test_too_many_rows_are_refused() -> None:
    shop = made()
    answer = set_rows(shop, *[row(shop, "SKU-0", 1, changeFromQuantity=None)] * 251)
    assert codes(answer) == ["MAX_INPUT_SIZE_EXCEEDED"]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 3)), max_size=12))
def test_a_key_has_one_effect_whatever_comes_between(steps: list[tuple[int, int, int]]) -> None:
    """Keys, numbers and hand edits in any order: a key that succeeded never writes again."""
    shop = made()
    done: dict[str, int] = {}
    for sku, units, key in steps:
        before = dict(shop.shelf())
        answer = set_rows(shop, row(shop, f"SKU-{sku}", units, changeFromQuantity=None), key=f"k{key}-{sku}-{units}")
        assert answer["data"]["inventorySetQuantities"]["userErrors"] == []
        name = f"k{key}-{sku}-{units}"
        if name in done:
            assert shop.shelf() == before
        done[name] = units
        shop.set_shelf(f"SKU-{sku}", NORTH, 100 + len(done), START)


# the shop floor


def test_an_order_takes_units_off_at_once_and_commits_them() -> None:
    shop = made()
    shop.set_shelf("SKU-0", NORTH, 5, START)
    purchase = shop.buy([BasketLine("SKU-0", 2)], SHOPPER, NORTH, START)
    assert (purchase.lines, purchase.refused) == ((BasketLine("SKU-0", 2),), ())
    assert (shop.shelf()["SKU-0", NORTH], shop.committed("SKU-0", NORTH)) == (3, 2)
    assert purchase.order_id is not None
    fulfill(shop, purchase.order_id)
    assert (shop.shelf()["SKU-0", NORTH], shop.committed("SKU-0", NORTH)) == (3, 0)
    assert shop.shipped() == {purchase.order_id: 2}


@pytest.mark.requirement("R05")
def test_a_basket_is_served_only_what_is_there() -> None:
    shop = made()
    shop.set_shelf("SKU-0", NORTH, 3, START)
    basket = [BasketLine("SKU-0", 2), BasketLine("SKU-0", 2), BasketLine("SKU-1", 1), BasketLine("none", 1)]
    purchase = shop.buy(basket, SHOPPER, NORTH, START)
    assert purchase.lines == (BasketLine("SKU-0", 2), BasketLine("SKU-0", 1))
    assert purchase.refused == (BasketLine("SKU-0", 1), BasketLine("SKU-1", 1), BasketLine("none", 1))
    assert shop.shelf()["SKU-0", NORTH] == 0
    assert shop.buy([BasketLine("SKU-0", 1)], SHOPPER, NORTH, START).order_id is None


def test_canceling_before_anything_left_restocks() -> None:
    shop = made()
    order = bought(shop, ("SKU-0", 3), ("SKU-1", 1))
    assert shop.cancel(order, [BasketLine("SKU-0", 1), BasketLine("SKU-0", 1)], START)
    assert (shop.shelf()["SKU-0", NORTH], shop.committed("SKU-0", NORTH)) == (2, 1)
    assert not shop.cancel(order, [BasketLine("SKU-0", 2)], START)
    assert shop.cancel(order, [], START)
    assert (shop.shelf()["SKU-0", NORTH], shop.shelf()["SKU-1", NORTH]) == (3, 1)
    assert not shop.cancel(order, [], START)


def test_canceling_after_it_left_is_too_late() -> None:
    shop = made()
    order = bought(shop, ("SKU-0", 2))
    fulfill(shop, order, 1)
    before = shop.shelf()
    assert not shop.cancel(order, [], START)
    assert not shop.cancel(order, [BasketLine("SKU-0", 2)], START)
    assert shop.shelf() == before
    assert shop.cancel(order, [BasketLine("SKU-0", 1)], START)


def test_goods_come_back_where_they_are_brought() -> None:
    shop = made()
    order = bought(shop, ("SKU-0", 2))
    with pytest.raises(ValueError, match="have not left"):
        shop.give_back(order, [BasketLine("SKU-0", 1)], SOUTH, START)
    fulfill(shop, order)
    back = shop.give_back(order, [BasketLine("SKU-0", 2)], SOUTH, START)
    assert shop.shelf()["SKU-0", SOUTH] == 2
    assert [one.external_id for one in returns(polled(shop))] == [back]
    with pytest.raises(ValueError, match="have not left"):
        shop.give_back(order, [BasketLine("SKU-0", 1)], SOUTH, START)
    with pytest.raises(ValueError, match="without its order"):
        shop.give_back(None, [BasketLine("SKU-0", 1)], SOUTH, START)


def test_every_change_of_the_shelf_is_logged_with_its_cause() -> None:
    shop = made(items=1)
    set_rows(shop, row(shop, "SKU-0", 5, changeFromQuantity=0))
    shop.set_shelf("SKU-0", NORTH, 6, START)
    order = shop.buy([BasketLine("SKU-0", 2)], SHOPPER, NORTH, START).order_id
    assert order is not None
    shop.cancel(order, [BasketLine("SKU-0", 1)], START)
    fulfill(shop, order)
    shop.give_back(order, [BasketLine("SKU-0", 1)], NORTH, START)
    assert [(one.units, one.cause) for one in shop.shelf_log if one.stock_point == NORTH] == [
        (0, ShelfCause.LOADED),
        (5, ShelfCause.WRITTEN),
        (6, ShelfCause.EDITED),
        (4, ShelfCause.SOLD),
        (5, ShelfCause.CANCELED),
        (6, ShelfCause.RETURNED),
    ]


def test_stock_points_must_be_locations() -> None:
    with pytest.raises(ValueError, match="not the global id of a location"):
        made().set_shelf("SKU-0", "501", 1, START)


def test_an_order_may_wait_for_its_payment() -> None:
    shop = made(pays_at_once=False)
    order = bought(shop, ("SKU-0", 1))
    assert shop.shelf()["SKU-0", NORTH] == 0  # taken off already
    assert [one.state for one in orders(polled(shop))] == [OrderState.AWAITING_PAYMENT]
    shop.pay(order, START + timedelta(seconds=30))
    assert [one.state for one in orders(polled(shop))] == [OrderState.OPEN]


# webhooks


def test_webhooks_are_signed_and_carry_their_topic() -> None:
    shop = made()
    subscribe(shop, "ORDERS_CREATE")
    bought(shop, ("SKU-0", 1))
    [delivery] = shop.due_webhooks(START)
    request = delivery.request
    assert (request.method, request.path) == ("POST", "/webhooks/shop?account=1")
    digest = hmac.new(b"emulated-app-secret", request.body, hashlib.sha256).digest()
    assert request.headers["x-shopify-hmac-sha256"] == base64.b64encode(digest).decode()
    assert request.headers["x-shopify-topic"] == "orders/create"
    assert request.headers["x-shopify-shop-domain"] == "emulated.myshopify.com"


def test_nothing_is_told_to_nobody() -> None:
    shop = made()
    bought(shop, ("SKU-0", 1))
    subscribe(shop)
    assert shop.due_webhooks(START) == []


def test_a_delivery_comes_again_until_it_is_answered() -> None:
    shop = made()
    subscribe(shop, "ORDERS_CREATE")
    bought(shop, ("SKU-0", 1))
    now = START
    [first] = shop.due_webhooks(now)
    for wait in RETRY_AFTER_SECONDS[:4]:
        assert shop.due_webhooks(now + timedelta(seconds=wait - 1)) == []
        now += timedelta(seconds=wait)
        [again] = shop.due_webhooks(now)
        assert (again.delivery_id, again.request) == (first.delivery_id, first.request)
        shop.delivered(again.delivery_id, 500, now)
    shop.delivered(first.delivery_id, 204, now)
    assert shop.due_webhooks(now + timedelta(days=1)) == []


@pytest.mark.requirement("R24")
def test_after_four_hours_the_subscription_is_gone() -> None:
    shop = made()
    subscribe(shop, "ORDERS_CREATE")
    bought(shop, ("SKU-0", 1))
    now, attempts = START, 0
    while shop._webhooks.subscriptions:
        attempts += len(shop.due_webhooks(now))
        now += timedelta(seconds=30)
    assert attempts == 1 + len(RETRY_AFTER_SECONDS)
    assert now - START >= timedelta(seconds=sum(RETRY_AFTER_SECONDS))
    bought(shop, ("SKU-0", 1))
    assert shop.due_webhooks(now + timedelta(days=1)) == []


def lenient(schema: Any) -> Any:
    """The published schema without what it inferred from lists that were empty in its example."""
    if isinstance(schema, dict):
        return {name: True if name == "items" and inner is False else lenient(inner) for name, inner in schema.items()}
    return [lenient(inner) for inner in schema] if isinstance(schema, list) else schema


def test_webhook_bodies_are_those_published() -> None:
    shop = made(items=6)
    topics = {**TOPICS, "FULFILLMENTS_CREATE": "fulfillments/create"}
    subscribe(shop, *topics)
    order = bought(shop, *[(f"SKU-{n}", 3) for n in range(5)])
    for _ in range(4):
        bought(shop, ("SKU-5", 1))  # every fifth order bears a discount
    fulfill(shop, order, 2)
    shop.give_back(order, [BasketLine("SKU-0", 1)], SOUTH, START)
    shop.cancel(order, [BasketLine("SKU-1", 1)], START)
    shop.cancel(bought(shop, ("SKU-5", 1)), [], START)
    for variant in shop._shop.variants.values():
        shop._tell("products/update", variant, START)
    told: dict[str, int] = {}
    for one in shop.due_webhooks(START):
        topic = one.request.headers["x-shopify-topic"]
        path = shared("contracts", "shopify", "webhook-schemas", *f"{topic}.json".split("/"))
        schema = lenient(json.loads(path.read_text()))
        if topic.startswith("products/"):
            del schema["properties"]["image"]  # its own example has null there
        jsonschema.validate(json.loads(one.request.body), schema)
        told[topic] = told.get(topic, 0) + 1
    assert set(told) == {
        "orders/create",
        "orders/paid",
        "orders/updated",
        "orders/cancelled",
        "refunds/create",
        "fulfillments/create",
        "inventory_levels/update",
        "products/update",
    }


# one order, told twice


def translated(topic: str, body: bytes) -> list[Fact]:
    return list(CHANNEL.translate(RawDocument(topic, "x", "e", body, Heard.POLL), Translation("shop")))


def polled(shop: ShopifyEmulator) -> list[Fact]:
    query = "updated_at:>='2026-01-01T00:00:00Z'"
    now = START + timedelta(days=9)
    data = ask_for(shop, documents.ORDERS, now, first=10, query=query, parts=9, inner=9)
    return [fact for node in data["orders"]["nodes"] for fact in translated(ORDER_NODE, json.dumps(node).encode())]


def orders(facts: Iterable[Fact]) -> list[Order]:
    return [fact for fact in facts if isinstance(fact, Order)]


def returns(facts: Iterable[Fact]) -> list[Return]:
    return [fact for fact in facts if isinstance(fact, Return)]


EVENTS = st.sampled_from(["cancel", "fulfill", "give_back", "refund", "whole"])
STEPS = st.lists(st.tuples(EVENTS, st.integers(0, 3), st.integers(1, 3)), max_size=7)


@settings(max_examples=60, deadline=None)
@given(
    basket=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    before=st.integers(0, 4),
    steps=STEPS,
)
def test_webhooks_and_polls_state_the_same_order(
    basket: list[int], before: int, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever happens to an order, its last webhook and a poll give the same facts, and units are conserved."""
    shop = made()
    subscribe(shop)
    for _ in range(before):
        bought(shop, ("SKU-0", 1))
    order = bought(shop, *[(f"SKU-{n}", units) for n, units in enumerate(basket)])
    now = START
    for name, sku, units in steps:
        now += timedelta(seconds=1)
        do(shop, order, (name, f"SKU-{sku % len(basket)}", units), now)
    told = last_bodies(shop.due_webhooks(now))
    by_webhook = [fact for topic, body in told.items() if topic[1] == order for fact in translated(topic[0], body)]
    by_poll = [fact for fact in polled(shop) if order in (getattr(fact, "external_id", ""), getattr(fact, "order", ""))]
    assert by_webhook == by_poll
    [stated] = orders(by_poll)
    left = {line.id: shop._shop.orders[int(order)].left(line.id) for line in shop._shop.orders[int(order)].lines}
    for line in stated.lines:
        waiting = shop._shop.orders[int(order)].remaining(int(line.external_id))
        assert line.units == line.units_canceled + left[int(line.external_id)] + waiting
    for sku in range(4):
        on_hand = shop.shelf()[f"SKU-{sku}", NORTH] + shop.committed(f"SKU-{sku}", NORTH)
        assert on_hand >= 0


def test_webhooks_and_polls_count_the_same_units() -> None:
    shop = made()
    subscribe(shop, "ORDERS_UPDATED")
    order = bought(shop, ("SKU-0", 9))
    [line] = shop._shop.orders[int(order)].lines
    fulfill(shop, order, 3)
    shop.cancel(order, [BasketLine("SKU-0", 2)], START)
    shop.give_back(order, [BasketLine("SKU-0", 1)], SOUTH, START)
    do(shop, order, ("refund", "SKU-0", 3), START)  # both units that are still out, and one that was not sent
    [*_, last] = shop.due_webhooks(START)
    [told] = json.loads(last.request.body)["line_items"]
    data = ask_for(shop, documents.ORDER, id=f"gid://shopify/Order/{order}", parts=9, inner=9)
    [node] = data["order"]["lineItems"]["nodes"]
    assert (told["quantity"], told["current_quantity"], told["fulfillable_quantity"]) == (9, 3, 3)
    assert (node["quantity"], node["currentQuantity"], node["fulfillableQuantity"]) == (9, 3, 3)
    assert (line.units, shop.committed("SKU-0", NORTH)) == (9, 3)
    assert (shop.shelf()["SKU-0", NORTH], shop.shelf()["SKU-0", SOUTH]) == (2, 1)
    [stated] = orders(polled(shop))
    assert stated.lines[0].units_canceled == 3


def do(shop: ShopifyEmulator, order: str, step: tuple[str, str, int], now: datetime) -> None:
    """One thing that may happen to an order; what is not possible does not happen."""
    name, sku, units = step
    of = shop._shop.orders[int(order)]
    [line] = [one for one in of.lines if one.variant.entry.sku == sku]
    match name:
        case "cancel":
            shop.cancel(order, [BasketLine(sku, units)], now)
        case "whole":
            shop.cancel(order, [], now)
        case "fulfill":
            fulfill(shop, order, units, now)
        case "give_back" if of.still_out(line) >= units:
            shop.give_back(order, [BasketLine(sku, units)], SOUTH, now)
        case "refund":
            wanted = [{"lineItemId": f"gid://shopify/LineItem/{line.id}", "quantity": units}]
            key = now.isoformat()
            refund = {"orderId": f"gid://shopify/Order/{order}", "refundLineItems": wanted}
            ask_for(shop, documents.CREATE_REFUND, now, input=refund, key=key)


def last_bodies(deliveries: Iterable[Delivery]) -> dict[tuple[str, str], bytes]:
    """The newest order document of each order, by (topic, order)."""
    newest: dict[str, tuple[str, bytes]] = {}
    for one in deliveries:
        topic = one.request.headers["x-shopify-topic"]
        if topic.startswith("orders/"):
            newest[str(json.loads(one.request.body)["id"])] = (topic, one.request.body)
    return {(topic, order): body for order, (topic, body) in newest.items()}


@settings(max_examples=60, deadline=None)
@given(basket=st.lists(st.integers(1, 4), min_size=1, max_size=4), steps=STEPS)
def test_a_refund_alone_never_contradicts_its_order(basket: list[int], steps: list[tuple[str, int, int]]) -> None:
    """What refunds/create says for certain is what the order says of the same refund in the end."""
    shop = made()
    subscribe(shop)
    order = bought(shop, *[(f"SKU-{n}", units) for n, units in enumerate(basket)])
    now = START
    for name, sku, units in steps:
        now += timedelta(seconds=1)
        do(shop, order, (name, f"SKU-{sku % len(basket)}", units), now)
    alone = [
        fact
        for one in shop.due_webhooks(now)
        if one.request.headers["x-shopify-topic"] == "refunds/create"
        for fact in translated("refunds/create", one.request.body)
    ]
    stated = {one.external_id: one for one in returns(polled(shop))}
    for one in returns(alone):
        assert one == stated[one.external_id]
