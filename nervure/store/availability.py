"""What the pool of a stock point has, counted by the database.

The rule is `nervure.inventory.availability`: each location for itself, never below 0, a kit as often as its scarcest
part allows, then summed. For thousands of numbers it is evaluated where the rows are; tests hold the two equal.
"""

from collections.abc import Collection
from datetime import datetime
from json import dumps

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from nervure.store.columns import Utc

Wanted = tuple[int, int]
"""Item and stock point."""

# Simple items and kits apart: most have no parts, and grouping by parts costs half as much again.
_POOLED = """
WITH kit (kit_id, parts) AS (SELECT kit_id, count(*) FROM kit_component WHERE kit_id {in_items} GROUP BY kit_id)
SELECT item_id, point_id, CAST(sum(units) AS bigint) AS units FROM (
  SELECT level.item_id AS item_id, pool.stock_point_id AS point_id, {free} AS units
  FROM stock_level AS level {around}
  WHERE level.item_id {in_items} AND level.item_id NOT IN (SELECT kit_id FROM kit) AND {is_promised}
  GROUP BY level.item_id, level.location_id, pool.stock_point_id
) AS place GROUP BY item_id, point_id
UNION ALL
SELECT kit_id, point_id, CAST(sum(CASE WHEN parts_there = parts THEN units ELSE 0 END) AS bigint) FROM (
  SELECT kit_id, parts, point_id, location_id, count(*) AS parts_there, min(units) AS units FROM (
    SELECT kit.kit_id AS kit_id, kit.parts AS parts, pool.stock_point_id AS point_id,
      level.location_id AS location_id, {free} / part.units AS units
    FROM kit {then} kit_component AS part ON part.kit_id = kit.kit_id
    {then} stock_level AS level ON level.item_id = part.part_id {around}
    WHERE {is_promised}
    GROUP BY kit.kit_id, kit.parts, part.part_id, part.units, level.location_id, pool.stock_point_id
  ) AS part_there GROUP BY kit_id, parts, point_id, location_id
) AS kit_there GROUP BY kit_id, point_id
"""
_FREE = "{highest}(sum(level.on_hand - level.reserved - level.allocated) - coalesce(max(safety.units), 0), 0)"
_AROUND = """
  {then} stock_point_location AS pool ON pool.location_id = level.location_id AND pool.stock_point_id {in_points}
  LEFT JOIN safety_stock AS safety ON safety.item_id = level.item_id AND safety.location_id = level.location_id
"""
_IS_PROMISED = """
  level.condition = 'sellable' AND NOT level.location_id {in_stale}
  AND (level.expires_at IS NULL OR level.expires_at > :now OR level.on_hand < level.reserved + level.allocated)
"""


def _statement(*, highest: str, then: str, among: str) -> sa.TextClause:
    """`among`: how the database is asked whether a number is in a list, which goes as one parameter."""
    words = {"then": then} | {f"in_{name}": among.format(name) for name in ("items", "points", "stale")}
    around, is_promised = _AROUND.format(**words), _IS_PROMISED.format(**words)
    text = _POOLED.format(free=_FREE.format(highest=highest), around=around, is_promised=is_promised, **words)
    return sa.text(text).bindparams(sa.bindparam("now", type_=Utc()))


# SQLite is told the order of its joins: from the pool it would read every level of a location for one item.
_SQLITE = _statement(highest="max", then="CROSS JOIN", among="IN (SELECT value FROM json_each(:{0}))")
_POSTGRESQL = _statement(highest="greatest", then="JOIN", among="= ANY (:{0})").bindparams(
    *(sa.bindparam(name, type_=ARRAY(sa.BigInteger)) for name in ("items", "points", "stale"))
)


def pooled(
    connection: Connection, now: datetime, wanted: Collection[Wanted], stale: Collection[int]
) -> dict[Wanted, int]:
    """Units of each item that the pool of a stock point can promise, `stale` locations left out.

    Never below 0, and before any policy of the channel. Every item is counted at every point; pairs that are not in
    the answer have 0.
    """
    lists = {"items": {item for item, _ in wanted}, "points": {point for _, point in wanted}, "stale": set(stale)}
    if connection.dialect.name == "postgresql":
        given = {name: sorted(numbers) for name, numbers in lists.items()}
        rows = connection.execute(_POSTGRESQL, {**given, "now": now})
    else:
        texts = {name: dumps(sorted(numbers)) for name, numbers in lists.items()}
        rows = connection.execute(_SQLITE, {**texts, "now": now})
    return {(item, point): units for item, point, units in rows.all()}
