from datetime import date

import pytest
import sqlalchemy as sa

from nervure.inventory.availability import PLAIN, Terms
from nervure.store.policies import PolicySeen, PolicyStore
from nervure.store.policy_log import POLICY_CHANGE
from nervure.store.publications import PUBLICATION
from nervure.store.statements import CHANGE
from schemas.locations import LocationKind
from schemas.policies import PolicyKind
from tests.nervure.world import START, World, an_order, at, merchant

TODAY = START.date()


def noted(world: World) -> set[tuple[str, str, str]]:
    """Which numbers are computed again, by (channel, stock point, sku): their revision rises where they moved."""
    world.connection.execute(PUBLICATION.update().values(salable_quantity=77))
    before = revisions(world)
    world.refresh()
    return {name for name, revision in revisions(world).items() if revision != before[name]}


def revisions(world: World) -> dict[tuple[str, str, str], int]:
    return {
        (channel, number.key.stock_point, number.sku): world.publication(number.publication_id)["revision"]
        for channel in ("shop", "market", "till")
        for number in world.publications.numbers(channel)
    }


def log(world: World, *kinds: str) -> list[tuple[str, object]]:
    query = sa.select(POLICY_CHANGE.c.kind, POLICY_CHANGE.c.value).order_by(POLICY_CHANGE.c.id)
    return [(kind, value) for kind, value in world.connection.execute(query) if kind in kinds]


def quiet(world: World) -> World:
    merchant(world, bolt_paris=5, nut_paris=8)
    world.refresh()
    return world


def test_a_policy_of_a_channel_concerns_its_numbers_and_no_others(world: World) -> None:
    quiet(world).policy(PolicyKind.SHARE, 50, channel="shop")
    assert noted(world) == {("shop", "web", sku) for sku in ("BOLT", "NUT", "PAIR")}


def test_a_policy_of_a_sku_on_a_channel_concerns_one_number(world: World) -> None:
    quiet(world).policy(PolicyKind.CAP, 1, channel="market", sku="BOLT")
    assert noted(world) == {("market", "fr", "BOLT")}


def test_a_backorder_concerns_the_item_on_every_channel_and_no_kit_of_it(world: World) -> None:
    quiet(world).policy(PolicyKind.BACKORDER, 1, sku="BOLT", promised_on=TODAY)
    assert noted(world) == {("shop", "web", "BOLT"), ("market", "fr", "BOLT"), ("till", "counter", "BOLT")}


@pytest.mark.requirement("R37")
def test_safety_stock_of_a_part_concerns_its_kits(world: World) -> None:
    quiet(world).safety_stock("NUT", "paris", 1)
    assert noted(world) == {name for name in revisions(world) if name[2] in ("NUT", "PAIR")}


def test_the_same_policy_again_changes_nothing(world: World) -> None:
    made = quiet(world).policy(PolicyKind.SHARE, 50, channel="shop")
    world.safety_stock("NUT", "paris", 1)
    world.refresh()
    before = log(world, "share", "safety_stock")
    assert world.policies.put(made) is False
    world.safety_stock("NUT", "paris", 1)
    assert log(world, "share", "safety_stock") == before
    assert world.rows(CHANGE) == 0


def test_every_change_is_written_down_and_nothing_else(world: World) -> None:
    made = quiet(world).policy(PolicyKind.SHARE, 50, channel="shop")
    world.policy(PolicyKind.SHARE, 60, channel="shop")
    assert world.policies.clear(made) is True
    assert world.policies.clear(made) is False
    assert log(world, "share") == [
        ("share", {"units": 50, "promised_on": None}),
        ("share", {"units": 60, "promised_on": None}),
        ("share", None),
    ]


def test_buffers_pools_kits_and_times_to_live_are_written_down(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=60)
    world.locations.set_as_of(acme, at(1))
    world.locations.set_as_of(acme, at(0))
    world.channel("till", {"counter": ["lyon", "acme"]}, buffer_units=1)
    world.channel("till", {"counter": ["lyon", "acme"]}, buffer_units=1)
    world.kit("PAIR", {"BOLT": 1, "NUT": 3})
    ids, items = world.locations.ids(), world.catalogue.item_ids(["BOLT", "NUT"])
    lyon, bolt, nut = ids["lyon"], str(items["BOLT"]), str(items["NUT"])
    assert log(world, "freshness") == [
        ("freshness", {"ttl_seconds": 60, "as_of": None}),
        ("freshness", {"ttl_seconds": 60, "as_of": at(1).isoformat()}),
    ]
    assert log(world, "buffer") == [("buffer", {"units": 0})] * 3 + [("buffer", {"units": 1})]
    assert log(world, "pool")[2:] == [("pool", {"locations": [lyon]}), ("pool", {"locations": [lyon, acme]})]
    assert log(world, "kit") == [("kit", {"parts": {bolt: 1, nut: 2}}), ("kit", {"parts": {bolt: 1, nut: 3}})]


