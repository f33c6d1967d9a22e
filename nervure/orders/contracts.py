"""A supplier's contract in one plan: what it is given of an order is worth enough, and not more than it may serve.

Such a limit says something of a plan, not of a location. The cheapest plan of all comes first. Where it breaks a limit,
two others are compared: without that supplier, and with as much from it as a plan with as few missing units allows.
What is chosen may be dearer than the cheapest plan within the limits by no more than its gap says, because the cheapest
plan of all is the bound.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nervure.orders.costs import Limits, euros
from nervure.orders.pricing import Demand, Source, cost_of
from nervure.orders.solving import Solution
from schemas.base import counted

Choose = Callable[[Sequence[Source]], Solution]

_MOST = 1 << 80
"""What is worth so much a micro outweighs any cost."""


def keep_to(
    limits: Mapping[int, Limits], demands: Sequence[Demand], sources: Sequence[Source], choose: Choose
) -> tuple[Solution, Mapping[int, str]]:
    """A plan that keeps to each limit, and why sources were left out of it; limits are by the sources' numbers."""
    if not limits:
        return choose(sources), {}
    rationed = list(sources)
    for number, limit in limits.items():
        rationed[number] = _rationed(limit, demands, sources, number)
    return _within(limits, demands, rationed, choose)


def _within(
    limits: Mapping[int, Limits], demands: Sequence[Demand], sources: Sequence[Source], choose: Choose
) -> tuple[Solution, Mapping[int, str]]:
    found = choose(sources)
    number, why = next(((i, why) for i, one in limits.items() if (why := _breaks(one, demands, found, i))), (-1, ""))
    if not why:
        return found, {}
    others = [Source(one.fixed, one.unit_costs, {}) if i == number else one for i, one in enumerate(sources)]
    best, left_out = _within(limits, demands, others, choose)
    left_out = {**left_out, number: why}
    more = choose([_favored(limits[i], demands, one) if i == number else one for i, one in enumerate(sources)])
    more = replace(more, cost=cost_of(demands, sources, more.takes))
    if not any(_breaks(one, demands, more, i) for i, one in limits.items()):
        best, left_out = min((best, left_out), (more, {}), key=lambda pair: (pair[0].missing, pair[0].cost))
    return replace(best, missing_bound=found.missing_bound, bound=found.bound), left_out


def _breaks(limit: Limits, demands: Sequence[Demand], found: Solution, number: int) -> str:
    """Which limit a plan breaks at a source; empty: none, or nothing is taken there."""
    units = [taken.get(number, 0) for taken in found.takes]
    if not any(units):
        return ""
    worth = sum(count * _worth(limit, demand) for count, demand in zip(units, demands, strict=True))
    if worth < limit.min_value:
        return f"its part would be worth {euros(worth)}, its contract asks for {euros(limit.min_value)}"
    if limit.max_units is not None and sum(units) > limit.max_units:
        return f"its part would be {counted(sum(units), 'unit')}, and it may serve {limit.max_units} more of the day"
    return ""


def _worth(limit: Limits, demand: Demand) -> int:
    return sum(limit.values.get(part, 0) * per for part, per in demand.parts.items())


def _favored(limit: Limits, demands: Sequence[Demand], source: Source) -> Source:
    """The same source, of which as much is taken as can be, by its worth."""
    costs = [cost - _MOST * _worth(limit, demand) for cost, demand in zip(source.unit_costs, demands, strict=True)]
    return replace(source, unit_costs=costs)


def _rationed(limit: Limits, demands: Sequence[Demand], sources: Sequence[Source], number: int) -> Source:
    """The same source with no more units than it may serve: first of what nobody else has.

    Only where each demand is of one thing: of kits the plan as a whole is judged.
    """
    source = sources[number]
    caps = list(source.caps or ())
    if limit.max_units is None or sum(caps) <= limit.max_units or any(len(one.parts) > 1 for one in demands):
        return source
    others = [
        sum((one.caps or [0] * len(demands))[d] for i, one in enumerate(sources) if i != number)
        for d in range(len(demands))
    ]
    alone = [min(cap, max(one.units - there, 0)) for cap, one, there in zip(caps, demands, others, strict=True)]
    left, given = limit.max_units, [0] * len(demands)
    for most in (alone, caps):
        for d, cap in enumerate(most):
            more = min(cap - given[d], left) if cap > given[d] else 0
            given[d] += more
            left -= more
    stock = dict(source.stock)
    for units, demand in zip(given, demands, strict=True):
        [(part, per)] = demand.parts.items()
        stock[part] = units * per
    return replace(source, stock=stock, caps=given)
