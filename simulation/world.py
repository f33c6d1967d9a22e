"""The world around the hub: platforms with their shoppers, a supplier, and a record of everything that happened.

The record is the world's own: it knows what shoppers got and what came back, whatever the hub believes.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import Clock
from simulation.accounts import Account, sold_there
from simulation.catalogue import SUPPLIER, Good, Stock
from simulation.platform import BasketLine, CatalogueEntry, NeverLeftError, Purchase, Shopper, dated
from simulation.platforms.supplier import SupplierEmulator
from simulation.record import ComeBack, Record, Sale


@dataclass
class World:
    """Everything outside the hub. Safe to share between threads: each platform has its lock.

    `ahead`: how far a platform's clock is ahead of the right time (negative: behind).
    """

    goods: Sequence[Good]
    stock: Stock
    accounts: dict[str, Account]
    supplier: SupplierEmulator
    clock: Clock
    sales: list[Sale] = field(default_factory=list)
    come_backs: list[ComeBack] = field(default_factory=list)
    ahead: dict[str, timedelta] = field(default_factory=dict)
    locks: dict[str, threading.RLock] = field(init=False)

    def __post_init__(self) -> None:
        self.locks = {name: threading.RLock() for name in (*self.accounts, "supplier")}

    def points_of(self, name: str, stock_point: str) -> Sequence[str]:
        """The locations that a stock point stands for."""
        return self.accounts[name].stock_points[stock_point]

    def now_at(self, name: str) -> datetime:
        """What the clock of a platform shows."""
        return self.clock.now() + self.ahead.get(name, timedelta())

    def open(self) -> None:
        """Fills the platforms with the catalogue, and the supplier with its stock."""
        for account in self.accounts.values():
            now = self.now_at(account.name)
            listed: list[CatalogueEntry] = [good.entry for good in sold_there(account, self.goods)]
            account.emulator.load(listed, list(account.stock_points), now)
        self.supplier.load(
            {sku: units for (sku, place), units in sorted(self.stock.items()) if place == SUPPLIER.code},
            self.now_at("supplier"),
        )

    def answer(self, name: str) -> Callable[[HttpRequest], HttpResponse]:
        """The way to one account (or to "supplier"): the platform does first what is due, then answers."""
        platform = self.supplier if name == "supplier" else self.accounts[name].emulator
        lock = self.locks[name]

        def answered(request: HttpRequest) -> HttpResponse:
            with lock:
                now = self.now_at(name)
                platform.advance(now)
                return dated(platform.handle(request, now), now)

        return answered

    def advance(self) -> None:
        """Lets every platform do what it does by itself."""
        for name, lock in self.locks.items():
            platform = self.supplier if name == "supplier" else self.accounts[name].emulator
            with lock:
                platform.advance(self.now_at(name))

    def buy(self, account: str, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str) -> Purchase:
        """A shopper takes what the shelf has."""
        with self.locks[account]:
            purchase = self.accounts[account].emulator.buy(basket, shopper, stock_point, self.now_at(account))
        self.sales.append(Sale(account, purchase))
        return purchase

    def cancel(self, account: str, order_id: str, lines: Sequence[BasketLine], stock_point: str) -> bool:
        """Units of an order that has not left are taken off it; False: too late."""
        with self.locks[account]:
            now = self.now_at(account)
            done = self.accounts[account].emulator.cancel(order_id, lines, now)
        if done:
            self.come_backs.append(ComeBack(account, "canceled", stock_point, tuple(lines), now, order_id))
        return done

    def give_back(self, account: str, order_id: str | None, lines: Sequence[BasketLine], stock_point: str) -> str:
        """Goods come back to a stock point."""
        with self.locks[account]:
            now = self.now_at(account)
            external_id = self.accounts[account].emulator.give_back(order_id, lines, stock_point, now)
        self.come_backs.append(ComeBack(account, "returned", stock_point, tuple(lines), now, order_id))
        return external_id

    def take_back(self, account: str, order_id: str, lines: Sequence[BasketLine], stock_point: str) -> int:
        """What has not left is canceled, what has left comes back; answers the units of which neither is true.

        Those are units that the shop took off the order itself, such as a line that it refused.
        """
        if self.cancel(account, order_id, lines, stock_point):
            return 0
        try:
            self.give_back(account, order_id, lines, stock_point)
        except NeverLeftError:
            parts = [[line] for line in lines] if len(lines) > 1 else _halves(lines[0])
            if not parts:
                return lines[0].units
            return sum(self.take_back(account, order_id, part, stock_point) for part in parts)
        return 0

    def record(self, webhooks: int = 0) -> Record:
        """Everything that happened until now."""
        shelves, logs, requests = {}, {}, {}
        for name, account in self.accounts.items():
            with self.locks[name]:
                shelves[name] = dict(account.emulator.shelf())
                logs[name] = list(account.emulator.shelf_log)
                requests[name] = sum(account.emulator.requests_by_operation().values())
        with self.locks["supplier"]:
            supplier_stock, supplier_shipped = dict(self.supplier.stock()), dict(self.supplier.shipped())
            requests["supplier"] = sum(self.supplier.requests_by_operation().values())
        return Record(
            parts={good.sku: dict(good.parts) or {good.sku: 1} for good in self.goods},
            stock=dict(self.stock),
            supplier_stock=supplier_stock,
            points={name: account.stock_points for name, account in self.accounts.items()},
            shelves=shelves,
            shelf_logs=logs,
            sales=list(self.sales),
            come_backs=list(self.come_backs),
            requests=requests,
            webhooks=webhooks,
            supplier_shipped=supplier_shipped,
            heard_slowly=[name for name, account in self.accounts.items() if account.is_heard_slowly],
        )


def _halves(line: BasketLine) -> list[list[BasketLine]]:
    """Two parts of a line; none where it is one unit."""
    half = line.units // 2
    return [[BasketLine(line.sku, half)], [BasketLine(line.sku, line.units - half)]] if half else []
