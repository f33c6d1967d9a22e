"""digests of movements, claims and counts, and the units that a fulfillment line gave back

Revision: 0011, after 0010
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc
from nervure.store.digests import claim_digest, count_digest, ended_claim_digest, movement_digest

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BATCH = 10_000

ID = sa.column("id", BigId)
LEVEL = sa.table("stock_level", ID, *map(sa.column, ("item_id", "location_id", "owner", "condition", "lot")))
MOVEMENT = sa.table(
    "stock_movement",
    sa.column("id", BigId),
    *map(sa.column, ("stock_level_id", "sequence", "kind", "units", "reason", "cause_key", "document")),
    sa.column("occurred_at", Utc),
    sa.column("recorded_at", Utc),
    sa.column("compensates_id"),
    sa.column("digest"),
)
CLAIM = sa.table(
    "claim",
    sa.column("id", BigId),
    *map(sa.column, ("stock_level_id", "kind", "units", "state", "reference", "fulfillment_line_id")),
    sa.column("expires_at", Utc),
    sa.column("created_at", Utc),
    sa.column("ended_at", Utc),
    sa.column("end_recorded_at", Utc),
    sa.column("digest"),
)
COUNTED = ("item_id", "location_id", "owner", "condition", "lot")
OBSERVATION = sa.table(
    "stock_observation",
    sa.column("id", BigId),
    *map(sa.column, (*COUNTED, "source", "version", "units", "expected_units", "basis", "withheld_units")),
    sa.column("is_booked", sa.Boolean),
    sa.column("is_whole", sa.Boolean),
    sa.column("base_units"),
    sa.column("base_at", Utc),
    sa.column("observed_at", Utc),
    sa.column("recorded_at", Utc),
    sa.column("digest"),
)


def upgrade() -> None:
    # SQLite can only make a column NOT NULL by copying the table, and others refer to these: there it has a default,
    # which is no row's digest.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name in ("stock_movement", "claim", "stock_observation"):
        column = sa.Column("digest", sa.BigInteger(), nullable=not is_sqlite, server_default="0" if is_sqlite else None)
        op.add_column(name, column)
    fill(MOVEMENT, _of_movement)
    fill(CLAIM, _of_claim)
    fill(OBSERVATION, count_digest)
    op.add_column("fulfillment_line", sa.Column("units_given_back", sa.Integer(), nullable=False, server_default="0"))
    give_back()
    if not is_sqlite:
        for name in ("stock_movement", "claim", "stock_observation"):
            op.alter_column(name, "digest", nullable=False)
        op.alter_column("fulfillment_line", "units_given_back", server_default=None)


def fill(table: sa.TableClause, compute: Callable[[dict[str, Any]], int]) -> None:
    connection = op.get_bind()
    key = [LEVEL.c[name].label(f"key_{name}") for name in COUNTED]
    columns = [column for column in table.c if column.name != "digest"]
    query = sa.select(*columns)
    if "stock_level_id" in table.c:
        query = sa.select(*columns, *key).join(LEVEL, LEVEL.c.id == table.c.stock_level_id)
    update = table.update().where(table.c.id == sa.bindparam("row")).values(digest=sa.bindparam("found"))
    for rows in batches(query, table):
        connection.execute(update, [{"row": row["id"], "found": compute(row)} for row in rows])


def batches(query: sa.Select[Any], table: sa.TableClause) -> Iterator[list[dict[str, Any]]]:
    connection, last = op.get_bind(), 0
    while True:
        part = query.where(table.c.id > last).order_by(table.c.id).limit(BATCH)
        rows = [dict(row) for row in connection.execute(part).mappings()]
        if not rows:
            return
        yield rows
        last = rows[-1]["id"]


def _key(row: dict[str, Any]) -> tuple[int, int, str, str, str]:
    item, location, owner, condition, lot = (row[f"key_{name}"] for name in COUNTED)
    return item, location, owner, condition, lot


def _of_movement(row: dict[str, Any]) -> int:
    names = ("sequence", "kind", "units", "reason", "cause_key", "document", "occurred_at", "recorded_at")
    return movement_digest(_key(row), [row[name] for name in (*names, "compensates_id")])


def _of_claim(row: dict[str, Any]) -> int:
    names = ("kind", "units", "reference", "fulfillment_line_id", "expires_at", "created_at")
    return ended_claim_digest(
        claim_digest(_key(row), [row[name] for name in names]), row["state"], row["ended_at"], row["end_recorded_at"]
    )


def give_back() -> None:
    """What a line gave back so far: by its released claims, as many units of a part as each unit of the line took."""
    connection = op.get_bind()
    claims = connection.execute(
        sa.text(
            "SELECT c.fulfillment_line_id AS line, l.item_id, c.state, SUM(c.units) AS units, f.units AS left_units,"
            " COALESCE(k.units, 1) AS part_units FROM claim c JOIN stock_level l ON l.id = c.stock_level_id"
            " JOIN fulfillment_line f ON f.id = c.fulfillment_line_id JOIN order_line o ON o.id = f.order_line_id"
            " LEFT JOIN kit_component k ON k.kit_id = o.item_id AND k.part_id = l.item_id"
            " GROUP BY c.fulfillment_line_id, l.item_id, c.state, f.units, k.units"
        )
    ).all()
    kept: Counter[tuple[int, int]] = Counter()
    for row in claims:
        if row.state != "released":
            kept[row.line, row.item_id] += int(row.units)
    found = {
        row.line: int(row.units)
        // ((kept[row.line, row.item_id] // row.left_units) if row.left_units else row.part_units)
        for row in claims
        if row.state == "released" and (not row.left_units or kept[row.line, row.item_id])
    }
    if found:
        update = sa.text("UPDATE fulfillment_line SET units_given_back = :units WHERE id = :line")
        connection.execute(update, [{"line": line, "units": units} for line, units in found.items()])
