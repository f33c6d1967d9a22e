"""What the merchant's settings say of one location and one order, and what an order then costs."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from nervure.orders.costs import EURO
from nervure.orders.rules import Goal, Routing, Site, Way, terms, way
from nervure.store.orders import ORDER
from nervure.store.routing import RoutingStore
from schemas.locations import Address, LocationKind
from schemas.orders import Delivery, DeliveryMethod
from schemas.routing import LocationRouting, PriceStep, RoutingMethod, RoutingSettings, Weekday, Zone
from tests.nervure.world import World, an_order, at, merchant, must_hold

STORE = Site("S", LocationKind.STORE, "Europe/Paris")
MONDAY_NOON = datetime(2026, 3, 2, 11, 0, tzinfo=UTC)
HOME = Goal(DeliveryMethod.SHIP, "FR", "69003", MONDAY_NOON)
WEEK = dict.fromkeys(list(Weekday)[:5], "09:00-18:00")
FRANCE = Zone(
    name="france",
    countries=("FR",),
    transit_days=2,
    steps=(PriceStep(up_to_grams=1_000, euros=Decimal("4.90")), PriceStep(up_to_grams=5_000, euros=Decimal("7.20"))),
)
LYON = FRANCE.model_copy(update={"name": "lyon", "postal_codes": ("69",), "transit_days": 1})
COSTS = RoutingSettings(split=Decimal(2), late_day=Decimal("1.50"), promise_days=1, zones=(LYON, FRANCE))


def of(own: LocationRouting, settings: RoutingSettings = COSTS) -> Routing:
    return Routing(settings, {"S": own})


def when(day: int, hour: int, minute: int = 0) -> datetime:
    """A time in March 2026, UTC."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "leaves"),
    [
        (when(2, 14, 59), date(2026, 3, 2)),  # 15:59 in Paris, a minute before the cut-off
        (when(2, 15, 0), date(2026, 3, 3)),
        (when(6, 15, 0), date(2026, 3, 9)),  # Friday: closed on the weekend
        (when(9, 23, 30), date(2026, 3, 11)),  # it is the 10th already in Paris, a holiday
    ],
)
def test_what_comes_after_the_cut_off_leaves_on_the_next_open_day_of_the_locations_own_zone(
    now: datetime, leaves: date
) -> None:
    own = LocationRouting(hours=WEEK, cut_off=time(16), holidays=(date(2026, 3, 10),))
    found = way(of(own), STORE, HOME, now)
    assert isinstance(found, Way)
    assert found.leaves_on == leaves


def test_a_location_without_hours_is_always_open() -> None:
    found = way(of(LocationRouting()), STORE, HOME, when(8, 3))
    assert isinstance(found, Way)
    assert found.leaves_on == date(2026, 3, 8)


@pytest.mark.parametrize(
    ("own", "settings", "goal", "rule"),
    [
        (
            LocationRouting(countries=("BE",)),
            COSTS,
            HOME,
            "does not send to FR",
        ),
        (LocationRouting(daily_orders=3), COSTS, HOME, "has its 3 orders of the day"),
        (
            LocationRouting(hours={Weekday.SUNDAY: "09:00-12:00"}),
            COSTS.model_copy(update={"dispatch_within_days": 2}),
            HOME,
            "sends nothing within 2 days",
        ),
        (
            LocationRouting(),
            COSTS,
            Goal(DeliveryMethod.SHIP, "DE", "10115", MONDAY_NOON),
            "no zone has a price to DE 10115",
        ),
    ],
)
def test_a_rule_drops_a_location_and_says_why(
    own: LocationRouting, settings: RoutingSettings, goal: Goal, rule: str
) -> None:
    busy = Site("S", LocationKind.STORE, "Europe/Paris", orders_today=3)
    assert terms(of(own, settings), busy, goal, MONDAY_NOON).dropped == rule


def test_a_location_costs_its_handling_its_zone_its_days_and_its_risk() -> None:
    settings = COSTS.model_copy(update={"not_found": Decimal(8)})
    risky = Site("S", LocationKind.STORE, "Europe/Paris", not_found_share=0.25)
    found = terms(of(LocationRouting(handling=Decimal("1.10"), cut_off=time(10)), settings), risky, HOME, MONDAY_NOON)
    # It leaves on Tuesday and arrives on Wednesday: a day after what was promised.
    assert (found.handling, found.days_late, found.not_found) == (1_100_000, 1, 2 * EURO)
    assert found.shipping.steps == ((1_000, 4_900_000), (5_000, 7_200_000))


