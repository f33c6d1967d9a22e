import pytest

from nervure.orders.geography import distance_km, locate
from schemas.locations import Coordinates

PARIS = Coordinates(latitude=48.8566, longitude=2.3522)
LYON = Coordinates(latitude=45.7640, longitude=4.8357)


def test_the_way_from_paris_to_lyon_is_391_km() -> None:
    assert round(distance_km(PARIS, LYON)) == 391
    assert distance_km(LYON, PARIS) == distance_km(PARIS, LYON)


def test_a_place_lies_nowhere_else_than_where_it_is() -> None:
    assert distance_km(PARIS, PARIS) == 0.0


def test_the_way_around_the_world_is_never_longer_than_half_of_it() -> None:
    north, south = Coordinates(latitude=90, longitude=0), Coordinates(latitude=-90, longitude=180)
    assert round(distance_km(north, south)) == 20015


@pytest.mark.parametrize("postal_code", ["69001", " 69 001", "69"])
def test_a_french_postal_code_lies_in_its_department(postal_code: str) -> None:
    assert locate("FR", postal_code) == Coordinates(latitude=45.851, longitude=4.658)


@pytest.mark.parametrize("postal_code", [None, "", "00123", "xx"])
def test_an_unknown_postal_code_lies_in_the_middle_of_its_country(postal_code: str | None) -> None:
    assert locate("FR", postal_code) == Coordinates(latitude=46.6, longitude=2.5)


def test_other_countries_are_known_by_their_middle() -> None:
    assert locate("DE", "10115") == Coordinates(latitude=51.1, longitude=10.4)


@pytest.mark.parametrize("country", [None, "ZZ"])
def test_an_unknown_country_lies_nowhere(country: str | None) -> None:
    assert locate(country, "69001") is None
