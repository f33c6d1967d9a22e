"""Every movement, claim and count is what was written: its digest fits its columns and the stock key of its level."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "rows_unaltered"


def check(look: Look) -> Iterator[Violation]:
    """A column that was altered in the database shows here; the delta is the units that the row speaks of."""
    for row in look.altered():
        yield of_row(RULE, row, f"was altered after it was written ({row.found}, by its columns {row.must})")
