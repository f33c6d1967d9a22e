"""What the people at a location do: ship, adjust."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from nervure.inventory.ledger import book
from nervure.inventory.purchases import Receipt, receipt_entry
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.inventory.transfers import IN_TRANSIT
from nervure.operations.hub import Hub
from nervure.operations.lots import check_entry
from nervure.operations.names import UnusableNameError, check_names
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.operations.shipping import send_off
from nervure.orders.reseating import reseat
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.movements import MovementStore
from nervure.store.stock import StockStore
from schemas.base import counted
from schemas.fulfillment import Parcel
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind


class UnknownStockError(UnknownError):
    """A sku or a location that the hub does not know."""


class RepeatError(RefusalError):
    """A document that was booked before and says something else now."""


def ship_fulfillment(
    hub: Hub, number: int, *, parcel: Parcel | None = None, shipped_at: datetime | None = None
) -> bool:
    """Books that a fulfillment order has left, and queues the notice to its channel.

    False: it had left, or is canceled, and nothing was changed. How its parcel is followed is what was said first.
    """
    at = shipped_at or hub.clock.now()

    def work(connection: Connection) -> bool:
        return send_off(number, hub.desk(connection), connection, parcel, shipped_at=at)

    return hub.database.run(work)


def adjust(
    hub: Hub,
    sku: str,
    location: str,
    units: int,
    *,
    reason: AdjustmentReason,
    document: str,
    owner: str = OUR_OWN,
    condition: Condition = Condition.SELLABLE,
    lot: str = "",
) -> bool:
    """Books a signed difference with its reason; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
        GoodsError: the item is a kit, or asks for a lot.
        RepeatError: the document was booked with another difference.
    """

    def entry(place: Place, named: str, now: datetime) -> Entry:
        return Entry(
            place=place,
            kind=MovementKind.ADJUSTED,
            units=units,
            # A delivery note may both bring goods and say what of them was broken.
            cause_key=cause_key("hub", "adjustment", document, named, location, *_detail(owner, condition, lot)),
            document=f"adjustment:{document}",
            occurred_at=now,
            reason=reason,
            owner=owner,
            condition=condition,
            lot=lot,
        )

    return _book(hub, sku, location, entry, document=document)


def receive(
    hub: Hub,
    sku: str,
    location: str,
    units: int,
    *,
    document: str,
    owner: str = OUR_OWN,
    condition: Condition = Condition.SELLABLE,
    lot: str = "",
    expires_on: date | None = None,
) -> bool:
    """Books goods that came in without a purchase; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
        GoodsError: the item is a kit, or its lot is not named as it asks.
        RepeatError: the document was booked with other units.
    """
    return book_receipt(hub, Receipt(document, sku, location, units, condition, lot, owner, expires_on))


def book_receipt(hub: Hub, receipt: Receipt) -> bool:
    """The same for goods in any condition and of any lot.

    Raises:
        UnknownStockError: no such sku or location, or one where units come by transfers only.
        GoodsError: the item is a kit, or its lot is not named as it asks.
        RepeatError: the document was booked with other units.
    """

    def entry(place: Place, named: str, now: datetime) -> Entry:
        return receipt_entry(replace(receipt, sku=named), place, now)

    return _book(hub, receipt.sku, receipt.location, entry, document=receipt.document, expires_on=receipt.expires_on)


def check_repeat(connection: Connection, now: datetime, entry: Entry) -> None:
    """Whether an entry whose cause is known says what was booked; a message may come twice, a name be used twice.

    Raises:
        RepeatError: it says something else.
    """
    for before in MovementStore(connection, now).of_document(entry.document):
        if before.cause_key == entry.cause_key and before.units != entry.units:
            raise RepeatError(booked_otherwise(entry.document, before.units, entry.units))


def booked_otherwise(document: str, before: int, units: int) -> str:
    """The sentence about a document that says something else now."""
    return (
        f"{document!r} was booked before with {counted(before, 'unit')}, not with {units}: give this one another name"
    )


def place_of(connection: Connection, now: datetime, sku: str, location: str) -> Place:
    """The place that a sku and a location name.

    Raises:
        UnknownStockError: no such sku or location.
    """
    item_id = item_of(connection, now, sku)
    location_id = LocationStore(connection, now).ids().get(location)
    if location_id is None:
        raise UnknownStockError(f"location {location!r} is not known")
    return Place(item_id, location_id)


def item_of(connection: Connection, now: datetime, sku: str) -> int:
    """The item that a sku names.

    Raises:
        UnknownStockError: no such sku.
    """
    found = CatalogueStore(connection, now).item_ids([sku]).get(sku)
    if found is None:
        raise UnknownStockError(f"sku {sku!r} is not known")
    return found


def _detail(owner: str, condition: Condition, lot: str) -> list[str]:
    """What one document may bring several times: each owner, condition and lot once."""
    return [] if (owner, condition, lot) == (OUR_OWN, Condition.SELLABLE, "") else [owner, condition, lot]


def _book(
    hub: Hub,
    sku: str,
    location: str,
    entry: Callable[[Place, str, datetime], Entry],
    *,
    document: str,
    expires_on: date | None = None,
) -> bool:
    """Books the entry of a place, of the sku as causes name it, and of a time."""

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        if not document.strip():
            raise UnusableNameError("the document needs a name, which keeps it from being booked twice")
        if location == IN_TRANSIT:
            raise UnknownStockError(f"units come to {IN_TRANSIT!r} and leave it by transfers only: name another place")
        place = place_of(connection, now, sku, location)
        named = CatalogueStore(connection, now).cause_sku(sku)
        made = entry(place, named, now)
        check_names(made.document, owner=made.owner, lot=made.lot)
        check_entry(connection, now, sku, made, expires_on)
        desk = hub.desk(connection)
        booked = book(StockStore(connection, now), [made])
        if not booked:
            check_repeat(connection, now, made)
        settle(booked, desk)
        reseat({one.place for one in booked if one.units < 0}, desk)
        return bool(booked)

    return hub.database.run(work)
