"""A hub that can die at any request and at any commit, and that works in turns under virtual time.

Nothing of it survives but its database. While one of its loops waits for an answer the others go on, each inside the
wait of the one before: so a seed tries, in one thread, orders of events that threads only meet now and then.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TypeVar

from nervure.operations import loops
from nervure.operations.hub import Hub
from nervure.operations.windows import RETRY_PAUSE_SECONDS, Turn, Window
from nervure.store.upkeep import UpkeepStore, Waiting
from nervure.store.watched import WatchedDatabase
from simulation.accounts import SUPPLIER_NAME
from simulation.agenda import Agenda
from simulation.faults import HubKilledError, Weather
from simulation.hubs import open_hub
from simulation.trace import Trace
from simulation.wires import Wires
from simulation.world import World

T = TypeVar("T")

WINDOW_SECONDS = 300.0
LONGEST_PARK_SECONDS = 300.0
"""A look at the database that found nothing is taken again this late, even if nothing was written meanwhile."""

MOST_AT_ONCE = 3
"""Loops of the hub that are at work at one time, each inside the wait of the one before."""

_LOOK_AHEAD = timedelta(seconds=1)
_TICK = timedelta(milliseconds=1)

# What a look depends on: tables that must change, or moments that must come, before it can find something new.
_LOOKS: Mapping[str, tuple[frozenset[str], tuple[Waiting, ...]]] = {
    "inbox": (frozenset({"inbox"}), (Waiting.DOCUMENT,)),
    "messages": (frozenset({"outbox"}), (Waiting.MESSAGE,)),
    "orders": (frozenset({"channel"}), (Waiting.ORDERS,)),
    "stock": (frozenset(), (Waiting.STOCK,)),
    "publish": (frozenset({"publication"}), (Waiting.NUMBER,)),
    "numbers": (frozenset({"availability_change"}), ()),
    "upkeep": (frozenset({"location"}), (Waiting.AGE,)),
}
_HEARING = frozenset({"channel", "inbox"})
"""Tables that say how far a channel's orders were heard."""
_UPKEEP = frozenset({"aging", "lots", "reservations", "tasks"})


class HubClock:
    """The hub's clock: after a sleep in which it died it does not go on."""

    def __init__(self, agenda: Agenda, check: Callable[[], None]) -> None:
        self._agenda = agenda
        self._check = check

    def now(self) -> datetime:
        return self._agenda.now()

    def sleep(self, seconds: float) -> None:
        self._agenda.sleep(seconds)
        self._check()


@dataclass(slots=True)
class _Loop:
    """One loop of the hub. Parked: it found nothing, and waits for what its look depends on."""

    name: str
    kind: str
    account: str
    turn: Turn
    due: datetime
    pause: float = 0.0
    is_parked: bool = False
    is_running: bool = False
    is_outdated: bool = False


