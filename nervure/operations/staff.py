"""What the people at a location do: ship, adjust."""

from collections.abc import Callable
from datetime import date, datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.hub import Hub
from nervure.operations.lots import check_entry
from nervure.operations.names import check_names
from nervure.operations.refusals import RefusalError
from nervure.orders.reseating import reseat
from nervure.orders.settling import settle
from nervure.orders.shipping import ship
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.messages import MessageStore
from nervure.store.stock import StockStore
from schemas.fulfillment import Parcel
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind


class UnknownStockError(RefusalError):
    """A sku or a location that the hub does not know."""


def ship_fulfillment(
    hub: Hub, number: int, *, parcel: Parcel | None = None, shipped_at: datetime | None = None
) -> bool:
    """Books that a fulfillment order has left, and queues the notice to its channel; False: it had left already."""
    at = shipped_at or hub.clock.now()

    def work(connection: Connection) -> bool:
        if parcel is not None:
            MessageStore(connection, hub.clock.now()).track(number, parcel.carrier, parcel.tracking_number)
        return ship(number, hub.desk(connection), shipped_at=at)

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
    """

    def entry(place: Place, now: datetime) -> Entry:
        return Entry(
            place=place,
            kind=MovementKind.ADJUSTED,
            units=units,
            # A delivery note may both bring goods and say what of them was broken.
            cause_key=cause_key("hub", "adjustment", document, sku, location, *_detail(owner, condition, lot)),
            document=f"adjustment:{document}",
            occurred_at=now,
            reason=reason,
            owner=owner,
            condition=condition,
            lot=lot,
        )

    return _book(hub, sku, location, entry)


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
    """Books goods that came in; the same document again changes nothing (False).

    `expires_on`: the last day of a lot that is new.

    Raises:
        UnknownStockError: no such sku or location.
        GoodsError: the item is a kit, or its lot is not named as it asks.
    """

    def entry(place: Place, now: datetime) -> Entry:
        return Entry(
            place=place,
            kind=MovementKind.RECEIVED,
            units=units,
            cause_key=cause_key("hub", document, sku, location, *_detail(owner, condition, lot)),
            document=f"receipt:{document}",
            occurred_at=now,
            owner=owner,
            condition=condition,
            lot=lot,
        )

    return _book(hub, sku, location, entry, expires_on=expires_on)


def place_of(connection: Connection, now: datetime, sku: str, location: str) -> Place:
    """The place that a sku and a location name.

    Raises:
        UnknownStockError: no such sku or location.
    """
    catalogue = CatalogueStore(connection, now)
    item_id = catalogue.item_ids([sku]).get(sku)
    location_id = catalogue.location_ids().get(location)
    if item_id is None or location_id is None:
        unknown = f"sku {sku!r}" if item_id is None else f"location {location!r}"
        raise UnknownStockError(f"{unknown} is not known")
    return Place(item_id, location_id)


def _detail(owner: str, condition: Condition, lot: str) -> list[str]:
    """What one document may bring several times: each owner, condition and lot once."""
    return [] if (owner, condition, lot) == (OUR_OWN, Condition.SELLABLE, "") else [owner, condition, lot]


def _book(
    hub: Hub,
    sku: str,
    location: str,
    entry: Callable[[Place, datetime], Entry],
    *,
    expires_on: date | None = None,
) -> bool:
    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        made = entry(place_of(connection, now, sku, location), now)
        check_names(made.document, owner=made.owner, lot=made.lot)
        check_entry(connection, now, sku, made, expires_on)
        desk = hub.desk(connection)
        booked = book(StockStore(connection, now), [made])
        settle(booked, desk)
        reseat({one.place for one in booked if one.units < 0}, desk)
        return bool(booked)

    return hub.database.run(work)
