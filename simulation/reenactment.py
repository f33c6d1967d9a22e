"""A history happens again: each event at the place and on the channel that it is dealt to.

The same file gives the same choices. Whoever stands at a till has in hand what lay on the shelf there.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from nervure.operations.hub import Hub
from nervure.operations.staff import adjust
from schemas.stock import AdjustmentReason
from simulation.catalogue import STORES, SUPPLIER, WAREHOUSE, Stock
from simulation.history import Event, EventKind, History
from simulation.platform import BasketLine, Purchase
from simulation.shelves import Shelves
from simulation.shoppers import make_shopper
from simulation.world import World

TILLS = "tills"


def stock_for(history: History) -> Stock:
    """Opening stock: one item in four has less than was asked for in the history, so that it runs out."""
    wanted: Counter[str] = Counter()
    for event in history.events:
        if event.kind in (EventKind.SALE, EventKind.ADJUSTMENT):
            for sku, units in event.lines:
                wanted[sku] += abs(units)
    stock: Stock = {}
    for sku in sorted(history.titles):
        chance = random.Random(f"stock {sku}")
        total = int(wanted[sku] * (0.55 if chance.random() < 0.25 else 1.4)) + 1
        shares = {WAREHOUSE.code: 0.4, SUPPLIER.code: 0.15 if chance.random() < 0.2 else 0.0}
        shares |= {store.code: 0.15 for store in STORES}
        for place, share in shares.items():
            stock[sku, place] = int(total * share)
    return stock


class Reenactment:
    """The shoppers of a history in a world, and whoever corrects its warehouse's stock.

    `corrections`: (time, sku, signed units) that were moved; `not_found`: what a shopper looked for at a till's shelf.
    """

    def __init__(self, world: World, hub: Hub, shelves: Shelves) -> None:
        self.figures: Counter[str] = Counter()
        self.not_found: Counter[str] = Counter()
        self.corrections: list[tuple[datetime, str, int]] = []
        self._world = world
        self._hub = hub
        self._shelves = shelves
        self._sold: dict[str, tuple[str, str, str, Counter[str]]] = {}

    def happen(self, event: Event) -> None:
        """One event."""
        lines = [BasketLine(sku, units) for sku, units in event.lines]
        match event.kind:
            case EventKind.SALE:
                name, point = self._channel_of(event)
                purchase = self._buy(event, name, point, lines)
                if purchase is not None and purchase.order_id is not None:
                    bought = Counter({line.sku: line.units for line in purchase.lines})
                    self._sold[event.invoice] = (name, point, purchase.order_id, bought)
            case EventKind.TAKE_BACK:
                self._take_back(event, lines)
            case EventKind.BLIND_RETURN:
                point = self._till_of(event)
                with self._shelves.lock:
                    self._world.give_back(TILLS, None, lines, point)
                    self._take_in(lines, TILLS, point)
                self.figures["blind returns"] += len(lines)
            case EventKind.ADJUSTMENT:
                for sku, units in event.lines:
                    self._correct(event, sku, units)

    def _correct(self, event: Event, sku: str, units: int) -> None:
        reason = AdjustmentReason.CORRECTION
        with self._shelves.lock:  # nobody counts between the paper and the shelf
            adjust(self._hub, sku, WAREHOUSE.code, units, reason=reason, document=event.invoice)
            moved = self._shelves.correct((sku, WAREHOUSE.code), units)
        self.corrections.append((event.at, sku, moved))
        self.figures["adjustments"] += 1

    def _buy(self, event: Event, name: str, point: str, lines: Sequence[BasketLine]) -> Purchase | None:
        """None: nothing of it was on the shelf of that store."""
        shopper = make_shopper(random.Random(f"shopper {event.customer or event.invoice}"), 0)
        if name != TILLS:
            return self._world.buy(name, lines, shopper, point)
        [place] = self._world.points_of(name, point)
        with self._shelves.lock:
            in_hand: list[BasketLine] = []
            for line in lines:
                units = min(line.units, self._shelves.free((line.sku, place)))
                self.not_found["units a till did not find"] += line.units - units
                if units:
                    in_hand.append(BasketLine(line.sku, units))
            if not in_hand:
                return None
            purchase = self._world.buy(name, in_hand, shopper, point)
            for line in purchase.lines:
                self._shelves.move((line.sku, place), -line.units)
            return purchase

    def _take_in(self, lines: Sequence[BasketLine], name: str, point: str) -> None:
        place = self._world.points_of(name, point)[0]
        for line in lines:
            self._shelves.move((line.sku, place), line.units)

    def _take_back(self, event: Event, lines: Sequence[BasketLine]) -> None:
        """What had been sold here is canceled if it has not left, else it comes back; the rest was never sold."""
        name, point, order_id, units = self._sold.get(event.of or "", ("", "", "", Counter()))
        sold: list[BasketLine] = []
        for line in lines:
            taken = min(line.units, units[line.sku])
            if taken:
                units[line.sku] -= taken
                sold.append(BasketLine(line.sku, taken))
            self.figures["taken back"] += taken
            self.figures["taken back unsold"] += line.units - taken
        if not sold:
            return
        with self._shelves.lock:
            before = len(self._world.come_backs)
            never_sent = self._world.take_back(name, order_id, sold, point)
            for back in self._world.come_backs[before:]:
                if back.kind == "returned":
                    self._take_in(back.lines, back.account, back.stock_point)
        self.figures["taken back"] -= never_sent
        self.figures["taken back unsold"] += never_sent

    def _channel_of(self, event: Event) -> tuple[str, str]:
        """Chosen by customer and country, by the invoice where the customer is blank."""
        key = f"{event.customer}|{event.country}" if event.customer else event.invoice
        number = _number_of(key)
        names = sorted(self._world.accounts)
        points = list(self._world.accounts[names[number % len(names)]].stock_points)
        return names[number % len(names)], points[number // len(names) % len(points)]

    def _till_of(self, event: Event) -> str:
        points = list(self._world.accounts[TILLS].stock_points)
        return points[_number_of(event.invoice) % len(points)]


def _number_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
