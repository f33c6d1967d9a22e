from datetime import timedelta
from functools import partial

import pytest

from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from tests.nervure.world import START, World, at, at_once, merchant


def channels(world: World, minute: float = 0) -> ChannelStore:
    return ChannelStore(world.connection, at(minute))


@pytest.mark.requirement("R25")
def test_a_watermark_never_goes_back(world: World) -> None:
    merchant(world)
    marks = []
    for minute in (5, 3, 9, 9):
        channels(world).heard_orders("shop", watermark=at(minute), until=None, next_at=at(60))
        marks.append(channels(world).get("shop").orders_watermark)
    assert marks == [at(5), at(5), at(9), at(9)]
    assert channels(world).get("market").orders_watermark == START


def test_a_finished_pull_says_until_when_orders_are_heard_and_that_all_is_well(world: World) -> None:
    merchant(world)
    store = channels(world)
    store.set_problem("shop", "sign-in refused")
    store.heard_orders("shop", watermark=None, until=None, next_at=at(1))
    assert (store.get("shop").problem, store.get("shop").orders_heard_until) == ("sign-in refused", None)
    store.heard_orders("shop", watermark=None, until=at(2), next_at=at(3))
    state = store.get("shop")
    assert (state.problem, state.orders_heard_until, state.orders_next_at) == (None, at(2), at(3))


def test_orders_that_are_wanted_are_due_at_once(world: World) -> None:
    merchant(world)
    channels(world).heard_orders("shop", watermark=None, until=None, next_at=at(60))
    channels(world, 2).want_orders("shop")
    assert channels(world).get("shop").orders_next_at == at(2)


def test_the_stock_points_of_a_channel_are_its_own(world: World) -> None:
    merchant(world)
    assert channels(world).stock_points("shop") == ["web"]


@pytest.mark.requirement("R26")
def test_a_ceiling_gives_one_slot_in_a_period_and_says_how_long_to_wait(world: World) -> None:
    assert channels(world).reserve("shop", "write", 60) == 0.0
    assert channels(world, 0.25).reserve("shop", "write", 60) == 45.0
    assert channels(world).reserve("shop", "read", 60) == 0.0
    assert channels(world).reserve("market", "write", 60) == 0.0
    assert channels(world, 1).reserve("shop", "write", 60) == 0.0
    assert channels(world, 1).reserve("shop", "write", 60) == 60.0


@pytest.mark.postgresql
@pytest.mark.requirement("R26")
def test_of_many_workers_that_reach_for_one_slot_one_gets_it(postgresql_at: Database) -> None:
    def reserve(moment: int) -> float:
        now = START + timedelta(seconds=moment)
        return postgresql_at.run(lambda connection: ChannelStore(connection, now).reserve("shop", "write", 60))

    assert sorted(at_once([partial(reserve, 0)] * 8), key=str) == [0.0] + [60.0] * 7
    assert sorted(at_once([partial(reserve, 60)] * 8), key=str) == [0.0] + [60.0] * 7


def test_orders_that_were_wanted_while_a_pull_ran_are_pulled_again_at_once(world: World) -> None:
    """The pull may have read before what they are wanted for happened."""
    merchant(world)
    channels(world).heard_orders("shop", watermark=None, until=None, next_at=at(1))
    ChannelStore(world.connection, at(1.5)).want_orders("shop")
    ChannelStore(world.connection, at(1.6)).heard_orders("shop", watermark=at(1), until=None, next_at=None)
    store = ChannelStore(world.connection, at(2))
    store.heard_orders("shop", watermark=None, until=at(1.2), next_at=at(60))
    assert store.get("shop").orders_next_at == at(1.5)
    store.heard_orders("shop", watermark=None, until=at(1.8), next_at=at(60))
    assert store.get("shop").orders_next_at == at(60)
