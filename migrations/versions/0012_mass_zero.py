"""numbers that fell to 0, for the guard against half a catalogue falling to 0

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "zero_fall",
        sa.Column("publication_id", BigId, nullable=False),
        sa.Column("channel_id", BigId, nullable=False),
        sa.Column("listing_id", BigId, nullable=False),
        sa.Column("units_before", sa.Integer(), nullable=False),
        sa.Column("known_at", Utc(), nullable=True),
        sa.Column("fell_at", Utc(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("is_new", sa.Boolean(), nullable=False),
        sa.CheckConstraint("verdict IN ('passed', 'held', 'refused')", name=op.f("ck_zero_fall_verdict")),
        sa.CheckConstraint("units_before > 0", name=op.f("ck_zero_fall_before")),
        sa.ForeignKeyConstraint(["publication_id"], ["publication.id"], name=op.f("fk_zero_fall_publication_id")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_zero_fall_channel_id")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_zero_fall_listing_id")),
        sa.PrimaryKeyConstraint("publication_id", name=op.f("pk_zero_fall")),
    )
    op.create_index("ix_zero_fall_channel", "zero_fall", ["channel_id", "fell_at"])
