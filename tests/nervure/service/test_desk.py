"""Fulfillment orders step by step over HTTP."""

import pytest

from nervure.operations.hub import Hub
from tests.nervure.operations.scripted import hear, looking, order_of
from tests.nervure.service.test_app import Client, client, hub
from tests.nervure.world import a_pickup, an_order

__all__ = ["client", "hub"]


def test_a_parcel_is_accepted_picked_and_packed(hub: Hub, client: Client) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    assert client.post("/shelves", json={"sku": "BOLT", "location": "paris", "shelf": "B-2"}).status_code == 200
    path = "/fulfillment-orders/1"
    assert client.post(f"{path}/accepted", json={"by": "Bo"}).json() == {"changed": True, "number": 1}
    assert client.post(f"{path}/accepted", json={"by": "Bo"}).json() == {"changed": False, "number": 1}
    assert client.post(f"{path}/picking", json={"by": "Bo"}).json() == {"changed": True}
    assert client.post(f"{path}/scans", json={"scanned": "BOLT"}).json() == {"sku": "BOLT"}
    early = client.post(f"{path}/packed", json={"by": "Bo"})
    assert (early.status_code, early.json()) == (409, {"detail": "not picked yet: 1 of BOLT"})
    assert client.post(f"{path}/scans", json={"scanned": "BOLT", "units": 1}).status_code == 200
    assert client.post(f"{path}/packed", json={"by": "Bo"}).json() == {"changed": True}
    shown = client.get(path).json()
    assert (shown["state"], shown["location"], shown["units"]) == ("packed", "paris", 2)
    assert [(one["shelf"], one["sku"], one["picked"]) for one in shown["picks"]] == [("B-2", "BOLT", 2)]
    assert [(one["kind"], one["by"]) for one in shown["events"]] == [
        ("accepted", "Bo"),
        ("picking", "Bo"),
        ("packed", "Bo"),
    ]
    assert client.get("/fulfillment-orders/77").status_code == 404
    assert client.post("/fulfillment-orders/77/accepted", json={}).status_code == 404


def test_a_rejection_needs_a_reason(hub: Hub, client: Client) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    assert client.post("/fulfillment-orders/1/rejected", json={}).status_code == 422
    assert client.post("/fulfillment-orders/1/rejected", json={"reason": "no_time"}).json() == {"changed": True}
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}


@pytest.mark.requirement("R45")
def test_a_pickup_is_told_and_handed_over_with_the_code_that_was_given(hub: Hub, client: Client) -> None:
    hear(hub, "till", order_of(a_pickup("1", {"BOLT": 2}, "counter", channel="till")))
    path = "/fulfillment-orders/1"
    client.post(f"{path}/picking", json={})
    client.post(f"{path}/packed", json={"unscanned": True})
    code = client.post(f"{path}/ready", json={"by": "Ana"}).json()["code"]
    assert len(code) == 6
    assert code.isdigit()
    [waiting] = client.get("/pickups").json()
    assert (waiting["number"], waiting["code"], waiting["is_told"]) == (1, code, False)
    assert client.post(f"{path}/told", json={}).json() == {"changed": True}
    assert client.get("/pickups").json()[0]["is_told"] is True
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    assert client.post(f"{path}/handed-over", json={"code": wrong}).status_code == 409
    part = client.post(f"{path}/handed-over", json={"code": code, "only": {"BOLT": 1}}).json()
    assert part == {"changed": True, "number": 2}
    assert client.post(f"{path}/returned-to-sale", json={"reason": "changed their mind"}).json() == {"changed": True}
    assert client.post(f"{path}/put-back", json={}).json() == {"changed": True}
    assert client.get("/pickups").json() == []
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == world.claimable("BOLT", "lyon") == 1
