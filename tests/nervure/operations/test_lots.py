"""Lots: named where the item asks, the first to expire leaves first, and what has expired is promised to nobody."""

from datetime import date, timedelta

import pytest

from nervure.invariants import check_all
from nervure.operations.counts import Entered, confirm, enter, open_count
from nervure.operations.hub import Hub
from nervure.operations.lots import GoodsError, correct_lot, lots_of, withdraw_expired
from nervure.operations.movements import Goods, MovementError, assemble, change_condition, disassemble
from nervure.operations.publish import refresh
from nervure.operations.reservations import Wish, give_to_order, make_reservation
from nervure.operations.staff import adjust, receive, ship_fulfillment
from nervure.operations.undo import UndoError, undo
from nervure.store.audit import AuditStore
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.expiries import LOT
from nervure.store.lots import LotStock
from nervure.store.statements import LEVEL, MOVEMENT
from schemas.items import Item, KitComponent, LotTracking
from schemas.stock import AdjustmentReason, Condition
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub
from tests.nervure.operations.test_movements import shelf
from tests.nervure.world import START, World, a_till_sale, an_order, at, must_hold

TODAY, TOMORROW, IN_MAY, IN_JUNE = date(2026, 3, 2), date(2026, 3, 3), date(2026, 5, 1), date(2026, 6, 1)
DAY_SECONDS = 86_400


def with_jam(database: Database) -> Hub:
    """The merchant, with JAM that asks for lots with expiry dates, and WAX that asks for lots."""
    with database.write() as connection:
        CatalogueStore(connection, START).put_items(
            [
                Item(sku="JAM", title="Jam", lot_tracking=LotTracking.EXPIRY),
                Item(sku="WAX", title="Wax", lot_tracking=LotTracking.LOT),
            ]
        )
        for channel in ("shop", "till"):
            World(connection).list_on(channel, "JAM", "WAX")
    return scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})


def jam(hub: Hub, units: int, lot: str, expires_on: date | None = None, **said: str) -> bool:
    goods = {"location": "paris", "owner": "us", "document": f"R-{lot}"} | said
    return receive(
        hub,
        "JAM",
        goods["location"],
        units,
        document=goods["document"],
        owner=goods["owner"],
        lot=lot,
        expires_on=expires_on,
    )


def shown(hub: Hub) -> int:
    """What the shop may show of JAM."""
    while refresh(hub):
        pass
    with looking(hub) as world:
        return world.published()["shop", "web", "JAM"]


def test_receipts_name_their_lot_and_a_known_lot_keeps_its_day(both: Database) -> None:
    hub = with_jam(both)
    assert [jam(hub, 4, "L1", IN_MAY) for _ in range(2)] == [True, False]
    assert jam(hub, 2, "L1", location="lyon")
    assert jam(hub, 3, "L0", IN_JUNE)
    assert lots_of(hub, "JAM") == [
        LotStock("L1", IN_MAY, "lyon", "us", "sellable", 2, 0),
        LotStock("L1", IN_MAY, "paris", "us", "sellable", 4, 0),
        LotStock("L0", IN_JUNE, "paris", "us", "sellable", 3, 0),
    ]


@pytest.mark.parametrize(
    ("sku", "lot", "day", "sentence"),
    [
        ("JAM", "", IN_MAY, "'JAM' is kept by lots with expiry dates: name the lot"),
        ("JAM", "L2", None, "lot 'L2' of 'JAM' is new: say when it expires"),
        ("JAM", "L1", IN_JUNE, "lot 'L1' of 'JAM' expires on 2026-05-01, not on 2026-06-01: correct it with"),
        ("WAX", "", None, "'WAX' is kept by lots: name the lot"),
        ("BOLT", "", IN_MAY, "a last day is a lot's: name the lot of 'BOLT'"),
    ],
)
def test_a_receipt_that_does_not_name_its_lot_is_refused_and_nothing_is_written(
    filled: Database, sku: str, lot: str, day: date | None, sentence: str
) -> None:
    hub = with_jam(filled)
    jam(hub, 4, "L1", IN_MAY)
    with pytest.raises(GoodsError, match=f"^{sentence}"):
        receive(hub, sku, "paris", 1, document="D", lot=lot, expires_on=day)
    with looking(hub) as world:
        assert (world.rows(MOVEMENT), world.rows(LOT)) == (4, 1)


