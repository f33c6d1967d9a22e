"""Transfers: units leave one place, and arrive at another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.inventory.transfers import (
    IN_TRANSIT,
    Choice,
    NotThereError,
    Route,
    UnderWay,
    arrived_entries,
    choose,
    deal,
    found_entry,
    lost_entry,
    returned_entries,
    sent_entries,
)
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import RepeatError, booked_otherwise, item_of, place_of
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.movements import MovementStore
from nervure.store.stock import StockStore
from nervure.store.transfers import TransferStore, asked_of
from schemas.base import counted

MAX_NAME = 255


class TransferError(RefusalError):
    """A transfer that is not known, or cannot be done as it is said."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Units of a sku leave `origin` for `destination`. `expected_on`: the day of arrival there, if somebody knows."""

    transfer: str
    sku: str
    origin: str
    destination: str
    units: int
    choice: Choice = field(default_factory=Choice)
    expected_on: date | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """Units of a transfer arrive. `sku` None: of every sku; `units` None: all that is under way.

    `document` names the arrival, so that it can be said twice. `choice` None: of any owner, condition and lot.
    """

    transfer: str
    sku: str | None = None
    units: int | None = None
    document: str | None = None
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Units that arrived, those among them that nobody had sent, and those that were given up as lost."""

    units: int
    found: int = 0
    lost: int = 0


def dispatch(hub: Hub, order: Dispatch, *, force: bool = False) -> bool:
    """Books that units have left; the same dispatch again changes nothing (False).

    Only what nobody claims may leave. `force`: it has left whatever was promised, and promises follow.

    Raises:
        UnknownStockError: no such sku or location.
        TransferError: not so many units are free, or the transfer says something else already.
    """

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        store = TransferStore(connection, now)
        place, route = _open(connection, now, store, order)
        asked = asked_of(order.choice)
        sent = store.sent(route.id, place.item_id, asked)
        if sent == order.units:
            return False
        if sent:
            raise TransferError(
                f"transfer {order.transfer!r} has sent {sent} of {order.sku!r} already: send more with another one"
            )
        try:
            leaving = choose(order.units, store.shelves(place, order.choice.condition), order.choice, force=force)
        except NotThereError as error:
            raise TransferError(
                f"only {error.there} of {order.sku!r} may leave {order.origin!r}: the rest is promised or not there;"
                " say --force if they have left all the same"
            ) from error
        made = store.send(route.id, place.item_id, asked, order.choice.condition, leaving)
        _book(hub, connection, route, [entry for line in made for entry in sent_entries(route, line, now)])
        return True

    return hub.database.run(work)


def _open(connection: Connection, now: datetime, store: TransferStore, order: Dispatch) -> tuple[Place, Route]:
    if not order.transfer.strip() or len(order.transfer) > MAX_NAME:
        raise TransferError(f"a transfer needs a name of at most {MAX_NAME} characters")
    place = place_of(connection, now, order.sku, order.origin)
    destination = place_of(connection, now, order.sku, order.destination)
    if place == destination:
        raise TransferError(f"units at {order.origin!r} are there already")
    if IN_TRANSIT in (order.origin, order.destination):
        raise TransferError(f"{IN_TRANSIT!r} is where the hub keeps units under way: name the places at both ends")
    if CatalogueStore(connection, now).kits([place.item_id]):
        raise TransferError(f"{order.sku!r} is a kit and has no stock of its own: name its parts")
    transit = _transit(store)
    ends = (place.location_id, destination.location_id)
    route = store.open(order.transfer, *ends, transit_id=transit, expected_on=order.expected_on)
    if (route.origin_id, route.destination_id) != ends:
        raise TransferError(f"transfer {order.transfer!r} goes between other locations: take another name")
    if order.expected_on is not None:
        store.expect_on(route.id, order.expected_on)
    return place, route


def arrive(hub: Hub, arrival: Arrival, *, found: bool = False, lost: bool = False) -> Arrived | None:
    """Books that units have arrived; the same arrival again changes nothing (None).

    `found`: more arrived than was under way, and the rest is booked as found there. `lost`: what does not arrive now
    never will; without units, nothing arrives any more.

    Raises:
        UnknownStockError: no such sku.
        TransferError: no such transfer, or more arrives than is under way.
        RepeatError: the arrival was booked with other units.
    """
    if arrival.units is not None and arrival.document is None:
        raise TransferError("an arrival of some units needs a name: give it with --document")

    def work(connection: Connection) -> Arrived | None:
        now = hub.clock.now()
        store = TransferStore(connection, now)
        route = _lock(store, arrival.transfer)
        lines = _meant(connection, now, store, route, arrival)
        under_way = sum(line.units for line in lines)
        asked = _asked(arrival, lines)
        if arrival.document is not None and not store.note_arrival(route.id, arrival.document, asked):
            _check_repeat(connection, now, route, arrival, asked)
            return None
        units = arrival.units if arrival.units is not None else 0 if lost else under_way
        excess = max(units - under_way, 0)
        if excess and not found:
            raise TransferError(
                f"only {under_way} of {arrival.sku!r} are under way with transfer {arrival.transfer!r}:"
                " say --found if more have arrived"
            )
        dealt = deal(units, lines)
        store.arrive(dealt)
        given_up = _left(lines, dealt) if lost else []
        store.lose(given_up)
        statement = cause_key(asked, arrival.document or "")
        entries = [
            *(e for line, part in dealt for e in arrived_entries(route, line, part, statement=statement, at=now)),
            *(lost_entry(route, line, now) for line in given_up),
        ]
        if excess:
            entries.append(found_entry(route, lines[0], excess, statement=statement, at=now))
            _ask_for_count(hub, connection, route, lines[0].item_id, excess)
        _book(hub, connection, route, entries)
        return Arrived(units, excess, sum(line.units for line in given_up))

    return hub.database.run(work)


def cancel(hub: Hub, transfer: str) -> int:
    """Books that all units still under way came back to where they left; answers how many. Again it is 0.

    Raises:
        TransferError: no such transfer.
    """

    def work(connection: Connection) -> int:
        now = hub.clock.now()
        store = TransferStore(connection, now)
        route = _lock(store, transfer)
        lines = [line for line in store.lines(route.id) if line.units]
        store.bring_back(lines)
        _book(hub, connection, route, [entry for line in lines for entry in returned_entries(route, line, now)])
        return sum(line.units for line in lines)

    return hub.database.run(work)


def _transit(store: TransferStore) -> int:
    found = store.transit_location()
    if found is None:
        raise TransferError(
            f"location {IN_TRANSIT!r} must be of kind 'in_transit': the hub keeps units under way there"
        )
    return found


def _lock(store: TransferStore, name: str) -> Route:
    route = store.lock(name, _transit(store))
    if route is None:
        raise TransferError(f"transfer {name!r} is not known")
    return route


def _meant(
    connection: Connection, now: datetime, store: TransferStore, route: Route, arrival: Arrival
) -> list[UnderWay]:
    """The lines that an arrival speaks of."""
    lines = store.lines(route.id)
    if arrival.sku is not None:
        item = item_of(connection, now, arrival.sku)
        lines = [line for line in lines if line.item_id == item]
    if (choice := arrival.choice) is not None:
        lines = [line for line in lines if line.condition is choice.condition and choice.matches(line.owner, line.lot)]
    if not lines:
        raise TransferError(f"transfer {arrival.transfer!r} carries no such units of {arrival.sku!r}")
    return lines


def _check_repeat(connection: Connection, now: datetime, route: Route, arrival: Arrival, asked: str) -> None:
    """Whether an arrival of this name says what was booked."""
    statement = cause_key(asked, arrival.document or "")
    endings = (f"|arrived|{statement}|in", f"|found|{statement}")
    before = sum(
        one.units
        for one in MovementStore(connection, now).of_document(route.document)
        if one.cause_key.endswith(endings)
    )
    if arrival.units not in {None, before}:
        raise RepeatError(booked_otherwise(arrival.document or "", before, arrival.units or 0))


def _asked(arrival: Arrival, lines: Sequence[UnderWay]) -> str:
    item = "*" if arrival.sku is None else str(lines[0].item_id)
    return f"{item}|{'*' if arrival.choice is None else asked_of(arrival.choice)}"


def _left(lines: Sequence[UnderWay], dealt: Sequence[tuple[UnderWay, int]]) -> list[UnderWay]:
    """What is still under way once these have arrived."""
    gone = {line.line_id: units for line, units in dealt}
    return [
        UnderWay(line.line_id, line.item_id, line.owner, line.condition, line.lot, left)
        for line in lines
        if (left := line.units - gone.get(line.line_id, 0))
    ]


def _ask_for_count(hub: Hub, connection: Connection, route: Route, item_id: int, units: int) -> None:
    hub.desk(connection).tasks.open(
        "over_arrival",
        f"item:{item_id}:location:{route.origin_id}",
        f"{counted(units, 'unit')} more arrived with transfer {route.name} than had left here: count what is there",
    )


def _book(hub: Hub, connection: Connection, route: Route, entries: Sequence[Entry]) -> None:
    """Books, and lets promises follow at both ends; nobody is served from what is in transit."""
    booked = book(StockStore(connection, hub.clock.now()), entries)
    assert {entry.cause_key for entry in entries} <= {entry.cause_key for entry in booked}, "lines moved, units did not"
    settle([entry for entry in booked if entry.place.location_id != route.transit_id], hub.desk(connection))
