"""Carts, moves, serial numbers and skus that race on real PostgreSQL connections."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
import sqlalchemy as sa

from nervure.operations.hub import Hub
from nervure.operations.moving import MoveRefusedError, move_fulfillment
from nervure.operations.reservations import (
    NotEnoughStockError,
    Reservation,
    ReservationError,
    Wish,
    expire_reservations,
    give_to_order,
    look_up,
    make_reservation,
    release_reservation,
)
from nervure.operations.serials import Box, SerialError, Unit, name_serials, receive_serials, track
from nervure.operations.skus import SkuError, merge, rename
from nervure.operations.staff import ship_fulfillment
from nervure.orders.intake import take_in
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.holds import RESERVATION
from nervure.store.reservations import ReservationStore
from nervure.store.routing import RoutingStore
from nervure.store.serial_claims import SERIAL_CLAIM
from nervure.store.serials import SerialStore
from nervure.store.skus import SkuStore
from nervure.store.statements import CLAIM
from nervure.store.tables.catalogue import ITEM
from schemas.items import Item
from schemas.orders import Order, OrderState
from schemas.routing import LocationRouting
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import SHOP, World, an_order, at, at_once, merchant, must_hold, overtaken

pytestmark = pytest.mark.postgresql

CARTS = 32


def hub_on(database: Database, **stock: int) -> Hub:
    with database.write() as connection:
        merchant(World(connection), **stock)
    return scripted_hub(database, {"shop": ScriptedShop()})


def hold(hub: Hub, reference: str, units: int, minutes: float = 15) -> Reservation:
    return make_reservation(hub, reference, [Wish("BOLT", units)], expires_at=at(minutes), channel="shop")


def hear(hub: Hub, order: Order) -> bool:
    return hub.database.run(lambda connection: take_in(order, SHOP, hub.desk(connection)))


def naming(name: str, reference: str, units: int, **said: object) -> Order:
    order = an_order(name, {"BOLT": units}, **said)  # type: ignore[arg-type]  # as an_order takes them
    return order.model_copy(update={"reservation": reference})


def failures(outcomes: list[object]) -> Counter[type]:
    return Counter(type(one) for one in outcomes if isinstance(one, Exception))


@pytest.mark.requirement("R01", "R06", "R19")
def test_of_many_carts_exactly_as_many_get_something_as_there_are_units(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=3, bolt_lyon=2, nut_paris=9)
    with postgresql_at.write() as connection:
        World(connection).kit("TRIO", {"BOLT": 1, "NUT": 1})
    skus = ("BOLT", "TRIO")

    def reserve(number: int) -> Reservation:
        wishes = [Wish(skus[number % 2], 1)]
        return make_reservation(hub, f"cart {number}", wishes, expires_at=at(15), channel="shop")

    outcomes = at_once([partial(reserve, number) for number in range(CARTS)])
    assert set(failures(outcomes)) <= {NotEnoughStockError}
    with looking(hub) as world:
        bolts = world.claimable("BOLT", "paris") + world.claimable("BOLT", "lyon")
        # A trio needs a nut, and lyon has none: only single bolts are served from there.
        assert world.claimable("BOLT", "paris") == 0
        assert CARTS - failures(outcomes).total() == 5 - bolts == world.rows(RESERVATION)
        must_hold(world)


@pytest.mark.requirement("R22")
def test_one_cart_told_by_many_at_once_is_held_once(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=5)
    outcomes = at_once([partial(hold, hub, "CART", 3, minutes) for minutes in range(5, 21)])
    assert failures(outcomes) == {}
    assert sum(one.is_new for one in outcomes if isinstance(one, Reservation)) == 1
    with looking(hub) as world:
        assert world.claims() == {"held": 3}
        assert look_up(hub, "CART").expires_at == at(20)
        must_hold(world)


def every_claim_ended_once_and_as_its_reservation(world: World) -> None:
    """The state of each hold's claims follows from how it ended, and nothing ended twice."""
    query = (
        sa.select(RESERVATION.c.state, CLAIM.c.state.label("claim"), sa.func.count())
        .join(CLAIM, CLAIM.c.reference == sa.literal("reservation:") + RESERVATION.c.reference)
        .group_by(RESERVATION.c.state, CLAIM.c.state)
    )
    fits = {"held": "held", "released": "released", "expired": "released", "consumed": "consumed"}
    for state, claim, _ in world.connection.execute(query):
        assert fits[state] == claim


