"""An emulated Mirakl marketplace, as one shop on it sees it.

Shoppers take units off the offer's quantity when the order is placed. What a refusal, a cancelation or a refund before
shipment leaves undelivered goes back on it: the seller contract is silent there, and this is the declared assumption
of the connector. Goods that come back after shipment do not: the seller sets the number.

An import lands `import_seconds` after its upload and overwrites whatever shoppers did meanwhile. An accepted order is
debited `debit_seconds` later, by itself; before that its address is hidden.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

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
from simulation.platforms import mirakl_api
from simulation.platforms.mirakl_orders import (
    BEFORE_SHIPMENT,
    CENT,
    GoodsBack,
    Line,
    Offer,
    Order,
    State,
    StockImport,
    Withdrawn,
)

STOCK_POINT = "account"
FIRST_OFFER_ID = 2001
SHIPPING_PRICE = Decimal("4.90")
MAX_QUANTITY = 1_000_000_000


class MiraklEmulator:
    """One shop on one marketplace.

    `ceilings` are the least seconds between two calls of an operation; a partner's OR11 has a longer one. A stock file
    with one of `refuses_files_with`, by sku, is refused whole.
    """

    platform = "mirakl"

    def __init__(
        self,
        *,
        api_key: str = "mirakl-key",
        shop_id: int = 2000,
        is_external_partner: bool = False,
        import_seconds: float = 20.0,
        debit_seconds: float = 30.0,
    ) -> None:
        self.api_key = api_key
        self.shop_id = shop_id
        self.ceilings = {
            "STO01": 60.0,
            "STO02": 15.0,
            "STO03": 60.0,
            "OR11": 900.0 if is_external_partner else 60.0,
            "RT11": 300.0,
        }
        self.last_calls: dict[str, datetime] = {}
        self.calls: Counter[str] = Counter()
        self.offers: dict[str, Offer] = {}
        self.orders: dict[str, Order] = {}
        self.imports: dict[str, StockImport] = {}
        self.returns: list[GoodsBack] = []
        self.refuses_files_with: set[str] = set()
        self._import_time = timedelta(seconds=import_seconds)
        self._debit_time = timedelta(seconds=debit_seconds)
        self._shelf_log: list[ShelfChange] = []
        self._numbers = 1000

    @property
    def shelf_log(self) -> Sequence[ShelfChange]:
        return self._shelf_log

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        self.advance(now)
        return mirakl_api.answer(self, request, now)

    def load(self, catalogue: Sequence[CatalogueEntry], stock_points: Sequence[str], now: datetime) -> None:
        if list(stock_points) != [STOCK_POINT]:
            raise ValueError(f"a Mirakl account has the one stock point {STOCK_POINT!r}")
        for entry in catalogue:
            self.offers[entry.sku] = Offer(FIRST_OFFER_ID + len(self.offers), entry)
            self._show(self.offers[entry.sku], 0, ShelfCause.LOADED, now)

    def set_shelf(self, sku: str, stock_point: str, units: int, now: datetime) -> None:
        _only_account(stock_point)
        self._show(self.offers[sku], units, ShelfCause.EDITED, now)

    def shelf(self) -> Mapping[tuple[str, str], int]:
        return {(sku, STOCK_POINT): offer.quantity for sku, offer in self.offers.items()}

    def buy(self, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str, now: datetime) -> Purchase:
        _only_account(stock_point)
        self.advance(now)
        sold: list[BasketLine] = []
        refused: list[BasketLine] = []
        for wanted in basket:
            offer = self.offers[wanted.sku]
            taken = min(wanted.units, offer.quantity)
            if taken:
                sold.append(BasketLine(wanted.sku, taken))
                self._show(offer, offer.quantity - taken, ShelfCause.SOLD, now)
            if taken < wanted.units:
                refused.append(BasketLine(wanted.sku, wanted.units - taken))
        order = self._placed(sold, shopper, now) if sold else None
        return Purchase(order.order_id if order else None, now, stock_point, tuple(sold), tuple(refused))

    def cancel(self, order_id: str, lines: Sequence[BasketLine], now: datetime) -> bool:
        self.advance(now)
        order = self.orders[order_id]
        if order.state not in BEFORE_SHIPMENT:
            return False
        wanted = {line.sku: line.units for line in lines}
        open_lines = [line for line in order.lines if line.units_to_ship]
        units = {
            line.line_id: wanted.pop(line.offer.entry.sku, 0) if lines else line.units_to_ship for line in open_lines
        }
        if wanted or any(units[line.line_id] > line.units_to_ship for line in open_lines):
            return False
        for line in open_lines:
            if units[line.line_id]:
                share = Decimal(units[line.line_id]) / line.units_to_ship
                self.withdraw(order, line, units[line.line_id], share, now)
        order.settle(now)
        return True

    def give_back(self, order_id: str | None, lines: Sequence[BasketLine], stock_point: str, now: datetime) -> str:
        _only_account(stock_point)
        if order_id is None:
            raise ValueError("a marketplace knows no return without an order")
        self.advance(now)
        order = self.orders[order_id]
        by_sku = {line.offer.entry.sku: line for line in order.lines if line.shipped_at}
        for wanted in lines:
            # A line that the seller refused, or that was canceled, stays behind when the others leave.
            if wanted.sku not in by_sku or wanted.units > by_sku[wanted.sku].units_to_ship:
                raise NeverLeftError(f"{wanted.units} units of {wanted.sku!r} of order {order_id!r} have not left")
        back = [(by_sku[line.sku], line.units) for line in lines] or [
            (one, one.units_to_ship) for one in by_sku.values()
        ]
        number = self.next_number()
        for line, units in back:
            amount = (line.unit_price * units).quantize(CENT)
            # The goods are told by the return; the refund moves their money, and its quantity is only a remark.
            line.refunds.append(Withdrawn(self.next_number(), now, 0, amount, Decimal(0), "17", is_out=False))
        order.touch(now, *(line for line, _ in back))
        return_id = f"00000000-0000-4000-8000-{number:012d}"
        self.returns.append(GoodsBack(return_id, order, now, back))
        return f"return:{return_id}"

    def due_webhooks(self, now: datetime) -> list[Delivery]:
        return []

    def delivered(self, delivery_id: str, status: int, now: datetime) -> None:
        raise ValueError("Mirakl sends sellers nothing")

    def advance(self, now: datetime) -> None:
        due = [
            (one.received_at + self._import_time, one)
            for one in self.imports.values()
            if one.status in ("WAITING", "RUNNING")
        ]
        for at, stock_import in sorted(due, key=lambda one: one[0]):
            if at <= now:
                self._land(stock_import, at)
            elif at - self._import_time / 2 <= now:
                stock_import.status = "RUNNING"
        for order in self.orders.values():
            if order.accepted_at is None:
                continue
            if order.state is State.WAITING_DEBIT and order.accepted_at + self._debit_time / 2 <= now:
                order.advance(State.WAITING_DEBIT_PAYMENT, order.accepted_at + self._debit_time / 2)
            if order.state is State.WAITING_DEBIT_PAYMENT and order.accepted_at + self._debit_time <= now:
                order.advance(State.SHIPPING, order.accepted_at + self._debit_time)

    def shipped(self) -> Mapping[str, int]:
        return {
            order.order_id: sum(line.units_to_ship for line in order.lines if line.shipped_at)
            for order in self.orders.values()
            if any(line.shipped_at for line in order.lines)
        }

    def requests_by_operation(self) -> Mapping[str, int]:
        return dict(self.calls)

    def next_number(self) -> int:
        """A fresh number for orders, cancelations, refunds, imports and returns."""
        self._numbers += 1
        return self._numbers

    def decide(self, order: Order, accepted: Mapping[str, bool], now: datetime) -> None:
        """The seller accepts or refuses every line; refused units go back on the shelf.

        What the customer has canceled before lies there already.
        """
        for line in order.lines:
            if line.state is not State.WAITING_ACCEPTANCE:
                continue
            if accepted[line.line_id]:
                line.state = State.WAITING_DEBIT
            else:
                units = line.units_to_ship
                line.state = State.REFUSED
                self._restock(line, units, now)
        order.state = State.WAITING_DEBIT
        order.accepted_at = now
        order.touch(now, *order.lines)
        order.settle(now)

    def withdraw(self, order: Order, line: Line, units: int, share: Decimal, now: datetime) -> Withdrawn:
        """Cancels units, with that share of what the line still costs."""
        amount = (line.price * share).quantize(CENT, ROUND_HALF_UP)
        shipping = (line.shipping_price * share).quantize(CENT, ROUND_HALF_UP)
        one = Withdrawn(self.next_number(), now, units, amount, shipping, "16")
        self.cancel_units(order, line, one)
        return one

    def cancel_units(self, order: Order, line: Line, one: Withdrawn) -> None:
        """Books a cancelation: its amounts leave the line, its units go back on the shelf."""
        line.cancelations.append(one)
        line.price -= one.amount
        line.shipping_price -= one.shipping_amount
        self._restock(line, one.units, one.at)
        order.touch(one.at, line)

    def refund_units(self, order: Order, line: Line, one: Withdrawn) -> None:
        """Books a refund; units that were still to be shipped go back on the shelf where they are taken out."""
        line.refunds.append(one)
        if one.is_out:
            self._restock(line, one.units, one.at)
        order.touch(one.at, line)

    def _placed(self, sold: Sequence[BasketLine], shopper: Shopper, now: datetime) -> Order:
        commercial_id = f"MK{self.next_number():06d}"
        order_id = f"{commercial_id}-A"
        lines = [
            Line(
                line_id=f"{order_id}-{index}",
                offer=(offer := self.offers[part.sku]),
                units=part.units,
                unit_price=offer.entry.price,
                price=offer.entry.price * part.units,
                shipping_price=SHIPPING_PRICE if index == 1 else Decimal(0),
                state=State.WAITING_ACCEPTANCE,
                updated_at=now,
            )
            for index, part in enumerate(sold, start=1)
        ]
        self.orders[order_id] = Order(order_id, commercial_id, shopper, now, now, lines)
        return self.orders[order_id]

    def _land(self, stock_import: StockImport, at: datetime) -> None:
        if stock_import.rows is None:
            stock_import.status = "FAILED"
            return
        for number, row in enumerate(stock_import.rows, start=2):
            sku, quantity = row[0], row[1] if len(row) > 1 else ""
            offer = self.offers.get(sku)
            if offer is None:
                stock_import.errors.append((number, "The offer-sku does not exist", row))
            elif not quantity.isascii() or not quantity.isdigit() or int(quantity) > MAX_QUANTITY:
                stock_import.errors.append((number, "The quantity is not valid", row))
            else:
                self._show(offer, int(quantity), ShelfCause.WRITTEN, at)
        stock_import.status = "COMPLETE"

    def _restock(self, line: Line, units: int, at: datetime) -> None:
        if units:
            self._show(line.offer, line.offer.quantity + units, ShelfCause.CANCELED, at)

    def _show(self, offer: Offer, units: int, cause: ShelfCause, at: datetime) -> None:
        offer.quantity = units
        self._shelf_log.append(ShelfChange(at, offer.entry.sku, STOCK_POINT, units, cause))


def _only_account(stock_point: str) -> None:
    if stock_point != STOCK_POINT:
        raise ValueError(f"a Mirakl account has no stock point {stock_point!r}")
