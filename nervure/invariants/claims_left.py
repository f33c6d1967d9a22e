"""Goods that left for an order are in the ledger once: a consumed allocation has its movement, and the other way."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "claims_left"


def check(look: Look) -> Iterator[Violation]:
    """A consumed allocation without the movement of its units, or such a movement without the allocation."""
    for row in look.left_claims():
        yield of_row(RULE, row)
