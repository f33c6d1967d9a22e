"""Goods come back: refund, return and restock are three events; only goods that came back are booked."""

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place
from nervure.orders.settling import serve_shortfalls
from nervure.orders.work import Desk
from schemas.orders import Return
from schemas.stock import Condition, MovementKind


def take_back(goods: Return, desk: Desk) -> bool:
    """Takes in a return, line by line; False: every line was known. It needs no order: a blind return is booked too.

    Raises:
        UnboundListingError: a line's listing is not bound; nothing was written.
    """
    bound = desk.orders.bind(goods.channel, [line.listing_external_id for line in goods.lines])
    return_id = desk.orders.put_return(goods)
    entries: list[Entry] = []
    is_new = False
    for line in goods.lines:
        item_id = bound[line.listing_external_id].item_id
        if not desk.orders.add_return_line(return_id, line, item_id):
            continue
        is_new = True
        if not line.restocked:
            continue
        location = desk.orders.location_of(goods.channel, line.stock_point)
        entries.extend(
            Entry(
                place=Place(part, location),
                kind=MovementKind.RETURNED,
                units=line.units * per,
                cause_key=f"return|{goods.channel}|{goods.external_id}|{line.external_id}|{part}",
                document=f"return:{goods.channel}:{goods.external_id}",
                occurred_at=goods.occurred_at,
                condition=line.condition,
            )
            for part, per in desk.stock.parts_of([item_id])[item_id].items()
        )
    book(desk.stock, entries)
    serve_shortfalls({entry.place.item_id for entry in entries if entry.condition is Condition.SELLABLE}, desk)
    if is_new:
        desk.orders.channel_may_have_restocked(
            goods.channel, {bound[line.listing_external_id].listing_id for line in goods.lines if line.restocked}
        )
    return is_new
