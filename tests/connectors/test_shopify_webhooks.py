"""Webhooks of Shopify: subscriptions, signatures, and which event a webhook is."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import RefusedError
from connectors.records import IncomingWebhook
from connectors.shopify import CHANNEL, TOPICS
from simulation.platform import BasketLine
from tests.connectors.conformance import START
from tests.connectors.test_shopify import (
    CALLBACK,
    NORTH,
    SHOPPER,
    bought,
    connection,
    make_rig,
    settings_of,
    shop,
)


@pytest.mark.requirement("R24")
def test_missing_subscriptions_are_made_and_named() -> None:
    rig = make_rig()
    hub = connection(rig)
    assert hub.ensure_webhooks(CALLBACK) == list(TOPICS.values())
    assert hub.ensure_webhooks(CALLBACK) == []
    subscriptions = shop(rig)._webhooks.subscriptions
    gone = next(id_ for id_, one in subscriptions.items() if one.topic == "refunds/create")
    del subscriptions[gone]
    assert hub.ensure_webhooks(CALLBACK) == ["refunds/create"]
    assert len(subscriptions) == len(TOPICS)


def test_an_address_that_shopify_does_not_take_is_refused() -> None:
    with pytest.raises(RefusedError, match="protocol http:// is not supported"):
        connection(make_rig()).ensure_webhooks("http://hub.example/webhooks")


APP_SECRET = "emulated-app-secret"


def incoming(body: bytes, secret: str = APP_SECRET, **headers: str) -> IncomingWebhook:
    digest = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    told = {
        "x-shopify-hmac-sha256": digest,
        "x-shopify-topic": "orders/create",
        "x-shopify-event-id": "e-1",
        "x-shopify-shop-domain": "emulated.myshopify.com",
    }
    told.update({name.replace("_", "-"): value for name, value in headers.items()})
    return IncomingWebhook(CALLBACK, told, body)


def received(webhook: IncomingWebhook) -> Any:
    assert CHANNEL.receive is not None
    [document] = CHANNEL.receive(settings_of(make_rig()), webhook)
    return document


@pytest.mark.parametrize("secret", ["emulated-app-secret", "the-secret-before"])
def test_either_of_two_secrets_signs(secret: str) -> None:
    document = received(incoming(b'{"id": 7}', secret))
    assert (document.topic, document.document_id, document.body) == ("orders/create", "7", b'{"id": 7}')


@pytest.mark.parametrize(
    "webhook",
    [
        incoming(b'{"id": 7}', "another"),
        incoming(b'{"id": 7}', x_shopify_hmac_sha256=""),
        incoming(b'{"id": 7}', x_shopify_hmac_sha256="\u00e9"),
        incoming(b'{"id": 7}', x_shopify_topic=""),
        incoming(b'{"id": 7}', x_shopify_event_id=""),
        incoming(b'{"id": 7}', x_shopify_shop_domain="another.myshopify.com"),
        incoming(b"[7]"),
        incoming(b'{"id": 7'),
        incoming(b"\xff"),
        incoming(b"[" * 100_000),
    ],
)
def test_wrong_webhooks_are_refused(webhook: IncomingWebhook) -> None:
    with pytest.raises(RefusedError):
        received(webhook)


def test_the_signature_is_over_the_raw_bytes() -> None:
    good = incoming(b'{"id": 7}')
    with pytest.raises(RefusedError):
        received(IncomingWebhook(good.url, good.headers, b'{"id":7}'))


def test_no_secret_means_no_webhook() -> None:
    settings = settings_of(make_rig()).model_copy(update={"webhook_secrets": ()})
    assert CHANNEL.receive is not None
    with pytest.raises(RefusedError):
        CHANNEL.receive(settings, incoming(b'{"id": 7}', ""))


@pytest.mark.requirement("R22")
def test_one_event_of_several_things_is_several_and_twice_told_is_one() -> None:
    rig = make_rig()
    connection(rig).ensure_webhooks(CALLBACK)
    connection(rig, rig.wire)._subscribe("ORDERS_CREATE", f"{CALLBACK}/second")
    rig.emulator.set_shelf("SKU-001", NORTH, 5, START)
    rig.emulator.set_shelf("SKU-002", NORTH, 5, START)
    rig.emulator.due_webhooks(START)
    rig.emulator.buy([BasketLine("SKU-001", 1), BasketLine("SKU-002", 1)], SHOPPER, NORTH, START)
    told = [one for one in rig.emulator.due_webhooks(START) if one.request.headers["x-shopify-event-id"] == "event-3"]
    found = [received(IncomingWebhook(CALLBACK, one.request.headers, one.request.body)) for one in told]
    assert [one.topic for one in found] == [
        "inventory_levels/update",
        "inventory_levels/update",
        "orders/create",
        "orders/create",
        "orders/paid",
    ]
    assert len({one.event_id for one in found}) == 4  # two levels, the order made, the order paid
    assert found[0].happened_at == START


@pytest.mark.parametrize(
    ("topic", "body", "document_id"),
    [
        ("refunds/create", {"id": 1, "order_id": 7}, "7"),
        ("fulfillments/create", {"id": 1, "order_id": 7}, "7"),
        ("orders/edited", {"order_edit": {"id": 1, "order_id": 7}}, "7"),
        ("inventory_levels/update", {"inventory_item_id": 3, "location_id": 5}, "3@5"),
        ("products/update", {"id": 9}, "9"),
    ],
)
def test_a_document_names_what_it_is_about(topic: str, body: dict[str, Any], document_id: str) -> None:
    assert received(incoming(json.dumps(body).encode(), x_shopify_topic=topic)).document_id == document_id


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-29T01:30:00.877041743Z", datetime(2026, 3, 29, 1, 30, 0, 877041, UTC)),
        ("2026-03-29T03:30:00+14:00", datetime(2026, 3, 28, 13, 30, tzinfo=UTC)),
        ("2026-03-29T03:30:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_the_time_of_the_event_is_utc_or_unknown(text: str, moment: datetime | None) -> None:
    assert received(incoming(b'{"id": 7}', x_shopify_triggered_at=text)).happened_at == moment


def test_polls_and_webhooks_of_one_thing_are_kept_in_one_order() -> None:
    rig = make_rig()
    connection(rig).ensure_webhooks(CALLBACK)
    rig.emulator.set_shelf("SKU-001", NORTH, 5, START)
    order = bought(rig, ("SKU-001", 1))
    ids: dict[str, set[str]] = {}
    for one in rig.emulator.due_webhooks(START):
        document = received(IncomingWebhook(CALLBACK, one.request.headers, one.request.body))
        ids.setdefault(document.topic, set()).add(document.document_id)
    levels = {document.document_id for page in connection(rig).pull_stock([NORTH]) for document in page.documents}
    assert ids["orders/create"] == {order}
    assert {one.document_id for page in connection(rig).pull_orders(START) for one in page.documents} == {order}
    assert ids["inventory_levels/update"] < levels
