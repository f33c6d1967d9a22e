"""Which other stores could do what one store was given: each has everything of it, the cheapest first."""

from collections import Counter

from nervure.inventory.stock import Place
from nervure.orders.desk import Desk
from nervure.orders.moving import as_taken
from nervure.orders.routing import by_preference
from schemas.routing import RoutingMethod


def rivals(fulfillment_order_id: int, desk: Desk, most: int) -> list[int]:
    """At most so many stores that could do a fulfillment order as well, by location, the best first.

    Who calls holds the order's lock. Nothing is taken there: whether it is there still is seen when one accepts.
    """
    lines = desk.fulfillment.lines(fulfillment_order_id=fulfillment_order_id)
    if not lines or most < 1:
        return []
    [here] = {line.location_id for line in lines}
    held = desk.stock.held_for([line.id for line in lines])
    parts = {one.place.item_id for one in held}
    known = desk.routing.goods_of(parts | {line.item_id for line in lines})
    wanted = [as_taken(line, held, known[line.item_id].grams) for line in lines]
    candidates = [
        one
        for one in desk.candidates.of_order(lines[0].order_id, {part: known[part] for part in parts})
        if one.must_accept and one.location_id != here and one.terms.dropped is None
    ]
    demand: Counter[int] = Counter()
    for line in wanted:
        demand.update({part: line.units * per for part, per in line.parts.items()})
    there: Counter[Place] = Counter()
    for level in desk.stock.lock_sellable({Place(part, one.location_id) for part in demand for one in candidates}):
        there[level.place] += level.claimable
    costs, prices = desk.routing.costs(), desk.routing.prices(demand)
    by_method = by_preference(costs)
    grams = sum(line.units * line.grams for line in wanted)
    ranked: list[tuple[int, tuple[float, int], int]] = []
    for one in candidates:
        shelf = one.terms.left_of({part: there[Place(part, one.location_id)] for part in demand})
        if all(shelf.get(part, 0) >= units for part, units in demand.items()):
            cost = sum(one.parcel_costs(costs).values()) + one.terms.shipping.price(grams)
            cost += sum(line.units * one.unit_cost(line.parts) for line in wanted)
            # What its units are worth to later orders counts here as in a plan.
            cost += sum(prices.get(Place(part, one.location_id), 0) * units for part, units in demand.items())
            ranked.append((cost if costs.method is RoutingMethod.COST else 0, by_method(one), one.location_id))
    return [location for _, _, location in sorted(ranked)[:most]]
