"""Virtual time: what is to happen, in order. The clock jumps from one thing to the next, and nobody waits for anything.

Whoever sleeps on this clock lets everything else happen meanwhile, in the same thread: shoppers buy while the hub waits
for an answer. One seed and one agenda give one course of events.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Protocol


class Turns(Protocol):
    """Somebody who works in turns of its own: the hub with its loops."""

    def next_at(self, before: datetime) -> datetime | None:
        """When its next turn is due, if that is not after `before`; None: it waits longer."""

    def run_next(self) -> None:
        """Carries out the turn that is due first."""


class Agenda:
    """A clock with a list of what is to happen."""

    def __init__(self, starts_at: datetime) -> None:
        self._now = starts_at
        self._count = 0
        self._events: list[tuple[datetime, int, Callable[[], object]]] = []
        self.turns: Turns | None = None

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.pass_until(self._now + timedelta(seconds=max(0.0, seconds)))

    def at(self, moment: datetime, work: Callable[[], object]) -> None:
        """`work` happens at a moment, or as soon as what happens now is over; of one moment, what was noted first."""
        self._count += 1
        heappush(self._events, (moment, self._count, work))

    def after(self, seconds: float, work: Callable[[], object]) -> None:
        """`work` happens so many seconds from now."""
        self.at(self._now + timedelta(seconds=seconds), work)

    def pass_until(self, until: datetime) -> None:
        """Lets everything happen that is due until then. Things happen inside of others where those sleep."""
        while True:
            first = self._events[0][0] if self._events else until
            turn = self.turns.next_at(min(first, until)) if self.turns is not None else None
            if turn is not None and (turn < first or not self._events):
                self._now = max(self._now, turn)
                assert self.turns is not None
                self.turns.run_next()
            elif self._events and first <= until:
                moment, _, work = heappop(self._events)
                self._now = max(self._now, moment)
                work()
            else:
                self._now = max(self._now, until)
                return
