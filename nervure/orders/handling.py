"""A fulfillment order at its location: taken on or refused there, its goods given back, or a part of it handed over."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from nervure.inventory.claims import claim, sum_demand
from nervure.inventory.ledger import book
from nervure.inventory.stock import Against, ClaimKind, Entry, HeldClaim, Place, cause_key
from nervure.orders.desk import Desk
from nervure.orders.reseating import reseat
from nervure.orders.routing import Pick, Wanted
from nervure.orders.settling import cover, deal, release, serve_shortfalls, settle
from nervure.orders.work import FulfillmentLineState
from schemas.stock import AdjustmentReason, MovementKind


class HandlingRepository(Protocol):
    """What handing over a part needs beside the orders."""

    def split_off(self, fulfillment_order_id: int, units: Mapping[int, int]) -> tuple[int, dict[int, int]]:
        """Writes another fulfillment order in the same state, with units by order line; answers its number, and the
        fulfillment line ids by order line.
        """

    def take_lines(self, line_ids: Sequence[int], fulfillment_order_id: int) -> None:
        """Whole lines go over to another fulfillment order, with everything that they hold."""


def give_back(desk: Desk, units: Mapping[FulfillmentLineState, int], *, lost_in: str | None = None) -> set[Place]:
    """What a location will not send is served from elsewhere at once, or falls short; answers the places concerned.

    Whoever calls holds the order's lock, and has noted the refusal: the location is not asked again for this order.
    `lost_in`: the document under which these units are booked as lost there, because they were not found. A kit gives
    no loss: which of its parts was missing is not known.
    """
    lost: list[HeldClaim] = []
    places: set[Place] = set()
    for line, count in units.items():
        held = desk.stock.held_for([line.id])
        places.update(one.place for one in held)
        if lost_in is not None:
            lost += _newest([one for one in held if one.place.item_id == line.item_id], count)
        release(desk, line, count)
    booked = book(desk.stock, _losses(desk, lost, lost_in)) if lost_in is not None else []
    for order_id in sorted({line.order_id for line in units}):
        mine = {line.order_line_id for line in units if line.order_id == order_id}
        cover(order_id, desk, [line for line in desk.orders.lines(order_id) if line.id in mine], may_split=True)
    settle(booked, desk)
    reseat({one.place for one in booked if one.units < 0}, desk)
    serve_shortfalls({place.item_id for place in places}, desk)
    return places


def split(desk: Desk, orders: HandlingRepository, units: Mapping[FulfillmentLineState, int]) -> int:
    """Splits units off a fulfillment order, at the same location and in its state; answers the number of the part.

    Whole lines go over with what they hold. Of others the units are given back and taken again under the locks of
    their levels: nobody comes between. Who calls holds the order's lock; something must stay.

    Raises:
        InsufficientStockError: the place owes more than it has; nothing may be kept.
    """
    [(number, location)] = {(line.fulfillment_order_id, line.location_id) for line in units}
    whole = [line for line, count in units.items() if count == line.units]
    parts = {line: count for line, count in units.items() if 0 < count < line.units}
    wanted = {line.order_line_id: _as_taken(desk, line, count) for line, count in parts.items()}
    demand = sum_demand(
        (Place(item, location), one.units * per) for one in wanted.values() for item, per in one.parts.items()
    )
    for line, count in parts.items():
        release(desk, line, count)
    takes = claim(desk.stock, demand, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
    part, written = orders.split_off(number, {line.order_line_id: count for line, count in parts.items()})
    picks = [Pick(line.order_line_id, location, count) for line, count in parts.items()]
    desk.stock.allocate(deal(takes, picks, wanted, written))
    orders.take_lines([line.id for line in whole], part)
    return part


def _as_taken(desk: Desk, line: FulfillmentLineState, units: int) -> Wanted:
    """What was taken for a line counts, not what its item is made of today."""
    parts: Counter[int] = Counter()
    for one in desk.stock.held_for([line.id]):
        parts[one.place.item_id] += one.units
    return Wanted(line.order_line_id, units, {part: total // line.units for part, total in parts.items()})


def _newest(held: Sequence[HeldClaim], units: int) -> list[HeldClaim]:
    """The claims that are given back for so many units, as `release` chooses them."""
    chosen: list[HeldClaim] = []
    for one in sorted(held, key=lambda claim: claim.id, reverse=True):
        if units > 0:
            count = min(units, one.units)
            chosen.append(HeldClaim(one.id, one.level_id, one.place, count, one.fulfillment_line_id))
            units -= count
    return chosen


def _losses(desk: Desk, lost: Sequence[HeldClaim], document: str) -> list[Entry]:
    owners_and_lots = desk.stock.owners_and_lots({one.level_id for one in lost})
    return [
        Entry(
            place=one.place,
            kind=MovementKind.ADJUSTED,
            units=-one.units,
            cause_key=cause_key("not_found", document, one.id),
            document=document,
            occurred_at=desk.now,
            reason=AdjustmentReason.LOST,
            owner=owner,
            lot=lot,
        )
        for one in lost
        for owner, lot in [owners_and_lots[one.level_id]]
    ]
