"""Orders as one document each: an order's customer, address, states, refunds and rows lie in eight resources.

They are read a page at a time, filtered by the ids of the page. Only the fields that the mapping reads are kept: a full
order holds a secure key, a full customer a password hash, and neither may leave this module.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import ContractError
from connectors.prestashop_webservice import Row, Webservice, ids_of
from mappings.prestashop import ORDER
from schemas.documents import Heard, RawDocument

PAGE = 50
"""Orders in one page: nine calls read them whole."""

_ORDER = [
    "id",
    "reference",
    "current_state",
    "id_shop",
    "date_add",
    "date_upd",
    "total_paid",
    "total_paid_tax_incl",
    "total_paid_tax_excl",
    "total_products_wt",
    "total_shipping_tax_incl",
    "total_discounts_tax_incl",
    "total_wrapping_tax_incl",
]
_ROW = [
    "id",
    "product_id",
    "product_attribute_id",
    "product_quantity",
    "product_name",
    "product_reference",
    "unit_price_tax_incl",
    "unit_price_tax_excl",
]
_DETAIL = [
    "id",
    "id_order",
    "product_quantity_refunded",
    "product_quantity_return",
    "product_quantity_reinjected",
    "total_price_tax_incl",
    "total_price_tax_excl",
]
_SLIP = ["id", "date_add", "date_upd", "total_products_tax_incl", "total_shipping_tax_incl"]
_SLIP_LINE = ["id_order_detail", "product_quantity"]
_CUSTOMER = ["id", "firstname", "lastname", "email"]
_ADDRESS = ["id", "id_country", "company", "address1", "address2", "postcode", "city", "phone", "phone_mobile"]
_STATE = ["id", "paid", "logable", "shipped", "deleted"]

_FAR_ENOUGH = timedelta(hours=3)
_STEP = timedelta(minutes=15)


def first_local(since: datetime, zone: ZoneInfo) -> str:
    """The earliest wall clock that the shop can show at or after `since`.

    Where the clock is set back within the next hours, times after the change look earlier than `since` does.
    """
    moments = [since.astimezone(UTC) + step * _STEP for step in range(_FAR_ENOUGH // _STEP + 1)]
    offsets = [moment.astimezone(zone).utcoffset() or timedelta() for moment in moments]
    return (since.astimezone(UTC) + min(offsets)).strftime("%Y-%m-%d %H:%M:%S")


def earliest_utc(local: str, zone: ZoneInfo) -> datetime:
    """The earliest moment at which the shop's clock shows `local`.

    Raises:
        ContractError: it is not a time as the shop writes them.
    """
    try:
        naive = datetime.strptime(local, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  # the shop writes no zone
    except ValueError as error:
        raise ContractError(f"PrestaShop wrote {local!r} where a date_upd was expected") from error
    return min(naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


class Orders:
    """Reads orders of one shop; states, countries and currencies are kept while the connection lasts."""

    def __init__(
        self,
        webservice: Webservice,
        shop: int,
        roles: Mapping[str, int],
        stock_point: str,
        *,
        pickup_carriers: Collection[int] = (),
    ) -> None:
        self._webservice = webservice
        self._shop = {"id_shop": f"[{shop}]"}
        self._id_shop = shop
        self._roles = dict(roles)
        self._stock_point = stock_point
        self._pickup_carriers = frozenset(pickup_carriers)
        self._states: dict[int, Row] = {}
        self._countries: dict[int, str] = {}
        self._currencies: dict[int, str] = {}

    def changed(self, since: str) -> Iterator[list[Row]]:
        """Full orders by ascending `date_upd`, page by page."""
        for page in self._webservice.changes("orders", self._shop, since, page_size=PAGE):
            yield [row for row in page if self.is_ours(row)]

    def with_new_slips(self, since: str) -> Iterator[list[Row]]:
        """Orders that got a credit slip: it does not move the order's own `date_upd`."""
        for page in self._webservice.changes("order_slip", {}, since, display="[id,id_order,date_upd]", page_size=PAGE):
            found = self._webservice.rows_of("orders", "id", ids_of(page, "id_order"), filters=self._shop)
            yield [row for row in found if self.is_ours(row)]

    def is_ours(self, row: Row) -> bool:
        """The filter is always sent, and still believed only as far as the rows say."""
        return int(row.get("id_shop") or 0) == self._id_shop

    def state(self, state: int) -> Row | None:
        """One of the shop's order states; read again when an unknown one turns up, for modules add some."""
        if state not in self._states:
            rows = self._webservice.rows("order_states", {}, display=f"[{','.join(_STATE)}]")
            self._states = {int(row["id"]): _only(row, _STATE) for row in rows}
        return self._states.get(state)

    def shipped_states(self) -> list[int]:
        """States that say that the goods have left, lowest id first."""
        self.state(0)
        return sorted(
            state
            for state, row in self._states.items()
            if int(row.get("shipped") or 0) and not int(row.get("deleted") or 0)
        )

    def documents(self, orders: Sequence[Row], read_at: datetime) -> tuple[RawDocument, ...]:
        """Joins everything that belongs to these orders."""
        ids = ids_of(orders, "id")
        histories = self._by_order("order_histories", ids, ["id", "id_order", "id_order_state", "date_add"])
        # slips before details: a slip that is read has its units in the details read after it
        slips = self._by_order("order_slip", ids, None)
        details = self._by_order("order_details", ids, _DETAIL)
        customers = self._by_id("customers", ids_of(orders, "id_customer"), _CUSTOMER)
        addresses = self._by_id("addresses", ids_of(orders, "id_address_delivery"), _ADDRESS)
        self._learn(self._countries, "countries", ids_of(list(addresses.values()), "id_country"))
        self._learn(self._currencies, "currencies", ids_of(orders, "id_currency"))
        documents = []
        for order in orders:
            number = int(order["id"])
            address = addresses.get(int(order.get("id_address_delivery") or 0))
            visited = histories.get(number, [])
            named = {int(order.get("current_state") or 0), *ids_of(visited, "id_order_state")}
            parts = {
                "stock_point": self._stock_point,
                # Only where it is so: what a shop without pickups wrote is read again as the same event.
                **({"is_pickup": True} if int(order.get("id_carrier") or 0) in self._pickup_carriers else {}),
                "roles": self._roles,
                "currency": self._currencies.get(int(order.get("id_currency") or 0), ""),
                "country": self._countries.get(int(address.get("id_country") or 0)) if address else None,
                "order": {**_only(order, _ORDER), "rows": _inner(order, "order_rows", _ROW)},
                "states": [state for state in map(self.state, sorted(named)) if state is not None],
                "histories": visited,
                "details": details.get(number, []),
                "slips": [
                    {**_only(slip, _SLIP), "lines": _inner(slip, "order_slip_details", _SLIP_LINE)}
                    for slip in slips.get(number, [])
                ],
                "customer": customers.get(int(order.get("id_customer") or 0)),
                "address": address,
            }
            documents.append(document(ORDER, str(number), str(order.get("date_upd")), parts, read_at=read_at))
        return tuple(documents)

    def _by_order(self, resource: str, orders: set[int], fields: Sequence[str] | None) -> dict[int, list[Row]]:
        """Rows of these orders; `fields` None: whole, because only whole rows show their associations."""
        display = f"[{','.join(fields)}]" if fields else "full"
        grouped: dict[int, list[Row]] = {}
        for row in self._webservice.rows_of(resource, "id_order", orders, display=display):
            grouped.setdefault(int(row["id_order"]), []).append(row if fields is None else _only(row, fields))
        return grouped

    def _by_id(self, resource: str, ids: set[int], fields: Sequence[str]) -> dict[int, Row]:
        rows = self._webservice.rows_of(resource, "id", ids, display=f"[{','.join(fields)}]")
        return {int(row["id"]): _only(row, fields) for row in rows}

    def _learn(self, known: dict[int, str], resource: str, ids: set[int]) -> None:
        for row in self._webservice.rows_of(resource, "id", ids - known.keys(), display="[id,iso_code]"):
            known[int(row["id"])] = str(row.get("iso_code") or "")


def document(
    topic: str, document_id: str, version: str, parts: Mapping[str, Any], *, read_at: datetime | None = None
) -> RawDocument:
    """A composed document. Its event id tells its content, because a version is at best a second of shop time.

    `read_at` goes into the body, but not into the event id: what is read again unchanged is the same event.
    """
    content = json.dumps(parts, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    body = {**parts, "read_at": read_at.isoformat()} if read_at else dict(parts)
    return RawDocument(
        topic=topic,
        document_id=document_id,
        event_id=f"{topic}:{document_id}:{version}:{digest}",
        body=json.dumps(body, separators=(",", ":")).encode(),
        heard=Heard.POLL,
    )


def _only(row: Row, fields: Sequence[str]) -> Row:
    return {name: row[name] for name in fields if name in row}


def _inner(row: Row, association: str, fields: Sequence[str]) -> list[Row]:
    inner = (row.get("associations") or {}).get(association) or []
    return [_only(entry, fields) for entry in inner]
