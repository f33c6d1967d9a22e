"""when the hub was alive, when its database was restored, and which channels must be heard first

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("levels_heard_until", "levels_stored_at", "hears_since", "heard_again_at"):
        op.add_column("channel", sa.Column(name, Utc(), nullable=True))
    op.create_table(
        "hub_life",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("beat", sa.Integer(), nullable=False),
        sa.Column("beat_at", Utc(), nullable=False),
        sa.Column("noticed_at", Utc(), nullable=True),
        sa.Column("identity", sa.String(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_hub_life_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_life")),
    )
    op.create_table(
        "restore",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("noticed_by", sa.String(), nullable=False),
        sa.Column("known_until", Utc(), nullable=False),
        sa.Column("restored_at", Utc(), nullable=False),
        sa.Column("last_fulfillment_id", BigId, nullable=False),
        sa.Column("suppliers_told_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restore")),
    )
