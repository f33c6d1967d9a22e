"""One choice for what an order lacks: it counts once, and what was chosen is carried out."""

from datetime import date

import pytest

from nervure.operations.choosing import ProposalOverError, choose, choose_for
from nervure.operations.deadlines import keep_proposals
from nervure.operations.desk import hand_over, make_ready, pack, start_picking
from nervure.operations.hub import Hub
from nervure.operations.offers import accept
from nervure.operations.proposing import make_proposals
from nervure.operations.purchases import ExpectedLine, expect
from nervure.operations.shortfalls import UnknownProposalError, list_shortfalls, proposals_of
from nervure.store.database import Database
from nervure.store.picking import PickingStore
from nervure.store.policies import PolicyStore
from schemas.orders import DeliveryMethod
from schemas.policies import PolicyKind
from tests.nervure.operations.caps import (
    all_holds,
    goods_in,
    hat_shop,
    order,
    policy,
    proposed,
    state,
    states_of_holds,
    substituted,
    told,
)
from tests.nervure.operations.scripted import advance, looking, tasks
from tests.nervure.world import World, an_order


def lose(hub: Hub, sku: str, units: int) -> None:
    """Units are found missing in the depot."""
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).lose(sku, "depot", units)


def test_a_substitute_is_a_line_of_its_own_out_of_what_was_held(database: Database) -> None:
    hub = hat_shop(database, policy(), red_depot=1, blue_depot=2, pro_depot=3)
    order(hub, "1", 3)
    made = proposed(hub)
    assert (made.units, [one.key for one in made.options]) == (2, ["variant:BLUE", "higher_model:PRO", "cancel"])
    done = choose(hub, made.token, "variant:BLUE")
    assert (done.state, done.chosen, done.ended_by) == ("chosen", "variant:BLUE", "the customer")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 1, 0), "nervure-1": (2, 2, 0)}
        assert world.served("1") == {("1-1", "depot", "allocated"): 1, ("nervure-1", "depot", "allocated"): 2}
        assert (world.claimable("BLUE", "depot"), world.claimable("PRO", "depot")) == (0, 3)
        assert world.open_tasks() == {"substituted": 1}
    assert told(hub)["substituted"] == (
        "in shop, order #1: replace 2 of RED (line 1-1) by 2 of BLUE, at no extra charge. Until it says so there, the"
        " parcel is told as line 1-1"
    )
    assert [task.about for task in tasks(hub)] == ["shop, order #1, RED"]
    assert states_of_holds(hub) == ["consumed", "released"]
    all_holds(hub)


def test_the_nearest_place_keeps_the_units_for_its_customer(database: Database) -> None:
    hub = hat_shop(database, policy(), red_near=1)
    order(hub, "1")
    choose(hub, proposed(hub).token, "pickup:near")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "near", "allocated"): 1}
        [number] = world.fulfillment_numbers("1")
        assert world.open_tasks() == {}
        job = PickingStore(world.connection, hub.clock.now()).job(number)
    assert job is not None
    assert (job.location, job.delivery) == ("near", DeliveryMethod.PICKUP)
    accept(hub, number)
    start_picking(hub, number)
    pack(hub, number, unscanned=True)
    _, code = make_ready(hub, number)
    assert hand_over(hub, number, code) == (True, number)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "near", "handed_over"): 1}
    all_holds(hub)


def test_a_day_that_is_agreed_on_is_a_promise_and_the_units_serve_it(database: Database) -> None:
    hub = hat_shop(database, policy())
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 3, date(2026, 3, 9))])
    order(hub, "1", 2)
    choose(hub, proposed(hub).token, "later:2026-03-09")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 0, 2)}
        assert world.open_tasks() == {}
    [(short, nothing)] = list_shortfalls(hub)
    assert (short.units, short.units_short, short.promised_on, nothing) == (0, 2, date(2026, 3, 9), None)
    assert make_proposals(hub) == 0
    all_holds(hub)
    goods_in(hub, "RED", 2)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 2, 0)}
    all_holds(hub)


