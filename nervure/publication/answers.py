"""What follows from an answer, from a failure, and from reading back: the rules of closed-loop publication."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.levels import LevelAnswer, WriteOutcome
from schemas.publications import PublicationState

READ_BACK_SECONDS = 2.0
"""How long after an unknown write the number is read back."""

LONGEST_READ_BACK_SECONDS = 60.0
"""While an unknown write may still take effect, the number is read back more and more seldom, but as often as this."""

CHECK_SECONDS = 60.0
"""So long after it was confirmed a number is read back: a platform's own report of it may come first."""

IMPORT_POLL_SECONDS = 5.0
RETRY_SECONDS = 5.0

TRIES = 5
"""So often a number may fail with a whole write, the last time alone in it, before it is what fails."""

FAILED_SECONDS = 900.0
LONGEST_FAILED_SECONDS = 86_400.0
"""So long after that it is sent again, twice as long each time, and at most: the platform has not said that its row is
at fault, and nothing may move the number for days."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What is recorded about one number. PENDING: it is sent again (not before `next_at`).

    `next_at` of SENT and UNKNOWN: when to ask again; of FAILED: when it is sent again, though nothing has moved; None:
    not before something has. `channel_units`: what the channel was just seen to show.
    `check_at` of CONFIRMED: when to look whether it is really there; None: it was just seen. `most_rows`: it goes as
    one of at most so many; None: as it did before, and as one of any number once it was taken.
    """

    state: PublicationState
    reason: str | None = None
    receipt: str | None = None
    channel_units: int | None = None
    next_at: datetime | None = None
    waits_for_orders_since: datetime | None = None
    check_at: datetime | None = None
    most_rows: int | None = None


@dataclass(frozen=True, slots=True)
class Tried:
    """How often a number was sent since it was last shown, and whether it went alone the last time."""

    attempts: int = 1
    is_alone: bool = False


def after_answer(
    answer: LevelAnswer,
    shown_units: int | None,
    now: datetime,
    tried: Tried = Tried(),
    *,
    wait_seconds: float | None = None,
) -> Landing:
    """What an answer means. `shown_units`: what was read after a stale compare-and-set.

    `wait_seconds`: so long the channel takes no further write.
    """
    match answer.outcome:
        case WriteOutcome.CONFIRMED:
            return Landing(PublicationState.CONFIRMED, check_at=now + timedelta(seconds=CHECK_SECONDS))
        case WriteOutcome.SENT:
            return Landing(
                PublicationState.SENT, receipt=answer.receipt, next_at=now + timedelta(seconds=IMPORT_POLL_SECONDS)
            )
        case WriteOutcome.STALE:
            # Somebody changed the number there: perhaps a sale we have not heard. Hear first, then write.
            return Landing(PublicationState.PENDING, channel_units=shown_units, waits_for_orders_since=now)
        case WriteOutcome.NOT_APPLIED:
            has_failed = answer.most_rows == 1 and tried.is_alone and tried.attempts >= TRIES
            seconds = _failed_seconds(tried.attempts) if has_failed else wait_seconds
            return Landing(
                PublicationState.FAILED if has_failed else PublicationState.PENDING,
                reason=answer.reason,
                next_at=None if seconds is None else now + timedelta(seconds=seconds),
                most_rows=answer.most_rows,
            )
        case WriteOutcome.REFUSED:
            why = answer.reason or "refused by the channel without a reason"
            return Landing(PublicationState.FAILED, reason=why, most_rows=answer.most_rows)
        case WriteOutcome.UNKNOWN | WriteOutcome.UNACCOUNTED:
            return Landing(
                PublicationState.UNKNOWN,
                reason=answer.reason,
                next_at=now + timedelta(seconds=READ_BACK_SECONDS),
                most_rows=answer.most_rows,
            )


def _failed_seconds(attempts: int) -> float:
    return min(FAILED_SECONDS * 2.0 ** min(attempts - TRIES, 10), LONGEST_FAILED_SECONDS)


def after_reading(
    shown_units: int | None, sent_units: int, now: datetime, *, sent_at: datetime, late_effect_seconds: float
) -> Landing:
    """What reading back an unknown write says, which may take effect until `late_effect_seconds` after `sent_at`."""
    if shown_units is None:
        return Landing(PublicationState.FAILED, reason="the channel does not know this listing at this stock point")
    if shown_units == sent_units:
        return Landing(PublicationState.CONFIRMED, channel_units=shown_units)
    over_at = sent_at + timedelta(seconds=late_effect_seconds)
    if now < over_at:
        # A number sent now could be overwritten by the older one, as soon as that takes effect.
        seconds = min(max((now - sent_at).total_seconds(), READ_BACK_SECONDS), LONGEST_READ_BACK_SECONDS)
        return Landing(
            PublicationState.UNKNOWN,
            reason=f"sent without an answer, and may still take effect until {over_at:%Y-%m-%d %H:%M:%S} UTC",
            next_at=min(now + timedelta(seconds=seconds), over_at),
        )
    return Landing(PublicationState.PENDING, channel_units=shown_units, waits_for_orders_since=now)


def after_failure(error: Exception, now: datetime, *, is_unknown: bool = False, receipt: str | None = None) -> Landing:
    """The call failed as a whole. `is_unknown`: what was sent before is still not known."""
    later = now + timedelta(seconds=RETRY_SECONDS)
    if is_unknown:
        state = PublicationState.SENT if receipt else PublicationState.UNKNOWN
        return Landing(state, reason=str(error), receipt=receipt, next_at=later)
    return Landing(PublicationState.PENDING, reason=str(error), next_at=later)
