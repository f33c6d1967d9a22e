"""Reading a merchant's table: CSV or XLSX, in whatever encoding and with whatever delimiter a spreadsheet wrote it."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from mappings.errors import UnreadableDocumentError
from mappings.feed_text import MAX_FEED_BYTES, decoded
from mappings.feed_workbook import SheetCell, read_sheet
from nervure.operations.refusals import RefusalError

DELIMITERS = ",;\t"
MAX_CELL_CHARACTERS = 1_000_000
MAX_DIGITS = 18


class SheetError(RefusalError):
    """A file that cannot be used as a whole: one sentence with its name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on, and its cells by column. Blanks around a cell are taken off."""

    line: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str | None:
        """The cell; None: the file does not have the column."""
        return self.cells.get(column)


@dataclass(frozen=True)
class Sheet:
    """A table that can be gone through several times. `encoding` is how a CSV was read; empty for a workbook."""

    name: str
    columns: tuple[str, ...]
    encoding: str = ""
    _text: str = field(default="", repr=False)
    _delimiter: str = ","
    _cells: list[list[SheetCell]] = field(default_factory=list, repr=False)

    def rows(self) -> Iterator[Row]:
        """The rows below the heading; empty ones are left out.

        Raises:
            SheetError: a row breaks the form of the file, or has more cells than the heading has columns.
        """
        for line, cells in self._lines():
            if not any(cells):
                continue
            if any(cells[len(self.columns) :]):
                raise SheetError(f"{self.name}, line {line}: more cells than the heading has columns")
            padded = cells + [""] * (len(self.columns) - len(cells))
            yield Row(line, dict(zip(self.columns, padded, strict=False)))

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        if self.encoding:
            lines = _csv_lines(self._text, self._delimiter, self.name)
            next(lines, None)
            yield from lines
        else:
            for number, row in enumerate(self._cells[1:], start=2):
                yield number, [as_text(cell) for cell in row]


def read_table(path: Path, needed: set[str]) -> Sheet:
    """Opens a table by its ending: `.xlsx` is a workbook (its first sheet), everything else is CSV.

    Raises:
        SheetError: it cannot be read, its encoding is damaged, or it lacks a needed column.
    """
    try:
        if path.stat().st_size > MAX_FEED_BYTES:
            raise SheetError(f"{path.name} is larger than {MAX_FEED_BYTES // 2**20} MiB: cut it in pieces")
        body = path.read_bytes()
    except OSError as error:
        raise SheetError(f"{path.name} cannot be read: {error.strerror}") from error
    sheet = _workbook(path.name, body) if path.suffix.lower() == ".xlsx" else _csv(path.name, body)
    missing = needed - set(sheet.columns)
    if missing:
        raise SheetError(f"{path.name} lacks the column {sorted(missing)[0]!r}")
    twice = {column for column in sheet.columns if column and sheet.columns.count(column) > 1}
    if twice:
        raise SheetError(f"{path.name} has the column {sorted(twice)[0]!r} twice")
    return sheet


def _workbook(name: str, body: bytes) -> Sheet:
    try:
        cells = read_sheet(body, None)
    except UnreadableDocumentError as error:
        raise SheetError(f"{name} cannot be read: {_of_a_file(str(error))}") from error
    heading = [as_text(cell) for cell in cells[0]] if cells else []
    return Sheet(name, _columns(heading), _cells=cells)


def _csv(name: str, body: bytes) -> Sheet:
    found = decoded(body, None)
    if found.damage is not None:
        raise SheetError(f"{name} cannot be read: {_of_a_file(found.damage)}")
    text = found.text.removeprefix("\ufeff")
    if "\x00" in text:
        raise SheetError(f"{name} cannot be read: it is not text")
    first = text.lstrip("\r\n").split("\n", 1)[0]
    # The heading decides: names of columns hold no delimiter, while a title or a number may.
    delimiter = max(DELIMITERS, key=first.count)
    heading = next(_csv_lines(text, delimiter, name), (1, []))[1]
    return Sheet(name, _columns(heading), found.encoding, text, delimiter)


def _of_a_file(text: str) -> str:
    """What is said of a supplier's feed, said of a file whose name stands before it."""
    return text.replace("the feed", "it")


def _broken(text: str) -> str:
    """What breaks the form of a CSV, by what the reader says of it."""
    if text == "unexpected end of data":
        return "a text in quotes begins here and never ends"
    if text.startswith("field larger"):
        return f"a cell has more than {MAX_CELL_CHARACTERS:,} characters"
    if "expected after" in text:
        return "a cell goes on after its closing quote: a quote inside of a cell is written twice"
    return "it is no row of a CSV"


def _csv_lines(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    begun = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SheetError(f"{name}, line {begun}: {_broken(str(error))}") from error
        if any(cells):
            yield begun, [cell.strip() for cell in cells]
        begun = reader.line_num + 1


def _columns(heading: list[str]) -> tuple[str, ...]:
    """Column names: upper and lower case do not matter, but in the name of an option they are kept."""
    return tuple(
        f"option:{name[len('option:') :].strip()}" if name.lower().startswith("option:") else name.lower()
        for name in heading
    )


def as_whole(text: str) -> int | None:
    """A whole number of 0 or more; None: it is none, or longer than anybody counts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def as_text(cell: SheetCell) -> str:
    """A cell as a person reads it: spreadsheets keep codes as numbers, and numbers as floats."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() | date():
            return cell.isoformat()
        case _:
            return str(cell).strip()
