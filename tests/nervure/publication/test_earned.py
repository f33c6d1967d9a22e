"""How many units a channel keeps back for what others sell before it is told."""

import random
from itertools import product
from math import exp, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervure.publication.earned import (
    Delays,
    Earning,
    Stakes,
    chance_beyond,
    chances,
    grounds,
    likely,
    sentence,
    settled,
    smallest_buffer,
    spread,
    told_after,
)

MINUTE = Delays((60.0,))
MOST = 12

streams = st.dictionaries(st.integers(1, 4), st.floats(0, 0.05), max_size=3)
delays = st.lists(st.floats(0, 600), min_size=1, max_size=5).map(lambda points: Delays(tuple(sorted(points))))
stakes = st.builds(Stakes, st.integers(1, 10**9), st.integers(0, 10**9))


def poisson(mean: float, units: int) -> float:
    return exp(-mean) * mean**units / factorial(units)


def test_orders_of_one_unit_follow_poisson() -> None:
    found = chances({1: 2 / 3_600}, 15 * 60, 4)
    assert found == pytest.approx([poisson(0.5, units) for units in range(5)], abs=1e-15)
    assert 1 - found[0] == pytest.approx(1 - exp(-2 * 0.25))


def test_orders_of_several_units_are_counted_by_every_way_to_come_to_their_sum() -> None:
    ones, threes = 0.9, 0.4
    by_hand = [
        sum(poisson(ones, a) * poisson(threes, b) for a, b in product(range(12), repeat=2) if a + 3 * b == units)
        for units in range(12)
    ]
    assert chances({1: ones / 60, 3: threes / 60}, 60, 11) == pytest.approx(by_hand, abs=1e-15)


def test_the_chance_is_that_of_a_simulation() -> None:
    chance = random.Random(7)
    stream, told = {1: 1 / 90, 2: 1 / 200}, Delays((20.0, 60.0, 110.0, 300.0))
    played = 40_000
    beyond = [0, 0, 0, 0]
    for _ in range(played):
        window, units = chance.choice(told.points), 0
        for size, rate in stream.items():
            moment = chance.expovariate(rate)
            while moment < window:
                units += size
                moment += chance.expovariate(rate)
        for kept in range(4):
            beyond[kept] += units > kept
    assert [round(chance_beyond(kept, stream, told), 2) for kept in range(4)] == [0.68, 0.52, 0.38, 0.28]
    for kept in range(4):
        assert beyond[kept] / played == pytest.approx(chance_beyond(kept, stream, told), abs=0.008)


@given(stream=streams, told=delays, one=stakes)
def test_the_buffer_is_the_smallest_that_the_newsvendor_accepts(
    stream: dict[int, float], told: Delays, one: Stakes
) -> None:
    by_hand = next((b for b in range(MOST) if chance_beyond(b, stream, told) <= one.risk), MOST)
    assert smallest_buffer(stream, told, one.risk, MOST) == by_hand


@given(stream=streams, told=delays, one=stakes, times=st.floats(1, 20))
def test_more_sales_longer_delays_and_dearer_cancellations_never_lower_it(
    stream: dict[int, float], told: Delays, one: Stakes, times: float
) -> None:
    buffer = smallest_buffer(stream, told, one.risk, MOST)
    faster = {size: rate * times for size, rate in stream.items()}
    slower = Delays(tuple(seconds * times for seconds in told.points))
    dearer = Stakes(round(one.cancellation * times) + 1, one.margin)
    assert smallest_buffer(faster, told, one.risk, MOST) >= buffer
    assert smallest_buffer(stream, slower, one.risk, MOST) >= buffer
    assert smallest_buffer(stream, told, dearer.risk, MOST) >= buffer
    assert smallest_buffer(stream, told, Stakes(one.cancellation, one.margin * 2 + 1).risk, MOST) <= buffer


@given(stream=streams, told=delays, one=stakes)
def test_nothing_is_kept_back_where_nothing_sells_or_no_time_passes(
    stream: dict[int, float], told: Delays, one: Stakes
) -> None:
    assert smallest_buffer({}, told, one.risk, MOST) == 0
    assert smallest_buffer(stream, Delays((0.0,) * 20), one.risk, MOST) == 0
    assert smallest_buffer(dict.fromkeys(stream, 0.0), told, one.risk, MOST) == 0


