"""Each stock level was made by a movement or a count."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "levels_booked"


def check(look: Look) -> Iterator[Violation]:
    """A level that nothing ever happened on has another stock key than it was made with."""
    for row in look.unbooked_levels():
        yield of_row(RULE, row)
