"""One sheet of an XLSX workbook, read without letting the file decide how much memory it takes."""

import io
import re
import zipfile
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum

from mappings.errors import UnreadableDocumentError
from mappings.feed_text import MAX_FEED_BYTES

SheetCell = str | float | int | bool | datetime | date | time | timedelta

MAX_CELLS = 20_000_000
"""calamine allocates the whole rectangle up to the last cell; one stray cell at XFD1048576 ends the process."""

_CELL_REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""")
_CHUNK_BYTES = 1 << 20


def read_sheet(body: bytes, name: str | None) -> list[list[SheetCell]]:
    """All rows of the named sheet (None: the first), from the first line on; an empty cell is an empty text.

    Raises:
        UnreadableDocumentError: no complete XLSX, no such sheet, or too large.
    """
    _check_size(body)
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(body)) as workbook:
            names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
            chosen = name if name is not None else next(iter(names), None)
            if chosen is None or chosen not in names:
                raise UnreadableDocumentError(f"the workbook has no sheet {chosen!r}, it has {names[:12]}")
            return workbook.get_sheet_by_name(chosen).to_python(skip_empty_area=False)
    except (CalamineError, OSError) as error:
        raise UnreadableDocumentError("the feed is not a complete XLSX workbook") from error


def _check_size(body: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise UnreadableDocumentError("the feed is not an XLSX workbook")
            if sum(part.file_size for part in archive.infolist()) > MAX_FEED_BYTES:
                raise UnreadableDocumentError(f"the workbook unpacks to more than {MAX_FEED_BYTES // 2**20} MiB")
            for part in archive.namelist():
                if part.startswith("xl/worksheets/") and part.endswith(".xml"):
                    _check_extent(archive, part)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError) as error:
        raise UnreadableDocumentError("the feed is not a complete XLSX workbook") from error


def _check_extent(archive: zipfile.ZipFile, part: str) -> None:
    rows = columns = 0
    tail = b""
    with archive.open(part) as sheet:
        while chunk := sheet.read(_CHUNK_BYTES):
            for letters, number in _CELL_REFERENCE.findall(tail + chunk):
                rows, columns = max(rows, int(number)), max(columns, _column(letters))
            tail = chunk[-32:]
    if rows * columns > MAX_CELLS:
        raise UnreadableDocumentError(
            f"a sheet of the workbook spans {rows} rows and {columns} columns: remove the stray cells at its far end"
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
