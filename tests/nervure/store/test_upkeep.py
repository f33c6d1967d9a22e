"""What waits in the database for a moment says when it comes, and a look for numbers finds what may go."""

from datetime import datetime

from nervure.publication.answers import Landing
from nervure.store.channels import ChannelStore
from nervure.store.flights import FLIGHT_SECONDS
from nervure.store.inbox import LEASE_SECONDS, InboxStore
from nervure.store.orders import LOCATION
from nervure.store.upkeep import UpkeepStore, Waiting
from schemas.documents import Heard, RawDocument
from schemas.publications import PublicationState
from tests.nervure.world import World, at, merchant


def due(world: World, minute: float = 0) -> dict[tuple[Waiting, str], datetime]:
    return UpkeepStore(world.connection, at(minute)).next_due()


def has_numbers(world: World, minute: float = 0) -> bool:
    return UpkeepStore(world.connection, at(minute)).has_numbers("shop")


def ready(world: World) -> None:
    merchant(world, bolt_paris=5)
    world.channel("shop", {"web": ["paris", "lyon"]})
    world.refresh()


def test_nothing_comes_due_by_itself_where_nothing_waits(world: World) -> None:
    ready(world)
    assert due(world) == {}


def test_orders_stock_and_writes_of_a_channel_come_due_when_it_may_be_called_again(world: World) -> None:
    ready(world)
    channels = ChannelStore(world.connection, at(0))
    channels.heard_orders("shop", watermark=None, until=None, next_at=at(5))
    channels.stock_heard("shop", at(15))
    channels.write_after("shop", at(2))
    assert due(world) == {
        (Waiting.ORDERS, "shop"): at(5),
        (Waiting.STOCK, "shop"): at(15),
        (Waiting.NUMBER, "shop"): at(2),
    }
    assert due(world, 5) == {(Waiting.STOCK, "shop"): at(15)}, "what is due now waits no more"


def test_a_document_comes_due_when_the_lease_of_its_dispatcher_ends(world: World) -> None:
    ready(world)
    inbox = InboxStore(world.connection, at(0))
    inbox.put("shop", [RawDocument("order", "1", "event 1", b"{}", Heard.POLL)])
    assert due(world) == {}
    inbox.lease(10)
    assert due(world) == {(Waiting.DOCUMENT, ""): at(LEASE_SECONDS / 60)}


def test_the_first_of_a_channels_numbers_says_when_it_comes_due(world: World) -> None:
    ready(world)
    flights = world.flights.launch("shop", 10, "one")
    assert due(world) == {(Waiting.NUMBER, "shop"): at(FLIGHT_SECONDS / 60)}
    again = Landing(PublicationState.PENDING, reason="busy", next_at=at(1))
    world.flights.land([(flights[0], again)], "one")
    assert due(world) == {(Waiting.NUMBER, "shop"): at(1)}


def test_a_supplier_comes_due_when_its_number_is_too_old(world: World) -> None:
    ready(world)
    world.connection.execute(LOCATION.update().where(LOCATION.c.code == "lyon").values(as_of=at(0), ttl_seconds=600.0))
    assert due(world) == {(Waiting.AGE, ""): at(10)}
    assert due(world, 10) == {}


def test_numbers_are_found_while_they_may_be_sent_and_when_an_answer_is_overdue(world: World) -> None:
    ready(world)
    assert has_numbers(world)
    flights = world.flights.launch("shop", 10, "one")
    assert not has_numbers(world)
    assert has_numbers(world, FLIGHT_SECONDS / 60)
    again = Landing(PublicationState.PENDING, reason="busy", next_at=at(1))
    done = Landing(PublicationState.CONFIRMED)
    world.flights.land([(flights[0], again), *((one, done) for one in flights[1:])], "one")
    assert not has_numbers(world)
    assert has_numbers(world, 1)


def test_whether_a_number_waits_for_its_channels_orders_is_seen(world: World) -> None:
    ready(world)
    upkeep = UpkeepStore(world.connection, at(0))
    assert not upkeep.has_numbers_waiting()
    flights = world.flights.launch("shop", 10, "one")
    stale = Landing(PublicationState.PENDING, channel_units=1, waits_for_orders_since=at(0))
    world.flights.land([(flights[0], stale)], "one")
    assert upkeep.has_numbers_waiting()
