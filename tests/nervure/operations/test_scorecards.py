"""How suppliers keep their word: each figure from what was asked, answered and kept."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import pytest

from connectors.errors import NoAnswerError, RefusedError, UnavailableError
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.scorecards import Scorecard, score, scorecards
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.places import REQUEST
from nervure.store.requests import Freshness, RequestedLine, RequestStore
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LOCATION
from schemas.locations import Location, LocationKind
from schemas.routing import LocationRouting, Weekday
from tests.nervure.operations.scripted import (
    ScriptedShop,
    ScriptedSupplier,
    advance,
    feed,
    hear,
    looking,
    order_of,
    scripted_hub,
)
from tests.nervure.operations.test_suppliers import hear_replies, read, reply, the_order
from tests.nervure.world import World, an_order, at, at_once, merchant, must_hold


def opened(database: Database, acme: ScriptedSupplier, *, answers_within: float | None = 3600) -> Hub:
    """A shop that sells from supplier acme alone, which says within an hour what it will send."""
    with database.write() as connection:
        world = World(connection)
        merchant(world)
        world.locations.put(
            Location(code="acme", name="Acme", kind=LocationKind.SUPPLIER, accept_within_seconds=answers_within),
            master="acme",
            ttl_seconds=3600,
        )
        world.channel("shop", {"web": ["acme"]})
    return scripted_hub(database, {"shop": ScriptedShop()}, supplier=acme)


def ask(hub: Hub, order: str, units: Mapping[str, int]) -> int:
    """Orders units of the supplier; answers the number that it is told."""
    hear(hub, "shop", order_of(an_order(order, units)))
    send_messages(hub)
    with looking(hub) as world:
        return world.fulfillment_numbers(order)[-1]


def the_card(hub: Hub) -> Scorecard:
    [found] = scorecards(hub, at(0), at(60 * 24))
    return found


def test_a_day_of_a_supplier_in_figures(database: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(database, acme)
    read(hub, acme, feed("1", at(-30), BOLT=9, NUT=9))
    number, line = ask(hub, "1", {"BOLT": 4}), the_order(hub, "1")[1]
    other, second = ask(hub, "2", {"BOLT": 2}), the_order(hub, "2")[1]
    third, last = ask(hub, "3", {"NUT": 5}), the_order(hub, "3")[1]
    silent = ask(hub, "4", {"NUT": 1})
    acme.replies = [
        reply(number, 10, confirmed={line: 3}),
        reply(other, 90, refused={second: "sold out"}),
        reply(third, 20, confirmed={last: 5}),
        reply(third, 60 * 25, confirmed={last: 5}, tracking_number="6A1"),
        reply(silent, 5),
    ]
    advance(hub, 26 * 3600)
    assert hear_replies(hub) == 5
    assert the_card(hub) == Scorecard(
        supplier="acme",
        location="acme",
        orders=4,
        lines=4,
        units=12,
        confirmed=1,
        partly=1,
        refused=1,
        silent=1,
        units_confirmed=8,
        units_refused=3,
        acceptance=8 / 11,
        answer_p50=1200.0,
        answer_p95=5400.0,
        past_time=2 / 4,
        shipped=1,
        late=1,
        late_share=1.0,
        days_late=1.0,
        overdue=2,
        age_p50=1800.0,
        age_p95=1800.0,
        # Fresh for the half hour that its figures had left.
        stale=1 - 30 / (24 * 60),
        wrong_lines=2,
        wrong_units=3,
        wrong_share=2 / 3,
    )
    with looking(hub) as world:
        must_hold(world)


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("is_reversed", [False, True])
def test_replies_in_any_order_and_twice_give_the_same_figures(sqlite: Database, *, is_reversed: bool) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    number, line = ask(hub, "1", {"BOLT": 4}), the_order(hub)[1]
    acme.replies = [
        reply(number, 30, confirmed={line: 1}),
        reply(number, 10, confirmed={line: 4}),
        reply(number, 40, confirmed={line: 1}, tracking_number="6A1"),
        reply(number, 30, confirmed={line: 1}),
    ]
    if is_reversed:
        acme.replies.reverse()
    for _ in range(2):
        hear_replies(hub)
    advance(hub, 3600)
    found = the_card(hub)
    assert (found.partly, found.units_refused, found.answer_p50, found.shipped, found.late) == (1, 3, 600.0, 1, 0)


@pytest.mark.postgresql
def test_replies_read_by_many_at_once_are_noted_once(postgresql: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(postgresql, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    number, line = ask(hub, "1", {"BOLT": 4}), the_order(hub)[1]
    acme.replies = [reply(number, minute, confirmed={line: kept}) for minute, kept in ((9, 4), (5, 2), (7, 3))]
    at_once([lambda: hear_replies(hub)] * 4)
    advance(hub, 3600)
    found = the_card(hub)
    assert (found.lines, found.units_refused, found.answer_p50) == (1, 2, 300.0)


def test_what_a_feed_did_not_promise_is_no_wrong_promise(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    number, line = ask(hub, "1", {"BOLT": 4}), the_order(hub)[1]
    with sqlite.write() as connection:  # of several offers of one item the fullest has fewer than is asked for
        connection.execute(REQUEST.update().values(units_offered=3))
    acme.replies = [reply(number, 2, refused={line: "gone"})]
    hear_replies(hub)
    found = the_card(hub)
    assert (found.refused, found.wrong_lines, found.wrong_share) == (1, 0, 0.0)


def test_an_order_that_is_refused_when_it_is_handed_over_was_asked_for_and_refused(sqlite: Database) -> None:
    acme = ScriptedSupplier(error=RefusedError("no such customer"))
    hub = opened(sqlite, acme)
    acme.error = None
    read(hub, acme, feed("1", at(0), BOLT=9))
    acme.error = RefusedError("no such customer")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    advance(hub, 5)
    send_messages(hub)
    found = the_card(hub)
    assert (found.orders, found.refused, found.units_refused, found.answer_p50) == (1, 1, 4, 0.0)


def test_an_order_that_never_reached_the_supplier_was_not_asked_for(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    acme.error = UnavailableError("down")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    send_messages(hub)
    assert the_card(hub).lines == 0
    advance(hub, 600)
    acme.error, acme.fails_after_effect = None, NoAnswerError("no answer")
    send_messages(hub)
    advance(hub, 600)
    send_messages(hub)
    with looking(hub) as world:
        [row] = world.connection.execute(REQUEST.select())
    assert (row.asked_at, row.answer_by, row.units_offered) == (at(10), at(70), 9), (
        "from the first try on it may have it"
    )


def test_goods_are_to_leave_on_the_next_open_day_after_their_lead_time(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme)
    own = {"acme": LocationRouting(holidays=(date(2026, 3, 4),))}
    with sqlite.write() as connection:
        RoutingStore(connection, at(0)).put(Routing(None, own))
    read(hub, acme, feed("1", at(0), BOLT=9))
    ask(hub, "1", {"BOLT": 1})
    with sqlite.write() as connection:
        connection.exec_driver_sql("UPDATE supplier_offer SET lead_time_days = 2")
    ask(hub, "2", {"BOLT": 1})
    with looking(hub) as world:
        days = [row.ship_by for row in world.connection.execute(REQUEST.select().order_by(REQUEST.c.id))]
    assert days == [date(2026, 3, 2), date(2026, 3, 5)]


def test_a_supplier_answers_within_the_hours_in_which_it_is_open(database: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(database, acme, answers_within=4 * 3600)
    read(hub, acme, feed("1", at(0), BOLT=9))
    own = {"acme": LocationRouting(hours=dict.fromkeys(Weekday, "11:00-16:00"))}
    with database.write() as connection:
        RoutingStore(connection, at(0)).put(Routing(None, own))
    ask(hub, "1", {"BOLT": 1})
    with looking(hub) as world:
        assert [row.answer_by for row in world.connection.execute(REQUEST.select())] == [at(6 * 60)], (
            "from 11:00 UTC on"
        )


def test_who_takes_over_a_location_does_not_inherit_what_another_did_there(database: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(database, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    number, line = ask(hub, "1", {"BOLT": 4}), the_order(hub)[1]
    acme.replies = [reply(number, 2, refused={line: "gone"})]
    hear_replies(hub)
    with database.write() as connection:
        connection.execute(LOCATION.update().where(LOCATION.c.code == "acme").values(master="other"))
    advance(hub, 60)
    found = {one.supplier: (one.location, one.lines, one.units_refused) for one in scorecards(hub, at(0), at(60 * 24))}
    assert found == {"acme": ("acme", 1, 4), "other": ("acme", 0, 0)}


def test_of_what_was_known_before_only_the_last_is_read(database: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(database, acme)
    for hour in range(4):
        read(hub, acme, feed(f"{hour}", at(60 * hour), BOLT=9))
        advance(hub, 3600)
    with looking(hub) as world:
        known = RequestStore(world.connection, hub.clock.now()).freshness(at(150), at(240))
    assert [one.as_of for one in known] == [at(120), at(180)]


def held(minute: float, as_of: float | None, ttl_seconds: float | None = 3600) -> Freshness:
    return Freshness("acme", "ACME", at(minute), ttl_seconds, None if as_of is None else at(as_of))


@pytest.mark.parametrize(
    ("log", "stale"),
    [
        ([held(-600, None, None)], 0.0),
        ([held(-600, None)], None),  # its feed was never read: nothing is old
        ([held(-600, None), held(60, 50)], 10 / 60),  # it had none for the first hour
        ([held(-600, -30), held(60, None)], 0.25 + 0.5),  # it had some: none is no better
        ([held(-600, -30)], 0.75),  # of two hours the last 90 minutes
        ([held(-600, -30), held(60, 50)], 0.25 + 10 / 120),  # from 30 to 60, and from 110 to 120
        ([held(60, 50)], 10 / 60),  # it is there for an hour only
        ([held(-600, 0), held(30, 20, None)], 0.0),
        ([held(-600, -300), held(-10, -200)], 1.0),
        ([held(-600, -300), held(200, 200)], 1.0),  # what follows afterwards does not count
    ],
)
def test_the_share_of_the_time_in_which_figures_were_too_old(log: list[Freshness], stale: float | None) -> None:
    found = score(("acme", "ACME"), [], log, (at(0), at(120)))
    assert found.stale == (stale if stale is None else pytest.approx(stale, abs=1e-12))


LINE = RequestedLine(
    "acme", "ACME", 1, "1", "B", 3, 9, 0, None, at(0), at(60), None, date(2026, 3, 2), None, True, "Europe/Paris"
)


def carded(*lines: RequestedLine, now: datetime | None = None) -> Scorecard:
    return score(("acme", "ACME"), lines, [held(-600, None, None)], (at(0), now or at(120)))


def test_only_what_can_be_judged_is() -> None:
    found = carded()
    shares = (found.acceptance, found.past_time, found.late_share, found.wrong_share, found.answer_p50, found.age_p50)
    assert shares == (None,) * 6
    assert carded(LINE, now=at(60)).past_time is None, "its time is not over yet"
    assert carded(LINE, now=at(61)).past_time == 1.0
    assert carded(replace(LINE, answer_by=None)).past_time is None
    assert carded(replace(LINE, answered_at=at(60))).past_time == 0.0
    assert carded(replace(LINE, answered_at=at(61))).past_time == 1.0
    assert carded(replace(LINE, answered_at=at(-1))).answer_p50 == 0.0, "its clock is not ours"
    assert carded(replace(LINE, as_of=at(1))).age_p50 == 0.0


def test_an_order_is_late_or_overdue_by_the_days_of_its_own_place() -> None:
    before_midnight, after = (
        datetime(2026, 3, 2, 22, 59, tzinfo=at(0).tzinfo),
        datetime(2026, 3, 2, 23, tzinfo=at(0).tzinfo),
    )
    assert [carded(LINE, now=now).overdue for now in (before_midnight, after)] == [0, 1]
    two_lines = (LINE, replace(LINE, line="2"))
    assert (carded(*two_lines, now=after).overdue, carded(*two_lines, now=after).orders) == (1, 1)
    gone = replace(LINE, is_open=False, left_on=date(2026, 3, 5))
    early = replace(gone, fulfillment_order=2, left_on=date(2026, 3, 1))
    found = carded(gone, early, now=after)
    assert (found.shipped, found.late, found.late_share, found.days_late, found.overdue) == (2, 1, 0.5, 1.5, 0)
    assert carded(replace(gone, ship_by=None)).shipped == 0
