"""A channel in the shadow: read for real, sent nothing on any platform, compared day by day, promoted and demoted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from functools import partial

import pytest

from connectors.errors import ConnectorError, ShadowError
from connectors.transport import HttpRequest
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.keeping import sweeping
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import pull_catalogue, pull_orders, pull_stock
from nervure.operations.restores import awaited
from nervure.operations.shadow import NotReadyError, demote, promote, report, take_sample
from nervure.operations.staff import receive, ship_fulfillment
from nervure.operations.webhooks import callback_url
from nervure.operations.windows import Window
from nervure.publication.shadow import Promotion, ShadowDay
from nervure.store.channels import ChannelStore
from nervure.store.coverage import CoverageStore
from nervure.store.database import Database
from nervure.store.drift import DriftStore
from nervure.store.flights import FlightStore
from nervure.store.messages import MessageStore
from nervure.store.outbox import OUTBOX
from nervure.store.reports import ReportStore
from nervure.store.shadow import Difference
from nervure.store.stock_points import StockPointStore
from schemas.capabilities import DecrementMoment
from schemas.fulfillment import Parcel
from schemas.levels import LevelKey, LevelWrite
from schemas.orders import OrderState
from schemas.policies import PolicyKind
from tests.nervure.operations.going_live import listen, show
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub, settle
from tests.nervure.world import World, an_order, capable
from tests.simulation.merchants import POINTS, Merchant, open_merchant

ALL = tuple(POINTS)
DAY = 86_400.0


def in_shadow(database: Database) -> Merchant:
    """A merchant whose every channel is in the shadow from the first moment."""
    merchant = open_merchant(database)
    for name in ALL:
        assert demote(merchant.hub, name)
    return merchant


def hear_all(merchant: Merchant) -> None:
    """Everything that reading finds is understood and computed."""
    for name in ALL:
        with suppress(ConnectorError):
            pull_orders(merchant.hub, name)
        pull_stock(merchant.hub, name)
    while drain(merchant.hub).handled:
        pass
    while refresh(merchant.hub):
        pass


def attempts(merchant: Merchant, orders: dict[str, str]) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Every call of every connection that changes something there: channel, what, and the call."""
    hub, now = merchant.hub, merchant.clock.now()
    with hub.database.read() as connection:
        world, messages = World(connection, now), MessageStore(connection, now)
        numbers = {name: world.publications.numbers(name) for name in ALL}
        shipments = {
            name: [messages.shipment(number) for number in world.fulfillment_numbers(order)]
            for name, order in orders.items()
        }
    for name in ALL:
        wire = hub.connection(name)
        writes = [LevelWrite(number.key, 1, number.channel_units, number.sku) for number in numbers[name]]
        yield name, "levels", partial(wire.write_levels, writes, idempotency_key="key")
        yield name, "webhooks", partial(wire.ensure_webhooks, callback_url(hub, name))
        for shipment in shipments[name]:
            lines = {line.order_line: line.units for line in shipment.lines}
            yield name, "acceptance", partial(wire.accept_order, orders[name], dict.fromkeys(lines, True))
            yield name, "shipment", partial(wire.push_shipment, shipment)
            yield name, "cancellation", partial(wire.push_cancellation, orders[name], lines)


def prepared(merchant: Merchant) -> dict[str, str]:
    """Somebody has bought on every channel, and it has left the warehouse; answers the orders."""
    for name in ALL:
        pull_catalogue(merchant.hub, name)
    hear_all(merchant)
    for name in ALL:
        show(merchant, name, MUG=3 if name == "tills" else 9, TRAY=0 if name == "tills" else 11)
    orders = {name: merchant.buy(name, MUG=1) for name in ALL}
    merchant.clock.advance(600)
    merchant.world.advance()
    hear_all(merchant)
    with merchant.hub.database.read() as connection:
        world = World(connection, merchant.clock.now())
        numbers = [number for order in orders.values() for number in world.fulfillment_numbers(order)]
    for number in numbers:
        ship_fulfillment(merchant.hub, number, parcel=Parcel(carrier="Post", tracking_number="T1"))
    return orders


