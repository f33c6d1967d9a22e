"""A task closes by itself once nobody has to act on it any more, and never before."""

import pytest
import sqlalchemy as sa

from nervure.store.database import Database
from nervure.store.messages import MessageStore
from nervure.store.outbox import OUTBOX
from nervure.store.settled_tasks import SettledTaskStore
from nervure.store.tasks import TASK, TaskStore
from schemas.orders import OrderState
from schemas.stock import Condition
from tests.nervure.world import World, a_till_sale, an_order, at, capable, merchant, overtaken

MUST_ACCEPT = capable(must_accept_orders=True)


def close(world: World) -> int:
    return SettledTaskStore(world.connection, world.now).close_settled()


def sell(world: World, ticket: str, units: int) -> None:
    """The till in lyon sells bolts, whether they are there or not."""
    world.take_in(a_till_sale(ticket, {"BOLT": units}, "counter", channel="till"))


def still_open(world: World) -> dict[str, int]:
    return dict(world.open_tasks())


# -- oversold --------------------------------------------------------------------------------------------------


def test_a_place_that_was_oversold_is_no_task_once_as_many_units_are_there_as_are_owed(world: World) -> None:
    merchant(world)
    sell(world, "t1", 2)
    assert close(world) == 0
    world.receive("BOLT", "lyon", 1)
    assert (close(world), still_open(world)) == (0, {"oversold": 1}), "one unit more is owed than is there"
    world.receive("BOLT", "lyon", 1)
    assert (close(world.later(1)), still_open(world)) == (1, {})
    assert world.connection.execute(sa.select(TASK.c.closed_at)).scalars().all() == [at(1)]
    assert close(world.later(2)) == 0
    sell(world, "t2", 1)
    assert (close(world.later(3)), still_open(world)) == (0, {"oversold": 1}), "it happened again"


def test_a_place_whose_orders_are_served_elsewhere_owes_nothing_more(world: World) -> None:
    merchant(world, bolt_lyon=3)
    world.take_in(an_order("1", {"BOLT": 3}))
    sell(world, "t1", 2)
    assert (world.claimable("BOLT", "lyon"), still_open(world)) == (0, {"oversold": 1, "shortfall": 1})
    assert (close(world), still_open(world)) == (1, {"shortfall": 1})


def test_units_at_another_place_or_in_another_condition_cover_nothing(world: World) -> None:
    merchant(world)
    sell(world, "t1", 1)
    world.receive("BOLT", "paris", 9)
    world.move("BOLT", "lyon", 9, condition=Condition.DAMAGED)
    world.receive("NUT", "lyon", 9)
    assert (close(world), still_open(world)) == (0, {"oversold": 1})


def test_the_units_of_all_owners_are_counted_together(world: World) -> None:
    merchant(world)
    sell(world, "t1", 2)
    world.receive("BOLT", "lyon", 2, owner="acme")
    assert world.claimable("BOLT", "lyon") == 0
    assert (close(world), still_open(world)) == (1, {})


def test_each_place_has_its_own_task(world: World) -> None:
    merchant(world)
    world.take_in(a_till_sale("t1", {"BOLT": 1, "NUT": 1}, "counter", channel="till"))
    assert still_open(world) == {"oversold": 2}
    world.receive("NUT", "lyon", 1)
    assert (close(world), still_open(world)) == (1, {"oversold": 1})
    [subject] = world.connection.execute(sa.select(TASK.c.subject).where(TASK.c.closed_at.is_(None))).scalars()
    place = world.place("BOLT", "lyon")
    assert subject == f"item:{place.item_id}:location:{place.location_id}"


def test_what_a_person_has_closed_stays_as_it_was(world: World) -> None:
    merchant(world)
    sell(world, "t1", 1)
    [task] = world.connection.execute(sa.select(TASK.c.id)).scalars()
    assert TaskStore(world.connection, at(1)).close_number(task)
    world.receive("BOLT", "lyon", 1)
    assert close(world.later(2)) == 0
    assert world.connection.execute(sa.select(TASK.c.closed_at)).scalars().all() == [at(1)]


def oversold(database: Database) -> None:
    """One bolt was sold that was not there, and has come since: the task is still open."""
    with database.write() as connection:
        world = World(connection)
        merchant(world)
        sell(world, "t1", 1)
        world.receive("BOLT", "lyon", 1)


def still_oversold(database: Database) -> dict[str, int]:
    with database.read() as connection:
        assert World(connection).claimable("BOLT", "lyon") == -1
        return still_open(World(connection))


@pytest.mark.postgresql
def test_a_task_is_not_closed_over_a_sale_that_is_just_being_booked(postgresql_at: Database) -> None:
    oversold(postgresql_at)
    closed = overtaken(postgresql_at, slow=lambda world: sell(world, "t2", 1), fast=close)
    assert (closed, still_oversold(postgresql_at)) == (0, {"oversold": 1})


