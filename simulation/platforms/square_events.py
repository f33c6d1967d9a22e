"""The emulated webhooks of Square: subscriptions, signatures, and deliveries that come again until they are taken."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from connectors.transport import HttpRequest
from simulation.platform import Delivery
from simulation.platforms.square_book import Wire, stamp

TRIES = 11
"""Square gives up after about a day."""


@dataclass(slots=True)
class _Waiting:
    delivery: Delivery
    tries: int = 0


class EventOffice:
    """Who wants to hear what, and what they have not taken yet."""

    def __init__(self, merchant_id: str, signature_key: str, new_id: Callable[[str], str]) -> None:
        self._merchant_id = merchant_id
        self._signature_key = signature_key
        self._new_id = new_id
        self._waiting: dict[str, _Waiting] = {}
        self.subscriptions: dict[str, Wire] = {}

    def subscribe(self, subscription: Wire, now: datetime) -> Wire:
        """Makes a subscription; its key is the account's one signature key."""
        made = {
            "id": f"wbhk_{self._new_id('subscription').lower()}",
            "enabled": True,
            **subscription,
            "signature_key": self._signature_key,
            "created_at": stamp(now),
            "updated_at": stamp(now),
        }
        self.subscriptions[made["id"]] = made
        return made

    def publish(self, kind: str, data: Wire, now: datetime) -> None:
        """Queues an event for everybody who subscribed to its type."""
        event = {
            "merchant_id": self._merchant_id,
            "type": kind,
            "event_id": self._new_id("event"),
            "created_at": stamp(now),
            "data": data,
        }
        body = json.dumps(event).encode()
        for subscription in self.subscriptions.values():
            if subscription["enabled"] and kind in subscription["event_types"]:
                self._queue(subscription["notification_url"], body, now)

    def _queue(self, url: str, body: bytes, now: datetime) -> None:
        digest = hmac.new(self._signature_key.encode(), url.encode() + body, hashlib.sha256).digest()
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "content-type": "application/json",
            "x-square-hmacsha256-signature": base64.b64encode(digest).decode(),
        }
        delivery = Delivery(self._new_id("delivery"), now, HttpRequest("POST", path, headers, body))
        self._waiting[delivery.delivery_id] = _Waiting(delivery)

    def due(self, now: datetime) -> list[Delivery]:
        """What is due; each comes again after 1, 2, 4 ... minutes until it is taken or given up."""
        found = []
        for waiting in list(self._waiting.values()):
            if waiting.delivery.due_at > now:
                continue
            found.append(waiting.delivery)
            again = now + timedelta(minutes=2**waiting.tries)
            waiting.tries += 1
            waiting.delivery = Delivery(waiting.delivery.delivery_id, again, waiting.delivery.request)
            if waiting.tries > TRIES:
                del self._waiting[waiting.delivery.delivery_id]
        return found

    def delivered(self, delivery_id: str, status: int) -> None:
        """Ends a delivery that was taken."""
        if 200 <= status < 300:
            self._waiting.pop(delivery_id, None)
