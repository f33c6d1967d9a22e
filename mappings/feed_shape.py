"""How a table of a feed is declared, and what a reader makes of it: rows of named cells that know their line."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Self

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from schemas.base import NonNegativeUnits

Cell = str | Decimal | datetime | None
"""What stands in a cell. A number is exact; a time without zone is the supplier's local time."""


class FeedFormat(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"
    XML = "xml"


class Columns(BaseModel):
    """Where each of our words stands: a column name, or for JSON and XML a jmespath expression within a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    essential: ClassVar[tuple[str, ...]] = ()

    def by_word(self) -> dict[str, str]:
        """The declared columns by our word."""
        return {word: column for word, column in self.model_dump().items() if column is not None}


class FeedColumns(Columns):
    """The columns of an offer."""

    essential = ("supplier_sku", "units")

    supplier_sku: str
    gtin: str | None = None
    title: str | None = None
    units: str | None = None
    unit_cost: str | None = None
    currency: str | None = None
    lead_time_days: str | None = None
    as_of: str | None = None


class TableShape(BaseModel):
    """How rows are written. What is not declared is detected where the file decides it; what is declared wins.

    `rows`: jmespath to the list of rows in JSON and XML (none: the document is the list, or the children of the
    root element). `within`: jmespath to a list inside of each row (variants, order lines); a word is looked for
    there first, then in the row. `as_of_path`: jmespath to the time of the whole document. `skip_lines`: lines
    above the header. `has_header` False: columns are named "1", "2", … by position. `quote` empty: quotes are
    ordinary characters. `trailer`: a regular expression for the last line of a complete CSV file; its group `rows`
    is compared with the rows there are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FeedFormat
    columns: Columns
    rows: str | None = None
    within: str | None = None
    as_of_path: str | None = None
    sheet: str | None = None
    encoding: str | None = None
    separator: str | None = None
    quote: str = '"'
    has_header: bool = True
    skip_lines: NonNegativeUnits = 0
    trailer: str | None = None

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, name: str | None) -> str | None:
        try:
            "".encode(name or "utf-8")
        except LookupError as error:
            raise ValueError(f"{name!r} is not an encoding: write for example utf-8, cp1252 or latin-1") from error
        return name

    @field_validator("separator", "quote")
    @classmethod
    def _is_one_character(cls, sign: str | None) -> str | None:
        if sign and (len(sign) != 1 or sign in "\r\n"):
            raise ValueError(f"{sign!r} is not one character")
        return sign

    @field_validator("trailer")
    @classmethod
    def _trailer_is_an_expression(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _paths_are_expressions(self) -> Self:
        if self.format in (FeedFormat.CSV, FeedFormat.XLSX):
            declared = [name for name in ("rows", "within", "as_of_path") if getattr(self, name) is not None]
            if declared:
                raise ValueError(f"{' and '.join(declared)} are for JSON and XML, this feed is {self.format.value}")
            return self
        columns = self.columns.by_word().values()
        for path in (self.rows, self.within, self.as_of_path, *(path for path in columns if _is_expression(path))):
            try:
                jmespath.compile(path or "@")
            except (JMESPathError, ValueError) as error:
                raise ValueError(f"{path!r} is not a jmespath expression") from error
        return self


def _is_expression(path: str) -> bool:
    return any(sign in path for sign in ".[]|(){}`")


class FeedShape(TableShape):
    """How a feed of offers is written."""

    columns: FeedColumns


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One row: its cells by our word. `line` counts as the merchant's editor does; in JSON and XML it is the row."""

    line: int
    cells: Mapping[str, Cell]
    defect: str | None = None


@dataclass(frozen=True, slots=True)
class FeedTable:
    """All rows of a feed; `damage` is what is wrong with the file as a whole."""

    rows: tuple[FeedRow, ...]
    damage: tuple[str, ...] = ()
    as_of: Cell = None


def as_cell(value: object) -> Cell:
    match value:
        case None | "":
            return None
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _exact(value)
        case date() if not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a sheet's dates have no zone
        case datetime() | Decimal() | str():
            return value
        case _:
            return str(value)


def _exact(number: int | float) -> Cell:
    """A sheet's number as it was typed: whole up to 2^53, else the 15 digits that a spreadsheet keeps.

    A larger one has lost digits: it becomes text in scientific notation, which is recognized as mangled.
    """
    if isinstance(number, int):
        return Decimal(number)
    if number.is_integer():
        return Decimal(int(number)) if abs(number) < 2**53 else f"{number:.5E}"
    return Decimal(f"{number:.15g}")
