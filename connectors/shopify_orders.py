"""Reading Shopify's orders whole, and telling Shopify what left and what will not."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from connectors import shopify_documents as documents
from connectors.errors import ContractError, NoAnswerError, RefusedError
from connectors.shopify_graphql import GraphqlClient, TooCostlyError
from mappings import shopify_nodes as nodes
from mappings.shopify_plain import PlainOrder, gid, number
from mappings.shopify_refunds import settle
from schemas.fulfillment import ReadyNotice, Shipment

WINDOW = 250
"""What one list may hold at most in an answer."""

SMALL_WINDOWS = {"parts": 3, "inner": 5}
"""What is asked for first: few orders hold more."""

LIST_WINDOWS = (50, WINDOW)
"""What lists that filled their window are asked for with next."""

LINES_IN_ONE_FULFILLMENT = 512
JOB_WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0)

_FULFILLABLE = ("OPEN", "IN_PROGRESS")
_HELD = ("ON_HOLD", "SCHEDULED", "INCOMPLETE")
_DEAD = ("CANCELLED", "ERROR", "FAILURE")
_PREPARED = "fulfillmentOrderLineItemsPreparedForPickup"
_NOTHING_TO_PREPARE = "NO_LINE_ITEMS_TO_PREPARE_FOR_FULFILLMENT_ORDER"
_CONNECTIONS = ("lineItems", "fulfillmentLineItems", "refundLineItems")


def run_in_windows(
    client: GraphqlClient, document: documents.Document, variables: dict[str, Any], windows: dict[str, int]
) -> tuple[dict[str, Any], dict[str, int]]:
    """Runs a document with windows as large as Shopify lets them be; answers the data and the windows used."""
    while True:
        try:
            return client.run(document, {**variables, **windows}), windows
        except TooCostlyError:
            largest = max(windows, key=lambda name: windows[name])
            if windows[largest] < 2:
                raise
            windows = {**windows, largest: windows[largest] // 2}


def read_order(client: GraphqlClient, order: str, parts: int = SMALL_WINDOWS["parts"]) -> dict[str, Any]:
    """One order, whole.

    Raises:
        RefusedError: no such order.
    """
    windows = {**SMALL_WINDOWS, "parts": parts}
    data, used = run_in_windows(client, documents.ORDER, {"id": _order_gid(order)}, windows)
    if data.get("order") is None:
        raise RefusedError(f"Shopify knows no order {order!r}")
    return complete(client, data["order"], used["parts"], asked=parts)


def complete(client: GraphqlClient, node: dict[str, Any], parts: int, *, asked: int) -> dict[str, Any]:
    """Reads what did not fit into an order's windows; its lists were cut at `parts`, where `asked` were asked for."""
    lists = [node["fulfillments"], node["refunds"]]
    if any(len(items) >= parts for items in lists):
        return read_order(client, number(node["id"]), _wider(asked, node["id"]))
    for owner in [node, *(item for items in lists for item in items)]:
        _complete_connections(client, owner)
    return node


def _wider(parts: int, order: str) -> int:
    """The next larger window for an order's lists, which cannot be read page by page."""
    wider = next((size for size in LIST_WINDOWS if size > parts), None)
    if wider is None:
        raise ContractError(f"Shopify order {order} has {parts} fulfillments or refunds or more: not all are read")
    return wider


def _complete_connections(client: GraphqlClient, owner: dict[str, Any]) -> None:
    for name in _CONNECTIONS:
        connection = owner.get(name)
        while connection and connection["pageInfo"]["hasNextPage"]:
            after = connection["pageInfo"]["endCursor"]
            data = client.run(documents.MORE_LINES, {"id": owner["id"], "first": WINDOW, "after": after})
            more = (data.get("node") or {}).get(name)
            if more is None:
                raise ContractError(f"Shopify answered no more {name} of {owner['id']}")
            connection["nodes"] += more["nodes"]
            connection["pageInfo"] = more["pageInfo"]


def _order_gid(order: str) -> str:
    if not order.isdecimal():
        raise RefusedError(f"{order!r} is not the id of a Shopify order")
    return gid("Order", order)


# what left


@dataclass(frozen=True, slots=True)
class _OpenLine:
    """Units of one order line that wait in one fulfillment order."""

    place: str
    fulfillment_order: str
    id: str
    line: str
    units: int
    is_held: bool


