"""What takes a movement back names it, on its own level, and takes back no more than it moved.

A correction that a count asked for may be on the level of another owner or lot: the count's own.
"""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "corrections_fit"


def check(look: Look) -> Iterator[Violation]:
    """A correction of a movement that is not there, is of another level, or moved the same way."""
    for row in look.corrections():
        yield of_row(RULE, row)
