"""Units held for carts, over HTTP: a shop asks before it takes a payment."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from nervure.operations.carts import Destination
from nervure.operations.reservations import (
    MAX_HOLD_MINUTES,
    Reservation,
    Wish,
    give_to_order,
    look_up,
    make_reservation,
    release_reservation,
)
from nervure.service.hub import TheHub
from schemas.base import Canonical, CountryCode, PositiveUnits

router = APIRouter()


class WishBody(Canonical):
    """Units of a sku, at a location, or without one from the places of the channel."""

    sku: str
    units: PositiveUnits
    location: str | None = None


class ReservationBody(Canonical):
    """What a cart asks for. The same again answers the same; with more minutes it may end later."""

    reference: str = Field(min_length=1, max_length=255)
    lines: list[WishBody] = Field(min_length=1)
    minutes: int = Field(gt=0, le=MAX_HOLD_MINUTES)
    channel: str | None = None
    country: CountryCode | None = None
    postal_code: str | None = Field(default=None, max_length=32)


class OrderBody(Canonical):
    """The order that a cart became."""

    channel: str
    order: str = Field(min_length=1, max_length=255)


@router.post("/reservations")
def reserve(body: ReservationBody, hub: TheHub) -> dict[str, Any]:
    """Holds all that is asked for, or nothing (409)."""
    wishes = [Wish(line.sku, line.units, line.location) for line in body.lines]
    expires_at = hub.clock.now() + timedelta(minutes=body.minutes)
    to = Destination(body.country, body.postal_code) if body.country else None
    made = make_reservation(hub, body.reference, wishes, expires_at=expires_at, channel=body.channel, destination=to)
    return _shown(made)


@router.get("/reservations/{reference:path}")
def reservation(reference: str, hub: TheHub) -> dict[str, Any]:
    """What a reservation holds, or what became of it."""
    return _shown(look_up(hub, reference))


@router.delete("/reservations/{reference:path}")
def unreserve(reference: str, hub: TheHub) -> dict[str, bool]:
    """Ends a hold. Telling it twice changes nothing."""
    return {"released": release_reservation(hub, reference)}


@router.post("/reservations/{reference:path}/order")
def convert(reference: str, body: OrderBody, hub: TheHub) -> dict[str, Any]:
    """Says which order the cart became: it takes the units over, at once or as soon as it is heard."""
    return _shown(give_to_order(hub, reference, body.channel, body.order))


def _shown(found: Reservation) -> dict[str, Any]:
    return {
        "reference": found.reference,
        "state": found.state,
        "channel": found.channel,
        "order": found.order,
        "expires_at": found.expires_at,
        "held": [asdict(one) for one in found.held],
    }
