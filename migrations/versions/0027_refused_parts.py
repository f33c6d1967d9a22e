"""what a channel refused together is sent in smaller parts

Revision: 0027, after 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

WAITS = sa.text("most_rows IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("publication") as table:
        table.add_column(sa.Column("most_rows", sa.Integer(), nullable=True))
        table.create_check_constraint(op.f("ck_publication_most_rows"), "most_rows > 0")
    columns = ["stock_point_id", "most_rows"]
    op.create_index("ix_publication_parts", "publication", columns, sqlite_where=WAITS, postgresql_where=WAITS)
    with op.batch_alter_table("channel") as table:
        table.add_column(sa.Column("sends_part_next", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("channel") as table:
        table.alter_column("sends_part_next", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("channel") as table:
        table.drop_column("sends_part_next")
    op.drop_index("ix_publication_parts", table_name="publication")
    with op.batch_alter_table("publication") as table:
        table.drop_constraint(op.f("ck_publication_most_rows"), type_="check")
        table.drop_column("most_rows")
