"""how many units a line's amount is for, and its part of the order's discount

Revision: 0026, after 0025
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import ExactDecimal

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("order_line") as table:
        table.add_column(sa.Column("units_charged", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("discount_amount", ExactDecimal(), nullable=False, server_default="0"))
    # What was stated is known again with the order's next form; until then a line counts as it did.
    op.execute("UPDATE order_line SET units_charged = units_ordered")
    with op.batch_alter_table("order_line") as table:
        table.alter_column("units_charged", server_default=None)
        table.alter_column("discount_amount", server_default=None)
        table.create_check_constraint(op.f("ck_order_line_charged"), "units_charged BETWEEN 0 AND units_ordered")


def downgrade() -> None:
    with op.batch_alter_table("order_line") as table:
        table.drop_constraint(op.f("ck_order_line_charged"), type_="check")
        table.drop_column("discount_amount")
        table.drop_column("units_charged")
