"""Places where somebody else counts: suppliers in any order, our own echoes for ever, and what we cause is told."""

from collections.abc import Callable, Sequence
from itertools import permutations
from random import Random

import pytest

from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import store
from nervure.operations.staff import adjust, receive
from nervure.operations.suppliers import pull_offers, pull_replies
from nervure.store.database import Database
from nervure.store.statements import LEVEL, MOVEMENT
from schemas.documents import RawDocument
from schemas.dropship import SupplierReply
from schemas.locations import LocationKind
from schemas.stock import AdjustmentReason, StockObservation
from tests.nervure.operations.scripted import (
    ScriptedShop,
    ScriptedSupplier,
    advance,
    dead,
    document,
    feed,
    hear,
    looking,
    order_of,
    scripted_hub,
    settle,
)
from tests.nervure.world import World, an_order, at, fresh_sqlite, merchant, must_hold

ORDERS = {"1": (2, 8), "2": (1, 15), "3": (3, 25)}
"""Orders at the supplier: units, and the minute in which it ships them."""


def with_orders(database: Database, *, counts_ours: bool, master: str | None = "acme") -> tuple[Hub, ScriptedSupplier]:
    """Supplier acme had 20 BOLT at minute 0, and has three orders of ours in hand."""
    acme = ScriptedSupplier()
    with database.write() as connection:
        world = World(connection)
        merchant(world)
        world.location("acme", kind=LocationKind.SUPPLIER, master=master, ttl_seconds=36_000, can_pickup=False)
        world.channel("shop", {"web": ["acme"]})
    hub = scripted_hub(database, {"shop": ScriptedShop()}, supplier=acme, feed_counts_our_orders=counts_ours)
    acme.feeds = [feed("0", at(0), BOLT=20, NUT=9)]
    pull_offers(hub, "acme")
    settle(hub)
    for name, (units, _) in ORDERS.items():
        hear(hub, "shop", order_of(an_order(name, {"BOLT": units})))
    send_messages(hub)
    advance(hub, 7200)
    return hub, acme


def heard(hub: Hub, acme: ScriptedSupplier, counts: Sequence[tuple[int, int]]) -> dict[str, Callable[[], object]]:
    """What can be heard of the supplier, each as one step: its feeds (minute, units), its notices of shipment."""

    def reads(name: str, minute: int, units: int) -> None:
        acme.feeds = [feed(name, at(minute), BOLT=units, NUT=9)]
        pull_offers(hub, "acme")
        settle(hub)

    def ships(name: str, minute: int) -> None:
        with looking(hub) as world:
            number = world.fulfillment_numbers(name)[-1]
        reply = {"reference": f"nervure-{number}", "happened_at": at(minute), "tracking_number": f"6A{name}"}
        acme.replies = [SupplierReply.model_validate(reply)]
        pull_replies(hub, "acme")
        settle(hub)

    steps: dict[str, Callable[[], object]] = {
        f"feed of {minute}": lambda minute=minute, units=units: reads(f"f{minute}", minute, units)  # type: ignore[misc]  # a default binds the loop's name
        for minute, units in counts
    }
    return steps | {
        f"notice of {name}": lambda name=name, minute=minute: ships(name, minute)
        for name, (_, minute) in ORDERS.items()
    }


def orders_of(count: int, *, sample: int | None) -> list[tuple[int, ...]]:
    everything = list(permutations(range(count)))
    return everything if sample is None else Random(7).sample(everything, sample)


def supplier_ends(counts_ours: bool, sample: int | None) -> set[tuple[int, int]]:
    """On hand and claimable at the supplier after every order of arrival.

    It had 20. It lost one before minute 10 and got four before minute 20; it says so in its feeds of these minutes.
    """
    ends = set()
    shelf = {10: 20 - 2 - 1, 20: 20 - 2 - 1 - 1 + 4}
    ordered = {10: 1 + 3, 20: 3}
    counts = [(minute, units - (ordered[minute] if counts_ours else 0)) for minute, units in shelf.items()]
    for arrival in orders_of(5, sample=sample):
        with fresh_sqlite() as database:
            hub, acme = with_orders(database, counts_ours=counts_ours)
            steps = list(heard(hub, acme, counts).values())
            for position in arrival:
                steps[position]()
            assert dead(hub) == []
            with looking(hub) as world:
                must_hold(world)
                ends.add((world.on_hand("BOLT", "acme"), world.claimable("BOLT", "acme")))
    return ends


@pytest.mark.requirement("R03")
@pytest.mark.parametrize("counts_ours", [False, True], ids=["whole numbers", "numbers without our orders"])
def test_feeds_and_notices_of_a_supplier_end_the_same_in_some_orders(counts_ours: bool) -> None:
    assert supplier_ends(counts_ours, 5) == {(20 - 2 - 1 - 1 + 4 - 3, 20 - 2 - 1 - 1 + 4 - 3)}


