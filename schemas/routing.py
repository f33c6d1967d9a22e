"""What a merchant says about routing: costs in euros, price lists of parcels, and the rules of each location."""

from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.base import Canonical, Code, CountryCode, Sku


class RoutingMethod(StrEnum):
    """How locations are chosen: by all costs, or, as a baseline, one after the other by one order of them."""

    COST = "cost"
    PRIORITY = "priority"
    DISTANCE = "distance"


class Weekday(StrEnum):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_DAYS = tuple(Weekday)


MAX_EUROS = 1_000_000


def _in_range(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount > MAX_EUROS:
        raise ValueError("an amount is at most a million euros")
    return amount


Euros = Annotated[Decimal, Field(ge=0), AfterValidator(_in_range)]
"""An amount in euros, not negative."""


class PriceStep(Canonical):
    """What a parcel of up to so many grams costs."""

    up_to_grams: Annotated[int, Field(gt=0, le=10_000_000)]
    euros: Euros


class Zone(Canonical):
    """Where parcels cost the same. `postal_codes`: how the codes begin; none: the whole of the countries.

    `locations`: from where these prices hold; none: from everywhere.
    """

    name: Code
    countries: Annotated[tuple[CountryCode, ...], Field(min_length=1)]
    postal_codes: tuple[str, ...] = ()
    locations: tuple[Code, ...] = ()
    transit_days: Annotated[int, Field(ge=0, le=365)] = 1
    steps: Annotated[tuple[PriceStep, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _grow(self) -> Self:
        for one, other in zip(self.steps, self.steps[1:], strict=False):
            if other.up_to_grams <= one.up_to_grams or other.euros < one.euros:
                raise ValueError(f"zone {self.name!r}: steps go up, by weight and by price")
        return self

    def has(self, location: str, country: str | None, postal_code: str | None) -> bool:
        """Whether these prices are those of a parcel from there to here."""
        return (
            country in self.countries
            and (not self.locations or location in self.locations)
            and (not self.postal_codes or (postal_code or "").strip().startswith(self.postal_codes))
        )


class Markdown(Canonical):
    """What selling slow stock of our own saves, in euros for each unit.

    Slow is what lies at a location for at least `window_days` and would last there for more than `days_of_cover` at
    the pace of these days. `skus`: what is to be sold off, and the relief of each, wherever it lies.
    """

    relief: Euros = Decimal(0)
    days_of_cover: Annotated[int, Field(gt=0, le=10_000)] | None = None
    window_days: Annotated[int, Field(gt=0, le=3_650)] = 90
    skus: dict[Sku, Euros] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_what_is_slow(self) -> Self:
        if bool(self.relief) != (self.days_of_cover is not None):
            raise ValueError("markdown: relief and days_of_cover are said together, or neither")
        return self


class Contract(Canonical):
    """What a supplier serves by its contract. What is not said is not limited.

    `countries`, `channels`: for these only. `min_order`: what it is given of one order is worth at least so many
    euros, at the prices of its feed. `daily_units`: no more in a day, in its location's time zone. `valid_from`,
    `valid_to`: the first and the last day, there. `is_void_if_silent`: what it does not accept in time it may not
    send any more.
    """

    countries: tuple[CountryCode, ...] = ()
    channels: tuple[Code, ...] = ()
    min_order: Euros = Decimal(0)
    daily_units: Annotated[int, Field(ge=0)] | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    is_void_if_silent: bool = False

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("contract: valid_to is before valid_from")
        return self


class ScarcitySettings(Canonical):
    """Scarce units are kept for the orders to come that need them most.

    `horizon_days`: for so long what lies there must last, until goods come in. `history_days`: where orders came from
    in the days before is where they are expected. `stale_hours`: prices that were learned longer ago count for nothing.
    """

    horizon_days: Annotated[int, Field(ge=1, le=365)]
    history_days: Annotated[int, Field(ge=1, le=730)] = 56
    stale_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 24


class RoutingSettings(Canonical):
    """What holds for every order. Amounts are euros; what is not said costs nothing.

    `promise_days`: so many days after it was placed an order is to arrive; `late_day` is for each day more.
    `dispatch_within_days`: a location that cannot send in so many days is out.
    `not_found`: what it costs if a unit is not found; times how often that happened at the location. Before a location
    has a history of its own it counts as having had `prior_orders`, of which `prior_share` were not found.
    `replan_minutes`: so often open orders are planned anew together; None: only when a person asks for it.
    `replan_saves`: an order is given elsewhere only if that saves so much for each order that is.
    `scarcity`: units are priced by what later orders would pay for them; without it they are not.
    """

    method: RoutingMethod = RoutingMethod.COST
    per_km: Euros = Decimal(0)
    supplier: Euros = Decimal(0)
    split: Euros = Decimal(0)
    late_day: Euros = Decimal(0)
    promise_days: Annotated[int, Field(ge=0, le=365)] | None = None
    dispatch_within_days: Annotated[int, Field(ge=0, le=365)] | None = None
    not_found: Euros = Decimal(0)
    prior_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    prior_orders: Annotated[int, Field(ge=1, le=100_000)] = 50
    markdown: Markdown | None = None
    replan_minutes: Annotated[int, Field(ge=1, le=1_440)] | None = None
    replan_saves: Euros = Decimal("0.50")
    zones: tuple[Zone, ...] = ()
    scarcity: ScarcitySettings | None = None


def _is_span(text: str) -> str:
    begin, _, end = text.partition("-")
    try:
        is_one = time.fromisoformat(begin) < time.fromisoformat(end)
    except (ValueError, TypeError):
        is_one = False
    if not is_one:
        raise ValueError(f'{text!r} is not written like "09:00-18:30"')
    return text


OpeningHours = Annotated[str, AfterValidator(_is_span)]
"""From when until when, in the location's time zone."""


class LocationRouting(Canonical):
    """One location's rules and costs. Times and days are in its time zone.

    `hours`: on days that are not named it is closed; none at all: it is always open. `cut_off`: what is routed later
    leaves on the next day that is open. `daily_orders`: no more in a day. `countries`: it sends to these only.
    `classes`: of goods that need something special it takes these only; None: it takes everything. `contract`: of a
    supplier's location.
    """

    handling: Euros = Decimal(0)
    hours: dict[Weekday, OpeningHours] = Field(default_factory=dict)
    holidays: tuple[date, ...] = ()
    cut_off: time | None = None
    daily_orders: Annotated[int, Field(ge=0)] | None = None
    countries: tuple[CountryCode, ...] = ()
    keep_units: Annotated[int, Field(ge=0)] = 0
    classes: tuple[Code, ...] | None = None
    contract: Contract | None = None

    def open_on(self, day: date) -> tuple[time, time | None] | None:
        """From when until when it is open on a day, by the clock on its wall; until None: midnight. None: closed."""
        if day in self.holidays:
            return None
        hours = self.hours.get(_DAYS[day.weekday()])
        if hours is None:
            return None if self.hours else (time.min, None)
        begin, _, end = hours.partition("-")
        return time.fromisoformat(begin), time.fromisoformat(end)

    def closes_at(self, day: date) -> time | None:
        """Until when something is sent on a day; None: it is closed."""
        hours = self.open_on(day)
        if hours is None:
            return None
        end = hours[1] or time.max
        return min(end, self.cut_off) if self.cut_off else end

    def dispatch_day(self, local: datetime, within_days: int) -> date | None:
        """The first day on which something leaves that is routed at this local time; None: not within these days."""
        for ahead in range(within_days + 1):
            day = date.fromordinal(local.date().toordinal() + ahead)
            closes = self.closes_at(day)
            if closes is not None and (ahead or local.time() < closes):
                return day
        return None
