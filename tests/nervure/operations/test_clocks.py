"""How far a platform's clock is off is heard from its answers, and what it dates is booked in the hub's time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from connectors.errors import UnavailableError
from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import ManualClock, Measured
from nervure.operations.calls import Guard
from nervure.operations.clocks import clocks_ahead, in_hub_time
from nervure.operations.counts import Entered, close, confirm, enter, open_count
from nervure.operations.hub import Hub
from nervure.operations.publish import publish
from nervure.store.clocks import ClockStore
from nervure.store.database import Database
from nervure.store.returns import RETURN_LINE
from nervure.store.watched import WatchedDatabase
from schemas.orders import OrderState
from schemas.stock import ChannelMovement, Condition, MovementKind, StockObservation
from simulation.platform import dated
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    document,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
    tasks,
)
from tests.nervure.world import SHOP, START, World, a_return, an_order, at, must_hold, overtaken

ASK = HttpRequest("GET", "/")
THREE_MINUTES = timedelta(minutes=3)


@dataclass
class Server:
    """A server whose clock is off, and which takes a while to answer."""

    clock: ManualClock
    ahead: float = 0.0
    there_seconds: float = 0.2
    back_seconds: float = 0.3
    status: int = 200

    def __call__(self, _: HttpRequest) -> HttpResponse:
        self.clock.advance(self.there_seconds)
        answer = dated(HttpResponse(self.status), self.clock.now() + timedelta(seconds=self.ahead))
        self.clock.advance(self.back_seconds)
        return answer


def guard(hub: Hub, channel: str, server: Callable[[HttpRequest], HttpResponse]) -> Guard:
    return Guard(hub.database, hub.clock, hub.credential(channel), server)


def shops(database: Database) -> Hub:
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})
    settle(hub)
    publish(hub, "shop")
    return hub


def known(hub: Hub, channel: str = "shop") -> Measured | None:
    with hub.database.read() as connection:
        return ClockStore(connection, hub.clock.now()).get(hub.credential(channel))


def ahead(hub: Hub) -> dict[str, timedelta]:
    with hub.database.read() as connection:
        return dict(clocks_ahead(hub, connection))


def call(hub: Hub, seconds_ahead: float, times: int = 3, channel: str = "shop", status: int = 200) -> None:
    """So many answers of a platform whose clock is so far ahead, half a second each."""
    assert isinstance(hub.clock, ManualClock)
    ask = guard(hub, channel, Server(hub.clock, seconds_ahead, status=status))
    for _ in range(times):
        ask(ASK)


def test_three_answers_say_how_far_a_clock_is_off(both: Database) -> None:
    hub = shops(both)
    call(hub, 180, times=2)
    assert ahead(hub) == {}
    call(hub, 180, times=1)
    # Dates of 0, 180 and 181 s, cut off, sent at 0, 0.5 and 1 s, received half a second later.
    assert known(hub) == Measured(179.5, 180.5, 3, START + timedelta(seconds=0.5), 180.0)
    assert ahead(hub) == {"shop": THREE_MINUTES}
    call(hub, -90, channel="till")
    assert ahead(hub) == {"shop": THREE_MINUTES, "till": timedelta(seconds=-90)}


def test_a_clock_that_goes_right_corrects_nothing(both: Database) -> None:
    hub = shops(both)
    call(hub, 0.9, times=20)
    assert (known(hub) is not None, ahead(hub)) == (True, {})


def test_what_has_no_date_or_is_of_what_stands_before_the_platform_says_nothing(both: Database) -> None:
    hub = shops(both)
    call(hub, 180, times=4, status=503)
    guard(hub, "shop", lambda _: HttpResponse(200))(ASK)
    assert known(hub) is None

    def down(_: HttpRequest) -> HttpResponse:
        raise UnavailableError("refused")

    with pytest.raises(UnavailableError):
        guard(hub, "till", down)(ASK)
    assert known(hub, "till") is None


def test_most_answers_write_nothing(filled: Database) -> None:
    """Of a thousand answers of one clock within an hour only those are written that say something new."""
    watched = WatchedDatabase(filled.engine)
    hub = scripted_hub(watched, {"shop": ScriptedShop()})
    commits = 0

    def count(_: str) -> None:
        nonlocal commits
        commits += 1

    watched.at_commit = count
    call(hub, 180, times=1000)
    # Three answers in a row, before and after each commit; and once the bounds came closer.
    assert commits in (6, 8)
    watched.at_commit = lambda _: None


def test_a_clock_that_is_far_off_is_a_task_and_corrects_nothing(both: Database) -> None:
    hub = shops(both)
    call(hub, 3600)
    assert (ahead(hub), [(task.kind, task.about) for task in tasks(hub)]) == ({}, [("platform_clock", "shop")])
    assert tasks(hub)[0].text == (
        "the answers of shop are dated 60 min ahead of the hub's clock, more than 10: its times are taken as they are."
        " Look at both clocks"
    )
    call(hub, 0)
    assert tasks(hub) == []


def test_what_came_back_before_a_count_is_inside_it_whatever_the_shops_clock_says(both: Database) -> None:
    """Two come back at 10:00, somebody counts at 10:01, and the shop's clock shows 10:03 when it writes the return."""
    hub = shops(both)
    call(hub, 180)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, minute=2, state=OrderState.COMPLETED)))
    advance(hub, 600)
    with looking(hub) as world:
        before = world.on_hand("BOLT", "paris")
    returned = hub.clock.now()
    advance(hub, 60)
    open_count(hub, "C-1", "paris", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", before + 1, by="ana"))
    confirm(hub, "C-1", by="ben")
    close(hub, "C-1")
    back = a_return("r1", {"BOLT": 1}).model_copy(update={"occurred_at": returned + THREE_MINUTES})
    hear(hub, "shop", document("r1", back))
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == before + 1
        must_hold(world)


@pytest.mark.parametrize("minutes", [3, -3])
def test_times_of_facts_become_the_hubs(minutes: int) -> None:
    off = timedelta(minutes=minutes)
    stated = an_order("1", {"BOLT": 1}, minute=5).model_copy(update={"units_left_at": at(4)})
    [order] = in_hub_time([stated], off, SHOP)
    assert order == stated.model_copy(
        update={"placed_at": stated.placed_at - off, "units_left_at": at(4) - off, "clock_ahead": off}
    )
    assert order.updated_at == at(5)
    assert order.changed_at == at(5) - off
    [back] = in_hub_time([a_return("r1", {"BOLT": 1}, minute=5)], off, SHOP)
    assert (back.occurred_at, back.stated_at) == (at(5) - off, at(5))  # type: ignore[union-attr]  # a return


def test_levels_are_corrected_where_the_platform_dates_them() -> None:
    shown = StockObservation(channel="till", listing_external_id="L", stock_point="c", units=1, observed_at=at(5))
    moved = ChannelMovement(
        channel="till",
        external_id="m",
        listing_external_id="L",
        stock_point="c",
        kind=MovementKind.RECEIVED,
        units=1,
        occurred_at=at(5),
    )
    assert in_hub_time([shown], THREE_MINUTES, SHOP) == [shown]
    dates = SHOP.model_copy(update={"dates_levels": True})
    assert in_hub_time([shown, moved], THREE_MINUTES, dates) == [
        shown.model_copy(update={"observed_at": at(2)}),
        moved.model_copy(update={"occurred_at": at(2)}),
    ]
    assert in_hub_time([shown], timedelta(0), dates) == [shown]


def test_a_newer_statement_stays_the_newer_one_when_the_clock_was_measured_in_between(both: Database) -> None:
    hub = shops(both)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, minute=5)))
    call(hub, 180)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, minute=6, state=OrderState.CANCELED)))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0)}, "nothing is open any more"
        must_hold(world)


def test_goods_stay_what_they_were_stated_to_be_last_when_the_clock_was_measured_in_between(both: Database) -> None:
    hub = shops(both)
    first = a_return("r1", {"BOLT": 1}, minute=5, condition=Condition.QUALITY_CONTROL)
    hear(hub, "shop", document("r1@5", first))
    call(hub, 180)
    hear(hub, "shop", document("r1@6", a_return("r1", {"BOLT": 1}, minute=6)))
    with looking(hub) as world:
        conditions = world.connection.execute(sa.select(RETURN_LINE.c.condition)).scalars().all()
        assert conditions == ["sellable"], "in the hub's time it was stated before the first one"
        must_hold(world)


@pytest.mark.postgresql
def test_of_two_processes_that_hear_a_clock_for_the_first_time_none_is_lost(postgresql_at: Database) -> None:
    def heard(least: float, most: float, now: datetime = START) -> Callable[[World], Measured]:
        return lambda world: ClockStore(world.connection, now).heard("shop", least, most)

    found = overtaken(postgresql_at, slow=heard(179.0, 181.0), fast=heard(178.0, 180.0))
    assert found == Measured(179.0, 180.0, 2, START)
