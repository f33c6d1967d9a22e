"""Shadow mode: a channel is read for real and sent nothing, until its numbers have agreed for some days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Promotion:
    """When a channel may leave the shadow: `share` (0 to 1) of the compared numbers differ at most, `days` in a row."""

    share: float = 0.01
    days: int = 3


@dataclass(frozen=True, slots=True)
class ShadowDay:
    """One day (UTC) in the shadow, summed over its samples.

    `compared`: numbers beside what the channel was seen to show; `differing` of them were others. `unseen`: numbers
    of which nobody knows what is shown. `computed`: numbers that were computed anew: each would have been sent.
    """

    day: date
    samples: int
    compared: int
    differing: int
    unseen: int
    computed: int

    @property
    def share(self) -> float:
        """The share that differed; with nothing to compare, all of it."""
        return self.differing / self.compared if self.compared else 1.0


def doubts(days: Mapping[date, ShadowDay], today: date, promotion: Promotion) -> list[str]:
    """Why a channel should stay in the shadow: each of the last whole days (UTC) that did not agree."""
    found = []
    for back in range(promotion.days, 0, -1):
        day = days.get(today - timedelta(days=back))
        if day is None or not day.compared:
            found.append(f"{today - timedelta(days=back)}: nothing was compared")
        elif day.share > promotion.share:
            found.append(
                f"{day.day}: {day.differing} of {day.compared} numbers differed ({day.share:.2%}); at most"
                f" {promotion.share:.2%} may"
            )
    return found
