"""What a window did: filled by its loops, taken by whoever shows it. Counts and sentences, never a document."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

MAX_LATENCIES = 10_000


@dataclass
class Results:
    """Counts by account and kind, latencies in seconds, and what went wrong.

    `warnings` heal by themselves, `problems` need a person: account to the newest sentence.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Results") -> None:
        """Sums up; of the latencies the newest are kept."""
        self.counts.update(other.counts)
        self.latencies = (self.latencies + other.latencies)[-MAX_LATENCIES:]
        self.warnings |= other.warnings
        self.problems |= other.problems

    @property
    def total(self) -> int:
        return self.counts.total()

    def by_kind(self) -> Counter[str]:
        """Counts over all accounts."""
        kinds: Counter[str] = Counter()
        for (_, kind), count in self.counts.items():
            kinds[kind] += count
        return kinds

    def by_account(self) -> dict[str, Counter[str]]:
        """Counts of each account, accounts in the order of their names."""
        accounts: dict[str, Counter[str]] = {}
        for (account, kind), count in sorted(self.counts.items()):
            accounts.setdefault(account, Counter())[kind] += count
        return accounts


class Tally:
    """Results that several loops write at once. Each slice is taken once; the whole stays."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._whole = Results()
        self._slice = Results()

    def count(self, account: str, kind: str, count: int = 1) -> None:
        """Adds to a count; nothing is noted for 0."""
        if count:
            with self._lock:
                self._slice.counts[account, kind] += count

    def took(self, latencies: Sequence[float]) -> None:
        """Notes seconds from received to handled."""
        with self._lock:
            self._slice.latencies.extend(latencies)

    def warn(self, account: str, sentence: str) -> None:
        """Something went wrong that waiting heals."""
        with self._lock:
            self._slice.warnings[account] = sentence

    def needs_person(self, account: str, sentence: str) -> None:
        """Something went wrong that a person must mend."""
        with self._lock:
            self._slice.problems[account] = sentence

    def heal(self, account: str) -> None:
        """The account works again: what was wrong stays as a warning."""
        with self._lock:
            for results in (self._whole, self._slice):
                if account in results.problems:
                    results.warnings[account] = f"worked again later: {results.problems.pop(account)}"

    def take(self) -> Results:
        """What happened since it was last taken."""
        with self._lock:
            taken, self._slice = self._slice, Results()
            self._whole.add(taken)
            return taken

    def whole(self) -> Results:
        """Everything that was taken so far."""
        with self._lock:
            copy = Results()
            copy.add(self._whole)
            return copy


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` (0 to 1) of the values do not exceed; None: there are none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
