"""Rows of an emulated PrestaShop, with the fields, order and types that 8.0.4 was seen to answer with.

Resources without a recorded answer (order_details, order_slip, shops, currencies, options) follow the vendor's list.
"""

import copy
import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

NO_TIME = "0000-00-00 00:00:00"
ZERO = "0.000000"
LANGUAGES = (1, 2)


@dataclass(frozen=True, slots=True)
class Resource:
    """How the web service names a resource and what it lets be done with it.

    `required` fields make a complete PUT; `links` are fields that carry an address in XML, with what they point to.
    """

    list_name: str
    row_name: str
    methods: tuple[str, ...] = ("GET",)
    required: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)


ALL_BUT_CREATE = ("GET", "PUT", "PATCH")
EVERYTHING = ("GET", "POST", "PUT", "PATCH", "DELETE")

RESOURCES = {
    "products": Resource("products", "product", EVERYTHING, read_only=("quantity", "manufacturer_name")),
    "combinations": Resource("combinations", "combination", EVERYTHING, links={"id_product": "products"}),
    "product_options": Resource("product_options", "product_option", EVERYTHING),
    "product_option_values": Resource("product_option_values", "product_option_value", EVERYTHING),
    "stock_availables": Resource(
        "stock_availables",
        "stock_available",
        ALL_BUT_CREATE,
        required=("id_product", "id_product_attribute", "quantity", "depends_on_stock", "out_of_stock"),
        integers=("quantity", "out_of_stock"),
        links={"id_product": "products", "id_shop": "shops"},
    ),
    "orders": Resource(
        "orders",
        "order",
        EVERYTHING,
        links={
            "id_address_delivery": "addresses",
            "id_address_invoice": "addresses",
            "id_cart": "carts",
            "id_currency": "currencies",
            "id_lang": "languages",
            "id_customer": "customers",
            "id_carrier": "carriers",
            "current_state": "order_states",
        },
    ),
    "order_details": Resource("order_details", "order_detail", EVERYTHING, links={"id_order": "orders"}),
    "order_slip": Resource("order_slips", "order_slip", EVERYTHING, links={"id_order": "orders"}),
    "order_states": Resource("order_states", "order_state", EVERYTHING),
    "order_histories": Resource(
        "order_histories", "order_history", EVERYTHING, links={"id_order_state": "order_states", "id_order": "orders"}
    ),
    "order_carriers": Resource("order_carriers", "order_carrier", EVERYTHING, links={"id_order": "orders"}),
    "carts": Resource("carts", "cart", EVERYTHING),
    "customers": Resource("customers", "customer", EVERYTHING),
    "addresses": Resource("addresses", "address", EVERYTHING, links={"id_country": "countries"}),
    "countries": Resource("countries", "country", EVERYTHING),
    "currencies": Resource("currencies", "currency", EVERYTHING),
    "shops": Resource("shops", "shop", EVERYTHING),
    "shop_groups": Resource("shop_groups", "shop_group", EVERYTHING),
    "configurations": Resource("configurations", "configuration", EVERYTHING),
}

DATES = frozenset({"date_add", "date_upd", "invoice_date", "delivery_date"})
INDEXED = frozenset({"id_product", "id_order", "id_cart"})


@dataclass(slots=True)
class Table:
    """The rows of one resource by id, found as quickly by what they belong to. `ids` are in ascending order."""

    rows: dict[int, Row] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    index: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    last_id: int = 0

    def add(self, row: Row) -> Row:
        """Gives the row its id where it has none."""
        if not row["id"]:
            row["id"] = self.last_id + 1
        self.last_id = max(self.last_id, row["id"])
        self.rows[row["id"]] = row
        insort(self.ids, row["id"])
        for name in INDEXED & row.keys():
            self.index.setdefault((name, row[name]), []).append(row["id"])
        return row

    def remove(self, row: Row) -> None:
        del self.rows[row["id"]]
        self.ids.remove(row["id"])
        for name in INDEXED & row.keys():
            self.index[name, row[name]].remove(row["id"])

    def of(self, name: str, owner: int) -> list[Row]:
        """The rows whose indexed field is `owner`."""
        return [self.rows[row] for row in self.index.get((name, owner), ())]

    def between(self, low: int, high: int) -> Iterator[Row]:
        """Rows by ascending id, both bounds inside."""
        return (self.rows[row] for row in self.ids[bisect_left(self.ids, low) : bisect_right(self.ids, high)])


