"""Suppliers: their feed is a count with an age, and what they ship for us leaves our ledger once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from connectors.errors import FeedHeldError, NoAnswerError, RefusedError, UnavailableError
from nervure.operations import asking
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.staff import ship_fulfillment
from nervure.operations.suppliers import pull_offers, pull_replies, send_drop_ship
from nervure.operations.windows import Window
from nervure.store.channels import FEED, ChannelStore
from nervure.store.database import Database
from nervure.store.inbox import InboxStore
from nervure.store.offers import OFFER
from nervure.store.outbox import OUTBOX
from nervure.store.publications import PublicationStore
from nervure.store.statements import OBSERVATION
from nervure.store.tables.orders import FULFILLMENT
from nervure.store.tasks import TASK
from schemas.capabilities import DecrementMoment
from schemas.documents import RawDocument
from schemas.dropship import DropShipOrder, SupplierReply
from schemas.fulfillment import Parcel
from schemas.locations import LocationKind
from schemas.orders import Customer, OrderState
from tests.nervure.operations.scripted import (
    ScriptedShop,
    ScriptedSupplier,
    advance,
    dead,
    feed,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
    tasks,
)
from tests.nervure.world import Bought, World, an_order, at, at_once, capable, merchant, must_hold


def opened(
    database: Database,
    acme: ScriptedSupplier,
    *,
    counts_ours: bool = False,
    in_paris: int = 0,
    accepts: bool = False,
) -> tuple[Hub, ScriptedShop]:
    """A shop that sells from paris and from supplier acme."""
    with database.write() as connection:
        world = World(connection)
        merchant(world, **({"bolt_paris": in_paris} if in_paris else {}))
        world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600, can_pickup=False)
        world.channel("shop", {"web": ["acme", "paris"]})
    shop = ScriptedShop()
    capabilities = capable(must_accept_orders=accepts, decrements_at=DecrementMoment.ORDER)
    hub = scripted_hub(
        database, {"shop": shop}, supplier=acme, feed_counts_our_orders=counts_ours, capabilities={"shop": capabilities}
    )
    return hub, shop


def read(hub: Hub, acme: ScriptedSupplier, *feeds: RawDocument) -> None:
    """The supplier publishes, and the hub reads."""
    acme.feeds = list(feeds)
    pull_offers(hub, "acme")
    settle(hub)


def hear_replies(hub: Hub) -> int:
    """The supplier's replies are read and carried out; answers how many were read."""
    count = pull_replies(hub, "acme")
    settle(hub)
    return count


def at_acme(hub: Hub, sku: str = "BOLT") -> tuple[int, int, int]:
    """Units on hand there, claimable there, and what the shop may show."""
    with looking(hub) as world:
        return (
            world.on_hand(sku, "acme"),
            world.claimable(sku, "acme"),
            world.published().get(("shop", "web", sku), 0),
        )


def reply(number: int, minute: float, *, confirmed: Mapping[str, int] | None = None, **said: object) -> SupplierReply:
    values = {"reference": f"nervure-{number}", "confirmed": confirmed or {}, "happened_at": at(minute), **said}
    return SupplierReply.model_validate(values)


def the_order(hub: Hub, order: str = "1") -> tuple[int, str]:
    """Number and first line of an order's newest fulfillment order at the supplier."""
    with looking(hub) as world:
        number = world.fulfillment_numbers(order)[-1]
        [line] = world.fulfillment.lines(fulfillment_order_id=number)
        return number, str(line.id)


def sent(hub: Hub, acme: ScriptedSupplier, units: int, *, offered: int = 9) -> tuple[int, str]:
    """An order that the supplier has in hand."""
    read(hub, acme, feed("1", at(0), BOLT=offered, NUT=3))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": units})))
    assert send_messages(hub) == 1
    return the_order(hub)


# -- feeds ---------------------------------------------------------------------------------------------------------


