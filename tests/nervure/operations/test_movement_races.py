"""Movements by hand that race on real PostgreSQL connections, against claims and against themselves."""

from collections import Counter
from functools import partial

import pytest
import sqlalchemy as sa

from nervure.inventory.claims import claim
from nervure.inventory.stock import Against, ClaimKind, InsufficientStockError
from nervure.operations.hub import Hub
from nervure.operations.lots import withdraw_expired
from nervure.operations.movements import Goods, MovementError, assemble, change_condition
from nervure.operations.staff import receive
from nervure.operations.undo import undo
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.statements import LEVEL, MOVEMENT
from schemas.items import Item, KitComponent, LotTracking
from schemas.stock import Condition
from tests.nervure.operations.scripted import ScriptedShop, advance, scripted_hub
from tests.nervure.world import START, World, an_order, at, at_once, merchant, must_hold

ROUNDS = 6
pytestmark = pytest.mark.postgresql


@pytest.fixture
def hub(postgresql_at: Database) -> Hub:
    recipe = (KitComponent(sku="BOLT", units=1), KitComponent(sku="NUT", units=1))
    with postgresql_at.write() as connection:
        merchant(World(connection))
        CatalogueStore(connection, START).put_items(
            [
                Item(sku="BENCH", title="Bench", recipe=recipe),
                Item(sku="JAM", title="Jam", lot_tracking=LotTracking.EXPIRY),
            ]
        )
        World(connection).list_on("shop", "BENCH", "JAM")
    return scripted_hub(postgresql_at, {"shop": ScriptedShop()})


def reserve(hub: Hub, sku: str, units: int, reference: str) -> str:
    """A cart takes units, or is refused."""

    def work(connection: sa.Connection) -> str:
        world = World(connection, START)
        demand = {world.place(sku, "paris"): units}
        takes = claim(world.stock, demand, kind=ClaimKind.RESERVATION, against=Against.CLAIMABLE)
        world.stock.reserve(takes, reference=reference, expires_at=at(15))
        return "claimed"

    try:
        return hub.database.run(work)
    except InsufficientStockError:
        return "refused"


def order(hub: Hub, name: str, units: dict[str, int]) -> str:
    hub.database.run(lambda connection: World(connection, START).take_in(an_order(name, units)))
    return "ordered"


def build(hub: Hub, document: str) -> str:
    try:
        return "built" if assemble(hub, Goods("BENCH", "paris"), 1, document=document) else "known"
    except MovementError:
        return "refused"


def free(hub: Hub, *skus: str) -> list[int]:
    with hub.database.read() as connection:
        world = World(connection, START)
        return [world.claimable(sku, "paris") for sku in skus]


def test_an_assembly_and_a_claim_never_both_get_the_last_part(hub: Hub) -> None:
    for number in range(ROUNDS):
        receive(hub, "BOLT", "paris", 1, document=f"B{number}")
        receive(hub, "NUT", "paris", 1, document=f"N{number}")
        outcome = at_once(
            [
                partial(build, hub, f"A{number}"),
                partial(reserve, hub, "NUT", 1, f"cart {number}"),
                partial(build, hub, f"A{number}"),
            ]
        )
        bolts, nuts = free(hub, "BOLT", "NUT")
        if outcome[1] == "claimed":
            assert [outcome[0], outcome[2]] == ["refused", "refused"]
            assert (bolts, nuts) == (1, 0)
            receive(hub, "NUT", "paris", 1, document=f"M{number}")
            assert build(hub, f"A{number}") == "built"
        else:
            assert Counter(outcome) == {"built": 1, "known": 1, "refused": 1}
        assert free(hub, "BOLT", "NUT") == [0, 0]
    with hub.database.read() as connection:
        world = World(connection)
        assert world.on_hand("BENCH", "paris") == ROUNDS
        must_hold(world)


