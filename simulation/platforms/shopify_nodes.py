"""An emulated Shopify shop's state as GraphQL nodes: plain dicts, whose connections are functions of arguments."""

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from graphql import GraphQLError

from simulation.platform import Shopper
from simulation.platforms.shopify_model import (
    CURRENCY,
    SHIPPING,
    Fulfillment,
    FulfillmentOrder,
    Level,
    Line,
    Order,
    Refund,
    Variant,
)
from simulation.platforms.shopify_payloads import gid, money
from simulation.platforms.shopify_shop import Shop
from simulation.platforms.shopify_webhooks import Subscription

Node = dict[str, Any]
LARGEST_WINDOW = 250


def refuse(message: str, code: str) -> GraphQLError:
    """An error of the whole request."""
    return GraphQLError(message, extensions={"code": code})


def too_many(items: int) -> GraphQLError:
    """The refusal of a list that is too long."""
    message = f"The input array size of {items} is greater than the maximum allowed of {LARGEST_WINDOW}."
    return refuse(message, "MAX_INPUT_SIZE_EXCEEDED")


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@lru_cache(maxsize=100_000)
def number(text: str, kind: str) -> int:
    """The number in a global id of this kind; 0 where it is of another kind."""
    match = re.fullmatch(r"gid://shopify/(\w+)/(\d+)(\?.*)?", text)
    if match is None:
        raise refuse(f"Invalid global id '{text}'", "INVALID_VARIABLE")
    return int(match[2]) if match[1] == kind else 0


def bag(amount: Decimal) -> Node:
    # GraphQL writes 4.9 where webhooks write 4.90.
    text = money(amount)
    text = text[:-1] if text.endswith("0") else text
    both = {"amount": text, "currencyCode": CURRENCY}
    return {"shopMoney": both, "presentmentMoney": both}


# windows


def _cursor(key: Sequence[object]) -> str:
    return base64.b64encode(json.dumps({"last_id": key[-1], "last_value": key[0]}).encode()).decode()


