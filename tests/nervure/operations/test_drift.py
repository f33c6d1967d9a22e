"""What somebody else made a channel show: repaired, asked about, or let stand, once all orders are heard."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.readback import check_confirmed
from nervure.operations.staff import receive
from nervure.store.database import Database
from nervure.store.drift import Drift, DriftStore
from nervure.store.tasks import TaskStore
from nervure.store.upkeep import UpkeepStore
from schemas.orders import Order
from schemas.publications import DriftPolicy
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
    tasks,
)
from tests.nervure.operations.test_publish import BOLT, row, sent, shows, states
from tests.nervure.operations.test_readback import orders_heard
from tests.nervure.world import a_till_sale, an_order, at

SHOWN = {"BOLT": 99, "NUT": 8, "PAIR": 4}


def edited(database: Database, policy: DriftPolicy) -> tuple[Hub, ScriptedShop]:
    """Somebody sets BOLT to 99 by hand a minute after 7 were confirmed and read back, and the hub has seen it."""
    shop = ScriptedShop()
    hub = scripted_hub(database, {"shop": shop}, drift=policy)
    settle(hub)
    publish(hub, "shop")
    advance(hub, 60)
    check_confirmed(hub, "shop")
    shop.shown[BOLT] = 99
    advance(hub, 60)
    hear(hub, "shop", shows("BOLT", 99, 2))
    return hub, shop


def listed(hub: Hub) -> list[tuple[str, int, int, bool]]:
    with looking(hub) as world:
        found: list[Drift] = DriftStore(world.connection, world.now).listed("shop")
    return [(one.sku, one.shown_units, one.our_units, one.is_asked) for one in found]


def decide(hub: Hub, *, keeps: bool) -> int:
    return hub.database.run(lambda c: DriftStore(c, hub.clock.now()).decide("shop", ["BOLT"], keeps=keeps))


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("policy", list(DriftPolicy))
def test_nothing_is_decided_before_the_orders_are_heard(both: Database, policy: DriftPolicy) -> None:
    hub, shop = edited(both, policy)
    publish(hub, "shop")
    assert (states(hub)["BOLT"], shop.units(), tasks(hub)) == ("pending", SHOWN, [])


@pytest.mark.requirement("R35")
def test_by_default_our_number_is_sent_again(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.REPAIR)
    orders_heard(hub)
    publish(hub, "shop")
    assert (shop.units(), states(hub)["BOLT"], listed(hub)) == ({"BOLT": 7, "NUT": 8, "PAIR": 4}, "confirmed", [])


@pytest.mark.requirement("R33", "R35")
def test_where_a_person_is_asked_the_channels_number_stays_also_when_ours_moves(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.ASK)
    orders_heard(hub)
    publish(hub, "shop")
    receive(hub, "BOLT", "paris", 1, document="1")
    receive(hub, "NUT", "paris", 1, document="1")
    refresh(hub)
    publish(hub, "shop")
    assert shop.units() == {"BOLT": 99, "NUT": 9, "PAIR": 4}
    assert [(task.kind, task.about, task.text) for task in tasks(hub)] == [
        (
            "drift",
            "shop, BOLT at web",
            "shop shows 99 of BOLT at web, where 7 belong: `nervure channels drift shop` decides",
        )
    ]
    assert (states(hub)["BOLT"], listed(hub)) == ("failed", [("BOLT", 99, 8, True)])
    assert row(hub)["reason"] == "shop shows 99 of BOLT at web, where 8 belong: a person must decide"


@pytest.mark.requirement("R35")
def test_what_a_person_is_asked_about_is_settled_when_our_number_becomes_that_of_the_channel(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.ASK)
    orders_heard(hub)
    publish(hub, "shop")
    receive(hub, "BOLT", "paris", 92, document="1")
    refresh(hub)
    publish(hub, "shop")
    assert (states(hub)["BOLT"], tasks(hub), listed(hub)) == ("confirmed", [], [])
    assert len([call for call in sent(shop) if "BOLT" in call]) == 1


@pytest.mark.requirement("R35")
def test_a_person_lets_it_stand_until_our_number_changes(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.ASK)
    orders_heard(hub)
    publish(hub, "shop")
    assert decide(hub, keeps=True) == 1
    publish(hub, "shop")
    assert (shop.units(), tasks(hub), listed(hub)) == (SHOWN, [], [("BOLT", 99, 7, False)])
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    publish(hub, "shop")
    assert (shop.shown[BOLT], states(hub)["BOLT"], listed(hub)) == (8, "confirmed", [])


@pytest.mark.requirement("R35")
def test_a_person_has_our_number_sent_once_orders_were_heard_again(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.ASK)
    orders_heard(hub)
    publish(hub, "shop")
    assert decide(hub, keeps=False) == 1
    assert decide(hub, keeps=False) == 0, "nothing is asked any more"
    publish(hub, "shop")
    assert (shop.units(), tasks(hub)) == (SHOWN, [])
    orders_heard(hub)
    publish(hub, "shop")
    assert (shop.shown[BOLT], states(hub)["BOLT"]) == (7, "confirmed")


@pytest.mark.requirement("R35")
def test_what_is_put_right_on_the_channel_needs_no_decision(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.ASK)
    orders_heard(hub)
    publish(hub, "shop")
    hear(hub, "shop", shows("BOLT", 7, 4))
    assert (states(hub)["BOLT"], tasks(hub), listed(hub), len(shop.writes)) == ("confirmed", [], [], 1)


@pytest.mark.requirement("R35")
def test_an_accepted_number_is_not_overwritten_until_ours_changes(both: Database) -> None:
    hub, shop = edited(both, DriftPolicy.ACCEPT)
    orders_heard(hub)
    publish(hub, "shop")
    advance(hub, 3_600)
    hear(hub, "shop", shows("BOLT", 99, 60))
    orders_heard(hub)
    publish(hub, "shop")
    assert (shop.units(), states(hub)["BOLT"], tasks(hub)) == (SHOWN, "confirmed", [])
    assert row(hub)["reason"] == "the channel shows 99, which stays until our number changes"
    with looking(hub) as world:
        assert UpkeepStore(world.connection, world.now).differing() == {}, "it is meant"
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, minute=61)))
    publish(hub, "shop")
    assert (shop.shown[BOLT], listed(hub)) == (6, [])


@pytest.mark.requirement("R35")
def test_an_own_change_between_the_edit_and_its_judgement_is_sent(filled: Database) -> None:
    hub, shop = edited(filled, DriftPolicy.ACCEPT)
    receive(hub, "BOLT", "paris", 1, document="1")
    refresh(hub)
    publish(hub, "shop")
    assert shop.shown[BOLT] == 99, "orders first"
    orders_heard(hub)
    publish(hub, "shop")
    assert shop.shown[BOLT] == 8


@pytest.mark.requirement("R35")
@pytest.mark.parametrize("policy", [DriftPolicy.ASK, DriftPolicy.ACCEPT])
def test_a_sale_that_was_not_heard_yet_is_no_drift(both: Database, policy: DriftPolicy) -> None:
    shop = ScriptedShop()
    hub = scripted_hub(both, {"shop": shop}, drift=policy)
    settle(hub)
    publish(hub, "shop")
    advance(hub, 60)
    check_confirmed(hub, "shop")
    shop.shown[BOLT] = 5
    hear(hub, "shop", shows("BOLT", 5, 1))
    publish(hub, "shop")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, minute=0.5)))
    publish(hub, "shop")
    assert (states(hub)["BOLT"], tasks(hub), listed(hub), sent(shop)[1:]) == ("confirmed", [], [], [{"PAIR": 3}])


@pytest.mark.requirement("R31", "R35")
def test_a_write_that_was_dropped_is_repaired_whatever_the_policy_says(filled: Database) -> None:
    shop = ScriptedShop(shown={BOLT: 0})
    hub = scripted_hub(filled, {"shop": shop}, drift=DriftPolicy.ASK)
    settle(hub)
    publish(hub, "shop")
    hear(hub, "shop", shows("BOLT", 0, 1))
    orders_heard(hub)
    publish(hub, "shop")
    assert (sent(shop)[1:], tasks(hub), row(hub)["drops"]) == ([{"BOLT": 7}], [], 1)


@pytest.mark.requirement("R35")
def test_a_policy_that_repairs_repairs_what_was_asked_about_before(filled: Database) -> None:
    hub, shop = edited(filled, DriftPolicy.ASK)
    orders_heard(hub)
    publish(hub, "shop")
    assert len(tasks(hub)) == 1
    later = scripted_hub(filled, {"shop": shop}, drift=DriftPolicy.REPAIR)
    publish(later, "shop")
    assert (shop.shown[BOLT], tasks(later), listed(later)) == (7, [], [])


# -- ghosts --------------------------------------------------------------------------------------------------------


def sold_out(database: Database) -> tuple[Hub, ScriptedShop]:
    """0 BOLT were confirmed at minute 0."""
    shop, market = ScriptedShop(), ScriptedShop()
    hub = scripted_hub(database, {"shop": shop, "market": market, "till": ScriptedShop()})
    hear(hub, "market", order_of(an_order("m", {"BOLT": 7}, channel="market")))
    publish(hub, "shop")
    assert row(hub)["sent_units"] == 0
    return hub, shop


def placed(minute: float, order: Order) -> Order:
    return order.model_copy(update={"placed_at": at(minute)})


@pytest.mark.requirement("R32")
def test_an_order_on_a_listing_published_at_0_is_told_of_once(both: Database) -> None:
    hub, _ = sold_out(both)
    advance(hub, 600)
    hear(hub, "shop", order_of(placed(5, an_order("1", {"BOLT": 1, "NUT": 1}, minute=5))))
    ghosts = [task for task in tasks(hub) if task.kind == "ghost_listing"]
    assert [(task.about, task.text) for task in ghosts] == [
        (
            "shop, order #1, BOLT",
            "shop sold BOLT although it had confirmed 0 at 2026-03-02 09:00 UTC: look whether the listing shows what"
            " it is told",
        )
    ]
    hub.database.run(lambda c: TaskStore(c, hub.clock.now()).close_number(ghosts[0].id))
    hear(hub, "shop", order_of(placed(5, an_order("1", {"BOLT": 1, "NUT": 1}, minute=6))))
    assert [task.kind for task in tasks(hub)] == ["shortfall"]


@pytest.mark.requirement("R20", "R32")
def test_a_sale_made_while_0_was_being_confirmed_is_no_ghost_but_a_shortfall(filled: Database) -> None:
    hub, _ = sold_out(filled)
    hear(hub, "shop", order_of(placed(0.5, an_order("1", {"BOLT": 1}, minute=1))))
    assert [task.kind for task in tasks(hub)] == ["shortfall"]


def test_a_ticket_at_0_is_a_fact_and_no_ghost(filled: Database) -> None:
    hub, _ = sold_out(filled)
    publish(hub, "till")
    advance(hub, 600)
    hear(hub, "till", order_of(placed(5, a_till_sale("t", {"BOLT": 1}, "counter", channel="till", minute=5))))
    assert "ghost_listing" not in {task.kind for task in tasks(hub)}
