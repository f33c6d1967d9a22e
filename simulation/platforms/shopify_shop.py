"""The inside of an emulated Shopify shop: what its own rules do to its state.

Every change of an order's stock goes through here, whoever asks for it: a shopper, somebody in the admin, or the hub.
`available` and `committed` are kept by (inventory item, location); an order moves units from one to the other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from simulation.platform import BasketLine, CatalogueEntry, ShelfCause, ShelfChange, Shopper
from simulation.platforms.shopify_model import (
    CENT,
    Fulfillment,
    FulfillmentOrder,
    Job,
    Level,
    Line,
    Order,
    Refund,
    RefundLine,
    Variant,
    whole_second,
)

CANCEL_JOB_SECONDS = 1.0
"""How long the job that cancels an order takes."""

Tell = Callable[[str, object, datetime], None]
"""Hears (topic, subject, time) of everything that a subscription may ask for."""


class Shop:
    """One shop's data."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last_id = 1000
        self.action = 0
        """Counts what happens in the shop: all that is told of one action is one event."""
        self.variants: dict[int, Variant] = {}
        self.by_sku: dict[str, Variant] = {}
        self.by_item: dict[int, Variant] = {}
        self.places: dict[int, str] = {}
        self.levels: dict[tuple[int, int], Level] = {}
        self.orders: dict[int, Order] = {}
        self.jobs: dict[str, Job] = {}
        self.done_jobs: set[str] = set()
        self.shelf_log: list[ShelfChange] = []
        self.opened_at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def load(self, catalogue: Sequence[CatalogueEntry], places: Sequence[int], now: datetime) -> None:
        self.opened_at = whole_second(now)
        self.places.update({place: f"Place {place}" for place in places})
        products: dict[str, int] = {}
        for entry in catalogue:
            product = products.setdefault(entry.parent or entry.sku, 0) or self.next_id()
            products[entry.parent or entry.sku] = product
            variant = Variant(
                self.next_id(), product, self.next_id(), entry, entry.parent or entry.title, self.opened_at
            )
            self.variants[variant.id] = variant
            self.by_sku[entry.sku] = variant
            self.by_item[variant.item] = variant
            for place in places:
                self.levels[variant.item, place] = Level(self.next_id(), variant.item, place, self.opened_at)
                self._log(variant, place, 0, ShelfCause.LOADED, now)

    # stock

    def set_available(self, item: int, place: int, units: int, now: datetime, *, cause: ShelfCause) -> None:
        self.action += 1
        level = self.levels[item, place]
        if level.available != units:
            self._change(level, units - level.available, 0, now, cause=cause)

    def _change(self, level: Level, available: int, committed: int, now: datetime, *, cause: ShelfCause) -> None:
        level.available += available
        level.committed += committed
        level.updated_at = whole_second(now)
        if available:
            self._log(self.by_item[level.item], level.place, level.available, cause, now)
            self._tell("inventory_levels/update", level, now)

    def _log(self, variant: Variant, place: int, units: int, cause: ShelfCause, now: datetime) -> None:
        self.shelf_log.append(ShelfChange(now, variant.entry.sku, f"gid://shopify/Location/{place}", units, cause))

    # orders

    def sell(
        self, basket: Sequence[BasketLine], shopper: Shopper, place: int, now: datetime, *, is_paid: bool
    ) -> Order:
        """Takes the units off `available` and commits them; the caller asks for no more than there is."""
        self.action += 1
        number = 1001 + len(self.orders)
        # Every fifth order bears a code of 10 %, shared out over its lines.
        share = Decimal("0.1") if number % 5 == 0 else Decimal(0)
        lines = [
            Line(
                self.next_id(),
                variant := self.by_sku[part.sku],
                part.units,
                (variant.entry.price * part.units * share).quantize(CENT, ROUND_HALF_UP),
            )
            for part in basket
        ]
        units = {line.id: line.units for line in lines}
        waiting = FulfillmentOrder(
            self.next_id(), place, {line.id: self.next_id() for line in lines}, dict(units), dict(units)
        )
        at = whole_second(now)
        order = Order(self.next_id(), number, at, at, shopper, place, lines, [waiting], is_paid=is_paid)
        self.orders[order.id] = order
        for line in lines:
            level = self.levels[line.variant.item, place]
            self._change(level, -line.units, line.units, now, cause=ShelfCause.SOLD)
        self._tell("orders/create", order, now)
        if is_paid:
            self._tell("orders/paid", order, now)
        return order

    def pay(self, order: Order, now: datetime) -> None:
        self.action += 1
        order.is_paid = True
        order.updated_at = whole_second(now)
        self._tell("orders/paid", order, now)
        self._tell("orders/updated", order, now)

    def fulfill(
        self, order: Order, takes: Mapping[int, Mapping[int, int]], tracking: Mapping[str, str | None], now: datetime
    ) -> Fulfillment:
        """Sends units, by fulfillment order and order line; the caller asks for no more than remains."""
        self.action += 1
        units: dict[int, int] = {}
        place = order.place
        for waiting in order.fulfillment_orders:
            for line, taken in takes.get(waiting.id, {}).items():
                place = waiting.place
                waiting.remaining[line] -= taken
                units[line] = units.get(line, 0) + taken
                self._change(self._level_of(order, line, place), 0, -taken, now, cause=ShelfCause.SOLD)
            _close_if_done(waiting)
        made = Fulfillment(
            self.next_id(),
            place,
            units,
            whole_second(now),
            tracking.get("number"),
            tracking.get("company"),
            tracking.get("url"),
        )
        order.fulfillments.append(made)
        self._tell("fulfillments/create", (order, made), now)
        self._touch(order, now)
        return made

    def refund(
        self,
        order: Order,
        wanted: Sequence[tuple[int, int, str, int | None]],
        amount: Decimal | None,
        now: datetime,
        *,
        cause: ShelfCause,
    ) -> Refund:
        """Refunds (line, units, restock type, place); `amount` None: what the lines cost, if they were paid.

        Units that are not restocked are taken from what left first, as Shopify does.
        """
        self.action += 1
        lines: list[RefundLine] = []
        for line, units, restock_type, place in wanted:
            item = RefundLine(self.next_id(), line, units, restock_type, place)
            item.amount = self._take_back(order, item, now, cause=cause)
            lines.append(item)
        if amount is None:
            amount = sum((line.amount for line in lines), Decimal(0)) if order.is_paid else Decimal(0)
        made = Refund(self.next_id(), whole_second(now), lines, amount)
        order.refunds.append(made)
        self._tell("refunds/create", (order, made), now)
        self._touch(order, now)
        return made

    def _take_back(self, order: Order, item: RefundLine, now: datetime, *, cause: ShelfCause) -> Decimal:
        """Moves the units of one refund line; answers what they cost."""
        bought = order.line(item.line)
        if bought is None:
            raise ValueError(f"order {order.id} has no line {item.line}")
        if item.restock_type == "RETURN":
            level = self.levels[bought.variant.item, item.place or order.place]
            self._change(level, item.units, 0, now, cause=cause)
        else:
            is_canceled = item.restock_type == "CANCEL"
            unsent = item.units if is_canceled else max(0, item.units - order.still_out(bought))
            self._drop(order, item.line, unsent, now, restock=is_canceled, cause=cause)
        return (bought.total / bought.units * item.units).quantize(CENT, ROUND_HALF_UP)

    def _drop(self, order: Order, line: int, units: int, now: datetime, *, restock: bool, cause: ShelfCause) -> None:
        """Takes unsent units out of the fulfillment orders; restocked ones are available again."""
        for waiting in order.fulfillment_orders:
            taken = min(units, waiting.remaining.get(line, 0))
            if taken:
                units -= taken
                waiting.remaining[line] -= taken
                level = self._level_of(order, line, waiting.place)
                self._change(level, taken if restock else 0, -taken, now, cause=cause)
                _close_if_done(waiting)

    def cancel(self, order: Order, now: datetime, *, restock: bool, refunds: bool) -> None:
        """Cancels the order: all unsent units are dropped, and refunded where it was paid."""
        order.cancelled_at = whole_second(now)
        restock_type = "CANCEL" if restock else "NO_RESTOCK"
        wanted = [
            (line.id, order.remaining(line.id), restock_type, order.place if restock else None)
            for line in order.lines
            if order.remaining(line.id)
        ]
        amount = order.total - order.refunded if refunds and order.is_paid else Decimal(0)
        if wanted:
            self.refund(order, wanted, amount, now, cause=ShelfCause.CANCELED)
        self._tell("orders/cancelled", order, now)
        self._touch(order, now)

    def start_cancel(self, order: Order, now: datetime, *, restock: bool, refunds: bool) -> Job:
        job = Job(
            f"gid://shopify/Job/{self.next_id()}",
            order.id,
            restock,
            refunds,
            now + timedelta(seconds=CANCEL_JOB_SECONDS),
        )
        self.jobs[job.id] = job
        return job

    def run_jobs(self, now: datetime) -> None:
        for job in [job for job in self.jobs.values() if job.due_at <= now]:
            del self.jobs[job.id]
            self.done_jobs.add(job.id)
            order = self.orders[job.order]
            if order.cancelled_at is None:
                self.cancel(order, now, restock=job.restock, refunds=job.refunds)

    def changed_since(self, since: datetime) -> list[Order]:
        """Orders changed at or after `since`, oldest change first."""
        found = [order for order in self.orders.values() if order.updated_at >= since]
        return sorted(found, key=lambda order: (order.updated_at, order.id))

    def _level_of(self, order: Order, line: int, place: int) -> Level:
        bought = order.line(line)
        if bought is None:
            raise ValueError(f"order {order.id} has no line {line}")
        return self.levels[bought.variant.item, place]

    def _touch(self, order: Order, now: datetime) -> None:
        order.updated_at = max(order.updated_at, whole_second(now))
        self._tell("orders/updated", order, now)

    def shelf(self) -> Iterator[tuple[tuple[str, str], int]]:
        for level in self.levels.values():
            sku = self.by_item[level.item].entry.sku
            yield (sku, f"gid://shopify/Location/{level.place}"), level.available


def _close_if_done(waiting: FulfillmentOrder) -> None:
    if not any(waiting.remaining.values()):
        waiting.status = "CLOSED"
