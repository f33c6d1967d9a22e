"""Goods come back: refund, return and restock are three events; only goods that came back are booked."""

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.orders.settling import serve_shortfalls
from nervure.orders.work import BoundListing, Desk
from schemas.orders import Return
from schemas.stock import Condition, MovementKind


def take_back(goods: Return, desk: Desk) -> bool:
    """Takes in a return, line by line; False: every line was known. It needs no order: a blind return is booked too.

    Raises:
        UnboundListingError: a line's listing is not bound; nothing was written.
    """
    bound = _listings(goods, desk)
    return_id = desk.orders.put_return(goods)
    entries: list[Entry] = []
    named: list[tuple[tuple[str, ...], list[Entry]]] = []
    is_new = False
    for line in goods.lines:
        listing = bound.get(line.external_id)
        if listing is None:
            continue  # no goods of ours: its money is in the refund
        item_id = listing.item_id
        if not desk.orders.add_return_line(return_id, line, item_id):
            continue
        is_new = True
        if not line.restocked:
            continue
        location = desk.orders.location_of(goods.channel, line.stock_point)
        back = [
            Entry(
                place=Place(part, location),
                kind=MovementKind.RETURNED,
                units=line.units * per,
                cause_key=cause_key("return", goods.channel, goods.external_id, line.external_id, part),
                document=f"return:{goods.channel}:{goods.external_id}",
                occurred_at=goods.occurred_at,
                condition=line.condition,
            )
            for part, per in desk.stock.parts_of([item_id])[item_id].items()
        ]
        entries.extend(back)
        named.append((line.serials, back))
    book(desk.stock, entries)
    for serials, back in named:
        for entry in back:
            # Of a kit nobody says which part a serial number is of: only known ones are taken.
            desk.stock.serials_return(serials, entry, may_register=len(back) == 1)
    serve_shortfalls({entry.place.item_id for entry in entries if entry.condition is Condition.SELLABLE}, desk)
    if is_new:
        restocked = [line.external_id for line in goods.lines if line.restocked]
        desk.orders.channel_may_have_restocked(
            goods.channel, {bound[name].listing_id for name in restocked if name in bound}
        )
    return is_new


def _listings(goods: Return, desk: Desk) -> dict[str, BoundListing]:
    """What came back, by the return's line: by its listing, else as its order line was bound when it was sold."""
    named = [line.listing_external_id for line in goods.lines if line.listing_external_id is not None]
    bound = desk.orders.bind(goods.channel, named)
    found = {line.external_id: bound[name] for line in goods.lines if (name := line.listing_external_id or "") in bound}
    if len(found) < len(goods.lines) and goods.order is not None:
        sold = {line.external_id: line for line in desk.orders.lines_of(goods.channel, goods.order)}
        for line in goods.lines:
            if line.external_id not in found and (known := sold.get(line.order_line or "")) is not None:
                found[line.external_id] = BoundListing(known.listing_id, known.item_id)
    return found
