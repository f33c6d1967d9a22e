"""What must always hold in production, one file a rule: run hourly by a flow, and by `nervure check`."""

from collections.abc import Callable, Iterator

from nervure.invariants import (
    choices_kept,
    claims_left,
    claims_within_stock,
    constraints_hold,
    corrections_fit,
    counts_heard,
    every_listing_published,
    goods_accounted,
    holds_claimed,
    levels_booked,
    lines_accounted,
    lines_served,
    orders_whole,
    recipes_whole,
    rows_unaltered,
    serials_claimed,
    units_conserved,
)
from nervure.invariants.violation import Look, Violation

RULES: tuple[Callable[[Look], Iterator[Violation]], ...] = (
    choices_kept.check,
    claims_left.check,
    claims_within_stock.check,
    constraints_hold.check,
    corrections_fit.check,
    counts_heard.check,
    every_listing_published.check,
    goods_accounted.check,
    holds_claimed.check,
    levels_booked.check,
    lines_accounted.check,
    lines_served.check,
    orders_whole.check,
    recipes_whole.check,
    rows_unaltered.check,
    serials_claimed.check,
    units_conserved.check,
)


def each_violation(look: Look) -> Iterator[Violation]:
    """Every violation of every rule, in one consistent look, as it is found."""
    for rule in RULES:
        yield from rule(look)


def check_all(look: Look) -> list[Violation]:
    """Every violation of every rule, in one consistent look."""
    return list(each_violation(look))


__all__ = ["RULES", "Look", "Violation", "check_all", "each_violation"]
