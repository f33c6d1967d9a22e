"""how wrong the platforms' clocks are

Revision: 0025, after 0024
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import Utc

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_clock",
        sa.Column("credential", sa.String(), nullable=False),
        sa.Column("least_seconds", sa.Float(), nullable=False),
        sa.Column("most_seconds", sa.Float(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("ahead_seconds", sa.Float(), nullable=False),
        sa.CheckConstraint("least_seconds <= most_seconds", name=op.f("ck_platform_clock_span")),
        sa.CheckConstraint("answers > 0", name=op.f("ck_platform_clock_answers")),
        sa.CheckConstraint("ahead_seconds BETWEEN -600 AND 600", name=op.f("ck_platform_clock_ahead")),
        sa.PrimaryKeyConstraint("credential", name=op.f("pk_platform_clock")),
    )


def downgrade() -> None:
    op.drop_table("platform_clock")
