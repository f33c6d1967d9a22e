"""The world's own record: what shoppers got and what came back, whatever the hub believes."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.transport import HttpRequest
from nervure.operations.staff import ship_fulfillment
from nervure.store.reports import ReportStore
from simulation.accounts import open_accounts, sold_there, supplier_settings
from simulation.catalogue import PLACES, STORES, SUPPLIER, make_goods, opening_stock
from simulation.platform import BasketLine
from simulation.platforms.mirakl import MiraklEmulator
from simulation.platforms.mirakl_orders import State
from simulation.record import ComeBack
from simulation.shoppers import Demand, make_shopper
from tests.nervure.world import fresh_sqlite
from tests.simulation.merchants import GOODS, POINTS, SHOPPER, START, STOCK, Merchant, open_merchant


@pytest.fixture
def merchant() -> Iterator[Merchant]:
    with fresh_sqlite() as database:
        yield open_merchant(database)


def test_a_world_opens_with_its_catalogue_and_empty_shelves(merchant: Merchant) -> None:
    record = merchant.world.record()
    assert {name: set(shelf.values()) for name, shelf in record.shelves.items()} == {name: {0} for name in POINTS}
    assert {sku for sku, _ in record.shelves["webshop"]} == {"MUG", "TRAY", "SET"}
    assert {sku for sku, _ in record.shelves["tills"]} == {"MUG", "TRAY"}, "a till sells no kits"
    assert record.parts == {"MUG": {"MUG": 1}, "TRAY": {"TRAY": 1}, "SET": {"MUG": 2, "TRAY": 1}}
    assert (record.stock, record.supplier_stock) == (STOCK, {"TRAY": 5})
    assert record.heard_slowly == ["boutique", "marketplace"]
    assert set(record.requests.values()) == {0}


def test_the_world_remembers_sales_refusals_and_what_came_back(merchant: Merchant) -> None:
    world = merchant.world
    world.accounts["webshop"].emulator.set_shelf("MUG", POINTS["webshop"], 3, START)
    bought = world.buy("webshop", [BasketLine("MUG", 5)], SHOPPER, POINTS["webshop"])
    nothing = world.buy("boutique", [BasketLine("MUG", 1)], SHOPPER, POINTS["boutique"])
    assert (bought.lines, bought.refused) == ((BasketLine("MUG", 3),), (BasketLine("MUG", 2),))
    assert (nothing.order_id, nothing.refused) == (None, (BasketLine("MUG", 1),))
    assert bought.order_id is not None
    lines = [BasketLine("MUG", 1)]
    assert world.cancel("webshop", bought.order_id, lines, POINTS["webshop"])
    world.give_back("tills", None, lines, POINTS["tills"])
    record = world.record(webhooks=4)
    assert [(sale.account, sale.purchase) for sale in record.sales] == [("webshop", bought), ("boutique", nothing)]
    assert record.come_backs == [
        ComeBack("webshop", "canceled", POINTS["webshop"], tuple(lines), START, bought.order_id),
        ComeBack("tills", "returned", POINTS["tills"], tuple(lines), START),
    ]
    assert record.webhooks == 4
    assert record.shelves["webshop"]["MUG", POINTS["webshop"]] == 1


def test_of_an_order_that_left_in_part_each_unit_is_canceled_or_comes_back_or_was_never_sent(
    merchant: Merchant,
) -> None:
    world, point = merchant.world, POINTS["marketplace"]
    emulator = world.accounts["marketplace"].emulator
    assert isinstance(emulator, MiraklEmulator)
    for sku in ("MUG", "TRAY"):
        emulator.set_shelf(sku, point, 9, START)
    lines = [BasketLine("MUG", 3), BasketLine("TRAY", 2)]
    bought = world.buy("marketplace", lines, SHOPPER, point)
    assert bought.order_id is not None
    order = emulator.orders[bought.order_id]
    order.lines[1].state = State.REFUSED
    order.advance(State.SHIPPING, START)
    assert world.take_back("marketplace", bought.order_id, [BasketLine("MUG", 1), BasketLine("TRAY", 1)], point) == 1
    order.advance(State.SHIPPED, START)
    assert world.take_back("marketplace", bought.order_id, [BasketLine("MUG", 2), BasketLine("TRAY", 2)], point) == 2
    assert [(one.kind, one.lines) for one in world.record().come_backs] == [
        ("canceled", (BasketLine("MUG", 1),)),
        ("returned", (BasketLine("MUG", 2),)),
    ]


def test_what_has_left_cannot_be_canceled_any_more(merchant: Merchant) -> None:
    merchant.open()
    order = merchant.buy("webshop", MUG=1)
    merchant.rest()
    with merchant.hub.database.read() as connection:
        [number] = ReportStore(connection, START).fulfillments_before(merchant.clock.now())
    ship_fulfillment(merchant.hub, number)
    merchant.rest()
    assert not merchant.world.cancel("webshop", order, [BasketLine("MUG", 1)], POINTS["webshop"])
    assert merchant.world.record().come_backs == []
    assert merchant.verdict().holds


def test_a_platform_does_what_is_due_before_it_answers(merchant: Merchant) -> None:
    answer = merchant.world.answer("supplier")
    ask = HttpRequest("GET", "/feed/stock.csv")
    assert answer(ask).body.decode().splitlines()[1].split(";")[3] == "5"
    merchant.world.supplier.sell("TRAY", 2, START)
    assert answer(ask).body.decode().splitlines()[1].split(";")[3] == "5", "a feed is of the past"
    merchant.clock.advance(900)
    published = answer(ask).body.decode().splitlines()[1].split(";")
    assert (published[3], published[7]) == ("3", (START + timedelta(seconds=900)).isoformat())
    assert merchant.world.record().requests["supplier"] == 3


@pytest.mark.parametrize("name", ["webshop", "boutique", "marketplace", "tills", "supplier"])
def test_every_platform_dates_its_answers_by_its_own_clock(merchant: Merchant, name: str) -> None:
    merchant.world.ahead = {name: timedelta(minutes=-3)}
    merchant.clock.advance(0.7)
    answer = merchant.world.answer(name)(HttpRequest("GET", "/"))
    assert answer.headers["date"] == "Mon, 02 Mar 2026 08:57:00 GMT"


def test_an_unknown_name_has_no_answer(merchant: Merchant) -> None:
    with pytest.raises(KeyError):
        merchant.world.answer("nobody")


# -- what a seed decides ---------------------------------------------------------------------------------------------


def test_a_seed_decides_everything() -> None:
    assert make_goods(60, 7) == make_goods(60, 7)
    assert make_goods(60, 7) != make_goods(60, 8)
    goods = make_goods(60, 7)
    assert opening_stock(goods, 7) == opening_stock(goods, 7)
    platforms = {"a": ["1", "2"], "b": ["3"]}
    one, other = Demand(goods, platforms, 7), Demand(goods, platforms, 7)
    assert [one.next() for _ in range(50)] == [other.next() for _ in range(50)]
    assert one.wait_seconds(2.0) == other.wait_seconds(2.0) > 0


def test_goods_are_enough_unique_and_of_every_kind() -> None:
    goods = make_goods(300, 1)
    assert len(goods) >= 300
    assert len({good.sku for good in goods}) == len(goods)
    gtins = [good.entry.gtin for good in goods if good.entry.gtin]
    assert len(set(gtins)) == len(gtins)
    for gtin in gtins:
        digits = [int(digit) for digit in gtin]
        assert (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
    by_sku = {good.sku: good for good in goods}
    kits = [good for good in goods if good.parts]
    assert kits
    assert any(good.supplier_only for good in goods)
    assert any(good.entry.parent for good in goods)
    assert all(not by_sku[part].parts and not by_sku[part].supplier_only for kit in kits for part in kit.parts)


def test_stock_lies_where_goods_may_lie() -> None:
    goods = make_goods(300, 1)
    stock = opening_stock(goods, 1)
    by_sku = {good.sku: good for good in goods}
    assert {place for _, place in stock} == {place.code for place in PLACES}
    assert min(stock.values()) >= 0
    assert all(not by_sku[sku].parts for sku, _ in stock)
    assert all(place == SUPPLIER.code for sku, place in stock if by_sku[sku].supplier_only)


def test_shoppers_buy_where_they_are_and_something() -> None:
    demand = Demand(make_goods(60, 7), {"a": ["1", "2"], "b": ["3"]}, 7)
    baskets = [demand.next() for _ in range(400)]
    assert {(name, point) for name, point, _, _ in baskets} == {("a", "1"), ("a", "2"), ("b", "3")}
    assert all(lines and len({line.sku for line in lines}) == len(lines) for _, _, lines, _ in baskets)
    assert len({shopper.email for *_, shopper in baskets}) == 400
    assert make_shopper(random.Random(1), 3) == make_shopper(random.Random(1), 3)


def test_a_till_sells_what_stands_in_its_store() -> None:
    accounts = {account.name: account for account in open_accounts(order_poll_seconds=1.0)}
    assert [good.sku for good in sold_there(accounts["tills"], GOODS)] == ["MUG", "TRAY"]
    assert [good.sku for good in sold_there(accounts["webshop"], GOODS)] == ["MUG", "TRAY", "SET"]
    assert [list(codes) for codes in accounts["tills"].stock_points.values()] == [[place.code] for place in STORES]
    assert {name for name, account in accounts.items() if account.is_heard_slowly} == {"marketplace"}
    assert {account.name for account in open_accounts() if account.is_heard_slowly} >= {"marketplace"}
    assert supplier_settings(ttl_seconds=60.0)["ttl_seconds"] == 60.0
