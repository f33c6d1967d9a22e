"""Units held for carts, over HTTP: a shop asks before it takes a payment."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import Field

from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.reservations import (
    MAX_HOLD_MINUTES,
    Reservation,
    UnknownReservationError,
    Wish,
    give_to_order,
    look_up,
    make_reservation,
    release_reservation,
)
from nervure.operations.staff import UnknownStockError
from schemas.base import MAX_UNITS, Canonical

router = APIRouter()


def _the_hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


TheHub = Annotated[Hub, Depends(_the_hub)]


class WishBody(Canonical):
    """Units of a sku, at a location, or without one from the places of the channel."""

    sku: str
    units: int = Field(gt=0, le=MAX_UNITS)
    location: str | None = None


class ReservationBody(Canonical):
    """What a cart asks for. The same again answers the same; with more minutes it may end later."""

    reference: str = Field(min_length=1, max_length=255)
    lines: list[WishBody] = Field(min_length=1)
    minutes: int = Field(gt=0, le=MAX_HOLD_MINUTES)
    channel: str | None = None


class OrderBody(Canonical):
    """The order that a cart became."""

    channel: str
    order: str = Field(min_length=1, max_length=255)


@router.post("/reservations")
def reserve(body: ReservationBody, hub: TheHub) -> dict[str, Any]:
    """Holds all that is asked for, or nothing (409)."""
    wishes = [Wish(line.sku, line.units, line.location) for line in body.lines]
    expires_at = hub.clock.now() + timedelta(minutes=body.minutes)
    try:
        made = make_reservation(hub, body.reference, wishes, expires_at=expires_at, channel=body.channel)
    except RefusalError as error:
        raise _refused(error) from error
    return _shown(made)


@router.get("/reservations/{reference:path}")
def reservation(reference: str, hub: TheHub) -> dict[str, Any]:
    """What a reservation holds, or what became of it."""
    try:
        return _shown(look_up(hub, reference))
    except RefusalError as error:
        raise _refused(error) from error


@router.delete("/reservations/{reference:path}")
def unreserve(reference: str, hub: TheHub) -> dict[str, bool]:
    """Ends a hold. Telling it twice changes nothing."""
    try:
        return {"released": release_reservation(hub, reference)}
    except RefusalError as error:
        raise _refused(error) from error


@router.post("/reservations/{reference:path}/order")
def convert(reference: str, body: OrderBody, hub: TheHub) -> dict[str, Any]:
    """Says which order the cart became: it takes the units over, at once or as soon as it is heard."""
    try:
        return _shown(give_to_order(hub, reference, body.channel, body.order))
    except RefusalError as error:
        raise _refused(error) from error


def _refused(error: RefusalError) -> HTTPException:
    unknown = isinstance(error, UnknownReservationError | UnknownStockError)
    return HTTPException(404 if unknown else 409, str(error))


def _shown(found: Reservation) -> dict[str, Any]:
    return {
        "reference": found.reference,
        "state": found.state,
        "channel": found.channel,
        "order": found.order,
        "expires_at": found.expires_at,
        "held": [asdict(one) for one in found.held],
    }
