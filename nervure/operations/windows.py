"""Some minutes of work: loops that each have a thread of their own, ended by a deadline or by a word.

A window may overlap with the next one and may die at any moment: leases and slots of the database expire by themselves.
"""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event, Thread

from nervure.operations.hub import Hub
from nervure.operations.results import Tally

logger = logging.getLogger(__name__)

RETRY_PAUSE_SECONDS = 5.0
NAP_SECONDS = 0.25
"""A waiting loop looks this often whether it was told to stop."""
GRACE_SECONDS = 20.0
STOPPED_GRACE_SECONDS = 1.5
"""How long a window waits at its end for loops that are still in a call."""

Turn = Callable[[], float | None]
"""One turn of a loop: answers the seconds until the next one; None: there is no next one."""
Loops = Mapping[str, Turn]


class Window:
    """Some minutes of work on one hub, and what became of them."""

    def __init__(self, hub: Hub, seconds: float, *, stop: Event | None = None) -> None:
        self.hub = hub
        self.tally = Tally()
        self.stop = stop or Event()
        self._ends_at: datetime = hub.clock.now() + timedelta(seconds=seconds)

    @property
    def is_over(self) -> bool:
        return self.stop.is_set() or self.hub.clock.now() >= self._ends_at

    def run(self, loops: Loops) -> None:
        """Runs every loop in a thread of its own until the window is over, so that a slow one holds nobody else."""
        threads = {name: Thread(target=self._loop, args=(name, turn), daemon=True) for name, turn in loops.items()}
        for thread in threads.values():
            thread.start()
        while not self.is_over and any(thread.is_alive() for thread in threads.values()):
            time.sleep(NAP_SECONDS / 5)
        grace_ends_at = time.monotonic() + (STOPPED_GRACE_SECONDS if self.stop.is_set() else GRACE_SECONDS)
        for name, thread in threads.items():
            thread.join(max(0.0, grace_ends_at - time.monotonic()))
            if thread.is_alive():
                self.tally.warn(name, "was still waiting for an answer when the window ended; the next one goes on")

    def _loop(self, name: str, turn: Turn) -> None:
        while not self.stop.is_set():
            try:
                seconds = turn()
            except Exception as error:
                # Whatever happens in one turn, the loop goes on; the next turn sees the same work again.
                logger.exception("a turn of %s failed", name)
                self.tally.warn(name, f"a turn failed: {type(error).__name__}; it is tried again")
                seconds = RETRY_PAUSE_SECONDS
            if seconds is None:
                return
            self._wait(seconds)
            if self.is_over:
                return

    def _wait(self, seconds: float) -> None:
        clock = self.hub.clock
        until = min(clock.now() + timedelta(seconds=seconds), self._ends_at)
        while not self.stop.is_set() and (left := (until - clock.now()).total_seconds()) > 0:
            clock.sleep(min(left, NAP_SECONDS))
