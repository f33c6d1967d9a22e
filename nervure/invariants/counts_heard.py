"""A difference that was booked for a count has its count; what a count document booked was heard."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "counts_heard"


def check(look: Look) -> Iterator[Violation]:
    """A movement of a count, or a booked line of a count document, without the count."""
    for row in look.lost_words():
        yield of_row(RULE, row)
