"""The shop behind an emulated PrestaShop: what its stock rows, orders and states do to each other.

Stock moves as the core of 8.x moves it: an order takes its units when it is placed, unless it starts in payment error;
entering canceled or payment error puts them back, leaving them for a state that counts takes them again; refunds put
back what was reinjected. Amounts are rounded a line, halves up, with 20 % tax.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from string import ascii_uppercase
from zoneinfo import ZoneInfo

from simulation.platform import CatalogueEntry, ShelfCause, Shopper
from simulation.platforms.prestashop_rows import RESOURCES, Row, Table, fresh_states, new_row, texts

CANCELED = 6
REFUNDED = 7
PAYMENT_ERROR = 8
OVERSOLD_PAID = 9
AWAITING_BANK_WIRE = 10
REMOTE_PAYMENT = 11
OVERSOLD_UNPAID = 12
PAID = 2
SHIPPED = 4
WITHOUT_STOCK = frozenset({CANCELED, PAYMENT_ERROR})

TAX = Decimal("1.2")
_COUNTRIES = ("DE", "AT", "BE", "CA", "CN", "ES", "FI", "FR", "GR", "IT", "JP", "LU", "NL", "PL", "PT", "CZ", "GB")

OnChange = Callable[[Row, ShelfCause, datetime], None]
Lines = Sequence[tuple[int, int, int]]
"""Product, combination or 0, units."""


def amount(value: Decimal) -> str:
    """An amount as the shop writes it."""
    return str(value.quantize(Decimal("0.000001"), ROUND_HALF_UP))


def cents(value: Decimal) -> Decimal:
    """Rounded as the shop rounds a line or a total."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


