"""Fulfillment orders step by step over HTTP, for a scanner, a till or a page of your own."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from fastapi import APIRouter

from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import Actor, UnknownFulfillmentError
from nervure.service.hub import Number, Text, TheHub
from nervure.store.handling import HandlingStore
from nervure.store.picking import Job, PickingStore
from schemas.base import Canonical, Code, NonNegativeUnits, Units
from schemas.fulfillment import RejectReason

router = APIRouter()


class StepBody(Canonical):
    """Who does it."""

    by: Text = ""


class AnswerBody(StepBody):
    """Who answers an offer, and for which location; null: for the one that holds the units."""

    location: Code | None = None


class RejectBody(AnswerBody):
    """Why, and the units by sku that it sends nevertheless; null: none."""

    reason: RejectReason
    keeps: dict[Text, NonNegativeUnits] | None = None


class ScanBody(StepBody):
    """A GTIN or a sku. Units below 0 take back what was counted."""

    scanned: Text
    units: Units = 1


class PackedBody(StepBody):
    """`unscanned`: not everything was checked by a scan."""

    unscanned: bool = False


class HandOverBody(StepBody):
    """The customer's code, and the units by sku that they take; null: all."""

    code: Text
    only: dict[Text, NonNegativeUnits] | None = None


class ReturnBody(StepBody):
    """Why it is for sale again."""

    reason: Text = ""


class ShelfBody(Canonical):
    """Where an item lies at a location; an empty shelf forgets it."""

    sku: str
    location: str
    shelf: Text


@router.get("/fulfillment-orders/{number}")
def show(number: Number, hub: TheHub) -> dict[str, Any]:
    """One fulfillment order: where it stands, what to pick, and every step with who did it. No personal data."""
    with hub.database.read() as connection:
        store = PickingStore(connection, hub.clock.now())
        job = store.job(number)
        if job is None:
            raise UnknownFulfillmentError(f"there is no fulfillment order {number}")
        return {
            **_as_json(job),
            "offers": [
                {"location": location, "state": state, "accept_by": accept_by}
                for location, state, accept_by in store.offers(number)
            ],
            "picks": [
                {key: value for key, value in asdict(one).items() if key not in {"line_id", "item_id"}}
                for one in store.picks(number)
            ],
            "events": [
                {key: value for key, value in asdict(one).items() if key != "id"}
                for one in HandlingStore(connection, hub.clock.now()).events(number)
            ],
        }


@router.get("/pickups")
def pickups(hub: TheHub) -> list[dict[str, Any]]:
    """What waits for its customer, with the code to tell them; `is_told` once somebody has."""
    with hub.database.read() as connection:
        ready = PickingStore(connection, hub.clock.now()).ready()
        return [_as_json(job) | {"code": job.pickup_code} for job in ready]


@router.post("/fulfillment-orders/{number}/accepted")
def accepted(number: Number, body: AnswerBody, hub: TheHub) -> dict[str, Any]:
    """The location will do it; `number` is the one under which it does."""
    changed, there = offers.accept(hub, number, Actor(body.by, body.location))
    return {"changed": changed, "number": there}


@router.post("/fulfillment-orders/{number}/rejected")
def rejected(number: Number, body: RejectBody, hub: TheHub) -> dict[str, bool]:
    """The location will not do it, or not all of it."""
    return {"changed": giving_up.reject(hub, number, body.reason, Actor(body.by, body.location), keeps=body.keeps)}


@router.post("/fulfillment-orders/{number}/picking")
def picking(number: Number, body: StepBody, hub: TheHub) -> dict[str, bool]:
    """Somebody fetches the goods."""
    return {"changed": desk.start_picking(hub, number, Actor(body.by))}


@router.post("/fulfillment-orders/{number}/scans")
def scan(number: Number, body: ScanBody, hub: TheHub) -> dict[str, str]:
    """One thing was taken from the shelf; each call counts."""
    return {"sku": desk.pick(hub, number, body.scanned, Actor(body.by), units=body.units)}


@router.post("/fulfillment-orders/{number}/packed")
def packed(number: Number, body: PackedBody, hub: TheHub) -> dict[str, bool]:
    """The goods are in their parcel or bag."""
    return {"changed": desk.pack(hub, number, Actor(body.by), unscanned=body.unscanned)}


@router.post("/fulfillment-orders/{number}/ready")
def ready(number: Number, body: StepBody, hub: TheHub) -> dict[str, Any]:
    """It waits for its customer, who needs the code."""
    changed, code = desk.make_ready(hub, number, Actor(body.by))
    return {"changed": changed, "code": code}


@router.post("/fulfillment-orders/{number}/told")
def told(number: Number, body: StepBody, hub: TheHub) -> dict[str, bool]:
    """The customer knows that it is ready."""
    return {"changed": desk.note_told(hub, number, Actor(body.by))}


@router.post("/fulfillment-orders/{number}/handed-over")
def handed_over(number: Number, body: HandOverBody, hub: TheHub) -> dict[str, Any]:
    """The customer has taken it, or a part."""
    changed, part = desk.hand_over(hub, number, body.code, Actor(body.by), only=body.only)
    return {"changed": changed, "number": part}


@router.post("/fulfillment-orders/{number}/returned-to-sale")
def returned_to_sale(number: Number, body: ReturnBody, hub: TheHub) -> dict[str, bool]:
    """Nobody will fetch it."""
    return {"changed": giving_up.return_to_sale(hub, number, Actor(body.by), reason=body.reason)}


@router.post("/fulfillment-orders/{number}/put-back")
def put_back(number: Number, body: StepBody, hub: TheHub) -> dict[str, bool]:
    """The goods of a canceled one lie on their shelf again."""
    return {"changed": giving_up.put_back(hub, number, Actor(body.by))}


@router.post("/shelves")
def shelf(body: ShelfBody, hub: TheHub) -> dict[str, str]:
    """Writes where an item lies."""
    desk.put_shelf(hub, body.sku, body.location, body.shelf)
    return {"shelf": body.shelf}


def _as_json(job: Job) -> dict[str, Any]:
    found = asdict(job)
    del found["pickup_code"]  # told where it is needed, and nowhere else
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in found.items()}
