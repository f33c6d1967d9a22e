"""The pages of the store desk: a queue, an order, a slip. They need no script; with one, only what changes is sent."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from nervure.operations.desk_users import SignInError, TooManyFailuresError, sign_in, sign_out
from nervure.service.desk_web import (
    HEADERS,
    IN_THE_FORM,
    YEAR_SECONDS,
    AnyVisit,
    DeskRoute,
    Form,
    Place,
    SignedOutError,
    UnusableError,
    UserVisit,
    Visit,
    new_token,
    visit,
)
from nervure.service.hub import Number
from nervure.store.handling import Event, HandlingStore
from nervure.store.picking import Job, Pick, PickingStore
from schemas.fulfillment import FulfillmentState, RejectReason
from schemas.orders import DeliveryMethod

router = APIRouter(prefix="/desk", include_in_schema=False, route_class=DeskRoute)
STATIC = Path(__file__).parent / "static"
HTMX = "htmx-2.0.11.min.js"
"""As it was released. Another version is another name: browsers keep it for a year."""

MAX_TEXT = 255
NOTES = frozenset({"done", "before", "gone"})
URGENT_SECONDS = 900
"""What must be accepted within a quarter of an hour is shown in red."""
QUEUE = Place("#queue", "innerHTML")
QUEUE_SECONDS = 10
"""A script asks for the queue again so often; without one the browser does every half minute."""
GROUPS = (
    "offered",
    "allocated",
    "put_back",
    "accepted",
    "picking",
    "packed_ship",
    "packed_pickup",
    "ready_for_pickup",
)


def to_sign_in(request: Request, _: Exception) -> Response:
    """Whoever is not signed in, or not any more, is asked to, on a page of its own."""
    found = visit(request, request.app.state.hub)
    response = found.go("/desk/sign-in")
    if found.is_part:
        response.status_code = 401
    return response


def unusable(request: Request, error: Exception) -> Response:
    """A form that is too old, too long or came from elsewhere does nothing, nor does an address that cannot be."""
    assert isinstance(error, UnusableError)
    found = visit(request, request.app.state.hub)
    return found.page("desk_message.html", error.status, message=found.text(error.text))


def unknown(found: Visit) -> Response:
    """What is not there, or is another location's."""
    return found.page("desk_message.html", 404, message=found.text("unknown"))


# -- sign-in -------------------------------------------------------------------------------------------------------


@router.get("/desk.css")
def style() -> Response:
    """How the pages look."""
    return FileResponse(STATIC / "desk.css", media_type="text/css", headers=HEADERS)


@router.get("/desk.js")
def script() -> Response:
    """What htmx cannot do by itself."""
    return FileResponse(STATIC / "desk.js", media_type="text/javascript", headers=HEADERS)


@router.get(f"/{HTMX}")
def htmx() -> Response:
    """Asks for pieces of pages and puts them in their places."""
    kept = {**HEADERS, "Cache-Control": f"public, max-age={YEAR_SECONDS}, immutable"}
    return FileResponse(STATIC / HTMX, media_type="text/javascript", headers=kept)


@router.get("/sign-in")
def sign_in_page(found: AnyVisit, at: str = "") -> Response:
    """Asks who somebody is; `at` fills the location in, for a bookmark of its tablet."""
    if found.is_part:
        return found.go("/desk/sign-in")
    return found.page("desk_sign_in.html", error=None, place=at, name="")


@router.post("/sign-in")
def signs_in(found: AnyVisit, fields: Form) -> Response:
    """Opens a session with a token of its own: one that was known before is worth nothing."""
    place, name, token = fields.get("place", ""), fields.get("name", ""), new_token()
    try:
        sign_in(found.hub, place, name, fields.get("password", ""), token=token)
    except SignInError as error:
        text = found.text("too_many" if isinstance(error, TooManyFailuresError) else "wrong_sign_in")
        return found.page("desk_sign_in.html", 403, error=text, place=place, name=name)
    return found.go("/desk", token=token)


@router.post("/sign-out")
def signs_out(found: UserVisit, fields: Form) -> Response:
    """Ends the session."""
    sign_out(found.hub, found.token)
    return found.go("/desk/sign-in", token=new_token())


# -- looking -------------------------------------------------------------------------------------------------------