@pytest.mark.requirement("R41")
def test_nothing_that_changes_a_platform_leaves_whatever_is_tried(database: Database) -> None:
    merchant = in_shadow(database)
    left = listen(merchant)
    orders = prepared(merchant)
    receive(merchant.hub, "MUG", "ST-PARIS", 4, document="D1")
    for _ in range(3):
        merchant.turn()
        merchant.clock.advance(60)
    with merchant.hub.database.read() as connection:
        waiting = MessageStore(connection, merchant.clock.now()).open_count()
    assert (waiting, send_messages(merchant.hub)) == (3, 0), "what is to be told waits, and is not tried in vain"
    stopped: set[tuple[str, str]] = set()
    for name, what, attempt in attempts(merchant, orders):
        try:
            attempt()
        except ShadowError:
            stopped.add((name, what))
        except ConnectorError:
            pass
    assert left == [], "not even what somebody else would have let through"
    assert stopped >= {(name, "levels") for name in ALL} | {("webshop", "webhooks"), ("tills", "webhooks")}
    assert stopped >= {("marketplace", "acceptance"), ("webshop", "shipment"), ("boutique", "shipment")}


@pytest.mark.requirement("R41")
def test_the_same_calls_leave_once_the_channels_are_out_of_the_shadow(sqlite: Database) -> None:
    """Without this the test above could not fail."""
    merchant = in_shadow(sqlite)
    orders = prepared(merchant)
    for name in ALL:
        assert promote(merchant.hub, name, anyway=True, suppliers_have_orders=True)
    left = listen(merchant)
    changed: dict[str, set[str]] = {name: set() for name in ALL}
    for name, what, attempt in attempts(merchant, orders):
        before = len(left)
        with suppress(ConnectorError):
            attempt()
        if len(left) > before:
            changed[name].add(what)
    assert changed["webshop"] >= {"levels", "webhooks", "shipment"}
    assert changed["boutique"] >= {"levels", "shipment"}
    assert changed["marketplace"] >= {"levels", "acceptance"}
    assert changed["tills"] >= {"levels", "webhooks"}


