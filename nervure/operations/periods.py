"""Periods of whole days, as people name them."""

from datetime import UTC, date, datetime, time, timedelta

from nervure.operations.refusals import RefusalError

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)


class NoSuchDaysError(RefusalError):
    """Nothing can be of such days."""


def whole_days(first: date, last: date) -> tuple[datetime, datetime]:
    """From when until before when it is, for days that are both included, in UTC.

    Raises:
        NoSuchDaysError: as the error says.
    """
    if not FIRST_DAY <= last <= LAST_DAY or not FIRST_DAY <= first <= LAST_DAY:
        raise NoSuchDaysError(f"a day is from {FIRST_DAY} until {LAST_DAY}")
    if first > last:
        raise NoSuchDaysError("from is after to")
    begin, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    return begin, end
