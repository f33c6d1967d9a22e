"""What people do at the store desk: forms that post, and are answered by the page of the order or by its new pieces.

Without a script a browser is sent to the order again, so that loading again takes no step twice.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import DeskRefusedError, Refusal, UnknownFulfillmentError
from nervure.service.desk_pages import MAX_TEXT, Shown, order, said_of, show, unknown
from nervure.service.desk_web import IN_THE_FORM, DeskRoute, Form, Place, UserVisit, Visit
from nervure.service.hub import Number
from schemas.base import MAX_UNITS
from schemas.fulfillment import Parcel, RejectReason

router = APIRouter(prefix="/desk/orders", include_in_schema=False, route_class=DeskRoute)

ON_TOP = Place("#said", "afterbegin")
"""What is said of a scan stands above what was said before: many may come while nobody looks."""

OF_WHAT_WAS_TYPED: frozenset[Refusal] = frozenset(
    {"all_picked", "amount", "locked", "none_picked", "not_here", "whole", "wrong_code"}
)
"""Refusals after which the page is still right, and what was typed is to be mended there. After any other one the order
is not what the page shows."""


def _do(number: int, found: Visit, step: Callable[[], bool | str]) -> Response:
    """Takes a step and shows the order again; what cannot be done is said where it was tried."""
    try:
        done = step()
    except UnknownFulfillmentError:
        return unknown(found)
    except DeskRefusedError as error:
        return _refused(number, found, error, IN_THE_FORM)
    note = done if isinstance(done, str) else "done" if done else "before"
    return order(number, found, note) if found.is_part else found.go(f"/desk/orders/{number}?note={note}")


def _refused(number: int, found: Visit, error: DeskRefusedError, place: Place) -> Response:
    text = f"{found.text(f'x_{error.kind}')} {error.about[:MAX_TEXT]}".strip()
    return show(number, found, Shown(error=text, place=place if error.kind in OF_WHAT_WAS_TYPED else None))


@router.post("/{number}/accept")
def accepts(number: Number, found: UserVisit, fields: Form) -> Response:
    """The location will do it."""
    return _do(number, found, lambda: offers.accept(found.hub, number, found.actor)[0])


@router.post("/{number}/picking")
def picks(number: Number, found: UserVisit, fields: Form) -> Response:
    """Somebody fetches the goods."""
    return _do(number, found, lambda: desk.start_picking(found.hub, number, found.actor))


@router.post("/{number}/scan")
def scans(number: Number, found: UserVisit, fields: Form) -> Response:
    """A scanner typed a code, or somebody pressed a button of the list: `take_out` is the sku that one is taken off."""
    out = fields.get("take_out", "")
    scanned, units = (out, -1) if out else (fields.get("scanned", ""), 1)
    try:
        sku = desk.pick(found.hub, number, scanned[:MAX_TEXT], found.actor, units=units)
    except UnknownFulfillmentError:
        return unknown(found)
    except DeskRefusedError as error:
        return _refused(number, found, error, ON_TOP)
    said = {"note": "done"} if out else {"note": "picked", "about": sku}
    if found.is_part:
        return show(number, found, Shown(note=said_of(found, said["note"], sku), place=ON_TOP))
    return found.go(f"/desk/orders/{number}?{urlencode(said)}")


@router.post("/{number}/pack")
def packs(number: Number, found: UserVisit, fields: Form) -> Response:
    """The goods are in their parcel or bag."""
    unscanned = bool(fields.get("unscanned"))
    return _do(number, found, lambda: desk.pack(found.hub, number, found.actor, unscanned=unscanned))


@router.post("/{number}/ship")
def ships(number: Number, found: UserVisit, fields: Form) -> Response:
    """The parcel has left."""
    carrier, tracking = (fields.get(name, "").strip()[:MAX_TEXT] for name in ("carrier", "tracking"))
    parcel = Parcel(carrier=carrier, tracking_number=tracking) if tracking else None
    return _do(number, found, lambda: desk.send(found.hub, number, found.actor, parcel=parcel))


@router.post("/{number}/ready")
def makes_ready(number: Number, found: UserVisit, fields: Form) -> Response:
    """It waits for its customer."""
    return _do(number, found, lambda: desk.make_ready(found.hub, number, found.actor)[0])


@router.post("/{number}/told")
def tells(number: Number, found: UserVisit, fields: Form) -> Response:
    """The customer knows."""
    return _do(number, found, lambda: desk.note_told(found.hub, number, found.actor))


@router.post("/{number}/hand-over")
def hands_over(number: Number, found: UserVisit, fields: Form) -> Response:
    """The customer has taken it, or a part."""
    only = _units(fields, "takes:")
    return _do(
        number,
        found,
        lambda: desk.hand_over(found.hub, number, fields.get("code", ""), found.actor, only=only or None)[0],
    )


@router.post("/{number}/return")
def returns(number: Number, found: UserVisit, fields: Form) -> Response:
    """Nobody fetches it."""
    return _do(number, found, lambda: giving_up.return_to_sale(found.hub, number, found.actor))


@router.post("/{number}/put-back")
def puts_back(number: Number, found: UserVisit, fields: Form) -> Response:
    """The goods of a canceled one lie on their shelf again."""
    return _do(number, found, lambda: giving_up.put_back(found.hub, number, found.actor))


@router.post("/{number}/reject")
def rejects(number: Number, found: UserVisit, fields: Form) -> Response:
    """The location does not do it, or not all of it."""
    if fields.get("reason") not in set(RejectReason):
        return show(number, found, Shown(error=found.text("x_state"), place=IN_THE_FORM))
    reason, keeps = RejectReason(fields["reason"]), _units(fields, "keeps:")

    def step() -> bool | str:
        done = giving_up.reject(found.hub, number, reason, found.actor, keeps=keeps or None)
        return "gone" if done and not any(keeps.values()) else done

    return _do(number, found, step)


def _units(fields: Mapping[str, str], prefix: str) -> dict[str, int]:
    """Units by sku of the fields that begin like this; what is no number is none."""
    found: dict[str, int] = {}
    for name, value in fields.items():
        if name.startswith(prefix):
            is_number = value.isascii() and value.isdigit() and len(value) <= len(str(MAX_UNITS))
            found[name.removeprefix(prefix)] = int(value) if is_number else 0
    return found
