"""What is expected, what comes in, and what never does."""

from datetime import date
from pathlib import Path

import pytest

from nervure.inventory.purchases import Receipt, Said
from nervure.operations.hub import Hub
from nervure.operations.incoming import incoming
from nervure.operations.purchases import ExpectedLine, Missing, PurchaseError, close, expect, read_expected, receive
from nervure.operations.staff import RepeatError, UnknownStockError, book_receipt
from nervure.operations.staff import receive as receive_plainly
from nervure.store.database import Database
from nervure.store.purchases import PURCHASE, PURCHASE_LINE, PURCHASE_RECEIPT
from nervure.store.statements import MOVEMENT
from schemas.stock import AdjustmentReason, Condition, MovementKind
from tests.nervure.operations.scripted import ScriptedShop, hear, looking, order_of, scripted_hub, tasks
from tests.nervure.world import World, an_order, must_hold

MARCH_9, MARCH_20 = date(2026, 3, 9), date(2026, 3, 20)


@pytest.fixture
def hub(both: Database) -> Hub:
    return scripted_hub(both, {"shop": ScriptedShop()})


@pytest.fixture
def small(filled: Database) -> Hub:
    """The same on SQLite alone, for what is refused before a database has its say."""
    return scripted_hub(filled, {"shop": ScriptedShop()})


def line(units: int = 10, sku: str = "BOLT", location: str = "paris", on: date = MARCH_9) -> ExpectedLine:
    return ExpectedLine(sku, location, units, on)


def comes_in(hub: Hub, document: str, units: int, purchase: str = "PO-7", sku: str = "BOLT") -> tuple[int, int] | None:
    """Receives BOLT in paris; answers units over what was expected, and units received so far."""
    counted = receive(hub, Receipt(document, sku, "paris", units), purchase)
    return None if counted is None else (counted.over, counted.line.units_received)


def to_come(hub: Hub) -> list[tuple[str, str, int]]:
    return [(one.document, f"{one.sku} {one.location}", one.units) for one in incoming(hub)]


@pytest.mark.requirement("R02")
def test_what_is_expected_is_incoming_and_never_on_hand(hub: Hub) -> None:
    assert expect(hub, "PO-7", [line(), line(4, "NUT", "lyon", MARCH_20)], supplier="acme") == {Said.NEW: 2}
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 10), ("purchase:PO-7", "NUT lyon", 4)]
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "lyon")) == (5, 0)
        must_hold(world)


def test_a_purchase_grows_line_by_line_and_the_same_line_again_changes_nothing(hub: Hub) -> None:
    assert expect(hub, "PO-7", [line()], supplier="acme") == {Said.NEW: 1}
    assert expect(hub, "PO-7", [line()]) == {Said.KNOWN: 1}
    assert expect(hub, "PO-7", [line(), line(4, "NUT")]) == {Said.KNOWN: 1, Said.NEW: 1}
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 10), ("purchase:PO-7", "NUT paris", 4)]


def test_goods_come_in_parts_and_each_note_counts_once(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    assert [comes_in(hub, note, units) for note, units in [("N1", 4), ("N1", 4), ("N2", 3), ("N1", 4)]] == [
        (0, 4),
        None,
        (0, 7),
        None,
    ]
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 3)]
    assert comes_in(hub, "N3", 3) == (0, 10)
    assert (to_come(hub), tasks(hub)) == ([], [])
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", units) for units in (5, 4, 3, 3)]
        must_hold(world)


def test_more_than_was_expected_is_booked_and_somebody_is_told(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    assert comes_in(hub, "N1", 8) == (0, 8)
    assert comes_in(hub, "N2", 3) == (1, 11)
    assert comes_in(hub, "N3", 2) == (2, 13)
    [task] = tasks(hub)
    assert (task.kind, task.about, task.text) == (
        "over_receipt",
        "purchase PO-7, BOLT at paris",
        "13 units came in, 10 were expected",
    )
    assert to_come(hub) == []
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 18
    assert expect(hub, "PO-7", [line(13)], revise=True) == {Said.REVISED: 1}
    assert tasks(hub) == [], "once as much is expected there is nothing to look at"


def test_goods_that_nobody_ordered_are_booked_and_somebody_is_told(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    assert comes_in(hub, "N1", 2, sku="NUT") == (2, 2)
    assert [task.text for task in tasks(hub)] == ["2 units came in, 0 were expected"]
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 10)]
    assert expect(hub, "PO-7", [line(5, "NUT")]) == {Said.NEW: 1}, "the first word on them is no revision"
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 10), ("purchase:PO-7", "NUT paris", 3)]
    assert tasks(hub) == []


