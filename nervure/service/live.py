"""What a running hub shows in a terminal: a live table, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from schemas.base import counted

Status = Mapping[str, Any]
MAX_LINES = 5


class Show(Protocol):
    """Where the state of the hub goes."""

    def say(self, line: str) -> None:
        """One line of news."""

    def update(self, hub: Status | None, world: Status | None) -> None:
        """The newest state; None: not known now."""


class Live:
    """The table of a terminal, with the last lines of news below."""

    def __init__(self, addresses: Sequence[tuple[str, str]]) -> None:
        self._addresses = addresses
        self._lines: list[str] = []
        self._live = RichLive(refresh_per_second=2, transient=False)

    def __enter__(self) -> "Live":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        self._lines = [*self._lines, line][-MAX_LINES:]

    def update(self, hub: Status | None, world: Status | None) -> None:
        opens = "   ".join(f"{name} {url}" for name, url in self._addresses)
        parts: list[RenderableType] = [
            table(hub, world),
            Text(_totals(hub)),
            Text(opens),
            *(Text(line) for line in self._lines),
        ]
        self._live.update(Group(*parts))


class Lines:
    """Plain lines, one state in so many seconds."""

    def __init__(self, say: Callable[[str], None], seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self.say = say
        self._seconds = seconds
        self._now = now
        self._next_at = now() + seconds

    def update(self, hub: Status | None, world: Status | None) -> None:
        if self._now() >= self._next_at:
            self._next_at = self._now() + self._seconds
            self.say(line(hub, world))


@contextmanager
def as_lines(say: Callable[[str], None], seconds: float) -> Iterator[Lines]:
    """Where there is no terminal."""
    yield Lines(say, seconds)


def table(hub: Status | None, world: Status | None) -> Table:
    """One row a channel: what was sold, what is shown, how long it took."""
    made = Table(expand=False)
    made.add_column("channel")
    made.add_column("platform")
    for name in ("orders", "last publication", "confirmed", "in flight", "error", "p50", "p95"):
        made.add_column(name, justify="right")
    made.add_column("problem", overflow="fold")
    for channel in (hub or {}).get("channels", []):
        made.add_row(*_cells(channel, world), style="red" if channel.get("problem") or channel.get("error") else None)
    return made


def _cells(channel: Status, world: Status | None) -> list[str]:
    times = _times(channel, world)
    problem = channel.get("problem") or ", ".join(channel.get("brakes", []))
    return [
        str(channel.get("name", "")),
        str(channel.get("platform", "")),
        str(channel.get("orders", 0)),
        _moment(channel.get("last_publication")),
        *(str(channel.get(name, 0)) for name in ("confirmed", "in_flight", "error")),
        _seconds(times.get("p50")),
        _seconds(times.get("p95")),
        str(problem),
    ]


def line(hub: Status | None, world: Status | None) -> str:
    """The same in one line."""
    if hub is None:
        return "the hub does not answer"
    said = []
    for channel in hub.get("channels", []):
        times = _times(channel, world)
        took = f", p50 {_seconds(times.get('p50'))} p95 {_seconds(times.get('p95'))}" if times else ""
        counts = "/".join(str(channel.get(name, 0)) for name in ("confirmed", "in_flight", "error"))
        said.append(f"{channel.get('name')}: {counted(channel.get('orders', 0), 'order')}, {counts}{took}")
    return "; ".join([*said, _totals(hub)])


def _totals(hub: Status | None) -> str:
    if hub is None:
        return "the hub does not answer"
    inbox = hub.get("inbox", {})
    return (
        f"inbox {inbox.get('waiting', 0)} waiting, {inbox.get('dead', 0)} dead; {counted(hub.get('tasks', 0), 'task')}"
    )


def _times(channel: Status, world: Status | None) -> Status:
    platforms: Status = (world or {}).get("platforms", {})
    found: Status = platforms.get(str(channel.get("name"))) or platforms.get(str(channel.get("platform"))) or {}
    return found


def _moment(text: str | None) -> str:
    """The time of day of an ISO moment."""
    return text[11:19] if text else "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
