"""Commands that look at numbers, hold them back and let them go."""

import csv
import shutil
from collections.abc import Callable
from json import loads
from pathlib import Path
from typing import Any

import pytest

from nervure.clock import SystemClock
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import pull_orders, pull_stock
from nervure.operations.restores import beat
from simulation.platform import BasketLine
from tests.nervure import test_cli
from tests.nervure.test_cli import SETTINGS, Shell, bound
from tests.simulation.merchants import SHOPPER

shell = test_cli.shell


@pytest.mark.requirement("R33")
def test_coverage_counts_every_number_by_group_and_reason(shell: Shell) -> None:
    bound(shell)
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 3
    (shell.folder / "more.csv").write_text("sku,title\nSPARE,Spare part\n", "utf-8")
    shell.says("import", "items", "more.csv")
    lines = [line.split() for line in shell.says("coverage", "boutique", "--csv", "coverage.csv").splitlines()]
    assert lines[:2] == [
        ["channel", "in", "flight", "confirmed", "error", "excluded", "total"],
        ["boutique", "0", "3", "0", "1", "4"],
    ]
    assert lines[-1] == ["boutique", "excluded", "1", "the", "channel", "has", "no", "listing", "of", "this", "item"]
    with (shell.folder / "coverage.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["sku"], row["group"], row["shown_units"], row["wanted_units"]) for row in rows] == [
        ("MUG", "confirmed", "5", "5"),
        ("TRAY", "confirmed", "2", "2"),
        ("SET", "confirmed", "2", "2"),
        ("SPARE", "excluded", "", ""),
    ]
    [channel] = loads(shell.says("coverage", "--json"))["channels"]
    assert channel == {
        "channel": "boutique",
        "in_flight": 0,
        "confirmed": 3,
        "error": 0,
        "excluded": 1,
        "total": 4,
        "reasons": [{"group": "excluded", "reason": "the channel has no listing of this item", "count": 1}],
    }
    assert shell.fails("coverage", "boutik") == "no channel 'boutik' in the settings; there are: boutique"


@pytest.mark.requirement("R46")
def test_held_zeroes_are_listed_and_accepted_or_refused(shell: Shell) -> None:
    text = SETTINGS.replace(
        "needs_cutover = false", "needs_cutover = false\nzero_guard = { listings = 1, share = 0.0 }"
    )
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    bound(shell)
    with shell.hub() as hub:
        publish(hub, "boutique")
    assert shell.says("channels", "zeros", "boutique") == "no zero is held\n"
    shell.says("stock", "adjust", "--document", "BUG", "--", "TRAY", "WH", "-2", "lost")
    with shell.hub() as hub:
        refresh(hub)
        publish(hub, "boutique")
    lines = [line.split() for line in shell.says("channels", "zeros", "boutique").splitlines()[1:]]
    assert [(words[0], words[3], words[-1]) for words in lines] == [("SET", "2", "held"), ("TRAY", "2", "held")]
    assert "2 zeros held" in shell.says("status")
    assert shell.says("channels", "refuse-zeros", "boutique") == "boutique: 2 zeros are refused\n"
    assert "zeros held" not in shell.says("status")
    assert shell.says("channels", "zeros", "boutique").split()[-1] == "refused"
    assert shell.says("channels", "accept-zeros", "boutique") == "boutique: 2 zeros will be sent\n"
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 2


BACK_UP_PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "back-up.md"


def steps(page: Path) -> list[list[str]]:
    """The commands of a page's numbered steps, in order."""
    numbered = page.read_text("utf-8").partition("## Restore")[2].partition("### What it names")[0]
    return [line.strip().removeprefix("$ nervure ").split() for line in numbered.splitlines() if "$ nervure" in line]


def back_up_of(page: Path) -> Callable[[Path, Path], None]:
    """The function that a page gives to its readers."""
    found: dict[str, Any] = {}
    exec(page.read_text("utf-8").partition("```python\n")[2].partition("```")[0], found)  # noqa: S102 - our own page
    back_up: Callable[[Path, Path], None] = found["back_up"]
    return back_up


def work(hub: Hub) -> None:
    """What a running hub does, once."""
    pull_orders(hub, "boutique")
    pull_stock(hub, "boutique")
    while drain(hub).handled:
        pass
    while refresh(hub):
        pass
    while publish(hub, "boutique").total:
        pass


