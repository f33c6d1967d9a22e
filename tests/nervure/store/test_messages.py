from datetime import timedelta

import pytest

from nervure.store.database import Database
from nervure.store.messages import LEASE_SECONDS, Handover, MessageStore
from nervure.store.orders import OUTBOX
from nervure.store.tables import SupplierOfferRow, of
from schemas.locations import Address, LocationKind
from schemas.orders import Customer, Delivery, DeliveryMethod, OrderState
from tests.nervure.world import START, World, an_order, at, at_once, merchant


def messages(world: World, minute: float = 0) -> MessageStore:
    return MessageStore(world.connection, at(minute))


@pytest.mark.requirement("R22")
def test_a_message_is_queued_once_for_ever(world: World) -> None:
    world.orders.enqueue("shipment", "shop", "fulfillment:1", {"fulfillment_order": 1})
    [taken] = messages(world).lease(9)
    assert (taken.kind, taken.target, taken.reference, taken.payload, taken.attempts) == (
        "shipment",
        "shop",
        "fulfillment:1",
        {"fulfillment_order": 1},
        1,
    )
    messages(world).done(taken.id)
    world.orders.enqueue("shipment", "shop", "fulfillment:1", {"fulfillment_order": 2})
    assert world.rows(OUTBOX) == 1
    assert messages(world, 60).lease(9) == []


@pytest.mark.requirement("R27")
def test_a_message_whose_sender_died_is_taken_again(world: World) -> None:
    world.orders.enqueue("shipment", "shop", "fulfillment:1", {})
    messages(world).lease(9)
    assert messages(world, LEASE_SECONDS / 60).lease(9) == []
    late = MessageStore(world.connection, START + timedelta(seconds=LEASE_SECONDS, microseconds=1))
    [again] = late.lease(9)
    assert again.attempts == 2


def test_a_message_waits_for_its_next_try_and_a_dead_one_for_ever(world: World) -> None:
    world.orders.enqueue("shipment", "shop", "fulfillment:1", {})
    [taken] = messages(world).lease(9)
    messages(world).later(taken.id, 60, "down")
    assert messages(world).open_count() == 1
    assert messages(world, 0.9).lease(9) == []
    [taken] = messages(world, 1).lease(9)
    messages(world).bury(taken.id, "refused")
    assert messages(world).open_count() == 0
    assert messages(world, 600).lease(9) == []


@pytest.mark.postgresql
@pytest.mark.requirement("R22")
def test_two_senders_at_once_never_take_the_same_message(postgresql_at: Database) -> None:
    with postgresql_at.write() as connection:
        for number in range(4):
            World(connection).orders.enqueue("shipment", "shop", f"fulfillment:{number}", {})

    def send() -> list[int]:
        return postgresql_at.run(lambda connection: [one.id for one in messages(World(connection)).lease(3)])

    taken = [number for some in at_once([send, send]) if isinstance(some, list) for number in some]
    assert len(taken) == len(set(taken))
    assert len(taken) in (3, 4)


def supplied(world: World) -> None:
    merchant(world)
    acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=3600)
    world.catalogue.set_as_of(acme, world.now)
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
    [line] = world.orders.fulfillment_lines(fulfillment_order_id=number)
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