def _key(cursor: str) -> tuple[Any, Any]:
    try:
        told = json.loads(base64.b64decode(cursor))
        return told["last_value"], told["last_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise refuse(f"Invalid cursor '{cursor}'", "INVALID_VARIABLE") from error


def window(
    items: Sequence[Any],
    keys: Sequence[tuple[Any, Any]],
    view: Callable[[Any], Node],
    first: int | None,
    after: str | None,
) -> Node:
    """One window of sorted items; `keys` are what they are sorted by, ending in something unique."""
    if first is None:
        raise refuse("you must provide one of first or last", "BAD_REQUEST")
    if not 0 <= first <= LARGEST_WINDOW:
        raise refuse(f"Argument 'first' has an invalid value ({first})", "BAD_REQUEST")
    start = 0 if after is None else bisect_right(keys, _key(after))
    end = min(len(items), start + first)
    cursors = [_cursor(keys[index]) for index in (start, end - 1)] if end > start else []
    nodes = [view(item) for item in items[start:end]]
    return {
        "nodes": nodes,
        "edges": lambda _info: [
            {"cursor": _cursor(keys[start + index]), "node": node} for index, node in enumerate(nodes)
        ],
        "pageInfo": {
            "hasNextPage": end < len(items),
            "hasPreviousPage": start > 0,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def connection(items: Sequence[Any], view: Callable[[Any], Node]) -> Callable[..., Node]:
    """A connection over a list that keeps its order."""

    def resolve(_info: object, first: int | None = None, after: str | None = None) -> Node:
        return window(items, [(index, index) for index in range(len(items))], view, first, after)

    return resolve


def listed(items: Sequence[Any], view: Callable[[Any], Node]) -> Callable[..., list[Node]]:
    """A plain list that can be cut short."""

    def resolve(_info: object, first: int | None = None) -> list[Node]:
        return [view(item) for item in items[:first]]

    return resolve


# catalogue and stock


def variant_node(shop: Shop, variant: Variant) -> Node:
    entry = variant.entry
    options = entry.options or {"Title": "Default Title"}
    return {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", variant.id),
        "legacyResourceId": str(variant.id),
        "title": variant.variant_title,
        "sku": entry.sku,
        "barcode": entry.gtin,
        "updatedAt": stamp(variant.updated_at),
        "selectedOptions": [{"name": name, "value": value} for name, value in options.items()],
        "product": {"id": gid("Product", variant.product), "title": variant.title},
        "inventoryItem": item_node(shop, variant),
    }


def item_node(shop: Shop, variant: Variant) -> Node:
    def level(_info: object, locationId: str) -> Node | None:  # noqa: N803 - Shopify's own spelling
        found = shop.levels.get((variant.item, number(locationId, "Location")))
        return None if found is None else level_node(shop, found)

    levels = [shop.levels[variant.item, place] for place in shop.places if (variant.item, place) in shop.levels]
    return {
        "__typename": "InventoryItem",
        "id": gid("InventoryItem", variant.item),
        "tracked": True,
        "inventoryLevel": level,
        "inventoryLevels": connection(levels, lambda found: level_node(shop, found)),
    }


def level_node(shop: Shop, level: Level) -> Node:
    def quantities(_info: object, names: Sequence[str]) -> list[Node]:
        numbers = {
            "available": level.available,
            "committed": level.committed,
            "on_hand": level.available + level.committed,
        }
        told = stamp(level.updated_at)
        return [
            {
                "id": f"gid://shopify/InventoryQuantity/{level.id}?name={name}",
                "name": name,
                "quantity": numbers.get(name, 0),
                "updatedAt": told if name == "available" else None,
            }
            for name in names
        ]

    return {
        "__typename": "InventoryLevel",
        "id": f"gid://shopify/InventoryLevel/{level.id}?inventory_item_id={level.item}",
        "location": lambda _info: location_node(shop, level.place),
        "updatedAt": stamp(level.updated_at),
        "quantities": quantities,
    }


def location_node(shop: Shop, place: int) -> Node:
    return {
        "__typename": "Location",
        "id": gid("Location", place),
        "name": shop.places[place],
        "isActive": True,
        "updatedAt": stamp(shop.opened_at),
    }


# orders


def line_node(shop: Shop, order: Order, line: Line) -> Node:
    return {
        "__typename": "LineItem",
        "id": gid("LineItem", line.id),
        "title": line.variant.title,
        "sku": line.variant.entry.sku,
        "variant": lambda _info: variant_node(shop, line.variant),
        "quantity": line.units,
        "currentQuantity": line.units - order.refunded_units(line.id),
        "fulfillableQuantity": order.remaining(line.id),
        "originalUnitPriceSet": bag(line.variant.entry.price),
        "taxLines": [{"priceSet": bag(line.tax)}],
        "discountAllocations": [{"allocatedAmountSet": bag(line.discount)}] if line.discount else [],
    }


def address_node(order: Order, shopper: Shopper) -> Node:
    return {
        "__typename": "MailingAddress",
        "id": gid("MailingAddress", order.id),
        "name": shopper.name,
        "address1": shopper.street,
        "address2": None,
        "city": shopper.city,
        "zip": shopper.postal_code,
        "countryCodeV2": shopper.country,
    }


def fulfillment_node(shop: Shop, order: Order, made: Fulfillment) -> Node:
    lines = [line for line in order.lines if made.units.get(line.id)]
    tracking = {"number": made.number, "company": made.company, "url": made.url}
    return {
        "__typename": "Fulfillment",
        "id": gid("Fulfillment", made.id),
        "status": made.status,
        "displayStatus": "FULFILLED" if made.status == "SUCCESS" else "CANCELED",
        "trackingInfo": [tracking] if any(tracking.values()) else [],
        "fulfillmentLineItems": connection(
            lines,
            lambda line: {
                "id": gid("FulfillmentLineItem", made.id * 1000 + lines.index(line)),
                "quantity": made.units[line.id],
                "lineItem": line_node(shop, order, line),
            },
        ),
    }


def fulfillment_order_node(shop: Shop, order: Order, waiting: FulfillmentOrder) -> Node:
    lines = [line for line in order.lines if line.id in waiting.lines]
    return {
        "__typename": "FulfillmentOrder",
        "id": gid("FulfillmentOrder", waiting.id),
        "status": waiting.status,
        "assignedLocation": {"location": location_node(shop, waiting.place)},
        "deliveryMethod": {"id": gid("DeliveryMethod", waiting.id), "methodType": waiting.method},
        "lineItems": connection(
            lines,
            lambda line: {
                "id": gid("FulfillmentOrderLineItem", waiting.lines[line.id]),
                "remainingQuantity": waiting.remaining[line.id],
                "lineItem": line_node(shop, order, line),
            },
        ),
    }


def refund_node(shop: Shop, order: Order, made: Refund) -> Node:
    lines = {line.id: line for line in order.lines}
    return {
        "__typename": "Refund",
        "id": gid("Refund", made.id),
        "processedAt": stamp(made.at),
        "totalRefundedSet": bag(made.amount),
        "refundLineItems": connection(
            made.lines,
            lambda item: {
                "id": gid("RefundLineItem", item.id),
                "quantity": item.units,
                "restockType": item.restock_type,
                "location": None if item.place is None else location_node(shop, item.place),
                "lineItem": line_node(shop, order, lines[item.line]),
            },
        ),
    }


def order_node(shop: Shop, order: Order) -> Node:
    cancelled = None if order.cancelled_at is None else stamp(order.cancelled_at)
    nothing = bag(Decimal(0))
    return {
        "__typename": "Order",
        "id": gid("Order", order.id),
        "legacyResourceId": str(order.id),
        "name": f"#{order.number}",
        "createdAt": stamp(order.at),
        "updatedAt": stamp(order.updated_at),
        "closed": cancelled is not None,
        "closedAt": cancelled,
        "cancelledAt": cancelled,
        "cancelReason": None if cancelled is None else "INVENTORY",
        "displayFinancialStatus": order.financial_status,
        "displayFulfillmentStatus": order.fulfillment_status,
        "sourceName": "web",
        "retailLocation": None,
        "currencyCode": CURRENCY,
        "presentmentCurrencyCode": CURRENCY,
        "taxesIncluded": True,
        "totalPriceSet": bag(order.total),
        "totalDiscountsSet": bag(order.discount),
        "totalShippingPriceSet": bag(SHIPPING),
        "totalTaxSet": bag(sum((line.tax for line in order.lines), Decimal(0))),
        "totalTipReceivedSet": nothing,
        "originalTotalDutiesSet": None,
        "originalTotalAdditionalFeesSet": None,
        "totalCashRoundingAdjustment": {"paymentSet": nothing},
        "email": order.shopper.email,
        "phone": None,
        "shippingAddress": address_node(order, order.shopper),
        "billingAddress": address_node(order, order.shopper),
        "lineItems": connection(order.lines, lambda line: line_node(shop, order, line)),
        "fulfillments": listed(order.fulfillments, lambda made: fulfillment_node(shop, order, made)),
        "fulfillmentOrders": connection(
            order.fulfillment_orders, lambda waiting: fulfillment_order_node(shop, order, waiting)
        ),
        "refunds": listed(order.refunds, lambda made: refund_node(shop, order, made)),
        "suggestedRefund": lambda _info, **wanted: _suggested(order, wanted),
    }


def _suggested(order: Order, wanted: Mapping[str, Any]) -> Node:
    amount = Decimal(0)
    for item in wanted.get("refundLineItems") or ():
        line = order.line(number(item["lineItemId"], "LineItem"))
        if line is not None:
            amount += (line.total / line.units * item["quantity"]).quantize(Decimal("0.01"))
    transaction = {
        "gateway": "bogus",
        "parentTransaction": {"id": gid("OrderTransaction", order.id)},
        "amountSet": bag(amount),
    }
    return {"suggestedTransactions": [transaction] if order.is_paid and amount else []}


def subscription_node(subscription: Subscription) -> Node:
    return {
        "__typename": "WebhookSubscription",
        "id": gid("WebhookSubscription", subscription.id),
        "topic": subscription.topic.replace("/", "_").upper(),
        "uri": subscription.uri,
        "format": "JSON",
    }
