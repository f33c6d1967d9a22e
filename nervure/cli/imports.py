"""`nervure import`: items, locations, opening stock and substitutes from files."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nervure.cli.common import SettingsOption, fail, group, load_settings
from nervure.clock import SystemClock
from nervure.operations.import_items import ItemLoader
from nervure.operations.import_locations import LocationLoader
from nervure.operations.import_stock import StockLoader
from nervure.operations.import_substitutes import SubstituteLoader
from nervure.operations.imports import Listener, Loader, Outcome, Verdict, load, open_table, unread_columns
from nervure.operations.setup import write_locations, write_master_data
from nervure.operations.sheets import Sheet
from nervure.settings import Settings
from nervure.store.database import Database, open_database
from nervure.store.migrations import upgrade
from schemas.base import counted as says

SHOWN_CHANGES = 20

app = group("Items, locations, opening stock and substitutes from CSV or XLSX files.")

FileArgument = Annotated[Path, typer.Argument(help="A CSV file, or an XLSX workbook whose first sheet is read.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")]
RefusedOption = Annotated[
    Path | None, typer.Option("--refused", help="Also write the refused rows to this CSV file, each with its reason.")
]


@app.command("items")
def import_items(
    file: FileArgument, *, dry_run: DryRunOption = False, refused: RefusedOption = None, settings: SettingsOption = None
) -> None:
    """Write items by sku: the fields that the file has, kits with their parts."""
    found = load_settings(settings)
    with _database(found) as database:
        _write_settings(database, found)
        load_file(database, file, ItemLoader(), refused, writes=not dry_run)


@app.command("stock")
def import_stock(
    file: FileArgument, *, dry_run: DryRunOption = False, refused: RefusedOption = None, settings: SettingsOption = None
) -> None:
    """Book opening stock at places where nothing was booked yet; each row once."""
    found = load_settings(settings)
    with _database(found) as database:
        _write_settings(database, found)
        load_file(database, file, StockLoader(), refused, writes=not dry_run)


@app.command("locations")
def import_locations(
    file: FileArgument, *, dry_run: DryRunOption = False, refused: RefusedOption = None, settings: SettingsOption = None
) -> None:
    """Write locations by code: the fields that the file has. Those of the settings are changed there."""
    found = load_settings(settings)
    with _database(found) as database:
        # The settings' channels may name locations that this very file brings: they are not written here.
        database.run(lambda connection: write_locations(connection, found, SystemClock().now()))
        load_file(database, file, LocationLoader({one.code for one in found.locations}), refused, writes=not dry_run)


@app.command("substitutes")
def import_substitutes(
    file: FileArgument, *, dry_run: DryRunOption = False, refused: RefusedOption = None, settings: SettingsOption = None
) -> None:
    """Write which items may take each other's place, by group: one row for each member, each group whole."""
    found = load_settings(settings)
    with _database(found) as database:
        _write_settings(database, found)
        load_file(database, file, SubstituteLoader(), refused, writes=not dry_run)


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings.hub.database)
    try:
        upgrade(database)
        yield database
    finally:
        database.close()


def _write_settings(database: Database, settings: Settings) -> None:
    database.run(lambda connection: write_master_data(connection, settings, SystemClock().now()))


def load_file(database: Database, file: Path, loader: Loader, refused_file: Path | None, *, writes: bool) -> None:
    """Takes a file: the bar, what is refused or would change, the counts, and the exit code."""
    sheet = open_table(file, loader)
    typer.echo(_heading(sheet, loader))
    with _refused_rows(refused_file, sheet) as write_refused, _progress() as progress:
        task = progress.add_task("rows", total=None)
        told: Counter[Outcome] = Counter()

        def hear(verdict: Verdict) -> None:
            progress.advance(task)
            told[verdict.outcome] += 1
            match verdict.outcome:
                case Outcome.REFUSED:
                    progress.console.print(
                        f"line {verdict.row.line}: {verdict.text}", markup=False, highlight=False, soft_wrap=True
                    )
                    write_refused(verdict)
                case Outcome.CHANGED if not writes and told[Outcome.CHANGED] <= SHOWN_CHANGES:
                    progress.console.print(
                        f"line {verdict.row.line} changes {verdict.text}", markup=False, highlight=False, soft_wrap=True
                    )
                case _:
                    pass

        listener = Listener(lambda count: progress.update(task, total=count), hear)
        counted = load(database, sheet, loader, listener, now=SystemClock().now, writes=writes)
    _close(counted, writes=writes)


def _heading(sheet: Sheet, loader: Loader) -> str:
    encoding = f", read as {sheet.encoding}" if sheet.encoding else ""
    ignored = unread_columns(sheet, loader)
    return f"{sheet.name}{encoding}" + (f"; columns that nobody reads: {', '.join(ignored)}" if ignored else "")


def _close(counted: Counter[Outcome], *, writes: bool) -> None:
    counts = ", ".join(f"{counted[outcome]} {outcome.value}" for outcome in Outcome)
    typer.echo(counts if writes else f"{counts}; dry run, nothing was written")
    refused = counted[Outcome.REFUSED]
    if refused and writes:
        written = says(counted[Outcome.NEW] + counted[Outcome.CHANGED], "row was", "rows were")
        fail(f"{says(refused, 'row was', 'rows were')} refused and left out; {written} written")
    if refused:
        fail(f"{says(refused, 'row')} would be refused and left out")


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal; elsewhere nothing but the lines."""
    is_terminal = Console(stderr=True).is_terminal
    console = Console(stderr=is_terminal)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not is_terminal, transient=True) as progress:
        yield progress


@contextmanager
def _refused_rows(path: Path | None, sheet: Sheet) -> Iterator[Callable[[Verdict], None]]:
    """Writes refused rows as they are in the file, with line and reason: mended, it can be imported as it is."""
    if path is None:
        yield _write_nothing
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
    with file:
        writer = csv.writer(file)
        writer.writerow([*sheet.columns, "line", "reason"])

        def write(verdict: Verdict) -> None:
            cells = [verdict.row.cells[column] for column in sheet.columns]
            writer.writerow([*cells, verdict.row.line, verdict.text])

        yield write


def _write_nothing(_: Verdict) -> None:
    pass
