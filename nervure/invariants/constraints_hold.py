"""What the database's own constraints say holds of every row, also where somebody switched them off for a while."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "constraints_hold"


def check(look: Look) -> Iterator[Violation]:
    """A row that points to nothing, is there twice, or breaks a check."""
    for row in look.broken_rules():
        yield of_row(RULE, row)
