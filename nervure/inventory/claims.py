"""Taking units, never more than there are.

A claim sums its demand first (two lines of one item, kits that share a part), locks every level it may take from in
primary-key order, and takes the units in one conditional statement. It takes everything or nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nervure.inventory.lots import leaves_first
from nervure.inventory.stock import (
    Against,
    ClaimKind,
    InsufficientStockError,
    Level,
    Place,
    Shortage,
    StockRepository,
    Take,
)


def sum_demand(wanted: Iterable[tuple[Place, int]]) -> dict[Place, int]:
    """Adds up what is wanted at each place."""
    total: Counter[Place] = Counter()
    for place, units in wanted:
        if units < 0:
            raise ValueError(f"a demand cannot be negative: {units} at {place}")
        total[place] += units
    return {place: units for place, units in total.items() if units}


def claim(stock: StockRepository, demand: Mapping[Place, int], *, kind: ClaimKind, against: Against) -> list[Take]:
    """Takes the whole demand or nothing.

    Raises:
        InsufficientStockError: with every place that lacks units; nothing was taken.
    """
    [answer] = claim_in_turn(stock, [demand], kind=kind, against=against)
    if isinstance(answer, InsufficientStockError):
        raise answer
    return answer


def claim_in_turn(
    stock: StockRepository, demands: Sequence[Mapping[Place, int]], *, kind: ClaimKind, against: Against
) -> list[list[Take] | InsufficientStockError]:
    """Takes each demand whole or not at all, in this order, under one set of locks: what came first is served first.

    Raises:
        InsufficientStockError: the storage gave less than it had said; nothing may be kept.
    """
    places = {place for demand in demands for place in demand}
    levels = stock.lock_sellable(places)
    held_back = stock.safety_stock(places) if against is Against.AVAILABLE_TO_PROMISE else {}
    answers: list[list[Take] | InsufficientStockError] = []
    for demand in demands:
        takes, shortages = share_out(demand, levels, held_back)
        answers.append(InsufficientStockError(shortages) if shortages else takes)
        if takes and not shortages and len(answers) < len(demands):
            levels = _after(levels, takes)
    taken = [take for answer in answers if not isinstance(answer, InsufficientStockError) for take in answer]
    if taken and not stock.take(taken, kind):
        # Under the locks this cannot happen; the conditional statement is the guard against a storage that lies.
        raise InsufficientStockError([Shortage(take.place, take.units, 0) for take in taken])
    return answers


def _after(levels: Iterable[Level], takes: Iterable[Take]) -> list[Level]:
    taken: Counter[int] = Counter()
    for take in takes:
        taken[take.level_id] += take.units
    return [
        replace(level, claimable=level.claimable - taken[level.id], claimed=level.claimed + taken[level.id])
        if level.id in taken
        else level
        for level in levels
    ]


def share_out(
    demand: Mapping[Place, int], levels: Iterable[Level], held_back: Mapping[Place, int]
) -> tuple[list[Take], list[Shortage]]:
    """Decides which level gives how much: what expires first, then our own, then by id."""
    at: dict[Place, list[Level]] = {}
    for level in levels:
        at.setdefault(level.place, []).append(level)
    takes: list[Take] = []
    shortages: list[Shortage] = []
    for place, units in demand.items():
        rows = at.get(place, [])
        # What one owner's level owes lies on the same shelf as what another's still has.
        there = sum(row.claimable for row in rows) - held_back.get(place, 0)
        if there < units:
            shortages.append(Shortage(place, units, max(there, 0)))
            continue
        takes.extend(_from_rows(place, units, rows))
    return takes, shortages


def _from_rows(place: Place, units: int, rows: list[Level]) -> Iterable[Take]:
    missing = units
    for row in sorted(rows, key=leaves_first):
        taken = min(missing, max(row.claimable, 0))
        if taken:
            yield Take(row.id, place, taken)
        missing -= taken
