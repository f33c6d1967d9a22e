"""Open orders are planned anew together: who gives way to whom, and that nothing is lost or sold twice by it."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa

from nervure.operations import desk, giving_up, offers
from nervure.operations.choosing import choose_for
from nervure.operations.hub import Hub
from nervure.operations.keeping import sweeping
from nervure.operations.proposing import make_proposals
from nervure.operations.replanning import NoCostsError, replan_open_orders, replan_seconds
from nervure.operations.staff import receive, ship_fulfillment
from nervure.operations.windows import Window
from nervure.orders.intake import take_in
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.handling import HandlingStore
from nervure.store.offering import OFFER
from nervure.store.order_pages import OrderPageStore
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import ScarcityStore
from nervure.store.statements import CLAIM
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT
from schemas.fulfillment import RejectReason
from schemas.items import Item
from schemas.locations import Address
from schemas.orders import Delivery, DeliveryMethod, Order, OrderState
from schemas.routing import Contract, LocationRouting, RoutingMethod, RoutingSettings, ScarcitySettings
from tests.nervure.operations.caps import hat_shop, policy
from tests.nervure.operations.caps import order as caps_order
from tests.nervure.operations.scripted import ScriptedShop, advance, looking, scripted_hub
from tests.nervure.world import SHOP, World, an_order, at, at_once, merchant, must_hold, overtaken

pytestmark = pytest.mark.requirement("R05", "R08")

COSTS = RoutingSettings(split=Decimal("2.00"), replan_minutes=10, replan_saves=Decimal("0.50"))
DEAR_PARIS = {"paris": LocationRouting(handling=Decimal("3.00")), "lyon": LocationRouting(handling=Decimal("1.00"))}


def hub_on(database: Database, **stock: int) -> Hub:
    """Paris costs 3 euros a parcel, Lyon 1, a second parcel 2."""
    with database.write() as connection:
        merchant(World(connection), **stock)
        RoutingStore(connection, at(0)).put(Routing(COSTS, DEAR_PARIS))
    return scripted_hub(database, {"shop": ScriptedShop()})


def hear(hub: Hub, order: Order) -> bool:
    return hub.database.run(lambda connection: take_in(order, SHOP, hub.desk(connection)))


def to(country: str) -> Delivery:
    return Delivery(method=DeliveryMethod.SHIP, address=Address(country=country, postal_code="1000"))


def put(hub: Hub, settings: RoutingSettings | None, **locations: LocationRouting) -> None:
    routing = Routing(settings, {**DEAR_PARIS, **locations})
    hub.database.run(lambda connection: RoutingStore(connection, hub.clock.now()).put(routing))


def crossed(database: Database) -> Hub:
    """The first order has the only bolt of Lyon, which the second one needs to leave in one parcel."""
    hub = hub_on(database, bolt_paris=5, bolt_lyon=1, nut_lyon=1)
    hear(hub, an_order("1", {"BOLT": 1}))
    hear(hub, an_order("2", {"BOLT": 1, "NUT": 1}))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
        assert world.served("2") == {("2-1", "paris", "allocated"): 1, ("2-2", "lyon", "allocated"): 1}
    return hub


def events(hub: Hub, number: int) -> list[tuple[str, str, str]]:
    with hub.database.read() as connection:
        found = HandlingStore(connection, hub.clock.now()).events(number)
    return [(event.kind.value, event.by, event.reason) for event in found]


def test_who_holds_what_another_one_needs_more_gives_way(both: Database) -> None:
    hub = crossed_filled(both)
    with looking(hub) as world:
        [first], [nut_at_lyon, _] = (sorted(world.fulfillment_numbers(name)) for name in ("1", "2"))
    found = replan_open_orders(hub, by="Bo")
    assert (len(found.made), found.outdated, found.plan.orders) == (2, 0, 2)
    assert sum(move.saved for move in found.made) == 3_000_000
    assert found.plan.gap == 0
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}
        assert world.served("2") == {("2-1", "lyon", "allocated"): 1, ("2-2", "lyon", "allocated"): 1}
        assert world.claims() == {"released": 3, "held": 4}
        must_hold(world)
        rows = {row.id: row.moved_to_id for row in world.connection.execute(sa.select(FULFILLMENT)).all()}
        said = OrderPageStore(world.connection).page("shop", "1")
    assert rows[first] is not None
    assert rows[nut_at_lyon] is not None
    assert events(hub, first) == [("canceled", "", ""), ("replanned", "Bo", "saves -2.00 euros")]
    assert said is not None
    anew = said.bill["replanned"]
    assert (anew["by"], anew["orders"], anew["before"], anew["saved"]) == ("Bo", 2, "1.00", "-2.00")
    again = replan_open_orders(hub)
    assert (again.made, again.plan.groups) == ((), [])


def crossed_filled(both: Database) -> Hub:
    """As `crossed`, on the merchant that is there already: 5 bolts and 8 nuts in Paris, 2 bolts in Lyon."""
    hub = scripted_hub(both, {"shop": ScriptedShop(), "till": ScriptedShop()})
    put(hub, COSTS)
    hear(hub, an_order("0", {"BOLT": 1}))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("0")
    offers.accept(hub, number)
    with both.write() as connection:
        world = World(connection, hub.clock.now())
        world.lose("NUT", "paris", 8)
        world.receive("NUT", "lyon", 1)
    hear(hub, an_order("1", {"BOLT": 1}))
    hear(hub, an_order("2", {"BOLT": 1, "NUT": 1}))
    return hub


def test_nothing_is_changed_in_a_dry_run(sqlite: Database) -> None:
    hub = crossed(sqlite)
    with looking(hub) as world:
        before = [world.rows(table) for table in (CLAIM, FULFILLMENT, FULFILLMENT_EVENT)]
    found = replan_open_orders(hub, dry_run=True)
    assert [len(group) for group in found.plan.groups] == [2]
    assert (found.made, found.outdated) == ((), 0)
    assert sorted(found.names.values()) == ["shop #1", "shop #2"]
    with looking(hub) as world:
        assert [world.rows(table) for table in (CLAIM, FULFILLMENT, FULFILLMENT_EVENT)] == before


def test_what_units_are_worth_to_later_orders_is_not_taken_back_by_a_joint_plan(sqlite: Database) -> None:
    hub = hub_on(sqlite, bolt_paris=5)
    put(hub, COSTS.model_copy(update={"scarcity": ScarcitySettings(horizon_days=7)}))
    hear(hub, an_order("1", {"BOLT": 1}))
    receive(hub, "BOLT", "lyon", 1, document="D1")
    price(hub, "lyon", 2_000_000)
    assert replan_open_orders(hub).made == (), "two euros are saved, and a unit that is worth two is taken"
    price(hub, "lyon", 1_000_000)
    [move] = replan_open_orders(hub).made
    assert (move.cost_before, move.saved, move.spared) == (3_000_000, 2_000_000, -1_000_000)
    with looking(hub) as world:
        [first] = [
            n
            for n, *_ in world.connection.execute(sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.state == "canceled"))
        ]
        said = OrderPageStore(world.connection).page("shop", "1")
    assert said is not None
    assert (said.bill["cost"], said.bill["scarcity"], said.bill["replanned"]["spared"]) == ("1.00", "1.00", "-1.00")
    assert events(hub, first)[-1][2] == "saves 2.00 euros, leaves what is worth -1.00 euros more to later orders"
    price(hub, "lyon", 4_000_000)
    [back] = replan_open_orders(hub).made
    assert (back.saved, back.spared) == (-2_000_000, 4_000_000)


def price(hub: Hub, location: str, micros: int) -> None:
    with hub.database.write() as connection:
        bolt = World(connection, hub.clock.now()).place("BOLT", location)
        ScarcityStore(connection, hub.clock.now()).put({bolt: micros})


def test_what_saves_less_than_is_asked_for_stays(sqlite: Database) -> None:
    hub = crossed(sqlite)
    put(hub, COSTS.model_copy(update={"replan_saves": Decimal("1.50")}))
    assert replan_open_orders(hub).made == (), "3 euros for two orders are not more than 1.50 for each"
    put(hub, COSTS.model_copy(update={"replan_saves": Decimal("1.49")}))
    assert len(replan_open_orders(hub).made) == 2


def test_without_costs_or_where_they_do_not_decide_nothing_is_planned(sqlite: Database) -> None:
    hub = crossed(sqlite)
    hub.database.run(lambda connection: RoutingStore(connection, at(0)).put(Routing()))
    assert replan_seconds(hub) is None
    with pytest.raises(NoCostsError, match=r"^no costs are set"):
        replan_open_orders(hub)
    put(hub, COSTS.model_copy(update={"method": RoutingMethod.DISTANCE}))
    with pytest.raises(NoCostsError, match=r"^locations are chosen by distance, not by costs$"):
        replan_open_orders(hub)


def test_an_order_that_somebody_has_taken_on_is_left_alone(sqlite: Database) -> None:
    hub = crossed(sqlite)
    with looking(hub) as world:
        [first] = world.fulfillment_numbers("1")
    offers.accept(hub, first)
    found = replan_open_orders(hub)
    assert (found.plan.orders, found.made) == (1, ())
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "accepted"): 1}


def test_who_waits_is_served_by_who_can_be_served_from_elsewhere(sqlite: Database) -> None:
    hub = hub_on(sqlite, bolt_paris=2, bolt_lyon=1)
    put(hub, COSTS, paris=LocationRouting(handling=Decimal("3.00"), countries=("FR",)))
    hear(hub, an_order("1", {"BOLT": 1}, delivery=to("FR")))
    hear(hub, an_order("2", {"BOLT": 1}, delivery=to("BE")))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
        assert world.lines("2") == {"2-1": (1, 0, 1)}
    found = replan_open_orders(hub)
    assert sorted((move.units_gained, move.saved) for move in found.made) == [(0, -2_000_000), (1, -1_000_000)]
    with looking(hub) as world:
        assert world.lines("2") == {"2-1": (1, 1, 0)}
        assert world.open_tasks() == {}
        must_hold(world)


def test_a_limit_of_a_day_holds_for_all_together(sqlite: Database) -> None:
    hub = hub_on(sqlite, bolt_paris=9)
    for name in ("1", "2", "3"):
        hear(hub, an_order(name, {"BOLT": 1}))
    with sqlite.write() as connection:
        World(connection).receive("BOLT", "lyon", 9)
    put(hub, COSTS, lyon=LocationRouting(handling=Decimal("1.00"), daily_orders=2))
    assert len(replan_open_orders(hub).made) == 2
    with looking(hub) as world:
        places = Counter(place for name in ("1", "2", "3") for _, place, _ in world.served(name))
        assert places == {"lyon": 2, "paris": 1}
    assert replan_open_orders(hub).made == (), "what an order has of the day is its own"


def test_units_that_must_stay_stay(sqlite: Database) -> None:
    hub = hub_on(sqlite, bolt_paris=9)
    for name in ("1", "2", "3"):
        hear(hub, an_order(name, {"BOLT": 1}))
    with sqlite.write() as connection:
        World(connection).receive("BOLT", "lyon", 3)
    put(hub, COSTS, lyon=LocationRouting(handling=Decimal("1.00"), keep_units=2))
    assert len(replan_open_orders(hub).made) == 1
    with looking(hub) as world:
        assert world.claimable("BOLT", "lyon") == 2


@pytest.mark.parametrize(
    ("lyon", "moves"),
    [
        (LocationRouting(handling=Decimal(1)), 1),
        (LocationRouting(handling=Decimal(1), classes=("frozen",)), 1),
        (LocationRouting(handling=Decimal(1), classes=()), 0),
        (LocationRouting(handling=Decimal(1), contract=Contract(min_order=Decimal(5))), 0),
    ],
    ids=["anything", "frozen goods", "nothing frozen", "a least order"],
)
def test_a_joint_plan_gives_no_place_what_its_rules_forbid(sqlite: Database, lyon: LocationRouting, moves: int) -> None:
    hub = hub_on(sqlite, bolt_paris=2)
    put(hub, COSTS, lyon=lyon)
    with sqlite.write() as connection:
        World(connection).catalogue.put_items([Item(sku="BOLT", title="Bolt", temperature_class="frozen")])
    hear(hub, an_order("1", {"BOLT": 1}))
    with sqlite.write() as connection:
        World(connection, hub.clock.now()).receive("BOLT", "lyon", 1)
    assert len(replan_open_orders(hub).made) == moves
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon" if moves else "paris", "allocated"): 1}
        must_hold(world)


def test_an_order_that_lies_where_its_goods_may_not_lie_any_more_is_left_alone(sqlite: Database) -> None:
    hub = crossed(sqlite)
    with sqlite.write() as connection:
        World(connection).catalogue.put_items([Item(sku="NUT", title="Nut", temperature_class="frozen")])
    put(hub, COSTS, lyon=LocationRouting(handling=Decimal(1), classes=()))
    found = replan_open_orders(hub)
    assert (found.plan.orders, found.made) == (1, ())


def test_a_plan_that_was_overtaken_changes_nothing(sqlite: Database) -> None:
    hub = crossed(sqlite)
    group = planned(hub)
    hear(hub, an_order("1", {"BOLT": 1}, minute=1, state=OrderState.CANCELED))
    with looking(hub) as world:
        before = world.served("2")
    assert not made(hub, group)
    with looking(hub) as world:
        assert world.served("2") == before
        must_hold(world)


def planned(hub: Hub) -> object:
    [group] = replan_open_orders(hub, dry_run=True).plan.groups
    return group


def made(hub: Hub, group: object) -> bool:
    from nervure.operations.replanning import make

    return make(hub, group)  # type: ignore[arg-type]  # one of the plan's


def can_save(database: Database, **lyon: int) -> Hub:
    """An order lies in Paris that Lyon, where three came in meanwhile, would send for 2 euros less."""
    hub = hub_on(database, bolt_paris=9)
    hear(hub, an_order("1", {"BOLT": 1}))
    with database.write() as connection:
        World(connection).receive("BOLT", "lyon", 3)
    put(hub, COSTS, lyon=LocationRouting.model_validate({"handling": "1.00", **lyon}))
    return hub


def test_units_that_must_stay_stay_though_others_took_some_since_it_was_planned(sqlite: Database) -> None:
    hub = can_save(sqlite, keep_units=2)
    group = planned(hub)
    with sqlite.write() as connection:
        World(connection, hub.clock.now()).lose("BOLT", "lyon", 1)
    assert made(hub, group) is False
    with looking(hub) as world:
        assert (world.served("1"), world.claimable("BOLT", "lyon")) == ({("1-1", "paris", "allocated"): 1}, 2)


def test_units_that_must_stay_stay_though_another_order_may_not_come_from_there(sqlite: Database) -> None:
    """Planned together with an order that the place is no candidate of, by what the other one may leave there."""
    hub = hub_on(sqlite, bolt_paris=9)
    put(hub, COSTS, paris=LocationRouting(handling=Decimal(9)))
    hear(hub, an_order("1", {"BOLT": 1}, delivery=to("FR")))
    hear(hub, an_order("2", {"BOLT": 1}, delivery=to("BE")))
    with sqlite.write() as connection:
        world = World(connection)
        world.location("lille")
        world.channel("shop", {"web": ["paris", "lyon", "lille"]})
        world.receive("BOLT", "lyon", 3)
        world.receive("BOLT", "lille", 1)
    lyon = LocationRouting(handling=Decimal(1), keep_units=2, countries=("FR",))
    put(hub, COSTS, paris=LocationRouting(handling=Decimal(9)), lyon=lyon, lille=LocationRouting(countries=("BE",)))
    groups = replan_open_orders(hub, dry_run=True).plan.groups
    together = [move for group in groups for move in group]
    assert [move.order.id for move in together] == sorted(move.order.id for move in together)
    assert len(together) == 2
    with sqlite.write() as connection:
        World(connection, hub.clock.now()).lose("BOLT", "lyon", 1)
    assert made(hub, together) is False
    with looking(hub) as world:
        assert world.claimable("BOLT", "lyon") == 2
        assert {place for name in "12" for _, place, _ in world.served(name)} == {"paris"}


def test_orders_that_wait_for_what_lies_nowhere_keep_nobody_from_being_planned(
    both: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nervure.operations.replanning.MAX_ORDERS", 3)
    hub = scripted_hub(both, {"shop": ScriptedShop(), "till": ScriptedShop()})
    put(hub, COSTS)
    with both.write() as connection:
        World(connection).lose("NUT", "paris", 8)
    for name in "abcd":
        hear(hub, an_order(name, {"NUT": 1}))
    hear(hub, an_order("1", {"BOLT": 1}))
    found = replan_open_orders(hub)
    assert (found.plan.orders, found.left_out) == (1, 0)
    with both.write() as connection:
        World(connection, hub.clock.now()).receive("BOLT", "paris", 1)
    for name in "2345":
        hear(hub, an_order(name, {"BOLT": 1}))
    planned_at = Counter[int]()
    for _ in range(40):
        found = replan_open_orders(hub, dry_run=True)
        assert found.plan.orders in (2, 3), "the turns share them, so that none of them plans hardly anything"
        assert found.plan.orders + found.left_out == 5
        planned_at[found.plan.orders] += 1
        advance(hub, 60)
    assert planned_at.keys() == {3, 2}, "the newest have their turn as the oldest"
    assert min(planned_at.values()) > 10


@pytest.mark.parametrize("now", [{"daily_orders": 1}, {"daily_orders": 0}, {"keep_units": 3}])
def test_a_location_whose_rules_or_day_are_others_by_now_gets_nothing(sqlite: Database, now: dict[str, int]) -> None:
    hub = can_save(sqlite, daily_orders=1)
    group = planned(hub)
    if now == {"daily_orders": 1}:
        hear(hub, an_order("2", {"BOLT": 1}))
        with looking(hub) as world:
            assert world.served("2") == {("2-1", "lyon", "allocated"): 1}
    put(hub, COSTS, lyon=LocationRouting.model_validate({"handling": "1.00", **now}))
    assert made(hub, group) is False
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}
        must_hold(world)


def test_units_are_traded_where_less_is_left_than_must_stay(sqlite: Database) -> None:
    """They lie there for orders already: nobody has to leave, and nothing more is taken."""
    hub = crossed(sqlite)
    put(hub, COSTS, lyon=LocationRouting(handling=Decimal(1), keep_units=5))
    assert len(replan_open_orders(hub).made) == 2


def asking(hub: Hub, *, offer_to: int) -> None:
    """From now on all places are stores that must accept, so many at once."""
    with hub.database.write() as connection:
        connection.execute(LOCATION.update().values(kind="store", accept_seconds=600.0))
        RoutingStore(connection, hub.clock.now()).put(Routing(COSTS, DEAR_PARIS, offer_to))


@pytest.mark.parametrize("offer_to", [1, 2])
def test_what_locations_are_asked_to_accept_stays_until_they_have_answered(sqlite: Database, offer_to: int) -> None:
    hub = crossed(sqlite)
    group = planned(hub)
    asking(hub, offer_to=offer_to)
    offered = giving_up.keep_times(hub)[0]
    assert offered == 3
    with looking(hub) as world:
        asked = world.connection.execute(sa.select(sa.func.count()).select_from(OFFER)).scalar_one()
        before = world.served("1"), world.served("2")
    assert asked == (1 if offer_to == 2 else 0), "paris has the first order's bolt too"
    found = replan_open_orders(hub)
    assert (found.plan.orders, found.made) == (0, ())
    assert not made(hub, group), "planned before they were asked, made after"
    with looking(hub) as world:
        assert (world.served("1"), world.served("2")) == before
        must_hold(world)


@pytest.mark.parametrize("is_agreed", [False, True])
def test_an_order_whose_customer_was_proposed_something_stays(sqlite: Database, *, is_agreed: bool) -> None:
    hub = hat_shop(sqlite, policy(), red_depot=1, red_near=1)
    with sqlite.write() as connection:
        RoutingStore(connection, at(0)).put(Routing(COSTS))
    caps_order(hub, "1", 2)
    assert replan_open_orders(hub, dry_run=True).plan.orders == 1
    assert make_proposals(hub) == 1
    if is_agreed:
        choose_for(hub, "shop", "1", "pickup:near", by="Ana")
        with sqlite.write() as connection:
            connection.execute(LOCATION.update().values(can_ship=True))
            World(connection).channel("shop", {"web": ["depot", "near"]})
    with looking(hub) as world:
        before = world.served("1")
    found = replan_open_orders(hub)
    assert (found.plan.orders, found.made) == (0, ())
    with looking(hub) as world:
        assert world.served("1") == before
        must_hold(world)


def test_stock_that_went_meanwhile_is_not_sold_twice(sqlite: Database) -> None:
    hub = hub_on(sqlite, bolt_paris=2)
    hear(hub, an_order("1", {"BOLT": 1}))
    receive(hub, "BOLT", "lyon", 1, document="D1")
    group = planned(hub)
    hear(hub, an_order("2", {"BOLT": 1}))
    assert not made(hub, group)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}
        assert world.served("2") == {("2-1", "lyon", "allocated"): 1}
        must_hold(world)


def test_a_move_that_dies_at_any_statement_leaves_everything_as_it_was(sqlite: Database) -> None:
    hub = crossed(sqlite)
    group = planned(hub)
    with looking(hub) as world:
        before = (world.served("1"), world.served("2"), world.claims())
    left = [0]

    def dies(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise DyingError

    statements, done = 0, False
    while not done:
        left[0] = statements
        sa.event.listen(sqlite.engine, "before_cursor_execute", dies)
        try:
            done = made(hub, group)
        except DyingError:
            statements += 1
        finally:
            sa.event.remove(sqlite.engine, "before_cursor_execute", dies)
        with looking(hub) as world:
            must_hold(world)
            assert done or (world.served("1"), world.served("2"), world.claims()) == before
    assert statements > 20
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}


class DyingError(Exception):
    """The process ends here."""


def test_the_sweep_plans_anew_as_often_as_the_settings_want(sqlite: Database) -> None:
    hub = crossed(sqlite)
    window = Window(hub, 60)
    turn = sweeping(window)["replanning"]
    assert turn() == 60.0
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}
    assert window.tally.take().counts["routing", "orders served from elsewhere, cheaper"] == 2
    advance(hub, 500)
    assert turn() == 60.0
    hub.database.run(lambda connection: RoutingStore(connection, at(0)).put(Routing()))
    assert turn() == 60.0


@pytest.mark.postgresql
def test_the_last_of_a_day_is_not_given_twice_by_a_plan_and_an_order_in_one_instant(postgresql_at: Database) -> None:
    hub = can_save(postgresql_at, daily_orders=1)
    with postgresql_at.write() as connection:
        World(connection).receive("NUT", "lyon", 1)
    group = planned(hub)
    done = overtaken(
        postgresql_at,
        slow=lambda world: world.take_in(an_order("2", {"NUT": 1})),
        fast=lambda _: made(hub, group),
        now=hub.clock.now(),
    )
    assert done is False
    with looking(hub) as world:
        assert world.served("2") == {("2-1", "lyon", "allocated"): 1}
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}


@pytest.mark.postgresql
@pytest.mark.requirement("R01", "R19")
def test_planning_anew_against_everything_else_at_once(postgresql_at: Database) -> None:
    hub = hub_on(postgresql_at, bolt_paris=12, bolt_lyon=4, nut_lyon=6, nut_paris=2)
    numbers = range(8)
    for number in numbers:
        hear(hub, an_order(f"a{number}", {"BOLT": 1}))
    for number in range(4):
        hear(hub, an_order(f"b{number}", {"BOLT": 1, "NUT": 1}))
    with looking(hub) as world:
        taken = [number for name in ("a1", "a2") for number in world.fulfillment_numbers(name)]

    def reject(number: int) -> bool:
        try:
            return giving_up.reject(hub, number, RejectReason.NO_TIME)
        except desk.DeskRefusedError:
            return False

    def ship(number: int) -> bool:
        return ship_fulfillment(hub, number, shipped_at=at(1))

    works: list[Callable[[], object]] = [partial(replan_open_orders, hub) for _ in range(3)]
    works += [partial(hear, hub, an_order(f"c{number}", {"BOLT": 1})) for number in range(6)]
    works += [partial(hear, hub, an_order("a0", {"BOLT": 1}, minute=1, state=OrderState.CANCELED))]
    works += [partial(reject, taken[0]), partial(ship, taken[1])]
    outcomes = at_once(works)
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    with looking(hub) as world:
        must_hold(world)
        for name in [f"a{n}" for n in range(1, 8)] + [f"b{n}" for n in range(4)]:
            assert all(units == served + short for units, served, short in world.lines(name).values())
    replan_open_orders(hub)
    assert replan_open_orders(hub).made == ()
    with looking(hub) as world:
        must_hold(world)
