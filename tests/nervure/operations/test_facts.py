"""From what a document says to what the hub does about it."""

from typing import Any

import pytest
import sqlalchemy as sa

from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import store
from nervure.operations.staff import receive
from nervure.store.bindings import bind_channel
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.publications import PUBLICATION
from nervure.store.scope import ScopeStore
from nervure.store.tables.catalogue import ITEM
from nervure.store.tables.orders import ORDER
from schemas.documents import RawDocument
from schemas.items import Item
from schemas.orders import OrderState
from schemas.policies import PolicyKind
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import AdjustmentReason, ChannelMovement, Condition, MovementKind, StockObservation
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    dead,
    document,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
)
from tests.nervure.world import World, a_return, a_till_sale, an_order, at, must_hold


def moved(name: str, sku: str, units: int, kind: MovementKind = MovementKind.RECEIVED, **said: object) -> RawDocument:
    values = {
        "channel": "till",
        "external_id": name,
        "listing_external_id": f"L-{sku}",
        "stock_point": "counter",
        "kind": kind,
        "units": units,
        "occurred_at": at(1),
    }
    return document(f"{name} {said}", ChannelMovement.model_validate(values | said))


def tills(database: Database) -> tuple[Hub, ScriptedShop]:
    till = ScriptedShop()
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": till})
    settle(hub)
    publish(hub, "till")
    return hub, till


@pytest.mark.requirement("R22")
def test_a_movement_on_a_platform_is_booked_once_and_makes_its_own_number_unknown(both: Database) -> None:
    hub, _ = tills(both)
    hear(hub, "till", moved("m1", "BOLT", 3), moved("m1", "BOLT", 3, occurred_at=at(2)))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("received", 3)]
        number = world.publication(world.publication_id("till", "BOLT", "counter"))
        assert (number["salable_quantity"], number["channel_units"], number["state"]) == (5, None, "pending")
        must_hold(world)


def test_a_movement_of_a_kit_moves_its_parts(filled: Database) -> None:
    hub, _ = tills(filled)
    lost = moved("m2", "PAIR", -1, kind=MovementKind.ADJUSTED, reason=AdjustmentReason.LOST)
    hear(hub, "till", moved("m1", "PAIR", 2), lost)
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("received", 2), ("adjusted", -1)]
        assert world.movements("NUT", "lyon") == [("received", 4), ("adjusted", -2)]


def test_damaged_goods_are_there_and_not_for_sale(filled: Database) -> None:
    hub, _ = tills(filled)
    hear(hub, "till", moved("m1", "BOLT", 3, condition=Condition.DAMAGED))
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.published()["till", "counter", "BOLT"]) == (2, 2)


@pytest.mark.requirement("R39")
def test_a_movement_of_what_is_not_bound_waits(filled: Database) -> None:
    hub, _ = tills(filled)
    hear(hub, "till", moved("m1", "GHOST", 3))
    assert [letter.reason for letter in dead(hub)] == ["listing 'L-GHOST' of channel 'till' is not bound to an item"]


@pytest.mark.requirement("R38")
def test_a_return_restocks_where_the_goods_came_back(filled: Database) -> None:
    hub, _ = tills(filled)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9})))
    back = a_return("r1", {"BOLT": 2}, channel="till", point="counter", minute=3)
    hear(hub, "till", document("r1", back), document("r1 again", back))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("returned", 2)]
        assert world.lines("1") == {"1-1": (9, 9, 0)}, "who waited is served"
        must_hold(world)


def test_a_new_stock_point_changes_nothing_by_itself(filled: Database) -> None:
    hub, _ = tills(filled)
    report = hear(hub, "till", document("p1", ChannelPlace(channel="till", stock_point="kiosk", name="Kiosk")))
    assert (report.handled, report.dead) == (1, 0)