@pytest.mark.soak
@pytest.mark.requirement("R03")
@pytest.mark.parametrize("counts_ours", [False, True], ids=["whole numbers", "numbers without our orders"])
def test_feeds_and_notices_of_a_supplier_end_the_same_in_every_order(counts_ours: bool) -> None:
    assert supplier_ends(counts_ours, None) == {(17, 17)}


def test_a_feed_for_a_place_whose_master_is_the_hub_moves_nothing(sqlite: Database) -> None:
    hub, acme = with_orders(sqlite, counts_ours=False, master=None)
    acme.feeds = [feed("1", at(10), BOLT=50)]
    pull_offers(hub, "acme")
    settle(hub)
    assert {letter.reason for letter in dead(hub)} == {"no location has supplier 'acme' as its master"}
    with looking(hub) as world:
        assert world.on_hand("BOLT", "acme") == 0


# -- what we cause at a place with another master ----------------------------------------------------------------


def ruled_by(database: Database, master: str | None) -> tuple[Hub, ScriptedShop]:
    with database.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=5, bolt_lyon=20)
        world.location("lyon", kind=LocationKind.STORE, postal_code="69001", master=master)
    till = ScriptedShop()
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": till})
    settle(hub)
    for channel in ("shop", "till"):
        publish(hub, channel)
    advance(hub, 60)
    return hub, till


@pytest.mark.parametrize("master", [None, "till"], ids=["the hub is the master", "the till is the master"])
def test_what_the_hub_causes_is_pushed_to_the_system_there(database: Database, master: str | None) -> None:
    hub, till = ruled_by(database, master)
    assert till.units()["BOLT"] == 20
    receive(hub, "BOLT", "lyon", 4, document="D1")
    adjust(hub, "BOLT", "lyon", -1, reason=AdjustmentReason.LOST, document="D2")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9})))
    refresh(hub)
    publish(hub, "till")
    with looking(hub) as world:
        assert till.units()["BOLT"] == world.claimable("BOLT", "lyon") == 14
    advance(hub, 60)
    hear(hub, "till", shown(hub, till, "echo"))
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.published()["till", "counter", "BOLT"]) == (23, 14)


def shown(hub: Hub, till: ScriptedShop, event: str, *, minutes_ago: float = 0) -> RawDocument:
    """What the till shows now, as its webhook says it."""
    minute = (hub.clock.now() - at(0)).total_seconds() / 60
    fact = StockObservation(
        channel="till",
        listing_external_id="L-BOLT",
        stock_point="counter",
        units=till.units()["BOLT"],
        observed_at=at(minute - minutes_ago),
    )
    return document(event, fact)


def ping_pong(database: Database, master: str | None, steps: int) -> None:
    """Our own numbers come back as webhooks and polls: at once, late, twice, and after newer ones."""
    hub, till = ruled_by(database, master)
    random = Random(21)
    echoes: list[RawDocument] = []
    caused = 0
    for step in range(steps):
        match random.randrange(6):
            case 0:
                units = random.choice((-2, -1, 1, 2, 3))
                if adjust(hub, "BOLT", "lyon", units, reason=AdjustmentReason.CORRECTION, document=f"D{step}"):
                    caused += units
            case 1:
                refresh(hub)
            case 2:
                refresh(hub)
                publish(hub, "till")
                echoes.append(shown(hub, till, f"webhook {step}"))
            case 3:
                echoes.append(shown(hub, till, f"poll {step}"))
            case _ if echoes:
                store(hub, "till", tuple(random.sample(echoes, min(len(echoes), 2))))
                drain(hub)
                del echoes[:-20]
        advance(hub, random.choice((1, 1, 5, 60)))
    settle(hub)
    # The hub's own clock comes to rest: what waits for orders is sent once these are heard.
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == 20 + caused
        place = world.place("BOLT", "lyon")
        documents = world.connection.execute(
            MOVEMENT.select()
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .with_only_columns(MOVEMENT.c.document)
            .where(LEVEL.c.item_id == place.item_id, LEVEL.c.location_id == place.location_id)
        ).scalars()
        assert [name for name in documents if name.startswith("observation:")] == []
        assert world.published()["till", "counter", "BOLT"] == max(20 + caused, 0)


@pytest.mark.requirement("R21")
@pytest.mark.parametrize("master", [None, "till"], ids=["the hub is the master", "the till is the master"])
def test_some_hundred_steps_of_ping_pong_with_our_own_echoes_end_unchanged(master: str | None) -> None:
    with fresh_sqlite() as database:
        ping_pong(database, master, 400)


@pytest.mark.soak
@pytest.mark.requirement("R21")
@pytest.mark.parametrize("master", [None, "till"], ids=["the hub is the master", "the till is the master"])
def test_ten_thousand_steps_of_ping_pong_with_our_own_echoes_end_unchanged(
    database: Database, master: str | None
) -> None:
    ping_pong(database, master, 10_000)
