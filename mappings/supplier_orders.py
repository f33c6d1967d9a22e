"""Orders to a supplier's own document, and its replies back to ours. Pure: the words of both sides are declared."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from mappings.errors import UnreadableDocumentError
from mappings.feed_formats import read_table
from mappings.feed_shape import Columns, FeedRow, TableShape
from mappings.feed_values import CellError, instant_of, text_of, units_of
from schemas.dropship import DropShipLine, DropShipOrder, RefusedRow, SupplierReply
from schemas.locations import TimeZoneName

_HEADER_WORDS = ("reference", "placed_at", "recipient")
_LINE_WORDS = ("line", "supplier_sku", "units")


class OrderTemplate(BaseModel):
    """The supplier's names for what an order says, each with our word.

    Our words: `reference`, `placed_at`, `recipient` (all of it, JSON only), `recipient.<key>` (a `?` behind it: may
    be missing) and, for lines, `line`, `supplier_sku`, `units`. A dot in the supplier's name makes nested JSON; in
    CSV there is one row for each line. `constants` are written as they are, for example our customer number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["json", "csv"] = "json"
    fields: Mapping[str, str] = {word: word for word in _HEADER_WORDS}
    line_fields: Mapping[str, str] = {word: word for word in _LINE_WORDS}
    lines_name: str = "lines"
    constants: Mapping[str, str] = {}
    separator: Literal[";", ",", "\t", "|"] = ";"

    @model_validator(mode="after")
    def _carries_what_the_supplier_needs(self) -> Self:
        header, lines = set(self.fields.values()), set(self.line_fields.values())
        known = {word for word in header if word in _HEADER_WORDS or re.fullmatch(r"recipient\..+", word)}
        if wrong := (header - known) | (lines - set(_LINE_WORDS)):
            raise ValueError(f"an order has no word {min(wrong)!r}")
        if "reference" not in header:
            raise ValueError("the order document must carry our `reference`: the supplier deduplicates on it")
        if not {"supplier_sku", "units"} <= lines:
            raise ValueError("the lines of an order must carry `supplier_sku` and `units`")
        if self.format == "csv" and "recipient" in header:
            raise ValueError("a CSV order names each part of the recipient, for example `recipient.city`")
        return self


class ReplyColumns(Columns):
    """The columns of a reply. `units` are confirmed, or shipped where there is tracking; `refusal` is the reason."""

    essential = ("reference",)

    reference: str
    line: str | None = None
    units: str | None = None
    refusal: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    happened_at: str | None = None
    reply_id: str | None = None


class ReplyShape(TableShape):
    """How replies are written: one row for each line (CSV), or for each reply with its lines `within` (JSON, XML)."""

    columns: ReplyColumns
    happened_at_format: str | None = None


@dataclass(frozen=True, slots=True)
class HeardReply:
    """One reply, and the id under which the supplier wants to be told that it was read."""

    reply: SupplierReply
    reply_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyReading:
    replies: tuple[HeardReply, ...]
    refused: tuple[RefusedRow, ...]


def order_document(order: DropShipOrder, template: OrderTemplate) -> bytes:
    """Writes an order in the supplier's form; the same order is always the same bytes.

    Raises:
        UnreadableDocumentError: the order lacks what the template asks for.
    """
    header = dict(template.constants) | {
        name: value for name, word in template.fields.items() if (value := _header_value(order, word)) is not None
    }
    if template.format == "json":
        document = _nested(header)
        document[template.lines_name] = [
            _nested({name: _line_value(line, word) for name, word in template.line_fields.items()})
            for line in order.lines
        ]
        return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
    # An optional field that this order lacks still has its column: the supplier reads the same columns every time.
    names = [*template.constants, *template.fields, *template.line_fields]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=template.separator)
    writer.writerow(names)
    for line in order.lines:
        cells = header | {name: _line_value(line, word) for name, word in template.line_fields.items()}
        writer.writerow([cells.get(name, "") for name in names])
    return text.getvalue().encode()


