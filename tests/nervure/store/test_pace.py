"""How fast items sell, kits included, and what follows for the order in which numbers are sent."""

import pytest

from nervure.store.pace import PaceStore
from schemas.orders import OrderState
from tests.nervure.world import Bought, World, an_order, merchant

FOURTEEN_DAYS = 14 * 24 * 60


def paces(world: World, minute: float = 1) -> dict[str, float]:
    later = world.later(minute)
    store = PaceStore(later.connection, later.now)
    store.measure()
    ids = world.catalogue.item_ids(["BOLT", "NUT", "PAIR"])
    found = store.of(ids.values())
    return {sku: found[item] for sku, item in ids.items() if item in found}


def test_units_of_the_last_14_days_count_for_an_item_and_those_of_a_kit_for_its_parts(world: World) -> None:
    merchant(world, bolt_paris=50, nut_paris=90)
    world.take_in(an_order("1", {"BOLT": 7}))
    world.take_in(an_order("2", {"PAIR": 7}, channel="market"))
    world.take_in(an_order("3", [Bought("NUT", 7, canceled=7)]))
    world.take_in(an_order("4", {"NUT": 14}, state=OrderState.CANCELED))
    assert paces(world) == {"BOLT": 1.0, "PAIR": 0.5, "NUT": 1.0}
    assert paces(world, 2) == {"BOLT": 1.0, "PAIR": 0.5, "NUT": 1.0}, "measured again it is the same"
    assert paces(world, FOURTEEN_DAYS) == {}


@pytest.mark.requirement("R26")
def test_a_fast_seller_is_sent_before_a_slow_one_with_fewer_units(world: World) -> None:
    merchant(world, bolt_paris=45, nut_paris=9)
    world.take_in(an_order("1", {"BOLT": 40}, channel="market"))
    later = world.later(1)
    PaceStore(later.connection, later.now).measure()
    later.refresh()
    flights = later.flights.launch("shop", 3, "one")
    assert [(one.sku, one.units) for one in flights] == [("BOLT", 5), ("PAIR", 4), ("NUT", 9)]
