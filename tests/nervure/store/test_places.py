"""What the past says of locations: what was not found there, what lies too long, what suppliers ask for a unit."""

from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from nervure.orders.costs import EURO
from nervure.orders.rules import Goods, Routing
from nervure.store.offers import OfferStore
from nervure.store.places import NOT_FOUND, NOT_FOUND_DAYS, REQUEST, HistoryOfPlaces
from nervure.store.routing import RoutingStore
from nervure.store.tables.orders import FULFILLMENT, ORDER
from schemas.base import Money
from schemas.fulfillment import FulfillmentState, RejectReason, StepKind
from schemas.items import Item
from schemas.locations import LocationKind
from schemas.routing import Contract, LocationRouting, Markdown, RoutingSettings
from schemas.stock import MovementKind, SupplierOffer
from tests.nervure.world import World, an_order, at, merchant, must_hold

DAY = 24 * 60
SAID = RoutingSettings(not_found=Decimal(8), prior_share=0.1, prior_orders=10)


def shares(world: World) -> dict[str, float]:
    """How much is not found, by location, measured now."""
    codes, history = world.locations.ids(), HistoryOfPlaces(world.connection, world.now)
    history.measure_not_found()
    found = history.not_found(SAID, list(codes.values()))
    return {code: found[number] for code, number in codes.items()}


def handled(world: World, location: str, state: FulfillmentState, reason: RejectReason | None = None) -> int:
    """A fulfillment order of a location that came so far, or was rejected for a reason."""
    [line] = world.lines("1")
    [order] = world.orders.lines(world.order_id("1"))
    assert order.external_id == line
    place = world.locations.ids()[location]
    world.fulfillment.add(world.order_id("1"), place, state, {order.id: 1})
    number = int(world.connection.execute(sa.select(sa.func.max(FULFILLMENT.c.id))).scalar_one())
    if reason is not None:
        world.fulfillment.note_step(number, StepKind.REJECTED, reason=reason.value)
    return number


def test_what_a_store_did_not_find_counts_and_what_it_refused_for_another_reason_does_not(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("1", {"BOLT": 1}))
    assert shares(world) == {"paris": 0.1, "lyon": 0.1}, "without a history the prior"
    for _ in range(7):
        handled(world, "paris", FulfillmentState.SHIPPED)
    handled(world, "paris", FulfillmentState.PACKED)
    handled(world, "paris", FulfillmentState.CANCELED, RejectReason.NOT_FOUND)
    both = handled(world, "paris", FulfillmentState.SHIPPED, RejectReason.NOT_FOUND)
    world.fulfillment.note_step(both, StepKind.REJECTED, reason=RejectReason.NOT_FOUND.value)
    for state, reason in (
        (FulfillmentState.CANCELED, RejectReason.NO_TIME),
        (FulfillmentState.CANCELED, None),
        (FulfillmentState.PICKING, None),
    ):
        handled(world, "lyon", state, reason)
    # 10 were handled and 2 of them not found; the prior is 1 of 10.
    assert shares(world) == {"paris": 3 / 20, "lyon": 0.1}
    assert shares(world.later(NOT_FOUND_DAYS * DAY)) == {"paris": 3 / 20, "lyon": 0.1}
    assert shares(world.later(NOT_FOUND_DAYS * DAY + 1)) == {"paris": 0.1, "lyon": 0.1}, "what was is forgotten"


def test_what_was_not_found_is_counted_once_for_all_orders_and_never_made_older(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("1", {"BOLT": 1}))
    handled(world, "paris", FulfillmentState.SHIPPED)
    assert HistoryOfPlaces(world.connection, at(5)).measure_not_found() == 1
    handled(world, "paris", FulfillmentState.CANCELED, RejectReason.NOT_FOUND)
    rows = sa.select(NOT_FOUND.c.tried, NOT_FOUND.c.missed, NOT_FOUND.c.measured_at)
    assert HistoryOfPlaces(world.connection, at(4)).measure_not_found() == 1
    assert [tuple(row) for row in world.connection.execute(rows)] == [(1, 0, at(5))], "whose clock is behind says less"
    assert HistoryOfPlaces(world.connection, at(6)).measure_not_found() == 1
    assert [tuple(row) for row in world.connection.execute(rows)] == [(2, 1, at(6))]
    later = world.later(NOT_FOUND_DAYS * DAY + 1)
    assert HistoryOfPlaces(later.connection, later.now).measure_not_found() == 0
    assert world.connection.execute(rows).all() == []


