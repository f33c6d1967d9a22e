import pytest

from nervure.orders.settling import cover, rebalance, release, serve_shortfalls
from nervure.store.messages import MessageStore
from nervure.store.outbox import OUTBOX
from nervure.store.reports import ReportStore
from nervure.store.statements import CLAIM
from schemas.locations import LocationKind
from schemas.orders import OrderState
from tests.nervure.world import World, a_pickup, a_till_sale, an_order, at, merchant, must_hold


@pytest.mark.requirement("R02", "R20")
def test_after_a_till_sale_the_newest_allocation_is_served_elsewhere(world: World) -> None:
    merchant(world, bolt_lyon=3)
    world.take_in(an_order("older", {"BOLT": 1}))
    world.take_in(an_order("newer", {"BOLT": 1}))
    world.receive("BOLT", "paris", 5)
    world.take_in(a_till_sale("ticket", {"BOLT": 2}, "counter", channel="till"))
    assert world.served("older") == {("older-1", "lyon", "allocated"): 1}
    assert world.served("newer") == {("newer-1", "paris", "allocated"): 1}
    assert (world.on_hand("BOLT", "lyon"), world.claimable("BOLT", "lyon")) == (1, 0)
    assert world.open_tasks() == {"oversold": 1}
    must_hold(world)


@pytest.mark.requirement("R02", "R20")
def test_what_no_other_place_has_falls_short(world: World) -> None:
    merchant(world, bolt_lyon=3)
    world.take_in(an_order("1", {"BOLT": 3}))
    world.take_in(a_till_sale("ticket", {"BOLT": 2}, "counter", channel="till"))
    assert world.lines("1") == {"1-1": (3, 1, 2)}
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    assert world.open_tasks() == {"oversold": 1, "shortfall": 1}
    must_hold(world)


def test_only_as_many_units_are_moved_as_are_missing(world: World) -> None:
    merchant(world, bolt_lyon=4)
    for order in ("1", "2"):
        world.take_in(an_order(order, {"BOLT": 2}))
    world.receive("BOLT", "paris", 1)
    world.lose("BOLT", "lyon", 1)
    assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
    assert world.served("2") == {("2-1", "lyon", "allocated"): 1, ("2-1", "paris", "allocated"): 1}
    assert world.claims() == {"held": 4, "released": 1}
    must_hold(world)


@pytest.mark.requirement("R37")
def test_a_kit_that_lost_a_part_gives_back_the_other_parts_too(world: World) -> None:
    merchant(world, bolt_paris=1, nut_paris=2, bolt_lyon=1, nut_lyon=2)
    world.take_in(an_order("1", {"PAIR": 1}))
    assert world.served("1") == {("1-1", "paris", "allocated"): 1}
    world.lose("NUT", "paris", 1)
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    assert (world.allocated("BOLT", "paris"), world.allocated("NUT", "paris")) == (0, 0)
    assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (1, 1)
    must_hold(world)


@pytest.mark.requirement("R37")
def test_a_kit_sold_at_the_till_takes_both_parts_from_the_one_order_that_had_them(world: World) -> None:
    merchant(world, bolt_lyon=1, nut_lyon=2)
    world.take_in(an_order("1", {"PAIR": 1}))
    world.take_in(a_till_sale("ticket", {"PAIR": 1}, "counter", channel="till"))
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    assert world.fulfillment_numbers("1") == []
    assert (world.claimable("BOLT", "lyon"), world.claimable("NUT", "lyon")) == (0, 0)
    must_hold(world)


@pytest.mark.requirement("R37")
def test_as_few_kits_are_given_up_as_bring_the_missing_parts(world: World) -> None:
    merchant(world, bolt_lyon=3, nut_lyon=6)
    world.take_in(an_order("1", {"PAIR": 3}))
    world.lose("NUT", "lyon", 3)
    assert world.lines("1") == {"1-1": (3, 1, 2)}
    assert (world.claimable("BOLT", "lyon"), world.claimable("NUT", "lyon")) == (2, 1)
    must_hold(world)


def test_what_has_left_is_not_called_back(world: World) -> None:
    merchant(world, bolt_lyon=2)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.ship_all("1")
    world.lose("BOLT", "lyon", 1)
    assert world.served("1") == {("1-1", "lyon", "shipped"): 2}
    assert world.claimable("BOLT", "lyon") == -1
    must_hold(world, oversold=[("BOLT", "lyon")])