def push_shipment(client: GraphqlClient, shipment: Shipment, *, notify: bool) -> None:
    """Fulfills the shipment's units wherever Shopify has them waiting; what was told before is not told again.

    What Shopify takes is fulfilled, so that its buyer can follow the parcel, before anything else of it is refused.
    A fulfillment has no field for our id, so it is found again by its tracking number; a shipment without a parcel
    carries its own id there.

    Raises:
        RefusedError: units that Shopify has on hold, has canceled, or never sold.
    """
    order = _read_to_ship(client, shipment.order)
    reference = shipment.parcel.tracking_number if shipment.parcel else shipment.external_id
    alive = [one for one in order["fulfillments"] if one["status"] not in _DEAD]
    told = _fulfilled(one for one in alive if reference in [info.get("number") for info in one["trackingInfo"]])
    wanted: dict[str, int] = {}
    for line in shipment.lines:
        wanted[line.order_line] = wanted.get(line.order_line, 0) + line.units
    missing = {line: units - told.get(line, 0) for line, units in wanted.items() if units > told.get(line, 0)}
    chosen, refusals = _choose(order, missing, _fulfilled(alive))
    for place in dict.fromkeys(item.place for item in chosen):
        here = [item for item in chosen if item.place == place]
        for start in range(0, len(here), LINES_IN_ONE_FULFILLMENT):
            _fulfill(client, here[start : start + LINES_IN_ONE_FULFILLMENT], shipment, notify=notify)
    if refusals:
        what = f"Shopify order {shipment.order!r}: shipment {shipment.external_id!r}"
        raise RefusedError(f"{what} has {', and '.join(refusals)}")


def _read_to_ship(client: GraphqlClient, order: str, parts: int = SMALL_WINDOWS["parts"]) -> dict[str, Any]:
    windows = {**SMALL_WINDOWS, "parts": parts}
    data, used = run_in_windows(client, documents.TO_SHIP, {"id": _order_gid(order)}, windows)
    node: dict[str, Any] | None = data.get("order")
    if node is None:
        raise RefusedError(f"Shopify knows no order {order!r}")
    waiting = node["fulfillmentOrders"]["nodes"]
    if max(len(node["fulfillments"]), len(waiting)) >= used["parts"]:
        return _read_to_ship(client, order, _wider(parts, node["id"]))
    for owner in [node, *node["fulfillments"], *waiting]:
        _complete_connections(client, owner)
    return node


def _fulfilled(fulfillments: Iterable[dict[str, Any]]) -> dict[str, int]:
    units: dict[str, int] = {}
    for one in fulfillments:
        for item in one["fulfillmentLineItems"]["nodes"]:
            line = number(item["lineItem"]["id"])
            units[line] = units.get(line, 0) + (item["quantity"] or 0)
    return units


def _waiting(order: dict[str, Any]) -> Iterator[_OpenLine]:
    for one in order["fulfillmentOrders"]["nodes"]:
        if one["status"] not in (*_FULFILLABLE, *_HELD):
            continue
        location = one["assignedLocation"]["location"]
        for item in one["lineItems"]["nodes"]:
            yield _OpenLine(
                place="" if location is None else location["id"],
                fulfillment_order=one["id"],
                id=item["id"],
                line=number(item["lineItem"]["id"]),
                units=item["remainingQuantity"],
                is_held=one["status"] in _HELD,
            )


def _choose(
    order: dict[str, Any], missing: Mapping[str, int], fulfilled: Mapping[str, int]
) -> tuple[list[_OpenLine], list[str]]:
    """Open lines with the units to take of each, and what Shopify does not wait for, in words."""
    ordered = {number(line["id"]): line["quantity"] for line in order["lineItems"]["nodes"]}
    waiting = list(_waiting(order))
    chosen: list[_OpenLine] = []
    refusals: list[str] = []
    for line, units in missing.items():
        still = units
        here = [item for item in waiting if item.line == line and item.units > 0]
        for item in here:
            taken = 0 if item.is_held else min(still, item.units)
            still -= taken
            if taken:
                chosen.append(_OpenLine(item.place, item.fulfillment_order, item.id, line, units=taken, is_held=False))
        everything = fulfilled.get(line, 0) + sum(item.units for item in here)
        if still and any(item.is_held for item in here):
            refusals.append(f"{still} units of line {line!r} that Shopify keeps on hold or scheduled")
        elif still and (line not in ordered or everything < ordered[line]):
            refusals.append(f"{still} units of line {line!r} that Shopify has canceled, refunded or never sold")
        # Else somebody has fulfilled these units on Shopify already.
    return chosen, refusals