@pytest.mark.requirement("R21")
def test_where_a_channel_is_the_master_its_running_number_is_booked(filled: Database) -> None:
    hub, till = tills(filled)
    with filled.write() as connection:
        World(connection).location("lyon", master="till")
    advance(hub, 600)

    def shows(units: int, minute: float) -> RawDocument:
        fact = StockObservation(
            channel="till", listing_external_id="L-BOLT", stock_point="counter", units=units, observed_at=at(minute)
        )
        return document(f"{units} at {minute}", fact)

    hear(hub, "till", shows(2, 5))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2)], "an echo"
    hear(hub, "till", shows(6, 6), shows(6, 7))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("adjusted", 4)]
    publish(hub, "till")
    assert till.units()["BOLT"] == 6
    hear(hub, "till", order_of(a_till_sale("t1", {"BOLT": 1}, "counter", channel="till", minute=5.5)))
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 6, "the count of minute 6 had seen it"


@pytest.mark.requirement("R03")
def test_two_counts_that_come_together_are_each_compared_with_the_one_before(both: Database) -> None:
    hub, _ = tills(both)
    advance(hub, 600)

    def counts(units: int, minute: float) -> StockObservation:
        return StockObservation(
            channel="till",
            listing_external_id="L-BOLT",
            stock_point="counter",
            units=units,
            observed_at=at(minute),
            is_physical_count=True,
        )

    hear(hub, "till", document("late", counts(7, 7)), document("early", counts(6, 6)))
    hear(hub, "till", document("both", counts(4, 8), counts(5, 9)))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [
            ("received", 2),
            ("adjusted", 4),
            ("adjusted", 1),
            ("adjusted", -3),
            ("adjusted", 1),
        ]
        assert world.on_hand("BOLT", "lyon") == 5


@pytest.mark.requirement("R21")
def test_a_masters_number_that_was_read_before_our_write_books_nothing(filled: Database) -> None:
    hub, _ = tills(filled)
    with filled.write() as connection:
        World(connection).location("lyon", master="till")
    receive(hub, "BOLT", "lyon", 4, document="D1")
    refresh(hub)
    advance(hub, 120)
    publish(hub, "till")
    fact = StockObservation(
        channel="till", listing_external_id="L-BOLT", stock_point="counter", units=2, observed_at=at(1)
    )
    hear(hub, "till", document("read a minute before the write", fact))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("received", 4)]


@pytest.mark.requirement("R03", "R35")
@pytest.mark.parametrize("repaired", [False, True], ids=["before the repair", "after the repair"])
def test_a_count_is_booked_although_the_number_alone_was_heard_before_it(filled: Database, repaired: bool) -> None:
    """Square tells the new number by webhook, and only the next poll says that somebody had counted."""
    hub, till = tills(filled)
    advance(hub, 600)

    def says(units: int, *, counted: bool) -> RawDocument:
        fact = StockObservation(
            channel="till",
            listing_external_id="L-BOLT",
            stock_point="counter",
            units=units,
            observed_at=at(6),
            is_physical_count=counted,
        )
        return document(f"{units} {counted}", fact)

    till.shown = dict.fromkeys(till.shown, 6)
    hear(hub, "till", says(6, counted=False))
    if repaired:
        advance(hub, 1)
        with filled.write() as connection:
            ChannelStore(connection, at(10)).heard_orders("till", watermark=None, until=hub.clock.now(), next_at=at(19))
        publish(hub, "till")
        assert till.units()["BOLT"] == 2
    hear(hub, "till", says(6, counted=True))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("adjusted", 4)]
    publish(hub, "till")
    assert till.units()["BOLT"] == 6


def counts(units: int, minute: float, *, sku: str = "BOLT", counted: bool = True) -> RawDocument:
    fact = StockObservation(
        channel="till",
        listing_external_id=f"L-{sku}",
        stock_point="counter",
        units=units,
        observed_at=at(minute),
        is_physical_count=counted,
    )
    return document(f"{sku} {units} at {minute} {counted}", fact)


@pytest.mark.requirement("R21")
def test_a_ticket_heard_just_before_a_masters_number_is_not_booked_twice(both: Database) -> None:
    hub, _ = tills(both)
    with both.write() as connection:
        World(connection).location("lyon", master="till")
    advance(hub, 600)
    ticket = a_till_sale("t1", {"BOLT": 1}, "counter", channel="till", minute=5)
    store(hub, "till", (order_of(ticket.model_copy(update={"placed_at": at(5)})),))
    drain(hub)  # and nobody has computed anything since
    store(hub, "till", (counts(1, 6, counted=False),))
    drain(hub)
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("sold", -1)]


