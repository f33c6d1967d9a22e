"""Units leave one place, are in transit, and arrive at another; at no moment is one missing."""

from datetime import date

import pytest
import sqlalchemy as sa

from nervure.inventory.transfers import Choice
from nervure.operations.hub import Hub
from nervure.operations.incoming import incoming
from nervure.operations.purchases import ExpectedLine, PurchaseError, expect
from nervure.operations.staff import RepeatError, UnknownStockError, adjust, receive
from nervure.operations.transfers import Arrival, Arrived, Dispatch, TransferError, arrive, cancel, dispatch
from nervure.store.database import Database
from nervure.store.statements import LEVEL, MOVEMENT
from nervure.store.tables.catalogue import LOCATION
from nervure.store.transfers import ARRIVAL, TRANSFER, TRANSFER_LINE
from schemas.locations import LocationKind
from schemas.stock import AdjustmentReason, Condition
from tests.nervure.operations.scripted import ScriptedShop, hear, looking, order_of, scripted_hub, settle, tasks
from tests.nervure.world import World, an_order, must_hold


@pytest.fixture
def hub(both: Database) -> Hub:
    """5 BOLT and 8 NUT in paris, 2 BOLT in lyon."""
    return scripted_hub(both, {"shop": ScriptedShop()})


@pytest.fixture
def small(filled: Database) -> Hub:
    """The same on SQLite alone, for what is refused before a database has its say."""
    return scripted_hub(filled, {"shop": ScriptedShop()})


def send(
    hub: Hub, units: int, *, name: str = "T-1", sku: str = "BOLT", choice: Choice | None = None, force: bool = False
) -> bool:
    """Units leave paris for lyon."""
    return dispatch(hub, Dispatch(name, sku, "paris", "lyon", units, choice or Choice()), force=force)


def where(hub: Hub, sku: str = "BOLT") -> tuple[int, int, int]:
    """Units of a sku, of every owner, condition and lot: in paris, in transit, in lyon."""
    with looking(hub) as world:
        must_hold(world)
        query = (
            sa.select(LOCATION.c.code, sa.func.sum(LEVEL.c.on_hand))
            .join(LEVEL, LEVEL.c.location_id == LOCATION.c.id)
            .where(LEVEL.c.item_id == world.catalogue.item_ids([sku])[sku])
            .group_by(LOCATION.c.code)
        )
        found = {code: int(units) for code, units in world.connection.execute(query)}
    return found.get("paris", 0), found.get("in-transit", 0), found.get("lyon", 0)


def keys(hub: Hub, location: str) -> dict[tuple[str, str, str], int]:
    """Units on hand at a place by (owner, condition, lot)."""
    with looking(hub) as world:
        query = (
            sa.select(LEVEL)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .where(LOCATION.c.code == location, LEVEL.c.on_hand != 0)
        )
        return {(row.owner, row.condition, row.lot): row.on_hand for row in world.connection.execute(query)}


def test_units_are_in_transit_between_leaving_and_arriving(hub: Hub) -> None:
    assert [send(hub, 3), send(hub, 3)] == [True, False]
    assert where(hub) == (2, 3, 2)
    assert arrive(hub, Arrival("T-1")) == Arrived(3)
    assert where(hub) == (2, 0, 5)
    assert arrive(hub, Arrival("T-1")) == Arrived(0)
    assert where(hub) == (2, 0, 5)
    with looking(hub) as world:
        assert world.movements("BOLT", "in-transit") == [("transferred_in", 3), ("transferred_out", -3)]
        assert world.movements("BOLT", "paris") == [("received", 5), ("transferred_out", -3)]
        assert world.movements("BOLT", "lyon") == [("received", 2), ("transferred_in", 3)]
        named = sa.select(sa.func.count()).where(MOVEMENT.c.document == "transfer:T-1")
        assert world.connection.execute(named).scalar_one() == 4


def test_units_in_transit_are_incoming_where_they_go(hub: Hub) -> None:
    dispatch(hub, Dispatch("T-1", "BOLT", "paris", "lyon", 3, expected_on=date(2026, 3, 4)))
    send(hub, 2, name="T-2", sku="NUT")
    assert [(one.document, one.sku, one.location, one.units, one.expected_on) for one in incoming(hub)] == [
        ("transfer:T-1", "BOLT", "lyon", 3, date(2026, 3, 4)),
        ("transfer:T-2", "NUT", "lyon", 2, None),
    ]
    arrive(hub, Arrival("T-1", "BOLT", 1, "A1"))
    cancel(hub, "T-2")
    assert [(one.document, one.units) for one in incoming(hub)] == [("transfer:T-1", 2)]


