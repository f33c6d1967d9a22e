import pytest

from nervure.store.tables.catalogue import LISTING
from schemas.items import Item
from schemas.levels import LevelKey
from schemas.publications import ChannelListing
from tests.nervure.world import World

GTIN = "04006381333931"


def listing(external_id: str, **said: str) -> ChannelListing:
    return ChannelListing.model_validate({"channel": "shop", "external_id": external_id, "stock_id": "S"} | said)


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
    assert world.bindings.put_listings("shop", said) == (2, 2)
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    assert {name: found.item_id for name, found in world.bindings.listings_of("shop", ["1", "2"]).items()} == {
        "1": ids["BOLT"],
        "2": ids["NUT"],
    }
    assert world.bindings.unbound("shop") == [
        ("3", "the listing has neither sku nor GTIN"),
        ("4", "no item has this sku or GTIN"),
    ]


@pytest.mark.requirement("R39")
def test_a_gtin_of_two_items_binds_nothing(world: World) -> None:
    world.channel("shop", {})
    world.catalogue.put_items([Item(sku=sku, title=sku, gtin=GTIN) for sku in ("BOLT", "NUT")])
    assert world.bindings.put_listings("shop", [listing("1", gtin=GTIN)]) == (0, 1)
    assert world.bindings.unbound("shop") == [("1", f"GTIN {GTIN} belongs to 2 items")]


@pytest.mark.requirement("R39")
def test_a_binding_once_made_is_kept_and_one_that_was_missing_is_made(world: World) -> None:
    world.channel("shop", {})
    world.items("BOLT", "NUT")
    world.bindings.put_listings("shop", [listing("1", sku="BOLT"), listing("2", sku="CLAMP")])
    world.items("CLAMP")
    world.bindings.put_listings("shop", [listing("1", sku="NUT"), listing("2", sku="CLAMP")])
    ids = world.catalogue.item_ids(["BOLT", "CLAMP"])
    bound = world.bindings.listings_of("shop", ["1", "2"])
    assert (bound["1"].item_id, bound["2"].item_id) == (ids["BOLT"], ids["CLAMP"])
    assert world.rows(LISTING) == 2
    assert world.bindings.listing_items("shop", ["1", "9"])["1"] == (ids["BOLT"], LevelKey("S", ""))
