"""Orders that race on real PostgreSQL connections."""

import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Take
from nervure.orders.rules import Routing
from nervure.orders.settling import serve_shortfalls
from nervure.orders.shipping import ship
from nervure.store.database import Database
from nervure.store.routing import RoutingStore
from nervure.store.stock import StockStore
from nervure.store.tables.orders import ORDER
from schemas.orders import OrderState
from schemas.routing import Contract, LocationRouting
from tests.nervure.world import (
    START,
    World,
    a_till_sale,
    an_order,
    at_once,
    merchant,
    must_hold,
    overtaken,
    until_it_waits,
)

pytestmark = pytest.mark.postgresql

ORDERS = 64


def take_in_at_once(database: Database, basket: dict[str, int]) -> tuple[int, int]:
    """Different orders for one basket in one instant; answers how many are served and how many are short."""

    def take_in(number: int) -> bool:
        return database.run(lambda connection: World(connection).take_in(an_order(str(number), basket)))

    assert at_once([partial(take_in, number) for number in range(ORDERS)]) == [True] * ORDERS
    with database.read() as connection:
        world = World(connection)
        must_hold(world)
        lines = [line for number in range(ORDERS) for line in world.lines(str(number)).values()]
    return sum(served for _, served, _ in lines), sum(short for _, _, short in lines)


@pytest.mark.requirement("R01", "R02", "R19")
def test_of_64_orders_exactly_as_many_are_served_as_there_are_units(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        merchant(World(connection), bolt_paris=3, bolt_lyon=2)
    assert take_in_at_once(postgresql_at, {"BOLT": 1}) == (5, ORDERS - 5)


@pytest.mark.requirement("R05")
@pytest.mark.parametrize("limit", [LocationRouting(daily_orders=5), LocationRouting(contract=Contract(daily_units=5))])
def test_of_24_orders_of_different_items_exactly_as_many_go_where_there_is_a_limit_of_a_day(
    postgresql_at: Database, limit: LocationRouting
) -> None:
    """They share no unit of stock: only the limit is between them."""
    skus = [f"S{number}" for number in range(24)]
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world)
        world.items(*skus)
        world.list_on("shop", *skus)
        for sku in skus:
            world.receive(sku, "paris", 1)
            world.receive(sku, "lyon", 1)
        RoutingStore(connection, START).put(Routing(None, {"paris": limit}))

    def take_in(sku: str) -> bool:
        return postgresql_at.run(lambda connection: World(connection).take_in(an_order(sku, {sku: 1})))

    assert at_once([partial(take_in, sku) for sku in skus]) == [True] * 24
    with postgresql_at.read() as connection:
        world = World(connection)
        must_hold(world)
        places = Counter(place for sku in skus for _, place, _ in world.served(sku))
    assert places == {"paris": 5, "lyon": 19}


def test_the_last_of_a_day_is_given_to_one_of_two_that_saw_it(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        merchant(World(connection), bolt_paris=1, nut_paris=1, bolt_lyon=1, nut_lyon=1)
        RoutingStore(connection, START).put(Routing(None, {"paris": LocationRouting(daily_orders=1)}))
    assert overtaken(
        postgresql_at,
        slow=lambda world: world.take_in(an_order("1", {"BOLT": 1})),
        fast=lambda world: world.take_in(an_order("2", {"NUT": 1})),
    )
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}
        assert world.served("2") == {("2-1", "lyon", "allocated"): 1}


@pytest.mark.requirement("R01", "R05", "R37")
def test_kits_that_share_parts_are_served_as_far_as_the_scarcest_part_goes(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=5, nut_paris=9)
        world.kit("TRIO", {"NUT": 1, "BOLT": 2})
        world.list_on("shop", "TRIO")

    def take_in(number: int, sku: str) -> bool:
        return postgresql_at.run(lambda connection: World(connection).take_in(an_order(str(number), {sku: 1})))

    works = [partial(take_in, number, ("PAIR", "TRIO")[number % 2]) for number in range(16)]
    assert at_once(works) == [True] * 16
    with postgresql_at.read() as connection:
        world = World(connection)
        must_hold(world)
        bolts, nuts = world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")
        assert not (bolts >= 1 and nuts >= 2), "another PAIR could have been served"
        assert not (bolts >= 2 and nuts >= 1), "another TRIO could have been served"