@pytest.mark.requirement("R17")
def test_what_is_in_transit_is_sold_nowhere(hub: Hub) -> None:
    send(hub, 3)
    settle(hub)
    with looking(hub) as world:
        shown = world.published()
        assert (shown["shop", "web", "BOLT"], shown["till", "counter", "BOLT"]) == (4, 2)
        [place] = world.connection.execute(LOCATION.select().where(LOCATION.c.code == "in-transit"))
    assert (place.kind, place.can_ship, place.can_pickup) == (LocationKind.IN_TRANSIT, False, False)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 5})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (5, 4, 1)}
    arrive(hub, Arrival("T-1"))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (5, 5, 0)}, "who waits is served where units arrive"
        must_hold(world)


def test_units_arrive_in_parts_and_each_arrival_counts_once(hub: Hub) -> None:
    send(hub, 5)
    first = Arrival("T-1", "BOLT", 2, "A1")
    second = Arrival("T-1", "BOLT", 1, "A2")
    assert [arrive(hub, one) for one in (first, first, second, first)] == [Arrived(2), None, Arrived(1), None]
    assert where(hub) == (0, 2, 5)
    assert arrive(hub, Arrival("T-1", "BOLT", document="A3")) == Arrived(2)
    assert arrive(hub, second) is None
    assert where(hub) == (0, 0, 7)


def test_an_arrival_under_a_known_name_with_other_units_is_refused_and_says_what_was_booked(hub: Hub) -> None:
    send(hub, 4)
    arrive(hub, Arrival("T-1", "BOLT", 2, "A1"))
    before = where(hub)
    for units in (1, 3):
        with pytest.raises(RepeatError, match=f"'A1' was booked before with 2 units, not with {units}: give this"):
            arrive(hub, Arrival("T-1", "BOLT", units, "A1"))
    assert arrive(hub, Arrival("T-1", "BOLT", 2, "A1")) is None
    assert where(hub) == before
    assert arrive(hub, Arrival("T-1", "BOLT", 5, "A2"), found=True) == Arrived(5, 3, 0)
    assert arrive(hub, Arrival("T-1", "BOLT", 5, "A2"), found=True) is None
    with pytest.raises(RepeatError, match="'A2' was booked before with 5 units, not with 2"):
        arrive(hub, Arrival("T-1", "BOLT", 2, "A2"))


def test_one_name_may_speak_of_one_sku_and_then_of_the_rest(hub: Hub) -> None:
    send(hub, 5)
    send(hub, 4, sku="NUT")
    assert arrive(hub, Arrival("T-1", "BOLT", 3, "A1")) == Arrived(3)
    assert arrive(hub, Arrival("T-1", document="A1")) == Arrived(6)
    assert (where(hub), where(hub, "NUT")) == ((0, 0, 7), (4, 0, 4))
    assert arrive(hub, Arrival("T-1", document="A1")) is None


@pytest.mark.requirement("R11")
def test_a_cancellation_brings_back_what_has_not_arrived(hub: Hub) -> None:
    send(hub, 5)
    arrive(hub, Arrival("T-1", "BOLT", 2, "A1"))
    assert [cancel(hub, "T-1"), cancel(hub, "T-1")] == [3, 0]
    assert where(hub) == (3, 0, 4)
    assert arrive(hub, Arrival("T-1")) == Arrived(0)
    assert not send(hub, 5), "the same dispatch is not sent anew"
    assert where(hub) == (3, 0, 4)


def test_what_never_arrives_is_lost_in_transit(hub: Hub) -> None:
    send(hub, 5)
    lost = Arrival("T-1", "BOLT", 3, "A1")
    assert arrive(hub, lost, lost=True) == Arrived(3, lost=2)
    assert arrive(hub, lost, lost=True) is None
    assert where(hub) == (0, 0, 5)
    with looking(hub) as world:
        assert world.movements("BOLT", "in-transit") == [
            ("transferred_in", 5),
            ("transferred_out", -3),
            ("adjusted", -2),
        ]
    send(hub, 4, name="T-2", sku="NUT")
    assert [arrive(hub, Arrival("T-2"), lost=True) for _ in range(2)] == [Arrived(0, lost=4), Arrived(0)]
    assert where(hub, "NUT") == (4, 0, 0)


