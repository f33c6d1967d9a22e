"""What may become of units that cannot be served, over HTTP: for the staff by the order, for a customer by a link."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from nervure.operations.choosing import choose, choose_for
from nervure.operations.shortfalls import options_of, proposal_of
from nervure.orders.options import Option
from nervure.service.hub import TheHub
from nervure.store.proposals import OptionSeen, ProposalSeen
from schemas.base import Canonical

router = APIRouter()
public = APIRouter()
"""What the holder of a link may do: the token in it is the sign-in."""


class ChoiceBody(Canonical):
    """The key of an option."""

    option: str = Field(min_length=1, max_length=300)


class StaffChoiceBody(ChoiceBody):
    """The same by the staff, `line` where several lines of the order wait for an answer."""

    by: str = Field(min_length=1, max_length=200)
    line: str | None = None


@router.get("/orders/{channel}/{order:path}/options")
def options(channel: str, order: str, hub: TheHub) -> list[dict[str, Any]]:
    """What could become now of what an order lacks, and what was proposed for it, with the customer's link."""
    return [
        {
            "line": one.short.line,
            "sku": one.short.sku,
            "units": one.short.units_short,
            "now": [_option(option, one.short.paid.currency) for option in one.options],
            "proposal": None if one.proposal is None else _proposal(one.proposal) | {"link": _link(one.proposal)},
        }
        for one in options_of(hub, channel, order)
    ]


@router.post("/orders/{channel}/{order:path}/options")
def choose_option(channel: str, order: str, body: StaffChoiceBody, hub: TheHub) -> dict[str, Any]:
    """Carries out one of the options that were proposed. The first answer counts, another one is refused (409)."""
    return _proposal(choose_for(hub, channel, order, body.option, line=body.line, by=body.by))


@public.get("/proposals/{token}")
def proposal(token: str, hub: TheHub) -> dict[str, Any]:
    """What the holder of the link may choose from, or what became of it. It names no person."""
    return _proposal(proposal_of(hub, token))


@public.post("/proposals/{token}")
def choose_proposed(token: str, body: ChoiceBody, hub: TheHub) -> dict[str, Any]:
    """Carries out what the holder of the link chose. The first answer counts, another one is refused (409)."""
    return _proposal(choose(hub, token, body.option))


def _link(seen: ProposalSeen) -> str:
    return f"/proposals/{seen.token}"


def _proposal(seen: ProposalSeen) -> dict[str, Any]:
    return {
        "order_number": seen.order_number,
        "sku": seen.sku,
        "title": seen.title,
        "units": seen.units,
        "state": seen.state,
        "answer_by": seen.expires_at,
        "chosen": seen.chosen,
        "options": [_option(one, seen.currency) for one in seen.options],
    }


def _option(one: Option | OptionSeen, currency: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "option": one.key,
        "kind": one.kind,
        "reason": one.reason,
        "on": one.on,
        "due": f"{one.due:.2f}",
        "currency": currency,
    }
    if isinstance(one, OptionSeen):
        shown |= {
            "sku": one.sku,
            "title": one.title,
            "places": [{"location": code, "units": units} for code, units in one.places],
        }
    return shown