def test_baskets_that_share_parts_and_assemblies_wait_for_each_other_in_no_circle(hub: Hub) -> None:
    for sku in ("BOLT", "NUT", "BENCH"):
        receive(hub, sku, "paris", 40, document=sku)
    works = [
        work
        for number in range(ROUNDS)
        for work in (
            partial(build, hub, f"A{number}"),
            partial(order, hub, f"{number}", {"BENCH": 1, "NUT": 1, "BOLT": 1}),
        )
    ]
    assert Counter(map(str, at_once(works))) == {"built": ROUNDS, "ordered": ROUNDS}
    assert free(hub, "BOLT", "NUT", "BENCH") == [40 - 2 * ROUNDS, 40 - 2 * ROUNDS, 40]


def test_units_that_break_while_they_are_claimed_are_owed_to_nobody_unseen(hub: Hub) -> None:
    for number in range(ROUNDS):
        receive(hub, "BOLT", "paris", 2, document=f"R{number}")
        at_once(
            [
                partial(change_condition, hub, Goods("BOLT", "paris"), 2, Condition.DAMAGED, document=f"C{number}"),
                partial(order, hub, f"{number}", {"BOLT": 2}),
                partial(change_condition, hub, Goods("BOLT", "paris"), 2, Condition.DAMAGED, document=f"C{number}"),
            ]
        )
    with hub.database.read() as connection:
        world = World(connection)
        for number in range(ROUNDS):
            assert world.lines(f"{number}") == {f"{number}-1": (2, 0, 2)}
        assert world.on_hand("BOLT", "paris") == 0
        damaged = sa.select(LEVEL.c.on_hand).where(LEVEL.c.condition == "damaged")
        assert connection.execute(damaged).scalar_one() == 2 * ROUNDS
        must_hold(world)


def test_the_last_units_change_their_condition_once(hub: Hub) -> None:
    def change(document: str, to: Condition) -> str:
        try:
            change_condition(hub, Goods("BOLT", "paris"), 2, to, document=document)
        except MovementError:
            return "refused"
        return "booked"

    for number in range(ROUNDS):
        receive(hub, "BOLT", "paris", 2, document=f"R{number}")
        outcomes = at_once(
            [partial(change, f"C{number}", Condition.DAMAGED), partial(change, f"H{number}", Condition.ON_HOLD)]
        )
        assert sorted(map(str, outcomes)) == ["booked", "refused"]
        assert free(hub, "BOLT") == [0]


def test_of_two_undos_one_books(hub: Hub) -> None:
    for number in range(ROUNDS):
        receive(hub, "BOLT", "paris", 3, document=f"D{number}")
        receive(hub, "NUT", "paris", 2, document=f"D{number}")
        outcomes = at_once([lambda name=f"D{number}": len(undo(hub, name).entries) for _ in range(4)])  # type: ignore[misc]  # a default of a lambda
        assert sorted(outcomes, key=str) == [0, 0, 0, 2]
    with hub.database.read() as connection:
        world = World(connection)
        assert (world.on_hand("BOLT", "paris"), world.rows(MOVEMENT)) == (0, 4 * ROUNDS)
        must_hold(world)


def test_a_lot_that_expires_is_withdrawn_once_while_it_is_claimed(hub: Hub) -> None:
    day = START.date().replace(day=START.day + 1)
    receive(hub, "JAM", "paris", 5, document="R", lot="L1", expires_on=day)
    order(hub, "before", {"JAM": 2})
    advance(hub, 86_400)

    def late(connection: sa.Connection) -> bool:
        return World(connection, hub.clock.now()).take_in(an_order("late", {"JAM": 1}))

    outcomes = at_once(
        [partial(withdraw_expired, hub), partial(hub.database.run, late), partial(withdraw_expired, hub)]
    )
    assert sorted([outcomes[0], outcomes[2]], key=str) == [0, 5]
    with hub.database.read() as connection:
        world = World(connection)
        assert (world.lines("before"), world.lines("late")) == ({"before-1": (2, 0, 2)}, {"late-1": (1, 0, 1)})
        assert world.claimable("JAM", "paris") == 0
        must_hold(world)
