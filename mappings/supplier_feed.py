"""A supplier's feed to offers, and the judgement whether it may be believed. Pure: bytes in, facts out.

A feed is one document: a first line (JSON) that says how the file is to be read, then the file as it came. It can so
be read again later exactly as it was meant then, and a corrected declaration makes a new document.

`read_feed` reads it row by row: a bad row is refused with its line and reason, the others are offers. `judge_feed`
looks at the whole: a feed is applied as a whole or held as a whole. Rows refused keep their last offer, which ages.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mappings.errors import UnreadableDocumentError
from mappings.feed_formats import read_table
from mappings.feed_shape import FeedRow, FeedShape, FeedTable
from mappings.feed_text import is_damaged
from mappings.feed_values import (
    CellError,
    DecimalMark,
    cost_of,
    currency_of,
    days_of,
    detected_mark,
    gtin_of,
    instant_of,
    is_mangled,
    supplier_sku_of,
    text_of,
    units_of,
)
from schemas.base import Code, Currency, NonNegativeUnits, UtcDateTime
from schemas.documents import Heard, RawDocument
from schemas.dropship import FeedVerdict, RefusedRow
from schemas.locations import TimeZoneName
from schemas.stock import SupplierOffer

FEED_TOPIC = "feed"

Share = Annotated[float, Field(ge=0, le=1)]


class FeedLimits(BaseModel):
    """Beyond which a feed is held. Shares are of the feed's rows, `max_lost_share` of the offers there were before.

    `believed_zero_rows`: a feed with fewer stock figures than this may be all zeros; a larger one may not, where it
    had units before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_lost_share: Share = 0.30
    max_mangled_share: Share = 0.01
    max_damaged_text_share: Share = 0.01
    max_refused_share: Share = 0.10
    believed_zero_rows: int = 10


