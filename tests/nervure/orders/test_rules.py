"""What the merchant's settings say of one location and one order, and what an order then costs."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from nervure.orders.costs import EURO, Limits
from nervure.orders.parcels import FREE
from nervure.orders.rules import Goal, Goods, Journey, Routing, Site, journey, terms
from nervure.store.routing import RoutingStore
from nervure.store.tables.orders import ORDER
from schemas.locations import Address, LocationKind
from schemas.orders import Delivery, DeliveryMethod
from schemas.routing import (
    Contract,
    LocationRouting,
    Markdown,
    PriceStep,
    RoutingMethod,
    RoutingSettings,
    Weekday,
    Zone,
)
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
    found = journey(of(own), STORE, HOME, now)
    assert isinstance(found, Journey)
    assert found.leaves_on == leaves


def test_a_location_without_hours_is_always_open() -> None:
    found = journey(of(LocationRouting()), STORE, HOME, when(8, 3))
    assert isinstance(found, Journey)
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


COLD, BULKY, PLAIN = (
    Goods("ICE", classes=frozenset({"frozen"})),
    Goods("SOFA", classes=frozenset({"bulky"})),
    Goods("MUG"),
)
CONTRACT = Contract(
    countries=("FR",),
    channels=("shop",),
    daily_units=9,
    valid_from=date(2026, 3, 2),
    valid_to=date(2026, 3, 31),
)
BOUGHT = replace(HOME, channel="shop", goods={1: COLD, 2: PLAIN})


@pytest.mark.parametrize(
    ("goal", "now", "units_today", "rule"),
    [
        (BOUGHT, MONDAY_NOON, 8, None),
        (BOUGHT, when(1, 22, 59), 0, "its contract begins on 2026-03-02"),
        (BOUGHT, when(1, 23, 0), 0, None),  # it is the 2nd already in Paris
        (BOUGHT, when(31, 21, 59), 0, None),
        (BOUGHT, when(31, 22, 0), 0, "its contract ended on 2026-03-31"),
        (replace(BOUGHT, channel="market"), MONDAY_NOON, 0, "its contract is not for channel 'market'"),
        (replace(BOUGHT, country="BE"), MONDAY_NOON, 0, "its contract is not for BE"),
        (replace(BOUGHT, country=None), MONDAY_NOON, 0, "its contract is not for an unknown country"),
        (BOUGHT, MONDAY_NOON, 9, "has its 9 units of the day"),
    ],
)
def test_a_suppliers_contract_drops_it_and_says_why(
    goal: Goal, now: datetime, units_today: int, rule: str | None
) -> None:
    routing = Routing(None, {"S": LocationRouting(contract=CONTRACT)})
    acme = Site("S", LocationKind.SUPPLIER, "Europe/Paris", units_today=units_today, prices={1: EURO})
    found = terms(routing, acme, goal, now)
    assert found.dropped == rule
    assert rule is not None or found.limits == Limits(0, 9 - units_today, {1: EURO})


def test_a_cart_that_goes_nowhere_yet_is_not_judged_by_where_it_goes() -> None:
    own = LocationRouting(countries=("BE",), contract=CONTRACT)
    cart = replace(BOUGHT, country=None, postal_code=None, has_destination=False)
    found = terms(of(own), STORE, cart, MONDAY_NOON)
    assert (found.dropped, found.shipping) == (None, FREE)
    assert terms(of(own), STORE, replace(cart, has_destination=True), MONDAY_NOON).dropped is not None


@pytest.mark.parametrize(
    ("classes", "goods", "barred", "rule"),
    [
        (None, {1: COLD, 2: PLAIN}, {}, None),
        ((), {1: COLD, 2: PLAIN}, {1: "cannot take frozen"}, None),
        (("frozen",), {1: COLD, 2: PLAIN}, {}, None),
        (("frozen",), {1: COLD, 3: BULKY}, {3: "cannot take bulky"}, None),
        ((), {1: COLD}, {1: "cannot take frozen"}, "cannot take frozen"),
        ((), {1: COLD, 3: BULKY}, None, "cannot take bulky, cannot take frozen"),
        ((), {4: Goods(classes=frozenset({"bulky", "frozen"}))}, None, "cannot take bulky frozen"),
        (("frozen",), {4: Goods(classes=frozenset({"bulky", "frozen"}))}, None, "cannot take bulky"),
        ((), {}, {}, None),
    ],
)
def test_a_location_takes_only_the_classes_of_goods_that_it_can(
    classes: tuple[str, ...] | None, goods: dict[int, Goods], barred: dict[int, str] | None, rule: str | None
) -> None:
    found = terms(of(LocationRouting(classes=classes)), STORE, replace(HOME, goods=goods), MONDAY_NOON)
    assert found.dropped == rule
    assert rule is not None or found.barred == barred


RULES = st.builds(
    LocationRouting,
    countries=st.sampled_from([(), ("FR",), ("BE", "DE")]),
    daily_orders=st.sampled_from([None, 0, 2]),
    classes=st.sampled_from([None, (), ("frozen",), ("frozen", "bulky")]),
    hours=st.sampled_from([{}, dict.fromkeys(list(Weekday)[:2], "09:00-18:00")]),
    contract=st.none()
    | st.builds(
        Contract,
        countries=st.sampled_from([(), ("FR",)]),
        channels=st.sampled_from([(), ("shop",)]),
        daily_units=st.sampled_from([None, 3]),
        valid_from=st.sampled_from([None, date(2026, 3, 3)]),
        valid_to=st.sampled_from([None, date(2026, 3, 5)]),
    ),
)


@given(
    RULES,
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from(["FR", "BE", None]),
    st.sampled_from(["shop", "market"]),
    st.integers(1, 7),
)
def test_a_location_is_in_exactly_if_each_rule_by_itself_lets_it(
    own: LocationRouting, given_today: int, country: str | None, channel: str, day: int
) -> None:
    """The naive reading: each rule is asked by itself, of everything that it could object to."""
    now = when(day, 12)
    site = Site("S", LocationKind.SUPPLIER, "UTC", orders_today=given_today, units_today=given_today)
    goal = Goal(DeliveryMethod.SHIP, country, "1000", now, channel, {1: COLD})
    contract = own.contract or Contract()
    settings = RoutingSettings(dispatch_within_days=1)
    days = [date(2026, 3, day), date(2026, 3, day + 1)]
    opens = [not own.hours or one.weekday() < 2 for one in days]
    lets = [
        not own.countries or country in own.countries,
        own.daily_orders is None or given_today < own.daily_orders,
        own.classes is None or "frozen" in own.classes,
        any(opens),
        not contract.countries or country in contract.countries,
        not contract.channels or channel in contract.channels,
        contract.daily_units is None or given_today < contract.daily_units,
        contract.valid_from is None or days[0] >= contract.valid_from,
        contract.valid_to is None or days[0] <= contract.valid_to,
    ]
    assert (terms(Routing(settings, {"S": own}), site, goal, now).dropped is None) == all(lets)


@pytest.mark.parametrize(
    ("model", "said", "fault"),
    [
        (Contract, {"valid_from": "2026-03-02", "valid_to": "2026-03-01"}, "valid_to is before valid_from"),
        (Markdown, {"relief": "1"}, "said together"),
        (Markdown, {"days_of_cover": 30}, "said together"),
    ],
)
def test_what_contradicts_itself_is_refused(model: type[BaseModel], said: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        model.model_validate(said)


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