class Shop:
    """All rows of one installation, which may hold several shops. `on_change` hears every number that moves."""

    def __init__(self, zone: ZoneInfo, on_change: OnChange) -> None:
        self.tables = {resource: Table() for resource in RESOURCES}
        self.left: dict[int, int] = {}
        self._zone = zone
        self._on_change = on_change
        self._stock: dict[tuple[int, int, int], Row] = {}
        for state in fresh_states():
            self.tables["order_states"].add(state)
        for number, code in enumerate(_COUNTRIES, start=1):
            self._add("countries", id=number, iso_code=code, name=texts(code))
        self._add("currencies", name="Euro", iso_code="EUR")
        self._add("configurations", name="PS_TIMEZONE", value=zone.key)

    def _add(self, resource: str, **fields: object) -> Row:
        return self.tables[resource].add(new_row(resource, **fields))

    def stamp(self, now: datetime) -> str:
        """The shop's wall clock."""
        return now.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")

    def open_shops(self, shops: Iterable[int], shared_group: int | None) -> None:
        """Adds shops; with `shared_group` they keep one number together."""
        group = shared_group or 1
        self._add("shop_groups", id=group, name=f"Group {group}", share_stock=int(shared_group is not None))
        for shop in shops:
            self._add("shops", id=shop, id_shop_group=group, name=f"Shop {shop}")

    def add_product(
        self, entries: Sequence[CatalogueEntry], places: Sequence[tuple[int, int]], now: datetime
    ) -> dict[str, tuple[int, int]]:
        """Adds one product; several entries, or one of a parent, are its combinations. Answers ids by sku.

        `places` are (shop, group) of the numbers that the product gets.
        """
        at, first = self.stamp(now), entries[0]
        has_combinations = first.parent is not None
        product = self._add(
            "products",
            reference=(first.parent if first.parent else first.sku),
            ean13="" if has_combinations else _ean(first),
            price=amount(first.price / TAX),
            product_type="combinations" if has_combinations else "",
            name=texts(first.title),
            date_add=at,
            date_upd=at,
        )
        number = product["id"]
        product["position_in_category"] = number
        for shop, group in places:
            self._add_stock(number, 0, shop, group)
        if not has_combinations:
            return {first.sku: (number, 0)}
        ids: dict[str, tuple[int, int]] = {}
        for entry in entries:
            combination = self._add(
                "combinations",
                id_product=number,
                reference=entry.sku,
                ean13=_ean(entry),
                price=amount((entry.price - first.price) / TAX),
                default_on=1 if entry is first else None,
                associations={"product_option_values": [{"id": value} for value in self._values(entry.options)]},
            )
            ids[entry.sku] = (number, combination["id"])
            for shop, group in places:
                self._add_stock(number, combination["id"], shop, group)
        product["cache_default_attribute"] = product["id_default_combination"] = ids[first.sku][1]
        return ids

    def _values(self, options: Mapping[str, str]) -> list[int]:
        """Ids of option values, made where they are new."""
        ids = []
        for group_name, value_name in options.items():
            group = self._named("product_options", group_name)
            ids.append(self._named("product_option_values", value_name, id_attribute_group=group)["id"])
        return ids

    def _named(self, resource: str, name: str, **owner: Row) -> Row:
        fields = {field: row["id"] for field, row in owner.items()}
        for row in self.tables[resource].rows.values():
            if row["name"][0]["value"] == name and all(row[field] == value for field, value in fields.items()):
                return row
        return self._add(resource, name=texts(name), **fields)

    def _add_stock(self, product: int, combination: int, shop: int, group: int) -> None:
        row = self._add(
            "stock_availables", id_product=product, id_product_attribute=combination, id_shop=shop, id_shop_group=group
        )
        self._stock[product, combination, shop] = row

    def stock_row(self, product: int, combination: int, shop: int) -> Row | None:
        """The row that a shop sells from: its own, or its group's."""
        return self._stock.get((product, combination, shop)) or self._stock.get((product, combination, 0))

    def set_level(self, row: Row, units: int, cause: ShelfCause, now: datetime) -> None:
        """Sets a number; a combination's makes the sum of its product anew."""
        if row["quantity"] != units:
            row["quantity"] = units
            self._on_change(row, cause, now)
        if row["id_product_attribute"]:
            total = self._stock[row["id_product"], 0, row["id_shop"]]
            total["quantity"] = sum(
                other["quantity"]
                for other in self.tables["stock_availables"].of("id_product", row["id_product"])
                if other["id_product_attribute"] and other["id_shop"] == row["id_shop"]
            )

    def _move(self, detail: Row, units: int, cause: ShelfCause, now: datetime) -> None:
        row = self.stock_row(detail["product_id"], detail["product_attribute_id"], detail["id_shop"])
        if row is not None and units:
            self.set_level(row, row["quantity"] + units, cause, now)

    def add_buyer(self, shopper: Shopper, shop: int, now: datetime) -> tuple[Row, Row]:
        """A customer and an address."""
        at = self.stamp(now)
        firstname, _, lastname = shopper.name.partition(" ")
        countries = self.tables["countries"].rows.values()
        country = next((row for row in countries if row["iso_code"] == shopper.country), None)
        if country is None:
            country = self._add("countries", iso_code=shopper.country, name=texts(shopper.country))
        customer = self._add(
            "customers",
            firstname=firstname,
            lastname=lastname or firstname,
            email=shopper.email,
            passwd="$2y$10$this-hash-must-never-leave-the-connector",  # noqa: S106  # a bait for tests, no password
            secure_key="5ec2e7f00d5ec2e7f00d5ec2e7f00d00",
            id_shop=shop,
            last_passwd_gen=at,
            date_add=at,
            date_upd=at,
            associations={"groups": [{"id": 3}]},
        )
        address = self._add(
            "addresses",
            id_customer=customer["id"],
            id_country=country["id"],
            firstname=firstname,
            lastname=lastname or firstname,
            address1=shopper.street,
            postcode=shopper.postal_code,
            city=shopper.city,
            phone="0100000000",
            date_add=at,
            date_upd=at,
        )
        return customer, address

    def add_cart(self, fields: Mapping[str, int], lines: Lines, now: datetime) -> Row:
        """A cart; nothing is checked against the shelf."""
        rows = [
            {
                "id_product": product,
                "id_product_attribute": combination,
                "id_address_delivery": fields.get("id_address_delivery", 0),
                "id_customization": 0,
                "quantity": units,
            }
            for product, combination, units in lines
        ]
        at = self.stamp(now)
        return self._add("carts", date_add=at, date_upd=at, associations={"cart_rows": rows}, **fields)

    def price_of(self, product: int, combination: int) -> Decimal:
        """Without tax."""
        base = Decimal(self.tables["products"].rows[product]["price"])
        return base + (Decimal(self.tables["combinations"].rows[combination]["price"]) if combination else 0)

    def place(self, cart: Row, state: int, now: datetime, *, shipping: Decimal = Decimal(0)) -> Row:
        """Makes an order of a cart and takes its units, below 0 if need be."""
        at = self.stamp(now)
        order = self._add(
            "orders",
            **{name: cart[name] for name in ("id_address_delivery", "id_address_invoice", "id_customer", "id_shop")},
            id_cart=cart["id"],
            secure_key=cart["secure_key"] or "5ec2e7f00d5ec2e7f00d5ec2e7f00d00",
            current_state=state,
            payment="Bank wire",
            date_add=at,
            date_upd=at,
            total_shipping_tax_incl=amount(shipping),
        )
        order["reference"] = _reference(order["id"])
        went_below = False
        for line in cart["associations"]["cart_rows"]:
            detail = self._add_detail(order, line)
            if state not in WITHOUT_STOCK:
                self._move(detail, -line["quantity"], ShelfCause.SOLD, now)
                row = self.stock_row(detail["product_id"], detail["product_attribute_id"], detail["id_shop"])
                went_below = went_below or (row is not None and row["quantity"] < 0)
        self._total(order)
        self._add("order_carriers", id_order=order["id"], date_add=at)
        is_paid = bool(self.tables["order_states"].rows[state]["paid"])
        self._enter(order, state, at)
        if went_below:
            self._enter(order, OVERSOLD_PAID if is_paid else OVERSOLD_UNPAID, at)
        return order

    def _add_detail(self, order: Row, line: Row) -> Row:
        product = self.tables["products"].rows[line["id_product"]]
        combination = self.tables["combinations"].rows.get(line["id_product_attribute"])
        net = self.price_of(line["id_product"], line["id_product_attribute"])
        detail = self._add(
            "order_details",
            id_order=order["id"],
            id_shop=order["id_shop"],
            product_id=product["id"],
            product_attribute_id=line["id_product_attribute"],
            product_name=product["name"][0]["value"],
            product_reference=(combination or product)["reference"],
            product_ean13=(combination or product)["ean13"],
            product_quantity=line["quantity"],
            product_quantity_in_stock=line["quantity"],
            product_price=amount(net),
            unit_price_tax_excl=amount(net),
            unit_price_tax_incl=amount(net * TAX),
        )
        _price_line(detail)
        return detail

    def details_of(self, order: Row) -> list[Row]:
        return self.tables["order_details"].of("id_order", order["id"])

    def _total(self, order: Row) -> None:
        details = self.details_of(order)
        gross = sum((Decimal(detail["total_price_tax_incl"]) for detail in details), Decimal(0))
        net = sum((Decimal(detail["total_price_tax_excl"]) for detail in details), Decimal(0))
        shipping = Decimal(order["total_shipping_tax_incl"])
        paid, paid_net = gross + shipping, net + cents(shipping / TAX)
        order.update(
            total_products=amount(net),
            total_products_wt=amount(gross),
            total_shipping=amount(shipping),
            total_shipping_tax_excl=amount(cents(shipping / TAX)),
            total_paid=amount(paid),
            total_paid_tax_incl=amount(paid),
            total_paid_tax_excl=amount(paid_net),
        )

    def change_state(self, order: Row, state: int, now: datetime) -> Row:
        """Enters a state, with what that does to the stock; answers the history's row."""
        states = self.tables["order_states"].rows
        old, new = states[order["current_state"]], states[state]
        direction = 0
        if new["logable"] and not old["logable"]:
            direction = -1 if old["id"] in WITHOUT_STOCK else 0
        elif state in WITHOUT_STOCK and (old["logable"] or old["id"] not in WITHOUT_STOCK):
            direction = 1
        for detail in self.details_of(order):
            cause = ShelfCause.CANCELED if direction > 0 else ShelfCause.SOLD
            self._move(detail, direction * detail["product_quantity"], cause, now)
        return self._enter(order, state, self.stamp(now))

    def _enter(self, order: Row, state: int, at: str) -> Row:
        flags = self.tables["order_states"].rows[state]
        order.update(current_state=state, valid=flags["logable"], date_upd=at)
        if flags["invoice"] and not order["invoice_number"]:
            order.update(invoice_number=order["id"], invoice_date=at)
            for resource in ("order_carriers", "order_details"):
                for row in self.tables[resource].of("id_order", order["id"]):
                    row["id_order_invoice"] = order["id"]
        if flags["delivery"]:
            order.update(delivery_number=order["id"], delivery_date=at)
        if flags["paid"]:
            order["total_paid_real"] = order["total_paid"]
        if flags["shipped"] and order["id"] not in self.left:
            self.left[order["id"]] = sum(map(_units_left, self.details_of(order)))
        return self._add("order_histories", id_order_state=state, id_order=order["id"], date_add=at)

    def take_off(self, order: Row, detail: Row, units: int, now: datetime) -> None:
        """An edit in the back office: the row gets smaller or goes, totals and stock follow."""
        detail["product_quantity"] -= units
        self._move(detail, units, ShelfCause.CANCELED, now)
        if detail["product_quantity"]:
            _price_line(detail)
        else:
            self.tables["order_details"].remove(detail)
        self._total(order)
        order["date_upd"] = self.stamp(now)

    def credit(self, order: Row, units: Mapping[int, int], now: datetime, *, came_back: bool, restock: bool) -> Row:
        """A credit slip for units of rows; the order's own `date_upd` does not move."""
        at = self.stamp(now)
        lines: list[Row] = []
        for row, count in units.items():
            detail = self.tables["order_details"].rows[row]
            gross = Decimal(detail["unit_price_tax_incl"]) * count
            net = Decimal(detail["unit_price_tax_excl"]) * count
            detail["product_quantity_return" if came_back else "product_quantity_refunded"] += count
            if restock:
                detail["product_quantity_reinjected"] += count
                self._move(detail, count, ShelfCause.RETURNED if came_back else ShelfCause.CANCELED, now)
            lines.append(
                {
                    "id": self.tables["order_slip"].last_id + 1,
                    "id_order_detail": row,
                    "product_quantity": count,
                    "amount_tax_excl": amount(net),
                    "amount_tax_incl": amount(gross),
                }
            )
        gross = sum((cents(Decimal(line["amount_tax_incl"])) for line in lines), Decimal(0))
        return self._add(
            "order_slip",
            id_customer=order["id_customer"],
            id_order=order["id"],
            total_products_tax_incl=amount(gross),
            total_products_tax_excl=amount(
                sum((cents(Decimal(line["amount_tax_excl"])) for line in lines), Decimal(0))
            ),
            amount=amount(gross),
            date_add=at,
            date_upd=at,
            associations={"order_slip_details": lines},
        )


def _price_line(detail: Row) -> None:
    units = detail["product_quantity"]
    for tax in ("incl", "excl"):
        detail[f"total_price_tax_{tax}"] = amount(cents(Decimal(detail[f"unit_price_tax_{tax}"]) * units))


def _units_left(detail: Row) -> int:
    taken = int(detail["product_quantity_refunded"]) + int(detail["product_quantity_return"])
    return int(detail["product_quantity"]) - taken


def _ean(entry: CatalogueEntry) -> str:
    return (entry.gtin or "")[-13:]


def _reference(number: int) -> str:
    letters = []
    rest = number * 7_919 + 104_729
    for _ in range(9):
        rest, letter = divmod(rest, 26)
        letters.append(ascii_uppercase[letter])
    return "".join(letters)
