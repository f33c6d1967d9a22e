"""Who declined is asked again for what nobody else has, after a while and not for ever; for goods once counted."""

from datetime import date
from functools import partial

import pytest
import sqlalchemy as sa

from nervure.operations import giving_up, offers
from nervure.operations.counts import Entered, confirm, enter, open_count, show
from nervure.operations.hub import Hub
from nervure.operations.purchases import ExpectedLine, expect
from nervure.operations.shortfalls import options_of
from nervure.operations.staff import adjust, receive
from nervure.orders.declines import AskAgain
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.orders import FULFILLMENT, ORDER
from nervure.store.tasks import TASK
from schemas.fulfillment import RejectReason
from schemas.locations import LocationKind
from schemas.stock import AdjustmentReason, Condition
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.operations.test_desk import ANA, BO, all_holds, hub_on, limits, numbers_of, ordered, steps
from tests.nervure.world import World, at_once

HOURS = 3600.0


def served(hub: Hub, order: str = "1") -> dict[tuple[str, str, str], int]:
    with looking(hub) as world:
        return world.served(order)


def short(hub: Hub, order: str = "1") -> int:
    with looking(hub) as world:
        return sum(units for _, _, units in world.lines(order).values())


def reasons(hub: Hub, order: str = "1") -> dict[str, str]:
    with looking(hub) as world:
        found = world.connection.execute(sa.select(ORDER.c.routing).where(ORDER.c.external_id == order)).scalar_one()
    return dict(found["locations"])


def given_up(hub: Hub, reason: RejectReason = RejectReason.NO_TIME) -> None:
    """Both places give the order's two BOLT up, one after the other, at the same minute."""
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 2}), reason, BO)
    giving_up.reject(hub, numbers_of(hub, "1")[-1], reason, ANA)


def counted(hub: Hub, name: str, units: int, sku: str = "BOLT") -> None:
    advance(hub, 60)
    enter(hub, name, Entered(sku, units, by="Ada"))
    confirm(hub, name, "Blaise")


def when_planned(hub: Hub) -> str:
    with looking(hub) as world:
        return str(world.connection.execute(sa.select(ORDER.c.routing)).scalar_one()["at"])


def test_an_order_that_nobody_may_be_asked_for_is_not_planned_again_and_again(filled: Database) -> None:
    hub = hub_on(filled)
    with filled.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(Routing(None, {}, 1, AskAgain(times=0)))
    given_up(hub)
    before = when_planned(hub)
    advance(hub, 3 * HOURS)
    assert giving_up.ask_again(hub) == 0
    assert when_planned(hub) == before


def test_counting_the_damaged_ones_does_not_bring_an_order_back_to_where_they_lie(filled: Database) -> None:
    hub = hub_on(filled)
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 5}), RejectReason.DAMAGED, BO)
    missing = short(hub)
    assert missing == 3
    advance(hub, 60)
    open_count(hub, "D", "paris", ["BOLT"])
    enter(hub, "D", Entered("BOLT", 3, by="Ada", condition=Condition.DAMAGED))
    confirm(hub, "D", "Blaise")
    assert short(hub) == missing


def test_no_day_is_promised_out_of_goods_that_come_to_where_they_were_not_found(filled: Database) -> None:
    hub = hub_on(filled)
    with filled.write() as connection:
        World(connection, hub.clock.now()).lose("BOLT", "paris", 5)
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 2}), RejectReason.NOT_FOUND, ANA)
    expect(hub, "P1", [ExpectedLine("BOLT", "lyon", 5, date(2026, 3, 9))])
    assert [option.kind.value for line in options_of(hub, "shop", "1") for option in line.options] == ["cancel"]


def at_place(hub: Hub, place: str) -> int:
    """The number of the one fulfillment order that a place has to do."""
    with looking(hub) as world:
        query = sa.select(FULFILLMENT.c.id).join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
        mine = query.where(LOCATION.c.code == place, FULFILLMENT.c.state == "allocated")
        return int(world.connection.execute(mine).scalar_one())


def count_at(hub: Hub, place: str) -> str:
    """The name of the open count at a place."""
    with looking(hub) as world:
        subjects = world.connection.execute(sa.select(TASK.c.subject).where(TASK.c.kind == "count")).scalars()
        names = [subject.removeprefix("count:") for subject in subjects]
    [name] = [name for name in names if show(hub, name)[0].location == place]
    return str(name)