@pytest.mark.requirement("R04", "R11")
@pytest.mark.parametrize("other", ["expire", "release"])
def test_an_order_against_the_end_of_its_hold_is_served_in_full_either_way(postgresql_at: Database, other: str) -> None:
    hub = hub_on(postgresql_at, bolt_paris=20)
    carts = [f"cart {number}" for number in range(10)]
    for name in carts:
        hold(hub, name, 2)
    advance(hub, 16 * 60)

    def ends(name: str) -> object:
        return expire_reservations(hub) if other == "expire" else release_reservation(hub, name)

    states: Counter[str] = Counter()
    for name in carts:
        outcomes = at_once([partial(hear, hub, naming(name, name, 2)), partial(ends, name)])
        # Who comes too late to release it is told so.
        assert set(failures(outcomes)) <= {ReservationError}
        states[look_up(hub, name).state] += 1
    assert sum(states.values()) == 10
    with looking(hub) as world:
        assert {line for name in carts for line in world.lines(name).values()} == {(2, 2, 0)}
        assert (world.allocated("BOLT", "paris"), world.claimable("BOLT", "paris")) == (20, 0)
        every_claim_ended_once_and_as_its_reservation(world)
        must_hold(world)


@pytest.mark.requirement("R04")
def test_an_order_that_waited_for_the_expiry_of_its_hold_claims_again(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=3)
    hold(hub, "CART", 3)
    advance(hub, 16 * 60)
    overtaken(
        postgresql_at,
        slow=lambda world: ReservationStore(world.connection, at(16)).expire(),
        fast=lambda _: hear(hub, naming("1", "CART", 3)),
    )
    with looking(hub) as world:
        assert (world.lines("1"), world.claims()) == ({"1-1": (3, 3, 0)}, {"released": 3, "held": 3})
        must_hold(world)


@pytest.mark.requirement("R04")
def test_a_hold_that_is_extended_in_the_moment_of_its_expiry_does_not_expire(postgresql: Database) -> None:
    hub = hub_on(postgresql, bolt_paris=5)
    hold(hub, "LONGER", 2)
    hold(hub, "OTHER", 3)
    advance(hub, 16 * 60)

    def extend(world: World) -> None:
        store = ReservationStore(world.connection, at(16))
        found = store.find("LONGER", locked=True)
        assert found is not None
        store.extend(found.id, at(40))

    assert overtaken(postgresql, slow=extend, fast=lambda _: expire_reservations(hub)) == 1
    assert [look_up(hub, name).state for name in ("LONGER", "OTHER")] == ["held", "expired"]
    with looking(hub) as world:
        assert world.claims() == {"held": 2, "released": 3}
        must_hold(world)


@pytest.mark.requirement("R04")
def test_extending_against_expiring_holds_the_units_or_says_that_they_are_gone(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=20)
    for number in range(10):
        hold(hub, f"cart {number}", 2)
    advance(hub, 16 * 60)
    works: list[Callable[[], object]] = [partial(hold, hub, f"cart {number}", 2, 40) for number in range(10)]
    outcomes = at_once([*works, partial(expire_reservations, hub), partial(expire_reservations, hub)])
    assert set(failures(outcomes)) <= {ReservationError}
    for number, told in enumerate(outcomes[:10]):
        state = look_up(hub, f"cart {number}").state
        assert state == ("expired" if isinstance(told, ReservationError) else "held")
    assert outcomes[10] + outcomes[11] == failures(outcomes).total()  # type: ignore[operator]  # both are counts
    with looking(hub) as world:
        every_claim_ended_once_and_as_its_reservation(world)
        must_hold(world)


@pytest.mark.requirement("R11")
def test_two_orders_that_claim_one_cart_share_it_in_no_way(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=2)
    hold(hub, "CART", 2)
    for name in ("1", "2"):
        hear(hub, an_order(name, {"BOLT": 2}))
    outcomes = at_once([partial(give_to_order, hub, "CART", "shop", name) for name in ("1", "2")])
    assert failures(outcomes) == {ReservationError: 1}
    with looking(hub) as world:
        served = sorted(line for name in ("1", "2") for line in world.lines(name).values())
        assert served == [(2, 0, 2), (2, 2, 0)]
        assert world.claims() == {"consumed": 2, "held": 2}
        must_hold(world)


@pytest.mark.requirement("R11", "R22")
def test_one_order_that_takes_its_cart_over_many_times_at_once_has_it_once(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=4)
    hold(hub, "CART", 2)
    works: list[Callable[[], object]] = [partial(give_to_order, hub, "CART", "shop", "1") for _ in range(6)]
    works += [partial(hear, hub, naming("1", "CART", 2)) for _ in range(6)]
    assert failures(at_once(works)) == {}
    with looking(hub) as world:
        assert (world.lines("1"), world.claims()) == ({"1-1": (2, 2, 0)}, {"consumed": 2, "held": 2})
        assert look_up(hub, "CART").state == "consumed"
        must_hold(world)