def texts(text: str) -> list[Row]:
    """A text as the shop keeps it: once a language."""
    return [{"id": language, "value": text} for language in LANGUAGES]


_FIELDS = {
    "products": """
        id id_manufacturer id_supplier id_category_default=2 new=null cache_default_attribute id_default_image~
        id_default_combination id_tax_rules_group=1 position_in_category manufacturer_name=false quantity
        type="simple" id_shop_default=1 reference~ supplier_reference~ location~ width$ height$ depth$ weight$
        quantity_discount ean13~ isbn~ upc~ mpn~ cache_is_pack cache_has_attachments is_virtual state=1
        additional_delivery_times delivery_in_stock* delivery_out_stock* product_type~ on_sale online_only ecotax$
        minimal_quantity=1 low_stock_threshold=null low_stock_alert price$ wholesale_price$ unity~ unit_price$
        unit_price_ratio$ additional_shipping_cost$ customizable text_fields uploadable_files active=1 redirect_type~
        id_type_redirected available_for_order=1 available_date="0000-00-00" show_condition condition="new" show_price=1
        indexed=1 visibility="both" advanced_stock_management date_add@ date_upd@ pack_stock_type meta_description*
        meta_keywords* meta_title* link_rewrite* name* description* description_short* available_now* available_later*
    """,
    "combinations": """
        id id_product ean13~ isbn~ upc~ mpn~ reference~ supplier_reference~ wholesale_price$ price$ ecotax$ weight$
        unit_price_impact$ minimal_quantity=1 low_stock_threshold=null low_stock_alert default_on=null
        available_date="0000-00-00"
    """,
    "product_options": """
        id is_color_group group_type="select" position name*
    """,
    "product_option_values": """
        id id_attribute_group color~ position name*
    """,
    "stock_availables": """
        id id_product id_product_attribute id_shop id_shop_group quantity depends_on_stock out_of_stock=2 location~
    """,
    "orders": """
        id id_address_delivery id_address_invoice id_cart id_currency=1 id_lang=1 id_customer id_carrier=1
        current_state module="ps_wirepayment" invoice_number invoice_date@ delivery_number delivery_date@ valid
        date_add@ date_upd@ shipping_number~ note~ id_shop_group=1 id_shop=1 secure_key~ payment~ recyclable gift
        gift_message~ mobile_theme total_discounts$ total_discounts_tax_incl$ total_discounts_tax_excl$ total_paid$
        total_paid_tax_incl$ total_paid_tax_excl$ total_paid_real$ total_products$ total_products_wt$ total_shipping$
        total_shipping_tax_incl$ total_shipping_tax_excl$ carrier_tax_rate="20.000" total_wrapping$
        total_wrapping_tax_incl$ total_wrapping_tax_excl$ round_mode=2 round_type=2 conversion_rate="1.000000"
        reference~
    """,
    "order_details": """
        id id_order product_id product_attribute_id product_quantity_reinjected group_reduction="0.00"
        discount_quantity_applied download_hash~ download_deadline@ id_order_invoice id_warehouse id_shop=1
        id_customization product_name~ product_quantity product_quantity_in_stock product_quantity_return
        product_quantity_refunded product_price$ reduction_percent="0.00" reduction_amount$ reduction_amount_tax_incl$
        reduction_amount_tax_excl$ product_quantity_discount$ product_ean13~ product_isbn~ product_upc~ product_mpn~
        product_reference~ product_supplier_reference~ product_weight$ tax_computation_method id_tax_rules_group=1
        ecotax$ ecotax_tax_rate="0.000" download_nb unit_price_tax_incl$ unit_price_tax_excl$ total_price_tax_incl$
        total_price_tax_excl$ total_shipping_price_tax_excl$ total_shipping_price_tax_incl$ purchase_supplier_price$
        original_product_price$ original_wholesale_price$ total_refunded_tax_excl$ total_refunded_tax_incl$
    """,
    "order_slip": """
        id id_customer id_order conversion_rate="1.000000" total_products_tax_excl$ total_products_tax_incl$
        total_shipping_tax_excl$ total_shipping_tax_incl$ amount$ shipping_cost shipping_cost_amount$ partial
        date_add@ date_upd@ order_slip_type
    """,
    "order_states": """
        id unremovable=1 delivery hidden send_email=1 module_name~ invoice color="#3498D8" logable shipped paid
        pdf_delivery pdf_invoice deleted name* template*
    """,
    "order_histories": """
        id id_employee id_order_state id_order date_add@
    """,
    "order_carriers": """
        id id_order id_carrier=1 id_order_invoice weight$ shipping_cost_tax_excl$ shipping_cost_tax_incl$
        tracking_number~ date_add@
    """,
    "carts": """
        id id_address_delivery id_address_invoice id_currency=1 id_customer id_guest id_lang=1 id_shop_group=1
        id_shop=1 id_carrier=1 recyclable gift gift_message~ mobile_theme delivery_option~ secure_key~
        allow_seperated_package date_add@ date_upd@
    """,
    "customers": """
        id id_default_group=3 id_lang=1 newsletter_date_add@ ip_registration_newsletter~ last_passwd_gen@ secure_key~
        deleted passwd~ lastname~ firstname~ email~ id_gender birthday="0000-00-00" newsletter optin website~ company~
        siret~ ape~ outstanding_allow_amount$ show_public_prices id_risk max_payment_days active=1 note~ is_guest
        id_shop=1 id_shop_group=1 date_add@ date_upd@ reset_password_token~ reset_password_validity@
    """,
    "addresses": """
        id id_customer id_manufacturer id_supplier id_warehouse id_country id_state alias="home" company~ lastname~
        firstname~ vat_number~ address1~ address2~ postcode~ city~ other~ phone~ phone_mobile~ dni~ deleted date_add@
        date_upd@
    """,
    "countries": """
        id id_zone=1 id_currency call_prefix=33 iso_code~ active=1 contains_states need_identification_number
        need_zip_code=1 zip_code_format="NNNNN" display_tax_label=1 name*
    """,
    "currencies": """
        id name~ iso_code~ conversion_rate="1.000000" deleted active=1
    """,
    "shops": """
        id id_shop_group=1 id_category=2 active=1 deleted name~ color~ theme_name="classic"
    """,
    "shop_groups": """
        id name~ color~ share_customer share_order share_stock active=1 deleted
    """,
    "configurations": """
        id value~ name~ id_shop_group=null id_shop=null date_add@ date_upd@
    """,
}
"""Every field of a resource in the order it is shown. Alone it is 0; `~` empty, `$` an amount, `@` a time, `*` a text
in every language; after `=` stands another value."""

