"""accepted documents: a person may say that a held feed is meant

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


def downgrade() -> None:
    op.drop_column("inbox", "accepted_at")
