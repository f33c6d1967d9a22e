"""A promise, the cart held for it and the order it becomes are one plan, at the merchant's costs and rules."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.operations.carts import CartAsks, Destination, carts_of
from nervure.operations.hub import Hub
from nervure.operations.promises import Basket, promise
from nervure.operations.reservations import NotEnoughStockError, Wish, make_reservation
from nervure.operations.staff import adjust
from nervure.orders.reservations import Ask, LackingError, plan
from nervure.orders.rules import Routing
from nervure.store.database import Database
from nervure.store.routing import RoutingStore
from nervure.store.scarcity import ScarcityStore
from nervure.store.tables.orders import FULFILLMENT, ORDER
from schemas.items import Item
from schemas.locations import Address, LocationKind
from schemas.orders import Delivery, DeliveryMethod
from schemas.routing import Contract, LocationRouting, PriceStep, RoutingSettings, ScarcitySettings, Zone
from schemas.stock import AdjustmentReason
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub
from tests.nervure.world import World, an_order, at, merchant, must_hold, thrown_away

FRANCE = Zone(
    name="france",
    countries=("FR",),
    steps=(PriceStep(up_to_grams=1_000, euros=Decimal(4)), PriceStep(up_to_grams=9_000, euros=Decimal(7))),
)
LYON = Destination("FR", "69003")
DELIVERY = Delivery(method=DeliveryMethod.SHIP, address=Address(country="FR", postal_code="69003"))


def ruled(database: Database, settings: RoutingSettings, **own: LocationRouting) -> Hub:
    """A shop on paris (first) and lyon, with the merchant's costs."""
    hub = scripted_hub(database, {"shop": ScriptedShop(), "market": ScriptedShop(), "till": ScriptedShop()})
    with database.write() as connection:
        RoutingStore(connection, at(0)).put(Routing(settings, own))
    return hub


def held(
    hub: Hub, units: Mapping[str, int], *, to: Destination | None = LYON, reference: str = "C"
) -> dict[tuple[str, str], int]:
    wishes = [Wish(sku, count) for sku, count in units.items()]
    made = make_reservation(hub, reference, wishes, expires_at=at(99), channel="shop", destination=to)
    return {(one.location, one.sku): one.units for one in made.held}


def promised(hub: Hub, units: Mapping[str, int]) -> dict[tuple[str, str], int]:
    found = promise(hub, Basket("shop", list(units.items()), country="FR", postal_code="69003"))
    return {(parcel.location, sku): count for parcel in found.parcels for sku, count in parcel.units.items()}


def ordered(
    hub: Hub, units: Mapping[str, int], *, naming: str | None = None, order: str = "1"
) -> dict[tuple[str, str], int]:
    bought = an_order(order, units, delivery=DELIVERY).model_copy(update={"reservation": naming})
    hear(hub, "shop", order_of(bought))
    skus = list(units)
    with looking(hub) as world:
        must_hold(world)
        return {(place, skus[int(line[2:]) - 1]): n for (line, place, _), n in world.served(order).items()}


@pytest.mark.requirement("R06")
def test_a_cart_is_held_where_its_order_is_served_at_the_merchants_costs(both: Database) -> None:
    cheap = LocationRouting(handling=Decimal(1))
    hub = ruled(
        both, RoutingSettings(split=Decimal(2), zones=(FRANCE,)), paris=LocationRouting(handling=Decimal(9)), lyon=cheap
    )
    units = {"BOLT": 2}
    assert promised(hub, units) == {("lyon", "BOLT"): 2}
    assert held(hub, units) == {("lyon", "BOLT"): 2}
    assert ordered(hub, units, naming="C") == {("lyon", "BOLT"): 2}
    with looking(hub) as world:
        [routing] = world.connection.execute(sa.select(ORDER.c.routing)).scalars()
    assert routing["bill"]["cost"] == "5.00"
    assert routing["locations"]["lyon"] == "chosen: has all of it, 0 km; held for it before"


