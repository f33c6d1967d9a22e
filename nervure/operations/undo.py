"""Undoing what was booked by hand: every movement of a document is taken back, each once."""

from dataclasses import dataclass

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, KitStockError
from nervure.inventory.undo import taking_back, why_not
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.orders.reseating import reseat
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.movements import MovementStore


class UndoError(RefusalError):
    """A document that is not known, or that cannot be undone by hand: what to do instead."""


@dataclass(frozen=True, slots=True)
class Compensation:
    """One entry of an undo, in the merchant's names. `is_counted`: it gives back what a count has seen."""

    sku: str
    location: str
    owner: str
    condition: str
    lot: str
    units: int
    is_counted: bool


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo wrote (or would write); nothing: the document had been undone."""

    document: str
    entries: list[Compensation]


def undo(hub: Hub, document: str) -> Undone:
    """Takes back every movement of a document that was booked by hand; again it changes nothing.

    Raises:
        UndoError: no such document, several of that name, or one that other work depends on.
    """
    return hub.database.run(lambda connection: _undo(hub, connection, document))


def preview(hub: Hub, document: str) -> Undone:
    """What `undo` would write: it is written, looked at, and rolled back.

    Raises:
        UndoError: as `undo` does.
    """

    def work(connection: Connection) -> Undone:
        raise _SeenError(_undo(hub, connection, document))

    try:
        return hub.database.run(work)
    except _SeenError as seen:
        return seen.done


class _SeenError(Exception):
    """Ends a transaction that was only to be looked at."""

    def __init__(self, done: Undone) -> None:
        self.done = done


def _undo(hub: Hub, connection: Connection, document: str) -> Undone:
    stock = MovementStore(connection, hub.clock.now())
    name, entries = _entries(stock, hub, document)
    try:
        booked = book(stock, entries)
    except KitStockError as error:
        raise UndoError(f"{error}, by an adjustment: the item became a kit after {name!r}") from error
    desk = hub.desk(connection)
    settle(booked, desk)
    reseat({entry.place for entry in booked if entry.units < 0}, desk)
    return Undone(name, _named(connection, hub, booked))


def _entries(stock: MovementStore, hub: Hub, document: str) -> tuple[str, list[Entry]]:
    names = stock.names_of(document)
    if not names:
        raise UndoError(f"no movement has the document {document!r}")
    if len(names) > 1:
        raise UndoError(f"several documents are called {document!r}: name one of {', '.join(map(repr, names))}")
    movements = stock.of_document(names[0])
    sentence = why_not(names[0], movements)
    if sentence is not None:
        raise UndoError(sentence)
    return names[0], taking_back(movements, hub.clock.now())


def _named(connection: Connection, hub: Hub, entries: list[Entry]) -> list[Compensation]:
    catalogue = CatalogueStore(connection, hub.clock.now())
    skus = catalogue.skus()
    codes = {number: code for code, number in LocationStore(connection, hub.clock.now()).ids().items()}
    return [
        Compensation(
            skus[entry.place.item_id],
            codes[entry.place.location_id],
            entry.owner,
            entry.condition,
            entry.lot,
            entry.units,
            is_counted="|counted" in entry.cause_key,
        )
        for entry in entries
    ]
