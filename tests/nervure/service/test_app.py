"""The HTTP side: what is taken, what is refused, and that nobody's name is told."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.webhooks import MAX_BODY_BYTES
from nervure.service.app import create_app
from nervure.store.database import Database
from nervure.store.inbox import InboxStore
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, looking, order_of, scripted_hub, settle
from tests.nervure.world import World, an_order, fresh_sqlite, must_hold

SIGNED = {"x-signature": "right", "x-event": "e1"}
JANE = Customer(name="Jane Doe", email="jane@example.com", phone="0611223344")
HOME = Address(country="FR", postal_code="69003", city="Lyon", lines=("1 rue de la Paix",))
PERSONAL = ("Jane", "jane@example.com", "0611223344", "rue de la Paix")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with fresh_sqlite() as database:
        fill(database)
        yield scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})


class Client:
    """Calls the service without a socket, its life cycle included."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, **said: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with (
                self._app.router.lifespan_context(self._app),
                httpx.AsyncClient(transport=transport, base_url="http://hub.example") as client,
            ):
                return await client.request(method, path, **said)

        return asyncio.run(call())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **said: Any) -> httpx.Response:
        return self.request("POST", path, **said)


def served(hub: Hub, token: str | None = None) -> Client:
    @contextmanager
    def open_hub() -> Iterator[Hub]:
        yield hub

    return Client(create_app(open_hub, api_token=token))


@pytest.fixture
def client(hub: Hub) -> Client:
    return served(hub)


def jane_buys(hub: Hub, client: Client) -> None:
    order = an_order("1", {"BOLT": 2}, delivery=Delivery(method=DeliveryMethod.SHIP, address=HOME))
    body = order_of(order.model_copy(update={"customer": JANE})).body
    assert client.post("/webhooks/shop", headers=SIGNED, content=body).status_code == 200
    settle(hub)


def stored(hub: Hub) -> int:
    with looking(hub) as world:
        return InboxStore(world.connection, world.now).open_count()


def test_health_is_told_to_anybody(hub: Hub) -> None:
    answer = served(hub, "secret").get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.requirement("R22")
def test_a_webhook_is_stored_before_it_is_acknowledged_and_once(hub: Hub, client: Client) -> None:
    body = order_of(an_order("1", {"BOLT": 1})).body
    for _ in range(3):
        answer = client.post("/webhooks/shop", headers=SIGNED, content=body)
        assert (answer.status_code, answer.content) == (200, b"")
        assert stored(hub) == 1
    assert drain(hub).handled == 1
    assert client.post("/webhooks/shop", headers=SIGNED, content=body).status_code == 200
    assert stored(hub) == 0


