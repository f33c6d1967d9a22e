"""Opening stock from a file: what lies at places where the hub has booked nothing yet. Each row is booked once."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.imports import Outcome, Verdict, in_batches, refused
from nervure.operations.sheets import Row, Sheet, as_whole
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.desk import desk_of
from nervure.store.imports import ImportStore
from nervure.store.locations import LocationStore
from nervure.store.stock import StockStore
from schemas.base import MAX_UNITS
from schemas.stock import MovementKind

DOCUMENT = "opening"


class StockLoader:
    """Columns: sku, location, units.

    `skips_places_with_stock`: a place that has stock already is left alone instead of being refused, as the settings
    want it: their file is read at each start, long after the first sale.
    """

    needed = {"sku", "location", "units"}
    known = needed

    def __init__(self, *, skips_places_with_stock: bool = False) -> None:
        self._skips = skips_places_with_stock
        self._lines: dict[tuple[str, str], list[int]] = {}

    def look_over(self, sheet: Sheet) -> int:
        count = 0
        seen: dict[tuple[str, str], int] = {}
        for row in sheet.rows():
            count += 1
            key = _key(row)
            if key in seen:
                self._lines.setdefault(key, [seen[key]]).append(row.line)
            seen[key] = row.line
        return count

    def batches(self, sheet: Sheet) -> Iterator[list[Row]]:
        yield from in_batches(sheet.rows())

    def take(self, connection: Connection, rows: Sequence[Row], now: datetime, *, writes: bool) -> list[Verdict]:
        store, catalogue = ImportStore(connection, now), CatalogueStore(connection, now)
        items = catalogue.item_ids([row.cells["sku"] for row in rows])
        kits = catalogue.kits(items.values())
        with_lots = store.with_lots(items.values())
        locations = LocationStore(connection, now).ids()
        verdicts: list[Verdict] = []
        good: list[tuple[Row, Place, str, int]] = []
        for row in rows:
            fault = self._fault_of(row, items, locations, kits)
            if fault is None and items[row.cells["sku"]] in with_lots:
                fault = f"{row.cells['sku']!r} asks for lots: book it with `nervure stock receive --lot`"
            if fault is not None:
                verdicts.append(refused(row, fault))
                continue
            place = Place(items[row.cells["sku"]], locations[row.cells["location"]])
            good.append((row, place, opening_cause(row.cells["sku"], row.cells["location"]), int(row.cells["units"])))
        booked = store.booked([cause for _, _, cause, _ in good])
        if writes:
            fresh = [(place, cause) for _, place, cause, units in good if units and cause not in booked]
            store.lock_places([place for place, _ in fresh])
            # Read again under lock: of two loads at once the second one sees what the first has booked.
            booked |= store.booked([cause for _, cause in fresh])
        moved = store.moved([place for _, place, _, _ in good])
        entries: list[Entry] = []
        taken: set[Place] = set()
        for row, place, cause, units in good:
            if place in taken:
                verdicts.append(refused(row, f"{row.cells['sku']!r} is there by another name of the same item"))
                continue
            taken.add(place)
            if cause in booked or place in moved:
                verdicts.append(self._seen(row, units, booked.get(cause)))
            elif units == 0:
                verdicts.append(Verdict(row, Outcome.UNCHANGED))
            else:
                entries.append(Entry(place, MovementKind.RECEIVED, units, cause, now, document=DOCUMENT))
                verdicts.append(Verdict(row, Outcome.NEW))
        if writes:
            store.note_opening([place.location_id for _, place, _, _ in good], now)
            stock = StockStore(connection, now)
            settle(book(stock, entries), desk_of(connection, now))
        return verdicts

    def _fault_of(self, row: Row, items: dict[str, int], locations: dict[str, int], kits: set[int]) -> str | None:
        sku, location, units = row.cells["sku"], row.cells["location"], row.cells["units"]
        if _key(row) in self._lines:
            lines = ", ".join(str(line) for line in self._lines[_key(row)])
            return f"{sku!r} at {location!r} is there more than once: lines {lines}"
        if sku not in items:
            return f"sku {sku!r} is not known"
        if location not in locations:
            return f"location {location!r} is not known"
        if items[sku] in kits:
            return f"{sku!r} is a kit: its stock is that of its parts"
        number = as_whole(units)
        if number is None:
            return f"units: {units!r} is not a whole number of 0 or more"
        return f"units: {units} is more than anybody has" if number > MAX_UNITS else None

    def _seen(self, row: Row, units: int, before: int | None) -> Verdict:
        if before == units or self._skips:
            return Verdict(row, Outcome.UNCHANGED)
        sku, location = row.cells["sku"], row.cells["location"]
        had = "stock there already" if before is None else f"an opening stock of {before} already"
        return refused(
            row, f"{sku!r} at {location!r} has {had}: book the difference with a cycle count or `nervure stock adjust`"
        )


def opening_cause(sku: str, location: str) -> str:
    """The cause of an opening movement: one for each sku and location, for ever."""
    return cause_key("opening", sku, location)


def _key(row: Row) -> tuple[str, str]:
    return row.cells["sku"], row.cells["location"]
