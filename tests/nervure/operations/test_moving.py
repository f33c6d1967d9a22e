"""A fulfillment order is given to another location: whole, checked there, in one step (R08)."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.moving import MoveRefusedError, move_fulfillment
from nervure.operations.staff import UnknownStockError, receive, ship_fulfillment
from nervure.store.database import Database
from nervure.store.outbox import OUTBOX
from nervure.store.statements import CLAIM
from nervure.store.tables.orders import FULFILLMENT
from schemas.locations import LocationKind
from schemas.orders import OrderState
from tests.nervure.operations.scripted import (
    ScriptedShop,
    ScriptedSupplier,
    feed,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
)
from tests.nervure.world import World, a_pickup, an_order, at, must_hold

pytestmark = pytest.mark.requirement("R08")


def hub_on(database: Database, supplier: ScriptedSupplier | None = None) -> Hub:
    return scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()}, supplier=supplier)


def number_of(hub: Hub, order: str) -> int:
    with looking(hub) as world:
        [number] = world.fulfillment_numbers(order)
    return number


def test_the_claim_is_taken_there_and_given_back_here(both: Database) -> None:
    hub = hub_on(both)
    receive(hub, "NUT", "lyon", 4, document="D1")
    hear(hub, "shop", order_of(an_order("1", {"PAIR": 2})))
    settle(hub)
    number = number_of(hub, "1")
    moved, is_new = move_fulfillment(hub, number, "lyon")
    assert is_new
    settle(hub)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
        assert (world.claimable("BOLT", "lyon"), world.claimable("NUT", "lyon")) == (0, 0)
        assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (5, 8)
        assert world.claims() == {"released": 6, "held": 6}
        assert world.published()["till", "counter", "BOLT"] == 0
        must_hold(world)
    assert move_fulfillment(hub, number, "lyon") == (moved, False), "told twice, done once"
    assert move_fulfillment(hub, moved, "lyon") == (moved, False), "it is there"
    assert ship_fulfillment(hub, moved, shipped_at=at(5))
    assert not ship_fulfillment(hub, number, shipped_at=at(5)), "nothing is left of it here"
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("shipped", -2)]
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "lyon")) == (5, 0)


def test_what_lacks_there_is_named_and_nothing_is_changed(both: Database) -> None:
    hub = hub_on(both)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3, "NUT": 1})))
    number = number_of(hub, "1")
    with looking(hub) as world:
        before = [world.rows(table) for table in (CLAIM, FULFILLMENT, OUTBOX)]
    with pytest.raises(MoveRefusedError) as refused:
        move_fulfillment(hub, number, "lyon")
    assert str(refused.value) == (
        "not enough stock at 'lyon', nothing was moved: 'BOLT': wanted 3, claimable 2; 'NUT': wanted 1, claimable 0"
    )
    with looking(hub) as world:
        assert [world.rows(table) for table in (CLAIM, FULFILLMENT, OUTBOX)] == before
        assert world.served("1") == {("1-1", "paris", "allocated"): 3, ("1-2", "paris", "allocated"): 1}
        must_hold(world)


def test_two_lines_of_one_item_are_checked_as_one_demand(filled: Database) -> None:
    hub = hub_on(filled)
    receive(hub, "NUT", "lyon", 9, document="D1")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2, "PAIR": 1})))
    with pytest.raises(MoveRefusedError, match=r"'BOLT': wanted 3, claimable 2$"):
        move_fulfillment(hub, number_of(hub, "1"), "lyon")


def test_who_waits_is_served_with_what_is_given_back(both: Database) -> None:
    hub = hub_on(both)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 6})))
    with looking(hub) as world:
        assert world.lines("2") == {"2-1": (6, 5, 1)}
    number = number_of(hub, "1")
    receive(hub, "BOLT", "lyon", 1, document="D1")
    with looking(hub) as world:
        assert world.lines("2") == {"2-1": (6, 6, 0)}
    hear(hub, "shop", order_of(an_order("3", {"BOLT": 2})))
    with both.write() as connection:
        world = World(connection, at(1))
        world.location("nice", postal_code="06000")
        world.receive("BOLT", "nice", 2)
    move_fulfillment(hub, number, "nice")
    with looking(hub) as world:
        assert world.lines("3") == {"3-1": (2, 2, 0)}
        assert world.open_tasks() == {}
        must_hold(world)


def test_what_has_left_or_is_canceled_or_waits_for_its_customer_stays(filled: Database) -> None:
    hub = hub_on(filled)
    for name in ("1", "2"):
        hear(hub, "shop", order_of(an_order(name, {"BOLT": 1})))
    hear(hub, "till", order_of(a_pickup("3", {"BOLT": 1}, "counter", channel="till")))
    left, canceled, pickup = (number_of(hub, name) for name in ("1", "2", "3"))
    ship_fulfillment(hub, left, shipped_at=at(1))
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 1}, minute=1, state=OrderState.CANCELED)))
    with filled.write() as connection:
        World(connection).location("attic", can_ship=False)
    for number, location, sentence in (
        (left, "lyon", f"fulfillment order {left} has left already"),
        (canceled, "lyon", f"fulfillment order {canceled} is canceled"),
        (pickup, "paris", f"fulfillment order {pickup} is for pickup: the customer comes to one place"),
        (4711, "lyon", "there is no fulfillment order 4711"),
    ):
        with pytest.raises(MoveRefusedError) as refused:
            move_fulfillment(hub, number, location)
        assert str(refused.value) == sentence
    hear(hub, "shop", order_of(an_order("4", {"BOLT": 1})))
    with pytest.raises(MoveRefusedError, match=r"^location 'attic' does not ship$"):
        move_fulfillment(hub, number_of(hub, "4"), "attic")
    with pytest.raises(UnknownStockError, match=r"^location 'lion' is not known$"):
        move_fulfillment(hub, number_of(hub, "4"), "lion")
    with looking(hub) as world:
        must_hold(world)


def test_a_moved_order_says_where_it_went(filled: Database) -> None:
    hub = hub_on(filled)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1})))
    number = number_of(hub, "1")
    moved, _ = move_fulfillment(hub, number, "lyon")
    with pytest.raises(MoveRefusedError, match=f"^fulfillment order {number} is canceled: it is {moved} now$"):
        move_fulfillment(hub, number, "paris")
    again, _ = move_fulfillment(hub, moved, "paris")
    with looking(hub) as world:
        assert world.fulfillment_numbers("1") == [again]
        must_hold(world)


def with_supplier(database: Database) -> tuple[Hub, ScriptedSupplier]:
    supplier = ScriptedSupplier()
    hub = hub_on(database, supplier)
    with database.write() as connection:
        world = World(connection)
        world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
        world.channel("shop", {"web": ["paris", "lyon", "acme"]})
    hear(hub, "acme", feed("f1", at(0), BOLT=9))
    return hub, supplier


def test_a_supplier_hears_of_what_is_moved_to_it_and_not_of_what_was_moved_away(filled: Database) -> None:
    hub, supplier = with_supplier(filled)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 5})))
    at_supplier, _ = move_fulfillment(hub, number_of(hub, "1"), "acme")
    back, _ = move_fulfillment(hub, at_supplier, "paris")
    while send_messages(hub):
        pass
    assert supplier.orders == {}
    again, _ = move_fulfillment(hub, back, "acme")
    while send_messages(hub):
        pass
    assert list(supplier.orders) == [f"nervure-{again}"]
    with pytest.raises(MoveRefusedError, match=f"^fulfillment order {again} is with its supplier$"):
        move_fulfillment(hub, again, "paris")
    with looking(hub) as world:
        assert world.claimable("BOLT", "paris") == 5
        must_hold(world)


def test_a_supplier_whose_numbers_are_too_old_gets_nothing(filled: Database) -> None:
    hub, _ = with_supplier(filled)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 5})))
    hub.clock.sleep(3600)
    with pytest.raises(MoveRefusedError, match=r"^the numbers of location 'acme' are too old to promise from$"):
        move_fulfillment(hub, number_of(hub, "1"), "acme")
