"""A fulfillment order at its store: each step once, with who did it; and what is refused is served from elsewhere."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from nervure.invariants import check_all
from nervure.operations import desk, giving_up, offers
from nervure.operations.counts import show
from nervure.operations.desk import Actor, DeskRefusedError, UnknownFulfillmentError, WrongCodeError
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.moving import MoveRefusedError, move_fulfillment
from nervure.operations.staff import receive
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.handling import HandlingStore
from nervure.store.picking import PickingStore
from nervure.store.statements import CLAIM, MOVEMENT
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT
from schemas.fulfillment import Parcel, RejectReason
from schemas.orders import OrderState
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub, tasks
from tests.nervure.world import World, a_pickup, an_order, at, must_hold

ANA = Actor("Ana", "lyon")
BO = Actor("Bo", "paris")


def hub_on(database: Database) -> Hub:
    """5 BOLT and 8 NUT in paris, 2 BOLT in lyon; PAIR is a BOLT and 2 NUT. Customers collect in lyon."""
    return scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})


def limits(hub: Hub, location: str, *, accept_seconds: float | None = None, hold_seconds: float | None = None) -> None:
    with hub.database.write() as connection:
        connection.execute(
            LOCATION.update()
            .where(LOCATION.c.code == location)
            .values(accept_seconds=accept_seconds, hold_pickup_seconds=hold_seconds)
        )


def numbers_of(hub: Hub, order: str) -> list[int]:
    with looking(hub) as world:
        return world.fulfillment_numbers(order)


def ordered(hub: Hub, order: str, lines: dict[str, int], *, minute: float = 0) -> int:
    hear(hub, "shop", order_of(an_order(order, lines, minute=minute)))
    return numbers_of(hub, order)[0]


def to_pick_up(hub: Hub, order: str, lines: dict[str, int]) -> int:
    hear(hub, "till", order_of(a_pickup(order, lines, "counter", channel="till")))
    return numbers_of(hub, order)[0]


def ready(hub: Hub, number: int, code: str = "123456") -> None:
    desk.start_picking(hub, number, ANA)
    desk.pack(hub, number, ANA, unscanned=True)
    assert desk.make_ready(hub, number, ANA, new_code=lambda: code) == (True, code)


def steps(hub: Hub, number: int) -> list[tuple[str, str, str]]:
    with looking(hub) as world:
        return [(e.kind.value, e.by, e.reason) for e in HandlingStore(world.connection, world.now).events(number)]


def state_of(hub: Hub, number: int) -> str:
    with looking(hub) as world:
        return str(world.connection.execute(sa.select(FULFILLMENT.c.state).where(FULFILLMENT.c.id == number)).scalar())


def all_holds(hub: Hub) -> None:
    with looking(hub) as world:
        must_hold(world)
        assert check_all(AuditStore(world.connection)) == []


def rows(hub: Hub) -> list[int]:
    with looking(hub) as world:
        return [world.rows(table) for table in (CLAIM, MOVEMENT, FULFILLMENT, FULFILLMENT_EVENT)]


def test_a_parcel_goes_through_every_step_once_and_each_names_who_did_it(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 2, "PAIR": 1})
    parcel = Parcel(carrier="Colissimo", tracking_number="6A1")
    course: list[Callable[[], bool]] = [
        lambda: offers.accept(hub, number, BO)[0],
        lambda: desk.start_picking(hub, number, BO),
        lambda: desk.pack(hub, number, BO, unscanned=True),
        lambda: desk.send(hub, number, BO, parcel=parcel, shipped_at=at(9)),
    ]
    for turn, step in enumerate(course):
        assert step()
        assert not step(), "told twice, done once"
        for earlier in course[:turn]:
            assert not earlier(), "what lies behind is known"
        all_holds(hub)
    assert steps(hub, number) == [
        ("accepted", "Bo", ""),
        ("picking", "Bo", ""),
        ("packed", "Bo", "unscanned"),
        ("shipped", "Bo", ""),
    ]
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (2, 6)
    send_messages(hub)
    shop = hub.connection("shop")
    assert isinstance(shop, ScriptedShop)
    [told] = shop.shipments.values()
    assert told.parcel == parcel


def test_each_scan_counts_one_unit_until_all_are_there(both: Database) -> None:
    hub = hub_on(both)
    with hub.database.write() as connection:
        from nervure.store.tables.catalogue import ITEM

        connection.execute(ITEM.update().where(ITEM.c.sku == "NUT").values(gtin="03017620422003"))
        world = World(connection)
        shelf = PickingStore(connection, world.now)
        place = world.place("NUT", "paris")
        shelf.put_shelf(place.location_id, place.item_id, "A-3")
    number = ordered(hub, "1", {"PAIR": 1})
    with pytest.raises(DeskRefusedError, match="is allocated, and is not being picked"):
        desk.pick(hub, number, "BOLT", BO)
    desk.start_picking(hub, number, BO)
    assert desk.pick(hub, number, " 3017620422003", BO) == "NUT", "13 digits, and a blank of the scanner"
    with pytest.raises(DeskRefusedError) as refused:
        desk.pack(hub, number, BO)
    assert str(refused.value) == "not picked yet: 1 of NUT, 1 of BOLT"
    assert desk.pick(hub, number, "03017620422003", BO) == "NUT"
    with pytest.raises(DeskRefusedError, match="NUT: all units are picked"):
        desk.pick(hub, number, "3017620422003", BO)
    with pytest.raises(DeskRefusedError, match="'4006381333931' is not in fulfillment order 1: put it back"):
        desk.pick(hub, number, "4006381333931", BO)
    assert desk.pick(hub, number, "BOLT", BO) == "BOLT", "what has no GTIN is named by its sku"
    with looking(hub) as world:
        picks = PickingStore(world.connection, world.now).picks(number)
        assert [(one.shelf, one.sku, one.units, one.picked) for one in picks] == [
            ("A-3", "NUT", 2, 2),
            ("", "BOLT", 1, 1),
        ]
    assert desk.pack(hub, number, BO)
    assert steps(hub, number) == [("picking", "Bo", ""), ("packed", "Bo", "")]


def test_what_a_store_rejects_is_served_from_elsewhere_at_once_and_not_by_it_again(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 2})
    desk.start_picking(hub, number, BO)
    assert giving_up.reject(hub, number, RejectReason.NO_TIME, BO)
    assert not giving_up.reject(hub, number, RejectReason.NO_TIME, BO)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
        assert (world.claimable("BOLT", "paris"), world.on_hand("BOLT", "paris")) == (5, 5), "it is still there"
    assert steps(hub, number) == [("picking", "Bo", ""), ("rejected", "Bo", "no_time"), ("canceled", "", "")]
    all_holds(hub)
    [second] = numbers_of(hub, "1")
    assert giving_up.reject(hub, second, RejectReason.CLOSED, Actor("Ana", "lyon"))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 0, 2)}, "neither is asked again, though both have the units"
        assert world.open_tasks() == {"shortfall": 1}
    receive(hub, "BOLT", "paris", 3, document="D9")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 0, 2)}
    all_holds(hub)


@pytest.mark.requirement("R02")
def test_what_is_not_found_is_lost_there_and_asks_for_a_count(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 3, "NUT": 1})
    desk.start_picking(hub, number, BO)
    desk.pick(hub, number, "BOLT", BO)
    assert giving_up.reject(hub, number, RejectReason.NOT_FOUND, BO, keeps={"BOLT": 1})
    assert not giving_up.reject(hub, number, RejectReason.NOT_FOUND, BO, keeps={"BOLT": 1}), "it keeps one, as before"
    with looking(hub) as world:
        assert world.served("1") == {
            ("1-1", "paris", "picking"): 1,
            ("1-1", "lyon", "allocated"): 2,
            ("1-2", "paris", "picking"): 1,
        }
        assert world.on_hand("BOLT", "paris") == 3
        assert world.movements("BOLT", "paris") == [("received", 5), ("adjusted", -2)]
        assert world.open_tasks() == {"count": 1}
        last = sa.select(MOVEMENT.c.document, MOVEMENT.c.reason).order_by(MOVEMENT.c.id.desc()).limit(1)
        assert tuple(world.connection.execute(last).one()) == ("rejected:1:2", "lost")
        picks = PickingStore(world.connection, world.now).picks(number)
        assert [(one.sku, one.units, one.picked) for one in picks] == [("BOLT", 1, 0), ("NUT", 1, 0)]
    document, lines = show(hub, "not-found-1-2")
    assert (document.location, document.state) == ("paris", "open")
    assert [line.line.sku for line in lines] == ["BOLT"]
    all_holds(hub)


def test_to_keep_none_of_an_article_twice_is_to_say_it_once(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 1, "NUT": 1})
    assert giving_up.reject(hub, number, RejectReason.OTHER, BO, keeps={"BOLT": 0})
    assert not giving_up.reject(hub, number, RejectReason.OTHER, BO, keeps={"BOLT": 0})
    with pytest.raises(DeskRefusedError, match="'BOLT' is not in this fulfillment order"):
        giving_up.reject(hub, number, RejectReason.OTHER, BO, keeps={"BOLT": 1})
    all_holds(hub)


def test_a_part_of_a_kit_that_is_not_found_is_counted_not_guessed(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"PAIR": 1})
    assert giving_up.reject(hub, number, RejectReason.NOT_FOUND, BO)
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (5, 8)
        assert world.lines("1") == {"1-1": (1, 0, 1)}
    _, lines = show(hub, "not-found-1-1")
    assert [line.line.sku for line in lines] == ["BOLT", "NUT"]
    all_holds(hub)


def test_a_store_sees_only_what_is_its_own(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 1})
    before = rows(hub)
    for step in (
        offers.accept,
        desk.start_picking,
        desk.pack,
        desk.make_ready,
        giving_up.put_back,
        giving_up.return_to_sale,
    ):
        with pytest.raises(UnknownFulfillmentError, match="there is no fulfillment order 1 at 'lyon'"):
            step(hub, number, ANA)
    with pytest.raises(UnknownFulfillmentError, match="there is no fulfillment order 77"):
        offers.accept(hub, 77)
    assert rows(hub) == before


def test_what_is_not_paid_yet_waits(both: Database) -> None:
    hub = hub_on(both)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, state=OrderState.AWAITING_PAYMENT)))
    [number] = numbers_of(hub, "1")
    with pytest.raises(DeskRefusedError, match="waits for its payment or its acceptance"):
        offers.accept(hub, number, BO)
    with looking(hub) as world:
        assert PickingStore(world.connection, world.now).jobs("paris") == []
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, minute=1)))
    assert offers.accept(hub, number, BO)[0]


def test_a_customer_who_cancels_gets_nothing_and_the_goods_are_put_back(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 2})
    desk.start_picking(hub, number, BO)
    desk.pack(hub, number, BO, unscanned=True)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, state=OrderState.CANCELED, minute=1)))
    assert state_of(hub, number) == "canceled"
    with pytest.raises(DeskRefusedError, match="fulfillment order 1 is canceled"):
        desk.send(hub, number, BO)
    with looking(hub) as world:
        assert world.claimable("BOLT", "paris") == 5
        assert [job.number for job in PickingStore(world.connection, world.now).to_put_back("paris")] == [number]
    assert giving_up.put_back(hub, number, BO)
    assert not giving_up.put_back(hub, number, BO)
    with looking(hub) as world:
        assert PickingStore(world.connection, world.now).to_put_back("paris") == []
    assert steps(hub, number)[2:] == [("reduced", "", "2"), ("canceled", "", ""), ("put_back", "Bo", "")]
    all_holds(hub)


def test_a_customer_who_cancels_a_part_leaves_a_word_for_who_packs(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 3})
    desk.start_picking(hub, number, BO)
    for _ in range(3):
        desk.pick(hub, number, "BOLT", BO)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2}, minute=1)))
    assert steps(hub, number) == [("picking", "Bo", ""), ("reduced", "", "1")]
    with pytest.raises(DeskRefusedError, match="too many are picked: 1 of BOLT"):
        desk.pack(hub, number, BO)
    desk.pick(hub, number, "BOLT", BO, units=-1)
    assert desk.pack(hub, number, BO)
    all_holds(hub)


# -- in time -------------------------------------------------------------------------------------------------------


def test_without_a_limit_nothing_is_offered_and_nothing_times_out(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 1})
    advance(hub, 10**7)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    assert (state_of(hub, number), steps(hub, number)) == ("allocated", [])


def test_what_is_not_accepted_in_time_is_served_from_elsewhere(both: Database) -> None:
    hub = hub_on(both)
    limits(hub, "paris", accept_seconds=600)
    number, other = ordered(hub, "1", {"BOLT": 2}), ordered(hub, "2", {"BOLT": 1})
    assert giving_up.keep_times(hub) == (2, 0, 0)
    assert offers.accept(hub, other, BO)[0]
    advance(hub, 599)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    advance(hub, 1)
    assert giving_up.keep_times(hub) == (0, 1, 0)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
        assert world.served("2") == {("2-1", "paris", "accepted"): 1}
    assert steps(hub, number) == [("offered", "", ""), ("timed_out", "", ""), ("canceled", "", "")]
    with pytest.raises(DeskRefusedError, match="is canceled"):
        offers.accept(hub, number, BO)
    all_holds(hub)


def test_what_nobody_else_has_stays_and_somebody_is_told(both: Database) -> None:
    hub = hub_on(both)
    limits(hub, "paris", accept_seconds=600)
    number = ordered(hub, "1", {"BOLT": 3})
    giving_up.keep_times(hub)
    for _ in range(3):
        advance(hub, 600)
        assert giving_up.keep_times(hub) == (0, 0, 0)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 3}
        assert world.lines("1") == {"1-1": (3, 3, 0)}
    [task] = tasks(hub)
    assert (task.kind, task.about) == ("not_accepted", "shop, order #1")
    assert task.text == "paris did not accept fulfillment order 1 in time, and nobody else has its units"
    assert steps(hub, number) == [("offered", "", ""), ("waits", "", "")]
    assert offers.accept(hub, number, BO)[0]
    assert tasks(hub) == []
    all_holds(hub)


def test_an_order_that_waits_for_its_payment_is_not_offered(both: Database) -> None:
    hub = hub_on(both)
    limits(hub, "paris", accept_seconds=600)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, state=OrderState.AWAITING_PAYMENT)))
    assert giving_up.keep_times(hub) == (0, 0, 0)
    advance(hub, 3600)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 1}, minute=1)))
    assert giving_up.keep_times(hub) == (1, 0, 0), "its time begins now"


# -- click and collect ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("R45")
def test_a_pickup_is_made_ready_told_and_handed_over_with_its_code(both: Database) -> None:
    hub = hub_on(both)
    number = to_pick_up(hub, "1", {"BOLT": 2})
    with pytest.raises(DeskRefusedError, match="is for pickup: hand it over"):
        desk.send(hub, number, ANA)
    with pytest.raises(DeskRefusedError, match="is allocated: it must be packed first"):
        desk.make_ready(hub, number, ANA)
    ready(hub, number)
    assert desk.make_ready(hub, number, ANA) == (False, "123456"), "the code stays"
    assert desk.note_told(hub, number, ANA)
    assert not desk.note_told(hub, number, ANA)
    before = rows(hub)
    with pytest.raises(WrongCodeError, match="'654321' is not the code of fulfillment order 1"):
        desk.hand_over(hub, number, "654321", ANA)
    assert rows(hub) == [*before[:3], before[3] + 1], "only the wrong try is noted"
    assert desk.hand_over(hub, number, " 123456 ", ANA) == (True, number)
    assert desk.hand_over(hub, number, "123456", ANA) == (False, number)
    assert state_of(hub, number) == "handed_over"
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("shipped", -2)]
    assert [kind for kind, _, _ in steps(hub, number)] == [
        "picking",
        "packed",
        "ready",
        "told",
        "wrong_code",
        "handed_over",
    ]
    all_holds(hub)


def test_nobody_guesses_a_code(both: Database) -> None:
    hub = hub_on(both)
    number = to_pick_up(hub, "1", {"BOLT": 1})
    ready(hub, number)
    for guess in range(5):
        with pytest.raises(WrongCodeError, match="is not the code"):
            desk.hand_over(hub, number, f"{guess:06d}", ANA)
    with pytest.raises(WrongCodeError, match="5 wrong codes within 10 minutes: try again later"):
        desk.hand_over(hub, number, "123456", ANA)
    assert state_of(hub, number) == "ready_for_pickup"
    advance(hub, 601)
    assert desk.hand_over(hub, number, "123456", ANA) == (True, number)


def test_a_customer_takes_a_part_and_comes_back_for_the_rest(both: Database) -> None:
    hub = hub_on(both)
    receive(hub, "NUT", "lyon", 2, document="D1")
    number = to_pick_up(hub, "1", {"BOLT": 2, "NUT": 2})
    ready(hub, number)
    done, part = desk.hand_over(hub, number, "123456", ANA, only={"BOLT": 1, "NUT": 2})
    assert done
    assert part != number
    with looking(hub) as world:
        assert world.served("1") == {
            ("1-1", "lyon", "handed_over"): 1,
            ("1-1", "lyon", "ready_for_pickup"): 1,
            ("1-2", "lyon", "handed_over"): 2,
        }
        assert (world.on_hand("BOLT", "lyon"), world.on_hand("NUT", "lyon")) == (1, 0)
    all_holds(hub)
    with pytest.raises(DeskRefusedError, match="that is nothing, or more than is held here"):
        desk.hand_over(hub, number, "123456", ANA, only={"BOLT": 2})
    with pytest.raises(DeskRefusedError, match="'PAIR' is not in this fulfillment order"):
        desk.hand_over(hub, number, "123456", ANA, only={"PAIR": 1})
    assert desk.hand_over(hub, number, "123456", ANA) == (True, number)
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("shipped", -1), ("shipped", -1)]
    all_holds(hub)


def test_what_nobody_fetches_is_for_sale_again_and_the_order_waits_for_a_person(both: Database) -> None:
    hub = hub_on(both)
    limits(hub, "lyon", hold_seconds=timedelta(days=5).total_seconds())
    number = to_pick_up(hub, "1", {"BOLT": 2})
    ready(hub, number)
    advance(hub, timedelta(days=5).total_seconds() - 1)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    advance(hub, 1)
    assert giving_up.keep_times(hub) == (0, 0, 1)
    assert giving_up.keep_times(hub) == (0, 0, 0)
    with looking(hub) as world:
        assert world.claimable("BOLT", "lyon") == 2
        assert world.lines("1") == {"1-1": (2, 0, 2)}, "not taken anew for who did not come"
        assert world.open_tasks() == {"unclaimed": 1, "shortfall": 1}
        assert [job.number for job in PickingStore(world.connection, world.now).to_put_back("lyon")] == [number]
    assert steps(hub, number)[-2:] == [("unclaimed", "", "not fetched in time"), ("canceled", "", "")]
    with pytest.raises(DeskRefusedError, match="is canceled, and is not ready for pickup"):
        desk.hand_over(hub, number, "123456", ANA)
    assert not giving_up.return_to_sale(hub, number, ANA)
    hear(hub, "till", order_of(a_pickup("1", {"BOLT": 2}, "counter", channel="till", state=OrderState.CANCELED)))
    all_holds(hub)


def test_what_is_being_picked_is_not_moved_and_what_is_accepted_may_be(both: Database) -> None:
    hub = hub_on(both)
    number = ordered(hub, "1", {"BOLT": 2})
    offers.accept(hub, number, BO)
    moved, is_new = move_fulfillment(hub, number, "lyon")
    assert is_new
    desk.start_picking(hub, moved, ANA)
    with pytest.raises(MoveRefusedError, match="is picking where it is: reject it there first"):
        move_fulfillment(hub, moved, "paris")
    all_holds(hub)
