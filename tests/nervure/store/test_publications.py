"""What each channel must show: one number for every reader, and work only where something moved."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervure.inventory.availability import Terms, salable_quantity
from nervure.inventory.derivation import evaluate
from nervure.store.database import Database
from nervure.store.publications import PUBLICATION, Move, believed
from nervure.store.reports import ReportStore
from nervure.store.statements import CHANGE
from schemas.locations import LocationKind
from schemas.policies import PolicyKind
from schemas.stock import Condition, MovementKind
from tests.nervure.derive import derive
from tests.nervure.world import START, World, an_order, at, merchant, thrown_away

KITS = {"BOLT": {"BOLT": 1}, "NUT": {"NUT": 1}, "PAIR": {"BOLT": 1, "NUT": 2}}
POINTS = {("shop", "web"): ("paris", "lyon"), ("market", "fr"): ("paris", "lyon"), ("till", "counter"): ("lyon",)}


def revisions(world: World) -> dict[tuple[str, str, str], int]:
    return {
        (channel, point, sku): world.publication(world.publication_id(channel, sku, point))["revision"]
        for channel, point in POINTS
        for sku in KITS
    }


def raised(before: dict[tuple[str, str, str], int], after: dict[tuple[str, str, str], int]) -> set[tuple[str, str]]:
    assert before.keys() == after.keys()
    assert all(after[key] - before[key] in (0, 1) for key in after)
    return {
        (channel, sku) for (channel, point, sku), revision in after.items() if revision > before[channel, point, sku]
    }


def settled(world: World, **stock: int) -> None:
    merchant(world, **stock)
    world.refresh()


@pytest.mark.requirement("R33")
def test_every_listing_has_a_number_at_every_stock_point_of_its_channel(world: World) -> None:
    settled(world, bolt_paris=3, bolt_lyon=2, nut_lyon=5)
    assert world.published() == {
        ("shop", "web", "BOLT"): 5,
        ("shop", "web", "NUT"): 5,
        ("shop", "web", "PAIR"): 2,
        ("market", "fr", "BOLT"): 5,
        ("market", "fr", "NUT"): 5,
        ("market", "fr", "PAIR"): 2,
        ("till", "counter", "BOLT"): 2,
        ("till", "counter", "NUT"): 5,
        ("till", "counter", "PAIR"): 2,
    }
    assert set(revisions(world).values()) == {1}
    assert world.states() == {
        "shop": {"pending": 3},
        "market": {"pending": 3},
        "till": {"pending": 3},
    }
    assert world.publications.create_missing("shop") == 0


@pytest.mark.requirement("R29", "R37")
def test_a_part_that_moves_is_published_with_its_kits_on_every_channel_and_nothing_else_is(world: World) -> None:
    settled(world, bolt_lyon=2, nut_lyon=8)
    before = revisions(world)
    world.move("BOLT", "lyon", 1)
    assert world.refresh() == 1
    assert raised(before, revisions(world)) == {
        (channel, sku) for channel in ("shop", "market", "till") for sku in ("BOLT", "PAIR")
    }
    assert world.rows(CHANGE) == 0


@pytest.mark.requirement("R29")
def test_a_change_that_changes_no_number_raises_no_revision(world: World) -> None:
    settled(world, bolt_lyon=2)
    before = revisions(world)
    world.move("BOLT", "lyon", 3, condition=Condition.DAMAGED)
    world.move("NUT", "paris", 1)
    world.move("NUT", "paris", -1, MovementKind.CONSUMED)
    assert world.refresh() == 3
    assert revisions(world) == before


@pytest.mark.requirement("R37")
def test_an_order_for_a_kit_moves_its_parts_numbers_on_every_channel(world: World) -> None:
    settled(world, bolt_paris=2, nut_paris=4)
    world.take_in(an_order("1", {"PAIR": 1}, channel="market"))
    world.refresh()
    numbers = world.published()
    for channel, point in (("shop", "web"), ("market", "fr")):
        assert [numbers[channel, point, sku] for sku in ("BOLT", "NUT", "PAIR")] == [1, 2, 1]


def test_work_is_done_in_portions(world: World) -> None:
    settled(world)
    for _ in range(5):
        world.move("BOLT", "paris", 1)
    assert [world.publications.refresh(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert world.published()["shop", "web", "BOLT"] == 5


def test_a_channel_that_sold_by_itself_is_sent_the_number_even_if_ours_did_not_move(world: World) -> None:
    settled(world, bolt_paris=5)
    before = revisions(world)
    listing = world.bindings.listings_of("shop", ["L-BOLT"])["L-BOLT"].listing_id
    world.desk().channel_notes.may_have_restocked("shop", {listing})
    world.refresh()
    assert raised(before, revisions(world)) == {("shop", "BOLT")}


def test_an_excluded_publication_is_left_alone(world: World) -> None:
    settled(world, bolt_paris=5)
    number = world.publication_id("shop", "BOLT", "web")
    world.connection.execute(
        PUBLICATION.update().where(PUBLICATION.c.id == number).values(state="excluded", reason="not sold there")
    )
    world.move("BOLT", "paris", 1)
    world.refresh()
    assert (world.publication(number)["revision"], world.publication(number)["state"]) == (1, "excluded")


@pytest.mark.requirement("R17")
@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["BOLT", "NUT"]),
            st.sampled_from(["paris", "lyon"]),
            st.integers(-3, 6).filter(bool),
            st.sampled_from(["us", "acme"]),
        ),
        max_size=6,
    ),
    st.integers(0, 3),
    st.integers(0, 2),
    st.tuples(st.integers(0, 100), st.integers(0, 4), st.integers(0, 3)),
)
def test_every_reader_gives_one_value(
    shared: Database,
    moves: list[tuple[str, str, int, str]],
    buffer_units: int,
    safety: int,
    policies: tuple[int, int, int],
) -> None:
    share, cap, beyond = policies
    with thrown_away(shared) as connection:
        world = World(connection)
        merchant(world)
        world.channel("shop", {"web": ["paris", "lyon"]}, buffer_units=buffer_units)
        place = world.place("BOLT", "paris")
        world.policies.put_safety_stock(place.item_id, place.location_id, safety)
        world.policy(PolicyKind.SHARE, share, channel="shop")
        world.policy(PolicyKind.CAP, cap, channel="shop", sku="BOLT")
        world.policy(PolicyKind.BACKORDER, beyond, sku="NUT", promised_on=START.date())
        for sku, location, units, owner in moves:
            world.move(sku, location, units, MovementKind.CONDITION_CHANGED, owner=owner)
        world.take_in(an_order("1", {"PAIR": 1, "BOLT": 1}))
        world.refresh()
        items, locations = world.catalogue.item_ids(KITS), world.locations.ids()
        stock = world.stock.at_items(items.values())
        points = {channel: number for number, channel in _points(world).items()}
        trees = derive(world, world.now)
        for (channel, point), codes in POINTS.items():
            for sku, recipe in KITS.items():
                parts = {items[part]: units for part, units in recipe.items()}
                terms = Terms(
                    share_percent=share if channel == "shop" else 100,
                    buffer_units=buffer_units if channel == "shop" else 0,
                    cap_units=cap if (channel, sku) == ("shop", "BOLT") else None,
                    beyond_units=beyond if sku == "NUT" else 0,
                )
                by_hand = salable_quantity(parts, [locations[code] for code in codes], stock, terms)
                key = (items[sku], points[channel, point])
                assert world.salable.of({key}) == {key: by_hand}
                assert world.published()[channel, point, sku] == by_hand
                assert ReportStore(connection, world.now).availability(channel, sku) == {point: by_hand}
                assert evaluate(trees[channel, point, sku]) == by_hand


def _points(world: World) -> dict[int, tuple[str, str]]:
    from nervure.store.tables.channels import CHANNEL, POINT

    rows = world.connection.execute(
        POINT.join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
        .select()
        .with_only_columns(POINT.c.id, CHANNEL.c.name, POINT.c.external_id)
    )
    return {number: (channel, point) for number, channel, point in rows}


@pytest.mark.requirement("R17")
def test_a_suppliers_units_are_shown_while_they_are_fresh_and_the_end_is_noticed(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=600)
    world.channel("shop", {"web": ["paris", "acme"]})
    world.receive("BOLT", "acme", 4)
    world.refresh()
    assert world.published()["shop", "web", "BOLT"] == 0, "nobody said yet that the units are there"
    world.locations.set_as_of(acme, at(0))
    shown = []
    for minute in (1, 9.9, 10, 11):
        later = world.later(minute)
        turned = later.publications.note_aging()
        later.refresh()
        shown.append((turned, later.published()["shop", "web", "BOLT"]))
    assert shown == [(1, 4), (0, 4), (1, 0), (0, 0)]
    world.locations.set_as_of(acme, at(12))
    world.locations.set_as_of(acme, at(3))
    later = world.later(13)
    assert later.publications.note_aging() == 1
    later.refresh()
    assert later.published()["shop", "web", "BOLT"] == 4


@pytest.mark.requirement("R30", "R36")
@pytest.mark.parametrize(
    ("units", "known_at", "moves", "expected"),
    [
        (5, at(1), [], 5),
        (None, None, [], None),
        (5, at(1), [Move(-2, at(2))], 3),
        (5, at(1), [Move(-2, at(2)), Move(1, at(3))], 4),
        (5, at(3), [Move(-2, at(2))], 5),
        (5, at(2), [Move(-2, at(2))], 5),
        (5, at(3), [Move(-2, at(2)), Move(-1, at(4))], 4),
        (5, None, [Move(-2, at(2))], 3),
        (5, at(3), [Move(-2, None)], 3),
        (None, None, [Move(-2, at(2))], None),
        (5, at(1), [Move(None, at(2))], None),
        (5, at(1), [Move(-1, at(2)), Move(None, None)], None),
    ],
)
def test_what_a_channel_shows_is_what_it_showed_and_what_it_did_since(
    units: int | None, known_at: datetime | None, moves: list[Move], expected: int | None
) -> None:
    assert believed(units, known_at, moves) == expected


@pytest.mark.requirement("R30")
def test_an_order_of_the_channel_lowers_what_it_is_believed_to_show(world: World) -> None:
    settled(world, bolt_paris=5)
    number = world.publication_id("shop", "BOLT", "web")
    other = world.publication_id("market", "BOLT", "fr")
    for one in (number, other):
        world.publications.counted(one, 5, START)
    order = an_order("1", {"BOLT": 2})
    world.later(5).take_in(order.model_copy(update={"placed_at": at(1)}))
    world.refresh()
    shown = [
        (world.publication(one)["channel_units"], world.publication(one)["salable_quantity"]) for one in (number, other)
    ]
    assert shown == [(3, 3), (5, 3)]


@pytest.mark.requirement("R30")
def test_with_several_stock_points_and_none_named_nobody_knows_which_number_moved(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.channel("shop", {"web": ["paris"], "app": ["lyon"]})
    world.list_on("shop", "BOLT")
    world.refresh()
    numbers = [world.publication_id("shop", "BOLT", point) for point in ("web", "app")]
    for number in numbers:
        world.publications.counted(number, 5, START)
    world.take_in(an_order("1", {"BOLT": 2}, minute=1))
    world.refresh()
    assert [world.publication(number)["channel_units"] for number in numbers] == [None, None]


@pytest.mark.requirement("R29", "R37")
@pytest.mark.parametrize("change", ["buffer", "pool", "recipe", "safety stock"])
def test_what_a_merchant_changes_in_the_settings_is_published_by_itself(world: World, change: str) -> None:
    merchant(world, bolt_paris=5, nut_paris=8, bolt_lyon=2, nut_lyon=4)
    world.refresh()
    before = world.published()["shop", "web", "PAIR"]
    match change:
        case "buffer":
            world.channel("shop", {"web": ["paris", "lyon"]}, buffer_units=1)
        case "pool":
            world.channel("shop", {"web": ["lyon"]})
        case "recipe":
            world.kit("PAIR", {"BOLT": 3, "NUT": 2})
        case _:
            bolt, paris = world.place("BOLT", "paris")
            world.policies.put_safety_stock(bolt, paris, 5)
    assert world.refresh() > 0
    assert world.published()["shop", "web", "PAIR"] < before


def test_settings_that_stay_what_they_are_move_no_number(world: World) -> None:
    merchant(world, bolt_paris=5, nut_paris=8)
    world.refresh()
    world.items("BOLT", "NUT")
    world.kit("PAIR", {"BOLT": 1, "NUT": 2})
    world.channel("shop", {"web": ["paris", "lyon"]})
    assert world.refresh() == 0
