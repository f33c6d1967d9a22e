"""Goods come back: refund, return and restock are three events, told in any order and more than once.

A refund moves money and no goods. A return brings goods, in a condition, to a place; a restock says that they lie on
the shelf. All three may name the same line. Where a line stands follows from everything that was said of it, whatever
was heard first: the most units, and the condition and place of the newest statement that brought goods.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.orders.desk import Desk
from nervure.orders.settling import settle
from nervure.orders.work import BoundListing, ReturnState
from schemas.base import counted
from schemas.orders import Return, ReturnLine
from schemas.stock import AdjustmentReason, Condition, MovementKind

_CAUTION = (Condition.SELLABLE, Condition.QUALITY_CONTROL, Condition.ON_HOLD, Condition.DAMAGED)
"""Of two statements made in one instant the more careful one is believed."""


def take_back(goods: Return, desk: Desk) -> bool:
    """Takes in a return, line by line; False: it said nothing new. It needs no order: a blind return is booked too.

    Raises:
        UnboundListingError: a line's listing is not bound; nothing was written.
    """
    bound = _listings(goods, desk)
    return_id = desk.returns.put(goods)
    entries: list[Entry] = []
    restocked: set[int] = set()
    named: list[tuple[tuple[str, ...], Entry, bool]] = []
    is_new = False
    for line in goods.lines:
        listing = bound.get(line.external_id)
        if listing is None:
            continue  # no goods of ours: its money is in the refund
        was_added, state = desk.returns.line(return_id, line, listing.item_id)
        location = desk.bindings.location_of(goods.channel, line.stock_point) if line.restocked else None
        stated = hear(state, line, location, goods.stated_at)
        is_new = is_new or was_added or stated != state
        if stated == state:
            continue
        moved = list(_movements(goods, line, state, stated))
        desk.returns.put_line(replace(stated, steps=state.steps + 1) if moved else stated)
        parts = desk.stock.parts_of([listing.item_id])[listing.item_id].items()
        booked = [_of_part(entry, part, per) for part, per in parts for entry in moved]
        entries.extend(booked)
        named.extend((line.serials, entry, len(parts) == 1) for entry in booked if entry.units > 0)
        if moved:
            restocked.add(listing.listing_id)
    settle(book(desk.stock, entries), desk)
    for serials, entry, is_simple in named:
        # Of a kit nobody says which part a serial number is of: only known ones are taken.
        desk.stock.serials_return(serials, entry, may_register=is_simple)
    if restocked:
        desk.channel_notes.may_have_restocked(goods.channel, restocked)
    if goods.order is not None:
        check_units(goods.channel, goods.order, desk)
    return is_new


def hear(state: ReturnState, line: ReturnLine, location: int | None, stated_at: datetime) -> ReturnState:
    """Where a line stands after one more statement about it: in any order of arrival it ends the same.

    `location`: where its goods lie; None: only money moved.
    """
    units = max(state.units, line.units)
    if not line.restocked:
        return replace(state, units=units)
    known = (state.stated_at, _CAUTION.index(state.condition), state.location_id or 0)
    is_newest = state.units_back == 0 or (stated_at, _CAUTION.index(line.condition), location or 0) > known
    if is_newest:
        state = replace(state, condition=line.condition, location_id=location, stated_at=stated_at)
    return replace(state, units=units, units_back=max(state.units_back, line.units))


def check_units(channel: str, order: str, desk: Desk) -> None:
    """More units of a line came back than were sold: a person must look. The order may be heard after the goods."""
    for line_id, name, units in desk.returns.over_returned(channel, order):
        if units > 0:
            desk.tasks.open(
                "returned_more_than_sold",
                f"order_line:{line_id}",
                f"{counted(units, 'more unit')} of line {name} came back than were sold",
            )
        else:
            desk.tasks.close("returned_more_than_sold", f"order_line:{line_id}")


def _movements(goods: Return, line: ReturnLine, before: ReturnState, after: ReturnState) -> Iterator[Entry]:
    """What has to be booked for one line, for an item of one part, which `_of_part` puts in."""
    cause = cause_key("return", goods.channel, goods.external_id, line.external_id)
    here = after.location_id or 0
    # What was booked before places were kept is taken to lie where it is said to lie now.
    there = before.location_id or here
    template = Entry(
        place=Place(0, here),
        kind=MovementKind.RETURNED,
        units=after.units_back - before.units_back,
        cause_key=cause,
        document=f"return:{goods.channel}:{goods.external_id}",
        occurred_at=goods.occurred_at,
        condition=after.condition,
    )
    if before.units_back and (there, before.condition) != (here, after.condition):
        is_same_place = there == here
        pair = replace(
            template,
            kind=MovementKind.CONDITION_CHANGED if is_same_place else MovementKind.ADJUSTED,
            reason=None if is_same_place else AdjustmentReason.CORRECTION,
            units=before.units_back,
        )
        step = f"{cause}|step {before.steps}"
        yield replace(
            pair,
            place=Place(0, there),
            condition=before.condition,
            units=-pair.units,
            cause_key=f"{step} from",
        )
        yield replace(pair, cause_key=f"{step} to")
    if template.units:
        yield replace(template, cause_key=f"{cause}|step {before.steps}" if before.steps else cause)


def _of_part(entry: Entry, part: int, per: int) -> Entry:
    return replace(
        entry,
        place=Place(part, entry.place.location_id),
        units=entry.units * per,
        cause_key=f"{entry.cause_key}|{part}",
    )


def _listings(goods: Return, desk: Desk) -> dict[str, BoundListing]:
    """What came back, by the return's line: by its listing, else as its order line was bound when it was sold."""
    named = [line.listing_external_id for line in goods.lines if line.listing_external_id is not None]
    bound = desk.bindings.listings_of(goods.channel, named)
    found = {line.external_id: bound[name] for line in goods.lines if (name := line.listing_external_id or "") in bound}
    if len(found) < len(goods.lines) and goods.order is not None:
        sold = {line.external_id: line for line in desk.orders.lines_of(goods.channel, goods.order)}
        for line in goods.lines:
            if line.external_id not in found and (known := sold.get(line.order_line or "")) is not None:
                found[line.external_id] = BoundListing(known.listing_id, known.item_id)
    return found
