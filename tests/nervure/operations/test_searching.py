"""What an order lacks is looked for where it was last: counts that the hub asks for, and what they find."""

from collections.abc import Sequence
from functools import partial

import pytest
import sqlalchemy as sa

from nervure.operations import giving_up
from nervure.operations.counts import Entered, cancel, confirm, enter, open_count, show
from nervure.operations.hub import Hub, Search
from nervure.operations.searching import search
from nervure.operations.staff import adjust
from nervure.store.cycle_counts import COUNT
from nervure.store.database import Database
from nervure.store.tables.catalogue import LOCATION
from schemas.fulfillment import RejectReason
from schemas.stock import AdjustmentReason
from tests.nervure.operations.fake_shops import fill
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub, tasks
from tests.nervure.operations.test_desk import BO, all_holds, ordered
from tests.nervure.world import a_pickup, an_order, at_once

DAY = 86_400.0


def searching(database: Database, *, places: int = 3, days: int = 30) -> Hub:
    """5 BOLT and 8 NUT in paris, 2 BOLT in lyon, where customers collect: so say the records."""
    hub = scripted_hub(database, {"shop": ScriptedShop(), "till": ScriptedShop()})
    hub.search = Search(days, places)
    return hub


def sold_out(hub: Hub, *places: str) -> None:
    for number, place in enumerate(places):
        with looking(hub) as world:
            there = world.on_hand("BOLT", place)
        adjust(hub, "BOLT", place, -there, reason=AdjustmentReason.LOST, document=f"A{number}-{place}")
        advance(hub, 60)


def lacking(hub: Hub, order: str, lines: dict[str, int]) -> None:
    hear(hub, "shop", order_of(an_order(order, lines)))


def counts(hub: Hub) -> list[tuple[str, str, Sequence[str]]]:
    """(name, location, skus) of every count."""
    with looking(hub) as world:
        names = list(world.connection.execute(sa.select(COUNT.c.name).order_by(COUNT.c.id)).scalars())
    shown = [(name, *show(hub, name)) for name in names]
    return [(name, document.location, [view.line.sku for view in views]) for name, document, views in shown]


def short(hub: Hub, order: str = "1") -> int:
    with looking(hub) as world:
        return sum(units for _, _, units in world.lines(order).values())


def test_what_an_order_lacks_is_looked_for_where_it_was_last_and_served_when_it_is_found(both: Database) -> None:
    hub = searching(both)
    sold_out(hub, "lyon", "paris")
    lacking(hub, "1", {"BOLT": 2})
    assert (short(hub), search(hub), search(hub)) == (2, 2, 0)
    [first, second] = counts(hub)
    assert [one[1:] for one in (first, second)] == [("paris", ["BOLT"]), ("lyon", ["BOLT"])]
    assert {task.text for task in tasks(hub) if task.kind == "count"} == {
        "an order lacks it, and by the records nobody has it: look for it: count it and enter what is there with"
        f" `nervure count enter {name}`"
        for name, _, _ in (first, second)
    }
    enter(hub, second[0], Entered("BOLT", 3, by="Ada"))
    confirm(hub, second[0], "Blaise")
    with looking(hub) as world:
        assert world.served("1") == {("1-1", "lyon", "allocated"): 2}
        assert world.open_tasks()["count"] == 2
    assert search(hub) == 0
    all_holds(hub)


def test_nothing_is_looked_for_without_the_setting_or_where_nothing_lacks(both: Database) -> None:
    hub = searching(both)
    lacking(hub, "1", {"BOLT": 7})
    assert (short(hub), search(hub)) == (0, 0)
    lacking(hub, "2", {"BOLT": 1})
    hub.search = None
    assert (short(hub, "2"), search(hub), counts(hub)) == (1, 0, [])


