"""purchases, and transfers in two steps

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

OPEN = sa.text("units_arrived + units_returned + units_lost < units_sent")
NOT_CLOSED = sa.text("closed_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "purchase",
        sa.Column("id", BigId, nullable=False, autoincrement=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("supplier", sa.String(), nullable=True),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
        sa.UniqueConstraint("name", name=op.f("uq_purchase_name")),
    )
    op.create_index("ix_purchase_open", "purchase", ["id"], sqlite_where=NOT_CLOSED, postgresql_where=NOT_CLOSED)
    op.create_table(
        "purchase_line",
        sa.Column("id", BigId, nullable=False, autoincrement=True),
        sa.Column("purchase_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("units_expected", sa.Integer(), nullable=False),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.CheckConstraint("units_expected >= 0", name=op.f("ck_purchase_line_expected")),
        sa.CheckConstraint("(units_expected = 0) = (expected_on IS NULL)", name=op.f("ck_purchase_line_dated")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_purchase_line_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_purchase_line_location_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name=op.f("fk_purchase_line_purchase_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase_line")),
        sa.UniqueConstraint(
            "purchase_id", "item_id", "location_id", name=op.f("uq_purchase_line_purchase_id_item_id_location_id")
        ),
    )
    op.create_index(op.f("ix_purchase_line_item_id"), "purchase_line", ["item_id"])
    op.create_table(
        "purchase_receipt",
        sa.Column("id", BigId, nullable=False, autoincrement=True),
        sa.Column("purchase_line_id", BigId, nullable=False),
        sa.Column("cause_key", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_purchase_receipt_units")),
        sa.ForeignKeyConstraint(
            ["purchase_line_id"], ["purchase_line.id"], name=op.f("fk_purchase_receipt_purchase_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase_receipt")),
        sa.UniqueConstraint("cause_key", name=op.f("uq_purchase_receipt_cause_key")),
    )
    op.create_index(op.f("ix_purchase_receipt_purchase_line_id"), "purchase_receipt", ["purchase_line_id"])
    op.create_table(
        "transfer",
        sa.Column("id", BigId, nullable=False, autoincrement=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("origin_id", BigId, nullable=False),
        sa.Column("destination_id", BigId, nullable=False),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.CheckConstraint("origin_id <> destination_id", name=op.f("ck_transfer_moves")),
        sa.ForeignKeyConstraint(["destination_id"], ["location.id"], name=op.f("fk_transfer_destination_id")),
        sa.ForeignKeyConstraint(["origin_id"], ["location.id"], name=op.f("fk_transfer_origin_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint("name", name=op.f("uq_transfer_name")),
    )
    op.create_table(
        "transfer_line",
        sa.Column("id", BigId, nullable=False, autoincrement=True),
        sa.Column("transfer_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("asked", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("units_sent", sa.Integer(), nullable=False),
        sa.Column("units_arrived", sa.Integer(), nullable=False),
        sa.Column("units_returned", sa.Integer(), nullable=False),
        sa.Column("units_lost", sa.Integer(), nullable=False),
        sa.CheckConstraint("units_sent > 0", name=op.f("ck_transfer_line_sent")),
        sa.CheckConstraint(
            "units_arrived >= 0 AND units_returned >= 0 AND units_lost >= 0", name=op.f("ck_transfer_line_signs")
        ),
        sa.CheckConstraint(
            "units_arrived + units_returned + units_lost <= units_sent",
            name=op.f("ck_transfer_line_no_more_than_sent"),
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_transfer_line_item_id")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_transfer_line_transfer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_line")),
        sa.UniqueConstraint(
            "transfer_id",
            "item_id",
            "asked",
            "owner",
            "condition",
            "lot",
            name=op.f("uq_transfer_line_transfer_id_item_id_asked_owner_condition_lot"),
        ),
    )
    op.create_index("ix_transfer_line_open", "transfer_line", ["item_id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "transfer_arrival",
        sa.Column("id", BigId, nullable=False, autoincrement=True),
        sa.Column("transfer_id", BigId, nullable=False),
        sa.Column("document", sa.String(), nullable=False),
        sa.Column("asked", sa.String(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfer.id"], name=op.f("fk_transfer_arrival_transfer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_arrival")),
        sa.UniqueConstraint(
            "transfer_id", "document", "asked", name=op.f("uq_transfer_arrival_transfer_id_document_asked")
        ),
    )