@pytest.mark.requirement("R41")
def test_a_number_on_its_way_when_a_channel_is_demoted_is_stopped_at_the_wire(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    receive(merchant.hub, "MUG", "ST-PARIS", 4, document="D1")
    refresh(merchant.hub)
    left = listen(merchant)
    launched = merchant.hub.database.run(
        lambda c: FlightStore(c, merchant.clock.now()).launch("boutique", 10, "flight")
    )
    assert [flight.units for flight in launched] == [13]
    demote(merchant.hub, "boutique")
    with pytest.raises(ShadowError, match=r"boutique is in the shadow: P.* was not sent"):
        merchant.hub.connection("boutique").write_levels(
            [LevelWrite(LevelKey(flight.key.stock_id, flight.key.stock_point), 13, 9, "MUG") for flight in launched],
            idempotency_key="flight",
        )
    assert left == []
    assert publish(merchant.hub, "boutique").total == 0


@pytest.fixture
def lonely(filled: Database) -> tuple[Hub, ScriptedShop]:
    """A shop in the shadow that shows what it likes; everything is computed."""
    shop = ScriptedShop()
    hub = scripted_hub(filled, {"shop": shop})
    hub.accounts = {"shop": replace(hub.accounts["shop"], promotion=Promotion(share=0.1, days=2))}
    demote(hub, "shop")
    settle(hub)
    return hub, shop


def shows(hub: Hub, **units: int) -> None:
    """The channel was seen to show this."""

    def seen(world: World) -> None:
        for sku, count in units.items():
            DriftStore(world.connection, world.now).heard(world.publication_id("shop", sku, "web"), count, world.now)
        ChannelStore(world.connection, world.now).levels_heard("shop", world.now)

    with hub.database.write() as connection:
        seen(World(connection, hub.clock.now()))


@pytest.mark.requirement("R41")
def test_what_would_be_sent_is_reported_with_every_difference(lonely: tuple[Hub, ScriptedShop]) -> None:
    hub, shop = lonely
    shows(hub, BOLT=7, NUT=3)
    assert publish(hub, "shop").total == 0
    assert shop.asked == 0
    found = report(hub, "shop")
    assert found.differences == [Difference("L-NUT", "NUT", "web", 3, 8), Difference("L-PAIR", "PAIR", "web", None, 4)]
    assert found.is_shadow
    with looking(hub) as world:
        [status] = [one for one in ReportStore(world.connection, world.now).channels() if one.name == "shop"]
        [covered] = CoverageStore(world.connection, world.now).channels(["shop"])
    assert status.brakes == ("shadow",)
    assert [reason.text for reason in covered.reasons] == ["the channel is in the shadow"]


@pytest.mark.requirement("R41")
def test_samples_add_up_to_a_day_of_their_own(lonely: tuple[Hub, ScriptedShop]) -> None:
    hub, _ = lonely
    assert take_sample(hub, "shop") is None, "nothing was read yet"
    shows(hub, BOLT=7, NUT=8, PAIR=4)
    assert take_sample(hub, "shop") == ShadowDay(date(2026, 3, 2), 1, 3, 0, 0, 0)
    receive(hub, "NUT", "lyon", 1, document="D")
    refresh(hub)
    assert take_sample(hub, "shop") == ShadowDay(date(2026, 3, 2), 2, 6, 1, 0, 1)
    advance(hub, DAY)
    assert take_sample(hub, "shop") is None, "what was read yesterday is not compared"
    shows(hub, NUT=9)
    assert take_sample(hub, "shop") == ShadowDay(date(2026, 3, 3), 1, 3, 0, 0, 0)


@pytest.mark.requirement("R41")
def test_a_channel_is_promoted_once_it_has_agreed_for_so_many_whole_days(lonely: tuple[Hub, ScriptedShop]) -> None:
    hub, shop = lonely
    refused = stays(hub)
    assert refused == ("2026-02-28: nothing was compared", "2026-03-01: nothing was compared")
    shows(hub, BOLT=7, NUT=8, PAIR=1)
    take_sample(hub, "shop")
    for _ in range(2):
        advance(hub, DAY)
        shows(hub, BOLT=7, NUT=8, PAIR=4)
        take_sample(hub, "shop")
    assert stays(hub) == ("2026-03-02: 1 of 3 numbers differed (33.33%); at most 10.00% may",)
    advance(hub, DAY)
    assert promote(hub, "shop")
    assert not promote(hub, "shop")
    settle(hub)
    assert (publish(hub, "shop").total, [one.channel for one in awaited(hub)]) == (0, ["shop"]), "it is heard first"
    pull_orders(hub, "shop")
    pull_stock(hub, "shop")
    assert publish(hub, "shop").total == 3
    assert shop.units() == {"BOLT": 7, "NUT": 8, "PAIR": 4}
    assert demote(hub, "shop")
    assert not demote(hub, "shop")


def stays(hub: Hub) -> tuple[str, ...]:
    """Why a promotion is refused; the channel stays where it is."""
    with pytest.raises(NotReadyError) as refused:
        promote(hub, "shop")
    assert report(hub, "shop").is_shadow
    return refused.value.doubts


def test_whatever_its_days_say_a_channel_may_be_promoted(lonely: tuple[Hub, ScriptedShop]) -> None:
    hub, _ = lonely
    assert promote(hub, "shop", anyway=True)
    assert not report(hub, "shop").is_shadow


@pytest.mark.requirement("R41")
def test_orders_that_suppliers_must_send_wait_for_a_word_at_the_promotion(sqlite: Database) -> None:
    merchant = in_shadow(sqlite)
    prepared(merchant)
    merchant.buy("webshop", TRAY=11)
    for _ in range(10):
        merchant.turn()
        merchant.clock.advance(60)
    assert merchant.world.supplier._orders == {}
    with pytest.raises(NotReadyError) as refused:
        promote(merchant.hub, "webshop", anyway=True)
    [doubt] = refused.value.doubts
    assert doubt.startswith("1 open order is served by suppliers")
    assert promote(merchant.hub, "webshop", anyway=True, suppliers_have_orders=False)
    send_messages(merchant.hub)
    assert len(merchant.world.supplier._orders) == 1


def test_what_was_sold_beyond_on_purpose_is_accepted_at_the_promotion_too(both: Database) -> None:
    bazaar = capable(must_accept_orders=True, decrements_at=DecrementMoment.ORDER)
    hub = scripted_hub(both, {"shop": ScriptedShop()}, capabilities={"shop": bazaar})
    demote(hub, "shop")
    with both.write() as connection:
        World(connection).policy(PolicyKind.BACKORDER, 10, sku="BOLT", promised_on=date(2026, 3, 20))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9, "NUT": 9}, state=OrderState.AWAITING_ACCEPTANCE)))
    assert promote(hub, "shop", anyway=True)
    with both.read() as connection:
        [told] = connection.execute(OUTBOX.select()).all()
    assert (told.kind, told.payload["lines"]) == ("accept_order", {"1-1": True, "1-2": False})