@pytest.mark.requirement("R03")
@pytest.mark.parametrize(("counted", "booked"), [(5, 0), (4, 0), (2, 0), (6, 1), (1, -1)])
def test_units_set_aside_for_orders_may_have_been_counted_or_not(filled: Database, counted: int, booked: int) -> None:
    """Lyon has 5, of which 3 are promised to the shop's orders: the till shows 2."""
    hub, till = tills(filled)
    receive(hub, "BOLT", "lyon", 3, document="D1")
    with filled.write() as connection:
        World(connection).channel("shop", {"web": ["lyon"]})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3})))
    publish(hub, "till")
    assert till.units()["BOLT"] == 2
    advance(hub, 600)
    till.shown = dict.fromkeys(till.shown, counted)
    hear(hub, "till", counts(counted, 6))
    with looking(hub) as world:
        adjusted = [units for kind, units in world.movements("BOLT", "lyon") if kind == "adjusted"]
        assert adjusted == ([booked] if booked else [])
        must_hold(world)
    publish(hub, "till")
    assert till.units()["BOLT"] == 2 + booked, "the till is told what it may sell, whatever was counted"


def test_a_kit_cannot_be_counted(filled: Database) -> None:
    hub, _ = tills(filled)
    publish(hub, "till")
    advance(hub, 600)
    hear(hub, "till", counts(50, 6, sku="PAIR"))
    with looking(hub) as world:
        assert (world.on_hand("PAIR", "lyon"), world.movements("BOLT", "lyon")) == (0, [("received", 2)])


def test_what_is_counted_at_a_stock_point_that_was_taken_out_is_not_heard(both: Database) -> None:
    hub, _ = tills(both)
    advance(hub, 600)
    with both.write() as connection:
        World(connection).channel("till", {})
        assert ScopeStore(connection, at(5)).settle() == []
    before = len(dead(hub))
    hear(hub, "till", counts(50, 6), counts(50, 6, counted=False))
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2)]
        assert {number.state.value for number in world.publications.numbers("till")} == {"excluded"}
    assert len(dead(hub)) == before


def test_an_observation_of_an_excluded_number_changes_nothing(filled: Database) -> None:
    hub, _ = tills(filled)
    with filled.write() as connection:
        connection.execute(PUBLICATION.update().values(state="excluded", reason="on request"))
    refresh(hub)
    fact = StockObservation(
        channel="shop", listing_external_id="L-BOLT", stock_point="web", units=50, observed_at=at(5)
    )
    hear(hub, "shop", document("o1", fact))
    with looking(hub) as world:
        assert {number.state.value for number in world.publications.numbers("shop")} == {"excluded"}


# -- bindings that come late, and what is no goods -------------------------------------------------------------


def listed(sku: str | None, *, gtin: str | None = None, name: str = "NEW", is_goods: bool = True) -> RawDocument:
    fact = ChannelListing(
        channel="shop", external_id=f"L-{name}", stock_id=f"S-{name}", sku=sku, gtin=gtin, title=name, is_goods=is_goods
    )
    return document(f"listing {name} {sku} {gtin}", fact)


@pytest.mark.parametrize(("sku", "gtin"), [("NEW", None), (None, "04006381333931")])
def test_a_listing_heard_before_its_item_is_bound_with_the_item_and_what_waited_is_carried_out(
    filled: Database, sku: str | None, gtin: str | None
) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", listed(sku, gtin=gtin))
    hear(hub, "shop", order_of(an_order("9", {"NEW": 1, "BOLT": 1})))
    assert [letter.reason for letter in dead(hub)] == ["listing 'L-NEW' of channel 'shop' is not bound to an item"]
    with filled.write() as connection:
        World(connection).catalogue.put_items([Item(sku="NEW", title="new", gtin=gtin)])
    settle(hub)
    assert dead(hub) == []
    with looking(hub) as world:
        assert world.bindings.unbound("shop") == []
        assert world.published()["shop", "web", sku or ""] == 0
        assert world.lines("9") == {"9-1": (1, 0, 1), "9-2": (1, 1, 0)}
        must_hold(world)