def test_a_feed_is_an_observation_whose_difference_is_booked(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme)
    read(hub, acme, feed("1", at(0), BOLT=5, NUT=0, UNKNOWN=7))
    assert at_acme(hub) == (5, 5, 5)
    read(hub, acme, feed("1", at(0), BOLT=5, NUT=0, UNKNOWN=7), feed("2", at(10), BOLT=3, NUT=2, UNKNOWN=7))
    assert (at_acme(hub), at_acme(hub, "NUT")) == ((3, 3, 3), (2, 2, 2))
    with looking(hub) as world:
        assert world.movements("BOLT", "acme") == [("adjusted", 5), ("adjusted", -2)]
        rows = world.connection.execute(OBSERVATION.select().order_by(OBSERVATION.c.id)).all()
        assert [(row.units, row.expected_units) for row in rows] == [(5, 0), (0, 0), (3, 5), (2, 0)]
        assert world.connection.execute(FEED.select()).one().rows == 3
        unbound = world.connection.execute(OFFER.select().where(OFFER.c.item_id.is_(None))).one()
        assert (unbound.supplier_sku, unbound.units) == ("UNKNOWN", 7)
    publish(hub, "shop")
    assert shop.units()["BOLT"] == 3


def test_an_older_feed_that_is_heard_late_changes_nothing(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("2", at(10), BOLT=3))
    read(hub, acme, feed("1", at(9), BOLT=50))
    assert at_acme(hub) == (3, 3, 3)
    with looking(hub) as world:
        assert ChannelStore(world.connection, world.now).feed_as_of("acme") == at(10)


def test_a_feed_corrected_within_the_same_minute_of_its_figures_counts(sqlite: Database) -> None:
    """Some suppliers say of which day their figures are, and publish several times a day."""
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    read(hub, acme, feed("2", at(0), BOLT=4))
    assert at_acme(hub) == (4, 4, 4)
    read(hub, acme, feed("3", at(0), BOLT=6))
    assert at_acme(hub) == (6, 6, 6)


def test_what_the_next_feed_does_not_name_is_gone(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=5, NUT=4, OTHER=1))
    read(hub, acme, feed("2", at(10), BOLT=5, OTHER=1))
    assert (at_acme(hub), at_acme(hub, "NUT")) == ((5, 5, 5), (0, 0, 0))
    read(hub, acme, feed("3", at(20), BOLT=5, NUT=2, OTHER=1))
    assert at_acme(hub, "NUT") == (2, 2, 2)


@pytest.mark.requirement("R46")
def test_a_feed_that_its_own_file_condemns_changes_nothing_and_opens_a_task_until_a_good_one_comes(
    sqlite: Database,
) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=5))
    acme.error = FeedHeldError("acme: feed 'stock.csv' is held: mangled codes in 9 of 9 rows")
    with pytest.raises(FeedHeldError):
        pull_offers(hub, "acme")
    assert (settle(hub).handled, at_acme(hub)) == (0, (5, 5, 5))
    assert [(task.kind, task.subject, task.text) for task in tasks(hub)] == [("feed_held", "acme", str(acme.error))]
    acme.error = None
    read(hub, acme, feed("2", at(10), BOLT=4))
    assert (at_acme(hub), tasks(hub)) == ((4, 4, 4), [])


@pytest.mark.requirement("R46")
def test_a_feed_that_looks_wrong_beside_the_last_one_is_held_whole_and_opens_a_task(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=5, NUT=4))
    read(hub, acme, feed("2", at(10), BOLT=1))
    assert (at_acme(hub), at_acme(hub, "NUT")) == ((5, 5, 5), (4, 4, 4))
    reason = "the feed of acme is held: 1 rows after 2"
    assert [letter.reason for letter in dead(hub)] == [reason]
    assert [(task.kind, task.subject, task.text) for task in tasks(hub)] == [("feed_held", "acme", reason)]
    read(hub, acme, feed("3", at(20), BOLT=2, NUT=2))
    assert (at_acme(hub), at_acme(hub, "NUT"), tasks(hub)) == ((2, 2, 2), (2, 2, 2), [])


