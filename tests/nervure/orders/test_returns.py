from decimal import Decimal
from itertools import permutations

import pytest
import sqlalchemy as sa

from nervure.orders.work import UnboundListingError
from nervure.store.returns import RETURN, RETURN_LINE
from nervure.store.statements import CHANGE, LEVEL, MOVEMENT
from schemas.base import Money
from schemas.orders import Order, OrderState, Return, ReturnLine
from schemas.stock import Condition
from tests.nervure.world import World, a_return, an_order, at, merchant, must_hold


def said(
    minute: float,
    units: int,
    *,
    restocked: bool = True,
    condition: Condition = Condition.SELLABLE,
    point: str | None = "web",
    refund: Money | None = None,
    sku: str = "BOLT",
) -> Return:
    """One statement about one line of return 7 of order 1."""
    line = ReturnLine(
        external_id="7-1",
        order_line="1-1",
        listing_external_id=f"L-{sku}",
        units=units,
        restocked=restocked,
        condition=condition,
        stock_point=point,
    )
    return Return(channel="shop", external_id="7", order="1", occurred_at=at(minute), lines=(line,), refund=refund)


def hear(world: World, one: Order | Return) -> bool:
    return world.take_back(one) if isinstance(one, Return) else world.take_in(one)


def shelves(world: World) -> dict[tuple[str, str, str], int]:
    """Units on hand by sku, location and condition; where none lie is left out."""
    found: dict[tuple[str, str, str], int] = {}
    for sku in ("BOLT", "NUT"):
        for location in ("paris", "lyon"):
            place = world.place(sku, location)
            query = sa.select(LEVEL.c.condition, LEVEL.c.on_hand).where(
                LEVEL.c.item_id == place.item_id, LEVEL.c.location_id == place.location_id, LEVEL.c.on_hand != 0
            )
            found |= {(sku, location, condition): units for condition, units in world.connection.execute(query)}
    return found


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


# -- refund, return and restock in any order -------------------------------------------------------------------


@pytest.mark.requirement("R38")
def test_goods_that_a_refund_was_told_for_before_come_back_once(world: World) -> None:
    merchant(world)
    assert world.take_back(said(1, 2, restocked=False, refund=Money(amount=Decimal("9.90"), currency="EUR")))
    assert shelves(world) == {}
    assert world.take_back(said(2, 2))
    assert not world.take_back(said(1, 2, restocked=False))
    assert shelves(world) == {("BOLT", "paris", "sellable"): 2}
    assert world.movements("BOLT", "paris") == [("returned", 2)]
    must_hold(world)


@pytest.mark.requirement("R38")
def test_a_refund_told_after_the_goods_is_kept_with_them(world: World) -> None:
    merchant(world)
    world.take_back(said(1, 2))
    assert not world.take_back(said(2, 2, restocked=False, refund=Money(amount=Decimal("9.90"), currency="EUR")))
    row = world.connection.execute(sa.select(RETURN)).one()
    assert (row.refund_amount, row.refund_currency) == (Decimal("9.90"), "EUR")
    assert world.rows(MOVEMENT) == 1


@pytest.mark.requirement("R38")
def test_more_units_of_a_line_come_back_later(world: World) -> None:
    merchant(world)
    assert [world.take_back(said(minute, units)) for minute, units in ((1, 1), (2, 3), (1, 1))] == [True, True, False]
    assert world.movements("BOLT", "paris") == [("returned", 1), ("returned", 2)]
    must_hold(world)


@pytest.mark.requirement("R38")
def test_goods_that_were_inspected_change_their_condition_and_are_sold_again(world: World) -> None:
    merchant(world)
    world.take_in(an_order("9", {"BOLT": 1}))
    world.take_back(said(1, 2, condition=Condition.QUALITY_CONTROL))
    assert world.lines("9") == {"9-1": (1, 0, 1)}
    world.take_back(said(2, 2))
    assert shelves(world) == {("BOLT", "paris", "sellable"): 2}
    assert world.movements("BOLT", "paris") == [
        ("returned", 2),
        ("condition_changed", -2),
        ("condition_changed", 2),
    ]
    assert world.lines("9") == {"9-1": (1, 1, 0)}
    must_hold(world)


