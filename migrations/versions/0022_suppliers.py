"""what goods ask of a location, and what suppliers were asked for and what they answered

Revision: 0022, after 0021
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("temperature_class", "size_class"):
        op.add_column("item", sa.Column(name, sa.String(), nullable=True))
    op.create_table(
        "supplier_request",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("supplier", sa.String(), nullable=False),
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("fulfillment_order_id", BigId, nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("supplier_sku", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("units_offered", sa.Integer(), nullable=True),
        sa.Column("units_refused", sa.Integer(), nullable=False),
        sa.Column("as_of", Utc(), nullable=True),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("answer_by", Utc(), nullable=True),
        sa.Column("ship_by", sa.Date(), nullable=True),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.CheckConstraint("units > 0 AND units_refused BETWEEN 0 AND units", name=op.f("ck_supplier_request_units")),
        sa.CheckConstraint("units_refused = 0 OR answered_at IS NOT NULL", name=op.f("ck_supplier_request_answered")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_order.id"],
            name=op.f("fk_supplier_request_fulfillment_order_id"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_supplier_request_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_request")),
        sa.UniqueConstraint("fulfillment_order_id", "line", name=op.f("uq_supplier_request_fulfillment_order_id_line")),
    )
    op.create_index("ix_supplier_request_location_id_asked_at", "supplier_request", ["location_id", "asked_at"])
    op.create_index(
        "ix_supplier_request_open",
        "supplier_request",
        ["answer_by"],
        sqlite_where=sa.text("answered_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("supplier_request")
    with op.batch_alter_table("item") as table:
        for name in ("size_class", "temperature_class"):
            table.drop_column(name)
