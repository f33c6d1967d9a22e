"""Locations from a file: an upsert by code of the fields that the file has. Those of the settings belong to them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nervure.operations.imports import Outcome, Verdict, fault_of, in_batches, refused
from nervure.operations.sheets import Row, Sheet
from nervure.store.database import Connection
from nervure.store.imports import ImportStore
from nervure.store.locations import LocationStore
from schemas.locations import Location, LocationKind

_TEXTS = ("name", "kind", "country", "postal_code", "city", "time_zone")
_NUMBERS = ("latitude", "longitude")
_FLAGS = ("can_ship", "can_pickup")
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class LocationLoader:
    """Columns: code, name, kind, country, postal_code, city, latitude, longitude, time_zone, can_ship, can_pickup.

    `owned`: codes that the settings name. They win: a row that would change one of these is refused.
    """

    needed = {"code"}
    known = {"code", *_TEXTS, *_NUMBERS, *_FLAGS}

    def __init__(self, owned: Collection[str]) -> None:
        self._owned = frozenset(owned)
        self._lines: dict[str, list[int]] = {}

    def look_over(self, sheet: Sheet) -> int:
        count = 0
        for row in sheet.rows():
            count += 1
            self._lines.setdefault(row.cells["code"], []).append(row.line)
        return count

    def batches(self, sheet: Sheet) -> Iterator[list[Row]]:
        yield from in_batches(sheet.rows())

    def take(self, connection: Connection, rows: Sequence[Row], now: datetime, *, writes: bool) -> list[Verdict]:
        locations = LocationStore(connection, now)
        stored = ImportStore(connection, now).locations(locked=writes)
        verdicts = []
        for row in sorted(rows, key=lambda row: row.cells["code"]):
            known = stored.get(row.cells["code"])
            try:
                location = self._read(row, known)
            except ValueError as error:
                verdicts.append(refused(row, fault_of(error)))
                continue
            changes = [] if known is None else _differences(known, location)
            if changes and location.code in self._owned:
                verdicts.append(refused(row, f"location {location.code!r} is written in the settings: change it there"))
                continue
            if known is None:
                verdicts.append(Verdict(row, Outcome.NEW))
            elif changes:
                verdicts.append(Verdict(row, Outcome.CHANGED, f"{location.code}: {', '.join(changes)}"))
            else:
                verdicts.append(Verdict(row, Outcome.UNCHANGED))
            if writes and (known is None or changes):
                kept = known or {}
                # A supplier of whom nobody says what it has promises nothing, as in the settings.
                silent = 0.0 if location.kind is LocationKind.SUPPLIER and kept.get("master") is None else None
                locations.put(location, master=kept.get("master"), ttl_seconds=kept.get("ttl_seconds") or silent)
        return verdicts

    def _read(self, row: Row, known: Mapping[str, Any] | None) -> Location:
        """The location as it will stand.

        Raises:
            ValueError: something cannot be used.
        """
        code = row.cells["code"]
        if code and len(self._lines[code]) > 1:
            lines = ", ".join(str(line) for line in self._lines[code])
            raise ValueError(f"{code!r} is there more than once: lines {lines}")
        values: dict[str, Any] = {name: known[name] for name in (*_TEXTS, *_NUMBERS, *_FLAGS)} if known else {}
        for name in _TEXTS:
            if (text := row.get(name)) is not None:
                values[name] = text or None
        for name in _NUMBERS:
            if (text := row.get(name)) is not None:
                values[name] = _number(name, text)
        for name in _FLAGS:
            if text := row.get(name):
                if text.lower() not in _WORDS:
                    raise ValueError(f"{name}: {text!r} is neither yes nor no")
                values[name] = _WORDS[text.lower()]
        return _location(code, values, is_new=known is None)


def _location(code: str, values: Mapping[str, Any], *, is_new: bool) -> Location:
    missing = [name for name in ("name", "kind") if not values.get(name)]
    if missing:
        raise ValueError(f"{missing[0]}: a {'new ' if is_new else ''}location needs one")
    if (values.get("latitude") is None) != (values.get("longitude") is None):
        raise ValueError("latitude and longitude: one is given without the other")
    if not values.get("country") and (values.get("postal_code") or values.get("city")):
        raise ValueError("country: an address needs one, such as FR")
    has_place = values.get("latitude") is not None
    flags = {name: values[name] for name in _FLAGS if values.get(name) is not None}
    return Location.model_validate(
        {
            "code": code,
            "name": values["name"],
            "kind": values["kind"],
            "address": {name: values.get(name) for name in ("country", "postal_code", "city")}
            if values.get("country")
            else None,
            "coordinates": {name: values[name] for name in _NUMBERS} if has_place else None,
            "time_zone": values.get("time_zone") or "UTC",
            **flags,
        }
    )


def _number(name: str, text: str) -> float | None:
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is not a number") from error


def _differences(known: Mapping[str, Any], location: Location) -> list[str]:
    address, place = location.address, location.coordinates
    now = {
        "name": location.name,
        "kind": location.kind.value,
        "country": address.country if address else None,
        "postal_code": address.postal_code if address else None,
        "city": address.city if address else None,
        "latitude": place.latitude if place else None,
        "longitude": place.longitude if place else None,
        "time_zone": location.time_zone,
        "can_ship": location.can_ship,
        "can_pickup": location.can_pickup,
    }
    return [f"{name} {known[name]!r} -> {value!r}" for name, value in now.items() if known[name] != value]
