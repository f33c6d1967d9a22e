"""What the merchant's settings say of one location and one order: rules that drop it, and what it costs there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from nervure.orders.costs import AS_EVER, PLAIN_TERMS, Costs, Terms, micros
from nervure.orders.declines import SOON, AskAgain
from nervure.orders.parcels import FREE, Grid
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod
from schemas.routing import LocationRouting, PriceStep, RoutingSettings, Zone

LOOK_AHEAD_DAYS = 366
"""A location that is closed for a year is closed."""

EVERYWHERE = LocationRouting()


@dataclass(frozen=True, slots=True)
class Routing:
    """All that the merchant says. `settings` None: nothing of costs. `locations` by code.

    `offer_to`: so many stores, the one that holds the units being one, are asked at once who does it. `ask_again`: when
    who declined is asked again.
    """

    settings: RoutingSettings | None = None
    locations: Mapping[str, LocationRouting] = field(default_factory=dict)
    offer_to: int = 1
    ask_again: AskAgain = SOON
    _grids: dict[int, Grid] = field(default_factory=dict, init=False, repr=False, compare=False)

    def grid(self, zone: Zone) -> Grid:
        """The price list of one of its zones."""
        # By identity: comparing the steps of a zone takes longer than all else that is asked of a location.
        found = self._grids.get(id(zone))
        if found is None:
            found = self._grids[id(zone)] = grid(zone)
        return found

    @property
    def costs(self) -> Costs:
        """The costs that hold for every order."""
        said = self.settings
        if said is None:
            return AS_EVER
        return Costs(
            method=said.method,
            per_km=micros(said.per_km),
            supplier=micros(said.supplier),
            split=micros(said.split),
            late_day=micros(said.late_day),
        )


@dataclass(frozen=True, slots=True)
class Site:
    """A location as rules see it. `orders_today`: fulfillment orders it was given since its midnight.

    `not_found_share`: of what it was to send, how much was not found there, 0 to 1.
    """

    code: str
    kind: LocationKind
    time_zone: str
    orders_today: int = 0
    not_found_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Goal:
    """Where an order goes, how, and when it was placed."""

    method: DeliveryMethod
    country: str | None
    postal_code: str | None
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """How an order would leave a location: on which day, in which zone, and when it arrives."""

    leaves_on: date
    arrives_on: date
    zone: Zone | None


def way(routing: Routing, site: Site, goal: Goal, now: datetime) -> Way | str:
    """The way of an order from a location, or the rule by which there is none."""
    own = routing.locations.get(site.code, EVERYWHERE)
    said = routing.settings
    if own.countries and goal.method is DeliveryMethod.SHIP and goal.country not in own.countries:
        return f"does not send to {goal.country or 'an unknown country'}"
    if own.daily_orders is not None and site.orders_today >= own.daily_orders:
        return f"has its {own.daily_orders} orders of the day"
    within = LOOK_AHEAD_DAYS if said is None or said.dispatch_within_days is None else said.dispatch_within_days
    day = own.dispatch_day(_local(now, site.time_zone), within)
    if day is None:
        return f"sends nothing within {within} days"
    if goal.method is not DeliveryMethod.SHIP:
        return Way(day, day, None)
    zones = said.zones if said else ()
    zone = next((one for one in zones if one.has(site.code, goal.country, goal.postal_code)), None)
    if zones and zone is None:
        return f"no zone has a price to {goal.country or 'an unknown country'} {goal.postal_code or ''}".rstrip()
    return Way(day, day + timedelta(days=zone.transit_days if zone else 1), zone)


def terms(routing: Routing, site: Site, goal: Goal, now: datetime) -> Terms:
    """What holds at a location for an order."""
    own = routing.locations.get(site.code)
    said = routing.settings
    if own is None and said is None:
        return PLAIN_TERMS
    own = own or EVERYWHERE
    found = way(routing, site, goal, now)
    if isinstance(found, str):
        return Terms(dropped=found)
    late = 0
    if said is not None and said.promise_days is not None:
        placed = _local(goal.placed_at, site.time_zone).date()
        late = max((found.arrives_on - placed).days - said.promise_days, 0)
    return Terms(
        handling=micros(own.handling),
        shipping=routing.grid(found.zone) if found.zone else FREE,
        days_late=late,
        not_found=round(micros(said.not_found) * site.not_found_share) if said else 0,
        keep_units=own.keep_units,
    )


@lru_cache(maxsize=64)
def _local(moment: datetime, time_zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(time_zone))


def grid(zone: Zone) -> Grid:
    """A zone's price list."""
    return _grid(zone.steps)


@lru_cache(maxsize=1024)
def _grid(steps: tuple[PriceStep, ...]) -> Grid:
    return Grid(tuple((step.up_to_grams, micros(step.euros)) for step in steps))
