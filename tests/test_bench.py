"""Each benchmark runs on both databases with as little as shows that it works; no time is asserted."""

import json
from pathlib import Path

import pytest

from bench import report
from bench.databases import kinds
from bench.figures import Figure, interleave
from bench.run import BENCHMARKS, Run
from bench.sizes import TINY

REFERENCES = {
    "claims": {"one raw UPDATE", "the same rows, raw"},
    "ledger": {"raw COPY", "raw executemany"},
    "availability": {"one indexed SELECT", "one statement by hand"},
    "growth": {"1,000 skus", None},
    "webhooks": {"a bare handler"},
    "publishing": {"the cost bucket"},
    "promises": {"the plans alone"},
}
LINES = {"claims": 12, "ledger": 1, "availability": 2, "growth": 9, "webhooks": 6, "publishing": 3, "promises": 6}
"""What each benchmark measures on one database. The worlds behind `sales` and `world` have tests of their own."""


@pytest.mark.postgresql
@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_a_benchmark_measures_beside_its_reference(name: str, postgresql_url: str) -> None:
    told: list[str] = []
    with kinds(postgresql_url) as both:
        figures = [figure for kind in both for figure in BENCHMARKS[name](kind, TINY, told.append)]
    assert [figure.database for figure in figures] == ["SQLite"] * LINES[name] + ["PostgreSQL"] * LINES[name]
    assert {figure.reference for figure in figures} == REFERENCES[name]
    assert all(isinstance(figure.value, float) and figure.value > 0 for figure in figures)
    assert all(figure.reference_value and figure.ratio for figure in figures if figure.reference)


def test_every_benchmark_is_tried_here_but_the_demo_and_the_seeded_days() -> None:
    assert set(BENCHMARKS) - set(REFERENCES) == {"batches", "evaluate", "routing", "sales", "world"}


def test_routing_is_measured_once_and_beside_the_order_of_distance() -> None:
    with kinds(None) as both:
        figures = [figure for kind in both for figure in BENCHMARKS["routing"](kind, TINY, lambda _: None)]
    assert [figure.case for figure in figures] == ["1 line x 2 locations", "2 lines x 3 locations"]
    assert {figure.reference for figure in figures} == {"the order of distance"}
    assert [figure.details["proved_percent"] for figure in figures] == [100.0, 100.0]


def test_many_orders_at_once_are_planned_beside_one_plain_program() -> None:
    with kinds(None) as both:
        [figure] = [figure for kind in both for figure in BENCHMARKS["batches"](kind, TINY, lambda _: None)]
    assert figure.reference == "plain HiGHS, 0.5% or 10 s"
    assert figure.details["gap_percent"] == 0
    assert figure.details["total_euros"] == figure.details["plain_total_euros"]


def test_sides_take_turns_at_being_first() -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    assert interleave({"a": lambda: side("a"), "b": lambda: side("b")}, 3) == {"a": [1, 4, 5], "b": [2, 3, 6]}
    assert calls == ["a", "b", "b", "a", "a", "b"]


def test_results_keep_the_newest_runs_without_a_word_about_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    for number in range(report.KEPT_RUNS + 2):
        figure = Figure("claims", "one", "SQLite", "claims/s", float(number))
        report.append(file, Run({"date": str(number), "load": {"start": [0.0]}}, [figure]))
    runs = json.loads(file.read_text("utf-8"))["runs"]
    assert [run["date"] for run in runs] == [str(number) for number in range(2, report.KEPT_RUNS + 2)]
    assert runs[-1]["figures"][0]["value"] == report.KEPT_RUNS + 1
