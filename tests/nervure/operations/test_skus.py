"""Skus are renamed, merged and split by events; what names an old one finds its item (R12)."""

import pytest
import sqlalchemy as sa

from nervure.operations.hub import Hub
from nervure.operations.reservations import Wish, make_reservation, release_reservation
from nervure.operations.serials import Box, Unit, receive_serials, track
from nervure.operations.skus import SkuError, free, look_up, merge, rename, split
from nervure.operations.staff import UnknownStockError, receive, ship_fulfillment
from nervure.operations.transfers import Dispatch, dispatch
from nervure.operations.undo import UndoError, undo
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.lots import LotStore
from nervure.store.policy_log import POLICY_CHANGE
from nervure.store.skus import EVENT
from nervure.store.statements import MOVEMENT
from nervure.store.tables.catalogue import ITEM
from schemas.items import Item, ItemKind, KitComponent
from schemas.publications import ChannelListing
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    document,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
)
from tests.nervure.world import World, a_return, an_order, at, must_hold

pytestmark = pytest.mark.requirement("R12")


@pytest.fixture
def hub(both: Database) -> Hub:
    return scripted_hub(both, {"shop": ScriptedShop(), "market": ScriptedShop(), "till": ScriptedShop()})


def item_id(hub: Hub, sku: str) -> int:
    with looking(hub) as world:
        return world.catalogue.item_ids([sku])[sku]


def told(hub: Hub, sku: str) -> list[str]:
    return [event.document for event in look_up(hub, sku).events]


def unchanged(hub: Hub) -> None:
    with looking(hub) as world:
        assert (world.rows(ITEM), world.rows(EVENT), world.rows(MOVEMENT)) == (3, 0, 3)
        must_hold(world)


