"""What sending a parcel costs by its weight: a price list that grows in steps."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_CORNERS = 64
"""Of a price list that repeats itself more often no line beneath is looked for but the level one."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps of (up to so many grams, price), both growing. What is heavier goes in several parcels of the last step.

    Prices are whole numbers of any one unit, not negative. The default costs nothing.
    """

    steps: tuple[tuple[int, int], ...] = ((1, 0),)

    def price(self, grams: int) -> int:
        """The price of what a location sends for one order; without weight the first step counts."""
        heaviest, dearest = self.steps[-1]
        full, rest = divmod(grams, heaviest)
        if full and not rest:
            return full * dearest
        for most, price in self.steps:
            if rest <= most:
                return full * dearest + price
        raise AssertionError

    def is_flat(self, grams: int) -> bool:
        """Whether up to this weight the price does not depend on it."""
        return self.price(grams) == self.steps[0][1]

    def line_beneath(self, grams: int) -> tuple[int, int]:
        """(start, slope) of a straight line that is nowhere above the price up to this weight; neither is negative."""
        return _line_beneath(self, grams)


FREE: Final = Grid()
"""Costs nothing."""


@lru_cache(maxsize=4096)
def _line_beneath(grid: Grid, grams: int) -> tuple[int, int]:
    """Of the lines through two corners the one that says most about two parcels that share the weight."""
    level = (grid.steps[0][1], 0)
    heaviest = grid.steps[-1][0]
    if grid.is_flat(grams) or (grams // heaviest + 1) * len(grid.steps) > MAX_CORNERS:
        return level
    ends = sorted(
        {min(full * heaviest + most, grams) for full in range(grams // heaviest + 1) for most, _ in grid.steps}
    )
    corners = [(weight, grid.price(weight)) for weight in ends]
    slopes = {
        max((price - other) // (weight - lighter), 0)
        for lighter, other in corners
        for weight, price in corners
        if weight > lighter
    }
    lines = [(min(price - slope * weight for weight, price in corners), slope) for slope in slopes]
    return max([level, *(line for line in lines if line[0] >= 0)], key=lambda line: 2 * line[0] + line[1] * grams)
