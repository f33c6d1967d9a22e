"""the gate of a channel that was not cut over, what was decided of its listings, and since when stock is known

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("channel") as table:
        # A channel that is there already has been written to: it stays open.
        table.add_column(sa.Column("is_gated", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("channel") as table:
        table.alter_column("is_gated", server_default=None)
    op.add_column("location", sa.Column("opened_at", Utc(), nullable=True))
    op.create_table(
        "cutover",
        sa.Column("channel_id", BigId, nullable=False),
        sa.Column("began_at", Utc(), nullable=False),
        sa.Column("orders_since", Utc(), nullable=False),
        sa.Column("heard_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_cutover_channel_id")),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_cutover")),
    )
    op.create_table(
        "binding_decision",
        sa.Column("listing_id", BigId, nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("decided_at", Utc(), nullable=False),
        sa.CheckConstraint("decision IN ('bind', 'exclude')", name=op.f("ck_binding_decision_decision")),
        sa.CheckConstraint("decision <> 'exclude' OR reason IS NOT NULL", name=op.f("ck_binding_decision_reason")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_binding_decision_listing_id")),
        sa.PrimaryKeyConstraint("listing_id", name=op.f("pk_binding_decision")),
    )


def downgrade() -> None:
    op.drop_table("binding_decision")
    op.drop_table("cutover")
    op.drop_column("location", "opened_at")
    op.drop_column("channel", "is_gated")
