"""Parcels leave, whoever says so: the staff, a desk or a supplier."""

from datetime import datetime

from nervure.orders.desk import Desk
from nervure.orders.shipping import ship
from nervure.store.database import Connection
from nervure.store.messages import MessageStore
from schemas.fulfillment import Parcel


def send_off(
    number: int, desk: Desk, connection: Connection, parcel: Parcel | None, *, shipped_at: datetime, by: str = ""
) -> bool:
    """Books that a fulfillment order has left, and how its parcel is followed, which is what was said first.

    False: it had left, or is canceled, and nothing was changed but how it is followed, if nobody had said that. Its
    channel is told.
    """
    has_left = ship(number, desk, shipped_at=shipped_at, by=by)
    if parcel is not None:
        MessageStore(connection, desk.now).track(number, parcel.carrier, parcel.tracking_number)
    return has_left