def test_a_supplier_without_a_location_has_nothing(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    with sqlite.write() as connection:
        merchant(World(connection))
    hub = scripted_hub(sqlite, {"shop": ScriptedShop()}, supplier=acme)
    read(hub, acme, feed("1", at(0), BOLT=5))
    assert [letter.reason for letter in dead(hub)] == ["no location has supplier 'acme' as its master"]


def test_units_are_promised_until_their_time_to_live_is_over(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme, in_paris=1)
    read(hub, acme, feed("1", at(0), BOLT=5))
    publish(hub, "shop")

    def age() -> int:
        turned = database.run(lambda c: PublicationStore(c, hub.clock.now()).note_aging())
        refresh(hub)
        publish(hub, "shop")
        return turned

    age()
    advance(hub, 3599)
    assert (age(), shop.units()["BOLT"]) == (0, 6)
    advance(hub, 1)
    assert (age(), shop.units()["BOLT"]) == (1, 1)
    assert age() == 0, "noted once"
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3})))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}
        assert world.lines("1") == {"1-1": (3, 1, 2)}
    read(hub, acme, feed("2", at(60), BOLT=5))
    assert (age(), shop.units()["BOLT"]) == (1, 3)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (3, 3, 0)}, "who waited is served"


# -- orders --------------------------------------------------------------------------------------------------------


def test_an_order_goes_to_the_supplier_once_with_what_it_needs_and_no_more(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(database, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    customer = Customer(name="Jane Doe", email="jane@example.com")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}).model_copy(update={"customer": customer})))
    assert send_messages(hub) == 1
    number, line = the_order(hub)
    [order] = acme.orders.values()
    assert (order.reference, [(one.line, one.supplier_sku, one.units) for one in order.lines]) == (
        f"nervure-{number}",
        [(line, "BOLT", 2)],
    )
    assert order.recipient == {"name": "Jane Doe", "email": "jane@example.com"}
    assert (send_messages(hub), acme.tries) == (0, 1)
    send_drop_ship(hub, "acme", number)
    assert len(acme.orders) == 1, "it is there already"
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 2}


@pytest.mark.parametrize("state", [OrderState.AWAITING_PAYMENT, OrderState.AWAITING_ACCEPTANCE])
def test_an_order_is_not_handed_over_before_it_is_released(sqlite: Database, state: OrderState) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(sqlite, acme, accepts=True)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=state)))
    send_messages(hub)
    assert acme.orders == {}
    assert shop.accepted == ([("1", {"1-1": True})] if state is OrderState.AWAITING_ACCEPTANCE else [])
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "allocated"): 2}, "the units are kept for it"
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, minute=1)))
    send_messages(hub)
    assert [sum(line.units for line in order.lines) for order in acme.orders.values()] == [2]


def test_an_order_that_was_canceled_in_the_meantime_is_not_handed_over(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=OrderState.CANCELED, minute=1)))
    send_messages(hub)
    assert (acme.tries, at_acme(hub)) == (0, (9, 9, 9))
    with looking(hub) as world:
        assert [row.state for row in world.connection.execute(OUTBOX.select())] == ["done"]


def test_an_order_whose_handing_over_got_no_answer_is_handed_over_again_and_kept_once(sqlite: Database) -> None:
    acme = ScriptedSupplier(fails_after_effect=NoAnswerError("no answer"))
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    send_messages(hub)
    acme.fails_after_effect = None
    advance(hub, 4)
    send_messages(hub)
    assert (acme.tries, len(acme.orders)) == (2, 1)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 2}


def test_a_refusal_of_an_order_whose_handing_over_got_no_answer_is_not_lost(sqlite: Database) -> None:
    acme = ScriptedSupplier(fails_after_effect=NoAnswerError("no answer"))
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with sqlite.write() as connection:
        World(connection).receive("BOLT", "paris", 2)
    send_messages(hub)
    number, line = the_order(hub)
    acme.replies = [reply(number, 1, refused={line: "sold out"})]
    hear_replies(hub)
    acme.replies, acme.fails_after_effect = [], None
    advance(hub, 60)
    send_messages(hub)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2}
        must_hold(world)
    assert len(acme.orders) == 1


