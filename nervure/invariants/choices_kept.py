"""What somebody chose for units that could not be served is what was done, and nothing is held for it any more."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "choices_kept"


def check(look: Look) -> Iterator[Violation]:
    """Units given up without a choice, a substitute for nothing, or a hold that outlives its proposal."""
    for row in look.choices():
        yield of_row(RULE, row)
