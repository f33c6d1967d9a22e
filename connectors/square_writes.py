"""Writing Square's counts: one physical count a row, one bad row found among a hundred."""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime

from connectors.errors import ContractError, FatalError, NoAnswerError, RefusedError, ThrottledError
from connectors.parts import Part, halves, write_in_parts
from connectors.square_client import SquareClient, SquareRefusedError, Wire, moment_of, rfc3339
from mappings.square_stock import OUR_REFERENCE
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite, WriteOutcome

LAG_NOTICED = timedelta(seconds=2)
"""A smaller difference of clocks cannot be told from the time that a call takes."""

Read = Callable[[Sequence[LevelKey]], list[LevelReading]]


class CountWriter:
    """Sets numbers by physical counts.

    Square refuses a whole batch for one bad row. The batch is then cut, the rows that the refusal names first, until
    each refused row stands alone: only a row that was refused alone is answered as REFUSED, and all others are sent
    within the same call.
    """

    def __init__(self, client: SquareClient, now: Callable[[], datetime], read: Read) -> None:
        self._client = client
        self._now = now
        self._read = read
        self._ahead = timedelta(0)

    def write(self, writes: Sequence[LevelWrite], idempotency_key: str) -> list[LevelAnswer]:
        """Writes all rows; see `ChannelConnection.write_levels`."""
        written = write_in_parts(writes, lambda part, _: self._write_part(part, idempotency_key), cut=_cut)
        if written.wait_seconds is not None and written.is_untried:
            raise ThrottledError("Square asks for silence", retry_after_seconds=written.wait_seconds)
        return written.answers

    def _write_part(self, part: Sequence[LevelWrite], idempotency_key: str) -> list[LevelAnswer]:
        key = _part_key(part, idempotency_key)
        try:
            return _confirmed(part, self._send(part, key))
        except NoAnswerError as error:
            return [LevelAnswer(write.key, WriteOutcome.UNKNOWN, str(error)) for write in part]
        except SquareRefusedError as error:
            if "IDEMPOTENCY_KEY_REUSED" not in error.codes:
                raise
        return self._taken_before(part)

    def _send(self, part: Sequence[LevelWrite], key: str) -> Wire:
        """Sends one batch, and once more if only our clock was ahead of Square's.

        Raises:
            FatalError: Square refuses the corrected time too: that is no row's fault.
        """
        try:
            return self._send_once(part, key)
        except SquareRefusedError as error:
            if not _is_about_time(error):
                raise
            self._ahead = _lead(self._now(), error.answered_at)
        try:
            return self._send_once(part, key)
        except SquareRefusedError as error:
            if not _is_about_time(error):
                raise
            raise FatalError("Square refuses the time of our counts: set the clock of this machine") from error

    def _send_once(self, part: Sequence[LevelWrite], key: str) -> Wire:
        occurred_at = rfc3339(self._now() - self._ahead)
        answer = self._client.change(
            "POST",
            "/v2/inventory/changes/batch-create",
            {
                "idempotency_key": key,
                # Else a count equal to the last physical count is dropped, though sales moved the number since.
                "ignore_unchanged_counts": False,
                "changes": [
                    {
                        "type": "PHYSICAL_COUNT",
                        "physical_count": {
                            "reference_id": f"{OUR_REFERENCE}:{key}",
                            "catalog_object_id": write.key.stock_id,
                            "location_id": write.key.stock_point,
                            "state": "IN_STOCK",
                            "quantity": str(write.units),
                            "occurred_at": occurred_at,
                        },
                    }
                    for write in part
                ],
            },
        )
        self._notice_lag(answer)
        return answer

    def _notice_lag(self, answer: Wire) -> None:
        """Learns from the times that Square just stamped when our clock runs behind its clock.

        A count dated too early would have the sales of the meantime taken off it a second time.
        """
        stamps = [stamp for count in answer.get("counts") or () if (stamp := moment_of(count.get("calculated_at")))]
        lag = max(stamps, default=self._now()) - self._now()
        if lag > LAG_NOTICED:
            self._ahead = -lag

    def _taken_before(self, part: Sequence[LevelWrite]) -> list[LevelAnswer]:
        """Square knows the key from an earlier call: nothing was written now, so what it shows is read."""
        try:
            readings = self._read([write.key for write in part])
        except NoAnswerError as error:
            return [LevelAnswer(write.key, WriteOutcome.UNKNOWN, str(error)) for write in part]
        return [_answer(write, reading.units) for write, reading in zip(part, readings, strict=True)]


def _part_key(part: Sequence[LevelWrite], idempotency_key: str) -> str:
    """The key of these rows under the caller's key: the same for the same rows, at most 128 characters."""
    rows = "".join(f"\n{write.key.stock_id}\t{write.key.stock_point}\t{write.units}" for write in part)
    return hashlib.sha256(f"{idempotency_key}{rows}".encode()).hexdigest()


def _is_about_time(error: SquareRefusedError) -> bool:
    return "INVALID_TIME" in error.codes or "occurred_at" in error.text


def _lead(now: datetime, answered_at: str) -> timedelta:
    """How far our clock runs ahead of Square's; a minute where Square does not say what its clock shows."""
    try:
        return max(timedelta(0), now - parsedate_to_datetime(answered_at))
    except (TypeError, ValueError):
        return timedelta(minutes=1)


def _cut(part: Part, error: RefusedError) -> list[Part]:
    """Cuts a refused batch: the rows that the refusal names from the others, or else into halves."""
    words = set(re.findall(r"[A-Za-z0-9_-]+", error.text)) if isinstance(error, SquareRefusedError) else set()
    for named in ({write.key.stock_id for write in part} & words, {write.key.stock_point for write in part} & words):
        apart = [write for write in part if named & {write.key.stock_id, write.key.stock_point}]
        if apart and len(apart) < len(part):
            return [[write for write in part if write not in apart], apart]
    return halves(part, error)


def _confirmed(part: Sequence[LevelWrite], answer: Wire) -> list[LevelAnswer]:
    """Compares with the counts in Square's answer, which already hold what was sold since."""
    shown = shown_counts(answer)
    return [_answer(write, shown.get(write.key)) for write in part]


def shown_counts(answer: Wire) -> dict[LevelKey, Decimal]:
    """What an answer says is on hand and for sale; no entry: never counted there.

    Raises:
        ContractError: a count cannot be read.
    """
    try:
        return {
            LevelKey(count["catalog_object_id"], count["location_id"]): Decimal(count["quantity"])
            for count in answer.get("counts") or ()
            if count["state"] == "IN_STOCK"
        }
    except (KeyError, TypeError, InvalidOperation) as error:
        raise ContractError(f"Square answered counts that cannot be read: {type(error).__name__}") from error


def _answer(write: LevelWrite, shown: Decimal | int | None) -> LevelAnswer:
    if shown == write.units:
        return LevelAnswer(write.key, WriteOutcome.CONFIRMED)
    return LevelAnswer(write.key, WriteOutcome.SENT, f"Square shows {'no count' if shown is None else shown}")
