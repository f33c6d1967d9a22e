"""Which other stores could do what one store was given: each has everything of it, the cheapest first."""

from collections import Counter

from nervure.inventory.stock import Place
from nervure.orders.moving import as_taken
from nervure.orders.routing import order_of
from nervure.orders.work import Desk
from schemas.routing import RoutingMethod


def rivals(fulfillment_order_id: int, desk: Desk, most: int) -> list[int]:
    """At most so many stores that could do a fulfillment order as well, by location, the best first.

    Who calls holds the order's lock. Nothing is taken there: whether it is there still is seen when one accepts.
    """
    lines = desk.orders.fulfillment_lines(fulfillment_order_id=fulfillment_order_id)
    if not lines or most < 1:
        return []
    [here] = {line.location_id for line in lines}
    candidates = [
        one
        for one in desk.orders.candidates(lines[0].order_id)
        if one.must_accept and one.location_id != here and one.terms.dropped is None
    ]
    held = desk.stock.held_for([line.id for line in lines])
    grams_of = desk.orders.grams_of({line.item_id for line in lines})
    wanted = [as_taken(line, held, grams_of[line.item_id]) for line in lines]
    demand: Counter[int] = Counter()
    for line in wanted:
        demand.update({part: line.units * per for part, per in line.parts.items()})
    there: Counter[Place] = Counter()
    for level in desk.stock.lock_sellable({Place(part, one.location_id) for part in demand for one in candidates}):
        there[level.place] += level.claimable
    costs = desk.orders.costs()
    by_method = order_of(costs)
    grams = sum(line.units * line.grams for line in wanted)
    ranked: list[tuple[int, tuple[float, int], int]] = []
    for one in candidates:
        kept = one.terms.keep_units
        if demand.keys() & one.terms.barred.keys():
            continue
        if all(there[Place(part, one.location_id)] - kept >= units for part, units in demand.items()):
            cost = sum(one.parcel_costs(costs).values()) + one.terms.shipping.price(grams)
            cost += sum(line.units * one.unit_cost(line.parts) for line in wanted)
            ranked.append((cost if costs.method is RoutingMethod.COST else 0, by_method(one), one.location_id))
    return [location for _, _, location in sorted(ranked)[:most]]
