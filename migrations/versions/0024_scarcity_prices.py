"""what units are worth to later orders

Revision: 0024, after 0023
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scarcity_price",
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("learned_at", Utc(), nullable=False),
        sa.CheckConstraint("price > 0", name=op.f("ck_scarcity_price_price")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_scarcity_price_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_scarcity_price_location_id")),
        sa.PrimaryKeyConstraint("item_id", "location_id", name=op.f("pk_scarcity_price")),
    )


def downgrade() -> None:
    op.drop_table("scarcity_price")
