"""read-back by risk, drift that is asked about or accepted, how fast items sell, and one budget for each credential

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ONE_UNIT = 8_600
"""About what a unit more adds to the rank of a number whose pace is not known; it is computed exactly when it moves."""
MANY = 200_000
"""Beyond this the rank would leave its column."""


def upgrade() -> None:
    for name in ("risk_rank", "drops"):
        op.add_column("publication", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in ("prior_units", "drift_units"):
        op.add_column("publication", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("publication", sa.Column("check_at", Utc(), nullable=True))
    publication = sa.table("publication", sa.column("risk_rank"), sa.column("salable_quantity"))
    units = sa.case((publication.c.salable_quantity > MANY, MANY), else_=publication.c.salable_quantity)
    op.execute(publication.update().values(risk_rank=(units + 1) * ONE_UNIT))
    op.drop_index("ix_publication_state", "publication")
    op.drop_index("ix_publication_flight", "publication")
    op.create_index("ix_publication_state", "publication", ["stock_point_id", "state", "risk_rank", "id"])
    for name, columns, where in (
        ("flight", ["stock_point_id", "flight_until"], "flight IS NOT NULL"),
        ("check", ["stock_point_id", "risk_rank", "id"], "check_at IS NOT NULL"),
        ("drift", ["stock_point_id"], "drift_units IS NOT NULL"),
    ):
        op.create_index(
            f"ix_publication_{name}",
            "publication",
            columns,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    for name, kind in (("orders_since", Utc()), ("orders_late_seconds", sa.Float()), ("orders_late_at", Utc())):
        op.add_column("channel", sa.Column(name, kind, nullable=True))
    channel = sa.table("channel", sa.column("orders_since"), sa.column("orders_watermark"))
    op.execute(channel.update().values(orders_since=channel.c.orders_watermark))
    op.create_index("ix_sales_order_placed_at", "sales_order", ["placed_at"])
    op.create_table(
        "sales_pace",
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("units_per_day", sa.Float(), nullable=False),
        sa.Column("measured_at", Utc(), nullable=False),
        sa.CheckConstraint("units_per_day >= 0", name=op.f("ck_sales_pace_units")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_sales_pace_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_sales_pace")),
    )
    op.create_table(
        "call_budget",
        sa.Column("credential", sa.String(), nullable=False),
        sa.Column("free_at", Utc(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("probe_at", Utc(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("points", sa.Float(), nullable=True),
        sa.Column("points_at", Utc(), nullable=True),
        sa.Column("maximum", sa.Float(), nullable=True),
        sa.Column("restored_per_second", sa.Float(), nullable=True),
        sa.CheckConstraint("failures >= 0 AND probes >= 0", name=op.f("ck_call_budget_counts")),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_call_budget")),
    )


def downgrade() -> None:
    op.drop_table("call_budget")
    op.drop_table("sales_pace")
    op.drop_index("ix_sales_order_placed_at", "sales_order")
    for name in ("orders_late_at", "orders_late_seconds", "orders_since"):
        op.drop_column("channel", name)
    for name in ("drift", "check", "flight", "state"):
        op.drop_index(f"ix_publication_{name}", "publication")
    where = sa.text("flight IS NOT NULL")
    op.create_index("ix_publication_flight", "publication", ["flight"], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_publication_state", "publication", ["stock_point_id", "state", "salable_quantity"])
    for name in ("check_at", "drift_units", "prior_units", "drops", "risk_rank"):
        op.drop_column("publication", name)