def test_more_than_left_is_refused_unless_it_is_meant_and_then_the_origin_is_to_be_counted(hub: Hub) -> None:
    send(hub, 3)
    many = Arrival("T-1", "BOLT", 4, "A1")
    with pytest.raises(
        TransferError,
        match=r"^only 3 of 'BOLT' are under way with transfer 'T-1': say --found if more have arrived$",
    ):
        arrive(hub, many)
    assert where(hub) == (2, 3, 2)
    with looking(hub) as world:
        assert world.rows(ARRIVAL) == 0
    assert [arrive(hub, many, found=True) for _ in range(2)] == [Arrived(4, found=1), None]
    assert where(hub) == (2, 0, 6)
    [task] = tasks(hub)
    assert (task.kind, task.about) == ("over_arrival", "BOLT at paris")
    assert task.text == "1 unit more arrived with transfer T-1 than had left here: count what is there"


def test_owner_condition_and_lot_travel_with_the_units(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.receive("BOLT", "paris", 2, owner="acme")
        world.receive("BOLT", "paris", 3, lot="L1")
        world.move("BOLT", "paris", 4, condition=Condition.DAMAGED)
    send(hub, 2, choice=Choice(owner="acme"))
    send(hub, 1, choice=Choice(lot="L1"))
    send(hub, 3, choice=Choice(Condition.DAMAGED))
    traveled = {("acme", "sellable", ""): 2, ("us", "sellable", "L1"): 1, ("us", "damaged", ""): 3}
    assert keys(hub, "in-transit") == traveled
    assert arrive(hub, Arrival("T-1", "BOLT", 2, "A1", Choice(Condition.DAMAGED))) == Arrived(2)
    assert keys(hub, "in-transit") == traveled | {("us", "damaged", ""): 1}
    cancel(hub, "T-1")
    assert keys(hub, "in-transit") == {}
    assert keys(hub, "lyon") == {("us", "sellable", ""): 2, ("us", "damaged", ""): 2}


def test_units_of_several_owners_leave_together_our_own_first(hub: Hub) -> None:
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).receive("BOLT", "paris", 4, owner="acme")
    send(hub, 7)
    assert keys(hub, "in-transit") == {("us", "sellable", ""): 5, ("acme", "sellable", ""): 2}
    arrive(hub, Arrival("T-1", "BOLT", 6, "A1"))
    assert keys(hub, "in-transit") == {("acme", "sellable", ""): 1}


@pytest.mark.requirement("R01")
def test_what_is_promised_may_not_leave_and_nothing_is_written(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 4}
    with pytest.raises(
        TransferError,
        match=r"^only 1 of 'BOLT' may leave 'paris': the rest is promised or not there;"
        r" say --force if they have left all the same$",
    ):
        send(hub, 2)
    with looking(hub) as world:
        assert [world.rows(table) for table in (TRANSFER, TRANSFER_LINE)] == [0, 0]
        assert world.rows(MOVEMENT) == 3
        assert "in-transit" not in world.locations.ids()
    assert send(hub, 1)


@pytest.mark.requirement("R20")
def test_by_force_promised_units_leave_and_the_promise_is_kept_elsewhere_or_falls_short(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    assert send(hub, 4, force=True)
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1, ("1-1", "lyon", "allocated"): 2}
        assert world.lines("1") == {"1-1": (4, 3, 1)}
        assert world.open_tasks() == {"oversold": 1, "shortfall": 1}
    assert where(hub) == (1, 4, 2)
    arrive(hub, Arrival("T-1"))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (4, 4, 0)}
        must_hold(world)


def test_by_force_more_leaves_than_was_known_of(hub: Hub) -> None:
    assert send(hub, 7, force=True)
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.on_hand("BOLT", "in-transit")) == (-2, 7)
        must_hold(world, oversold=[("BOLT", "paris")])


