"""what locations do with fulfillment orders step by step, who works there, and where things lie

Revision: 0017, after 0015
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, Utc

revision = "0017"
down_revision = "0015"
branch_labels = None
depends_on = None

BEFORE = "state IN ('allocated', 'sent_to_supplier', 'shipped', 'handed_over', 'canceled')"
AFTER = (
    "state IN ('allocated', 'accepted', 'picking', 'packed', 'ready_for_pickup', 'sent_to_supplier', 'shipped',"
    " 'handed_over', 'canceled')"
)
KINDS = (
    "kind IN ('offered', 'accepted', 'rejected', 'timed_out', 'waits', 'picking', 'packed', 'ready', 'told',"
    " 'wrong_code', 'shipped', 'handed_over', 'unclaimed', 'reduced', 'canceled', 'put_back')"
)


def upgrade() -> None:
    with op.batch_alter_table("location") as table:
        table.add_column(sa.Column("accept_seconds", sa.Float(), nullable=True))
        table.add_column(sa.Column("hold_pickup_seconds", sa.Float(), nullable=True))
    with op.batch_alter_table("fulfillment_order") as table:
        table.drop_constraint(op.f("ck_fulfillment_order_state"), type_="check")
        table.add_column(sa.Column("accept_by", Utc(), nullable=True))
        table.add_column(sa.Column("pickup_until", Utc(), nullable=True))
        table.add_column(sa.Column("pickup_code", sa.String(), nullable=True))
        table.create_check_constraint(op.f("ck_fulfillment_order_state"), AFTER)
        table.create_check_constraint(
            op.f("ck_fulfillment_order_pickup_code"), "state <> 'ready_for_pickup' OR pickup_code IS NOT NULL"
        )
    _create_steps()
    _create_people()


def _create_steps() -> None:
    op.create_table(
        "fulfillment_event",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("fulfillment_order_id", BigId, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_fulfillment_event_kind")),
        sa.CheckConstraint("kind <> 'rejected' OR reason <> ''", name=op.f("ck_fulfillment_event_reason")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"],
            ["fulfillment_order.id"],
            name=op.f("fk_fulfillment_event_fulfillment_order_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfillment_event")),
    )
    op.create_index(op.f("ix_fulfillment_event_fulfillment_order_id"), "fulfillment_event", ["fulfillment_order_id"])
    op.create_table(
        "fulfillment_pick",
        sa.Column("fulfillment_line_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("units >= 0", name=op.f("ck_fulfillment_pick_units")),
        sa.ForeignKeyConstraint(
            ["fulfillment_line_id"], ["fulfillment_line.id"], name=op.f("fk_fulfillment_pick_fulfillment_line_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_fulfillment_pick_item_id")),
        sa.PrimaryKeyConstraint("fulfillment_line_id", "item_id", name=op.f("pk_fulfillment_pick")),
    )
    op.create_table(
        "shelf",
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_shelf_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_shelf_location_id")),
        sa.PrimaryKeyConstraint("location_id", "item_id", name=op.f("pk_shelf")),
    )


def _create_people() -> None:
    op.create_table(
        "desk_user",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("location_id", BigId, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("disabled_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_desk_user_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_user")),
        sa.UniqueConstraint("location_id", "name", name=op.f("uq_desk_user_location_id_name")),
    )
    op.create_table(
        "desk_session",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("desk_user_id", BigId, nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["desk_user_id"], ["desk_user.id"], name=op.f("fk_desk_session_desk_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_desk_session_token_hash")),
    )
    op.create_index(op.f("ix_desk_session_desk_user_id"), "desk_session", ["desk_user_id"])
    op.create_table(
        "desk_sign_in",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_sign_in")),
    )
    op.create_index("ix_desk_sign_in_who", "desk_sign_in", ["location", "name", "recorded_at"])


def downgrade() -> None:
    for table in ("desk_sign_in", "desk_session", "desk_user", "shelf", "fulfillment_pick", "fulfillment_event"):
        op.drop_table(table)
    # Who only knew the earlier states has the goods still to send.
    states = sa.table("fulfillment_order", sa.column("state", sa.String()))
    later = ["accepted", "picking", "packed", "ready_for_pickup"]
    op.execute(states.update().where(states.c.state.in_(later)).values(state="allocated"))
    with op.batch_alter_table("fulfillment_order") as batch:
        batch.drop_constraint(op.f("ck_fulfillment_order_state"), type_="check")
        batch.drop_constraint(op.f("ck_fulfillment_order_pickup_code"), type_="check")
        for column in ("pickup_code", "pickup_until", "accept_by"):
            batch.drop_column(column)
        batch.create_check_constraint(op.f("ck_fulfillment_order_state"), BEFORE)
    with op.batch_alter_table("location") as batch:
        batch.drop_column("hold_pickup_seconds")
        batch.drop_column("accept_seconds")
