"""What is proposed in the place of what an order lacks: held while it is asked, or done where nobody is asked."""

from datetime import date, timedelta

import pytest

from nervure.operations.choosing import ProposalOverError, choose
from nervure.operations.deadlines import keep_proposals
from nervure.operations.proposing import make_proposals
from nervure.operations.purchases import ExpectedLine, expect
from nervure.operations.shortfalls import proposals_of
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.policies import PolicyStore
from nervure.store.routing import RoutingStore
from schemas.items import Item
from schemas.orders import OrderState
from schemas.routing import LocationRouting, RoutingSettings
from tests.nervure.operations.caps import (
    all_holds,
    goods_in,
    hat_shop,
    keys_now,
    order,
    policy,
    proposed,
    state,
    states_of_holds,
)
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.world import World, an_order


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