@pytest.mark.parametrize("reason", [RejectReason.NO_TIME, RejectReason.CLOSED])
def test_who_had_no_time_is_asked_again_after_a_while_when_nobody_else_has_it(
    both: Database, reason: RejectReason
) -> None:
    hub = hub_on(both)
    given_up(hub, reason)
    assert short(hub) == 2
    assert giving_up.ask_again(hub) == 0
    advance(hub, 2 * HOURS - 1)
    assert giving_up.ask_again(hub) == 0
    advance(hub, 1)
    assert giving_up.ask_again(hub) == 1
    assert giving_up.ask_again(hub) == 0
    assert (served(hub), short(hub)) == ({("1-1", "paris", "allocated"): 2}, 0)
    assert reasons(hub)["paris"].startswith("chosen: has all of it, ")
    assert reasons(hub)["paris"].endswith(", asked again")
    with looking(hub) as world:
        assert world.open_tasks() == {}
    all_holds(hub)


def test_who_had_no_time_is_not_asked_again_for_what_somebody_else_has(both: Database) -> None:
    hub = hub_on(both)
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 2}), RejectReason.NO_TIME, BO)
    advance(hub, 3 * HOURS)
    assert giving_up.ask_again(hub) == 0
    assert served(hub) == {("1-1", "lyon", "allocated"): 2}
    receive(hub, "BOLT", "lyon", 1, document="D9")
    giving_up.reject(hub, numbers_of(hub, "1")[-1], RejectReason.NOT_FOUND, ANA, keeps={"BOLT": 1})
    assert served(hub) == {("1-1", "lyon", "allocated"): 1, ("1-1", "paris", "allocated"): 1}, "at once: it is long ago"
    assert reasons(hub)["lyon"].endswith(", did not find it")
    all_holds(hub)


def test_who_is_asked_again_gets_no_goods_that_others_have(both: Database) -> None:
    hub = hub_on(both)
    with both.write() as connection:
        world = World(connection)
        world.location("nice", kind=LocationKind.STORE)
        world.channel("shop", {"web": ["paris", "lyon", "nice"]})
    receive(hub, "BOLT", "nice", 1, document="D7")
    receive(hub, "NUT", "lyon", 1, document="D8")
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 1, "NUT": 1}), RejectReason.NO_TIME, BO)
    assert served(hub) == {("1-1", "lyon", "allocated"): 1, ("1-2", "lyon", "allocated"): 1}
    advance(hub, 2 * HOURS)
    giving_up.reject(hub, at_place(hub, "lyon"), RejectReason.NO_TIME)
    assert served(hub) == {("1-1", "nice", "allocated"): 1, ("1-2", "paris", "allocated"): 1}
    assert reasons(hub)["paris"].endswith(", others have the rest, asked again")
    all_holds(hub)


def test_nobody_is_asked_for_ever(both: Database) -> None:
    hub = hub_on(both)
    given_up(hub)
    asked = []
    for _ in range(10):
        advance(hub, 2 * HOURS)
        giving_up.ask_again(hub)
        for _, place, _ in served(hub):
            asked.append(place)
            giving_up.reject(hub, at_place(hub, place), RejectReason.NO_TIME)
    # Whoever was asked first and rejects makes the other one be asked in the same moment; each is asked twice again.
    assert sorted(asked) == ["lyon", "lyon", "paris", "paris"]
    assert short(hub) == 2
    assert reasons(hub) == dict.fromkeys(("lyon", "paris"), "dropped: had no time, 3 times")
    with looking(hub) as world:
        assert world.open_tasks() == {"shortfall": 1}
    all_holds(hub)


def test_how_often_and_how_soon_is_a_setting(both: Database) -> None:
    hub = hub_on(both)
    with both.write() as connection:
        RoutingStore(connection, hub.clock.now()).put(Routing(ask_again=AskAgain(times=0)))
    given_up(hub)
    advance(hub, 5 * HOURS)
    assert giving_up.ask_again(hub) == 0
    assert reasons(hub) == {
        "lyon": "dropped: had no time",
        "paris": "dropped: had no time",
    }


def test_who_kept_silent_is_asked_again_and_orders_do_not_go_to_and_fro(both: Database) -> None:
    hub = hub_on(both)
    for place in ("paris", "lyon"):
        limits(hub, place, accept_seconds=600)
    number = ordered(hub, "1", {"BOLT": 2})
    giving_up.keep_times(hub)
    moves = 0
    for _ in range(200):
        advance(hub, 600)
        moves += giving_up.keep_times(hub)[1]
        giving_up.ask_again(hub)
    assert moves == 5, "each lets it go three times at most, and the last one keeps it"
    [(line, place, state)] = served(hub)
    assert (line, state) == ("1-1", "allocated")
    assert [kind for kind, _, _ in steps(hub, number)] == ["offered", "timed_out", "canceled"]
    with looking(hub) as world:
        assert world.open_tasks() == {"not_accepted": 1}
    assert offers.accept(hub, numbers_of(hub, "1")[-1], ANA if place == "lyon" else BO)[0]
    all_holds(hub)


