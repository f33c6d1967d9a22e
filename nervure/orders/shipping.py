"""Goods leave: the claims become movements."""

from datetime import datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, cause_key
from nervure.orders.desk import Desk
from nervure.orders.work import order_document
from schemas.fulfillment import FulfillmentState
from schemas.stock import MovementKind


def ship(
    fulfillment_order_id: int,
    desk: Desk,
    *,
    shipped_at: datetime,
    tell_channel: bool = True,
    by: str = "",
    state: FulfillmentState = FulfillmentState.SHIPPED,
) -> bool:
    """Books that a fulfillment order has left (or was handed over), by whom; False: it had left, or is canceled."""
    if not desk.fulfillment.end(fulfillment_order_id, state, shipped_at, by=by):
        return False
    lines = desk.fulfillment.lines(fulfillment_order_id=fulfillment_order_id)
    held = desk.stock.held_for([line.id for line in lines])
    owners_and_lots = desk.stock.owners_and_lots({claim.level_id for claim in held})
    desk.stock.end_claims([claim.id for claim in held], "consumed", at=shipped_at)
    desk.stock.serials_leave([line.id for line in lines], shipped_at)
    document = order_document(*desk.fulfillment.name_of(fulfillment_order_id))
    book(
        desk.stock,
        [
            Entry(
                place=claim.place,
                kind=MovementKind.SHIPPED,
                units=-claim.units,
                cause_key=cause_key("claim", claim.id),
                document=document,
                occurred_at=shipped_at,
                owner=owner,
                lot=lot,
            )
            for claim in held
            for owner, lot in [owners_and_lots[claim.level_id]]
        ],
    )
    if tell_channel:
        desk.outbox.tell_shipment(fulfillment_order_id)
    return True
