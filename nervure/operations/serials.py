"""Single units known by serial number or EPC: received, put, named for a fulfillment order, and returned."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import UnknownStockError
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.serials import FulfillmentUnits, SerialState, SerialStore
from nervure.store.stock import StockStore
from schemas.base import counted
from schemas.fulfillment import FulfillmentState
from schemas.stock import Condition, MovementKind


class SerialError(RefusalError):
    """A serial number cannot be used as it was asked; nothing was written."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One single unit as people name it."""

    serial: str
    epc: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """Single units of one sku at one location, with the document that they came with."""

    sku: str
    location: str
    units: tuple[Unit, ...]
    document: str


def track(hub: Hub, sku: str, *, is_tracked: bool) -> None:
    """Says whether single units of a sku are known by serial number.

    Raises:
        UnknownStockError: no such sku.
        SerialError: a kit has no units of its own.
    """

    def work(connection: Connection) -> None:
        item_id = _item(hub, connection, sku)
        if CatalogueStore(connection, hub.clock.now()).kits([item_id]):
            raise SerialError(f"{sku!r} is a kit: its parts carry serial numbers")
        SerialStore(connection, hub.clock.now()).set_tracking(item_id, is_tracked=is_tracked)

    hub.database.run(work)


def receive_serials(hub: Hub, box: Box) -> bool:
    """Books single units that came in; the same document again changes nothing (False).

    Raises:
        SerialError: one of them is known already, or the item does not ask for serial numbers.
        UnknownStockError: no such sku or location.
    """

    def work(connection: Connection) -> bool:
        place, store = _place(hub, connection, box), SerialStore(connection, hub.clock.now())
        entry = _entry(hub, connection, box, place, MovementKind.RECEIVED)
        if not _book(hub, connection, entry):
            known = {(one.item_id, one.serial) for one in store.find([unit.serial for unit in box.units])}
            for unit in box.units:
                if (place.item_id, unit.serial) not in known:
                    raise SerialError(f"{box.document} was booked before, without serial {unit.serial!r}")
            return False
        _register(store, box, place)
        return True

    return hub.database.run(work)


def put_serials(hub: Hub, box: Box) -> int:
    """Says where single units lie that were booked without their numbers, or were transferred; answers how many moved.

    Raises:
        SerialError: one is taken or has left, or more would be named there than there are units.
        UnknownStockError: no such sku or location.
    """

    def work(connection: Connection) -> int:
        place, store = _place(hub, connection, box), SerialStore(connection, hub.clock.now())
        StockStore(connection, hub.clock.now()).lock_sellable([place])
        known = {one.serial: one for one in store.find([unit.serial for unit in box.units], [place.item_id])}
        for one in known.values():
            if one.state != "here" or one.line is not None:
                raise SerialError(_taken(one))
        fresh = tuple(unit for unit in box.units if unit.serial not in known)
        moving = [one.id for one in known.values() if one.location_id != place.location_id]
        if fresh:
            _register(store, Box(box.sku, box.location, fresh, box.document), place)
        store.put(moving, place.location_id, box.document)
        there, named = store.units_there(place)
        if named > there:
            raise SerialError(
                f"{counted(named, 'unit')} of {box.sku!r} would be named at {box.location!r}, {there} are there"
            )
        return len(fresh) + len(moving)

    return hub.database.run(work)


def name_serials(hub: Hub, number: int, serials: Sequence[str]) -> int:
    """Says by serial number or EPC which units leave, or left, with a fulfillment order; answers how many were new.

    Raises:
        SerialError: one is not known, is somewhere else, is taken, or more are named than leave.
    """

    def work(connection: Connection) -> int:
        desk = hub.desk(connection)
        store = SerialStore(connection, desk.now)
        order_id = store.order_of(number)
        if order_id is None:
            raise SerialError(f"there is no fulfillment order {number}")
        desk.orders.lock(order_id)
        lines = store.fulfillment(number)
        if not lines or lines[0].state == FulfillmentState.CANCELED:
            raise SerialError(f"fulfillment order {number} is canceled")
        found = store.find(serials, {line.item_id for line in lines})
        has_left = lines[0].state in {FulfillmentState.SHIPPED, FulfillmentState.HANDED_OVER}
        stock = StockStore(connection, desk.now)
        named = {(line.line_id, line.item_id): line.named for line in lines}
        new = 0
        for text in dict.fromkeys(serials):
            one = _the_one(text, found, number)
            if one.line in {line.line_id for line in lines}:
                continue
            line = _free_line(one, lines, named, number)
            if not store.take(one.id, line.line_id, has_left=has_left):
                raise SerialError(f"serial {one.serial!r} of {one.sku!r} was taken in this moment")
            if has_left:
                stock.mark_left(one.id, line.line_id)
            named[line.line_id, line.item_id] += 1
            new += 1
        return new

    return hub.database.run(work)