def test_only_the_units_that_were_agreed_on_are_promised(database: Database) -> None:
    """A third unit of the line got lost while its customer thought of two."""
    hub = hat_shop(database, policy(), red_depot=1)
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 2, date(2026, 3, 9))])
    order(hub, "1", 3)
    made = proposed(hub)
    lose(hub, "RED", 1)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (3, 0, 3)}
    choose(hub, made.token, "later:2026-03-09")
    [(short, _)] = list_shortfalls(hub)
    assert (short.units, short.units_short, short.promised_on) == (1, 3, date(2026, 3, 9))
    assert told(hub)["shortfall"] == "1 unit of line 1-1 has no source"
    all_holds(hub)
    # What nobody agreed on is asked for, and the later day is the line's.
    expect(hub, "PO-2", [ExpectedLine("RED", "depot", 5, date(2026, 3, 16))])
    goods_in(hub, "PRO", 1)
    advance(hub, 3600)
    again = proposed(hub)
    assert [one.key for one in again.options] == ["higher_model:PRO", "later:2026-03-09", "cancel"]
    choose(hub, again.token, "later:2026-03-09")
    [(short, _)] = list_shortfalls(hub)
    assert (short.units, short.units_short, "shortfall" in told(hub)) == (0, 3, False)
    all_holds(hub)


def test_of_what_was_promised_for_a_day_that_has_passed_only_what_is_agreed_on_is_promised_again(
    sqlite: Database,
) -> None:
    hub = hat_shop(sqlite, policy(), red_depot=1)
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 2, date(2026, 3, 9))])
    order(hub, "1", 3)
    choose(hub, proposed(hub).token, "later:2026-03-09")
    advance(hub, 8 * 24 * 3600)
    with sqlite.write() as connection:
        PolicyStore(connection, hub.clock.now()).note_days()
        World(connection, hub.clock.now()).policy(PolicyKind.BACKORDER, 9, sku="RED", promised_on=date(2026, 3, 20))
    made = proposed(hub)
    lose(hub, "RED", 1)
    choose(hub, made.token, "later:2026-03-20")
    [(short, _)] = list_shortfalls(hub)
    assert (short.units, short.units_short, short.promised_on) == (1, 3, date(2026, 3, 20))
    assert told(hub)["shortfall"] == "1 unit of line 1-1 has no source"
    all_holds(hub)


def test_the_first_answer_counts_and_later_ones_are_told_so(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=1, green_depot=1)
    order(hub, "1")
    made = proposed(hub)
    with pytest.raises(UnknownProposalError, match="choose one of variant:BLUE, variant:GREEN, cancel"):
        choose(hub, made.token, "variant:PRO")
    with pytest.raises(UnknownProposalError):
        choose(hub, made.token + "x", "cancel")
    choose_for(hub, "shop", "#1", "variant:GREEN", by="Ana")
    for key in ("variant:GREEN", "variant:BLUE", "cancel"):
        with pytest.raises(ProposalOverError, match="answered at 2026-03-02 09:00 UTC with 'variant:GREEN'"):
            choose(hub, made.token, key)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (1, 1, 0)}
        assert (world.claimable("BLUE", "depot"), world.claimable("GREEN", "depot")) == (1, 0)
    all_holds(hub)


def test_units_that_come_meanwhile_serve_who_waits_longest_and_nothing_is_left_to_choose(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=2)
    for name in ("1", "2"):
        order(hub, name)
    assert make_proposals(hub) == 2
    first, second = (proposals_of(hub, "shop", name)[0] for name in ("1", "2"))
    goods_in(hub, "RED", 1)
    with looking(hub) as world:
        assert (world.lines("1"), world.lines("2")) == ({"1-1": (1, 1, 0)}, {"2-1": (1, 0, 1)})
    with pytest.raises(ProposalOverError, match="the units have come"):
        choose(hub, first.token, "variant:BLUE")
    assert keep_proposals(hub) == (0, 1)
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == 1
    with pytest.raises(ProposalOverError, match="the units have come"):
        choose(hub, first.token, "variant:BLUE")
    choose(hub, second.token, "variant:BLUE")
    all_holds(hub)


def test_what_was_held_and_got_lost_is_not_there_any_more(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=1, green_depot=1)
    order(hub, "1")
    made = proposed(hub)
    with database.write() as connection:
        World(connection, hub.clock.now()).lose("BLUE", "depot", 1)
    with pytest.raises(ProposalOverError, match="'variant:BLUE' is not there any more"):
        choose(hub, made.token, "variant:BLUE")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 0, 1)}
        assert world.claimable("GREEN", "depot") == 1
    assert [one.key for one in proposed(hub).options] == ["variant:GREEN", "cancel"]


def test_a_line_can_be_substituted_once_more_when_more_of_it_is_bought(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=1, green_depot=1)
    substituted(hub, 1)
    state(hub, an_order("1", {"RED": 2}, minute=1))
    choose(hub, proposed(hub).token, "variant:GREEN")
    state(hub, an_order("1", {"RED": 2}, minute=2))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (1, 1, 0), "nervure-2": (1, 1, 0)}
        assert world.open_tasks() == {"substituted": 2}
    all_holds(hub)
