"""When an order cannot be served: what is offered instead is held, somebody chooses once, and it is carried out."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nervure.inventory.stock import Take
from nervure.operations.hub import Hub
from nervure.operations.options import find_options
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.orders.options import Option, ShortfallPolicy, decide, said_due
from nervure.orders.reservations import Cart, LackingError, serve_in_turn, sum_asks
from nervure.orders.settling import serve_shortfalls
from nervure.orders.substituting import Chosen, OptionGoneError, carry_out
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.proposals import ProposalSeen, ProposalState, ProposalStore
from nervure.store.reservations import NewReservation, ReservationStore
from nervure.store.shortfalls import Short, ShortfallStore
from nervure.store.tasks import TaskStore
from schemas.substitution import SUBSTITUTES, AtDeadline, OptionKind

LOOK_AGAIN = timedelta(minutes=15)
"""How long after nothing could be offered for a line it is looked again."""

HELD_ON = timedelta(minutes=10)
"""So much longer than a customer may answer the units are held, so that the deadline finds them there."""

BY_DEADLINE = "the deadline"
BY_POLICY = "the settings"


class ProposalOverError(RefusalError):
    """An answer that comes too late, or to something that was answered."""


class UnknownProposalError(UnknownError):
    """No such proposal, option, or order with something to choose."""


@dataclass(frozen=True, slots=True)
class ShortLine:
    """A line with units that cannot be served, what could become of them now, and what was offered for them."""

    short: Short
    options: tuple[Option, ...]
    proposal: ProposalSeen | None


# -- looking -------------------------------------------------------------------------------------------------------


def list_shortfalls(hub: Hub, channel: str | None = None) -> list[tuple[Short, ProposalSeen | None]]:
    """Every line with missing units, oldest order first, with its open proposal."""
    with hub.database.read() as connection:
        now = hub.clock.now()
        found = ShortfallStore(connection, now).shorts(channel=channel)
        opened = ProposalStore(connection, now).seen(channel=channel, state="open")
        return [(one, _open_proposal(opened, one)) for one in found]


def options_of(hub: Hub, channel: str, order: str) -> list[ShortLine]:
    """What could become of what an order lacks, as it stands now, whatever the settings let happen.

    Raises:
        UnknownProposalError: no such order, or it lacks nothing.
    """
    with hub.database.read() as connection:
        now = hub.clock.now()
        found = ShortfallStore(connection, now).shorts(channel=channel, order=order)
        if not found:
            raise UnknownProposalError(f"channel {channel!r} has no order {order!r} that lacks something")
        opened = ProposalStore(connection, now).seen(channel=channel, order=order, state="open")
        return [
            ShortLine(one, tuple(find_options(hub, connection, one) if one.units else ()), _open_proposal(opened, one))
            for one in found
        ]


def proposals_of(hub: Hub, channel: str, order: str) -> list[ProposalSeen]:
    """Every proposal that was ever made for an order, oldest first."""
    with hub.database.read() as connection:
        return ProposalStore(connection, hub.clock.now()).seen(channel=channel, order=order)


def proposal_of(hub: Hub, token: str) -> ProposalSeen:
    """The proposal that a customer's link names.

    Raises:
        UnknownProposalError: there is none.
    """
    with hub.database.read() as connection:
        found = ProposalStore(connection, hub.clock.now()).seen(token=token)
    if not found:
        raise UnknownProposalError("there is no such proposal")
    return found[0]


def _open_proposal(opened: Sequence[ProposalSeen], short: Short) -> ProposalSeen | None:
    return next((one for one in opened if one.line_id == short.line_id), None)


# -- proposing -----------------------------------------------------------------------------------------------------


def make_proposals(hub: Hub) -> int:
    """Proposes what the settings let be proposed for lines that lack something; answers how many proposals were made.

    What happens without asking happens here.
    """
    channels = [name for name, account in hub.accounts.items() if account.shortfalls.has_options]
    if not channels:
        return 0
    with hub.database.read() as connection:
        due = ShortfallStore(connection, hub.clock.now()).due(channels)
    return sum(propose_for(hub, line) for line in due)


def propose_for(hub: Hub, line_id: int) -> bool:
    """Proposes what there is for one line, or does at once what needs no asking; False: nothing is possible."""
    return hub.database.run(lambda connection: _propose(hub, connection, line_id))


def _propose(hub: Hub, connection: Connection, line_id: int) -> bool:
    shortfalls, desk = ShortfallStore(connection, hub.clock.now()), hub.desk(connection)
    for known in shortfalls.shorts(line_id=line_id):
        desk.orders.lock(known.order_id)
    found = [one for one in shortfalls.shorts(line_id=line_id) if one.units > 0]
    # Read again under the lock: meanwhile the units may have come.
    if not found or not shortfalls.may_be_proposed(found[0].order_id):
        return False
    [short] = found
    policy = hub.accounts[short.channel].shortfalls
    at_once, proposed = decide(find_options(hub, connection, short), policy)
    wanted = proposed if at_once is None else [at_once]
    opened = _open(hub, connection, short, wanted, policy) if wanted else None
    if opened is None:
        shortfalls.look_again_at(line_id, hub.clock.now() + LOOK_AGAIN)
    elif at_once is not None:
        store = ProposalStore(connection, hub.clock.now())
        chosen = store.chosen(opened, None)
        assert chosen is not None
        _choose(hub, connection, opened, chosen, by=BY_POLICY)
    return opened is not None


def _open(
    hub: Hub, connection: Connection, short: Short, wanted: Sequence[Option], policy: ShortfallPolicy
) -> ProposalState | None:
    """Opens a proposal of what could be held; None: it was gone in this moment, or the line has an open proposal."""
    store, expires_at = ProposalStore(connection, hub.clock.now()), hub.clock.now() + policy.answer_within
    number = store.open(short.line_id, short.units, secrets.token_urlsafe(32), expires_at)
    if number is None:
        return None
    held = _hold(connection, hub.clock.now(), short, number, wanted, until=expires_at + HELD_ON)
    if not held:
        store.forget(number)
        return None
    store.add_options(number, held)
    return store.find(number)


def _hold(
    connection: Connection, now: datetime, short: Short, number: int, wanted: Sequence[Option], *, until: datetime
) -> list[tuple[Option, int | None]]:
    """The options whose units could be held, each with its reservation: all that it needs, or nothing."""
    store = ReservationStore(connection, now)
    needing = [one for one in wanted if one.needs]
    new = [
        NewReservation(
            # Nobody else can name it, and so end it.
            f"proposal:{number}:{position}:{secrets.token_hex(8)}",
            short.question.channel_id,
            until,
            sum_asks(one.needs),
        )
        for position, one in enumerate(needing, start=1)
    ]
    made = store.open(new)
    answers = serve_in_turn(store.stock, [Cart(one.asks, ()) for one in new])
    taken: list[tuple[NewReservation, Sequence[Take]]] = []
    lacking: list[int] = []
    ids: dict[str, int] = {}
    for option, one, answer in zip(needing, new, answers, strict=True):
        if isinstance(answer, LackingError):
            lacking.append(made[one.reference])
        else:
            taken.append((one, answer))
            ids[option.key] = made[one.reference]
    store.hold(taken)
    store.forget(lacking)
    return [(one, ids.get(one.key)) for one in wanted if not one.needs or one.key in ids]


# -- choosing ------------------------------------------------------------------------------------------------------


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
        if not _is_needed(connection, hub.clock.now(), proposal):
            raise ProposalOverError(
                "there is nothing to choose any more: the units have come, or the order has changed"
            )
        _choose(hub, connection, proposal, chosen, by=by)
        return store.seen(proposal_id=number)[0]

    try:
        return hub.database.run(work)
    except OptionGoneError as error:
        # What is dead is not offered on: another proposal is made of what there is now.
        hub.database.run(lambda connection: _end(hub, connection, gone[0], "withdrawn"))
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


def _is_needed(connection: Connection, now: datetime, proposal: ProposalState) -> bool:
    """Whether the line still lacks what the proposal is for, and its order may still be sent."""
    store = ShortfallStore(connection, now)
    lacks = any(one.units >= proposal.units for one in store.shorts(line_id=proposal.line_id))
    return lacks and store.may_be_proposed(proposal.order_id)


def _choose(hub: Hub, connection: Connection, proposal: ProposalState, chosen: Chosen, *, by: str) -> None:
    """Ends the proposal and does what was chosen, under the lock of its order.

    Raises:
        OptionGoneError: the units are not all there; nothing may be kept.
    """
    store = ProposalStore(connection, hub.clock.now())
    if not store.end(proposal.id, "chosen", by=by, chosen=chosen.key):
        raise OptionGoneError
    carry_out(hub.desk(connection), store, chosen)
    _tell(hub, connection, chosen, by)
    _let_go(hub, connection, proposal.id)


def _let_go(hub: Hub, connection: Connection, number: int) -> None:
    """Gives back what a proposal still holds, and serves who waits for it."""
    reservations = ReservationStore(connection, hub.clock.now())
    given_back: list[Take] = []
    for reference in ProposalStore(connection, hub.clock.now()).held_for(number):
        known = reservations.find(reference, locked=True)
        if known is not None:
            given_back += reservations.release(known)
    serve_shortfalls({take.place.item_id for take in given_back}, hub.desk(connection))


def _end(hub: Hub, connection: Connection, number: int, state: str) -> bool:
    """Ends a proposal that nobody answered; False: it had ended."""
    store = ProposalStore(connection, hub.clock.now())
    hub.desk(connection).orders.lock(store.find(number).order_id)
    ended = store.end(number, state)
    if ended:
        _let_go(hub, connection, number)
    return ended


# -- times ---------------------------------------------------------------------------------------------------------


def keep_proposals(hub: Hub) -> tuple[int, int]:
    """Ends proposals that nobody answered in time, as the settings say, and those whose units came meanwhile.

    Answers how many of each.
    """
    with hub.database.read() as connection:
        over = ProposalStore(connection, hub.clock.now()).over()
    ended = [_keep(hub, number) for number in over]
    return ended.count("expired") + ended.count("chosen"), ended.count("withdrawn")


def _keep(hub: Hub, number: int) -> str:
    """Ends one proposal that is over; answers as what, nothing where it has ended meanwhile or is not over."""

    def work(connection: Connection, *, does_something: bool) -> str:
        now, store = hub.clock.now(), ProposalStore(connection, hub.clock.now())
        hub.desk(connection).orders.lock(store.find(number).order_id)
        proposal = store.find(number)
        if proposal.state != "open":
            return ""
        if not _is_needed(connection, now, proposal):
            return "withdrawn" if _end(hub, connection, number, "withdrawn") else ""
        if proposal.expires_at > now:
            return ""
        chosen = _at_deadline(hub, store, proposal) if does_something else None
        if chosen is None:
            return "expired" if _end(hub, connection, number, "expired") else ""
        _choose(hub, connection, proposal, chosen, by=BY_DEADLINE)
        return "chosen"

    try:
        return hub.database.run(lambda connection: work(connection, does_something=True))
    except OptionGoneError:
        return hub.database.run(lambda connection: work(connection, does_something=False))


def _at_deadline(hub: Hub, store: ProposalStore, proposal: ProposalState) -> Chosen | None:
    account = hub.accounts.get(store.seen(proposal_id=proposal.id)[0].channel)
    match account.shortfalls.at_deadline if account else AtDeadline.WAIT:
        case AtDeadline.WAIT:
            return None
        case AtDeadline.FIRST:
            return store.chosen(proposal, None)
        case AtDeadline.CANCEL:
            return store.chosen(proposal, OptionKind.CANCEL.value)


# -- telling -------------------------------------------------------------------------------------------------------


def _tell(hub: Hub, connection: Connection, chosen: Chosen, by: str) -> None:
    """What the channel and the customer must be told: by a message where the platform takes one, else by a person."""
    seen = ProposalStore(connection, hub.clock.now()).seen(proposal_id=chosen.proposal_id)[0]
    account = hub.accounts.get(seen.channel)
    if chosen.kind in SUBSTITUTES:
        _open_task(hub, connection, chosen, "substituted", _substitution_text(hub, connection, chosen, seen))
    elif chosen.kind is OptionKind.CANCEL:
        if account is not None and account.record.capabilities.withdraws_units:
            ProposalStore(connection, hub.clock.now()).tell_cancellation(chosen, seen)
        else:
            _open_task(hub, connection, chosen, "refund", _refund_text(chosen, seen))
    if by in {BY_DEADLINE, BY_POLICY}:
        option = next(one for one in seen.options if one.key == chosen.key)
        text = f"tell the customer of order {seen.order_number}, who was not asked: {option.reason}"
        _open_task(hub, connection, chosen, "tell_customer", text)


def _substitution_text(hub: Hub, connection: Connection, chosen: Chosen, seen: ProposalSeen) -> str:
    [sku] = CatalogueStore(connection, hub.clock.now()).skus_of([chosen.item_id or 0]).values()
    return (
        f"in {seen.channel}, order {seen.order_number}: replace {chosen.units} of {seen.sku} (line {seen.line}) by"
        f" {chosen.units} of {sku}, {said_due(chosen.due, seen.currency)}. Until it says so there, the parcel is told"
        f" as line {seen.line}"
    )


def _refund_text(chosen: Chosen, seen: ProposalSeen) -> str:
    return (
        f"in {seen.channel}, order {seen.order_number}: cancel {chosen.units} of {seen.sku} (line {seen.line}) and"
        f" refund {-chosen.due:.2f} {seen.currency}"
    )


def _open_task(hub: Hub, connection: Connection, chosen: Chosen, kind: str, text: str) -> None:
    subject = f"order_line:{chosen.line_id}:proposal:{chosen.proposal_id}"
    TaskStore(connection, hub.clock.now()).open(kind, subject, text)


def take_refusal(hub: Hub, connection: Connection, number: int, reason: str) -> None:
    """The channel will not take a cancellation: a person does it there."""
    store = ProposalStore(connection, hub.clock.now())
    proposal, [seen] = store.find(number), store.seen(proposal_id=number)
    chosen = store.chosen(proposal, proposal.chosen)
    assert chosen is not None
    _open_task(hub, connection, chosen, "refund", f"{_refund_text(chosen, seen)}. The channel refused it: {reason}")


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
