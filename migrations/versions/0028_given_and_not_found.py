"""what a location was given since a time, and how often it did not find what it was to send

Revision: 0028, after 0027
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_fulfillment_order_given", "fulfillment_order", ["location_id", "created_at"])
    op.create_table(
        "not_found",
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("tried", sa.BigInteger(), nullable=False),
        sa.Column("missed", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", Utc(), nullable=False),
        sa.CheckConstraint("missed >= 0 AND missed <= tried", name=op.f("ck_not_found_missed")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_not_found_location_id")),
        sa.PrimaryKeyConstraint("location_id", name=op.f("pk_not_found")),
    )


def downgrade() -> None:
    op.drop_table("not_found")
    op.drop_index("ix_fulfillment_order_given", table_name="fulfillment_order")