def test_a_renamed_item_keeps_its_stock_its_orders_and_its_old_name(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    before = item_id(hub, "BOLT")
    assert [rename(hub, "BOLT", "SCREW") for _ in range(2)] == [True, False]
    assert item_id(hub, "SCREW") == item_id(hub, "BOLT") == before
    with looking(hub) as world:
        assert (world.on_hand("SCREW", "paris"), world.claimable("BOLT", "paris")) == (5, 3)
        [number] = world.fulfillment_numbers("1")
    ship_fulfillment(hub, number, shipped_at=at(5))
    hear(hub, "shop", document("r", a_return("R1", {"BOLT": 1}), about="R1"))
    with looking(hub) as world:
        assert world.movements("SCREW", "paris") == [("received", 5), ("shipped", -2), ("returned", 1)]
        must_hold(world)
    assert told(hub, "BOLT") == ["rename:BOLT:SCREW"]


def test_a_document_that_was_booked_under_the_old_name_is_not_booked_again(hub: Hub) -> None:
    assert receive(hub, "BOLT", "paris", 3, document="D1")
    rename(hub, "BOLT", "SCREW")
    rename(hub, "SCREW", "STUD")
    assert [receive(hub, sku, "paris", 3, document="D1") for sku in ("BOLT", "SCREW", "STUD")] == [False] * 3
    assert [receive(hub, sku, "paris", 1, document="D2") for sku in ("STUD", "BOLT")] == [True, False]
    with looking(hub) as world:
        assert world.on_hand("STUD", "paris") == 9


def test_an_old_name_makes_no_new_item_and_binds_listings_to_the_item_that_had_it(hub: Hub) -> None:
    rename(hub, "BOLT", "SCREW")
    with hub.database.write() as connection:
        world = World(connection)
        assert world.catalogue.put_items([Item(sku="BOLT", title="Something else")]) == 0
        world.bindings.put_listings(
            "market", [ChannelListing(channel="market", external_id="L9", stock_id="S9", sku="BOLT")]
        )
        world.kit("BAG", {"BOLT": 2, "NUT": 1})
    with looking(hub) as world:
        assert world.rows(ITEM) == 4
        assert look_up(hub, "BOLT").sku == "SCREW"
        assert world.bindings.unbound("market") == []
        bag = world.catalogue.item_ids(["BAG"])["BAG"]
        assert world.stock.parts_of([bag])[bag][item_id(hub, "SCREW")] == 2


@pytest.mark.parametrize(
    ("old", "new", "error", "sentence"),
    [
        ("BULT", "X", UnknownStockError, "sku 'BULT' is not known"),
        ("BOLT", "NUT", SkuError, "'NUT' is another item: to make them one, use `nervure items merge BOLT NUT`"),
        ("BOLT", " X", SkuError, "' X' is no sku: 1 to 128 characters, without blanks around them"),
        ("BOLT", "", SkuError, "'' is no sku: 1 to 128 characters, without blanks around them"),
    ],
)
def test_a_rename_that_makes_no_sense_is_refused(
    hub: Hub, old: str, new: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as refused:
        rename(hub, old, new)
    assert str(refused.value) == sentence
    unchanged(hub)


def test_a_name_is_kept_from_others_until_it_is_set_free_and_what_was_before_means_the_old_item(hub: Hub) -> None:
    advance(hub, 60)
    rename(hub, "BOLT", "SCREW")
    with pytest.raises(SkuError, match=r"^'BOLT' was the name of another item: `nervure items free BOLT` lets it"):
        rename(hub, "NUT", "BOLT")
    advance(hub, 60)
    free(hub, "BOLT")
    with pytest.raises(UnknownStockError, match=r"^'BOLT' is no former sku of an item$"):
        free(hub, "BOLT")
    assert rename(hub, "NUT", "BOLT")
    assert look_up(hub, "BOLT").sku == "BOLT"
    assert look_up(hub, "BOLT", at(0.5)).sku == "SCREW", "then it meant the other one"
    assert look_up(hub, "NUT", at(0.5)).sku == "BOLT"
    assert rename(hub, "SCREW", "WASHER")
    assert rename(hub, "WASHER", "SCREW"), "an item may get back a name of its own"
    assert told(hub, "SCREW") == ["rename:BOLT:SCREW", "rename:SCREW:WASHER", "rename:WASHER:SCREW"]
    assert rename(hub, "SCREW", "WASHER")
    assert told(hub, "SCREW")[-1] == "rename:SCREW:WASHER:2"


def test_a_merge_moves_all_stock_under_one_document_and_binds_listings_anew(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection)
        world.receive("BOLT", "lyon", 3, owner="acme", lot="L1")
    gone, kept = item_id(hub, "BOLT"), item_id(hub, "NUT")
    assert [merge(hub, "BOLT", "NUT") for _ in range(2)] == [True, False]
    settle(hub)
    with looking(hub) as world:
        assert (world.on_hand("NUT", "paris"), world.on_hand("NUT", "lyon")) == (13, 5)
        assert world.catalogue.item_ids(["BOLT", "NUT"]) == {"BOLT": kept, "NUT": kept}
        assert world.published()["shop", "web", "NUT"] == 18
        documents = [
            (row.units, row.document)
            for row in world.connection.execute(MOVEMENT.select().where(MOVEMENT.c.kind == "adjusted"))
        ]
        assert sorted(units for units, _ in documents) == [-5, -3, -2, 2, 3, 5]
        assert {name for _, name in documents} == {"merge:BOLT:NUT"}
        assert world.level_id("NUT", "lyon", owner="acme", lot="L1")
        assert gone not in world.catalogue.item_ids(["BOLT", "NUT"]).values()
        must_hold(world)
    assert receive(hub, "BOLT", "paris", 1, document="D1"), "who says the old name means the new item"
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 14})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (14, 14, 0)}
        must_hold(world)
    assert look_up(hub, "BOLT").sku == "NUT"


def test_a_kit_of_both_has_both_of_the_one(hub: Hub) -> None:
    merge(hub, "BOLT", "NUT")
    settle(hub)
    with looking(hub) as world:
        pair = world.catalogue.item_ids(["PAIR"])["PAIR"]
        assert world.stock.parts_of([pair])[pair] == {item_id(hub, "NUT"): 3}
        assert world.published()["shop", "web", "PAIR"] == 13 // 3
    with hub.database.write() as connection:
        World(connection).kit("PAIR", {"BOLT": 1, "NUT": 2})
    with looking(hub) as world:
        assert world.stock.parts_of([pair])[pair] == {item_id(hub, "NUT"): 3}, "also as the items file says it still"


