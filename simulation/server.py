"""Serves emulated platforms over real HTTP, each below a path of its own, and carries their webhooks out."""

import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from connectors.errors import ConnectorError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.clock import Clock
from simulation.platform import EmulatedPlatform

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
SendMessage = Callable[[MutableMapping[str, Any]], Awaitable[None]]


Served = Callable[[HttpRequest], HttpResponse]
"""Whatever answers requests: a platform, the supplier, or a page of the world's own."""


def asgi_app(served: Mapping[str, Served]) -> Callable[[Scope, Receive, SendMessage], Awaitable[None]]:
    """An ASGI application: `/NAME/…` is answered by `served[NAME]`, which sees the path without the name."""

    async def app(scope: Scope, receive: Receive, send: SendMessage) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        _, name, rest = (*raw_path.decode().split("/", 2), "")[:3]
        query = scope["query_string"].decode()
        request = HttpRequest(
            scope["method"],
            f"/{rest}{'?' if query else ''}{query}",
            {key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]},
            bytes(body),
        )
        answer = served[name](request) if name in served else HttpResponse(404, {}, b"no such platform")
        headers = [(key.encode(), value.encode("latin-1")) for key, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return app


async def _live(receive: Receive, send: SendMessage) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class Postman:
    """Carries one platform's webhooks to the hub; the platform itself decides when to try again."""

    def __init__(self, platform: EmulatedPlatform, lock: threading.RLock, clock: Clock, deliver: Send) -> None:
        self._platform = platform
        self._lock = lock
        self._clock = clock
        self._deliver = deliver
        self.sent = 0

    def round(self) -> int:
        """Delivers what is due; answers how many deliveries were tried."""
        with self._lock:
            due = self._platform.due_webhooks(self._clock.now())
        for delivery in due:
            status = 0
            with suppress(ConnectorError):
                status = self._deliver(delivery.request).status
            self.sent += 1
            with self._lock:
                self._platform.delivered(delivery.delivery_id, status, self._clock.now())
        return len(due)
