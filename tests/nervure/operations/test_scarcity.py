"""Prices of scarce units, learned from the hub's own orders, and what routing makes of them while they are fresh."""

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import sqlalchemy as sa

from nervure.inventory.stock import Place
from nervure.operations.hub import Hub
from nervure.operations.scarcity import learn_scarcity
from nervure.orders.costs import EURO
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.routing import PRICE, RoutingStore
from nervure.store.scarcity import ScarcityStore
from nervure.store.tables.orders import ORDER
from schemas.locations import Address
from schemas.orders import Delivery, DeliveryMethod
from schemas.routing import LocationRouting, RoutingSettings, ScarcitySettings
from tests.nervure.world import World, an_order, merchant, must_hold

SCARCE = RoutingSettings(
    per_km=Decimal("0.01"), split=Decimal(5), scarcity=ScarcitySettings(horizon_days=20, history_days=10)
)


PARIS_PRICE = 3_873_286
"""What a parcel from Lyon costs more in Paris: 377.3 km at a cent, and ten cents for handling there."""


def to(postal_code: str) -> Delivery:
    return Delivery(method=DeliveryMethod.SHIP, address=Address(country="FR", postal_code=postal_code))


def hub_of(world: World, database: Database) -> Hub:
    return cast("Hub", SimpleNamespace(clock=SimpleNamespace(now=lambda: world.now), database=database))


class OneTransaction:
    """A database of one open transaction."""

    def __init__(self, world: World) -> None:
        self.world = world

    def read(self) -> "OneTransaction":
        return self

    def __enter__(self) -> sa.engine.Connection:
        return self.world.connection

    def __exit__(self, *_: object) -> None:
        return None

    def run(self, work: object) -> object:
        return cast("object", work(self.world.connection))  # type: ignore[operator]  # whatever is given is called


def learn(world: World) -> int:
    return learn_scarcity(hub_of(world, cast("Database", OneTransaction(world))))


def prices(world: World) -> dict[str, int]:
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    places = {number: code for code, number in world.locations.ids().items()}
    skus = {number: sku for sku, number in ids.items()}
    found = RoutingStore(world.connection, world.now).prices(ids.values())
    return {f"{skus[one.item_id]} {places[one.location_id]}": price for one, price in found.items()}


def demanding_paris(world: World) -> None:
    """Paris orders more bolts than lie there, Lyon has plenty; the last one of Paris is left."""
    merchant(world, bolt_paris=41, bolt_lyon=500)
    RoutingStore(world.connection, world.now).put(Routing(SCARCE, {"lyon": LocationRouting(handling=Decimal("0.10"))}))
    for number in range(40):
        world.take_in(an_order(f"p{number}", {"BOLT": 1}, delivery=to("75011")))


def test_nothing_is_learned_unless_the_settings_want_it(world: World) -> None:
    merchant(world, bolt_paris=1, bolt_lyon=5)
    world.take_in(an_order("1", {"BOLT": 1}, delivery=to("75011")))
    RoutingStore(world.connection, world.now).put(Routing(SCARCE.model_copy(update={"scarcity": None})))
    assert learn(world.later(1)) == 0
    assert world.connection.execute(sa.select(PRICE)).all() == []


def test_the_last_unit_of_paris_is_kept_for_paris_and_the_order_says_so(world: World) -> None:
    demanding_paris(world)
    later = world.later(1)
    assert learn(later) == 1
    [(place, price)] = prices(later).items()
    assert place == "BOLT paris"
    assert price == PARIS_PRICE
    # Auxerre is nearer to Paris than to Lyon.
    later.take_in(an_order("a", {"BOLT": 1}, delivery=to("89000"), minute=1))
    assert later.served("a") == {("a-1", "lyon", "allocated"): 1}
    [routing] = later.connection.execute(sa.select(ORDER.c.routing).where(ORDER.c.external_id == "a")).scalars()
    assert routing["bill"]["scarcity"] == "0.00"
    assert routing["bill"]["locations"]["paris"]["scarcity"] == f"{price / EURO:.2f}"
    later.take_in(an_order("b", {"BOLT": 1}, delivery=to("75011"), minute=1))
    assert later.served("b") == {("b-1", "paris", "allocated"): 1}
    must_hold(later)