def lookups(world: World, order: str) -> list[str]:
    """How the database looks up the history of fulfillment, for one order that is routed."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        if statement.startswith("SELECT fulfillment_order.location_id"):
            asked.append((statement, parameters))

    dialect = world.connection.dialect.name
    sa.event.listen(world.connection, "before_cursor_execute", note)
    world.take_in(an_order(order, {"BOLT": 1}))
    sa.event.remove(world.connection, "before_cursor_execute", note)
    if dialect == "sqlite":
        return [
            " / ".join(row[3] for row in world.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given))
            for text, given in asked
        ]
    # Of a few rows PostgreSQL reads the whole table whatever there is.
    world.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    return [
        " / ".join(row[0] for row in world.connection.exec_driver_sql(f"EXPLAIN {text}", given))
        for text, given in asked
    ]


def test_an_order_that_is_routed_reads_of_the_past_what_limited_places_were_given_today(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("1", {"BOLT": 1}))
    own = {"paris": LocationRouting(daily_orders=20)}
    store = RoutingStore(world.connection, world.now)
    store.put(Routing(SAID))
    assert lookups(World(world.connection, world.now), "2") == []
    store.put(Routing(SAID, own))
    plans = lookups(World(world.connection, world.now), "3")
    # Once to find where, and once more when the place is locked.
    assert len(plans) == 2
    for plan in plans:
        assert "ix_fulfillment_order_given" in plan
        assert "SCAN" not in plan.upper().replace("INDEX SCAN", "").replace("BITMAP HEAP SCAN", "")
    assert "(location_id=? AND created_at>?)" in plans[0] or "(created_at >=" in plans[0]


def test_of_a_supplier_the_units_that_it_refused_count(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.take_in(an_order("1", {"BOLT": 1}))
    number = handled(world, "acme", FulfillmentState.SENT_TO_SUPPLIER)
    common = {
        "supplier": "acme",
        "location_id": world.locations.ids()["acme"],
        "fulfillment_order_id": number,
        "supplier_sku": "B",
        "asked_at": at(0),
    }
    said = [(6, 0, at(1)), (4, 3, at(1)), (90, 0, None)]
    world.connection.execute(
        REQUEST.insert(),
        [
            {**common, "line": str(line), "units": units, "units_refused": refused, "answered_at": answered}
            for line, (units, refused, answered) in enumerate(said)
        ],
    )
    assert shares(world) == {"paris": 0.1, "lyon": 0.1, "acme": 4 / 20}


SLOW = Markdown(relief=Decimal("0.50"), days_of_cover=100, window_days=50)


def reliefs(world: World, markdown: Markdown = SLOW) -> dict[tuple[str, str], int]:
    codes = world.locations.ids()
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    found = HistoryOfPlaces(world.connection, world.now).reliefs(
        markdown, list(codes.values()), {item: Goods(sku) for sku, item in ids.items()}
    )
    return {
        (code, sku): found[number][item]
        for code, number in codes.items()
        for sku, item in ids.items()
        if item in found[number]
    }


def test_what_lies_for_longer_than_its_days_of_cover_earns_its_relief_where_it_lies(world: World) -> None:
    merchant(world, bolt_paris=11, bolt_lyon=10)
    world.move("NUT", "paris", 3, minute=1)
    world.take_in(an_order("1", {"BOLT": 3}))
    now = world.later(50 * DAY)
    # 11 in paris and 8 in lyon after 5 and 2 were sold in 50 days: at that pace for 110 days, and for 200.
    for location, units in (("paris", 5), ("lyon", 2)):
        now.move("BOLT", location, units, minute=10)
        now.move("BOLT", location, -units, MovementKind.SOLD, minute=60 * 24)
    now.move("BOLT", "lyon", -2, MovementKind.CONSUMED, minute=60 * 24)
    assert reliefs(now) == {("paris", "BOLT"): EURO // 2, ("lyon", "BOLT"): EURO // 2}
    now.move("BOLT", "paris", -1, MovementKind.SHIPPED, minute=60 * 24)
    assert reliefs(now) == {("lyon", "BOLT"): EURO // 2}, "10 for 83 days; the nuts came a minute too late"
    now.move("BOLT", "paris", 1, MovementKind.RETURNED, minute=60 * 24)
    assert reliefs(now)["paris", "BOLT"] == EURO // 2, "what came back was not sold"
    assert reliefs(world.later(50 * DAY + 1))["paris", "NUT"] == EURO // 2, "nothing of it was ever sold"


def test_what_is_to_be_sold_off_earns_its_own_relief_everywhere(world: World) -> None:
    merchant(world, bolt_paris=11)
    listed = Markdown(skus={"NUT": Decimal("1.25")})
    assert reliefs(world, listed) == {("paris", "NUT"): 1_250_000, ("lyon", "NUT"): 1_250_000}


def test_slow_stock_is_sent_first_and_a_suppliers_is_never_slow(world: World) -> None:
    merchant(world, bolt_paris=9, bolt_lyon=9)
    world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600 * 24 * 99)
    world.locations.set_as_of(world.locations.ids()["acme"], at(0))
    world.channel("shop", {"web": ["paris", "lyon", "acme"]})
    world.receive("BOLT", "acme", 9)
    own = {"lyon": LocationRouting(handling=Decimal(1)), "acme": LocationRouting(handling=Decimal(1))}
    settings = RoutingSettings(markdown=Markdown(relief=Decimal("1.50"), days_of_cover=90, window_days=30))
    now = world.later(30 * DAY)
    RoutingStore(now.connection, now.now).put(Routing(settings, own))
    now.move("BOLT", "paris", -4, MovementKind.SOLD, minute=29 * DAY)
    now.take_in(an_order("1", {"BOLT": 1}, minute=30 * DAY))
    assert now.served("1") == {("1-1", "lyon", "allocated"): 1}
    [routing] = now.connection.execute(sa.select(ORDER.c.routing)).scalars()
    assert routing["bill"]["locations"]["lyon"]["costs"] == {"handling": "1.00", "risk and relief": "-1.50"}
    must_hold(now)


def test_a_supplier_asks_the_price_of_its_fullest_offer_in_euros(world: World) -> None:
    merchant(world)
    ids = world.catalogue.item_ids(["BOLT", "NUT"])

    def offer(name: str, units: int, cost: str | None, currency: str = "EUR") -> SupplierOffer:
        money = Money(amount=Decimal(cost), currency=currency) if cost else None
        return SupplierOffer(supplier="acme", supplier_sku=name, units=units, unit_cost=money, as_of=at(0))

    offers = [
        offer("A", 3, "2.10"),
        offer("B", 9, "2.50"),
        offer("C", 9, "9"),
        offer("D", 10, None),
        offer("E", 5, "7", "USD"),
    ]
    OfferStore(world.connection, at(0)).put("acme", offers, [ids["BOLT"]] * 4 + [ids["NUT"]])
    goods = {item: Goods(sku) for sku, item in ids.items()}
    found = HistoryOfPlaces(world.connection, at(0)).prices({"acme"}, goods)
    assert found == {"acme": {ids["BOLT"]: 2_500_000}}


def test_a_supplier_that_had_its_units_of_the_day_gets_more_tomorrow(world: World) -> None:
    merchant(world)
    world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600 * 24 * 99)
    world.locations.set_as_of(world.locations.ids()["acme"], at(0))
    world.channel("shop", {"web": ["acme"]})
    world.receive("BOLT", "acme", 99)
    RoutingStore(world.connection, world.now).put(
        Routing(None, {"acme": LocationRouting(contract=Contract(daily_units=5))})
    )
    world.take_in(an_order("1", {"BOLT": 3}))
    world.take_in(an_order("2", {"BOLT": 3}))
    world.take_in(an_order("3", {"BOLT": 1}))
    assert [world.lines(order)[f"{order}-1"] for order in "123"] == [(3, 3, 0), (3, 2, 1), (1, 0, 1)]
    tomorrow = world.later(DAY)
    tomorrow.take_in(an_order("4", {"BOLT": 3}, minute=DAY))
    assert tomorrow.lines("4") == {"4-1": (3, 3, 0)}
    must_hold(tomorrow)


def test_goods_that_need_something_go_only_where_it_is_and_the_rest_of_the_order_from_anywhere(world: World) -> None:
    merchant(world, bolt_paris=5, bolt_lyon=5)
    world.goods_in("NUT", "paris", 5)
    world.goods_in("NUT", "lyon", 5)
    world.catalogue.put_items([Item(sku="NUT", title="Nut", temperature_class="frozen", size_class="bulky")])
    own = {"paris": LocationRouting(classes=("bulky",)), "lyon": LocationRouting(handling=Decimal(9))}
    RoutingStore(world.connection, world.now).put(Routing(None, own))
    world.take_in(an_order("1", {"NUT": 1}))
    world.take_in(an_order("2", {"NUT": 1, "BOLT": 5}))
    assert world.served("1") == {("1-1", "lyon", "allocated"): 1}
    assert world.served("2") == {("2-1", "lyon", "allocated"): 1, ("2-2", "lyon", "allocated"): 5}
    world.take_in(an_order("3", {"PAIR": 1, "BOLT": 2}))
    assert world.served("3") == {("3-2", "paris", "allocated"): 2}
    assert world.lines("3")["3-1"] == (1, 0, 1), "a kit needs what its parts need, and lyon has no bolt left"
    reasons = list(world.connection.execute(sa.select(ORDER.c.routing).order_by(ORDER.c.id)).scalars())
    assert reasons[0]["locations"]["paris"] == "dropped: cannot take frozen"
    assert reasons[1]["locations"]["paris"] == "not chosen: lacks 1 of 6 units, distance unknown, cannot take frozen"
    must_hold(world)


def test_routing_asks_nothing_more_where_nothing_is_said(world: World) -> None:
    """The statements of one order: with markdown and the risk from history it is one each more, once."""
    merchant(world, bolt_paris=50)
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    def count(order: str) -> int:
        asked.clear()
        # Settings are read once in a transaction: each order is one of its own.
        later = World(world.connection, world.now)
        sa.event.listen(world.connection, "before_cursor_execute", note)
        later.take_in(an_order(order, {"BOLT": 1}))
        sa.event.remove(world.connection, "before_cursor_execute", note)
        return len(asked)

    plain = count("1")
    store = RoutingStore(world.connection, world.now)
    store.put(Routing(RoutingSettings(split=Decimal(1))))
    assert count("2") == plain
    store.put(Routing(RoutingSettings(markdown=SLOW)))
    assert count("3") == plain + 1
    store.put(Routing(RoutingSettings(markdown=SLOW, not_found=Decimal(5))))
    assert count("4") == plain + 2
