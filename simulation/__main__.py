"""Plays the demo's world: `python -m simulation PLAN.json` serves the platforms, shops, ships and delivers webhooks."""

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import uvicorn

from connectors.errors import ConnectorError
from connectors.transport import HttpRequest, HttpResponse, Send, httpx_sender
from nervure.clock import SystemClock
from simulation.accounts import open_accounts, open_supplier
from simulation.catalogue import WAREHOUSE, Good, make_goods, opening_stock
from simulation.demo import GOODS, POLL_SECONDS, WorldPlan
from simulation.measure import Taken, percentiles, settle_times
from simulation.record import Record
from simulation.server import Postman, Served, asgi_app
from simulation.shoppers import Demand
from simulation.world import World


class DemoWorld:
    """The world of one plan, its server, and the people in it."""

    def __init__(self, plan: WorldPlan, hub: Send) -> None:
        self._plan = plan
        self._hub = hub
        goods = make_goods(GOODS, plan.seed)
        accounts = {account.name: account for account in open_accounts(order_poll_seconds=POLL_SECONDS)}
        self.world = World(
            goods, opening_stock(goods, plan.seed), accounts, open_supplier(scale=plan.supplier_speed), SystemClock()
        )
        self.world.open()
        self._goods: Sequence[Good] = goods
        self._stop = threading.Event()
        self._opened = threading.Event()
        self._finished = threading.Event()
        self._postmen = [
            Postman(account.emulator, self.world.locks[name], SystemClock(), hub)
            for name, account in accounts.items()
            if account.has_webhooks
        ]

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT."""
        served: dict[str, Served] = {a.path: self.world.answer(name) for name, a in self.world.accounts.items()}
        served |= {"supplier": self.world.answer("supplier"), "status": self._status, "record": self._record}
        # The platforms date their answers by clocks of their own.
        config = uvicorn.Config(
            asgi_app(served),
            host="127.0.0.1",
            port=self._plan.world_port,
            log_level="warning",
            access_log=False,
            date_header=False,
        )
        server = uvicorn.Server(config)
        threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._shop, self._ship, self._carry, self._let_time_pass)
        ]
        for thread in threads:
            thread.start()
        server.run()
        self._stop.set()
        for thread in threads:
            thread.join(timeout=3)

    # -- people ------------------------------------------------------------------------------------------------

    def _shop(self) -> None:
        """Shoppers come once every shelf was filled for the first time."""
        while not self._stop.wait(0.5):
            status = self._ask("GET", "/status")
            if status and status["quiet"] and all(c["confirmed"] and not c["in_flight"] for c in status["channels"]):
                break
        self._opened.set()
        points = {name: list(account.stock_points) for name, account in self.world.accounts.items()}
        demand = Demand(self._goods, points, self._plan.seed)
        count = 0
        due = time.monotonic()
        while not self._stop.is_set() and count != self._plan.orders:
            due += demand.wait_seconds(self._plan.orders_per_second)
            if self._stop.wait(max(due - time.monotonic(), 0)):
                return
            name, point, basket, shopper = demand.next()
            listed = {sku for sku, _ in self.world.accounts[name].emulator.shelf()}
            basket = [line for line in basket if line.sku in listed]
            if basket and self.world.buy(name, basket, shopper, point).order_id is not None:
                count += 1
        self._finished.set()

    def _ship(self) -> None:
        """Staff pack what has waited long enough, and now and then a lorry brings goods."""
        seen: dict[int, float] = {}
        chance = random.Random(f"staff {self._plan.seed}")
        while not self._stop.wait(1.0):
            for order in self._ask("GET", "/fulfillment-orders") or []:
                number = order["number"]
                waited = time.monotonic() - seen.setdefault(number, time.monotonic())
                if waited >= self._plan.ship_after_seconds or self._finished.is_set():
                    parcel = {"carrier": "Colissimo", "tracking_number": f"6A{number:011d}"}
                    self._ask("POST", f"/fulfillment-orders/{number}/shipped", parcel)
            if self._plan.replenish and self._opened.is_set() and chance.random() < 0.2:
                self._replenish(chance)

    def _replenish(self, chance: random.Random) -> None:
        own = [good.sku for good in self._goods if not good.parts and not good.supplier_only]
        document = f"delivery-{time.time_ns()}"
        for sku in chance.sample(own, 5):
            units = chance.randrange(2, 12)
            body = {"sku": sku, "location": WAREHOUSE.code, "units": units, "document": document}
            if self._ask("POST", "/movements", body):
                self.world.stock[sku, WAREHOUSE.code] = self.world.stock.get((sku, WAREHOUSE.code), 0) + units

    def _carry(self) -> None:
        while not self._stop.is_set():
            if not sum(postman.round() for postman in self._postmen):
                self._stop.wait(0.01)

    def _let_time_pass(self) -> None:
        while not self._stop.wait(0.2):
            self.world.advance()

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # JSON
        content = b"" if body is None else json.dumps(body).encode()
        with suppress(ConnectorError):
            answer = self._hub(HttpRequest(method, path, {"content-type": "application/json"}, content))
            if answer.status < 300:
                return answer.json()
        return None

    # -- what it tells -----------------------------------------------------------------------------------------

    def _status(self, request: HttpRequest) -> HttpResponse:
        """Orders by account, and how long shelves that stand for every location took to show what was sold."""
        record = self.world.record()
        platforms = {}
        for name in record.points:
            latency = percentiles(self._waits(name, record))
            platforms[name] = {
                "orders": sum(s.account == name and s.purchase.order_id is not None for s in record.sales),
                "p50": _finite(latency.p50),
                "p95": _finite(latency.p95),
            }
        return _json({"platforms": platforms, "opened": self._opened.is_set(), "finished": self._finished.is_set()})

    def _waits(self, name: str, record: Record) -> list[float]:
        """Any purchase anywhere must show on such a shelf; which store serves an order the world does not know."""
        if len(record.points[name]) != 1:
            return []
        point = next(iter(record.points[name]))
        opening: dict[tuple[str, str], int] = {}
        for (sku, _), units in record.stock.items():
            opening[sku, point] = opening.get((sku, point), 0) + units
        taken = [
            Taken(sale.account, part, point, line.units * units, sale.purchase.at.timestamp())
            for sale in record.sales
            for line in sale.purchase.lines
            for part, units in record.parts[line.sku].items()
        ]
        waits = settle_times(name, opening, taken, [], record.shelf_logs[name], heard_slowly=record.heard_slowly)
        return [seconds for account, seconds in waits if account not in record.heard_slowly]

    def _record(self, request: HttpRequest) -> HttpResponse:
        """Everything that happened, for the verdict."""
        return _json(self.world.record(sum(postman.sent for postman in self._postmen)).as_document())


def _finite(value: float | None) -> float | None:
    return None if value is None or value == float("inf") else round(value, 3)


def _json(document: object) -> HttpResponse:
    return HttpResponse(200, {"content-type": "application/json"}, json.dumps(document).encode())


def main(arguments: Sequence[str]) -> int:
    """Plays the world of one plan file."""
    plan = WorldPlan(**json.loads(Path(arguments[0]).read_text("utf-8")))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        hub = stack.enter_context(httpx_sender(plan.hub_url))
        with suppress(KeyboardInterrupt):
            DemoWorld(plan, hub).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
