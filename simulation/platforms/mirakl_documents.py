"""How the emulated marketplace writes its state down, in the words of the seller contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from simulation.platforms.mirakl_orders import (
    BEFORE_DEBIT,
    CENT,
    TAX_CODE,
    TAX_RATE,
    GoodsBack,
    Line,
    Offer,
    Order,
    State,
    Withdrawn,
)

if TYPE_CHECKING:
    from simulation.platforms.mirakl import MiraklEmulator

COMMISSION = Decimal("0.15")
COUNTRIES = {
    "AT": "AUT",
    "BE": "BEL",
    "CH": "CHE",
    "DE": "DEU",
    "ES": "ESP",
    "FR": "FRA",
    "GB": "GBR",
    "IE": "IRL",
    "IT": "ITA",
    "LU": "LUX",
    "MC": "MCO",
    "NL": "NLD",
    "PT": "PRT",
    "US": "USA",
}
SHOP_ADDRESS = {"city": "Lyon", "street_1": "1 rue de la République"}


def stamp(moment: datetime) -> str:
    """Whole seconds, as Mirakl writes most times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def account(shop: MiraklEmulator, now: datetime) -> dict[str, Any]:
    """A01."""
    return {
        "billing_info": {},
        "channels": [],
        "contact_informations": {
            "city": SHOP_ADDRESS["city"],
            "country": "FRA",
            "email": "shop@example.com",
            "lastname": "Shop",
            "street1": SHOP_ADDRESS["street_1"],
        },
        "currency_iso_code": "EUR",
        "date_created": stamp(now - timedelta(days=365)),
        "default_billing_information": {
            "default_language": "fr_FR",
            "id": "a83c1170-f8cb-45a1-aa4a-affe809d6c64",
            "registration_address": {**SHOP_ADDRESS, "country_iso_code": "FRA"},
        },
        "domains": ["PRODUCT"],
        "evaluations_count": 0,
        "free_shipping": False,
        "is_professional": True,
        "last_updated_date": stamp(now - timedelta(days=30)),
        "offers_count": len(shop.offers),
        "orders_count": len(shop.orders),
        "payment_details": {"paid_balance": 0, "payable_balance": 0, "pending_balance": 0},
        "payment_method_mandatory": False,
        "premium": False,
        "pro_details": {},
        "shipping": {},
        "shipping_types": [],
        "shipping_zones": [],
        "shop_additional_fields": [],
        "shop_id": shop.shop_id,
        "shop_name": "Emulated shop",
        "shop_state": "OPEN",
    }


def offer(one: Offer, now: datetime) -> dict[str, Any]:
    """One row of OF21."""
    price = float(one.entry.price)
    references = [{"reference": one.entry.gtin, "reference_type": "EAN"}] if one.entry.gtin else []
    return {
        "active": one.quantity > 0,
        "all_prices": [
            {
                "price": price,
                "unit_origin_price": price,
                "volume_prices": [
                    {"price": price, "quantity_threshold": 1, "unit_discount_price": price, "unit_origin_price": price}
                ],
            }
        ],
        "category_code": "1",
        "category_label": "Tout",
        "channels": ["INIT"],
        "currency_iso_code": "EUR",
        "description": "",
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "inactivity_reasons": [] if one.quantity else ["ZERO_QUANTITY"],
        "leadtime_to_ship": 2,
        "logistic_class": {"code": "M", "label": "Medium"},
        "max_order_quantity": 0,
        "min_order_quantity": 0,
        "min_quantity_alert": 0,
        "min_shipping_price": 4.9,
        "min_shipping_price_additional": 0,
        "min_shipping_type": "STD",
        "min_shipping_zone": "FR",
        "offer_id": one.offer_id,
        "package_quantity": 1,
        "price": price,
        "product_references": references,
        "product_sku": f"MKP{one.offer_id:015d}",
        "product_title": " - ".join([one.entry.title, *one.entry.options.values()]),
        "quantity": one.quantity,
        "shipping_deadline": stamp(now + timedelta(days=2)),
        "shop_sku": one.entry.sku,
        "state_code": "11",
    }


def order(one: Order) -> dict[str, Any]:
    """One row of OR11."""
    price = sum((line.price for line in one.lines), Decimal(0))
    shipping = sum((line.shipping_price for line in one.lines), Decimal(0))
    known = {
        "shipping_carrier_code": one.tracking.get("carrier_code"),
        "shipping_company": one.tracking.get("carrier_name"),
        "shipping_tracking": one.tracking.get("tracking_number"),
        "acceptance_decision_date": stamp(one.accepted_at) if one.accepted_at else None,
        "customer_debited_date": stamp(one.debited_at) if one.debited_at else None,
    }
    return {
        "can_cancel": one.state in (State.WAITING_DEBIT, State.WAITING_DEBIT_PAYMENT),
        "can_shop_ship": one.state is State.SHIPPING,
        "commercial_id": one.commercial_id,
        "created_date": stamp(one.created_at),
        "currency_iso_code": "EUR",
        "customer": _customer(one),
        "customer_notification_email": f"{one.commercial_id.lower()}@notification.example.com",
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "fully_refunded": False,
        "has_customer_message": False,
        "has_incident": False,
        "has_invoice": False,
        "last_updated_date": stamp(one.updated_at),
        "leadtime_to_ship": 2,
        "order_id": one.order_id,
        "order_lines": [_line(line, index, one) for index, line in enumerate(one.lines, start=1)],
        "order_state": one.state.value,
        "order_tax_mode": "TAX_INCLUDED",
        "paymentType": "CARD",
        "payment_workflow": "PAY_ON_ACCEPTANCE",
        "price": float(price),
        "shipping_price": float(shipping),
        "shipping_type_code": "STD",
        "shipping_type_label": "Standard",
        "shipping_zone_code": "FR",
        "shipping_zone_label": "France",
        "total_commission": float((price * COMMISSION).quantize(CENT, ROUND_HALF_UP)),
        "total_price": float(price + shipping),
        **{name: value for name, value in known.items() if value is not None},
    }


