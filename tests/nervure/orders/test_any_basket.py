"""Random stock and random baskets: what holds for every accepted order, one after the other."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.inventory.availability import available_at, salable_quantity
from nervure.store.database import Database
from schemas.orders import OrderState
from tests.nervure.world import Bought, World, a_till_sale, an_order, merchant, must_hold, thrown_away

UNITS = st.integers(0, 6)
SHELVES = st.fixed_dictionaries(dict.fromkeys(("bolt_paris", "nut_paris", "bolt_lyon", "nut_lyon"), UNITS))
BASKETS = st.lists(
    st.lists(st.builds(Bought, st.sampled_from(["BOLT", "NUT", "PAIR"]), st.integers(1, 4)), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)
PARTS = {"BOLT": {"BOLT": 1}, "NUT": {"NUT": 1}, "PAIR": {"BOLT": 1, "NUT": 2}}


def promised(world: World, sku: str) -> int:
    """What the shop may show, computed from the stock itself."""
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    stock = world.stock.at_items(ids.values())
    parts = {ids[part]: units for part, units in PARTS[sku].items()}
    return salable_quantity(parts, world.locations.ids().values(), stock)


@pytest.mark.requirement("R02", "R05", "R07")
@settings(max_examples=30)
@given(SHELVES, BASKETS)
def test_every_accepted_line_is_served_or_openly_short(
    shared_sqlite: Database, shelves: dict[str, int], baskets: list[list[Bought]]
) -> None:
    with thrown_away(shared_sqlite) as connection:
        world = World(connection)
        merchant(world, **{name: units for name, units in shelves.items() if units})
        there = {sku: sum(world.claimable(sku, place) for place in ("paris", "lyon")) for sku in ("BOLT", "NUT")}
        for number, basket in enumerate(baskets):
            world.take_in(an_order(str(number), basket))
        must_hold(world)
        allocated = {sku: sum(world.allocated(sku, place) for place in ("paris", "lyon")) for sku in there}
        served = Counter[str]()
        for number, basket in enumerate(baskets):
            for line, (units, is_served, short) in zip(basket, world.lines(str(number)).values(), strict=True):
                assert units == line.units == is_served + short
                for part, per in PARTS[line.sku].items():
                    served[part] += is_served * per
        assert allocated == {sku: served[sku] for sku in there}
        assert all(allocated[sku] <= there[sku] for sku in there)


@pytest.mark.requirement("R06", "R17")
@settings(max_examples=30)
@given(SHELVES, st.sampled_from(["BOLT", "NUT", "PAIR"]))
def test_all_that_is_promised_of_an_item_can_be_ordered_and_not_one_more(
    shared_sqlite: Database, shelves: dict[str, int], sku: str
) -> None:
    with thrown_away(shared_sqlite) as connection:
        world = World(connection)
        merchant(world, **{name: units for name, units in shelves.items() if units})
        shown = promised(world, sku)
        ids, locations = world.catalogue.item_ids(["BOLT", "NUT"]), world.locations.ids()
        stock = world.stock.at_items(ids.values())
        parts = {ids[part]: units for part, units in PARTS[sku].items()}
        at_each = {code: available_at(parts, location, stock) for code, location in locations.items()}
        if shown:
            world.take_in(an_order("all", {sku: shown}))
            assert world.lines("all") == {"all-1": (shown, shown, 0)}
            assert world.served("all") == {
                ("all-1", code, "allocated"): units for code, units in at_each.items() if units
            }
        assert promised(world, sku) == 0
        world.take_in(an_order("more", {sku: 1}))
        assert world.lines("more") == {"more-1": (1, 0, 1)}
        must_hold(world)


@pytest.mark.requirement("R02", "R03", "R11", "R20")
@settings(max_examples=25)
@given(SHELVES, BASKETS, st.data())
def test_whatever_happens_afterwards_no_line_is_lost_and_no_unit_is_promised_twice(
    shared: Database, shelves: dict[str, int], baskets: list[list[Bought]], data: st.DataObject
) -> None:
    with thrown_away(shared) as connection:
        world = World(connection)
        merchant(world, **{name: units for name, units in shelves.items() if units})
        for number, basket in enumerate(baskets):
            world.take_in(an_order(str(number), basket))
        for step in range(data.draw(st.integers(1, 6))):
            number = data.draw(st.integers(0, len(baskets) - 1))
            match data.draw(st.sampled_from(["cancel", "edit", "ship", "till", "goods in"])):
                case "cancel":
                    world.take_in(an_order(f"{number}", baskets[number], state=OrderState.CANCELED, minute=step + 1))
                case "edit":
                    fewer = [Bought(line.sku, line.units, canceled=1) for line in baskets[number]]
                    world.take_in(an_order(f"{number}", fewer, minute=step + 1))
                case "ship":
                    world.ship_all(f"{number}", minute=step + 1)
                case "till":
                    sku = data.draw(st.sampled_from(["BOLT", "NUT", "PAIR"]))
                    ticket = a_till_sale(f"ticket {step}", {sku: 1}, "counter", channel="till", minute=step + 1)
                    world.take_in(ticket)
                case _:
                    world.goods_in(data.draw(st.sampled_from(["BOLT", "NUT"])), "paris", 1)
        owed = [
            (sku, place) for sku in ("BOLT", "NUT") for place in ("paris", "lyon") if world.claimable(sku, place) < 0
        ]
        must_hold(world, oversold=owed)
        for sku, place in owed:
            assert world.allocated(sku, place) == 0, "units are owed although an allocation there could be given up"
