from datetime import timedelta

import pytest
import sqlalchemy as sa

from nervure.store.database import Database
from nervure.store.messages import LEASE_SECONDS, Handover, MessageStore
from nervure.store.outbox import OUTBOX
from nervure.store.tables import SupplierOfferRow, of
from schemas.locations import Address, LocationKind
from schemas.orders import Customer, Delivery, DeliveryMethod, OrderState
from tests.nervure.world import START, World, an_order, at, at_once, capable, merchant

MUST_ACCEPT = capable(must_accept_orders=True)


def messages(world: World, minute: float = 0) -> MessageStore:
    return MessageStore(world.connection, at(minute))


@pytest.mark.requirement("R22")
def test_a_message_is_queued_once_for_ever(world: World) -> None:
    world.outbox.enqueue("shipment", "shop", "fulfillment:1", {"fulfillment_order": 1})
    [taken] = messages(world).lease("shop", 9)
    assert (taken.kind, taken.target, taken.reference, taken.payload, taken.attempts) == (
        "shipment",
        "shop",
        "fulfillment:1",
        {"fulfillment_order": 1},
        1,
    )
    messages(world).done(taken.id)
    world.outbox.enqueue("shipment", "shop", "fulfillment:1", {"fulfillment_order": 2})
    assert world.rows(OUTBOX) == 1
    assert messages(world, 60).lease("shop", 9) == []


@pytest.mark.requirement("R27")
def test_a_message_whose_sender_died_is_taken_again(world: World) -> None:
    world.outbox.enqueue("shipment", "shop", "fulfillment:1", {})
    messages(world).lease("shop", 9)
    assert messages(world, LEASE_SECONDS / 60).lease("shop", 9) == []
    late = MessageStore(world.connection, START + timedelta(seconds=LEASE_SECONDS, microseconds=1))
    [again] = late.lease("shop", 9)
    assert again.attempts == 2


def test_a_message_waits_for_its_next_try_and_a_dead_one_for_ever(world: World) -> None:
    world.outbox.enqueue("shipment", "shop", "fulfillment:1", {})
    [taken] = messages(world).lease("shop", 9)
    messages(world).later(taken.id, 60, "down")
    assert messages(world).open_count() == 1
    assert messages(world, 0.9).lease("shop", 9) == []
    [taken] = messages(world, 1).lease("shop", 9)
    messages(world).bury(taken.id, "refused")
    assert messages(world).open_count() == 0
    assert messages(world, 600).lease("shop", 9) == []


def test_messages_are_taken_by_whom_they_are_for(world: World) -> None:
    for number, target in enumerate(("shop", "market", "shop"), start=1):
        world.outbox.enqueue("shipment", target, f"fulfillment:{number}", {})
    assert [messages(world).has_due(target) for target in ("shop", "market", "till")] == [True, True, False]
    assert [one.reference for one in messages(world).lease("market", 9)] == ["fulfillment:2"]
    assert [one.reference for one in messages(world).lease("shop", 9)] == ["fulfillment:1", "fulfillment:3"]
    assert [messages(world).has_due(target) for target in ("shop", "market")] == [False, False]
    assert messages(world).stranded(["shop", "till"]) == {"market": 1}
    assert messages(world).stranded(["shop", "market"]) == {}


@pytest.mark.parametrize("end", ["done", "dead"])
def test_a_shipment_waits_for_the_acceptance_of_its_own_order(world: World, end: str) -> None:
    merchant(world, bolt_paris=9)
    for order in ("1", "2"):
        world.take_in(an_order(order, {"BOLT": 1}, state=OrderState.AWAITING_ACCEPTANCE), MUST_ACCEPT)
    [first], [second] = world.fulfillment_numbers("1"), world.fulfillment_numbers("2")
    assert (world.ship(first), world.ship(second)) == (True, True)
    accept_1, accept_2 = messages(world).lease("shop", 9)
    assert (accept_1.kind, accept_2.kind) == ("accept_order", "accept_order")
    messages(world).later(accept_1.id, 60, "down")
    messages(world).done(accept_2.id)
    assert [one.reference for one in messages(world).lease("shop", 9)] == [f"fulfillment:{second}"]
    [accept_1] = messages(world, 1).lease("shop", 9)
    assert messages(world, 1).lease("shop", 9) == [], "it is being told just now"
    if end == "done":
        messages(world, 1).done(accept_1.id)
    else:
        assert messages(world, 1).bury(accept_1.id, "refused")
    assert [one.reference for one in messages(world, 1).lease("shop", 9)] == [f"fulfillment:{first}"]