_MARKS = {"~": "", "$": ZERO, "@": NO_TIME}


def _blank(mark: str) -> tuple[str, Any]:
    name, has_value, value = mark.partition("=")
    if has_value:
        return name, json.loads(value)
    if name.endswith("*"):
        return name[:-1], texts("")
    return (name[:-1], _MARKS[name[-1]]) if name[-1] in _MARKS else (name, 0)


_TEMPLATES: dict[str, Row] = {resource: dict(map(_blank, text.split())) for resource, text in _FIELDS.items()}
FIELDS = {resource: tuple(template) for resource, template in _TEMPLATES.items()}

# id, English name, flags: the states of a fresh 8.0.4
_STATES = (
    (1, "Awaiting check payment", ()),
    (2, "Payment accepted", ("invoice", "logable", "paid", "pdf_invoice")),
    (3, "Processing in progress", ("delivery", "invoice", "logable", "paid")),
    (4, "Shipped", ("delivery", "invoice", "logable", "paid", "shipped")),
    (5, "Delivered", ("delivery", "invoice", "logable", "paid", "shipped")),
    (6, "Canceled", ()),
    (7, "Refunded", ("invoice",)),
    (8, "Payment error", ()),
    (9, "On backorder (paid)", ("invoice", "paid", "pdf_invoice")),
    (10, "Awaiting bank wire payment", ()),
    (11, "Remote payment accepted", ("invoice", "logable", "paid")),
    (12, "On backorder (not paid)", ()),
    (13, "Awaiting Cash On Delivery validation", ()),
)


def new_row(resource: str, **fields: Any) -> Row:
    """A row with every field of its resource."""
    template = _TEMPLATES[resource]
    unknown = fields.keys() - template.keys() - {"associations"}
    if unknown:
        raise ValueError(f"{resource} has no {', '.join(sorted(unknown))}")
    row = {name: copy.deepcopy(value) if isinstance(value, list) else value for name, value in template.items()}
    return {**row, **fields}


def fresh_states() -> Iterable[Row]:
    """The order states of a fresh shop."""
    for number, name, flags in _STATES:
        yield new_row("order_states", id=number, name=texts(name), **dict.fromkeys(flags, 1))