def test_a_confirmed_order_stays_where_it_is(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    number, line = sent(hub, acme, 2)
    acme.replies = [reply(number, 1, confirmed={line: 2}), reply(number, 1, confirmed={})]
    assert hear_replies(hub) == 2
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 2}


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("kept", [0, 1])
def test_what_the_supplier_will_not_send_is_served_from_elsewhere_at_once(database: Database, kept: int) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(database, acme)
    number, line = sent(hub, acme, 3)
    with database.write() as connection:
        World(connection).receive("BOLT", "paris", 1)
    said = {"confirmed": {line: kept}} if kept else {"refused": {line: "sold out"}}
    acme.replies = [reply(number, 1, **said)]
    for _ in range(3):
        hear_replies(hub)
    with looking(hub) as world:
        served = {("1-1", "acme", "sent_to_supplier"): kept} if kept else {}
        assert world.served("1") == served | {("1-1", "paris", "allocated"): 1}
        assert world.lines("1") == {"1-1": (3, kept + 1, 2 - kept)}
        assert world.open_tasks() == {"shortfall": 1}
        must_hold(world)


@pytest.mark.postgresql
def test_one_refusal_read_by_two_at_once_gives_the_units_back_once(postgresql: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(postgresql, acme)
    number, line = sent(hub, acme, 3)
    acme.replies = [reply(number, 1, confirmed={line: 1})]
    assert at_once([lambda: hear_replies(hub)] * 4) == [1] * 4
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (3, 1, 2)}
        assert (world.claimable("BOLT", "acme"), world.allocated("BOLT", "acme")) == (0, 1)
        must_hold(world)


def test_a_ship_notice_books_the_shipment_once_and_tells_the_channel_once(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme)
    number, line = sent(hub, acme, 2)
    acme.replies = [reply(number, 30, confirmed={line: 2}, carrier="Colissimo", tracking_number="6A1")]
    for _ in range(3):
        hear_replies(hub)
        send_messages(hub)
    with looking(hub) as world:
        assert world.movements("BOLT", "acme") == [("adjusted", 9), ("shipped", -2)]
        assert world.served("1") == {("1-1", "acme", "shipped"): 2}
        must_hold(world)
    [shipment] = shop.shipments.values()
    assert shipment.parcel is not None
    assert (shipment.order, shipment.location, shipment.parcel.tracking_number) == ("1", "acme", "6A1")
    assert (shipment.shipped_at, shipment.completes_order) == (at(30), True)


def test_how_a_parcel_is_followed_is_what_a_supplier_said_first(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme)
    number, line = sent(hub, acme, 2)
    for minute, tracking in ((30, "6A1"), (31, "6A2")):
        acme.replies = [reply(number, minute, confirmed={line: 2}, carrier="Colissimo", tracking_number=tracking)]
        hear_replies(hub)
        send_messages(hub)
    with looking(hub) as world:
        assert world.connection.execute(sa.select(FULFILLMENT.c.tracking_number)).scalars().all() == ["6A1"]
    [shipment] = shop.shipments.values()
    assert shipment.parcel is not None
    assert shipment.parcel.tracking_number == "6A1"


def test_how_a_parcel_is_followed_may_be_said_after_somebody_called_it_gone(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme)
    number, line = sent(hub, acme, 2)
    assert ship_fulfillment(hub, number, shipped_at=at(29))
    for minute, tracking in ((30, "6A1"), (31, "6A2")):
        acme.replies = [reply(number, minute, confirmed={line: 2}, carrier="Colissimo", tracking_number=tracking)]
        hear_replies(hub)
    send_messages(hub)
    [shipment] = shop.shipments.values()
    assert (shipment.shipped_at, shipment.parcel) == (at(29), Parcel(carrier="Colissimo", tracking_number="6A1"))


