"""Cycle counts: counted while sales go on, booked as of the moment of counting."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.inventory.counts import CountLimits
from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry
from nervure.operations.counts import (
    CountRefusedError,
    Entered,
    UnknownCountError,
    cancel,
    close,
    confirm,
    enter,
    open_count,
    show,
)
from nervure.operations.hub import Hub
from nervure.operations.staff import UnknownStockError
from nervure.store.cycle_counts import COUNT, LINE
from nervure.store.database import Database
from nervure.store.statements import MOVEMENT, OBSERVATION
from schemas.stock import AdjustmentReason, Condition, MovementKind
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub, tasks
from tests.nervure.world import START, World, a_till_sale, an_order, at, at_once, fresh_sqlite, must_hold


def counting(database: Database, **limits: object) -> Hub:
    """The merchant of `tests.nervure.world`, at minute 60: 5 BOLT and 8 NUT in paris, 2 BOLT in lyon."""
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})
    hub.count_limits = CountLimits(**limits)  # type: ignore[arg-type]  # as the limits take them
    advance(hub, 3600)
    return hub


def written(hub: Hub) -> tuple[int, int, int, int]:
    """How much there is of what a count writes."""
    with looking(hub) as world:
        return (world.rows(COUNT), world.rows(LINE), world.rows(OBSERVATION), world.rows(MOVEMENT))


def found(hub: Hub, name: str = "C-1") -> list[tuple[str, int | None, int | None, str]]:
    """The lines of a count: sku, units, difference, state."""
    return [(view.line.sku, view.line.units, view.difference, view.state) for view in show(hub, name)[1]]


def sell(hub: Hub, number: str, minute: float, units: int = 1) -> None:
    sale = a_till_sale(number, {"BOLT": units}, "counter", channel="till", minute=minute)
    hear(hub, "till", order_of(sale.model_copy(update={"placed_at": at(minute)})))


def test_a_count_books_the_difference_at_the_moment_of_counting(both: Database) -> None:
    hub = counting(both)
    assert open_count(hub, "C-1", "paris", ["BOLT", "NUT"]) == 2
    assert found(hub) == [("BOLT", None, None, "to count"), ("NUT", None, None, "to count")]
    assert enter(hub, "C-1", Entered("BOLT", 4, at(30), by="Ana"))
    assert enter(hub, "C-1", Entered("NUT", 8, at(31), by="Ana"))
    assert found(hub) == [("BOLT", 4, -1, "entered"), ("NUT", 8, 0, "entered")]
    assert [view.line.sku for view in confirm(hub, "C-1", "Ana")] == ["BOLT", "NUT"]
    with looking(hub) as world:
        rows = world.connection.execute(MOVEMENT.select().where(MOVEMENT.c.document == "count:C-1")).all()
        assert [(row.kind, row.units, row.reason, row.occurred_at) for row in rows] == [
            ("adjusted", -1, "cycle_count", at(30))
        ]
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (4, 8)
        must_hold(world)
    close(hub, "C-1")
    assert show(hub, "C-1")[0].state == "closed"


@pytest.mark.requirement("R03")
def test_sales_before_the_moment_are_compensated_and_sales_after_it_are_not(both: Database) -> None:
    hub = counting(both)
    open_count(hub, "C-1", "lyon", ["BOLT"])
    sell(hub, "after", 35)
    enter(hub, "C-1", Entered("BOLT", 2, at(30), by="Ana"))
    assert found(hub) == [("BOLT", 2, 0, "entered")], "what was sold later lay there"
    enter(hub, "C-1", Entered("BOLT", 1, at(30), by="Ana"))
    confirm(hub, "C-1", "Ana")
    sell(hub, "before", 20)
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [
            ("received", 2),
            ("sold", -1),
            ("adjusted", -1),
            ("sold", -1),
            ("adjusted", 1),
        ]
        assert world.on_hand("BOLT", "lyon") == 0
        must_hold(world)


@pytest.mark.requirement("R03")
def test_a_ticket_of_two_items_that_were_both_counted_is_taken_back_of_each_by_its_own_units(both: Database) -> None:
    hub = counting(both)
    open_count(hub, "C-1", "lyon", ["BOLT", "NUT"])
    enter(hub, "C-1", Entered("BOLT", 1, at(30), by="Ana"))
    enter(hub, "C-1", Entered("NUT", 4, at(31), by="Ana"))
    confirm(hub, "C-1", "Ana")
    ticket = a_till_sale("before", {"BOLT": 1, "NUT": 3}, "counter", channel="till", minute=20)
    hear(hub, "till", order_of(ticket.model_copy(update={"placed_at": at(20)})))
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.on_hand("NUT", "lyon")) == (1, 4), "as they were counted"
        must_hold(world)


def test_a_sale_heard_between_entering_and_confirming_is_part_of_what_was_expected(filled: Database) -> None:
    hub = counting(filled)
    open_count(hub, "C-1", "lyon", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 1, at(30), by="Ana"))
    assert found(hub) == [("BOLT", 1, -1, "entered")]
    sell(hub, "before", 20)
    assert found(hub) == [("BOLT", 1, 0, "entered")]
    confirm(hub, "C-1", "Ana")
    with looking(hub) as world:
        assert world.movements("BOLT", "lyon") == [("received", 2), ("sold", -1)]


def test_a_large_difference_needs_somebody_else_than_who_counted(both: Database) -> None:
    hub = counting(both, units=2)
    open_count(hub, "C-1", "paris", ["BOLT", "NUT"])
    enter(hub, "C-1", Entered("BOLT", 2, at(30), by="Ana"))
    enter(hub, "C-1", Entered("NUT", 6, at(30), by="Ana"))
    assert found(hub) == [("BOLT", 2, -3, "second person"), ("NUT", 6, -2, "entered")]
    assert [view.line.sku for view in confirm(hub, "C-1", "ana ")] == ["NUT"]
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "paris"), world.on_hand("NUT", "paris")) == (5, 6)
    with pytest.raises(CountRefusedError, match=r"^count 'C-1' has 1 entered lines that nobody confirmed$"):
        close(hub, "C-1")
    assert [view.line.sku for view in confirm(hub, "C-1", "Bo")] == ["BOLT"]
    assert confirm(hub, "C-1", "Bo") == []
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 2
    close(hub, "C-1")


def test_who_counted_must_be_known_where_two_persons_are_needed(filled: Database) -> None:
    hub = counting(filled, units=0)
    open_count(hub, "C-1", "paris", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 4, at(30)))
    assert confirm(hub, "C-1", "Bo") == []
    assert enter(hub, "C-1", Entered("BOLT", 4, at(30), by="Ana"))
    assert [view.difference for view in confirm(hub, "C-1", "Bo")] == [-1]


@pytest.mark.parametrize(
    ("limits", "difference", "expected", "cost", "needs"),
    [
        (CountLimits(), -5, 100, None, False),
        (CountLimits(), 6, 100, None, True),
        (CountLimits(units=None), 1_000, 1, None, False),
        (CountLimits(units=None, share=0.1), 10, 100, None, False),
        (CountLimits(units=None, share=0.1), -11, 100, None, True),
        (CountLimits(units=None, share=0.1), 1, 0, None, True),
        (CountLimits(units=None, share=0.1), 0, 0, None, False),
        (CountLimits(units=None, value=Decimal(50)), -2, 10, Decimal("25.00"), False),
        (CountLimits(units=None, value=Decimal(50)), -2, 10, Decimal("25.01"), True),
        (CountLimits(units=None, value=Decimal(50)), -999, 10, None, False),
        (CountLimits(units=0), 0, 10, None, False),
    ],
)
def test_the_limits_of_one_persons_count(
    limits: CountLimits, difference: int, expected: int, cost: Decimal | None, needs: bool
) -> None:
    assert limits.are_passed(difference, expected, cost) is needs


def test_a_recount_replaces_the_entry_the_same_entry_changes_nothing_and_what_is_booked_is_counted_anew(
    both: Database,
) -> None:
    hub = counting(both)
    open_count(hub, "C-1", "paris", ["BOLT"])
    assert enter(hub, "C-1", Entered("BOLT", 3, at(30), by="Ana"))
    assert not enter(hub, "C-1", Entered("BOLT", 3, at(30), by="Ana"))
    assert not enter(hub, "C-1", Entered("BOLT", 3, by="Ana"))
    assert enter(hub, "C-1", Entered("BOLT", 4, at(31), by="Bo"))
    assert found(hub) == [("BOLT", 4, -1, "entered")]
    confirm(hub, "C-1", "Bo")
    assert not enter(hub, "C-1", Entered("BOLT", 4, at(31), by="Bo"))
    assert enter(hub, "C-1", Entered("BOLT", 6, at(40), by="Bo", reason=AdjustmentReason.FOUND))
    assert found(hub) == [("BOLT", 4, -1, "booked"), ("BOLT", 6, 2, "entered")]
    confirm(hub, "C-1", "Bo")
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5), ("adjusted", -1), ("adjusted", 2)]
        reasons = world.connection.execute(MOVEMENT.select().where(MOVEMENT.c.document == "count:C-1")).all()
        assert [row.reason for row in reasons] == ["cycle_count", "found"]


def test_two_rounds_counted_at_one_instant_are_settled_by_the_later(filled: Database) -> None:
    hub = counting(filled)
    open_count(hub, "C-1", "paris", ["BOLT"])
    for units in (3, 7):
        enter(hub, "C-1", Entered("BOLT", units, at(30), by="Ana"))
        confirm(hub, "C-1", "Ana")
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5), ("adjusted", -2), ("adjusted", 4)]


def test_a_canceled_count_books_nothing_more_and_cannot_be_entered(filled: Database) -> None:
    hub = counting(filled)
    open_count(hub, "C-1", "paris", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 3, at(30), by="Ana"))
    cancel(hub, "C-1")
    before = written(hub)
    for work in (
        lambda: enter(hub, "C-1", Entered("BOLT", 4, at(30))),
        lambda: confirm(hub, "C-1", "Bo"),
        lambda: close(hub, "C-1"),
        lambda: cancel(hub, "C-1"),
    ):
        with pytest.raises(CountRefusedError, match=r"^count 'C-1' is canceled$"):
            work()
    assert written(hub) == before
    with looking(hub) as world:
        assert world.on_hand("BOLT", "paris") == 5


REFUSED: dict[str, tuple[Callable[[Hub], object], str]] = {
    "no such location": (lambda hub: open_count(hub, "C-2", "rome", ["BOLT"]), "location 'rome' is not known"),
    "no such sku": (lambda hub: open_count(hub, "C-2", "paris", ["GHOST"]), "sku 'GHOST' is not known"),
    "a kit": (
        lambda hub: open_count(hub, "C-2", "paris", ["PAIR"]),
        "'PAIR' is a kit and has no stock of its own: count its parts",
    ),
    "a name twice": (lambda hub: open_count(hub, "C-1", "lyon", ["BOLT"]), "there is a count 'C-1' already"),
    "no name": (lambda hub: open_count(hub, " ", "lyon", ["BOLT"]), "a count needs a name, without '|'"),
    "nothing": (
        lambda hub: open_count(hub, "C-2", "lyon", []),
        "a count is of some skus, or of everything: name skus, or say --all",
    ),
    "another master": (
        lambda hub: open_count(hub, "C-2", "acme", ["BOLT"]),
        "location 'acme' is counted by 'acme', its master: count there",
    ),
    "no such count": (lambda hub: enter(hub, "C-9", Entered("BOLT", 1)), "there is no count 'C-9'"),
    "not in the count": (lambda hub: enter(hub, "C-1", Entered("NUT", 1)), "'NUT' is not in count 'C-1'"),
    "less than nothing": (lambda hub: enter(hub, "C-1", Entered("BOLT", -1)), "'BOLT': nobody counts -1 units"),
    "a reason of something else": (
        lambda hub: enter(hub, "C-1", Entered("BOLT", 1, reason=AdjustmentReason.EXPIRED)),
        "expired is no reason of a count; there are: cycle_count, damaged, found, lost",
    ),
    "more is not lost": (
        lambda hub: enter(hub, "C-1", Entered("BOLT", 7, at(30), reason=AdjustmentReason.LOST)),
        "2 more of 'BOLT' than expected are not lost",
    ),
    "less is not found": (
        lambda hub: enter(hub, "C-1", Entered("BOLT", 4, at(30), reason=AdjustmentReason.FOUND)),
        "1 less of 'BOLT' than expected are not found",
    ),
    "later than now": (
        lambda hub: enter(hub, "C-1", Entered("BOLT", 4, at(61))),
        "'BOLT' cannot have been counted at 2026-03-02 10:01 UTC yet",
    ),
    "nobody confirms": (
        lambda hub: confirm(hub, "C-1", " "),
        "a count is confirmed by somebody: name the person with --by",
    ),
    "no such count to confirm": (lambda hub: confirm(hub, "C-9", "Bo"), "there is no count 'C-9'"),
    "no such count to show": (lambda hub: show(hub, "C-9"), "there is no count 'C-9'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_counted_is_refused_with_a_sentence_and_nothing_is_written(filled: Database, what: str) -> None:
    hub = counting(filled)
    with filled.write() as connection:
        World(connection).location("acme", master="acme")
    open_count(hub, "C-1", "paris", ["BOLT"])
    before = written(hub)
    work, sentence = REFUSED[what]
    with pytest.raises((CountRefusedError, UnknownCountError, UnknownStockError)) as refused:
        work(hub)
    assert (str(refused.value), written(hub)) == (sentence, before)


def test_a_place_that_got_another_master_meanwhile_is_not_booked(filled: Database) -> None:
    hub = counting(filled)
    open_count(hub, "C-1", "lyon", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 1, at(30), by="Ana"))
    with filled.write() as connection:
        World(connection).location("lyon", master="till")
    before = written(hub)
    with pytest.raises(CountRefusedError, match="is counted by 'till'"):
        confirm(hub, "C-1", "Bo")
    assert written(hub) == before


def test_everything_at_a_place_is_counted_and_what_nobody_expected_there_can_be_entered(filled: Database) -> None:
    hub = counting(filled)
    assert open_count(hub, "C-1", "lyon", [], is_everything=True) == 1
    assert enter(hub, "C-1", Entered("NUT", 2, at(30), by="Ana"))
    assert found(hub) == [("BOLT", None, None, "to count"), ("NUT", 2, 2, "entered")]
    confirm(hub, "C-1", "Ana")
    with looking(hub) as world:
        assert (world.on_hand("BOLT", "lyon"), world.on_hand("NUT", "lyon")) == (2, 2), "not counted is not 0"


def test_units_of_several_owners_and_lots_are_counted_each_for_itself(both: Database) -> None:
    hub = counting(both)
    with both.write() as connection:
        world = World(connection)
        world.receive("BOLT", "paris", 4, owner="acme")
        world.receive("NUT", "lyon", 3, lot="L1")
    assert open_count(hub, "C-1", "paris", ["BOLT"]) == 2
    before = written(hub)
    with pytest.raises(CountRefusedError) as refused:
        enter(hub, "C-1", Entered("BOLT", 9, at(30)))
    assert str(refused.value) == (
        "'BOLT' at 'paris' is of several owners or lots: say which with --owner and --lot:"
        " owner 'us' lot '', owner 'acme' lot ''"
    )
    assert written(hub) == before
    enter(hub, "C-1", Entered("BOLT", 3, at(30), owner="acme"))
    confirm(hub, "C-1", "Ana")
    with looking(hub) as world:
        assert world.level_units("BOLT", "paris") == {("us", "sellable", ""): 5, ("acme", "sellable", ""): 3}
    open_count(hub, "C-2", "lyon", ["NUT"])
    enter(hub, "C-2", Entered("NUT", 2, at(30)))
    confirm(hub, "C-2", "Ana")
    with looking(hub) as world:
        assert world.level_units("NUT", "lyon") == {("us", "sellable", "L1"): 2}
        must_hold(world)


def test_damaged_units_are_counted_apart_and_a_late_movement_of_them_is_compensated(filled: Database) -> None:
    hub = counting(filled)
    open_count(hub, "C-1", "paris", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 2, at(30), by="Ana", condition=Condition.DAMAGED))
    confirm(hub, "C-1", "Ana")

    def late(connection: object) -> None:
        world = World(connection, hub.clock.now())  # type: ignore[arg-type]  # run hands a connection in
        for condition in (Condition.DAMAGED, Condition.SELLABLE):
            place = world.place("BOLT", "paris")
            book(world.stock, [Entry(place, MovementKind.RETURNED, 1, f"r {condition}", at(20), condition=condition)])

    filled.run(late)
    with looking(hub) as world:
        assert world.level_units("BOLT", "paris") == {("us", "sellable", ""): 6, ("us", "damaged", ""): 2}


@pytest.mark.requirement("R02")
def test_units_set_aside_lie_there_and_are_counted_until_they_leave(both: Database) -> None:
    """Paris has 5, of which 3 are picked for an order: 5 are counted while the parcel stands there, 2 once it left."""
    hub = counting(both)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 3})))
    advance(hub, 600)
    open_count(hub, "C-1", "paris", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 5, at(65), by="Ana"))
    assert found(hub) == [("BOLT", 5, 0, "entered")]
    enter(hub, "C-1", Entered("BOLT", 2, at(68), by="Ana"))
    with both.write() as connection:
        World(connection, hub.clock.now()).ship_all("1", minute=67)
    assert found(hub) == [("BOLT", 2, 0, "entered")], "the parcel had left before"


def test_a_count_below_what_is_promised_moves_the_promise(filled: Database) -> None:
    hub = counting(filled)
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 4})))
    open_count(hub, "C-1", "paris", ["BOLT"])
    enter(hub, "C-1", Entered("BOLT", 2, by="Ana"))
    confirm(hub, "C-1", "Ana")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "paris", "allocated"): 2, ("1-1", "lyon", "allocated"): 2}
        must_hold(world)
    assert [task.kind for task in tasks(hub)] == ["oversold"]


@pytest.mark.postgresql
def test_two_persons_who_confirm_at_once_book_once(postgresql: Database) -> None:
    fill(postgresql)
    hub = counting(postgresql, units=0)
    open_count(hub, "C-1", "paris", ["BOLT", "NUT"])
    enter(hub, "C-1", Entered("BOLT", 1, at(30), by="Ana"))
    enter(hub, "C-1", Entered("NUT", 9, at(30), by="Ana"))
    results = at_once([lambda by=by: len(confirm(hub, "C-1", by)) for by in ("Bo", "Cy") * 4])  # type: ignore[misc]  # a default binds the loop's name
    assert sorted(map(str, results)) == ["0"] * 7 + ["2"]
    with looking(hub) as world:
        assert world.movements("BOLT", "paris") == [("received", 5), ("adjusted", -4)]
        assert world.movements("NUT", "paris") == [("received", 8), ("adjusted", 1)]
        must_hold(world)


@pytest.mark.postgresql
@pytest.mark.requirement("R03")
def test_counting_while_two_hundred_sales_go_on_ends_at_what_was_counted_less_later_sales(postgresql: Database) -> None:
    fill(postgresql)
    with postgresql.write() as connection:
        World(connection).receive("BOLT", "lyon", 498)
    hub = counting(postgresql, units=None)
    open_count(hub, "C-1", "lyon", ["BOLT"])
    # 200 sales, one each six seconds from minute 10 on, heard by four threads in no order. At minute 20 somebody
    # counts: 101 were sold until then, and 3 more are missing.
    sales = [10 + number / 10 for number in range(200)]
    before = sum(minute <= 20 for minute in sales)
    counted = 500 - before - 3

    def sells(start: int) -> Callable[[], None]:
        def work() -> None:
            for number in range(start, 200, 4):
                position = (number * 77) % 200
                postgresql.run(
                    lambda connection, position=position: World(connection, hub.clock.now()).move(  # type: ignore[misc]  # as above
                        "BOLT", "lyon", -1, MovementKind.SOLD, cause=f"sale {position}", minute=sales[position]
                    )
                )

        return work

    def counts() -> None:
        enter(hub, "C-1", Entered("BOLT", counted, at(20), by="Ana"))
        confirm(hub, "C-1", "Ana")

    results = at_once([*(sells(start) for start in range(4)), counts])
    assert results == [None] * 5
    with looking(hub) as world:
        assert world.on_hand("BOLT", "lyon") == counted - (200 - before)
        must_hold(world)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sale"), st.integers(1, 50), st.integers(1, 3)),
        st.tuples(st.just("enter"), st.integers(1, 50), st.integers(0, 9)),
        st.tuples(st.just("confirm"), st.sampled_from([1, 2]), st.just(0)),
    ),
    max_size=14,
)


@given(STEPS)
def test_any_interleaving_of_sales_entries_and_confirmations_ends_where_a_model_does(
    steps: list[tuple[str, int, int]],
) -> None:
    with fresh_sqlite() as database:
        with database.write() as connection:
            world = World(connection, START)
            world.items("BOLT")
            world.location("store")
            world.receive("BOLT", "store", 5)
        hub = scripted_hub(database, {})
        hub.count_limits = CountLimits(units=2)
        advance(hub, 3600)
        open_count(hub, "C-1", "store", ["BOLT"])
        sold: list[tuple[int, int]] = []
        booked: list[tuple[int, int, int]] = []
        waiting: tuple[int, int] | None = None
        last: tuple[int, int] | None = None

        def until(minute: int, round_: int) -> int:
            """Units there at a minute, by what is known; a count says how many there are then."""
            units = 5
            happened = [(m, 0, 0, n) for m, n in sold] + [(m, 1, r, n) for m, r, n in booked]
            for when, is_count, turn, number in sorted(happened):
                if (when, is_count, turn) > (minute, 1, round_):
                    break
                units = number if is_count else units - number
            return units

        for number, (what, minute, units) in enumerate(steps):
            if what == "sale":
                sold.append((minute, units))
                database.run(
                    lambda c, n=number, m=minute, u=units: World(c, hub.clock.now()).move(  # type: ignore[misc]  # as above
                        "BOLT", "store", -u, MovementKind.SOLD, cause=f"sale {n}", minute=m
                    )
                )
            elif what == "enter":
                is_new = (minute, units) != (waiting or last)
                assert enter(hub, "C-1", Entered("BOLT", units, at(minute), by="1")) is is_new
                if is_new:
                    waiting = (minute, units)
            else:
                done = confirm(hub, "C-1", str(minute))
                if waiting is None:
                    assert done == []
                    continue
                difference = waiting[1] - until(waiting[0], len(booked) + 1)
                if abs(difference) > 2 and minute == 1:
                    assert done == []
                    continue
                assert [view.difference for view in done] == [difference]
                booked.append((waiting[0], len(booked) + 1, waiting[1]))
                last, waiting = waiting, None
        with database.read() as connection:
            world = World(connection, at(60))
            assert world.on_hand("BOLT", "store") == until(99, 99)
            must_hold(world, oversold=[("BOLT", "store")] if world.claimable("BOLT", "store") < 0 else [])
