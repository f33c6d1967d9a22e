"""policies, their log, backorders, and what channels answered

What held when this ran is written into the log as if it had held since ever: earlier changes are not known.

Revision: 0008, after 0007
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Json, Utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SINCE_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    op.create_table(
        "policy",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("channel_id", BigId, nullable=True),
        sa.Column("item_id", BigId, nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("promised_on", sa.Date(), nullable=True),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('buffer', 'share', 'cap', 'backorder', 'preorder')", name=op.f("ck_policy_kind")),
        sa.CheckConstraint("units >= 0 AND (kind <> 'share' OR units <= 100)", name=op.f("ck_policy_units")),
        sa.CheckConstraint(
            "(kind IN ('backorder', 'preorder')) = (promised_on IS NOT NULL)", name=op.f("ck_policy_promise")
        ),
        sa.CheckConstraint(
            "(kind NOT IN ('buffer', 'share', 'cap') OR channel_id IS NOT NULL)"
            " AND (kind NOT IN ('buffer', 'backorder', 'preorder') OR item_id IS NOT NULL)",
            name=op.f("ck_policy_scope"),
        ),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_policy_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_policy_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
        sa.UniqueConstraint("kind", "scope", name=op.f("uq_policy_kind_scope")),
    )
    _index("policy", "channel_id", "item_id")
    op.create_table(
        "policy_change",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("channel_id", BigId, nullable=True),
        sa.Column("item_id", BigId, nullable=True),
        sa.Column("location_id", BigId, nullable=True),
        sa.Column("stock_point_id", BigId, nullable=True),
        sa.Column("value", Json, nullable=True),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_policy_change_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_policy_change_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_policy_change_location_id")),
        sa.ForeignKeyConstraint(["stock_point_id"], ["stock_point.id"], name=op.f("fk_policy_change_stock_point_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_change")),
    )
    _index("policy_change", "channel_id", "item_id", "location_id", "stock_point_id")
    op.create_table(
        "backorder_change",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("order_line_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("channel_id", BigId, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("promised_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.CheckConstraint("units <> 0", name=op.f("ck_backorder_change_moves")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_backorder_change_order_line_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_backorder_change_item_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_backorder_change_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backorder_change")),
    )
    _index("backorder_change", "order_line_id", "item_id")
    op.create_table(
        "publication_answer",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("publication_id", BigId, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("channel_units", sa.Integer(), nullable=True),
        sa.Column("sent_at", Utc(), nullable=False),
        sa.Column("answered_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["publication_id"], ["publication.id"], name=op.f("fk_publication_answer_publication_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication_answer")),
    )
    _index("publication_answer", "answered_at")
    op.create_index("ix_publication_answer_newest", "publication_answer", ["publication_id", "answered_at"])
    with op.batch_alter_table("shortfall") as table:
        table.add_column(sa.Column("backorder_units", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("promised_on", sa.Date(), nullable=True))
        table.add_column(sa.Column("is_overdue", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("shortfall") as table:
        table.alter_column("backorder_units", server_default=None)
        table.alter_column("is_overdue", server_default=None)
        table.create_check_constraint(
            op.f("ck_shortfall_backorder"), "backorder_units >= 0 AND (backorder_units = 0 OR backorder_units <= units)"
        )
        table.create_check_constraint(op.f("ck_shortfall_promise"), "(backorder_units > 0) = (promised_on IS NOT NULL)")
        table.create_index(
            "ix_shortfall_promised_on",
            ["promised_on"],
            sqlite_where=sa.text("promised_on IS NOT NULL"),
            postgresql_where=sa.text("promised_on IS NOT NULL"),
        )
    with op.batch_alter_table("claim") as table:
        table.add_column(sa.Column("end_recorded_at", Utc(), nullable=True))
    op.execute("UPDATE claim SET end_recorded_at = ended_at")
    _write_down_what_holds(op.get_bind())


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _write_down_what_holds(connection: sa.Connection) -> None:
    def rows(query: str) -> list[sa.Row[*tuple[object, ...]]]:
        return list(connection.execute(sa.text(query)))

    log = sa.table(
        "policy_change",
        sa.column("kind", sa.String()),
        sa.column("channel_id", BigId),
        sa.column("item_id", BigId),
        sa.column("location_id", BigId),
        sa.column("stock_point_id", BigId),
        sa.column("value", Json),
        sa.column("recorded_at", Utc()),
    )
    held = [
        ("safety_stock", {"units": units}, {"item_id": item, "location_id": location})
        for item, location, units in rows("SELECT item_id, location_id, units FROM safety_stock WHERE units > 0")
    ]
    held += [
        ("buffer", {"units": units}, {"channel_id": channel})
        for channel, units in rows("SELECT id, buffer_units FROM channel")
    ]
    pools: dict[int, list[int]] = {}
    for point, location in rows(
        "SELECT stock_point_id, location_id FROM stock_point_location ORDER BY stock_point_id, rank"
    ):
        pools.setdefault(point, []).append(location)
    held += [("pool", {"locations": locations}, {"stock_point_id": point}) for point, locations in pools.items()]
    kits: dict[int, dict[str, int]] = {}
    for kit, part, units in rows("SELECT kit_id, part_id, units FROM kit_component ORDER BY kit_id, part_id"):
        kits.setdefault(kit, {})[str(part)] = units
    held += [("kit", {"parts": parts}, {"item_id": kit}) for kit, parts in kits.items()]
    location = sa.table(
        "location", sa.column("id", BigId), sa.column("ttl_seconds", sa.Float()), sa.column("as_of", Utc())
    )
    held += [
        (
            "freshness",
            {"ttl_seconds": row.ttl_seconds, "as_of": row.as_of.isoformat() if row.as_of else None},
            {"location_id": row.id},
        )
        for row in connection.execute(sa.select(location).where(location.c.ttl_seconds.is_not(None)))
    ]
    nothing = dict.fromkeys(("channel_id", "item_id", "location_id", "stock_point_id"))
    written = [
        {"kind": kind, "value": value, "recorded_at": SINCE_EVER, **nothing, **subject} for kind, value, subject in held
    ]
    for start in range(0, len(written), 4_000):
        connection.execute(log.insert(), written[start : start + 4_000])
