"""accepted documents, and when the last pull of orders was stored

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("accepted_at", Utc(), nullable=True))
    op.add_column("channel", sa.Column("orders_stored_at", Utc(), nullable=True))
    op.execute("UPDATE channel SET orders_heard_until = NULL")  # the next pull says both


def downgrade() -> None:
    op.drop_column("channel", "orders_stored_at")
    op.drop_column("inbox", "accepted_at")
