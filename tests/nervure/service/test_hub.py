"""What every call of the service takes and refuses alike, whatever somebody sends."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.staff import receive
from tests.nervure.operations.scripted import looking
from tests.nervure.service.test_app import Client, client, hub, served

__all__ = ["client", "hub"]

JSON = {"content-type": "application/json"}
MOVEMENT = {"sku": "BOLT", "location": "paris", "units": 1, "document": "D1"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/proposals/%00"),
        ("POST", "/proposals/a%00b"),
        ("GET", "/availability/shop/%00"),
        ("GET", "/order?name=%00"),
        ("GET", "/counts/%00"),
        ("DELETE", "/reservations/%00"),
        ("POST", "/webhooks/%00"),
    ],
)
def test_no_address_holds_a_zero_character(hub: Hub, method: str, path: str) -> None:
    answer = served(hub).request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "an address holds no zero characters"


@pytest.mark.parametrize(
    "body",
    [
        b'{"option": NaN}',
        b'{"option": 1, "\\ud800": 1}',
        b'"\\ud800"',
        b'{"option": ["jane@example.com"]}',
    ],
)
def test_what_is_not_understood_is_named_and_not_sent_back(hub: Hub, body: bytes) -> None:
    """Whoever has a link may answer it: nobody need sign in."""
    answer = served(hub, token="the-token").post("/proposals/x", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert all(set(one) == {"type", "loc", "msg"} for one in answer.json()["detail"])
    assert "jane" not in answer.text


@pytest.mark.parametrize("step", ["shipped", "serials", "accepted"])
@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "x"])
def test_a_number_that_the_hub_never_gave_is_no_number(client: Client, step: str, number: str) -> None:
    answer = client.post(f"/fulfillment-orders/{number}/{step}", json={"serials": ["S"]} if step == "serials" else {})
    assert answer.status_code == 422


@pytest.mark.parametrize("text", ["6A\n", "6A\x00\n", "6" * 256])
def test_a_tracking_number_is_one_short_line(client: Client, text: str) -> None:
    assert client.post("/fulfillment-orders/1/shipped", json={"tracking_number": text}).status_code == 422


@pytest.mark.parametrize("units", [True, "1", "1_000", 1.0, 2_000_000_000])
def test_units_are_whole_numbers_and_nothing_that_looks_like_one(client: Client, units: object) -> None:
    assert client.post("/movements", json=MOVEMENT | {"units": units}).status_code == 422


def test_half_a_character_is_no_text(client: Client) -> None:
    body = b'{"sku":"\\ud800","location":"paris","units":1,"document":"D"}'
    assert client.post("/movements", content=body, headers=JSON).status_code == 422


def test_more_of_one_thing_than_anybody_has_is_a_slip_and_nothing_is_booked(hub: Hub, client: Client) -> None:
    with looking(hub) as world:
        before = world.on_hand("BOLT", "paris")
    receive(hub, "BOLT", "paris", 1_000_000_000 - before, document="as many as there may be")
    answer = client.post("/movements", json=MOVEMENT)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "1,000,000,001 units of 'BOLT' would be on hand at paris: that is a slip",
    )
    assert client.post("/movements", json=MOVEMENT | {"units": -1, "reason": "lost"}).json() == {"booked": True}
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 999_999_999


def test_more_than_anybody_has_is_reserved_for_nobody(client: Client) -> None:
    lines = [{"sku": "BOLT", "units": 1_000_000_000, "location": "paris"}] * 3
    answer = client.post("/reservations", json={"reference": "cart", "lines": lines, "minutes": 10})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "more than 1,000,000,000 units of 'BOLT' are asked for in all: nobody has as many",
    )
