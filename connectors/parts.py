"""One write cut into parts where a platform refuses all of its rows for one, until the row at fault stands alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.errors import ConnectorError, ContractError, NoAnswerError, RefusedError, ThrottledError
from schemas.levels import LevelAnswer, LevelKey, LevelWrite, WriteOutcome

Part = Sequence[LevelWrite]
Answers = Mapping[LevelKey, LevelAnswer]


@dataclass(frozen=True, slots=True)
class Written:
    """One answer for each write, in their order. `wait_seconds`: so long the platform takes no further write."""

    answers: list[LevelAnswer]
    wait_seconds: float | None = None

    @property
    def is_untried(self) -> bool:
        """Nothing was taken and nothing stands refused: all of it may be written again."""
        return all(answer.outcome is WriteOutcome.NOT_APPLIED for answer in self.answers)


def halves(part: Part, _: RefusedError) -> list[Part]:
    """The second half, then the first: the last one is tried next."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]]


def write_in_parts(
    writes: Part,
    send: Callable[[Part, int], list[LevelAnswer]],
    *,
    cut: Callable[[Part, RefusedError], list[Part]] = halves,
    may_go_on: Callable[[int, Answers], bool] = lambda calls, answers: True,
) -> Written:
    """Writes with as few calls as it needs; `send` gets a part and the number of its call, from 1.

    What could not be tried is NOT_APPLIED, and says in how small a part it was to go. `may_go_on` is asked before
    each call but the first.

    Raises:
        ConnectorError: the first call failed otherwise than by a refusal.
    """
    answers: dict[LevelKey, LevelAnswer] = {}
    parts: list[Part] = [writes] if writes else []
    refusal: RefusedError | None = None
    calls = 0
    while parts and (not calls or may_go_on(calls, answers)):
        part = parts.pop()
        calls += 1
        try:
            found = send(part, calls)
        except RefusedError as error:
            if len(part) > 1:
                refusal = error
                parts += cut(part, error)
                continue
            # Who names rows need not be sent each alone again.
            most = 1 if cut is halves else None
            found = [LevelAnswer(part[0].key, WriteOutcome.REFUSED, str(error), most_rows=most)]
        except ConnectorError as error:
            if refusal is None:
                raise
            # What was refused is why these rows were not tried at once; that it must wait is no fault of theirs.
            is_limited = isinstance(error, ThrottledError)
            why = str(refusal if is_limited else error)
            may_have_effect = isinstance(error, NoAnswerError | ContractError)
            answers |= _all(part, WriteOutcome.UNKNOWN if may_have_effect else WriteOutcome.NOT_APPLIED, why)
            for rest in parts:
                answers |= _all(rest, WriteOutcome.NOT_APPLIED, why)
            wait = error.retry_after_seconds if isinstance(error, ThrottledError) else None
            return Written([answers[write.key] for write in writes], wait)
        answers |= {answer.key: answer for answer in found}
    for rest in parts:
        answers |= _all(rest, WriteOutcome.NOT_APPLIED, str(refusal))
    return Written([answers[write.key] for write in writes])


def _all(part: Part, outcome: WriteOutcome, reason: str) -> dict[LevelKey, LevelAnswer]:
    return {write.key: LevelAnswer(write.key, outcome, reason, most_rows=len(part)) for write in part}