def test_a_cart_leaves_what_is_worth_more_to_later_orders_as_its_order_would(filled: Database) -> None:
    settings = RoutingSettings(split=Decimal(2), scarcity=ScarcitySettings(horizon_days=7))
    hub = ruled(filled, settings, lyon=LocationRouting(handling=Decimal(1)))
    assert promised(hub, {"BOLT": 1}) == held(hub, {"BOLT": 1}, reference="A") == {("paris", "BOLT"): 1}
    with filled.write() as connection:
        world = World(connection, hub.clock.now())
        ScarcityStore(connection, hub.clock.now()).put({world.place("BOLT", "paris"): 1_500_000})
    units = {"BOLT": 1}
    assert promised(hub, units) == held(hub, units) == ordered(hub, units, naming="C") == {("lyon", "BOLT"): 1}


def test_the_weight_of_a_cart_counts_as_that_of_its_order(filled: Database) -> None:
    with filled.write() as connection:
        world = World(connection)
        world.catalogue.put_items([Item(sku="BOLT", title="Bolt", weight_grams=600)])
    steep = FRANCE.model_copy(update={"steps": (FRANCE.steps[0], PriceStep(up_to_grams=9_000, euros=Decimal(20)))})
    hub = ruled(filled, RoutingSettings(split=Decimal(1), zones=(steep,)))
    two_parcels = {("paris", "BOLT"): 1, ("lyon", "BOLT"): 1}
    assert promised(hub, {"BOLT": 2}) == held(hub, {"BOLT": 2}) == ordered(hub, {"BOLT": 2}, naming="C") == two_parcels


def test_a_cart_keeps_to_rules(filled: Database) -> None:
    with filled.write() as connection:
        World(connection).catalogue.put_items([Item(sku="NUT", title="Nut", temperature_class="frozen")])
    own = {"paris": LocationRouting(classes=(), keep_units=3), "lyon": LocationRouting(countries=("FR",))}
    hub = ruled(filled, RoutingSettings(), **own)
    assert held(hub, {"BOLT": 4}, reference="A") == {("paris", "BOLT"): 2, ("lyon", "BOLT"): 2}
    with pytest.raises(NotEnoughStockError, match="wanted 1, available 0"):
        held(hub, {"BOLT": 1}, reference="B")
    with pytest.raises(NotEnoughStockError, match="'NUT' at the places of shop: wanted 1, available 0"):
        held(hub, {"NUT": 1}, reference="N")
    with looking(hub) as world:
        must_hold(world)


def test_what_is_held_is_the_orders_though_less_than_must_stay_is_left_by_now(filled: Database) -> None:
    dear = LocationRouting(handling=Decimal(90), keep_units=99)
    hub = ruled(filled, RoutingSettings(split=Decimal(2)), paris=LocationRouting(keep_units=1), lyon=dear)
    assert held(hub, {"BOLT": 4}) == {("paris", "BOLT"): 4}
    adjust(hub, "BOLT", "paris", -1, reason=AdjustmentReason.LOST, document="fire")
    assert ordered(hub, {"BOLT": 4}, naming="C") == {("paris", "BOLT"): 4}
    with looking(hub) as world:
        assert (world.lines("1"), world.rows(FULFILLMENT)) == ({"1-1": (4, 4, 0)}, 1)


def test_a_cart_that_goes_nowhere_yet_is_planned_without_zones_and_its_order_says_what_changed(
    filled: Database,
) -> None:
    own = {"paris": LocationRouting(countries=("BE",)), "lyon": LocationRouting(handling=Decimal(3))}
    hub = ruled(filled, RoutingSettings(zones=(FRANCE,)), **own)
    assert held(hub, {"BOLT": 2}, to=None) == {("paris", "BOLT"): 2}
    assert ordered(hub, {"BOLT": 2}, naming="C") == {("lyon", "BOLT"): 2}
    with looking(hub) as world:
        [routing] = world.connection.execute(sa.select(ORDER.c.routing)).scalars()
        assert world.claimable("BOLT", "paris") == 5, "what was held there is free again"
    assert routing["locations"]["paris"] == "dropped: does not send to FR"


def test_suppliers_serve_carts_as_orders_do(filled: Database) -> None:
    with filled.write() as connection:
        world = World(connection)
        place = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
        world.locations.set_as_of(place, at(0))
        world.channel("shop", {"web": ["paris", "acme"]})
        world.receive("NUT", "acme", 5)
    own = {"acme": LocationRouting(contract=Contract(channels=("market",)))}
    hub = ruled(filled, RoutingSettings(), **own)
    with pytest.raises(NotEnoughStockError):
        held(hub, {"NUT": 9})
    with filled.write() as connection:
        RoutingStore(connection, at(0)).put(
            Routing(RoutingSettings(), {"acme": LocationRouting(contract=Contract(channels=("shop",)))})
        )
    assert held(hub, {"NUT": 9}, reference="D") == {("paris", "NUT"): 8, ("acme", "NUT"): 1}
    advance(hub, 3600)
    with pytest.raises(NotEnoughStockError):
        held(hub, {"NUT": 1}, reference="E")


