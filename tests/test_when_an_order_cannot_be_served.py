"""What docs/how-to/when-an-order-cannot-be-served.md shows is what the commands print, with the demo's own items.

The page is played from the top in the demo's folder, at a time of our own: its rows are saved, its line goes into the
settings, and each command must print what the page shows.
"""

import io
import re
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from nervure import cli
from nervure.cli import common, imports
from nervure.clock import ManualClock
from nervure.operations.hub import Hub
from nervure.operations.proposing import make_proposals
from nervure.operations.setup import open_hub
from nervure.settings_file import load
from schemas.locations import Address
from schemas.orders import Delivery, DeliveryMethod
from simulation.demo import prepare
from tests.nervure.world import START, World, an_order
from tests.reference import ROOT
from tests.test_docs import blocks_of

PAGE = ROOT / "docs" / "how-to" / "when-an-order-cannot-be-served.md"
NICE = Delivery(method=DeliveryMethod.SHIP, address=Address(country="FR", postal_code="06000", city="Nice"))


def nothing(_: Hub) -> None:
    """Before this block nothing happens."""


def the_last_frame_is_bought_twice(hub: Hub) -> None:
    with hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.list_on("webshop", "P0047-SA-M", "P0047-SA-L", "P0047-CO-M")
        for number in ("1001", "1002"):
            world.take_in(an_order(number, {"P0047-SA-M": 1}, channel="webshop", delivery=NICE))


def the_hub_proposes(hub: Hub) -> None:
    assert make_proposals(hub) == 1


STEPS: tuple[Callable[[Hub], object], ...] = (
    nothing,
    the_last_frame_is_bought_twice,
    the_hub_proposes,
    nothing,
)
"""What happens before each of the page's console blocks."""


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints, without the spaces at the ends of lines and the secret of a link."""
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    printed = io.StringIO()
    with redirect_stdout(printed):
        cli.app(standalone_mode=False)
    said = re.sub(r" +$", "", printed.getvalue(), flags=re.MULTILINE).strip("\n")
    return re.sub(r"/proposals/\S+", "/proposals/…", said)


def test_the_page_shows_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = prepare(tmp_path, world_port=1, hub_port=1, orders=None, orders_per_second=1.0, seed=1)
    [line] = blocks_of(PAGE, "ini")
    settings = files.settings_file.read_text("utf-8")
    assert settings.count('name = "webshop"\n') == 1
    files.settings_file.write_text(settings.replace('name = "webshop"\n', f'name = "webshop"\n{line.text}'), "utf-8")
    (tmp_path / "groups.csv").write_text(blocks_of(PAGE, "csv")[0].text, "utf-8")
    clock = ManualClock(START)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("NERVURE_SETTINGS", raising=False)
    for module in (common, imports):
        monkeypatch.setattr(module, "SystemClock", lambda: clock)
    blocks = blocks_of(PAGE, "console")
    played = []
    for step, block in zip(STEPS, blocks, strict=True):
        with open_hub(load(files.settings_file), clock) as hub:
            step(hub)
        commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
        played.append("\n".join(f"$ {command}\n{run(command, monkeypatch)}" for command in commands))
    assert played == [block.text.rstrip("\n") for block in blocks]