def test_who_waited_for_the_old_item_is_served_with_the_new_one_and_brings_it_back(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection)
        world.items("STUD")
        world.list_on("shop", "STUD")
    hear(hub, "shop", order_of(an_order("1", {"STUD": 4})))
    merge(hub, "STUD", "NUT")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (4, 4, 0)}
        assert world.allocated("NUT", "paris") == 4
        [number] = world.fulfillment_numbers("1")
        must_hold(world)
    ship_fulfillment(hub, number, shipped_at=at(1))
    hear(hub, "shop", document("r", a_return("R1", {"STUD": 1}), about="R1"))
    with looking(hub) as world:
        assert world.movements("NUT", "paris") == [("received", 8), ("shipped", -4), ("returned", 1)]
        must_hold(world)


def test_a_document_booked_before_a_merge_is_not_booked_again_after_it(hub: Hub) -> None:
    receive(hub, "BOLT", "paris", 3, document="D1")
    rename(hub, "BOLT", "SCREW")
    merge(hub, "SCREW", "NUT")
    assert [receive(hub, sku, "paris", 3, document="D1") for sku in ("BOLT", "SCREW")] == [False, False]
    assert receive(hub, "NUT", "paris", 3, document="D1"), "of that one it is new"


def test_a_merge_is_refused_while_units_are_set_aside(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    make_reservation(hub, "CART", [Wish("BOLT", 1, "lyon")], expires_at=at(5))
    with pytest.raises(SkuError, match=r"^3 units of 'BOLT' are set aside for carts and orders: let them leave or be"):
        merge(hub, "BOLT", "NUT")
    with looking(hub) as world:
        assert (world.rows(EVENT), world.rows(MOVEMENT), world.claimable("BOLT", "paris")) == (0, 3, 3)
        [number] = world.fulfillment_numbers("1")
        must_hold(world)
    ship_fulfillment(hub, number, shipped_at=at(1))
    release_reservation(hub, "CART")
    assert merge(hub, "BOLT", "NUT")
    with looking(hub) as world:
        assert (world.on_hand("NUT", "paris"), world.on_hand("NUT", "lyon")) == (11, 2)
        must_hold(world)


def test_kits_unknown_items_and_equal_serials_cannot_be_merged(hub: Hub) -> None:
    for sku, into, error, sentence in (
        ("PAIR", "NUT", SkuError, "'PAIR' is a kit, which has no stock of its own"),
        ("NUT", "PAIR", SkuError, "'PAIR' is a kit, which has no stock of its own"),
        ("NUT", "NUT", SkuError, "'NUT' cannot be merged into itself"),
        ("BULT", "NUT", UnknownStockError, "sku 'BULT' is not known"),
        ("NUT", "BULT", UnknownStockError, "sku 'BULT' is not known"),
    ):
        with pytest.raises(error) as refused:
            merge(hub, sku, into)
        assert str(refused.value) == sentence
    unchanged(hub)
    track(hub, "BOLT", is_tracked=True)
    with pytest.raises(SkuError, match="asks for serial numbers and the other does not"):
        merge(hub, "BOLT", "NUT")
    track(hub, "NUT", is_tracked=True)
    for sku in ("BOLT", "NUT"):
        receive_serials(hub, Box(sku, "paris", (Unit("A"),), f"D-{sku}"))
    with pytest.raises(SkuError, match=r"^serial 'A' is known of 'BOLT' and of 'NUT'$"):
        merge(hub, "BOLT", "NUT")


def test_a_split_moves_free_units_to_an_item_like_the_first(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1})))
    assert [split(hub, "BOLT", "BOLT-B", {"paris": 3, "lyon": 2}) for _ in range(2)] == [True, False]
    with looking(hub) as world:
        assert (world.on_hand("BOLT-B", "paris"), world.on_hand("BOLT-B", "lyon")) == (3, 2)
        assert (world.claimable("BOLT", "paris"), world.claimable("BOLT", "lyon")) == (1, 0)
        assert {row.document for row in world.connection.execute(MOVEMENT.select()) if row.kind == "adjusted"} == {
            "split:BOLT:BOLT-B"
        }
        must_hold(world)
    with pytest.raises(SkuError, match=r"^split:BOLT:BOLT-B was booked before, with other units: name this one with"):
        split(hub, "BOLT", "BOLT-B", {"paris": 1})
    assert split(hub, "BOLT", "BOLT-B", {"paris": 1}, document="split:second")
    assert told(hub, "BOLT-B") == ["split:BOLT:BOLT-B", "split:second"]


