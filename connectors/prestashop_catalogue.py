"""Listings and stock rows of one shop.

Products, combinations, option names and stock rows lie in five resources. `quantity` of products and combinations is
always 0 and never read.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from connectors.errors import ContractError
from connectors.prestashop_orders import document
from connectors.prestashop_webservice import Row, Webservice, ids_of
from mappings.prestashop import PRODUCT, STOCK
from schemas.documents import RawDocument

ROWS_IN_A_DOCUMENT = 500
PRODUCTS_IN_A_PAGE = 100

_STOCK = "[id,id_product,id_product_attribute,id_shop,id_shop_group,quantity]"


class Shelves:
    """The stock rows of one shop (or of the group that it shares its stock with), and of no other."""

    def __init__(self, webservice: Webservice, shop: int, group: int | None) -> None:
        self._webservice = webservice
        self._shop = shop if group is None else 0
        self._group = group or 0
        self._filters = {"id_shop": f"[{self._shop}]", "id_shop_group": f"[{self._group}]"}
        self._writable: set[str] = set()

    def has_rows(self) -> bool:
        """Whether the shop keeps any stock here."""
        rows = self._webservice.rows("stock_availables", self._filters, display=_STOCK, limit="0,1")
        return any(self._is_ours(row) for row in rows)

    def of_products(self, products: Iterable[int]) -> list[Row]:
        """All rows of these products."""
        rows = self._webservice.rows_of(
            "stock_availables", "id_product", products, filters=self._filters, display=_STOCK
        )
        return [row for row in rows if self._is_ours(row)]

    def documents(self, stock_point: str, now: datetime) -> Iterator[RawDocument]:
        """Everything the shop shows; a product's rows stay together, because they tell which of them is only a sum."""
        rows = [
            row
            for page in self._webservice.pages("stock_availables", self._filters, display=_STOCK)
            for row in page
            if self._is_ours(row)
        ]
        rows.sort(key=lambda row: (int(row["id_product"]), int(row["id"])))
        start = 0
        for end in range(1, len(rows) + 1):
            is_last = end == len(rows)
            if not is_last and (
                end - start < ROWS_IN_A_DOCUMENT or rows[end]["id_product"] == rows[end - 1]["id_product"]
            ):
                continue
            parts = {"stock_point": stock_point, "rows": rows[start:end]}
            name = f"{stock_point}:{rows[start]['id_product']}"
            yield document(STOCK, name, now.isoformat(), parts, read_at=now)
            start = end

    def levels(self, stock_ids: Sequence[str]) -> dict[str, int]:
        """What rows show now; rows that are gone, or another shop's, are left out."""
        return {str(row["id"]): int(row.get("quantity") or 0) for row in self._rows(stock_ids)}

    def not_writable(self, stock_ids: Sequence[str]) -> dict[str, str]:
        """Why some rows must not be written: the server itself would take a write to another shop's row, or to a sum.

        Rows found good are not looked up again by this connection.
        """
        asked = [stock_id for stock_id in stock_ids if stock_id not in self._writable]
        if not asked:
            return {}
        found = {str(row["id"]): row for row in self._rows(asked)}
        with_combinations = {
            int(row["id_product"])
            for row in self.of_products(ids_of(list(found.values()), "id_product"))
            if int(row.get("id_product_attribute") or 0)
        }
        refused: dict[str, str] = {}
        for stock_id in asked:
            row = found.get(stock_id)
            if row is None:
                refused[stock_id] = f"stock row {stock_id!r} is gone, or belongs to another shop"
            elif not int(row.get("id_product_attribute") or 0) and int(row["id_product"]) in with_combinations:
                refused[stock_id] = f"stock row {stock_id!r} is the sum of a product's combinations, not a sku's number"
            else:
                self._writable.add(stock_id)
        return refused

    def write(self, stock_id: str, units: int) -> int:
        """Sets one row, and answers what the shop shows in it now.

        Raises:
            ContractError: the answer is about another row or another shop.
        """
        row = self._webservice.patch("stock_availables", "stock_available", int(stock_id), {"quantity": str(units)})
        if str(row.get("id")) != stock_id or not self._is_ours(row):
            raise ContractError(f"PrestaShop answered to a write of stock row {stock_id!r} with another row")
        return int(row.get("quantity") or 0)

    def forget(self, stock_id: str) -> None:
        """Looks a row up again before its next write."""
        self._writable.discard(stock_id)

    def _rows(self, stock_ids: Iterable[str]) -> list[Row]:
        ids = {int(stock_id) for stock_id in stock_ids if stock_id.isdecimal()}
        rows = self._webservice.rows_of("stock_availables", "id", ids, filters=self._filters, display=_STOCK)
        return [row for row in rows if self._is_ours(row)]

    def _is_ours(self, row: Row) -> bool:
        """The filter is always sent, and still believed only as far as the rows say."""
        shop, group = int(row.get("id_shop") or 0), int(row.get("id_shop_group") or 0)
        return (shop, group) == (self._shop, self._group)


class Catalogue:
    """Every product of the shop with its combinations and stock rows."""

    def __init__(self, webservice: Webservice, shelves: Shelves) -> None:
        self._webservice = webservice
        self._shelves = shelves

    def documents(self) -> Iterator[tuple[RawDocument, ...]]:
        """One document a product, page by page."""
        names = self._option_names()
        pages = self._webservice.pages(
            "products", {}, display="[id,reference,ean13,upc,date_upd,name]", page_size=PRODUCTS_IN_A_PAGE
        )
        for products in pages:
            ids = ids_of(products, "id")
            stock = _grouped(self._shelves.of_products(ids))
            combinations = _grouped(self._webservice.rows_of("combinations", "id_product", ids))
            yield tuple(
                self._document(product, combinations.get(int(product["id"]), []), stock, names) for product in products
            )

    def _document(
        self, product: Row, combinations: list[Row], stock: dict[int, list[Row]], names: dict[int, Row]
    ) -> RawDocument:
        number = int(product["id"])
        values = {combination["id"]: _option_values(combination) for combination in combinations}
        parts = {
            "product": product,
            "combinations": [
                {
                    **{name: combination.get(name) for name in ("id", "reference", "ean13", "upc")},
                    "option_values": values[combination["id"]],
                }
                for combination in combinations
            ],
            "options": [names[value] for value in sorted({v for some in values.values() for v in some} & names.keys())],
            # levels change without the listing: they are left out of what makes a new version
            "stock": [{name: row[name] for name in row if name != "quantity"} for row in stock.get(number, [])],
        }
        return document(PRODUCT, str(number), str(product.get("date_upd")), parts)

    def _option_names(self) -> dict[int, Row]:
        groups = {
            int(row["id"]): row.get("name")
            for page in self._webservice.pages("product_options", {}, display="[id,name]")
            for row in page
        }
        return {
            int(row["id"]): {
                "id": int(row["id"]),
                "group": groups.get(int(row.get("id_attribute_group") or 0)),
                "name": row.get("name"),
            }
            for page in self._webservice.pages("product_option_values", {}, display="[id,id_attribute_group,name]")
            for row in page
        }


def _option_values(combination: Row) -> list[int]:
    associations = combination.get("associations") or {}
    return [int(value["id"]) for value in associations.get("product_option_values") or []]


def _grouped(rows: Iterable[Row]) -> dict[int, list[Row]]:
    grouped: dict[int, list[Row]] = {}
    for row in rows:
        grouped.setdefault(int(row["id_product"]), []).append(row)
    return grouped