def test_what_cannot_be_stored_is_not_acknowledged(hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(InboxStore, "put_all", full)
    with pytest.raises(OSError, match="disk full"):
        client.post("/webhooks/shop", headers=SIGNED, content=b"[]")
    assert stored(hub) == 0


@pytest.mark.parametrize(
    ("channel", "headers", "refusal"),
    [
        ("nobody", SIGNED, (404, {"detail": "no channel 'nobody' takes webhooks"})),
        ("shop", {}, (401, {"detail": "the signature is wrong"})),
        ("shop", SIGNED | {"x-signature": "wrong"}, (401, {"detail": "the signature is wrong"})),
    ],
)
def test_what_is_not_for_us_is_refused(
    hub: Hub, client: Client, channel: str, headers: dict[str, str], refusal: tuple[int, dict[str, str]]
) -> None:
    answer = client.post(f"/webhooks/{channel}", headers=headers, content=b"jane@example.com")
    assert (answer.status_code, answer.json()) == refusal
    assert stored(hub) == 0


def test_a_body_that_is_too_large_is_refused_even_when_signed(hub: Hub, client: Client) -> None:
    answer = client.post("/webhooks/shop", headers=SIGNED, content=b"x" * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413
    assert stored(hub) == 0
    assert client.post("/webhooks/shop", headers=SIGNED, content=b"x" * MAX_BODY_BYTES).status_code == 200


@pytest.mark.requirement("R17")
def test_availability_is_what_is_published(hub: Hub, client: Client) -> None:
    settle(hub)
    publish(hub, "shop")
    publish(hub, "till")
    jane_buys(hub, client)
    with looking(hub) as world:
        published = world.published()
    for channel, point, sku in published:
        answer = client.get(f"/availability/{channel}/{sku}")
        if channel in ("shop", "till"):
            assert answer.json() == {point: published[channel, point, sku]}
    assert client.get("/availability/shop/BOLT").json() == {"web": 5}


def test_a_sku_with_a_slash_is_a_sku(hub: Hub, client: Client) -> None:
    with hub.database.write() as connection:
        world = World(connection)
        world.items("A/B 1")
        world.list_on("shop", "A/B 1")
        world.receive("A/B 1", "paris", 3)
    assert client.get("/availability/shop/A%2FB%201").json() == {"web": 3}


@pytest.mark.parametrize(("channel", "sku"), [("shop", "GHOST"), ("nobody", "BOLT")])
def test_what_is_not_listed_is_not_found(client: Client, channel: str, sku: str) -> None:
    answer = client.get(f"/availability/{channel}/{sku}")
    assert (answer.status_code, answer.json()["detail"]) == (404, f"sku {sku!r} is not listed on channel {channel!r}")


def test_status_is_the_hub_at_a_glance(hub: Hub, client: Client) -> None:
    jane_buys(hub, client)
    assert client.post("/webhooks/till", headers=SIGNED, content=b"{").status_code == 200
    found = client.get("/status").json()
    shop = next(channel for channel in found["channels"] if channel["name"] == "shop")
    assert (shop["orders"], shop["in_flight"], shop["confirmed"], shop["last_publication"]) == (1, 3, 0, None)
    assert (found["inbox"], found["outbox"], found["tasks"], found["quiet"]) == (
        {"waiting": 1, "dead": 0},
        0,
        0,
        False,
    )
    drain(hub)
    refresh(hub)
    for channel in ("shop", "till"):
        publish(hub, channel)
    found = client.get("/status").json()
    assert found["inbox"] == {"waiting": 0, "dead": 1}
    assert found["channels"][0]["last_publication"] == "2026-03-02T09:00:00+00:00"


def test_a_location_is_told_what_to_do_and_says_when_it_is_done(hub: Hub, client: Client) -> None:
    jane_buys(hub, client)
    [todo] = client.get("/fulfillment-orders").json()
    assert todo == {
        "number": todo["number"],
        "state": "allocated",
        "location": "lyon",
        "channel": "shop",
        "order": "1",
        "order_number": "#1",
        "lines": [{"sku": "BOLT", "units": 2}],
    }
    path = f"/fulfillment-orders/{todo['number']}/shipped"
    body = {"carrier": "Colissimo", "tracking_number": "6A1"}
    assert [client.post(path, json=body).json() for _ in range(2)] == [{"shipped": True}, {"shipped": False}]
    assert client.post("/fulfillment-orders/4711/shipped", json={}).json() == {"shipped": False}
    assert client.post(path, json={"colour": "red"}).status_code == 422
    assert client.get("/fulfillment-orders").json() == []
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("shipped", -2)]
        must_hold(world)


def test_movements_are_booked_once_for_each_document(hub: Hub, client: Client) -> None:
    goods_in = {"sku": "NUT", "location": "lyon", "units": 4, "document": "D1"}
    lost = goods_in | {"units": -1, "document": "D2", "reason": "lost"}
    assert [client.post("/movements", json=body).json()["booked"] for body in (goods_in, goods_in, lost)] == [
        True,
        False,
        True,
    ]
    with looking(hub) as world:
        assert world.movements("NUT", "lyon") == [("received", 4), ("adjusted", -1)]


def test_a_document_with_other_units_than_it_had_is_refused_in_a_sentence(hub: Hub, client: Client) -> None:
    goods_in = {"sku": "NUT", "location": "lyon", "units": 4, "document": "D1"}
    client.post("/movements", json=goods_in)
    answer = client.post("/movements", json=goods_in | {"units": 5})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "'receipt:D1' was booked before with 4 units, not with 5: give this one another name",
    )
    with looking(hub) as world:
        assert world.movements("NUT", "lyon") == [("received", 4)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"units": 0}, 422),
        ({"units": -1}, 422),
        ({"units": 0, "reason": "lost"}, 422),
        ({"units": 1.5}, 422),
        ({"units": 10**30}, 422),
        ({"reason": "boredom"}, 422),
        ({"who": "me"}, 422),
        ({"sku": "GHOST"}, 404),
        ({"location": "GHOST"}, 404),
        ({"sku": "NUL\x00"}, 422),
        ({"document": " "}, 409),
        ({"document": "NUL\x00"}, 422),
        ({"sku": "PAIR"}, 409),
    ],
)
def test_a_movement_that_makes_no_sense_is_refused_and_nothing_is_booked(
    hub: Hub, client: Client, change: dict[str, object], status: int
) -> None:
    body: dict[str, object] = {"sku": "NUT", "location": "lyon", "units": 4, "document": "D1"}
    assert client.post("/movements", json=body | change).status_code == status
    with looking(hub) as world:
        assert world.movements("NUT", "lyon") == []


def test_tasks_are_told(hub: Hub, client: Client) -> None:
    body = order_of(an_order("1", {"BOLT": 9})).body
    client.post("/webhooks/shop", headers=SIGNED, content=body)
    settle(hub)
    [task] = client.get("/tasks").json()
    assert (task["kind"], task["text"]) == ("shortfall", "2 units of line 1-1 have no source")


