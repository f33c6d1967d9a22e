"""An emulated Shopify shop: the Admin API 2026-10 for the hub, webhooks, and a shop floor for the world around it.

As on Shopify, an order takes its units off `available` at once and counts them as committed, at the location that is to
send them; webhooks come signed, and again until they are answered with 2xx.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import (
    BasketLine,
    CatalogueEntry,
    Delivery,
    NeverLeftError,
    Purchase,
    ShelfCause,
    ShelfChange,
    Shopper,
)
from simulation.platforms.shopify_api import API_VERSION, AdminApi, Rate
from simulation.platforms.shopify_model import Order
from simulation.platforms.shopify_payloads import gid
from simulation.platforms.shopify_shop import Shop
from simulation.platforms.shopify_webhooks import Webhooks

DOMAIN = "emulated.myshopify.com"


class ShopifyEmulator:
    """One shop. Stock points are global ids of locations: gid://shopify/Location/1."""

    platform = "shopify"

    def __init__(
        self,
        *,
        access_token: str = "shpat_emulated",  # noqa: S107 - opens nothing but this emulator
        webhook_secret: str = "emulated-app-secret",  # noqa: S107 - signs nothing but its webhooks
        rate: Rate | None = None,
        pays_at_once: bool = True,
    ) -> None:
        self._webhooks = Webhooks(webhook_secret, DOMAIN, API_VERSION)
        self._shop = Shop(self._tell)
        self._api = AdminApi(self._shop, self._webhooks, domain=DOMAIN, access_token=access_token, rate=rate or Rate())
        self._pays_at_once = pays_at_once

    def _tell(self, topic: str, subject: object, now: datetime) -> None:
        self._webhooks.tell(self._shop, topic, subject, now)

    @property
    def shelf_log(self) -> Sequence[ShelfChange]:
        return self._shop.shelf_log

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        self.advance(now)
        return self._api.handle(request, now)

    def load(self, catalogue: Sequence[CatalogueEntry], stock_points: Sequence[str], now: datetime) -> None:
        self._shop.load(catalogue, [_number(place) for place in stock_points], now)

    def set_shelf(self, sku: str, stock_point: str, units: int, now: datetime) -> None:
        self._shop.set_available(self._shop.by_sku[sku].item, _number(stock_point), units, now, cause=ShelfCause.EDITED)

    def shelf(self) -> Mapping[tuple[str, str], int]:
        return dict(self._shop.shelf())

    def committed(self, sku: str, stock_point: str) -> int:
        """Units of open orders that the location is to send."""
        return self._shop.levels[self._shop.by_sku[sku].item, _number(stock_point)].committed

    def buy(self, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str, now: datetime) -> Purchase:
        place = _number(stock_point)
        there: dict[str, int] = {}
        sold: list[BasketLine] = []
        refused: list[BasketLine] = []
        for line in basket:
            variant = self._shop.by_sku.get(line.sku)
            if variant is not None and line.sku not in there:
                there[line.sku] = max(0, self._shop.levels[variant.item, place].available)
            units = min(line.units, there.get(line.sku, 0))
            there[line.sku] = there.get(line.sku, 0) - units
            if units:
                sold.append(BasketLine(line.sku, units))
            if units < line.units:
                refused.append(BasketLine(line.sku, line.units - units))
        order_id = None
        if sold:
            order = self._shop.sell(sold, shopper, place, now, is_paid=self._pays_at_once)
            order_id = str(order.id)
        return Purchase(order_id, now, stock_point, tuple(sold), tuple(refused))

    def pay(self, order_id: str, now: datetime) -> None:
        """The payment of an order that waited for it arrives."""
        self._shop.pay(self._order(order_id), now)

    def cancel(self, order_id: str, lines: Sequence[BasketLine], now: datetime) -> bool:
        order = self._order(order_id)
        if order.cancelled_at is not None:
            return False
        if not lines:
            if order.fulfillments:
                return False
            self._shop.cancel(order, now, restock=True, refunds=True)
            return True
        wanted: list[tuple[int, int, str, int | None]] = []
        for sku, units in _by_sku(lines).items():
            taken = self._unsent(order, sku, units)
            if taken is None:
                return False
            wanted += [(line, part, "CANCEL", order.place) for line, part in taken]
        self._shop.refund(order, wanted, None, now, cause=ShelfCause.CANCELED)
        return True

    def _unsent(self, order: Order, sku: str, units: int) -> list[tuple[int, int]] | None:
        """Order lines to take the units of a sku from; None: so many are not waiting any more."""
        taken: list[tuple[int, int]] = []
        for line in order.lines:
            part = min(units, order.remaining(line.id)) if line.variant.entry.sku == sku else 0
            units -= part
            if part:
                taken.append((line.id, part))
        return taken if units == 0 else None

    def give_back(self, order_id: str | None, lines: Sequence[BasketLine], stock_point: str, now: datetime) -> str:
        if order_id is None:
            raise ValueError("Shopify knows no return without its order")
        order = self._order(order_id)
        wanted: list[tuple[int, int, str, int | None]] = []
        for sku, units in _by_sku(lines).items():
            still = units
            for line in order.lines:
                part = min(still, order.still_out(line)) if line.variant.entry.sku == sku else 0
                still -= part
                if part:
                    wanted.append((line.id, part, "RETURN", _number(stock_point)))
            if still:
                raise NeverLeftError(f"{still} units of {sku!r} of order {order_id!r} have not left")
        return str(self._shop.refund(order, wanted, None, now, cause=ShelfCause.RETURNED).id)

    def due_webhooks(self, now: datetime) -> list[Delivery]:
        return self._webhooks.due(now)

    def delivered(self, delivery_id: str, status: int, now: datetime) -> None:
        self._webhooks.answered(delivery_id, status)

    def advance(self, now: datetime) -> None:
        self._shop.run_jobs(now)

    def shipped(self) -> Mapping[str, int]:
        return {
            str(order.id): sum(order.left(line.id) for line in order.lines)
            for order in self._shop.orders.values()
            if order.fulfillments
        }

    def requests_by_operation(self) -> Mapping[str, int]:
        return dict(self._api.calls)

    def _order(self, order_id: str) -> Order:
        return self._shop.orders[int(order_id)]


def _number(stock_point: str) -> int:
    """The number of a location's global id."""
    prefix = gid("Location", 0).removesuffix("0")
    if not stock_point.startswith(prefix):
        raise ValueError(f"{stock_point!r} is not the global id of a location")
    return int(stock_point.removeprefix(prefix))


def _by_sku(lines: Sequence[BasketLine]) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in lines:
        units[line.sku] = units.get(line.sku, 0) + line.units
    return units
