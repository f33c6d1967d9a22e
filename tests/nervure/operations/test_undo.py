"""Undo: what was booked by hand is taken back, each movement once, and the stock is settled afterwards."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.movements import Goods, assemble, change_condition, change_owner
from nervure.operations.publish import refresh
from nervure.operations.staff import adjust, receive
from nervure.operations.transfers import Dispatch, dispatch
from nervure.operations.undo import Compensation, UndoError, Undone, preview, undo
from nervure.store.database import Database
from nervure.store.statements import MOVEMENT
from nervure.store.tables.catalogue import LOCATION
from schemas.policies import PolicyKind
from schemas.stock import AdjustmentReason, Condition, MovementKind
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub
from tests.nervure.operations.test_movements import ledger, movements, shelf, with_a_recipe
from tests.nervure.world import START, World, a_return, an_order, at, must_hold


def units(undone: Undone) -> list[tuple[str, str, int]]:
    return [(one.sku, one.location, one.units) for one in undone.entries]


def test_every_movement_of_a_document_is_taken_back_once_and_linked(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 4, document="D1")
    receive(hub, "NUT", "lyon", 2, document="D1")
    receive(hub, "NUT", "lyon", 7, document="D2")
    done = undo(hub, "D1")
    assert (done.document, units(done)) == ("receipt:D1", [("BOLT", "paris", -4), ("NUT", "lyon", -2)])
    assert undo(hub, "receipt:D1") == Undone("receipt:D1", [])
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 5}
    assert shelf(hub, "NUT", "lyon") == {("us", "sellable", ""): 7}
    with looking(hub) as world:
        first = MOVEMENT.alias("first")
        pairs = world.connection.execute(
            MOVEMENT.join(first, first.c.id == MOVEMENT.c.compensates_id)
            .select()
            .with_only_columns(MOVEMENT.c.document, first.c.document, MOVEMENT.c.units + first.c.units)
        )
        assert [tuple(pair) for pair in pairs] == [("undo:receipt:D1", "receipt:D1", 0)] * 2
        must_hold(world)


def test_a_pair_is_taken_back_as_a_pair(both: Database) -> None:
    hub = with_a_recipe(both)
    before = [shelf(hub, sku, "paris") for sku in ("BOLT", "NUT", "BENCH")]
    assemble(hub, Goods("BENCH", "paris"), 1, document="A")
    change_condition(hub, Goods("BOLT", "paris"), 2, Condition.ON_HOLD, document="C")
    change_owner(hub, Goods("NUT", "paris"), 2, "acme", document="O")
    for document in ("A", "C", "O"):
        undo(hub, document)
    assert [shelf(hub, sku, "paris") for sku in ("BOLT", "NUT", "BENCH")] == before
    assert ledger(hub, "undo:ownership:O") == [("adjusted", 2), ("adjusted", -2)]


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    adjust(
        hub, "BOLT", "paris", 3, reason=AdjustmentReason.FOUND, document="D", owner="acme", condition=Condition.DAMAGED
    )
    before = movements(hub)
    expected = Undone("adjustment:D", [Compensation("BOLT", "paris", "acme", "damaged", "", -3, is_counted=False)])
    assert preview(hub, "D") == expected
    assert movements(hub) == before
    assert undo(hub, "D") == expected
    assert preview(hub, "D") == Undone("adjustment:D", [])


def test_what_was_promised_of_an_undone_receipt_is_served_elsewhere_or_falls_short(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 4, document="D1")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9})))
    undo(hub, "D1")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (9, 7, 2)}
        assert world.open_tasks()["shortfall"] == 1
        must_hold(world)


def test_a_preorder_goes_on_when_the_receipt_that_ended_it_is_undone(both: Database) -> None:
    with both.write() as connection:
        world = World(connection)
        world.items("NEW")
        world.list_on("shop", "NEW")
        world.policy(PolicyKind.PREORDER, 10, sku="NEW", promised_on=START.date())
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    shown = []
    for step in (
        lambda: None,
        lambda: receive(hub, "NEW", "paris", 4, document="D"),
        lambda: undo(hub, "D"),
        lambda: receive(hub, "NEW", "paris", 3, document="E"),
    ):
        step()
        while refresh(hub):
            pass
        with looking(hub) as world:
            shown.append(world.published()["shop", "web", "NEW"])
    assert shown == [10, 4, 10, 3]


def test_an_undone_loss_serves_who_waits(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    adjust(hub, "BOLT", "paris", -5, reason=AdjustmentReason.LOST, document="GONE")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 6})))
    undo(hub, "GONE")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (6, 6, 0)}


@pytest.mark.requirement("R03")
def test_a_count_made_since_has_seen_the_truth_and_swallows_the_undo(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 10, document="TYPO")
    with both.write() as connection:
        World(connection, at(20)).count("BOLT", "paris", 5, minute=20)
    advance(hub, 3600)
    expected = [("BOLT", "paris", -10), ("BOLT", "paris", 10)]
    assert units(preview(hub, "TYPO")) == expected
    done = undo(hub, "TYPO")
    assert [(one.units, one.is_counted) for one in done.entries] == [(-10, False), (10, True)]
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 5}
    assert undo(hub, "TYPO").entries == []


def test_a_movement_that_a_count_had_seen_already_leaves_the_shelf_as_it_was_counted(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    with both.write() as connection:
        World(connection, at(20)).count("BOLT", "paris", 6, minute=20)
    receive(hub, "BOLT", "paris", 2, document="LATE")
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 6}
    assert [(one.units, one.is_counted) for one in undo(hub, "LATE").entries] == [(-2, False), (2, True)]
    assert undo(hub, "LATE").entries == []
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 6}


def test_at_a_place_with_another_master_an_undo_is_news(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    with both.write() as connection:
        connection.execute(LOCATION.update().where(LOCATION.c.code == "lyon").values(master="till"))
    receive(hub, "BOLT", "lyon", 3, document="D")
    with both.write() as connection:
        World(connection, at(20)).count("BOLT", "lyon", 4, minute=20)
    advance(hub, 3600)
    assert units(undo(hub, "D")) == [("BOLT", "lyon", -3)]
    assert shelf(hub, "BOLT", "lyon") == {("us", "sellable", ""): 1}


def test_what_a_document_brought_after_its_undo_can_be_undone_too(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 1, document="D")
    undo(hub, "D")
    assert not receive(hub, "BOLT", "paris", 1, document="D"), "the same goods need a new document"
    receive(hub, "NUT", "paris", 1, document="D")
    assert units(undo(hub, "D")) == [("NUT", "paris", -1)]


def served(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 2})))
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.ship_all("1")
        world.take_back(a_return("7", {"BOLT": 1}))
        world.move("BOLT", "paris", 1, MovementKind.TRANSFERRED_IN, cause="transfer|T-1")
    receive(hub, "NUT", "paris", 1, document="D")
    adjust(hub, "NUT", "paris", 1, reason=AdjustmentReason.FOUND, document="D")
    receive(hub, "NUT", "paris", 1, document="E")
    undo(hub, "E")
    dispatch(hub, Dispatch("T-12", "NUT", "paris", "lyon", 1))
    dispatch(hub, Dispatch("D", "NUT", "paris", "lyon", 1))


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("X", "no movement has the document 'X'"),
        ("D", "several documents are called 'D': name one of 'adjustment:D', 'receipt:D'"),
        (
            "order:shop:1",
            "'order:shop:1' was not booked by hand and cannot be undone: cancel the order on its channel, or take the"
            " goods back as a return",
        ),
        (
            "return:shop:7",
            "'return:shop:7' was not booked by hand and cannot be undone: correct it on its channel, or move the goods"
            " with `nervure stock condition` or `nervure stock adjust`",
        ),
        (
            "transfer|T-1",
            "'transfer|T-1' was not booked by hand and cannot be undone: correct it with `nervure stock adjust`",
        ),
        (
            "T-12",
            "'transfer:T-12' was not booked by hand and cannot be undone: send the goods back with another transfer",
        ),
        ("undo:receipt:E", "'undo:receipt:E' is itself an undo: book it again under a new document"),
    ],
)
def test_what_other_work_depends_on_is_refused_with_a_way_out(filled: Database, document: str, sentence: str) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    served(hub)
    before = movements(hub)
    for attempt in (preview, undo):
        with pytest.raises(UndoError) as refused:
            attempt(hub, document)
        assert str(refused.value) == sentence
    assert movements(hub) == before
