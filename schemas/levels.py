"""Writing a channel's numbers, and reading them back."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class LevelKey:
    """One number of a channel: `stock_id` of a listing, at a stock point."""

    stock_id: str
    stock_point: str


@dataclass(frozen=True, slots=True)
class LevelWrite:
    """Show `units` there. `expected_units` is what we believe stands there now (compare-and-set), None: unknown.

    `sku` is the merchant's own name of the listing, which some marketplaces write stock under.
    """

    key: LevelKey
    units: int
    expected_units: int | None = None
    sku: str = ""


class WriteOutcome(StrEnum):
    """What became of one write.

    CONFIRMED: the platform's answer proves that it shows the number. SENT: taken, to be confirmed by an import
    report or by reading back. STALE: compare-and-set failed, nothing written. REFUSED: this row never will be, with a
    reason. NOT_APPLIED: nothing written because of another row of the batch; send again. UNKNOWN: no answer, it may
    still take effect. UNACCOUNTED: what was asked for has ended, and does not say what became of this row.
    """

    CONFIRMED = "confirmed"
    SENT = "sent"
    STALE = "stale"
    REFUSED = "refused"
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"
    UNACCOUNTED = "unaccounted"


@dataclass(frozen=True, slots=True)
class LevelAnswer:
    """What became of one write. `receipt` identifies an asynchronous import.

    `most_rows`: the platform refused a larger write as a whole, so this row goes with others as one of at most so many.
    """

    key: LevelKey
    outcome: WriteOutcome
    reason: str | None = None
    receipt: str | None = None
    most_rows: int | None = None


@dataclass(frozen=True, slots=True)
class LevelReading:
    """What the channel shows now; `units` None: the channel does not know this listing at this stock point."""

    key: LevelKey
    units: int | None
