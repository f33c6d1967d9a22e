"""What people at a location do: goods come in, are counted, and leave."""

import threading

import pytest
import sqlalchemy as sa

from nervure.operations.hub import Hub
from nervure.operations.names import UnusableNameError
from nervure.operations.staff import UnknownStockError, adjust, receive, ship_fulfillment
from nervure.store.database import Database
from nervure.store.statements import MOVEMENT
from nervure.store.tables.orders import FULFILLMENT, ORDER
from schemas.fulfillment import Parcel
from schemas.orders import OrderState
from schemas.stock import AdjustmentReason
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, hear, looking, order_of, scripted_hub
from tests.nervure.world import World, an_order, at, must_hold, until_it_waits


@pytest.mark.requirement("R02", "R41")
def test_what_is_booked_is_booked_once_for_each_document_and_can_be_taken_back(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    assert [receive(hub, "NUT", "lyon", 4, document="D1") for _ in range(2)] == [True, False]
    assert receive(hub, "NUT", "paris", 4, document="D1"), "one document may bring goods to several places"
    assert [
        adjust(hub, "NUT", "lyon", -4, reason=AdjustmentReason.CORRECTION, document="D1 undone") for _ in range(2)
    ] == [True, False]
    with looking(hub) as world:
        assert world.movements("NUT", "lyon") == [("received", 4), ("adjusted", -4)]
        assert world.on_hand("NUT", "paris") == 12
        must_hold(world)


def test_goods_that_come_in_serve_who_waits(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9})))
    receive(hub, "BOLT", "lyon", 5, document="D1")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (9, 9, 0)}
        assert world.open_tasks() == {}


@pytest.mark.requirement("R20")
def test_units_found_missing_are_taken_from_the_newest_promise(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 5})))
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 1})))
    adjust(hub, "BOLT", "paris", -1, reason=AdjustmentReason.LOST, document="D1")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 4, ("1-1", "lyon", "allocated"): 1}
        assert world.served("2") == {("2-1", "lyon", "allocated"): 1}
        must_hold(world)


@pytest.mark.parametrize(
    ("sku", "location", "sentence"),
    [("BULT", "paris", "sku 'BULT' is not known"), ("BOLT", "pari", "location 'pari' is not known")],
)
def test_what_is_not_known_is_refused_and_nothing_is_written(
    filled: Database, sku: str, location: str, sentence: str
) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(UnknownStockError, match=f"^{sentence}$"):
        receive(hub, sku, location, 1, document="D1")
    with looking(hub) as world:
        assert world.rows(MOVEMENT) == 3


def test_a_fulfillment_order_leaves_once(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    assert [ship_fulfillment(hub, number, shipped_at=at(5)) for _ in range(2)] == [True, False]
    assert not ship_fulfillment(hub, 4711)
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5), ("shipped", -2)]


def test_a_delivery_note_may_bring_goods_and_say_what_of_them_was_broken(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    assert receive(hub, "NUT", "lyon", 4, document="D1")
    assert adjust(hub, "NUT", "lyon", -1, reason=AdjustmentReason.DAMAGED, document="D1")
    with looking(hub) as world:
        assert world.movements("NUT", "lyon") == [("received", 4), ("adjusted", -1)]


@pytest.mark.parametrize("document", ["", "  "])
def test_what_has_no_document_is_not_booked(filled: Database, document: str) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(UnusableNameError, match="the document needs a name"):
        receive(hub, "NUT", "lyon", 4, document=document)
    with pytest.raises(UnusableNameError, match="the document needs a name"):
        adjust(hub, "NUT", "paris", -1, reason=AdjustmentReason.LOST, document=document)
    with looking(hub) as world:
        assert world.rows(MOVEMENT) == 3


def parcel_of(hub: Hub, number: int) -> tuple[str | None, str | None]:
    with looking(hub) as world:
        row = world.connection.execute(sa.select(FULFILLMENT).where(FULFILLMENT.c.id == number)).one()
    return row.carrier, row.tracking_number


def test_how_a_parcel_is_followed_is_what_was_said_when_it_left(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 2})))
    with looking(hub) as world:
        [number], [other] = world.fulfillment_numbers("1"), world.fulfillment_numbers("2")
    first, second = (Parcel(carrier="Post", tracking_number=name) for name in ("T1", "T2"))
    assert [ship_fulfillment(hub, number, parcel=parcel) for parcel in (first, second)] == [True, False]
    assert parcel_of(hub, number) == ("Post", "T1"), "the channel was told of this one"
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 2}, state=OrderState.CANCELED, minute=1)))
    assert not ship_fulfillment(hub, other, parcel=second)
    assert parcel_of(hub, other) == (None, None)


def test_who_ships_waits_for_the_order_and_locks_nothing_before_it(postgresql: Database) -> None:
    """All others lock the order first: whoever came the other way round would stand in their way, and they in its."""
    fill(postgresql)
    hub = scripted_hub(postgresql, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
        order = world.connection.execute(sa.select(ORDER.c.id)).scalar_one()
    parcel = Parcel(carrier="Post", tracking_number="T1")
    thread = threading.Thread(target=ship_fulfillment, args=(hub, number), kwargs={"parcel": parcel}, daemon=True)
    with postgresql.write() as connection:
        World(connection).orders.lock(order)
        thread.start()
        until_it_waits(postgresql, thread)
        free = sa.select(FULFILLMENT.c.id).where(FULFILLMENT.c.id == number).with_for_update(nowait=True)
        assert connection.execute(free).scalar() == number
    thread.join()
    assert parcel_of(hub, number) == ("Post", "T1")
