"""Units that are sold though nothing is there, on purpose: recorded with their day, within the limit, never beyond."""

from datetime import date
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.invariants import check_all
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.outbox import OUTBOX
from nervure.store.tables.orders import SHORTFALL
from schemas.capabilities import DecrementMoment
from schemas.orders import OrderState
from schemas.policies import PolicyKind
from tests.nervure.world import START, Bought, World, an_order, at, at_once, capable, merchant, must_hold

TODAY = START.date()
A_DAY = 24 * 60


def promised(world: World) -> list[tuple[int, int, date | None]]:
    """Shortfalls as (units, of them backordered, promised on)."""
    query = sa.select(SHORTFALL.c.units, SHORTFALL.c.backorder_units, SHORTFALL.c.promised_on).order_by(SHORTFALL.c.id)
    return [(row.units, row.backorder_units, row.promised_on) for row in world.connection.execute(query)]


def number(world: World, sku: str = "BOLT", channel: str = "shop") -> int:
    world.refresh()
    point = {"shop": "web", "market": "fr"}[channel]
    return world.published()[channel, point, sku]


def test_a_sale_beyond_within_the_limit_is_promised_and_opens_no_task(world: World) -> None:
    merchant(world, bolt_paris=2)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    assert number(world) == 2 + 5
    world.take_in(an_order("1", {"BOLT": 4}))
    assert world.lines("1") == {"1-1": (4, 2, 2)}
    assert promised(world) == [(2, 2, TODAY)]
    assert world.open_tasks() == {}
    assert number(world) == 0 + 3
    assert check_all(AuditStore(world.connection)) == []
    must_hold(world)


def test_what_goes_over_the_limit_is_a_shortfall_with_its_task(world: World) -> None:
    merchant(world, bolt_paris=0 + 1)
    world.policy(PolicyKind.BACKORDER, 2, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 6}))
    assert promised(world) == [(5, 2, TODAY)]
    assert world.open_tasks() == {"shortfall": 1}
    assert number(world) == 0
    must_hold(world)


def test_without_a_policy_everything_stays_as_it_is(world: World) -> None:
    merchant(world, bolt_paris=1)
    world.policy(PolicyKind.BACKORDER, 5, sku="NUT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 3}))
    assert promised(world) == [(2, 0, None)]
    assert world.open_tasks() == {"shortfall": 1}
    must_hold(world)


def test_units_lost_after_they_were_promised_are_no_backorder(world: World) -> None:
    merchant(world, bolt_paris=3)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 3}))
    world.lose("BOLT", "paris", 2)
    assert promised(world) == [(2, 0, None)]
    assert world.open_tasks() == {"oversold": 1, "shortfall": 1}
    must_hold(world)


def test_goods_that_come_in_serve_who_waits_and_free_the_limit(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 4}))
    world.goods_in("BOLT", "paris", 3)
    assert promised(world) == [(1, 1, TODAY)]
    assert number(world) == 0 + 4
    world.goods_in("BOLT", "lyon", 3)
    assert promised(world) == [(0, 0, None)]
    assert number(world) == 2 + 5
    must_hold(world)


def test_a_canceled_backorder_frees_the_limit(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 4}))
    world.take_in(an_order("1", {"BOLT": 4}, state=OrderState.CANCELED, minute=1))
    assert promised(world) == [(0, 0, None)]
    assert number(world) == 5
    must_hold(world)


def test_an_edit_that_adds_units_is_a_sale_too(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 2}))
    world.take_in(an_order("1", {"BOLT": 4}, minute=1))
    assert promised(world) == [(4, 4, TODAY)]
    world.take_in(an_order("1", [Bought("BOLT", 4, canceled=3)], minute=2))
    assert promised(world) == [(1, 1, TODAY)]
    assert number(world) == 4
    must_hold(world)


def test_the_limit_of_an_item_is_one_for_all_channels(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 3}))
    world.take_in(an_order("2", {"BOLT": 3}, channel="market"))
    assert promised(world) == [(3, 3, TODAY), (3, 2, TODAY)]
    assert (number(world), number(world, channel="market")) == (0, 0)
    must_hold(world)


