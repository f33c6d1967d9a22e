"""Asking platforms: everything read is stored first, and the watermark never runs ahead of what is stored."""

from datetime import datetime, timedelta

import pytest

from connectors.errors import ConnectorError, CredentialsError, NoAnswerError, ThrottledError
from connectors.records import Page
from nervure.operations.hub import Hub
from nervure.operations.pull import are_orders_due, pull_catalogue, pull_orders, pull_stock, store
from nervure.store.channels import ChannelState, ChannelStore
from nervure.store.database import Database
from nervure.store.inbox import InboxStore
from schemas.documents import RawDocument
from schemas.publications import ChannelListing
from tests.nervure.operations.scripted import ScriptedShop, advance, document, looking, order_of, scripted_hub, settle
from tests.nervure.world import START, an_order, at


def order(name: str) -> RawDocument:
    return order_of(an_order(name, {"BOLT": 1}))


def state(hub: Hub) -> ChannelState:
    with looking(hub) as world:
        return ChannelStore(world.connection, world.now).get("shop")


def stored(hub: Hub) -> int:
    with looking(hub) as world:
        return InboxStore(world.connection, world.now).open_count("shop")


@pytest.mark.requirement("R25")
def test_a_pull_starts_an_overlap_before_the_watermark_that_the_rows_gave(both: Database) -> None:
    shop = ScriptedShop(pages=[Page((order("1"),), at(3)), Page((order("2"), order("3")), at(4))])
    hub = scripted_hub(both, {"shop": shop})
    advance(hub, 600)
    assert pull_orders(hub, "shop") == 3
    assert shop.sinces == [START - timedelta(seconds=60)], "the hub's first day, less the overlap"
    shown = state(hub)
    assert (shown.orders_watermark, shown.orders_heard_until, shown.orders_next_at) == (at(4), at(10), at(11))
    assert not are_orders_due(hub, "shop")
    advance(hub, 59)
    assert not are_orders_due(hub, "shop")
    advance(hub, 1)
    assert are_orders_due(hub, "shop")
    assert pull_orders(hub, "shop") == 0, "what the overlap tells again is known"
    assert shop.sinces[1] == at(3)


@pytest.mark.requirement("R25")
def test_the_whole_overlap_reaches_back_from_the_last_whole_pull_not_from_the_short_ones(filled: Database) -> None:
    shop = ScriptedShop(pages=[Page((), at(0))])
    hub = scripted_hub(filled, {"shop": shop})
    for minute, second in ((0, 0), (0, 20), (0, 40), (1, 0)):
        advance(hub, 20 if second or minute else 0)
        shop.pages = [Page((), at(minute + second / 60))]
        pull_orders(hub, "shop")
    backs = [(START - since).total_seconds() for since in shop.sinces]
    assert backs == [60, 30, 10, 60], "a clock that is a minute slow stamps what was bought since as older than that"


@pytest.mark.requirement("R25", "R26")
def test_orders_that_are_wanted_at_once_do_not_read_the_whole_overlap_again(filled: Database) -> None:
    shop = ScriptedShop(pages=[Page((order("1"),), START)])
    hub = scripted_hub(filled, {"shop": shop})
    for seconds in (0, 20, 20, 20):
        advance(hub, seconds)
        pull_orders(hub, "shop")
    backs = [(START - since).total_seconds() for since in shop.sinces]
    assert backs == [60, 30, 30, 60], "the whole once a minute"


@pytest.mark.requirement("R25")
def test_orders_are_heard_until_the_pull_began_and_not_until_it_ended(filled: Database) -> None:
    class Slow(ScriptedShop):
        def pull_orders(self, since: datetime):  # type: ignore[no-untyped-def]  # as the fake's
            for page in super().pull_orders(since):
                advance(hub, 30)
                yield page

    hub = scripted_hub(filled, {"shop": Slow(pages=[Page((order("1"),)), Page((order("2"),))])})
    pull_orders(hub, "shop")
    shown = state(hub)
    assert (shown.orders_heard_until, shown.orders_next_at) == (START, at(2))
    assert shown.orders_watermark == START


@pytest.mark.requirement("R25", "R27")
def test_a_failure_half_way_keeps_what_was_read_and_no_watermark_beyond_it(both: Database) -> None:
    pages: list[Page | ConnectorError] = [Page((order("1"),), at(3)), Page((order("2"),)), NoAnswerError("no answer")]
    shop = ScriptedShop(pages=pages)
    hub = scripted_hub(both, {"shop": shop})
    advance(hub, 600)
    with pytest.raises(NoAnswerError):
        pull_orders(hub, "shop")
    shown = state(hub)
    assert (stored(hub), shown.orders_watermark, shown.orders_heard_until) == (2, at(3), None)
    assert shown.orders_next_at == at(11)
    shop.pages = [Page((order("2"), order("3")), at(9))]
    assert pull_orders(hub, "shop") == 1
    assert (shop.sinces[1], stored(hub), state(hub).orders_watermark) == (at(2), 3, at(9))


@pytest.mark.requirement("R25")
def test_a_page_without_a_watermark_moves_none(filled: Database) -> None:
    shop = ScriptedShop(pages=[Page((order("1"),))])
    hub = scripted_hub(filled, {"shop": shop})
    pull_orders(hub, "shop")
    assert state(hub).orders_watermark == START


@pytest.mark.parametrize(
    ("error", "seconds", "problem"),
    [
        (ThrottledError("wait", retry_after_seconds=240), 240, None),
        (CredentialsError("sign-in refused"), 60, "sign-in refused"),
        (NoAnswerError("no answer"), 60, None),
    ],
    ids=["throttled", "needs a person", "no answer"],
)
def test_a_failure_says_when_to_ask_again_and_whether_somebody_must_act(
    filled: Database, error: ConnectorError, seconds: float, problem: str | None
) -> None:
    shop = ScriptedShop(error=error)
    hub = scripted_hub(filled, {"shop": shop})
    with pytest.raises(type(error)):
        pull_orders(hub, "shop")
    assert state(hub).orders_next_at == START + timedelta(seconds=seconds)
    assert state(hub).problem == problem
    shop.error = None
    pull_orders(hub, "shop")
    assert state(hub).problem is None


def test_a_channel_never_asked_is_due(filled: Database) -> None:
    assert are_orders_due(scripted_hub(filled, {"shop": ScriptedShop()}), "shop")


@pytest.mark.requirement("R22")
def test_what_is_stored_twice_is_there_once(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    assert store(hub, "shop", (order("1"), order("2"))) == 2
    assert store(hub, "shop", (order("2"), order("3"))) == 1
    assert (stored(hub), store(hub, "shop", ())) == (3, 0)


def test_a_catalogue_and_stock_are_stored_like_everything_else(filled: Database) -> None:
    listing = ChannelListing(channel="shop", external_id="L-NEW", stock_id="S-NEW", sku="BOLT", title="Bolt again")
    asked: list[list[str]] = []

    class Shelves(ScriptedShop):
        def pull_catalogue(self):  # type: ignore[no-untyped-def]  # as the fake's
            yield Page((document("catalogue 1", listing),))
            yield Page(())

        def pull_stock(self, stock_points):  # type: ignore[no-untyped-def]  # as the fake's
            asked.append(list(stock_points))
            yield Page((document("stock 1"), document("stock 2")))

    hub = scripted_hub(filled, {"shop": Shelves()})
    assert [pull_catalogue(hub, "shop") for _ in range(2)] == [1, 0]
    assert pull_stock(hub, "shop") == 2
    assert asked == [["web"]]
    settle(hub)
    with looking(hub) as world:
        assert len(world.publications.numbers("shop")) == 4
