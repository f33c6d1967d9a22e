"""Buffers that are earned: from what was sold and measured to the number that a channel shows, and why."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from nervure.cli.explain import trees
from nervure.clock import ManualClock
from nervure.inventory.derivation import Total, tags_in
from nervure.operations.buffers import earn_buffers, streams_beside
from nervure.operations.explain import Wanted, explain
from nervure.operations.hub import Hub
from nervure.operations.oversells import report_buffers
from nervure.operations.policies import PolicyError, Scope, clear_policy, set_policy
from nervure.operations.publish import publish, refresh
from nervure.operations.staff import receive
from nervure.publication.earned import Earning, chance_beyond, smallest_buffer, told_after
from nervure.store.database import Database
from nervure.store.earned import EarnedStore, Sold
from nervure.store.policy_log import POLICY_CHANGE
from nervure.store.statements import CHANGE
from schemas.policies import PolicyKind
from tests.nervure.operations.scripted import ScriptedShop, hear, looking, order_of, scripted_hub, settle
from tests.nervure.world import START, World, an_order, at

DEAR = Earning(cancellation=20_000_000, margin=400_000)
"""A cancellation costs 20 euros, a sale brings 0.40: a chance of 1.96 % is allowed."""

HOUR = 3_600


def merchant_who_sells(database: Database, *, bolts: int = 24, minute: float = 60.0) -> Hub:
    """Both shops show their numbers, 30 s after each change. On the market BOLT was sold 24 times, one unit at a time,
    and heard 40 s later; the hub began an hour ago.
    """
    clock = ManualClock(START)
    hub = scripted_hub(database, {"shop": ScriptedShop(), "market": ScriptedShop()}, clock=clock)
    receive(hub, "BOLT", "paris", 60, document="delivery-1")
    settle(hub)
    for channel in ("shop", "market"):
        publish(hub, channel)
    clock.advance(40)
    for number in range(bolts):
        hear(hub, "market", order_of(an_order(str(number), {"BOLT": 1}, channel="market")))
    for _ in range(12):
        receive(hub, "BOLT", "paris", 1, document=f"delivery {clock.now()}")
        receive(hub, "NUT", "paris", 2, document=f"delivery {clock.now()}")
        clock.advance(30)
        refresh(hub)
        for channel in ("shop", "market"):
            publish(hub, channel)
    clock.advance(max((at(minute) - clock.now()).total_seconds(), 0))
    return hub


def earning(hub: Hub, how: Earning | None, *channels: str) -> None:
    hub.accounts = {
        name: replace(account, earning=how if name in channels else None) for name, account in hub.accounts.items()
    }


def kept(hub: Hub) -> dict[tuple[str, str], int]:
    """What was earned, by channel and sku."""
    with looking(hub) as world:
        return {
            (seen.channel or "", seen.sku or ""): seen.units
            for seen in world.policies.list()
            if seen.kind is PolicyKind.EARNED
        }


def shows(hub: Hub, channel: str, sku: str) -> int:
    with looking(hub) as world:
        return next(units for (where, _, what), units in world.published().items() if (where, what) == (channel, sku))


def rows(hub: Hub, table: sa.Table) -> int:
    with looking(hub) as world:
        return world.rows(table)


@pytest.mark.requirement("R09")
def test_a_buffer_is_earned_from_what_sells_elsewhere_and_when_the_channel_is_told(both: Database) -> None:
    hub = merchant_who_sells(both)
    with looking(hub) as world:
        store = EarnedStore(world.connection, world.now)
        ids = store.channels()
        assert store.heard_after({ids["market"]}) == [40.0] * 24
        assert set(store.published_after(ids["shop"])) == {30.0}
        sold, prices = store.sold()
        assert [(one.channel_id, one.units, one.orders_per_second) for one in sold] == [(ids["market"], 1, 24 / HOUR)]
        assert list(prices.values()) == [19_900_000]
    stream, told = {1: 24 / HOUR}, told_after([40.0], [30.0])
    needed = smallest_buffer(stream, told, DEAR.stakes(None).risk, 10)  # type: ignore[union-attr]  # its margin is euros
    assert needed == 2, "0.47 are sold in 70 s: more than one with 7.8 %, more than two with 1.2 %"
    earning(hub, DEAR, "shop")
    before = shows(hub, "shop", "BOLT")
    assert earn_buffers(hub) == 2
    assert kept(hub) == {("shop", "BOLT"): 2, ("shop", "PAIR"): 2}, "a kit falls with its part"
    refresh(hub)
    assert shows(hub, "shop", "BOLT") == before - 2
    assert shows(hub, "market", "BOLT") == before, "the market sells it itself, and nobody beside it"


def test_a_price_is_what_was_paid_for_a_unit_and_not_for_those_that_were_edited_away(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    for minute, units in enumerate((3, 2)):
        made = an_order("1", {"BOLT": units}, minute=minute)
        line = made.lines[0].model_copy(update={"discount_amount": Decimal("4.00") * units})
        hear(hub, "shop", order_of(made.model_copy(update={"lines": (line,)})))
    with looking(hub) as world:
        _, prices = EarnedStore(world.connection, world.now).sold()
    assert list(prices.values()) == [15_900_000]


def test_elsewhere_is_all_that_takes_the_same_stock_but_this_item_on_this_channel() -> None:
    here, beside, apart = 1, 2, 3
    bolt, nut, pair = 10, 11, 20
    sold = [
        Sold(here, bolt, 1, 0.5),
        Sold(beside, bolt, 3, 0.25),
        Sold(here, pair, 1, 0.125),
        Sold(apart, bolt, 1, 9.0),
    ]
    recipes = {pair: {bolt: 2, nut: 1}}
    assert streams_beside(here, {beside}, sold, recipes, {bolt, nut, pair}) == {
        bolt: {3: 0.25, 2: 0.125},
        nut: {1: 0.125},
        pair: {1: 0.5, 2: 0.25},
    }
    assert streams_beside(here, {beside}, sold, recipes, {nut}) == {nut: {1: 0.125}}


def test_what_did_not_change_is_neither_written_nor_computed_again(both: Database) -> None:
    hub = merchant_who_sells(both)
    earning(hub, DEAR, "shop")
    earn_buffers(hub)
    refresh(hub)
    logged = rows(hub, POLICY_CHANGE)
    assert (earn_buffers(hub), rows(hub, CHANGE), rows(hub, POLICY_CHANGE)) == (0, 0, logged)


def test_a_buffer_is_taken_back_when_nothing_sells_any_more_or_the_channel_does_not_earn(both: Database) -> None:
    hub = merchant_who_sells(both)
    earning(hub, DEAR, "shop")
    earn_buffers(hub)
    refresh(hub)
    before = shows(hub, "shop", "BOLT")
    earning(hub, None)
    assert (earn_buffers(hub), kept(hub)) == (2, {})
    refresh(hub)
    assert shows(hub, "shop", "BOLT") == before + 2
    earning(hub, DEAR, "shop")
    assert earn_buffers(hub) == 2
    assert isinstance(hub.clock, ManualClock)
    hub.clock.advance(timedelta(days=15).total_seconds())
    assert (earn_buffers(hub), kept(hub)) == (2, {})


def test_without_a_measure_nothing_is_kept_back(filled: Database) -> None:
    hub = merchant_who_sells(filled, bolts=19)
    earning(hub, DEAR, "shop")
    assert (earn_buffers(hub), kept(hub)) == (0, {}), "19 orders are too few"


def test_a_share_of_the_price_is_a_margin(filled: Database) -> None:
    hub = merchant_who_sells(filled)
    earning(hub, Earning(cancellation=20_000_000, margin_percent=100), "shop")
    assert (earn_buffers(hub), kept(hub)) == (0, {}), "19.90 of 39.90 euros: a chance of 49.9 % is allowed"
    earning(hub, Earning(cancellation=20_000_000, margin_percent=5), "shop")
    assert (earn_buffers(hub), kept(hub)["shop", "BOLT"]) == (1, 2), "4.7 % are allowed"
    assert ("shop", "PAIR") not in kept(hub), "it was never sold: nobody knows its price"


def test_a_hand_set_buffer_of_a_sku_stands_and_that_of_a_channel_is_the_least(filled: Database) -> None:
    hub = merchant_who_sells(filled)
    earning(hub, DEAR, "shop")
    earn_buffers(hub)
    refresh(hub)
    plain = shows(hub, "shop", "BOLT") + 2
    for buffer_units, shown in ((1, plain - 2), (5, plain - 5)):
        with hub.database.write() as connection:
            World(connection, hub.clock.now()).channel("shop", {"web": ["paris", "lyon"]}, buffer_units=buffer_units)
        refresh(hub)
        assert shows(hub, "shop", "BOLT") == shown
        [number] = explain(hub, Wanted("BOLT", channel="shop")).derivations
        assert (number.derived, number.is_doubtful) == (shown, False)
    set_policy(hub, PolicyKind.BUFFER, 0, Scope("shop", "BOLT"))
    refresh(hub)
    assert shows(hub, "shop", "BOLT") == plain
    clear_policy(hub, PolicyKind.BUFFER, Scope("shop", "BOLT"))
    refresh(hub)
    assert shows(hub, "shop", "BOLT") == plain - 5
    with pytest.raises(PolicyError, match="computed by the hub"):
        set_policy(hub, PolicyKind.EARNED, 1, Scope("shop", "BOLT"))


def test_explain_says_why_and_what_would_be_without(filled: Database) -> None:
    hub = merchant_who_sells(filled)
    earning(hub, DEAR, "shop")
    earn_buffers(hub)
    refresh(hub)
    [number] = explain(hub, Wanted("BOLT", channel="shop")).derivations
    assert "buffer" in tags_in(number.tree)
    [found] = [node for node in _nodes(number.tree) if node.label == "buffer earned by BOLT on shop"]
    [why] = found.parts
    assert why.label == (
        "576.0 a day sell elsewhere, told after 70 s (p95 70 s): 1.2% beyond it, 37.3% without; 0.40 € a sale and"
        " 20.00 € a cancellation allow 2.0%"
    )
    [without] = explain(hub, Wanted("BOLT", channel="shop", left_out=("buffer",))).derivations
    assert (without.derived, without.units) == (number.derived + 2, number.derived)
    assert trees(explain(hub, Wanted("BOLT", channel="shop")))


def _nodes(node: object) -> list[Total]:
    parts = getattr(node, "parts", ()) or ((node.part,) if hasattr(node, "part") else ())
    inner = [one for part in parts for one in _nodes(part)]
    return [node, *inner] if isinstance(node, Total) else inner


def test_the_report_sets_the_prediction_beside_what_came(filled: Database) -> None:
    hub = merchant_who_sells(filled)
    [market, shop] = sorted(report_buffers(hub), key=lambda one: one.channel)
    assert (shop.channel, shop.p50_seconds, shop.lines, shop.realized, shop.kept_back) == ("shop", 70.0, 0, 0, 0)
    assert (market.p50_seconds, market.predicted) == (None, None), "nothing was heard of the shop"
    # Stock for one more: the shop shows its last unit, sells it, and somebody else had taken it.
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        free = world.claimable("BOLT", "paris") + world.claimable("BOLT", "lyon")
    hear(hub, "market", order_of(an_order("many", {"BOLT": free - 1}, channel="market")))
    refresh(hub)
    publish(hub, "shop")
    assert isinstance(hub.clock, ManualClock)
    hub.clock.advance(10)
    hear(hub, "market", order_of(an_order("last", {"BOLT": 1}, channel="market")))
    late = an_order("late", {"BOLT": 1}).model_copy(update={"placed_at": hub.clock.now()})
    hear(hub, "shop", order_of(late))
    [shop] = [one for one in report_buffers(hub) if one.channel == "shop"]
    assert (shop.lines, shop.last, shop.realized) == (1, 1, 1)
    with looking(hub) as world:
        store = EarnedStore(world.connection, world.now)
        ids = store.channels()
        stream = {one.units: one.orders_per_second for one in store.sold()[0] if one.channel_id == ids["market"]}
        told = told_after(store.heard_after({ids["market"]}), store.published_after(ids["shop"]))
    assert sorted(stream) == [1, free - 1]
    assert shop.predicted == shop.without == pytest.approx(chance_beyond(0, stream, told))
    assert (shop.low, shop.high) == (0, 1)


def test_units_that_a_buffer_keeps_from_sale_count_as_lost_at_the_pace_of_the_channel(filled: Database) -> None:
    hub = merchant_who_sells(filled)
    for number in range(6):
        hear(hub, "shop", order_of(an_order(f"own {number}", {"NUT": 1})))
    with looking(hub) as world:
        nuts = world.claimable("NUT", "paris")
    set_policy(hub, PolicyKind.BUFFER, nuts + 5, Scope("shop", "NUT"))
    set_policy(hub, PolicyKind.BUFFER, 1, Scope("shop", "BOLT"))
    refresh(hub)
    [shop] = [one for one in report_buffers(hub) if one.channel == "shop"]
    assert shop.kept_back == nuts + 1
    assert shop.lost_per_day == pytest.approx(6 * 24 * HOUR / (hub.clock.now() - START).total_seconds())
