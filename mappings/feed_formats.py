"""Feeds in CSV, XLSX, JSON or XML to rows of named cells, in the shape that the settings declare.

Nothing is interpreted here: a cell is text, an exact number, or a time, and every row knows its line.
"""

import csv
import io
import re
from collections.abc import Iterator

from mappings.errors import UnreadableDocumentError
from mappings.feed_shape import Cell, Columns, FeedFormat, FeedRow, FeedTable, TableShape, as_cell
from mappings.feed_text import decoded, unpacked
from mappings.feed_trees import read_json, read_xml
from mappings.feed_workbook import read_sheet

SEPARATORS = (";", ",", "\t", "|")


def read_table(body: bytes, shape: TableShape) -> FeedTable:
    """Reads the rows of a feed.

    Raises:
        UnreadableDocumentError: not the declared format, or a declared column is not there.
    """
    plain, broken_off = unpacked(body)
    table = _read(plain, shape)
    return FeedTable(table.rows, (broken_off, *table.damage), table.as_of) if broken_off else table


def _read(body: bytes, shape: TableShape) -> FeedTable:
    if not body.strip():
        return FeedTable((), ("the feed is empty",))
    match shape.format:
        case FeedFormat.CSV:
            return _read_csv(body, shape)
        case FeedFormat.XLSX:
            return _read_xlsx(body, shape)
        case FeedFormat.JSON:
            return read_json(body, shape)
        case FeedFormat.XML:
            return read_xml(body, shape)


def _read_csv(body: bytes, shape: TableShape) -> FeedTable:
    source = decoded(body, shape.encoding)
    damage = [source.damage] if source.damage else []
    text, announced = source.text, None
    if shape.trailer is not None:
        text, announced, missing = _without_trailer(text, shape.trailer)
        damage += [missing] if missing else []
    records = _csv_records(text, shape, shape.separator or detected_separator(text, shape), damage)
    rows = tuple(_rows_of(records, shape))
    if rows and rows[-1].defect and not text.endswith(("\n", "\r")) and shape.trailer is None:
        damage.append(f"unfinished: the feed breaks off in line {rows[-1].line}")
    if announced is not None and announced != len(rows):
        damage.append(f"unfinished: the last line announces {announced} rows, the feed has {len(rows)}")
    return FeedTable(rows, tuple(damage))


def _without_trailer(text: str, pattern: str) -> tuple[str, int | None, str | None]:
    stripped = text.rstrip("\r\n ")
    cut = max(stripped.rfind("\n"), stripped.rfind("\r")) + 1
    found = re.fullmatch(pattern, stripped[cut:])
    if found is None:
        return text, None, "unfinished: the line that ends a complete feed is missing"
    rows = found.groupdict().get("rows")
    return stripped[:cut], int(rows) if rows and rows.isdecimal() else None, None


def _csv_records(text: str, shape: TableShape, separator: str, damage: list[str]) -> Iterator[tuple[int, list[Cell]]]:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quotechar=shape.quote or None,
        quoting=csv.QUOTE_MINIMAL if shape.quote else csv.QUOTE_NONE,
        strict=True,  # a stray quote would otherwise swallow the rows up to the next one
    )
    line = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                damage.append(f"unfinished: the feed breaks off within quotes that open in line {line}")
                return
            raise UnreadableDocumentError(f"the feed's CSV is broken in line {line}: {error}") from error
        yield line, list(record)
        line = reader.line_num + 1


def detected_separator(text: str, shape: TableShape) -> str:
    """The separator under which most of the declared columns are found; ties go to the more columns."""
    lines = text.split("\n", shape.skip_lines + 1)[shape.skip_lines :]
    first = lines[0].rstrip("\r") if lines else ""
    wanted = set(shape.columns.by_word().values())

    def found(separator: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in first.split(separator)]
        return (len(wanted.intersection(names)) if shape.has_header else 0, len(names))

    return max(SEPARATORS, key=found)


def _read_xlsx(body: bytes, shape: TableShape) -> FeedTable:
    cells = read_sheet(body, shape.sheet)
    records = ((line, [as_cell(value) for value in row]) for line, row in enumerate(cells, start=1))
    return FeedTable(tuple(_rows_of(records, shape)))


def _rows_of(records: Iterator[tuple[int, list[Cell]]], shape: TableShape) -> Iterator[FeedRow]:
    places: dict[str, int] | None = None
    width = 0
    for line, record in records:
        if line <= shape.skip_lines or all(_is_blank(cell) for cell in record):
            continue
        if places is None:
            names = [
                str(cell or "").strip() if shape.has_header else str(place)
                for place, cell in enumerate(record, start=1)
            ]
            places, width = _places(names, shape.columns), len(record)
            if shape.has_header:
                continue
        if len(record) < width:
            defect = f"the row has {len(record)} cells, the header has {width}"
            yield FeedRow(line, {}, defect)
        elif any(not _is_blank(cell) for cell in record[width:]):
            yield FeedRow(line, {}, f"the row has {len(record)} cells, the header has {width}")
        else:
            yield FeedRow(line, {word: record[place] for word, place in places.items()})


def _places(names: list[str], columns: Columns) -> dict[str, int]:
    places: dict[str, int] = {}
    for word, column in columns.by_word().items():
        match names.count(column):
            case 0:
                there = ", ".join(repr(name[:40]) for name in names[:12])
                raise UnreadableDocumentError(f"column {column!r} ({word}) is not in the header, which has {there}")
            case 1:
                places[word] = names.index(column)
            case times:
                raise UnreadableDocumentError(f"column {column!r} ({word}) stands {times} times in the header")
    return places


def _is_blank(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