def test_a_dispatch_that_was_counted_at_its_place_keeps_every_unit(hub: Hub) -> None:
    """Somebody counted paris after the van had left, and before the hub heard of it."""
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).count("BOLT", "paris", 2, minute=5)
    send(hub, 2)
    assert where(hub) == (2, 2, 2)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (Dispatch("T-1", "BULT", "paris", "lyon", 1), "sku 'BULT' is not known"),
        (Dispatch("T-1", "BOLT", "pari", "lyon", 1), "location 'pari' is not known"),
        (Dispatch("T-1", "BOLT", "paris", "lyo", 1), "location 'lyo' is not known"),
        (Dispatch("T-1", "BOLT", "paris", "paris", 1), "units at 'paris' are there already"),
        (Dispatch("T-1", "PAIR", "paris", "lyon", 1), "'PAIR' is a kit and has no stock of its own: name its parts"),
        (Dispatch(" ", "BOLT", "paris", "lyon", 1), "a transfer needs a name of at most 255 characters"),
    ],
)
def test_a_dispatch_that_makes_no_sense_is_refused_and_nothing_is_written(
    small: Hub, order: Dispatch, sentence: str
) -> None:
    with pytest.raises((TransferError, UnknownStockError)) as refused:
        dispatch(small, order, force=True)
    assert str(refused.value) == sentence
    with looking(small) as world:
        assert [world.rows(table) for table in (TRANSFER, TRANSFER_LINE)] == [0, 0]
        assert world.rows(MOVEMENT) == 3


def test_a_transfer_says_one_thing_only(hub: Hub) -> None:
    send(hub, 2)
    with pytest.raises(TransferError, match=r"^transfer 'T-1' has sent 2 of 'BOLT' already: send more with another"):
        send(hub, 3)
    with pytest.raises(TransferError, match=r"^transfer 'T-1' goes between other locations: take another name$"):
        dispatch(hub, Dispatch("T-1", "NUT", "lyon", "paris", 1), force=True)
    assert (where(hub), where(hub, "NUT")) == ((3, 2, 2), (8, 0, 0))


@pytest.mark.parametrize(
    ("arrival", "sentence"),
    [
        (Arrival("T-9"), "transfer 'T-9' is not known"),
        (Arrival("T-1", "NUT"), "transfer 'T-1' carries no such units of 'NUT'"),
        (Arrival("T-1", "BULT"), "sku 'BULT' is not known"),
        (Arrival("T-1", "BOLT", 1), "an arrival of some units needs a name: give it with --document"),
        (
            Arrival("T-1", "BOLT", 1, "A1", Choice(lot="L9")),
            "transfer 'T-1' carries no such units of 'BOLT'",
        ),
    ],
)
def test_an_arrival_of_what_is_not_under_way_is_refused_and_nothing_is_written(
    small: Hub, arrival: Arrival, sentence: str
) -> None:
    send(small, 2)
    with pytest.raises((TransferError, UnknownStockError)) as refused:
        arrive(small, arrival, found=True)
    assert str(refused.value) == sentence
    with looking(small) as world:
        assert world.rows(ARRIVAL) == 0
    assert where(small) == (3, 2, 2)


def test_units_come_to_be_in_transit_by_a_transfer_only(small: Hub) -> None:
    send(small, 2)
    by_transfers_only = r"^units come to 'in-transit' and leave it by transfers only"
    with pytest.raises(UnknownStockError, match=by_transfers_only):
        receive(small, "BOLT", "in-transit", 1, document="D1")
    with pytest.raises(UnknownStockError, match=by_transfers_only):
        adjust(small, "BOLT", "in-transit", -1, reason=AdjustmentReason.LOST, document="D2")
    with pytest.raises(PurchaseError, match=r"^units come to be in transit by a transfer only"):
        expect(small, "PO-7", [ExpectedLine("BOLT", "in-transit", 1, date(2026, 3, 9))])
    with pytest.raises(TransferError, match=r"^'in-transit' is where the hub keeps units under way"):
        dispatch(small, Dispatch("T-2", "BOLT", "paris", "in-transit", 1))
    assert where(small) == (3, 2, 2)


def test_a_place_of_another_kind_with_the_name_of_ours_is_not_used(small: Hub) -> None:
    with small.database.write() as connection:
        World(connection, small.clock.now()).location("in-transit")
    with pytest.raises(TransferError, match=r"^location 'in-transit' must be of kind 'in_transit'"):
        send(small, 1)
    assert where(small) == (5, 0, 2)
