"""Time as an argument."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.clock import (
    AGES_AFTER,
    FINER_SECONDS,
    MATERIAL_SECONDS,
    ManualClock,
    Measured,
    ScaledClock,
    SystemClock,
    measure,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_the_machines_time_is_aware_and_utc() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


def test_sleeping_less_than_nothing_is_no_error() -> None:
    begun = time.monotonic()
    for clock in (SystemClock(), ScaledClock(START, 10), ManualClock(START)):
        clock.sleep(-5)
    assert time.monotonic() - begun < 1


def test_a_clock_moved_by_hand_stands_still_until_it_is_moved_and_never_goes_back() -> None:
    clock = ManualClock(START)
    assert clock.now() == clock.now() == START
    clock.sleep(90)
    clock.advance(0.5)
    clock.advance(-3600)
    assert clock.now() == START + timedelta(seconds=90.5)


def test_a_scaled_clock_runs_as_much_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = [100.0]
    slept: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: machine[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    clock = ScaledClock(START, 60.0)
    assert (clock.now(), clock.scale) == (START, 60.0)
    machine[0] += 2
    assert clock.now() == START + timedelta(minutes=2)
    clock.sleep(30)
    assert slept == [0.5]
    clock.run_at(1.0)
    assert (clock.now(), clock.scale) == (START + timedelta(minutes=2), 1.0)
    machine[0] += 5
    assert clock.now() == START + timedelta(minutes=2, seconds=5)


def test_a_scaled_clock_loses_no_time_while_its_speed_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another thread was told in that time would come again."""
    readings = iter([100.0, 101.0, 103.0, 104.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(readings))
    clock = ScaledClock(START, 2000.0)
    clock.run_at(300.0)
    assert clock.now() == START + timedelta(seconds=2000 + 2 * 300)


# -- other clocks --------------------------------------------------------------------------------------------------


def after(spans: Iterable[tuple[float, float]], known: Measured | None = None, *, seconds: float = 0) -> Measured:
    """What is known after answers a second apart, the first of them so long after START."""
    for number, (least, most) in enumerate(spans):
        known = measure(known, least, most, START + timedelta(seconds=seconds + number))
    assert known is not None
    return known


def test_a_clock_is_corrected_once_three_answers_in_a_row_agree() -> None:
    spans = [(179.0, 181.0), (179.5, 181.5), (178.0, 180.5)]
    assert [after(spans[:count]).ahead for count in (1, 2, 3)] == [0.0, 0.0, 180.0]
    assert after(spans) == Measured(179.5, 180.5, 3, START, 180.0)
    assert (after(spans[:2]).is_settled, after(spans).is_settled) == (False, True)


def test_one_odd_answer_among_others_moves_nothing() -> None:
    right, odd = (-0.5, 0.7), (-3600.5, -3599.3)
    assert after([right, right, odd, right, odd, odd, right, right, right]).ahead == 0.0


@pytest.mark.parametrize(("least", "most", "ahead"), [(1.0, 2.0, 0.0), (2.0, 3.0, 0.0), (2.1, 3.1, 2.6)])
def test_what_may_be_two_seconds_is_no_error(least: float, most: float, ahead: float) -> None:
    assert after([(least, most)] * 3).ahead == pytest.approx(ahead)
    assert after([(-most, -least)] * 3).ahead == pytest.approx(-ahead)


def test_a_clock_that_is_set_right_is_believed_again_after_three_answers() -> None:
    wrong = after([(179.5, 180.5)] * 3)
    assert [after([(-0.5, 0.5)] * count, wrong, seconds=60).ahead for count in (1, 2, 3)] == [180.0, 180.0, 0.0]


def test_a_correction_stays_while_it_may_be_right() -> None:
    """A clock that loses a second a day must not move times to and fro."""
    known = after([(179.5, 180.5)] * 3)
    assert known.ahead == 180.0
    for lost in (0.4, 0.8, 1.2, 1.6, 2.0, 2.4):
        known = after([(179.5 - lost, 180.5 - lost)] * 3, known, seconds=10_000 * lost)
        assert known.ahead == 180.0, lost
    assert after([(176.9, 177.9)] * 3, known, seconds=30_000).ahead == pytest.approx(177.4)


def test_what_says_nothing_new_is_the_same_object_and_need_not_be_written() -> None:
    known = after([(-0.5, 0.7)] * 3)
    for least, most in ((-0.5, 0.7), (-9.0, 9.0), (-0.5, 0.7 - FINER_SECONDS / 2)):
        assert measure(known, least, most, START) is known
    assert measure(known, -0.5, 0.7 - FINER_SECONDS, START).most == 0.7 - FINER_SECONDS


def test_what_was_heard_long_ago_bounds_nothing_any_more() -> None:
    known = after([(179.5, 180.5)] * 3)
    for moment in (START + AGES_AFTER, START - timedelta(seconds=1)):
        assert measure(known, 150.0, 200.0, moment) == Measured(150.0, 200.0, 1, moment, 180.0)
    assert measure(known, 150.0, 200.0, START + AGES_AFTER - timedelta(seconds=1)) is known


@pytest.mark.parametrize("sign", [1, -1])
def test_a_date_that_is_a_quarter_of_an_hour_off_is_in_a_wrong_zone(sign: int) -> None:
    off = after([tuple(sorted((899.0 * sign, 901.0 * sign)))] * 3)  # type: ignore[list-item]  # two of them
    assert (off.ahead, off.is_beyond) == (0.0, True)
    assert not after([(-0.5, 0.5)] * 3, off, seconds=60).is_beyond
    just = after([tuple(sorted((599.0 * sign, 601.0 * sign)))] * 3)  # type: ignore[list-item]  # as above
    assert (just.ahead, just.is_beyond) == (600.0 * sign, False)


@given(
    ahead=st.floats(-580, 580),
    first=st.floats(-580, 580),
    waits=st.lists(st.floats(0, 30), min_size=3, max_size=30),
    seed=st.integers(0, 1000),
)
def test_a_clock_that_goes_evenly_is_known_as_well_as_its_answers_were_quick(
    ahead: float, first: float, waits: list[float], seed: int
) -> None:
    """Whatever was believed before: the truth lies between the bounds, and the correction is off by no more."""
    chance = Random(seed)
    known: Measured | None = Measured(first, first, 3, START - AGES_AFTER, first)
    for number, wait in enumerate(waits):
        there, cut = chance.uniform(0, wait), chance.uniform(0, 1)
        least, most = ahead - cut - (wait - there), ahead - cut + there + 1
        known = measure(known, least, most, START + timedelta(seconds=number))
        assert known.least <= ahead <= known.most
    assert known is not None
    assert known.is_settled
    assert abs(known.ahead - ahead) <= known.most - known.least + MATERIAL_SECONDS


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 5)), min_size=1, max_size=8), st.randoms())
def test_answers_heard_in_any_order_bound_the_same(answers: list[tuple[float, float]], chance: Random) -> None:
    """Several processes hear them: while they agree, it does not matter who writes first."""
    spans = [(-6.0 - least, 6.0 + width) for least, width in answers]
    known = [after(spans), after(chance.sample(spans, len(spans)))]
    assert all(one.answers == min(len(spans), 3) for one in known)
    # Bounds that are hardly closer are not written.
    assert abs(known[0].least - known[1].least) + abs(known[0].most - known[1].most) < 2 * FINER_SECONDS
