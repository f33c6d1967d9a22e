import pytest

from nervure.orders.work import UnboundListingError
from nervure.store.orders import RETURN, RETURN_LINE
from nervure.store.statements import CHANGE, MOVEMENT
from schemas.stock import Condition
from tests.nervure.world import World, a_return, an_order, merchant, must_hold


@pytest.mark.requirement("R38")
def test_goods_that_come_back_are_booked_where_they_were_given_back(world: World) -> None:
    merchant(world)
    assert world.take_back(a_return("1", {"BOLT": 2}, channel="till", point="counter"))
    assert world.movements("BOLT", "lyon") == [("returned", 2)]
    assert world.claimable("BOLT", "lyon") == 2
    must_hold(world)


@pytest.mark.requirement("R38")
def test_without_a_stock_point_goods_come_back_to_the_channels_first_location(world: World) -> None:
    merchant(world)
    world.take_back(a_return("1", {"BOLT": 2}))
    assert world.on_hand("BOLT", "paris") == 2


@pytest.mark.requirement("R38")
def test_a_refund_alone_moves_no_goods(world: World) -> None:
    merchant(world)
    world.forget_changes()
    assert world.take_back(a_return("1", {"BOLT": 2}, restocked=False))
    assert [world.rows(table) for table in (RETURN, RETURN_LINE, MOVEMENT, CHANGE)] == [1, 1, 0, 0]


@pytest.mark.requirement("R38")
def test_damaged_goods_come_back_but_cannot_be_sold(world: World) -> None:
    merchant(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    world.take_back(a_return("1", {"BOLT": 2}, condition=Condition.DAMAGED))
    assert world.movements("BOLT", "paris") == [("returned", 2)]
    assert world.claimable("BOLT", "paris") == 0
    assert world.lines("1") == {"1-1": (1, 0, 1)}
    must_hold(world)


@pytest.mark.requirement("R22", "R38")
def test_a_return_heard_twice_is_one_and_its_later_lines_are_added(world: World) -> None:
    merchant(world)
    assert world.take_back(a_return("1", {"BOLT": 2}))
    changes = world.rows(CHANGE)
    assert not world.take_back(a_return("1", {"BOLT": 2}))
    assert world.rows(CHANGE) == changes
    assert world.take_back(a_return("1", {"BOLT": 2, "NUT": 1}))
    assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (2, 1)
    assert (world.rows(RETURN), world.rows(RETURN_LINE)) == (1, 2)
    must_hold(world)


@pytest.mark.requirement("R37", "R38")
def test_a_kit_comes_back_as_its_parts(world: World) -> None:
    merchant(world)
    world.take_back(a_return("1", {"PAIR": 2}))
    assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (2, 4)


@pytest.mark.requirement("R02", "R38")
def test_goods_that_come_back_serve_who_waits_for_them(world: World) -> None:
    merchant(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    world.take_back(a_return("1", {"BOLT": 1}))
    assert world.served("1") == {("1-1", "paris", "allocated"): 1}
    must_hold(world)


@pytest.mark.requirement("R03", "R38")
def test_goods_that_came_back_before_a_count_are_not_added_to_it(world: World) -> None:
    merchant(world, bolt_lyon=5)
    world.later(30).count("BOLT", "lyon", 7, minute=20)
    world.later(31).take_back(a_return("1", {"BOLT": 2}, channel="till", point="counter", minute=10))
    assert world.on_hand("BOLT", "lyon") == 7
    must_hold(world)


@pytest.mark.requirement("R39")
def test_a_return_of_an_unbound_listing_leaves_nothing_behind(world: World) -> None:
    merchant(world)
    world.forget_changes()
    with pytest.raises(UnboundListingError, match=r"^listing 'L-CLAMP' of channel 'shop' is not bound to an item$"):
        world.take_back(a_return("1", {"BOLT": 1, "CLAMP": 1}))
    assert [world.rows(table) for table in (RETURN, RETURN_LINE, MOVEMENT, CHANGE)] == [0, 0, 0, 0]


def test_a_return_at_a_stock_point_that_stands_for_nothing_says_so(world: World) -> None:
    merchant(world)
    with pytest.raises(UnboundListingError, match=r"^stock point 'attic' of channel 'shop' stands for no location$"):
        world.take_back(a_return("1", {"BOLT": 1}, point="attic"))
