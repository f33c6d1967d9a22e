"""Which policies hold for an item on a channel, and how far one may sell beyond what is there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from nervure.inventory.availability import Terms
from schemas.policies import PolicyKind


@dataclass(frozen=True, slots=True)
class Policy:
    """One decision. Without a channel it holds on all of them, without an item for everything on its channel.

    `units` are percent for a share. `promised_on`: the last day on which units sold beyond are promised, and sold.
    `because`: why it is so, for people, where the hub computed it itself.
    """

    kind: PolicyKind
    units: int
    channel_id: int | None = None
    item_id: int | None = None
    promised_on: date | None = None
    because: str = ""

    @property
    def exactness(self) -> tuple[bool, bool]:
        """Of two policies the more exact one holds: for this item on this channel, this channel, this item."""
        return self.channel_id is not None, self.item_id is not None


SoldBeyond = Mapping[int, int]
"""Open units of one item that were sold beyond what is there, by channel."""


def in_force(policies: Iterable[Policy], kind: PolicyKind) -> Policy | None:
    """The most exact of the policies that concern one item on one channel."""
    return max((one for one in policies if one.kind is kind), key=lambda one: one.exactness, default=None)


def buffer_of(policies: Iterable[Policy]) -> Policy | None:
    """What keeps units back from one item on one channel, for sales that were not heard yet.

    A buffer that a person set for this very item stands, whatever was earned. One for the whole channel is the least
    that is kept back: what was earned beyond it holds.
    """
    known = list(policies)
    by_hand, earned = in_force(known, PolicyKind.BUFFER), in_force(known, PolicyKind.EARNED)
    if by_hand is None or earned is None or by_hand.item_id is not None:
        return by_hand or earned
    return earned if earned.units > by_hand.units else by_hand


def beyond(policies: Iterable[Policy], *, is_received: bool, today: date) -> Policy | None:
    """What allows sales beyond: a preorder until the item has come in for the first time, else a backorder.

    Neither holds after its day: a promise for yesterday is not made.
    """
    known = list(policies)
    before_arrival = None if is_received else in_force(known, PolicyKind.PREORDER)
    found = before_arrival or in_force(known, PolicyKind.BACKORDER)
    return None if found is None or found.promised_on is None or found.promised_on < today else found


def used_of(policy: Policy, sold: SoldBeyond) -> int:
    """Open units that count against a limit: every channel's against an item's, its own against a channel's."""
    return sum(sold.values()) if policy.channel_id is None else sold.get(policy.channel_id, 0)


def left_of(policy: Policy, sold: SoldBeyond) -> int:
    """Units that may still be sold beyond. At least 0: a limit may be lowered below what was sold."""
    return max(policy.units - used_of(policy, sold), 0)


def terms_of(
    policies: Iterable[Policy], *, buffer_units: int, sold: SoldBeyond, is_received: bool, today: date
) -> Terms:
    """What holds for one item on one channel, of the policies that concern it.

    `buffer_units`: what the settings keep back from every number of the channel.
    """
    known = list(policies)
    share = in_force(known, PolicyKind.SHARE)
    buffer = buffer_of([*known, Policy(PolicyKind.BUFFER, buffer_units)])
    cap = in_force(known, PolicyKind.CAP)
    allowed = beyond(known, is_received=is_received, today=today)
    return Terms(
        share_percent=share.units if share else 100,
        buffer_units=buffer.units if buffer else 0,
        cap_units=cap.units if cap else None,
        beyond_units=left_of(allowed, sold) if allowed else 0,
    )


def concerns(policy: Policy, channel_id: int, item_id: int) -> bool:
    """Whether a policy speaks of this item on this channel."""
    return policy.channel_id in (None, channel_id) and policy.item_id in (None, item_id)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Units that may still be sold beyond, and until when they are promised."""

    units: int
    promised_on: date


def backordered(short: int, was_short: int, was_backordered: int, allowance: Allowance | None) -> int:
    """How many of a line's missing units are a backorder.

    What was promised stays promised as far as it is still missing; of what is newly missing as much as is allowed.
    """
    fresh = max(short - was_short, 0)
    return min(short, was_backordered + min(fresh, allowance.units if allowance else 0))