# -- moving ------------------------------------------------------------------------------------------------------


def ordered(hub: Hub, name: str, units: int = 1) -> int:
    hear(hub, an_order(name, {"BOLT": units}))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers(name)
    return number


@pytest.mark.requirement("R08", "R11")
@pytest.mark.parametrize("other", ["ship", "cancel"])
def test_a_move_against_the_end_of_its_order_ends_as_one_of_the_two(postgresql_at: Database, other: str) -> None:
    hub = hub_on(postgresql_at, bolt_paris=20, bolt_lyon=20)
    moved = ended = 0
    for number in range(8):
        name = str(number)
        fulfillment = ordered(hub, name, 2)

        def end(name: str = name, fulfillment: int = fulfillment) -> bool:
            if other == "ship":
                return ship_fulfillment(hub, fulfillment, shipped_at=at(1))
            return hear(hub, an_order(name, {"BOLT": 2}, minute=1, state=OrderState.CANCELED))

        outcomes = at_once([partial(move_fulfillment, hub, fulfillment, "lyon"), end])
        assert set(failures(outcomes)) <= {MoveRefusedError}
        moved += not isinstance(outcomes[0], Exception)
        ended += outcomes[1] is True
        if other == "ship":
            assert (outcomes[1] is True) == isinstance(outcomes[0], MoveRefusedError)
    with looking(hub) as world:
        must_hold(world)
        left = ended if other == "ship" else 0
        assert world.on_hand("BOLT", "paris") == 20 - 2 * left
        assert world.allocated("BOLT", "paris") == 0
        assert world.allocated("BOLT", "lyon") == (2 * moved if other == "ship" else 0)
        assert world.on_hand("BOLT", "lyon") == 20


@pytest.mark.requirement("R08")
def test_two_moves_of_one_part_of_an_order_move_it_once(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=9, bolt_lyon=2)
    with postgresql_at.write() as connection:
        world = World(connection)
        world.location("nice")
        world.receive("BOLT", "nice", 2)
    same = ordered(hub, "1", 2)
    outcomes = at_once([partial(move_fulfillment, hub, same, "lyon") for _ in range(8)])
    assert failures(outcomes) == {}
    assert Counter(outcomes)[outcomes[0][0], True] == 1  # type: ignore[index]  # none of them failed
    other = ordered(hub, "2", 2)
    outcomes = at_once([partial(move_fulfillment, hub, other, place) for place in ("nice", "lyon")])
    assert failures(outcomes) == {MoveRefusedError: 1}
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
        assert sum(world.served("2").values()) == 2
        must_hold(world)


@pytest.mark.requirement("R08", "R01")
def test_moves_across_each_other_take_no_more_than_there_is(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=5)
    here = [ordered(hub, f"p{number}") for number in range(4)]
    with postgresql_at.write() as connection:
        World(connection).receive("BOLT", "lyon", 3)
    there = [move_fulfillment(hub, ordered(hub, "l0"), "lyon")[0]]
    works: list[Callable[[], object]] = [partial(move_fulfillment, hub, number, "lyon") for number in here]
    works += [partial(move_fulfillment, hub, number, "paris") for number in there]
    outcomes = at_once(works)
    assert set(failures(outcomes)) <= {MoveRefusedError}
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") + world.allocated("BOLT", "lyon") == 5
        must_hold(world)


# -- single units ------------------------------------------------------------------------------------------------


def cameras(hub: Hub, orders: int) -> list[int]:
    """As many orders as there are claimants, each for one camera; of one of these the serial number is known."""
    with hub.database.write() as connection:
        world = World(connection)
        world.items("CAM")
        world.list_on("shop", "CAM")
        world.receive("CAM", "paris", orders - 1)
    track(hub, "CAM", is_tracked=True)
    receive_serials(hub, Box("CAM", "paris", (Unit("A", "EPC-A"),), "D1"))
    numbers = []
    for number in range(orders):
        hear(hub, an_order(f"c{number}", {"CAM": 1}))
        with looking(hub) as world:
            numbers.extend(world.fulfillment_numbers(f"c{number}"))
    return numbers


@pytest.mark.requirement("R18")
def test_of_32_claimants_of_one_serial_exactly_one_gets_it(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at)
    numbers = cameras(hub, 32)
    texts = ("A", "EPC-A")
    outcomes = at_once([partial(name_serials, hub, number, [texts[number % 2]]) for number in numbers])
    assert (outcomes.count(1), failures(outcomes)) == (1, {SerialError: 31})
    with looking(hub) as world:
        assert world.rows(SERIAL_CLAIM) == 1


