"""Stock files: what is uploaded (STO01), and what Mirakl's reports say about their rows (STO02, STO03)."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import ContractError
from connectors.mirakl_api import object_of
from connectors.transport import HttpResponse
from schemas.levels import LevelAnswer, LevelWrite, WriteOutcome

COLUMNS = ("offer-sku", "quantity", "warehouse-code", "update-delete")
RUNNING = frozenset({"WAITING", "RUNNING", "QUEUED"})
"""QUEUED is not in the contract; operators answer it."""


@dataclass(frozen=True, slots=True)
class ImportState:
    """How far an import is. `errors` is what its status says of refused rows, None where it does not count them."""

    status: str
    has_report: bool
    errors: int | None


def stock_file(writes: Sequence[LevelWrite]) -> bytes:
    """The file of STO01. Without a warehouse a quantity is the offer's whole quantity."""
    text = io.StringIO()
    lines = csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    lines.writerow(COLUMNS)
    lines.writerows((write.key.stock_id, write.units, "", "") for write in writes)
    return text.getvalue().encode()


def import_state(answer: HttpResponse) -> ImportState:
    """Reads the answer of STO02.

    Raises:
        ContractError: it has no status.
    """
    wire = object_of(answer)
    match wire:
        case {"status": str(status), "has_error_report": bool(has_report)}:
            errors = wire.get("lines_in_error")
            return ImportState(status, has_report, errors if isinstance(errors, int) else None)
        case _:
            raise ContractError("Mirakl's import status has no status")


def report_reasons(report: bytes) -> list[tuple[str | None, str]]:
    """The refused rows of STO03 as (offer sku, reason), sku None where the report does not name it.

    The contract promises only that the first column is the line number and the second the reason, and that the file
    can be imported again: so the uploaded columns follow under their own names. Operators choose the delimiter.
    """
    text = report.decode("utf-8-sig", errors="replace")
    head = text.partition("\n")[0]
    rows = list(csv.reader(io.StringIO(text), delimiter=";" if head.count(";") >= head.count(",") else ","))
    if not rows:
        return []
    names = [name.strip().lower() for name in rows[0]]
    at = names.index("offer-sku") if "offer-sku" in names else None
    return [
        (row[at] if at is not None and at < len(row) else None, row[1][:200] if len(row) > 1 else "no reason given")
        for row in rows[1:]
        if row
    ]


def outcomes(
    writes: Sequence[LevelWrite], state: ImportState, refused: Sequence[tuple[str | None, str]], receipt: str
) -> list[LevelAnswer]:
    """What became of each row of an ended import.

    Where the report does not account for every refused row, the others are UNACCOUNTED, never CONFIRMED. What failed as
    a whole goes in halves: a row of it may be the reason.
    """
    reasons = {sku: reason for sku, reason in refused if sku is not None}
    known = {write.key.stock_id for write in writes}
    is_accounted = all(sku in known for sku, _ in refused) and state.errors in (None, len(refused))
    most = max(1, len(writes) // 2) if state.status == "FAILED" else None
    if state.status == "FAILED":
        rest, why = WriteOutcome.NOT_APPLIED, "the whole import failed"
    elif is_accounted:
        rest, why = WriteOutcome.CONFIRMED, None
    else:
        rest, why = WriteOutcome.UNACCOUNTED, "the error report does not name every refused row"
    return [
        LevelAnswer(write.key, WriteOutcome.REFUSED, reasons[write.key.stock_id], receipt)
        if write.key.stock_id in reasons
        else LevelAnswer(write.key, rest, why, receipt, most)
        for write in writes
    ]
