"""What docs/how-to/see-and-heal.md shows is what the commands print, over emulated platforms, step by step.

The page is played from the top: before each of its console blocks something happens, then each command of the block is
run, and must print what the page shows.
"""

import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import timedelta

import pytest

from nervure import cli
from nervure.cli import common
from nervure.operations import asking, keeping, loops
from nervure.operations.hub import Hub
from nervure.operations.windows import Window
from schemas.publications import DriftPolicy
from simulation.platforms.mirakl import MiraklEmulator
from tests.nervure.world import fresh_sqlite
from tests.reference import ROOT
from tests.simulation.merchants import POINTS, Merchant, open_merchant
from tests.test_docs import blocks_of

PAGE = ROOT / "docs" / "how-to" / "see-and-heal.md"


class Story:
    """The merchant of the page, and what happens to it."""

    def __init__(self, merchant: Merchant) -> None:
        self.merchant = merchant
        merchant.hub.accounts = {
            name: replace(account, drift=DriftPolicy.ASK if name == "webshop" else DriftPolicy.REPAIR)
            for name, account in merchant.hub.accounts.items()
        }
        merchant.open()

    def minutes(self, count: float, *, has_webhooks: bool = True) -> None:
        """Every loop of every window works, four times a minute."""
        window = Window(self.merchant.hub, 300.0)
        families = (loops.draining, asking.pulling_orders, asking.pulling_stock, loops.publishing, keeping.sweeping)
        turns = [turn for family in families for turn in family(window).values()]
        for _ in range(round(count * 4)):
            self.merchant.world.advance()
            if has_webhooks:
                self.merchant.deliver()
            for turn in turns:
                turn()
            self.merchant.clock.advance(15)

    # -- a webhook is lost ---------------------------------------------------------------------------------------

    def a_sale_of_which_nobody_tells(self) -> None:
        self.minutes(4)
        self.merchant.buy("webshop", MUG=2)
        emulator = self.merchant.world.accounts["webshop"].emulator
        for delivery in emulator.due_webhooks(self.merchant.clock.now()):
            emulator.delivered(delivery.delivery_id, 200, self.merchant.clock.now())

    def it_is_heard_when_the_channel_is_asked(self) -> None:
        self.minutes(6, has_webhooks=False)

    # -- somebody edits a number -----------------------------------------------------------------------------------

    def somebody_edits_the_boutique(self) -> None:
        self.merchant.world.accounts["boutique"].emulator.set_shelf(
            "MUG", POINTS["boutique"], 50, self.merchant.clock.now()
        )
        self.minutes(16)

    def somebody_edits_the_webshop(self) -> None:
        self.merchant.world.accounts["webshop"].emulator.set_shelf(
            "TRAY", POINTS["webshop"], 50, self.merchant.clock.now()
        )
        self.minutes(2)

    def a_minute(self) -> None:
        self.minutes(1)

    # -- an import hangs -------------------------------------------------------------------------------------------

    def an_import_hangs(self) -> None:
        self.minutes(2)
        self.merchant.buy("tills", MUG=1)
        emulator = self.merchant.world.accounts["marketplace"].emulator
        assert isinstance(emulator, MiraklEmulator)
        while not (begun := [one for one in emulator.imports.values() if one.status in {"WAITING", "RUNNING"}]):
            self.minutes(0.25)
        for one in begun:
            one.received_at += timedelta(days=1)
        self.minutes(2)

    def a_quarter_of_an_hour(self) -> None:
        self.minutes(14)

    def five_minutes(self) -> None:
        self.minutes(5)


STEPS: tuple[Callable[[Story], None], ...] = (
    Story.a_sale_of_which_nobody_tells,
    Story.it_is_heard_when_the_channel_is_asked,
    Story.somebody_edits_the_boutique,
    Story.somebody_edits_the_webshop,
    Story.a_minute,
    Story.an_import_hangs,
    Story.a_quarter_of_an_hour,
    Story.five_minutes,
)


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command prints, in 80 columns, without the spaces at the ends of lines."""
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    printed = io.StringIO()
    with redirect_stdout(printed):
        cli.app(standalone_mode=False)
    return re.sub(r" +$", "", printed.getvalue(), flags=re.MULTILINE).strip("\n")


def test_the_page_shows_what_the_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    blocks = blocks_of(PAGE, "console")
    assert len(blocks) == len(STEPS)
    with fresh_sqlite() as database:
        story = Story(open_merchant(database))

        @contextmanager
        def opened(*_: object) -> Iterator[Hub]:
            yield story.merchant.hub

        monkeypatch.setattr(common, "open_hub", opened)
        monkeypatch.setattr(common, "load_settings", lambda path: path)
        played = []
        for step, block in zip(STEPS, blocks, strict=True):
            step(story)
            commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
            played.append("\n".join(f"$ {command}\n{run(command, monkeypatch)}" for command in commands))
    shown = [block.text.rstrip("\n") for block in blocks]
    assert played == shown
