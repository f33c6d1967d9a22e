"""The commands for carts, moves, serial numbers and skus."""

import pytest

from nervure.clock import SystemClock
from tests.nervure import test_cli
from tests.nervure.test_cli import Shell, bound
from tests.nervure.world import World, an_order, must_hold

shell = test_cli.shell


def holds(shell: Shell) -> None:
    with shell.hub() as hub, hub.database.read() as connection:
        must_hold(World(connection, hub.clock.now()))


def words(line: str) -> list[str]:
    return line.split()


@pytest.mark.requirement("R04", "R05")
def test_a_cart_is_held_and_released(shell: Shell) -> None:
    bound(shell)
    ask = ("stock", "reserve", "CART-1", "--channel", "boutique", "SET=1", "MUG=2", "--minutes", "15")
    said = shell.says(*ask).splitlines()
    assert said[0].startswith("CART-1: held until ")
    assert [words(line) for line in said[2:]] == [["MUG", "WH", "4"], ["TRAY", "WH", "1"]]
    assert shell.says(*ask).splitlines()[2:] == said[2:]
    assert shell.says("stock", "show", "boutique", "MUG").splitlines()[1].split() == ["1", "1"]
    assert shell.fails("stock", "reserve", "CART-2", "MUG=2@WH", "--minutes", "5") == (
        "not enough stock, nothing is reserved: 'MUG' at WH: wanted 2, available 1"
    )
    assert shell.fails("stock", "reservation", "CART-2") == "there is no reservation 'CART-2'"
    assert shell.says("stock", "unreserve", "CART-1") == "released\n"
    assert shell.says("stock", "unreserve", "CART-1") == "had ended before\n"
    assert shell.says("stock", "reservation", "CART-1").startswith("CART-1: released\n")
    assert shell.says("stock", "convert", "CART-1", "boutique", "1") == (
        "CART-1 was released before: the order claims as any other does\n"
    )
    holds(shell)


@pytest.mark.parametrize("wish", ["MUG", "MUG=", "=2", "MUG=two", "MUG=2@", "MUG=-1"])
def test_a_wish_that_cannot_be_read_is_explained(shell: Shell, wish: str) -> None:
    assert shell.fails("stock", "reserve", "C", wish, "--minutes", "5") == (
        f"{wish!r} is not SKU=UNITS or SKU=UNITS@LOCATION"
    )
    assert shell.fails("stock", "reserve", "C", "MUG=0", "--minutes", "5").startswith("'MUG=0': units must be 1 to ")
    assert shell.run("stock", "reserve", "C", "MUG=1", "--minutes", "0")[0] == 2


def test_a_cart_becomes_an_order(shell: Shell) -> None:
    shell.says("stock", "reserve", "CART-1", "MUG=5@WH", "--minutes", "15")
    assert shell.says("stock", "convert", "CART-1", "boutique", "1") == (
        "order 1 of boutique takes the units once it is heard and counts\n"
    )
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, SystemClock().now())
        world.list_on("boutique", "MUG")
        world.take_in(an_order("1", {"MUG": 5}, channel="boutique"))
        must_hold(world)
    assert shell.says("stock", "reservation", "CART-1").startswith("CART-1: consumed by order 1 of boutique\n")
    assert shell.says("stock", "convert", "CART-1", "boutique", "1") == "order 1 of boutique has the units\n"


@pytest.mark.requirement("R08")
def test_a_part_of_an_order_is_moved(shell: Shell) -> None:
    text = test_cli.SETTINGS.replace(
        "[[channels]]", '[[locations]]\ncode = "ST"\nname = "Store"\nkind = "store"\n\n[[channels]]'
    )
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.list_on("boutique", "MUG")
        world.take_in(an_order("1", {"MUG": 2}, channel="boutique"))
        [number] = world.fulfillment_numbers("1")
    assert shell.fails("orders", "move", str(number), "ST") == (
        "not enough stock at 'ST', nothing was moved: 'MUG': wanted 2, claimable 0"
    )
    shell.says("stock", "receive", "MUG", "ST", "2", "--document", "D1")
    moved = number + 1
    assert shell.says("orders", "move", str(number), "ST") == f"fulfillment order {moved} at ST\n"
    assert shell.says("orders", "move", str(number), "ST") == f"fulfillment order {moved} at ST, as before\n"
    assert shell.fails("orders", "move", "99", "ST") == "there is no fulfillment order 99"
    said = shell.says("orders", "explain", "boutique", "1").splitlines()
    assert words(said[-1]) == ["ST", "allocated", "MUG", "2"]
    holds(shell)


