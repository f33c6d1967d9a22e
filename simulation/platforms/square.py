"""An emulated Square account: tills in several places, their tickets and counts, and the API that the hub sees.

What it keeps to: units leave a count when an order is paid in full, never before and never again; a return tells the
money in an order and the goods in adjustments, of which only the one into IN_STOCK puts them back on sale; a number is
the last physical count and what occurred after it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from connectors.transport import HttpRequest, HttpResponse
from simulation.platform import BasketLine, CatalogueEntry, Delivery, Purchase, ShelfCause, ShelfChange, Shopper
from simulation.platforms import square_tickets as tickets
from simulation.platforms.square_account import Account, Variation
from simulation.platforms.square_api import SquareApi
from simulation.platforms.square_book import Wire, stamp

ACCESS_TOKEN = "emulated-square-token"  # noqa: S105 - opens nothing but the emulator
SIGNATURE_KEY = "emulated-square-signature-key"


class SquareEmulator:
    """One seller.

    Args:
        access_token: the token that the API takes.
        signature_key: signs the webhooks of every subscription.
        page_limit: rows of a page at most, below what the API allows, so that paging is seen.
        lag_seed: rows are stamped up to half a second before they are seen, orders and counts each on their own, and
            sales are rung up before both. None: everything is stamped at once.
    """

    platform = "square"

    def __init__(
        self,
        *,
        access_token: str = ACCESS_TOKEN,
        signature_key: str = SIGNATURE_KEY,
        page_limit: int = 1000,
        lag_seed: int | None = None,
    ) -> None:
        self._account = Account("MLEMULATED001", signature_key, lag_seed)
        self._returned: Counter[str] = Counter()
        self._api = SquareApi(self._account, access_token, page_limit)

    @property
    def shelf_log(self) -> Sequence[ShelfChange]:
        return self._account.shelf_log

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        return self._api.handle(request, now)

    def requests_by_operation(self) -> Mapping[str, int]:
        return dict(self._api.calls)

    def due_webhooks(self, now: datetime) -> list[Delivery]:
        return self._account.events.due(now)

    def delivered(self, delivery_id: str, status: int, now: datetime) -> None:
        self._account.events.delivered(delivery_id, status)

    def advance(self, now: datetime) -> None:
        """Square does nothing by itself while time passes."""

    def load(self, catalogue: Sequence[CatalogueEntry], stock_points: Sequence[str], now: datetime) -> None:
        """Fills the account; entries of one parent become the variations of one item."""
        account = self._account
        for number, point in enumerate(stock_points, start=1):
            account.locations[point] = _location(account, point, f"Store {number}", now)
        families: dict[str, list[CatalogueEntry]] = {}
        for entry in catalogue:
            families.setdefault(entry.parent or f"\n{entry.sku}", []).append(entry)
        for family in families.values():
            account.items.append(self._item(family, now))
        for variation in account.variations.values():
            for point in stock_points:
                account.book.open((variation.id, point), now)
                account.shelf_log.append(ShelfChange(now, variation.sku, point, 0, ShelfCause.LOADED))

    def _item(self, family: Sequence[CatalogueEntry], now: datetime) -> Wire:
        account = self._account
        item_id, title = account.new_id("item"), family[0].title
        made = []
        for entry in family:
            name = ", ".join(entry.options.values()) or "Regular"
            variation = Variation(account.new_id("variation"), entry.sku, title, name, int(entry.price * 100))
            account.variations[variation.id] = account.by_sku[entry.sku] = variation
            made.append(_variation(account, variation, item_id, entry.gtin, now))
        item = {"name": title, "product_type": "REGULAR", "variations": made}
        return {"type": "ITEM", "id": item_id, "updated_at": stamp(now), "version": 1, "item_data": item}

    def shelf(self) -> Mapping[tuple[str, str], int]:
        names = self._account.variations
        return {(names[key[0]].sku, key[1]): int(units) for key, units in self._account.book.numbers().items()}

    def set_shelf(self, sku: str, stock_point: str, units: int, now: datetime) -> None:
        """Somebody sets the number in the dashboard, which Square keeps as a physical count."""
        self._count(sku, stock_point, Decimal(units), now, "DASHBOARD")

    def recount(self, sku: str, stock_point: str, units: int | Decimal, now: datetime) -> None:
        """The staff count what is on the shelf, at the till."""
        self._count(sku, stock_point, Decimal(units), now, "SQUARE_POS")

    def _count(self, sku: str, stock_point: str, units: Decimal, now: datetime, product: str) -> None:
        key = (self._account.by_sku[sku].id, stock_point)
        source = {"product": product, "name": "Square"}
        self._account.book.count(key, units, ShelfCause.EDITED, now, occurred_at=now, extra={"source": source})

    def waste(self, sku: str, stock_point: str, units: int, now: datetime) -> str:
        """Units are lost or damaged; answers the adjustment's id."""
        return self._adjust(sku, stock_point, units, ("IN_STOCK", "WASTE"), now)

    def receive(self, sku: str, stock_point: str, units: int, now: datetime) -> str:
        """A delivery arrives at the store; answers the adjustment's id."""
        return self._adjust(sku, stock_point, units, ("NONE", "IN_STOCK"), now)

    def _adjust(self, sku: str, stock_point: str, units: int, states: tuple[str, str], now: datetime) -> str:
        key = (self._account.by_sku[sku].id, stock_point)
        change = self._account.book.move(key, Decimal(units), states, ShelfCause.EDITED, now)
        return str(change["adjustment"]["id"])

    def buy(self, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str, now: datetime) -> Purchase:
        """A ticket is rung up and paid at the till; nobody asks the buyer's name."""
        return self._sell(basket, stock_point, now, sold_at=now)

    def sell_offline(
        self, basket: Sequence[BasketLine], stock_point: str, sold_at: datetime, now: datetime
    ) -> Purchase:
        """A till that had no line sends a ticket of `sold_at` only now."""
        return self._sell(basket, stock_point, now, sold_at=sold_at)

    def _sell(self, basket: Sequence[BasketLine], point: str, now: datetime, *, sold_at: datetime) -> Purchase:
        taken, refused = self._on_shelf(basket, point)
        if not taken:
            return Purchase(None, now, point, (), refused)
        order = tickets.ticket(self._account, taken, point, self._account.rung_up_at(sold_at))
        self._pay(order, now, sold_at=sold_at)
        return Purchase(order["id"], now, point, taken, refused)

    def _on_shelf(
        self, basket: Sequence[BasketLine], point: str
    ) -> tuple[tuple[BasketLine, ...], tuple[BasketLine, ...]]:
        """What of a basket is there, and what is not."""
        left: dict[str, int] = {}
        taken, refused = [], []
        for line in basket:
            here = left.setdefault(
                line.sku, max(0, int(self._account.book.units((self._account.by_sku[line.sku].id, point))))
            )
            units = min(line.units, here)
            left[line.sku] -= units
            if units:
                taken.append(BasketLine(line.sku, units))
            if units < line.units:
                refused.append(BasketLine(line.sku, line.units - units))
        return tuple(taken), tuple(refused)

    def open_ticket(self, basket: Sequence[BasketLine], stock_point: str, now: datetime) -> str:
        """A ticket is opened and not yet paid: no unit leaves the count. Answers its id."""
        order = tickets.ticket(self._account, basket, stock_point, now)
        self._account.save(order, now)
        return str(order["id"])

    def order_ahead(
        self, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str, now: datetime, *, kind: str = "PICKUP"
    ) -> str:
        """An order is paid online and fulfilled later (`kind`: PICKUP or SHIPMENT). Answers its id."""
        order = tickets.ticket(self._account, basket, stock_point, self._account.rung_up_at(now))
        order |= {
            "version": 1,
            "source": {"name": "Square Online"},
            "fulfillments": [tickets.fulfillment(self._account, kind, shopper)],
        }
        self._account.save(order, now)
        self._pay(order, now, sold_at=now)
        return str(order["id"])

    def pay(self, order_id: str, now: datetime) -> None:
        """An open ticket is paid."""
        self._pay(self._account.orders[order_id], now, sold_at=now)

    def _pay(self, order: Wire, now: datetime, *, sold_at: datetime) -> None:
        account = self._account
        paid = tickets.tender(account, order, account.rung_up_at(sold_at))
        order |= {"tenders": [paid], "net_amount_due_money": account.money(0)}
        if "fulfillments" not in order:
            order |= {"state": "COMPLETED", "closed_at": stamp(now)}
        account.save(order, now)
        for line in order["line_items"]:
            key = (line["catalog_object_id"], order["location_id"])
            more = {"transaction_id": order["id"], "total_price_money": line["total_money"], "occurred_at": sold_at}
            account.book.move(key, Decimal(line["quantity"]), ("IN_STOCK", "SOLD"), ShelfCause.SOLD, now, **more)
        account.events.publish("payment.created", tickets.payment_event(order, paid, now), now)

    def cancel(self, order_id: str, lines: Sequence[BasketLine], now: datetime) -> bool:
        """Takes units off a ticket that nobody has paid; a paid one is refunded instead."""
        order = self._account.orders[order_id]
        if order["state"] != "OPEN" or "tenders" in order:
            return False
        if not lines:
            order |= {"state": "CANCELED", "closed_at": stamp(now)}
            self._account.save(order, now)
            return True
        left = {line["uid"]: int(line["quantity"]) for line in order["line_items"]}
        skus = {line["uid"]: self._account.variations[line["catalog_object_id"]].sku for line in order["line_items"]}
        for line in lines:
            taken = _take(left, [uid for uid, sku in skus.items() if sku == line.sku], line.units)
            if taken is None:
                return False
        kept = [BasketLine(skus[uid], units) for uid, units in left.items() if units]
        if not kept:
            return self.cancel(order_id, (), now)
        smaller = tickets.ticket(self._account, kept, order["location_id"], now)
        uids = [uid for uid, units in left.items() if units]
        for line_wire, uid in zip(smaller["line_items"], uids, strict=True):
            line_wire["uid"] = uid
        self._account.save(smaller | {name: order[name] for name in ("id", "created_at")}, now)
        return True

    def give_back(
        self,
        order_id: str | None,
        lines: Sequence[BasketLine],
        stock_point: str,
        now: datetime,
        *,
        restock: bool = True,
    ) -> str:
        """Goods come back to a till; without a ticket it is an unlinked return. Answers the return's external id.

        `restock` False: they are refunded, and stay off the shelf.
        """
        account = self._account
        found = self._source_lines(order_id, lines)
        wire_lines = [tickets.return_line(account, variation, units, uid) for variation, units, uid in found]
        order = tickets.return_order(account, order_id, wire_lines, stock_point, now)
        account.save(order, now)
        for variation, units, _ in found:
            key, moved = (variation.id, stock_point), Decimal(units)
            origin = "UNLINKED_RETURN"
            if order_id is not None:
                origin = "RETURNED_BY_CUSTOMER"
                more = {"transaction_id": order_id, "refund_id": order["refunds"][0]["id"]}
                account.book.move(key, moved, ("SOLD", origin), ShelfCause.RETURNED, now, **more)
            if restock:
                account.book.move(key, moved, (origin, "IN_STOCK"), ShelfCause.RETURNED, now)
        account.events.publish("refund.created", tickets.refund_event(order, now), now)
        return f"{order['id']}:{order['returns'][0]['uid']}"

    def _source_lines(
        self, order_id: str | None, lines: Sequence[BasketLine]
    ) -> list[tuple[Variation, int, str | None]]:
        """Which units of which ticket lines come back: at most what was sold there and is not back yet."""
        account = self._account
        if order_id is None:
            return [(account.by_sku[line.sku], line.units, None) for line in lines]
        sold = account.orders[order_id]["line_items"]
        left = {line["uid"]: int(line["quantity"]) - self._returned[line["uid"]] for line in sold}
        found: list[tuple[Variation, int, str | None]] = []
        for line in lines:
            variation = account.by_sku[line.sku]
            uids = [wire["uid"] for wire in sold if wire["catalog_object_id"] == variation.id]
            taken = _take(left, uids, line.units)
            if taken is None:
                raise ValueError(f"{line.units} units of {line.sku!r} cannot come back for order {order_id!r}")
            found.extend((variation, units, uid) for uid, units in taken)
        self._returned.update({uid: units for _, units, uid in found if uid})
        return found

    def shipped(self) -> Mapping[str, int]:
        """Units of the orders that are completed: handed over, picked up, or sent."""
        return {
            order_id: sum(int(line["quantity"]) for line in order["line_items"])
            for order_id, order in self._account.orders.items()
            if order["state"] == "COMPLETED" and order.get("line_items")
        }


