"""reservations, serial numbers, what became of skus, and where a fulfillment order was moved to

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Json, Utc

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "item_alias",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("is_merged", sa.Boolean(), nullable=False),
        sa.Column("until", Utc(), nullable=False),
        sa.Column("freed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_alias_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_alias")),
    )
    op.create_index(op.f("ix_item_alias_item_id"), "item_alias", ["item_id"])
    op.create_index(op.f("ix_item_alias_sku"), "item_alias", ["sku"])
    op.create_index(
        "uq_item_alias_kept",
        "item_alias",
        ["sku"],
        unique=True,
        sqlite_where=sa.text("freed_at IS NULL"),
        postgresql_where=sa.text("freed_at IS NULL"),
    )

    op.create_table(
        "item_event",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("other_item_id", BigId, nullable=True),
        sa.Column("details", Json, nullable=False),
        sa.Column("occurred_at", Utc(), nullable=False),
        sa.CheckConstraint("(kind = 'renamed') = (other_item_id IS NULL)", name=op.f("ck_item_event_other")),
        sa.CheckConstraint("kind IN ('renamed', 'merged', 'split')", name=op.f("ck_item_event_kind")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_event_item_id")),
        sa.ForeignKeyConstraint(["other_item_id"], ["item.id"], name=op.f("fk_item_event_other_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_event")),
        sa.UniqueConstraint("document", name=op.f("uq_item_event_document")),
    )
    op.create_index(op.f("ix_item_event_item_id"), "item_event", ["item_id"])
    op.create_index(op.f("ix_item_event_other_item_id"), "item_event", ["other_item_id"])

    op.create_table(
        "serial",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("serial", sa.String(), nullable=False),
        sa.Column("epc", sa.String(), nullable=True),
        sa.Column("location_id", BigId, nullable=True),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.CheckConstraint("(state = 'here') = (location_id IS NOT NULL)", name=op.f("ck_serial_place")),
        sa.CheckConstraint("state IN ('here', 'left')", name=op.f("ck_serial_state")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_serial_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_serial_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_serial")),
        sa.UniqueConstraint("epc", name=op.f("uq_serial_epc")),
        sa.UniqueConstraint("item_id", "serial", name=op.f("uq_serial_item_id_serial")),
    )
    op.create_index("ix_serial_location", "serial", ["location_id", "item_id"])
    op.create_index("ix_serial_serial", "serial", ["serial"])

    op.create_table(
        "reservation",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("channel_id", BigId, nullable=True),
        sa.Column("order_external_id", sa.String(), nullable=True),
        sa.Column("order_id", BigId, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint("(state = 'consumed') = (order_id IS NOT NULL)", name=op.f("ck_reservation_consumed")),
        sa.CheckConstraint("(state = 'held') = (ended_at IS NULL)", name=op.f("ck_reservation_ended")),
        sa.CheckConstraint("state IN ('held', 'released', 'expired', 'consumed')", name=op.f("ck_reservation_state")),
        sa.CheckConstraint("order_external_id IS NULL OR channel_id IS NOT NULL", name=op.f("ck_reservation_named")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_reservation_channel_id")),
        sa.ForeignKeyConstraint(["order_id"], ["sales_order.id"], name=op.f("fk_reservation_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
        sa.UniqueConstraint("reference", name=op.f("uq_reservation_reference")),
    )
    op.create_index(
        "ix_reservation_held",
        "reservation",
        ["expires_at"],
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index("ix_reservation_order", "reservation", ["channel_id", "order_external_id"])

    op.create_table(
        "reservation_line",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("reservation_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("location_id", BigId, nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_reservation_line_units")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_reservation_line_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_reservation_line_location_id")),
        sa.ForeignKeyConstraint(
            ["reservation_id"], ["reservation.id"], name=op.f("fk_reservation_line_reservation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation_line")),
    )
    op.create_index(op.f("ix_reservation_line_reservation_id"), "reservation_line", ["reservation_id"])

    op.create_table(
        "serial_claim",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("serial_id", BigId, nullable=False),
        sa.Column("fulfillment_line_id", BigId, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("left_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint("(state IN ('held', 'left')) = (ended_at IS NULL)", name=op.f("ck_serial_claim_ended")),
        sa.CheckConstraint("state IN ('held', 'left', 'released', 'returned')", name=op.f("ck_serial_claim_state")),
        sa.ForeignKeyConstraint(
            ["fulfillment_line_id"], ["fulfillment_line.id"], name=op.f("fk_serial_claim_fulfillment_line_id")
        ),
        sa.ForeignKeyConstraint(["serial_id"], ["serial.id"], name=op.f("fk_serial_claim_serial_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_serial_claim")),
    )
    op.create_index("ix_serial_claim_fulfillment_line_id_state", "serial_claim", ["fulfillment_line_id", "state"])
    op.create_index(
        "uq_serial_claim_open",
        "serial_claim",
        ["serial_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.add_column("item", sa.Column("serial_tracking", sa.Boolean(), nullable=False, server_default=sa.false()))
    # SQLite cannot add a constraint to a table that others refer to without making it anew, but takes one with a column.
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "ALTER TABLE fulfillment_order ADD COLUMN moved_to_id INTEGER"
            " CONSTRAINT fk_fulfillment_order_moved_to_id REFERENCES fulfillment_order (id)"
        )
    else:
        op.add_column("fulfillment_order", sa.Column("moved_to_id", BigId, nullable=True))
        op.create_foreign_key(
            op.f("fk_fulfillment_order_moved_to_id"), "fulfillment_order", "fulfillment_order", ["moved_to_id"], ["id"]
        )