def test_what_was_taken_and_not_tried_is_free_at_once(world: World) -> None:
    for number in (1, 2):
        world.outbox.enqueue("shipment", "shop", f"fulfillment:{number}", {})
    first, second = messages(world).lease("shop", 9)
    messages(world).done(first.id)
    messages(world).give_back([first.id, second.id])
    [again] = messages(world).lease("shop", 9)
    assert (again.id, again.attempts) == (second.id, 1)


@pytest.mark.requirement("R22")
def test_a_message_that_arrived_stays_so_whatever_its_other_sender_was_told(world: World) -> None:
    world.outbox.enqueue("shipment", "shop", "fulfillment:1", {})
    [slow] = messages(world).lease("shop", 9)
    late = LEASE_SECONDS / 60 + 1
    [quick] = messages(world, late).lease("shop", 9)
    assert quick.id == slow.id
    messages(world, late).done(quick.id)
    assert not messages(world, late).bury(slow.id, "shipped already")
    messages(world, late).later(slow.id, 60, "down")
    assert world.connection.execute(sa.select(OUTBOX.c.state, OUTBOX.c.reason)).one() == ("done", None)


@pytest.mark.requirement("R22")
def test_a_message_that_was_refused_to_one_sender_and_arrived_by_another_has_arrived(world: World) -> None:
    world.outbox.enqueue("shipment", "shop", "fulfillment:1", {})
    [slow] = messages(world).lease("shop", 9)
    late = LEASE_SECONDS / 60 + 1
    messages(world, late).lease("shop", 9)
    assert messages(world, late).bury(slow.id, "in work already")
    messages(world, late).done(slow.id)
    assert world.connection.execute(sa.select(OUTBOX.c.state, OUTBOX.c.reason)).one() == ("done", None)


@pytest.mark.postgresql
@pytest.mark.requirement("R22")
def test_two_senders_at_once_never_take_the_same_message(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        for number in range(4):
            World(connection).outbox.enqueue("shipment", "shop", f"fulfillment:{number}", {})

    def send() -> list[int]:
        return postgresql_at.run(lambda connection: [one.id for one in messages(World(connection)).lease("shop", 3)])

    taken = [number for some in at_once([send, send]) if isinstance(some, list) for number in some]
    assert len(taken) == len(set(taken))
    assert len(taken) in (3, 4)


def supplied(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.locations.set_as_of(acme, world.now)
    world.channel("shop", {"web": ["acme"]})
    world.receive("BOLT", "acme", 5)
    world.receive("NUT", "acme", 5)
    ids = world.catalogue.item_ids(["BOLT", "NUT"])
    for sku, item in ids.items():
        offer = {"supplier": "acme", "supplier_sku": f"A-{sku}", "item_id": item, "title": "", "as_of": START}
        world.connection.execute(of(SupplierOfferRow).insert().values(**offer))


def test_a_supplier_is_asked_for_what_is_claimed_there_in_its_own_skus(world: World) -> None:
    supplied(world)
    home = Address(country="FR", postal_code="69003", city="Lyon", lines=("1 rue X", "2e étage"))
    order = an_order("1", {"PAIR": 2}, delivery=Delivery(method=DeliveryMethod.SHIP, address=home))
    world.take_in(order.model_copy(update={"customer": Customer(name="A. Martin", phone="0612345678")}))
    [number] = world.fulfillment_numbers("1")
    [line] = world.fulfillment.lines(fulfillment_order_id=number)
    assert messages(world).drop_ship(number) == Handover(
        START,
        {
            "name": "A. Martin",
            "phone": "0612345678",
            "street": "1 rue X, 2e étage",
            "city": "Lyon",
            "postal_code": "69003",
            "country": "FR",
        },
        [
            (f"{line.id}.{world.place('BOLT', 'acme').item_id}", "A-BOLT", 2),
            (f"{line.id}.{world.place('NUT', 'acme').item_id}", "A-NUT", 4),
        ],
        is_first_try=True,
    )


@pytest.mark.requirement("R11")
def test_a_supplier_is_not_asked_for_what_was_canceled(world: World) -> None:
    supplied(world)
    world.take_in(an_order("1", {"BOLT": 1}))
    [number] = world.fulfillment_numbers("1")
    world.take_in(an_order("1", {"BOLT": 1}, minute=1, state=OrderState.CANCELED))
    assert messages(world).drop_ship(number) is None


def test_a_supplier_is_asked_once_the_order_may_be_sent(world: World) -> None:
    supplied(world)
    world.take_in(an_order("1", {"BOLT": 1}, state=OrderState.AWAITING_PAYMENT))
    assert (world.claims(), world.rows(OUTBOX)) == ({"held": 1}, 0)
    for minute in (1, 2):
        world.take_in(an_order("1", {"BOLT": 1}, minute=minute))
        assert world.rows(OUTBOX) == 1