@pytest.mark.requirement("R37", "R38")
def test_a_kit_is_inspected_as_its_parts(world: World) -> None:
    merchant(world)
    world.take_back(said(1, 1, condition=Condition.QUALITY_CONTROL, sku="PAIR"))
    world.take_back(said(2, 1, condition=Condition.DAMAGED, sku="PAIR"))
    assert shelves(world) == {("BOLT", "paris", "damaged"): 1, ("NUT", "paris", "damaged"): 2}


@pytest.mark.requirement("R23", "R38")
def test_refund_return_and_restock_end_the_same_in_every_order(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.channel("shop", {"web": ["paris", "lyon"], "counter": ["lyon"]})
    money = Money(amount=Decimal("9.90"), currency="EUR")
    statements = [
        said(2, 2, restocked=False, refund=money),
        said(3, 1, condition=Condition.QUALITY_CONTROL),
        said(4, 2, condition=Condition.QUALITY_CONTROL, point="counter"),
        said(5, 2, point="counter"),
    ]
    bought = an_order("1", {"BOLT": 2}, minute=1, state=OrderState.COMPLETED)
    ends = []
    happened: list[Order | Return] = [bought, *statements]
    for arrival in permutations(happened):
        with world.undone():
            for one in arrival:
                for _ in range(2):
                    hear(world, one)
            must_hold(world)
            row = world.connection.execute(sa.select(RETURN)).one()
            line = world.connection.execute(sa.select(RETURN_LINE)).one()
            ends.append(
                (
                    shelves(world),
                    world.served("1"),
                    world.open_tasks(),
                    (row.refund_amount, line.units, line.units_back, line.condition),
                )
            )
    expected: tuple[object, ...] = (
        {("BOLT", "paris", "sellable"): 7, ("BOLT", "lyon", "sellable"): 2},
        {("1-1", "paris", "shipped"): 2},
        {},
        (Decimal("9.90"), 2, 2, "sellable"),
    )
    assert len(ends) == 120
    assert all(end == expected for end in ends)


@pytest.mark.requirement("R38")
def test_of_two_statements_of_one_instant_the_careful_one_is_believed_in_either_order(world: World) -> None:
    merchant(world)
    statements = [said(2, 1), said(2, 1, condition=Condition.QUALITY_CONTROL)]
    for arrival in permutations(statements):
        with world.undone():
            for one in arrival:
                world.take_back(one)
            assert shelves(world) == {("BOLT", "paris", "quality_control"): 1}


@pytest.mark.requirement("R38")
def test_more_units_than_were_sold_are_booked_and_a_person_looks(world: World) -> None:
    merchant(world, bolt_paris=9)
    happened: list[Order | Return] = [
        an_order("1", {"BOLT": 2}, minute=1, state=OrderState.COMPLETED),
        said(2, 3),
        said(1, 3, restocked=False),
    ]
    for arrival in permutations(happened):
        with world.undone():
            for one in arrival:
                hear(world, one)
            assert world.open_tasks() == {"returned_more_than_sold": 1}
            assert world.on_hand("BOLT", "paris") == 10
            must_hold(world)


@pytest.mark.requirement("R38")
def test_the_task_is_closed_when_the_order_turns_out_to_be_larger(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.COMPLETED))
    world.take_back(said(2, 3))
    world.take_in(an_order("1", {"BOLT": 3}, minute=3, state=OrderState.COMPLETED))
    assert world.open_tasks() == {}


@pytest.mark.requirement("R38")
def test_a_refund_of_more_units_than_came_back_is_no_matter_of_stock(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("1", {"BOLT": 2}, minute=1, state=OrderState.COMPLETED))
    world.take_back(said(2, 3, restocked=False))
    assert world.open_tasks() == {}
    assert world.on_hand("BOLT", "paris") == 7
