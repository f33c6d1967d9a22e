"""What happened in a seeded world, line by line: the same seed gives the same lines, byte by byte."""

import hashlib
from datetime import datetime

from connectors.transport import HttpRequest, HttpResponse
from nervure.clock import Clock
from simulation.faults import Blow


class Trace:
    """Lines with the virtual time since the beginning. Bodies are left out: they hold names that the hub draws anew."""

    def __init__(self, clock: Clock) -> None:
        self.lines: list[str] = []
        self._clock = clock
        self._since: datetime = clock.now()

    def note(self, who: str, what: str) -> None:
        seconds = (self._clock.now() - self._since).total_seconds()
        hours, rest = divmod(seconds, 3600)
        self.lines.append(f"{hours:02.0f}:{rest // 60:02.0f}:{rest % 60:06.3f} {who:<12} {what}")

    def request(self, account: str, request: HttpRequest, blow: Blow) -> None:
        """The hub asks something."""
        told = "" if blow is Blow.NONE else f"  [{blow}]"
        self.note("hub", f"> {account} {request.method} {request.path.partition('?')[0]} {len(request.body)} B{told}")

    def answer(self, account: str, response: HttpResponse) -> None:
        """The hub gets an answer."""
        self.note("hub", f"< {account} {response.status} {len(response.body)} B")

    def digest(self) -> str:
        """Sixteen digits that stand for all lines."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:16]
