"""Until when a location must have done something: only the time it is open counts."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from nervure.orders.rules import LOOK_AHEAD_DAYS
from schemas.routing import LocationRouting


def open_until(own: LocationRouting, time_zone: str, since: datetime, seconds: float) -> datetime:
    """When a location will have been open for so many seconds since a moment. One without hours always is.

    Hours are what the clock on its wall shows: a span in which the clock is put forward or back is an hour shorter
    or longer. What a year does not give is not waited for. Answers in UTC.
    """
    since = since.astimezone(UTC)
    if not own.hours and not own.holidays:
        return since + timedelta(seconds=seconds)
    zone = ZoneInfo(time_zone)
    left = timedelta(seconds=seconds)
    today = since.astimezone(zone).date()
    end = since
    for ahead in range(LOOK_AHEAD_DAYS + 1):
        opens, closes = _span(own, today + timedelta(days=ahead), zone)
        begin = max(opens, since)
        if closes > begin:
            if begin + left <= closes:
                return begin + left
            left -= closes - begin
        end = max(end, closes)
    return end


def _span(own: LocationRouting, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when until when it is open on a day, in UTC; both the same: it is closed."""
    hours = own.open_on(day)
    if hours is None:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone).astimezone(UTC)
        return noon, noon
    opens = datetime.combine(day, hours[0], zone).astimezone(UTC)
    if hours[1] is None:
        return opens, datetime.combine(day + timedelta(days=1), hours[0], zone).astimezone(UTC)
    # A wall clock shows some times twice: it closes at the second one.
    return opens, datetime.combine(day, hours[1], zone).replace(fold=1).astimezone(UTC)
