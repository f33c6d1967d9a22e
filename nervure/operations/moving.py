"""Giving a part of an order to another location."""

from datetime import datetime

from nervure.inventory.stock import InsufficientStockError
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import UnknownStockError
from nervure.orders.moving import move
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.moves import Movable, MoveStore, Target
from schemas.fulfillment import AT_LOCATION, FulfillmentState
from schemas.orders import DeliveryMethod


class MoveRefusedError(RefusalError):
    """A fulfillment order cannot be given to that location; nothing was changed."""


def move_fulfillment(hub: Hub, number: int, location: str) -> tuple[int, bool]:
    """Gives a fulfillment order to another location in one step; answers its number there, and whether it moved now.

    The same again changes nothing.

    Raises:
        MoveRefusedError: it has left, is with a supplier, or the location lacks something.
        UnknownStockError: no such location.
    """

    def work(connection: Connection) -> tuple[int, bool]:
        desk = hub.desk(connection)
        store = MoveStore(connection, desk.now)
        target = store.target(location)
        if target is None:
            raise UnknownStockError(f"location {location!r} is not known")
        found = store.movable(number)
        if found is None:
            raise MoveRefusedError(f"there is no fulfillment order {number}")
        if found.moved_to is not None and found.moved_to_location_id == target.id:
            return found.moved_to, False
        if found.state in AT_LOCATION and found.location_id == target.id:
            return number, False
        _refuse_what_cannot_move(number, location, found, target)
        try:
            return move(number, target.id, desk), True
        except InsufficientStockError as error:
            raise MoveRefusedError(_what_lacks(connection, desk.now, error, location)) from error

    return hub.database.run(work)


def _refuse_what_cannot_move(number: int, location: str, found: Movable, target: Target) -> None:
    match found.state:
        case FulfillmentState.ALLOCATED | FulfillmentState.ACCEPTED:
            pass
        case FulfillmentState.PICKING | FulfillmentState.PACKED | FulfillmentState.READY_FOR_PICKUP:
            raise MoveRefusedError(f"fulfillment order {number} is {found.state} where it is: reject it there first")
        case FulfillmentState.SHIPPED | FulfillmentState.HANDED_OVER:
            raise MoveRefusedError(f"fulfillment order {number} has left already")
        case FulfillmentState.SENT_TO_SUPPLIER:
            raise MoveRefusedError(f"fulfillment order {number} is with its supplier")
        case FulfillmentState.CANCELED:
            instead = f": it is {found.moved_to} now" if found.moved_to is not None else ""
            raise MoveRefusedError(f"fulfillment order {number} is canceled{instead}")
    if found.delivery is not DeliveryMethod.SHIP:
        raise MoveRefusedError(f"fulfillment order {number} is for pickup: the customer comes to one place")
    if not target.can_ship:
        raise MoveRefusedError(f"location {location!r} does not ship")
    if not target.is_fresh:
        raise MoveRefusedError(f"the numbers of location {location!r} are too old to promise from")


def _what_lacks(connection: Connection, now: datetime, error: InsufficientStockError, location: str) -> str:
    skus = CatalogueStore(connection, now).skus_of({one.place.item_id for one in error.shortages})
    lacks = sorted(f"{skus[s.place.item_id]!r}: wanted {s.wanted}, claimable {s.there}" for s in error.shortages)
    return f"not enough stock at {location!r}, nothing was moved: {'; '.join(lacks)}"
