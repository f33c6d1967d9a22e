"""Bringing order lines to where they must stand: covered by fulfillment orders, or openly short."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from nervure.inventory.availability import Parts
from nervure.inventory.claims import claim, sum_demand
from nervure.inventory.policies import backordered
from nervure.inventory.stock import Against, ClaimKind, Entry, HeldClaim, Place, Take
from nervure.orders.declines import ASKED_AGAIN, ELSEWHERE
from nervure.orders.desk import Desk
from nervure.orders.routing import Candidate, Pick, Plan, Wanted, route
from nervure.orders.rules import Goods
from nervure.orders.work import FulfillmentLineState, LineState
from schemas.base import counted
from schemas.fulfillment import AT_LOCATION, MAY_MOVE, FulfillmentState, StepKind

NOT_HERE = "no location of the pool has the units"


def cover(
    order_id: int,
    desk: Desk,
    lines: Sequence[LineState],
    *,
    may_split: bool,
    avoid: Collection[int] = (),
    is_sale: bool = False,
) -> None:
    """Routes and claims what is not served yet; what no location has becomes a shortfall with a task.

    `avoid`: locations that must not be asked again for this order. `is_sale`: the units are sold just now, so that
    what is missing may be a backorder; what was lost after it had been promised is none.
    """
    parts_of = desk.stock.parts_of({line.item_id for line in lines})
    wanted, goods = what_lacks(desk, lines, parts_of)
    if wanted:

        def read() -> list[Candidate]:
            return [c for c in desk.candidates.of_order(order_id, goods) if c.location_id not in avoid]

        candidates = read()
        fit = [c for c in candidates if c.terms.dropped is None or c.if_needed is not None]
        places = {Place(part, c.location_id) for line in wanted for part in line.parts for c in fit}
        claimable: dict[Place, int] = defaultdict(int)
        for level in desk.stock.lock_sellable(places):
            claimable[level.place] += level.claimable
        prices = desk.routing.prices({place.item_id for place in places})
        costs = desk.routing.costs()

        def plan_with(few: Sequence[Candidate]) -> Plan:
            return route(wanted, few, claimable, may_split=may_split, costs=costs, prices=prices)

        def plan_for(pool: Sequence[Candidate]) -> Plan:
            plan = plan_with(pool)
            lacking = {part for line in wanted if line.line_id in plan.missing for part in line.parts}
            if lacking and any(c.if_needed is not None for c in pool):
                others = {part for line in wanted for part in line.parts} - lacking
                plan = _ask_again(plan, pool, others, plan_with)
            return plan

        plan = plan_within_days(desk, plan_for(candidates), lambda: plan_for(read()))
        carry_out(order_id, desk, plan.picks, {line.line_id: line for line in wanted})
        desk.orders.explain(order_id, plan.reasons, plan.bill)
        missing: Mapping[int, int] = plan.missing
    else:
        missing = {}
    for line in lines:
        note_shortfall(desk, line, missing.get(line.id, 0), is_sale=is_sale)
    desk.outbox.order_drop_ships(order_id)


def plan_within_days(desk: Desk, plan: Plan, plan_anew: Callable[[], Plan]) -> Plan:
    """The plan, made anew until each of its locations that has a limit of a day is locked.

    Who counts what a location was given today, and gives it one more, must be alone with it. Most locations have no
    limit, and most plans use few: only those wait for each other that give something to the same one.
    """
    locked: set[int] = set()
    while used := {pick.location_id for pick in plan.picks} - locked:
        if not desk.routing.lock_days(used):
            break
        locked |= used
        plan = plan_anew()
    return plan


def what_lacks(
    desk: Desk, lines: Sequence[LineState], parts_of: Mapping[int, Parts]
) -> tuple[list[Wanted], dict[int, Goods]]:
    """What is not served yet, and the goods that it is made of, by item."""
    short = [line for line in lines if line.units_open > line.units_served]
    parts = {part for line in short for part in parts_of[line.item_id]}
    known = desk.routing.goods_of(parts | {line.item_id for line in short}) if short else {}
    wanted = [
        Wanted(line.id, line.units_open - line.units_served, parts_of[line.item_id], known[line.item_id].grams)
        for line in short
    ]
    return wanted, {part: known[part] for part in parts}


def _ask_again(
    plan: Plan,
    candidates: Sequence[Candidate],
    others: Collection[int],
    plan_with: Callable[[Sequence[Candidate]], Plan],
) -> Plan:
    """The plan with those too who declined before, if they have what it lacks. `others`: items that it has."""
    rest = dict.fromkeys(others, ELSEWHERE)
    wider = plan_with([_if_needed(c, rest) for c in candidates])
    if sum(wider.missing.values()) >= sum(plan.missing.values()):
        return plan
    used = {pick.location_id for pick in wider.picks}
    asked = {c.code for c in candidates if c.if_needed is not None and c.location_id in used}
    reasons = {code: f"{why}{ASKED_AGAIN}" if code in asked else why for code, why in wider.reasons.items()}
    return replace(wider, reasons=reasons)


def _if_needed(one: Candidate, rest: Mapping[int, str]) -> Candidate:
    if one.if_needed is None:
        return one
    return replace(one, terms=replace(one.if_needed, barred={**rest, **one.if_needed.barred}))


def carry_out(order_id: int, desk: Desk, chosen: Sequence[Pick], wanted: Mapping[int, Wanted]) -> dict[int, list[int]]:
    """Claims what was chosen and writes a fulfillment order for each location; answers their lines, by location.

    Raises:
        InsufficientStockError: a location lacks something.
    """
    by_location: dict[int, list[Pick]] = defaultdict(list)
    made: dict[int, list[int]] = {}
    for pick in chosen:
        by_location[pick.location_id].append(pick)
    for location, picks in sorted(by_location.items()):
        demand = sum_demand(
            (Place(part, location), pick.units * per)
            for pick in picks
            for part, per in wanted[pick.line_id].parts.items()
        )
        takes = claim(desk.stock, demand, kind=ClaimKind.ALLOCATION, against=Against.CLAIMABLE)
        written = desk.fulfillment.add(
            order_id, location, FulfillmentState.ALLOCATED, {pick.line_id: pick.units for pick in picks}
        )
        desk.stock.allocate(deal(takes, picks, wanted, written))
        made[location] = list(written.values())
    return made


def deal(
    takes: Sequence[Take], picks: Sequence[Pick], wanted: Mapping[int, Wanted], written: Mapping[int, int]
) -> list[tuple[Take, int]]:
    """Deals the taken units out to the lines they were taken for, so that each claim names one line."""
    piles: dict[Place, list[Take]] = defaultdict(list)
    for take in takes:
        piles[take.place].append(take)
    dealt: list[tuple[Take, int]] = []
    for pick in picks:
        for part, per in wanted[pick.line_id].parts.items():
            missing = pick.units * per
            pile = piles[Place(part, pick.location_id)]
            while missing:
                top = pile.pop()
                units = min(top.units, missing)
                dealt.append((Take(top.level_id, top.place, units), written[pick.line_id]))
                missing -= units
                if top.units > units:
                    pile.append(Take(top.level_id, top.place, top.units - units))
    return dealt


def note_shortfall(desk: Desk, line: LineState, units: int, *, is_sale: bool = False) -> None:
    """Says how many units of a line have no source; each such line has an open task, and no other.

    A backorder has its task when its day has passed. `is_sale`: what is missing may become one.
    """
    if units == line.units_short:
        return
    allowance = desk.shortfalls.allowance(line.id) if is_sale and units > line.units_short else None
    promised = backordered(units, line.units_short, line.units_backordered, allowance)
    desk.shortfalls.put(line.id, units, NOT_HERE, (promised, allowance.promised_on if allowance else None))
    tell_unplanned(desk, line, units if line.is_overdue else units - promised)


def tell_unplanned(desk: Desk, line: LineState, units: int) -> None:
    """Opens the task of a line of which so many units have neither a source nor a day, or closes it for 0."""
    if units:
        desk.tasks.open(
            "shortfall",
            f"order_line:{line.id}",
            f"{counted(units, 'unit')} of line {line.external_id} {'has' if units == 1 else 'have'} no source",
        )
    else:
        desk.tasks.close("shortfall", f"order_line:{line.id}")


def uncover(order_id: int, desk: Desk, lines: Sequence[LineState]) -> dict[str, int]:
    """Gives back what was canceled, the newest fulfillment order first; answers what had left already, by line."""
    too_late: dict[str, int] = {}
    served = desk.fulfillment.lines(order_id=order_id)
    for line in lines:
        surplus = line.units_served - line.units_open
        if surplus <= 0:
            continue
        open_lines = [f for f in served if f.order_line_id == line.id and f.state in AT_LOCATION]
        for fulfillment in sorted(open_lines, key=lambda f: f.id, reverse=True):
            units = min(surplus, fulfillment.units)
            if fulfillment.state not in MAY_MOVE:
                # Somebody holds the goods in their hands: they must see that it is less now.
                desk.fulfillment.note_step(fulfillment.fulfillment_order_id, StepKind.REDUCED, reason=str(units))
            release(desk, fulfillment, units)
            surplus -= units
        if surplus:
            desk.orders.cancel_units(line.id, line.units_canceled - surplus)
            too_late[line.external_id] = surplus
    return too_late


def release(desk: Desk, fulfillment: FulfillmentLineState, units: int) -> None:
    """Gives units of one fulfillment line back to stock."""
    if not units:
        return
    held: Counter[int] = Counter()
    for one in desk.stock.held_for([fulfillment.id]):
        held[one.place.item_id] += one.units
    # What was taken counts, not what the item is made of today.
    shares = {part: total * units // fulfillment.units for part, total in held.items()}
    desk.stock.release_units(fulfillment.id, shares)
    desk.stock.release_serials(fulfillment.id)
    desk.fulfillment.shrink(fulfillment.id, units)


def rebalance(places: Collection[Place], desk: Desk) -> None:
    """After a fact pushed claimable below 0: the newest allocations there are served elsewhere, or fall short."""
    for place in sorted(set(places)):
        deficit, claims = desk.stock.oversold_claims(place)
        if not deficit:
            continue
        desk.tasks.open(
            "oversold",
            f"item:{place.item_id}:location:{place.location_id}",
            f"{counted(deficit, 'unit more is', 'units more are')} owed than are there",
        )
        for order_id, line_ids in sorted(_give_up(place, deficit, claims, desk).items()):
            again = [line for line in desk.orders.lines(order_id) if line.id in line_ids]
            cover(order_id, desk, again, may_split=True, avoid=[place.location_id])


def _give_up(place: Place, deficit: int, claims: Sequence[HeldClaim], desk: Desk) -> dict[int, set[int]]:
    """Releases the newest of these claims until the deficit is gone; answers the order lines concerned, by order."""
    missing = deficit
    moved: dict[int, set[int]] = defaultdict(set)
    for line_id in dict.fromkeys(held.fulfillment_line_id for held in claims):
        if missing <= 0:
            break
        for found in desk.fulfillment.lines(line_ids=[line_id]):
            desk.orders.lock(found.order_id)
        # Read again under the lock: meanwhile it may have left, or been canceled.
        for fulfillment in desk.fulfillment.lines(line_ids=[line_id]):
            if fulfillment.state in MAY_MOVE:
                here = sum(held.units for held in desk.stock.held_for([line_id]) if held.place == place)
                per = here // fulfillment.units
                units = min(-(-missing // per), fulfillment.units)
                release(desk, fulfillment, units)
                moved[fulfillment.order_id].add(fulfillment.order_line_id)
                missing -= units * per
    return moved


def serve_shortfalls(item_ids: Collection[int], desk: Desk) -> None:
    """Units came in or were given back: who waits longest for these items is served first."""
    for order_id, line_ids in desk.shortfalls.lines_waiting_for(item_ids).items():
        desk.orders.lock(order_id)
        again = [line for line in desk.orders.lines(order_id) if line.id in line_ids]
        cover(order_id, desk, again, may_split=True)


def settle(booked: Sequence[Entry], desk: Desk) -> None:
    """After physical facts: who was promised what is gone is served elsewhere, who waited is served now."""
    rebalance({entry.place for entry in booked if entry.units < 0}, desk)
    came_in = {entry.place.item_id for entry in booked if entry.units > 0}
    if came_in:
        serve_shortfalls(came_in, desk)
