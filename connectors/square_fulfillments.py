"""Telling Square what became of an order: only orders that are open and made through its API or online can be told."""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from urllib.parse import quote

from connectors.errors import RefusedError
from connectors.square_client import SquareClient, SquareRefusedError, Wire
from schemas.fulfillment import ReadyNotice, Shipment

_FINAL = ("COMPLETED", "CANCELED", "FAILED")
_BEFORE_READY = ("PROPOSED", "RESERVED")
_CONFLICTS = {"CONFLICT", "VERSION_MISMATCH"}


def push_shipment(client: SquareClient, shipment: Shipment) -> None:
    """Moves the covered fulfillments to COMPLETED, which makes a paid order COMPLETED.

    Square has no state for a part of a fulfillment: a parcel that neither covers one nor completes the order changes
    nothing there, and the parcel that completes the order completes all that is still open.
    """

    def covered(order: Wire) -> Wire | None:
        if order.get("state") == "CANCELED":
            raise RefusedError(f"Square's order {shipment.order!r} is canceled: its shipment cannot be told")
        left = {line.order_line for line in shipment.lines}
        waiting = [
            part
            for part in order.get("fulfillments") or ()
            if part.get("state") not in _FINAL and (shipment.completes_order or _lines(part, order) <= left)
        ]
        if order.get("state") == "COMPLETED" or not waiting:
            return None
        return {"fulfillments": [_completed(part, shipment) for part in waiting]}

    _update(client, shipment.order, f"shipment {shipment.external_id}", covered)


def push_ready(client: SquareClient, notice: ReadyNotice) -> bool:
    """Moves the pickups whose lines all wait for their customer to PREPARED; False: one waits for more.

    Raises:
        RefusedError: the order is canceled in Square.
    """
    is_whole = True

    def prepared(order: Wire) -> Wire | None:
        nonlocal is_whole
        if order.get("state") == "CANCELED":
            raise RefusedError(f"Square's order {notice.order!r} is canceled: nobody fetches it")
        ready = {line.order_line: line.units for line in notice.lines}
        lacking = {
            str(line.get("uid"))
            for line in order.get("line_items") or ()
            if ready.get(str(line.get("uid")), 0) < Decimal(str(line.get("quantity") or 0))
        }
        waiting = [
            part
            for part in order.get("fulfillments") or ()
            if part.get("type") == "PICKUP" and part.get("state") in _BEFORE_READY
        ]
        whole = [part for part in waiting if not _lines(part, order) & lacking]
        is_whole = len(whole) == len(waiting)
        if order.get("state") == "COMPLETED" or not whole:
            return None
        return {"fulfillments": [{"uid": part.get("uid"), "state": "PREPARED"} for part in whole]}

    _update(client, notice.order, f"ready {notice.location}", prepared)
    return is_whole


def push_cancellation(client: SquareClient, order_id: str, lines: Mapping[str, int]) -> None:
    """Cancels an order that nobody has paid.

    Raises:
        RefusedError: a part of an order, or a paid one: Square cancels only whole unpaid orders through its API.
    """

    def canceled(order: Wire) -> Wire | None:
        if order.get("state") == "CANCELED":
            return None
        if order.get("state") != "OPEN" or order.get("tenders"):
            raise RefusedError(f"Square's order {order_id!r} is paid: refund it in Square, the API cannot")
        ordered = {line.get("uid"): line.get("quantity") for line in order.get("line_items") or ()}
        if {uid: str(units) for uid, units in lines.items()} != ordered:
            raise RefusedError(f"Square's order {order_id!r} can only be canceled whole")
        open_parts = [part for part in order.get("fulfillments") or () if part.get("state") not in _FINAL]
        parts = [{"uid": part.get("uid"), "state": "CANCELED"} for part in open_parts]
        return {"state": "CANCELED", **({"fulfillments": parts} if parts else {})}

    _update(client, order_id, "cancellation", canceled)


def _update(client: SquareClient, order_id: str, cause: str, change: Callable[[Wire], Wire | None]) -> None:
    """Reads the order and sends what `change` makes of it, if anything; once more when somebody was faster."""
    try:
        _update_once(client, order_id, cause, change)
    except SquareRefusedError as error:
        if not _CONFLICTS & set(error.codes):
            raise
        _update_once(client, order_id, cause, change)


def _update_once(client: SquareClient, order_id: str, cause: str, change: Callable[[Wire], Wire | None]) -> None:
    path = f"/v2/orders/{quote(order_id, safe='')}"
    order = client.get(path).get("order") or {}
    fields = change(order)
    if fields is None:
        return
    version = order.get("version")
    if version is None:
        raise RefusedError(f"Square's order {order_id!r} was not made through its API: it cannot be updated there")
    key = hashlib.sha256(f"{order_id}\n{cause}\n{version}".encode()).hexdigest()
    update = {"location_id": order.get("location_id"), "version": version, **fields}
    client.change("PUT", path, {"idempotency_key": key, "order": update})


def _lines(part: Wire, order: Wire) -> set[str]:
    """The lines that a fulfillment serves: all of the order's where it names none."""
    entries = [str(entry.get("line_item_uid")) for entry in part.get("entries") or ()]
    return set(entries or (str(line.get("uid")) for line in order.get("line_items") or ()))


def _completed(part: Wire, shipment: Shipment) -> Wire:
    update: Wire = {"uid": part.get("uid"), "state": "COMPLETED"}
    if part.get("type") == "SHIPMENT" and shipment.parcel:
        parcel = shipment.parcel
        details = {"carrier": parcel.carrier[:50], "tracking_number": parcel.tracking_number[:100]}
        update["shipment_details"] = details | ({"tracking_url": parcel.tracking_url} if parcel.tracking_url else {})
    return update
