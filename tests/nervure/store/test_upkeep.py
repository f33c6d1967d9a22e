"""What waits in the database for a moment says when it comes, and a look for numbers finds what may go."""

from datetime import datetime

import sqlalchemy as sa

from nervure.publication.answers import Landing
from nervure.store.channels import CHECK_CONFIRMED, PULL_REPLIES, ChannelStore
from nervure.store.flights import FLIGHT_SECONDS
from nervure.store.inbox import LEASE_SECONDS, InboxStore
from nervure.store.messages import LEASE_SECONDS as MESSAGE_LEASE
from nervure.store.messages import MessageStore
from nervure.store.offering import OfferingStore
from nervure.store.outbox import OUTBOX
from nervure.store.places import REQUEST
from nervure.store.proposals import ProposalStore
from nervure.store.shortfalls import ShortfallStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.orders import FULFILLMENT, LINE
from nervure.store.upkeep import UpkeepStore, Waiting
from schemas.documents import Heard, RawDocument
from schemas.fulfillment import OfferState
from schemas.publications import PublicationState
from tests.nervure.world import World, an_order, at, merchant


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


def test_a_message_comes_due_at_its_next_try_and_when_the_lease_of_its_sender_ends(world: World) -> None:
    ready(world)
    queued = {"kind": "shipment", "payload": {}, "state": "waiting", "attempts": 0, "created_at": at(0)}
    for target, minute in (("acme", 9), ("shop", 7), ("shop", 3)):
        row = {"target": target, "reference": f"fulfillment:{minute}", "next_at": at(minute)}
        world.connection.execute(OUTBOX.insert().values(**queued, **row))
    assert due(world) == {(Waiting.MESSAGE, "acme"): at(9), (Waiting.MESSAGE, "shop"): at(3)}
    [taken] = MessageStore(world.connection, at(3)).lease("shop", 1)
    assert due(world, 4) == {(Waiting.MESSAGE, "acme"): at(9), (Waiting.MESSAGE, "shop"): at(3 + MESSAGE_LEASE / 60)}
    MessageStore(world.connection, at(4)).later(taken.id, 60, "busy")
    assert due(world, 4) == {(Waiting.MESSAGE, "acme"): at(9), (Waiting.MESSAGE, "shop"): at(5)}
    MessageStore(world.connection, at(5)).done(taken.id)
    assert due(world, 4) == {(Waiting.MESSAGE, "acme"): at(9), (Waiting.MESSAGE, "shop"): at(7)}


def test_what_was_confirmed_comes_due_when_it_is_to_be_read_back_and_when_that_may_be_asked(world: World) -> None:
    ready(world)
    flights = world.flights.launch("shop", 10, "one")
    confirmed = Landing(PublicationState.CONFIRMED, check_at=at(2))
    world.flights.land([(one, confirmed) for one in flights], "one")
    assert due(world) == {(Waiting.CHECK, "shop"): at(2)}
    channels = ChannelStore(world.connection, at(0))
    channels.reserve("shop", CHECK_CONFIRMED, 180)
    channels.reserve("shop", "something else", 60)
    channels.reserve("acme", PULL_REPLIES, 30)
    assert due(world) == {
        (Waiting.CHECK, "shop"): at(2),
        (Waiting.SLOT, "shop"): at(3),
        (Waiting.SLOT, "acme"): at(0.5),
    }
    assert due(world, 2) == {(Waiting.SLOT, "shop"): at(3)}


def test_what_a_location_must_accept_or_a_customer_fetch_comes_due(world: World) -> None:
    ready(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    before = due(world)
    world.connection.execute(FULFILLMENT.update().values(accept_by=at(8)))
    assert due(world) == before | {(Waiting.STEP, ""): at(8)}
    world.connection.execute(
        FULFILLMENT.update().values(state="ready_for_pickup", pickup_until=at(20), pickup_code="1234")
    )
    assert due(world) == before | {(Waiting.STEP, ""): at(20)}


def test_offers_come_due_while_they_are_open(world: World) -> None:
    ready(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    before = due(world)
    number = world.connection.execute(sa.select(FULFILLMENT.c.id)).scalar_one()
    store = OfferingStore(world.connection, at(0))
    lyon = world.connection.execute(sa.select(LOCATION.c.id).where(LOCATION.c.code == "lyon")).scalar_one()
    world.connection.execute(LOCATION.update().values(accept_seconds=420.0))
    store.ask(number, [lyon])
    assert due(world) == before | {(Waiting.STEP, ""): at(7)}
    assert store.answer(number, lyon, OfferState.DECLINED)
    assert due(world) == before


def test_a_suppliers_silence_comes_due_until_it_answers(world: World) -> None:
    ready(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    before = due(world)
    number, location = world.connection.execute(sa.select(FULFILLMENT.c.id, FULFILLMENT.c.location_id)).one()
    asked = {"supplier": "acme", "location_id": location, "fulfillment_order_id": number, "line": "1"}
    asked |= {"supplier_sku": "B-1", "units": 1, "units_refused": 0, "asked_at": at(0), "answer_by": at(25)}
    world.connection.execute(REQUEST.insert().values(**asked))
    assert due(world) == before | {(Waiting.STEP, ""): at(25)}
    world.connection.execute(REQUEST.update().values(answered_at=at(1)))
    assert due(world) == before


def test_proposals_come_due_while_they_are_open_and_lines_when_they_are_looked_at_again(world: World) -> None:
    ready(world)
    world.take_in(an_order("1", {"BOLT": 9}))
    before = due(world)
    line = world.connection.execute(sa.select(LINE.c.id)).scalar_one()
    proposals = ProposalStore(world.connection, at(0))
    number = proposals.open(line, 2, "token", at(30))
    assert number is not None
    assert due(world) == before | {(Waiting.CHOICE, ""): at(30)}
    ShortfallStore(world.connection, at(0)).look_again_at(line, at(15))
    assert due(world) == before | {(Waiting.CHOICE, ""): at(15)}
    assert due(world, 15) == before | {(Waiting.CHOICE, ""): at(30)}
    assert proposals.end(number, "withdrawn")
    assert due(world, 15) == before


def test_no_number_is_found_before_its_channel_may_be_written_to_and_was_heard(world: World) -> None:
    ready(world)
    channels = ChannelStore(world.connection, at(0))
    channels.write_after("shop", at(2))
    assert (has_numbers(world), has_numbers(world, 2)) == (False, True)
    channels.write_after("shop", None)
    flights = world.flights.launch("shop", 10, "one")
    stale = Landing(PublicationState.PENDING, channel_units=1, waits_for_orders_since=at(0))
    world.flights.land([(one, stale) for one in flights], "one")
    assert not has_numbers(world)
    channels.heard_orders("shop", watermark=None, until=at(1), next_at=None)
    assert has_numbers(world)


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
