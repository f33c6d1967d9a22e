"""What is booked while an item becomes a kit lands on no kit: it waits for the merge, and is refused (PostgreSQL)."""

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from nervure.clock import ManualClock
from nervure.inventory.stock import KitStockError
from nervure.operations.hub import Hub
from nervure.operations.skus import merge
from nervure.operations.staff import adjust, receive
from nervure.store.database import Connection, Database
from schemas.stock import AdjustmentReason
from tests.nervure.operations.scripted import ScriptedShop, looking, scripted_hub
from tests.nervure.world import START, World, merchant, must_hold, until_it_waits

pytestmark = [pytest.mark.postgresql, pytest.mark.requirement("R12")]


class HeldOpen:
    """A database whose every transaction is one that somebody else commits."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    is_postgresql = True

    def run(self, work: Callable[[Connection], Any]) -> Any:
        return work(self.connection)


@pytest.mark.parametrize("location", ["paris", "lyon"], ids=["where it lies", "where it never lay"])
@pytest.mark.parametrize("units", [5, -1])
def test_nothing_lands_on_an_item_that_is_being_merged_away(postgresql: Database, location: str, units: int) -> None:
    with postgresql.write() as connection:
        merchant(World(connection), bolt_paris=6, nut_paris=9)
    shops = {"shop": ScriptedShop()}
    clock = ManualClock(START)
    hub = scripted_hub(postgresql, shops, clock=clock)
    found: list[object] = []

    def book(hub: Hub) -> None:
        try:
            if units > 0:
                found.append(receive(hub, "BOLT", location, units, document="D1"))
            else:
                found.append(adjust(hub, "BOLT", location, units, reason=AdjustmentReason.LOST, document="D1"))
        except KitStockError as error:
            found.append(str(error))

    booking = threading.Thread(target=book, args=(hub,))
    with postgresql.write() as connection:
        assert merge(scripted_hub(cast("Database", HeldOpen(connection)), shops, clock=clock), "BOLT", "NUT")
        booking.start()
        until_it_waits(postgresql, booking)
    booking.join()
    [told] = found
    assert "is a kit and has no stock of its own: book what it is made of" in str(told)
    with looking(hub) as world:
        assert (world.on_hand("NUT", "paris"), world.on_hand("NUT", "lyon")) == (15, 0)
        must_hold(world)