def test_a_ship_notice_that_a_feed_had_already_seen_is_compensated(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    number, line = sent(hub, acme, 2)
    read(hub, acme, feed("2", at(40), BOLT=7, NUT=3))  # two have left, and nobody told us yet
    acme.replies = [reply(number, 30, confirmed={line: 2}, tracking_number="6A1")]
    hear_replies(hub)
    refresh(hub)
    assert at_acme(hub) == (7, 7, 7)
    with looking(hub) as world:
        assert world.movements("BOLT", "acme") == [
            ("adjusted", 9),
            ("adjusted", -2),
            ("shipped", -2),
            ("adjusted", 2),
        ]
        must_hold(world)


def test_a_ship_notice_after_the_feed_is_not_compensated(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    number, line = sent(hub, acme, 2)
    read(hub, acme, feed("2", at(20), BOLT=9, NUT=3))
    acme.replies = [reply(number, 30, confirmed={line: 2}, tracking_number="6A1")]
    hear_replies(hub)
    read(hub, acme, feed("3", at(40), BOLT=7, NUT=3))
    assert at_acme(hub) == (7, 7, 7)
    with looking(hub) as world:
        assert world.movements("BOLT", "acme") == [("adjusted", 9), ("shipped", -2)]


def test_a_feed_that_is_already_without_our_orders_takes_nothing_off_twice(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme, counts_ours=True)
    number, line = sent(hub, acme, 2)
    read(hub, acme, feed("2", at(20), BOLT=7, NUT=3))
    assert at_acme(hub) == (9, 7, 7)
    acme.replies = [reply(number, 30, confirmed={line: 2}, tracking_number="6A1")]
    hear_replies(hub)
    read(hub, acme, feed("3", at(40), BOLT=7, NUT=3))
    assert at_acme(hub) == (7, 7, 7)


@pytest.mark.requirement("R02")
def test_a_feed_with_less_than_is_promised_moves_the_promise(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=5, NUT=3))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    with sqlite.write() as connection:
        World(connection).receive("BOLT", "paris", 1)
    read(hub, acme, feed("2", at(10), BOLT=2, NUT=3))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "allocated"): 2, ("1-1", "paris", "allocated"): 1}
        assert world.lines("1") == {"1-1": (4, 3, 1)}
        must_hold(world)


def test_replies_about_what_is_not_ours_say_nothing(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    acme.replies = [SupplierReply(reference="PO-4711", happened_at=at(1), tracking_number="6A1")]
    assert hear_replies(hub) == 1
    assert dead(hub) == []
    with looking(hub) as world:
        assert world.rows(TASK) == 0


STRANGE = ["nervure-x", "nervure-99", "nervure-", "nervure-0", "nervure-\u00b2", "nervure-99999999999999999999"]


@pytest.mark.parametrize("reference", STRANGE)
def test_a_reply_to_an_order_that_nobody_gave_is_a_dead_letter_and_the_others_are_taken(
    database: Database, reference: str
) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(database, acme)
    number, line = sent(hub, acme, 2)
    strange = SupplierReply(reference=reference, happened_at=at(1), tracking_number="6A1")
    acme.replies = [strange, reply(number, 30, confirmed={line: 2}, tracking_number="6A2")]
    assert hear_replies(hub) == 2
    assert [letter.reason for letter in dead(hub)] == [
        f"acme answers order {reference!r}, which it was never given: nothing was booked"
    ]
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "shipped"): 2}
        must_hold(world)
    assert hear_replies(hub) == 2
    assert len(dead(hub)) == 1, "read again it is the same reply"


def test_a_suppliers_reply_ships_nothing_that_lies_elsewhere(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme, in_paris=5)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2}
        [number] = world.fulfillment_numbers("1")
    acme.replies = [reply(number, 1, tracking_number="TYPO"), reply(number, 2, refused={"1": "sold out"})]
    hear_replies(hub)
    send_messages(hub)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2}
        assert (world.on_hand("BOLT", "paris"), world.allocated("BOLT", "paris")) == (5, 2)
        must_hold(world)
    assert shop.shipments == {}
    assert [letter.channel for letter in dead(hub)] == ["acme", "acme"]


def test_a_reply_is_kept_as_it_came_before_anybody_acts_on_it(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    number, line = sent(hub, acme, 2)
    acme.replies = [reply(number, 30, confirmed={line: 2}, tracking_number="6A1")]
    pull_replies(hub, "acme")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 2}
        assert InboxStore(world.connection, world.now).open_count("acme") == 1
    settle(hub)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "shipped"): 2}


def test_a_supplier_that_cannot_be_reached_gets_the_order_later(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    acme.error = UnavailableError("acme is down")
    send_messages(hub)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "allocated"): 2}
    acme.error = None
    advance(hub, 4)
    send_messages(hub)
    assert len(acme.orders) == 1


