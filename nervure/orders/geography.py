"""Roughly where a postal code lies, and how far two places are apart."""

import csv
from functools import cache, lru_cache
from importlib import resources
from math import asin, cos, radians, sin, sqrt

from schemas.locations import Coordinates

EARTH_RADIUS_KM = 6371.0088


@cache
def _areas() -> dict[tuple[str, str], Coordinates]:
    text = resources.files(__package__).joinpath("postal_areas.csv").read_text("utf-8")
    return {
        (row["country"], row["prefix"]): Coordinates(latitude=float(row["latitude"]), longitude=float(row["longitude"]))
        for row in csv.DictReader(text.splitlines())
    }


def locate(country: str | None, postal_code: str | None) -> Coordinates | None:
    """The middle of the postal area (France: the department), else of the country, else None."""
    if country is None:
        return None
    areas = _areas()
    prefix = (postal_code or "").strip()[:2]
    return areas.get((country, prefix)) or areas.get((country, ""))


def distance_km(one: Coordinates, other: Coordinates) -> float:
    """Great-circle distance (haversine, mean Earth radius)."""
    return _great_circle(one.latitude, one.longitude, other.latitude, other.longitude)


@lru_cache(maxsize=65_536)
def _great_circle(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    # Kept: each basket and each order asks for the way from every location of its channel.
    north, south = radians(latitude), radians(other_latitude)
    half = sin((south - north) / 2) ** 2 + cos(north) * cos(south) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(half))
