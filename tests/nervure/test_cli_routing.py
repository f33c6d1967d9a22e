"""`nervure route explain`: what a plan costs in euros, and why each location is in it or not."""

import json

import pytest

from tests.nervure import test_cli
from tests.nervure.test_cli import Shell
from tests.nervure.world import World, an_order

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
