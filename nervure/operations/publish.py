"""Telling a channel what it may still sell, and knowing that it arrived."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from connectors.errors import ConnectorError, ContractError, FatalError, NoAnswerError, ThrottledError
from connectors.records import ChannelConnection
from nervure.operations.hub import Hub, set_problem
from nervure.publication.answers import Landing, after_answer, after_failure, after_reading
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.publications import Flight, PublicationStore
from nervure.store.restores import RestoreStore
from nervure.store.zeros import ZeroStore
from schemas.capabilities import WriteMode
from schemas.levels import LevelKey, LevelWrite, WriteOutcome


@dataclass
class PublishReport:
    """What one round did, by what became of each number."""

    outcomes: Counter[str] = field(default_factory=Counter)

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
        ConnectorError: what is unknown could not be read back; nothing else was sent.
    """
    report = PublishReport()
    with hub.database.read() as connection:
        state = ChannelStore(connection, hub.clock.now()).get(channel)
    try:
        _settle_unknown(hub, channel, report)
        _settle_imports(hub, channel, report)
        if state.write_next_at is None or state.write_next_at <= hub.clock.now():
            _send(hub, channel, report)
    except ThrottledError as error:
        _pause_writes(hub, channel, error.retry_after_seconds)
    except FatalError as error:
        set_problem(hub, channel, str(error))
        raise
    return report


def _settle_unknown(hub: Hub, channel: str, report: PublishReport) -> None:
    flight = uuid4().hex
    capabilities = hub.accounts[channel].record.capabilities
    lost = hub.database.run(
        lambda c: PublicationStore(c, hub.clock.now()).adopt_lost(channel, capabilities.write_batch, flight)
    )
    if lost:
        _read_back(hub, channel, lost, flight, late_effect_seconds=capabilities.late_effect_seconds)
        report.outcomes["read back"] += len(lost)


def _read_back(hub: Hub, channel: str, numbers: Sequence[Flight], flight: str, *, late_effect_seconds: float) -> None:
    try:
        shown = _read(hub.connection(channel), [number.key for number in numbers])
    except ConnectorError as error:
        _land(hub, [(number, after_failure(error, hub.clock.now(), is_unknown=True)) for number in numbers], flight)
        raise
    now = hub.clock.now()
    landings = [
        (
            number,
            after_reading(
                shown.get(number.key),
                number.units,
                now,
                sent_at=number.sent_at,
                late_effect_seconds=late_effect_seconds,
            ),
        )
        for number in numbers
    ]
    _land(hub, landings, flight)


def _settle_imports(hub: Hub, channel: str, report: PublishReport) -> None:
    capabilities = hub.accounts[channel].record.capabilities
    flight = uuid4().hex
    imports = hub.database.run(
        lambda c: PublicationStore(c, hub.clock.now()).adopt_imports(channel, capabilities.write_batch, flight)
    )
    for receipt, numbers in imports.items():
        try:
            answers = hub.connection(channel).read_receipt(receipt, [_as_write(number) for number in numbers])
        except ConnectorError as error:
            waiting = after_failure(error, hub.clock.now(), is_unknown=True, receipt=receipt)
            _land(hub, [(number, waiting) for number in numbers], flight)
            raise
        now = hub.clock.now()
        answered = list(zip(numbers, answers, strict=True))
        unclear = [number for number, answer in answered if answer.outcome is WriteOutcome.UNACCOUNTED]
        said = [pair for pair in answered if pair[1].outcome is not WriteOutcome.UNACCOUNTED]
        _land(hub, [(number, after_answer(answer, None, now)) for number, answer in said], flight)
        if unclear:
            # The import is over: what is shown now is what became of them.
            _read_back(hub, channel, unclear, flight, late_effect_seconds=0.0)
        report.outcomes.update(answer.outcome.value for answer in answers if answer.outcome is not WriteOutcome.SENT)


def _send(hub: Hub, channel: str, report: PublishReport) -> None:
    capabilities = hub.accounts[channel].record.capabilities
    connection = hub.connection(channel)
    flight = uuid4().hex
    numbers = hub.database.run(lambda c: _launch(hub, c, channel, flight))
    if not numbers:
        return
    try:
        known = _known_units(connection, numbers) if capabilities.write_mode is WriteMode.COMPARE_AND_SET else {}
        writes = [_as_write(number, known.get(number.key)) for number in numbers]
        answers = connection.write_levels(writes, idempotency_key=flight)
        stale = [answer.key for answer in answers if answer.outcome is WriteOutcome.STALE]
        shown = _read(connection, stale) if stale else {}
    except ConnectorError as error:
        # An answer nobody understands may still have had its effect.
        failure = after_failure(error, hub.clock.now(), is_unknown=isinstance(error, NoAnswerError | ContractError))
        _land(hub, [(number, failure) for number in numbers], flight)
        if isinstance(error, FatalError | ThrottledError):
            raise
        report.outcomes["failed"] += len(numbers)
        return
    now = hub.clock.now()
    landings = [
        (number, after_answer(answer, shown.get(answer.key), now))
        for number, answer in zip(numbers, answers, strict=True)
    ]
    _land(hub, landings, flight)
    if stale:
        hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).want_orders(channel))
    report.outcomes.update(answer.outcome.value for answer in answers)


def _launch(hub: Hub, connection: Connection, channel: str, flight: str) -> list[Flight]:
    """What may leave now. What falls to 0 is judged in the same transaction."""
    account, now = hub.accounts[channel], hub.clock.now()
    restores = RestoreStore(connection, now)
    state = ChannelStore(connection, now).get(channel)
    if state.hears_since is not None:
        restores.settle(channel, reads_levels=account.record.capabilities.can_read_levels)
    if state.is_paused or state.is_gated or state.is_shadow or restores.is_hearing(channel):
        return []
    ZeroStore(connection, now).judge(channel, account.zero_guard)
    return PublicationStore(connection, now).launch(channel, account.record.capabilities.write_batch, flight)


def _known_units(connection: ChannelConnection, numbers: Sequence[Flight]) -> dict[LevelKey, int]:
    """What the channel is believed to show; where that is not known it is read first."""
    unknown = [number.key for number in numbers if number.expected_units is None]
    known = {number.key: number.expected_units for number in numbers if number.expected_units is not None}
    shown = _read(connection, unknown) if unknown else {}
    return known | {key: units for key, units in shown.items() if units is not None}


def _read(connection: ChannelConnection, keys: Sequence[LevelKey]) -> Mapping[LevelKey, int | None]:
    return {reading.key: reading.units for reading in connection.read_levels(keys)}


def _as_write(number: Flight, expected_units: int | None = None) -> LevelWrite:
    return LevelWrite(number.key, number.units, expected_units, number.sku)


def _land(hub: Hub, landings: Sequence[tuple[Flight, Landing]], flight: str) -> None:
    hub.database.run(lambda c: PublicationStore(c, hub.clock.now()).land(landings, flight))


def _pause_writes(hub: Hub, channel: str, seconds: float) -> None:
    until: datetime = hub.clock.now() + timedelta(seconds=seconds)
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).write_after(channel, until))