def _fulfill(client: GraphqlClient, items: list[_OpenLine], shipment: Shipment, *, notify: bool) -> None:
    by_order: dict[str, list[dict[str, object]]] = {}
    for item in items:
        by_order.setdefault(item.fulfillment_order, []).append({"id": item.id, "quantity": item.units})
    tracking: dict[str, object] = {"number": shipment.external_id}
    if shipment.parcel is not None:
        tracking = {"number": shipment.parcel.tracking_number, "company": shipment.parcel.carrier}
        if shipment.parcel.tracking_url is not None:
            tracking["url"] = shipment.parcel.tracking_url
    fulfillment = {
        "notifyCustomer": notify,
        "trackingInfo": tracking,
        "lineItemsByFulfillmentOrder": [
            {"fulfillmentOrderId": order, "fulfillmentOrderLineItems": lines} for order, lines in by_order.items()
        ],
    }
    data = client.run(documents.CREATE_FULFILLMENT, {"fulfillment": fulfillment})
    _refuse_errors(data, "fulfillmentCreate", f"shipment {shipment.external_id!r} of order {shipment.order!r}")


def _refuse_errors(data: dict[str, Any], mutation: str, what: str, *, errors: str = "userErrors") -> dict[str, Any]:
    payload: dict[str, Any] | None = data.get(mutation)
    if payload is None:
        raise ContractError(f"Shopify answered {mutation} with nothing")
    if payload[errors]:
        reasons = "; ".join(str(error.get("message", ""))[:160] for error in payload[errors])
        raise RefusedError(f"Shopify refused {mutation} for {what}: {reasons}")
    return payload


