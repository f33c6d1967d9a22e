"""what a count is compared with, and cycle counts

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OLD_WORD = ["location_id", "item_id", "source", "observed_at", "version"]


def upgrade() -> None:
    with op.batch_alter_table("stock_observation") as table:
        table.add_column(sa.Column("basis", sa.String(), nullable=False, server_default="running"))
        table.add_column(sa.Column("condition", sa.String(), nullable=False, server_default="sellable"))
        table.add_column(sa.Column("owner", sa.String(), nullable=False, server_default="us"))
        table.add_column(sa.Column("lot", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("is_whole", sa.Boolean(), nullable=False, server_default=sa.true()))
        table.add_column(sa.Column("withheld_units", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("base_units", sa.Integer(), nullable=True))
        table.add_column(sa.Column("base_at", Utc(), nullable=True))
    # What was booked before this version stays as it was booked.
    op.execute("UPDATE stock_observation SET base_units = expected_units, base_at = observed_at")
    with op.batch_alter_table("stock_observation") as table:
        for name in ("basis", "condition", "owner", "lot", "is_whole", "withheld_units"):
            table.alter_column(name, server_default=None)
        table.drop_constraint(
            op.f("uq_stock_observation_location_id_item_id_source_observed_at_version"), type_="unique"
        )
        table.create_unique_constraint("uq_stock_observation_word", [*OLD_WORD, "units", "condition", "owner", "lot"])
        table.create_check_constraint(
            op.f("ck_stock_observation_base"), "(basis = 'running') = (base_units IS NOT NULL AND base_at IS NOT NULL)"
        )
        table.create_check_constraint(
            op.f("ck_stock_observation_basis"),
            "basis IN ('everything', 'shelf', 'free', 'less_our_orders', 'running') AND withheld_units >= 0",
        )
    op.create_table(
        "cycle_count",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("location_id", ID, nullable=False),
        sa.Column("is_open_to_all", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'closed', 'canceled')", name=op.f("ck_cycle_count_state")),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name=op.f("ck_cycle_count_ended")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_cycle_count_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycle_count")),
        sa.UniqueConstraint("name", name=op.f("uq_cycle_count_name")),
    )
    op.create_table(
        "cycle_count_line",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("cycle_count_id", ID, nullable=False),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=True),
        sa.Column("counted_at", Utc(), nullable=True),
        sa.Column("counted_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("difference", sa.Integer(), nullable=True),
        sa.Column("confirmed_by", sa.String(), nullable=False),
        sa.Column("booked_at", Utc(), nullable=True),
        sa.CheckConstraint("units >= 0", name=op.f("ck_cycle_count_line_units")),
        sa.CheckConstraint(
            "(units IS NULL) = (counted_at IS NULL) AND (units IS NULL) = (reason IS NULL)",
            name=op.f("ck_cycle_count_line_entered"),
        ),
        sa.CheckConstraint(
            "(booked_at IS NULL) = (difference IS NULL) AND (booked_at IS NULL OR units IS NOT NULL)",
            name=op.f("ck_cycle_count_line_booked"),
        ),
        sa.ForeignKeyConstraint(
            ["cycle_count_id"], ["cycle_count.id"], name=op.f("fk_cycle_count_line_cycle_count_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_cycle_count_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycle_count_line")),
        sa.UniqueConstraint(
            "cycle_count_id",
            "item_id",
            "owner",
            "condition",
            "lot",
            "round",
            name=op.f("uq_cycle_count_line_key"),
        ),
    )