def test_stale_prices_count_for_nothing(world: World) -> None:
    demanding_paris(world)
    learn(world.later(1))
    assert prices(world.later(1 + 24 * 60 - 1)) != {}
    stale = world.later(1 + 24 * 60)
    assert prices(stale) == {}
    stale.take_in(an_order("a", {"BOLT": 1}, delivery=to("89000"), minute=1 + 24 * 60))
    assert stale.served("a") == {("a-1", "paris", "allocated"): 1}


def test_prices_learned_again_replace_the_old_ones_and_older_ones_never_do(world: World) -> None:
    demanding_paris(world)
    learn(world.later(1))
    world.receive("BOLT", "paris", 900)
    assert learn(world.later(2)) == 0
    assert world.connection.execute(sa.select(PRICE)).all() == []
    place = Place(world.catalogue.item_ids(["BOLT"])["BOLT"], world.locations.ids()["paris"])
    for minute, price in ((5, 7), (4, 9)):
        late = world.later(minute)
        ScarcityStore(late.connection, late.now).put({place: price})
    rows = world.connection.execute(sa.select(PRICE.c.price, PRICE.c.learned_at)).all()
    assert [tuple(row) for row in rows] == [(7, world.later(5).now)]


def test_demand_is_counted_by_area_in_parts_and_without_what_was_canceled(world: World) -> None:
    merchant(world, bolt_paris=9, nut_paris=9)
    world.take_in(an_order("1", {"PAIR": 2}, delivery=to("75011")))
    world.take_in(an_order("2", {"BOLT": 1}, delivery=to("69003"), minute=1))
    end = world.now + timedelta(days=1)
    units, goals, orders = ScarcityStore(world.connection, end).demand(world.now - timedelta(days=1), end)
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    assert units == {ids["BOLT"]: {"FR 75": 2, "FR 69": 1}, ids["NUT"]: {"FR 75": 4}}
    assert orders == 2
    assert {area: goal.postal_code for area, goal in goals.items()} == {"FR 75": "75011", "FR 69": "69003"}


def test_an_area_is_a_country_and_two_letters_and_is_where_its_last_order_went(world: World) -> None:
    merchant(world, bolt_paris=9)
    for minute, code in enumerate((" 75011 ", "75002", "", "7")):
        world.take_in(an_order(f"o{minute}", {"BOLT": 1}, delivery=to(code), minute=minute))
    nowhere = Delivery(method=DeliveryMethod.SHIP, address=None)
    world.take_in(an_order("n", {"BOLT": 1}, delivery=nowhere, minute=5))
    end = world.now + timedelta(days=1)
    units, goals, orders = ScarcityStore(world.connection, end).demand(world.now - timedelta(days=1), end)
    [areas] = units.values()
    assert (dict(areas), orders) == ({"FR 75": 2, "FR ": 1, "FR 7": 1, "? ": 1}, 5)
    assert goals["FR 75"].postal_code == "75002"
    assert goals["? "].country is None


def test_what_is_learned_from_comes_as_sums_and_not_as_orders_and_movements(world: World) -> None:
    """However many orders there were, and however long ago the ledger began."""
    merchant(world, bolt_paris=99)
    for number in range(30):
        world.take_in(an_order(f"o{number}", {"BOLT": 1}, delivery=to("75011")))
        world.ship_all(f"o{number}")
    end, bolt = world.later(10 * 24 * 60).now, world.catalogue.item_ids(["BOLT"])
    store, rows = ScarcityStore(world.connection, end), [0]
    begin = world.now - timedelta(days=1)

    class Counting:
        def execute(self, *given: object) -> sa.CursorResult[object]:
            found = world.connection.execute(*given)  # type: ignore[call-overload]  # as the store calls it
            rows[0] += len(world.connection.execute(*given).all())  # type: ignore[call-overload]  # as above
            return cast("sa.CursorResult[object]", found)

        dialect = world.connection.dialect

    store = ScarcityStore(cast("sa.engine.Connection", Counting()), end)
    units, goals, orders = store.demand(begin, end)
    assert (units, len(goals), orders) == ({bolt["BOLT"]: {"FR 75": 30}}, 1, 30)
    # One item in one area, the area, and the count; what it is made of.
    assert rows[0] <= 4
    rows[0] = 0
    paris = Place(bolt["BOLT"], world.locations.ids()["paris"])
    assert store.opening(dict.fromkeys(bolt.values()), end, end, frozenset()) == ({paris: 69}, [])
    assert rows[0] == 1
