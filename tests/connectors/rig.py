"""One platform's record held against its emulator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.records import Channel, ChannelConnection, ChannelSettings
from connectors.transport import HttpRequest, HttpResponse, Runtime, Send
from nervure.clock import ManualClock
from simulation.platform import EmulatedPlatform

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Rig:
    """One platform's record held against its emulator, under a clock moved by hand.

    `naps` are the seconds that connections slept, one entry for each time.
    """

    record: Channel[Any]
    settings: ChannelSettings
    emulator: EmulatedPlatform
    stock_points: tuple[str, ...]
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    requests: list[HttpRequest] = field(default_factory=list)
    naps: list[float] = field(default_factory=list)

    def wire(self, request: HttpRequest) -> HttpResponse:
        """The undisturbed way to the emulator; keeps every request."""
        self.requests.append(request)
        self.emulator.advance(self.clock.now())
        return self.emulator.handle(request, self.clock.now())

    def connect(
        self, send: Send | None = None, reserve: Callable[[str, float], float] | None = None
    ) -> ChannelConnection:
        """Opens a connection; `send` may stand in for the wire to disturb it."""
        return self.record.connect(
            self.settings,
            Runtime(
                send=send or self.wire,
                now=self.clock.now,
                sleep=self._nap,
                reserve=reserve or (lambda operation, period_seconds: 0.0),
            ),
        )

    def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.sleep(seconds)
