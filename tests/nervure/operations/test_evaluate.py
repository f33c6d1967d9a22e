"""The hub's own orders played again: what it had then, what came in, and what nobody could have sent."""

from typing import cast

import pytest

from nervure.operations.evaluate import Span, evaluate
from nervure.operations.refusals import RefusalError
from nervure.orders.comparison import Comparison, Rule, verdict
from nervure.orders.costs import EURO
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import ScarcityStore
from schemas.orders import Order, OrderState
from tests.nervure.operations.test_scarcity import SCARCE, OneTransaction, hub_of, to
from tests.nervure.world import World, an_order, at, merchant

DAY = 24 * 60
WEEK = Span(at(10 * DAY), at(17 * DAY))


def played(world: World) -> list[Comparison]:
    return evaluate(hub_of(world, cast("Database", OneTransaction(world))), WEEK, seeds=2, seconds=10)


def placed(order: str, day: int, postal_code: str, state: OrderState = OrderState.OPEN) -> Order:
    found = an_order(order, {"BOLT": 1}, delivery=to(postal_code), minute=day * DAY, state=state)
    return found.model_copy(update={"placed_at": at(day * DAY)})


def a_past(world: World) -> World:
    """Ten days in which Paris ordered many bolts, and a week that began with one in Paris and some in Lyon."""
    merchant(world, bolt_paris=41, bolt_lyon=9)
    RoutingStore(world.connection, world.now).put(Routing(SCARCE))
    for number in range(40):
        world.take_in(an_order(f"p{number}", {"BOLT": 1}, delivery=to("75011")))
        world.ship_all(f"p{number}")
    now = world.later(11 * DAY)
    now.take_in(placed("a", 11, "89000"))
    now.take_in(placed("gone", 11, "89000", OrderState.CANCELED))
    now.take_in(placed("b", 12, "75011"))
    for order in "ab":
        now.ship_all(order, minute=12 * DAY)
    return now


def test_the_orders_of_a_week_are_played_by_every_rule(world: World) -> None:
    now = a_past(world)
    found = played(now)
    assert len(found) == 2
    kilometers = {rule: round(found[0].tallies[rule].km) for rule in Rule}
    # From Paris to Auxerre and from Lyon to Paris, or from Lyon to Auxerre and within Paris.
    assert kilometers == {
        Rule.PRIORITY: 145 + 377,
        Rule.DISTANCE: 145 + 377,
        Rule.MYOPIC: 145 + 377,
        Rule.SCARCITY: 237,
        Rule.HINDSIGHT: 237,
    }
    assert found[0].tallies[Rule.MYOPIC].cost == pytest.approx(5.2238 * EURO, abs=100)
    assert verdict(found) == (
        "scarcity closes 100 % (95 %: 100 to 100) of the gap between cost and the bound of hindsight,"
        " 100 % of that to the best plans found"
    )


def test_what_left_otherwise_was_never_there_and_what_came_in_came_when_it_came(world: World) -> None:
    now = a_past(world)
    ids, places = now.catalogue.item_ids(["BOLT"]), now.locations.ids()
    store = ScarcityStore(now.connection, now.now)
    sent = frozenset({"order:shop:a", "order:shop:b"})
    stock, arrivals = store.opening(dict.fromkeys(ids.values()), WEEK.begin, WEEK.end, sent)
    assert {(place.location_id, units) for place, units in stock.items()} == {(places["paris"], 1), (places["lyon"], 9)}
    assert arrivals == []
    # Only a is played again: b had taken one from Lyon, whatever day that was.
    stock, _ = store.opening(dict.fromkeys(ids.values()), WEEK.begin, WEEK.end, frozenset({"order:shop:a"}))
    assert {(place.location_id, units) for place, units in stock.items()} == {(places["paris"], 1), (places["lyon"], 8)}
    world.move("BOLT", "paris", 3, minute=13 * DAY)
    stock, arrivals = store.opening(dict.fromkeys(ids.values()), WEEK.begin, WEEK.end, sent)
    assert [(one.at, one.place.location_id, one.units) for one in arrivals] == [(at(13 * DAY), places["paris"], 3)]


def test_what_cannot_be_compared_is_refused_with_the_reason(world: World) -> None:
    merchant(world, bolt_paris=1)
    with pytest.raises(RefusalError, match="say nothing of what routing costs"):
        played(world)
    RoutingStore(world.connection, world.now).put(Routing(SCARCE))
    with pytest.raises(RefusalError, match="no order that is sent was placed in this period"):
        played(world)
    world.later(11 * DAY).take_in(placed("a", 11, "89000"))
    with pytest.raises(RefusalError, match="in the 10 days before"):
        played(world.later(12 * DAY))
