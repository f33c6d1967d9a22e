"""A kit is made of parts."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "recipes_whole"


def check(look: Look) -> Iterator[Violation]:
    """A kit without parts would be promised without end."""
    for row in look.recipes():
        yield of_row(RULE, row)
