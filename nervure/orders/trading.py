"""Giving orders that were planned together their new places: units are traded in one transaction, or not at all."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from nervure.inventory.stock import InsufficientStockError, Place
from nervure.orders.costs import Terms, euros
from nervure.orders.desk import Desk
from nervure.orders.replanning import Move, OpenOrder, OutdatedPlanError
from nervure.orders.routing import Pick
from nervure.orders.settling import carry_out, note_shortfall, release, serve_shortfalls
from nervure.orders.ways import ROOM
from nervure.orders.work import FulfillmentLineState
from schemas.base import counted
from schemas.fulfillment import FulfillmentState, StepKind


def carry_out_together(moves: Sequence[Move], desk: Desk, *, by: str = "") -> None:
    """Gives what these orders hold back and takes what was planned, in the transaction of who calls.

    Who calls holds the locks of these orders, and has seen under them that nobody is asked for any.

    Raises:
        OutdatedPlanError: an order or the stock is not as it was; nothing may be kept.
    """
    moves = sorted(moves, key=lambda move: move.order.id)
    for move in moves:
        _refuse_what_changed(move.order, desk)
    # Old and new levels in one go, so that nobody comes between.
    places = {place for move in moves for place in (*move.uses, *move.order.places()) if place.item_id != ROOM}
    before = _claimable(places, desk)
    desk.routing.lock_days({location for move in moves for location in _gaining(move)})
    for move in moves:
        _refuse_what_is_ruled_out(move, desk)
    gone: dict[int, list[FulfillmentLineState]] = {}
    chosen: dict[int, list[Pick]] = {}
    for move in moves:
        changed = _changed(move)
        gone[move.order.id] = [one for one in move.order.served if one.location_id in changed]
        chosen[move.order.id] = [pick for pick in move.plan.picks if pick.location_id in changed]
        for one in gone[move.order.id]:
            release(desk, one, one.units)
    for move in moves:
        try:
            made = carry_out(
                move.order.id, desk, chosen[move.order.id], {one.line_id: one for one in move.order.wanted}
            )
        except InsufficientStockError as error:
            raise OutdatedPlanError(f"order {move.order.id} finds less than was planned") from error
        _note(move, gone[move.order.id], made, desk, (by, len(moves)))
    _refuse_what_must_stay(moves, before, desk)
    serve_shortfalls({place.item_id for move in moves for place in move.order.places()}, desk)


def _refuse_what_changed(order: OpenOrder, desk: Desk) -> None:
    if desk.orders.lines(order.id) != list(order.lines):
        raise OutdatedPlanError(f"the lines of order {order.id} have changed")
    served = desk.fulfillment.lines(order_id=order.id)
    if served != list(order.served) or any(one.state is not FulfillmentState.ALLOCATED for one in served):
        raise OutdatedPlanError(f"order {order.id} is served in another way by now")


def _refuse_what_is_ruled_out(move: Move, desk: Desk) -> None:
    """The rules of the locations that get more of it are those of the plan, and so is what is left of their day."""
    goods = desk.routing.goods_of(move.order.items())
    now = {one.location_id: one.terms for one in desk.candidates.of_order(move.order.id, goods, anew=True)}
    then = {one.location_id: one.terms for one in move.order.candidates}
    for location in _gaining(move):
        if location not in now or _rules(now[location]) != _rules(then[location]):
            raise OutdatedPlanError(f"a location may not take order {move.order.id} any more")


def _rules(terms: Terms) -> tuple[str | None, Mapping[int, str], int, int | None]:
    return terms.dropped, terms.barred, terms.keep_units, terms.room


def _refuse_what_must_stay(moves: Sequence[Move], before: Mapping[Place, int], desk: Desk) -> None:
    """Others may have taken units since the plan: where less is left than must stay, it is no less than before."""
    # Where one order may not be served from, its terms say nothing of what must stay there: another one may be.
    able = [one for move in moves for one in move.order.candidates if one.terms.dropped is None]
    keeps = {one.location_id: one.terms.keep_units for one in able}
    kept = {place for place in before if keeps.get(place.location_id)}
    for place, units in _claimable(kept, desk).items():
        if units < min(keeps[place.location_id], before[place]):
            raise OutdatedPlanError("a location would keep less than must stay there")


def _claimable(places: Collection[Place], desk: Desk) -> dict[Place, int]:
    found = dict.fromkeys(places, 0)
    for level in desk.stock.lock_sellable(places):
        found[level.place] += level.claimable
    return found


def _gaining(move: Move) -> set[int]:
    """The locations that get more of a line than they have."""
    before = move.order.held()
    return {
        pick.location_id for pick in move.plan.picks if pick.units > before.get((pick.line_id, pick.location_id), 0)
    }


def _changed(move: Move) -> Collection[int]:
    """The locations that get another share than they have."""
    before, after = move.order.held(), {(pick.line_id, pick.location_id): pick.units for pick in move.plan.picks}
    return {
        location for line, location in {*before, *after} if before.get((line, location)) != after.get((line, location))
    }


def _note(
    move: Move, gone: Sequence[FulfillmentLineState], made: Mapping[int, list[int]], desk: Desk, who: tuple[str, int]
) -> None:
    """Says what became of each part of an order, and why."""
    by, together = who
    lines = desk.fulfillment.lines(line_ids=[line for written in made.values() for line in written])
    reason = f"saves {euros(move.saved)} euros"
    if move.spared:
        reason += f", leaves what is worth {euros(move.spared)} euros more to later orders"
    if move.units_gained:
        reason += f", serves {counted(move.units_gained, 'unit')} more"
    for number in sorted({one.fulfillment_order_id for one in gone}):
        desk.fulfillment.note_step(number, StepKind.REPLANNED, by=by, reason=reason)
        mine = Counter({one.order_line_id: one.units for one in gone if one.fulfillment_order_id == number})
        shares: Counter[int] = Counter()
        for one in lines:
            shares[one.fulfillment_order_id] += min(one.units, mine[one.order_line_id])
        if shares:
            desk.fulfillment.moved(number, max(shares, key=lambda to: (shares[to], -to)))
    for line in move.order.lines:
        note_shortfall(desk, line, move.plan.missing.get(line.id, 0))
    desk.orders.explain(
        move.order.id, move.plan.reasons, {**move.plan.bill, "replanned": _said(move, desk, by, together)}
    )
    desk.outbox.order_drop_ships(move.order.id)


def _said(move: Move, desk: Desk, by: str, together: int) -> dict[str, Any]:
    return {
        "at": desk.now.isoformat(),
        "by": by,
        "orders": together,
        "before": euros(move.cost_before),
        "saved": euros(move.saved),
        "units_gained": move.units_gained,
        **({"spared": euros(move.spared)} if move.spared else {}),
    }
