"""What a measurement is: our values, and those of a reference that ran interleaved with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

Say = Callable[[str], None]
Number = float | int | str | None
"""Text only for "infinite", which JSON has no number for."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `value` is the median of `values`; `ratio` is the median of ours / reference, taken repetition by repetition.
    """

    benchmark: str
    case: str
    database: str
    unit: str
    value: Number
    values: Sequence[float] = ()
    reference: str | None = None
    reference_value: float | None = None
    ratio: float | None = None
    details: Mapping[str, Number] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def interleave(sides: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, list[float]]:
    """Runs every side once in each repetition, every other repetition in the opposite order."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for repetition in range(repetitions):
        names = list(sides)[:: 1 if repetition % 2 == 0 else -1]
        for name in names:
            found[name].append(sides[name]())
    return found


def beside(shown: Figure, measured: Mapping[str, Sequence[float]]) -> list[Figure]:
    """One line for each reference: the first side measured is ours, the others are references."""
    (_, ours), *references = measured.items()
    return [
        Figure(
            shown.benchmark,
            shown.case,
            shown.database,
            shown.unit,
            rounded(median(ours)),
            [rounded(one) for one in ours],
            name,
            rounded(median(theirs)),
            rounded(median(a / b for a, b in zip(ours, theirs, strict=True))),
            shown.details,
        )
        for name, theirs in references
    ]


def rounded(value: float) -> float:
    """Four digits that mean something."""
    return float(f"{value:.4g}")
