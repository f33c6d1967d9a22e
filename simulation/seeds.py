"""Many days, one seed each, and what became of them: a table by kind of fault, and the seeds that failed."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from simulation.day import Day, Outcome, Size
from simulation.faults import ALL, Fault
from simulation.template import Copies, Template, make_template, open_copies

SHORT = Size(goods=20, orders=24, hours=1.0, kit_share=0.4)
"""Small enough that a thousand can be tried, and full enough that last units are fought for."""

HUB_DAY = Size(goods=134, orders=140, hours=24.0)
"""What a merchant's day is at least: 100 orders, 500 listings, five platforms."""

MERCHANTS = 4
SEEDS_A_TURN = 8
"""Worlds before the doors open, made once: seeds take turns at them, eight after eight."""


class Seeds:
    """Runs seeds of one size under some kinds of fault."""

    def __init__(self, copies: Copies, size: Size = SHORT, faults: Collection[Fault] = ALL) -> None:
        self._copies = copies
        self._size = size
        self._faults = faults
        self._templates: dict[int, Template] = {}

    def run(self, seed: int) -> Outcome:
        """Plays one seed's day, the same whenever and after whatever it is played."""
        merchant = seed // SEEDS_A_TURN % MERCHANTS
        if merchant not in self._templates:
            self._templates[merchant] = make_template(self._size.goods, merchant, kit_share=self._size.kit_share)
        template = self._templates[merchant]
        with self._copies.of(template) as database:
            return Day(seed, self._size, template, database, self._faults).run()


@contextmanager
def open_seeds(size: Size = SHORT, faults: Collection[Fault] = ALL) -> Iterator[Seeds]:
    """Room for seeds, in a folder that goes away."""
    with open_copies() as copies:
        yield Seeds(copies, size, faults)


@dataclass
class Tally:
    """Sums over seeds. Two figures are never mixed: what went wrong inside the hub, and what no hub can prevent."""

    seeds: int = 0
    failed: dict[int, list[str]] = field(default_factory=dict)
    orders: int = 0
    violations_in_hub: int = 0
    lines: int = 0
    lines_short: int = 0
    units_short: int = 0
    price_of_broken_promises: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    by_kind: dict[Fault, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in ALL})

    def add(self, outcome: Outcome) -> None:
        verdict = outcome.verdict
        self.seeds += 1
        self.orders += verdict.orders
        self.violations_in_hub += verdict.oversold_in_hub + verdict.rules_broken
        self.lines += outcome.lines
        self.lines_short += verdict.oversold_across_channels
        self.units_short += outcome.units_short
        self.price_of_broken_promises += outcome.price_of_broken_promises
        self.counts.update(outcome.counts)
        if outcome.problems:
            self.failed[outcome.seed] = outcome.problems
        for kind in outcome.kinds:
            self.by_kind[kind].update(seeds=1, failed=int(bool(outcome.problems)), strikes=outcome.strikes[kind])

    @property
    def oversold_share(self) -> float:
        """Share of the sold lines that ever lacked units: two channels sold the last one before either was told."""
        return self.lines_short / self.lines if self.lines else 0.0

    def rows(self) -> list[tuple[object, ...]]:
        """One row a kind of fault: seeds that had it, how often it struck, seeds that failed."""
        return [
            (kind.value, found["seeds"], found["strikes"], found["failed"])
            for kind, found in self.by_kind.items()
            if found["seeds"]
        ]

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON knows them."""
        own = ("seeds", "orders", "violations_in_hub", "lines", "lines_short", "units_short")
        return {
            **{name: getattr(self, name) for name in own},
            "oversold_share": round(self.oversold_share, 5),
            "price_of_broken_promises": round(self.price_of_broken_promises, 2),
            "deaths": self.counts["deaths"],
            "requests": self.counts["requests"],
            "webhooks": self.counts["webhooks"],
            "failed": {str(seed): problems[:5] for seed, problems in self.failed.items()},
            "faults": {row[0]: dict(zip(("seeds", "strikes", "failed"), row[1:], strict=True)) for row in self.rows()},
        }


def faults_named(text: str) -> Sequence[Fault]:
    """The kinds in "lost,killed"; "all" and "none" are words of their own.

    Raises:
        ValueError: there is no such kind.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = {"all": ALL, "none": ()}
    if len(words) == 1 and words[0] in known:
        return known[words[0]]
    return tuple(Fault(word) for word in words)