@contextmanager
def turned(hub: Hub) -> Iterator[Window]:
    window = Window(hub, 3600)
    sweeping(window)["shop shadow"]()
    yield window


@pytest.mark.requirement("R41")
def test_the_sweep_compares_now_and_then_and_shows_it(lonely: tuple[Hub, ScriptedShop]) -> None:
    hub, _ = lonely
    shows(hub, BOLT=7, NUT=3, PAIR=4)
    with turned(hub) as window:
        counts = window.tally.take().by_account()["shop"]
        assert counts == {"numbers compared today": 3, "of them differing": 1}
    advance(hub, 600)
    with turned(hub) as window:
        assert window.tally.take().by_account() == {}
    advance(hub, 301)
    with turned(hub) as window:
        assert window.tally.take().by_account()["shop"]["numbers compared today"] == 6


@pytest.mark.parametrize(
    ("said", "is_shadow"),
    [(["shadow"], True), (["live"], False), (["live", "shadow"], True), (["shadow", "live"], True)],
)
def test_the_settings_put_a_channel_into_the_shadow_and_never_out_of_it(
    sqlite: Database, said: list[str], *, is_shadow: bool
) -> None:
    assert put(sqlite, *said) is is_shadow


def test_a_promoted_channel_stays_live_while_the_settings_say_the_same(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    put(filled, "shadow")
    assert promote(hub, "shop", anyway=True)
    assert not put(filled, "shadow")
    assert put(filled, "live", "shadow")


def put(database: Database, *said: str) -> bool:
    """The settings say of the shop, one time after the other, that it is live or in the shadow."""
    with database.write() as connection:
        world = World(connection)
        for mode in said:
            StockPointStore(connection, world.now).put_channel(
                "shop",
                "emulated",
                buffer_units=0,
                stock_points={},
                orders_since=world.now,
                is_shadow=mode == "shadow",
            )
        return ChannelStore(connection, world.now).get("shop").is_shadow


@pytest.mark.parametrize(
    ("name", "request_", "is_reading"),
    [
        ("webshop", HttpRequest("POST", "/g", body=b'{"query": "query Shop { shop { id } }"}'), True),
        ("webshop", HttpRequest("POST", "/g", body=b'{"query": "mutation M { a { id } }"}'), False),
        ("webshop", HttpRequest("POST", "/g", body=b'{"query": "query A { a } mutation M { b }"}'), False),
        ("webshop", HttpRequest("POST", "/g", body=b"not JSON"), False),
        ("webshop", HttpRequest("POST", "/g", body=b'{"query": 7}'), False),
        ("tills", HttpRequest("POST", "/v2/orders/search"), True),
        ("tills", HttpRequest("POST", "/v2/inventory/counts/batch-retrieve?a=1"), True),
        ("tills", HttpRequest("POST", "/v2/inventory/changes/batch-create"), False),
        ("tills", HttpRequest("PUT", "/v2/orders/search"), False),
        ("boutique", HttpRequest("GET", "/api/orders"), True),
        ("boutique", HttpRequest("PATCH", "/api/stock_availables/1"), False),
        ("marketplace", HttpRequest("PUT", "/api/orders/1/accept"), False),
    ],
)
def test_what_only_reads_is_known_and_anything_else_counts_as_changing(
    sqlite: Database, name: str, request_: HttpRequest, *, is_reading: bool
) -> None:
    assert open_merchant(sqlite).hub.accounts[name].record.is_reading(request_) is is_reading
