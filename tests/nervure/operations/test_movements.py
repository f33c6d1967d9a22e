"""Movements that people book by hand: each once, all or nothing, and whoever was promised the units is served."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from nervure.operations.hub import Hub
from nervure.operations.lots import GoodsError
from nervure.operations.movements import (
    Goods,
    MovementError,
    assemble,
    change_condition,
    change_owner,
    consume,
    disassemble,
    used_of,
)
from nervure.operations.names import UnusableNameError
from nervure.operations.staff import RepeatError, UnknownStockError, adjust, receive, ship_fulfillment
from nervure.operations.undo import undo
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database
from nervure.store.movements import Used
from nervure.store.statements import LEVEL, MOVEMENT
from nervure.store.tables.catalogue import LOCATION
from schemas.items import Item, KitComponent
from schemas.stock import AdjustmentReason, Condition
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub
from tests.nervure.world import START, World, a_till_sale, an_order, at, must_hold

DAY = timedelta(days=1)
LOST = AdjustmentReason.LOST


def shelf(hub: Hub, sku: str, location: str) -> dict[tuple[str, str, str], int]:
    """Units on hand by owner, condition and lot; keys without units are left out."""
    with looking(hub) as world:
        query = (
            sa.select(LEVEL)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .where(LEVEL.c.item_id == world.place(sku, location).item_id, LOCATION.c.code == location)
        )
        return {
            (row.owner, row.condition, row.lot): row.on_hand for row in world.connection.execute(query) if row.on_hand
        }


def ledger(hub: Hub, document: str) -> list[tuple[str, int]]:
    """The movements of a document, in the order of booking."""
    with looking(hub) as world:
        query = sa.select(MOVEMENT.c.kind, MOVEMENT.c.units).where(MOVEMENT.c.document == document)
        return [(kind, units) for kind, units in world.connection.execute(query.order_by(MOVEMENT.c.id))]


def movements(hub: Hub) -> int:
    with looking(hub) as world:
        return world.rows(MOVEMENT)


def with_a_recipe(database: Database) -> Hub:
    """The merchant, with BENCH assembled from 2 BOLT and 3 NUT."""
    recipe = (KitComponent(sku="BOLT", units=2), KitComponent(sku="NUT", units=3))
    with database.write() as connection:
        CatalogueStore(connection, START).put_items([Item(sku="BENCH", title="Bench", recipe=recipe)])
        World(connection).list_on("shop", "BENCH")
    return scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})


# -- condition -----------------------------------------------------------------------------------------------------


def test_a_change_of_condition_is_one_pair_under_one_document(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    bolts = Goods("BOLT", "paris")
    assert [change_condition(hub, bolts, 2, Condition.DAMAGED, document="D") for _ in range(2)] == [True, False]
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 3, ("us", "damaged", ""): 2}
    assert ledger(hub, "condition:D") == [("condition_changed", -2), ("condition_changed", 2)]
    back = Goods("BOLT", "paris", condition=Condition.DAMAGED)
    assert change_condition(hub, back, 2, Condition.SELLABLE, document="D"), "another change under the same document"
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 5}
    with looking(hub) as world:
        must_hold(world)


def test_a_document_that_was_booked_before_with_other_units_is_no_repeat(both: Database) -> None:
    hub = with_a_recipe(both)
    receive(hub, "NUT", "paris", 20, document="R")
    bolts, bench = Goods("BOLT", "paris"), Goods("BENCH", "paris")
    movements_by_hand: list[tuple[str, Callable[[int], bool]]] = [
        ("condition", lambda units: change_condition(hub, bolts, units, Condition.DAMAGED, document="D")),
        ("ownership", lambda units: change_owner(hub, bolts, units, "acme", document="D")),
        ("consumption", lambda units: consume(hub, bolts, units, document="D")),
        ("assembly", lambda units: assemble(hub, bench, units, document="D")),
        ("disassembly", lambda units: disassemble(hub, bench, units, document="D")),
        ("receipt", lambda units: receive(hub, "BOLT", "paris", units, document="D")),
        ("adjustment", lambda units: adjust(hub, "BOLT", "paris", -units, reason=LOST, document="D")),
    ]
    for kind, book in movements_by_hand:
        assert [book(1), book(1)] == [True, False]
        before = movements(hub)
        was, said = ("-1 units", "-2") if kind == "adjustment" else ("1 unit", "2")
        with pytest.raises(RepeatError) as refused:
            book(2)
        assert str(refused.value) == (
            f"'{kind}:D' was booked before with {was}, not with {said}: give this one another name"
        )
        assert movements(hub) == before
    undo(hub, "receipt:D")
    assert not receive(hub, "BOLT", "paris", 1, document="D"), "what was taken back is still a repeat"
    with pytest.raises(RepeatError):
        receive(hub, "BOLT", "paris", 2, document="D")


def test_a_repeat_is_known_by_its_document_when_the_recipe_has_become_another(both: Database) -> None:
    hub = with_a_recipe(both)
    bench = Goods("BENCH", "paris")
    receive(hub, "BENCH", "paris", 3, document="R")
    assert disassemble(hub, bench, 1, document="D")
    recipe = (KitComponent(sku="SHELF", units=1),)
    with both.write() as connection:
        CatalogueStore(connection, START).put_items(
            [Item(sku="SHELF", title="Shelf"), Item(sku="BENCH", title="Bench", recipe=recipe)]
        )
    before = movements(hub)
    assert not disassemble(hub, bench, 1, document="D")
    assert movements(hub) == before


def test_goods_that_may_be_sold_again_serve_who_waits(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    change_condition(hub, Goods("BOLT", "paris"), 5, Condition.ON_HOLD, document="D")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    held = Goods("BOLT", "paris", condition=Condition.ON_HOLD)
    change_condition(hub, held, 3, Condition.SELLABLE, document="D")
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (4, 4, 0)}
        must_hold(world)


def test_what_was_promised_of_units_that_broke_is_served_elsewhere(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 5})))
    change_condition(hub, Goods("BOLT", "paris"), 1, Condition.DAMAGED, document="D")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 4, ("1-1", "lyon", "allocated"): 1}
        must_hold(world)


def test_what_was_promised_of_our_broken_units_is_served_from_a_suppliers_on_the_same_shelf(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 5, document="R", owner="acme")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 5})))
    change_condition(hub, Goods("BOLT", "paris"), 5, Condition.DAMAGED, document="D")
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
        must_hold(world)
    ship_fulfillment(hub, number, shipped_at=at(5))
    assert shelf(hub, "BOLT", "paris") == {("us", "damaged", ""): 5}
    assert used_of(hub, "acme", START, START + DAY) == [Used("BOLT", "paris", "", "shipped", 5)]


@pytest.mark.parametrize(
    ("goods", "to", "sentence"),
    [
        (
            Goods("BOLT", "paris"),
            Condition.DAMAGED,
            "6 units of 'BOLT' at 'paris' cannot be moved: 5 sellable units lie there; count first, or book what was",
        ),
        (
            Goods("BOLT", "paris", "acme", Condition.DAMAGED),
            Condition.SELLABLE,
            "6 units of 'BOLT' at 'paris' cannot be moved: 0 damaged units of 'acme' lie there",
        ),
        (Goods("BOLT", "paris"), Condition.SELLABLE, "nothing changes: the units are sellable already"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_nothing_is_written(
    filled: Database, goods: Goods, to: Condition, sentence: str
) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with looking(hub) as world:
        before = (world.rows(MOVEMENT), world.rows(LEVEL))
    with pytest.raises(MovementError, match=f"^{sentence}"):
        change_condition(hub, goods, 6, to, document="D")
    with looking(hub) as world:
        assert (world.rows(MOVEMENT), world.rows(LEVEL)) == before


def test_who_books_at_a_place_that_is_not_known_is_told(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(UnknownStockError, match=r"^location 'pari' is not known$"):
        consume(hub, Goods("BOLT", "pari"), 1, document="D")


# -- owner and consumption -----------------------------------------------------------------------------------------


def test_a_change_of_owner_is_one_pair_with_its_reason(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 4, document="R", owner="acme")
    theirs = Goods("BOLT", "paris", "acme")
    assert [change_owner(hub, theirs, 3, "us", document="D") for _ in range(2)] == [True, False]
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 8, ("acme", "sellable", ""): 1}
    assert ledger(hub, "ownership:D") == [("adjusted", -3), ("adjusted", 3)]
    with looking(hub) as world:
        reasons = sa.select(MOVEMENT.c.reason).where(MOVEMENT.c.document == "ownership:D")
        assert set(world.connection.execute(reasons).scalars()) == {AdjustmentReason.OWNERSHIP_CHANGE}
        must_hold(world)
    with pytest.raises(MovementError, match=r"^nothing changes: 'acme' owns the units already$"):
        change_owner(hub, theirs, 1, "acme", document="D")


@pytest.mark.requirement("R09")
def test_a_statement_names_what_was_used_of_a_suppliers_goods_however_it_left(both: Database) -> None:
    hub = with_a_recipe(both)
    receive(hub, "BOLT", "paris", 20, document="R", owner="acme")
    receive(hub, "BOLT", "lyon", 4, document="R", owner="acme")
    consume(hub, Goods("BOLT", "paris", "acme"), 2, document="WORKSHOP")
    change_owner(hub, Goods("BOLT", "paris", "acme"), 1, "us", document="BOUGHT")
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 8})))
    with looking(hub) as world:
        [number] = world.fulfillment_numbers("1")
    ship_fulfillment(hub, number, shipped_at=at(5))
    hear(hub, "till", order_of(a_till_sale("2", {"BOLT": 3}, "counter", channel="till")))
    assemble(hub, Goods("BENCH", "paris"), 1, document="A")
    adjust(hub, "BOLT", "paris", -1, reason=AdjustmentReason.LOST, document="GONE", owner="acme")
    used = {
        Used("BOLT", "paris", "", "assembled", 2),
        Used("BOLT", "paris", "", "consumed", 2),
        Used("BOLT", "paris", "", "ownership_change", 1),
        Used("BOLT", "paris", "", "shipped", 2),
        Used("BOLT", "lyon", "", "sold", 1),
    }
    assert set(used_of(hub, "acme", START, START + DAY)) == used
    assert used_of(hub, "acme", START + DAY, START + 2 * DAY) == []
    assert used_of(hub, "bolts", START, START + DAY) == []
    with looking(hub) as world:
        must_hold(world)


def test_what_is_undone_later_stands_in_a_later_statement(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 5, document="R", owner="acme")
    consume(hub, Goods("BOLT", "paris", "acme"), 2, document="U")
    advance(hub, DAY.total_seconds())
    undo(hub, "U")
    assert used_of(hub, "acme", START, START + DAY) == [Used("BOLT", "paris", "", "consumed", 2)]
    assert used_of(hub, "acme", START + DAY, START + 2 * DAY) == [Used("BOLT", "paris", "", "consumed", -2)]
    assert used_of(hub, "acme", START, START + 2 * DAY) == []


def test_units_are_consumed_once_and_never_more_than_lie_there(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    assert [consume(hub, Goods("BOLT", "lyon"), 2, document="U") for _ in range(2)] == [True, False]
    assert ledger(hub, "consumption:U") == [("consumed", -2)]
    with pytest.raises(MovementError, match="0 sellable units lie there"):
        consume(hub, Goods("BOLT", "lyon"), 1, document="U2")
    assert shelf(hub, "BOLT", "lyon") == {}


def test_damage_and_loss_name_whose_units_in_which_condition(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    receive(hub, "BOLT", "paris", 4, document="R", owner="acme", condition=Condition.QUALITY_CONTROL)
    assert receive(hub, "BOLT", "paris", 1, document="R", owner="acme"), "one document brings both"
    for reason in (AdjustmentReason.LOST, AdjustmentReason.DAMAGED):
        adjust(
            hub, "BOLT", "paris", -1, reason=reason, document=reason, owner="acme", condition=Condition.QUALITY_CONTROL
        )
    assert shelf(hub, "BOLT", "paris") == {
        ("us", "sellable", ""): 5,
        ("acme", "sellable", ""): 1,
        ("acme", "quality_control", ""): 2,
    }


# -- assembly ------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R37")
def test_what_is_assembled_takes_all_its_parts_and_is_kept_as_goods(both: Database) -> None:
    hub = with_a_recipe(both)
    assert [assemble(hub, Goods("BENCH", "paris"), 2, document="A") for _ in range(2)] == [True, False]
    assert ledger(hub, "assembly:A") == [("assembled", -4), ("assembled", -6), ("assembled", 2)]
    assert [shelf(hub, sku, "paris") for sku in ("BOLT", "NUT", "BENCH")] == [
        {("us", "sellable", ""): 1},
        {("us", "sellable", ""): 2},
        {("us", "sellable", ""): 2},
    ]
    hear(hub, "shop", order_of(an_order("1", {"BENCH": 2})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (2, 2, 0)}
        must_hold(world)


@pytest.mark.requirement("R37")
def test_an_assembly_takes_no_part_that_is_promised_and_no_part_at_all_where_one_is_missing(both: Database) -> None:
    hub = with_a_recipe(both)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    before = movements(hub)
    with pytest.raises(MovementError, match=r"^not enough at 'paris' that nobody has claimed: 1 of 2 'BOLT'$"):
        assemble(hub, Goods("BENCH", "paris"), 1, document="A")
    with pytest.raises(MovementError, match=r"^not enough at 'lyon' that nobody has claimed: 0 of 3 'NUT'$"):
        assemble(hub, Goods("BENCH", "lyon"), 1, document="A")
    assert movements(hub) == before


def test_what_is_assembled_serves_who_waits_for_it(filled: Database) -> None:
    hub = with_a_recipe(filled)
    hear(hub, "shop", order_of(an_order("1", {"BENCH": 1})))
    assemble(hub, Goods("BENCH", "paris"), 1, document="A")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 1}


def test_taking_apart_gives_the_parts_of_what_nobody_claims(both: Database) -> None:
    hub = with_a_recipe(both)
    assemble(hub, Goods("BENCH", "paris"), 2, document="A")
    hear(hub, "shop", order_of(an_order("1", {"BENCH": 1})))
    with pytest.raises(MovementError, match=r"^not enough at 'paris' that nobody has claimed: 1 of 2 'BENCH'$"):
        disassemble(hub, Goods("BENCH", "paris"), 2, document="B")
    assert [disassemble(hub, Goods("BENCH", "paris"), 1, document="B") for _ in range(2)] == [True, False]
    assert ledger(hub, "disassembly:B") == [("disassembled", -1), ("disassembled", 2), ("disassembled", 3)]
    assert shelf(hub, "BOLT", "paris") == {("us", "sellable", ""): 3}
    with looking(hub) as world:
        must_hold(world)


@pytest.mark.parametrize(
    ("sku", "sentence"),
    [
        ("PAIR", "'PAIR' is a kit and is sold as its parts: only an item with a recipe is assembled"),
        ("BOLT", "'BOLT' has no recipe: only an item with a recipe is assembled"),
    ],
)
def test_only_an_item_with_a_recipe_is_assembled(filled: Database, sku: str, sentence: str) -> None:
    hub = with_a_recipe(filled)
    for make in (assemble, disassemble):
        with pytest.raises(MovementError, match=f"^{sentence}$"):
            make(hub, Goods(sku, "paris"), 1, document="A")
    assert movements(hub) == 3


@pytest.mark.requirement("R37")
def test_a_kit_holds_no_stock_of_its_own(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(GoodsError, match=r"^'PAIR' is a kit and has no stock of its own: name its parts$"):
        receive(hub, "PAIR", "paris", 1, document="D")
    assert movements(hub) == 3


@pytest.mark.parametrize(
    ("owner", "document", "lot", "sentence"),
    [
        ("a\udcffb", "D", "", "'a\\udcffb' names no owner: use letters, digits, '.', '-' and '_'"),
        ("", "D", "", "'' names no owner: use letters, digits, '.', '-' and '_'"),
        ("us", " ", "", "the document needs a name of 1 to 255 printable characters"),
        ("us", "D\x00", "", "the document needs a name of 1 to 255 printable characters"),
        ("us", "D" * 256, "", "the document needs a name of 1 to 255 printable characters"),
        ("us", "D", "L\udcff", "the lot needs a name of 1 to 255 printable characters"),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused(
    filled: Database, owner: str, document: str, lot: str, sentence: str
) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(UnusableNameError) as refused:
        consume(hub, Goods("BOLT", "paris", owner, lot=lot), 1, document=document)
    assert str(refused.value) == sentence
    if document == "D":
        with pytest.raises(UnusableNameError):
            receive(hub, "BOLT", "paris", 1, document=document, owner=owner, lot=lot)
    assert movements(hub) == 3
