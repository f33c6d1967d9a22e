"""What a channel and a customer must be told of a choice: by a message, else by a person."""

from nervure.operations.hub import Hub
from nervure.orders.options import said_due
from nervure.orders.substituting import Chosen
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.proposals import ProposalSeen, ProposalStore
from nervure.store.tasks import TaskStore
from schemas.substitution import SUBSTITUTES, OptionKind

BY_DEADLINE = "the deadline"
BY_POLICY = "the settings"
"""Who chose where nobody was asked."""


def tell_choice(hub: Hub, connection: Connection, chosen: Chosen, by: str) -> None:
    """Has what was chosen told: by a message where the platform takes one, else by a person."""
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


def take_refusal(hub: Hub, connection: Connection, number: int, reason: str) -> None:
    """The channel will not take a cancellation: a person does it there."""
    store = ProposalStore(connection, hub.clock.now())
    proposal, [seen] = store.find(number), store.seen(proposal_id=number)
    chosen = store.chosen(proposal, proposal.chosen)
    assert chosen is not None
    _open_task(hub, connection, chosen, "refund", f"{_refund_text(chosen, seen)}. The channel refused it: {reason}")


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
