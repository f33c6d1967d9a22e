"""Real order history as events of the world: invoices, cancellations, returns, adjustments, and what is no goods.

Reads the columns of the Online Retail data set (InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
CustomerID, Country), as CSV or gzip. A `C…` invoice cancels; a negative row without it is a stock correction.
"""

import csv
import gzip
import re
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
_GOODS = re.compile(r"^[A-Z]{0,4}\d{4,}[A-Z]{0,3}$")
_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%S")


class HistoryError(Exception):
    """A history file that cannot be read: which, and why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an invoice; `units` signed, the time as UTC."""

    invoice: str
    sku: str
    title: str
    units: int
    at: datetime
    price: Decimal
    customer: str
    country: str


class EventKind(StrEnum):
    SALE = "sale"
    TAKE_BACK = "take_back"
    BLIND_RETURN = "blind_return"
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True)
class Event:
    """What happens at one moment. `lines` are (sku, units): signed for adjustments, positive else.

    `of`: the invoice that a TAKE_BACK takes back. `customer` and `country` choose the channel.
    """

    kind: EventKind
    at: datetime
    invoice: str
    lines: tuple[tuple[str, int], ...]
    customer: str
    country: str
    of: str | None = None


@dataclass(slots=True)
class _Sale:
    """Units of one invoice that a customer still has."""

    invoice: str
    units: int


@dataclass
class History:
    """A read history: its events in time, the goods in it, and what was refused."""

    events: list[Event] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    rows_read: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def read_history(paths: Sequence[Path]) -> History:
    """Reads files in the order of their invoices' times.

    Raises:
        HistoryError: a file cannot be read or lacks a column.
    """
    history = History()
    rows: list[Row] = []
    for path in paths:
        for raw in _raw_rows(path):
            history.rows_read += 1
            row = _understood(raw)
            if isinstance(row, str):
                history.refused[row] += 1
            else:
                rows.append(row)
    rows.sort(key=lambda row: (row.at, row.invoice))
    for row in rows:
        if row.price > 0:
            history.prices.setdefault(row.sku, row.price)
            if row.title:
                history.titles.setdefault(row.sku, row.title)
    for row in rows:
        history.titles.setdefault(row.sku, row.title or row.sku)
    history.events = list(_events(rows))
    return history


def _raw_rows(path: Path) -> Iterator[dict[str, str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise HistoryError(f"{path.name} has no column {missing[0]!r}: it needs {', '.join(COLUMNS)}")
            yield from reader
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        cause = (error.strerror if isinstance(error, OSError) else None) or "it is no complete CSV"
        raise HistoryError(f"{path.name} cannot be read: {cause}") from error


def _understood(raw: dict[str, str]) -> Row | str:  # noqa: PLR0911 - each reason is one
    """A row of goods, or the reason why it is none."""
    values = {name: (raw.get(name) or "").strip() for name in COLUMNS}
    sku = values["StockCode"].upper()
    at = _time(values["InvoiceDate"])
    if not values["InvoiceNo"]:
        return "no invoice number"
    if not _GOODS.match(sku):
        return f"not goods: {sku or 'no stock code'}"
    if at is None:
        return "time cannot be read"
    try:
        quantity, price = Decimal(values["Quantity"]), Decimal(values["UnitPrice"] or "0")
        units = int(quantity)
    except (InvalidOperation, ValueError, OverflowError):
        return "quantity or price is not a number"
    if units == 0 or quantity != units or price < 0:
        return "quantity is zero or a fraction, or the price is negative"
    if units > 0 and values["InvoiceNo"].upper().startswith("C"):
        return "a cancellation that takes nothing back"
    customer = values["CustomerID"].removesuffix(".0")
    return Row(values["InvoiceNo"].upper(), sku, values["Description"], units, at, price, customer, values["Country"])


def _time(text: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _events(rows: Iterable[Row]) -> Iterator[Event]:
    """Groups rows to events. What a customer bought and has not given back yet is matched newest first."""
    bought: dict[tuple[str, str], deque[_Sale]] = defaultdict(deque)
    invoices: dict[tuple[datetime, str], list[Row]] = defaultdict(list)
    for row in rows:
        invoices[row.at, row.invoice].append(row)
    for (at, invoice), lines in sorted(invoices.items(), key=lambda entry: entry[0]):
        first = lines[0]
        sold = [row for row in lines if row.units > 0 and not invoice.startswith("C")]
        if sold:
            yield Event(EventKind.SALE, at, invoice, _summed(sold), first.customer, first.country)
            for row in sold:
                if row.customer:
                    bought[row.customer, row.sku].append(_Sale(invoice, row.units))
        taken = [row for row in lines if row.units < 0]
        if invoice.startswith("C"):
            yield from _taken_back(at, invoice, taken, bought)
        elif taken:
            changes = tuple((row.sku, row.units) for row in taken)
            yield Event(EventKind.ADJUSTMENT, at, invoice, changes, first.customer, first.country)


def _taken_back(
    at: datetime, invoice: str, rows: Sequence[Row], bought: dict[tuple[str, str], deque[_Sale]]
) -> Iterator[Event]:
    matched: dict[str, Counter[str]] = defaultdict(Counter)
    blind: Counter[str] = Counter()
    for row in rows:
        missing = -row.units
        pile = bought[row.customer, row.sku] if row.customer else deque()
        while missing and pile:
            sale = pile[-1]
            units = min(missing, sale.units)
            matched[sale.invoice][row.sku] += units
            missing -= units
            sale.units -= units
            if not sale.units:
                pile.pop()
        if missing:
            blind[row.sku] += missing
    customer, country = rows[0].customer if rows else "", rows[0].country if rows else ""
    for number, (sale_invoice, lines) in enumerate(sorted(matched.items())):
        yield Event(
            EventKind.TAKE_BACK,
            at,
            f"{invoice}-{number}",
            tuple(sorted(lines.items())),
            customer,
            country,
            of=sale_invoice,
        )
    if blind:
        yield Event(EventKind.BLIND_RETURN, at, invoice, tuple(sorted(blind.items())), customer, country)


def _summed(rows: Sequence[Row]) -> tuple[tuple[str, int], ...]:
    total: Counter[str] = Counter()
    for row in rows:
        total[row.sku] += row.units
    return tuple(total.items())
