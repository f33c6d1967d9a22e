"""What becomes of units that cannot be served: options that exist, held while they are proposed, chosen once."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from connectors.errors import RefusedError
from nervure.invariants import check_all
from nervure.operations.desk import hand_over, make_ready, pack, start_picking
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.offers import accept
from nervure.operations.purchases import ExpectedLine, expect
from nervure.operations.reservations import expire_reservations
from nervure.operations.shortfalls import (
    ProposalOverError,
    UnknownProposalError,
    choose,
    choose_for,
    keep_proposals,
    list_shortfalls,
    make_proposals,
    options_of,
    proposals_of,
)
from nervure.operations.staff import adjust, ship_fulfillment
from nervure.orders.options import Paid
from nervure.orders.rules import Routing
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.holds import RESERVATION
from nervure.store.picking import PickingStore
from nervure.store.policies import PolicyStore
from nervure.store.proposals import ProposalSeen
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LISTING
from schemas.items import Item
from schemas.orders import DeliveryMethod, Order, OrderState
from schemas.policies import PolicyKind
from schemas.routing import LocationRouting, RoutingSettings
from schemas.stock import AdjustmentReason
from schemas.substitution import AtDeadline, PriceRule
from tests.nervure.operations.caps import MODELS, goods_in, hat_shop, order, policy, state
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, tasks
from tests.nervure.world import Bought, World, an_order, capable, must_hold


def proposed(hub: Hub, name: str = "1") -> ProposalSeen:
    """The one proposal that is open for an order."""
    assert make_proposals(hub) == 1
    return proposals_of(hub, "shop", name)[-1]


def all_holds(hub: Hub) -> None:
    with looking(hub) as world:
        must_hold(world)
        assert check_all(AuditStore(world.connection)) == []


def states_of_holds(hub: Hub) -> list[str]:
    with hub.database.read() as connection:
        return list(connection.execute(sa.select(RESERVATION.c.state).order_by(RESERVATION.c.id)).scalars())


def told(hub: Hub) -> dict[str, str]:
    """Open tasks by kind."""
    return {task.kind: task.text for task in tasks(hub)}


def shop_of(hub: Hub) -> ScriptedShop:
    found = hub.connection("shop")
    assert isinstance(found, ScriptedShop)
    return found


def keys_now(hub: Hub, name: str) -> list[str]:
    [short] = options_of(hub, "shop", name)
    return [one.key for one in short.options]


# -- what there is -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R02", "R10")
def test_the_options_are_what_exists_now_in_order(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=2, green_depot=1, pro_depot=5, red_near=2, red_far=9)
    order(hub, "1", 2)
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 3, date(2026, 3, 9))])
    [short] = options_of(hub, "shop", "1")
    assert [(one.key, one.due, one.on) for one in short.options] == [
        ("variant:BLUE", Decimal(0), date(2026, 3, 3)),
        ("higher_model:PRO", Decimal(0), date(2026, 3, 3)),
        ("pickup:near", Decimal(0), date(2026, 3, 2)),
        ("later:2026-03-09", Decimal(0), date(2026, 3, 9)),
        ("cancel", Decimal("-39.80"), None),
    ]
    assert [one.reason for one in short.options] == [
        "BLUE by group caps: 2 in depot, 377 km away; at the price paid",
        "PRO by group models: 2 in depot, 377 km away; at the price paid, though it costs 11.00 EUR more",
        "the nearest place that has it: 2 in near, 0 km away, to be fetched there",
        "by 2026-03-09 out of what is ordered or on its way, after all who wait longer",
        "2 of 2 units of the line are canceled; 39.80 EUR to give back",
    ]


def test_what_comes_in_serves_first_who_waits_longer(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy())
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 3, date(2026, 3, 9))])
    expect(hub, "PO-2", [ExpectedLine("RED", "depot", 1, date(2026, 3, 16))])
    for name in ("1", "2"):
        order(hub, name, 2)
    assert keys_now(hub, "1") == ["later:2026-03-09", "cancel"]
    assert keys_now(hub, "2") == ["later:2026-03-16", "cancel"]


def test_only_all_missing_units_are_an_option_and_of_what_the_channel_sells(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=1, green_near=5, pro_depot=2, max_depot=9, red_near=1)
    with sqlite.write() as connection:
        World(connection).safety_stock("PRO", "depot", 1)
        unbound = {"item_id": None, "unbound_reason": "taken off the shop"}
        connection.execute(LISTING.update().where(LISTING.c.sku == "MAX").values(**unbound))
    order(hub, "1", 2)
    assert keys_now(hub, "1") == ["cancel"]


def test_a_difference_of_prices_is_stated_and_needs_them(sqlite: Database) -> None:
    charged = MODELS.model_copy(update={"up": PriceRule.DIFFERENCE, "down": PriceRule.DIFFERENCE})
    hub = hat_shop(sqlite, policy(), groups=(charged,), red_depot=3, max_depot=3)
    order(hub, "1", 2, sku="PRO")
    [short] = options_of(hub, "shop", "1")
    assert {one.key: one.due for one in short.options} == {
        "higher_model:MAX": Decimal("29.00"),
        "lower_model:RED": Decimal("-11.00"),
        "cancel": Decimal("-39.80"),
    }
    state(hub, an_order("2", {"PRO": 2}, minute=1).model_copy(update={"currency": "GBP"}))
    assert keys_now(hub, "2") == ["cancel"]


def test_a_policy_that_lets_be_sold_beyond_gives_a_day(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy())
    order(hub, "1", 2)
    with sqlite.write() as connection:
        World(connection).policy(PolicyKind.BACKORDER, 2, sku="RED", promised_on=date(2026, 3, 20))
    assert keys_now(hub, "1") == ["later:2026-03-20", "cancel"]


# -- proposing -----------------------------------------------------------------------------------------------------


def test_what_is_proposed_is_held_and_comes_back_when_nobody_answers(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=2, red_near=1)
    order(hub, "1")
    made = proposed(hub)
    assert [one.key for one in made.options] == ["variant:BLUE", "pickup:near", "cancel"]
    assert made.expires_at - made.opened_at == timedelta(hours=24)
    assert make_proposals(hub) == 0
    with looking(hub) as world:
        assert (world.claimable("BLUE", "depot"), world.claimable("RED", "near")) == (1, 0)
        assert world.open_tasks() == {"shortfall": 1}
    advance(hub, 24 * 3600 - 1)
    assert keep_proposals(hub) == (0, 0)
    advance(hub, 1)
    with pytest.raises(ProposalOverError, match=r"the time to answer ended at 2026-03-03 09:00 UTC"):
        choose(hub, made.token, "cancel")
    assert keep_proposals(hub) == (1, 0)
    assert keep_proposals(hub) == (0, 0)
    with looking(hub) as world:
        assert (world.claimable("BLUE", "depot"), world.claimable("RED", "near")) == (2, 1)
        assert world.lines("1") == {"1-1": (1, 0, 1)}
        assert world.open_tasks() == {"shortfall": 1}
    assert states_of_holds(hub) == ["released", "released"]
    with pytest.raises(ProposalOverError, match=r"the time to answer ended at 2026-03-03 09:00 UTC"):
        choose(hub, made.token, "cancel")
    assert make_proposals(hub) == 0
    all_holds(hub)


@pytest.mark.parametrize(
    ("near", "keys"),
    [
        (LocationRouting(), ["pickup:near", "cancel"]),
        (LocationRouting(keep_units=1), ["pickup:near", "cancel"]),
        (LocationRouting(keep_units=2), ["pickup:far", "cancel"]),
        (LocationRouting(classes=()), ["pickup:far", "cancel"]),
        (LocationRouting(daily_orders=0), ["pickup:far", "cancel"]),
    ],
    ids=["no rule", "one stays, two are there", "both stay", "takes no such goods", "its day is full"],
)
def test_nobody_is_sent_to_where_the_rules_keep_the_goods(
    sqlite: Database, near: LocationRouting, keys: list[str]
) -> None:
    hub = hat_shop(sqlite, policy(), groups=(), red_near=2, red_far=1)
    with sqlite.write() as connection:
        World(connection).catalogue.put_items([Item(sku="RED", title="Red", size_class="bulky")])
        RoutingStore(connection, hub.clock.now()).put(Routing(RoutingSettings(), {"near": near}))
    order(hub, "1")
    assert keys_now(hub, "1") == keys


def test_nothing_is_proposed_that_the_settings_do_not_let(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(variant="never", pickup="never", cancel="never"), blue_depot=2, red_near=1)
    order(hub, "1")
    assert make_proposals(hub) == 0
    goods_in(hub, "PRO", 1)
    assert make_proposals(hub) == 0  # it is looked again later
    advance(hub, 15 * 60)
    assert [one.key for one in proposed(hub).options] == ["higher_model:PRO"]


def test_only_orders_that_may_be_sent_are_asked_for(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=9)
    order(hub, "1", state=OrderState.AWAITING_PAYMENT)
    assert make_proposals(hub) == 0
    state(hub, an_order("1", {"RED": 1}, minute=1))
    assert make_proposals(hub) == 1


def test_two_customers_are_never_promised_one_unit(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=1)
    for name in ("1", "2"):
        order(hub, name)
    assert make_proposals(hub) == 2
    keys = [[one.key for one in proposals_of(hub, "shop", name)[0].options] for name in ("1", "2")]
    assert keys == [["variant:BLUE", "cancel"], ["cancel"]]
    all_holds(hub)


def test_the_best_option_happens_by_itself_where_the_settings_let_it(database: Database) -> None:
    hub = hat_shop(database, policy(variant="auto", cancel="auto"), blue_depot=1, pro_depot=1)
    for name in ("1", "2", "3"):
        order(hub, name)
    assert make_proposals(hub) == 3
    made = [proposals_of(hub, "shop", name)[0] for name in ("1", "2", "3")]
    # A better one is there to be asked for: nothing is canceled before somebody said so.
    assert [(one.state, one.chosen, one.ended_by) for one in made] == [
        ("chosen", "variant:BLUE", "the settings"),
        ("open", None, ""),
        ("chosen", "cancel", "the settings"),
    ]
    assert [one.key for one in made[1].options] == ["higher_model:PRO", "cancel"]
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (1, 1, 0)}
        assert world.lines("3") == {"3-1": (0, 0, 0)}
        assert world.open_tasks() == {"shortfall": 1, "substituted": 1, "refund": 1, "tell_customer": 2}
    all_holds(hub)


# -- choosing ------------------------------------------------------------------------------------------------------


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


def lose(hub: Hub, sku: str, units: int) -> None:
    """Units are found missing in the depot."""
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).lose(sku, "depot", units)


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


def test_an_agreed_day_that_passes_is_proposed_something_again(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy())
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 3, date(2026, 3, 9))])
    order(hub, "1", 2)
    choose(hub, proposed(hub).token, "later:2026-03-09")
    advance(hub, 8 * 24 * 3600)
    with sqlite.write() as connection:
        assert PolicyStore(connection, hub.clock.now()).note_days() == 1
    with looking(hub) as world:
        assert world.open_tasks() == {"shortfall": 1}
    assert [one.key for one in proposed(hub).options] == ["cancel"]
    all_holds(hub)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_cancellation_is_told_where_the_platform_takes_it_and_else_by_a_person(
    sqlite: Database, *, is_told: bool
) -> None:
    hub = hat_shop(sqlite, policy(), capabilities=capable(withdraws_units=is_told))
    order(hub, "1", 2)
    choose(hub, proposed(hub).token, "cancel")
    refund = "in shop, order #1: cancel 2 of RED (line 1-1) and refund 39.80 EUR"
    assert told(hub) == ({} if is_told else {"refund": refund})
    send_messages(hub)
    assert shop_of(hub).canceled == ([("1", {"1-1": 2})] if is_told else [])
    all_holds(hub)


def test_a_cancellation_that_the_platform_refuses_is_a_persons(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), capabilities=capable(withdraws_units=True))
    order(hub, "1")
    choose(hub, proposed(hub).token, "cancel")
    shop_of(hub).error = RefusedError("it has shipped there")
    send_messages(hub)
    refund = "in shop, order #1: cancel 1 of RED (line 1-1) and refund 19.90 EUR"
    assert told(hub) == {"refund": f"{refund}. The channel refused it: it has shipped there"}


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


@pytest.mark.parametrize("at_deadline", [AtDeadline.FIRST, AtDeadline.CANCEL])
def test_the_deadline_decides_where_the_settings_say_so(database: Database, at_deadline: AtDeadline) -> None:
    hub = hat_shop(database, policy(at_deadline), blue_depot=1)
    order(hub, "1")
    made = proposed(hub)
    advance(hub, 24 * 3600)
    assert expire_reservations(hub) == 0  # what is proposed outlives its deadline by some minutes
    assert keep_proposals(hub) == (1, 0)
    [ended] = proposals_of(hub, "shop", "1")
    chosen = "variant:BLUE" if at_deadline is AtDeadline.FIRST else "cancel"
    assert (ended.id, ended.state, ended.chosen, ended.ended_by) == (made.id, "chosen", chosen, "the deadline")
    assert "tell_customer" in told(hub)
    all_holds(hub)


def test_a_deadline_after_which_nothing_is_held_leaves_it_to_a_person(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(AtDeadline.FIRST), blue_depot=1)
    order(hub, "1")
    proposed(hub)
    advance(hub, 25 * 3600)
    assert expire_reservations(hub) == 1
    assert keep_proposals(hub) == (1, 0)
    assert proposals_of(hub, "shop", "1")[0].state == "expired"
    all_holds(hub)


# -- what is given back --------------------------------------------------------------------------------------------


def given_back(hub: Hub) -> Decimal:
    """What the cancellation of all that order "1" lacks gives back."""
    [short] = options_of(hub, "shop", "1")
    return -short.options[-1].due


def stated(units: int, total: str, minute: float = 0, **line: Any) -> Order:
    """Order "1" of RED with what its line costs."""
    made = an_order("1", {"RED": units}, minute=minute)
    changes = {"line_total": Decimal(total), **line}
    return made.model_copy(update={"lines": (made.lines[0].model_copy(update=changes),)})


def test_an_edit_that_lowers_the_units_gives_back_what_each_of_them_costs(database: Database) -> None:
    hub = hat_shop(database, policy())
    state(hub, stated(3, "30.00"))
    assert given_back(hub) == Decimal("30.00")
    state(hub, stated(2, "20.00", minute=1))
    assert given_back(hub) == Decimal("20.00")
    [short] = options_of(hub, "shop", "1")
    assert short.options[-1].reason == "2 of 2 units of the line are canceled; 20.00 EUR to give back"


def test_what_a_channel_took_off_the_amount_and_not_off_the_units_is_not_counted_again(database: Database) -> None:
    hub = hat_shop(database, policy())
    state(hub, stated(3, "20.00", units_canceled=1, units_charged=2))
    assert given_back(hub) == Decimal("20.00")
    state(hub, stated(3, "30.00", minute=1, units_canceled=1))
    assert given_back(hub) == Decimal("20.00"), "its channel states the amount of all three"


def test_a_discount_of_the_order_was_not_paid(database: Database) -> None:
    hub = hat_shop(database, policy())
    state(hub, stated(3, "30.00", discount_amount=Decimal("6.00")))
    assert given_back(hub) == Decimal("24.00")


def test_what_is_given_back_unit_by_unit_sums_to_what_was_paid(database: Database) -> None:
    hub = hat_shop(database, policy())
    parts = []
    for canceled in range(3):
        state(hub, stated(3, "10.00", minute=canceled, units_canceled=canceled))
        parts.append(given_back(hub))
    assert parts == [Decimal("10.00"), Decimal("6.67"), Decimal("3.33")]
    paid = Paid(3, 0, Decimal("10.00"), "EUR")
    one_by_one = [replace(paid, units_gone=gone).share(1) for gone in range(3)]
    assert one_by_one == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]


def test_a_substitute_that_is_canceled_in_its_turn_gives_back_all_that_was_paid_for_it(database: Database) -> None:
    charged = MODELS.model_copy(update={"up": PriceRule.DIFFERENCE})
    hub = hat_shop(database, policy(), groups=(charged,), max_depot=3)
    order(hub, "1", 3, sku="PRO")
    choose(hub, proposed(hub).token, "higher_model:MAX")
    paid_at_first, on_top = Decimal("59.70"), Decimal("43.50")
    adjust(hub, "MAX", "depot", -2, reason=AdjustmentReason.DAMAGED, document="a lorry")
    assert given_back(hub) == ((paid_at_first + on_top) * 2 / 3).quantize(Decimal("0.01"))
    choose(hub, proposed(hub).token, "cancel")
    adjust(hub, "MAX", "depot", -1, reason=AdjustmentReason.DAMAGED, document="another lorry")
    assert given_back(hub) == (paid_at_first + on_top) / 3
    all_holds(hub)


# -- what the channel says of it -----------------------------------------------------------------------------------


def substituted(hub: Hub, units: int = 2) -> None:
    order(hub, "1", units)
    choose(hub, proposed(hub).token, "variant:BLUE")


def test_a_channel_that_says_nothing_of_it_changes_nothing(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=2)
    substituted(hub)
    for minute in (0, 1, 2):
        state(hub, an_order("1", {"RED": 2}, minute=minute))
        with looking(hub) as world:
            assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (2, 2, 0)}
            assert world.open_tasks() == {"substituted": 1}
    all_holds(hub)


def test_what_the_channel_says_at_last_needs_no_person_any_more(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=9)
    substituted(hub)
    state(hub, an_order("1", [Bought("RED", 2, canceled=2), Bought("BLUE", 2)], minute=1))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "1-2": (2, 2, 0)}
        assert world.claimable("BLUE", "depot") == 7
        assert world.open_tasks() == {}
    # From now on both lines are as the channel says.
    goods_in(hub, "RED", 5)
    state(hub, an_order("1", [Bought("RED", 2, canceled=1), Bought("BLUE", 3)], minute=2))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 1, 0), "1-2": (3, 3, 0)}
    all_holds(hub)


@pytest.mark.parametrize(
    ("said", "is_open"),
    [
        ([Bought("RED", 3)], 1),
        ([Bought("RED", 4)], 2),  # one more was bought than before
        ([Bought("RED", 3, canceled=1)], 1),  # half of it is told
        ([Bought("RED", 3, canceled=2)], 1),  # it is told
        ([Bought("RED", 3, canceled=3)], 0),
        ([Bought("RED", 1)], 1),  # it is told by an edit
    ],
)
def test_what_the_hub_gave_up_stays_given_up_until_the_channel_says_so(
    sqlite: Database, said: list[Bought], is_open: int
) -> None:
    hub = hat_shop(sqlite, policy(), red_depot=1, blue_depot=2)
    substituted(hub, 3)
    state(hub, an_order("1", said, minute=1))
    with looking(hub) as world:
        assert world.lines("1")["1-1"][0] == is_open
        assert world.lines("1")["nervure-1"] == (2, 2, 0)
    all_holds(hub)


def test_an_order_that_is_canceled_gives_the_substitute_back(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=2)
    substituted(hub)
    state(hub, an_order("1", {"RED": 2}, minute=1, state=OrderState.CANCELED))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (0, 0, 0)}
        assert world.claimable("BLUE", "depot") == 2
    all_holds(hub)


def test_an_order_that_is_canceled_needs_no_answer(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=2)
    order(hub, "1", 2)
    made = proposed(hub)
    state(hub, an_order("1", {"RED": 2}, minute=1, state=OrderState.CANCELED))
    with pytest.raises(ProposalOverError, match="nothing to choose any more"):
        choose(hub, made.token, "variant:BLUE")
    assert keep_proposals(hub) == (0, 1)
    with looking(hub) as world:
        assert world.claimable("BLUE", "depot") == 2
    all_holds(hub)


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ([Bought("RED", 3)], {"1-1": 3}),  # as the line whose place it takes, while that is all the channel knows
        ([Bought("RED", 3, canceled=2)], {"1-1": 1}),  # it canceled that, and knows no other line
        ([Bought("RED", 3, canceled=2), Bought("BLUE", 2)], {"1-1": 1, "1-2": 2}),
    ],
)
def test_a_parcel_is_told_by_the_lines_that_the_channel_knows(
    sqlite: Database, said: list[Bought], lines: dict[str, int]
) -> None:
    hub = hat_shop(sqlite, policy(), red_depot=1, blue_depot=2)
    substituted(hub, 3)
    state(hub, an_order("1", said, minute=1))
    with looking(hub) as world:
        numbers = world.fulfillment_numbers("1")
    for number in numbers:
        ship_fulfillment(hub, number)
    send_messages(hub)
    parcels = list(shop_of(hub).shipments.values())
    told_units: dict[str, int] = {}
    for line in (line for parcel in parcels for line in parcel.lines):
        told_units[line.order_line] = told_units.get(line.order_line, 0) + line.units
    assert told_units == lines
    assert parcels[-1].completes_order
    all_holds(hub)


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
