"""Hearing everything once: whatever is lost, late, doubled or overtaken, the hub ends where it would have ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import Page
from nervure.clock import ManualClock
from nervure.operations import keeping
from nervure.operations.hub import Hub
from nervure.operations.overlap import DEEP_PERIOD_SECONDS, LATE_DAYS
from nervure.operations.pull import pull_orders, store
from nervure.operations.windows import Window
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.hearing import HearingStore
from schemas.documents import Heard
from schemas.orders import Order, OrderState
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, advance, document, looking, order_of, scripted_hub, settle
from tests.nervure.world import START, Bought, an_order, at, fresh_sqlite, must_hold

MINUTES = 90


@dataclass
class SlowShop(ScriptedShop):
    """Shows each form of an order to pulls some minutes after its change."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    told: list[tuple[datetime, Order]] = field(default_factory=list)
    """When each form can be seen."""

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        self._call()
        self.sinces.append(since)
        seen = [order for when, order in self.told if when <= self.clock.now() and order.updated_at >= since]
        seen.sort(key=lambda order: order.updated_at)
        yield Page(tuple(order_of(order) for order in seen), max((one.updated_at for one in seen), default=None))


HISTORY = (
    an_order("1", {"BOLT": 2}, minute=1),
    an_order("2", {"NUT": 3, "PAIR": 1}, minute=2),
    an_order("1", [Bought("BOLT", 2, canceled=1)], minute=7),
    an_order("3", {"BOLT": 1}, minute=9, state=OrderState.AWAITING_PAYMENT),
    an_order("2", {"NUT": 3, "PAIR": 1}, minute=12, state=OrderState.CANCELED),
    an_order("4", {"BOLT": 1, "NUT": 1}, minute=20),
    an_order("3", {"BOLT": 1}, minute=21, state=OrderState.CANCELED),
    an_order("5", {"PAIR": 1}, minute=30),
)


def outcome(hub: Hub) -> object:
    """Where the hub ends: claims, lines and the numbers that channels must show."""
    with looking(hub) as world:
        must_hold(world)
        lines = {str(number): world.lines(str(number)) for number in range(1, 6)}
        stock = {
            (sku, place): (world.on_hand(sku, place), world.allocated(sku, place))
            for sku in ("BOLT", "NUT")
            for place in ("paris", "lyon")
        }
        return lines, stock["BOLT", "paris"][0], sum(units for _, units in stock.values()), world.published()


def run(deliveries: list[tuple[float, Order]], lags: list[float]) -> object:
    """The history, its webhooks at these minutes, its forms shown to pulls after these; polled each 5 minutes."""
    with fresh_sqlite() as database:
        fill(database)
        clock = ManualClock(START)
        shop = SlowShop(clock=clock)
        shop.told = [
            (order.updated_at + timedelta(minutes=lag), order) for order, lag in zip(HISTORY, lags, strict=True)
        ]
        hub = scripted_hub(database, {"shop": shop}, clock=clock)
        waiting = sorted(deliveries, key=lambda pair: pair[0])
        for minute in range(0, MINUTES, 5):
            while waiting and waiting[0][0] <= minute:
                _, order = waiting.pop(0)
                event = f"w {order.external_id} {order.updated_at.isoformat()}"
                store(hub, "shop", (document(event, order, about=order.external_id, heard=Heard.WEBHOOK),))
            pull_orders(hub, "shop")
            settle(hub)
            clock.advance(300)
        # The deep pull finds what came later than any overlap.
        clock.advance(DEEP_PERIOD_SECONDS)
        pull_orders(hub, "shop")
        settle(hub)
        return outcome(hub)


IN_ORDER = [(order.updated_at.timestamp() - START.timestamp(), order) for order in HISTORY]


@pytest.fixture(scope="module")
def undisturbed() -> object:
    return run([(seconds / 60, order) for seconds, order in IN_ORDER], [0.0] * len(HISTORY))


@pytest.mark.requirement("R22", "R23", "R24", "R25")
@settings(max_examples=25)
@given(
    copies=st.lists(st.lists(st.floats(0, 60), max_size=3), min_size=len(HISTORY), max_size=len(HISTORY)),
    lags=st.lists(st.floats(0, 80), min_size=len(HISTORY), max_size=len(HISTORY)),
)
def test_any_subset_lost_late_doubled_or_overtaken_ends_in_the_same_state(
    undisturbed: object, copies: list[list[float]], lags: list[float]
) -> None:
    deliveries = [
        ((order.updated_at - START).total_seconds() / 60 + delay, order)
        for order, delays in zip(HISTORY, copies, strict=True)
        for delay in delays
    ]
    assert run(deliveries, lags) == undisturbed


