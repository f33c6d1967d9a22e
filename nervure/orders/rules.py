"""What the merchant's settings say of one location and one order: rules that drop it, and what it costs there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from nervure.orders.costs import AS_EVER, PLAIN_TERMS, Costs, Limits, Terms, micros
from nervure.orders.declines import SOON, AskAgain
from nervure.orders.parcels import FREE, Grid
from schemas.base import counted
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod
from schemas.routing import Contract, LocationRouting, PriceStep, RoutingSettings, Zone

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
    """A location as rules see it. `orders_today`, `units_today`: what it was given since its midnight.

    `not_found_share`: of what it was to send, how much was not found there (or was refused by a supplier), 0 to 1.
    By item: `reliefs`, what selling a unit here saves; `prices`, what a supplier asks for one; in micros.
    """

    code: str
    kind: LocationKind
    time_zone: str
    orders_today: int = 0
    not_found_share: float = 0.0
    units_today: int = 0
    reliefs: Mapping[int, int] = field(default_factory=dict, hash=False)
    prices: Mapping[int, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Goods:
    """An item as routing sees it: grams of a unit (0: nobody knows), and what a location must be able to take."""

    sku: str = ""
    grams: int = 0
    classes: frozenset[str] = frozenset()


ANY_GOODS = Goods()


@dataclass(frozen=True, slots=True)
class Goal:
    """Where an order goes, how, when it was placed, on which channel, and of what it is made, by item.

    `has_destination` False: a cart of which nobody knows yet where it goes. What depends on that is not judged.
    """

    method: DeliveryMethod
    country: str | None
    postal_code: str | None
    placed_at: datetime
    channel: str = ""
    goods: Mapping[int, Goods] = field(default_factory=dict, hash=False)
    has_destination: bool = True


@dataclass(frozen=True, slots=True)
class Journey:
    """How an order would leave a location: on which day, in which zone, and when it arrives."""

    leaves_on: date
    arrives_on: date
    zone: Zone | None


def journey(routing: Routing, site: Site, goal: Goal, now: datetime) -> Journey | str:
    """The journey of an order from a location, or the rule by which there is none."""
    own = routing.locations.get(site.code, EVERYWHERE)
    said = routing.settings
    refused = _refused(own, site, goal, now)
    if refused is not None:
        return refused
    within = LOOK_AHEAD_DAYS if said is None or said.dispatch_within_days is None else said.dispatch_within_days
    day = own.dispatch_day(_local(now, site.time_zone), within)
    if day is None:
        return f"sends nothing within {counted(within, 'day')}"
    if goal.method is not DeliveryMethod.SHIP:
        return Journey(day, day, None)
    zones = said.zones if said else ()
    zone = next((one for one in zones if one.has(site.code, goal.country, goal.postal_code)), None)
    if zones and zone is None and goal.has_destination:
        return f"no zone has a price to {goal.country or 'an unknown country'} {goal.postal_code or ''}".rstrip()
    return Journey(day, day + timedelta(days=zone.transit_days if zone else 1), zone)


def _refused(own: LocationRouting, site: Site, goal: Goal, now: datetime) -> str | None:
    """The rule by which a location may not have an order, whenever it would leave; None: it may."""
    goes_somewhere = goal.method is DeliveryMethod.SHIP and goal.has_destination
    if own.countries and goes_somewhere and goal.country not in own.countries:
        return f"does not send to {goal.country or 'an unknown country'}"
    untaken = barred(own, goal)
    if untaken and len(untaken) == len(goal.goods):
        return ", ".join(sorted(set(untaken.values())))
    if own.daily_orders is not None and site.orders_today >= own.daily_orders:
        return f"has its {counted(own.daily_orders, 'order')} of the day"
    if own.contract is None:
        return None
    return _broken(own.contract, site, goal, _local(now, site.time_zone).date())


def _broken(contract: Contract, site: Site, goal: Goal, today: date) -> str | None:
    """What of a supplier's contract keeps it from this order; None: nothing."""
    if contract.valid_from is not None and today < contract.valid_from:
        return f"its contract begins on {contract.valid_from}"
    if contract.valid_to is not None and today > contract.valid_to:
        return f"its contract ended on {contract.valid_to}"
    if contract.channels and goal.channel not in contract.channels:
        return f"its contract is not for channel {goal.channel!r}"
    goes_somewhere = goal.method is DeliveryMethod.SHIP and goal.has_destination
    if contract.countries and goes_somewhere and goal.country not in contract.countries:
        return f"its contract is not for {goal.country or 'an unknown country'}"
    if contract.daily_units is not None and site.units_today >= contract.daily_units:
        return f"has its {counted(contract.daily_units, 'unit')} of the day"
    return None


def barred(own: LocationRouting, goal: Goal) -> dict[int, str]:
    """By item, why a location cannot take it."""
    if own.classes is None:
        return {}
    lacks = {item: sorted(goods.classes - set(own.classes)) for item, goods in goal.goods.items()}
    return {item: f"cannot take {' '.join(classes)}" for item, classes in lacks.items() if classes}


def _limits(contract: Contract | None, site: Site) -> Limits | None:
    if contract is None or (not contract.min_order and contract.daily_units is None):
        return None
    left = None if contract.daily_units is None else max(contract.daily_units - site.units_today, 0)
    return Limits(micros(contract.min_order), left, site.prices)


def terms(routing: Routing, site: Site, goal: Goal, now: datetime) -> Terms:
    """What holds at a location for an order."""
    own = routing.locations.get(site.code)
    said = routing.settings
    if own is None and said is None:
        return PLAIN_TERMS
    own = own or EVERYWHERE
    found = journey(routing, site, goal, now)
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
        reliefs=site.reliefs,
        keep_units=own.keep_units,
        barred=barred(own, goal),
        limits=_limits(own.contract, site),
        room=None if own.daily_orders is None else own.daily_orders - site.orders_today,
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
