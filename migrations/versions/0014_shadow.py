"""channels in the shadow, and how far they agree day by day

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("channel") as table:
        table.add_column(sa.Column("is_shadow", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("settings_mode", sa.String(), nullable=True))
    with op.batch_alter_table("channel") as table:
        table.alter_column("is_shadow", server_default=None)
    op.create_table(
        "shadow_day",
        sa.Column("channel_id", BigId, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("compared", sa.Integer(), nullable=False),
        sa.Column("differing", sa.Integer(), nullable=False),
        sa.Column("unseen", sa.Integer(), nullable=False),
        sa.Column("first_revisions", BigId, nullable=False),
        sa.Column("last_revisions", BigId, nullable=False),
        sa.CheckConstraint("differing <= compared", name=op.f("ck_shadow_day_differing")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_shadow_day_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", "day", name=op.f("pk_shadow_day")),
    )
