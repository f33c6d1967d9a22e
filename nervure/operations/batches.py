"""One write to a channel in which a refused row stands alone, also where the platform refuses all rows for one."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from connectors.errors import ContractError, without_request
from connectors.parts import Answers, Part, Written, write_in_parts
from connectors.records import WRITE_SECONDS, ChannelConnection
from schemas.levels import LevelAnswer, WriteOutcome

MAX_CALLS = 60
"""Two bad rows among 10,000 are found by half of it; what is not found now is looked for in the next round."""

ALIKE_ROWS = 8
"""So many rows refused alone for one reason, and none taken: then no row is at fault."""


def write_apart(
    connection: ChannelConnection, writes: Part, *, idempotency_key: str, now: Callable[[], datetime]
) -> Written:
    """Writes numbers; where the platform refuses a whole batch without naming a row, it is halved again and again.

    Raises:
        ConnectorError: the first call failed otherwise, as `write_levels` says; or every row is refused alike.
    """
    until = now() + timedelta(seconds=WRITE_SECONDS)

    def send(part: Part, call: int) -> list[LevelAnswer]:
        return connection.write_levels(part, idempotency_key=_key(idempotency_key, call))

    def may_go_on(calls: int, answers: Answers) -> bool:
        _must_differ(answers)
        return calls < MAX_CALLS and now() <= until

    return write_in_parts(writes, send, may_go_on=may_go_on)


def _must_differ(answers: Answers) -> None:
    """Raises ContractError where one row after the other is refused for the same reason, and none is taken."""
    reasons = {without_request(answer.reason or "") for answer in answers.values()}
    is_refused = all(answer.outcome is WriteOutcome.REFUSED for answer in answers.values())
    if is_refused and len(reasons) == 1 and len(answers) >= ALIKE_ROWS:
        raise ContractError(f"the channel refuses every row alike: {reasons.pop()}")


def _key(idempotency_key: str, call: int) -> str:
    """Each part is another write: the first keeps the caller's key."""
    return idempotency_key if call == 1 else sha256(f"{idempotency_key}.{call}".encode()).hexdigest()[:32]
