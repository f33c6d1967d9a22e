from typing import Any

import pytest
from pydantic import ValidationError

from schemas.items import Item
from schemas.locations import Coordinates, Location
from schemas.stock import SupplierOffer

MOMENT = "2026-03-02T10:00:00Z"


def kit(*components: tuple[str, int], **changes: object) -> dict[str, Any]:
    parts = [{"sku": sku, "units": units} for sku, units in components]
    return {"sku": "PAIR", "title": "Pair", "kind": "kit", "components": parts} | changes


@pytest.mark.requirement("R37")
def test_a_kit_is_made_of_other_items() -> None:
    assert [part.sku for part in Item.model_validate(kit(("BOLT", 1), ("NUT", 2))).components] == ["BOLT", "NUT"]


@pytest.mark.requirement("R37")
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (kit(), "a kit has components, a simple item has none"),
        (kit(("BOLT", 1), kind="simple"), "a kit has components, a simple item has none"),
        (kit(("BOLT", 1), ("BOLT", 2)), "components must be other skus, each named once"),
        (kit(("BOLT", 1), ("PAIR", 1)), "components must be other skus, each named once"),
    ],
)
def test_what_is_no_kit_is_refused(said: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=f"'PAIR': {reason}"):
        Item.model_validate(said)


@pytest.mark.parametrize("units", [0, -1, 1.0, "1"])
def test_a_kit_takes_whole_units_of_its_parts(units: Any) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate(kit(("BOLT", units)))


@pytest.mark.parametrize("grams", [-1, 1.5])
def test_a_weight_is_in_whole_grams(grams: float) -> None:
    with pytest.raises(ValidationError):
        Item.model_validate({"sku": "BOLT", "title": "Bolt", "weight_grams": grams})


@pytest.mark.requirement("R34")
@pytest.mark.parametrize("units", [-1, 2.5, "3"])
def test_a_supplier_offers_whole_units_or_says_nothing_of_them(units: object) -> None:
    said = {"supplier": "acme", "supplier_sku": "A-1", "as_of": MOMENT}
    assert SupplierOffer.model_validate(said).units is None
    assert SupplierOffer.model_validate(said | {"units": 0}).units == 0
    with pytest.raises(ValidationError):
        SupplierOffer.model_validate(said | {"units": units})


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../etc/passwd"])
def test_a_location_lies_in_a_known_time_zone(zone: str) -> None:
    said = {"code": "paris", "name": "Paris", "kind": "warehouse"}
    assert Location.model_validate(said | {"time_zone": "Europe/Paris"}).time_zone == "Europe/Paris"
    with pytest.raises(ValidationError, match="is not an IANA time zone"):
        Location.model_validate(said | {"time_zone": zone})


@pytest.mark.parametrize(("latitude", "longitude"), [(90.1, 0), (-91, 0), (0, 181), (0, -180.5), (float("nan"), 0)])
def test_coordinates_lie_on_the_earth(latitude: float, longitude: float) -> None:
    with pytest.raises(ValidationError):
        Coordinates(latitude=latitude, longitude=longitude)