def test_pools_are_read_once_for_all_carts_that_ask_the_same(filled: Database) -> None:
    ruled(filled, RoutingSettings(split=Decimal(1)))
    with filled.write() as connection:
        world = World(connection)
        item = world.place("BOLT", "paris").item_id
        shop = (world.channel_id("shop"), "shop")
        asked: list[str] = []

        def note(_: object, __: object, statement: str, *___: object) -> None:
            asked.append(statement)

        def count(carts: list[CartAsks]) -> int:
            asked.clear()
            sa.event.listen(connection, "before_cursor_execute", note)
            carts_of(connection, at(0), carts)
            sa.event.remove(connection, "before_cursor_execute", note)
            return len(asked)

        one = CartAsks((Ask(item, None, 1),), shop, LYON)
        assert count([one] * 50) == count([one])


PARTS = {"BOLT": {"BOLT": 1}, "NUT": {"NUT": 1}, "PAIR": {"BOLT": 1, "NUT": 2}}
UNITS = st.integers(0, 5)
EUROS = st.integers(0, 5).map(Decimal)
OWN = st.builds(
    LocationRouting,
    handling=EUROS,
    keep_units=st.integers(0, 1),
    classes=st.sampled_from([None, (), ("frozen",)]),
    countries=st.sampled_from([(), ("FR",), ("BE",)]),
)


@pytest.mark.requirement("R06")
@settings(max_examples=60)
@given(
    st.fixed_dictionaries(dict.fromkeys(("bolt_paris", "nut_paris", "bolt_lyon", "nut_lyon"), UNITS)),
    st.dictionaries(st.sampled_from(sorted(PARTS)), st.integers(1, 4), min_size=1),
    st.fixed_dictionaries({"paris": OWN, "lyon": OWN}),
    EUROS,
)
def test_whatever_is_held_is_what_the_order_takes(
    shared_sqlite: Database,
    shelves: dict[str, int],
    units: dict[str, int],
    own: dict[str, LocationRouting],
    split: Decimal,
) -> None:
    with thrown_away(shared_sqlite) as connection:
        world = World(connection)
        merchant(world, **{name: count for name, count in shelves.items() if count})
        world.catalogue.put_items([Item(sku="NUT", title="Nut", temperature_class="frozen", weight_grams=700)])
        RoutingStore(connection, at(0)).put(Routing(RoutingSettings(split=split, zones=(FRANCE,)), own))
        ids = world.catalogue.item_ids(list(units))
        codes = {number: code for code, number in world.locations.ids().items()}
        parts_of = world.stock.parts_of(ids.values())
        skus = world.catalogue.skus()
        asks = sorted((Ask(ids[sku], None, count) for sku, count in units.items()), key=lambda ask: ask.item_id)
        [cart] = carts_of(connection, at(0), [CartAsks(asks, (world.channel_id("shop"), "shop"), LYON)])
        there = world.stock.at_items({part for parts in parts_of.values() for part in parts})
        free = {place: one.available_to_promise for place, one in there.items()}
        try:
            taken = {(codes[p.location_id], skus[p.item_id]): n for p, n in plan(cart, parts_of, free).items()}
        except LackingError as error:
            taken = {}
            lacking = {skus[lack.item_id]: lack.wanted - lack.there for lack in error.lacks}
        else:
            lacking = {}
        world.take_in(an_order("1", dict(reversed(units.items())), delivery=DELIVERY))
        must_hold(world)
        lines = world.lines("1")
        short = {sku: lines[f"1-{n}"][2] for n, sku in enumerate(reversed(units), start=1) if lines[f"1-{n}"][2]}
        assert short == lacking
        if not lacking:
            names = {f"1-{n}": sku for n, sku in enumerate(reversed(units), start=1)}
            served: Counter[tuple[str, str]] = Counter()
            for (line, place, _), count in world.served("1").items():
                for part, per in PARTS[names[line]].items():
                    served[place, part] += count * per
            assert dict(served) == taken
