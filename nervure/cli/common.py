"""What every command shares: settings, the opened hub, tables, and one sentence where something is wrong."""

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.table import Column, Table

from nervure import settings_file
from nervure.clock import SystemClock
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.setup import open_hub
from nervure.settings import Settings

MAX_ID = 2**63 - 1
"""No row of a database has a higher number."""

UNFOLDED = 1_000_000
"""Characters that no line has: where lines go into a file or another command, none is folded."""

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="The settings file (default: NERVURE_SETTINGS, then ./nervure.toml).")
]


def group(about: str) -> typer.Typer:
    """A group of commands; alone it prints what it has."""
    return typer.Typer(no_args_is_help=True, help=about)


def load_settings(path: Path | None) -> Settings:
    found = path or settings_file.find()
    if found is None:
        fail("no settings: write them with `nervure init`, or name the file with --settings")
    return settings_file.load(found)


@contextmanager
def opened_hub(path: Path | None) -> Iterator[Hub]:
    with open_hub(load_settings(path), SystemClock()) as hub:
        yield hub


def require_channel(hub: Hub, channel: str) -> None:
    if channel not in hub.accounts:
        fail(f"no channel {channel!r} in the settings; there are: {', '.join(hub.accounts) or 'none'}")


@contextmanager
def about_channel(hub: Hub, channel: str | None) -> Iterator[None]:
    """Where a channel is named that was never there, a refusal says that; one that is gone still has its past."""
    try:
        yield
    except RefusalError:
        if channel is not None:
            require_channel(hub, channel)
        raise


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    # What does not fit goes on in the next line: a name that is cut off cannot be given to the next command.
    table = Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    draw(table)


def draw(*shapes: RenderableType) -> None:
    """Prints shapes as wide as the terminal, or as COLUMNS says; without either a line goes on as long as it is."""
    is_said = os.environ.get("COLUMNS", "").isdigit()
    console = Console() if is_said or Console().is_terminal else Console(width=UNFOLDED)
    for shape in shapes:
        console.print(shape)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table for a spreadsheet; what is not known is an empty cell."""
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    with file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["" if value is None else value for value in row])


def suppliers_answer(*, have_them: bool, send: bool) -> bool | None:
    """Whether suppliers have the open orders, as two options say it; None: nobody said."""
    if have_them and send:
        fail("say --suppliers-have-them or --send-to-suppliers, not both")
    return have_them if have_them or send else None


def say(line: str) -> None:
    typer.echo(line)


def fail(sentence: str) -> NoReturn:
    typer.echo(f"nervure: {sentence}", err=True)
    sys.exit(1)