@pytest.mark.requirement("R22")
def test_one_order_heard_by_twenty_at_once_is_one_order(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        merchant(World(connection), bolt_paris=3)

    def take_in() -> bool:
        return postgresql_at.run(lambda connection: World(connection).take_in(an_order("1", {"BOLT": 2})))

    assert at_once([take_in] * 20) == [True] * 20
    with postgresql_at.read() as connection:
        world = World(connection)
        assert (world.rows(ORDER), world.lines("1"), world.claims()) == (1, {"1-1": (2, 2, 0)}, {"held": 2})
        must_hold(world)


@pytest.mark.requirement("R11")
def test_canceling_and_shipping_in_one_instant_ends_as_one_of_the_two(postgresql_at: Database) -> None:
    orders = [str(number) for number in range(12)]
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=100)
        for order in orders:
            world.take_in(an_order(order, {"BOLT": 2}))

    def cancel(order: str) -> bool:
        canceled = an_order(order, {"BOLT": 2}, minute=1, state=OrderState.CANCELED)
        return postgresql_at.run(lambda connection: World(connection).take_in(canceled))

    def ship(order: str) -> list[bool]:
        return postgresql_at.run(lambda connection: World(connection).ship_all(order))

    shipped = 0
    for order in orders:
        outcomes = at_once([partial(cancel, order), partial(ship, order)])
        assert not [one for one in outcomes if isinstance(one, Exception)]
        shipped += outcomes[1] == [True]
    with postgresql_at.read() as connection:
        world = World(connection)
        must_hold(world)
        assert world.on_hand("BOLT", "paris") == 100 - 2 * shipped == world.claimable("BOLT", "paris")
        assert world.open_tasks()["canceled_after_shipping"] == shipped


@pytest.mark.requirement("R11")
def test_what_leaves_while_a_part_of_it_is_canceled_is_what_is_left_of_it(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=10)
        world.take_in(an_order("1", {"BOLT": 3}))
    shipped = overtaken(
        postgresql_at,
        slow=lambda world: world.take_in(an_order("1", {"BOLT": 1}, minute=1)),
        fast=lambda world: world.ship_all("1"),
    )
    assert shipped == [True]
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.served("1") == {("1-1", "paris", "shipped"): 1}
        assert (world.on_hand("BOLT", "paris"), world.claimable("BOLT", "paris")) == (9, 9)
        must_hold(world)


@pytest.mark.requirement("R11")
def test_what_is_canceled_while_it_leaves_has_left(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=10)
        world.take_in(an_order("1", {"BOLT": 3}))
    overtaken(
        postgresql_at,
        slow=lambda world: world.ship_all("1"),
        fast=lambda world: world.take_in(an_order("1", {"BOLT": 3}, minute=1, state=OrderState.CANCELED)),
    )
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.served("1") == {("1-1", "paris", "shipped"): 3}
        assert (world.on_hand("BOLT", "paris"), world.claims()) == (7, {"consumed": 3})
        assert world.open_tasks() == {"canceled_after_shipping": 1}
        must_hold(world)


@pytest.mark.requirement("R02", "R07")
def test_goods_that_come_in_at_two_places_in_one_instant_serve_who_waits_once(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world)
        world.take_in(an_order("1", {"BOLT": 2}))
    overtaken(
        postgresql_at,
        slow=lambda world: world.goods_in("BOLT", "paris", 2),
        fast=lambda world: world.goods_in("BOLT", "lyon", 2),
    )
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.lines("1") == {"1-1": (2, 2, 0)}
        assert world.claims() == {"held": 2}
        must_hold(world)


