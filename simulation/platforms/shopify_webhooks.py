"""The webhooks of an emulated Shopify shop: subscriptions, signed deliveries, and when they come again.

Shopify tries again 8 times within 4 hours and then deletes the subscription, which nobody is told of.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.transport import HttpRequest
from simulation.platform import Delivery
from simulation.platforms.shopify_payloads import stamp
from simulation.platforms.shopify_shelf_payloads import body_of
from simulation.platforms.shopify_shop import Shop

RETRY_AFTER_SECONDS = (60, 120, 240, 480, 900, 1800, 3600, 7200)
"""Waits between the 9 attempts: 4 hours in all."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """`topic` as webhooks write it: orders/create."""

    id: int
    topic: str
    uri: str


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    subscription: int
    attempts: int
    due_at: datetime


class Webhooks:
    """Subscriptions and what they still have to deliver."""

    def __init__(self, secret: str, shop_domain: str, api_version: str) -> None:
        self._secret = secret.encode()
        self._shop_domain = shop_domain
        self._api_version = api_version
        self._last_delivery = 0
        self._waiting: dict[str, _Waiting] = {}
        self.subscriptions: dict[int, Subscription] = {}

    def tell(self, shop: Shop, topic: str, subject: object, now: datetime) -> None:
        """Queues one delivery for each subscription to the topic."""
        wanting = [one for one in self.subscriptions.values() if one.topic == topic]
        if not wanting:
            return
        body = json.dumps(body_of(shop, topic, subject), separators=(",", ":")).encode()
        for subscription in wanting:
            self._queue(subscription, body, f"event-{shop.action}", now)

    def _queue(self, subscription: Subscription, body: bytes, event: str, now: datetime) -> None:
        self._last_delivery += 1
        delivery_id = f"delivery-{self._last_delivery}"
        address = urlsplit(subscription.uri)
        path = address.path or "/"
        headers = {
            "content-type": "application/json",
            "x-shopify-topic": subscription.topic,
            "x-shopify-hmac-sha256": base64.b64encode(hmac.new(self._secret, body, hashlib.sha256).digest()).decode(),
            "x-shopify-shop-domain": self._shop_domain,
            "x-shopify-api-version": self._api_version,
            "x-shopify-webhook-id": delivery_id,
            "x-shopify-event-id": event,
            "x-shopify-triggered-at": stamp(now),
        }
        request = HttpRequest("POST", f"{path}?{address.query}" if address.query else path, headers, body)
        self._waiting[delivery_id] = _Waiting(Delivery(delivery_id, now, request), subscription.id, 0, now)

    def due(self, now: datetime) -> list[Delivery]:
        """What is due; whoever does not say that it arrived is asked again, later and later."""
        offered: list[Delivery] = []
        for delivery_id, waiting in list(self._waiting.items()):
            if waiting.due_at > now or delivery_id not in self._waiting:
                continue
            if waiting.attempts > len(RETRY_AFTER_SECONDS):
                self._give_up(waiting.subscription)
                continue
            offered.append(Delivery(delivery_id, waiting.due_at, waiting.delivery.request))
            # After the last attempt the answer is still waited for as long as for the one before.
            wait = RETRY_AFTER_SECONDS[min(waiting.attempts, len(RETRY_AFTER_SECONDS) - 1)]
            waiting.attempts += 1
            waiting.due_at = now + timedelta(seconds=wait)
        return offered

    def _give_up(self, subscription: int) -> None:
        self.subscriptions.pop(subscription, None)
        for delivery_id in [key for key, one in self._waiting.items() if one.subscription == subscription]:
            del self._waiting[delivery_id]

    def answered(self, delivery_id: str, status: int) -> None:
        """Any 2xx ends the delivery."""
        if 200 <= status < 300:
            self._waiting.pop(delivery_id, None)
