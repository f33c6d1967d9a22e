"""What the people at a location do: ship, adjust."""

from datetime import datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.orders.settling import settle
from nervure.orders.shipping import ship
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.messages import MessageStore
from nervure.store.stock import StockStore
from schemas.fulfillment import Parcel
from schemas.stock import AdjustmentReason, MovementKind


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


def adjust(hub: Hub, sku: str, location: str, units: int, *, reason: AdjustmentReason, document: str) -> bool:
    """Books a signed difference with its reason; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
    """
    return _book(hub, sku, location, units, document, kind=MovementKind.ADJUSTED, reason=reason)


def receive(hub: Hub, sku: str, location: str, units: int, *, document: str) -> bool:
    """Books goods that came in; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
    """
    return _book(hub, sku, location, units, document, kind=MovementKind.RECEIVED, reason=None)


def _book(
    hub: Hub, sku: str, location: str, units: int, document: str, *, kind: MovementKind, reason: AdjustmentReason | None
) -> bool:
    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        catalogue = CatalogueStore(connection, now)
        item_id = catalogue.item_ids([sku]).get(sku)
        location_id = catalogue.location_ids().get(location)
        if item_id is None or location_id is None:
            unknown = f"sku {sku!r}" if item_id is None else f"location {location!r}"
            raise UnknownStockError(f"{unknown} is not known")
        entry = Entry(
            place=Place(item_id, location_id),
            kind=kind,
            units=units,
            cause_key=cause_key("hub", document, catalogue.cause_sku(sku), location),
            document=document,
            occurred_at=now,
            reason=reason,
        )
        booked = book(StockStore(connection, now), [entry])
        settle(booked, hub.desk(connection))
        return bool(booked)

    return hub.database.run(work)