def test_a_place_where_everything_is_there_is_left_alone(world: World) -> None:
    merchant(world, bolt_lyon=3)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.lose("BOLT", "lyon", 1)
    assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
    assert world.open_tasks() == {}


def test_units_of_another_owner_at_the_place_serve_before_anybody_is_called_oversold(world: World) -> None:
    merchant(world, bolt_lyon=1)
    world.take_in(an_order("1", {"BOLT": 1}))
    world.receive("BOLT", "lyon", 2, owner="acme")
    world.take_in(a_till_sale("ticket", {"BOLT": 1}, "counter", channel="till"))
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    assert world.open_tasks() == {}
    must_hold(world)


@pytest.mark.requirement("R45")
def test_a_pickup_is_never_moved_to_another_store(world: World) -> None:
    merchant(world)
    world.location("nice", kind=LocationKind.STORE)
    world.channel("click", {"store": ["lyon", "nice"]})
    world.list_on("click", "BOLT")
    world.receive("BOLT", "lyon", 1)
    world.receive("BOLT", "nice", 9)
    world.take_in(a_pickup("1", {"BOLT": 1}, "store", channel="click"))
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    world.lose("BOLT", "lyon", 1)
    assert world.served("1") == {}
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    world.goods_in("BOLT", "nice", 1)
    assert world.served("1") == {}
    world.goods_in("BOLT", "lyon", 1)
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    must_hold(world)


@pytest.mark.requirement("R45")
def test_a_pickup_takes_only_what_its_store_has(world: World) -> None:
    merchant(world, bolt_paris=9, bolt_lyon=1)
    world.channel("click", {"store": ["lyon", "paris"]})
    world.list_on("click", "BOLT")
    world.take_in(a_pickup("1", {"BOLT": 2}, "store", channel="click"))
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    assert world.lines("1") == {"1-1": (2, 1, 1)}


@pytest.mark.requirement("R45")
def test_a_pickup_is_offered_as_far_as_the_store_itself_has_it(world: World) -> None:
    merchant(world, bolt_paris=9, nut_paris=9, bolt_lyon=4, nut_lyon=5)
    world.location("nice", kind=LocationKind.STORE)
    world.safety_stock("BOLT", "lyon", 1)
    world.take_in(a_till_sale("ticket", {"NUT": 1}, "counter", channel="till"))
    reports = ReportStore(world.connection, world.now)
    assert reports.pickup("BOLT") == {"lyon": 3, "nice": 0}
    assert reports.pickup("PAIR") == {"lyon": 2, "nice": 0}
    assert reports.pickup("CUP") is None


