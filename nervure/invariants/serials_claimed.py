"""A single unit is where the line that has it is: on its shelf until it leaves, and then gone."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "serials_claimed"


def check(look: Look) -> Iterator[Violation]:
    """A serial number that is elsewhere than its claim says, or left with an order that does not have it."""
    for row in look.serials():
        yield of_row(RULE, row)