def push_ready(client: GraphqlClient, notice: ReadyNotice) -> bool:
    """Marks what customers pick up as ready where all of it is; False: some of it waits for more.

    Shopify does not show what is marked. It refuses to mark it twice: that says that it was told before.

    Raises:
        RefusedError: the order is not for pickup there, is on hold, or Shopify's own reason.
    """
    order = _read_to_ship(client, notice.order)
    ready = {line.order_line: line.units for line in notice.lines}
    pickups = [one for one in order["fulfillmentOrders"]["nodes"] if _is_pickup(one)]
    if not pickups:
        raise RefusedError(f"Shopify order {notice.order!r} is not for pickup there")
    open_units = {
        one["id"]: {number(item["lineItem"]["id"]): item["remainingQuantity"] for item in one["lineItems"]["nodes"]}
        for one in pickups
        if one["status"] in (*_FULFILLABLE, *_HELD)
    }
    whole = [
        waiting for waiting, units in open_units.items() if all(ready.get(line, 0) >= n for line, n in units.items())
    ]
    if any(one["status"] in _HELD for one in pickups if one["id"] in whole):
        raise RefusedError(f"Shopify keeps order {notice.order!r} on hold or scheduled: it cannot be marked as ready")
    for waiting in whole:
        wanted = {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": waiting}]}
        data = client.run(documents.READY_FOR_PICKUP, {"input": wanted})
        errors = (data.get(_PREPARED) or {}).get("userErrors") or []
        if [error.get("code") for error in errors] != [_NOTHING_TO_PREPARE]:
            _refuse_errors(data, _PREPARED, f"order {notice.order!r}")
    return len(whole) == len(open_units)


def _is_pickup(waiting: dict[str, Any]) -> bool:
    return bool((waiting["deliveryMethod"] or {}).get("methodType") == "PICK_UP")


# what will not


@dataclass(frozen=True, slots=True)
class Cancellation:
    """How an account wants cancellations told. `refunds`: money goes back by the way it came."""

    notifies: bool
    refunds: bool
    sleep: Callable[[float], None]


def push_cancellation(client: GraphqlClient, order: str, lines: Mapping[str, int], how: Cancellation) -> None:
    """Cancels until at least these units of these lines are canceled in all; what is canceled already counts.

    Raises:
        RefusedError: a line that the order has not, units that have left, or Shopify's own reason.
        NoAnswerError: Shopify is still canceling: call again.
    """
    node = read_order(client, order)
    try:
        plain = nodes.Order.model_validate(node).plain()
        settled = settle(plain)
    except (ValidationError, ValueError) as error:
        raise ContractError(f"Shopify order {order!r} cannot be read: {type(error).__name__}") from error
    known = {line.id: line for line in plain.lines}
    missing: dict[str, int] = {}
    for line, units in lines.items():
        if line not in known:
            raise RefusedError(f"Shopify order {order!r} has no line {line!r}")
        if units > known[line].units - plain.left.get(line, 0):
            raise RefusedError(f"Shopify order {order!r}: {units} units of line {line!r} cannot be canceled, some left")
        if units > settled[line].canceled:
            missing[line] = units - settled[line].canceled
    if not missing:
        return
    is_whole = all(
        line.units == settled[line.id].canceled + missing.get(line.id, 0) and not plain.left.get(line.id)
        for line in plain.lines
    )
    if is_whole:
        _cancel_order(client, order, how)
    else:
        _cancel_units(client, plain, missing, how)


def _cancel_order(client: GraphqlClient, order: str, how: Cancellation) -> None:
    """Cancels everything. Nothing is restocked: units that cannot be delivered must not be shown for a moment."""
    variables = {
        "orderId": gid("Order", order),
        "notifyCustomer": how.notifies,
        "refundMethod": {"originalPaymentMethodsRefund": True} if how.refunds else None,
    }
    data = client.run(documents.CANCEL_ORDER, variables)
    payload = _refuse_errors(data, "orderCancel", f"order {order!r}", errors="orderCancelUserErrors")
    job = payload.get("job")
    for seconds in JOB_WAITS_SECONDS:
        if job is None or job["done"]:
            break
        how.sleep(seconds)
        job = client.run(documents.JOB, {"id": job["id"]}).get("job")
    if job is not None and not job["done"]:
        raise NoAnswerError(f"Shopify is still canceling order {order!r}")
    data = client.run(documents.CANCELLED_AT, {"id": gid("Order", order)})
    if (data.get("order") or {}).get("cancelledAt") is None:
        raise RefusedError(f"Shopify ended canceling order {order!r} without canceling it")


def _cancel_units(client: GraphqlClient, plain: PlainOrder, missing: Mapping[str, int], how: Cancellation) -> None:
    """Refunds units that never left.

    NO_RESTOCK shows nothing in the shop, but takes units that left first: of a line that left in part, CANCEL takes the
    unsent ones, and puts them back on the number of the place that was to send them.
    """
    refund_lines: list[dict[str, object]] = []
    waiting: list[_OpenLine] | None = None
    for line, units in missing.items():
        if not plain.left.get(line):
            refund_lines.append(_refund_line(line, units, "NO_RESTOCK"))
            continue
        if waiting is None:
            waiting = list(_waiting(_read_to_ship(client, plain.id)))
        still = units
        for item in waiting:
            taken = min(still, item.units) if item.line == line and item.place else 0
            still -= taken
            if taken:
                refund_lines.append({**_refund_line(line, taken, "CANCEL"), "locationId": item.place})
        if still:
            raise RefusedError(f"Shopify order {plain.id!r} has not {units} units of line {line!r} waiting")
    refund: dict[str, object] = {
        "orderId": gid("Order", plain.id),
        "notify": how.notifies,
        "refundLineItems": refund_lines,
        **(_money_back(client, plain.id, refund_lines) if how.refunds else {}),
    }
    # The same wish about the same version of the order is the same request, however often it is sent.
    wish = f"{plain.id}|{plain.updated_at.isoformat()}|{sorted(missing.items())}"
    key = hashlib.sha256(wish.encode()).hexdigest()
    data = client.run(documents.CREATE_REFUND, {"input": refund, "key": key})
    _refuse_errors(data, "refundCreate", f"order {plain.id!r}")


def _refund_line(line: str, units: int, restock_type: str) -> dict[str, object]:
    return {"lineItemId": gid("LineItem", line), "quantity": units, "restockType": restock_type}


def _money_back(client: GraphqlClient, order: str, refund_lines: list[dict[str, object]]) -> dict[str, object]:
    """What Shopify itself suggests to pay back for these lines, in the customer's currency."""
    data = client.run(documents.SUGGESTED_REFUND, {"id": gid("Order", order), "lines": refund_lines})
    node = data.get("order") or {}
    suggested = (node.get("suggestedRefund") or {}).get("suggestedTransactions") or []
    transactions = [
        {
            "orderId": gid("Order", order),
            "parentId": (one.get("parentTransaction") or {}).get("id"),
            "gateway": one.get("gateway") or "",
            "kind": "REFUND",
            "amount": one["amountSet"]["presentmentMoney"]["amount"],
        }
        for one in suggested
    ]
    return {"currency": node.get("presentmentCurrencyCode"), "transactions": transactions}