def test_a_loss_names_its_lot(filled: Database) -> None:
    hub = with_jam(filled)
    jam(hub, 4, "L1", IN_MAY)
    with pytest.raises(GoodsError, match=r"name the lot$"):
        adjust(hub, "JAM", "paris", -1, reason=AdjustmentReason.LOST, document="D")
    adjust(hub, "JAM", "paris", -1, reason=AdjustmentReason.LOST, document="D", lot="L1")
    assert shelf(hub, "JAM", "paris") == {("us", "sellable", "L1"): 3}


def test_the_first_to_expire_leaves_first_whoever_owns_it(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 2, "LATE", IN_JUNE)
    jam(hub, 2, "EARLY", IN_MAY, owner="acme")
    hear(hub, "shop", order_of(an_order("1", {"JAM": 3})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
        must_hold(world)
    ship_fulfillment(hub, number, shipped_at=at(5))
    assert shelf(hub, "JAM", "paris") == {("us", "sellable", "LATE"): 1}


def test_a_till_sells_the_first_to_expire(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 2, "LATE", IN_JUNE, location="lyon")
    jam(hub, 2, "EARLY", IN_MAY, location="lyon")
    hear(hub, "till", order_of(a_till_sale("1", {"JAM": 3}, "counter", channel="till")))
    assert shelf(hub, "JAM", "lyon") == {("us", "sellable", "LATE"): 1}
    with looking(hub) as world:
        must_hold(world)


def test_units_that_expire_today_are_promised_to_nobody(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 2, "GONE", TODAY)
    jam(hub, 3, "LAST", TOMORROW)
    assert shown(hub) == 3
    hear(hub, "shop", order_of(an_order("1", {"JAM": 4})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (4, 3, 1)}


def test_expired_units_are_put_on_hold_once_and_the_shelf_is_published(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 3, "L1", TOMORROW)
    jam(hub, 2, "L2", IN_MAY)
    assert (withdraw_expired(hub), shown(hub)) == (0, 5)
    advance(hub, DAY_SECONDS)
    assert [withdraw_expired(hub) for _ in range(2)] == [3, 0]
    assert shown(hub) == 2
    assert shelf(hub, "JAM", "paris") == {("us", "on_hold", "L1"): 3, ("us", "sellable", "L2"): 2}
    with looking(hub) as world:
        must_hold(world)
    with pytest.raises(UndoError, match="correct the lot's day, then move the units"):
        undo(hub, "expiry:L1")
    held = Goods("JAM", "paris", condition=Condition.ON_HOLD, lot="L1")
    change_condition(hub, held, 1, Condition.SELLABLE, document="BACK")
    assert withdraw_expired(hub) == 1, "what is put back on the shelf is taken off again"
    adjust(
        hub,
        "JAM",
        "paris",
        -3,
        reason=AdjustmentReason.EXPIRED,
        document="BIN",
        condition=Condition.ON_HOLD,
        lot="L1",
    )
    assert shelf(hub, "JAM", "paris") == {("us", "sellable", "L2"): 2}


def test_who_was_promised_an_expired_lot_gets_another_one_of_the_same_shelf(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 3, "L1", TOMORROW)
    jam(hub, 3, "L2", IN_MAY)
    hear(hub, "shop", order_of(an_order("1", {"JAM": 4})))
    hear(hub, "shop", order_of(an_order("2", {"JAM": 1})))
    advance(hub, DAY_SECONDS)
    withdraw_expired(hub)
    with looking(hub) as world:
        assert (world.lines("1"), world.lines("2")) == ({"1-1": (4, 2, 2)}, {"2-1": (1, 1, 0)})
        must_hold(world)
        numbers = [*world.fulfillment_numbers("1"), *world.fulfillment_numbers("2")]
    for number in numbers:
        ship_fulfillment(hub, number)
    assert shelf(hub, "JAM", "paris") == {("us", "on_hold", "L1"): 3}


def test_a_day_that_is_corrected_counts_at_once(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 3, "L1", TODAY)
    assert shown(hub) == 0
    correct_lot(hub, "JAM", "L1", IN_MAY)
    assert shown(hub) == 3
    with pytest.raises(GoodsError, match=r"^'JAM' has no lot 'L9'$"):
        correct_lot(hub, "JAM", "L9", IN_MAY)
    with pytest.raises(GoodsError, match=r"^sku 'HONEY' is not known$"):
        lots_of(hub, "HONEY")


def test_who_waits_is_served_from_a_lot_whose_day_is_corrected(both: Database) -> None:
    hub = with_jam(both)
    jam(hub, 3, "L1", TODAY)
    hear(hub, "shop", order_of(an_order("1", {"JAM": 2})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 0, 2)}
    correct_lot(hub, "JAM", "L1", IN_MAY)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 2, 0)}
        must_hold(world)


def test_units_whose_lot_nobody_knew_are_given_their_lot(filled: Database) -> None:
    hub = with_jam(filled)
    with filled.write() as connection:
        World(connection).receive("JAM", "paris", 4)
    unnamed = Goods("JAM", "paris")
    with pytest.raises(GoodsError, match=r"say when it expires$"):
        change_condition(hub, unnamed, 4, Condition.SELLABLE, document="D", to_lot="L1")
    change_condition(hub, unnamed, 4, Condition.SELLABLE, document="D", to_lot="L1", expires_on=IN_MAY)
    assert shelf(hub, "JAM", "paris") == {("us", "sellable", "L1"): 4}


def test_what_is_assembled_names_its_lot_and_takes_the_first_parts_to_expire(filled: Database) -> None:
    hub = with_jam(filled)
    hamper = Item(
        sku="HAMPER",
        title="Hamper",
        recipe=(KitComponent(sku="JAM", units=2),),
        lot_tracking=LotTracking.EXPIRY,
    )
    with filled.write() as connection:
        CatalogueStore(connection, START).put_items([hamper])
    jam(hub, 2, "LATE", IN_JUNE)
    jam(hub, 3, "EARLY", IN_MAY)
    with pytest.raises(GoodsError, match="'HAMPER' is kept by lots with expiry dates: name the lot"):
        assemble(hub, Goods("HAMPER", "paris"), 1, document="A")
    assemble(hub, Goods("HAMPER", "paris", lot="H1"), 2, document="A", expires_on=IN_MAY)
    assert shelf(hub, "JAM", "paris") == {("us", "sellable", "LATE"): 1}
    with pytest.raises(GoodsError, match="'JAM' is kept by lots with expiry dates: name the lot"):
        disassemble(hub, Goods("HAMPER", "paris"), 1, document="B")
    with pytest.raises(MovementError, match="not enough"):
        assemble(hub, Goods("HAMPER", "paris", lot="H1"), 1, document="C")
    assert shelf(hub, "HAMPER", "paris") == {("us", "sellable", "H1"): 2}


def test_a_lot_that_was_counted_before_anybody_knew_its_day_gets_it(filled: Database) -> None:
    hub = with_jam(filled)
    jam(hub, 2, "A", IN_MAY)
    for name, lot in (("C-1", "A"), ("C-2", "B")):
        open_count(hub, name, "lyon", ["JAM"])
        enter(hub, name, Entered("JAM", 4, by="Ana", lot=lot))
        confirm(hub, name, "Bo")
    jam(hub, 1, "B", TOMORROW)
    with looking(hub) as world:
        days = {
            (row.lot, row.location_id): row.expires_at and row.expires_at.date()
            for row in world.connection.execute(LEVEL.select().where(LEVEL.c.lot != ""))
        }
    paris, lyon = (place for place in sorted({location for _, location in days}))
    assert days["A", paris] == days["A", lyon]
    assert days["B", paris] == days["B", lyon]
    assert None not in days.values()


def test_a_cart_of_an_expired_lot_becomes_an_order_of_a_good_one(filled: Database) -> None:
    hub = with_jam(filled)
    jam(hub, 3, "A", TOMORROW)
    jam(hub, 5, "B", IN_JUNE)
    make_reservation(hub, "CART", [Wish("JAM", 2)], channel="shop", expires_at=hub.clock.now() + timedelta(days=20))
    advance(hub, 3 * DAY_SECONDS)
    assert withdraw_expired(hub) == 1, "the cart of the two others has not ended"
    with looking(hub) as world:
        must_hold(world)
        assert check_all(AuditStore(world.connection)) == []
    give_to_order(hub, "CART", "shop", "1")
    hear(hub, "shop", order_of(an_order("1", {"JAM": 2})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    ship_fulfillment(hub, number)
    assert withdraw_expired(hub) == 2
    assert {(one.lot, one.condition): one.on_hand for one in lots_of(hub, "JAM") if one.on_hand} == {
        ("A", "on_hold"): 3,
        ("B", "sellable"): 3,
    }
