"""listings that are no goods, and order lines that move money only

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("listing") as table:
        table.add_column(sa.Column("is_goods", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("listing") as table:
        table.alter_column("is_goods", server_default=None)
    with op.batch_alter_table("sales_order") as table:
        table.add_column(sa.Column("money_lines", Json, nullable=False, server_default="[]"))
    with op.batch_alter_table("sales_order") as table:
        table.alter_column("money_lines", server_default=None)