@pytest.mark.postgresql
def test_a_sale_that_waits_while_the_task_is_closed_opens_it_again(postgresql_at: Database) -> None:
    oversold(postgresql_at)
    overtaken(postgresql_at, slow=close, fast=lambda world: sell(world, "t2", 1))
    assert still_oversold(postgresql_at) == {"oversold": 1}


# -- message_refused -------------------------------------------------------------------------------------------


def refuse(world: World, target: str = "shop") -> None:
    """Every message that is due is refused."""
    messages = MessageStore(world.connection, world.now)
    for message in messages.lease(target, 99):
        assert messages.bury(message.id, "refused")
        world.tasks.open("message_refused", f"{message.kind}:{message.reference}", "refused")


def shipped(world: World, **orders: int) -> None:
    """Orders of bolts whose parcels have left paris, and the shop refuses to hear of it."""
    merchant(world, bolt_paris=9)
    for order, units in orders.items():
        world.take_in(an_order(order, {"BOLT": units}))
        world.ship_all(order)
    refuse(world)


def state_of(world: World, order: str, state: OrderState) -> None:
    """The channel says where the order stands."""
    world.take_in(an_order(order, {"BOLT": 1}, state=state, minute=5), MUST_ACCEPT)


@pytest.mark.parametrize(("state", "left"), [(OrderState.OPEN, 1), (OrderState.COMPLETED, 0)])
def test_a_refused_shipment_needs_somebody_until_the_channel_says_that_the_order_is_complete(
    world: World, state: OrderState, left: int
) -> None:
    shipped(world, A=1, B=1)
    assert (close(world), still_open(world)) == (0, {"message_refused": 2})
    state_of(world, "A", state)
    assert (close(world), still_open(world)) == (1 - left, {"message_refused": 1 + left})


def test_a_refused_shipment_of_an_order_that_is_canceled_is_another_task(world: World) -> None:
    shipped(world, A=1)
    state_of(world, "A", OrderState.CANCELED)
    assert (close(world), still_open(world)) == (1, {"canceled_after_shipping": 1})


def test_of_several_parcels_a_refused_one_is_for_a_person_whoever_completed_the_order(world: World) -> None:
    merchant(world, bolt_paris=1, bolt_lyon=1)
    world.take_in(an_order("A", {"BOLT": 2}))
    assert len(world.ship_all("A")) == 2
    refuse(world)
    world.take_in(an_order("A", {"BOLT": 2}, state=OrderState.COMPLETED, minute=5))
    assert (close(world), still_open(world)) == (0, {"message_refused": 2})


@pytest.mark.parametrize(
    ("state", "closed"),
    [
        (OrderState.AWAITING_ACCEPTANCE, 0),
        (OrderState.AWAITING_PAYMENT, 1),
        (OrderState.OPEN, 1),
        (OrderState.CANCELED, 1),
    ],
)
def test_a_refused_acceptance_needs_somebody_while_the_order_waits_for_it(
    world: World, state: OrderState, closed: int
) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("A", {"BOLT": 1}, state=OrderState.AWAITING_ACCEPTANCE), MUST_ACCEPT)
    refuse(world)
    state_of(world, "A", state)
    assert (close(world), still_open(world)) == (closed, {} if closed else {"message_refused": 1})


@pytest.mark.parametrize("kind", ["shipment", "accept_order", "drop_ship"])
def test_a_refused_message_that_arrived_after_all_needs_nobody(world: World, kind: str) -> None:
    for reference in ("fulfillment:1", "fulfillment:11"):
        world.outbox.enqueue(kind, "shop", reference, {})
    refuse(world)
    assert close(world) == 0
    [first] = world.connection.execute(sa.select(OUTBOX.c.id).where(OUTBOX.c.reference == "fulfillment:1")).scalars()
    MessageStore(world.connection, at(1)).done(first)
    assert close(world) == 1
    [subject] = world.connection.execute(sa.select(TASK.c.subject).where(TASK.c.closed_at.is_(None))).scalars()
    assert subject == f"{kind}:fulfillment:11"


def test_an_order_that_a_supplier_refused_is_for_a_person_also_when_somebody_else_has_served_it(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("A", {"BOLT": 1}))
    [number] = world.fulfillment_numbers("A")
    world.outbox.enqueue("drop_ship", "acme", f"fulfillment:{number}", {})
    refuse(world, "acme")
    state_of(world, "A", OrderState.COMPLETED)
    assert (close(world), still_open(world)) == (0, {"message_refused": 1})


@pytest.mark.parametrize("kind", ["shortfall", "canceled_after_shipping", "feed_held", "something_new"])
def test_other_tasks_are_left_to_who_does_what_they_ask_for(world: World, kind: str) -> None:
    merchant(world, bolt_paris=9)
    world.tasks.open(kind, "acme", "somebody must look")
    assert (close(world), still_open(world)) == (0, {kind: 1})
