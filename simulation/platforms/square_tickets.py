"""The emulated documents of a sale at Square: tickets, payments, returns. Prices hold 20 % tax."""

from collections.abc import Sequence
from datetime import datetime

from simulation.platform import BasketLine, Shopper
from simulation.platforms.square_account import Account, Variation
from simulation.platforms.square_book import Wire, stamp

TAX_PERCENT = 20


def tax_inside(total: int) -> int:
    """The tax that a total holds, rounded half up."""
    return (2 * total * TAX_PERCENT + 100 + TAX_PERCENT) // (2 * (100 + TAX_PERCENT))


def ticket(account: Account, basket: Sequence[BasketLine], location: str, now: datetime) -> Wire:
    """An open order of a till, which has no version."""
    lines = [_line(account, account.by_sku[line.sku], line.units) for line in basket]
    order: Wire = {
        "id": account.new_id("order"),
        "location_id": location,
        "source": {"name": "Square Point of Sale"},
        "line_items": lines,
        "created_at": stamp(now),
        "state": "OPEN",
    }
    return order | totals(account, lines)


def _line(account: Account, variation: Variation, units: int) -> Wire:
    total = variation.price * units
    return {
        "uid": account.new_id("line"),
        "catalog_object_id": variation.id,
        "catalog_version": 1,
        "name": variation.item,
        "variation_name": variation.name,
        "item_type": "ITEM",
        "quantity": str(units),
        "base_price_money": account.money(variation.price),
        "variation_total_price_money": account.money(total),
        "gross_sales_money": account.money(total),
        "total_tax_money": account.money(tax_inside(total)),
        "total_discount_money": account.money(0),
        "total_service_charge_money": account.money(0),
        "total_money": account.money(total),
    }


def totals(account: Account, lines: Sequence[Wire]) -> Wire:
    """The amounts of an order that nobody has paid."""
    total = sum(line["total_money"]["amount"] for line in lines)
    tax = sum(line["total_tax_money"]["amount"] for line in lines)
    none = account.money(0)
    return {
        "total_money": account.money(total),
        "total_tax_money": account.money(tax),
        "total_discount_money": none,
        "total_tip_money": none,
        "total_service_charge_money": none,
        "net_amounts": {
            "total_money": account.money(total),
            "tax_money": account.money(tax),
            "discount_money": none,
            "tip_money": none,
            "service_charge_money": none,
        },
        "net_amount_due_money": account.money(total),
    }


def tender(account: Account, order: Wire, now: datetime) -> Wire:
    """The cash that pays an order."""
    return {
        "id": account.new_id("payment"),
        "location_id": order["location_id"],
        "transaction_id": order["id"],
        "created_at": stamp(now),
        "amount_money": dict(order["total_money"]),
        "type": "CASH",
        "cash_details": {
            "buyer_tendered_money": dict(order["total_money"]),
            "change_back_money": account.money(0),
        },
    }


def payment_event(order: Wire, paid: Wire, now: datetime) -> Wire:
    """The data of `payment.created`."""
    payment = {
        "id": paid["id"],
        "created_at": stamp(now),
        "updated_at": stamp(now),
        "amount_money": paid["amount_money"],
        "total_money": paid["amount_money"],
        "status": "COMPLETED",
        "source_type": "CASH",
        "location_id": order["location_id"],
        "order_id": order["id"],
    }
    return {"type": "payment", "id": paid["id"], "object": {"payment": payment}}


def fulfillment(account: Account, kind: str, shopper: Shopper) -> Wire:
    """How an order that was placed ahead reaches the shopper: `kind` is SHIPMENT or PICKUP."""
    recipient = {
        "display_name": shopper.name,
        "email_address": shopper.email,
        "address": {
            "address_line_1": shopper.street,
            "locality": shopper.city,
            "postal_code": shopper.postal_code,
            "country": shopper.country,
        },
    }
    details = f"{kind.lower()}_details"
    return {
        "uid": account.new_id("fulfillment"),
        "type": kind,
        "state": "PROPOSED",
        "line_item_application": "ALL",
        details: {"recipient": recipient},
    }


def return_order(account: Account, source: str | None, lines: Sequence[Wire], location: str, now: datetime) -> Wire:
    """An order that only gives back; `lines` are return lines."""
    total = sum(line["total_money"]["amount"] for line in lines)
    tax = sum(line["total_tax_money"]["amount"] for line in lines)
    none = account.money(0)
    amounts = {
        "total_money": account.money(total),
        "tax_money": account.money(tax),
        "discount_money": none,
        "tip_money": none,
        "service_charge_money": none,
    }
    order_id = account.new_id("order")
    part: Wire = {"uid": account.new_id("return"), "return_line_items": list(lines), "return_amounts": amounts}
    if source is not None:
        part["source_order_id"] = source
    refund = {
        "id": account.new_id("refund"),
        "location_id": location,
        "reason": "Returned goods",
        "amount_money": account.money(total),
        "status": "APPROVED",
        "created_at": stamp(now),
    }
    return {
        "id": order_id,
        "location_id": location,
        "source": {"name": "Square Point of Sale"},
        "returns": [part],
        "return_amounts": amounts,
        "net_amounts": {name: account.money(-money["amount"]) for name, money in amounts.items()},
        "refunds": [refund],
        "created_at": stamp(now),
        "closed_at": stamp(now),
        "state": "COMPLETED",
        "total_money": none,
        "total_tax_money": none,
        "total_discount_money": none,
        "total_tip_money": none,
        "total_service_charge_money": none,
    }


def return_line(account: Account, variation: Variation, units: int, source_line: str | None) -> Wire:
    """Some units that come back; `source_line` is the line of the ticket, None without a ticket."""
    total = variation.price * units
    line: Wire = {
        "uid": account.new_id("line"),
        "catalog_object_id": variation.id,
        "catalog_version": 1,
        "name": variation.item,
        "variation_name": variation.name,
        "item_type": "ITEM",
        "quantity": str(units),
        "base_price_money": account.money(variation.price),
        "gross_return_money": account.money(total),
        "total_tax_money": account.money(tax_inside(total)),
        "total_discount_money": account.money(0),
        "total_money": account.money(total),
    }
    return line | ({"source_line_item_uid": source_line} if source_line else {})


def refund_event(order: Wire, now: datetime) -> Wire:
    """The data of `refund.created`, which names the order that gives back."""
    given = order["refunds"][0]
    refund = {
        "id": given["id"],
        "status": "COMPLETED",
        "location_id": order["location_id"],
        "amount_money": given["amount_money"],
        "order_id": order["id"],
        "unlinked": "source_order_id" not in order["returns"][0],
        "created_at": stamp(now),
        "updated_at": stamp(now),
    }
    return {"type": "refund", "id": given["id"], "object": {"refund": refund}}
