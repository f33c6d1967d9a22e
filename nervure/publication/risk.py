"""Which number matters most: the chance that shoppers buy more than is there before it arrives."""

from math import lgamma, log

DELAY_DAYS = 15 / (24 * 60)
"""For so long a channel may show an older number."""

SLOWEST_UNITS_PER_DAY = 1 / 30
"""What did not sell lately may still be bought."""

HIGHEST_RANK = 2_000_000_000


def risk_rank(units: int, units_per_day: float, drops: int = 0) -> int:
    """Ranks a number that must be shown: 0 is the riskiest.

    It is a thousand times the negative logarithm of the chance that, at this pace of sales, more than `units` are asked
    for within the delay. Each write of this number that a channel confirmed and dropped makes it count as riskier.
    """
    expected = max(units_per_day, SLOWEST_UNITS_PER_DAY) * DELAY_DAYS
    beyond = max(units, 0) + 1
    if beyond <= expected:
        return 0
    # The chance of exactly `beyond` sales: of all the larger numbers it is by far the likeliest.
    chance = beyond * log(expected) - expected - lgamma(beyond + 1)
    return min(int(-1_000 * min(chance, 0.0)) // (1 + drops), HIGHEST_RANK)
