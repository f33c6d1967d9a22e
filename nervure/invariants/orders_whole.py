"""An order has its lines, each of a listing of its channel, and a shortfall that somebody was told of is there."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "orders_whole"


def check(look: Look) -> Iterator[Violation]:
    """An order without lines, a line of another channel, or a task of a shortfall that is gone."""
    for row in look.orders():
        yield of_row(RULE, row)
