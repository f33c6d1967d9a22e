"""A time that counts only while a location is open, by the clock on its wall."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.orders.hours import open_until
from nervure.orders.rules import LOOK_AHEAD_DAYS
from schemas.routing import LocationRouting, Weekday

PARIS = "Europe/Paris"
SHOP = LocationRouting(
    hours={day: "09:00-18:00" for day in Weekday if day not in {Weekday.SUNDAY}}, holidays=(date(2026, 5, 1),)
)
NIGHT = LocationRouting(hours=dict.fromkeys(Weekday, "01:00-05:00"))


def paris(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(PARIS)).astimezone(UTC)


@pytest.mark.parametrize(
    ("since", "hours", "until"),
    [
        ("2026-03-02 10:00", 1, "2026-03-02 11:00"),
        ("2026-03-02 17:30", 1, "2026-03-03 09:30"),
        ("2026-03-02 18:00", 1, "2026-03-03 10:00"),
        ("2026-03-02 17:00", 1, "2026-03-02 18:00"),
        ("2026-03-02 04:00", 1, "2026-03-02 10:00"),
        ("2026-03-07 17:00", 2, "2026-03-09 10:00"),
        ("2026-04-30 17:00", 2, "2026-05-02 10:00"),
        ("2026-03-02 09:00", 20, "2026-03-04 11:00"),
    ],
    ids=["while open", "over night", "at closing", "just in time", "before opening", "sunday", "holiday", "some days"],
)
def test_only_the_hours_of_opening_count(since: str, hours: int, until: str) -> None:
    assert open_until(SHOP, PARIS, paris(since), hours * 3600) == paris(until)


def test_without_hours_it_is_always_open_but_on_its_holidays() -> None:
    since = datetime(2026, 4, 30, 20, 0, tzinfo=UTC)
    assert open_until(LocationRouting(), PARIS, since, 86_400) == since + timedelta(days=1)
    closed = LocationRouting(holidays=(date(2026, 5, 1),))
    assert open_until(closed, PARIS, since, 4 * 3600) == paris("2026-05-02 02:00"), "two hours are left of April"


@pytest.mark.parametrize(
    ("since", "until"),
    [
        # In 2026 the clock is put forward on 29 March at 2:00, and back on 25 October at 3:00.
        ("2026-03-29 00:00", "2026-03-30 02:00"),
        ("2026-03-28 00:00", "2026-03-28 05:00"),
        ("2026-10-25 00:00", "2026-10-25 04:00"),
    ],
    ids=["an hour is missing", "the night before", "an hour comes twice"],
)
def test_a_night_with_a_change_of_the_clock_is_shorter_or_longer(since: str, until: str) -> None:
    """From 1:00 to 5:00 are three, four or five hours; four are counted."""
    assert open_until(NIGHT, PARIS, paris(since), 4 * 3600) == paris(until)


def test_the_clock_is_that_of_the_location() -> None:
    since = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    assert open_until(SHOP, PARIS, since, 60) == datetime(2026, 3, 2, 8, 1, tzinfo=UTC)
    assert open_until(SHOP, "America/Martinique", since, 60) == datetime(2026, 3, 2, 13, 1, tzinfo=UTC)
    assert open_until(SHOP, "Pacific/Auckland", since, 60) == datetime(2026, 3, 2, 20, 1, tzinfo=UTC)


def test_opening_times_that_the_clock_does_not_show_that_night() -> None:
    odd = LocationRouting(hours={Weekday.SUNDAY: "02:15-02:45"})
    assert open_until(odd, PARIS, paris("2026-03-29 00:00"), 900) == paris("2026-04-05 02:30"), "a week later"
    an_hour = open_until(odd, PARIS, paris("2026-10-25 00:00"), 3600)
    assert an_hour == datetime(2026, 10, 25, 1, 15, tzinfo=UTC), "from the first quarter past two until the second"


def test_what_never_opens_is_not_waited_for_longer_than_a_year() -> None:
    since = paris("2026-03-02 10:00")
    never = LocationRouting(holidays=tuple(date(2026, 1, 1) + timedelta(days=n) for n in range(800)))
    assert open_until(never, PARIS, since, 60) == paris("2026-03-02 12:00") + timedelta(days=LOOK_AHEAD_DAYS)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - as hypothesis takes them
    st.integers(1, 400_000),
    st.integers(1, 400_000),
    st.sampled_from([PARIS, "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_two_times_one_after_the_other_are_as_long_as_both_together(
    since: datetime, first: int, then: int, zone: str
) -> None:
    half = open_until(NIGHT, zone, since, first)
    assert half >= since + timedelta(seconds=first)
    assert open_until(NIGHT, zone, half, then) == open_until(NIGHT, zone, since, first + then)
