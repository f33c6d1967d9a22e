"""Taking an order in: any of its documents, in any order of arrival, ends in the same state.

An order is written as the channel states it, then settled: each line's open units must be in fulfillment orders or
be a shortfall. Settling compares where the line stands with where it must stand, so it can be done again at will.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from nervure.inventory.counts import PART_OF_KIT
from nervure.inventory.ledger import book
from nervure.inventory.lots import draw
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.orders.desk import Desk
from nervure.orders.reseating import reseat
from nervure.orders.reservations import take_over
from nervure.orders.returns import check_units
from nervure.orders.settling import cover, note_shortfall, rebalance, serve_shortfalls, uncover
from nervure.orders.shipping import ship
from nervure.orders.work import BoundListing, KnownOrder, LineState, order_document
from schemas.base import counted
from schemas.capabilities import Capabilities, DecrementMoment
from schemas.fulfillment import FulfillmentState
from schemas.orders import DeliveryMethod, Order, OrderLine, OrderState
from schemas.stock import MovementKind


def take_in(order: Order, capabilities: Capabilities, desk: Desk) -> bool:
    """Takes in one statement of an order; False: a newer one is known and this one changes nothing.

    Raises:
        UnboundListingError: a line's listing is not bound; nothing was written.
    """
    named = [line.listing_external_id for line in order.lines if line.listing_external_id is not None]
    bound = desk.bindings.listings_of(order.channel, named)
    known = desk.orders.upsert(order)
    if known is None:
        return False
    before = {line.external_id: line for line in ([] if known.is_new else desk.orders.lines(known.id))}
    before = _put_lines(known, order, desk, bound, before)
    if order.state is OrderState.CANCELED:
        for state in desk.orders.lines(known.id):
            desk.orders.cancel_units(state.id, state.units_ordered)
    if known.was_counted or counts(order, capabilities):
        _count(known.id, order, capabilities, desk, before if known.was_counted else {})
    check_units(order.channel, order.external_id, desk)
    return True


def _put_lines(
    known: KnownOrder, order: Order, desk: Desk, bound: Mapping[str, BoundListing], before: Mapping[str, LineState]
) -> dict[str, LineState]:
    """Writes lines as stated. What is not goods moves money only; what was goods once stays goods.

    Answers the lines that were there before; one that the hub had made, and that the channel states now, was not.
    """
    goods: list[tuple[OrderLine, BoundListing, int, int]] = []
    money: list[OrderLine] = []
    there = dict(before)
    cuts = desk.orders.untold_cuts(known.id) if before else {}
    told: dict[int, int] = {}
    for line in order.lines:
        listing = bound.get(line.listing_external_id or "")
        earlier = before.get(line.external_id) or _made_by_us(line, listing, desk, there)
        if listing is None and earlier is not None:
            listing = BoundListing(earlier.listing_id, earlier.item_id)
        if listing is None:
            money.append(line)
            continue
        ordered, canceled = _ordered_and_canceled(earlier, line, is_tie=known.is_tie)
        cut = cuts.get(earlier.id, 0) if earlier is not None else 0
        if earlier is not None and cut:
            stated = ordered - (line.units - line.units_canceled)
            canceled = max(canceled, _with_cut(earlier, stated, cut))
            if stated >= earlier.units_canceled:
                told[earlier.id] = earlier.listing_id
        goods.append((line, listing, ordered, canceled))
    desk.orders.put_lines(known.id, goods)
    if money:
        desk.orders.put_money_lines(known.id, money)
    if not known.is_tie:  # of two statements of one instant nobody knows whether the other took a line away or added it
        told |= _cancel_what_is_gone(order, desk, before, cuts)
    if told:
        desk.orders.told_cuts(told)
        # Whoever canceled there may have put the units back on its shelf: our number is sent again.
        desk.channel_notes.may_have_restocked(order.channel, set(told.values()))
    return there


def _made_by_us(
    line: OrderLine, listing: BoundListing | None, desk: Desk, there: dict[str, LineState]
) -> LineState | None:
    """The substitute that a person added on the channel, as the hub had asked: the same units are not sold twice.

    It is the channel's line from now on, and was not there before.
    """
    for name, one in there.items():
        if listing is not None and not one.is_stated and one.item_id == listing.item_id:
            desk.orders.name_line(one.id, line.external_id)
            del there[name]
            return one
    return None


def _cancel_what_is_gone(
    order: Order, desk: Desk, before: Mapping[str, LineState], cuts: Mapping[int, int]
) -> dict[int, int]:
    """Lines that the channel states no more; answers those of which the hub had given units up, with their listing."""
    named = {line.external_id for line in order.lines}
    gone = [line for line in before.values() if line.external_id not in named and line.is_stated]
    for line in gone:
        desk.orders.cancel_units(line.id, line.units_ordered)
    return {line.id: line.listing_id for line in gone if line.id in cuts}


def _with_cut(known: LineState, stated: int, cut: int) -> int:
    """Units canceled of a line of which the hub gave `cut` up, where the channel states so many as canceled.

    As long as it states fewer than were known it has not heard of the cut. What it opens again beyond that is open.
    """
    before = known.units_canceled - cut
    return stated + cut if stated < before else max(stated, known.units_canceled)


def counts(order: Order, capabilities: Capabilities) -> bool:
    """Whether the channel has taken these units off its own number: the moment at which ours are claimed."""
    match capabilities.decrements_at:
        case DecrementMoment.CART | DecrementMoment.ORDER:
            has_taken = not (
                order.delivery.method is DeliveryMethod.HANDED_OVER and order.state is OrderState.AWAITING_PAYMENT
            )
        case DecrementMoment.PAYMENT:
            has_taken = order.state is not OrderState.AWAITING_PAYMENT
        case DecrementMoment.DEBIT | DecrementMoment.NEVER:
            has_taken = order.state in {OrderState.OPEN, OrderState.COMPLETED}
    return has_taken and order.state is not OrderState.CANCELED


def _ordered_and_canceled(known: LineState | None, line: OrderLine, *, is_tie: bool) -> tuple[int, int]:
    """An edit that lowers a line's units cancels the difference: what was ordered once stays on record.

    Of two statements made in one instant the one that leaves fewer units open stands, whichever was heard first.
    """
    ordered = max(line.units, known.units_ordered if known else 0)
    still_open = line.units - line.units_canceled
    if is_tie and known is not None:
        still_open = min(still_open, known.units_open)
    return ordered, ordered - still_open


def _left_at(order: Order, capabilities: Capabilities, *, is_first: bool) -> datetime:
    """When the channel took the units off its own number: as it says, else by what is known of its platform.

    `is_first` False: the order was counted before, and what it holds more now came with its newest form.
    """
    if not is_first:
        return order.changed_at
    if order.units_left_at is not None:
        return order.units_left_at
    is_at_once = capabilities.decrements_at in {DecrementMoment.CART, DecrementMoment.ORDER}
    return order.placed_at if is_at_once else order.changed_at


def _count(order_id: int, order: Order, capabilities: Capabilities, desk: Desk, before: dict[str, LineState]) -> None:
    desk.orders.mark_counted(order_id)
    stated = desk.orders.lines(order_id)
    too_late = uncover(order_id, desk, stated)
    for line, units in too_late.items():
        desk.tasks.open(
            "canceled_after_shipping",
            f"{order.channel}:{order.external_id}:{line}",
            f"{counted(units, 'unit')} had left, or {'was' if units == 1 else 'were'} with the supplier",
        )
    if too_late and capabilities.restocks_on_cancel:
        # The channel may have put back on its shelf what had left: our number is sent again, though it did not move.
        left = {line.listing_id for line in stated if line.external_id in too_late}
        desk.channel_notes.may_have_restocked(order.channel, left)
    lines = desk.orders.lines(order_id)
    if capabilities.decrements_at is not DecrementMoment.NEVER:
        moved = channels_own_moves(lines, before, restocks_on_cancel=capabilities.restocks_on_cancel)
        if moved:
            desk.channel_notes.moved(order_id, moved, _left_at(order, capabilities, is_first=not before))
    is_handed_over = order.delivery.method is DeliveryMethod.HANDED_OVER
    freed = take_over(order_id, desk, lines, reference=order.reservation, may_allocate=not is_handed_over)
    if is_handed_over:
        # A sale that waits for its payment is at the till still, also where the platform counts orders at once.
        _hand_over(order_id, order, desk, lines, at=(None if before else order.units_left_at) or order.changed_at)
        serve_shortfalls(freed, desk)
        return
    lines = desk.orders.lines(order_id)
    cover(order_id, desk, lines, may_split=order.delivery.method is DeliveryMethod.SHIP, is_sale=True)
    given_back = desk.stock.parts_of({line.item_id for line in stated if line.units_served > line.units_open})
    serve_shortfalls({part for parts in given_back.values() for part in parts} | freed, desk)
    if capabilities.must_accept_orders and order.state is OrderState.AWAITING_ACCEPTANCE:
        settled = desk.orders.lines(order_id)
        desk.outbox.tell_acceptance(order_id, {line.external_id: line.is_acceptable for line in settled})
    if order.state is OrderState.COMPLETED:
        # Units that were canceled while a supplier had them are none of those of which the channel says that they
        # left: they are the supplier's until it answers.
        canceled = {line.id for line in stated if line.external_id in too_late}
        served = desk.fulfillment.lines(order_id=order_id)
        with_supplier = {
            line.fulfillment_order_id
            for line in served
            if line.state is FulfillmentState.SENT_TO_SUPPLIER and line.order_line_id in canceled
        }
        for number in sorted({line.fulfillment_order_id for line in served} - with_supplier):
            ship(number, desk, shipped_at=order.changed_at, tell_channel=False)
        _ship_what_was_short(order_id, order, desk)
    elif order.state is OrderState.OPEN and _is_less_open(lines, before):
        desk.outbox.tell_completion(order_id)


def _is_less_open(lines: list[LineState], before: Mapping[str, LineState]) -> bool:
    """Whether units were canceled that had not left."""
    return any(line.external_id in before and line.units_open < before[line.external_id].units_open for line in lines)


def channels_own_moves(
    lines: list[LineState], before: dict[str, LineState], *, restocks_on_cancel: bool
) -> dict[int, int]:
    """What the channel did to its own numbers, by listing: sold units are negative, restocked ones positive."""
    moved: dict[int, int] = {}
    for line in lines:
        known = before.get(line.external_id)
        taken = line.units_open - (known.units_open if known else 0)
        if taken > 0 or (taken < 0 and restocks_on_cancel):
            moved[line.listing_id] = moved.get(line.listing_id, 0) - taken
    return moved


def _hand_over(order_id: int, order: Order, desk: Desk, lines: list[LineState], *, at: datetime) -> None:
    """A till sale is a fact: it is booked whatever our numbers say; who had claimed the units is served elsewhere."""
    sold = {line: line.units_open - line.units_served for line in lines if line.units_open > line.units_served}
    if sold:
        _book_gone(order_id, order, desk, sold, Gone(FulfillmentState.HANDED_OVER, MovementKind.SOLD, at))


def _ship_what_was_short(order_id: int, order: Order, desk: Desk) -> None:
    """The channel says that all of it left: also what had no source here, from the place that its number stands for."""
    short = {line: line.units_short for line in desk.orders.lines(order_id) if line.units_short}
    if not short:
        return
    _book_gone(order_id, order, desk, short, Gone(FulfillmentState.SHIPPED, MovementKind.SHIPPED, order.changed_at))
    for line in short:
        note_shortfall(desk, line, 0)


class Gone(NamedTuple):
    """How units left that nobody had claimed."""

    state: FulfillmentState
    kind: MovementKind
    at: datetime


def _book_gone(order_id: int, order: Order, desk: Desk, units: Mapping[LineState, int], how: Gone) -> None:
    """Books units of order lines as gone from the place of the channel's stock point, though it may owe them then."""
    location = desk.bindings.location_of(order.channel, order.delivery.stock_point)
    written = desk.fulfillment.add(order_id, location, how.state, {line.id: count for line, count in units.items()})
    parts_of = desk.stock.parts_of({line.item_id for line in units})
    wanted = [
        (
            cause_key("fulfillment", written[line.id], part),
            "" if part == line.item_id else PART_OF_KIT,
            Place(part, location),
            count * per,
        )
        for line, count in units.items()
        for part, per in parts_of[line.item_id].items()
    ]
    places = {place for _, _, place, _ in wanted}
    drawn = draw(desk.stock.lock_sellable(places), [(place, units) for _, _, place, units in wanted])
    entries = [
        Entry(
            place=place,
            kind=how.kind,
            units=-one.units,
            cause_key=cause + (f"|{number}" if number else "") + kit,
            document=order_document(order.channel, order.external_id),
            occurred_at=how.at,
            owner=one.owner,
            lot=one.lot,
        )
        for (cause, kit, place, _), draws in zip(wanted, drawn, strict=True)
        for number, one in enumerate(draws)
    ]
    book(desk.stock, entries)
    rebalance(places, desk)
    reseat(places, desk)
