"""How suppliers keep their word, over HTTP."""

from nervure.operations.hub import Hub
from schemas.locations import LocationKind
from tests.nervure.service import test_app
from tests.nervure.service.test_app import Client, served
from tests.nervure.world import World

hub = test_app.hub
client = test_app.client


def test_every_supplier_has_its_figures(hub: Hub, client: Client) -> None:
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=60)
    [found] = client.get("/suppliers/scorecard").json()
    assert (found["supplier"], found["lines"], found["acceptance"]) == ("acme", 0, None)
    assert client.get("/suppliers/scorecard?from=2026-03-02&to=2026-03-01").status_code == 422
    for days in ("to=9999-12-31", "to=0001-01-02", "from=0001-01-01"):
        refused = client.get(f"/suppliers/scorecard?{days}")
        assert (refused.status_code, refused.json()["detail"]) == (422, "a day is from 1970-01-01 until 2999-12-31")


def test_it_needs_the_token(hub: Hub) -> None:
    assert served(hub, "secret").get("/suppliers/scorecard").status_code == 401