def test_a_closed_purchase_expects_nothing_any_more(hub: Hub) -> None:
    expect(hub, "PO-7", [line(), line(4, "NUT")])
    comes_in(hub, "N1", 6)
    comes_in(hub, "N2", 4, sku="NUT")
    assert close(hub, "PO-7") == [Missing("BOLT", "paris", 4)]
    assert close(hub, "PO-7") is None
    assert to_come(hub) == []
    assert comes_in(hub, "N3", 1) == (1, 7), "what comes after all is there"
    assert [task.text for task in tasks(hub)] == ["7 units came in, 10 were expected, and it is closed"]
    assert to_come(hub) == []
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 12
    assert expect(hub, "PO-7", [line()]) == {Said.KNOWN: 1}, "what was said is heard again"
    assert len(tasks(hub)) == 1, "and closes no task"
    with pytest.raises(PurchaseError, match=r"^purchase 'PO-7' is closed: expect 'BOLT' with another one$"):
        expect(hub, "PO-7", [line(11)], revise=True)


def test_goods_in_serve_who_waits(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9})))
    expect(hub, "PO-7", [line()])
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (9, 7, 2)}
    comes_in(hub, "N1", 5)
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (9, 9, 0)}
        must_hold(world)


def test_a_note_may_bring_one_item_in_several_conditions_and_lots(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    came = [
        Receipt("N1", "BOLT", "paris", 6),
        Receipt("N1", "BOLT", "paris", 1, Condition.DAMAGED),
        Receipt("N1", "BOLT", "paris", 2, lot="L1"),
    ]
    for receipt in came + came:
        receive(hub, receipt, "PO-7")
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 1)]
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 13, "what is damaged cannot be sold"
        assert sum(units for _, units in world.movements("BOLT", "paris")) == 14
        must_hold(world)


def test_a_note_is_one_note_with_and_without_a_purchase(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    assert receive_plainly(hub, "BOLT", "paris", 4, document="N1")
    assert comes_in(hub, "N1", 4) is None
    assert not book_receipt(hub, Receipt("N1", "BOLT", "paris", 4))
    assert comes_in(hub, "N2", 1) == (0, 1)
    assert not receive_plainly(hub, "BOLT", "paris", 1, document="N2")
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 10


def test_the_ledger_names_the_note(hub: Hub) -> None:
    receive_plainly(hub, "BOLT", "paris", 4, document="N1")
    with looking(hub) as world:
        documents = world.connection.execute(MOVEMENT.select().where(MOVEMENT.c.units == 4)).all()
    assert [row.document for row in documents] == ["receipt:N1"]


def compensated(hub: Hub, cause: str) -> None:
    """The ledger compensates the receipt N1 of 4, for this cause."""
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        [row] = connection.execute(MOVEMENT.select().where(MOVEMENT.c.document == "receipt:N1"))
        world.move("BOLT", "paris", -4, MovementKind.ADJUSTED, cause=cause, reason=AdjustmentReason.CORRECTION)
        connection.execute(MOVEMENT.update().where(MOVEMENT.c.cause_key == cause).values(compensates_id=row.id))


def test_a_receipt_that_names_other_units_than_it_did_is_refused(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    assert comes_in(hub, "N1", 4) == (0, 4)
    with pytest.raises(RepeatError, match=r"^'receipt:N1' was booked before with 4 units, not with 5: give this one"):
        comes_in(hub, "N1", 5)
    assert comes_in(hub, "N1", 4) is None


def test_a_receipt_that_the_ledger_takes_back_is_expected_again(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    comes_in(hub, "N1", 4)
    comes_in(hub, "N2", 3)
    compensated(hub, "hub|N1|BOLT|paris|undone")
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 7)]


@pytest.mark.parametrize("cause", ["hub|N1|BOLT|paris|counted", "hub|N1|BOLT|paris|counted|7"])
def test_a_receipt_that_one_count_or_a_later_one_had_seen_stays_received(hub: Hub, cause: str) -> None:
    expect(hub, "PO-7", [line()])
    comes_in(hub, "N1", 4)
    compensated(hub, cause)
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 6)]


