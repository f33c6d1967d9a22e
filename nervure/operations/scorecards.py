"""How suppliers keep their word: acceptance, time to answer, lateness, freshness, wrong promises.

Each figure is derived from rows that are kept: what a supplier was asked for, and how long its numbers held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import dropwhile, pairwise
from zoneinfo import ZoneInfo

from nervure.operations.hub import Hub
from nervure.operations.periods import whole_days
from nervure.operations.results import percentile
from nervure.store.requests import Freshness, RequestedLine, RequestStore

DAYS = 30
"""So far back a score looks if nobody says."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """One supplier's figures of a time. Shares are 0 to 1, times seconds; None: there is nothing to be judged.

    Lines are those of the orders to it. `acceptance`: units confirmed, of the units of lines that were answered.
    `past_time`: lines answered too late or not yet, of those whose agreed time is over or that were answered within it.
    `late`: orders that left after their day, `days_late` of each order that left on average, at least 0; `overdue`: are
    still there after it. `age`: of its numbers when it was asked. `stale`: the share of the time since its first
    numbers in which they were too old. `wrong_lines`: refused in part or whole although the feed said that all units
    are there, and `wrong_share` of the answered lines.
    """

    supplier: str
    location: str
    orders: int
    lines: int
    units: int
    confirmed: int
    partly: int
    refused: int
    silent: int
    units_confirmed: int
    units_refused: int
    acceptance: float | None
    answer_p50: float | None
    answer_p95: float | None
    past_time: float | None
    shipped: int
    late: int
    late_share: float | None
    days_late: float | None
    overdue: int
    age_p50: float | None
    age_p95: float | None
    stale: float | None
    wrong_lines: int
    wrong_units: int
    wrong_share: float | None


def scorecards(hub: Hub, begin: datetime, end: datetime) -> list[Scorecard]:
    """Every supplier's figures of what it was asked for from `begin` until before `end`, by its name."""
    now = hub.clock.now()
    with hub.database.read() as connection:
        store = RequestStore(connection, now)
        asked, held = store.asked(begin, end), store.freshness(begin, min(end, now))
    # The last word counts: a supplier may have moved. Who was removed from the settings was asked all the same.
    places = {one.supplier: one.location for one in asked} | {one.supplier: one.location for one in held}
    return [
        score(
            (name, location),
            [one for one in asked if one.supplier == name],
            [one for one in held if one.supplier == name],
            (begin, min(end, now)),
        )
        for name, location in sorted(places.items())
    ]


def scored_days(first: date | None, last: date | None, today: date) -> tuple[datetime, datetime]:
    """From when until before when a score is. Without a last day it ends today, without a first one it is of `DAYS`.

    Raises:
        NoSuchDaysError: as the error says.
    """
    last = today if last is None else last
    return whole_days(date.fromordinal(max(last.toordinal() - DAYS, 1)) if first is None else first, last)


def score(
    name: tuple[str, str], asked: Sequence[RequestedLine], held: Sequence[Freshness], span: tuple[datetime, datetime]
) -> Scorecard:
    """The figures of one supplier, by its name and its location's code; `span` ends now at the latest."""
    end = span[1]
    answered = [(one, one.answered_at) for one in asked if one.answered_at is not None]
    seconds = [max((at - one.asked_at).total_seconds(), 0.0) for one, at in answered]
    decided = [
        (one.answered_at or end) > one.answer_by
        for one in asked
        if one.answer_by is not None and (one.answered_at is not None or one.answer_by < end)
    ]
    orders = list({one.fulfillment_order: one for one in asked}.values())
    left = [
        max((one.left_on - one.ship_by).days, 0)
        for one in orders
        if one.left_on is not None and one.ship_by is not None
    ]
    ages = [max((one.asked_at - one.as_of).total_seconds(), 0.0) for one in orders if one.as_of is not None]
    wrong = [
        one
        for one, _ in answered
        if one.units_refused and one.units_offered is not None and one.units_offered >= one.units
    ]
    units_answered = sum(one.units for one, _ in answered)
    units_refused = sum(one.units_refused for one, _ in answered)
    refused = sum(one.units_refused == one.units for one, _ in answered)
    partly = sum(0 < one.units_refused < one.units for one, _ in answered)
    return Scorecard(
        supplier=name[0],
        location=name[1],
        orders=len(orders),
        lines=len(asked),
        units=sum(one.units for one in asked),
        confirmed=len(answered) - refused - partly,
        partly=partly,
        refused=refused,
        silent=len(asked) - len(answered),
        units_confirmed=units_answered - units_refused,
        units_refused=units_refused,
        acceptance=_share(units_answered - units_refused, units_answered),
        answer_p50=percentile(seconds, 0.5),
        answer_p95=percentile(seconds, 0.95),
        past_time=_share(sum(decided), len(decided)),
        shipped=len(left),
        late=sum(days > 0 for days in left),
        late_share=_share(sum(days > 0 for days in left), len(left)),
        days_late=_share(sum(left), len(left)),
        overdue=sum(_is_overdue(one, end) for one in orders),
        age_p50=percentile(ages, 0.5),
        age_p95=percentile(ages, 0.95),
        stale=_stale(held, span),
        wrong_lines=len(wrong),
        wrong_units=sum(one.units_refused for one in wrong),
        wrong_share=_share(len(wrong), len(answered)),
    )


def _is_overdue(one: RequestedLine, end: datetime) -> bool:
    return one.is_open and one.ship_by is not None and end.astimezone(ZoneInfo(one.time_zone)).date() > one.ship_by


def _stale(held: Sequence[Freshness], span: tuple[datetime, datetime]) -> float | None:
    """The share of a time in which a supplier's numbers were too old; what was before the first of them is left out."""
    held = list(dropwhile(lambda one: one.as_of is None and one.ttl_seconds is not None, held))
    if not held:
        return None
    begin, end = max(span[0], held[0].since), span[1]
    stale = timedelta()
    for one, after in pairwise([*held, None]):
        assert one is not None
        start, stop = max(one.since, begin), min(after.since if after else end, end)
        fresh_until = start
        if one.as_of is not None and one.ttl_seconds is not None:
            fresh_until = one.as_of + timedelta(seconds=one.ttl_seconds)
        elif one.ttl_seconds is None:
            fresh_until = stop
        stale += max(stop - max(start, fresh_until), timedelta())
    return stale / (end - begin) if end > begin else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
