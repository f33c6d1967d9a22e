"""What an emulated Shopify shop writes into its webhooks: REST-shaped JSON, as the published schemas have it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from simulation.platform import Shopper
from simulation.platforms.shopify_model import CURRENCY, SHIPPING, TAX_RATE, Fulfillment, Line, Order, Refund

Json = dict[str, Any]

_FULFILLMENT_STATUS = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial", "UNFULFILLED": None}


def stamp(moment: datetime) -> str:
    """A time as webhooks write it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def bag(amount: Decimal) -> Json:
    both = {"amount": money(amount), "currency_code": CURRENCY}
    return {"shop_money": both, "presentment_money": dict(both)}


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def _tax_lines(amount: Decimal) -> list[Json]:
    return [
        {
            "title": "VAT",
            "rate": float(TAX_RATE),
            "price": money(amount),
            "price_set": bag(amount),
            "channel_liable": False,
        }
    ]


def _line_status(order: Order, line: Line) -> str | None:
    if not order.left(line.id):
        return None
    return "partial" if order.remaining(line.id) else "fulfilled"


def _line(order: Order, line: Line) -> Json:
    entry = line.variant.entry
    share = {"amount": money(line.discount), "amount_set": bag(line.discount), "discount_application_index": 0}
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "variant_id": line.variant.id,
        "product_id": line.variant.product,
        "product_exists": True,
        "title": line.variant.title,
        "name": entry.title,
        "variant_title": line.variant.variant_title,
        "variant_inventory_management": "shopify",
        "vendor": None,
        "sku": entry.sku,
        "quantity": line.units,
        "fulfillable_quantity": order.remaining(line.id),
        "fulfillment_status": _line_status(order, line),
        "fulfillment_service": "manual",
        "price": money(entry.price),
        "price_set": bag(entry.price),
        "total_discount": "0.00",
        "total_discount_set": bag(Decimal(0)),
        "discount_allocations": [share] if line.discount else [],
        "tax_lines": _tax_lines(line.tax),
        "duties": [],
        "properties": [],
        "requires_shipping": True,
        "taxable": True,
        "gift_card": False,
        "grams": 500,
    }


def _order_line(order: Order, line: Line) -> Json:
    return {
        **_line(order, line),
        "attributed_staffs": [],
        "current_quantity": line.units - order.refunded_units(line.id),
    }


def _address(shopper: Shopper) -> Json:
    first, _, last = shopper.name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "name": shopper.name,
        "address1": shopper.street,
        "address2": None,
        "company": None,
        "city": shopper.city,
        "zip": shopper.postal_code,
        "province": "",
        "province_code": "",
        "country": shopper.country,
        "country_code": shopper.country,
        "phone": "",
        "latitude": None,
        "longitude": None,
    }


def _customer(order: Order) -> Json:
    address = _address(order.shopper)
    names = {"first_name": address["first_name"], "last_name": address["last_name"]}
    known = {name: value for name, value in address.items() if name not in ("latitude", "longitude")}
    return {
        "id": order.id,
        "admin_graphql_api_id": gid("Customer", order.id),
        **names,
        "email": order.shopper.email,
        "phone": None,
        "currency": CURRENCY,
        "state": "disabled",
        "note": None,
        "verified_email": True,
        "multipass_identifier": None,
        "tax_exempt": False,
        "tax_exemptions": [],
        "created_at": None,
        "updated_at": None,
        "default_address": {
            **known,
            "id": order.id,
            "customer_id": order.id,
            "country_name": order.shopper.country,
            "default": True,
        },
    }


def _fulfillment(order: Order, made: Fulfillment) -> Json:
    urls = [made.url] if made.url else []
    return {
        "id": made.id,
        "admin_graphql_api_id": gid("Fulfillment", made.id),
        "order_id": order.id,
        "name": f"#{order.number}.{order.fulfillments.index(made) + 1}",
        "status": made.status.lower(),
        "created_at": stamp(made.at),
        "updated_at": stamp(made.at),
        "location_id": made.place,
        "service": "manual",
        "shipment_status": None,
        "origin_address": {},
        "receipt": {},
        "tracking_company": made.company,
        "tracking_number": made.number,
        "tracking_numbers": [made.number] if made.number else [],
        "tracking_url": made.url,
        "tracking_urls": urls,
        "line_items": [
            {**_line(order, line), "quantity": made.units[line.id], "vendor": "", "tax_lines": []}
            for line in order.lines
            if made.units.get(line.id)
        ],
    }


def fulfillment(order: Order, made: Fulfillment) -> Json:
    """The body of fulfillments/create."""
    body = _fulfillment(order, made)
    return {
        **body,
        "tracking_company": made.company or "",
        "tracking_number": made.number or "",
        "tracking_url": made.url or "",
        "email": order.shopper.email,
        "destination": _address(order.shopper),
    }


def refund(order: Order, made: Refund) -> Json:
    """The body of refunds/create."""
    lines = {line.id: line for line in order.lines}
    return {
        "id": made.id,
        "admin_graphql_api_id": gid("Refund", made.id),
        "order_id": order.id,
        "created_at": stamp(made.at),
        "processed_at": stamp(made.at),
        "note": "",
        "user_id": 1,
        "restock": any(item.restock_type != "NO_RESTOCK" for item in made.lines),
        "return": None,
        "duties": [],
        "total_duties_set": bag(Decimal(0)),
        "order_adjustments": [],
        "refund_shipping_lines": [],
        "refund_line_items": [
            {
                "id": item.id,
                "line_item_id": item.line,
                "location_id": item.place,
                "quantity": item.units,
                "restock_type": item.restock_type.lower(),
                "subtotal": float(item.amount),
                "subtotal_set": bag(item.amount),
                "total_tax": 0,
                "total_tax_set": bag(Decimal(0)),
                "line_item": _line(order, lines[item.line]),
            }
            for item in made.lines
        ],
        "transactions": [_transaction(order, made)] if made.amount else [],
    }