def test_what_holds_for_many_numbers_is_read_by_a_few_statements(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.policy(PolicyKind.CAP, 1, channel="shop", sku="BOLT")
    world.policy(PolicyKind.BACKORDER, 1, sku="NUT", promised_on=TODAY)
    asked: list[str] = []

    def listen(*said: object) -> None:
        asked.append(str(said[2]))

    def count(names: list[str]) -> int:
        items, channels = world.catalogue.item_ids(names), [world.channel_id(name) for name in ("shop", "market")]
        asked.clear()
        world.policies.terms(list(items.values()), channels)
        return len(asked)

    sa.event.listen(world.connection, "before_cursor_execute", listen)
    few = count(["BOLT", "NUT"])
    world.items(*(f"X{number}" for number in range(300)))
    assert count(["BOLT", "NUT", *(f"X{number}" for number in range(300))]) == few
    sa.event.remove(world.connection, "before_cursor_execute", listen)


def test_terms_are_those_of_the_channel_but_for_skus_with_their_own(world: World) -> None:
    merchant(world)
    world.channel("shop", {"web": ["paris", "lyon"]}, buffer_units=2)
    world.policy(PolicyKind.SHARE, 50, channel="shop")
    world.policy(PolicyKind.BUFFER, 0, channel="shop", sku="NUT")
    world.policy(PolicyKind.CAP, 4, channel="market", sku="NUT")
    items = world.catalogue.item_ids(["BOLT", "NUT"])
    shop, market = world.channel_id("shop"), world.channel_id("market")
    terms = world.policies.terms(list(items.values()), {shop, market})
    assert {(sku, channel): terms.of(item, channel) for sku, item in items.items() for channel in (shop, market)} == {
        ("BOLT", shop): Terms(share_percent=50, buffer_units=2),
        ("NUT", shop): Terms(share_percent=50),
        ("BOLT", market): PLAIN,
        ("NUT", market): Terms(cap_units=4),
    }


def test_policies_are_listed_with_what_was_sold_beyond(world: World) -> None:
    merchant(world)
    world.policy(PolicyKind.BACKORDER, 5, sku="BOLT", promised_on=TODAY)
    world.policy(PolicyKind.SHARE, 50, channel="shop")
    world.policy(PolicyKind.CAP, 3, channel="market", sku="NUT")
    world.take_in(an_order("1", {"BOLT": 2}))
    share = PolicySeen(PolicyKind.SHARE, 50, "shop", None, None, None)
    cap = PolicySeen(PolicyKind.CAP, 3, "market", "NUT", None, None)
    backorder = PolicySeen(PolicyKind.BACKORDER, 5, None, "BOLT", TODAY, 2)
    assert world.policies.list() == [share, cap, backorder]
    assert world.policies.list(channel="market") == [cap, backorder]
    assert world.policies.list(sku="BOLT") == [share, backorder]


def test_the_end_of_a_policy_is_noted_once_for_its_numbers(world: World) -> None:
    quiet(world).policy(PolicyKind.BACKORDER, 3, sku="BOLT", promised_on=TODAY)
    world.refresh()
    assert world.published()["shop", "web", "BOLT"] == 5 + 3
    late = world.later(24 * 60)
    assert late.policies.note_days() == 1
    assert late.policies.note_days() == 0
    late.refresh()
    assert late.published()["shop", "web", "BOLT"] == 5
    late.policy(PolicyKind.BACKORDER, 3, sku="BOLT", promised_on=date(2026, 3, 9))
    late.refresh()
    assert late.published()["shop", "web", "BOLT"] == 5 + 3


def test_safety_stock_is_what_was_said_last(world: World) -> None:
    merchant(world, bolt_paris=9)
    place = world.place("BOLT", "paris")
    for units in (4, 2):
        world.policies.put_safety_stock(place.item_id, place.location_id, units)
    assert world.stock.safety_stock([place, world.place("NUT", "paris")]) == {place: 2}
    assert world.stock.at_items([place.item_id])[place].available_to_promise == 7


def test_safety_stock_of_0_where_there_was_none_is_no_change(world: World) -> None:
    quiet(world)
    place = world.place("BOLT", "paris")
    store = PolicyStore(world.connection, at(1))
    assert store.put_safety_stock(place.item_id, place.location_id, 0) is False
    assert store.put_safety_stock(place.item_id, place.location_id, 2) is True
    assert store.put_safety_stock(place.item_id, place.location_id, 0) is True
    assert [value for _, value in log(world, "safety_stock")] == [{"units": 2}, {"units": 0}]
