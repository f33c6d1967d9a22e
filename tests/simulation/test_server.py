"""Emulated platforms over HTTP, each below its own path, and their webhooks on the way to the hub."""

import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from connectors.errors import UnavailableError
from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import ManualClock
from simulation.platform import BasketLine
from simulation.platforms.shopify import ShopifyEmulator
from simulation.server import Postman, asgi_app
from tests.nervure.world import fresh_sqlite
from tests.simulation.merchants import GOODS, POINTS, SHOPPER, START, open_merchant

Message = MutableMapping[str, Any]


def call(app: Any, path: str, *, query: bytes = b"", chunks: tuple[bytes, ...] = (b"",), method: str = "GET") -> Any:
    """Sends one request to an ASGI application; answers its status, headers and body."""
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return dict(waiting.pop(0))

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"X-Token", b"caf\xe9")],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_a_request_reaches_its_platform_without_the_platforms_name() -> None:
    heard: list[HttpRequest] = []

    def shop(request: HttpRequest) -> HttpResponse:
        heard.append(request)
        return HttpResponse(201, {"x-request-id": "é1"}, b"made")

    app = asgi_app({"shop": shop})
    answer = call(app, "/shop/api/o%2Fne", query=b"a=1&b=2", chunks=(b"ab", b"", b"cd"), method="POST")
    assert answer == (201, {b"x-request-id": "é1".encode("latin-1")}, b"made")
    assert heard == [HttpRequest("POST", "/api/o%2Fne?a=1&b=2", {"x-token": "café"}, b"abcd")]
    call(app, "/shop")
    call(app, "/shop/")
    assert [request.path for request in heard[1:]] == ["/", "/"]


@pytest.mark.parametrize("path", ["/", "/nobody", "/nobody/api"])
def test_what_is_not_served_is_not_found(path: str) -> None:
    assert call(asgi_app({}), path) == (404, {}, b"no such platform")


def test_the_application_lives_as_long_as_its_server() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return dict(messages.pop(0))

    async def send(message: Message) -> None:
        sent.append(message)

    async def live() -> None:
        await asgi_app({})({"type": "lifespan"}, receive, send)

    asyncio.run(live())
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


@pytest.mark.requirement("R22", "R24")
def test_webhooks_are_carried_again_until_they_are_taken() -> None:
    with fresh_sqlite() as database:
        merchant = open_merchant(database)
        merchant.open()
        answers: list[int | Exception] = [503, UnavailableError("the hub is down"), 200]
        heard: list[HttpRequest] = []

        def deliver(request: HttpRequest) -> HttpResponse:
            heard.append(request)
            answer = answers[min(len(heard), len(answers)) - 1]
            if isinstance(answer, Exception):
                raise answer
            return HttpResponse(answer)

        emulator = merchant.world.accounts["tills"].emulator
        postman = Postman(emulator, threading.RLock(), merchant.clock, deliver)
        assert postman.round() == 0, "there is nothing to tell"
        emulator.buy([BasketLine("MUG", 1)], SHOPPER, POINTS["tills"], merchant.clock.now())
        due = postman.round()
        assert due > 0
        for _ in range(40):
            merchant.clock.advance(3600)
            if not postman.round():
                break
        merchant.clock.advance(48 * 3600)
        assert postman.round() == 0
        assert postman.sent == len(heard) > due
        bodies = {request.body for request in heard}
        assert len(bodies) == due, "what is carried again is the same document"


def test_an_emulator_without_subscriptions_has_nothing_to_carry() -> None:
    emulator = ShopifyEmulator()
    emulator.load([GOODS[0].entry], ["gid://shopify/Location/1001"], START)
    assert Postman(emulator, threading.RLock(), ManualClock(START), lambda _: HttpResponse(200)).round() == 0
