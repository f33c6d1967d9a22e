"""What an emulated Shopify shop does on mutations, and how it refuses them (texts and codes as captured in 2026-04)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from graphql import GraphQLResolveInfo, StringValueNode, VariableNode

from simulation.platform import ShelfCause
from simulation.platforms.shopify_model import FulfillmentOrder, Order
from simulation.platforms.shopify_nodes import (
    LARGEST_WINDOW,
    Node,
    fulfillment_node,
    location_node,
    number,
    refuse,
    stamp,
    subscription_node,
    too_many,
)
from simulation.platforms.shopify_payloads import gid
from simulation.platforms.shopify_shop import Shop
from simulation.platforms.shopify_webhooks import Subscription, Webhooks

MOST_UNITS = 1_000_000_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was answered to an idempotency key. `is_done` False: the attempt failed."""

    arguments: str
    answer: Node
    is_done: bool


def _error(message: str, *field: str, code: str | None = None) -> Node:
    told: Node = {"field": list(field) or None, "message": message}
    return {**told, "code": code} if code is not None else told


class Mutations:
    """The fields of Mutation. `now` is set before each request."""

    def __init__(self, shop: Shop, webhooks: Webhooks) -> None:
        self._shop = shop
        self._webhooks = webhooks
        self._kept: dict[str, _Kept] = {}
        self._last_group = 0
        self.now: datetime = shop.opened_at

    # idempotency

    def _once(
        self, info: "GraphQLResolveInfo[Any]", arguments: Mapping[str, Any], do: Callable[[], Node], empty: Node
    ) -> Node:
        """Runs `do` once for a key; `empty` is the payload without its errors."""
        key = _idempotency_key(info)
        told = json.dumps({"field": info.field_name, **arguments}, sort_keys=True)
        kept = self._kept.get(key)
        if kept is None:
            answer = do()
            self._kept[key] = _Kept(told, answer, is_done=not answer["userErrors"])
            return answer
        if kept.arguments != told:
            message = "The same idempotency key cannot be used with different operation parameters."
            return {**empty, "userErrors": [_error(message, code="IDEMPOTENCY_KEY_PARAMETER_MISMATCH")]}
        if not kept.is_done:
            message = "A previous request with this idempotency key failed. Retry with a new idempotency key."
            return {**empty, "userErrors": [_error(message, code="IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")]}
        return kept.answer

    # stock

    def inventorySetQuantities(self, info: "GraphQLResolveInfo[Any]", input: Node) -> Node:  # noqa: A002, N802 - Shopify's own
        if any("changeFromQuantity" not in row for row in input["quantities"]):
            # An explicit null is allowed, an absent field is not: the schema cannot say so.
            raise refuse(
                "InventoryQuantityInput must include the following argument: changeFromQuantity.",
                "INVALID_FIELD_ARGUMENTS",
            )
        if len(input["quantities"]) > LARGEST_WINDOW:
            raise too_many(len(input["quantities"]))
        return self._once(
            info, {"input": input}, lambda: self._set_quantities(input), {"inventoryAdjustmentGroup": None}
        )

    def _set_quantities(self, wanted: Node) -> Node:
        if wanted["name"] not in ("available", "on_hand"):
            message = "The quantity name must be either 'available' or 'on_hand'."
            errors = [_error(message, "input", "name", code="INVALID_NAME")]
        else:
            errors = self._row_errors(wanted["name"], wanted["quantities"])
        if errors:
            return {"inventoryAdjustmentGroup": None, "userErrors": errors}
        changes = [change for row in wanted["quantities"] for change in self._set_row(wanted["name"], row)]
        if not changes:  # every number stood there already
            return {"inventoryAdjustmentGroup": None, "userErrors": []}
        self._last_group += 1
        group = {
            "id": gid("InventoryAdjustmentGroup", self._last_group),
            "createdAt": stamp(self.now),
            "reason": wanted["reason"],
            "referenceDocumentUri": wanted.get("referenceDocumentUri"),
            "changes": changes,
        }
        return {"inventoryAdjustmentGroup": group, "userErrors": []}

    def _row_errors(self, name: str, rows: Sequence[Node]) -> list[Node]:
        errors: list[Node] = []
        seen: set[tuple[int, int]] = set()
        for index, row in enumerate(rows):
            path = ("input", "quantities", str(index))
            item, place = number(row["inventoryItemId"], "InventoryItem"), number(row["locationId"], "Location")
            level = self._shop.levels.get((item, place))
            if item not in self._shop.by_item:
                message = "The specified inventory item could not be found."
                errors.append(_error(message, *path, "inventoryItemId", code="INVALID_INVENTORY_ITEM"))
            elif level is None:
                message = "The specified location could not be found."
                errors.append(_error(message, *path, "locationId", code="INVALID_LOCATION"))
            elif (item, place) in seen:
                message = "The combination of inventoryItemId and locationId must be unique."
                errors.append(_error(message, *path, code="NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"))
            elif name == "on_hand" and row["quantity"] < 0:
                message = "The quantity can't be negative."
                errors.append(_error(message, *path, "quantity", code="INVALID_QUANTITY_NEGATIVE"))
            elif row["quantity"] > MOST_UNITS:
                message = "The quantity can't be higher than 1,000,000,000."
                errors.append(_error(message, *path, "quantity", code="INVALID_QUANTITY_TOO_HIGH"))
            elif row["quantity"] < -MOST_UNITS:
                message = "The quantity can't be lower than -1,000,000,000."
                errors.append(_error(message, *path, "quantity", code="INVALID_QUANTITY_TOO_LOW"))
            elif row["changeFromQuantity"] not in (None, self._number(name, item, place)):
                message = "The specified compare quantity does not match the current quantity."
                errors.append(_error(message, *path, "changeFromQuantity", code="CHANGE_FROM_QUANTITY_STALE"))
            seen.add((item, place))
        return errors

    def _number(self, name: str, item: int, place: int) -> int:
        level = self._shop.levels[item, place]
        return level.available if name == "available" else level.available + level.committed

    def _set_row(self, name: str, row: Node) -> list[Node]:
        item, place = number(row["inventoryItemId"], "InventoryItem"), number(row["locationId"], "Location")
        level = self._shop.levels[item, place]
        units = row["quantity"] if name == "available" else row["quantity"] - level.committed
        delta = units - level.available
        if delta == 0:
            return []
        self._shop.set_available(item, place, units, self.now, cause=ShelfCause.WRITTEN)
        return [
            {
                "name": changed,
                "delta": delta,
                "quantityAfterChange": None,
                "item": {"id": gid("InventoryItem", item)},
                "location": partial(
                    _location, self._shop, place
                ),  # kept under its key: a copy of the shop holds it too
            }
            for changed in ("available", "on_hand")
        ]

    # shipping

    def fulfillmentCreate(self, _info: object, fulfillment: Node, **_: Any) -> Node:  # noqa: N802 - Shopify's own
        found: list[tuple[Order, FulfillmentOrder]] = []
        takes: dict[int, dict[int, int]] = {}
        for index, wanted in enumerate(fulfillment["lineItemsByFulfillmentOrder"]):
            owner = self._waiting(number(wanted["fulfillmentOrderId"], "FulfillmentOrder"))
            error = self._cannot_fulfill(owner, wanted, index)
            if error is not None or owner is None:
                return {"fulfillment": None, "userErrors": [error]}
            found.append(owner)
            takes[owner[1].id] = _takes(owner[1], wanted)
        if len({(order.id, waiting.place) for order, waiting in found}) != 1:
            message = "All fulfillment orders must belong to the same order and be assigned to the same location."
            return {"fulfillment": None, "userErrors": [_error(message, "fulfillment")]}
        order = found[0][0]
        made = self._shop.fulfill(order, takes, fulfillment.get("trackingInfo") or {}, self.now)
        return {"fulfillment": fulfillment_node(self._shop, order, made), "userErrors": []}

    def fulfillmentOrderLineItemsPreparedForPickup(  # noqa: N802 - Shopify's own spelling
        self,
        _info: object,
        input: Node,  # noqa: A002 - Shopify's own spelling
    ) -> Node:
        found: list[FulfillmentOrder] = []
        for index, wanted in enumerate(input["lineItemsByFulfillmentOrder"]):
            path = ("input", "lineItemsByFulfillmentOrder", str(index), "fulfillmentOrderId")
            owner = self._waiting(number(wanted["fulfillmentOrderId"], "FulfillmentOrder"))
            if owner is None or owner[1].method != "PICK_UP":
                message = "Invalid fulfillment order ID provided."
                return {"userErrors": [_error(message, *path, code="FULFILLMENT_ORDER_INVALID")]}
            if owner[1].is_prepared or owner[1].status not in ("OPEN", "IN_PROGRESS"):
                message = "The fulfillment order does not have any line items that can be prepared."
                code = "NO_LINE_ITEMS_TO_PREPARE_FOR_FULFILLMENT_ORDER"
                return {"userErrors": [_error(message, *path, code=code)]}
            found.append(owner[1])
        for one in found:
            one.is_prepared = True
        return {"userErrors": []}

    def _waiting(self, id_: int) -> tuple[Order, FulfillmentOrder] | None:
        return next(
            ((order, one) for order in self._shop.orders.values() for one in order.fulfillment_orders if one.id == id_),
            None,
        )

    def _cannot_fulfill(self, owner: tuple[Order, FulfillmentOrder] | None, wanted: Node, index: int) -> Node | None:
        if owner is None:
            return _error("Fulfillment order does not exist.", "fulfillment")
        waiting = owner[1]
        if waiting.status not in ("OPEN", "IN_PROGRESS"):
            message = f"Fulfillment order {waiting.id} has an unfulfillable status= {waiting.status.lower()}."
            return _error(message, "fulfillment")
        lines = {own: line for line, own in waiting.lines.items()}
        path = ("fulfillment", "lineItemsByFulfillmentOrder", str(index), "fulfillmentOrderLineItems")
        for position, item in enumerate(wanted.get("fulfillmentOrderLineItems") or ()):
            if item["quantity"] <= 0:
                return _error("Quantity must be greater than 0", *path, str(position), "quantity")
            line = lines.get(number(item["id"], "FulfillmentOrderLineItem"))
            if line is None or item["quantity"] > waiting.remaining[line]:
                return _error("Invalid fulfillment order line item quantity requested.", "fulfillment")
        return None

    # canceling and refunding

    def orderCancel(self, _info: object, **wanted: Any) -> Node:  # noqa: N802 - Shopify's own spelling
        order = self._shop.orders.get(number(wanted["orderId"], "Order"))
        if order is None:
            return _no_job(_error("Order does not exist", "orderId", code="NOT_FOUND"))
        if order.cancelled_at is not None or any(job.order == order.id for job in self._shop.jobs.values()):
            return _no_job(_error("Order has already been cancelled", "orderId", code="INVALID"))
        if order.fulfillments:
            return _no_job(_error("Cannot cancel an order with fulfilled items", "orderId", code="INVALID"))
        method = wanted.get("refundMethod") or {}
        refunds = bool(wanted.get("refund") or method.get("originalPaymentMethodsRefund"))
        job = self._shop.start_cancel(order, self.now, restock=wanted["restock"], refunds=refunds)
        return {"job": {"id": job.id, "done": False}, "orderCancelUserErrors": [], "userErrors": []}

    def refundCreate(self, info: "GraphQLResolveInfo[Any]", input: Node) -> Node:  # noqa: A002, N802 - Shopify's own
        return self._once(info, {"input": input}, lambda: self._refund(input), {"refund": None})

    def _refund(self, wanted: Node) -> Node:
        order = self._shop.orders.get(number(wanted["orderId"], "Order"))
        if order is None:
            return {"refund": None, "userErrors": [_error("Order does not exist", "orderId")]}
        rows: list[tuple[int, int, str, int | None]] = []
        for index, item in enumerate(wanted.get("refundLineItems") or ()):
            error = _cannot_refund(order, item, index)
            if error is not None:
                return {"refund": None, "userErrors": [error]}
            place = number(item["locationId"], "Location") if item.get("locationId") else None
            restock_type = item.get("restockType") or "NO_RESTOCK"
            rows.append((number(item["lineItemId"], "LineItem"), item["quantity"], restock_type, place))
        amount = sum((Decimal(one["amount"]) for one in wanted.get("transactions") or ()), Decimal(0))
        made = self._shop.refund(order, rows, amount, self.now, cause=ShelfCause.CANCELED)
        return {"refund": {"id": gid("Refund", made.id)}, "userErrors": []}

    # webhooks

    def webhookSubscriptionCreate(  # noqa: N802 - Shopify's own spelling
        self,
        _info: object,
        topic: str,
        webhookSubscription: Node,  # noqa: N803 - Shopify's own spelling
    ) -> Node:
        uri = (webhookSubscription.get("uri") or "").strip()
        address = urlsplit(uri)
        problem = None
        if not uri:
            problem = "Address can't be blank"
        elif address.scheme != "https" and address.hostname not in LOOPBACK:  # the emulated world stays on one machine
            problem = f"Address protocol {address.scheme}:// is not supported"
        name = _topic(topic)
        if any((one.topic, one.uri) == (name, uri) for one in self._webhooks.subscriptions.values()):
            problem = "Address for this topic has already been taken"
        if problem is not None:
            field = ("webhookSubscription", "callbackUrl")
            return {"webhookSubscription": None, "userErrors": [_error(problem, *field)]}
        made = Subscription(self._shop.next_id(), name, uri)
        self._webhooks.subscriptions[made.id] = made
        return {"webhookSubscription": subscription_node(made), "userErrors": []}


