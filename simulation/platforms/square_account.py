"""The emulated seller: what the shop floor and the API of one Square account share."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from simulation.platform import ShelfCause, ShelfChange
from simulation.platforms.square_book import InventoryBook, Key, Wire, stamp
from simulation.platforms.square_events import EventOffice

MOST_LAG = timedelta(milliseconds=500)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Variation:
    """A sellable thing; `price` in the currency's smallest unit."""

    id: str
    sku: str
    item: str
    name: str
    price: int


class Account:
    """One seller: places, catalogue, numbers, orders, events. Money is in euros, with 20 % tax inside."""

    currency = "EUR"
    country = "FR"

    def __init__(self, merchant_id: str, signature_key: str, lag_seed: int | None = None) -> None:
        self.merchant_id = merchant_id
        self._lag_seed = lag_seed
        self._stamped = 0
        self._made = 0
        self.locations: dict[str, Wire] = {}
        self.items: list[Wire] = []
        self.variations: dict[str, Variation] = {}
        self.by_sku: dict[str, Variation] = {}
        self.orders: dict[str, Wire] = {}
        self._updated_at: dict[str, datetime] = {}
        self.shelf_log: list[ShelfChange] = []
        self.events = EventOffice(merchant_id, signature_key, self.new_id)
        self.book = InventoryBook(self.new_id, self._number_changed, self.written_at)

    def new_id(self, kind: str) -> str:
        """An id in Square's form: 24 capitals and digits, the same in every run."""
        self._made += 1
        digest = hashlib.sha256(f"{self.merchant_id}/{kind}/{self._made}".encode()).digest()
        return base64.b32encode(digest).decode()[:24]

    def written_at(self, now: datetime) -> datetime:
        """What a row says of when it was written: orders and counts have servers of their own."""
        if self._lag_seed is None:
            return now
        self._stamped += 1
        digest = hashlib.sha256(f"{self._lag_seed}/{self._stamped}".encode()).digest()
        return now - MOST_LAG * (digest[0] / 256)

    def rung_up_at(self, now: datetime) -> datetime:
        """When the till took the money of a sale that the servers hear of at `now`."""
        return now if self._lag_seed is None else now - MOST_LAG

    def money(self, amount: int) -> Wire:
        """An amount in the smallest unit."""
        return {"amount": amount, "currency": self.currency}

    def save(self, order: Wire, now: datetime) -> None:
        """Stores an order's new form; those with a version get the next one."""
        order["updated_at"] = stamp(max(self.written_at(now), self._updated_at.get(order["id"], _LONG_AGO)))
        self._updated_at[order["id"]] = datetime.fromisoformat(order["updated_at"])
        is_new = order["id"] not in self.orders
        self.orders[order["id"]] = order
        if "version" not in order:
            return
        order["version"] += 0 if is_new else 1
        kind = "created" if is_new else "updated"
        told = {name: order[name] for name in ("version", "location_id", "state", "created_at")}
        told |= {"order_id": order["id"]} | ({} if is_new else {"updated_at": order["updated_at"]})
        data = {"type": f"order_{kind}", "id": order["id"], "object": {f"order_{kind}": told}}
        self.events.publish(f"order.{kind}", data, now)

    def moment_of(self, order: Wire, field: str) -> datetime | None:
        """One of an order's times, as it is written."""
        if field == "updated_at":
            return self._updated_at[order["id"]]
        return datetime.fromisoformat(order[field]) if field in order else None

    def _number_changed(self, key: Key, units: Decimal, cause: ShelfCause, now: datetime) -> None:
        variation = self.variations[key[0]]
        self.shelf_log.append(ShelfChange(now, variation.sku, key[1], int(units), cause))
        counts = {"inventory_counts": [self.book.wire_count(key)]}
        data = {"type": "inventory_counts", "id": self.new_id("counts"), "object": counts}
        self.events.publish("inventory.count.updated", data, now)
