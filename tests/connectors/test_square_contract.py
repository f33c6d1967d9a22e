"""Square's published contract holds every request of the connector, every answer of the emulator, every webhook."""

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import cache

import pytest
from pydantic import SecretStr

from connectors.errors import ConnectorError, RefusedError
from connectors.square import CHANNEL
from connectors.square_webhooks import EVENT_TYPES
from connectors.transport import HttpRequest, HttpResponse
from schemas.documents import Heard, RawDocument, Translation
from schemas.levels import LevelKey, LevelWrite
from schemas.orders import Order, OrderState
from simulation.platform import BasketLine
from tests.connectors.conformance import Rig
from tests.connectors.test_square import (
    CALLBACK,
    MAIN,
    SECOND,
    SHOPPER,
    connect,
    documents,
    facts,
    key,
    make_rig,
    notice,
    order_of,
    receive,
    settings,
    shipment,
    signed,
    square,
)
from tests.openapi import ContractMismatchError, OpenApi
from tests.reference import shared

OPERATIONS = {
    "BatchChangeInventory",
    "BatchRetrieveInventoryChanges",
    "BatchRetrieveInventoryCounts",
    "CreateWebhookSubscription",
    "ListCatalog",
    "ListLocations",
    "ListWebhookSubscriptions",
    "RetrieveMerchant",
    "RetrieveOrder",
    "SearchOrders",
    "UpdateOrder",
    "UpdateWebhookSubscription",
}
EVENTS = {
    "inventory.count.updated": "InventoryCountUpdatedEvent",
    "order.created": "OrderCreatedEvent",
    "order.fulfillment.updated": "OrderFulfillmentUpdatedEvent",
    "order.updated": "OrderUpdatedEvent",
    "payment.created": "PaymentCreatedEvent",
    "payment.updated": "PaymentUpdatedEvent",
    "refund.created": "RefundCreatedEvent",
    "refund.updated": "RefundUpdatedEvent",
}


@cache
def contract() -> OpenApi:
    text = gzip.decompress(shared("contracts", "square", "api.json.gz").read_bytes()).decode()
    document = json.loads(text)
    schemas = document["components"]["schemas"]
    # The release refers to one schema that it does not hold; catalogue modifiers are none of our business.
    for name in set(re.findall(r'"#/components/schemas/(\w+)"', text)) - set(schemas):
        schemas[name] = {}
    return OpenApi(document)


def conforms(schema: str, document: object) -> None:
    contract()._validate(schema, {"$ref": f"#/components/schemas/{schema}"}, document)


@dataclass
class Witness:
    """Holds each exchange against the contract. Square declares 200 only; its errors have the same schema."""

    rig: Rig
    operations: Counter[str] = field(default_factory=Counter)
    refusals: set[str] = field(default_factory=set)

    def send(self, request: HttpRequest) -> HttpResponse:
        operation = contract().check_request(request)
        response = self.rig.wire(request)
        contract().check_response(operation, replace(response, status=200))
        self.operations[operation.name] += 1
        if response.status >= 400:
            self.refusals.add(json.loads(response.body)["errors"][0]["code"])
        return response


def tour(rig: Rig, witness: Witness) -> None:
    """Everything that the connector can ask, over everything that the emulator can hold."""
    connection = connect(rig, witness.send)
    emulator, now = square(rig), rig.clock.now
    connection.check()
    connection.ensure_webhooks(CALLBACK)
    next(iter(emulator._account.events.subscriptions.values()))["enabled"] = False
    connection.ensure_webhooks(CALLBACK)
    documents(connection.pull_places())
    documents(connection.pull_catalogue())
    mug = key(rig, "MUG-01")
    emulator.set_shelf("MUG-01", MAIN, 20, now())
    emulator.recount("MUG-02", MAIN, Decimal("4.75"), now())
    bought = emulator.buy([BasketLine("MUG-01", 2)], SHOPPER, MAIN, now())
    emulator.give_back(bought.order_id, [BasketLine("MUG-01", 1)], SECOND, now())
    emulator.give_back(None, [BasketLine("MUG-01", 1)], MAIN, now())
    emulator.waste("MUG-01", MAIN, 1, now())
    emulator.receive("MUG-01", MAIN, 1, now())
    opened = emulator.open_ticket([BasketLine("MUG-01", 3)], MAIN, now())
    emulator.cancel(opened, [BasketLine("MUG-01", 1)], now())
    emulator.cancel(opened, [], now())
    sent = emulator.order_ahead([BasketLine("MUG-01", 1)], SHOPPER, MAIN, now(), kind="SHIPMENT")
    picked = emulator.order_ahead([BasketLine("MUG-01", 1)], SHOPPER, MAIN, now(), kind="PICKUP")
    ahead = order_of(rig, picked)
    assert connection.push_ready(notice(ahead, 0))
    for order_id in (sent, picked):
        connection.push_shipment(shipment(order_of(rig, order_id)))
    unpaid = emulator.open_ticket([BasketLine("MUG-01", 1)], MAIN, now())
    emulator._account.orders[unpaid]["version"] = 1
    connection.push_cancellation(unpaid, {order_of(rig, unpaid).lines[0].external_id: 1})
    rig.clock.advance(1)
    rows = [LevelWrite(mug, 5), LevelWrite(LevelKey("NOSUCHVARIATION", MAIN), 5)]
    connection.write_levels(rows, idempotency_key="tour")
    rig.clock.advance(1)
    connection.write_levels(rows, idempotency_key="tour")
    connection.read_levels([mug])
    documents(connection.pull_stock(rig.stock_points))
    documents(connection.pull_orders(now() - timedelta(hours=1)))
    with pytest.raises(RefusedError):
        connection.fetch_order("no such order")


