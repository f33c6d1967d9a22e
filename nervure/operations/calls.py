"""Every call to a platform goes through its credential's budget, which all processes share.

Each answer also says how far the platform's clock is off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from connectors.errors import CircuitOpenError, NoAnswerError, ThrottledError, UnavailableError
from connectors.records import ChannelSettings
from connectors.transport import HttpRequest, HttpResponse, Send, clock_span, retry_after_seconds
from nervure.clock import MOST_SECONDS, Clock, measure
from nervure.store.budgets import BudgetStore
from nervure.store.clocks import ClockStore
from nervure.store.database import Connection, Database
from nervure.store.tasks import TaskStore

TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500
CLOCK_TASK = "platform_clock"


def shared_credential(name: str, platforms: Mapping[str, str], settings: Mapping[str, ChannelSettings]) -> str:
    """The name of the credential that an account calls with: the first of the accounts that sign in alike."""

    def signs_in(account: str) -> tuple[str, ...]:
        secrets = [value.get_secret_value() for _, value in settings[account] if isinstance(value, SecretStr)]
        return (platforms[account], settings[account].url, *secrets) if secrets else (account,)

    return min(account for account in settings if signs_in(account) == signs_in(name))


@dataclass(frozen=True, slots=True)
class Guard:
    """The budget of one credential, around its wire."""

    database: Database
    clock: Clock
    credential: str
    send: Send
    keeps_silence: bool = True
    """Silence that the platform asks for holds for every call; False: for the operation alone, which has its slots."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Sends if the platform may be called now.

        Raises:
            CircuitOpenError: it is down, and somebody tries later whether it is up again.
            ThrottledError: it asked for silence.
        """
        is_shaky, is_probe = self._admit()
        sent_at = self.clock.now()
        try:
            response = self.send(request)
        except (UnavailableError, NoAnswerError) as error:
            self._failed(str(error), is_probe=is_probe)
            raise
        if response.status >= SERVER_ERRORS:
            self._failed(f"answered {response.status}", is_probe=is_probe)
            return response  # it may be of whatever stands before the platform, and so may its date
        self._hear_clock(response, sent_at)
        if response.status == TOO_MANY_REQUESTS and self.keeps_silence:
            self._note(lambda store: store.throttled(self.credential, retry_after_seconds(response, self.clock.now())))
        if is_shaky:
            self._note(lambda store: store.worked(self.credential))
        return response

    def spend(self, points: float, kept: float = 0.0) -> float:
        """Takes points out of the platform's bucket; else the seconds until they can be taken."""
        return self.database.run(lambda c: BudgetStore(c, self.clock.now()).spend(self.credential, points, kept=kept))

    def learn(self, points: float, maximum: float, restored_per_second: float) -> None:
        """Takes over what the platform says of its bucket."""
        self._note(
            lambda store: store.learn(self.credential, points, maximum=maximum, restored_per_second=restored_per_second)
        )

    def _hear_clock(self, response: HttpResponse, sent_at: datetime) -> None:
        """Most answers say nothing new of the platform's clock, and nothing is written."""
        now = self.clock.now()
        span = clock_span(response, sent_at, now)
        if span is None:
            return
        with self.database.read() as connection:
            known = ClockStore(connection, now).get(self.credential)
        if measure(known, *span, now) is not known:
            self.database.run(lambda connection: self._note_clock(connection, *span))

    def _note_clock(self, connection: Connection, least: float, most: float) -> None:
        now = self.clock.now()
        found, tasks = ClockStore(connection, now).heard(self.credential, least, most), TaskStore(connection, now)
        if found.is_beyond:
            middle = (found.least + found.most) / 2
            text = (
                f"the answers of {self.credential} are dated {abs(middle) / 60:.0f} min"
                f" {'ahead of' if middle > 0 else 'behind'} the hub's clock, more than {MOST_SECONDS / 60:.0f}:"
                " its times are taken as they are. Look at both clocks"
            )
            tasks.open(CLOCK_TASK, self.credential, text)
        elif found.is_settled:
            tasks.close(CLOCK_TASK, self.credential)

    def _admit(self) -> tuple[bool, bool]:
        """Whether calls failed lately, and whether this one tries if the platform is up again."""
        now = self.clock.now()
        with self.database.read() as connection:
            line = BudgetStore(connection, now).get(self.credential)
        if line.probe_at is not None:
            if line.probe_at > now or not self._take_probe():
                raise CircuitOpenError(_down(line.reason, line.probe_at), retry_after_seconds=_left(line.probe_at, now))
            return True, True
        wait = line.wait_seconds(now)
        if wait > 0:
            raise ThrottledError(f"the platform wants no call for {wait:.0f} s", retry_after_seconds=wait)
        return line.failures > 0, False

    def _take_probe(self) -> bool:
        return self.database.run(lambda c: BudgetStore(c, self.clock.now()).take_probe(self.credential))

    def _failed(self, reason: str, *, is_probe: bool) -> None:
        self._note(lambda store: store.failed(self.credential, reason, is_probe=is_probe))

    def _note(self, work: Callable[[BudgetStore], None]) -> None:
        self.database.run(lambda c: work(BudgetStore(c, self.clock.now())))


def _down(reason: str | None, probe_at: datetime) -> str:
    return f"the platform is down ({reason or 'no reason given'}); it is tried again at {probe_at:%H:%M:%S} UTC"


def _left(moment: datetime, now: datetime) -> float:
    return max(1.0, (moment - now).total_seconds())
