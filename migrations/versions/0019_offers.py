"""fulfillment orders are offered to several locations, and channels are told what is ready for pickup

Revision: 0019, after 0018
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BEFORE = (
    "kind IN ('offered', 'accepted', 'rejected', 'timed_out', 'waits', 'picking', 'packed', 'ready', 'told',"
    " 'wrong_code', 'shipped', 'handed_over', 'unclaimed', 'reduced', 'canceled', 'put_back')"
)
NEW = ["taken", "lacks", "withdrawn", "notified", "not_notified"]
AFTER = BEFORE.removesuffix(")") + "".join(f", '{kind}'" for kind in NEW) + ")"


def upgrade() -> None:
    with op.batch_alter_table("fulfillment_event") as table:
        table.drop_constraint(op.f("ck_fulfillment_event_kind"), type_="check")
        table.create_check_constraint(op.f("ck_fulfillment_event_kind"), AFTER)
        table.add_column(sa.Column("location_id", BigId, nullable=True))
        table.create_foreign_key(op.f("fk_fulfillment_event_location_id"), "location", ["location_id"], ["id"])
    op.create_table(
        "fulfillment_offer",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("fulfillment_order_id", BigId, nullable=False),
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("accept_by", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'declined', 'expired', 'taken', 'lacking', 'withdrawn')",
            name=op.f("ck_fulfillment_offer_state"),
        ),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name=op.f("ck_fulfillment_offer_ended")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_order.id"],
            name=op.f("fk_fulfillment_offer_fulfillment_order_id"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_fulfillment_offer_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfillment_offer")),
        sa.UniqueConstraint(
            "fulfillment_order_id", "location_id", name=op.f("uq_fulfillment_offer_fulfillment_order_id_location_id")
        ),
    )
    op.create_index(
        "ix_fulfillment_offer_open",
        "fulfillment_offer",
        ["location_id"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_fulfillment_offer_accepted",
        "fulfillment_offer",
        ["fulfillment_order_id"],
        unique=True,
        sqlite_where=sa.text("state = 'accepted'"),
        postgresql_where=sa.text("state = 'accepted'"),
    )


def downgrade() -> None:
    op.drop_table("fulfillment_offer")
    events = sa.table("fulfillment_event", sa.column("kind", sa.String()), sa.column("location_id", BigId))
    # Whoever knew no offers to others knows nothing of what happened there.
    op.execute(events.delete().where(events.c.kind.in_(NEW) | events.c.location_id.is_not(None)))
    with op.batch_alter_table("fulfillment_event") as table:
        table.drop_constraint(op.f("fk_fulfillment_event_location_id"), type_="foreignkey")
        table.drop_column("location_id")
        table.drop_constraint(op.f("ck_fulfillment_event_kind"), type_="check")
        table.create_check_constraint(op.f("ck_fulfillment_event_kind"), BEFORE)