@pytest.mark.requirement("R45")
def test_nobody_picks_up_where_nothing_can_be_picked_up(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.channel("click", {"depot": ["paris"]})
    world.list_on("click", "BOLT")
    world.take_in(a_pickup("1", {"BOLT": 1}, "depot", channel="click"))
    assert world.lines("1") == {"1-1": (1, 0, 1)}


@pytest.mark.requirement("R02")
def test_goods_that_come_in_serve_who_waits_longest(world: World) -> None:
    merchant(world)
    for order in ("first", "second"):
        world.take_in(an_order(order, {"BOLT": 2}))
    world.goods_in("BOLT", "paris", 3)
    assert world.lines("first") == {"first-1": (2, 2, 0)}
    assert world.lines("second") == {"second-1": (2, 1, 1)}
    assert world.open_tasks() == {"shortfall": 1}
    world.goods_in("BOLT", "lyon", 1)
    assert world.lines("second") == {"second-1": (2, 2, 0)}
    assert world.open_tasks() == {}
    must_hold(world)


@pytest.mark.requirement("R37")
def test_a_part_that_comes_in_serves_the_kit_that_waits_for_it(world: World) -> None:
    merchant(world, nut_paris=2)
    world.take_in(an_order("1", {"PAIR": 1}))
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    world.goods_in("BOLT", "paris", 1)
    assert world.served("1") == {("1-1", "paris", "allocated"): 1}
    must_hold(world)


def test_goods_that_nobody_waits_for_stay_on_the_shelf(world: World) -> None:
    merchant(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    world.goods_in("NUT", "paris", 3)
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    assert world.claimable("NUT", "paris") == 3


def test_a_canceled_order_does_not_wait_any_more(world: World) -> None:
    merchant(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    world.take_in(an_order("1", {"BOLT": 1}, minute=1, state=OrderState.CANCELED))
    assert world.open_tasks() == {}
    world.goods_in("BOLT", "paris", 1)
    assert world.claimable("BOLT", "paris") == 1
    must_hold(world)


def test_a_kit_that_is_packed_otherwise_today_gives_back_what_was_taken_then(world: World) -> None:
    merchant(world, bolt_paris=1, nut_paris=2)
    world.take_in(an_order("1", {"PAIR": 1}))
    world.kit("PAIR", {"BOLT": 2})
    world.take_in(an_order("1", {"PAIR": 1}, minute=1, state=OrderState.CANCELED))
    assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (1, 2)
    must_hold(world)


def test_a_supplier_gets_the_order_that_only_it_can_serve_once(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.locations.set_as_of(acme, world.now)
    world.channel("shop", {"web": ["paris", "acme"]})
    world.receive("BOLT", "acme", 3)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.take_in(an_order("1", {"BOLT": 2}, minute=1))
    [number] = world.fulfillment_numbers("1")
    messages = world.connection.execute(OUTBOX.select()).all()
    assert [(row.kind, row.target, row.reference, row.payload) for row in messages] == [
        ("drop_ship", "acme", f"fulfillment:{number}", {"fulfillment_order": number})
    ]


def test_a_supplier_whose_number_is_too_old_serves_nothing(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.locations.set_as_of(acme, world.now)
    world.channel("shop", {"web": ["acme"]})
    world.receive("BOLT", "acme", 3)
    world.later(60).take_in(an_order("1", {"BOLT": 1}))
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    world.later(59.9).take_in(an_order("2", {"BOLT": 1}))
    assert world.lines("2") == {"2-1": (1, 1, 0)}


@pytest.mark.requirement("R11")
def test_what_a_supplier_has_in_hand_is_neither_moved_nor_canceled(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.locations.set_as_of(acme, world.now)
    world.channel("shop", {"web": ["acme", "paris"]})
    world.receive("BOLT", "acme", 2)
    world.take_in(an_order("1", {"BOLT": 2}))
    [number] = world.fulfillment_numbers("1")
    MessageStore(world.connection, at(1)).sent_to_supplier(number)
    world.receive("BOLT", "paris", 5)
    world.lose("BOLT", "acme", 1)
    world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.CANCELED))
    assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 2}
    assert world.open_tasks() == {"oversold": 1, "canceled_after_shipping": 1}
    must_hold(world, oversold=[("BOLT", "acme")])


@pytest.mark.requirement("R11")
def test_nothing_is_released_twice(world: World) -> None:
    merchant(world, bolt_paris=2)
    world.take_in(an_order("1", {"BOLT": 2}))
    [number] = world.fulfillment_numbers("1")
    [held] = world.fulfillment.lines(fulfillment_order_id=number)
    release(world.desk(), held, 1)
    release(world.desk(), held, 0)
    with pytest.raises(ValueError, match=rf"^line {held.id} does not hold 1 more units of item {held.item_id}$"):
        world.stock.release_units(held.id, {held.item_id: 2})


def test_a_claim_given_back_in_part_is_split(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.take_in(an_order("1", {"BOLT": 5}))
    world.take_in(an_order("1", {"BOLT": 2}, minute=1))
    claims = world.connection.execute(CLAIM.select().order_by(CLAIM.c.id)).all()
    assert [(row.units, row.state) for row in claims] == [(2, "held"), (3, "released")]
    must_hold(world)


def test_settling_what_is_settled_changes_nothing(world: World) -> None:
    merchant(world, bolt_paris=2, bolt_lyon=1)
    world.take_in(an_order("1", {"BOLT": 4}))
    desk = world.desk()
    before = (world.served("1"), world.claims(), world.open_tasks())
    world.forget_changes()
    places = [world.place("BOLT", "paris"), world.place("BOLT", "lyon")]
    rebalance(places, desk)
    serve_shortfalls([places[0].item_id], desk)
    cover(1, desk, [], may_split=True)
    assert (world.served("1"), world.claims(), world.open_tasks()) == before
    must_hold(world)