def test_it_is_never_more_than_the_most() -> None:
    assert smallest_buffer({1: 50.0}, MINUTE, 0.01, 10) == 10
    assert smallest_buffer({1: 1.0}, Delays((3_600.0,)), 0.0, 3) == 3, "chances too small for a float are 0"


@given(stream=streams, told=delays, one=stakes, kept=st.integers(0, MOST))
def test_it_settles_between_what_is_needed_and_what_a_faster_pace_would_need(
    stream: dict[int, float], told: Delays, one: Stakes, kept: int
) -> None:
    needed = smallest_buffer(stream, told, one.risk, MOST)
    faster = smallest_buffer({size: rate * 1.25 for size, rate in stream.items()}, told, one.risk, MOST)
    found = settled(kept, stream, told, one.risk, MOST)
    assert found == min(max(kept, needed), faster)
    assert settled(found, stream, told, one.risk, MOST) == found, "the same facts move it once"


def test_a_pace_around_a_threshold_moves_it_once() -> None:
    risk = Stakes(9, 1).risk
    paces = (n / 1_000_000 for n in range(1, 100_000))
    threshold = next(pace for pace in paces if smallest_buffer({1: pace}, MINUTE, risk, MOST) == 1)
    kept, seen = 0, []
    for around in (0.98, 1.0, 0.98, 1.02, 0.97, 1.0, 0.9):
        kept = settled(kept, {1: threshold * around}, MINUTE, risk, MOST)
        seen.append(kept)
    assert seen == [0, 1, 1, 1, 1, 1, 1]
    assert settled(kept, {1: threshold * 0.75}, MINUTE, risk, MOST) == 0


def test_a_distribution_is_twenty_likely_points_and_two_of_them_add_up() -> None:
    assert spread([5.0]) == (5.0,) * 20
    assert spread([float(n) for n in range(40, 0, -1)]) == tuple(float(2 * n) for n in range(1, 21))
    told = told_after([1.0], [10.0] * 18 + [100.0] * 2)
    assert (told.p50, told.p95, told.points[17:]) == (11.0, 101.0, (11.0, 101.0, 101.0))


def test_a_margin_is_euros_or_a_part_of_the_price() -> None:
    assert Earning(12_000_000, margin=4_000_000).stakes(None) == Stakes(12_000_000, 4_000_000)
    assert Stakes(12_000_000, 4_000_000).risk == 0.25
    share = Earning(12_000_000, margin_percent=30)
    assert share.stakes(19_900_000) == Stakes(12_000_000, 5_970_000)
    assert share.stakes(None) is None


def test_why_it_is_so_is_said_in_one_sentence() -> None:
    why = grounds(1, {1: 20 / 86_400}, told_after([2.0], [40.0, 80.0]), Stakes(12_000_000, 500_000))
    assert why["units"] == 1
    assert sentence(why) == (
        "20.0 a day sell elsewhere, told after 42 s (p95 82 s): 0.0% beyond it, 1.4% without; 0.50 € a sale and"
        " 12.00 € a cancellation allow 4.0%"
    )


@given(st.lists(st.floats(0, 1), max_size=9))
def test_the_likely_numbers_hold_what_every_outcome_adds_up_to(events: list[float]) -> None:
    counts = [0.0] * (len(events) + 1)
    for outcome in product((0, 1), repeat=len(events)):
        chance = 1.0
        for happens, one in zip(outcome, events, strict=True):
            chance *= one if happens else 1 - one
        counts[sum(outcome)] += chance
    low, high = likely(events)
    assert sum(counts[low : high + 1]) >= 0.95 - 1e-9
    assert sum(counts[:low]) <= 0.025 + 1e-9
    assert sum(counts[high + 1 :]) <= 0.025 + 1e-9


def test_thousands_of_unlikely_events_are_counted_in_a_moment() -> None:
    assert likely([0.001] * 20_000) == (12, 29)
