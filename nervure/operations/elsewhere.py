"""What a location lost by its silence: others serve all of it, or it stays where it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nervure.operations.hub import Hub
from nervure.orders.desk import Desk
from nervure.store.database import Connection


class NowhereElseError(Exception):
    """Nobody else has the units."""


@contextmanager
def as_a_whole(desk: Desk, order_id: int) -> Iterator[None]:
    """What is given up inside must be served by others as a whole.

    Raises:
        NowhereElseError: more of the order is short afterwards.
    """
    before = sum(line.units_short for line in desk.orders.lines(order_id))
    yield
    if sum(line.units_short for line in desk.orders.lines(order_id)) > before:
        raise NowhereElseError


def move_or_wait(hub: Hub, move: Callable[[Connection], bool], wait: Callable[[Connection], None]) -> bool:
    """Moves in one transaction; where that is a NowhereElseError nothing of it is done, and `wait` is. Was it moved?"""
    try:
        return hub.database.run(move)
    except NowhereElseError:
        hub.database.run(wait)
        return False
