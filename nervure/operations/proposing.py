"""What is offered in the place of what an order lacks, and held for it until somebody answers."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from nervure.inventory.stock import Take
from nervure.operations.choosing import carry_out_choice
from nervure.operations.hub import Hub
from nervure.operations.options import find_options
from nervure.operations.telling import BY_POLICY
from nervure.orders.options import Option, ShortfallPolicy, decide
from nervure.orders.reservations import Cart, LackingError, serve_in_turn, sum_asks
from nervure.store.database import Connection
from nervure.store.proposals import ProposalState, ProposalStore
from nervure.store.reservations import NewReservation, ReservationStore
from nervure.store.shortfalls import Short, ShortfallStore

LOOK_AGAIN = timedelta(minutes=15)
"""How long after nothing could be offered for a line it is looked again."""

HELD_ON = timedelta(minutes=10)
"""So much longer than a customer may answer the units are held, so that the deadline finds them there."""


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
        carry_out_choice(hub, connection, opened, chosen, by=BY_POLICY)
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
