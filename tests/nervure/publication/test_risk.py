"""Which number is sent and read back first."""

import pytest

from nervure.publication.risk import HIGHEST_RANK, risk_rank


def test_of_items_with_the_same_pace_the_fewest_units_come_first() -> None:
    for pace in (0.0, 1.0, 50.0):
        ranks = [risk_rank(units, pace) for units in range(200)]
        assert ranks == sorted(ranks)
        assert risk_rank(1, pace) < risk_rank(2, pace)


def test_of_the_same_units_the_fastest_seller_comes_first() -> None:
    ranks = [risk_rank(3, pace) for pace in (1_000.0, 100.0, 10.0, 1.0, 0.1)]
    assert ranks == sorted(set(ranks))


@pytest.mark.parametrize(
    ("first", "second"), [((2, 40.0), (0, 0.0)), ((0, 0.0), (20, 40.0))], ids=["fast seller", "last unit"]
)
def test_units_and_pace_are_weighed_against_each_other(first: tuple[int, float], second: tuple[int, float]) -> None:
    assert risk_rank(*first) < risk_rank(*second)


def test_what_sells_faster_than_it_can_be_told_is_the_riskiest_of_all() -> None:
    assert risk_rank(2, 1_000.0) == 0


def test_a_number_that_was_dropped_twice_is_three_times_as_risky() -> None:
    assert risk_rank(5, 0.0, drops=2) == risk_rank(5, 0.0) // 3


def test_a_rank_fits_its_column() -> None:
    assert risk_rank(10**9, 0.0) == HIGHEST_RANK