def _customer(one: Order) -> dict[str, Any]:
    first, _, last = one.shopper.name.rpartition(" ")
    address = {
        "city": one.shopper.city,
        "country": one.shopper.country,
        "country_iso_code": COUNTRIES[one.shopper.country],
        "firstname": first,
        "lastname": last,
        "street_1": one.shopper.street,
        "zip_code": one.shopper.postal_code,
    }
    is_hidden = one.state in BEFORE_DEBIT or one.debited_at is None
    return {
        "billing_address": None if is_hidden else address,
        "customer_id": f"customer-{one.commercial_id}",
        "firstname": first,
        "lastname": last,
        "shipping_address": None if is_hidden else address,
    }


def _line(line: Line, index: int, one: Order) -> dict[str, Any]:
    fee = (line.price * COMMISSION).quantize(CENT, ROUND_HALF_UP)
    known = {
        "debited_date": stamp(line.debited_at) if line.debited_at else None,
        "shipped_date": stamp(line.shipped_at) if line.shipped_at else None,
    }
    return {
        "can_refund": one.debited_at is not None and line.units_to_ship > 0,
        "cancelations": [
            {
                "amount": float(gone.amount),
                "commission_amount": 0,
                "commission_taxes": [],
                "commission_total_amount": 0,
                "created_date": stamp(gone.at),
                "id": str(gone.number),
                "quantity": gone.units,
                "reason_code": gone.reason_code,
                "shipping_amount": float(gone.shipping_amount),
            }
            for gone in line.cancelations
        ],
        "category_code": "1",
        "category_label": "Tout",
        "commission_fee": float(fee),
        "commission_rate_vat": 0,
        "commission_vat": 0,
        "created_date": stamp(one.created_at),
        "description": "",
        "last_updated_date": stamp(line.updated_at),
        "offer_id": line.offer.offer_id,
        "offer_sku": line.offer.entry.sku,
        "offer_state_code": "11",
        "order_line_additional_fields": [],
        "order_line_id": line.line_id,
        "order_line_index": index,
        "order_line_state": line.state.value,
        "price": float(line.price),
        "price_unit": float(line.unit_price),
        "product_medias": [],
        "product_sku": f"MKP{line.offer.offer_id:015d}",
        "product_title": line.offer.entry.title,
        "quantity": line.units,
        "refunds": [_refund(gone) for gone in line.refunds],
        "shipping_price": float(line.shipping_price),
        "taxes": [
            {
                "amount": float(line.tax),
                "code": TAX_CODE,
                "rate": float(TAX_RATE),
                "tax_calculation_rule": "PROPORTIONAL_TO_AMOUNT",
            }
        ],
        "total_commission": float(fee),
        "total_price": float(line.price + line.shipping_price),
        **{name: value for name, value in known.items() if value is not None},
    }


def _refund(gone: Withdrawn) -> dict[str, Any]:
    return {
        "amount": float(gone.amount),
        "commission_amount": 0,
        "commission_tax_amount": 0,
        "commission_taxes": [],
        "commission_total_amount": 0,
        "created_date": stamp(gone.at),
        "id": str(gone.number),
        "order_refund_id": f"group-{gone.number}",
        "quantity": gone.units,
        "reason_code": gone.reason_code,
        "refund_state": "REFUNDED",
        "shipping_amount": float(gone.shipping_amount),
        "state": "REFUNDED",
    }


def canceled(line: Line, gone: Withdrawn) -> dict[str, Any]:
    """One row of the answer of OR30."""
    return {
        "amount": float(gone.amount),
        "cancelation_id": str(gone.number),
        "order_line_id": line.line_id,
        "quantity": gone.units,
        "reason_code": gone.reason_code,
        "shipping_amount": float(gone.shipping_amount),
    }


def refunded(line: Line, gone: Withdrawn) -> dict[str, Any]:
    """One row of the answer of OR28."""
    return {
        "amount": float(gone.amount),
        "excluded_from_shipment": gone.is_out,
        "order_line_id": line.line_id,
        "order_refund_id": f"group-{gone.number}",
        "quantity": gone.units,
        "reason_code": gone.reason_code,
        "refund_id": str(gone.number),
        "shipping_amount": float(gone.shipping_amount),
    }


def goods_back(back: GoodsBack) -> dict[str, Any]:
    """One row of RT11: received by the seller, and found as it should be."""
    return {
        "date_created": stamp(back.at),
        "id": back.return_id,
        "last_updated": stamp(back.at),
        "method_code": "RETURN_METHOD_BY_MAIL",
        "order_commercial_id": back.order.commercial_id,
        "order_id": back.order.order_id,
        "return_address": {
            "city": SHOP_ADDRESS["city"],
            "country_iso_code": "FRA",
            "street1": SHOP_ADDRESS["street_1"],
            "zip_code": "69002",
        },
        "return_lines": [
            {
                "compliance": [{"compliant": True}],
                "order_line_id": line.line_id,
                "quantity": units,
                "reason_code": "RETURN_CHANGED_MIND",
            }
            for line, units in back.lines
        ],
        "state": "RECEIVED",
    }
