"""From where an order is served: the nearest place that has all of it, else the cheapest split, else a shortfall.

Rules filter, costs rank, and the plan says why. Distance is the cost; a supplier comes after our own places, because
its number is a claim with an age. The stock handed in is what stands there under lock, so a plan can be claimed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice, permutations
from math import inf

from nervure.inventory.availability import Parts
from nervure.inventory.stock import Place

MAX_LINE_ORDERS = 120
"""So many orders of the lines are tried where kits and other lines share parts: all of them up to five lines."""

MAX_EXACT_LOCATIONS = 10
"""Up to here every split is tried; a larger pool is tried with its nearest locations."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A location that may serve the order. `distance_km` None: it, or the destination, lies nobody knows where."""

    location_id: int
    code: str
    is_supplier: bool
    rank: int
    distance_km: float | None

    @property
    def cost(self) -> tuple[bool, float, int]:
        """What ranks: our own before a supplier, near before far, then the merchant's order."""
        return (self.is_supplier, inf if self.distance_km is None else self.distance_km, self.rank)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Units of one order line that need a place."""

    line_id: int
    units: int
    parts: Parts


@dataclass(frozen=True, slots=True)
class Pick:
    """`units` of a line from a location."""

    line_id: int
    location_id: int
    units: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Where each unit comes from; `missing` units of a line come from nowhere. `reasons` explain it for people."""

    picks: tuple[Pick, ...]
    missing: Mapping[int, int]
    reasons: Mapping[str, str] = field(default_factory=dict)


def route(
    wanted: Sequence[Wanted],
    candidates: Sequence[Candidate],
    claimable: Mapping[Place, int],
    *,
    may_split: bool = True,
) -> Plan:
    """Chooses the locations of one order."""
    ranked = sorted(candidates, key=lambda candidate: candidate.cost)
    best: list[Pick] | None = None
    if not may_split:
        return _take_what_is_there(wanted, ranked[:1], claimable)
    if not _fill(wanted, ranked, claimable)[1]:
        served = (_fill(wanted, chosen, claimable) for chosen in _sets_by_cost(ranked))
        best = next(picks for picks, missing in served if not missing)
    if best is None:
        return _take_what_is_there(wanted, ranked, claimable)
    used = {pick.location_id for pick in best}
    return Plan(tuple(best), {}, {c.code: _why(c, used, wanted, claimable) for c in ranked})


def _sets_by_cost(ranked: Sequence[Candidate]) -> Iterator[tuple[Candidate, ...]]:
    """All sets of locations: one parcel before two, and among equals the nearest first."""
    near = ranked[:MAX_EXACT_LOCATIONS]
    for location in ranked:
        yield (location,)
    for size in range(2, len(near) + 1):
        yield from sorted(
            combinations(near, size),
            key=lambda group: (
                sum(candidate.is_supplier for candidate in group),
                sum(candidate.cost[1] for candidate in group),
                sum(candidate.rank for candidate in group),
            ),
        )
    yield tuple(ranked)


def _fill(
    wanted: Sequence[Wanted], chosen: Sequence[Candidate], claimable: Mapping[Place, int]
) -> tuple[list[Pick], dict[int, int]]:
    """Fills line by line from the locations in their order; answers the picks, and what is missing of each line.

    A line that is filled first may take the part that only another's kit needs there: where lines share parts with
    a kit, other orders of the lines are tried, and the one that leaves least missing is taken.
    """
    best = _fill_in_order(wanted, chosen, claimable)
    if best[1] and _is_kit_in_common(wanted):
        for order in islice(permutations(wanted), 1, MAX_LINE_ORDERS):
            best = min(best, _fill_in_order(order, chosen, claimable), key=lambda filled: sum(filled[1].values()))
            if not best[1]:
                break
    return best


def _is_kit_in_common(wanted: Sequence[Wanted]) -> bool:
    uses = Counter(part for line in wanted for part in line.parts)
    return any(len(line.parts) > 1 and any(uses[part] > 1 for part in line.parts) for line in wanted)


def _fill_in_order(
    wanted: Sequence[Wanted], chosen: Sequence[Candidate], claimable: Mapping[Place, int]
) -> tuple[list[Pick], dict[int, int]]:
    left = dict(claimable)
    picks: list[Pick] = []
    missing: dict[int, int] = {}
    for line in wanted:
        units = line.units
        for candidate in chosen:
            there = min(
                max(left.get(Place(part, candidate.location_id), 0), 0) // per for part, per in line.parts.items()
            )
            taken = min(units, there)
            if taken <= 0:
                continue
            for part, per in line.parts.items():
                left[Place(part, candidate.location_id)] -= taken * per
            picks.append(Pick(line.line_id, candidate.location_id, taken))
            units -= taken
        if units:
            missing[line.line_id] = units
    return picks, missing


def _take_what_is_there(wanted: Sequence[Wanted], ranked: Sequence[Candidate], claimable: Mapping[Place, int]) -> Plan:
    picks, missing = _fill(wanted, ranked, claimable)
    used = {pick.location_id for pick in picks}
    return Plan(tuple(picks), missing, {c.code: _why(c, used, wanted, claimable) for c in ranked})


def _why(candidate: Candidate, used: set[int], wanted: Sequence[Wanted], claimable: Mapping[Place, int]) -> str:
    distance = "distance unknown" if candidate.distance_km is None else f"{candidate.distance_km:.0f} km"
    _, missing = _fill(wanted, [candidate], claimable)
    has = "has all of it" if not missing else f"lacks {sum(missing.values())} of {sum(w.units for w in wanted)} units"
    verdict = "chosen" if candidate.location_id in used else "not chosen"
    kind = ", supplier" if candidate.is_supplier else ""
    return f"{verdict}: {has}, {distance}{kind}"