def test_it_is_looked_for_at_so_many_places_and_once_for_each_line(both: Database) -> None:
    hub = searching(both, places=1)
    sold_out(hub, "paris", "lyon")
    lacking(hub, "1", {"BOLT": 2})
    assert search(hub) == 1
    assert [place for _, place, _ in counts(hub)] == ["lyon"], "it moved there last"
    cancel(hub, counts(hub)[0][0])
    assert search(hub) == 0


def test_what_many_lines_lack_is_looked_for_at_no_more_places_than_the_settings_say(both: Database) -> None:
    hub = searching(both, places=1)
    sold_out(hub, "lyon", "paris")
    for order in ("1", "2", "3"):
        lacking(hub, order, {"BOLT": 1})
    assert [search(hub) for _ in range(3)] == [1, 0, 0]
    advance(hub, 60)
    lacking(hub, "4", {"BOLT": 1})
    assert search(hub) == 0
    [(name, _, _)] = counts(hub)
    cancel(hub, name)
    advance(hub, 31 * DAY)
    assert search(hub) == 1


def test_where_it_was_counted_or_is_to_be_counted_nobody_looks_again_for_a_while(both: Database) -> None:
    hub = searching(both)
    sold_out(hub, "paris", "lyon")
    open_count(hub, "C-1", "lyon", ["BOLT"])
    open_count(hub, "C-2", "paris", ["BOLT"])
    enter(hub, "C-2", Entered("BOLT", 0, by="Ada"))
    confirm(hub, "C-2", "Blaise")
    lacking(hub, "1", {"BOLT": 1})
    lacking(hub, "2", {"BOLT": 1})
    assert search(hub) == 0
    advance(hub, 29 * DAY)
    assert search(hub) == 0
    advance(hub, 2 * DAY)
    assert search(hub) == 1
    assert [(place, skus) for _, place, skus in counts(hub)[2:]] == [("paris", ["BOLT"])], "once for both orders"
    assert search(hub) == 0


def test_a_kit_is_looked_for_by_the_parts_that_lack(both: Database) -> None:
    hub = searching(both)
    sold_out(hub, "paris", "lyon")
    lacking(hub, "1", {"PAIR": 1})
    assert search(hub) == 2
    assert [(place, skus) for _, place, skus in counts(hub)] == [("lyon", ["BOLT"]), ("paris", ["BOLT"])]


def test_who_comes_to_fetch_it_comes_to_one_place(both: Database) -> None:
    hub = searching(both)
    sold_out(hub, "paris", "lyon")
    hear(hub, "till", order_of(a_pickup("1", {"BOLT": 1}, "counter", channel="till")))
    assert search(hub) == 1
    assert [place for _, place, _ in counts(hub)] == ["lyon"]


def test_other_masters_count_for_themselves(both: Database) -> None:
    hub = searching(both)
    sold_out(hub, "paris", "lyon")
    with both.write() as connection:
        connection.execute(LOCATION.update().where(LOCATION.c.code == "lyon").values(master="till"))
    lacking(hub, "1", {"BOLT": 1})
    assert search(hub) == 1
    assert [place for _, place, _ in counts(hub)] == ["paris"]


def test_what_was_not_found_is_counted_once(both: Database) -> None:
    hub = searching(both)
    sold_out(hub, "lyon")
    giving_up.reject(hub, ordered(hub, "1", {"BOLT": 5}), RejectReason.NOT_FOUND, BO)
    assert (short(hub), search(hub)) == (5, 1)
    assert sorted(place for _, place, _ in counts(hub)) == ["lyon", "paris"]


@pytest.mark.postgresql
def test_looked_for_by_several_at_once_each_line_has_its_counts_once(postgresql: Database) -> None:
    fill(postgresql)
    hub = searching(postgresql)
    sold_out(hub, "paris", "lyon")
    lacking(hub, "1", {"BOLT": 1})
    answers = at_once([partial(search, hub)] * 4)
    assert sum(one for one in answers if isinstance(one, int)) == 2, answers
    assert len(counts(hub)) == 2
    all_holds(hub)
