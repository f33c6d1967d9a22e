"""What the pool of a stock point has, counted by the database.

The rule is `nervure.inventory.availability`: each location for itself, never below 0, a kit as often as its scarcest
part allows, then summed. For thousands of numbers it is evaluated where the rows are; tests hold the two equal.
"""

from collections.abc import Collection
from datetime import datetime
from json import dumps

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.columns import Utc

Wanted = tuple[int, int]
"""Item and stock point."""

# What is asked for goes as one JSON text: a parameter for each pair would cost more than its number.
_ROWS_OF_JSON = {
    "sqlite": "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:{0})",
    "postgresql": (
        "SELECT CAST(pair ->> 0 AS bigint), CAST(pair ->> 1 AS bigint)"
        " FROM json_array_elements(CAST(:{0} AS json)) AS pair"
    ),
}
_NOT_BELOW_0 = {"sqlite": "MAX({0}, 0)", "postgresql": "GREATEST({0}, 0)"}
_POOLED = """
WITH wanted (item_id, point_id) AS ({wanted}),
stale (location_id, unused) AS ({stale}),
part (item_id, part_id, units) AS (
  SELECT asked.item_id, coalesce(kit.part_id, asked.item_id), coalesce(kit.units, 1)
  FROM (SELECT DISTINCT item_id FROM wanted) AS asked LEFT JOIN kit_component AS kit ON kit.kit_id = asked.item_id
),
free (part_id, location_id, units) AS (
  SELECT level.item_id, level.location_id, sum(level.on_hand - level.reserved - level.allocated)
  FROM stock_level AS level
  WHERE level.item_id IN (SELECT part_id FROM part) AND level.condition = 'sellable'
    AND (level.expires_at IS NULL OR level.expires_at > :now OR level.on_hand < level.reserved + level.allocated)
  GROUP BY level.item_id, level.location_id
),
place (item_id, point_id, units) AS (
  SELECT wanted.item_id, wanted.point_id, min({free} / part.units)
  FROM wanted
  JOIN part ON part.item_id = wanted.item_id
  JOIN stock_point_location AS pool ON pool.stock_point_id = wanted.point_id
    AND pool.location_id NOT IN (SELECT location_id FROM stale)
  LEFT JOIN free ON free.part_id = part.part_id AND free.location_id = pool.location_id
  LEFT JOIN safety_stock AS safety ON safety.item_id = part.part_id AND safety.location_id = pool.location_id
  GROUP BY wanted.item_id, wanted.point_id, pool.location_id
)
SELECT item_id, point_id, sum(units) AS units FROM place GROUP BY item_id, point_id
"""


def _statement(dialect: str) -> sa.TextClause:
    rows = _ROWS_OF_JSON[dialect]
    text = _POOLED.format(
        wanted=rows.format("wanted"),
        stale=rows.format("stale"),
        free=_NOT_BELOW_0[dialect].format("coalesce(free.units, 0) - coalesce(safety.units, 0)"),
    )
    return sa.text(text).bindparams(sa.bindparam("now", type_=Utc()))


_STATEMENTS = {dialect: _statement(dialect) for dialect in _ROWS_OF_JSON}


def pooled(
    connection: Connection, now: datetime, wanted: Collection[Wanted], stale: Collection[int]
) -> dict[Wanted, int]:
    """Units of each item that the pool of a stock point can promise, `stale` locations left out; 0 where it has none.

    Never below 0, and before any policy of the channel.
    """
    given = {"wanted": dumps(list(wanted)), "stale": dumps([(one, 0) for one in stale]), "now": now}
    rows = connection.execute(_STATEMENTS[connection.dialect.name], given)
    return dict.fromkeys(wanted, 0) | {(row.item_id, row.point_id): int(row.units) for row in rows}
