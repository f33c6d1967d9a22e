"""Time as an argument."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from nervure.clock import ManualClock, ScaledClock, SystemClock

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