# -- overlaps that learn -------------------------------------------------------------------------------------------


def pulling(database: Database) -> tuple[Hub, SlowShop]:
    clock = ManualClock(START)
    shop = SlowShop(clock=clock)
    hub = scripted_hub(database, {"shop": shop}, clock=clock)
    pull_orders(hub, "shop")
    advance(hub, 60)
    return hub, shop


def back(hub: Hub, shop: SlowShop) -> float:
    """Seconds by which the next pull begins before the watermark."""
    with looking(hub) as world:
        watermark = ChannelStore(world.connection, world.now).get("shop").orders_watermark
    assert watermark is not None
    pull_orders(hub, "shop")
    advance(hub, 60)
    return (watermark - shop.sinces[-1]).total_seconds()


@pytest.mark.requirement("R25")
def test_an_order_that_was_shown_late_makes_later_overlaps_longer_for_30_days(both: Database) -> None:
    hub, shop = pulling(both)
    advance(hub, 3_600)
    shop.told = [(START, an_order("1", {"NUT": 1}, minute=50)), (at(62), an_order("2", {"NUT": 1}, minute=49.5))]
    assert back(hub, shop) == 60, "as far as the platform needs it"
    assert back(hub, shop) == 60
    assert back(hub, shop) == 1.5 * 690, "the pull of minute 61 should have shown the change of minute 49.5"
    other = scripted_hub(both, {"shop": shop}, clock=shop.clock)
    assert back(other, shop) == 1.5 * 690, "another process knows it too"
    advance(hub, LATE_DAYS * 86_400)
    back(hub, shop)
    assert back(hub, shop) == 60


@pytest.mark.requirement("R25")
def test_what_is_shown_later_than_any_overlap_is_found_by_the_deep_pull(both: Database) -> None:
    hub, shop = pulling(both)
    shop.told = [(START, an_order("1", {"NUT": 1}, minute=200)), (at(250), an_order("2", {"BOLT": 1}, minute=10))]
    advance(hub, 240 * 60)
    for _ in range(3):
        back(hub, shop)
    settle(hub)
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 0
    advance(hub, DEEP_PERIOD_SECONDS)
    assert back(hub, shop) == 201 * 60, "not before the first pull of the channel began, less its overlap"
    settle(hub)
    with looking(hub) as world:
        assert world.allocated("BOLT", "paris") == 1


@pytest.mark.requirement("R24")
def test_the_share_of_orders_that_no_webhook_told_of_is_a_figure_for_each_channel(both: Database) -> None:
    hub, _ = pulling(both)
    orders = [an_order(str(number), {"NUT": 1}) for number in range(1, 5)]
    for order in orders[:3]:
        store(hub, "shop", (document(f"w{order.external_id}", order, about=order.external_id, heard=Heard.WEBHOOK),))
    store(hub, "shop", tuple(order_of(order) for order in orders))
    store(hub, "market", (order_of(an_order("1", {"NUT": 1}, channel="market")),))
    settle(scripted_hub(both, {"shop": SlowShop(), "market": SlowShop()}))
    with looking(hub) as world:
        heeds = HearingStore(world.connection, world.now).heeds()
        later = HearingStore(world.connection, at(8 * 24 * 60)).heeds()
    assert {name: (heed.orders, heed.polled, heed.share) for name, heed in heeds.items()} == {
        "shop": (4, 1, "25 %"),
        "market": (1, 1, "100 %"),
    }
    assert later == {}


@pytest.mark.requirement("R24")
def test_a_subscription_that_has_gone_is_made_again_told_of_and_orders_are_asked_for(filled: Database) -> None:
    gone = [["orders/create", "refunds/create"], []]

    class Forgetful(SlowShop):
        def ensure_webhooks(self, callback_url: str) -> list[str]:
            assert callback_url == "https://hub.example/webhooks/shop"
            return gone.pop(0)

    hub = scripted_hub(filled, {"shop": Forgetful()})
    store(hub, "shop", (document("w1", an_order("1", {"NUT": 1}), heard=Heard.WEBHOOK),))
    with filled.write() as connection:
        ChannelStore(connection, START).heard_orders("shop", watermark=None, until=START, next_at=at(60))
    window = Window(hub, 1)
    turn = keeping.sweeping(window)["shop subscriptions"]
    turn()
    turn()
    window.tally.take()
    said = "subscriptions had gone, and are made again: orders/create, refunds/create"
    assert window.tally.whole().warnings == {"shop": said}
    with looking(hub) as world:
        assert ChannelStore(world.connection, world.now).get("shop").orders_next_at == START
