"""The store desk on the command line."""

import pytest

from nervure.clock import SystemClock
from nervure.orders.intake import take_in
from tests.nervure import test_cli
from tests.nervure.test_cli import SETTINGS, Shell
from tests.nervure.world import SHOP, World, a_pickup, an_order

shell = test_cli.shell


def said(shell: Shell, *words: str) -> str:
    return " ".join(shell.says(*words).split())


def ordered(shell: Shell) -> None:
    """A parcel (1) and a pickup (2) for WH, which must accept within ten minutes."""
    limits = 'code = "WH"\ncan_pickup = true\naccept_within_seconds = 600\nhold_pickup_seconds = 3600'
    (shell.folder / "nervure.toml").write_text(SETTINGS.replace('code = "WH"', limits), "utf-8")
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, SystemClock().now())
        world.list_on("boutique", "MUG")
        for order in (
            an_order("1", {"MUG": 2}, channel="boutique"),
            a_pickup("2", {"MUG": 2}, "1", channel="boutique"),
        ):
            assert take_in(order, SHOP, world.desk())


def test_a_parcel_and_a_pickup_go_through_the_desk(shell: Shell) -> None:
    ordered(shell)
    assert said(shell, "desk", "shelf", "MUG", "WH", "A-1") == "MUG at WH: A-1"
    queue = said(shell, "desk", "queue", "WH")
    assert "1 allocated boutique #1 ship 2 -" in queue
    assert "2 allocated boutique #2 pickup 2 -" in queue
    assert said(shell, "desk", "accept", "1", "--by", "Ana") == "accepted"
    assert said(shell, "desk", "accept", "1", "--by", "Bo") == "accepted, as before"
    assert said(shell, "desk", "pick", "1", "MUG", "MUG", "--by", "Ana") == "being picked MUG picked MUG picked"
    assert said(shell, "desk", "pack", "1", "--by", "Ana") == "packed"
    shown = said(shell, "desk", "show", "1")
    assert "1 at WH: packed, ship, boutique order #1" in shown
    assert "A-1 MUG - - 2 2" in shown
    assert "accepted WH Ana -" in shown
    said(shell, "desk", "pick", "2")
    said(shell, "desk", "pack", "2", "--unscanned")
    code = said(shell, "desk", "ready", "2").removeprefix("ready, code ")
    assert said(shell, "desk", "told", "2") == "told"
    assert said(shell, "desk", "hand-over", "2", code, "--only", "MUG=1") == (
        "handed over as 3; the rest waits on as 2"
    )
    assert said(shell, "desk", "return", "2", "--reason", "too small") == "for sale again"
    assert "2 is canceled: put its goods back" in said(shell, "desk", "queue", "WH")
    assert said(shell, "desk", "reject", "1", "damaged", "--keeps", "MUG=1") == "rejected"
    assert said(shell, "desk", "reject", "1", "damaged", "--keeps", "MUG=1") == "rejected, as before"


def test_the_times_of_the_settings_are_those_of_the_desk(shell: Shell) -> None:
    ordered(shell)
    with shell.hub() as hub, hub.database.read() as connection:
        row = connection.exec_driver_sql("SELECT accept_seconds, hold_pickup_seconds FROM location WHERE code = 'WH'")
        assert tuple(row.one()) == (600.0, 3600.0)


def test_what_cannot_be_done_is_one_sentence(shell: Shell) -> None:
    ordered(shell)
    for words, why in (
        (("accept", "9"), "there is no fulfillment order 9"),
        (("show", "9"), "there is no fulfillment order 9"),
        (("pack", "1", "--unscanned"), "fulfillment order 1 is allocated: it must be picking first"),
        (("reject", "1", "other", "--keeps", "MUG"), "'MUG' is not SKU=UNITS"),
        (("hand-over", "2", "1"), "fulfillment order 2 is allocated, and is not ready for pickup"),
        (("shelf", "NUT", "WH", "A"), "sku 'NUT' is not known"),
        (("user", "remove", "WH", "bo"), "nobody named 'bo' uses the desk of 'WH'"),
    ):
        assert shell.fails("desk", *words) == why


def test_people_are_let_in_and_out(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NERVURE_DESK_PASSWORD", "correct horse")
    assert said(shell, "desk", "user", "add", "WH", "ana") == "ana may use the desk of WH"
    assert said(shell, "desk", "user", "add", "WH", "ana") == "ana may use the desk of WH, with the new password"
    assert "WH ana" in said(shell, "desk", "user", "list")
    assert said(shell, "desk", "user", "remove", "WH", "ana") == "ana may not use the desk of WH any more"
    assert "ana" not in said(shell, "desk", "user", "list")
