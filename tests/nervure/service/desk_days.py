"""A service that a browser can reach, and a day's work at the store in lyon."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import Actor
from nervure.operations.desk_users import add_user
from nervure.operations.hub import Hub
from nervure.operations.staff import receive
from nervure.service.app import create_app
from nervure.store.tables.catalogue import ITEM, LOCATION
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod
from tests.nervure.operations.scripted import hear, order_of
from tests.nervure.service.browser import Browser
from tests.nervure.world import an_order

JANE = Customer(name="Jane Doe", email="jane@example.com", phone="06 11 22 33 44")
HOME = Address(country="FR", postal_code="69003", city="Lyon", lines=("1 rue de la Paix",))
BOLT, NUT = "4006381333931", "3017620422003"


class Way:
    """What lies between a browser and the desk: it may be slow, or answer by itself. Counts what came through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.is_open = threading.Event()
        self.is_open.set()
        self.is_broken = False
        self.passed: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            while not self.is_open.is_set():
                await asyncio.sleep(0.01)
            if self.is_broken:
                headers = [(b"content-type", b"text/html")]
                await send({"type": "http.response.start", "status": 502, "headers": headers})
                await send({"type": "http.response.body", "body": b"<h1>Bad Gateway</h1>"})
                return
            self.passed[scope["path"].rpartition("/")[2]] += 1
        await self._app(scope, receive, send)


@contextmanager
def on_the_way(hub: Hub, *, is_open: bool = False) -> Iterator[tuple[str, Way]]:
    """The service on a port of its own, and the way to it. `is_open`: the office's pages ask for no password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    way = Way(create_app(lambda: nullcontext(hub), api_token=None if is_open else "the-token"))
    server = uvicorn.Server(uvicorn.Config(way, host="127.0.0.1", port=port, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", way
    finally:
        way.is_open.set()
        server.should_exit = True
        thread.join()


@contextmanager
def served(hub: Hub, *, is_open: bool = False) -> Iterator[str]:
    """The service on a port of its own."""
    with on_the_way(hub, is_open=is_open) as (url, _):
        yield url


def sign_in(page: Browser, url: str, *, button: str = "Sign in") -> None:
    """Ana comes to work in lyon."""
    page.open(f"{url}/desk?at=lyon")
    for name, text in (("place", "lyon"), ("name", "Ana"), ("password", "correct horse")):
        page.type(name, text)
    page.press(button)


def a_day(hub: Hub) -> None:
    """A parcel, a pickup and two orders more for the store in lyon, and Ana who works there."""
    with hub.database.write() as connection:
        for sku, gtin, title in (("BOLT", BOLT, "Hex bolt M8 × 40"), ("NUT", NUT, "Lock nut M8, zinc")):
            connection.execute(ITEM.update().where(ITEM.c.sku == sku).values(gtin=gtin, title=title))
        connection.execute(
            LOCATION.update()
            .where(LOCATION.c.code == "lyon")
            .values(
                name="Lyon Bellecour", time_zone="Europe/Paris", accept_seconds=600.0, hold_pickup_seconds=604_800.0
            )
        )
        connection.execute(LOCATION.update().where(LOCATION.c.code == "paris").values(can_ship=False))
    add_user(hub, "lyon", "Ana", "correct horse")
    for sku in ("BOLT", "NUT"):
        receive(hub, sku, "lyon", 20, document="D1")
    desk.put_shelf(hub, "BOLT", "lyon", "A-12")
    desk.put_shelf(hub, "NUT", "lyon", "B-03")
    home = Delivery(method=DeliveryMethod.SHIP, address=HOME)
    parcel = an_order("1001", {"PAIR": 1, "BOLT": 1}, delivery=home).model_copy(update={"customer": JANE})
    pickup = an_order(
        "1002", {"BOLT": 2}, channel="till", delivery=Delivery(method=DeliveryMethod.PICKUP, stock_point="counter")
    ).model_copy(update={"customer": JANE})
    hear(hub, "shop", order_of(parcel))
    hear(hub, "till", order_of(pickup))
    for name in ("1003", "1004"):
        hear(hub, "shop", order_of(an_order(name, {"NUT": 3}, delivery=home)))
    offers.accept(hub, 4, Actor("Ana", "lyon"))
    giving_up.keep_times(hub)
