"""One write to a channel in which a refused row stands alone, also where the platform refuses all rows for one."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from connectors.errors import ConnectorError, ContractError, NoAnswerError, RefusedError
from connectors.records import WRITE_SECONDS, ChannelConnection
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome

MAX_CALLS = 60
"""Two bad rows among 10,000 are found by half of it; what is not found now is looked for in the next round."""

ALIKE_ROWS = 8
"""So many rows refused alone for one reason, and none taken: then no row is at fault."""


def write_apart(
    connection: ChannelConnection,
    writes: Sequence[LevelWrite],
    *,
    idempotency_key: str,
    now: Callable[[], datetime],
) -> list[LevelAnswer]:
    """Writes numbers; where the platform refuses a whole batch without naming a row, it is halved again and again.

    One answer for each write, in their order. What was not tried is NOT_APPLIED.

    Raises:
        ConnectorError: the first call failed otherwise, as `write_levels` says; or every row is refused alike.
    """
    until = now() + timedelta(seconds=WRITE_SECONDS)
    answers: dict[LevelKey, LevelAnswer] = {}
    parts: list[Sequence[LevelWrite]] = [writes]
    calls = 0
    while parts:
        part = parts.pop()
        if calls >= MAX_CALLS or now() > until:
            answers |= _all(part, WriteOutcome.NOT_APPLIED, "other rows of the same write are refused one by one")
            continue
        calls += 1
        try:
            found = connection.write_levels(part, idempotency_key=_key(idempotency_key, calls))
        except RefusedError as error:
            if len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            found = [LevelAnswer(part[0].key, WriteOutcome.REFUSED, str(error))]
        except ConnectorError as error:
            if calls == 1:
                raise
            may_have_effect = isinstance(error, NoAnswerError | ContractError)
            outcome = WriteOutcome.UNKNOWN if may_have_effect else WriteOutcome.NOT_APPLIED
            answers |= _all(part, outcome, str(error))
            for rest in parts:
                answers |= _all(rest, WriteOutcome.NOT_APPLIED, str(error))
            break
        answers |= {answer.key: answer for answer in found}
        _must_differ(answers, len(writes))
    return [answers[write.key] for write in writes]


def _must_differ(answers: dict[LevelKey, LevelAnswer], rows: int) -> None:
    """Raises ContractError where one row after the other is refused for the same reason, and none is taken."""
    reasons = {answer.reason for answer in answers.values()}
    is_refused = all(answer.outcome is WriteOutcome.REFUSED for answer in answers.values())
    if is_refused and len(reasons) == 1 and ALIKE_ROWS <= len(answers) < rows:
        raise ContractError(f"the channel refuses every row alike: {reasons.pop()}")


def _key(idempotency_key: str, call: int) -> str:
    """Each part is another write: the first keeps the caller's key."""
    return idempotency_key if call == 1 else sha256(f"{idempotency_key}.{call}".encode()).hexdigest()[:32]


def _all(writes: Sequence[LevelWrite], outcome: WriteOutcome, reason: str) -> dict[LevelKey, LevelAnswer]:
    return {write.key: LevelAnswer(write.key, outcome, reason) for write in writes}
