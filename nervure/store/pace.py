"""How fast items sell, measured from the orders of the last weeks."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import KIT, as_one, chunks, insert_new, is_among
from nervure.store.tables.orders import LINE, ORDER

PACE = tables.of(tables.SalesPaceRow)

LOOK_BACK_DAYS = 14


class PaceStore:
    """Sales pace in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def of(self, item_ids: Collection[int]) -> dict[int, float]:
        """Units a day by item; those that did not sell are left out."""
        found: dict[int, float] = {}
        for batch in chunks(sorted(set(item_ids))):
            query = sa.select(PACE.c.item_id, PACE.c.units_per_day).where(PACE.c.item_id.in_(batch))
            found.update((row.item_id, float(row.units_per_day)) for row in self._connection.execute(query))
        return found

    def measure(self) -> int:
        """Measures every item anew; answers how many sold. Units of a kit count for its parts too.

        Each number takes its rank from it when it is computed next, and each sale makes it be computed.
        """
        sold: defaultdict[int, int] = defaultdict(int)
        query = (
            sa.select(LINE.c.item_id, sa.func.sum(LINE.c.units_ordered - LINE.c.units_canceled).label("units"))
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .where(ORDER.c.placed_at > self._now - timedelta(days=LOOK_BACK_DAYS))
            .group_by(LINE.c.item_id)
        )
        for row in self._connection.execute(query):
            sold[row.item_id] += int(row.units)
        kits = sa.select(KIT).where(is_among(KIT.c.kit_id, self._connection.dialect.name))
        for row in self._connection.execute(kits, as_one(list(sold))).all():
            sold[row.part_id] += sold[row.kit_id] * row.units
        paces = [
            {"item_id": item, "units_per_day": units / LOOK_BACK_DAYS, "measured_at": self._now}
            for item, units in sorted(sold.items())
            if units > 0
        ]
        insert_new(self._connection, PACE, paces)
        update = PACE.update().where(PACE.c.item_id == sa.bindparam("item"))
        values = {
            name: sa.bindparam(f"new_{name}", type_=PACE.c[name].type) for name in ("units_per_day", "measured_at")
        }
        for part in chunks(paces):
            given = [
                {
                    "item": row["item_id"],
                    "new_units_per_day": row["units_per_day"],
                    "new_measured_at": row["measured_at"],
                }
                for row in part
            ]
            self._connection.execute(update.values(**values), given)
        self._connection.execute(PACE.delete().where(PACE.c.measured_at < self._now))
        return len(paces)
