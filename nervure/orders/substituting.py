"""Carrying out what was chosen for units that cannot be served: all of it in one transaction, or nothing.

Who calls holds the lock of the order, and has noted the choice, so that it is made once.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from nervure.orders.desk import Desk
from nervure.orders.reseating import reseat
from nervure.orders.reservations import allot
from nervure.orders.routing import Candidate, Wanted
from nervure.orders.settling import cover, note_shortfall, rebalance, tell_unplanned
from nervure.orders.work import Hold, LineState
from schemas.substitution import SUBSTITUTES, OptionKind

SUBSTITUTED = "substituted"
CANCELED = "canceled"


class OptionGoneError(Exception):
    """What was chosen cannot be done any more; nothing may be kept."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One option of a proposal, as it stands in storage; `reservation` holds its units, where it needs any."""

    proposal_id: int
    order_id: int
    line_id: int
    units: int
    key: str
    kind: OptionKind
    reservation_id: int | None
    reservation: str | None
    item_id: int | None
    listing_id: int | None
    location_id: int | None
    on: date | None
    due: Decimal


class ChoiceRepository(Protocol):
    """What carrying out a choice writes beside order work."""

    def add_substitute(self, chosen: Chosen) -> int:
        """Writes the line that takes the place of the chosen units; answers its id."""

    def cut(self, chosen: Chosen, reason: str, substitute_line_id: int | None) -> None:
        """Notes that the hub gave these units of the line up."""

    def agree_on(self, chosen: Chosen, day: date) -> int:
        """The chosen units are promised by this day: a backorder. Answers how many of the line still have no plan."""

    def fetched_at(self, fulfillment_line_ids: list[int]) -> None:
        """The customer fetches these."""


def carry_out(desk: Desk, choices: ChoiceRepository, chosen: Chosen) -> None:
    """Does what was chosen.

    Raises:
        OptionGoneError: the units that were held for it are not all there.
    """
    line = _line(desk, chosen.order_id, chosen.line_id)
    if chosen.kind in SUBSTITUTES:
        instead = choices.add_substitute(chosen)
        _give_up(desk, choices, chosen, line, instead)
        _serve(desk, chosen, _line(desk, chosen.order_id, instead))
    elif chosen.kind is OptionKind.PICKUP:
        note_shortfall(desk, line, line.units_short - chosen.units)
        choices.fetched_at(_serve(desk, chosen, line))
    elif chosen.kind is OptionKind.LATER:
        assert chosen.on is not None
        # The text of the task says how many, and fewer are left now.
        tell_unplanned(desk, line, 0)
        tell_unplanned(desk, line, choices.agree_on(chosen, chosen.on))
    else:
        _give_up(desk, choices, chosen, line, None)
        desk.outbox.tell_completion(chosen.order_id)


def _line(desk: Desk, order_id: int, line_id: int) -> LineState:
    [found] = [line for line in desk.orders.lines(order_id) if line.id == line_id]
    return found


def _give_up(desk: Desk, choices: ChoiceRepository, chosen: Chosen, line: LineState, instead: int | None) -> None:
    """Cancels the missing units of the line; what stays missing keeps its task."""
    desk.orders.cancel_units(line.id, line.units_canceled + chosen.units)
    choices.cut(chosen, CANCELED if instead is None else SUBSTITUTED, instead)
    note_shortfall(desk, line, line.units_short - chosen.units)


def _serve(desk: Desk, chosen: Chosen, line: LineState) -> list[int]:
    """Turns what is held into allocations of the line; answers the fulfillment lines."""
    parts = desk.stock.parts_of([line.item_id])[line.item_id]
    holds = [
        hold
        for hold in desk.stock.lock_holds(chosen.order_id, chosen.reservation)
        if hold.reservation_id == chosen.reservation_id
    ]
    if not holds:
        raise OptionGoneError
    shares, _ = allot(chosen.order_id, desk, [Wanted(line.id, chosen.units, parts)], holds, lambda: _places_of(holds))
    places = {hold.place for hold, _, _ in shares}
    # Facts may have taken what was held: then the newest promise there is served elsewhere, which may be this one.
    rebalance(places, desk)
    reseat(places, desk)
    served = desk.fulfillment.lines(line_ids={number for _, number, _ in shares})
    if sum(one.units for one in served) != chosen.units:
        raise OptionGoneError
    # Nothing is left to be covered: what a supplier sends of it is told to it.
    cover(chosen.order_id, desk, [], may_split=True)
    return [one.id for one in served]


def _places_of(holds: list[Hold]) -> list[Candidate]:
    """The places where units are held: they were chosen when they were taken."""
    locations = dict.fromkeys(hold.place.location_id for hold in holds)
    return [
        Candidate(number, str(number), is_supplier=False, rank=rank, distance_km=None)
        for rank, number in enumerate(locations)
    ]
