"""Cycle counts over HTTP."""

import pytest

from nervure.operations.hub import Hub
from nervure.store.cycle_counts import COUNT, LINE
from tests.nervure.operations.scripted import looking
from tests.nervure.service.test_app import Client, client, hub

__all__ = ["client", "hub"]


def opened(client: Client) -> None:
    answer = client.post("/counts", json={"name": "C-1", "location": "paris", "skus": ["BOLT", "NUT"]})
    assert (answer.status_code, answer.json()) == (200, {"to_count": 2})


def test_a_count_is_opened_entered_confirmed_and_closed(hub: Hub, client: Client) -> None:
    opened(client)
    entry = {"sku": "BOLT", "units": 4, "at": "2026-03-02T10:00:00+01:00", "by": "Ana"}
    assert client.post("/counts/C-1/entries", json=entry).json() == {"entered": True}
    assert client.post("/counts/C-1/entries", json=entry).json() == {"entered": False}
    nuts = {"sku": "NUT", "units": 0, "by": "Ana", "reason": "lost"}
    assert client.post("/counts/C-1/entries", json=nuts).json() == {"entered": True}
    shown = client.get("/counts/C-1").json()
    assert [shown["name"], shown["location"], shown["state"]] == ["C-1", "paris", "open"]
    assert shown["lines"][0] == {
        "sku": "BOLT",
        "condition": "sellable",
        "owner": "us",
        "lot": "",
        "units": 4,
        "counted_at": "2026-03-02T09:00:00Z",
        "counted_by": "Ana",
        "reason": "cycle_count",
        "expected": 5,
        "difference": -1,
        "state": "entered",
    }
    assert [line["state"] for line in shown["lines"]] == ["entered", "second person"]
    assert [line["sku"] for line in client.post("/counts/C-1/confirm", json={"by": "Ana"}).json()["booked"]] == ["BOLT"]
    waiting = client.post("/counts/C-1/close")
    assert (waiting.status_code, waiting.json()) == (
        409,
        {"detail": "count 'C-1' has 1 entered lines that nobody confirmed"},
    )
    assert [line["sku"] for line in client.post("/counts/C-1/confirm", json={"by": "Bo"}).json()["booked"]] == ["NUT"]
    assert client.post("/counts/C-1/close").json() == {"state": "closed"}
    assert client.post("/counts/C-1/cancel").status_code == 409
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (4, 0)


def test_a_canceled_count_books_nothing(hub: Hub, client: Client) -> None:
    answer = client.post("/counts", json={"name": "C-1", "location": "paris", "all": True})
    assert answer.json() == {"to_count": 2}
    client.post("/counts/C-1/entries", json={"sku": "BOLT", "units": 4})
    assert client.post("/counts/C-1/cancel").json() == {"state": "canceled"}
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 5


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/counts", {"name": "C-1", "location": "lyon", "skus": ["BOLT"]}, 409),
        ("/counts", {"name": "C-2", "location": "rome", "skus": ["BOLT"]}, 404),
        ("/counts", {"name": "C-2", "location": "lyon", "skus": ["GHOST"]}, 404),
        ("/counts", {"name": "C-2", "location": "lyon", "skus": ["PAIR"]}, 409),
        ("/counts", {"name": "C-2", "location": "lyon"}, 409),
        ("/counts/C-9/entries", {"sku": "BOLT", "units": 1}, 404),
        ("/counts/C-1/entries", {"sku": "BOLT", "units": -1}, 422),
        ("/counts/C-1/entries", {"sku": "BOLT", "units": 1, "at": "2026-03-02T10:00:00"}, 422),
        ("/counts/C-1/entries", {"sku": "BOLT", "units": 1, "reason": "expired"}, 409),
        ("/counts/C-1/entries", {"sku": "BOLT", "units": 1, "who": "me"}, 422),
        ("/counts/C-1/confirm", {"by": ""}, 409),
        ("/counts/C-9/confirm", {"by": "Bo"}, 404),
        ("/counts/C-9/close", {}, 404),
        ("/counts/C-9/cancel", {}, 404),
    ],
)
def test_what_cannot_be_counted_is_refused_and_nothing_is_written(
    hub: Hub,
    client: Client,
    path: str,
    body: dict[str, object],
    status: int,
) -> None:
    opened(client)
    assert client.post(path, json=body).status_code == status
    assert client.get("/counts/C-9").status_code == 404
    with looking(hub) as world:
        assert (world.rows(COUNT), world.rows(LINE)) == (1, 2)
        assert world.connection.execute(LINE.select().where(LINE.c.units.is_not(None))).all() == []