@pytest.mark.parametrize("hours", ["9-18", "18:00-09:00", "09:00", "09:00-18:00+01:00"])
def test_hours_that_cannot_be_read_are_refused(hours: str) -> None:
    with pytest.raises(ValidationError):
        LocationRouting(hours={Weekday.MONDAY: hours})


def test_the_steps_of_a_zone_go_up() -> None:
    steps: list[dict[str, Any]] = [{"up_to_grams": 1_000, "euros": "5"}, {"up_to_grams": 2_000, "euros": "4"}]
    with pytest.raises(ValidationError, match="steps go up"):
        Zone.model_validate({"name": "x", "countries": ["FR"], "steps": steps})


def priced(world: World, **own: LocationRouting) -> None:
    RoutingStore(world.connection, world.now).put(Routing(COSTS, own))


HOME_DELIVERY = Delivery(method=DeliveryMethod.SHIP, address=Address(country="FR", postal_code="69003"))


@pytest.mark.requirement("R06", "R10")
def test_an_order_keeps_its_bill_in_euros(world: World) -> None:
    merchant(world, bolt_paris=3, bolt_lyon=5)
    priced(world, lyon=LocationRouting(handling=Decimal(3)), paris=LocationRouting(handling=Decimal(1)))
    world.take_in(an_order("1", {"BOLT": 2}, delivery=HOME_DELIVERY))
    assert world.served("1") == {("1-1", "paris", "allocated"): 2}
    [routing] = world.connection.execute(sa.select(ORDER.c.routing)).scalars()
    assert routing["bill"] == {
        "method": "cost",
        "cost": "5.90",
        "split": "0.00",
        "gap": "0.00",
        "is_proved": True,
        "locations": {
            "paris": {
                "units": 2,
                "total": "5.90",
                "costs": {"handling": "1.00", "shipping": "4.90"},
                "is_chosen": True,
                "has_all": True,
            },
            "lyon": {
                "units": 2,
                "total": "7.90",
                "costs": {"handling": "3.00", "shipping": "4.90"},
                "is_chosen": False,
                "has_all": True,
            },
        },
    }
    must_hold(world)


def test_a_store_that_has_its_orders_of_the_day_gets_the_next_one_tomorrow(world: World) -> None:
    merchant(world, bolt_paris=1, bolt_lyon=5)
    priced(world, lyon=LocationRouting(daily_orders=1), paris=LocationRouting(handling=Decimal(90)))
    world.take_in(an_order("1", {"BOLT": 1}, delivery=HOME_DELIVERY))
    world.take_in(an_order("2", {"BOLT": 1}, delivery=HOME_DELIVERY))
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    assert world.served("2") == {("2-1", "paris", "allocated"): 1}
    tomorrow = world.later(24 * 60)
    tomorrow.take_in(an_order("3", {"BOLT": 1}, delivery=HOME_DELIVERY, minute=24 * 60))
    assert tomorrow.served("3") == {("3-1", "lyon", "allocated"): 1}
    must_hold(tomorrow)


def test_the_units_that_stay_in_a_store_are_a_shortfall_and_not_taken(world: World) -> None:
    merchant(world, bolt_lyon=5)
    priced(world, lyon=LocationRouting(keep_units=4))
    world.take_in(an_order("1", {"BOLT": 3}, delivery=HOME_DELIVERY))
    assert world.lines("1") == {"1-1": (3, 1, 2)}
    must_hold(world)


def test_what_the_settings_say_is_written_once_and_replaced(world: World) -> None:
    store = RoutingStore(world.connection, at(0))
    assert store.routing() == Routing()
    store.put(of(LocationRouting(keep_units=1)))
    store.put(of(LocationRouting(keep_units=2), COSTS.model_copy(update={"method": RoutingMethod.PRIORITY})))
    assert store.routing().locations == {"S": LocationRouting(keep_units=2)}
    assert store.routing().costs.method is RoutingMethod.PRIORITY
    assert store.routing().costs.split == 2 * EURO
