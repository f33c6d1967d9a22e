"""What a shop may promise a customer who looks at the basket: it reads only."""

from datetime import time
from decimal import Decimal
from typing import Any

import pytest

from nervure.operations import promises
from nervure.operations.hub import Hub
from nervure.orders.routing import Effort
from nervure.orders.rules import Routing
from nervure.store.routing import RoutingStore
from nervure.store.statements import CHANGE, CLAIM, MOVEMENT
from schemas.routing import LocationRouting, PriceStep, RoutingMethod, RoutingSettings, Zone
from tests.nervure.service import test_app
from tests.nervure.service.test_app import Client, served

hub = test_app.hub
client = test_app.client

FRANCE = Zone(name="fr", countries=("FR",), transit_days=2, steps=(PriceStep(up_to_grams=9_000, euros=Decimal(5)),))
BASKET = {"channel": "shop", "country": "FR", "postal_code": "69003", "lines": [{"sku": "BOLT", "units": 2}]}


def asked(client: Client, **changes: Any) -> Any:
    answer = client.post("/promise", json=BASKET | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


def priced(hub: Hub) -> None:
    own = {"lyon": LocationRouting(handling=Decimal("1.20")), "paris": LocationRouting(cut_off=time(9))}
    routing = Routing(RoutingSettings(split=Decimal("2.50"), zones=(FRANCE,)), own)
    with hub.database.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(routing)


def test_a_basket_is_promised_with_days_places_and_costs(hub: Hub, client: Client) -> None:
    priced(hub)
    paris = {"location": "paris", "leaves_on": "2026-03-03", "arrives_on": "2026-03-05", "units": {"BOLT": 5}}
    lyon = {"location": "lyon", "leaves_on": "2026-03-02", "arrives_on": "2026-03-04", "units": {"BOLT": 2}}
    found = asked(client, lines=[{"sku": "BOLT", "units": 7}])
    assert sorted(found.pop("parcels"), key=lambda one: str(one["location"])) == [lyon, paris]
    assert found == {
        "arrives_on": "2026-03-05",
        "missing": {},
        "cost": "13.70",
        "is_proved": True,
        "gap": "0.00",
        "missing_gap": 0,
        "is_complete": True,
        "is_split": True,
    }
    assert asked(client)["cost"] == "5.00"


def test_a_promise_holds_nothing_and_writes_nothing(hub: Hub, client: Client) -> None:
    def written() -> list[int]:
        with hub.database.read() as connection:
            return [len(connection.execute(table.select()).all()) for table in (CLAIM, MOVEMENT, CHANGE)]

    before = written()
    assert asked(client) == asked(client)
    assert written() == before


def test_without_costs_of_the_merchants_a_promise_has_no_price(client: Client) -> None:
    found = asked(client)
    assert (found["cost"], [one["location"] for one in found["parcels"]]) == (None, ["lyon"])
    assert (found["is_proved"], found["gap"], found["missing_gap"]) == (True, None, 0)


def test_a_promise_whose_search_was_cut_off_says_by_how_much_the_order_may_be_cheaper(
    hub: Hub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    priced(hub)
    monkeypatch.setattr(promises, "OF_A_PROMISE", Effort(nodes=0, explains=False))
    found = asked(client, lines=[{"sku": "BOLT", "units": 6}, {"sku": "NUT", "units": 3}])
    assert (found["cost"], found["is_proved"], found["gap"], found["missing_gap"]) == ("13.70", False, "7.97", 0)


def test_a_baseline_proves_nothing(hub: Hub, client: Client) -> None:
    with hub.database.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(Routing(RoutingSettings(method=RoutingMethod.PRIORITY)))
    assert asked(client)["is_proved"] is False


def test_what_is_not_there_is_missing_and_not_promised(client: Client) -> None:
    found = asked(client, lines=[{"sku": "BOLT", "units": 9}])
    assert (found["missing"], found["is_complete"]) == ({"BOLT": 2}, False)


def test_a_pickup_is_promised_from_its_place(client: Client) -> None:
    found = asked(client, method="pickup", stock_point="web", lines=[{"sku": "BOLT", "units": 3}])
    assert ([one["location"] for one in found["parcels"]], found["missing"]) == (["lyon"], {"BOLT": 1})


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"channel": "bazaar"}, 404, "no channel 'bazaar'"),
        ({"lines": [{"sku": "CUP", "units": 1}]}, 404, "no item 'CUP'"),
        ({"method": "pickup", "stock_point": "nope"}, 404, "no stock point 'nope' on channel 'shop'"),
        ({"method": "pickup"}, 409, "a pickup needs the stock_point where the customer comes"),
        ({"method": "handed_over"}, 409, "what is handed over at a till needs no promise"),
    ],
)
def test_what_cannot_be_promised_is_one_sentence(
    client: Client, changes: dict[str, Any], code: int, sentence: str
) -> None:
    answer = client.post("/promise", json=BASKET | changes)
    assert (answer.status_code, answer.json()) == (code, {"detail": sentence})


def test_it_needs_the_token(hub: Hub) -> None:
    assert served(hub, "secret").post("/promise", json=BASKET).status_code == 401
