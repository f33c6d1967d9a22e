"""Roughly where a postal code lies, and how far two places are apart."""

import csv
from functools import cache
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
    north, south = radians(one.latitude), radians(other.latitude)
    half = (
        sin((south - north) / 2) ** 2 + cos(north) * cos(south) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * asin(sqrt(half))
