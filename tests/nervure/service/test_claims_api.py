"""What a shop's cart and a packing desk ask over HTTP: units held, and which single units leave."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.serials import track
from nervure.store.holds import RESERVATION
from nervure.store.serial_claims import SERIAL_CLAIM
from nervure.store.statements import CLAIM
from tests.nervure.operations.scripted import advance, hear, looking, order_of
from tests.nervure.service import test_app
from tests.nervure.service.test_app import Client, served
from tests.nervure.world import World, an_order, must_hold

hub = test_app.hub
client = test_app.client

CART = {"reference": "CART-1", "channel": "shop", "minutes": 15, "lines": [{"sku": "BOLT", "units": 6}]}
HELD = [{"sku": "BOLT", "location": "lyon", "units": 1}, {"sku": "BOLT", "location": "paris", "units": 5}]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/reservations"),
        ("GET", "/reservations/CART-1"),
        ("DELETE", "/reservations/CART-1"),
        ("POST", "/reservations/CART-1/order"),
        ("POST", "/serials"),
        ("GET", "/serials/A"),
        ("POST", "/fulfillment-orders/1/serials"),
    ],
)
def test_all_of_it_needs_the_token(hub: Hub, method: str, path: str) -> None:
    locked = served(hub, "secret")
    assert locked.request(method, path, json={}).status_code == 401
    signed = {"Authorization": "Bearer secret"}
    assert locked.request(method, path, json={}, headers=signed).status_code in {200, 404, 422}


@pytest.mark.requirement("R04", "R22")
def test_a_cart_is_held_extended_looked_at_and_released(hub: Hub, client: Client) -> None:
    answers = [client.post("/reservations", json=CART) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json() == answers[1].json()
    assert answers[0].json() | {"expires_at": ""} == {
        "reference": "CART-1",
        "state": "held",
        "channel": "shop",
        "order": None,
        "expires_at": "",
        "held": HELD,
    }
    assert answers[0].json()["expires_at"] == "2026-03-02T09:15:00Z"
    advance(hub, 60)
    assert client.post("/reservations", json=CART).json()["expires_at"] == "2026-03-02T09:16:00Z"
    assert [client.request("DELETE", "/reservations/CART-1").json() for _ in range(2)] == [
        {"released": True},
        {"released": False},
    ]
    assert client.get("/reservations/CART-1").json()["state"] == "released"
    with looking(hub) as world:
        must_hold(world)


def test_what_cannot_be_held_is_refused_in_a_sentence_and_nothing_is_written(hub: Hub, client: Client) -> None:
    line = CART["lines"]
    refusals: tuple[tuple[dict[str, object], int, str], ...] = (
        ({"lines": [{"sku": "BOLT", "units": 8}]}, 409, "'BOLT' at the places of shop: wanted 8, available 7"),
        ({"lines": [{"sku": "BULT", "units": 1}]}, 404, "sku 'BULT' is not known"),
        ({"lines": [{"sku": "BOLT", "units": 1, "location": "pari"}]}, 404, "location 'pari' is not known"),
        ({"channel": "shap"}, 404, "channel 'shap' is not known"),
        ({"channel": None}, 409, "'BOLT' names no location"),
    )
    for changed, status, sentence in refusals:
        answer = client.post("/reservations", json=CART | changed)
        assert answer.status_code == status
        assert sentence in answer.json()["detail"]
    unreadable: tuple[dict[str, object], ...] = (
        {"minutes": 0},
        {"minutes": 10**9},
        {"lines": []},
        {"lines": [{"sku": "BOLT", "units": 0}]},
        {"lines": [{"sku": "BOLT", "units": 10**12}]},
        {"reference": ""},
        {"lines": line, "more": 1},
    )
    for one in unreadable:
        assert client.post("/reservations", json=CART | one).status_code == 422
    assert client.get("/reservations/CART-1").status_code == 404
    assert client.request("DELETE", "/reservations/CART-1").json() == {"detail": "there is no reservation 'CART-1'"}
    with looking(hub) as world:
        assert (world.rows(RESERVATION), world.rows(CLAIM)) == (0, 0)


def test_a_cart_becomes_an_order(hub: Hub, client: Client) -> None:
    client.post("/reservations", json=CART)
    told = client.post("/reservations/CART-1/order", json={"channel": "shop", "order": "1"})
    assert (told.status_code, told.json()["state"], told.json()["order"]) == (200, "held", "1")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 6})))
    again = client.post("/reservations/CART-1/order", json={"channel": "shop", "order": "1"})
    assert (again.status_code, again.json()["state"]) == (200, "consumed")
    other = client.post("/reservations/CART-1/order", json={"channel": "shop", "order": "2"})
    assert (other.status_code, other.json()) == (409, {"detail": "reservation 'CART-1' is for order '1' of shop"})
    assert client.request("DELETE", "/reservations/CART-1").status_code == 409
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 5, ("1-1", "lyon", "allocated"): 1}
        must_hold(world)


@pytest.mark.requirement("R18")
def test_single_units_come_in_are_named_for_a_parcel_and_are_found(hub: Hub, client: Client) -> None:
    with hub.database.write() as connection:
        world = World(connection)
        world.items("CAM")
        world.list_on("shop", "CAM")
    receipt = {"sku": "CAM", "location": "paris", "document": "D1", "units": [{"serial": "A", "epc": "E-A"}]}
    refused = client.post("/serials", json=receipt)
    assert (refused.status_code, refused.json()) == (409, {"detail": "'CAM' does not ask for serial numbers"})
    track(hub, "CAM", is_tracked=True)
    assert [client.post("/serials", json=receipt).json() for _ in range(2)] == [{"booked": True}, {"booked": False}]
    assert client.post("/serials", json=receipt | {"sku": "CAN"}).status_code == 404
    hear(hub, "shop", order_of(an_order("1", {"CAM": 1})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    unknown = client.post(f"/fulfillment-orders/{number}/serials", json={"serials": ["Z"]})
    assert unknown.status_code == 409
    assert unknown.json() == {"detail": f"serial 'Z' is not known of any item in fulfillment order {number}"}
    named = [client.post(f"/fulfillment-orders/{number}/serials", json={"serials": ["E-A"]}) for _ in range(2)]
    assert [answer.json() for answer in named] == [{"named": 1}, {"named": 0}]
    assert client.post(f"/fulfillment-orders/{number}/shipped", json={}).json() == {"shipped": True}
    assert client.get("/serials/A").json() == [
        {
            "sku": "CAM",
            "serial": "A",
            "epc": "E-A",
            "location": None,
            "condition": "sellable",
            "state": "left",
            "document": "order:shop:1",
        }
    ]
    assert client.get("/serials/B").json() == []
    with looking(hub) as world:
        assert world.rows(SERIAL_CLAIM) == 1