def test_binding_a_channel_again_binds_what_has_an_item_and_says_how_many(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", listed("NEW"), listed("LOST", name="LOST"), listed("FIX", name="FIX", is_goods=False))
    with filled.write() as connection:
        # As an older version of the hub left it: the item came, and nobody looked.
        connection.execute(sa.insert(ITEM).values(sku="NEW", title="new", kind="simple", options={}))
    with filled.write() as connection:
        assert [bind_channel(connection, at(1), "shop") for _ in range(2)] == [1, 0]
    settle(hub)
    with looking(hub) as world:
        assert world.bindings.unbound("shop") == [("L-LOST", "no item has this sku or GTIN")]
        assert world.published()["shop", "web", "NEW"] == 0


def test_an_ambiguous_listing_stays_unbound_until_one_item_is_left(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    gtin = "04006381333931"
    hear(hub, "shop", listed(None, gtin=gtin))
    with filled.write() as connection:
        world = World(connection)
        world.catalogue.put_items([Item(sku=sku, title=sku, gtin=gtin) for sku in ("ONE", "TWO")])
        assert [name for name, _ in world.bindings.unbound("shop")] == ["L-NEW"]
        world.catalogue.put_items([Item(sku="TWO", title="TWO")])
        assert bind_channel(connection, at(1), "shop") == 1


def test_a_service_beside_goods_moves_money_and_the_goods_are_booked(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    sale = order_of(an_order("1", {"BOLT": 2, "REPAIR": 1}))
    hear(hub, "shop", sale)
    assert len(dead(hub)) == 1, "nobody said yet what it is"
    hear(hub, "shop", listed("REPAIR", name="REPAIR", is_goods=False))
    settle(hub)
    assert dead(hub) == []
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2}
        assert [line["title"] for line in money_lines(world, "1")] == [""]
        assert world.bindings.unbound("shop") == []
        must_hold(world)
    hear(hub, "shop", document("back", a_return("R1", {"REPAIR": 1, "BOLT": 1}, minute=2)))
    assert dead(hub) == []
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 6


def money_lines(world: World, order: str) -> list[dict[str, Any]]:
    query = sa.select(ORDER.c.money_lines).where(ORDER.c.external_id == order)
    return list(world.connection.execute(query).scalar_one())


def test_what_comes_back_of_a_deleted_listing_is_known_by_its_order_line(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=OrderState.COMPLETED)))
    back = a_return("R1", {"BOLT": 1, "WRAP": 1}, minute=2)
    lines = [
        line.model_copy(update={"listing_external_id": None, "order_line": order_line})
        for line, order_line in zip(back.lines, ("1-1", "1-2"), strict=True)
    ]
    hear(hub, "shop", document("back", back.model_copy(update={"order": "1", "lines": tuple(lines)})))
    assert dead(hub) == []
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5), ("shipped", -2), ("returned", 1)]


@pytest.mark.requirement("R22")
def test_two_documents_whose_names_run_into_each_other_are_both_booked(filled: Database) -> None:
    with filled.write() as connection:
        World(connection).items("A|B", "B")
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    assert receive(hub, "A|B", "paris", 5, document="D")
    assert receive(hub, "B", "paris", 5, document="D|A")
    with looking(hub) as world:
        assert (world.on_hand("A|B", "paris"), world.on_hand("B", "paris")) == (5, 5)


@pytest.mark.parametrize(("counted", "booked"), [(1, 0), (2, 0), (3, 1), (0, -1)])
def test_a_count_beside_a_cap_makes_no_units_up(filled: Database, counted: int, booked: int) -> None:
    hub, _ = tills(filled)
    with filled.write() as connection:
        World(connection).policy(PolicyKind.CAP, 1, channel="till", sku="BOLT")
    settle(hub)
    publish(hub, "till")
    advance(hub, 600)
    hear(hub, "till", counts(counted, 8))
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 2 + booked


@pytest.mark.parametrize(("counted", "booked"), [(2, 0), (1, -1), (3, 1)])
def test_a_count_beside_a_backorder_loses_no_units(filled: Database, counted: int, booked: int) -> None:
    hub, _ = tills(filled)
    with filled.write() as connection:
        World(connection).policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=at(0).date())
    settle(hub)
    publish(hub, "till")
    advance(hub, 600)
    hear(hub, "till", counts(counted, 8))
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 2 + booked
