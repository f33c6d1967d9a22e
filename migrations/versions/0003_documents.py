"""what people call the cause of a movement

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("stock_movement") as table:
        table.add_column(sa.Column("document", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE stock_movement SET document = cause_key")
    with op.batch_alter_table("stock_movement") as table:
        table.alter_column("document", server_default=None)
        table.create_index(op.f("ix_stock_movement_document"), ["document"])
