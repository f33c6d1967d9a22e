import pytest

from nervure.store.statements import KIT
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL
from schemas.items import Item, ItemKind, KitComponent
from schemas.levels import LevelKey
from schemas.publications import ChannelListing
from tests.nervure.world import START, World, at, merchant

GTIN = "04006381333931"


def listing(external_id: str, **said: str) -> ChannelListing:
    return ChannelListing.model_validate({"channel": "shop", "external_id": external_id, "stock_id": "S"} | said)


def kit(**parts: int) -> Item:
    components = tuple(KitComponent(sku=sku, units=units) for sku, units in parts.items())
    return Item(sku="PAIR", title="Pair", kind=ItemKind.KIT, components=components)


def test_items_are_written_by_their_sku_and_rewritten_with_what_is_newer(world: World) -> None:
    assert world.catalogue.put_items([Item(sku="BOLT", title="Bolt"), Item(sku="NUT", title="Nut")]) == 2
    before = world.catalogue.item_ids(["BOLT", "NUT", "CLAMP"])
    assert set(before) == {"BOLT", "NUT"}
    assert world.catalogue.put_items([Item(sku="BOLT", title="Bolt M4", gtin=GTIN), Item(sku="CLAMP", title="C")]) == 1
    assert world.catalogue.item_ids(["BOLT", "NUT"]) == before
    assert world.catalogue.items_by_gtin([GTIN]) == {GTIN: [before["BOLT"]]}
    assert world.catalogue.put_items([]) == 0


@pytest.mark.requirement("R37")
def test_a_kit_is_made_of_what_was_said_last(world: World) -> None:
    world.items("BOLT", "NUT")
    world.catalogue.put_items([kit(BOLT=1, NUT=2)])
    ids = world.catalogue.item_ids(["BOLT", "NUT", "PAIR"])
    parts = world.stock.parts_of(ids.values())
    assert parts == {
        ids["BOLT"]: {ids["BOLT"]: 1},
        ids["NUT"]: {ids["NUT"]: 1},
        ids["PAIR"]: {ids["BOLT"]: 1, ids["NUT"]: 2},
    }
    world.catalogue.put_items([kit(NUT=3)])
    assert world.stock.parts_of([ids["PAIR"]]) == {ids["PAIR"]: {ids["NUT"]: 3}}


def test_what_is_no_kit_any_more_is_one_of_itself(world: World) -> None:
    world.items("BOLT")
    world.catalogue.put_items([kit(BOLT=2)])
    world.catalogue.put_items([Item(sku="PAIR", title="Pair")])
    pair = world.catalogue.item_ids(["PAIR"])["PAIR"]
    assert world.stock.parts_of([pair]) == {pair: {pair: 1}}
    assert world.rows(KIT) == 0


def test_a_kit_of_an_unknown_part_is_refused(world: World) -> None:
    with pytest.raises(KeyError, match="NUT"):
        world.catalogue.put_items([kit(NUT=2)])


@pytest.mark.requirement("R39")
def test_a_listing_is_bound_by_sku_then_by_gtin_and_never_by_title(world: World) -> None:
    world.channel("shop", {})
    world.catalogue.put_items([Item(sku="BOLT", title="Bolt"), Item(sku="NUT", title="Nut", gtin=GTIN)])
    said = [
        listing("1", sku="BOLT", gtin=GTIN),
        listing("2", sku="OTHER", gtin=GTIN),
        listing("3", title="Bolt"),
        listing("4", sku="bolt", title="Bolt"),
    ]
    assert world.catalogue.put_listings("shop", said) == (2, 2)
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    assert {name: found.item_id for name, found in world.bindings.listings_of("shop", ["1", "2"]).items()} == {
        "1": ids["BOLT"],
        "2": ids["NUT"],
    }
    assert world.catalogue.unbound("shop") == [
        ("3", "the listing has neither sku nor GTIN"),
        ("4", "no item has this sku or GTIN"),
    ]


@pytest.mark.requirement("R39")
def test_a_gtin_of_two_items_binds_nothing(world: World) -> None:
    world.channel("shop", {})
    world.catalogue.put_items([Item(sku=sku, title=sku, gtin=GTIN) for sku in ("BOLT", "NUT")])
    assert world.catalogue.put_listings("shop", [listing("1", gtin=GTIN)]) == (0, 1)
    assert world.catalogue.unbound("shop") == [("1", f"GTIN {GTIN} belongs to 2 items")]


@pytest.mark.requirement("R39")
def test_a_binding_once_made_is_kept_and_one_that_was_missing_is_made(world: World) -> None:
    world.channel("shop", {})
    world.items("BOLT", "NUT")
    world.catalogue.put_listings("shop", [listing("1", sku="BOLT"), listing("2", sku="CLAMP")])
    world.items("CLAMP")
    world.catalogue.put_listings("shop", [listing("1", sku="NUT"), listing("2", sku="CLAMP")])
    ids = world.catalogue.item_ids(["BOLT", "CLAMP"])
    bound = world.bindings.listings_of("shop", ["1", "2"])
    assert (bound["1"].item_id, bound["2"].item_id) == (ids["BOLT"], ids["CLAMP"])
    assert world.rows(LISTING) == 2
    assert world.catalogue.listing_items("shop", ["1", "9"])["1"] == (ids["BOLT"], LevelKey("S", ""))


def test_a_location_and_a_channel_are_written_again_under_their_own_names(world: World) -> None:
    merchant(world)
    before = world.catalogue.location_ids()
    world.location("paris", master="till")
    world.channel("shop", {"web": ["lyon"]}, buffer_units=2)
    assert world.catalogue.location_ids() == before
    assert world.bindings.location_of("shop", "web") == before["lyon"]
    assert world.rows(CHANNEL) == 3
    assert world.catalogue.supplier_location("till") == before["paris"]
    assert world.catalogue.supplier_location("acme") is None


def test_the_first_pull_of_a_known_channel_does_not_begin_anew(world: World) -> None:
    merchant(world)
    world.catalogue.put_channel("shop", "emulated", buffer_units=0, stock_points={}, orders_since=at(99))
    [watermark] = world.connection.execute(
        CHANNEL.select().with_only_columns(CHANNEL.c.orders_watermark).where(CHANNEL.c.name == "shop")
    ).scalars()
    assert watermark == START


def test_safety_stock_is_what_was_said_last(world: World) -> None:
    merchant(world, bolt_paris=9)
    place = world.place("BOLT", "paris")
    for units in (4, 2):
        world.catalogue.put_safety_stock(place.item_id, place.location_id, units)
    assert world.stock.safety_stock([place, world.place("NUT", "paris")]) == {place: 2}
    assert world.stock.at_items([place.item_id])[place].available_to_promise == 7