def test_a_kit_has_a_limit_of_its_own(world: World) -> None:
    merchant(world, bolt_paris=1, nut_paris=2)
    world.policy(PolicyKind.BACKORDER, 2, sku="PAIR", promised_on=TODAY)
    assert (number(world, "PAIR"), number(world, "BOLT")) == (1 + 2, 1)
    world.take_in(an_order("1", {"PAIR": 3}))
    assert promised(world) == [(2, 2, TODAY)]
    assert (number(world, "PAIR"), number(world, "BOLT")) == (0, 0)
    must_hold(world)


def test_a_preorder_ends_when_goods_come_for_the_first_time(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.PREORDER, 10, sku="BOLT", promised_on=TODAY)
    assert number(world) == 10
    world.take_in(an_order("1", {"BOLT": 6}))
    assert promised(world) == [(6, 6, TODAY)]
    world.goods_in("BOLT", "paris", 4)
    assert promised(world) == [(2, 2, TODAY)]
    assert number(world) == 0
    world.take_in(an_order("2", {"BOLT": 1}))
    assert promised(world) == [(2, 2, TODAY), (1, 0, None)]
    must_hold(world)


def test_a_task_opens_once_when_the_day_has_passed_and_not_before(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.take_in(an_order("1", {"BOLT": 2}))
    assert world.later(60).policies.note_days() == 0
    assert world.open_tasks() == {}
    late = world.later(A_DAY)
    assert late.policies.note_days() == 2  # the policy, and the promise
    assert world.open_tasks() == {"shortfall": 1}
    must_hold(late)
    assert late.policies.note_days() == 0
    assert number(late) == 0
    late.goods_in("BOLT", "paris", 1)
    assert (promised(late), late.open_tasks()) == ([(1, 1, TODAY)], {"shortfall": 1})
    late.goods_in("BOLT", "paris", 1)
    assert (promised(late), late.open_tasks()) == ([(0, 0, None)], {})
    must_hold(late)


def test_after_its_day_a_policy_promises_nothing_more(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    late = world.later(A_DAY)
    late.take_in(an_order("1", {"BOLT": 2}, minute=A_DAY))
    assert promised(late) == [(2, 0, None)]
    assert late.open_tasks() == {"shortfall": 1}


def test_a_line_that_is_promised_is_accepted_and_one_that_is_not_is_refused(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    bazaar = capable(must_accept_orders=True, decrements_at=DecrementMoment.ORDER)
    order = an_order("1", {"BOLT": 2, "NUT": 1}, state=OrderState.AWAITING_ACCEPTANCE)
    world.take_in(order, bazaar)
    (payload,) = world.connection.execute(sa.select(OUTBOX.c.payload)).scalars()
    assert payload["lines"] == {"1-1": True, "1-2": False}


def test_the_same_order_twice_is_one_backorder(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    for _ in range(2):
        world.take_in(an_order("1", {"BOLT": 2}))
    assert promised(world) == [(2, 2, TODAY)]
    assert number(world) == 3


@pytest.mark.requirement("R01", "R02")
@pytest.mark.postgresql
def test_orders_at_once_never_promise_more_than_the_limit(postgresql_at: Database) -> None:
    def begin(connection: Connection) -> None:
        merchant(World(connection))
        World(connection).policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)

    def take_in(number: int) -> bool:
        order = an_order(str(number), {"BOLT": 1}, channel=("shop", "market")[number % 2])
        return postgresql_at.run(lambda connection: World(connection, at(1)).take_in(order))

    postgresql_at.run(begin)
    assert at_once([partial(take_in, number) for number in range(16)]) == [True] * 16
    with postgresql_at.read() as connection:
        world = World(connection, at(2))
        assert sorted(promised(world), key=str) == [(1, 0, None)] * 11 + [(1, 1, TODAY)] * 5
        assert world.open_tasks() == {"shortfall": 11}
        must_hold(world)