def _topic(name: str) -> str:
    """ORDERS_CREATE is orders/create, INVENTORY_LEVELS_UPDATE is inventory_levels/update."""
    for group in ("INVENTORY_LEVELS", "INVENTORY_ITEMS", "FULFILLMENT_ORDERS"):
        if name.startswith(f"{group}_"):
            return f"{group}/{name.removeprefix(f'{group}_')}".lower()
    return name.replace("_", "/", 1).lower()


def _takes(waiting: FulfillmentOrder, wanted: Node) -> dict[int, int]:
    items = wanted.get("fulfillmentOrderLineItems")
    if not items:
        return dict(waiting.remaining)
    lines = {own: line for line, own in waiting.lines.items()}
    return {lines[number(item["id"], "FulfillmentOrderLineItem")]: item["quantity"] for item in items}


def _no_job(error: Node) -> Node:
    return {"job": None, "orderCancelUserErrors": [error], "userErrors": [error]}


def _cannot_refund(order: Order, item: Node, index: int) -> Node | None:
    path = ("refundLineItems", str(index))
    line = order.line(number(item["lineItemId"], "LineItem"))
    if line is None:
        return _error("Line item does not exist", *path, "lineItemId")
    if item["quantity"] > line.units - order.refunded_units(line.id):
        return _error("Quantity cannot refund more items than were purchased", *path, "quantity")
    restock_type = item.get("restockType") or "NO_RESTOCK"
    if restock_type == "CANCEL" and item["quantity"] > order.remaining(line.id):
        return _error("Quantity cannot cancel more items than are unfulfilled", *path, "quantity")
    if restock_type == "RETURN" and item["quantity"] > order.left(line.id):
        return _error("Quantity cannot return more items than were fulfilled", *path, "quantity")
    if restock_type != "NO_RESTOCK" and not item.get("locationId"):
        return _error("Location can't be blank", *path, "locationId")
    return None


def _idempotency_key(info: "GraphQLResolveInfo[Any]") -> str:
    for directive in info.field_nodes[0].directives or ():
        if directive.name.value != "idempotent":
            continue
        for argument in directive.arguments or ():
            if isinstance(argument.value, VariableNode):
                return str(info.context["variables"][argument.value.name.value])
            if isinstance(argument.value, StringValueNode):
                return argument.value.value
    raise refuse("The @idempotent directive is required for this mutation but was not provided.", "BAD_REQUEST")


def _location(shop: Shop, place: int, _info: object) -> Node:
    return location_node(shop, place)
