"""Coverage: everything that a channel could show is in one of four groups, with its reason. Nothing is outside."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.publications import PublicationState

UNBOUND = "unbound"
MISSING = "missing"
NOT_LISTED = "not listed"
HELD_ZERO = "held"
"""Beside the states of publications: a listing without item, a bound one without number, an item without listing, and a
0 that waits for a person."""


class Group(StrEnum):
    """Where a number stands, for people."""

    IN_FLIGHT = "in flight"
    CONFIRMED = "confirmed"
    ERROR = "error"
    EXCLUDED = "excluded"


GROUPS = {
    PublicationState.PENDING.value: Group.IN_FLIGHT,
    PublicationState.SENT.value: Group.IN_FLIGHT,
    PublicationState.UNKNOWN.value: Group.IN_FLIGHT,
    PublicationState.CONFIRMED.value: Group.CONFIRMED,
    PublicationState.FAILED.value: Group.ERROR,
    PublicationState.EXCLUDED.value: Group.EXCLUDED,
    UNBOUND: Group.EXCLUDED,
    NOT_LISTED: Group.EXCLUDED,
    MISSING: Group.ERROR,
    HELD_ZERO: Group.ERROR,
}
"""The group of each state. A state that is not here does not exist: the database refuses it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """So many numbers of a channel are in this group for this reason; empty: confirmed numbers need none."""

    group: Group
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """One channel's numbers, by reason: groups in their order, the most frequent reason first."""

    channel: str
    reasons: tuple[Reason, ...]

    def count(self, group: Group) -> int:
        return sum(reason.count for reason in self.reasons if reason.group is group)

    @property
    def total(self) -> int:
        return sum(reason.count for reason in self.reasons)