def return_serials(hub: Hub, box: Box, *, condition: Condition = Condition.SELLABLE, is_booked: bool = False) -> bool:
    """Takes single units back that had left; the same document again changes nothing (False).

    `is_booked`: the units themselves were booked before, as by a return that a channel told.

    Raises:
        SerialError: one is not known, or has not left.
        UnknownStockError: no such sku or location.
    """

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        place, store = _place(hub, connection, box), SerialStore(connection, now)
        serials = [unit.serial for unit in box.units]
        entry = replace(_entry(hub, connection, box, place, MovementKind.RETURNED), condition=condition)
        is_new = is_booked or _book(hub, connection, entry)
        found = {one.serial: one for one in store.find(serials, [place.item_id])}
        if all(serial in found and found[serial].document == box.document for serial in serials):
            return False
        if not is_new:
            raise SerialError(f"{box.document} was booked before, with other serial numbers")
        for serial in serials:
            if serial not in found:
                raise SerialError(f"serial {serial!r} of {box.sku!r} is not known")
            if found[serial].state == "here":
                raise SerialError(f"serial {serial!r} of {box.sku!r} has not left: it is at {found[serial].location}")
        StockStore(connection, now).serials_return(serials, entry, may_register=False)
        return True

    return hub.database.run(work)


def find_serials(hub: Hub, text: str) -> list[SerialState]:
    """Where the units of this serial number or EPC are, and what they last did."""
    with hub.database.read() as connection:
        return SerialStore(connection, hub.clock.now()).find([text], locked=False)


def _register(store: SerialStore, box: Box, place: Place) -> None:
    texts = [text for unit in box.units for text in (unit.serial, unit.epc) if text]
    epcs = {unit.epc for unit in box.units if unit.epc}
    for one in store.find(texts):
        if one.item_id == place.item_id and one.serial in {unit.serial for unit in box.units}:
            raise SerialError(_taken(one) if one.state == "left" or one.line else _known(one))
        if one.epc in epcs:
            raise SerialError(f"EPC {one.epc!r} is that of serial {one.serial!r} of {one.sku!r}")
    if store.add(place, {unit.serial: unit.epc for unit in box.units}, box.document) != len(box.units):
        raise SerialError(f"one of these units of {box.sku!r} was named by somebody else in this moment")


def _known(one: SerialState) -> str:
    return f"serial {one.serial!r} of {one.sku!r} is at {one.location} already"


def _taken(one: SerialState) -> str:
    if one.state == "left":
        return f"serial {one.serial!r} of {one.sku!r} has left with {one.document}"
    return f"serial {one.serial!r} of {one.sku!r} is set aside for another fulfillment order"


def _the_one(text: str, found: Iterable[SerialState], number: int) -> SerialState:
    matching = [one for one in found if text in {one.serial, one.epc}]
    if not matching:
        raise SerialError(f"serial {text!r} is not known of any item in fulfillment order {number}")
    if len(matching) > 1:
        raise SerialError(f"serial {text!r} is known of {' and '.join(one.sku for one in matching)}: name the EPC")
    return matching[0]


def _free_line(
    one: SerialState, lines: Collection[FulfillmentUnits], named: Mapping[tuple[int, int], int], number: int
) -> FulfillmentUnits:
    here = next(iter(lines))
    if one.state == "left" or one.line is not None:
        raise SerialError(_taken(one))
    if one.location_id != here.location_id:
        raise SerialError(f"serial {one.serial!r} of {one.sku!r} is at {one.location}, not at {here.location}")
    if one.condition != Condition.SELLABLE:
        raise SerialError(f"serial {one.serial!r} of {one.sku!r} cannot be sold: it is {one.condition}")
    for line in lines:
        if line.item_id == one.item_id and named[line.line_id, line.item_id] < line.units:
            return line
    units = sum(line.units for line in lines if line.item_id == one.item_id)
    raise SerialError(f"fulfillment order {number} holds {counted(units, 'unit')} of {one.sku!r}, and all are named")


def _book(hub: Hub, connection: Connection, entry: Entry) -> bool:
    booked = book(StockStore(connection, hub.clock.now()), [entry])
    settle(booked, hub.desk(connection))
    return bool(booked)


def _entry(hub: Hub, connection: Connection, box: Box, place: Place, kind: MovementKind) -> Entry:
    name = CatalogueStore(connection, hub.clock.now()).cause_sku(box.sku)
    return Entry(
        place=place,
        kind=kind,
        units=len(box.units),
        cause_key=cause_key("hub", box.document, name, box.location),
        document=box.document,
        occurred_at=hub.clock.now(),
    )


def _place(hub: Hub, connection: Connection, box: Box) -> Place:
    item_id = _item(hub, connection, box.sku)
    location_id = LocationStore(connection, hub.clock.now()).ids().get(box.location)
    if location_id is None:
        raise UnknownStockError(f"location {box.location!r} is not known")
    if not SerialStore(connection, hub.clock.now()).is_tracked(item_id):
        raise SerialError(f"{box.sku!r} does not ask for serial numbers")
    serials = [unit.serial for unit in box.units]
    epcs = [unit.epc for unit in box.units if unit.epc]
    if not serials or len(set(serials)) != len(serials) or len(set(epcs)) != len(epcs):
        raise SerialError("name at least one serial number, each once, and each EPC once")
    return Place(item_id, location_id)


def _item(hub: Hub, connection: Connection, sku: str) -> int:
    item_id = CatalogueStore(connection, hub.clock.now()).item_ids([sku]).get(sku)
    if item_id is None:
        raise UnknownStockError(f"sku {sku!r} is not known")
    return item_id
