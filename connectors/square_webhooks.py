"""Square's webhooks: the signature over the raw body, the ids inside, and the subscription that sends them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.errors import RefusedError
from connectors.records import ChannelSettings, IncomingWebhook
from connectors.square_client import API_VERSION, SquareClient, Wire, moment_of
from mappings.square import COUNTS_UPDATED, ORDER_HINT
from schemas.documents import Heard, RawDocument

_ORDER_PLACES = {
    "order.created": "order_created",
    "order.updated": "order_updated",
    "order.fulfillment.updated": "order_fulfillment_updated",
    "payment.created": "payment",
    "payment.updated": "payment",
    "refund.created": "refund",
    "refund.updated": "refund",
}
"""The part of each event's `data.object` that names the order in its `order_id`."""

EVENT_TYPES = tuple(sorted((COUNTS_UPDATED, *_ORDER_PLACES)))


def receive(settings: ChannelSettings, webhook: IncomingWebhook) -> Sequence[RawDocument]:
    """Verifies the signature and answers the document inside; an event of another type holds nothing for stock.

    The signature is the base64 of HMAC-SHA256 over the notification URL and the raw body.

    Raises:
        RefusedError: no signature of any of our keys, or not an event.
    """
    if not _is_signed(settings, webhook):
        raise RefusedError("Square's webhook has no signature of ours: check the subscription's key and its URL")
    event = _event(webhook.body)
    kind, event_id, data = event.get("type"), event.get("event_id"), event.get("data")
    if not isinstance(kind, str) or not isinstance(event_id, str) or not event_id or not isinstance(data, dict):
        raise RefusedError("Square's webhook is not an event: it lacks its type, event_id or data")
    happened_at = moment_of(event.get("created_at"))
    if kind == COUNTS_UPDATED:
        about = str(data.get("id") or event_id)
        return [RawDocument(COUNTS_UPDATED, about, event_id, webhook.body, Heard.WEBHOOK, happened_at)]
    if kind not in _ORDER_PLACES:
        return []
    order_id = _order_id(kind, data)
    if order_id is None:
        return []
    # A payment holds card and buyer details that the hub has no use for: of a hint, the ids are kept.
    hint = {"type": kind, "event_id": event_id, "order_id": order_id, "created_at": event.get("created_at")}
    return [RawDocument(ORDER_HINT, order_id, event_id, json.dumps(hint).encode(), Heard.WEBHOOK, happened_at)]


def _is_signed(settings: ChannelSettings, webhook: IncomingWebhook) -> bool:
    given = webhook.headers.get("x-square-hmacsha256-signature", "").encode()
    content = webhook.url.encode() + webhook.body
    return any(
        hmac.compare_digest(base64.b64encode(hmac.digest(secret.get_secret_value().encode(), content, "sha256")), given)
        for secret in settings.webhook_secrets
    )


def _event(body: bytes) -> Wire:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise RefusedError("Square's webhook is not a JSON object")
    return event


def _order_id(kind: str, data: Wire) -> str | None:
    """The order that an event names; None for a payment or refund without one."""
    found: Any = data.get("object")
    for name in (_ORDER_PLACES[kind], "order_id"):
        found = found.get(name) if isinstance(found, dict) else None
    if kind.startswith("order."):
        found = found or data.get("id")
    return found if isinstance(found, str) and found else None


def subscribe(client: SquareClient, callback_url: str, now: datetime) -> list[str]:
    """Makes or mends the subscription of our callback; answers the event types that had been missing."""
    path = "/v2/webhooks/subscriptions"
    pages = client.pages(lambda at: client.get(path, include_disabled="true", **at))
    known = [row for page in pages for row in page.get("subscriptions") or ()]
    ours = next((row for row in known if row.get("notification_url") == callback_url), None)
    if ours is None:
        key = hashlib.sha256(f"{callback_url}\n{now.isoformat()}".encode()).hexdigest()[:45]
        subscription = {
            "name": "Nervure",
            "event_types": list(EVENT_TYPES),
            "notification_url": callback_url,
            "api_version": API_VERSION,
        }
        client.change("POST", path, {"idempotency_key": key, "subscription": subscription})
        return list(EVENT_TYPES)
    heard = set(ours.get("event_types") or ()) if ours.get("enabled") else set()
    missing = [kind for kind in EVENT_TYPES if kind not in heard]
    if missing:
        kept = set(ours.get("event_types") or ())
        change = {"enabled": True, "event_types": sorted(kept | set(EVENT_TYPES))}
        client.change("PUT", f"{path}/{quote(str(ours.get('id')), safe='')}", {"subscription": change})
    return missing
