"""a fulfillment order may be given elsewhere because its order was planned anew

Revision: 0023, after 0022
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

BEFORE = (
    "kind IN ('offered', 'accepted', 'rejected', 'timed_out', 'waits', 'picking', 'packed', 'ready', 'told',"
    " 'wrong_code', 'shipped', 'handed_over', 'unclaimed', 'reduced', 'canceled', 'put_back', 'taken', 'lacks',"
    " 'withdrawn', 'notified', 'not_notified')"
)
AFTER = BEFORE.removesuffix(")") + ", 'replanned')"


def upgrade() -> None:
    _allow(AFTER)


def downgrade() -> None:
    op.execute("DELETE FROM fulfillment_event WHERE kind = 'replanned'")
    _allow(BEFORE)


def _allow(kinds: str) -> None:
    with op.batch_alter_table("fulfillment_event") as table:
        table.drop_constraint(op.f("ck_fulfillment_event_kind"), type_="check")
        table.create_check_constraint(op.f("ck_fulfillment_event_kind"), kinds)
