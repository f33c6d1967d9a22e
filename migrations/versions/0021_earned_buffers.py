"""buffers that are earned, and how long a change takes to a shelf

Revision: 0021, after 0020
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import Utc

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _check_policies("'buffer', 'earned'")
    for name in ("noted_at", "carried_at"):
        op.add_column("publication", sa.Column(name, Utc(), nullable=True))
    op.add_column("publication_answer", sa.Column("noted_at", Utc(), nullable=True))


def downgrade() -> None:
    op.drop_column("publication_answer", "noted_at")
    for name in ("carried_at", "noted_at"):
        op.drop_column("publication", name)
    for name in ("policy", "policy_change"):
        table = sa.table(name, sa.column("kind"))
        op.execute(table.delete().where(table.c.kind == "earned"))
    _check_policies("'buffer'")


def _check_policies(buffers: str) -> None:
    with op.batch_alter_table("policy") as table:
        for name in ("kind", "scope"):
            table.drop_constraint(op.f(f"ck_policy_{name}"), type_="check")
        table.create_check_constraint(
            op.f("ck_policy_kind"), f"kind IN ({buffers}, 'share', 'cap', 'backorder', 'preorder')"
        )
        table.create_check_constraint(
            op.f("ck_policy_scope"),
            f"(kind NOT IN ({buffers}, 'share', 'cap') OR channel_id IS NOT NULL)"
            f" AND (kind NOT IN ({buffers}, 'backorder', 'preorder') OR item_id IS NOT NULL)",
        )
