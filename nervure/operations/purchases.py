"""Purchases: what is expected to come in, what came, and what will not."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from nervure.inventory import purchases as rules
from nervure.inventory.purchases import Counted, Expected, Purchase, PurchaseLine, Receipt, Said, receipt_entry
from nervure.inventory.stock import Place
from nervure.inventory.transfers import IN_TRANSIT
from nervure.operations.hub import Hub
from nervure.operations.lots import check_entry
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import UnknownStockError, check_repeat
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.purchases import PurchaseStore
from nervure.store.stock import StockStore
from schemas.base import MAX_UNITS, counted

OVER_RECEIPT = "over_receipt"
MAX_NAME = 255


class PurchaseError(RefusalError):
    """A purchase that is not known, or says something else already."""


@dataclass(frozen=True, slots=True)
class ExpectedLine:
    """One line as people write it: a sku, a location, units, and the day on which they are expected there."""

    sku: str
    location: str
    units: int
    expected_on: date


@dataclass(frozen=True, slots=True)
class Missing:
    """What a closed purchase never brought."""

    sku: str
    location: str
    units: int


def expect(
    hub: Hub, document: str, lines: Sequence[ExpectedLine], *, supplier: str | None = None, revise: bool = False
) -> Counter[Said]:
    """Writes what a purchase brings, all lines or none; the same line again changes nothing.

    `revise`: a line that says something else is changed. Answers how many lines were new, known or revised.

    Raises:
        UnknownStockError: no such sku or location.
        PurchaseError: a line says something else already, or cannot be expected there.
    """
    _check_name(document)

    def work(connection: Connection) -> Counter[Said]:
        now = hub.clock.now()
        wanted = _places(connection, now, lines)
        store = PurchaseStore(connection, now)
        purchase = store.open(document, supplier)
        if supplier not in (None, purchase.supplier):
            raise PurchaseError(f"purchase {document!r} is from {purchase.supplier!r}, not from {supplier!r}")
        before = store.lines(purchase.id)
        expected = {place: Expected(line.units, line.expected_on) for place, line in wanted.items()}
        said = rules.expect(purchase, expected, store, revise=revise)
        for place, what in said.items():
            _refuse(document, wanted[place], before.get(place), what)
        stand = store.lines(purchase.id)
        _close_tasks(hub, connection, [stand[place] for place, what in said.items() if what is not Said.KNOWN])
        return Counter(said.values())

    return hub.database.run(work)


def receive(hub: Hub, receipt: Receipt, purchase: str) -> Counted | None:
    """Books a receipt and counts it against a purchase; the same receipt again changes nothing (None).

    Raises:
        UnknownStockError: no such sku or location.
        PurchaseError: no such purchase.
        RepeatError: the receipt was booked with other units.
    """

    def work(connection: Connection) -> Counted | None:
        now = hub.clock.now()
        catalogue = CatalogueStore(connection, now)
        [place] = _places(connection, now, [_as_line(receipt, now)])
        # However the item is called now: the receipt that was booked under a former sku is the same one.
        named = replace(receipt, sku=catalogue.cause_sku(receipt.sku))
        store = PurchaseStore(connection, now)
        found = store.lock(purchase)
        if found is None:
            raise PurchaseError(f"purchase {purchase!r} is not known")
        desk = hub.desk(connection)
        entry = receipt_entry(named, place, now)
        check_entry(connection, now, receipt.sku, entry, receipt.expires_on)
        booked, counted = rules.receive(entry, found, StockStore(connection, now), store)
        if not booked:
            check_repeat(connection, now, entry)
        settle(booked, desk)
        if counted is not None and counted.over:
            _open_task(hub, connection, found, counted.line)
        return counted

    return hub.database.run(work)


def close(hub: Hub, document: str) -> list[Missing] | None:
    """Ends a purchase: what never came is not expected any more, and answered; None: it was closed.

    Raises:
        PurchaseError: no such purchase.
    """

    def work(connection: Connection) -> list[Missing] | None:
        now = hub.clock.now()
        store = PurchaseStore(connection, now)
        found = store.lock(document)
        if found is None:
            raise PurchaseError(f"purchase {document!r} is not known")
        if not store.close(found.id):
            return None
        catalogue = CatalogueStore(connection, now)
        codes = {location: code for code, location in LocationStore(connection, now).ids().items()}
        lines = [line for line in store.lines(found.id).values() if line.units_open]
        skus = catalogue.skus_of({line.place.item_id for line in lines})
        return [Missing(skus[line.place.item_id], codes[line.place.location_id], line.units_open) for line in lines]

    return hub.database.run(work)


def read_expected(path: Path, default_on: date | None) -> list[ExpectedLine]:
    """Reads lines from CSV with the columns sku, location, units, and expected_on where days differ (YYYY-MM-DD).

    Raises:
        PurchaseError: the file or a row of it cannot be used; nothing of it is.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {"sku", "location", "units"} - set(reader.fieldnames or ()):
                raise PurchaseError(f"{path.name} lacks the column {sorted(missing)[0]!r}")
            lines = [_read_line(f"{path.name}, line {reader.line_num}", row, default_on) for row in reader]
    except OSError as error:
        raise PurchaseError(f"{path.name} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PurchaseError(f"{path.name} cannot be read: {error}") from error
    if not lines:
        raise PurchaseError(f"{path.name} has no line")
    return lines


def _read_line(where: str, row: dict[str, str | None], default_on: date | None) -> ExpectedLine:
    units = (row["units"] or "").strip()
    if not (units.isascii() and units.isdigit() and 1 <= int(units) <= MAX_UNITS):
        raise PurchaseError(f"{where}: {units!r} is not a whole number of units above 0")
    said = (row.get("expected_on") or "").strip()
    try:
        expected_on = date.fromisoformat(said) if said else default_on
    except ValueError as error:
        raise PurchaseError(f"{where}: {said!r} is not a day like 2026-12-24") from error
    if expected_on is None:
        raise PurchaseError(f"{where}: needs a day: in the column expected_on, or with --on")
    return ExpectedLine((row["sku"] or "").strip(), (row["location"] or "").strip(), int(units), expected_on)


def _refuse(document: str, line: ExpectedLine, known: PurchaseLine | None, said: Said) -> None:
    if said is Said.CLOSED:
        raise PurchaseError(f"purchase {document!r} is closed: expect {line.sku!r} with another one")
    if said is Said.DIFFERS and known is not None:
        raise PurchaseError(
            f"purchase {document!r} expects {known.units_expected} of {line.sku!r} at {line.location!r} on"
            f" {known.expected_on} already: say --revise to change that"
        )


def _as_line(receipt: Receipt, now: datetime) -> ExpectedLine:
    return ExpectedLine(receipt.sku, receipt.location, receipt.units, now.date())


def _check_name(document: str) -> None:
    if not document.strip() or len(document) > MAX_NAME:
        raise PurchaseError(f"a purchase needs a name of at most {MAX_NAME} characters")


def _places(connection: Connection, now: datetime, lines: Sequence[ExpectedLine]) -> dict[Place, ExpectedLine]:
    """The places that lines name; each may be named once."""
    catalogue = CatalogueStore(connection, now)
    items = catalogue.item_ids([line.sku for line in lines])
    locations = LocationStore(connection, now).ids()
    kits = catalogue.kits(items.values())
    found: dict[Place, ExpectedLine] = {}
    for line in lines:
        if line.sku not in items:
            raise UnknownStockError(f"sku {line.sku!r} is not known")
        if line.location not in locations:
            raise UnknownStockError(f"location {line.location!r} is not known")
        place = Place(items[line.sku], locations[line.location])
        if place.item_id in kits:
            raise PurchaseError(f"{line.sku!r} is a kit and has no stock of its own: name its parts")
        if line.location == IN_TRANSIT:
            raise PurchaseError("units come to be in transit by a transfer only: name the place where they arrive")
        if place in found:
            raise PurchaseError(f"{line.sku!r} at {line.location!r} is named twice: one line for each")
        found[place] = line
    return found


def _subject(line: PurchaseLine) -> str:
    return f"purchase_line:{line.id}"


def _open_task(hub: Hub, connection: Connection, purchase: Purchase, line: PurchaseLine) -> None:
    """The task says the newest sum: it does not matter which receipt was heard last."""
    tasks = hub.desk(connection).tasks
    subject = _subject(line)
    text = f"{counted(line.units_received, 'unit')} came in, {counted(line.units_expected, 'was', 'were')} expected"
    tasks.close(OVER_RECEIPT, subject)
    tasks.open(OVER_RECEIPT, subject, f"{text}, and it is closed" if purchase.is_closed else text)


def _close_tasks(hub: Hub, connection: Connection, lines: Iterable[PurchaseLine]) -> None:
    """Where as much is expected now as came in, nobody needs to look any more."""
    for line in lines:
        if 0 < line.units_received <= line.units_expected:
            hub.desk(connection).tasks.close(OVER_RECEIPT, _subject(line))
