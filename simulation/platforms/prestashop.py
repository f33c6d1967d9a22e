"""An emulated PrestaShop 8.0.4: one web service key of one shop, and the shop floor behind it.

The front sells no more than a row shows, while API orders go below 0. Beside the loaded stock points there is a
neighboring shop on the same installation: its rows can be read and overwritten with our key, and it is not on the
shelf that this emulator reports. Dates are the shop's wall clock. There are no webhooks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import BasketLine, CatalogueEntry, Delivery, Purchase, ShelfCause, ShelfChange, Shopper
from simulation.platforms.prestashop_api import Key, WebserviceApi
from simulation.platforms.prestashop_rows import Row
from simulation.platforms.prestashop_shop import AWAITING_BANK_WIRE, CANCELED, PAID, WITHOUT_STOCK, Shop

KEY = "EMULATEDKEYEMULATEDKEYEMULATEDKE"
READ_ONLY_KEY = "READONLYKEYREADONLYKEYREADONLYKE"
NEIGHBOR = 99
NEIGHBORS_UNITS = 7
SHIPPING = Decimal("4.90")


class PrestaShopEmulator:
    """One account. `unpaid_every` n: each n-th order waits for a bank wire, which comes `wire_seconds` later.

    Stock points are shop ids ("1"), or "group-2" where shops of a group share one number.
    """

    platform = "prestashop"

    def __init__(self, *, time_zone: str = "Europe/Paris", unpaid_every: int = 0, wire_seconds: float = 3600.0) -> None:
        self.shop = Shop(ZoneInfo(time_zone), self._changed)
        self._unpaid_every = unpaid_every
        self._wire_after = timedelta(seconds=wire_seconds)
        self._wires: list[tuple[datetime, int]] = []
        self._ids: dict[str, tuple[int, int]] = {}
        self._skus: dict[tuple[int, int], str] = {}
        self._points: dict[tuple[int, int], str] = {}
        self._log: list[ShelfChange] = []
        self._operations: Counter[str] = Counter()
        self._api = WebserviceApi(self.shop, {})

    @property
    def shelf_log(self) -> Sequence[ShelfChange]:
        return self._log

    def _changed(self, row: Row, cause: ShelfCause, at: datetime) -> None:
        sku = self._skus.get((row["id_product"], row["id_product_attribute"]))
        point = self._points.get((row["id_shop"], row["id_shop_group"]))
        if sku is not None and point is not None:
            self._log.append(ShelfChange(at, sku, point, row["quantity"], cause))

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        resource = request.path.partition("?")[0].strip("/").split("/")[1:2]
        self._operations[f"{request.method} {''.join(resource)}"] += 1
        return self._api.handle(request, now)

    def load(self, catalogue: Sequence[CatalogueEntry], stock_points: Sequence[str], now: datetime) -> None:
        self._points = {_place(point): point for point in stock_points}
        shops = [shop for shop, _ in self._points if shop] or [1]
        groups = [group for _, group in self._points if group]
        self.shop.open_shops([*shops, NEIGHBOR], groups[0] if groups else None)
        key_shop = shops[0]
        self._api = WebserviceApi(self.shop, {KEY: Key(key_shop), READ_ONLY_KEY: Key(key_shop, may_write=False)})
        families: dict[str, list[CatalogueEntry]] = {}
        for entry in catalogue:
            name = f"parent {entry.parent}" if entry.parent is not None else f"sku {entry.sku}"
            families.setdefault(name, []).append(entry)
        places = [*self._points, (NEIGHBOR, 0)]
        for entries in families.values():
            self._ids.update(self.shop.add_product(entries, places, now))
        self._skus = {ids: sku for sku, ids in self._ids.items()}
        for sku in self._ids:
            self.shop.set_level(self.row_of(sku, str(NEIGHBOR)), NEIGHBORS_UNITS, ShelfCause.LOADED, now)

    def row_of(self, sku: str, stock_point: str) -> Row:
        """The stock row of a sku.

        Raises:
            KeyError: there is none.
        """
        row = self.shop.stock_row(*self._ids[sku], _place(stock_point)[0])
        if row is None:
            raise KeyError((sku, stock_point))
        return row

    def set_shelf(self, sku: str, stock_point: str, units: int, now: datetime) -> None:
        self.shop.set_level(self.row_of(sku, stock_point), units, ShelfCause.EDITED, now)

    def shelf(self) -> Mapping[tuple[str, str], int]:
        return {
            (sku, point): int(self.row_of(sku, point)["quantity"])
            for sku in self._ids
            for point in self._points.values()
        }

    def buy(self, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str, now: datetime) -> Purchase:
        wanted: dict[str, int] = {}
        for line in basket:
            wanted[line.sku] = wanted.get(line.sku, 0) + line.units
        sold, refused = [], []
        for sku, units in wanted.items():
            taken = max(0, min(units, self.row_of(sku, stock_point)["quantity"]))
            sold += [BasketLine(sku, taken)] if taken else []
            refused += [BasketLine(sku, units - taken)] if units > taken else []
        if not sold:
            return Purchase(None, now, stock_point, (), tuple(refused))
        shop = _place(stock_point)[0] or 1
        customer, address = self.shop.add_buyer(shopper, shop, now)
        owners = {"id_customer": customer["id"], "id_address_delivery": address["id"], "id_shop": shop}
        cart = self.shop.add_cart(
            {**owners, "id_address_invoice": address["id"]},
            [(*self._ids[line.sku], line.units) for line in sold],
            now,
        )
        number = self.shop.tables["orders"].last_id + 1
        waits = self._unpaid_every > 0 and number % self._unpaid_every == 0
        order = self.shop.place(cart, AWAITING_BANK_WIRE if waits else PAID, now, shipping=SHIPPING)
        if waits:
            self._wires.append((now + self._wire_after, order["id"]))
        return Purchase(str(order["id"]), now, stock_point, tuple(sold), tuple(refused))

    def cancel(self, order_id: str, lines: Sequence[BasketLine], now: datetime) -> bool:
        """The whole order goes to canceled; units of it are taken off its rows, as an edit in the back office does."""
        order = self.shop.tables["orders"].rows[int(order_id)]
        if order["id"] in self.shop.left or order["current_state"] in WITHOUT_STOCK:
            return False
        details = {
            self._skus[row["product_id"], row["product_attribute_id"]]: row for row in self.shop.details_of(order)
        }
        wanted = {line.sku: line.units for line in lines}
        if any(sku not in details or details[sku]["product_quantity"] < units for sku, units in wanted.items()):
            return False
        kept = sum(row["product_quantity"] - wanted.get(sku, 0) for sku, row in details.items())
        if not wanted or not kept:
            self.shop.change_state(order, CANCELED, now)
            return True
        for sku, units in wanted.items():
            self.shop.take_off(order, details[sku], units, now)
        return True

    def give_back(self, order_id: str | None, lines: Sequence[BasketLine], stock_point: str, now: datetime) -> str:
        """A product return with a credit slip; its goods go back on the shelf.

        Raises:
            ValueError: there is no order: PrestaShop knows no blind returns.
        """
        if order_id is None:
            raise ValueError("PrestaShop knows no return without an order")
        order = self.shop.tables["orders"].rows[int(order_id)]
        return str(self.shop.credit(order, self._units(order, lines), now, came_back=True, restock=True)["id"])

    def refund(self, order_id: str, lines: Sequence[BasketLine], now: datetime, *, restock: bool) -> str:
        """A refund with a credit slip; before delivery the core always puts the units back."""
        order = self.shop.tables["orders"].rows[int(order_id)]
        return str(self.shop.credit(order, self._units(order, lines), now, came_back=False, restock=restock)["id"])

    def _units(self, order: Row, lines: Sequence[BasketLine]) -> dict[int, int]:
        units = {self._ids[line.sku]: line.units for line in lines}
        return {
            row["id"]: units[row["product_id"], row["product_attribute_id"]]
            for row in self.shop.details_of(order)
            if (row["product_id"], row["product_attribute_id"]) in units
        }

    def due_webhooks(self, now: datetime) -> list[Delivery]:
        return []

    def delivered(self, delivery_id: str, status: int, now: datetime) -> None:
        """There is nothing to deliver."""

    def advance(self, now: datetime) -> None:
        due = [entry for entry in self._wires if entry[0] <= now]
        if not due:
            return
        self._wires = [entry for entry in self._wires if entry[0] > now]
        for at, number in due:
            order = self.shop.tables["orders"].rows[number]
            if order["current_state"] == AWAITING_BANK_WIRE:
                self.shop.change_state(order, PAID, at)

    def shipped(self) -> Mapping[str, int]:
        return {str(order): units for order, units in self.shop.left.items()}

    def requests_by_operation(self) -> Mapping[str, int]:
        return dict(self._operations)


def _place(stock_point: str) -> tuple[int, int]:
    """Shop and group of a stock point."""
    if stock_point.startswith("group-"):
        return 0, int(stock_point.removeprefix("group-"))
    return int(stock_point), 0
