"""Numbers on their way whose answer is still to come: read back, or asked for by their import."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from connectors.errors import ConnectorError, ThrottledError
from connectors.records import ChannelConnection
from nervure.operations.hub import Hub
from nervure.publication.answers import Landing, Tried, after_answer, after_failure, after_reading
from nervure.store.database import Connection
from nervure.store.flights import Flight, FlightStore
from nervure.store.parts import PartStore
from nervure.store.tasks import TaskStore
from schemas.base import counted
from schemas.levels import LevelKey, LevelWrite, WriteOutcome
from schemas.publications import PublicationState

LONGEST_IMPORT_SECONDS = 900.0
"""An import that has not ended by then counts as stuck: a person is told, and its numbers are read back."""

STUCK_KIND = "stuck_import"


def settle_unknown(hub: Hub, channel: str, outcomes: Counter[str]) -> None:
    """Reads back the numbers whose answer never came.

    Raises:
        ConnectorError: they could not be read; they stay unknown.
    """
    flight = uuid4().hex
    capabilities = hub.accounts[channel].record.capabilities
    lost = hub.database.run(
        lambda c: FlightStore(c, hub.clock.now()).adopt_lost(channel, capabilities.write_batch, flight)
    )
    if lost:
        _read_back(hub, channel, lost, flight, late_effect_seconds=capabilities.late_effect_seconds)
        outcomes["read back"] += len(lost)


def settle_imports(hub: Hub, channel: str, outcomes: Counter[str]) -> ConnectorError | None:
    """Asks for the imports that may have ended; answers the first failure, which holds no other import up."""
    capabilities = hub.accounts[channel].record.capabilities
    flight = uuid4().hex
    imports = hub.database.run(
        lambda c: FlightStore(c, hub.clock.now()).adopt_imports(channel, capabilities.write_batch, flight)
    )
    first: ConnectorError | None = None
    for receipt, numbers in imports.items():
        try:
            outcomes.update(_settle_import(hub, channel, _Import(receipt, numbers, flight)))
        except ThrottledError:
            pass  # it is asked for again when that is allowed
        except ConnectorError as error:
            first = first or error
    return first


@dataclass(frozen=True, slots=True)
class _Import:
    """Numbers that one import carries, taken over by one flight."""

    receipt: str
    numbers: Sequence[Flight]
    flight: str


def _settle_import(hub: Hub, channel: str, one: _Import) -> Counter[str]:
    try:
        answers = hub.connection(channel).read_receipt(one.receipt, [as_write(number) for number in one.numbers])
    except ConnectorError as error:
        if _is_stuck(hub, one):
            return _give_up(hub, channel, one, str(error))
        wait = after_failure(error, hub.clock.now(), is_unknown=True, receipt=one.receipt)
        land(hub, channel, [(number, wait) for number in one.numbers], one.flight)
        raise
    if _is_stuck(hub, one) and any(answer.outcome is WriteOutcome.SENT for answer in answers):
        return _give_up(hub, channel, one, "it is still running")
    now = hub.clock.now()
    answered = list(zip(one.numbers, answers, strict=True))
    unclear = [number for number, answer in answered if answer.outcome is WriteOutcome.UNACCOUNTED]
    said = [pair for pair in answered if pair[1].outcome is not WriteOutcome.UNACCOUNTED]
    landings = [(number, after_answer(answer, None, now, tried(number))) for number, answer in said]
    land(hub, channel, landings, one.flight)
    if not any(answer.outcome is WriteOutcome.SENT for answer in answers):
        hub.database.run(lambda c: TaskStore(c, hub.clock.now()).close_all(STUCK_KIND, f"import:{channel}:"))
    if unclear:
        # The import is over: what is shown now is what became of them.
        _read_back(hub, channel, unclear, one.flight, late_effect_seconds=0.0)
    return Counter(answer.outcome.value for answer in answers if answer.outcome is not WriteOutcome.SENT)


def _is_stuck(hub: Hub, one: _Import) -> bool:
    first = min(number.sent_at for number in one.numbers)
    return (hub.clock.now() - first) >= timedelta(seconds=LONGEST_IMPORT_SECONDS)


def _give_up(hub: Hub, channel: str, one: _Import, reason: str) -> Counter[str]:
    """Nobody waits for this import any more: a person is told, and what the channel shows decides.

    Should it run after all, a newer number that it overwrites is found as drift.
    """
    text = (
        f"{channel} has not finished import {one.receipt} of {counted(len(one.numbers), 'number')}"
        f" after {LONGEST_IMPORT_SECONDS / 60:.0f} minutes ({reason}): ask the operator; what is shown is read back"
    )

    def tell(connection: Connection) -> None:
        TaskStore(connection, hub.clock.now()).open(STUCK_KIND, f"import:{channel}:{one.receipt}", text)

    hub.database.run(tell)
    _read_back(hub, channel, one.numbers, one.flight, late_effect_seconds=0.0)
    return Counter({"import given up": len(one.numbers)})


def _read_back(hub: Hub, channel: str, numbers: Sequence[Flight], flight: str, *, late_effect_seconds: float) -> None:
    try:
        shown = read(hub.connection(channel), [number.key for number in numbers])
    except ConnectorError as error:
        failure = after_failure(error, hub.clock.now(), is_unknown=True)
        land(hub, channel, [(number, failure) for number in numbers], flight)
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
    land(hub, channel, landings, flight)


def read(connection: ChannelConnection, keys: Sequence[LevelKey]) -> Mapping[LevelKey, int | None]:
    """What the channel shows now."""
    return {reading.key: reading.units for reading in connection.read_levels(keys)}


def as_write(number: Flight, expected_units: int | None = None) -> LevelWrite:
    """The number as a connector takes it."""
    return LevelWrite(number.key, number.units, expected_units, number.sku)


def tried(number: Flight) -> Tried:
    """How a number was sent."""
    return Tried(number.attempts, is_alone=number.most_rows == 1)


def land(hub: Hub, channel: str, landings: Sequence[tuple[Flight, Landing]], flight: str) -> None:
    """Records answers.

    Where a part of what was refused together is shown now, the others of its size go in larger ones.
    """
    shown = {
        number.most_rows
        for number, landing in landings
        if landing.state is PublicationState.CONFIRMED and number.most_rows is not None
    }
    limit = hub.accounts[channel].record.capabilities.write_batch

    def work(connection: Connection) -> None:
        now = hub.clock.now()
        FlightStore(connection, now).land(landings, flight)
        for most in sorted(shown):
            PartStore(connection, now).widen(channel, most, limit)

    hub.database.run(work)
