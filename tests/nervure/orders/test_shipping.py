import pytest

from nervure.orders.shipping import ship
from nervure.store.messages import MessageStore
from nervure.store.outbox import OUTBOX
from schemas.fulfillment import FulfillmentLine, FulfillmentState, Parcel
from schemas.orders import OrderState
from tests.nervure.world import World, a_pickup, a_till_sale, an_order, at, merchant, must_hold


@pytest.mark.requirement("R11")
def test_what_leaves_is_booked_once_and_its_claim_is_consumed(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    [number] = world.fulfillment_numbers("1")
    assert world.ship(number, minute=7)
    assert not world.ship(number, minute=8)
    assert (world.on_hand("BOLT", "paris"), world.allocated("BOLT", "paris")) == (3, 0)
    assert world.movements("BOLT", "paris") == [("received", 5), ("shipped", -2)]
    assert world.claims() == {"consumed": 2}
    assert world.served("1") == {("1-1", "paris", "shipped"): 2}
    must_hold(world)


def test_the_channel_is_told_once_what_left(world: World) -> None:
    merchant(world, bolt_paris=1, bolt_lyon=2)
    world.take_in(an_order("1", {"BOLT": 3}))
    first, second = world.fulfillment_numbers("1")
    messages = MessageStore(world.connection, world.now)
    messages.track(first, "Chronopost", "of a parcel that nobody has packed")
    world.ship(first, minute=7)
    messages.track(first, "Colissimo", "6A123")
    messages.track(first, "Colissimo", "6A124")
    told = messages.shipment(first)
    assert (told.external_id, told.channel, told.order, told.location) == (f"nervure-{first}", "shop", "1", "paris")
    assert told.shipped_at == at(7)
    assert told.lines == (FulfillmentLine(order_line="1-1", units=1),)
    assert told.parcel == Parcel(carrier="Colissimo", tracking_number="6A123")
    assert not told.completes_order
    world.ship(second, minute=8)
    assert messages.shipment(second).completes_order
    rows = world.connection.execute(OUTBOX.select().order_by(OUTBOX.c.id)).all()
    assert [(row.kind, row.target, row.reference) for row in rows] == [
        ("shipment", "shop", f"fulfillment:{first}"),
        ("shipment", "shop", f"fulfillment:{second}"),
    ]


def test_an_order_with_a_shortfall_is_not_complete_when_the_rest_has_left(world: World) -> None:
    merchant(world, bolt_paris=1)
    world.take_in(an_order("1", {"BOLT": 2}))
    [number] = world.fulfillment_numbers("1")
    world.ship(number)
    assert not MessageStore(world.connection, world.now).shipment(number).completes_order


@pytest.mark.requirement("R11")
def test_a_canceled_fulfillment_order_does_not_leave(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    [number] = world.fulfillment_numbers("1")
    world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.CANCELED))
    assert not world.ship(number)
    assert world.on_hand("BOLT", "paris") == 5
    assert world.movements("BOLT", "paris") == [("received", 5)]
    must_hold(world)


@pytest.mark.requirement("R37")
def test_a_kit_leaves_as_its_parts(world: World) -> None:
    merchant(world, bolt_paris=2, nut_paris=4)
    world.take_in(an_order("1", {"PAIR": 2}))
    world.ship_all("1")
    assert world.movements("BOLT", "paris") == [("received", 2), ("shipped", -2)]
    assert world.movements("NUT", "paris") == [("received", 4), ("shipped", -4)]
    must_hold(world)


@pytest.mark.requirement("R09")
def test_units_leave_the_owner_and_the_lot_that_they_were_claimed_from(world: World) -> None:
    merchant(world)
    world.receive("BOLT", "paris", 1, lot="L7")
    world.receive("BOLT", "paris", 4, owner="acme", lot="A1")
    world.take_in(an_order("1", {"BOLT": 3}))
    world.ship_all("1")
    left = {level.owner: level.claimable for level in world.stock.lock_sellable([world.place("BOLT", "paris")])}
    assert left == {"us": 0, "acme": 2}
    must_hold(world)


@pytest.mark.requirement("R45")
def test_a_pickup_is_handed_over_where_it_waits(world: World) -> None:
    merchant(world, bolt_lyon=2)
    world.take_in(a_pickup("1", {"BOLT": 1}, "counter", channel="till"))
    [number] = world.fulfillment_numbers("1")
    assert ship(number, world.desk(), shipped_at=at(3), state=FulfillmentState.HANDED_OVER)
    assert world.served("1") == {("1-1", "lyon", "handed_over"): 1}
    assert world.on_hand("BOLT", "lyon") == 1
    must_hold(world)


@pytest.mark.requirement("R03")
def test_a_parcel_that_a_count_no_longer_saw_is_not_taken_off_twice(world: World) -> None:
    merchant(world, bolt_lyon=5)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.later(30).count("BOLT", "lyon", 3, minute=20)
    world.later(31).ship_all("1", minute=10)
    assert (world.on_hand("BOLT", "lyon"), world.allocated("BOLT", "lyon")) == (3, 0)
    must_hold(world)


def test_a_till_sale_is_booked_whatever_our_numbers_say(world: World) -> None:
    merchant(world)
    world.take_in(a_till_sale("1", {"BOLT": 2}, "counter", channel="till"))
    assert world.movements("BOLT", "lyon") == [("sold", -2)]
    assert world.served("1") == {("1-1", "lyon", "handed_over"): 2}
    assert world.open_tasks() == {"oversold": 1}
    must_hold(world, oversold=[("BOLT", "lyon")])


def test_the_same_ticket_again_sells_nothing_more_and_a_longer_one_the_difference(world: World) -> None:
    merchant(world, bolt_lyon=9)
    ticket = a_till_sale("1", {"BOLT": 2}, "counter", channel="till")
    world.take_in(ticket)
    world.take_in(ticket)
    assert world.movements("BOLT", "lyon") == [("received", 9), ("sold", -2)]
    world.take_in(a_till_sale("1", {"BOLT": 3}, "counter", channel="till", minute=1))
    assert world.movements("BOLT", "lyon") == [("received", 9), ("sold", -2), ("sold", -1)]
    must_hold(world)


@pytest.mark.requirement("R11")
def test_a_ticket_canceled_after_the_goods_were_handed_over_asks_somebody(world: World) -> None:
    merchant(world, bolt_lyon=9)
    world.take_in(a_till_sale("1", {"BOLT": 2}, "counter", channel="till"))
    for minute in (1, 2):
        world.take_in(
            a_till_sale("1", {"BOLT": 2}, "counter", channel="till", minute=minute, state=OrderState.CANCELED)
        )
        assert world.on_hand("BOLT", "lyon") == 7
        assert world.lines("1") == {"1-1": (2, 2, 0)}
        assert world.open_tasks() == {"canceled_after_shipping": 1}
    must_hold(world)
