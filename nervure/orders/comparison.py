"""The rules of source selection beside each other, on the same orders and the same stock, and beside hindsight."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from nervure.orders.costs import EURO, euros
from nervure.orders.hindsight import look_back
from nervure.orders.replays import Period, Pricing, Tally, replay, tally
from schemas.routing import RoutingMethod

CENT = EURO // 100
RESAMPLES = 10_000
CONFIDENCE = 0.95


class Rule(StrEnum):
    """By what the locations of an order are chosen: in the merchant's order, the nearest first, by what the order
    itself costs, by that and what its units are worth to later orders, or by somebody who knew all orders.
    """

    PRIORITY = "priority"
    DISTANCE = "distance"
    MYOPIC = "cost"
    SCARCITY = "cost and scarcity"
    HINDSIGHT = "hindsight"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a period came to by each rule. `bound`: in hindsight nothing costs less, in micros.

    Hindsight serves what MYOPIC served; it is as good as what was found, which may be above the bound.
    """

    tallies: Mapping[Rule, Tally]
    bound: int

    @property
    def gap(self) -> int:
        """What the rule of cost pays more than the bound, in micros."""
        return self.tallies[Rule.MYOPIC].cost - self.bound

    @property
    def saved(self) -> int:
        """What scarcity saves of it; negative where it costs more."""
        return self.tallies[Rule.MYOPIC].cost - self.tallies[Rule.SCARCITY].cost

    @property
    def gap_to_found(self) -> int:
        """What the rule of cost pays more than the best plans found."""
        return self.tallies[Rule.MYOPIC].cost - self.tallies[Rule.HINDSIGHT].cost

    @property
    def is_alike(self) -> bool:
        """Whether the same units were served: else costs are those of different goods."""
        return self.tallies[Rule.MYOPIC].missing == self.tallies[Rule.SCARCITY].missing

    def regret(self, rule: Rule) -> dict[str, int]:
        """What a rule paid more than hindsight, by reason, in micros; negative where it paid less."""
        mine, best = self.tallies[rule].charges, self.tallies[Rule.HINDSIGHT].charges
        return {reason: mine.get(reason, 0) - best.get(reason, 0) for reason in best}


def compare(period: Period, pricing: Pricing, *, seconds: float) -> Comparison:
    """Plays a period by every rule; so long is looked for hindsight's plans."""
    played = {
        Rule.PRIORITY: replay(period, replace(period.costs, method=RoutingMethod.PRIORITY)),
        Rule.DISTANCE: replay(period, replace(period.costs, method=RoutingMethod.DISTANCE)),
        Rule.MYOPIC: replay(period, period.costs),
        Rule.SCARCITY: replay(period, period.costs, pricing),
    }
    picked = {rule: [plan.picks for plan in plans] for rule, plans in played.items()}
    tallies = {rule: tally(period, picks) for rule, picks in picked.items()}
    looked = look_back(period, picked[Rule.MYOPIC], seconds=seconds)
    known = [
        tallies[rule] for rule in Rule if rule in tallies and tallies[rule].missing == tallies[Rule.MYOPIC].missing
    ]
    if looked.picked is not None:
        known.append(tally(period, looked.picked))
    tallies[Rule.HINDSIGHT] = min(known, key=lambda one: one.cost)
    return Comparison(tallies, min(looked.bound, tallies[Rule.HINDSIGHT].cost))


def share_closed(pairs: Sequence[tuple[int, int]]) -> float | None:
    """Of gaps, as (saved, gap), the share that was closed of all together; None: there was no gap."""
    gaps = sum(gap for _, gap in pairs)
    return sum(saved for saved, _ in pairs) / gaps if gaps > 0 else None


def interval(pairs: Sequence[tuple[int, int]]) -> tuple[float, float] | None:
    """Between which shares the true one lies, with 95 % confidence: percentiles of pairs drawn again and again."""
    if len(pairs) <= 1:
        return None
    chance = random.Random(0)  # noqa: S311 -- the same figures each time
    drawn = (share_closed(chance.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    shares = sorted(share for share in drawn if share is not None)
    if not shares:
        return None
    tail = int(len(shares) * (1 - CONFIDENCE) / 2)
    return shares[tail], shares[-1 - tail]


COLUMNS = ("rule", "euros", "parcels", "splits", "days late", "km a parcel", "missing", "regret", "of that")


def table(found: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """For people, the mean of several comparisons, a row for each rule; the last row is the bound."""
    rows = []
    for rule in Rule:
        tallies = [one.tallies[rule] for one in found]
        parcels = sum(one.parcels for one in tallies)
        regrets = [one.regret(rule) for one in found]
        by_reason = {reason: _mean([one[reason] for one in regrets]) for reason in regrets[0]}
        rows.append(
            (
                rule.value,
                euros(_mean([one.cost for one in tallies])),
                f"{parcels / len(found):g}",
                f"{sum(one.splits for one in tallies) / len(found):g}",
                f"{sum(one.late_days for one in tallies) / len(found):g}",
                f"{sum(one.km for one in tallies) / parcels:.0f}" if parcels else "",
                f"{sum(one.missing for one in tallies) / len(found):g}",
                euros(sum(by_reason.values())),
                ", ".join(f"{reason} {euros(amount)}" for reason, amount in by_reason.items() if abs(amount) >= CENT),
            )
        )
    return [*rows, ("bound", euros(_mean([one.bound for one in found])), *[""] * 7)]


def verdict(found: Sequence[Comparison]) -> str:
    """How much of the gap scarcity closes, in a sentence."""
    if not all(one.is_alike for one in found):
        return "with scarcity other units went missing than without: the costs are those of different goods"
    pairs = [(one.saved, one.gap) for one in found]
    closed = share_closed(pairs)
    if closed is None or sum(gap for _, gap in pairs) < CENT * len(pairs):
        return "nobody could have served these orders for less, whatever they had known"
    between = interval(pairs)
    sure = f" (95 %: {100 * between[0]:.0f} to {100 * between[1]:.0f})" if between else ""
    to_found = share_closed([(one.saved, one.gap_to_found) for one in found])
    best = "" if to_found is None else f", {100 * to_found:.0f} % of that to the best plans found"
    return f"scarcity closes {100 * closed:.0f} %{sure} of the gap between cost and the bound of hindsight{best}"


def _mean(amounts: Sequence[int]) -> int:
    return round(sum(amounts) / len(amounts))
