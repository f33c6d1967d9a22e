"""The guard against half a catalogue falling to 0: what it holds, what it never holds, and what a person decides."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest

from nervure.operations.hub import Hub
from nervure.operations.keeping import sweeping
from nervure.operations.publish import publish, refresh
from nervure.operations.staff import adjust, receive
from nervure.operations.windows import Window
from nervure.publication.zero_guard import OnMassZero, ZeroGuard
from nervure.store.channels import ChannelStore
from nervure.store.coverage import HELD_TEXT, CoverageStore
from nervure.store.database import Connection, Database
from nervure.store.drift import DriftStore
from nervure.store.settled_tasks import SettledTaskStore
from nervure.store.statements import CHANGE
from nervure.store.zeros import HeldZero, ZeroStore
from schemas.stock import AdjustmentReason
from tests.nervure.operations.scripted import (
    ScriptedShop,
    advance,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
    tasks,
)
from tests.nervure.world import START, World, an_order

SKUS = [f"S{number:02}" for number in range(40)]
GUARD = ZeroGuard(listings=10, share=0.25)


def opened(
    database: Database, shop: ScriptedShop, guard: ZeroGuard = GUARD, *, stock: Mapping[str, int] = MappingProxyType({})
) -> Hub:
    """A shop and a marketplace show 5 of each of 40 items, or what `stock` says; all is confirmed."""
    with database.write() as connection:
        world = World(connection, START)
        world.items(*SKUS)
        world.location("paris")
        for channel in ("shop", "market"):
            world.channel(channel, {"web": ["paris"]})
            world.list_on(channel, *SKUS)
        for sku in SKUS:
            world.receive(sku, "paris", stock.get(sku, 5))
    hub = scripted_hub(database, {"shop": shop, "market": ScriptedShop()})
    hub.accounts = {
        name: replace(account, zero_guard=guard if name == "shop" else replace(guard, action=OnMassZero.SEND))
        for name, account in hub.accounts.items()
    }
    settle(hub)
    tell(hub)
    assert shop.units() == {sku: stock.get(sku, 5) for sku in SKUS}
    return hub


def tell(hub: Hub) -> None:
    """Every channel is told what may be told."""
    for channel in ("shop", "market"):
        while publish(hub, channel).total:
            pass


def lose(hub: Hub, *skus: str, units: int = 5) -> None:
    """A bug takes the stock away."""
    for sku in skus:
        adjust(hub, sku, "paris", -units, reason=AdjustmentReason.LOST, document=f"BUG-{sku}")
    settle(hub)


def zeros(shop: ScriptedShop) -> set[str]:
    return {sku for sku, units in shop.units().items() if units == 0}


def held(hub: Hub) -> list[HeldZero]:
    with looking(hub) as world:
        return ZeroStore(world.connection, world.now).held("shop")


def decide(hub: Hub, verdict: str) -> int:
    def work(connection: Connection) -> int:
        store = ZeroStore(connection, hub.clock.now())
        return store.accept("shop") if verdict == "accept" else store.refuse("shop")

    return hub.database.run(work)


def mass_zero_tasks(hub: Hub) -> list[str]:
    return [task.subject for task in tasks(hub) if task.kind == "mass_zero"]


@pytest.mark.requirement("R46")
def test_too_many_zeroes_at_once_are_held_and_the_rest_goes_on(database: Database) -> None:
    shop = ScriptedShop()
    hub = opened(database, shop)
    receive(hub, SKUS[39], "paris", 3, document="D")
    lose(hub, *SKUS[:10])
    tell(hub)
    assert zeros(shop) == set()
    assert shop.units()[SKUS[39]] == 8
    assert [(one.sku, one.units_before, one.is_refused) for one in held(hub)] == [(sku, 5, False) for sku in SKUS[:10]]
    assert mass_zero_tasks(hub) == ["shop"]
    with looking(hub) as world:
        assert world.publications.is_quiet(), "what a person must decide is not waited for"
        [coverage] = CoverageStore(world.connection, world.now).channels(["shop"])
    assert {(reason.group.value, reason.text): reason.count for reason in coverage.reasons} == {
        ("confirmed", ""): 30,
        ("error", HELD_TEXT): 10,
    }
    assert decide(hub, "accept") == 10
    tell(hub)
    assert zeros(shop) == set(SKUS[:10])
    assert mass_zero_tasks(hub) == []


@pytest.mark.requirement("R46")
@pytest.mark.parametrize(
    ("guard", "fallen", "is_held"),
    [
        (ZeroGuard(listings=10, share=0.25), 9, False),
        (ZeroGuard(listings=10, share=0.25), 10, True),
        (ZeroGuard(listings=5, share=0.25), 9, False),
        (ZeroGuard(listings=1, share=0.0), 1, True),
        (ZeroGuard(listings=40, share=1.0, most=4), 3, False),
        (ZeroGuard(listings=40, share=1.0, most=4), 4, True),
        (ZeroGuard(action=OnMassZero.SEND, listings=1, share=0.0), 40, False),
    ],
)
def test_how_much_is_too_much_is_the_merchants_choice(
    sqlite: Database, guard: ZeroGuard, fallen: int, *, is_held: bool
) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop, guard)
    lose(hub, *SKUS[:fallen])
    tell(hub)
    assert len(zeros(shop)) == (0 if is_held else fallen)
    assert len(held(hub)) == (fallen if is_held else 0)


def test_where_it_only_tells_the_zeroes_are_sent_and_a_person_is_told(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop, replace(GUARD, action=OnMassZero.TELL))
    lose(hub, *SKUS[:10])
    tell(hub)
    assert (len(zeros(shop)), held(hub), mass_zero_tasks(hub)) == (10, [], ["shop"])


@pytest.mark.requirement("R46")
def test_last_units_that_are_sold_are_never_held_however_many(database: Database) -> None:
    shop = ScriptedShop()
    hub = opened(database, shop, stock=dict.fromkeys(SKUS, 1))
    for sku in SKUS[:20]:
        hear(hub, "market", order_of(an_order(sku, {sku: 1}, channel="market")))
    tell(hub)
    assert (zeros(shop), held(hub)) == (set(SKUS[:20]), [])


@pytest.mark.requirement("R46")
def test_while_zeroes_are_held_a_last_unit_that_is_sold_is_shown_as_sold(database: Database) -> None:
    shop = ScriptedShop()
    hub = opened(database, shop, stock={"S39": 1})
    lose(hub, *SKUS[:12])
    tell(hub)
    hear(hub, "market", order_of(an_order("1", {"S39": 1}, channel="market")))
    tell(hub)
    assert (zeros(shop), len(held(hub))) == ({"S39"}, 12)


@pytest.mark.requirement("R46")
def test_a_held_zero_is_sent_once_orders_asked_for_all_that_the_channel_shows(database: Database) -> None:
    shop = ScriptedShop()
    hub = opened(database, shop)
    lose(hub, *SKUS[:12])
    tell(hub)
    hear(hub, "market", order_of(an_order("1", {"S00": 4}, channel="market")))
    swept(hub)
    tell(hub)
    assert (zeros(shop), len(held(hub))) == (set(), 12)
    hear(hub, "market", order_of(an_order("2", {"S00": 1}, channel="market")))
    swept(hub)
    tell(hub)
    assert (zeros(shop), len(held(hub))) == ({"S00"}, 11)


@pytest.mark.requirement("R46")
def test_what_the_channel_sold_by_itself_is_not_held_any_more(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    lose(hub, *SKUS[:12])
    tell(hub)
    for key in [key for key in shop.shown if key.stock_id == "S-S00"]:
        shop.shown[key] = 0
    hear(hub, "shop", order_of(an_order("1", {"S00": 5}, minute=1)))
    tell(hub)
    assert [one.sku for one in held(hub)] == SKUS[1:12]


@pytest.mark.requirement("R46")
def test_what_is_seen_to_show_nothing_any_more_needs_nobody(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    lose(hub, *SKUS[:12])
    tell(hub)
    advance(hub, 60)
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        for sku in SKUS[:12]:
            DriftStore(world.connection, world.now).heard(world.publication_id("shop", sku, "web"), 0, hub.clock.now())
    assert held(hub) == []
    tell(hub)
    assert zeros(shop) == set(SKUS[:12])
    assert hub.database.run(lambda c: SettledTaskStore(c, hub.clock.now()).close_settled()) == 1
    assert swept(hub) == {}


@pytest.mark.requirement("R46")
def test_a_feed_that_comes_right_again_needs_nobody(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    lose(hub, *SKUS[:12])
    tell(hub)
    for sku in SKUS[:12]:
        receive(hub, sku, "paris", 4, document=f"BACK-{sku}")
    settle(hub)
    tell(hub)
    assert held(hub) == []
    assert shop.units() == {sku: 4 if sku in SKUS[:12] else 5 for sku in SKUS}
    assert hub.database.run(lambda c: SettledTaskStore(c, hub.clock.now()).close_settled()) == 1
    assert mass_zero_tasks(hub) == []


@pytest.mark.requirement("R46")
def test_a_refused_zero_is_kept_back_without_asking_again_until_its_number_is_another(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    lose(hub, *SKUS[:12])
    tell(hub)
    assert decide(hub, "refuse") == 12
    advance(hub, 3600)
    tell(hub)
    assert (zeros(shop), mass_zero_tasks(hub), {one.is_refused for one in held(hub)}) == (set(), [], {True})
    receive(hub, "S00", "paris", 2, document="FOUND")
    settle(hub)
    tell(hub)
    assert (shop.units()["S00"], len(held(hub))) == (2, 11)
    assert decide(hub, "accept") == 11


@pytest.mark.requirement("R46")
def test_what_falls_slowly_is_no_mass(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    for sku in SKUS[:30]:
        lose(hub, sku)
        tell(hub)
        advance(hub, 120)
    assert (zeros(shop), held(hub)) == (set(SKUS[:30]), [])


@pytest.mark.requirement("R46")
def test_of_a_bug_that_comes_in_pieces_less_than_the_limit_leaves(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    for sku in SKUS[:30]:
        lose(hub, sku)
        tell(hub)
        advance(hub, 5)
    assert (zeros(shop), [one.sku for one in held(hub)]) == (set(SKUS[:9]), SKUS[9:30])


@pytest.mark.requirement("R46")
def test_what_waited_behind_a_pause_is_judged_when_it_would_leave(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    pause(hub, is_paused=True)
    lose(hub, *SKUS[:12])
    tell(hub)
    advance(hub, 3600)
    pause(hub, is_paused=False)
    tell(hub)
    assert (zeros(shop), len(held(hub))) == (set(), 12)


def pause(hub: Hub, *, is_paused: bool) -> None:
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).set_paused("shop", is_paused=is_paused))


@pytest.mark.requirement("R46")
def test_while_more_may_fall_what_could_be_too_much_waits(sqlite: Database) -> None:
    """A feed of a whole catalogue is computed in parts: the first part alone is a small share."""
    shop = ScriptedShop()
    hub = opened(sqlite, shop, replace(GUARD, listings=3))
    for sku in SKUS[:12]:
        adjust(hub, sku, "paris", -5, reason=AdjustmentReason.LOST, document=f"BUG-{sku}")
    with hub.database.write() as connection:
        done = World(connection, hub.clock.now()).publications.refresh(limit=5)
    assert done == 5
    assert publish(hub, "shop").total == 0
    while refresh(hub):
        pass
    tell(hub)
    assert (zeros(shop), len(held(hub))) == (set(), 12)


@pytest.mark.requirement("R46")
def test_the_window_of_the_sweep_fails_as_long_as_zeroes_are_held(sqlite: Database) -> None:
    shop = ScriptedShop()
    hub = opened(sqlite, shop)
    lose(hub, *SKUS[:12])
    tell(hub)
    with hub.database.write() as connection:
        connection.execute(CHANGE.delete())
        SettledTaskStore(connection, hub.clock.now())._close([task.id for task in tasks(hub)])
    problems = swept(hub)
    assert problems == {"shop zeros": "12 numbers fell to 0 at once and are held: `nervure channels zeros shop`"}
    assert mass_zero_tasks(hub) == ["shop"], "whoever closed it, it is open as long as zeroes are held"
    decide(hub, "accept")
    assert swept(hub) == {}


def swept(hub: Hub) -> Mapping[str, str]:
    window = Window(hub, 60)
    sweeping(window)["aging"]()
    return window.tally.take().problems


@pytest.mark.postgresql
@pytest.mark.requirement("R46")
def test_however_many_publish_at_once_fewer_than_the_limit_leave(postgresql: Database) -> None:
    shop = ScriptedShop()
    hub = opened(postgresql, shop)
    start = threading.Barrier(5)

    def bug(part: int) -> None:
        start.wait()
        for sku in SKUS[part::4]:
            adjust(hub, sku, "paris", -5, reason=AdjustmentReason.LOST, document=f"BUG-{sku}")
            refresh(hub)
            publish(hub, "shop")

    threads = [threading.Thread(target=bug, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    for thread in threads:
        thread.join()
    settle(hub)
    tell(hub)
    assert len(zeros(shop)) + len(held(hub)) == 40
    assert len(zeros(shop)) <= 9
