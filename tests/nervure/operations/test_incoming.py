"""What people are told of goods that are to come, and of what can be promised then."""

from datetime import date, timedelta

import pytest

from nervure.inventory.incoming import Step
from nervure.operations.hub import Hub
from nervure.operations.incoming import future, incoming
from nervure.operations.purchases import ExpectedLine, expect
from nervure.operations.staff import UnknownStockError
from nervure.operations.transfers import Dispatch, dispatch
from nervure.store.database import Database
from schemas.locations import LocationKind
from tests.nervure.operations.scripted import ScriptedShop, advance, hear, looking, order_of, scripted_hub
from tests.nervure.world import World, an_order, must_hold

MARCH_4, MARCH_9, MARCH_20 = date(2026, 3, 4), date(2026, 3, 9), date(2026, 3, 20)
DAY = timedelta(days=1).total_seconds()


@pytest.fixture
def hub(both: Database) -> Hub:
    """5 BOLT and 8 NUT in paris, 2 BOLT in lyon; it is the 2nd of March 2026."""
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    expect(hub, "PO-7", [ExpectedLine("BOLT", "paris", 10, MARCH_9), ExpectedLine("NUT", "lyon", 4, MARCH_20)])
    return hub


def steps(hub: Hub, sku: str, *locations: str) -> list[tuple[date | None, int]]:
    return [(step.on, step.units) for step in future(hub, sku, locations).steps]


def test_what_is_to_come_is_listed_by_day(hub: Hub) -> None:
    dispatch(hub, Dispatch("T-1", "BOLT", "paris", "lyon", 1, expected_on=MARCH_4))
    dispatch(hub, Dispatch("T-2", "BOLT", "paris", "lyon", 1))
    listed = [(one.sku, one.location, one.units, one.expected_on, one.document) for one in incoming(hub)]
    assert listed == [
        ("BOLT", "lyon", 1, MARCH_4, "transfer:T-1"),
        ("BOLT", "paris", 10, MARCH_9, "purchase:PO-7"),
        ("NUT", "lyon", 4, MARCH_20, "purchase:PO-7"),
        ("BOLT", "lyon", 1, None, "transfer:T-2"),
    ]
    assert [one.document for one in incoming(hub, "NUT")] == ["purchase:PO-7"]
    assert len(incoming(hub, "PAIR")) == 4, "a kit waits for its parts"


def test_the_future_of_a_sku_everywhere_and_at_one_place(hub: Hub) -> None:
    dispatch(hub, Dispatch("T-1", "BOLT", "paris", "lyon", 3, expected_on=MARCH_4))
    assert steps(hub, "BOLT") == [(None, 4), (MARCH_4, 7), (MARCH_9, 17)]
    assert steps(hub, "BOLT", "lyon") == [(None, 2), (MARCH_4, 5)]
    assert steps(hub, "BOLT", "lyon", "paris") == steps(hub, "BOLT")
    assert steps(hub, "PAIR") == [(None, 2), (MARCH_9, 4), (MARCH_20, 6)]


def test_what_is_overdue_is_named_and_not_promised(hub: Hub) -> None:
    advance(hub, 7 * DAY)
    assert steps(hub, "BOLT") == [(None, 7), (MARCH_9, 17)], "on its day it may still come"
    advance(hub, DAY)
    found = future(hub, "BOLT")
    assert found.steps == (Step(None, 7),)
    assert [(one.document, one.is_overdue) for one in found.not_promised] == [("purchase:PO-7", True)]
    assert [(one.sku, one.is_overdue) for one in incoming(hub)] == [("BOLT", True), ("NUT", False)]


def test_who_waits_is_served_before_anything_new_is_promised(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"BOLT": 9})))
    assert steps(hub, "BOLT") == [(None, 0), (MARCH_9, 8)]


def test_a_kit_that_waits_counts_by_its_parts(hub: Hub) -> None:
    hear(hub, "shop", order_of(an_order("1", {"PAIR": 6})))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (6, 4, 2)}
    assert steps(hub, "NUT") == [(None, 0)], "2 kits need the 4 that come in"
    assert steps(hub, "BOLT") == [(None, 3), (MARCH_9, 11)]


def test_who_cannot_be_served_from_a_place_takes_nothing_of_its_future(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.location("nice")
        world.channel("market", {"fr": ["lyon"]})
        world.take_in(an_order("1", {"BOLT": 5}, channel="market"))
        assert world.lines("1") == {"1-1": (5, 2, 3)}
    assert steps(hub, "BOLT", "paris") == [(None, 5), (MARCH_9, 15)]
    expect(hub, "PO-8", [ExpectedLine("BOLT", "lyon", 10, MARCH_9)])
    assert steps(hub, "BOLT", "lyon") == [(None, 0), (MARCH_9, 7)]


def test_nothing_is_promised_from_a_supplier_whose_word_is_too_old(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.location("acme", kind=LocationKind.SUPPLIER, ttl_seconds=3600)
        world.receive("BOLT", "acme", 50)
    assert steps(hub, "BOLT") == [(None, 7), (MARCH_9, 17)]


def test_what_is_to_come_changes_nothing_now(hub: Hub) -> None:
    with looking(hub) as world:
        assert (world.claimable("BOLT", "paris"), world.claimable("NUT", "paris")) == (5, 8)
        must_hold(world)


def test_unknown_names_are_refused(hub: Hub) -> None:
    for attempt in (lambda: incoming(hub, "BULT"), lambda: future(hub, "BULT")):
        with pytest.raises(UnknownStockError, match=r"^sku 'BULT' is not known$"):
            attempt()
    with pytest.raises(UnknownStockError, match=r"^location 'pari' is not known$"):
        future(hub, "BOLT", ["paris", "pari"])
