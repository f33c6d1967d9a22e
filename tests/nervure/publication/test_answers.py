from datetime import timedelta

import pytest

from nervure.publication.answers import (
    CHECK_SECONDS,
    IMPORT_POLL_SECONDS,
    READ_BACK_SECONDS,
    RETRY_SECONDS,
    Landing,
    after_answer,
    after_failure,
    after_reading,
)
from schemas.levels import LevelAnswer, LevelKey, WriteOutcome
from schemas.publications import PublicationState
from tests.nervure.world import START

KEY = LevelKey("S-BOLT", "web")


@pytest.mark.requirement("R31", "R33", "R36")
@pytest.mark.parametrize(
    ("answer", "landing"),
    [
        (
            LevelAnswer(KEY, WriteOutcome.CONFIRMED),
            Landing(PublicationState.CONFIRMED, check_at=START + timedelta(seconds=CHECK_SECONDS)),
        ),
        (
            LevelAnswer(KEY, WriteOutcome.SENT, receipt="import 1"),
            Landing(PublicationState.SENT, receipt="import 1", next_at=START + timedelta(seconds=IMPORT_POLL_SECONDS)),
        ),
        (
            LevelAnswer(KEY, WriteOutcome.STALE),
            Landing(PublicationState.PENDING, channel_units=4, waits_for_orders_since=START),
        ),
        (LevelAnswer(KEY, WriteOutcome.NOT_APPLIED), Landing(PublicationState.PENDING)),
        (
            LevelAnswer(KEY, WriteOutcome.REFUSED, reason="no such sku"),
            Landing(PublicationState.FAILED, reason="no such sku"),
        ),
        (
            LevelAnswer(KEY, WriteOutcome.REFUSED),
            Landing(PublicationState.FAILED, reason="refused by the channel without a reason"),
        ),
        (
            LevelAnswer(KEY, WriteOutcome.UNKNOWN, reason="time-out"),
            Landing(PublicationState.UNKNOWN, reason="time-out", next_at=START + timedelta(seconds=READ_BACK_SECONDS)),
        ),
    ],
    ids=lambda value: value.outcome.value if isinstance(value, LevelAnswer) else "",
)
def test_every_answer_lands_somewhere(answer: LevelAnswer, landing: Landing) -> None:
    assert after_answer(answer, 4, START) == landing


def test_every_outcome_is_known() -> None:
    assert {outcome: after_answer(LevelAnswer(KEY, outcome), None, START).state for outcome in WriteOutcome} == {
        WriteOutcome.CONFIRMED: PublicationState.CONFIRMED,
        WriteOutcome.SENT: PublicationState.SENT,
        WriteOutcome.STALE: PublicationState.PENDING,
        WriteOutcome.REFUSED: PublicationState.FAILED,
        WriteOutcome.NOT_APPLIED: PublicationState.PENDING,
        WriteOutcome.UNKNOWN: PublicationState.UNKNOWN,
        WriteOutcome.UNACCOUNTED: PublicationState.UNKNOWN,
    }


@pytest.mark.requirement("R36")
@pytest.mark.parametrize(
    ("shown", "landing"),
    [
        (5, Landing(PublicationState.CONFIRMED, channel_units=5)),
        (4, Landing(PublicationState.PENDING, channel_units=4, waits_for_orders_since=START)),
        (0, Landing(PublicationState.PENDING, channel_units=0, waits_for_orders_since=START)),
        (
            None,
            Landing(PublicationState.FAILED, reason="the channel does not know this listing at this stock point"),
        ),
    ],
)
def test_reading_back_decides_what_an_unknown_write_did(shown: int | None, landing: Landing) -> None:
    for sent_at, late_effect_seconds in ((START, 0.0), (START - timedelta(seconds=600), 600.0)):
        assert after_reading(shown, 5, START, sent_at=sent_at, late_effect_seconds=late_effect_seconds) == landing


@pytest.mark.requirement("R36")
@pytest.mark.parametrize(
    ("age", "wait"), [(0.5, 2.0), (2.0, 2.0), (30.0, 30.0), (61.0, 60.0), (500.0, 60.0), (580.0, 20.0), (599.5, 0.5)]
)
@pytest.mark.parametrize("shown", [0, 4, 6])
def test_another_number_says_nothing_while_the_write_may_still_take_effect(shown: int, age: float, wait: float) -> None:
    now = START + timedelta(seconds=age)
    landing = after_reading(shown, 5, now, sent_at=START, late_effect_seconds=600.0)
    assert landing == Landing(
        PublicationState.UNKNOWN,
        reason="sent without an answer, and may still take effect until 2026-03-02 09:10:00 UTC",
        next_at=now + timedelta(seconds=wait),
    )


@pytest.mark.requirement("R31", "R36")
def test_what_is_shown_as_sent_or_not_known_at_all_needs_no_waiting() -> None:
    shown = after_reading(5, 5, START, sent_at=START, late_effect_seconds=600.0)
    gone = after_reading(None, 5, START, sent_at=START, late_effect_seconds=600.0)
    assert (shown.state, gone.state) == (PublicationState.CONFIRMED, PublicationState.FAILED)


@pytest.mark.requirement("R27")
def test_a_call_that_failed_is_tried_later_and_what_was_unknown_stays_so() -> None:
    at_retry = START + timedelta(seconds=RETRY_SECONDS)
    error = RuntimeError("down")
    assert after_failure(error, START) == Landing(PublicationState.PENDING, reason="down", next_at=at_retry)
    assert after_failure(error, START, is_unknown=True) == Landing(
        PublicationState.UNKNOWN, reason="down", next_at=at_retry
    )
    assert after_failure(error, START, is_unknown=True, receipt="import 1") == Landing(
        PublicationState.SENT, reason="down", receipt="import 1", next_at=at_retry
    )