@router.get("")
def queue(found: UserVisit, seen: str = "", urgent: str = "") -> Response:
    """What the location has to do, by urgency. A page asks for it again and again.

    `seen`: the mark of the list that the page shows; where it is still that, nothing is touched, not even under a
    finger. `urgent`: the numbers that it shows in red; what came to them is told.
    """
    location, now = found.actor.location or "", found.hub.clock.now()
    with found.hub.database.read() as connection:
        store = PickingStore(connection, now)
        jobs, back = store.jobs(location), store.to_put_back(location)
    groups: dict[str, list[Job]] = {name: [] for name in GROUPS}
    for job in jobs:
        groups[_group(job)].append(job)
    groups["put_back"] = back
    left = {one.number: (one.accept_by - now).total_seconds() for one in [*jobs, *back] if one.accept_by}
    soon = [one for one in jobs if one.number in left and left[one.number] < URGENT_SECONDS]
    late = {number for number, seconds in left.items() if seconds <= 0}
    shown = repr((found.language, groups, [one.number for one in soon], sorted(late)))
    mark = hashlib.sha256(shown.encode()).hexdigest()
    if found.is_part and seen == mark:
        return found.part(None, IN_THE_FORM)
    known = urgent.split(",")
    news = [one for one in soon if str(one.number) not in known]
    values: dict[str, Any] = {"groups": groups, "soon": soon, "late": late, "mark": mark, "news": news, "now": now}
    if found.is_part:
        return found.part("desk_queue_renewed.html", QUEUE, **values)
    return found.page("desk_queue.html", seconds=QUEUE_SECONDS, **values)


def _group(job: Job) -> str:
    if job.offered_to:
        return "offered"
    return f"packed_{job.delivery}" if job.state is FulfillmentState.PACKED else job.state.value


@router.get("/orders/{number}")
def order(number: Number, found: UserVisit, note: str = "", about: str = "") -> Response:
    """One fulfillment order, and what can be done with it now."""
    text = said_of(found, note, about)
    location = found.actor.location or ""
    with found.hub.database.read() as connection:
        store = PickingStore(connection, found.hub.clock.now())
        instead = store.instead(number, location)
        if instead is not None:
            return found.go(f"/desk/orders/{instead}" + (f"?note={note}" if text else ""))
        if note in {"done", "gone"} and store.job_at(number, location) is None:
            return found.page("desk_message.html", message=found.text("d_gone"), kind="good")
    return show(number, found, Shown(note=text))


@router.get("/orders/{number}/slip")
def slip(number: Number, found: UserVisit) -> Response:
    """The paper that goes with the goods."""
    return show(number, found, Shown(template="desk_slip.html"))


def said_of(found: Visit, note: str, about: str) -> str | None:
    """What is said of a step that was taken."""
    if note == "picked" and about:
        return f"{found.text('d_picked')} {about[:MAX_TEXT]}"
    return found.text(f"d_{note}") if note in NOTES else None


@dataclass(frozen=True, slots=True)
class Shown:
    """How an order is shown: what is said of a step, or why it was refused. `place`: a page of it is there, and goes on
    showing what nobody has changed; its message belongs here.
    """

    note: str | None = None
    error: str | None = None
    template: str = "desk_order.html"
    place: Place | None = None


def show(number: int, found: Visit, shown: Shown) -> Response:
    """An order as it stands, or what may have changed of it."""
    now, location = found.hub.clock.now(), found.actor.location or ""
    with found.hub.database.read() as connection:
        store = PickingStore(connection, now)
        job = store.job_at(number, location)
        if job is None:
            if shown.error is None:
                return unknown(found)
            return found.page("desk_message.html", 409, message=shown.error)
        values: dict[str, Any] = {  # what a template shows
            "here": f"/desk/orders/{number}" + ("/slip" if shown.template == "desk_slip.html" else ""),
            "job": job,
            "picks": _by_item(store.picks(number)),
            "lines": store.lines(number),
            "recipient": store.recipient(number),
            "events": _seen(HandlingStore(connection, now).events(number), job),
            "is_put_back": all(one.number != number for one in store.to_put_back(job.location)),
            "course": _course(job),
            "reasons": list(RejectReason),
            "note": shown.note,
            "error": shown.error,
        }
    status = 200 if shown.error is None else 409
    if shown.place is not None and found.is_part:
        return found.part("desk_said.html" if job.is_asked else "desk_renewed.html", shown.place, status, **values)
    return found.page("desk_offer.html" if job.is_asked else shown.template, status, **values)


def _seen(events: list[Event], job: Job) -> list[Event]:
    """What happened at this location: who else was asked, and what they answered, is theirs."""
    return [one for one in events if one.location == (job.location if job.is_asked else None)]


def _by_item(picks: list[Pick]) -> list[Pick]:
    """A pick list as it is walked: an item that several lines ask for is fetched once."""
    found: dict[int, Pick] = {}
    for one in picks:
        known = found.get(one.item_id)
        found[one.item_id] = (
            one
            if known is None
            else replace(
                known,
                units=known.units + one.units,
                picked=known.picked + one.picked,
                lots=tuple(sorted({*known.lots, *one.lots})),
            )
        )
    return list(found.values())


def _course(job: Job) -> list[str]:
    """The states that a fulfillment order goes through."""
    first = ["allocated", "accepted", "picking", "packed"]
    return first + (["ready_for_pickup", "handed_over"] if job.delivery is DeliveryMethod.PICKUP else ["shipped"])


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    SignedOutError: to_sign_in,
    UnusableError: unusable,
}
