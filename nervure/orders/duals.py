"""Prices for units at which no source earns more than it costs: from below they say what any plan costs.

If a unit of demand d is worth v[d], and no source gets more for all it has, beyond what its units cost there, than its
parcel costs, then every plan costs at least what its units are worth; and for each source that it uses what is left
over there (`slack`) on top. In the words of optimization: a dual ascent for the facility location problem (Erlenkotter
1978), with x[d, i] <= capacity[d, i] of each source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nervure.orders.pricing import Case

ROUNDS = 12
"""The prices grow together, in so many steps: what grows first would take what all sources have to give."""


@dataclass(frozen=True, slots=True)
class Prices:
    """A set of sources S costs at least `worth` + the sum of `slack` over S."""

    worth: int
    slack: Sequence[int]


def middling_prices(case: Case) -> Prices:
    """The price that half of the sources beat; slack may be negative here."""
    if case.is_plain:
        return Prices(0, case.fixed)
    return _at(
        case, [sorted(case.unit[i][d] for i in here)[len(here) // 2] if here else 0 for d, here in _columns(case)]
    )


def lowest_prices(case: Case) -> Prices:
    """Where units may be missing, none is worth anything; what is saved by a unit is saved."""
    return _at(case, [0 for _ in case.need])


def _columns(case: Case) -> Sequence[tuple[int, Sequence[int]]]:
    return list(enumerate(case.holders))


def _at(case: Case, prices: Sequence[int]) -> Prices:
    """What holds at any prices: a set costs at least `worth` + the sum of its `slack`."""
    slack = list(case.fixed)
    for d, (here, need, price) in enumerate(zip(case.holders, case.need, prices, strict=True)):
        for i in here:
            cost = case.unit[i][d]
            if cost < price:
                slack[i] -= min(case.caps[i][d], need) * (price - cost)
    return Prices(sum(need * price for need, price in zip(case.need, prices, strict=True)), slack)


def price_units(case: Case) -> Prices:
    """Raises the price of each demand's units as far as the sources allow. All demands can be served."""
    slack = list(case.fixed)
    columns = [
        (d, need, [(case.unit[i][d], min(case.caps[i][d], need), i) for i in case.holders[d]])
        for d, need in enumerate(case.need)
        if need
    ]
    prices = {d: min(cost for cost, _, _ in column) for d, _, column in columns}
    step = max(case.fixed[min(column)[2]] for _, _, column in columns) // ROUNDS + 1
    growing = columns
    for round_number in range(4 * ROUNDS):
        grown = []
        for d, need, column in growing:
            price = prices[d]
            wanted = price + (step // need + 1 if round_number < 4 * ROUNDS - 1 else 1 << 180)
            most = _raised(column, price, wanted, slack)
            if most > price:
                for cost, cap, i in column:
                    if cost < most:
                        slack[i] -= cap * (most - (cost if cost > price else price))
                prices[d] = most
            if most == wanted:
                grown.append((d, need, column))
        growing = grown
    return Prices(sum(need * prices[d] for d, need, _ in columns), slack)


def _raised(column: Sequence[tuple[int, int, int]], price: int, wanted: int, slack: Sequence[int]) -> int:
    """The highest price up to the wanted one at which no source has less than nothing left over."""
    for cost, cap, i in column:
        start = cost if cost > price else price
        if start < wanted and slack[i] < cap * (wanted - start):
            wanted = start + slack[i] // cap
    return wanted
