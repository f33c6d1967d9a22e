"""The pages of the store desk: a queue, an order, a slip. Forms that post and redirect; they need no script."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import DeskRefusedError, UnknownFulfillmentError
from nervure.operations.desk_users import SignInError, TooManyFailuresError, sign_in, sign_out
from nervure.service.desk_web import (
    HEADERS,
    AnyVisit,
    ForeignFormError,
    Form,
    SignedOutError,
    UserVisit,
    Visit,
    new_token,
    visit,
)
from nervure.service.hub import Number
from nervure.store.handling import Event, HandlingStore
from nervure.store.picking import Job, Pick, PickingStore
from schemas.base import MAX_UNITS
from schemas.fulfillment import FulfillmentState, Parcel, RejectReason
from schemas.orders import DeliveryMethod

router = APIRouter(prefix="/desk", include_in_schema=False)
Fields = Mapping[str, str]
MAX_TEXT = 255
NOTES = frozenset({"done", "before", "gone"})
URGENT_SECONDS = 900
"""What must be accepted within a quarter of an hour is shown in red."""
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
    """Whoever is not signed in, or not any more, is asked to."""
    return visit(request, request.app.state.hub).go("/desk/sign-in")


def foreign_form(request: Request, _: Exception) -> Response:
    """A form that is too old, or came from elsewhere, does nothing."""
    found = visit(request, request.app.state.hub)
    return found.page("desk_message.html", 403, message=found.text("stale_form"))


def unknown(found: Visit) -> Response:
    """What is not there, or is another location's."""
    return found.page("desk_message.html", 404, message=found.text("unknown"))


# -- sign-in -------------------------------------------------------------------------------------------------------


@router.get("/desk.css")
def style() -> Response:
    """How the pages look."""
    return FileResponse(Path(__file__).parent / "static" / "desk.css", media_type="text/css", headers=HEADERS)


@router.get("/sign-in")
def sign_in_page(found: AnyVisit, at: str = "") -> Response:
    """Asks who somebody is; `at` fills the location in, for a bookmark of its tablet."""
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
def queue(found: UserVisit) -> Response:
    """What the location has to do, by urgency; it asks for itself again every half minute."""
    location = found.actor.location or ""
    with found.hub.database.read() as connection:
        store = PickingStore(connection, found.hub.clock.now())
        jobs, back = store.jobs(location), store.to_put_back(location)
    groups: dict[str, list[Job]] = {name: [] for name in GROUPS}
    for job in jobs:
        groups[_group(job)].append(job)
    groups["put_back"] = back
    return found.page("desk_queue.html", groups=groups, urgent_seconds=URGENT_SECONDS)


def _group(job: Job) -> str:
    if job.offered_to:
        return "offered"
    return f"packed_{job.delivery}" if job.state is FulfillmentState.PACKED else job.state.value


@router.get("/orders/{number}")
def order(number: Number, found: UserVisit, note: str = "", about: str = "") -> Response:
    """One fulfillment order, and what can be done with it now."""
    text = found.text(f"d_{note}") if note in NOTES else None
    if note == "picked" and about:
        text = f"{found.text('d_picked')} {about[:MAX_TEXT]}"
    location = found.actor.location or ""
    with found.hub.database.read() as connection:
        store = PickingStore(connection, found.hub.clock.now())
        instead = store.instead(number, location)
        if instead is not None:
            return found.go(f"/desk/orders/{instead}" + (f"?note={note}" if text else ""))
        if note == "gone" and store.job_at(number, location) is None:
            return found.page("desk_message.html", message=text, kind="good")
    return _order(number, found, note=text)


@router.get("/orders/{number}/slip")
def slip(number: Number, found: UserVisit) -> Response:
    """The paper that goes with the goods."""
    return _order(number, found, template="desk_slip.html")


def _order(
    number: int,
    found: Visit,
    *,
    note: str | None = None,
    error: str | None = None,
    template: str = "desk_order.html",
) -> Response:
    now, location = found.hub.clock.now(), found.actor.location or ""
    with found.hub.database.read() as connection:
        store = PickingStore(connection, now)
        job = store.job_at(number, location)
        if job is None:
            return unknown(found) if error is None else found.page("desk_message.html", 409, message=error)
        values: dict[str, Any] = {  # what a template shows
            "here": f"/desk/orders/{number}" + ("/slip" if template == "desk_slip.html" else ""),
            "job": job,
            "picks": _by_item(store.picks(number)),
            "lines": store.lines(number),
            "recipient": store.recipient(number),
            "events": _seen(HandlingStore(connection, now).events(number), job),
            "is_put_back": all(one.number != number for one in store.to_put_back(job.location)),
            "course": _course(job),
            "reasons": list(RejectReason),
        }
    page = "desk_offer.html" if job.is_asked else template
    return found.page(page, 200 if error is None else 409, note=note, error=error, **values)


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


