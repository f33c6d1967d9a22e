"""Where goods are."""

from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from schemas.base import Canonical, Code, CountryCode


class LocationKind(StrEnum):
    WAREHOUSE = "warehouse"
    STORE = "store"
    SUPPLIER = "supplier"
    THIRD_PARTY = "third_party"
    IN_TRANSIT = "in_transit"
    CONSIGNEE = "consignee"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone") from error
    return name


TimeZoneName = Annotated[str, AfterValidator(_known_zone)]


class Coordinates(Canonical):
    """WGS 84, degrees."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class Address(Canonical):
    """Where a parcel goes. Everything but the country may be missing on a channel."""

    country: CountryCode
    postal_code: str | None = None
    city: str | None = None
    lines: tuple[str, ...] = ()


class Location(Canonical):
    """A place that holds stock, and what it can do for an order.

    What it does not accept within its time is served from elsewhere; what is ready for pickup is held that long.
    """

    code: Code
    name: str
    kind: LocationKind
    address: Address | None = None
    coordinates: Coordinates | None = None
    time_zone: TimeZoneName = "UTC"
    can_ship: bool = True
    can_pickup: bool = False
    accept_within_seconds: Annotated[float, Field(gt=0)] | None = None
    hold_pickup_seconds: Annotated[float, Field(gt=0)] | None = None
