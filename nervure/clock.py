"""Time as an argument: real, accelerated, or moved by hand. Nothing else in the hub asks the machine for it.

And what is known of other clocks: each answer says between how many seconds its server's clock is ahead of ours.
"""

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

MATERIAL_SECONDS = 2.0
"""Dates are whole seconds, and servers that keep their clocks are less than one apart: less is no error."""

MOST_SECONDS = 600.0
"""Time zones are a quarter of an hour or more apart: what is further off may be a date in a wrong zone."""

ANSWERS_IN_A_ROW = 3
"""One odd answer, be it of a cache or of another server, moves no time."""

AGES_AFTER = timedelta(hours=1)
"""A clock wanders and is set right: what was heard earlier says nothing of it now."""

FINER_SECONDS = 0.5
"""By so much closer a bound must be before it is worth a write."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What answers in a row, the first of them at `since`, said of another clock.

    It is between `least` and `most` seconds ahead of ours (below 0: behind). `answers` are counted up to
    ANSWERS_IN_A_ROW. Times of it are taken to be `ahead` seconds later than ours.
    """

    least: float
    most: float
    answers: int
    since: datetime
    ahead: float = 0.0

    @property
    def is_settled(self) -> bool:
        return self.answers >= ANSWERS_IN_A_ROW

    @property
    def is_beyond(self) -> bool:
        """Whether the clock is too far off for its times to be corrected."""
        return self.is_settled and not _is_near(self.ahead, self.least, self.most)


def measure(known: Measured | None, least: float, most: float, now: datetime) -> Measured:
    """One more answer; `known` itself where it says nothing new.

    Answers narrow each other down. One that contradicts those before it, or comes when they are old, begins anew;
    times go on being corrected as before until enough answers agree.
    """
    if known is None or not timedelta(0) <= now - known.since < AGES_AFTER:
        return Measured(least, most, 1, now, known.ahead if known else 0.0)
    low, high = max(known.least, least), min(known.most, most)
    if low > high:
        return Measured(least, most, 1, now, known.ahead)
    ahead = _settled(known.ahead, low, high) if known.answers + 1 >= ANSWERS_IN_A_ROW else known.ahead
    is_finer = (known.most - known.least) - (high - low) >= FINER_SECONDS
    if known.is_settled and ahead == known.ahead and not is_finer:
        return known
    return replace(known, least=low, most=high, answers=min(known.answers + 1, ANSWERS_IN_A_ROW), ahead=ahead)


def _settled(ahead: float, least: float, most: float) -> float:
    """What to correct by. It changes only where it is certainly wrong: times must not jump with each measurement."""
    if _is_near(ahead, least, most):
        return ahead
    middle = (least + most) / 2
    return middle if abs(middle) <= MOST_SECONDS else 0.0


def _is_near(ahead: float, least: float, most: float) -> bool:
    return least - MATERIAL_SECONDS <= ahead <= most + MATERIAL_SECONDS


class Clock(Protocol):
    """Tells and spends time; times are aware and UTC."""

    def now(self) -> datetime:
        """The present moment."""

    def sleep(self, seconds: float) -> None:
        """Returns `seconds` of this clock later."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class ScaledClock:
    """Runs `scale` times as fast as the machine, from `starts_at` on. Safe to share between threads."""

    def __init__(self, starts_at: datetime, scale: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._since = starts_at
        self._machine_since = time.monotonic()
        self._scale = scale

    @property
    def scale(self) -> float:
        return self._scale

    def now(self) -> datetime:
        with self._lock:
            return self._since + timedelta(seconds=(time.monotonic() - self._machine_since) * self._scale)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self._scale)

    def run_at(self, scale: float) -> None:
        """Goes on from the present moment at another speed."""
        with self._lock:
            machine = time.monotonic()  # read once: what another thread was told meanwhile must not come again
            self._since += timedelta(seconds=(machine - self._machine_since) * self._scale)
            self._machine_since, self._scale = machine, scale


class ManualClock:
    """Stands still until it is moved; sleeping moves it. Safe to share between threads."""

    def __init__(self, starts_at: datetime) -> None:
        self._now = starts_at
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        with self._lock:
            self._now += timedelta(seconds=max(0.0, seconds))
