"""The suite of laws on every sales platform."""

import inspect

import pytest

from connectors.records import Channel
from connectors.registry import channels
from simulation.platforms.prestashop import PrestaShopEmulator
from simulation.platforms.shopify import ShopifyEmulator
from simulation.platforms.square import SquareEmulator
from tests.connectors import mirakl_contract, test_prestashop, test_shopify, test_square
from tests.connectors.bench import SHOPPER, Bench, Line, basket
from tests.connectors.conformance import ChannelConformance, Rig


class TestShopify(ChannelConformance):
    has_idempotency_keys = True
    small_pages = {
        "connectors.shopify.WINDOW": 5,
        "connectors.shopify.ORDERS_IN_A_PAGE": 2,
        "connectors.shopify_orders.WINDOW": 5,
    }

    def make_rig(self) -> Rig:
        return test_shopify.make_rig()

    def unpaid_order(self, bench: Bench, *lines: Line) -> str | None:
        shop = bench.emulator
        assert isinstance(shop, ShopifyEmulator)
        shop._pays_at_once = False
        return bench.buy(*lines)

    def pay(self, bench: Bench, order_id: str) -> None:
        shop = bench.emulator
        assert isinstance(shop, ShopifyEmulator)
        shop._pays_at_once = True
        shop.pay(order_id, bench.clock.now())


class TestPrestaShop(ChannelConformance):
    small_pages = {
        "connectors.prestashop_catalogue.PRODUCTS_IN_A_PAGE": 3,
        "connectors.prestashop_catalogue.ROWS_IN_A_DOCUMENT": 4,
        "connectors.prestashop_orders.PAGE": 2,
        "connectors.prestashop_webservice.IDS_IN_ONE_CALL": 7,
    }

    def make_rig(self) -> Rig:
        return test_prestashop.make_rig()

    def unpaid_order(self, bench: Bench, *lines: Line) -> str | None:
        shop = bench.emulator
        assert isinstance(shop, PrestaShopEmulator)
        shop._unpaid_every = 1
        order_id = bench.buy(*lines)
        shop._unpaid_every = 0
        return order_id

    def pay(self, bench: Bench, order_id: str) -> None:
        bench.clock.advance(3600)  # the bank's wire comes by itself


class TestMirakl(ChannelConformance):
    """A seller is not shown orders that nobody has paid; they are debited after they were accepted."""

    small_pages = {"connectors.mirakl_api.PAGE_SIZE": 3, "connectors.mirakl.PAGE_SIZE": 3}

    def make_rig(self) -> Rig:
        return mirakl_contract.make_checked_rig(is_checked=False)


class TestSquare(ChannelConformance):
    """A ticket at a till is paid and handed over at once: what waits is an open ticket, or an order placed ahead."""

    has_idempotency_keys = True

    def make_rig(self) -> Rig:
        return test_square.make_rig(page_limit=2)

    def unpaid_order(self, bench: Bench, *lines: Line) -> str | None:
        return self.waiting_order(bench, *lines)

    def pay(self, bench: Bench, order_id: str) -> None:
        _till(bench).pay(order_id, bench.clock.now())

    def waiting_order(self, bench: Bench, *lines: Line) -> str:
        return _till(bench).open_ticket(basket(*lines), bench.point, bench.clock.now())

    def paid_order(self, bench: Bench, *lines: Line) -> str:
        return _till(bench).order_ahead(basket(*lines), SHOPPER, bench.point, bench.clock.now(), kind="SHIPMENT")

    def order_that_left(self, bench: Bench, *lines: Line) -> str:
        order_id = bench.buy(*lines)
        bench.clock.advance(60)
        return order_id


def _till(bench: Bench) -> SquareEmulator:
    assert isinstance(bench.emulator, SquareEmulator)
    return bench.emulator


SUITES: tuple[type[ChannelConformance], ...] = (TestShopify, TestPrestaShop, TestMirakl, TestSquare)


def record_of(suite: type[ChannelConformance]) -> Channel[object]:  # type: ignore[type-var]
    return suite().make_rig().record


def test_every_platform_has_its_suite() -> None:
    assert sorted(record_of(suite).platform for suite in SUITES) == sorted(channels())
    found = [one for one in globals().values() if isinstance(one, type) and issubclass(one, ChannelConformance)]
    assert set(found) - {ChannelConformance} == set(SUITES)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_holds_every_law(suite: type[ChannelConformance]) -> None:
    """pytest passes over a class that is abstract, has an `__init__` or is named otherwise, and says nothing."""
    assert suite.__name__.startswith("Test")
    assert not inspect.isabstract(suite)
    assert "__init__" not in vars(suite)
    laws = {name: law for name, law in inspect.getmembers(ChannelConformance) if name.startswith("test_")}
    assert len(laws) == 71
    assert {name: getattr(suite, name) for name in laws} == laws
