"""What orders lack: what could become of it as it stands now, and what was offered for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from nervure.operations.hub import Hub
from nervure.operations.options import find_options
from nervure.operations.refusals import UnknownError
from nervure.orders.options import Option
from nervure.store.proposals import ProposalSeen, ProposalStore
from nervure.store.shortfalls import Short, ShortfallStore


class UnknownProposalError(UnknownError):
    """No such proposal, option, or order with something to choose."""


@dataclass(frozen=True, slots=True)
class ShortLine:
    """A line with units that cannot be served, what could become of them now, and what was offered for them."""

    short: Short
    options: tuple[Option, ...]
    proposal: ProposalSeen | None


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
