"""Time as an argument: real, accelerated, or moved by hand. Nothing else in the hub asks the machine for it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


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