@pytest.mark.requirement("R47")
def test_the_page_about_backups_restores_without_an_old_number_being_sent(shell: Shell) -> None:
    bound(shell)
    with shell.hub() as hub:
        work(hub)
    back_up_of(BACK_UP_PAGE)(shell.folder / "nervure.db", shell.folder / "backup.db")
    now = SystemClock().now()
    shell.shop.buy([BasketLine("MUG", 2)], SHOPPER, "1", now)
    with shell.hub() as hub:
        work(hub)
        beat(hub)
    shell.says("stock", "receive", "MUG", "WH", "4", "--document", "D-1")
    with shell.hub() as hub:
        work(hub)
    assert shell.shop.shelf()["MUG", "1"] == 7
    for companion in ("-wal", "-shm"):
        (shell.folder / f"nervure.db{companion}").unlink(missing_ok=True)
    shutil.copy(shell.folder / "backup.db", shell.folder / "nervure.db")
    since = len(shell.shop.shelf_log)

    assert steps(BACK_UP_PAGE) == [["db", "restored"], ["db", "recovery"], ["check"]]
    assert "boutique: waits for its orders and numbers" in shell.says("db", "restored").splitlines()
    assert "hears first" in shell.says("status")
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 0
        work(hub)
    said = shell.says("db", "recovery").splitlines()
    assert said[1:3] == [
        "every channel was heard again: numbers are sent",
        "1 order was heard again; 0 lack units now",
    ]
    assert shell.says("check") == "everything holds\n"
    assert shell.says("db", "recovery", "--send-to-suppliers").splitlines()[0] == "0 orders to suppliers are sent"
    assert shell.says("db", "recovery", "--without", "boutique").splitlines()[0] == "boutique: it was heard"
    assert "not both" in shell.fails("db", "recovery", "--send-to-suppliers", "--suppliers-have-them")
    written = [change.units for change in shell.shop.shelf_log[since:] if change.sku == "MUG"]
    assert written == [3], "the sale is heard; the receipt must be booked again"
    shell.says("stock", "receive", "MUG", "WH", "4", "--document", "D-1")
    with shell.hub() as hub:
        work(hub)
    assert shell.shop.shelf()["MUG", "1"] == 7


def test_a_database_that_was_never_restored_says_so(shell: Shell) -> None:
    assert shell.says("db", "recovery") == "the database was never restored\n"


@pytest.mark.requirement("R41")
def test_a_channel_in_the_shadow_is_reported_promoted_and_demoted(shell: Shell) -> None:
    text = SETTINGS.replace("needs_cutover = false", 'needs_cutover = false\nmode = "shadow"\npromotion = { days = 1 }')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    bound(shell)
    with shell.hub() as hub:
        work(hub)
    assert len(shell.shop.shelf_log) == 0
    said = shell.says("shadow", "report", "boutique", "--csv", "differences.csv").splitlines()
    assert said[0] == "boutique is in the shadow"
    assert [(words[0], words[3:]) for words in map(str.split, said[2:5])] == [
        ("MUG", ["0", "5"]),
        ("SET", ["0", "2"]),
        ("TRAY", ["0", "2"]),
    ]
    assert said[5] == "3 numbers would be sent now"
    with (shell.folder / "differences.csv").open(encoding="utf-8", newline="") as file:
        assert [(row["sku"], row["wanted_units"]) for row in csv.DictReader(file)] == [
            ("MUG", "5"),
            ("SET", "2"),
            ("TRAY", "2"),
        ]
    assert "shadow" in shell.says("status")
    code, out, err = shell.run("promote", "boutique")
    assert (code, err) == (1, "nervure: boutique stays in the shadow: 1 thing stands against it\n")
    assert out.endswith(": nothing was compared\n")
    assert "not both" in shell.fails("promote", "boutique", "--suppliers-have-them", "--send-to-suppliers")
    assert shell.says("promote", "boutique", "--anyway") == "boutique: live, once it was heard\n"
    assert shell.says("promote", "boutique") == "boutique: was not in the shadow\n"
    with shell.hub() as hub:
        work(hub)
    assert shell.shop.shelf()["MUG", "1"] == 5
    assert shell.says("shadow", "report", "boutique").splitlines() == [
        "boutique is live",
        "0 numbers would be sent now",
    ]
    assert shell.says("demote", "boutique") == "boutique: in the shadow\n"
    assert shell.says("demote", "boutique") == "boutique: was in the shadow\n"
