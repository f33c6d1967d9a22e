"""Runs benchmarks one after the other, on both kinds of database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench import (
    availability,
    batches,
    claims,
    evaluation,
    growth,
    ledger,
    machine,
    promises,
    publishing,
    routing,
    sales,
    webhooks,
    world,
)
from bench.databases import Kind, kinds
from bench.figures import Figure, Say
from bench.sizes import Sizes

Measure = Callable[[Kind, Sizes, Say], Iterator[Figure]]

BENCHMARKS: Mapping[str, Measure] = {
    "claims": claims.measure,
    "ledger": ledger.measure,
    "availability": availability.measure,
    "growth": growth.measure,
    "webhooks": webhooks.measure,
    "publishing": publishing.measure,
    "routing": routing.measure,
    "promises": promises.measure,
    "batches": batches.measure,
    "evaluate": evaluation.measure,
    "sales": sales.measure,
    "world": world.measure,
}


@dataclass(frozen=True, slots=True)
class Run:
    """Figures, and the machine's state around them."""

    state: Mapping[str, Any]
    figures: Sequence[Figure]

    def as_json(self) -> dict[str, Any]:
        return {**self.state, "figures": [figure.as_json() for figure in self.figures]}


def run(names: Sequence[str], sizes: Sizes, *, say: Say, postgresql_url: str | None = None) -> Run:
    """Measures; a benchmark that cannot end ends the run."""
    figures: list[Figure] = []
    with kinds(postgresql_url) as both:
        state = machine.describe(both)
        loads: dict[str, Any] = {"start": machine.load()}
        for name in names:
            for kind in both:
                figures.extend(BENCHMARKS[name](kind, sizes, say))
            loads[f"after {name}"] = machine.load()
    return Run({**state, "load": loads}, figures)
