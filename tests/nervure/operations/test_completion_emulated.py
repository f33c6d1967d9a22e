"""An order of which a part has left and the rest is canceled is shipped on its platform too."""

import pytest

from nervure.operations.staff import ship_fulfillment
from nervure.store.database import Database
from schemas.fulfillment import Parcel
from simulation.platform import BasketLine
from tests.nervure.operations.scripted import looking
from tests.simulation.merchants import Merchant, open_merchant


def shipped_in_part(database: Database, name: str) -> tuple[Merchant, str, int]:
    """An order of seven mugs, six of which were in Lyon; answers it, and the units that have left."""
    merchant = open_merchant(database)
    merchant.open()
    order = merchant.buy(name, MUG=7)
    merchant.rest()
    with looking(merchant.hub) as world:
        first, _ = world.fulfillment_numbers(order)
    parcel = Parcel(carrier="Colissimo", tracking_number="6A1")
    assert ship_fulfillment(merchant.hub, first, parcel=parcel)
    merchant.rest()
    with looking(merchant.hub) as world:
        left = sum(units for (_, _, state), units in world.served(order).items() if state == "shipped")
    return merchant, order, left


@pytest.mark.parametrize("name", ["marketplace", "boutique"])
def test_a_platform_hears_that_an_order_is_complete_once_its_rest_is_canceled(sqlite: Database, name: str) -> None:
    merchant, order, left = shipped_in_part(sqlite, name)
    emulator = merchant.world.accounts[name].emulator
    assert order not in emulator.shipped()
    assert emulator.cancel(order, [BasketLine("MUG", 7 - left)], merchant.clock.now())
    merchant.rest()
    assert emulator.shipped()[order] == left
    with looking(merchant.hub) as world:
        assert {state for _, _, state in world.served(order)} == {"shipped"}
        assert world.open_tasks() == {}
    assert merchant.verdict().holds
