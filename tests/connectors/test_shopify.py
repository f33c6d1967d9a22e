"""The Shopify connector against its emulator, and its documents against the published schema."""

import gzip
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors import shopify_documents as documents
from connectors.errors import (
    ContractError,
    CredentialsError,
    FatalError,
    NoAnswerError,
    RefusedError,
    ScopeError,
    ThrottledError,
    UnavailableError,
)
from connectors.records import Page
from connectors.shopify import CHANNEL, ShopifyConnection, ShopifySettings
from connectors.shopify_graphql import PATH, Budget
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import ManualClock
from schemas.documents import Fact, Translation
from schemas.fulfillment import FulfillmentLine, Parcel, ReadyNotice, Shipment
from schemas.levels import LevelKey, LevelReading, LevelWrite, WriteOutcome
from schemas.orders import Order, OrderState, Return
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from simulation.platforms.shopify import ShopifyEmulator
from simulation.platforms.shopify_api import Rate
from tests.connectors.conformance import START, Rig
from tests.reference import shared

NORTH = "gid://shopify/Location/501"
SOUTH = "gid://shopify/Location/502"
CALLBACK = "https://hub.example/webhooks/shop"
SHOPPER = Shopper("Ada Lovelace", "ada@example.com", "FR", "75001", "Paris", "1 rue de Rivoli")
TRANSLATION = Translation("shop")


def catalogue(items: int = 12) -> list[CatalogueEntry]:
    shirts = [
        CatalogueEntry("SHIRT-S", "Shirt S", Decimal("19.99"), "4006381333931", "Shirt", {"Size": "S", "Color": "Red"}),
        CatalogueEntry("SHIRT-M", "Shirt M", Decimal("19.99"), None, "Shirt", {"Size": "M", "Color": "Red"}),
    ]
    return shirts + [
        CatalogueEntry(f"SKU-{n:03}", f"Thing {n}", Decimal(n) + Decimal("0.35")) for n in range(items - 2)
    ]


def make_rig(items: int = 12, rate: Rate | None = None, **settings: Any) -> Rig:
    emulator = ShopifyEmulator(rate=rate or Rate(restored_per_second=1000.0))
    emulator.load(catalogue(items), (NORTH, SOUTH), START)
    return Rig(
        CHANNEL,
        ShopifySettings(
            name="shop",
            url="https://emulated.myshopify.com",
            access_token=SecretStr("shpat_emulated"),
            webhook_secrets=(SecretStr("the-secret-before"), SecretStr("emulated-app-secret")),
            **settings,
        ),
        emulator,
        (NORTH, SOUTH),
    )


def connection(rig: Rig, send: Send | None = None) -> ShopifyConnection:
    made = rig.connect(send)
    assert isinstance(made, ShopifyConnection)
    return made


def settings_of(rig: Rig) -> ShopifySettings:
    assert isinstance(rig.settings, ShopifySettings)
    return rig.settings


def shop(rig: Rig) -> ShopifyEmulator:
    assert isinstance(rig.emulator, ShopifyEmulator)
    return rig.emulator


def facts(pages: Iterable[Page]) -> list[Fact]:
    return [fact for page in pages for document in page.documents for fact in CHANNEL.translate(document, TRANSLATION)]


def listings(rig: Rig) -> dict[str, ChannelListing]:
    found = facts(connection(rig).pull_catalogue())
    return {str(one.sku): one for one in found if isinstance(one, ChannelListing)}


def key(rig: Rig, sku: str, place: str = NORTH) -> LevelKey:
    return LevelKey(listings(rig)[sku].stock_id, place)


def bought(rig: Rig, *basket: tuple[str, int], place: str = NORTH) -> str:
    """Stocks what the basket asks for and buys it."""
    for sku, units in basket:
        there = rig.emulator.shelf()[sku, place]
        rig.emulator.set_shelf(sku, place, there + units, rig.clock.now())
    purchase = rig.emulator.buy([BasketLine(*line) for line in basket], SHOPPER, place, rig.clock.now())
    assert purchase.order_id is not None
    return purchase.order_id


