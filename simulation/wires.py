"""The hub's wires to the platforms under virtual time: requests take a while, and meet what the weather brings."""

import pickle
from collections import Counter
from collections.abc import Callable, Mapping

from connectors.errors import NoAnswerError, UnavailableError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.store.watched import WatchedDatabase
from simulation.accounts import SUPPLIER_NAME
from simulation.agenda import Agenda
from simulation.faults import Blow, Weather, with_every_other_row
from simulation.platform import dated
from simulation.trace import Trace
from simulation.world import World

TIMEOUT_SECONDS = 30.0

_REFUSALS: Mapping[Blow, HttpResponse] = {
    Blow.THROTTLED: HttpResponse(429, {"retry-after": "30"}),
    Blow.UNAVAILABLE: HttpResponse(503),
    Blow.FAILED_BEFORE: HttpResponse(500),
}


class Wires:
    """Carries requests of one hub process after the other.

    `may_die` is asked before and after each request, and raises where the process dies of it.
    """

    def __init__(self, world: World, agenda: Agenda, database: WatchedDatabase, weather: Weather, trace: Trace) -> None:
        self.counts: Counter[str] = Counter()
        self.may_die: Callable[[str], None] = lambda where: None
        self.on_answer: Callable[[str], None] = lambda account: None
        self._world = world
        self._agenda = agenda
        self._database = database
        self._weather = weather
        self._trace = trace

    def to(self, name: str, check: Callable[[], None]) -> Send:
        """The wire to an account or a supplier; `check` raises once the process that holds it has died."""
        account = "supplier" if name == SUPPLIER_NAME else name

        def send(request: HttpRequest) -> HttpResponse:
            if self._database.is_writing:
                raise AssertionError(f"{request.method} {request.path} was sent inside a transaction")
            self.counts["requests"] += 1
            self.may_die("before a request")
            blow = self._weather.blow(account, request, self._agenda.now())
            self._trace.request(account, request, blow)
            self._pass(self._weather.latency_seconds(), check)
            answer = self._struck(account, request, blow)
            self.on_answer(account)
            self._pass(TIMEOUT_SECONDS if answer is None else self._weather.latency_seconds(), check)
            self.may_die("after a request")
            if answer is None:
                raise NoAnswerError(f"{account} gave no answer to {request.method}")
            self._trace.answer(account, answer)
            return answer

        return send

    def _pass(self, seconds: float, check: Callable[[], None]) -> None:
        self._agenda.sleep(seconds)
        check()

    def _struck(self, account: str, request: HttpRequest, blow: Blow) -> HttpResponse | None:
        """What the hub gets to see; None: no answer."""
        if blow is Blow.DOWN:
            raise UnavailableError(f"{account} cannot be reached")
        if blow in _REFUSALS:
            return _REFUSALS[blow]
        if blow is Blow.TIMEOUT_BEFORE:
            return None
        if blow is Blow.SILENT:
            return self._answered_by_a_copy(account, request)
        done = self._world.answer(account)(with_every_other_row(request) if blow is Blow.PARTIAL else request)
        return {Blow.TIMEOUT_AFTER: None, Blow.FAILED_AFTER: HttpResponse(500)}.get(blow, done)

    def _answered_by_a_copy(self, account: str, request: HttpRequest) -> HttpResponse:
        """The answer of a success, of a platform that has then forgotten it."""
        copy = pickle.loads(pickle.dumps(self._world.accounts[account].emulator))  # noqa: S301 - made a line above
        now = self._world.now_at(account)
        return dated(copy.handle(request, now), now)
