"""Shopify's webhooks: whose they are, and what they are about."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.errors import RefusedError
from connectors.records import ChannelSettings, IncomingWebhook
from schemas.documents import Heard, RawDocument


def receive(settings: ChannelSettings, webhook: IncomingWebhook) -> Sequence[RawDocument]:
    """The document of a webhook, once its signature over the raw body is right.

    The event id names the event, the topic and the thing. One action in the shop fires several topics under one
    X-Shopify-Event-Id, and one topic for several things (each inventory level of an order); one subscription more
    delivers the same event under another X-Shopify-Webhook-Id.
    """
    _verify(settings, webhook)
    topic = webhook.headers.get("x-shopify-topic", "")
    event = webhook.headers.get("x-shopify-event-id") or webhook.headers.get("x-shopify-webhook-id")
    if not topic or not event:
        raise RefusedError("a Shopify webhook names no topic or no event")
    try:
        body = json.loads(webhook.body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"Shopify webhook {topic!r} is not JSON: {len(webhook.body)} bytes") from error
    if not isinstance(body, dict):
        raise RefusedError(f"Shopify webhook {topic!r} is not an object")
    document_id = _document_id(topic, body)
    return [
        RawDocument(
            topic=topic,
            document_id=document_id,
            event_id=f"{event}:{topic}:{document_id}",
            body=webhook.body,
            heard=Heard.WEBHOOK,
            happened_at=_triggered_at(webhook.headers.get("x-shopify-triggered-at")),
        )
    ]


def _verify(settings: ChannelSettings, webhook: IncomingWebhook) -> None:
    given = webhook.headers.get("x-shopify-hmac-sha256", "").encode()
    is_right = False
    for secret in settings.webhook_secrets:
        digest = hmac.new(secret.get_secret_value().encode(), webhook.body, hashlib.sha256).digest()
        is_right |= hmac.compare_digest(base64.b64encode(digest), given)
    if not is_right:
        raise RefusedError("a Shopify webhook is not signed with any of the app's secrets")
    # One app may serve several shops with one secret: the signature alone does not say whose webhook this is.
    shop = webhook.headers.get("x-shopify-shop-domain", "")
    host = urlsplit(settings.url).hostname or ""
    if host.endswith(".myshopify.com") and shop and shop != host:
        raise RefusedError(f"a Shopify webhook of shop {shop!r} was sent to the address of {host!r}")


def _document_id(topic: str, body: Mapping[str, Any]) -> str:
    """What the document is about: an order for everything that happens to it."""
    if topic.startswith("inventory_levels/"):
        return level_id(body.get("inventory_item_id"), body.get("location_id"))
    edit = body.get("order_edit")
    owner = edit.get("order_id") if isinstance(edit, dict) else body.get("order_id")
    is_of_an_order = topic.startswith(("refunds/", "fulfillments/", "orders/edited"))
    return str(owner if is_of_an_order else body.get("id"))


def _triggered_at(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def level_id(item: object, place: object) -> str:
    """What the hub calls one inventory level: Shopify's own id of it is not in its webhooks' numbers."""
    return f"{str(item).rsplit('/', 1)[-1]}@{str(place).rsplit('/', 1)[-1]}"
