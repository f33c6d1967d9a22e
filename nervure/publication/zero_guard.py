"""The mass-zero guard: when too much of a channel falls to 0 in one cycle, a person is asked before it is believed.

A zero that sales explain is never held: as many units were sold or claimed meanwhile as the channel showed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class OnMassZero(StrEnum):
    """What follows when too much falls to 0: the zeroes wait for a person, or are sent and told, or simply sent."""

    HOLD = "hold"
    TELL = "tell"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class ZeroGuard:
    """How much is too much on one channel: at least `listings` and at least `share` (0 to 1) of those that show
    something, within `window_seconds`; or `most` listings, whatever their share (None: no such number).
    """

    action: OnMassZero = OnMassZero.HOLD
    listings: int = 20
    share: float = 0.2
    most: int | None = None
    window_seconds: float = 900.0

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.window_seconds)

    def may_be_too_much(self, fallen: int) -> bool:
        """Whether so many listings would be too much, if their share were."""
        return fallen >= min(self.listings, self.most if self.most is not None else self.listings)

    def is_too_much(self, fallen: int, showing: int) -> bool:
        """Whether `fallen` listings of a channel are too much. `showing`: those that show something, or did before."""
        if self.most is not None and fallen >= self.most:
            return True
        return fallen >= max(self.listings, 1) and fallen >= self.share * showing


@dataclass(frozen=True, slots=True)
class Fall:
    """A number that is to fall from `units_before`, which the channel showed at `known_at`, to 0."""

    units_before: int
    fell_at: datetime
    known_at: datetime | None

    def since(self, guard: ZeroGuard) -> datetime:
        """From when on sales may explain it: not all that was sold before it had reached the channel by then."""
        earliest = self.fell_at - guard.window
        return earliest if self.known_at is None else min(earliest, self.known_at)


def is_sold(fall: Fall, guard: ZeroGuard, sales: Sequence[tuple[datetime, int]]) -> bool:
    """Whether sales (when, how many units) of the item, of a kit's parts, took what the channel showed."""
    return sum(units for at, units in sales if at >= fall.since(guard)) >= fall.units_before
