"""Time as an argument: real, accelerated, or moved by hand. Nothing else in the hub asks the machine for it."""

import threading
import time
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """Runs `scale` times as fast as the machine, from `starts_at`; two clocks made alike agree in all processes."""

    starts_at: datetime
    scale: float
    machine_started_at: float = field(default_factory=time.time)

    def now(self) -> datetime:
        elapsed = time.time() - self.machine_started_at
        return self.starts_at + timedelta(seconds=elapsed * self.scale)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.scale)


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
