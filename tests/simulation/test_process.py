"""A hub that dies at any request or commit loses what was not committed, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from connectors.errors import NoAnswerError, UnavailableError
from connectors.square_client import API_VERSION
from connectors.transport import HttpRequest
from nervure.operations.hub import Hub
from nervure.store.channels import ChannelStore
from nervure.store.watched import WatchedDatabase
from simulation.agenda import Agenda
from simulation.faults import Blow, Fault, Forecast, HubKilledError, Weather
from simulation.platforms.square import ACCESS_TOKEN
from simulation.process import HubProcess
from simulation.template import Template, make_template, open_copies
from simulation.trace import Trace
from simulation.world import World

LISTINGS = HttpRequest(
    "GET", "/v2/locations", {"authorization": f"Bearer {ACCESS_TOKEN}", "square-version": API_VERSION}
)


class OneDeath(Weather):
    """Nothing goes wrong, but that the hub dies at one step: `dies_at` requests and commits from now."""

    def __init__(self) -> None:
        super().__init__(1, Forecast((), datetime.max.replace(tzinfo=UTC)))
        self.dies_at = 0
        self.next_blow = Blow.NONE

    def is_last_step(self, now: datetime) -> bool:
        self.dies_at -= 1
        return self.dies_at == 0

    def blow(self, account: str, request: HttpRequest, now: datetime) -> Blow:
        return self.next_blow


class Rig:
    """A hub process with its world, as its doors open."""

    def __init__(self, template: Template, database: WatchedDatabase) -> None:
        self.agenda = Agenda(template.opens_at)
        self.world: World = template.world(self.agenda, {})
        self.weather = OneDeath()
        self.trace = Trace(self.agenda)
        self.database = database
        self.process = HubProcess(self.world, self.agenda, database, self.weather, self.trace)
        self.process.start()

    @property
    def hub(self) -> Hub:
        assert self.process.hub is not None
        return self.process.hub

    def pause(self, hub: Hub) -> bool:
        return hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).set_paused("webshop", is_paused=True))

    def is_paused(self) -> bool:
        with self.database.read() as connection:
            return ChannelStore(connection, self.agenda.now()).get("webshop").is_paused


@pytest.fixture(scope="module")
def template() -> Template:
    return make_template(6, 1)


@pytest.fixture
def rig(template: Template) -> Iterator[Rig]:
    with open_copies() as copies, copies.of(template) as database:
        yield Rig(template, database)


@pytest.mark.parametrize(("step", "stays"), [(1, False), (2, True)])
def test_what_was_written_is_gone_before_the_commit_and_stands_after_it(rig: Rig, step: int, *, stays: bool) -> None:
    rig.weather.dies_at = step
    assert rig.process.call(rig.pause) is None
    assert rig.process.hub is None
    assert rig.is_paused() is stays
    assert rig.process.call(rig.pause) is None, "nobody answers while it is down"
    rig.agenda.sleep(1_000)
    assert rig.process.call(rig.pause) is True
    assert rig.process.counts["deaths"] == 1


def test_a_read_and_a_transaction_that_changes_nothing_are_no_steps(rig: Rig) -> None:
    rig.weather.dies_at = 1
    assert rig.process.call(lambda hub: hub.database.run(lambda c: c.execute(sa.text("SELECT 1")).scalar())) == 1
    assert rig.process.hub is not None


@pytest.mark.parametrize(("step", "requests"), [(1, 0), (2, 1)])
def test_a_request_is_killed_before_or_after_the_platform_has_it(rig: Rig, step: int, requests: int) -> None:
    emulator = rig.world.accounts["tills"].emulator
    before = sum(emulator.requests_by_operation().values())
    rig.weather.dies_at = step
    rig.agenda.turns = None
    wire = rig.hub.wire("tills", "")
    with pytest.raises(HubKilledError):
        wire(LISTINGS)
    assert sum(emulator.requests_by_operation().values()) - before == requests


def test_nothing_is_asked_inside_of_a_transaction(rig: Rig) -> None:
    wire = rig.hub.wire("tills", "")
    with pytest.raises(AssertionError, match="GET /v2/locations was sent inside a transaction"), rig.database.write():
        wire(LISTINGS)


def test_a_wire_of_a_process_that_has_died_answers_nobody(rig: Rig) -> None:
    wire, clock = rig.hub.wire("tills", ""), rig.hub.clock
    rig.weather.dies_at = 1
    rig.process.call(rig.pause)
    rig.agenda.sleep(1_000)
    with pytest.raises(HubKilledError):
        wire(LISTINGS)
    with pytest.raises(HubKilledError):
        clock.sleep(1)


@pytest.mark.parametrize(
    ("blow", "status", "error"),
    [
        (Blow.NONE, 200, None),
        (Blow.THROTTLED, 429, None),
        (Blow.UNAVAILABLE, 503, None),
        (Blow.FAILED_BEFORE, 500, None),
        (Blow.FAILED_AFTER, 500, None),
        (Blow.SILENT, 200, None),
        (Blow.DOWN, 0, UnavailableError),
        (Blow.TIMEOUT_BEFORE, 0, NoAnswerError),
        (Blow.TIMEOUT_AFTER, 0, NoAnswerError),
    ],
)
def test_a_blow_is_what_the_hub_sees_and_what_the_platform_did(
    rig: Rig, blow: Blow, status: int, error: type[Exception] | None
) -> None:
    emulator = rig.world.accounts["tills"].emulator
    before, begun_at = sum(emulator.requests_by_operation().values()), rig.agenda.now()
    rig.weather.next_blow = blow
    rig.agenda.turns = None  # only this request, not the loops
    wire = rig.hub.wire("tills", "")
    if error is not None:
        with pytest.raises(error):
            wire(LISTINGS)
    else:
        assert wire(LISTINGS).status == status
    is_done = blow in (Blow.NONE, Blow.FAILED_AFTER, Blow.TIMEOUT_AFTER)
    assert (sum(emulator.requests_by_operation().values()) > before) is is_done
    is_slow = blow in (Blow.TIMEOUT_BEFORE, Blow.TIMEOUT_AFTER)
    assert (rig.agenda.now() - begun_at > timedelta(seconds=30)) is is_slow
    assert Fault.DOWN not in rig.weather.struck
