"""Digests of rows that are evidence: whoever alters one in the database by hand leaves a trace.

A digest is 64 bits of a row's own columns, and of the full stock key of its level. It is written in the statement that
writes the row. It finds damage and mistakes; it is no signature against somebody who can compute it too.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

StockKey = tuple[int, int, str, str, str]
"""Item id, location id, owner, condition and lot."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def digest(columns: tuple[object, ...]) -> int:
    """64 bits of plain values, signed. `ascii` writes a value alike in every version of Python, and unambiguously."""
    return int.from_bytes(blake2b(ascii(columns).encode("ascii"), digest_size=8).digest(), "big", signed=True)


@lru_cache(maxsize=8_192)
def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


SEALED_MOVEMENT = (
    "sequence",
    "kind",
    "units",
    "reason",
    "cause_key",
    "document",
    "occurred_at",
    "recorded_at",
    "compensates_id",
)
"""What the digest of a movement holds beside its stock key, in this order."""

SEALED_CLAIM = ("kind", "units", "reference", "fulfillment_line_id", "expires_at", "created_at")
"""The same of a claim that is held."""


def movement_digest(key: StockKey, columns: Sequence[Any]) -> int:
    """Digest of a movement, from its key and the columns of `SEALED_MOVEMENT`."""
    sequence, kind, units, reason, cause, document, occurred_at, recorded_at, compensates_id = columns
    moments = _microseconds(occurred_at), _microseconds(recorded_at)
    return digest((*key, sequence, kind, units, reason, cause, document, *moments, compensates_id))


def claim_digest(key: StockKey, columns: Sequence[Any]) -> int:
    """Digest of a claim that is held, from its key and the columns of `SEALED_CLAIM`."""
    kind, units, reference, line, expires_at, created_at = columns
    taken = (*key, kind, units, reference, line, _microseconds(expires_at), _microseconds(created_at))
    return digest(taken) ^ _HELD


def ended_claim_digest(held: int, state: str, ended_at: datetime | None, recorded_at: datetime | None) -> int:
    """Digest of a claim in a state, from its digest while it was held."""
    return held ^ _HELD ^ _state_digest(state, ended_at, recorded_at)


def digest_when_ended(
    column: sa.ColumnElement[int], state: str, ended_at: datetime, recorded_at: datetime | None
) -> sa.ColumnElement[int]:
    """The same as an expression, so that a claim ends in one statement that has not read it."""
    change = _HELD ^ _state_digest(state, ended_at, recorded_at)
    # SQLite has no exclusive or.
    both = sa.literal(change, sa.BigInteger)
    return column.bitwise_or(both).self_group() - column.bitwise_and(both).self_group()


def count_digest(row: Any) -> int:
    """Digest of what somebody counted: every column of the row but its id."""
    names = sorted(name for name in row if name not in {"id", "digest"})
    return digest(tuple(_plain(row[name]) for name in names))


def _plain(value: Any) -> object:
    """PostgreSQL sums units to decimals, and gives them back as ints."""
    match value:
        case datetime():
            return _microseconds(value)
        case Decimal():
            return int(value)
    plain: object = value
    return plain


def _state_digest(state: str, ended_at: datetime | None, recorded_at: datetime | None) -> int:
    return digest((state, _microseconds(ended_at), _microseconds(recorded_at)))


_HELD = _state_digest("held", None, None)
