"""The pages for the office: the hub at a glance, and each order with its reasons. What they show is escaped."""

import html
import re
from typing import Any

import pytest

from nervure.inventory.stock import Place
from nervure.operations import giving_up, offers
from nervure.operations.desk import Actor
from nervure.operations.hub import Hub
from nervure.orders.rules import Routing
from nervure.store.order_pages import OrderPageStore
from nervure.store.orders import OrderStore
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import ScarcityStore
from nervure.store.tables.catalogue import LOCATION
from schemas.locations import Address
from schemas.orders import Delivery, DeliveryMethod
from schemas.routing import LocationRouting, RoutingSettings, ScarcitySettings
from tests.nervure.operations.scripted import looking, order_of, settle
from tests.nervure.service import test_app
from tests.nervure.service.test_app import HOME, PERSONAL, SIGNED, Client, jane_buys
from tests.nervure.service.test_promises import FRANCE
from tests.nervure.world import an_order

hub = test_app.hub
client = test_app.client


def text(page: str) -> str:
    """What a person reads."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def shown(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return text(answer.text)


def buys(hub: Hub, client: Client, channel: str, order: str, **units: int) -> None:
    delivery = Delivery(method=DeliveryMethod.SHIP, address=HOME)
    body = order_of(an_order(order, units, channel=channel, delivery=delivery)).body
    assert client.post(f"/webhooks/{channel}", headers=SIGNED, content=body).status_code == 200
    settle(hub)


def test_the_hub_at_a_glance(hub: Hub, client: Client) -> None:
    assert "Newest orders None." in shown(client, "/")
    jane_buys(hub, client)
    page = client.get("/").text
    assert '<a href="/order?channel=shop&amp;name=1">' in page
    read = text(page)
    assert "channel platform orders last confirmed confirmed in flight error excluded state" in read
    assert "To look at Nothing. Dead letters None. Newest orders order channel placed state units short" in read
    assert not [word for word in PERSONAL if word in page]
    assert "<script" not in page


def test_what_is_dead_and_what_is_to_do_stand_there_escaped(hub: Hub, client: Client) -> None:
    with looking(hub) as world:
        world.tasks.open("shortfall", "anything", "<b>bold</b> & more")
    assert client.post("/webhooks/shop", headers=SIGNED, content=b"no order").status_code == 200
    settle(hub)
    page = client.get("/").text
    assert "<b>bold" not in page
    assert "shortfall anything <b>bold</b> & more" in text(page)
    assert re.search(r"Dead letters \d+ shop \S+", text(page))


def test_an_order_shows_its_lines_its_steps_and_its_reasons_in_euros(hub: Hub, client: Client) -> None:
    own = {"lyon": LocationRouting(handling=1), "paris": LocationRouting(handling=4)}
    with hub.database.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(Routing(RoutingSettings(split=2, zones=(FRANCE,)), own))
    jane_buys(hub, client)
    with looking(hub) as world:
        [number] = world.connection.exec_driver_sql("SELECT id FROM fulfillment_order").scalars().all()
    offers.accept(hub, number, Actor(by="ana", location="lyon"))
    read = shown(client, "/order?channel=shop&name=1")
    assert "placed 2026-03-02 09:00 UTC · ship to 69003 FR" in read
    assert "sku title ordered canceled served short BOLT" in read
    assert f"{number} lyon accepted 2 BOLT" in read
    assert "accepted by ana" in read
    assert "6.00 euros, of that 0.00 for splitting; no plan is cheaper." in read
    assert "lyon chosen 2 6.00 handling 1.00, shipping 5.00 paris outranked" in read
    assert not [word for word in PERSONAL if word in read]


def test_what_scarcity_counted_stands_beside_what_is_paid(hub: Hub, client: Client) -> None:
    own = {"lyon": LocationRouting(handling=1), "paris": LocationRouting(handling=4)}
    scarce = RoutingSettings(split=2, zones=(FRANCE,), scarcity=ScarcitySettings(horizon_days=7))
    with looking(hub) as world:
        bolt, lyon = world.catalogue.item_ids(["BOLT"])["BOLT"], world.locations.ids()["lyon"]
    with hub.database.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(Routing(scarce, own))
        ScarcityStore(connection, hub.clock.now()).put({Place(bolt, lyon): 2_000_000})
    jane_buys(hub, client)
    read = shown(client, "/order?channel=shop&name=1")
    assert (
        "9.00 euros, of that 0.00 for splitting; no plan is cheaper; its units are worth 0.00 euros more to later"
        " orders; nobody pays that, but it counted. location verdict units euros scarcity of that"
        " paris chosen 2 9.00 0.00 handling 4.00, shipping 5.00 lyon outranked 2 6.00 4.00 handling 1.00, shipping 5.00"
    ) in read


@pytest.mark.parametrize(
    ("bill", "said"),
    [
        ({"is_proved": True}, "no plan is cheaper"),
        ({"gap": "3.00"}, "at most 3.00 above the cheapest"),
        ({"missing_gap": 2}, "at most 2 units fewer might be missing"),
        ({"method": "priority"}, "in the order of priority"),
        (
            {"replanned": {"at": "now", "by": "Bo", "orders": 3, "units_gained": 1, "saved": "1.00", "before": "7.00"}},
            "planned anew together with 2 other orders; planned anew now by Bo: saves 1.00 of 7.00 euros, and serves 1"
            " unit more",
        ),
    ],
)
def test_how_good_a_plan_is_known_to_be_is_said_as_the_command_says_it(
    hub: Hub, client: Client, bill: dict[str, Any], said: str
) -> None:
    jane_buys(hub, client)
    known = {"cost": "6.00", "split": "0.00", "method": "cost", "is_proved": False, "gap": "0.00", "locations": {}}
    with hub.database.write() as connection:
        [order] = connection.exec_driver_sql("SELECT id FROM sales_order").scalars().all()
        OrderStore(connection, hub.clock.now()).explain(order, {}, known | bill)
    with looking(hub) as world:
        page = OrderPageStore(world.connection).page("shop", "1")
    assert page is not None
    assert "; ".join(page.said_of_the_bill) == f"6.00 euros, of that 0.00 for splitting; {said}"
    assert f"6.00 euros, of that 0.00 for splitting; {said}." in shown(client, "/order?name=1")


def test_an_order_shows_to_whom_else_it_was_offered(hub: Hub, client: Client) -> None:
    with hub.database.write() as connection:
        connection.execute(LOCATION.update().values(kind="store", accept_seconds=600.0))
        RoutingStore(connection, hub.clock.now()).put(Routing(None, {}, 2))
    jane_buys(hub, client)
    giving_up.keep_times(hub)
    read = shown(client, "/order?channel=shop&name=1")
    assert re.search(r"1 lyon allocated 2 BOLT .* offered .* offered at paris", read)


def test_without_costs_the_reasons_are_sentences(hub: Hub, client: Client) -> None:
    jane_buys(hub, client)
    read = shown(client, "/order?name=1")
    assert "lyon chosen: has all of it" in read
    assert "euros" not in read


def test_a_shortfall_is_seen(hub: Hub, client: Client) -> None:
    buys(hub, client, "shop", "1", BOLT=1_000)
    with looking(hub) as world:
        [short] = world.connection.exec_driver_sql("SELECT units FROM shortfall").scalars().all()
    assert f"BOLT 1000 0 {1_000 - short} {short}" in shown(client, "/order?name=1").replace("Bolt ", "")


def test_a_name_on_two_channels_is_a_choice(hub: Hub, client: Client) -> None:
    jane_buys(hub, client)
    buys(hub, client, "till", "1", BOLT=1)
    assert "Several channels have an order of this name. #1 on shop #1 on till" in shown(client, "/order?name=1")
    assert "Several" not in shown(client, "/order?name=1&channel=till")


@pytest.mark.parametrize(
    ("path", "said"),
    [("/order?name=9", "there is no order '9'"), ("/order?name=9&channel=shop", "there is no order '9' on 'shop'")],
)
def test_an_unknown_order_is_said_to_be_unknown(client: Client, path: str, said: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": said})


def test_what_a_place_far_away_is_called_does_no_harm(hub: Hub, client: Client) -> None:
    where = Address(country="FR", postal_code="<i>1", city="Lyon", lines=("1 rue de la Paix",))
    body = order_of(an_order("<u>7", {"BOLT": 1}, delivery=Delivery(method=DeliveryMethod.SHIP, address=where))).body
    assert client.post("/webhooks/shop", headers=SIGNED, content=body).status_code == 200
    settle(hub)
    page = client.get("/order?name=%3Cu%3E7").text
    assert "<u>" not in page
    assert "<i>" not in page
    assert "<u>7" in text(page)
