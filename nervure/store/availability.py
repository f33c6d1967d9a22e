"""What the pool of a stock point has, counted by the database.

The rule is `nervure.inventory.availability`: each location for itself, never below 0, a kit as often as its scarcest
part allows, then summed. For thousands of numbers it is evaluated where the rows are; tests hold the two equal.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from nervure.store.columns import Utc

Wanted = tuple[int, int]
"""Item and stock point."""

_KITS = "SELECT DISTINCT kit_id FROM kit_component WHERE kit_id {in_items}"
_SIMPLE = """
SELECT item_id, point_id, CAST(sum(units) AS bigint) FROM (
  SELECT level.item_id AS item_id, pool.stock_point_id AS point_id, {free} AS units
  FROM stock_level AS level {around}
  WHERE level.item_id {in_items} AND {is_promised}
  GROUP BY level.item_id, level.location_id, pool.stock_point_id
) AS place GROUP BY item_id, point_id
"""
_OF_PARTS = """
WITH kit (kit_id, parts) AS (SELECT kit_id, count(*) FROM kit_component WHERE kit_id {in_items} GROUP BY kit_id)
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


@dataclass(frozen=True, slots=True)
class _Statements:
    """How one database is asked. Which items are kits is asked first: most merchants have none, and pay for none."""

    kits: sa.TextClause
    simple: sa.TextClause
    of_parts: sa.TextClause


def _statements(*, highest: str, then: str, among: str, number_list: sa.types.TypeEngine[Any]) -> _Statements:
    """`among`: how the database is asked whether a number is in a list, which goes as one parameter."""
    words = {"then": then} | {f"in_{name}": among.format(name) for name in ("items", "points", "stale")}
    words |= {"free": _FREE.format(highest=highest), "around": _AROUND.format(**words)}
    words["is_promised"] = _IS_PROMISED.format(**words)

    def statement(text: str, *lists: str) -> sa.TextClause:
        return sa.text(text.format(**words)).bindparams(*(sa.bindparam(name, type_=number_list) for name in lists))

    lists, now = ("items", "points", "stale"), sa.bindparam("now", type_=Utc())
    return _Statements(
        statement(_KITS, "items"),
        statement(_SIMPLE, *lists).bindparams(now),
        statement(_OF_PARTS, *lists).bindparams(now),
    )


_STATEMENTS: Mapping[str, _Statements] = {
    # SQLite is told the order of its joins: from the pool it would read every level of a location for one item.
    "sqlite": _statements(
        highest="max", then="CROSS JOIN", among="IN (SELECT value FROM json_each(:{0}))", number_list=sa.JSON()
    ),
    "postgresql": _statements(highest="greatest", then="JOIN", among="= ANY (:{0})", number_list=ARRAY(sa.BigInteger)),
}


def pooled(
    connection: Connection, now: datetime, items: Collection[int], points: Collection[int], stale: Collection[int]
) -> dict[Wanted, int]:
    """Units of each item that the pool of each stock point can promise, `stale` locations left out.

    Never below 0, and before any policy of the channel. Pairs that are not in the answer have 0.
    """
    statements = _STATEMENTS[connection.dialect.name]
    kits = set(connection.execute(statements.kits, {"items": list(items)}).scalars())
    parts = ((statements.simple, [item for item in items if item not in kits]), (statements.of_parts, list(kits)))
    found: dict[Wanted, int] = {}
    for statement, asked in parts:
        if asked:
            given = {"items": asked, "points": list(points), "stale": list(stale), "now": now}
            found.update({(item, point): units for item, point, units in connection.execute(statement, given)})
    return found