def test_a_split_of_more_than_is_free_is_refused_whole(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1})))
    with looking(hub) as world:
        before = (world.rows(ITEM), world.rows(MOVEMENT))
    with pytest.raises(
        SkuError, match=r"^not enough free units of 'BOLT', nothing was split: 'paris' has 4 free units, 5"
    ):
        split(hub, "BOLT", "BOLT-B", {"paris": 5, "lyon": 1})
    for sku, new, units, sentence in (
        ("PAIR", "P2", {"paris": 1}, "'PAIR' is a kit, which has no stock of its own"),
        ("BOLT", "BOLT", {"paris": 1}, "'BOLT' cannot be split into itself"),
        ("BOLT", "B2", {"paris": 0}, "say how many units of 'BOLT' become 'B2', above 0, and where"),
    ):
        with pytest.raises(SkuError) as refused:
            split(hub, sku, new, units)
        assert str(refused.value) == sentence
    with pytest.raises(UnknownStockError, match=r"^location 'pari' is not known$"):
        split(hub, "BOLT", "B2", {"pari": 1})
    with looking(hub) as world:
        assert (world.rows(ITEM), world.rows(MOVEMENT)) == before
        must_hold(world)


def test_a_merge_is_refused_while_units_are_on_their_way(hub: Hub) -> None:
    dispatch(hub, Dispatch("T-1", "BOLT", "paris", "lyon", 2))
    with pytest.raises(SkuError, match="units of 'BOLT' are to come with transfer:T-1: let them arrive, or close it"):
        merge(hub, "BOLT", "NUT")
    with pytest.raises(SkuError, match="units under way are split where they arrive"):
        split(hub, "BOLT", "SCREW", {"in-transit": 1})
    with looking(hub) as world:
        assert world.rows(EVENT) == 0
        must_hold(world)


def test_what_kits_are_made_of_after_a_merge_is_in_the_log(hub: Hub) -> None:
    with hub.database.write() as connection:
        CatalogueStore(connection, hub.clock.now()).put_items(
            [
                Item(
                    sku="BOX",
                    title="Box",
                    kind=ItemKind.KIT,
                    components=(KitComponent(sku="BOLT", units=2), KitComponent(sku="NUT", units=1)),
                )
            ]
        )
    box, bolt, nut, pair = (item_id(hub, sku) for sku in ("BOX", "BOLT", "NUT", "PAIR"))
    merge(hub, "BOLT", "NUT")
    with hub.database.read() as connection:
        query = sa.select(POLICY_CHANGE.c.item_id, POLICY_CHANGE.c.value).where(POLICY_CHANGE.c.kind == "kit")
        newest = {row.item_id: row.value["parts"] for row in connection.execute(query.order_by(POLICY_CHANGE.c.id))}
    assert newest == {pair: {str(nut): 3}, box: {str(nut): 3}, bolt: {str(nut): 1}}


def test_items_kept_by_lots_are_neither_merged_nor_split(hub: Hub) -> None:
    with hub.database.write() as connection:
        LotStore(connection, hub.clock.now()).put(item_id(hub, "BOLT"), "A", at(0).date())
    lost = "'BOLT' is kept by lots, whose last days would be lost"
    for gone, kept in (("BOLT", "NUT"), ("NUT", "BOLT")):
        with pytest.raises(SkuError, match=lost):
            merge(hub, gone, kept)
    with pytest.raises(SkuError, match=lost):
        split(hub, "BOLT", "SCREW", {"paris": 1})
    unchanged(hub)


def test_what_is_in_a_recipe_is_not_merged_away(hub: Hub) -> None:
    with hub.database.write() as connection:
        bench = Item(sku="BENCH", title="Bench", recipe=(KitComponent(sku="BOLT", units=2),))
        CatalogueStore(connection, hub.clock.now()).put_items([bench])
    for gone, kept in (("BOLT", "NUT"), ("BENCH", "NUT")):
        with pytest.raises(SkuError, match=f"'{gone}' is in the recipe of 'BENCH': change that first"):
            merge(hub, gone, kept)


def test_a_receipt_of_an_item_that_was_merged_since_is_not_undone_there(hub: Hub) -> None:
    receive(hub, "BOLT", "paris", 4, document="K")
    merge(hub, "BOLT", "NUT")
    with pytest.raises(UndoError, match="has no stock of its own: book what it is made of, by an adjustment"):
        undo(hub, "receipt:K")
    with looking(hub) as world:
        must_hold(world)
