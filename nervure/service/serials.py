"""Serial numbers over HTTP: what came in, what leaves, and where a unit is."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from nervure.operations.serials import Box, Unit, find_serials, name_serials, receive_serials
from nervure.service.hub import Number, TheHub
from schemas.base import Canonical

router = APIRouter()


class UnitBody(Canonical):
    """One unit, with its tag where it has one."""

    serial: str = Field(min_length=1, max_length=255)
    epc: str | None = Field(default=None, min_length=1, max_length=255)


class ReceiptBody(Canonical):
    """Units that came in, one for each serial number. `document` makes it unique."""

    sku: str
    location: str
    units: list[UnitBody] = Field(min_length=1)
    document: str


class NamesBody(Canonical):
    """Serial numbers or EPCs of what leaves."""

    serials: list[str] = Field(min_length=1)


@router.post("/serials")
def receive(body: ReceiptBody, hub: TheHub) -> dict[str, bool]:
    """Books single units that came in. The same document again changes nothing."""
    units = tuple(Unit(one.serial, one.epc) for one in body.units)
    return {"booked": receive_serials(hub, Box(body.sku, body.location, units, body.document))}


@router.get("/serials/{text:path}")
def find(text: str, hub: TheHub) -> list[dict[str, Any]]:
    """Where the units of this serial number or EPC are."""
    shown = ("sku", "serial", "epc", "location", "condition", "state", "document")
    return [{name: asdict(one)[name] for name in shown} for one in find_serials(hub, text)]


@router.post("/fulfillment-orders/{number}/serials")
def name(number: Number, body: NamesBody, hub: TheHub) -> dict[str, int]:
    """Says which units leave with a fulfillment order, or left with it."""
    return {"named": name_serials(hub, number, body.serials)}