# -- doing ---------------------------------------------------------------------------------------------------------


def _do(number: int, found: Visit, step: Callable[[], bool | str]) -> Response:
    """Takes a step and shows the order again; what cannot be done is said on the page."""
    try:
        done = step()
    except UnknownFulfillmentError:
        return unknown(found)
    except DeskRefusedError as error:
        return _order(number, found, error=f"{found.text(f'x_{error.kind}')} {error.about[:MAX_TEXT]}".strip())
    return found.go(f"/desk/orders/{number}?note={done if isinstance(done, str) else 'done' if done else 'before'}")


@router.post("/orders/{number}/accept")
def accepts(number: Number, found: UserVisit, fields: Form) -> Response:
    """The location will do it."""
    return _do(number, found, lambda: offers.accept(found.hub, number, found.actor)[0])


@router.post("/orders/{number}/picking")
def picks(number: Number, found: UserVisit, fields: Form) -> Response:
    """Somebody fetches the goods."""
    return _do(number, found, lambda: desk.start_picking(found.hub, number, found.actor))


@router.post("/orders/{number}/scan")
def scans(number: Number, found: UserVisit, fields: Form) -> Response:
    """A scanner typed a code, or somebody pressed a button."""
    units = -1 if fields.get("take_out") else 1

    def step() -> str:
        sku = desk.pick(found.hub, number, fields.get("scanned", "")[:MAX_TEXT], found.actor, units=units)
        return f"picked&about={quote(sku, safe='')}" if units > 0 else "done"

    return _do(number, found, step)


@router.post("/orders/{number}/pack")
def packs(number: Number, found: UserVisit, fields: Form) -> Response:
    """The goods are in their parcel or bag."""
    unscanned = bool(fields.get("unscanned"))
    return _do(number, found, lambda: desk.pack(found.hub, number, found.actor, unscanned=unscanned))


@router.post("/orders/{number}/ship")
def ships(number: Number, found: UserVisit, fields: Form) -> Response:
    """The parcel has left."""
    carrier, tracking = (fields.get(name, "").strip()[:MAX_TEXT] for name in ("carrier", "tracking"))
    parcel = Parcel(carrier=carrier, tracking_number=tracking) if tracking else None
    return _do(number, found, lambda: desk.send(found.hub, number, found.actor, parcel=parcel))


@router.post("/orders/{number}/ready")
def makes_ready(number: Number, found: UserVisit, fields: Form) -> Response:
    """It waits for its customer."""
    return _do(number, found, lambda: desk.make_ready(found.hub, number, found.actor)[0])


@router.post("/orders/{number}/told")
def tells(number: Number, found: UserVisit, fields: Form) -> Response:
    """The customer knows."""
    return _do(number, found, lambda: desk.note_told(found.hub, number, found.actor))


@router.post("/orders/{number}/hand-over")
def hands_over(number: Number, found: UserVisit, fields: Form) -> Response:
    """The customer has taken it, or a part."""
    only = _units(fields, "takes:")
    return _do(
        number,
        found,
        lambda: desk.hand_over(found.hub, number, fields.get("code", ""), found.actor, only=only or None)[0],
    )


@router.post("/orders/{number}/return")
def returns(number: Number, found: UserVisit, fields: Form) -> Response:
    """Nobody fetches it."""
    return _do(number, found, lambda: giving_up.return_to_sale(found.hub, number, found.actor))


@router.post("/orders/{number}/put-back")
def puts_back(number: Number, found: UserVisit, fields: Form) -> Response:
    """The goods of a canceled one lie on their shelf again."""
    return _do(number, found, lambda: giving_up.put_back(found.hub, number, found.actor))


@router.post("/orders/{number}/reject")
def rejects(number: Number, found: UserVisit, fields: Form) -> Response:
    """The location does not do it, or not all of it."""
    if fields.get("reason") not in set(RejectReason):
        return _order(number, found, error=found.text("x_state"))
    reason, keeps = RejectReason(fields["reason"]), _units(fields, "keeps:")

    def step() -> bool | str:
        done = giving_up.reject(found.hub, number, reason, found.actor, keeps=keeps or None)
        return "gone" if done and not any(keeps.values()) else done

    return _do(number, found, step)


def _units(fields: Fields, prefix: str) -> dict[str, int]:
    """Units by sku of the fields that begin like this; what is no number is none."""
    found: dict[str, int] = {}
    for name, value in fields.items():
        if name.startswith(prefix):
            is_number = value.isascii() and value.isdigit() and len(value) <= len(str(MAX_UNITS))
            found[name.removeprefix(prefix)] = int(value) if is_number else 0
    return found


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = {
    SignedOutError: to_sign_in,
    ForeignFormError: foreign_form,
}
