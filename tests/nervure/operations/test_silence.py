"""Suppliers that do not answer in time: there is a task, and what their contract lets go is served from elsewhere."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from connectors.errors import NoAnswerError, UnavailableError
from nervure.inventory.stock import Place
from nervure.operations.asking import REPLIES_PERIOD_SECONDS, take_slot
from nervure.operations.giving_up import ask_again
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.scorecards import scorecards
from nervure.operations.silence import break_silence
from nervure.operations.staff import adjust
from nervure.operations.suppliers import give_up, pull_replies
from nervure.orders.desk import Desk
from nervure.orders.rules import Routing
from nervure.store.channels import PULL_REPLIES
from nervure.store.database import Database
from nervure.store.places import REQUEST
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tasks import TASK
from schemas.dropship import SupplierReply
from schemas.orders import OrderState
from schemas.routing import Contract, LocationRouting
from schemas.stock import AdjustmentReason
from tests.nervure.operations.scripted import ScriptedSupplier, advance, feed, hear, looking, order_of, settle, tasks
from tests.nervure.operations.test_scorecards import ask, opened, the_card
from tests.nervure.operations.test_suppliers import hear_replies, read, reply, the_order
from tests.nervure.world import World, an_order, at, at_once, must_hold

WAITS = "acme has not answered fulfillment order {} in time: ask it, or cancel there and reject it"
MOVED = "acme has not answered fulfillment order {} in time: it is served from elsewhere now"
HOUR = timedelta(hours=1)


@dataclass
class CountingSupplier(ScriptedSupplier):
    """Counts how often it was asked for replies."""

    pulls: int = 0

    def pull_replies(self) -> Iterator[SupplierReply]:
        self.pulls += 1
        return super().pull_replies()


def asked(database: Database, acme: ScriptedSupplier, *, is_void: bool, in_paris: int = 0) -> tuple[Hub, int, str]:
    """An order of three that acme has in hand; paris may have some too by now."""
    hub = opened(database, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    number, line = ask(hub, "1", {"BOLT": 3}), the_order(hub)[1]
    with database.write() as connection:
        world = World(connection)
        world.channel("shop", {"web": ["acme", "paris"]})
        if in_paris:
            world.receive("BOLT", "paris", in_paris)
        own = {"acme": LocationRouting(contract=Contract(is_void_if_silent=is_void))}
        RoutingStore(connection, at(0)).put(Routing(None, own))
    return hub, number, line


def in_paris(hub: Hub, units: int) -> None:
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).receive("BOLT", "paris", units)


def said(hub: Hub) -> list[tuple[str, str]]:
    return [(task.kind, task.text) for task in tasks(hub)]


def test_silence_is_a_task_after_the_agreed_time_and_the_order_stays(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, line = asked(database, acme, is_void=False, in_paris=9)
    advance(hub, 3599)
    assert (break_silence(hub), said(hub)) == (0, [])
    advance(hub, 1)
    assert [break_silence(hub) for _ in range(3)] == [0, 0, 0]
    assert said(hub) == [("supplier_silent", WAITS.format(number))]
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 3}
    acme.replies = [reply(number, 61, confirmed={line: 3})]
    hear_replies(hub)
    assert (break_silence(hub), said(hub)) == (0, [])


@pytest.mark.requirement("R20")
def test_what_a_contract_lets_go_is_served_from_elsewhere_once(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, line = asked(database, acme, is_void=True, in_paris=3)
    advance(hub, 3600)
    assert [break_silence(hub) for _ in range(2)] == [1, 0]
    assert said(hub) == [("supplier_silent", MOVED.format(number))]
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 3}
        assert world.claimable("BOLT", "acme") == 9
        must_hold(world)
    # Too late: it may have sent the goods, and a person must stop them.
    acme.replies = [reply(number, 70, confirmed={line: 3}, tracking_number="6A1")]
    hear_replies(hub)
    late = f"the supplier answers nervure-{number} after its time: it is served from elsewhere, tell it not to send"
    assert said(hub) == [("supplier_late", late)]
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 3}
        assert world.movements("BOLT", "acme") == [("adjusted", 9)]
        must_hold(world)
    found = the_card(hub)
    assert (found.confirmed, found.past_time, found.shipped, found.overdue) == (1, 1.0, 0, 0)


def test_who_was_silent_is_not_asked_again_because_it_may_send_all_the_same(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _, _ = asked(sqlite, acme, is_void=True, in_paris=3)
    advance(hub, 3600)
    assert break_silence(hub) == 1
    adjust(hub, "BOLT", "paris", -3, reason=AdjustmentReason.LOST, document="fire")
    advance(hub, 3 * 3600)
    read(hub, acme, feed("2", hub.clock.now(), BOLT=9))
    assert ask_again(hub) == 0
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (3, 0, 3)}
        assert world.claimable("BOLT", "acme") == 9
        must_hold(world)


def test_who_has_answered_for_a_part_sends_it_and_a_person_asks_for_the_rest(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9, NUT=9))
    number = ask(hub, "1", {"BOLT": 3, "NUT": 2})
    with sqlite.write() as connection:
        world = World(connection)
        world.channel("shop", {"web": ["acme", "paris"]})
        world.receive("BOLT", "paris", 9)
        world.receive("NUT", "paris", 9)
        own = {"acme": LocationRouting(contract=Contract(is_void_if_silent=True))}
        RoutingStore(connection, at(0)).put(Routing(None, own))
        line = connection.execute(REQUEST.select().order_by(REQUEST.c.id)).first()
    assert line is not None
    acme.replies = [reply(number, 5, confirmed={line.line: 3})]
    hear_replies(hub)
    advance(hub, 3600)
    assert (break_silence(hub), said(hub)) == (0, [("supplier_silent", WAITS.format(number))])
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 3, ("1-2", "acme", "sent_to_supplier"): 2}
        must_hold(world)


def test_what_was_answered_in_time_while_nobody_could_hear_it_is_no_silence(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, line = asked(sqlite, acme, is_void=True, in_paris=3)
    acme.replies = [reply(number, 10, confirmed={line: 3}, tracking_number="6A1")]
    advance(hub, 8 * 3600)
    assert (break_silence(hub), said(hub)) == (0, []), "it is heard, and not understood yet"
    settle(hub)
    assert (break_silence(hub), said(hub)) == (0, [])
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "shipped"): 3}
        must_hold(world)


def test_who_cannot_be_asked_keeps_its_order_and_a_person_is_told(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, _ = asked(sqlite, acme, is_void=True, in_paris=3)
    acme.error = UnavailableError("down")
    advance(hub, 3600)
    assert (break_silence(hub), said(hub)) == (0, [("supplier_silent", WAITS.format(number))])
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 3}


def test_a_late_refusal_of_what_is_served_elsewhere_is_nothing_to_do(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, line = asked(sqlite, acme, is_void=True, in_paris=3)
    advance(hub, 3600)
    assert break_silence(hub) == 1
    acme.replies = [reply(number, 70, refused={line: "gone"})]
    hear_replies(hub)
    assert said(hub) == []


def test_what_nobody_else_has_stays_with_the_supplier(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, _ = asked(database, acme, is_void=True, in_paris=2)
    advance(hub, 3600)
    assert break_silence(hub) == 0
    assert said(hub) == [("supplier_silent", WAITS.format(number))]
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 3}
        assert world.lines("1") == {"1-1": (3, 3, 0)}
        must_hold(world)


def test_a_canceled_order_is_nobodys_silence(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3})))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3}, state=OrderState.CANCELED, minute=1)))
    send_messages(hub)
    advance(hub, 7200)
    assert (break_silence(hub), said(hub)) == (0, [])


def test_without_an_agreed_time_nobody_is_silent(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub = opened(sqlite, acme, answers_within=None)
    read(hub, acme, feed("1", at(0), BOLT=9))
    ask(hub, "1", {"BOLT": 3})
    advance(hub, 999_999)
    assert (break_silence(hub), said(hub), the_card(hub).past_time) == (0, [], None)


def test_nobody_is_silent_about_what_it_was_not_handed_over_for_certain(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, _, _ = asked(database, acme, is_void=True)
    acme.fails_after_effect = NoAnswerError("no answer")
    number = ask(hub, "2", {"BOLT": 2})
    in_paris(hub, 9)
    acme.replies = [reply(number - 1, 1, confirmed={the_order(hub)[1]: 3})]
    advance(hub, 3599)
    send_messages(hub)
    advance(hub, 120)
    acme.fails_after_effect = None
    assert (hear_replies(hub), break_silence(hub), said(hub)) == (1, 0, []), "its time has passed, it may not have it"
    advance(hub, 900)
    send_messages(hub)
    assert (break_silence(hub), said(hub)) == (0, [])
    with looking(hub) as world:
        rows = [row for row in world.connection.execute(REQUEST.select()) if row.fulfillment_order_id == number]
        assert [(row.asked_at, row.answer_by) for row in rows] == [(hub.clock.now(), hub.clock.now() + HOUR)]
        assert world.served("2") == {("2-1", "acme", "sent_to_supplier"): 2}
    advance(hub, 3600)
    assert (break_silence(hub), said(hub)) == (1, [("supplier_silent", MOVED.format(number))])


def without_suppliers(hub: Hub) -> Hub:
    with hub.database.write() as connection:
        connection.execute(LOCATION.update().where(LOCATION.c.code == "acme").values(master=None))
    return replace(hub, suppliers={})


def test_who_was_removed_from_the_settings_is_not_heard_and_a_person_is_told(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, _ = asked(database, acme, is_void=True, in_paris=3)
    advance(hub, 3600)
    assert (break_silence(without_suppliers(hub)), said(hub)) == (0, [("supplier_silent", WAITS.format(number))])
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 3}
        must_hold(world)
    assert [one.supplier for one in scorecards(hub, at(0), at(60 * 24))] == ["acme"]


def test_one_that_fails_does_not_end_the_others(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = ScriptedSupplier()
    hub, number, _ = asked(sqlite, acme, is_void=True)
    other = ask(hub, "2", {"BOLT": 2})
    in_paris(hub, 9)
    advance(hub, 3600)

    def fails_once(desk: Desk, one: int, kept: Mapping[int, int]) -> set[Place]:
        if one == number:
            raise ZeroDivisionError
        return give_up(desk, one, kept)

    monkeypatch.setattr("nervure.operations.silence.give_up", fails_once)
    with pytest.raises(ExceptionGroup):
        break_silence(hub)
    assert said(hub) == [("supplier_silent", MOVED.format(other))]


def test_a_supplier_is_asked_once_for_all_its_orders_and_in_turn(sqlite: Database) -> None:
    acme = CountingSupplier()
    hub, _, _ = asked(sqlite, acme, is_void=True)
    ask(hub, "2", {"BOLT": 2})
    ask(hub, "3", {"BOLT": 1})
    in_paris(hub, 9)
    advance(hub, 3600)
    assert take_slot(hub, "acme", PULL_REPLIES, REPLIES_PERIOD_SECONDS) == 0.0, "another window asks"
    advance(hub, 5)
    assert (break_silence(hub), acme.pulls, said(hub)) == (0, 0, [])
    advance(hub, 25)
    assert (break_silence(hub), acme.pulls) == (3, 1)


def test_what_another_window_has_heard_since_is_not_asked_for_again(sqlite: Database) -> None:
    acme = CountingSupplier()
    hub, _, _ = asked(sqlite, acme, is_void=True, in_paris=9)
    advance(hub, 3600)
    assert take_slot(hub, "acme", PULL_REPLIES, REPLIES_PERIOD_SECONDS) == 0.0
    pull_replies(hub, "acme")
    advance(hub, 1)
    assert (break_silence(hub), acme.pulls) == (1, 1)


def test_whom_another_window_could_not_hear_is_told_of(sqlite: Database) -> None:
    acme = CountingSupplier()
    hub, number, _ = asked(sqlite, acme, is_void=True, in_paris=9)
    advance(hub, 3600)
    assert take_slot(hub, "acme", PULL_REPLIES, REPLIES_PERIOD_SECONDS) == 0.0
    advance(hub, 15)
    assert (break_silence(hub), acme.pulls, said(hub)) == (0, 0, [("supplier_silent", WAITS.format(number))])


@pytest.mark.postgresql
def test_many_that_look_at_once_serve_it_from_elsewhere_once(postgresql: Database) -> None:
    acme = ScriptedSupplier()
    hub, number, _ = asked(postgresql, acme, is_void=True, in_paris=9)
    advance(hub, 3600)
    assert Counter(at_once([lambda: break_silence(hub)] * 4)) == {0: 3, 1: 1}
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 3}
        assert [row.kind for row in world.connection.execute(TASK.select())] == ["supplier_silent"]
        must_hold(world)
    assert said(hub) == [("supplier_silent", MOVED.format(number))]
