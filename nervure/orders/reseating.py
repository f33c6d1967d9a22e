"""Claims keep to units that are there: what one stock level lost, another one of the same shelf may still have."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from nervure.inventory.stock import Place
from nervure.orders.desk import Desk
from nervure.orders.settling import cover, release
from schemas.fulfillment import MAY_MOVE


def reseat(places: Collection[Place], desk: Desk) -> None:
    """Gives claims on levels that no longer have their units those of other owners and lots, the newest claims first.

    A place as a whole may owe nothing while one of its levels does. Left so, the goods of one owner would leave, and
    those of another would be booked.
    """
    lines: list[int] = []
    for missing, claims in desk.stock.strained_lines(places).values():
        units = missing
        for line, claimed in claims:
            if units > 0:
                lines.append(line)
                units -= claimed
    serve_again(lines, desk)


def serve_again(fulfillment_line_ids: Iterable[int], desk: Desk) -> None:
    """Gives up what these lines hold and serves their orders again, from any place."""
    again: dict[int, set[int]] = defaultdict(set)
    for line_id in dict.fromkeys(fulfillment_line_ids):
        for found in desk.fulfillment.lines(line_ids=[line_id]):
            desk.orders.lock(found.order_id)
        # Read again under the lock: meanwhile it may have left, or been canceled.
        for found in desk.fulfillment.lines(line_ids=[line_id]):
            if found.state in MAY_MOVE:
                release(desk, found, found.units)
                again[found.order_id].add(found.order_line_id)
    for order_id, line_ids in sorted(again.items()):
        lines = [line for line in desk.orders.lines(order_id) if line.id in line_ids]
        cover(order_id, desk, lines, may_split=True)