class FeedDeclaration(BaseModel):
    """What the settings say of a feed. `as_of`: the file's own time, where the feed does not state one inside.

    `units_words`: what words in the units column stand for, in lower case ("" for an empty cell).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supplier: Code
    time_zone: TimeZoneName = "UTC"
    shape: FeedShape
    decimal: DecimalMark | None = None
    currency: Currency | None = None
    as_of_format: str | None = None
    units_words: Mapping[str, NonNegativeUnits] = {}
    limits: FeedLimits = FeedLimits()
    as_of: UtcDateTime | None = None

    @property
    def has_own_time(self) -> bool:
        """Whether the feed states inside of what time its figures are."""
        return self.shape.columns.as_of is not None or self.shape.as_of_path is not None


@dataclass(frozen=True, slots=True)
class RowRemark:
    """A row that was loaded, with what a person should know about it."""

    line: int
    remark: str


@dataclass(frozen=True, slots=True)
class FeedReading:
    """What a feed says. `rows` counts all rows that are not blank; the others explain why it may not be believed."""

    offers: tuple[SupplierOffer, ...]
    refused: tuple[RefusedRow, ...]
    remarks: tuple[RowRemark, ...] = ()
    rows: int = 0
    damage: tuple[str, ...] = ()
    mangled: tuple[RowRemark, ...] = ()
    damaged_text_lines: tuple[int, ...] = ()
    conflicting_skus: tuple[str, ...] = ()


def feed_document(declaration: FeedDeclaration, file: bytes, heard: Heard = Heard.POLL) -> RawDocument:
    """Makes the one document of a feed.

    The event is the hash of the file and of how it is read; the file's own time counts only where the feed states
    none, because then the same figures written again later are a newer statement.
    """
    header = declaration.model_dump_json().encode() + b"\n"
    identity = declaration.model_copy(update={"as_of": None}) if declaration.has_own_time else declaration
    digest = hashlib.sha256(identity.model_dump_json().encode() + b"\n")
    digest.update(file)
    return RawDocument(
        topic=FEED_TOPIC,
        document_id=declaration.supplier,
        event_id=f"feed:{digest.hexdigest()}",
        body=header + file,
        heard=heard,
        happened_at=declaration.as_of,
    )


def read_feed(document: RawDocument) -> FeedReading:
    """Reads a feed row by row.

    Raises:
        UnreadableDocumentError: not a feed, not of the declared format, or a declared column is missing.
    """
    if document.topic != FEED_TOPIC:
        raise UnreadableDocumentError(f"a supplier document with topic {document.topic!r} is not known")
    header, newline, file = document.body.partition(b"\n")
    if not newline:
        raise UnreadableDocumentError("the feed document has no declaration line")
    try:
        declaration = FeedDeclaration.model_validate_json(header)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, item["loc"])) for item in error.errors()[:5])
        raise UnreadableDocumentError(f"the feed document's declaration is not understood: {wrong}") from error
    table = read_table(file, declaration.shape)
    return _Reader(declaration, table).reading()


def read(document: RawDocument, previous_rows: int | None, previous_units: int | None) -> FeedVerdict:
    """Reads a feed and judges it as a whole.

    Raises:
        UnreadableDocumentError: the feed cannot be read at all.
    """
    reading = read_feed(document)
    limits = FeedDeclaration.model_validate_json(document.body.partition(b"\n")[0]).limits
    return FeedVerdict(
        offers=reading.offers,
        refused=reading.refused,
        remarks=tuple(RefusedRow(row.line, row.remark) for row in reading.remarks),
        held_reason=judge_feed(reading, previous_rows, limits, previous_units=previous_units),
    )


def judge_feed(
    reading: FeedReading, previous_rows: int | None, limits: FeedLimits, *, previous_units: int | None = None
) -> str | None:
    """Why a feed must be held as a whole; None: it may be applied.

    Args:
        reading: what the feed says.
        previous_rows: number of offers of the last feed that was applied; None: there was none, or it is not known.
        limits: the supplier's.
        previous_units: their units in all; None: not known.
    """
    reasons = [
        *reading.damage,
        *_bad_codes(reading, limits),
        *_bad_rows(reading, limits),
        *_bad_change(reading, previous_rows, previous_units, limits),
    ]
    return "; ".join(reasons) or None


def _bad_codes(reading: FeedReading, limits: FeedLimits) -> Iterable[str]:
    if len(reading.mangled) > limits.max_mangled_share * reading.rows:
        first = reading.mangled[0]
        yield (
            f"mangled codes in {len(reading.mangled)} of {reading.rows} rows (line {first.line}: {first.remark}): "
            "the file went through a spreadsheet, ask for the export as it was"
        )
    if len(reading.damaged_text_lines) > limits.max_damaged_text_share * reading.rows:
        yield (
            f"broken characters in {len(reading.damaged_text_lines)} of {reading.rows} rows "
            f"(first in line {reading.damaged_text_lines[0]}): the text was saved in a wrong encoding"
        )


def _bad_rows(reading: FeedReading, limits: FeedLimits) -> Iterable[str]:
    if not reading.rows and not reading.damage:
        yield "the feed has no rows"
    if reading.conflicting_skus:
        names = ", ".join(repr(sku) for sku in reading.conflicting_skus[:5])
        yield f"{len(reading.conflicting_skus)} supplier skus stand twice with different figures ({names})"
    refused = len(reading.refused)
    if reading.rows and (refused > limits.max_refused_share * reading.rows or refused == reading.rows):
        first = reading.refused[0]
        yield f"{refused} of {reading.rows} rows cannot be used (line {first.line}: {first.reason})"


def _bad_change(
    reading: FeedReading, previous_rows: int | None, previous_units: int | None, limits: FeedLimits
) -> Iterable[str]:
    offers = len(reading.offers)
    if previous_rows and offers < previous_rows and previous_rows - offers >= limits.max_lost_share * previous_rows:
        lost = (previous_rows - offers) / previous_rows
        yield f"{offers} offers where there were {previous_rows}: {lost:.0%} are gone"
    figures = [offer.units for offer in reading.offers if offer.units is not None]
    if previous_units and len(figures) >= limits.believed_zero_rows and not any(figures):
        yield f"all {len(figures)} stock figures are 0, and there were {previous_units} units before"


class _Reader:
    """Reads the rows of one feed."""

    def __init__(self, declaration: FeedDeclaration, table: FeedTable) -> None:
        self._declaration = declaration
        self._table = table
        self._mark = self._decimal_mark()
        self._document_time = self._time_of_document()
        self._offers: dict[str, tuple[int, SupplierOffer]] = {}
        self._refused: list[RefusedRow] = []
        self._remarks: list[RowRemark] = []
        self._mangled: list[RowRemark] = []
        self._conflicts: Counter[str] = Counter()

    def reading(self) -> FeedReading:
        damaged = []
        for row in self._table.rows:
            self._note_mangled(row)
            if any(isinstance(cell, str) and is_damaged(cell) for cell in row.cells.values()):
                damaged.append(row.line)
            try:
                self._keep(row)
            except CellError as error:
                self._refused.append(RefusedRow(row.line, str(error)))
        kept = {sku: offer for sku, (_, offer) in self._offers.items() if sku not in self._conflicts}
        return FeedReading(
            offers=tuple(kept.values()),
            refused=tuple(sorted(self._refused, key=lambda row: row.line)),
            remarks=tuple(self._remarks),
            rows=len(self._table.rows),
            damage=self._table.damage,
            mangled=tuple(self._mangled),
            damaged_text_lines=tuple(damaged),
            conflicting_skus=tuple(self._conflicts),
        )

    def _decimal_mark(self) -> DecimalMark | None:
        if self._declaration.decimal is not None:
            return self._declaration.decimal
        cells = (row.cells.get(word) for row in self._table.rows for word in ("unit_cost", "units"))
        try:
            return detected_mark(cells)
        except CellError as error:
            raise UnreadableDocumentError(f"the feed's {error}") from error

    def _time_of_document(self) -> UtcDateTime | None:
        declared = self._declaration
        try:
            inside = instant_of(self._table.as_of, declared.as_of_format, declared.time_zone)
        except CellError as error:
            raise UnreadableDocumentError(f"the feed's time {error}") from error
        return inside or declared.as_of

    def _note_mangled(self, row: FeedRow) -> None:
        sku, gtin = text_of(row.cells.get("supplier_sku")), text_of(row.cells.get("gtin"))
        code = next((code for code in (sku, gtin) if is_mangled(code)), None)
        if code is not None:
            self._mangled.append(RowRemark(row.line, code[:30]))

    def _keep(self, row: FeedRow) -> None:
        if row.defect is not None:
            raise CellError(row.defect)
        remarks: list[str] = []
        offer = self._offer(row, remarks)
        line, earlier = self._offers.setdefault(offer.supplier_sku, (row.line, offer))
        if line != row.line:
            if _figures(earlier) != _figures(offer):
                self._refuse_both(offer.supplier_sku, line, row.line)
                return
            remarks.append(f"supplier sku {offer.supplier_sku!r} stands in line {line} already, with the same figures")
        self._remarks += [RowRemark(row.line, remark) for remark in remarks]

    def _refuse_both(self, sku: str, first: int, second: int) -> None:
        reason = f"supplier sku {sku!r} stands in lines {first} and {second} with different figures"
        lines = (second,) if sku in self._conflicts else (first, second)
        self._refused += [RefusedRow(line, reason) for line in lines]
        self._conflicts[sku] += 1

    def _offer(self, row: FeedRow, remarks: list[str]) -> SupplierOffer:
        cells, declared = row.cells, self._declaration
        code = gtin_of(cells.get("gtin"))
        units = None
        remarks += [code.remark] if code.remark else []
        if declared.shape.columns.units is not None:
            units, remark = units_of(cells.get("units"), self._mark, declared.units_words)
            remarks += [remark] if remark else []
        as_of = instant_of(cells.get("as_of"), declared.as_of_format, declared.time_zone) or self._document_time
        if as_of is None:
            raise CellError("of what time the figures are is stated neither in the row nor for the file")
        return SupplierOffer(
            supplier=declared.supplier,
            supplier_sku=supplier_sku_of(cells.get("supplier_sku")),
            gtin=code.gtin,
            title=text_of(cells.get("title")),
            units=units,
            unit_cost=cost_of(
                cells.get("unit_cost"), currency_of(cells.get("currency"), declared.currency), self._mark
            ),
            lead_time_days=days_of(cells.get("lead_time_days")),
            as_of=as_of,
        )


def _figures(offer: SupplierOffer) -> tuple[object, ...]:
    return offer.units, offer.unit_cost, offer.lead_time_days, offer.gtin
