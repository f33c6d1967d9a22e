"""The world around the hub: platforms with their shoppers, a supplier, and a record of everything that happened.

The record is the world's own: it knows what shoppers got and what came back, whatever the hub believes.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import Clock
from simulation.accounts import Account, sold_there
from simulation.catalogue import SUPPLIER, Good, Stock
from simulation.platform import BasketLine, CatalogueEntry, Purchase, Shopper
from simulation.platforms.supplier import SupplierEmulator


@dataclass(frozen=True, slots=True)
class Sale:
    """What a shopper got on an account."""

    account: str
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class ComeBack:
    """Units that a platform put back (`kind` canceled) or took back (`returned`); `order_id` None: blind."""

    account: str
    kind: str
    external_id: str
    order_id: str | None
    stock_point: str
    lines: tuple[BasketLine, ...]
    at: datetime


@dataclass
class World:
    """Everything outside the hub. Safe to share between threads: each platform has its lock."""

    goods: Sequence[Good]
    stock: Stock
    accounts: dict[str, Account]
    supplier: SupplierEmulator
    clock: Clock
    sales: list[Sale] = field(default_factory=list)
    come_backs: list[ComeBack] = field(default_factory=list)
    locks: dict[str, threading.RLock] = field(default_factory=dict)

    def open(self) -> None:
        """Fills the platforms with the catalogue, and the supplier with its stock."""
        now = self.clock.now()
        for account in self.accounts.values():
            self.locks[account.name] = threading.RLock()
            listed: list[CatalogueEntry] = [good.entry for good in sold_there(account, self.goods)]
            account.emulator.load(listed, list(account.stock_points), now)
        self.locks["supplier"] = threading.RLock()
        self.supplier.load(
            {sku: units for (sku, place), units in sorted(self.stock.items()) if place == SUPPLIER.code}, now
        )

    def answer(self, name: str) -> Callable[[HttpRequest], HttpResponse]:
        """The way to one account (or to "supplier"): the platform does first what is due, then answers."""
        platform = self.supplier if name == "supplier" else self.accounts[name].emulator
        lock = self.locks[name]

        def answered(request: HttpRequest) -> HttpResponse:
            with lock:
                now = self.clock.now()
                platform.advance(now)
                return platform.handle(request, now)

        return answered

    def advance(self) -> None:
        """Lets every platform do what it does by itself."""
        for name, lock in self.locks.items():
            platform = self.supplier if name == "supplier" else self.accounts[name].emulator
            with lock:
                platform.advance(self.clock.now())

    def buy(self, account: str, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str) -> Purchase:
        """A shopper takes what the shelf has."""
        with self.locks[account]:
            purchase = self.accounts[account].emulator.buy(basket, shopper, stock_point, self.clock.now())
        self.sales.append(Sale(account, purchase))
        return purchase

    def cancel(self, account: str, order_id: str, lines: Sequence[BasketLine], stock_point: str) -> bool:
        """Units of an order that has not left are taken off it; False: too late."""
        with self.locks[account]:
            now = self.clock.now()
            done = self.accounts[account].emulator.cancel(order_id, lines, now)
        if done:
            back = ComeBack(account, "canceled", order_id, order_id, stock_point, tuple(lines), now)
            self.come_backs.append(back)
        return done

    def give_back(self, account: str, order_id: str | None, lines: Sequence[BasketLine], stock_point: str) -> str:
        """Goods come back to a stock point."""
        with self.locks[account]:
            now = self.clock.now()
            external_id = self.accounts[account].emulator.give_back(order_id, lines, stock_point, now)
        self.come_backs.append(ComeBack(account, "returned", external_id, order_id, stock_point, tuple(lines), now))
        return external_id

    def requests_by_account(self) -> dict[str, int]:
        """Calls that the hub made."""
        counts = {
            name: sum(account.emulator.requests_by_operation().values()) for name, account in self.accounts.items()
        }
        counts["supplier"] = sum(self.supplier.requests_by_operation().values())
        return counts
