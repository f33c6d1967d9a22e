"""Counts that the hub asks people for: of what was not found where it should be, and of what an order lacks."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import timedelta

from nervure.operations.hub import Hub
from nervure.orders.desk import Desk
from nervure.store.cycle_counts import CycleCountStore, Sought
from nervure.store.database import Connection
from schemas.stock import OUR_OWN, Condition

NOT_FOUND = "not found where it should be"
MISSING = "an order lacks it, and by the records nobody has it: look for it"


def search(hub: Hub) -> int:
    """Opens counts of what orders lack at the places that had it last; answers how many.

    Once for each order line, at so many places as the hub's settings say, none of which has counted it for a while.
    """
    said = hub.search
    if said is None:
        return 0
    with hub.database.read() as connection:
        now = hub.clock.now()
        sought = CycleCountStore(connection, now).sought(now - timedelta(days=said.days))
    lines: dict[int, list[Sought]] = defaultdict(list)
    asked: dict[tuple[int, int], int] = {}
    for one in sought:
        # What several lines lack is looked for once.
        if asked.setdefault((one.item_id, one.location_id), one.line_id) == one.line_id:
            lines[one.line_id].append(one)
    return sum(
        hub.database.run(lambda c: _search(hub, c, places, said.places))  # noqa: B023 - runs at once
        for places in lines.values()
    )


def _search(hub: Hub, connection: Connection, sought: Sequence[Sought], most: int) -> int:
    """What one line lacks is to be counted where it was last."""
    items: dict[int, set[int]] = defaultdict(set)
    for one in sorted(sought, key=lambda one: (one.last_moved, -one.location_id), reverse=True):
        items[one.location_id].add(one.item_id)
    desk, line = hub.desk(connection), sought[0].line_id
    made = 0
    for rank, location in enumerate(list(items)[:most], start=1):
        made += ask_for_count(connection, desk, (f"missing-{line}-{rank}", MISSING), location, items[location])
    return made


def ask_for_count(
    connection: Connection, desk: Desk, named: tuple[str, str], location_id: int, items: Collection[int]
) -> bool:
    """Opens a count of items at a location, with its task; where another system counts, the task alone.

    `named`: the name of the count, and why it is asked for. False: there is one of this name.
    """
    name, why = named
    counts = CycleCountStore(connection, desk.now)
    if counts.master_of(location_id) is not None:
        desk.tasks.open("count", f"count:{name}", f"{why}: count it in the system that is the master there")
        return True
    if not counts.open(name, location_id, is_open_to_all=False):
        return False
    document = counts.find(name, locked=True)
    assert document is not None
    kept = counts.kept_at(location_id, items)
    keys = [(item, *one) for item in items for one in kept.get(item, [(OUR_OWN, "")])]
    counts.add_lines(document, {(item, owner, Condition.SELLABLE, lot) for item, owner, lot in keys})
    text = f"{why}: count it and enter what is there with `nervure count enter {name}`"
    desk.tasks.open("count", f"count:{name}", text)
    return True
