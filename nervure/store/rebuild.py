"""Recomputing every balance from the ledger and the held claims, while the hub goes on working."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.stock import ClaimKind, Place
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT, chunks
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import ITEM, LOCATION

NUMBERS = ("on_hand", "sequence", "reserved", "allocated")


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of one stock level that was not what the ledger, or the held claims, make it."""

    level_id: int
    place: Place
    sku: str
    location: str
    owner: str
    condition: str
    lot: str
    number: str
    stored: int
    rebuilt: int


def rebuild(connection: Connection, now: datetime) -> list[Difference]:
    """Puts right every level that differs from its movements and held claims; answers what differed.

    Safe while others write: what differs at one look is looked at again under the locks of its levels.
    """
    suspects = sorted({difference.level_id for difference in find_differences(connection)})
    found: list[Difference] = []
    for batch in chunks(suspects):
        connection.execute(sa.select(LEVEL.c.id).where(LEVEL.c.id.in_(batch)).order_by(LEVEL.c.id).with_for_update())
        found.extend(find_differences(connection, batch))
    for difference in found:
        connection.execute(
            LEVEL.update().where(LEVEL.c.id == difference.level_id).values({difference.number: difference.rebuilt})
        )
    StockStore(connection, now).touch(difference.place for difference in found)
    return found


def find_differences(connection: Connection, level_ids: Collection[int] | None = None) -> list[Difference]:
    """Compares levels (None: all) with the ledger and the held claims in one look, and changes nothing."""
    moved = (
        sa.select(
            MOVEMENT.c.stock_level_id,
            sa.func.sum(MOVEMENT.c.units).label("on_hand"),
            sa.func.max(MOVEMENT.c.sequence).label("sequence"),
        )
        .group_by(MOVEMENT.c.stock_level_id)
        .subquery()
    )
    claimed = (
        sa.select(CLAIM.c.stock_level_id, _held(ClaimKind.RESERVATION), _held(ClaimKind.ALLOCATION))
        .where(CLAIM.c.state == "held")
        .group_by(CLAIM.c.stock_level_id)
        .subquery()
    )
    rebuilt = {
        "on_hand": sa.func.coalesce(moved.c.on_hand, 0),
        "sequence": sa.func.coalesce(moved.c.sequence, 0),
        "reserved": sa.func.coalesce(claimed.c.reservation, 0),
        "allocated": sa.func.coalesce(claimed.c.allocation, 0),
    }
    query = (
        sa.select(LEVEL, ITEM.c.sku, LOCATION.c.code, *(rebuilt[name].label(f"rebuilt_{name}") for name in NUMBERS))
        .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
        .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
        .join(moved, moved.c.stock_level_id == LEVEL.c.id, isouter=True)
        .join(claimed, claimed.c.stock_level_id == LEVEL.c.id, isouter=True)
        .where(sa.or_(*(LEVEL.c[name] != rebuilt[name] for name in NUMBERS)))
        .order_by(LEVEL.c.id)
    )
    if level_ids is not None:
        query = query.where(LEVEL.c.id.in_(sorted(level_ids)))
    return [
        Difference(
            row["id"],
            Place(row["item_id"], row["location_id"]),
            row["sku"],
            row["code"],
            row["owner"],
            row["condition"],
            row["lot"],
            name,
            row[name],
            int(row[f"rebuilt_{name}"]),
        )
        for row in connection.execute(query).mappings()
        for name in NUMBERS
        if row[name] != row[f"rebuilt_{name}"]
    ]


def _held(kind: ClaimKind) -> sa.Label[int]:
    return sa.func.sum(sa.case((CLAIM.c.kind == kind.value, CLAIM.c.units), else_=0)).label(kind.value)