@pytest.fixture
def toured() -> tuple[Rig, Witness]:
    rig = make_rig(page_limit=3)
    witness = Witness(rig)
    tour(rig, witness)
    return rig, witness


def test_every_request_and_every_answer_is_what_the_contract_says(toured: tuple[Rig, Witness]) -> None:
    rig, witness = toured
    assert set(witness.operations) == OPERATIONS
    assert witness.refusals == {"NOT_FOUND", "IDEMPOTENCY_KEY_REUSED"}
    assert {name for _, _, name, _ in square(rig)._api._routes} == OPERATIONS


def test_every_refusal_is_what_the_contract_says() -> None:
    rig = make_rig(page_limit=3)
    witness = Witness(rig)
    connection = connect(rig, witness.send)
    mug = key(rig, "MUG-01")
    order_id = square(rig).order_ahead([BasketLine("MUG-01", 1)], SHOPPER, MAIN, rig.clock.now())
    order = order_of(rig, order_id)
    pages = connection.pull_catalogue()
    next(pages)
    rig.clock.advance(301)
    with pytest.raises(ConnectorError):
        next(pages)
    for path, payload in (
        (
            "/v2/inventory/changes/batch-create",
            {"idempotency_key": "k", "changes": [_count(mug, "2026-03-04T00:00:00Z")]},
        ),
        ("/v2/orders/search", {"location_ids": [], "query": {"sort": {"sort_field": "UPDATED_AT"}}}),
    ):
        with pytest.raises(RefusedError):
            connection._client.ask(path, payload)
    stale = {"location_id": MAIN, "version": 1, "state": "CANCELED"}
    with pytest.raises(RefusedError):
        connection._client.change("PUT", f"/v2/orders/{order.external_id}", {"order": stale})
    assert witness.refusals == {"INVALID_CURSOR", "INVALID_TIME", "BAD_REQUEST", "CONFLICT"}
    rig.settings = settings(access_token=SecretStr("wrong"))
    with pytest.raises(ConnectorError):
        connect(rig, witness.send).check()
    assert "UNAUTHORIZED" in witness.refusals


def _count(place: LevelKey, occurred_at: str) -> dict[str, object]:
    return {
        "type": "PHYSICAL_COUNT",
        "physical_count": {
            "catalog_object_id": place.stock_id,
            "location_id": place.stock_point,
            "state": "IN_STOCK",
            "quantity": "1",
            "occurred_at": occurred_at,
        },
    }


def test_every_webhook_is_what_the_contract_says(toured: tuple[Rig, Witness]) -> None:
    rig, _ = toured
    assert set(EVENTS) == set(EVENT_TYPES)
    seen = Counter[str]()
    for delivery in rig.emulator.due_webhooks(rig.clock.now()):
        event = json.loads(delivery.request.body)
        conforms(EVENTS[event["type"]], event)
        seen[event["type"]] += 1
    assert set(seen) == {
        "inventory.count.updated",
        "order.created",
        "order.updated",
        "payment.created",
        "refund.created",
    }


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_the_contracts_own_example_of_each_event_is_received(kind: str) -> None:
    example = contract().document["components"]["schemas"][EVENTS[kind]].get("example")
    rig = make_rig()
    [document] = receive(rig, signed(json.dumps(example).encode()))
    assert document.event_id == example["event_id"]
    found = facts([document])
    assert len(found) == (1 if kind == "inventory.count.updated" else 0)


def test_the_contracts_own_examples_of_changes_and_counts_are_read() -> None:
    schemas = contract().document["components"]["schemas"]
    [change] = schemas["BatchRetrieveInventoryChangesResponse"]["example"]["changes"]
    [count] = schemas["BatchRetrieveInventoryCountsResponse"]["example"]["counts"]
    for topic, row in (("inventory.change", change), ("inventory.count", count)):
        document = RawDocument(topic, "d", "e", json.dumps(row).encode(), Heard.POLL)
        assert len(CHANNEL.translate(document, Translation("till"))) == 1


def test_the_contracts_own_order_adds_up() -> None:
    """Square's example: one line typed in, one of the catalogue, a tax and discounts; line totals hold them all."""
    example = contract().document["components"]["schemas"]["CreateOrderResponse"]["example"]["order"]
    document = RawDocument("order", example["id"], "e", json.dumps(example).encode(), Heard.POLL)
    [order] = CHANNEL.translate(document, Translation("till"))
    assert isinstance(order, Order)
    assert order.state is OrderState.AWAITING_PAYMENT
    typed_in, sold = (Decimal(line["total_money"]["amount"]) / 100 for line in example["line_items"])
    assert [(line.listing_external_id, line.units, line.line_total) for line in order.lines] == [
        ("BEMYCSMIJL46OCDV4KYIKXIB", 2, sold)
    ]
    assert (order.difference, order.total) == (typed_in, Decimal("61.76"))


def test_the_witness_sees_a_field_that_nobody_declared(toured: tuple[Rig, Witness]) -> None:
    rig, witness = toured
    with pytest.raises(ContractMismatchError):
        connect(rig, witness.send)._client.ask("/v2/orders/search", {"places": []})
    square(rig)._account.locations[MAIN]["shelves"] = 3
    with pytest.raises(ContractMismatchError):
        documents(connect(rig, witness.send).pull_places())
