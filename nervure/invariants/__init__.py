"""What must always hold in production, one file a rule: run hourly by a flow, and by `nervure check`."""

from collections.abc import Callable, Iterator

from nervure.invariants import (
    claims_within_stock,
    every_listing_published,
    goods_accounted,
    lines_accounted,
    units_conserved,
)
from nervure.invariants.violation import Look, Violation

RULES: tuple[Callable[[Look], Iterator[Violation]], ...] = (
    claims_within_stock.check,
    every_listing_published.check,
    goods_accounted.check,
    lines_accounted.check,
    units_conserved.check,
)


def check_all(look: Look) -> list[Violation]:
    """Every violation of every rule, in one consistent look."""
    return [violation for rule in RULES for violation in rule(look)]


__all__ = ["RULES", "Look", "Violation", "check_all"]