def _transaction(order: Order, made: Refund) -> Json:
    return {
        "id": made.id,
        "admin_graphql_api_id": gid("OrderTransaction", made.id),
        "order_id": order.id,
        "kind": "refund",
        "status": "success",
        "gateway": "bogus",
        "amount": money(made.amount),
        "amount_rounding": None,
        "authorization": None,
        "currency": CURRENCY,
        "created_at": stamp(made.at),
        "processed_at": stamp(made.at),
        "device_id": None,
        "error_code": None,
        "location_id": None,
        "manual_payment_gateway": False,
        "message": None,
        "parent_id": order.id,
        "payment_id": f"#{order.number}.1",
        "receipt": {},
        "source_name": "web",
        "test": False,
        "total_unsettled_set": {
            name: {"amount": "0.0", "currency": CURRENCY} for name in ("shop_money", "presentment_money")
        },
        "user_id": None,
    }


def _totals(order: Order) -> Json:
    goods = sum((line.variant.entry.price * line.units for line in order.lines), Decimal(0))
    tax = sum((line.tax for line in order.lines), Decimal(0))
    now = order.total - order.refunded
    named = {
        "total_line_items_price": goods,
        "subtotal_price": goods - order.discount,
        "current_subtotal_price": goods - order.discount,
        "total_discounts": order.discount,
        "current_total_discounts": order.discount,
        "total_tax": tax,
        "current_total_tax": tax,
        "total_price": order.total,
        "current_total_price": now,
    }
    sets = {
        "total_shipping_price_set": SHIPPING,
        "current_shipping_price_set": SHIPPING,
        "total_cash_rounding_payment_adjustment_set": Decimal(0),
        "total_cash_rounding_refund_adjustment_set": Decimal(0),
    }
    return {
        **{name: money(amount) for name, amount in named.items()},
        **{f"{name}_set": bag(amount) for name, amount in named.items()},
        **{name: bag(amount) for name, amount in sets.items()},
        "total_outstanding": money(Decimal(0) if order.is_paid else order.total),
        "total_tip_received": "0.00",
        "total_weight": 500 * sum(line.units for line in order.lines),
        "tax_lines": _tax_lines(tax),
        "taxes_included": True,
        "currency": CURRENCY,
        "presentment_currency": CURRENCY,
    }


_NOTHING = [
    "app_id",
    "browser_ip",
    "cart_token",
    "checkout_token",
    "client_details",
    "closed_at",
    "confirmation_number",
    "current_total_additional_fees_set",
    "current_total_duties_set",
    "customer_locale",
    "device_id",
    "landing_site",
    "landing_site_ref",
    "location_id",
    "merchant_of_record_app_id",
    "note",
    "original_total_additional_fees_set",
    "original_total_duties_set",
    "payment_terms",
    "phone",
    "po_number",
    "reference",
    "referring_site",
    "source_identifier",
    "source_url",
    "user_id",
]


def order(of: Order) -> Json:
    """The body of every orders/* topic but orders/edited."""
    cancelled = None if of.cancelled_at is None else stamp(of.cancelled_at)
    return {
        **dict.fromkeys(_NOTHING),
        **_totals(of),
        "id": of.id,
        "admin_graphql_api_id": gid("Order", of.id),
        "name": f"#{of.number}",
        "number": of.number - 1000,
        "order_number": of.number,
        "created_at": stamp(of.at),
        "processed_at": stamp(of.at),
        "updated_at": stamp(of.updated_at),
        "cancelled_at": cancelled,
        "cancel_reason": None if cancelled is None else "inventory",
        "financial_status": of.financial_status.lower(),
        "fulfillment_status": _FULFILLMENT_STATUS[of.fulfillment_status],
        "source_name": "web",
        "email": of.shopper.email,
        "contact_email": of.shopper.email,
        "buyer_accepts_marketing": False,
        "confirmed": True,
        "duties_included": False,
        "estimated_taxes": False,
        "tax_exempt": False,
        "test": False,
        "tags": "",
        "token": f"token-{of.id}",
        "order_status_url": f"https://emulated.myshopify.com/orders/{of.id}",
        "merchant_business_entity_id": "1",
        "payment_gateway_names": ["bogus"],
        "note_attributes": [],
        "discount_codes": [{"code": "TEN", "amount": money(of.discount), "type": "percentage"}] if of.discount else [],
        "discount_applications": [],
        "line_item_groups": [],
        "returns": [],
        "billing_address": _address(of.shopper),
        "shipping_address": _address(of.shopper),
        "customer": _customer(of),
        "shipping_lines": [_shipping_line(of)],
        "line_items": [_order_line(of, line) for line in of.lines],
        "fulfillments": [_fulfillment(of, made) for made in of.fulfillments],
        "refunds": [refund(of, made) for made in of.refunds],
    }


def _shipping_line(of: Order) -> Json:
    return {
        "id": of.id,
        "title": "Standard",
        "code": "standard",
        "source": "shopify",
        "price": money(SHIPPING),
        "price_set": bag(SHIPPING),
        "discounted_price": money(SHIPPING),
        "discounted_price_set": bag(SHIPPING),
        "current_discounted_price_set": bag(SHIPPING),
        "carrier_identifier": None,
        "phone": None,
        "requested_fulfillment_service_id": None,
        "is_removed": False,
        "tax_lines": [],
        "discount_allocations": [],
    }
