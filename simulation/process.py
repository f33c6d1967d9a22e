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

from nervure.operations import asking, keeping, loops
from nervure.operations.hub import Hub
from nervure.operations.restores import notice
from nervure.operations.windows import RETRY_PAUSE_SECONDS, Turn, Window
from nervure.store.upkeep import UpkeepStore, Waiting
from nervure.store.watched import WatchedDatabase
from simulation.agenda import Agenda
from simulation.faults import HubKilledError, Weather
from simulation.hubs import open_hub
from simulation.looks import HEARING, LOOKS, MOMENTS, NUMBERS_WAITING, Look, kind_of
from simulation.trace import Trace
from simulation.wires import Wires
from simulation.world import World

T = TypeVar("T")

WINDOW_SECONDS = 300.0
MOST_AT_ONCE = 3
"""Loops of the hub that are at work at one time, each inside the wait of the one before."""

_LOOK_AHEAD = timedelta(seconds=1)
_TICK = timedelta(milliseconds=1)


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
    look: Look | None
    account: str
    turn: Turn
    due: datetime
    parked_at: datetime
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
        self._due: Mapping[tuple[Waiting, str], datetime] = {}
        self._is_due_known = self._are_parked_set = False
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
        if not self.call(_look_around):
            return  # it died of that, too
        window = Window(self.hub, WINDOW_SECONDS)
        families = {
            "inbox": loops.draining(window),
            "orders": asking.pulling_orders(window),
            "stock": asking.pulling_stock(window),
            "publish": loops.publishing(window),
            "sweep": keeping.sweeping(window),
        }
        due = self._agenda.now()
        for family, found in families.items():
            for name, turn in found.items():
                kind, account = kind_of(family, name)
                due += timedelta(milliseconds=7)
                self._loops.append(_Loop(f"{family} {name}", LOOKS.get(kind), account, turn, due, due))

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
        is_all_known = self._is_due_known and self._are_parked_set
        if not is_all_known and soonest > self._agenda.now() + _LOOK_AHEAD:
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
        if found_nothing and loop.pause > 0 and loop.look is not None:
            loop.is_parked, loop.parked_at = True, now
            loop.due = now + timedelta(seconds=loop.look.seconds)
            self._are_parked_set = False
            if any(self._due.get((key, name), now) <= now for key in loop.look.moments for name in ("", loop.account)):
                self._is_due_known = False

    def _wake(self, names: frozenset[str]) -> None:
        """Something was written: whoever looks at it looks again, when its look would have come."""
        now = self._agenda.now()
        if names & MOMENTS:
            self._is_due_known = False
        if names & HEARING and NUMBERS_WAITING not in names:
            with self._database.read() as connection:
                if UpkeepStore(connection, now).has_numbers_waiting():
                    names |= {NUMBERS_WAITING}
        for loop in self._loops:
            if loop.look is not None and not loop.look.columns.isdisjoint(names):
                loop.is_outdated = True
                if loop.is_parked:
                    loop.is_parked = False
                    looks = max(1, ceil((now - loop.parked_at).total_seconds() / loop.pause))
                    loop.due = loop.parked_at + timedelta(seconds=looks * loop.pause)

    def _set_due(self) -> None:
        """Parked loops wake when what they wait for comes due."""
        if not self._is_due_known:
            with self._database.read() as connection:
                self._due = UpkeepStore(connection, self._agenda.now()).next_due()
        self._is_due_known = self._are_parked_set = True
        for loop in self._loops:
            if loop.is_parked and loop.look is not None:
                moments = [
                    at
                    for key in loop.look.moments
                    for name in ("", loop.account)
                    if (at := self._due.get((key, name))) is not None
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


def _look_around(hub: Hub) -> bool:
    """As a hub does when it is opened: after a silence it hears before it speaks."""
    notice(hub)
    return True
