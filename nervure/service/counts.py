"""Cycle counts over HTTP, for a scanner or a page of your own."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from nervure.operations import counts
from nervure.operations.counts import Entered, LineView
from nervure.service.hub import TheHub
from schemas.base import Canonical, NonNegativeUnits, UtcDateTime
from schemas.stock import AdjustmentReason, Condition

router = APIRouter(prefix="/counts")


class OpenBody(Canonical):
    """Some skus, or `all`. The name stands in addresses: it has no slash."""

    name: str = Field(min_length=1, pattern=r"^[^/]*$")
    location: str
    skus: list[str] = []
    all: bool = False


class EntryBody(Canonical):
    """What somebody found. `at` has an offset; without it the entry is of now."""

    sku: str
    units: NonNegativeUnits
    at: UtcDateTime | None = None
    by: str = ""
    reason: AdjustmentReason = AdjustmentReason.CYCLE_COUNT
    condition: Condition = Condition.SELLABLE
    owner: str | None = None
    lot: str | None = None


class ConfirmBody(Canonical):
    """Who confirms."""

    by: str


@router.post("")
def open_count(body: OpenBody, hub: TheHub) -> dict[str, int]:
    """Opens a count."""
    return {"to_count": counts.open_count(hub, body.name, body.location, body.skus, is_everything=body.all)}


@router.get("/{name}")
def show(name: str, hub: TheHub) -> dict[str, Any]:
    """A count with its lines."""
    document, lines = counts.show(hub, name)
    return {
        "name": document.name,
        "location": document.location,
        "state": document.state,
        "lines": [_as_json(view) for view in lines],
    }


@router.post("/{name}/entries")
def enter(name: str, body: EntryBody, hub: TheHub) -> dict[str, bool]:
    """Enters what was found; the same entry again changes nothing."""
    entered = Entered(body.sku, body.units, body.at, body.by, body.reason, body.condition, body.owner, body.lot)
    return {"entered": counts.enter(hub, name, entered)}


@router.post("/{name}/confirm")
def confirm(name: str, body: ConfirmBody, hub: TheHub) -> dict[str, Any]:
    """Books what this person may confirm."""
    return {"booked": [_as_json(view) for view in counts.confirm(hub, name, body.by)]}


@router.post("/{name}/close")
def close(name: str, hub: TheHub) -> dict[str, str]:
    """Ends a count whose entries are all booked."""
    counts.close(hub, name)
    return {"state": "closed"}


@router.post("/{name}/cancel")
def cancel(name: str, hub: TheHub) -> dict[str, str]:
    """Ends a count without booking what is not booked yet."""
    counts.cancel(hub, name)
    return {"state": "canceled"}


def _as_json(view: LineView) -> dict[str, Any]:
    line = view.line
    return {
        "sku": line.sku,
        "condition": line.condition.value,
        "owner": line.owner,
        "lot": line.lot,
        "units": line.units,
        "counted_at": line.counted_at,
        "counted_by": line.counted_by,
        "reason": line.reason,
        "expected": view.expected,
        "difference": view.difference,
        "state": view.state,
    }
