"""Taking an order in: any of its documents, in any order of arrival, ends in the same state.

An order is written as the channel states it, then settled: each line's open units must be in fulfillment orders or
be a shortfall. Settling compares where the line stands with where it must stand, so it can be done again at will.
"""

from nervure.inventory.ledger import book
from nervure.inventory.lots import draw
from nervure.inventory.stock import Entry, Place
from nervure.orders.reseating import reseat
from nervure.orders.returns import check_units
from nervure.orders.settling import cover, rebalance, serve_shortfalls, uncover
from nervure.orders.shipping import ship
from nervure.orders.work import Desk, LineState, order_document
from schemas.capabilities import Capabilities, DecrementMoment
from schemas.fulfillment import FulfillmentState
from schemas.orders import DeliveryMethod, Order, OrderLine, OrderState
from schemas.stock import MovementKind


def take_in(order: Order, capabilities: Capabilities, desk: Desk) -> bool:
    """Takes in one statement of an order; False: a newer one is known and this one changes nothing.

    Raises:
        UnboundListingError: a line's listing is not bound; nothing was written.
    """
    bound = desk.orders.bind(order.channel, [line.listing_external_id for line in order.lines])
    known = desk.orders.upsert(order)
    if known is None:
        return False
    order_id, is_new, was_counted = known
    before = {line.external_id: line for line in ([] if is_new else desk.orders.lines(order_id))}
    desk.orders.put_lines(
        order_id,
        [
            (line, bound[line.listing_external_id], *_ordered_and_canceled(before.get(line.external_id), line))
            for line in order.lines
        ],
    )
    stated = {line.external_id for line in order.lines}
    for gone in (line for line in before.values() if line.external_id not in stated):
        desk.orders.cancel_units(gone.id, gone.units_ordered)
    if order.state is OrderState.CANCELED:
        for state in desk.orders.lines(order_id):
            desk.orders.cancel_units(state.id, state.units_ordered)
    if was_counted or counts(order, capabilities):
        _count(order_id, order, capabilities, desk, before if was_counted else {})
    check_units(order.channel, order.external_id, desk)
    return True


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


def _ordered_and_canceled(known: LineState | None, line: OrderLine) -> tuple[int, int]:
    """An edit that lowers a line's units cancels the difference: what was ordered once stays on record."""
    ordered = max(line.units, known.units_ordered if known else 0)
    return ordered, ordered - (line.units - line.units_canceled)


def _count(order_id: int, order: Order, capabilities: Capabilities, desk: Desk, before: dict[str, LineState]) -> None:
    desk.orders.mark_counted(order_id)
    stated = desk.orders.lines(order_id)
    too_late = uncover(order_id, desk, stated)
    for line, units in too_late.items():
        desk.orders.open_task(
            "canceled_after_shipping",
            f"{order.channel}:{order.external_id}:{line}",
            f"{units} units had left, or were with the supplier",
        )
    if too_late and capabilities.restocks_on_cancel:
        # The channel may have put back on its shelf what had left: our number is sent again, though it did not move.
        left = {line.listing_id for line in stated if line.external_id in too_late}
        desk.orders.channel_may_have_restocked(order.channel, left)
    lines = desk.orders.lines(order_id)
    if capabilities.decrements_at is not DecrementMoment.NEVER:
        moved = channels_own_moves(lines, before, restocks_on_cancel=capabilities.restocks_on_cancel)
        if moved:
            desk.orders.channel_moved(order_id, moved, order.updated_at if before else order.placed_at)
    if order.delivery.method is DeliveryMethod.HANDED_OVER:
        _hand_over(order_id, order, desk, lines)
        return
    cover(order_id, desk, lines, may_split=order.delivery.method is DeliveryMethod.SHIP)
    given_back = desk.stock.parts_of({line.item_id for line in stated if line.units_served > line.units_open})
    serve_shortfalls({part for parts in given_back.values() for part in parts}, desk)
    if capabilities.must_accept_orders and order.state is OrderState.AWAITING_ACCEPTANCE:
        settled = desk.orders.lines(order_id)
        desk.orders.accept(order_id, {line.external_id: line.units_short == 0 for line in settled})
    if order.state is OrderState.COMPLETED:
        for number in sorted({line.fulfillment_order_id for line in desk.orders.fulfillment_lines(order_id=order_id)}):
            ship(number, desk, shipped_at=order.updated_at, tell_channel=False)


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


def _hand_over(order_id: int, order: Order, desk: Desk, lines: list[LineState]) -> None:
    """A till sale is a fact: it is booked whatever our numbers say; who had claimed the units is served elsewhere."""
    sold = {line.id: line.units_open - line.units_served for line in lines if line.units_open > line.units_served}
    if not sold:
        return
    location = desk.orders.location_of(order.channel, order.delivery.stock_point)
    written = desk.orders.add_fulfillment(order_id, location, FulfillmentState.HANDED_OVER, sold)
    parts_of = desk.stock.parts_of({line.item_id for line in lines})
    wanted = [
        (written[line.id], Place(part, location), sold[line.id] * per)
        for line in lines
        if line.id in sold
        for part, per in parts_of[line.item_id].items()
    ]
    places = {place for _, place, _ in wanted}
    drawn = draw(desk.stock.lock_sellable(places), [(place, units) for _, place, units in wanted])
    entries = [
        Entry(
            place=place,
            kind=MovementKind.SOLD,
            units=-one.units,
            cause_key=f"fulfillment|{line}|{place.item_id}" + (f"|{number}" if number else ""),
            document=order_document(order.channel, order.external_id),
            occurred_at=order.updated_at,
            owner=one.owner,
            lot=one.lot,
        )
        for (line, place, _), draws in zip(wanted, drawn, strict=True)
        for number, one in enumerate(draws)
    ]
    book(desk.stock, entries)
    rebalance(places, desk)
    reseat(places, desk)
