import pytest

from nervure.store.statements import KIT
from schemas.items import Item, ItemKind, KitComponent
from tests.nervure.world import World

GTIN = "04006381333931"


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
