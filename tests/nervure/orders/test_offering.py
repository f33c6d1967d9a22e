"""Which stores could do what another one was given: whole, the cheapest first, and no more than are wanted."""

import pytest
import sqlalchemy as sa

from nervure.orders.offering import rivals
from nervure.orders.rules import Routing
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.orders import FULFILLMENT
from schemas.locations import LocationKind
from schemas.routing import LocationRouting, RoutingSettings
from tests.nervure.world import World, an_order, at, merchant

PLACES = ("paris", "lyon", "nice", "lille")


@pytest.fixture
def stores(world: World) -> World:
    """Four stores that must accept; paris is the best, and has everything."""
    merchant(world, bolt_paris=9, nut_paris=9, bolt_lyon=3, nut_lyon=2)
    for code in PLACES[2:]:
        world.location(code, kind=LocationKind.STORE)
    world.channel("shop", {"web": PLACES})
    for sku, code, units in (("BOLT", "nice", 9), ("NUT", "nice", 9), ("BOLT", "lille", 9)):
        world.receive(sku, code, units)
    world.connection.execute(LOCATION.update().values(kind="store", accept_seconds=600.0))
    return world


def asked(world: World, lines: dict[str, int], most: int = 9, order: str = "1") -> list[str]:
    world.take_in(an_order(order, lines))
    number = world.connection.execute(sa.select(sa.func.max(FULFILLMENT.c.id))).scalar_one()
    codes = {location: code for code, location in world.locations.ids().items()}
    return [codes[location] for location in rivals(number, world.desk(), most)]


def test_they_have_everything_of_it(stores: World) -> None:
    for turn, (lines, places) in enumerate(
        [
            ({"BOLT": 1}, ["lyon", "nice", "lille"]),
            ({"BOLT": 4}, ["nice", "lille"]),
            ({"BOLT": 2, "NUT": 1}, ["lyon", "nice"]),
            ({"PAIR": 1}, ["lyon", "nice"]),
            ({"PAIR": 1, "NUT": 1}, ["nice"]),
        ]
    ):
        with stores.undone() as world:
            assert asked(world, lines, order=str(turn)) == places, lines


def test_no_more_are_asked_than_are_wanted(stores: World) -> None:
    assert asked(stores, {"BOLT": 1}, most=2) == ["lyon", "nice"]
    assert asked(stores, {"BOLT": 1}, most=0, order="2") == []


def test_what_stays_in_a_store_and_what_it_costs_count(stores: World) -> None:
    own = {
        "lyon": LocationRouting.model_validate({"handling": "2.00"}),
        "nice": LocationRouting.model_validate({"handling": "1.00"}),
        "lille": LocationRouting.model_validate({"keep_units": 9}),
    }
    RoutingStore(stores.connection, at(0)).put(Routing(RoutingSettings(), own))
    assert asked(stores, {"BOLT": 1}) == ["nice", "lyon"]


def test_a_store_that_need_not_accept_and_a_warehouse_are_not_asked(stores: World) -> None:
    stores.connection.execute(LOCATION.update().where(LOCATION.c.code == "lyon").values(accept_seconds=None))
    stores.connection.execute(LOCATION.update().where(LOCATION.c.code == "lille").values(kind="warehouse"))
    assert asked(stores, {"BOLT": 1}) == ["nice"]
