"""The HTTP side of the hub: webhooks in, availability and status out, and what the people at a location do."""

import base64
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from nervure.operations.hub import Hub
from nervure.operations.staff import adjust, receive, ship_fulfillment
from nervure.operations.webhooks import MAX_BODY_BYTES, WebhookRefusedError, take_webhook
from nervure.service import (
    console,
    counts,
    desk,
    desk_pages,
    desk_steps,
    promises,
    reservations,
    serials,
    shortfalls,
    suppliers,
)
from nervure.service.hub import REFUSALS, Label, Number, Text, TheHub, has_no_zeros, not_understood, refused
from nervure.store.reports import ReportStore
from schemas.base import Canonical, Units
from schemas.fulfillment import Parcel
from schemas.stock import AdjustmentReason

OpenHub = Callable[[], AbstractContextManager[Hub]]


def create_app(open_hub: OpenHub, *, api_token: str | None) -> FastAPI:
    """Builds the service. `api_token` None: whoever reaches the port may use the staff's calls (one machine only)."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with open_hub() as hub:
            app.state.hub = hub
            yield

    app = FastAPI(
        title="Nervure", docs_url=None, redoc_url=None, lifespan=lifespan, dependencies=[Depends(has_no_zeros)]
    )
    app.add_exception_handler(RequestValidationError, not_understood)
    for refusal in REFUSALS:
        app.add_exception_handler(refusal, refused)
    app.state.api_token = api_token
    app.include_router(public)
    app.include_router(staff)
    app.include_router(desk_pages.router)
    app.include_router(desk_steps.router)
    for error, handler in desk_pages.HANDLERS.items():
        app.add_exception_handler(error, handler)
    app.include_router(shortfalls.public)
    staffs = (console, counts, desk, promises, reservations, serials, shortfalls, suppliers)
    for more in (module.router for module in staffs):
        app.include_router(more, dependencies=[Depends(signed_in)])
    return app


def signed_in(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Where a token is set, staff calls carry it as `Bearer TOKEN`; a browser asks for it as the password."""
    token = request.app.state.api_token
    if token is not None and not hmac.compare_digest(_token_in(authorization).encode(), token.encode()):
        raise HTTPException(
            401, "sign in with the hub's api_token, as Bearer or as the password", {"WWW-Authenticate": "Basic"}
        )


def _token_in(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return value
    try:
        return base64.b64decode(value).decode().partition(":")[2]
    except ValueError:
        return ""


public = APIRouter()
staff = APIRouter(dependencies=[Depends(signed_in)])


@public.get("/health")
def health(hub: TheHub) -> dict[str, str]:
    """Answers when the database answers."""
    with hub.database.read() as connection:
        ReportStore(connection, hub.clock.now()).tasks(limit=1)
    return {"status": "ok"}


@public.post("/webhooks/{channel}")
async def webhook(channel: str, request: Request, hub: TheHub) -> Response:
    """Verifies, stores, acknowledges: nothing is understood here, and nothing is acknowledged that is not stored."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"a webhook may hold at most {MAX_BODY_BYTES} bytes")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        await run_in_threadpool(take_webhook, hub, channel, headers, bytes(body))
    except WebhookRefusedError as error:
        raise HTTPException(error.status, str(error)) from error
    return Response(status_code=200)


@staff.get("/status")
def status(hub: TheHub) -> dict[str, Any]:
    """The hub at a glance."""
    with hub.database.read() as connection:
        return ReportStore(connection, hub.clock.now()).status()


@staff.get("/availability/{channel}/{sku:path}")
def availability(channel: str, sku: str, hub: TheHub) -> dict[str, int]:
    """Units that each stock point of the channel may show now."""
    with hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).availability(channel, sku)
    if found is None:
        raise HTTPException(404, f"sku {sku!r} is not listed on channel {channel!r}")
    return found


@staff.get("/fulfillment-orders")
def fulfillment_orders(hub: TheHub) -> list[dict[str, Any]]:
    """What the locations have to do."""
    with hub.database.read() as connection:
        return ReportStore(connection, hub.clock.now()).open_fulfillments()


class ShippedBody(Canonical):
    """How the parcel can be followed, if it can."""

    carrier: Label | None = None
    tracking_number: Label | None = None


@staff.post("/fulfillment-orders/{number}/shipped")
def shipped(number: Number, body: ShippedBody, hub: TheHub) -> dict[str, bool]:
    """The parcel has left. Telling it twice changes nothing."""
    parcel = Parcel(carrier=body.carrier or "", tracking_number=body.tracking_number) if body.tracking_number else None
    return {"shipped": ship_fulfillment(hub, number, parcel=parcel)}


class MovementBody(BaseModel):
    """A receipt (no reason, units above 0) or an adjustment (signed units and a reason). `document` makes it unique."""

    model_config = ConfigDict(extra="forbid")

    sku: Text
    location: Text
    units: Units
    document: Text
    reason: AdjustmentReason | None = None


@staff.post("/movements")
def movement(body: MovementBody, hub: TheHub) -> dict[str, bool]:
    """Books a receipt or an adjustment. The same document again changes nothing."""
    if body.units == 0 or (body.reason is None and body.units < 0):
        raise HTTPException(422, "units must not be 0, and without a reason they must be above 0")
    if body.reason is None:
        done = receive(hub, body.sku, body.location, body.units, document=body.document)
    else:
        done = adjust(hub, body.sku, body.location, body.units, reason=body.reason, document=body.document)
    return {"booked": done}


@staff.get("/tasks")
def tasks(hub: TheHub) -> list[dict[str, Any]]:
    """What a person must look at."""
    with hub.database.read() as connection:
        found = ReportStore(connection, hub.clock.now()).tasks()
    return [asdict(task) for task in found]