def test_what_was_not_found_keeps_a_place_from_these_goods_alone(both: Database) -> None:
    hub = hub_on(both)
    receive(hub, "NUT", "lyon", 1, document="D8")
    number = ordered(hub, "1", {"BOLT": 1, "NUT": 1})
    giving_up.reject(hub, number, RejectReason.NOT_FOUND, BO, keeps={"BOLT": 0})
    assert served(hub) == {("1-2", "paris", "allocated"): 1, ("1-1", "lyon", "allocated"): 1}
    giving_up.reject(hub, number, RejectReason.NO_TIME, BO)
    assert served(hub) == {("1-1", "lyon", "allocated"): 1, ("1-2", "lyon", "allocated"): 1}
    giving_up.reject(hub, numbers_of(hub, "1")[-1], RejectReason.NOT_FOUND, keeps={"NUT": 0})
    assert short(hub) == 1
    advance(hub, 2 * HOURS)
    assert giving_up.ask_again(hub) == 1
    assert ("1-2", "paris", "allocated") in served(hub)
    giving_up.reject(hub, at_place(hub, "lyon"), RejectReason.NOT_FOUND)
    advance(hub, 10 * HOURS)
    assert giving_up.ask_again(hub) == 0, "nobody has counted the BOLT of paris, though four are booked there"
    all_holds(hub)


@pytest.mark.parametrize("units", [3, 4, 6], ids=["less", "as booked", "more"])
def test_what_was_not_found_is_asked_for_again_once_it_was_counted(both: Database, units: int) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 3})
    giving_up.reject(hub, number, RejectReason.NOT_FOUND, BO, keeps={"BOLT": 2})
    assert served(hub) == {("1-1", "paris", "allocated"): 2, ("1-1", "lyon", "allocated"): 1}
    giving_up.reject(hub, max(numbers_of(hub, "1")), RejectReason.NOT_FOUND, ANA)
    assert (served(hub), short(hub)) == ({("1-1", "paris", "allocated"): 2}, 1)
    assert reasons(hub)["paris"].endswith(", did not find it")
    counted(hub, count_at(hub, "paris"), units)
    assert short(hub) == 0
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.allocated("BOLT", "paris")) == (units, 3)
    all_holds(hub)


def test_a_kit_whose_part_was_not_found_needs_its_parts_counted(both: Database) -> None:
    hub = hub_on(both)
    giving_up.reject(hub, ordered(hub, "1", {"PAIR": 1}), RejectReason.NOT_FOUND, BO)
    assert short(hub) == 1
    name = count_at(hub, "paris")
    counted(hub, name, 5)
    assert short(hub) == 1, "of the NUT nobody knows"
    counted(hub, name, 8, "NUT")
    assert (short(hub), served(hub)) == (0, {("1-1", "paris", "allocated"): 1})
    all_holds(hub)


def test_what_is_damaged_or_refused_for_another_reason_is_not_asked_for_again(both: Database) -> None:
    hub = hub_on(both)
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 3}), RejectReason.DAMAGED, BO)
    giving_up.reject(hub, ordered(hub, "2", {"BOLT": 3}), RejectReason.OTHER, BO)
    assert (short(hub, "1"), short(hub, "2")) == (1, 3), "lyon has two"
    advance(hub, 5 * HOURS)
    assert giving_up.ask_again(hub) == 0
    receive(hub, "BOLT", "paris", 1, document="D9")
    assert (short(hub, "1"), short(hub, "2")) == (1, 3)
    assert reasons(hub, "1")["paris"].endswith(", has it damaged")
    assert reasons(hub, "2")["paris"] == "dropped: would not do it"


@pytest.mark.postgresql
def test_asked_again_by_several_at_once_each_order_is_served_once(postgresql: Database) -> None:
    fill(postgresql)
    hub = hub_on(postgresql)
    receive(hub, "BOLT", "paris", 40, document="D8")
    adjust(hub, "BOLT", "lyon", -2, reason=AdjustmentReason.LOST, document="A1")
    for order in "1234":
        giving_up.reject(hub, ordered(hub, order, {"BOLT": 3}), RejectReason.NO_TIME, BO)
        assert short(hub, order) == 3
    advance(hub, 2 * HOURS)
    answers = at_once([partial(giving_up.ask_again, hub)] * 3)
    assert sum(one for one in answers if isinstance(one, int)) == 4, answers
    for order in "1234":
        assert served(hub, order) == {(f"{order}-1", "paris", "allocated"): 3}
    all_holds(hub)