def _take(left: dict[str, int], uids: Sequence[str], units: int) -> list[tuple[str, int]] | None:
    """Takes units off the lines of `uids`; None, and nothing taken, when there are not as many."""
    if sum(left[uid] for uid in uids) < units:
        return None
    taken = []
    for uid in uids:
        part = min(units, left[uid])
        if part:
            left[uid] -= part
            units -= part
            taken.append((uid, part))
    return taken


def _location(account: Account, point: str, name: str, now: datetime) -> Wire:
    return {
        "id": point,
        "name": name,
        "timezone": "Europe/Paris",
        "capabilities": ["CREDIT_CARD_PROCESSING"],
        "status": "ACTIVE",
        "created_at": stamp(now),
        "merchant_id": account.merchant_id,
        "country": account.country,
        "currency": account.currency,
    }


def _variation(account: Account, variation: Variation, item_id: str, gtin: str | None, now: datetime) -> Wire:
    content: Wire = {
        "item_id": item_id,
        "name": variation.name,
        "sku": variation.sku,
        "pricing_type": "FIXED_PRICING",
        "price_money": account.money(variation.price),
        "track_inventory": True,
        "sellable": True,
        "stockable": True,
    }
    if gtin is not None:
        content["upc"] = gtin
    return {
        "type": "ITEM_VARIATION",
        "id": variation.id,
        "updated_at": stamp(now),
        "version": 1,
        "is_deleted": False,
        "present_at_all_locations": True,
        "item_variation_data": content,
    }