class HubProcess:
    """The hub's life: it is opened, works, dies, and is opened again on the same database."""

    def __init__(self, world: World, agenda: Agenda, database: WatchedDatabase, weather: Weather, trace: Trace) -> None:
        self.hub: Hub | None = None
        self.failures: list[str] = []
        self._world = world
        self._agenda = agenda
        self._database = database
        self._weather = weather
        self._trace = trace
        self._loops: list[_Loop] = []
        self._depth = 0
        self._life = 0
        self._is_due_known = False
        self.wires = Wires(world, agenda, database, weather, trace)
        self.wires.may_die = database.at_commit = self._may_die
        database.has_written = self._wake
        agenda.turns = self

    @property
    def counts(self) -> Counter[str]:
        """Requests, deaths, and whatever else is counted of it."""
        return self.wires.counts

    def start(self) -> None:
        """Opens a hub that knows nothing but what is in the database."""
        self._life += 1
        life = self._life

        def check() -> None:
            if self._life != life or self.hub is None:
                raise HubKilledError

        self.hub = open_hub(
            self._world, self._database, lambda name, url: self.wires.to(name, check), HubClock(self._agenda, check)
        )
        window = Window(self.hub, WINDOW_SECONDS)
        families = {
            "inbox": loops.draining(window),
            "orders": loops.pulling_orders(window),
            "stock": loops.pulling_stock(window),
            "publish": loops.publishing(window),
            "sweep": loops.sweeping(window),
        }
        due = self._agenda.now()
        for family, found in families.items():
            for name, turn in found.items():
                kind = family
                if family == "inbox" and name.endswith(" messages"):
                    kind = "messages"
                elif name == "numbers":
                    kind = "numbers"
                elif name in _UPKEEP:
                    kind = "upkeep"
                elif name.startswith(SUPPLIER_NAME):
                    kind = "supplier"
                due += timedelta(milliseconds=7)
                account = name.removesuffix(" messages")
                self._loops.append(_Loop(f"{family} {name}", kind, account, turn, due))

    def call(self, work: Callable[[Hub], T]) -> T | None:
        """Somebody asks something of the hub; None: it is dead, or died over it."""
        if self.hub is None:
            return None
        try:
            return work(self.hub)
        except HubKilledError:
            self._die()
            return None

    # -- its loops ---------------------------------------------------------------------------------------------

    def next_at(self, before: datetime) -> datetime | None:
        if self.hub is None or self._depth >= MOST_AT_ONCE:
            return None
        first = self._first()
        soonest = before if first is None else min(first.due, before)
        if not self._is_due_known and soonest > self._agenda.now() + _LOOK_AHEAD:
            self._set_due()
            first = self._first()
        return first.due if first is not None and first.due <= before else None

    def _first(self) -> _Loop | None:
        free = (loop for loop in self._loops if not loop.is_running)
        return min(free, key=lambda loop: loop.due, default=None)

    def run_next(self) -> None:
        loop = self._first()
        assert loop is not None
        self._depth += 1
        try:
            self._run(loop)
        except HubKilledError:
            if self._depth > 1:
                raise  # the loops that wait for an answer are of the same process
            self._die()
        finally:
            self._depth -= 1

    def _run(self, loop: _Loop) -> None:
        loop.is_running, loop.is_parked, loop.is_outdated = True, False, False
        asked = self.wires.counts["requests"]
        seconds: float | None
        try:
            seconds = loop.turn()
        except Exception as error:
            # As a window does; but nothing that a platform answers is a reason to fail a turn.
            self.failures.append(f"a turn of {loop.name} failed: {type(error).__name__}: {error}"[:300])
            self._trace.note("hub", self.failures[-1])
            seconds = RETRY_PAUSE_SECONDS
        finally:
            loop.is_running = False
        now = self._agenda.now()
        loop.pause = WINDOW_SECONDS if seconds is None else seconds
        loop.due = now + max(timedelta(seconds=loop.pause), _TICK)
        found_nothing = not loop.is_outdated and asked == self.wires.counts["requests"]
        if found_nothing and loop.pause > 0 and loop.kind in _LOOKS:
            loop.is_parked = True
            loop.due = now + timedelta(seconds=LONGEST_PARK_SECONDS)
            self._is_due_known = False

    def _wake(self, tables: frozenset[str]) -> None:
        """Something was written: whoever looks at it looks again, when its look would have come."""
        now = self._agenda.now()
        self._is_due_known = False
        if tables & _HEARING and "publication" not in tables:
            with self._database.read() as connection:
                if UpkeepStore(connection, now).has_numbers_waiting():
                    tables |= {"publication"}
        for loop in self._loops:
            if loop.kind in _LOOKS and _LOOKS[loop.kind][0] & tables:
                loop.is_outdated = True
                if loop.is_parked:
                    loop.is_parked = False
                    began = loop.due - timedelta(seconds=LONGEST_PARK_SECONDS)
                    looks = max(1, ceil((now - began).total_seconds() / loop.pause))
                    loop.due = began + timedelta(seconds=looks * loop.pause)

    def _set_due(self) -> None:
        """Parked loops wake when what they wait for comes due."""
        assert self.hub is not None
        self._is_due_known = True
        with self._database.read() as connection:
            due = UpkeepStore(connection, self._agenda.now()).next_due()
        for loop in self._loops:
            if loop.is_parked:
                moments = [
                    at for key in _LOOKS[loop.kind][1] for name in ("", loop.account) if (at := due.get((key, name)))
                ]
                loop.due = min([loop.due, *(moment + _TICK for moment in moments)])

    # -- its death ---------------------------------------------------------------------------------------------

    def _may_die(self, where: str) -> None:
        if self.hub is not None and self._weather.is_last_step(self._agenda.now()):
            self._trace.note("hub", f"killed {where}")
            raise HubKilledError

    def _die(self) -> None:
        """The process is gone: everything in memory with it. Somebody starts it again."""
        if self.hub is None:
            return
        self.hub = None
        self._loops = []
        self.counts["deaths"] += 1
        seconds = (
            self._weather.uniform(0.5, 20.0) if self._weather.uniform(0, 1) < 0.8 else self._weather.uniform(60, 900)
        )
        self._trace.note("hub", f"is down for {seconds:.1f} s")
        self._agenda.after(seconds, self.start)
