"""What is ordered or on its way, and how much more can be promised once it is here. It is never part of on_hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from nervure.inventory.availability import NOTHING, Parts, PlaceStock, available_at
from nervure.inventory.stock import Place
from schemas.stock import Condition


@dataclass(frozen=True, slots=True)
class Incoming:
    """Units of an open purchase or of a transfer under way.

    `expected_on`: the day on the calendar of the place where they arrive; None: nobody said.
    `is_overdue`: that day is over, and they are not here.
    """

    document: str
    place: Place
    units: int
    expected_on: date | None
    condition: Condition = Condition.SELLABLE
    is_overdue: bool = False

    @property
    def is_promised(self) -> bool:
        """Whether a promise may be built on it: it has a day, which is not over, and can be sold as it comes."""
        return self.expected_on is not None and not self.is_overdue and self.condition is Condition.SELLABLE


@dataclass(frozen=True, slots=True)
class Step:
    """From this day on so many units can be promised in all. `on` None: now."""

    on: date | None
    units: int


def is_overdue(expected_on: date | None, time_zone: str, now: datetime) -> bool:
    """Whether the day on which something was expected is over where it was expected."""
    return expected_on is not None and expected_on < now.astimezone(ZoneInfo(time_zone)).date()


def future_availability(
    parts: Parts,
    location_ids: Iterable[int],
    stock: Mapping[Place, PlaceStock],
    incoming: Iterable[Incoming],
    *,
    owed: Mapping[int, int],
) -> list[Step]:
    """How many units of an item can be promised, now and from each day on which that number grows.

    `owed`: units of each part that accepted orders still lack; what comes in serves them first. Nothing is promised
    of what is overdue, has no date, or cannot be sold as it comes. A place where more is owed than is there fills
    that hole first.
    """
    locations = list(dict.fromkeys(location_ids))
    there = dict(stock)
    debts = dict(owed)

    def promised() -> int:
        return sum(available_at(parts, location, there) for location in locations)

    steps = [Step(None, promised())]
    for on, arrivals in groupby(_promising(parts, locations, incoming), key=lambda pair: pair[0]):
        for _, one in arrivals:
            before = there.get(one.place, NOTHING)
            claimable = before.claimable + one.units
            served = max(min(debts.get(one.place.item_id, 0), claimable, one.units), 0)
            if served:
                debts[one.place.item_id] -= served
            there[one.place] = replace(before, claimable=claimable - served)
        if (units := promised()) != steps[-1].units:
            steps.append(Step(on, units))
    return steps


def _promising(parts: Parts, location_ids: list[int], incoming: Iterable[Incoming]) -> list[tuple[date, Incoming]]:
    """What may be promised of what comes in, in the order of its days."""
    found = [
        (one.expected_on, one)
        for one in incoming
        if one.is_promised
        and one.expected_on is not None
        and one.place.item_id in parts
        and one.place.location_id in location_ids
    ]
    return sorted(found, key=lambda pair: (pair[0], pair[1].place, pair[1].document))