@pytest.mark.requirement("R02", "R04")
def test_an_order_canceled_while_goods_come_in_for_it_keeps_none_of_them(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world)
        world.take_in(an_order("1", {"BOLT": 2}))
        world.receive("BOLT", "paris", 2)
    overtaken(
        postgresql_at,
        slow=lambda world: world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.CANCELED)),
        fast=lambda world: serve_shortfalls([world.place("BOLT", "paris").item_id], world.desk()),
    )
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.lines("1") == {"1-1": (0, 0, 0)}
        assert world.claimable("BOLT", "paris") == 2
        must_hold(world)


@pytest.mark.requirement("R11", "R20")
def test_a_till_sale_does_not_call_back_what_leaves_in_the_same_instant(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_lyon=3)
        world.take_in(an_order("1", {"BOLT": 3}))
        world.receive("BOLT", "paris", 9)
    ticket = a_till_sale("ticket", {"BOLT": 1}, "counter", channel="till")
    overtaken(
        postgresql_at,
        slow=lambda world: world.ship_all("1"),
        fast=lambda world: world.take_in(ticket),
    )
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.served("1") == {("1-1", "lyon", "shipped"): 3}
        assert world.on_hand("BOLT", "lyon") == -1
        must_hold(world, oversold=[("BOLT", "lyon")])


@pytest.mark.requirement("R11", "R20")
def test_what_leaves_while_a_till_sale_takes_a_unit_of_it_is_what_is_left_of_it(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_lyon=3)
        world.take_in(an_order("1", {"BOLT": 3}))
        world.receive("BOLT", "paris", 9)
        [number] = world.fulfillment_numbers("1")
    ticket = a_till_sale("ticket", {"BOLT": 1}, "counter", channel="till")
    assert overtaken(postgresql_at, slow=lambda world: world.take_in(ticket), fast=lambda world: world.ship(number))
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.served("1") == {("1-1", "lyon", "shipped"): 2, ("1-1", "paris", "allocated"): 1}
        assert (world.on_hand("BOLT", "lyon"), world.claimable("BOLT", "lyon")) == (0, 0)
        must_hold(world)


class InterruptedStock(StockStore):
    """Lets something else happen between reading what is claimed and ending the claims."""

    def __init__(self, connection: Connection, interruption: Callable[[], None]) -> None:
        super().__init__(connection, START)
        self._interruption = interruption

    def end_claims(self, claim_ids: Collection[int], state: str, *, at: datetime | None = None) -> list[Take]:
        self._interruption()
        return super().end_claims(claim_ids, state, at=at)


@pytest.mark.requirement("R11", "R20")
def test_a_till_sale_in_the_middle_of_a_shipment_takes_nothing_out_of_the_parcel(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_lyon=3)
        world.take_in(an_order("1", {"BOLT": 3}))
        world.receive("BOLT", "paris", 9)
        [number] = world.fulfillment_numbers("1")
    ticket = a_till_sale("ticket", {"BOLT": 1}, "counter", channel="till")
    sale = threading.Thread(target=lambda: postgresql_at.run(lambda connection: World(connection).take_in(ticket)))

    def sell() -> None:
        if not sale.ident:
            sale.start()
            until_it_waits(postgresql_at, sale)

    def send(connection: Connection) -> bool:
        desk = replace(World(connection).desk(), stock=InterruptedStock(connection, sell))
        return ship(number, desk, shipped_at=START)

    assert postgresql_at.run(send)
    sale.join()
    with postgresql_at.read() as connection:
        world = World(connection)
        in_the_parcel = world.served("1")["1-1", "lyon", "shipped"]
        assert world.movements("BOLT", "lyon").count(("shipped", -in_the_parcel)) == 1
        assert sum(world.served("1").values()) == 3
        assert world.on_hand("BOLT", "lyon") == 3 - 1 - in_the_parcel
        must_hold(world, oversold=[("BOLT", "lyon")] if in_the_parcel == 3 else [])