def test_a_cancellation_heard_while_the_order_is_on_its_way_comes_too_late_and_says_so(database: Database) -> None:
    @dataclass
    class Slow(ScriptedSupplier):
        """While it takes an order in, the customer cancels."""

        def send_order(self, order: DropShipOrder) -> None:
            hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=OrderState.CANCELED, minute=1)))
            super().send_order(order)

    acme = Slow()
    hub, _ = opened(database, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    send_messages(hub)
    assert len(acme.orders) == 1
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "acme", "sent_to_supplier"): 2}
        must_hold(world)
    assert [(task.kind, task.about) for task in tasks(hub)] == [("canceled_after_shipping", "shop:1:1-1")]


def test_a_supplier_is_asked_for_answers_often_only_while_it_has_an_order_of_ours(sqlite: Database) -> None:
    @dataclass
    class Counting(ScriptedSupplier):
        asked: int = 0

        def pull_replies(self) -> Iterator[SupplierReply]:
            self.asked += 1
            return super().pull_replies()

    acme = Counting()
    hub, _ = opened(sqlite, acme)
    turn = asking.pulling_stock(Window(hub, 60))["acme replies"]

    def asked(minutes: int) -> int:
        before = acme.asked
        for _ in range(2 * minutes):
            turn()
            advance(hub, 30)
        return acme.asked - before

    assert asked(30) == 2
    number, line = sent(hub, acme, 2)
    assert asked(10) == 20
    acme.replies = [reply(number, 50, confirmed={line: 2}, tracking_number="6A1")]
    hear_replies(hub)
    assert asked(30) == 2


def test_what_was_canceled_while_the_supplier_had_it_is_the_suppliers_until_it_answers(database: Database) -> None:
    """A channel that calls the rest of an order complete does not say that this unit left."""
    acme = ScriptedSupplier()
    hub, _ = opened(database, acme)
    number, line = sent(hub, acme, 2)
    canceled = [Bought("BOLT", 2, canceled=2), Bought("NUT", 1)]
    hear(hub, "shop", order_of(an_order("1", canceled, minute=1)))
    hear(hub, "shop", order_of(an_order("1", canceled, state=OrderState.COMPLETED, minute=2)))
    with looking(hub) as world:
        assert world.served("1")["1-1", "acme", "sent_to_supplier"] == 2
    assert at_acme(hub)[:2] == (9, 7)
    read(hub, acme, feed("2", at(10), BOLT=9, NUT=3))
    assert at_acme(hub)[:2] == (9, 7), "what the supplier still counts and will send is not for sale again"
    acme.replies = [reply(number, 30, confirmed={line: 2}, tracking_number="6A1")]
    hear_replies(hub)
    with looking(hub) as world:
        assert world.served("1")["1-1", "acme", "shipped"] == 2
        must_hold(world)
    read(hub, acme, feed("3", at(40), BOLT=7, NUT=3))
    assert at_acme(hub)[:2] == (7, 7)


@pytest.mark.requirement("R20")
def test_an_order_refused_when_it_is_handed_over_is_served_from_elsewhere(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(database, acme)
    read(hub, acme, feed("1", at(0), BOLT=9))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with database.write() as connection:
        World(connection).receive("BOLT", "paris", 2)
    acme.error = RefusedError("acme: unknown customer number")
    send_messages(hub)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2}
        must_hold(world)
    assert [task.kind for task in tasks(hub)] == ["message_refused"]
    assert at_acme(hub)[1] == 0, "nothing of it is promised before the next feed"


def test_what_a_supplier_refused_is_promised_again_only_by_its_next_feed(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, shop = opened(database, acme)
    number, line = sent(hub, acme, 3)
    acme.replies = [reply(number, 1, refused={line: "sold out"})]
    hear_replies(hub)
    hear_replies(hub)
    refresh(hub)
    publish(hub, "shop")
    assert (at_acme(hub), shop.units()["BOLT"]) == ((0, 0, 0), 0)
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 1}, minute=2)))
    with looking(hub) as world:
        assert world.lines("2") == {"2-1": (1, 0, 1)}, "it is not asked of them again"
        must_hold(world)
    read(hub, acme, feed("2", at(20), BOLT=5, NUT=3))
    with looking(hub) as world:
        assert world.lines("2") == {"2-1": (1, 1, 0)}
        assert world.lines("1") == {"1-1": (3, 3, 0)}
        assert world.on_hand("BOLT", "acme") == 5