def _header_value(order: DropShipOrder, word: str) -> str | dict[str, str] | None:
    match word:
        case "reference":
            return order.reference
        case "placed_at":
            return order.placed_at.isoformat()
        case "recipient":
            return dict(order.recipient)
    key = word.partition(".")[2]
    value = order.recipient.get(key.removesuffix("?"))
    if value is None and not key.endswith("?"):
        raise UnreadableDocumentError(f"order {order.reference!r} has no recipient {key!r}, which the supplier needs")
    return value


def _line_value(line: DropShipLine, word: str) -> str | int:
    match word:
        case "line":
            return line.line
        case "units":
            return line.units
        case _:
            return line.supplier_sku


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return tree


def read_replies(body: bytes, shape: ReplyShape, time_zone: TimeZoneName, fallback: datetime) -> ReplyReading:
    """Reads what a supplier says about orders; a reply with one bad row is refused whole.

    `fallback`: the document's own time, for replies that state none.

    Raises:
        UnreadableDocumentError: not of the declared format, broken off, or without its columns.
    """
    if not body.strip():
        return ReplyReading((), ())
    table = read_table(body, shape)
    if table.damage:
        raise UnreadableDocumentError("; ".join(table.damage))
    drafts: dict[tuple[str, ...], _Draft] = {}
    refused: list[RefusedRow] = []
    for row in table.rows:
        key = tuple(
            text_of(row.cells.get(word))
            for word in ("reference", "reply_id", "carrier", "tracking_number", "happened_at")
        )
        draft = drafts.setdefault(key, _Draft(row.line))
        try:
            draft.add(row)
        except CellError as error:
            draft.is_bad = True
            refused.append(RefusedRow(row.line, str(error)))
    replies: list[HeardReply] = []
    for draft in (draft for draft in drafts.values() if not draft.is_bad):
        try:
            replies.append(draft.reply(shape, time_zone, fallback))
        except CellError as error:
            refused.append(RefusedRow(draft.line, str(error)))
    return ReplyReading(tuple(replies), tuple(refused))


@dataclass(slots=True)
class _Draft:
    line: int
    rows: list[FeedRow] = field(default_factory=list)
    confirmed: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    is_bad: bool = False

    def add(self, row: FeedRow) -> None:
        if row.defect is not None:
            raise CellError(row.defect)
        self.rows.append(row)
        if not text_of(row.cells.get("reference")):
            raise CellError("no order reference")
        line, refusal = text_of(row.cells.get("line")), text_of(row.cells.get("refusal"))
        units = self._units(row)
        if not line:
            if units is not None or refusal:
                raise CellError("units or a refusal without the line they are about")
        elif line in self.confirmed or line in self.refused:
            raise CellError(f"line {line!r} stands twice in one reply")
        elif refusal and not units:
            self.refused[line] = refusal
        elif units is not None:
            self.confirmed[line] = units
        else:
            raise CellError(f"line {line!r} is neither confirmed nor refused")

    @staticmethod
    def _units(row: FeedRow) -> int | None:
        cell = row.cells.get("units")
        if not text_of(cell):
            return None
        units, remark = units_of(cell, ".", {})
        if remark:
            raise CellError(f"{text_of(cell)!r} is not a number of units")
        return units

    def reply(self, shape: ReplyShape, time_zone: TimeZoneName, fallback: datetime) -> HeardReply:
        cells = self.rows[0].cells
        reply = SupplierReply(
            reference=text_of(cells.get("reference")),
            confirmed=self.confirmed,
            refused=self.refused,
            carrier=text_of(cells.get("carrier")) or None,
            tracking_number=text_of(cells.get("tracking_number")) or None,
            happened_at=instant_of(cells.get("happened_at"), shape.happened_at_format, time_zone) or fallback,
        )
        return HeardReply(reply, text_of(cells.get("reply_id")) or None)


def numbered(rows: tuple[RefusedRow, ...]) -> Iterator[str]:
    """Refused rows in words."""
    return (f"line {row.line}: {row.reason}" for row in rows)
