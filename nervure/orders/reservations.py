"""Carts and pending payments: units held for a while, and taken over by the order that comes of them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nervure.inventory.availability import Parts
from nervure.inventory.claims import lock_shelves, sum_demand
from nervure.inventory.stock import Against, Place, Take
from nervure.orders.costs import AS_EVER, Costs
from nervure.orders.desk import ClaimRepository, Desk
from nervure.orders.reseating import reseat
from nervure.orders.routing import Candidate, Pick, Plan, Wanted, route
from nervure.orders.settling import plan_within_days, rebalance, what_lacks
from nervure.orders.work import Hold, LineState
from schemas.fulfillment import FulfillmentState


@dataclass(frozen=True, slots=True)
class Ask:
    """Units of an item, at a location, or (None) from the pool of a channel."""

    item_id: int
    location_id: int | None
    units: int


@dataclass(frozen=True, slots=True)
class Lack:
    """What was asked of one item at one place (None: in the whole pool), and how much of it is there."""

    item_id: int
    location_id: int | None
    wanted: int
    there: int


class LackingError(Exception):
    """A reservation was refused whole; nothing was taken."""

    def __init__(self, lacks: Sequence[Lack]) -> None:
        self.lacks = tuple(lacks)
        super().__init__(f"{len(self.lacks)} demands cannot be met")


def sum_asks(asks: Sequence[Ask]) -> list[Ask]:
    """One ask for each item and place: two lines of one item are one demand."""
    total: Counter[tuple[int, int | None]] = Counter()
    for ask in asks:
        total[ask.item_id, ask.location_id] += ask.units
    return sorted(
        (Ask(item, location, units) for (item, location), units in total.items()),
        key=lambda ask: (ask.item_id, ask.location_id or 0),
    )


@dataclass(frozen=True, slots=True)
class Cart:
    """What one cart asks for, the pool of its channel, and what costs there. `grams`: by item, of a unit."""

    asks: Sequence[Ask]
    pool: Sequence[Candidate]
    costs: Costs = AS_EVER
    grams: Mapping[int, int] = field(default_factory=dict)
    prices: Mapping[Place, int] = field(default_factory=dict)


def serve_in_turn(stock: ClaimRepository, carts: Sequence[Cart]) -> list[list[Take] | LackingError]:
    """Decides what each cart gets: all that it asks for, or nothing, and no more than is available to promise.

    Nothing is taken yet. All under one set of locks: the cart that came first is served first. An error says all
    that a cart lacks.
    """
    parts_of = stock.parts_of({ask.item_id for cart in carts for ask in cart.asks})
    places_of = [_places_of(cart, parts_of) for cart in carts]
    shelves = lock_shelves(stock, set().union(*places_of), against=Against.AVAILABLE_TO_PROMISE)
    answers: list[list[Take] | LackingError] = []
    for cart, places in zip(carts, places_of, strict=True):
        free = {place: shelves.free(place) for place in places}
        try:
            answers.append(shelves.take(plan(cart, parts_of, free)))
        except LackingError as error:
            answers.append(error)
    return answers


def _places_of(cart: Cart, parts_of: Mapping[int, Parts]) -> set[Place]:
    here = {candidate.location_id for candidate in cart.pool if candidate.terms.dropped is None} | {
        ask.location_id for ask in cart.asks if ask.location_id is not None
    }
    return {Place(part, location) for ask in cart.asks for part in parts_of[ask.item_id] for location in here}


def plan(cart: Cart, parts_of: Mapping[int, Parts], free: Mapping[Place, int]) -> dict[Place, int]:
    """Where each unit comes from: what names a location from there, the rest as an order would be served.

    Raises:
        LackingError: with all that is missing.
    """
    fixed = sum_demand(
        (Place(part, ask.location_id), ask.units * per)
        for ask in cart.asks
        if ask.location_id is not None
        for part, per in parts_of[ask.item_id].items()
    )
    lacks = [
        Lack(place.item_id, place.location_id, units, free.get(place, 0))
        for place, units in fixed.items()
        if units > free.get(place, 0)
    ]
    left = {place: units - fixed.get(place, 0) for place, units in free.items()}
    pooled = [
        Wanted(ask.item_id, ask.units, parts_of[ask.item_id], cart.grams.get(ask.item_id, 0))
        for ask in cart.asks
        if ask.location_id is None
    ]
    chosen = route(pooled, cart.pool, left, costs=cart.costs, prices=cart.prices)
    units_of = {wanted.line_id: wanted.units for wanted in pooled}
    lacks += [Lack(item, None, units_of[item], units_of[item] - units) for item, units in chosen.missing.items()]
    if lacks:
        raise LackingError(lacks)
    return sum_demand([*fixed.items(), *_places(chosen.picks, parts_of)])


def _places(picks: Sequence[Pick], parts_of: Mapping[int, Parts]) -> list[tuple[Place, int]]:
    return [
        (Place(part, pick.location_id), pick.units * per)
        for pick in picks
        for part, per in parts_of[pick.line_id].items()
    ]


def take_over(
    order_id: int, desk: Desk, lines: Sequence[LineState], *, reference: str | None, may_allocate: bool
) -> set[int]:
    """Turns what is held for an order into its allocations, as far as its lines need it; the hold ends with that.

    Units of a lot that has expired meanwhile are given up instead: nobody is sent them.

    Who calls holds the order's lock, and covers the rest of the lines. `may_allocate` False: the units left with the
    order itself, as at a till, and the hold only makes way. Answers the items of which units became free.
    """
    holds = desk.stock.lock_holds(order_id, reference)
    if not holds:
        return set()
    wanted, goods = what_lacks(desk, lines, desk.stock.parts_of({line.item_id for line in lines}))
    shares, chosen = allot(
        order_id, desk, wanted if may_allocate else [], holds, lambda: desk.candidates.of_order(order_id, goods)
    )
    used: Counter[int] = Counter()
    for hold, _, units in shares:
        used[hold.claim_id] += units
    if chosen.picks:
        reasons = {code: f"{why}; held for it before" for code, why in chosen.reasons.items()}
        desk.orders.explain(order_id, reasons, chosen.bill)
    # Facts may have taken what was held: then the newest promise there is served elsewhere, which may be this one.
    rebalance({hold.place for hold, _, _ in shares}, desk)
    reseat({hold.place for hold, _, _ in shares}, desk)
    return {hold.place.item_id for hold in holds if used[hold.claim_id] < hold.units}


def allot(
    order_id: int, desk: Desk, wanted: Sequence[Wanted], holds: Sequence[Hold], read: Callable[[], Sequence[Candidate]]
) -> tuple[list[tuple[Hold, int, int]], Plan]:
    """Ends the holds and gives what is wanted of them to an order: (hold, fulfillment line id, units), and why so.

    `read`: the locations that may serve it, read again once their day is locked.
    """
    pool = read()
    candidates = [one for one in pool if one.terms.dropped is None]
    # One lock for everything that is touched from here on, so that nobody waits for another in a circle.
    levels = desk.stock.lock_sellable(
        {hold.place for hold in holds}
        | {Place(part, one.location_id) for line in wanted for part in line.parts for one in candidates}
    )
    good = {level.id for level in levels if level.expires_at is None or level.expires_at > desk.now}
    fit = [hold for hold in holds if hold.level_id in good]
    held: Counter[Place] = Counter()
    for hold in fit:
        held[hold.place] += hold.units

    def plan_for(few: Sequence[Candidate]) -> Plan:
        # What must stay there stayed there when the units were held.
        usable = [
            replace(one, terms=replace(one.terms, keep_units=0))
            for one in few
            if any(place.location_id == one.location_id for place in held)
        ]
        return route(wanted, usable, held, costs=desk.routing.costs())

    chosen = plan_within_days(desk, plan_for(pool), lambda: plan_for(read()))
    shares = _share_out(order_id, desk, chosen.picks, {line.line_id: line for line in wanted}, fit)
    desk.stock.take_over(order_id, holds, shares)
    return shares, chosen


def _share_out(
    order_id: int, desk: Desk, picks: Sequence[Pick], wanted: Mapping[int, Wanted], holds: Sequence[Hold]
) -> list[tuple[Hold, int, int]]:
    """Writes the fulfillment orders, and says which hold gives how many units to which of their lines."""
    by_location: dict[int, list[Pick]] = defaultdict(list)
    for pick in picks:
        by_location[pick.location_id].append(pick)
    left = {hold.claim_id: hold.units for hold in holds}
    shares: list[tuple[Hold, int, int]] = []
    for location, here in sorted(by_location.items()):
        written = desk.fulfillment.add(
            order_id, location, FulfillmentState.ALLOCATED, {pick.line_id: pick.units for pick in here}
        )
        for pick in here:
            for part, per in wanted[pick.line_id].parts.items():
                missing = pick.units * per
                for hold in holds:
                    units = min(left[hold.claim_id], missing) if hold.place == Place(part, location) else 0
                    if units:
                        shares.append((hold, written[pick.line_id], units))
                        left[hold.claim_id] -= units
                        missing -= units
    return shares