def polled(rig: Rig, order: str) -> tuple[Order, list[Return]]:
    found = facts(connection(rig).pull_orders(START - timedelta(days=1)))
    [stated] = [fact for fact in found if isinstance(fact, Order) and fact.external_id == order]
    return stated, [fact for fact in found if isinstance(fact, Return) and fact.order == order]


def parcel_of(number: str) -> Parcel:
    return Parcel(carrier="DHL", tracking_number=number, tracking_url=f"https://dhl.example/{number}")


def shipment(order: str, lines: dict[str, int], id_: str = "S1", parcel: Parcel | None = None) -> Shipment:
    return Shipment(
        external_id=id_,
        channel="shop",
        order=order,
        location="WH",
        shipped_at=START,
        lines=tuple(FulfillmentLine(order_line=line, units=units) for line, units in lines.items()),
        parcel=parcel,
        completes_order=False,
    )


def notice(order: str, lines: dict[str, int]) -> ReadyNotice:
    return ReadyNotice(
        channel="shop",
        order=order,
        location="WH",
        lines=tuple(FulfillmentLine(order_line=line, units=units) for line, units in lines.items()),
    )


def answering(*answers: HttpResponse | Exception) -> tuple[Send, list[HttpRequest]]:
    """A wire that gives these answers in turn, the last one for ever."""
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        answer = answers[min(len(sent), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send, sent


def graphql(**body: object) -> HttpResponse:
    return HttpResponse(200, {"x-request-id": "r-1"}, json.dumps(body).encode())


# documents against the contract


@cache
def contract() -> GraphQLSchema:
    sdl = gzip.decompress(shared("contracts", "shopify", "admin_2026-10.graphql.gz").read_bytes()).decode()
    return build_schema(sdl, assume_valid=True)


@pytest.mark.parametrize("document", documents.ALL, ids=lambda document: document.name)
def test_document_is_valid_against_the_published_schema(document: documents.Document) -> None:
    tree = parse(document.text)
    assert validate(contract(), tree) == []
    [operation] = [one for one in tree.definitions if isinstance(one, OperationDefinitionNode)]
    assert operation.name is not None
    assert (operation.name.value, operation.operation.value == "mutation") == (document.name, document.is_mutation)


def test_the_list_of_documents_is_whole() -> None:
    declared = [value for value in vars(documents).values() if isinstance(value, documents.Document)]
    assert sorted(one.name for one in declared) == sorted(one.name for one in documents.ALL)


def test_every_request_of_a_day_coerces_against_the_published_schema() -> None:
    """Everything a connection can do is done once; every body that was sent is held against the contract."""
    rig = make_rig()
    hub = connection(rig)
    hub.check()
    hub.ensure_webhooks(CALLBACK)
    list(hub.pull_places())
    list(hub.pull_catalogue())
    list(hub.pull_stock([NORTH]))
    hub.write_levels([LevelWrite(key(rig, "SKU-001"), 5), LevelWrite(key(rig, "SKU-002"), 5, 0)], idempotency_key="k/1")
    hub.read_levels([key(rig, "SKU-001")])
    order = bought(rig, *[(f"SKU-{n:03}", 2) for n in range(7)])
    stated, _ = polled(rig, order)
    lines = [line.external_id for line in stated.lines]
    for number, (line, parcel) in enumerate(zip(lines, [None, *[parcel_of(str(n)) for n in range(3)]], strict=False)):
        hub.push_shipment(shipment(order, {line: 1}, f"S{number}", parcel))
    hub.push_cancellation(order, {lines[0]: 1, lines[5]: 1})
    list(hub.pull_orders(START))
    whole = bought(rig, ("SKU-003", 1))
    hub.push_cancellation(whole, {polled(rig, whole)[0].lines[0].external_id: 1})
    fetched = bought(rig, ("SKU-003", 1))
    shop(rig)._shop.orders[int(fetched)].fulfillment_orders[0].method = "PICK_UP"
    assert hub.push_ready(notice(fetched, {polled(rig, fetched)[0].lines[0].external_id: 1}))

    sent = [json.loads(request.body) for request in rig.requests]
    assert {body["operationName"] for body in sent} == {document.name for document in documents.ALL}
    for body in sent:
        assert problems(body) == [], body["operationName"]


def problems(body: dict[str, Any]) -> list[str]:
    """What the published schema has against the variables of a request."""
    [operation] = [one for one in parse(body["query"]).definitions if isinstance(one, OperationDefinitionNode)]
    coerced = get_variable_values(contract(), list(operation.variable_definitions or ()), body["variables"])
    return [error.message for error in coerced] if isinstance(coerced, list) else []


def test_the_check_of_variables_can_fail() -> None:
    body = {"query": documents.SET_LEVELS.text, "variables": {"key": "k", "input": {"name": "available"}}}
    assert len(problems(body)) == 2  # no reason, no quantities


# signing in


def test_check_names_the_shop() -> None:
    assert connection(make_rig()).check() == "Shopify shop Emulated shop (emulated.myshopify.com), API 2026-10"


def test_check_names_missing_scopes() -> None:
    data = {
        "shop": {"name": "S", "myshopifyDomain": "s.myshopify.com"},
        "currentAppInstallation": {"accessScopes": [{"handle": "write_orders"}, {"handle": "read_products"}]},
    }
    send, _ = answering(graphql(data=data))
    with pytest.raises(ScopeError, match="lacks the scopes read_locations, read_inventory, write_inventory, "):
        connection(make_rig(), send).check()


def test_another_version_than_the_pinned_one_is_noticed() -> None:
    rig = make_rig()

    def send(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        return HttpResponse(answer.status, {**answer.headers, "x-shopify-api-version": "2027-01"}, answer.body)

    with pytest.raises(ContractError, match="'2027-01' in place of 2026-10"):
        connection(rig, send).check()


def test_wrong_token_is_a_credentials_error_without_the_token() -> None:
    rig = make_rig()
    rig.settings = rig.settings.model_copy(update={"access_token": SecretStr("shpat_wrong")})
    with pytest.raises(CredentialsError) as caught:
        connection(rig).check()
    assert "shpat_wrong" not in str(caught.value)
    assert "shpat_wrong" not in repr(rig.settings)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (graphql(errors=[{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]), ScopeError),
        (graphql(errors=[{"message": "no", "extensions": {"code": "SHOP_INACTIVE"}}]), FatalError),
        (graphql(errors=[{"message": "no field", "extensions": {"code": "undefinedField"}}]), ContractError),
        (graphql(errors="Not Found"), ContractError),
        (graphql(data=None), ContractError),
        (HttpResponse(200, {}, b"[]"), ContractError),
        (HttpResponse(200, {}, b"<html>"), ContractError),
        (HttpResponse(402, {}, b""), FatalError),
        (HttpResponse(404, {}, b'{"errors":"Not Found"}'), FatalError),
        (HttpResponse(403, {}, b""), ScopeError),
    ],
)
def test_failures_become_errors_of_the_tree(answer: HttpResponse, error: type[Exception]) -> None:
    send, sent = answering(answer)
    with pytest.raises(error):
        connection(make_rig(), send).check()
    assert len(sent) == 1


def test_a_query_is_sent_again_after_an_internal_error_of_shopify() -> None:
    rig = make_rig()
    failed = graphql(errors=[{"message": "oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}])
    asked = 0

    def send(request: HttpRequest) -> HttpResponse:
        nonlocal asked
        asked += 1
        return failed if asked == 1 else rig.wire(request)

    assert connection(rig, send).check().startswith("Shopify shop")
    assert asked == 2


# catalogue, places, stock


def test_catalogue_binds_variants_to_inventory_items() -> None:
    rig = make_rig()
    found = listings(rig)
    assert len(found) == 12
    assert found["SHIRT-S"].title == "Shirt - S / Red"
    assert found["SHIRT-S"].options == {"Size": "S", "Color": "Red"}
    assert found["SHIRT-S"].gtin == "04006381333931"
    assert found["SKU-001"].title == "Thing 1"
    assert found["SKU-001"].options == {}
    assert len({one.external_id for one in found.values()} | {one.stock_id for one in found.values()}) == 24


def test_catalogue_is_read_in_pages_and_begins_new_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.shopify.ROWS_OF_ONE_CURSOR", 250)
    rig = make_rig(items=600)
    pages = list(connection(rig).pull_catalogue())
    assert [len(page.documents) for page in pages] == [250, 250, 100]
    assert len({document.event_id for page in pages for document in page.documents}) == 600
    asked = [json.loads(request.body)["variables"] for request in rig.requests]
    assert [one["after"] for one in asked] == [None, None, None]  # each page began a cursor of its own
    assert asked[0]["query"] is None
    assert all(one["query"].startswith("id:>=") for one in asked[1:])


def test_places_are_locations() -> None:
    assert facts(connection(make_rig()).pull_places()) == [
        ChannelPlace(channel="shop", stock_point=NORTH, name="Place 501"),
        ChannelPlace(channel="shop", stock_point=SOUTH, name="Place 502"),
    ]


def test_stock_is_what_each_location_shows() -> None:
    rig = make_rig()
    rig.clock.advance(60)
    rig.emulator.set_shelf("SKU-001", SOUTH, 7, rig.clock.now())
    seen = [fact for fact in facts(connection(rig).pull_stock([SOUTH])) if isinstance(fact, StockObservation)]
    assert len(seen) == 12
    [one] = [fact for fact in seen if fact.listing_external_id == listings(rig)["SKU-001"].external_id]
    assert (one.stock_point, one.units, one.observed_at) == (SOUTH, 7, START + timedelta(seconds=60))


def test_items_that_shopify_does_not_track_or_stock_have_no_number() -> None:
    rig = make_rig()

    def send(request: HttpRequest) -> HttpResponse:
        answer = rig.wire(request)
        told = answer.json()
        nodes = told["data"]["productVariants"]["nodes"]
        nodes[0]["inventoryItem"]["tracked"] = False
        nodes[1]["inventoryItem"]["inventoryLevel"] = None
        return HttpResponse(answer.status, answer.headers, json.dumps(told).encode())

    assert len(facts(connection(rig, send).pull_stock([NORTH]))) == 10


def test_the_same_stock_is_the_same_event_and_other_stock_is_another() -> None:
    rig = make_rig()
    first, again = (next(iter(connection(rig).pull_stock([NORTH]))).documents for _ in range(2))
    assert first == again
    rig.emulator.set_shelf("SKU-001", NORTH, 7, rig.clock.now())  # within the same second
    changed = next(iter(connection(rig).pull_stock([NORTH]))).documents
    assert len({one.event_id for one in first} ^ {one.event_id for one in changed}) == 2


# orders


def test_an_order_is_stated_exactly() -> None:
    rig = make_rig()
    order = bought(rig, ("SKU-002", 2), ("SHIRT-M", 1))
    stated, returns = polled(rig, order)
    assert returns == []
    assert (stated.state, stated.number, stated.currency) == (OrderState.OPEN, "#1001", "EUR")
    assert [(line.sku, line.units, line.units_canceled) for line in stated.lines] == [
        ("SKU-002", 2, 0),
        ("SHIRT-M", 1, 0),
    ]
    assert [line.listing_external_id for line in stated.lines] == [
        listings(rig)["SKU-002"].external_id,
        listings(rig)["SHIRT-M"].external_id,
    ]
    assert [line.line_total for line in stated.lines] == [Decimal("4.70"), Decimal("19.99")]
    assert (stated.shipping_amount, stated.total) == (Decimal("4.90"), Decimal("29.59"))
    assert (stated.placed_at, stated.updated_at) == (START, START)
    assert stated.customer is not None
    assert stated.customer.name == "Ada Lovelace"


@pytest.mark.requirement("R25")
def test_orders_come_oldest_change_first_and_each_page_moves_the_watermark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.shopify.ORDERS_IN_A_PAGE", 2)
    rig = make_rig()
    orders = []
    for _ in range(5):
        orders.append(bought(rig, ("SKU-001", 1)))
        rig.clock.advance(10)
    pages = list(connection(rig).pull_orders(START + timedelta(seconds=10)))
    assert [[document.document_id for document in page.documents] for page in pages] == [orders[1:3], orders[3:]]
    assert [page.watermark for page in pages] == [START + timedelta(seconds=20), START + timedelta(seconds=40)]


def test_nothing_new_moves_no_watermark() -> None:
    assert list(connection(make_rig()).pull_orders(START)) == [Page((), None)]


def test_since_is_written_in_utc() -> None:
    rig = make_rig()
    list(connection(rig).pull_orders(datetime.fromisoformat("2026-03-02T23:30:00+14:00")))
    assert json.loads(rig.requests[0].body)["variables"]["query"] == "updated_at:>='2026-03-02T09:30:00Z'"


def test_a_new_cursor_begins_before_shopify_ends_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.shopify.ORDERS_IN_A_PAGE", 2)
    monkeypatch.setattr("connectors.shopify.ROWS_OF_ONE_CURSOR", 4)
    rig = make_rig()
    orders = []
    for _ in range(7):
        orders.append(bought(rig, ("SKU-001", 1)))
        rig.clock.advance(10)
    documents_read = [one for page in connection(rig).pull_orders(START) for one in page.documents]
    assert list(dict.fromkeys(one.document_id for one in documents_read)) == orders
    assert len({one.event_id for one in documents_read}) == 7
    queries = [json.loads(request.body)["variables"]["query"] for request in rig.requests]
    assert list(dict.fromkeys(queries)) == [
        "updated_at:>='2026-03-02T09:00:00Z'",
        "updated_at:>='2026-03-02T09:00:30Z'",
    ]


@pytest.mark.requirement("R44")
def test_an_order_of_many_lines_shipments_and_refunds_is_read_whole() -> None:
    rig = make_rig(items=40)
    order = bought(rig, *[(f"SKU-{n:03}", 2) for n in range(30)])
    stated, _ = polled(rig, order)
    assert len(stated.lines) == 30
    hub = connection(rig)
    for n, line in enumerate(stated.lines[:8]):
        hub.push_shipment(shipment(order, {line.external_id: 2}, f"S{n}", parcel_of(f"T{n}")))
    hub.push_shipment(shipment(order, {line.external_id: 2 for line in stated.lines[8:20]}, "S9", parcel_of("T9")))
    for n in range(6):
        rig.emulator.give_back(order, [BasketLine(f"SKU-{n:03}", 1)], SOUTH, rig.clock.now())
    back = [BasketLine(f"SKU-{n:03}", 1) for n in range(8, 16)]
    rig.emulator.give_back(order, back, NORTH, rig.clock.now())
    rig.emulator.cancel(order, [BasketLine(f"SKU-{n:03}", 2) for n in range(20, 30)], rig.clock.now())
    stated, returns = polled(rig, order)
    assert stated.state is OrderState.COMPLETED
    assert [line.units_canceled for line in stated.lines] == [0] * 20 + [2] * 10
    assert sorted(len(one.lines) for one in returns) == [1, 1, 1, 1, 1, 1, 8]
    assert {line.stock_point for one in returns for line in one.lines} == {NORTH, SOUTH}


def test_windows_shrink_until_shopify_takes_them() -> None:
    rig = make_rig()
    bought(rig, ("SKU-001", 1))

    def send(request: HttpRequest) -> HttpResponse:
        variables = json.loads(request.body)["variables"]
        if variables.get("first", 0) > 12:
            return graphql(errors=[{"message": "too much", "extensions": {"code": "MAX_COST_EXCEEDED"}}])
        return rig.wire(request)

    [page] = connection(rig, send).pull_orders(START)
    assert len(page.documents) == 1
    assert json.loads(rig.requests[-1].body)["variables"]["first"] == 12


# levels


def test_numbers_are_written_and_confirmed_by_the_answer() -> None:
    rig = make_rig()
    writes = [LevelWrite(key(rig, "SKU-001"), 5, 0), LevelWrite(key(rig, "SKU-002", SOUTH), 9)]
    answers = connection(rig).write_levels(writes, idempotency_key="k")
    assert [(one.key, one.outcome) for one in answers] == [(one.key, WriteOutcome.CONFIRMED) for one in writes]
    assert rig.emulator.shelf()["SKU-001", NORTH] == 5
    assert rig.emulator.shelf()["SKU-002", SOUTH] == 9
    body = json.loads(rig.requests[-1].body)["variables"]
    assert body["key"] == "k"
    rows = body["input"]["quantities"]
    assert [row["changeFromQuantity"] for row in rows] == [0, None]  # the explicit null opts out


def test_a_number_that_stands_already_is_confirmed() -> None:
    rig = make_rig()
    writes = [LevelWrite(key(rig, "SKU-001"), 0, 0)]
    assert connection(rig).write_levels(writes, idempotency_key="k")[0].outcome is WriteOutcome.CONFIRMED


@pytest.mark.requirement("R36")
def test_a_stale_row_is_named_and_nothing_of_the_batch_is_written() -> None:
    rig = make_rig()
    rig.emulator.set_shelf("SKU-002", NORTH, 3, START)
    before = rig.emulator.shelf()
    writes = [LevelWrite(key(rig, f"SKU-{n:03}"), 8, 0) for n in (1, 2, 3)]
    answers = connection(rig).write_levels(writes, idempotency_key="k")
    assert [one.outcome for one in answers] == [
        WriteOutcome.NOT_APPLIED,
        WriteOutcome.STALE,
        WriteOutcome.NOT_APPLIED,
    ]
    assert rig.emulator.shelf() == before


@pytest.mark.requirement("R28")
def test_unknown_rows_are_refused_and_the_others_may_be_sent_again() -> None:
    rig = make_rig()
    writes = [
        LevelWrite(LevelKey("gid://shopify/InventoryItem/999999999", NORTH), 1),
        LevelWrite(key(rig, "SKU-001"), 2),
        LevelWrite(LevelKey(key(rig, "SKU-002").stock_id, "gid://shopify/Location/999999999"), 3),
    ]
    answers = connection(rig).write_levels(writes, idempotency_key="k")
    assert [one.outcome for one in answers] == [
        WriteOutcome.REFUSED,
        WriteOutcome.NOT_APPLIED,
        WriteOutcome.REFUSED,
    ]
    assert answers[0].reason == "INVALID_INVENTORY_ITEM: The specified inventory item could not be found."
    assert set(rig.emulator.shelf().values()) == {0}


def test_ids_of_another_form_are_refused_without_hindering_the_others() -> None:
    rig = make_rig()
    writes = [LevelWrite(LevelKey("17", NORTH), 1), LevelWrite(key(rig, "SKU-001"), 2)]
    answers = connection(rig).write_levels(writes, idempotency_key="k")
    assert [one.outcome for one in answers] == [WriteOutcome.REFUSED, WriteOutcome.CONFIRMED]
    assert connection(rig).read_levels([one.key for one in writes]) == [
        LevelReading(writes[0].key, None),
        LevelReading(writes[1].key, 2),
    ]


def test_the_same_key_with_the_same_rows_has_one_effect() -> None:
    rig = make_rig()
    writes = [LevelWrite(key(rig, "SKU-001"), 5, 0)]
    hub = connection(rig)
    assert hub.write_levels(writes, idempotency_key="k")[0].outcome is WriteOutcome.CONFIRMED
    rig.emulator.set_shelf("SKU-001", NORTH, 2, rig.clock.now())
    assert hub.write_levels(writes, idempotency_key="k")[0].outcome is WriteOutcome.CONFIRMED
    assert rig.emulator.shelf()["SKU-001", NORTH] == 2


def test_the_same_key_with_other_rows_is_our_own_mistake() -> None:
    rig = make_rig()
    hub = connection(rig)
    hub.write_levels([LevelWrite(key(rig, "SKU-001"), 5)], idempotency_key="k")
    with pytest.raises(ContractError, match="IDEMPOTENCY_KEY_PARAMETER_MISMATCH"):
        hub.write_levels([LevelWrite(key(rig, "SKU-001"), 6)], idempotency_key="k")
    assert rig.emulator.shelf()["SKU-001", NORTH] == 5


def test_a_failed_key_tells_to_send_again_under_a_new_one() -> None:
    rig = make_rig()
    hub = connection(rig)
    writes = [LevelWrite(key(rig, "SKU-001"), 5, 1)]
    assert hub.write_levels(writes, idempotency_key="k")[0].outcome is WriteOutcome.STALE
    assert hub.write_levels(writes, idempotency_key="k")[0].outcome is WriteOutcome.NOT_APPLIED


@pytest.mark.parametrize("failure", [NoAnswerError("cut"), HttpResponse(502, {}, b""), HttpResponse(500, {}, b"")])
def test_no_answer_leaves_every_row_unknown_and_is_not_sent_twice(failure: HttpResponse | Exception) -> None:
    rig = make_rig()
    writes = [LevelWrite(key(rig, "SKU-001"), 5), LevelWrite(key(rig, "SKU-002"), 6)]
    send, sent = answering(failure)
    answers = connection(rig, send).write_levels(writes, idempotency_key="k")
    assert [one.outcome for one in answers] == [WriteOutcome.UNKNOWN, WriteOutcome.UNKNOWN]
    assert len(sent) == 1


def test_a_key_in_flight_leaves_every_row_unknown() -> None:
    rig = make_rig()
    error = {"field": None, "message": "in progress", "code": "IDEMPOTENCY_CONCURRENT_REQUEST"}
    payload = {"inventorySetQuantities": {"inventoryAdjustmentGroup": None, "userErrors": [error]}}
    send, _ = answering(graphql(data=payload))
    answers = connection(rig, send).write_levels([LevelWrite(key(rig, "SKU-001"), 5)], idempotency_key="k")
    assert [one.outcome for one in answers] == [WriteOutcome.UNKNOWN]


def test_a_platform_that_is_down_is_raised_and_nothing_was_written() -> None:
    rig = make_rig()
    writes = [LevelWrite(key(rig, "SKU-001"), 5)]
    send, sent = answering(UnavailableError("down"))
    with pytest.raises(UnavailableError):
        connection(rig, send).write_levels(writes, idempotency_key="k")
    assert len(sent) == 4
    assert rig.emulator.shelf()["SKU-001", NORTH] == 0


def test_more_rows_than_shopify_takes_are_a_programming_error() -> None:
    rig = make_rig()
    writes = [LevelWrite(LevelKey(f"gid://shopify/InventoryItem/{n}", NORTH), 1) for n in range(251)]
    with pytest.raises(ValueError, match="251 writes"):
        connection(rig).write_levels(writes, idempotency_key="k")
    assert rig.requests == []


def test_levels_are_read_back_in_their_order() -> None:
    rig = make_rig(items=300)
    keys = [LevelKey(one.stock_id, NORTH) for one in listings(rig).values()]
    for number in (0, 299):
        rig.emulator.set_shelf(list(listings(rig))[number], NORTH, number + 1, START)
    asked = [*keys, LevelKey(keys[0].stock_id, SOUTH), LevelKey("gid://shopify/InventoryItem/9", NORTH)]
    rig.requests.clear()
    readings = connection(rig).read_levels(asked)
    assert [one.key for one in readings] == asked
    assert [one.units for one in readings] == [1, *[0] * 298, 300, 0, None]
    assert len(rig.requests) == 3  # 250 + 51 in the north, 1 in the south


def test_an_order_decrements_by_itself_and_a_stale_write_shows_it() -> None:
    rig = make_rig()
    hub = connection(rig)
    hub.write_levels([LevelWrite(key(rig, "SKU-001"), 5)], idempotency_key="a")
    rig.emulator.buy([BasketLine("SKU-001", 2)], SHOPPER, NORTH, rig.clock.now())
    assert hub.read_levels([key(rig, "SKU-001")])[0].units == 3
    assert shop(rig).committed("SKU-001", NORTH) == 2
    stale = hub.write_levels([LevelWrite(key(rig, "SKU-001"), 9, 5)], idempotency_key="b")
    assert stale[0].outcome is WriteOutcome.STALE


# pacing


def test_a_call_waits_for_its_points_instead_of_being_refused() -> None:
    rig = make_rig(rate=Rate(maximum_points=24, restored_per_second=10))
    hub = connection(rig)
    for _ in range(10):
        list(hub.pull_places())  # 12 points are asked for each time, of which 4 are used
    # Four calls leave 8 points: each of the other six waits for 4 more. Refused calls would not be counted.
    assert rig.clock.now() == START + timedelta(seconds=6 * 0.4)
    assert rig.emulator.requests_by_operation() == {"locations": 10}
    assert len(rig.requests) == 10


def test_being_throttled_is_waited_for_and_sent_again() -> None:
    rig = make_rig(rate=Rate(maximum_points=20, restored_per_second=10))
    for _ in range(3):
        shop(rig).handle(places_request(), START)  # somebody else of the same app has spent 12 of 20
    pages = list(connection(rig).pull_places())
    assert len(pages) == 1
    assert len(rig.requests) == 2
    assert rig.clock.now() == START + timedelta(seconds=0.4)


def places_request() -> HttpRequest:
    body = {"query": documents.LOCATIONS.text, "operationName": "Locations", "variables": {"first": 250}}
    return HttpRequest("POST", PATH, {"x-shopify-access-token": "shpat_emulated"}, json.dumps(body).encode())


def test_a_long_wait_is_raised_not_slept() -> None:
    rig = make_rig(rate=Rate(maximum_points=1000, restored_per_second=1))
    hub = connection(rig)
    for _ in range(2):  # 750 points are asked for, and 250 are used: nobody knows these
        hub.read_levels([LevelKey(f"gid://shopify/InventoryItem/{n}", NORTH) for n in range(250)])
    with pytest.raises(ThrottledError) as caught:
        hub.read_levels([LevelKey(f"gid://shopify/InventoryItem/{n}", NORTH) for n in range(250)])
    assert caught.value.retry_after_seconds == 250.0
    assert len(rig.requests) == 2
    assert rig.clock.now() == START


@given(st.floats(10, 5000), st.floats(1, 2000), st.floats(0, 1), st.floats(0, 6000), st.floats(0, 100))
def test_after_its_wait_the_points_are_there(
    maximum: float, rate: float, filled: float, wanted: float, passed: float
) -> None:
    clock = ManualClock(START)
    budget = Budget(clock.now)
    budget.learn(maximum * filled, maximum, rate)
    clock.advance(passed)
    wait = budget.spend(wanted)
    assert wait >= 0
    there = min(maximum, maximum * filled + (passed + wait) * rate)
    assert there >= min(wanted, maximum) - 0.01 * rate


# what shopify does not have


def test_receipts_and_acceptance_are_refused() -> None:
    hub = connection(make_rig())
    with pytest.raises(RefusedError):
        hub.read_receipt("r", [])
    with pytest.raises(RefusedError):
        hub.accept_order("1", {})
