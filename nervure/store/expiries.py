"""When the units of a lot are promised no longer, at each place: a level carries it, so that no reader has to join."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.lots import expires_at
from nervure.store import tables
from nervure.store.statements import LEVEL, are_among, as_rows, chunks, insert_new
from nervure.store.tables.catalogue import LOCATION

LOT = tables.of(tables.LotRow)

LotPlace = tuple[int, int, str]
"""Item, location and lot."""


def expiries_of(connection: Connection, wanted: Collection[LotPlace]) -> dict[LotPlace, datetime]:
    """When each of these lots expires where it lies; those that never do are left out."""
    found: dict[LotPlace, datetime] = {}
    if not wanted:
        return found
    zones = {row.id: row.time_zone for row in connection.execute(sa.select(LOCATION.c.id, LOCATION.c.time_zone))}
    for batch in chunks(sorted({(item, lot) for item, _, lot in wanted}), 1_000):
        # Shared until the end: a day that is corrected meanwhile would leave a new level with the old one.
        query = (
            sa.select(LOT.c.item_id, LOT.c.name, LOT.c.expires_on)
            .where(are_among((LOT.c.item_id, LOT.c.name), connection.dialect.name), LOT.c.expires_on.is_not(None))
            .order_by(LOT.c.id)
            .with_for_update(read=True)
        )
        ends = {(row.item_id, row.name): row.expires_on for row in connection.execute(query, as_rows(batch))}
        found |= {
            (item, location, lot): expires_at(ends[item, lot], zones[location])
            for item, location, lot in wanted
            if (item, lot) in ends
        }
    return found


def make_levels(connection: Connection, keys: Collection[tuple[int, int, str, str, str]]) -> None:
    """Makes empty levels of (item, location, owner, condition, lot) where there are none, with their lots' days."""
    columns = ("item_id", "location_id", "owner", "condition", "lot")
    expiries = expiries_of(connection, {(key[0], key[1], key[4]) for key in keys if key[4]})
    empty = {"on_hand": 0, "reserved": 0, "allocated": 0, "sequence": 0}
    rows = [
        {**dict(zip(columns, key, strict=True)), **empty, "expires_at": expiries.get((key[0], key[1], key[4]))}
        for key in sorted(keys)
    ]
    insert_new(connection, LEVEL, rows)


def is_promised(now: datetime) -> sa.ColumnElement[bool]:
    """Whether a level counts towards what may be promised: its lot is good, or it owes more than it has."""
    good = sa.or_(LEVEL.c.expires_at.is_(None), LEVEL.c.expires_at > sa.literal(now, LEVEL.c.expires_at.type))
    return sa.or_(good, LEVEL.c.on_hand < LEVEL.c.reserved + LEVEL.c.allocated)