STAFF_CALLS = (
    ("GET", "/"),
    ("GET", "/order"),
    ("GET", "/status"),
    ("GET", "/availability/shop/BOLT"),
    ("GET", "/fulfillment-orders"),
    ("POST", "/fulfillment-orders/1/shipped"),
    ("POST", "/movements"),
    ("GET", "/tasks"),
    ("GET", "/suppliers/scorecard"),
    ("POST", "/counts"),
    ("GET", "/counts/C-1"),
    ("POST", "/counts/C-1/entries"),
    ("POST", "/counts/C-1/confirm"),
    ("POST", "/counts/C-1/close"),
    ("POST", "/counts/C-1/cancel"),
    ("POST", "/reservations"),
    ("GET", "/reservations/CART-1"),
    ("DELETE", "/reservations/CART-1"),
    ("POST", "/reservations/CART-1/order"),
    ("POST", "/serials"),
    ("GET", "/serials/A"),
    ("POST", "/fulfillment-orders/1/serials"),
    ("GET", "/fulfillment-orders/1"),
    ("GET", "/pickups"),
    ("POST", "/shelves"),
    ("POST", "/fulfillment-orders/1/accepted"),
    ("POST", "/fulfillment-orders/1/rejected"),
    ("POST", "/fulfillment-orders/1/picking"),
    ("POST", "/fulfillment-orders/1/scans"),
    ("POST", "/fulfillment-orders/1/packed"),
    ("POST", "/fulfillment-orders/1/ready"),
    ("POST", "/fulfillment-orders/1/told"),
    ("POST", "/fulfillment-orders/1/handed-over"),
    ("POST", "/fulfillment-orders/1/returned-to-sale"),
    ("POST", "/fulfillment-orders/1/put-back"),
    ("POST", "/promise"),
    ("GET", "/orders/shop/1/options"),
    ("POST", "/orders/shop/1/options"),
)


@pytest.mark.parametrize(("method", "path"), STAFF_CALLS)
def test_where_a_token_is_set_staff_must_show_it(hub: Hub, method: str, path: str) -> None:
    def basic(password: str) -> str:
        return f"Basic {base64.b64encode(f'anybody:{password}'.encode()).decode()}"

    client = served(hub, "the-token")
    for wrong in ("", "the-token", "Bearer", "Bearer the-toke", "Bearer the-token2", "Basic !!", basic("wrong")):
        answer = client.request(method, path, headers={"authorization": wrong}, json={})
        assert answer.status_code == 401, wrong
        assert "the-token" not in answer.text
    for right in ("Bearer the-token", basic("the-token")):
        assert client.request(method, path, headers={"authorization": right}, json={}).status_code != 401


NAMED = {
    "/fulfillment-orders/1": "/fulfillment-orders/{number}",
    "/reservations/CART-1": "/reservations/{reference}",
    "/reservations/CART-1/order": "/reservations/{reference}/order",
    "/serials/A": "/serials/{text}",
    "/orders/shop/1/options": "/orders/{channel}/{order}/options",
}


def test_every_call_is_public_on_purpose_or_needs_the_token(hub: Hub) -> None:
    paths = served(hub).get("/openapi.json").json()["paths"]
    calls = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    named = {
        (
            method,
            NAMED.get(
                path, path.replace("shop/BOLT", "{channel}/{sku}").replace("/1/", "/{number}/").replace("C-1", "{name}")
            ),
        )
        for method, path in STAFF_CALLS
    }
    by_link = {("GET", "/proposals/{token}"), ("POST", "/proposals/{token}")}
    assert calls - named == {("GET", "/health"), ("POST", "/webhooks/{channel}")} | by_link


def test_nobodys_name_is_told_or_logged(hub: Hub, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        jane_buys(hub, client)
        client.post("/webhooks/shop", headers=SIGNED | {"x-event": "e2"}, content=b"jane@example.com Jane Doe")
        client.post("/webhooks/shop", headers={}, content=b"jane@example.com Jane Doe")
        settle(hub)
        said = [client.get(path).text for method, path in STAFF_CALLS if method == "GET"]
    for person in PERSONAL:
        assert not any(person in text for text in said)
        assert person not in caplog.text
    with looking(hub) as world:
        names = world.connection.exec_driver_sql("SELECT name FROM order_person").scalars().all()
    assert names == ["Jane Doe"], "they are kept, in rows of their own"


@pytest.mark.postgresql
def test_the_service_works_on_postgresql(postgresql: Database) -> None:
    fill(postgresql)
    hub = scripted_hub(postgresql, {"shop": ScriptedShop(), "till": ScriptedShop()})
    client = served(hub)
    jane_buys(hub, client)
    assert client.get("/availability/shop/BOLT").json() == {"web": 5}
    assert client.get("/status").json()["inbox"] == {"waiting": 0, "dead": 0}
