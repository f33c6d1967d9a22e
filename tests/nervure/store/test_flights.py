"""Numbers on their way: one at a time for each key, and no older one over a newer one (R36)."""

from datetime import datetime

import pytest

from nervure.publication.answers import Landing
from nervure.store.channels import ChannelStore
from nervure.store.database import Database
from nervure.store.drift import DriftStore
from nervure.store.flights import FLIGHT_SECONDS, Flight
from nervure.store.inbox import InboxStore
from nervure.store.tables.channels import CHANNEL
from schemas.documents import Heard, RawDocument
from schemas.levels import LevelKey
from schemas.publications import DriftPolicy, PublicationState
from tests.nervure.world import START, World, at, at_once, merchant, overtaken

CONFIRMED = Landing(PublicationState.CONFIRMED)
LOST = FLIGHT_SECONDS / 60
"""Minutes after which a write without an answer is lost."""


def ready(world: World, bolts: int = 5) -> int:
    """The shop's number of bolts, waiting to be sent; the other channels are paused."""
    merchant(world, bolt_paris=bolts, nut_paris=9)
    world.channel("shop", {"web": ["paris", "lyon"]})
    world.refresh()
    return world.publication_id("shop", "BOLT", "web")


def launch(world: World, flight: str, *, limit: int = 10) -> dict[str, Flight]:
    return {one.sku: one for one in world.flights.launch("shop", limit, flight)}


def heard(world: World, number: int, units: int, observed_at: datetime) -> bool:
    return DriftStore(world.connection, world.now).heard(number, units, observed_at)


def state(world: World, number: int) -> tuple[str, int, int, int]:
    row = world.publication(number)
    return row["state"], row["revision"], row["sent_revision"], row["confirmed_revision"]


@pytest.mark.requirement("R36")
def test_a_number_is_in_flight_once(world: World) -> None:
    number = ready(world)
    flights = launch(world, "one")
    assert flights["BOLT"] == Flight(number, 1, LevelKey("S-BOLT", "web"), 5, None, "BOLT", START)
    assert launch(world, "two") == {}
    assert state(world, number) == ("sent", 1, 1, 0)


@pytest.mark.requirement("R26")
def test_the_fewest_units_are_sent_first(world: World) -> None:
    ready(world, bolts=5)
    assert list(launch(world, "one", limit=1)) == ["PAIR"], "min(5, 9 // 2) are the fewest"
    assert list(launch(world, "two", limit=1)) == ["BOLT"]
    assert list(launch(world, "three")) == ["NUT"]


@pytest.mark.requirement("R31")
def test_a_confirmed_number_is_what_the_channel_shows(world: World) -> None:
    number = ready(world)
    later = world.later(1)
    later.flights.land([(launch(world, "one")["BOLT"], CONFIRMED)], "one")
    row = world.publication(number)
    assert state(world, number) == ("confirmed", 1, 1, 1)
    assert (row["channel_units"], row["channel_units_at"], row["flight"], row["attempts"]) == (5, at(1), None, 0)