@pytest.mark.requirement("R18")
def test_single_units_are_received_put_named_and_returned(shell: Shell) -> None:
    assert shell.fails("serials", "receive", "MUG", "WH", "A", "--document", "D1") == (
        "'MUG' does not ask for serial numbers"
    )
    assert shell.says("serials", "track", "MUG") == "MUG: asks for serial numbers\n"
    receive = ("serials", "receive", "MUG", "WH", "A=E-A", "B", "--document", "D1")
    assert [shell.says(*receive) for _ in range(2)] == ["booked\n", "was booked before\n"]
    assert shell.says("serials", "put", "MUG", "WH", "C", "--document", "list") == "1 unit was put at WH\n"
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.list_on("boutique", "MUG")
        world.take_in(an_order("1", {"MUG": 1}, channel="boutique"))
        [number] = world.fulfillment_numbers("1")
    assert shell.says("serials", "name", str(number), "E-A") == "1 unit was named\n"
    assert shell.fails("serials", "name", str(number), "B") == (
        f"fulfillment order {number} holds 1 unit of 'MUG', and all are named"
    )
    with shell.hub() as hub, hub.database.write() as connection:
        World(connection, hub.clock.now()).ship(number)
    assert words(shell.says("serials", "find", "A").splitlines()[1]) == [
        *("MUG", "A", "E-A", "has", "left", "sellable", "order:boutique:1")
    ]
    back = ("serials", "return", "MUG", "WH", "A", "--document", "R1", "--condition", "damaged")
    assert [shell.says(*back) for _ in range(2)] == ["booked\n", "was booked before\n"]
    assert words(shell.says("serials", "find", "E-A").splitlines()[1]) == ["MUG", "A", "E-A", "WH", "damaged", "R1"]
    assert shell.fails("serials", "find", "Z") == "serial 'Z' is not known"
    assert shell.fails("serials", "put", "MUG", "WH", "=E", "--document", "D") == "'=E' names no serial number"
    assert shell.says("serials", "track", "MUG", "--off") == "MUG: asks for no serial numbers\n"
    holds(shell)


@pytest.mark.requirement("R12")
def test_skus_are_renamed_split_merged_and_set_free(shell: Shell) -> None:
    assert shell.says("items", "rename", "MUG", "CUP") == "MUG is CUP now\n"
    assert shell.says("items", "rename", "MUG", "CUP") == "was renamed before\n"
    assert shell.says("status"), "the items file says MUG still, and the hub opens"
    said = shell.says("items", "history", "MUG").splitlines()
    assert said[0] == "MUG is CUP"
    assert said[1].startswith("was MUG until ")
    assert said[2].endswith(": rename:MUG:CUP")
    assert shell.says("items", "history", "MUG", "--at", "2020-01-01").startswith("MUG is CUP\n")
    assert shell.says("items", "split", "CUP", "CUP-B", "2@WH") == "2 units of CUP are CUP-B now\n"
    assert shell.says("items", "split", "CUP", "CUP-B", "2@WH") == "was split before\n"
    assert shell.fails("items", "split", "CUP", "CUP-B", "2") == "'2' is not UNITS@LOCATION"
    assert shell.says("items", "merge", "CUP-B", "CUP") == "CUP-B is CUP now\n"
    assert shell.says("items", "merge", "CUP-B", "CUP") == "was merged before\n"
    assert shell.fails("items", "rename", "TRAY", "CUP-B").startswith("'CUP-B' was the name of another item: ")
    assert shell.says("items", "free", "CUP-B") == "CUP-B can be used for another item\n"
    assert shell.says("items", "rename", "TRAY", "CUP-B") == "TRAY is CUP-B now\n"
    with shell.hub() as hub, hub.database.read() as connection:
        world = World(connection, hub.clock.now())
        assert (world.on_hand("CUP", "WH"), world.on_hand("CUP-B", "WH")) == (5, 2)
    holds(shell)
