"""Proposals whose time is over, or whose units came: they end as the settings say."""

from nervure.operations.choosing import carry_out_choice, end_unanswered, is_needed
from nervure.operations.hub import Hub
from nervure.operations.telling import BY_DEADLINE
from nervure.orders.substituting import Chosen, OptionGoneError
from nervure.store.database import Connection
from nervure.store.proposals import ProposalState, ProposalStore
from schemas.substitution import AtDeadline, OptionKind


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
        if not is_needed(connection, now, proposal):
            return "withdrawn" if end_unanswered(hub, connection, number, "withdrawn") else ""
        if proposal.expires_at > now:
            return ""
        chosen = _at_deadline(hub, store, proposal) if does_something else None
        if chosen is None:
            return "expired" if end_unanswered(hub, connection, number, "expired") else ""
        carry_out_choice(hub, connection, proposal, chosen, by=BY_DEADLINE)
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
