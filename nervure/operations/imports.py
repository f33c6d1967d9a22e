"""First load: a file of items, locations or opening stock, compared with the hub row by row and taken in batches.

Each batch is one transaction and says of each row what became of it, so a load that was cut off is done again and ends
where it would have ended. The files that the settings name go the same way.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from nervure.operations.sheets import Row, Sheet, SheetError, read_table
from nervure.settings import SettingsError
from nervure.store.database import Connection, Database
from schemas.faults import first_fault

BATCH_ROWS = 2_000


class Outcome(StrEnum):
    """What becomes of one row."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row's outcome; `text` is why it was refused, or what changes."""

    row: Row
    outcome: Outcome
    text: str = ""


class Loader(Protocol):
    """One kind of file."""

    needed: set[str]
    known: set[str]

    def look_over(self, sheet: Sheet) -> int:
        """Goes through the file once, for what only the whole file can say; answers how many rows it has."""

    def batches(self, sheet: Sheet) -> Iterator[list[Row]]:
        """The rows in the order in which they can be taken."""

    def take(self, connection: Connection, rows: Sequence[Row], now: datetime, *, writes: bool) -> list[Verdict]:
        """Compares a batch with the hub, and writes what differs if `writes`."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told while a load runs: how many rows there are, and of each row its verdict."""

    begins: Callable[[int], None]
    hears: Callable[[Verdict], None]


def open_table(path: Path, loader: Loader) -> Sheet:
    """Opens a file for its loader.

    Raises:
        SheetError: it cannot be read or lacks a column.
    """
    return read_table(path, loader.needed)


def unread_columns(sheet: Sheet, loader: Loader) -> list[str]:
    """Columns of the file that nobody reads: a misspelled one would otherwise not be noticed."""
    return [
        column for column in sheet.columns if column and column not in loader.known and not column.startswith("option:")
    ]


def load(
    database: Database, sheet: Sheet, loader: Loader, listener: Listener, *, now: Callable[[], datetime], writes: bool
) -> Counter[Outcome]:
    """Takes a file: everything good is written, and each refused row is told. Not `writes`: it is only compared.

    Raises:
        SheetError: the file breaks off in the middle; what came before may be written, and can be taken again.
    """
    listener.begins(loader.look_over(sheet))
    counted: Counter[Outcome] = Counter()
    for batch in loader.batches(sheet):
        for verdict in _take(database, loader, batch, now(), writes=writes):
            counted[verdict.outcome] += 1
            listener.hears(verdict)
    return counted


def _take(database: Database, loader: Loader, batch: list[Row], now: datetime, *, writes: bool) -> list[Verdict]:
    if writes:
        return database.run(lambda connection: loader.take(connection, batch, now, writes=True))
    with database.read() as connection:
        return loader.take(connection, batch, now, writes=False)


def take_whole(connection: Connection, path: Path, loader: Loader, now: datetime) -> None:
    """Takes a file that the settings name, in the caller's transaction: all of it or nothing.

    Raises:
        SettingsError: the file cannot be read, or a row cannot be used; the first one is named.
    """
    try:
        sheet = open_table(path, loader)
        loader.look_over(sheet)
        for batch in loader.batches(sheet):
            for verdict in sorted(loader.take(connection, batch, now, writes=True), key=lambda one: one.row.line):
                if verdict.outcome is Outcome.REFUSED:
                    raise SettingsError(f"{path.name}, line {verdict.row.line}: {verdict.text}")
    except SheetError as error:
        raise SettingsError(str(error)) from error


def in_batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Cuts rows into batches of one transaction each."""
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def refused(row: Row, text: str) -> Verdict:
    return Verdict(row, Outcome.REFUSED, text)


def fault_of(error: ValueError) -> str:
    """The first fault in one sentence that a merchant understands, with the field it concerns."""
    if not isinstance(error, ValidationError):
        return str(error)
    place, words = first_fault(error)
    return (".".join(part for part in place if isinstance(part, str)) + words).removeprefix(": ")