@pytest.mark.requirement("R36")
def test_a_number_computed_while_an_older_one_flies_is_sent_after_it(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    world.receive("BOLT", "paris", 1)
    world.refresh()
    assert state(world, number) == ("sent", 2, 1, 0)
    assert launch(world, "two") == {}
    world.flights.land([(flight, CONFIRMED)], "one")
    assert state(world, number) == ("pending", 2, 1, 1)
    assert world.publication(number)["channel_units"] == 5
    again = launch(world, "two")["BOLT"]
    assert (again.revision, again.units, again.expected_units) == (2, 6, 5)


@pytest.mark.requirement("R36")
@pytest.mark.parametrize(
    "late",
    [
        CONFIRMED,
        Landing(PublicationState.SENT, receipt="import 1", next_at=at(9)),
        Landing(PublicationState.UNKNOWN, next_at=at(9)),
        Landing(PublicationState.PENDING, channel_units=1, waits_for_orders_since=at(9)),
        Landing(PublicationState.FAILED, reason="refused"),
    ],
    ids=lambda landing: landing.state.value,
)
def test_a_late_answer_to_an_older_flight_changes_nothing(world: World, late: Landing) -> None:
    number = ready(world)
    old = launch(world, "one")["BOLT"]
    world.later(LOST).flights.adopt_lost("shop", 10, "read back")
    world.flights.land([(old, CONFIRMED)], "read back")
    world.receive("BOLT", "paris", 1)
    world.refresh()
    new = launch(world, "two")["BOLT"]
    before = dict(world.publication(number))
    world.flights.land([(old, late)], "one")
    world.flights.land([(old, late)], "two")
    assert dict(world.publication(number)) == before
    world.flights.land([(new, CONFIRMED)], "two")
    assert state(world, number) == ("confirmed", 2, 2, 2)


@pytest.mark.requirement("R27", "R36")
def test_a_crash_between_sending_and_recording_is_read_back(world: World) -> None:
    number = ready(world)
    sent = launch(world, "one")["BOLT"]
    assert world.later(LOST - 0.01).flights.adopt_lost("shop", 10, "early") == []
    adopted = {one.sku: one for one in world.later(LOST).flights.adopt_lost("shop", 10, "two")}
    assert adopted["BOLT"] == sent
    assert world.later(LOST + 1).flights.adopt_lost("shop", 10, "three") == [], "it is being read back"
    world.flights.land([(adopted["BOLT"], CONFIRMED)], "two")
    assert state(world, number) == ("confirmed", 1, 1, 1)


@pytest.mark.requirement("R36")
@pytest.mark.parametrize("late", [CONFIRMED, Landing(PublicationState.PENDING)], ids=lambda one: one.state.value)
def test_an_answer_that_comes_while_its_write_is_read_back_changes_nothing(world: World, late: Landing) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    world.later(LOST).flights.adopt_lost("shop", 10, "two")
    before = dict(world.publication(number))
    world.later(LOST).flights.land([(flight, late)], "one")
    assert dict(world.publication(number)) == before


@pytest.mark.requirement("R36")
def test_an_unknown_write_is_read_back_before_anything_is_sent_again(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    world.flights.land([(flight, Landing(PublicationState.UNKNOWN, next_at=at(2)))], "one")
    world.receive("BOLT", "paris", 1)
    world.refresh()
    assert state(world, number) == ("unknown", 2, 1, 0)
    assert launch(world.later(3), "two") == {}
    [adopted] = world.later(3).flights.adopt_lost("shop", 1, "two")
    assert (adopted.revision, adopted.units) == (1, 5)
    world.flights.land([(adopted, Landing(PublicationState.PENDING, channel_units=4))], "two")
    again = launch(world.later(4), "three")["BOLT"]
    assert (again.revision, again.units, again.expected_units) == (2, 6, 4)


@pytest.mark.requirement("R36")
def test_an_import_is_asked_for_by_its_receipt_and_not_taken_for_lost(world: World) -> None:
    number = ready(world)
    flights = launch(world, "one")
    taken = Landing(PublicationState.SENT, receipt="import 1", next_at=at(1))
    world.flights.land([(one, taken) for one in flights.values()], "one")
    assert world.later(5).flights.adopt_lost("shop", 10, "lost") == []
    assert world.later(0.9).flights.adopt_imports("shop", 10, "two") == {}
    imports = world.later(1).flights.adopt_imports("shop", 10, "two")
    assert {receipt: {one.sku for one in numbers} for receipt, numbers in imports.items()} == {
        "import 1": {"BOLT", "NUT", "PAIR"}
    }
    world.flights.land([(one, CONFIRMED) for one in imports["import 1"]], "two")
    assert state(world, number) == ("confirmed", 1, 1, 1)
    assert world.publication(number)["receipt"] is None


@pytest.mark.requirement("R36")
def test_an_import_that_the_platform_forgot_is_read_back_and_not_asked_for_again(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    world.flights.land([(flight, Landing(PublicationState.SENT, receipt="import 1", next_at=at(1)))], "one")
    later = world.later(1)
    [[adopted]] = later.flights.adopt_imports("shop", 10, "two").values()
    later.flights.land([(adopted, Landing(PublicationState.UNKNOWN, reason="forgotten", next_at=at(2)))], "two")
    assert (world.publication(number)["state"], world.publication(number)["reason"]) == ("unknown", "forgotten")
    assert world.later(3).flights.adopt_imports("shop", 10, "three") == {}
    [lost] = [one for one in world.later(3).flights.adopt_lost("shop", 10, "three") if one.sku == "BOLT"]
    assert (lost.publication_id, lost.sent_at) == (number, START)


@pytest.mark.requirement("R28", "R33")
def test_a_refused_number_is_in_error_until_it_changes(world: World) -> None:
    number = ready(world)
    flights = launch(world, "one")
    world.flights.land(
        [(flights["BOLT"], Landing(PublicationState.FAILED, reason="no such sku")), (flights["NUT"], CONFIRMED)], "one"
    )
    assert state(world, number)[0] == "failed"
    assert world.publication(number)["reason"] == "no such sku"
    assert world.states()["shop"] == {"failed": 1, "confirmed": 1, "sent": 1}
    assert launch(world, "two") == {}
    world.receive("BOLT", "paris", 1)
    world.refresh()
    assert launch(world, "two")["BOLT"].units == 6


@pytest.mark.requirement("R36")
def test_a_refusal_of_an_older_number_does_not_stop_the_newer_one(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    world.receive("BOLT", "paris", 1)
    world.refresh()
    world.flights.land([(flight, Landing(PublicationState.FAILED, reason="refused"))], "one")
    assert state(world, number) == ("pending", 2, 1, 0)


def test_a_number_that_failed_to_be_sent_waits_for_its_time(world: World) -> None:
    ready(world)
    flight = launch(world, "one")["BOLT"]
    world.flights.land([(flight, Landing(PublicationState.PENDING, reason="down", next_at=at(2)))], "one")
    assert launch(world.later(1.9), "two") == {}
    assert list(launch(world.later(2), "two")) == ["BOLT"]


def test_nothing_is_sent_to_a_paused_channel(world: World) -> None:
    ready(world)
    channels = ChannelStore(world.connection, START)
    assert channels.set_paused("shop", is_paused=True)
    assert not channels.set_paused("nowhere", is_paused=True)
    assert launch(world, "one") == {}
    channels.set_paused("shop", is_paused=False)
    assert len(launch(world, "one")) == 3


def order_document(event: str) -> RawDocument:
    return RawDocument("orders", "1", event, b"{}", Heard.POLL)


@pytest.mark.requirement("R20", "R36")
def test_a_stale_number_is_sent_again_once_every_order_until_then_is_heard_and_handled(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    stale = Landing(PublicationState.PENDING, channel_units=4, waits_for_orders_since=at(1))
    world.flights.land([(flight, stale)], "one")
    assert launch(world.later(2), "two") == {}
    channels = ChannelStore(world.connection, at(2))
    channels.heard_orders("shop", watermark=None, until=at(1), next_at=at(9))
    assert launch(world.later(2), "two") == {}, "orders of that very instant may be missing"
    inbox = InboxStore(world.connection, at(2))
    inbox.put("shop", [order_document("a")])
    channels.heard_orders("shop", watermark=None, until=at(1.5), next_at=at(9))
    assert launch(world.later(2), "two") == {}, "an order is heard, but not handled"
    [leased] = inbox.lease(1)
    assert launch(world.later(2), "two") == {}
    inbox.done([leased.id])
    InboxStore(world.connection, at(2.1)).put("shop", [order_document("b")])  # after the pull: others wait for it
    again = launch(world.later(3), "two")["BOLT"]
    assert (again.publication_id, again.units, again.expected_units) == (number, 5, 4)


@pytest.mark.requirement("R36")
def test_a_stale_answer_does_not_hold_up_what_was_computed_since(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    world.receive("BOLT", "paris", 1)
    world.refresh()
    stale = Landing(PublicationState.PENDING, channel_units=4, waits_for_orders_since=at(1))
    world.flights.land([(flight, stale)], "one")
    assert world.publication(number)["waits_for_orders_since"] is None
    assert launch(world.later(2), "two")["BOLT"].units == 6


@pytest.mark.requirement("R35")
def test_a_number_edited_on_the_channel_is_drift_and_sent_again_once_orders_are_heard(world: World) -> None:
    number = ready(world)
    world.flights.land([(launch(world, "one")["BOLT"], CONFIRMED)], "one")
    later = world.later(3)
    assert not heard(later, number, 5, at(1)), "an echo of our own number"
    assert not heard(later, number, 7, at(1)), "no newer than what was heard"
    assert heard(later, number, 7, at(2))
    row = world.publication(number)
    assert (row["state"], row["revision"], row["channel_units"], row["waits_for_orders_since"]) == (
        "pending",
        2,
        7,
        at(3),
    )
    assert not heard(later, number, 8, at(3)), "it is on its way to be mended"


@pytest.mark.requirement("R35")
def test_what_somebody_changed_is_not_sent_before_it_is_judged_also_when_our_number_changes(world: World) -> None:
    number = ready(world)
    world.flights.land([(launch(world, "one")["BOLT"], CONFIRMED)], "one")
    later = world.later(3)
    assert DriftStore(later.connection, later.now).heard(number, 7, at(2), DriftPolicy.ASK)
    later.receive("BOLT", "paris", 1)
    later.refresh()
    ChannelStore(later.connection, later.now).heard_orders("shop", watermark=None, until=at(4), next_at=None)
    assert state(later, number)[0] == "pending"
    assert "BOLT" not in launch(later, "two")


@pytest.mark.requirement("R21", "R36")
def test_an_observation_says_nothing_about_a_number_in_flight_or_one_written_since(world: World) -> None:
    number = ready(world)
    flight = launch(world, "one")["BOLT"]
    assert not heard(world.later(1), number, 7, at(1))
    assert world.publication(number)["channel_units"] is None
    world.later(2).flights.land([(flight, CONFIRMED)], "one")
    assert not heard(world.later(3), number, 7, at(2))
    assert state(world, number)[0] == "confirmed"


def test_a_count_is_what_the_channel_shows_unless_something_newer_is_known(world: World) -> None:
    number = ready(world)
    world.publications.counted(number, 7, at(2))
    world.publications.counted(number, 9, at(1))
    row = world.publication(number)
    assert (row["channel_units"], row["channel_units_at"]) == (7, at(2))


def test_the_hub_is_quiet_once_everything_is_confirmed(world: World) -> None:
    ready(world)
    assert not world.publications.is_quiet()
    for channel in ("shop", "market", "till"):
        flights = world.flights.launch(channel, 10, channel)
        world.flights.land([(one, CONFIRMED) for one in flights], channel)
    assert world.publications.is_quiet()
    world.receive("BOLT", "paris", 1)
    assert not world.publications.is_quiet()


def test_a_channels_own_count_rules_where_it_is_the_master(world: World) -> None:
    merchant(world)
    world.location("lyon", master="till")
    assert world.stock_points.ruled_points("till") == {"counter"}
    assert world.stock_points.ruled_points("shop") == set()


@pytest.mark.postgresql
@pytest.mark.requirement("R17", "R36")
def test_a_number_is_computed_from_what_is_there_once_its_row_is_locked(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        ready(world, bolts=1)
        world.receive("BOLT", "paris", 1)
        world.receive("NUT", "paris", 1)

    def slow(world: World) -> None:
        world.publications.refresh(limit=1)
        world.receive("BOLT", "paris", 10)

    assert overtaken(postgresql_at, slow=slow, fast=lambda world: world.publications.refresh(limit=1)) == 1
    with postgresql_at.read() as connection:
        assert World(connection).published()["shop", "web", "PAIR"] == 5


@pytest.mark.postgresql
@pytest.mark.requirement("R36")
def test_an_answer_that_waited_for_a_newer_number_does_not_confirm_it(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        world = World(connection)
        number = ready(world)
        flight = launch(world, "one")["BOLT"]
        world.receive("BOLT", "paris", 1)
    overtaken(
        postgresql_at,
        slow=lambda world: world.refresh(),
        fast=lambda world: world.flights.land([(flight, CONFIRMED)], "one"),
    )
    with postgresql_at.read() as connection:
        assert state(World(connection), number) == ("pending", 2, 1, 1)


@pytest.mark.postgresql
@pytest.mark.requirement("R36")
def test_two_senders_at_once_never_take_the_same_number(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        ready(World(connection))

    def send(name: str) -> list[int]:
        return postgresql_at.run(
            lambda connection: [one.publication_id for one in World(connection).flights.launch("shop", 10, name)]
        )

    taken = at_once([lambda: send("one"), lambda: send("two"), lambda: send("three")])
    numbers = [number for some in taken if isinstance(some, list) for number in some]
    assert len(numbers) == len(set(numbers)) == 3
    with postgresql_at.read() as connection:
        world = World(connection)
        assert world.states()["shop"] == {"sent": 3}
        assert world.rows(CHANNEL) == 3