@pytest.mark.requirement("R18")
def test_the_database_alone_lets_one_of_32_take_a_serial(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at)
    numbers = cameras(hub, 32)
    with postgresql_at.read() as connection:
        store = SerialStore(connection, at(0))
        lines = [line.line_id for number in numbers for line in store.fulfillment(number)]
        [serial] = store.find(["A"], locked=False)

    def take(line: int) -> bool:
        return postgresql_at.run(lambda c: SerialStore(c, at(0)).take(serial.id, line, has_left=False))

    outcomes = at_once([partial(take, line) for line in lines])
    assert (outcomes.count(True), outcomes.count(False)) == (1, 31)
    with looking(hub) as world:
        assert world.rows(SERIAL_CLAIM) == 1


@pytest.mark.requirement("R18")
def test_one_serial_received_by_many_at_once_comes_in_once(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at)
    with postgresql_at.write() as connection:
        World(connection).items("CAM")
    track(hub, "CAM", is_tracked=True)
    boxes = [Box("CAM", "paris", (Unit("A"),), f"D{number % 4}") for number in range(16)]
    outcomes = at_once([partial(receive_serials, hub, box) for box in boxes])
    assert outcomes.count(True) == 1
    assert set(failures(outcomes)) <= {SerialError}
    with looking(hub) as world:
        assert world.on_hand("CAM", "paris") == 1
        must_hold(world)


# -- skus --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R12")
def test_a_cart_against_a_merge_holds_units_of_the_one_or_finds_none_of_the_other(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=5, nut_paris=5)
    outcomes = at_once([partial(hold, hub, "CART", 3), partial(merge, hub, "BOLT", "NUT")])
    assert failures(outcomes).total() <= 1
    assert set(failures(outcomes)) <= {SkuError, NotEnoughStockError}
    with looking(hub) as world:
        held = 0 if isinstance(outcomes[0], Exception) else 3
        merged = outcomes[1] is True
        assert world.on_hand("NUT", "paris") == (10 if merged else 5)
        assert world.claimable("BOLT", "paris") == (10 if merged else 5) - held
        must_hold(world)


def test_the_last_of_a_day_is_given_to_one_of_two_carts_that_become_orders(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=1, nut_paris=1)
    for sku in ("BOLT", "NUT"):
        make_reservation(hub, sku, [Wish(sku, 1)], expires_at=at(15), channel="shop")
    with postgresql_at.write() as connection:
        RoutingStore(connection, at(0)).put(Routing(None, {"paris": LocationRouting(daily_orders=1)}))
        World(connection).receive("NUT", "lyon", 1)
    first, second = (an_order(sku, {sku: 1}).model_copy(update={"reservation": sku}) for sku in ("BOLT", "NUT"))
    assert overtaken(postgresql_at, slow=lambda world: world.take_in(first), fast=lambda world: world.take_in(second))
    with looking(hub) as world:
        assert world.served("BOLT") == {("BOLT-1", "paris", "allocated"): 1}
        assert world.served("NUT") == {("NUT-1", "lyon", "allocated"): 1}
        must_hold(world)


@pytest.mark.requirement("R12")
def test_an_old_name_that_waits_to_be_written_while_its_item_is_renamed_makes_no_item(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at)

    def give_up(world: World) -> None:
        rows = world.connection.execute(sa.select(ITEM.c.id).where(ITEM.c.sku == "BOLT"))
        item = rows.scalar_one()
        world.connection.execute(ITEM.update().where(ITEM.c.id == item).values(sku="SCREW"))
        SkuStore(world.connection, world.now).give_up(item, "BOLT", "BOLT")

    made = overtaken(
        postgresql_at,
        slow=give_up,
        fast=lambda world: world.catalogue.put_items([Item(sku="BOLT", title="Other"), Item(sku="CAN", title="Can")]),
    )
    assert made == 1
    with looking(hub) as world:
        assert sorted(world.connection.execute(sa.select(ITEM.c.sku)).scalars()) == ["CAN", "NUT", "PAIR", "SCREW"]


@pytest.mark.requirement("R12")
def test_of_several_new_names_at_once_an_item_gets_one(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at)
    names = [f"SCREW-{number % 4}" for number in range(8)]
    outcomes = at_once([partial(rename, hub, "BOLT", name) for name in names])
    assert outcomes.count(True) == 1
    with looking(hub) as world:
        assert len(set(world.catalogue.item_ids([*names, "BOLT"]).values())) == 1
