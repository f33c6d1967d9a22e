"""`nervure route explain`: what a plan costs in euros, and why each location is in it or not."""

import json

import pytest

from nervure.inventory.stock import Place
from nervure.orders.comparison import COLUMNS
from nervure.store.scarcity import ScarcityStore
from tests.nervure import test_cli
from tests.nervure.test_cli import Shell
from tests.nervure.world import World, an_order, at

shell = test_cli.shell

STORE = """
[routing]
split = "2.00"

[[locations]]
code = "ST"
name = "Store"
kind = "store"

[locations.routing]
handling = "3.00"

[[locations]]
code = "FAR"
name = "Store of Belgium"
kind = "store"

[locations.routing]
countries = ["BE"]

[[channels]]"""


def sold(shell: Shell) -> None:
    """Two mugs, from a shop on three locations."""
    text = test_cli.SETTINGS.replace("[[channels]]", STORE)
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.channel("boutique", {"1": ["WH", "ST", "FAR"]})
        world.list_on("boutique", "MUG")
        world.receive("MUG", "ST", 9)
        world.take_in(an_order("1", {"MUG": 2}, channel="boutique"))


@pytest.mark.requirement("R10")
def test_a_plan_is_explained_in_euros(shell: Shell) -> None:
    sold(shell)
    lines = shell.says("route", "explain", "1").splitlines()
    assert lines[0] == "0.00 euros, of that 0.00 for splitting; no plan is cheaper"
    assert [line.split() for line in lines[2:4]] == [
        ["WH", "chosen", "2", "0.00"],
        ["ST", "outranked", "2", "3.00", "handling", "3.00"],
    ]
    assert lines[4] == "FAR: dropped: does not send to an unknown country"
    said = json.loads(shell.says("route", "explain", "#1", "--channel", "boutique", "--json"))
    assert said["bill"]["locations"]["ST"]["total"] == "3.00"


def test_an_order_that_nobody_knows_is_one_sentence(shell: Shell) -> None:
    assert shell.fails("route", "explain", "4711") == "no order '4711'"


def test_an_order_without_a_bill_is_explained_by_its_reasons(shell: Shell) -> None:
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.list_on("boutique", "MUG")
        world.take_in(an_order("1", {"MUG": 2}, channel="boutique"))
    assert shell.says("route", "explain", "1") == "WH: chosen: has all of it, distance unknown\n"


def crossed(shell: Shell) -> None:
    """The first order has the only mug of the store, which the second one needs to leave in one parcel."""
    text = test_cli.SETTINGS.replace("[[channels]]", STORE).replace('["WH"]', '["WH", "ST"]')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.channel("boutique", {"1": ["WH", "ST"]})
        world.items("JUG")
        world.list_on("boutique", "MUG", "JUG")
        world.receive("MUG", "ST", 1)
        world.receive("JUG", "ST", 1)
        lost = world.claimable("MUG", "WH")
        world.lose("MUG", "WH", lost)
        world.take_in(an_order("1", {"MUG": 1}, channel="boutique"))
        world.receive("MUG", "WH", 5)
        world.take_in(an_order("2", {"MUG": 1, "JUG": 1}, channel="boutique"))


@pytest.mark.requirement("R05", "R10")
def test_open_orders_are_planned_anew_together(shell: Shell) -> None:
    crossed(shell)
    dry = shell.says("route", "replan", "--dry-run").splitlines()
    assert [line.split() for line in dry[1:-1]] == [
        ["boutique", "#1", "ST", "WH", "3.00", "0"],
        ["boutique", "#2", "ST", "WH", "ST", "2.00", "0"],
    ]
    assert dry[-1] == (
        "2 open orders planned together, at most 0.00 euros above the cheapest: 2 would move, saves 5.00 euros"
    )
    made = shell.says("route", "replan", "--by", "Bo").splitlines()
    assert made[-1].endswith("2 moved, saves 5.00 euros")
    again = shell.says("route", "replan")
    assert again == (
        "2 open orders planned together, at most 0.00 euros above the cheapest: 0 moved, saves 0.00 euros\n"
    )
    lines = shell.says("route", "explain", "1").splitlines()
    assert lines[0] == "0.00 euros, of that 0.00 for splitting; planned anew together with 1 other order"
    assert lines[1].startswith("planned anew ")
    assert lines[1].endswith(" by Bo: saves 3.00 of 3.00 euros")


def test_without_costs_nothing_is_planned_anew(shell: Shell) -> None:
    assert shell.fails("route", "replan") == "no costs are set: say in [routing] what parcels cost"


def test_a_period_is_evaluated_by_every_rule(shell: Shell) -> None:
    text = test_cli.SETTINGS.replace("[[channels]]", STORE).replace('["WH"]', '["WH", "ST"]')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, at(0))
        world.channel("boutique", {"1": ["WH", "ST"]})
        world.list_on("boutique", "MUG")
        world.receive("MUG", "ST", 9)
        world.take_in(an_order("1", {"MUG": 1}, channel="boutique"))
        later = world.later(3 * 24 * 60)
        second = an_order("2", {"MUG": 1}, channel="boutique", minute=3 * 24 * 60)
        later.take_in(second.model_copy(update={"placed_at": second.updated_at}))
    day = at(3 * 24 * 60).date().isoformat()
    lines = shell.says("route", "evaluate", "--from", day, "--to", day, "--seeds", "1").splitlines()
    assert "".join(lines[0].split()) == "".join(COLUMNS).replace(" ", "")
    assert lines[3].split() == ["cost", "3.00", "1", "0", "0", "0", "0", "0.00"]
    assert [line.split("  ")[0] for line in lines[1:7]] == [
        "priority",
        "distance",
        "cost",
        "cost and scarcity",
        "hindsight",
        "bound",
    ]
    assert lines[7] == "nobody could have served these orders for less, whatever they had known"
    assert shell.fails("route", "evaluate", "--from", day, "--to", "2026-01-01") == "from is after to"
    assert (
        shell.fails("route", "evaluate", "--from", day, "--to", "9999-12-31")
        == "a day is from 1970-01-01 until 2999-12-31"
    )
    assert shell.fails("route", "evaluate", "--from", "2026-01-01", "--to", "2026-01-01") == (
        "no order that is sent was placed in this period"
    )


def test_what_scarcity_counted_is_shown_beside_what_is_paid(shell: Shell) -> None:
    scarce = STORE.replace('split = "2.00"', 'split = "2.00"\nscarcity = { horizon_days = 7 }')
    (shell.folder / "nervure.toml").write_text(test_cli.SETTINGS.replace("[[channels]]", scarce), "utf-8")
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.channel("boutique", {"1": ["WH", "ST"]})
        world.list_on("boutique", "MUG")
        world.receive("MUG", "ST", 9)
        mug, warehouse = world.catalogue.item_ids(["MUG"])["MUG"], world.locations.ids()["WH"]
        ScarcityStore(connection, hub.clock.now()).put({Place(mug, warehouse): 1_600_000})
        world.take_in(an_order("1", {"MUG": 2}, channel="boutique"))
    lines = shell.says("route", "explain", "1").splitlines()
    assert lines[:2] == [
        "3.00 euros, of that 0.00 for splitting; no plan is cheaper",
        "its units are worth 0.00 euros more to later orders; nobody pays that, but it counted",
    ]
    assert [line.split() for line in lines[3:5]] == [
        ["ST", "chosen", "2", "3.00", "0.00", "handling", "3.00"],
        ["WH", "outranked", "2", "0.00", "3.20"],
    ]