def test_what_a_supplier_does_not_offer_is_not_asked_of_it(database: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(database, acme)
    read(hub, acme, feed("1", at(0), NUT=9))
    with database.write() as connection:
        World(connection).receive("BOLT", "acme", 5)  # somebody wrote opening stock for it
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2, "NUT": 1})))
    send_messages(hub)
    [order] = acme.orders.values()
    assert [(one.supplier_sku, one.units) for one in order.lines] == [("NUT", 1)]
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 0, 2), "1-2": (1, 1, 0)}
        must_hold(world)
    assert [task.kind for task in tasks(hub)] == ["shortfall"]


@pytest.mark.requirement("R46")
def test_a_held_feed_that_is_meant_can_be_taken_by_a_person(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=5, NUT=4))
    read(hub, acme, feed("2", at(10), BOLT=1))
    [letter] = dead(hub)
    sqlite.run(lambda c: InboxStore(c, hub.clock.now()).replay([letter.id]))
    settle(hub)
    assert at_acme(hub) == (5, 5, 5), "only to try again is not to accept"
    assert sqlite.run(lambda c: InboxStore(c, hub.clock.now()).accept(letter.id)) == "acme"
    settle(hub)
    assert (at_acme(hub), at_acme(hub, "NUT"), tasks(hub)) == ((1, 1, 1), (0, 0, 0), [])
    assert sqlite.run(lambda c: InboxStore(c, hub.clock.now()).accept(letter.id)) is None


def test_a_feed_that_is_damaged_in_itself_cannot_be_accepted(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), "mangled codes", BOLT=5))
    [letter] = dead(hub)
    sqlite.run(lambda c: InboxStore(c, hub.clock.now()).accept(letter.id))
    settle(hub)
    assert [one.id for one in dead(hub)] == [letter.id]


@pytest.mark.requirement("R37")
def test_a_kit_that_the_supplier_can_send_only_in_part_is_confirmed_by_its_scarcest_part(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=9, NUT=9))
    hear(hub, "shop", order_of(an_order("1", {"PAIR": 2, "BOLT": 1})))
    send_messages(hub)
    [order] = acme.orders.values()
    assert sorted((line.supplier_sku, line.units) for line in order.lines) == [("BOLT", 1), ("BOLT", 2), ("NUT", 4)]
    nuts = next(line.line for line in order.lines if line.supplier_sku == "NUT")
    everything = {line.line: line.units for line in order.lines}
    number = int(order.reference.removeprefix("nervure-"))
    acme.replies = [reply(number, 1, confirmed=everything | {nuts: 3})]
    hear_replies(hub)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 1, 1), "1-2": (1, 1, 0)}
        assert (world.allocated("BOLT", "acme"), world.allocated("NUT", "acme")) == (2, 2)
        must_hold(world)


def test_of_two_offers_of_one_item_one_is_asked_for_the_units_once(sqlite: Database) -> None:
    acme = ScriptedSupplier()
    hub, _ = opened(sqlite, acme)
    read(hub, acme, feed("1", at(0), BOLT=2, BOLT_CASE=7))
    with sqlite.write() as connection:
        bolt = World(connection).place("BOLT", "acme").item_id
        connection.execute(OFFER.update().where(OFFER.c.supplier_sku == "BOLT_CASE").values(item_id=bolt))
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    send_messages(hub)
    [order] = acme.orders.values()
    assert [(line.supplier_sku, line.units) for line in order.lines] == [("BOLT_CASE", 2)]


def test_draining_a_feed_twice_books_it_once(sqlite: Database) -> None:
    acme = ScriptedSupplier(feeds=[feed("1", at(0), BOLT=5)])
    hub, _ = opened(sqlite, acme)
    assert [pull_offers(hub, "acme") for _ in range(2)] == [1, 0]
    assert drain(hub).handled == 1
    with sqlite.write() as connection:
        connection.exec_driver_sql("UPDATE inbox SET state = 'waiting'")
    assert drain(hub).handled == 1
    assert at_acme(hub)[0] == 5
    with looking(hub) as world:
        assert InboxStore(world.connection, world.now).open_count() == 0
