"""Telling a channel what it may still sell, and knowing that it arrived."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from connectors.errors import ConnectorError, ContractError, FatalError, NoAnswerError, ThrottledError
from connectors.records import ChannelConnection
from nervure.operations.batches import write_apart
from nervure.operations.flights import as_write, land, read, settle_imports, settle_unknown, tried
from nervure.operations.hub import Hub, set_problem
from nervure.publication.answers import after_answer, after_failure
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.drift import DriftStore
from nervure.store.flights import Flight, FlightStore
from nervure.store.publications import PublicationStore
from nervure.store.restores import RestoreStore
from nervure.store.zeros import ZeroStore
from schemas.capabilities import WriteMode
from schemas.levels import LevelKey, WriteOutcome


@dataclass
class PublishReport:
    """What one round did, by what became of each number.

    `refusal`: why the channel refused many numbers as a whole, which go in smaller parts in later rounds.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    refusal: str | None = None

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())


def refresh(hub: Hub) -> int:
    """Computes what changed; answers how many changes were worked off."""
    return hub.database.run(lambda c: PublicationStore(c, hub.clock.now()).refresh())


def publish(hub: Hub, channel: str) -> PublishReport:
    """One round for one channel: settle what is unknown, ask for finished imports, send the riskiest numbers.

    Raises:
        FatalError: the account needs a person; every number stays pending.
        ConnectorError: what is unknown could not be read back, and nothing else was sent; or an import could not be
            asked for, which holds nothing else up.
    """
    report = PublishReport()
    with hub.database.read() as connection:
        state = ChannelStore(connection, hub.clock.now()).get(channel)
        has_overdue = FlightStore(connection, hub.clock.now()).has_overdue(channel)
    trouble: ConnectorError | None = None
    try:
        if has_overdue:
            settle_unknown(hub, channel, report.outcomes)
            trouble = settle_imports(hub, channel, report.outcomes)
        if state.write_next_at is None or state.write_next_at <= hub.clock.now():
            _send(hub, channel, report)
        if trouble is not None:
            raise trouble
    except ThrottledError as error:
        _pause_writes(hub, channel, error.retry_after_seconds)
    except FatalError as error:
        set_problem(hub, channel, str(error))
        raise
    return report


def _send(hub: Hub, channel: str, report: PublishReport) -> None:
    _judge_drift(hub, channel)
    capabilities = hub.accounts[channel].record.capabilities
    connection = hub.connection(channel)
    flight = uuid4().hex
    numbers = hub.database.run(lambda c: _launch(hub, c, channel, flight))
    if not numbers:
        return
    try:
        known = _known_units(connection, numbers) if capabilities.write_mode is WriteMode.COMPARE_AND_SET else {}
        writes = [as_write(number, known.get(number.key)) for number in numbers]
        written = write_apart(connection, writes, idempotency_key=flight, now=hub.clock.now)
        answers = written.answers
        stale = [answer.key for answer in answers if answer.outcome is WriteOutcome.STALE]
        shown = read(connection, stale) if stale else {}
    except ConnectorError as error:
        # An answer nobody understands may still have had its effect.
        failure = after_failure(error, hub.clock.now(), is_unknown=isinstance(error, NoAnswerError | ContractError))
        land(hub, channel, [(number, failure) for number in numbers], flight)
        if isinstance(error, FatalError | ThrottledError):
            raise
        report.outcomes["failed"] += len(numbers)
        return
    now = hub.clock.now()
    landings = [
        (number, after_answer(answer, shown.get(answer.key), now, tried(number), wait_seconds=written.wait_seconds))
        for number, answer in zip(numbers, answers, strict=True)
    ]
    land(hub, channel, landings, flight)
    untried = [one for one in answers if one.outcome is WriteOutcome.NOT_APPLIED and one.most_rows is not None]
    if untried:
        report.refusal = f"{untried[0].reason}; what was refused as a whole is sent in smaller parts"
    if written.wait_seconds is not None:
        _pause_writes(hub, channel, written.wait_seconds)
    if stale:
        hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).want_orders(channel))
    report.outcomes.update(answer.outcome.value for answer in answers)


def _judge_drift(hub: Hub, channel: str) -> None:
    """What somebody else changed on the channel is judged once its orders are heard, before anything is sent."""
    with hub.database.read() as connection:
        if not DriftStore(connection, hub.clock.now()).has_any(channel):
            return
    policy = hub.accounts[channel].drift
    hub.database.run(lambda c: DriftStore(c, hub.clock.now()).judge(channel, policy))


def _launch(hub: Hub, connection: Connection, channel: str, flight: str) -> list[Flight]:
    """What may leave now. What falls to 0 is judged in the same transaction."""
    account, now = hub.accounts[channel], hub.clock.now()
    restores = RestoreStore(connection, now)
    state = ChannelStore(connection, now).get(channel)
    if state.is_paused or state.is_gated or state.is_shadow:
        return []
    if restores.is_hearing(channel):
        # Who has nothing to send never comes here: whoever waits for it sees itself whether it was heard.
        for name, other in sorted(hub.accounts.items()):
            restores.settle(name, reads_levels=other.record.capabilities.can_read_levels)
        if restores.is_hearing(channel):
            return []
    ZeroStore(connection, now).judge(channel, account.zero_guard)
    return FlightStore(connection, now).launch(channel, account.record.capabilities.write_batch, flight)


def _known_units(connection: ChannelConnection, numbers: Sequence[Flight]) -> dict[LevelKey, int]:
    """What the channel is believed to show; where that is not known it is read first."""
    unknown = [number.key for number in numbers if number.expected_units is None]
    known = {number.key: number.expected_units for number in numbers if number.expected_units is not None}
    shown = read(connection, unknown) if unknown else {}
    return known | {key: units for key, units in shown.items() if units is not None}


def _pause_writes(hub: Hub, channel: str, seconds: float) -> None:
    until: datetime = hub.clock.now() + timedelta(seconds=seconds)
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).write_after(channel, until))
