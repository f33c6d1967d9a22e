import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from nervure.store.database import Database
from nervure.store.rebuild import NUMBERS, find_differences, rebuild
from nervure.store.statements import CHANGE, CLAIM, LEVEL, MOVEMENT
from schemas.orders import OrderState
from schemas.stock import MovementKind
from tests.nervure.world import START, World, a_till_sale, an_order, merchant, must_hold, overtaken, thrown_away


def busy(world: World) -> None:
    """A merchant with receipts, a shipped order, an open one, a canceled one and a till sale behind it."""
    merchant(world, bolt_paris=9, nut_paris=9, bolt_lyon=2)
    for number in ("shipped", "open", "canceled"):
        world.take_in(an_order(number, {"PAIR": 1, "BOLT": 1}))
    world.ship_all("shipped")
    world.take_in(an_order("canceled", {"PAIR": 1, "BOLT": 1}, minute=1, state=OrderState.CANCELED))
    world.take_in(a_till_sale("ticket", {"BOLT": 1}, "counter", channel="till"))


@pytest.mark.requirement("R14")
def test_what_is_right_is_left_alone(world: World) -> None:
    busy(world)
    world.forget_changes()
    before = world.connection.execute(LEVEL.select().order_by(LEVEL.c.id)).all()
    assert rebuild(world.connection, START) == []
    assert world.connection.execute(LEVEL.select().order_by(LEVEL.c.id)).all() == before
    assert world.rows(CHANGE) == 0


@pytest.mark.requirement("R13", "R14")
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_was_altered_is_named_and_put_right(world: World, number: str) -> None:
    busy(world)
    world.forget_changes()
    level = world.level_id("BOLT", "paris")
    stored = {"on_hand": 7, "sequence": 3, "reserved": 0, "allocated": 2}
    world.connection.execute(LEVEL.update().where(LEVEL.c.id == level).values({number: stored[number] + 4}))
    [found] = find_differences(world.connection)
    assert (found.sku, found.location, found.owner, found.condition, found.lot) == (
        "BOLT",
        "paris",
        "us",
        "sellable",
        "",
    )
    assert (found.number, found.stored, found.rebuilt) == (number, stored[number] + 4, stored[number])
    assert rebuild(world.connection, START) == [found]
    assert world.rows(CHANGE) == 1
    must_hold(world)


@pytest.mark.requirement("R13")
def test_a_movement_that_vanished_is_named_by_what_it_moved(world: World) -> None:
    busy(world)
    last = world.connection.execute(
        MOVEMENT.select().where(MOVEMENT.c.stock_level_id == world.level_id("NUT", "paris")).order_by(MOVEMENT.c.id)
    ).all()[-1]
    world.connection.execute(MOVEMENT.delete().where(MOVEMENT.c.id == last.id))
    found = {
        (one.sku, one.location, one.number): one.rebuilt - one.stored for one in find_differences(world.connection)
    }
    assert found == {("NUT", "paris", "on_hand"): 2, ("NUT", "paris", "sequence"): -1}


@pytest.mark.requirement("R13")
def test_a_claim_that_was_altered_is_named_by_its_units(world: World) -> None:
    busy(world)
    claim = world.connection.execute(CLAIM.select().where(CLAIM.c.state == "held")).first()
    assert claim is not None
    world.connection.execute(CLAIM.update().where(CLAIM.c.id == claim.id).values(state="released"))
    [found] = find_differences(world.connection)
    assert (found.number, found.stored - found.rebuilt) == ("allocated", claim.units)


HISTORIES = st.lists(
    st.tuples(st.sampled_from(["order", "ship", "cancel", "till", "goods in", "lost"]), st.integers(0, 3)), max_size=10
)


@pytest.mark.requirement("R14")
@settings(max_examples=20)
@given(HISTORIES)
def test_after_any_history_rebuilding_changes_nothing(shared_sqlite: Database, history: list[tuple[str, int]]) -> None:
    with thrown_away(shared_sqlite) as connection:
        world = World(connection)
        merchant(world, bolt_paris=4, nut_paris=4, bolt_lyon=2)
        for step, (what, number) in enumerate(history, start=1):
            basket = {"PAIR": 1, "BOLT": number + 1}
            match what:
                case "order":
                    world.take_in(an_order(f"{number}", basket, minute=step))
                case "ship":
                    world.ship_all(f"{number}", minute=step)
                case "cancel":
                    world.take_in(an_order(f"{number}", basket, minute=step, state=OrderState.CANCELED))
                case "till":
                    world.take_in(a_till_sale(f"ticket {step}", {"BOLT": 1}, "counter", channel="till"))
                case "goods in":
                    world.goods_in("NUT", "paris", number + 1)
                case _:
                    world.lose("BOLT", "paris", 1)
        assert rebuild(connection, START) == []


@pytest.mark.postgresql
@pytest.mark.requirement("R14")
def test_rebuilding_while_others_write_finds_nothing_and_disturbs_nobody(postgresql: Database) -> None:
    with postgresql.write() as connection:
        merchant(World(connection), bolt_paris=500)
    errors: list[Exception] = []
    found: list[object] = []

    def work_in(order: str, connection: Connection) -> None:
        world = World(connection)
        world.take_in(an_order(order, {"BOLT": 1}))
        world.ship_all(order)
        world.move("BOLT", "lyon", 1, MovementKind.RECEIVED)

    def write(name: str) -> None:
        try:
            for number in range(12):
                postgresql.run(partial(work_in, f"{name}-{number}"))
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "other")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        found.extend(postgresql.run(lambda connection: rebuild(connection, START)))
    for writer in writers:
        writer.join()
    assert (errors, found) == ([], [])
    with postgresql.read() as connection:
        world = World(connection)
        assert (world.on_hand("BOLT", "paris"), world.on_hand("BOLT", "lyon")) == (476, 24)
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R14")
def test_a_level_that_moves_while_it_is_put_right_keeps_the_movement(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=9)
        world.connection.execute(LEVEL.update().values(on_hand=LEVEL.c.on_hand + 5))
    found = overtaken(
        postgresql_at,
        slow=lambda world: world.move("BOLT", "paris", -2, MovementKind.SOLD),
        fast=lambda world: rebuild(world.connection, START),
    )
    assert [(one.number, one.stored, one.rebuilt) for one in found] == [("on_hand", 12, 7)]
    with postgresql_at.read() as connection:
        must_hold(World(connection))
