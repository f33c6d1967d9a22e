"""Serving a part of an order from another place than the one chosen for it: one step, checked at the new place."""

from collections import Counter
from collections.abc import Sequence

from nervure.inventory.claims import claim, sum_demand
from nervure.inventory.stock import Against, ClaimKind, HeldClaim, Place
from nervure.orders.desk import Desk
from nervure.orders.routing import Pick, Wanted
from nervure.orders.settling import deal, release, serve_shortfalls
from nervure.orders.work import FulfillmentLineState
from schemas.fulfillment import FulfillmentState


def move(fulfillment_order_id: int, location_id: int, desk: Desk) -> int:
    """Gives a fulfillment order to another location; answers the number that it has there.

    The new units are taken before the old ones are given back, in the transaction of who calls: nobody comes
    between. Who calls holds the order's lock and has seen under it that nothing has left.

    Raises:
        InsufficientStockError: the new location lacks something; nothing was changed.
    """
    lines = desk.fulfillment.lines(fulfillment_order_id=fulfillment_order_id)
    held = desk.stock.held_for([line.id for line in lines])
    wanted = {line.order_line_id: as_taken(line, held) for line in lines}
    demand = sum_demand(
        (Place(part, location_id), one.units * per) for one in wanted.values() for part, per in one.parts.items()
    )
    # Old and new levels in one go: two moves in opposite directions do not wait for each other.
    desk.stock.lock_sellable(demand.keys() | {one.place for one in held})
    takes = claim(desk.stock, demand, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    order_id = lines[0].order_id
    written = desk.fulfillment.add(
        order_id, location_id, FulfillmentState.ALLOCATED, {line.order_line_id: line.units for line in lines}
    )
    picks = [Pick(line.order_line_id, location_id, line.units) for line in lines]
    desk.stock.allocate(deal(takes, picks, wanted, written))
    for line in lines:
        release(desk, line, line.units)
    [number] = {line.fulfillment_order_id for line in desk.fulfillment.lines(line_ids=list(written.values()))}
    desk.fulfillment.moved(fulfillment_order_id, number)
    desk.outbox.order_drop_ships(order_id)
    serve_shortfalls({one.place.item_id for one in held}, desk)
    return number


def as_taken(line: FulfillmentLineState, held: Sequence[HeldClaim], grams: int = 0) -> Wanted:
    """A line as it is wanted elsewhere: what was taken for it counts, not what its item is made of today."""
    parts: Counter[int] = Counter()
    for one in held:
        if one.fulfillment_line_id == line.id:
            parts[one.place.item_id] += one.units
    return Wanted(line.order_line_id, line.units, {part: units // line.units for part, units in parts.items()}, grams)
