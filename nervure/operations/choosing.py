"""Somebody chooses once of what was offered for a line, and it is carried out."""

from collections.abc import Callable
from datetime import datetime

from nervure.inventory.stock import Take
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.shortfalls import UnknownProposalError
from nervure.operations.telling import tell_choice
from nervure.orders.settling import serve_shortfalls
from nervure.orders.substituting import Chosen, OptionGoneError, carry_out
from nervure.store.database import Connection
from nervure.store.proposals import ProposalSeen, ProposalState, ProposalStore
from nervure.store.reservations import ReservationStore
from nervure.store.shortfalls import ShortfallStore


class ProposalOverError(RefusalError):
    """An answer that comes too late, or to something that was answered."""


def choose(hub: Hub, token: str, key: str, *, by: str = "the customer") -> ProposalSeen:
    """Carries out what the holder of a link chose. The first answer counts.

    Raises:
        UnknownProposalError: no such proposal or option.
        ProposalOverError: it was answered before, it is too late, or what was chosen is not there any more.
    """

    def find(store: ProposalStore) -> tuple[int, int]:
        found = store.order_of(token)
        if found is None:
            raise UnknownProposalError("there is no such proposal")
        return found

    return _answer(hub, find, key, by)


def choose_for(hub: Hub, channel: str, order: str, key: str, *, line: str | None = None, by: str) -> ProposalSeen:
    """The same for the staff, by the order; `line` where several of its lines wait for an answer.

    Raises:
        UnknownProposalError: no such order, line or option, or nothing was offered for it.
        ProposalOverError: as above.
    """

    def find(store: ProposalStore) -> tuple[int, int]:
        made = [one for one in store.seen(channel=channel, order=order) if line in {None, one.line}]
        if not made:
            raise UnknownProposalError(f"nothing was offered for order {order!r} of channel {channel!r}")
        waiting = [one for one in made if one.state == "open"]
        if len(waiting) > 1:
            names = ", ".join(one.line for one in waiting)
            raise UnknownProposalError(f"order {order!r} has several lines to choose for: name one of {names}")
        found = (waiting or made)[-1]
        return found.id, found.order_id

    return _answer(hub, find, key, by)


def _answer(hub: Hub, find: Callable[[ProposalStore], tuple[int, int]], key: str, by: str) -> ProposalSeen:
    gone: list[int] = []

    def work(connection: Connection) -> ProposalSeen:
        store = ProposalStore(connection, hub.clock.now())
        number, order_id = find(store)
        gone[:] = [number]
        hub.desk(connection).orders.lock(order_id)
        proposal = store.find(number)
        _refuse_what_is_over(proposal, hub.clock.now())
        chosen = store.chosen(proposal, key)
        if chosen is None:
            keys = ", ".join(one.key for one in store.seen(proposal_id=number)[0].options)
            raise UnknownProposalError(f"there is no option {key!r}: choose one of {keys}")
        if not is_needed(connection, hub.clock.now(), proposal):
            raise ProposalOverError(
                "there is nothing to choose any more: the units have come, or the order has changed"
            )
        carry_out_choice(hub, connection, proposal, chosen, by=by)
        return store.seen(proposal_id=number)[0]

    try:
        return hub.database.run(work)
    except OptionGoneError as error:
        # What is dead is not offered on: another proposal is made of what there is now.
        hub.database.run(lambda connection: end_unanswered(hub, connection, gone[0], "withdrawn"))
        raise ProposalOverError(f"{key!r} is not there any more; what there is now is offered anew") from error


def _refuse_what_is_over(proposal: ProposalState, now: datetime) -> None:
    if proposal.state == "chosen":
        raise ProposalOverError(
            f"this was answered at {_moment(proposal.ended_at)} with {proposal.chosen!r}: it cannot change"
        )
    if proposal.state == "withdrawn":
        raise ProposalOverError("there is nothing to choose any more: the units have come, or the order has changed")
    if proposal.state == "expired" or proposal.expires_at <= now:
        raise ProposalOverError(f"the time to answer ended at {_moment(proposal.expires_at)}")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def is_needed(connection: Connection, now: datetime, proposal: ProposalState) -> bool:
    """Whether the line still lacks what the proposal is for, and its order may still be sent."""
    store = ShortfallStore(connection, now)
    lacks = any(one.units >= proposal.units for one in store.shorts(line_id=proposal.line_id))
    return lacks and store.may_be_proposed(proposal.order_id)


def carry_out_choice(hub: Hub, connection: Connection, proposal: ProposalState, chosen: Chosen, *, by: str) -> None:
    """Ends the proposal and does what was chosen, under the lock of its order.

    Raises:
        OptionGoneError: the units are not all there; nothing may be kept.
    """
    store = ProposalStore(connection, hub.clock.now())
    if not store.end(proposal.id, "chosen", by=by, chosen=chosen.key):
        raise OptionGoneError
    carry_out(hub.desk(connection), store, chosen)
    tell_choice(hub, connection, chosen, by)
    _let_go(hub, connection, proposal.id)


def end_unanswered(hub: Hub, connection: Connection, number: int, state: str) -> bool:
    """Ends a proposal that nobody answered; False: it had ended."""
    store = ProposalStore(connection, hub.clock.now())
    hub.desk(connection).orders.lock(store.find(number).order_id)
    ended = store.end(number, state)
    if ended:
        _let_go(hub, connection, number)
    return ended


def _let_go(hub: Hub, connection: Connection, number: int) -> None:
    """Gives back what a proposal still holds, and serves who waits for it."""
    reservations = ReservationStore(connection, hub.clock.now())
    given_back: list[Take] = []
    for reference in ProposalStore(connection, hub.clock.now()).held_for(number):
        known = reservations.find(reference, locked=True)
        if known is not None:
            given_back += reservations.release(known)
    serve_shortfalls({take.place.item_id for take in given_back}, hub.desk(connection))
