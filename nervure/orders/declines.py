"""Who declined a part of an order: whether they are asked again for it, when, and for which goods.

Three things keep a location from an order. What may pass (nobody had time, it was closed, nobody answered) keeps it
away for a while; then it is asked again, but only for what nobody else has, and not for ever. What is about goods (they
were not found, or are damaged) concerns these goods alone, until somebody has counted them there. Else it is final.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.fulfillment import RejectReason, StepKind

MAY_PASS = frozenset({RejectReason.NO_TIME, RejectReason.CLOSED})
ABOUT_GOODS = frozenset({RejectReason.NOT_FOUND, RejectReason.DAMAGED})
DECLINES = frozenset({StepKind.REJECTED, StepKind.TIMED_OUT, StepKind.UNCLAIMED})
"""The steps with which a location gives up a part of an order."""

ASKED_AGAIN = ", asked again"
"""Ends the reason of a location that had declined, and has something that nobody else has."""

ELSEWHERE = "others have the rest"
"""Why it is asked for no more than what nobody else has."""

_SAID = {
    RejectReason.NOT_FOUND: "did not find it",
    RejectReason.DAMAGED: "has it damaged",
    RejectReason.NO_TIME: "had no time",
    RejectReason.CLOSED: "was closed",
}


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Who declined for what may pass is asked again this long `after` it, at most so many `times` for one order.

    A location that did not find goods of an order, and counted them since, has them again as often.
    """

    after: timedelta = timedelta(hours=2)
    times: int = 2


SOON = AskAgain()
"""Without settings of the merchant's."""


@dataclass(frozen=True, slots=True)
class Decline:
    """A location gave up a part of an order. `reason` None: by silence, or its customer did not come.

    `items`: what it was made of, where the goods are the reason; `counted`: those of them that were counted since.
    `by_supplier`: nobody knows that it does not send what it was asked for all the same.
    """

    location_id: int
    kind: StepKind
    reason: RejectReason | None
    at: datetime
    items: frozenset[int] = frozenset()
    counted: frozenset[int] = frozenset()
    by_supplier: bool = False

    @property
    def may_pass(self) -> bool:
        return not self.by_supplier and (self.kind is StepKind.TIMED_OUT or self.reason in MAY_PASS)

    @property
    def said(self) -> str:
        """What happened there, for people."""
        if self.kind is StepKind.UNCLAIMED:
            return "nobody fetched it there"
        if self.kind is StepKind.TIMED_OUT:
            return "did not answer in time" if self.by_supplier else "did not accept in time"
        return "would not do it" if self.reason is None else _SAID.get(self.reason, "would not do it")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a location stands with an order. `out`: why it is not asked; None: it is.

    `again`: it is all the same where nobody else has the units. `barred`: by item, why that is not taken there.
    """

    out: str | None = None
    again: bool = False
    barred: Mapping[int, str] = field(default_factory=dict)


def name_of_count(number: int, event: int) -> str:
    """The count of what was not found for a fulfillment order, by the number of the step that said so."""
    return f"not-found-{number}-{event}"


def standings(declines: Iterable[Decline], rule: AskAgain, now: datetime) -> dict[int, Standing]:
    """Where each location stands that declined a part of an order. The declines are in the order of their times."""
    by_location: dict[int, list[Decline]] = {}
    for one in declines:
        by_location.setdefault(one.location_id, []).append(one)
    return {location: _standing(given, rule, now) for location, given in by_location.items()}


def _standing(declines: Sequence[Decline], rule: AskAgain, now: datetime) -> Standing:
    passing = [one for one in declines if one.may_pass]
    for one in declines:
        if not one.may_pass and one.reason not in ABOUT_GOODS:
            return Standing(out=one.said)
    barred = _barred([one for one in declines if one.reason in ABOUT_GOODS], rule)
    if not passing:
        return Standing(barred=barred)
    last = passing[-1]
    if len(passing) > rule.times:
        often = f", {len(passing)} times" if len(passing) > 1 else ""
        return Standing(out=f"{last.said}{often}", barred=barred)
    until = last.at + rule.after
    if now < until:
        return Standing(out=f"{last.said}, may be asked again from {until:%Y-%m-%d %H:%M} UTC", barred=barred)
    return Standing(out=f"{last.said}, asked again if nobody else has it", again=True, barred=barred)


def _barred(declines: Sequence[Decline], rule: AskAgain) -> dict[int, str]:
    barred: dict[int, str] = {}
    for item in sorted({item for one in declines for item in one.items}):
        given = [one for one in declines if item in one.items]
        if item not in given[-1].counted or len(given) > rule.times:
            barred[item] = given[-1].said
    return barred
