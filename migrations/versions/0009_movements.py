"""lots, recipes, and what is booked of a return

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lot",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.CheckConstraint("name <> ''", name=op.f("ck_lot_name")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_lot_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot")),
        sa.UniqueConstraint("item_id", "name", name=op.f("uq_lot_item_id_name")),
    )
    op.create_table(
        "recipe_part",
        sa.Column("product_id", BigId, nullable=False),
        sa.Column("part_id", BigId, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_recipe_part_units")),
        sa.CheckConstraint("product_id <> part_id", name=op.f("ck_recipe_part_not_itself")),
        sa.ForeignKeyConstraint(["product_id"], ["item.id"], name=op.f("fk_recipe_part_product_id")),
        sa.ForeignKeyConstraint(["part_id"], ["item.id"], name=op.f("fk_recipe_part_part_id")),
        sa.PrimaryKeyConstraint("product_id", "part_id", name=op.f("pk_recipe_part")),
    )
    op.create_index(op.f("ix_recipe_part_part_id"), "recipe_part", ["part_id"])
    with op.batch_alter_table("item") as table:
        table.add_column(sa.Column("lot_tracking", sa.String(), nullable=False, server_default="none"))
    with op.batch_alter_table("item") as table:
        table.alter_column("lot_tracking", server_default=None)
        table.create_check_constraint(op.f("ck_item_lot_tracking"), "lot_tracking IN ('none', 'lot', 'expiry')")
    with op.batch_alter_table("stock_level") as table:
        table.add_column(sa.Column("expires_at", Utc(), nullable=True))
    op.create_index(
        "ix_stock_level_expires_at",
        "stock_level",
        ["expires_at"],
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index("ix_goods_return_order", "goods_return", ["channel_id", "order_external_id"])
    with op.batch_alter_table("goods_return_line") as table:
        table.add_column(sa.Column("units_back", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("location_id", BigId, nullable=True))
        table.add_column(sa.Column("stated_at", Utc(), nullable=True))
        table.add_column(sa.Column("steps", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE goods_return_line SET units_back = units, steps = 1 WHERE restocked")
    op.execute(
        "UPDATE goods_return_line SET stated_at ="
        " (SELECT occurred_at FROM goods_return WHERE goods_return.id = goods_return_line.goods_return_id)"
    )
    with op.batch_alter_table("goods_return_line") as table:
        table.drop_column("restocked")
        table.alter_column("units_back", server_default=None)
        table.alter_column("steps", server_default=None)
        table.alter_column("stated_at", nullable=False)
        table.create_foreign_key(op.f("fk_goods_return_line_location_id"), "location", ["location_id"], ["id"])
        table.create_check_constraint(op.f("ck_goods_return_line_units_back"), "units_back BETWEEN 0 AND units")
        table.create_index(op.f("ix_goods_return_line_goods_return_id"), ["goods_return_id"])
