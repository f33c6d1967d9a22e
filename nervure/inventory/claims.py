"""Taking units, never more than there are.

A claim sums its demand first (two lines of one item, kits that share a part), locks every level it may take from in
primary-key order, and takes the units in one conditional statement. It takes everything or nothing.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    answers = decide_in_turn(stock, demands, against=against)
    take_all(stock, [take for answer in answers if isinstance(answer, list) for take in answer], kind)
    return answers


def decide_in_turn(
    stock: StockRepository, demands: Sequence[Mapping[Place, int]], *, against: Against
) -> list[list[Take] | InsufficientStockError]:
    """Locks what may be taken from, and decides what each demand gets, in this order; nothing is taken yet."""
    shelves = lock_shelves(stock, {place for demand in demands for place in demand}, against=against)
    answers: list[list[Take] | InsufficientStockError] = []
    for demand in demands:
        try:
            answers.append(shelves.take(demand))
        except InsufficientStockError as error:
            answers.append(error)
    return answers


def lock_shelves(stock: StockRepository, places: Collection[Place], *, against: Against) -> "Shelves":
    """Locks everything that may be taken from, in primary-key order, and reads what is there."""
    if against is Against.AVAILABLE_TO_PROMISE:
        return Shelves(*stock.lock_promisable(places))
    return Shelves(stock.lock_sellable(places), {})


def take_all(stock: StockRepository, takes: Sequence[Take], kind: ClaimKind) -> None:
    """Takes what was decided under the locks.

    Raises:
        InsufficientStockError: the storage gave less than it had said; nothing may be kept.
    """
    must_be_taken(takes, not takes or stock.take(takes, kind))


def must_be_taken(takes: Sequence[Take], is_taken: bool) -> None:
    """Believes no storage that gives less than it had shown under its locks.

    Raises:
        InsufficientStockError: it did; nothing may be kept.
    """
    if not is_taken:
        # Under the locks this cannot happen; the conditional statement is the guard against a storage that lies.
        raise InsufficientStockError([Shortage(take.place, take.units, 0) for take in takes])


class Shelves:
    """Levels under lock, and what is left of them while one demand after the other is decided."""

    def __init__(self, levels: Iterable[Level], held_back: Mapping[Place, int]) -> None:
        self._levels: dict[Place, list[Level]] = {}
        for level in levels:
            self._levels.setdefault(level.place, []).append(level)
        self._held_back = held_back

    def free(self, place: Place) -> int:
        """Units that may still be taken at a place."""
        there = sum(level.claimable for level in self._levels.get(place, ()))
        return max(there - self._held_back.get(place, 0), 0)

    def take(self, demand: Mapping[Place, int]) -> list[Take]:
        """Decides from where a demand is served, whole or not at all; what it takes is gone for the next one.

        Raises:
            InsufficientStockError: with every place that lacks units; nothing was taken.
        """
        levels = [level for place in demand for level in self._levels.get(place, ())]
        takes, shortages = share_out(demand, levels, self._held_back)
        if shortages:
            raise InsufficientStockError(shortages)
        for take in takes:
            here = self._levels[take.place]
            number = next(number for number, level in enumerate(here) if level.id == take.level_id)
            level = here[number]
            here[number] = replace(level, claimable=level.claimable - take.units, claimed=level.claimed + take.units)
        return takes


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