def test_a_receipt_that_a_count_had_seen_has_come_in_all_the_same(hub: Hub) -> None:
    expect(hub, "PO-7", [line()])
    with hub.database.write() as connection:
        World(connection, hub.clock.now()).count("BOLT", "paris", 9, minute=60)
    assert comes_in(hub, "N1", 4) == (0, 4)
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 6)]
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 9


def nothing_written(hub: Hub) -> None:
    with looking(hub) as world:
        assert [world.rows(table) for table in (PURCHASE, PURCHASE_LINE, PURCHASE_RECEIPT)] == [0, 0, 0]
        assert world.rows(MOVEMENT) == 3


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([line(), line(1, "BULT")], "sku 'BULT' is not known"),
        ([line(), line(1, "NUT", "pari")], "location 'pari' is not known"),
        ([line(), line(1, "PAIR")], "'PAIR' is a kit and has no stock of its own: name its parts"),
        ([line(), line()], "'BOLT' at 'paris' is named twice: one line for each"),
    ],
)
def test_lines_that_cannot_be_expected_are_refused_together(
    small: Hub, lines: list[ExpectedLine], sentence: str
) -> None:
    with pytest.raises((PurchaseError, UnknownStockError)) as refused:
        expect(small, "PO-7", lines)
    assert str(refused.value) == sentence
    nothing_written(small)


@pytest.mark.parametrize("name", ["", "  ", "x" * 256])
def test_a_purchase_needs_a_name(small: Hub, name: str) -> None:
    with pytest.raises(PurchaseError, match=r"^a purchase needs a name of at most 255 characters$"):
        expect(small, name, [line()])
    nothing_written(small)


def test_a_purchase_that_is_not_known_takes_no_receipt_and_cannot_be_closed(small: Hub) -> None:
    for attempt in (lambda: comes_in(small, "N1", 4), lambda: close(small, "PO-7")):
        with pytest.raises(PurchaseError, match=r"^purchase 'PO-7' is not known$"):
            attempt()
    nothing_written(small)


def test_another_word_on_a_line_must_be_meant(hub: Hub) -> None:
    expect(hub, "PO-7", [line()], supplier="acme")
    with pytest.raises(
        PurchaseError,
        match=r"^purchase 'PO-7' expects 10 of 'BOLT' at 'paris' on 2026-03-09 already: say --revise to change that$",
    ):
        expect(hub, "PO-7", [line(3, "NUT"), line(on=MARCH_20)])
    with pytest.raises(PurchaseError, match=r"^purchase 'PO-7' is from 'acme', not from 'bolts inc'$"):
        expect(hub, "PO-7", [line(3, "NUT")], supplier="bolts inc")
    assert to_come(hub) == [("purchase:PO-7", "BOLT paris", 10)]
    assert expect(hub, "PO-7", [line(12, on=MARCH_20)], revise=True) == {Said.REVISED: 1}
    assert [(one.units, one.expected_on) for one in incoming(hub)] == [(12, MARCH_20)]


def test_lines_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "po.csv"
    path.write_text("sku,location,units,expected_on\nBOLT,paris,10,\nNUT,lyon,4,2026-03-20\n", "utf-8-sig")
    assert read_expected(path, MARCH_9) == [line(), line(4, "NUT", "lyon", MARCH_20)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sku,units\nBOLT,1\n", "po.csv lacks the column 'location'"),
        ("sku,location,units\n", "po.csv has no line"),
        (
            "sku,location,units,expected_on\nBOLT,paris,1,2026-03-09\nBOLT,lyon,x,\n",
            "po.csv, line 3: 'x' is not a whole number of units above 0",
        ),
        ("sku,location,units\nBOLT,paris,0\n", "po.csv, line 2: '0' is not a whole number of units above 0"),
        ("sku,location,units\nBOLT,paris\n", "po.csv, line 2: '' is not a whole number of units above 0"),
        (
            "sku,location,units,expected_on\nBOLT,paris,1,9.3.26\n",
            "po.csv, line 2: '9.3.26' is not a day like 2026-12-24",
        ),
        ("sku,location,units\nBOLT,paris,1\n", "po.csv, line 2: needs a day: in the column expected_on, or with --on"),
    ],
)
def test_a_file_with_a_fault_is_refused_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "po.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(PurchaseError) as refused:
        read_expected(path, None)
    assert str(refused.value) == sentence


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "po.csv"
    path.write_bytes(b"sku,location,units\n\xff,paris,1\n")
    with pytest.raises(PurchaseError, match=r"^po\.csv cannot be read: "):
        read_expected(path, None)
