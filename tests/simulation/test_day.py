"""Seeded days hold, whatever goes wrong in them, and each is the same whenever it is played."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from simulation.day import Size
from simulation.faults import ALL, Fault
from simulation.seeds import HUB_DAY, SHORT, Seeds, Tally, faults_named, open_seeds
from tests.planted_world_bugs import HUNT
from tests.reference import ROOT

CHUNKS, SEEDS_A_CHUNK = 6, 2
MAIN = "from nervure.cli import main; main()"
TINY = Size(goods=8, orders=6, hours=0.2, kit_share=0.3)


@pytest.fixture(scope="module")
def seeds() -> Iterator[Seeds]:
    with open_seeds() as opened:
        yield opened


@pytest.mark.requirement(
    "R02",
    "R03",
    "R05",
    "R07",
    "R09",
    "R11",
    "R17",
    "R20",
    "R21",
    "R22",
    "R23",
    "R24",
    "R25",
    "R26",
    "R27",
    "R33",
    "R36",
)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_days_in_which_anything_goes_wrong_end_right(seeds: Seeds, chunk: int) -> None:
    tally = Tally()
    for seed in range(chunk * SEEDS_A_CHUNK, (chunk + 1) * SEEDS_A_CHUNK):
        tally.add(seeds.run(seed))
    assert tally.failed == {}
    assert tally.violations_in_hub == 0
    assert tally.orders > SEEDS_A_CHUNK * SHORT.orders * 0.6


def test_a_day_without_faults_ends_right_and_meets_none(seeds: Seeds) -> None:
    with open_seeds(faults=()) as calm:
        outcome = calm.run(1)
    assert (outcome.problems, list(outcome.kinds), outcome.strikes) == ([], [], {})
    assert outcome.counts["deaths"] == 0
    assert outcome.trace.lines[0].endswith("seed 1: no faults")
    assert outcome.trace.lines[-1].endswith("holds")
    assert outcome.trace.digest() != seeds.run(1).trace.digest()


def test_a_seed_ends_the_same_after_whatever_was_played_before() -> None:
    with open_seeds(TINY) as fresh:
        alone = fresh.run(5).trace.lines
    with open_seeds(TINY) as used:
        used.run(4)
        used.run(1)
        assert used.run(5).trace.lines == alone


def test_a_trace_is_the_same_byte_by_byte_in_another_process() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", MAIN, "sim", "--seed", "11", "--trace"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].count(b"\n") > 500


@pytest.mark.requirement("R03", "R25")
def test_what_came_back_before_a_count_is_counted_once_though_the_shop_is_minutes_fast() -> None:
    with open_seeds(HUNT) as hunt:
        outcome = hunt.run(11)
    assert Fault.CLOCKS in outcome.kinds
    assert outcome.problems == []


@pytest.mark.soak
def test_ten_thousand_days_end_right() -> None:
    tally = Tally()
    with open_seeds() as opened:
        for seed in range(10_000):
            tally.add(opened.run(seed))
    assert tally.failed == {}


@pytest.mark.soak
def test_whole_days_end_right() -> None:
    with open_seeds(HUB_DAY) as opened:
        for seed in range(3):
            outcome = opened.run(seed)
            assert outcome.problems == []
            assert outcome.verdict.orders >= 100
            assert outcome.listings >= 500


def test_kinds_are_named_as_the_command_takes_them() -> None:
    assert faults_named("lost, killed") == (Fault.LOST, Fault.KILLED)
    assert (faults_named("all"), faults_named("none")) == (ALL, ())
    with pytest.raises(ValueError, match="'rain' is not a valid Fault"):
        faults_named("lost,rain")
