"""what may take the place of what, and what was offered for units that cannot be served

Revision: 0020, after 0019
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import BigId, ExactDecimal, Utc

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("order_line") as table:
        table.add_column(sa.Column("substitutes_id", BigId, nullable=True))
        table.add_column(sa.Column("is_stated", sa.Boolean(), nullable=False, server_default=sa.true()))
        table.create_foreign_key(op.f("fk_order_line_substitutes_id"), "order_line", ["substitutes_id"], ["id"])
        table.create_check_constraint(op.f("ck_order_line_stated"), "is_stated OR substitutes_id IS NOT NULL")
    with op.batch_alter_table("order_line") as table:
        table.alter_column("is_stated", server_default=None)
    with op.batch_alter_table("fulfillment_order") as table:
        table.add_column(sa.Column("delivery_method", sa.String(), nullable=True))
    with op.batch_alter_table("shortfall") as table:
        table.add_column(sa.Column("look_at", Utc(), nullable=True))
    _create_groups()
    _create_proposals()
    _create_options()
    _create_cuts()


def _create_groups() -> None:
    rule = "IN ('as_paid', 'difference', 'never')"
    op.create_table(
        "substitution_group",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("price_same", sa.String(), nullable=False),
        sa.Column("price_up", sa.String(), nullable=False),
        sa.Column("price_down", sa.String(), nullable=False),
        sa.CheckConstraint("relation IN ('variant', 'model')", name=op.f("ck_substitution_group_relation")),
        sa.CheckConstraint(f"price_same {rule}", name=op.f("ck_substitution_group_price_same")),
        sa.CheckConstraint(f"price_up {rule}", name=op.f("ck_substitution_group_price_up")),
        sa.CheckConstraint(f"price_down {rule}", name=op.f("ck_substitution_group_price_down")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_substitution_group")),
        sa.UniqueConstraint("name", name=op.f("uq_substitution_group_name")),
    )
    op.create_table(
        "substitution_member",
        sa.Column("group_id", BigId, nullable=False),
        sa.Column("item_id", BigId, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("price", ExactDecimal(), nullable=True),
        sa.CheckConstraint("rank >= 0", name=op.f("ck_substitution_member_rank")),
        sa.ForeignKeyConstraint(["group_id"], ["substitution_group.id"], name=op.f("fk_substitution_member_group_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_substitution_member_item_id")),
        sa.PrimaryKeyConstraint("group_id", "item_id", name=op.f("pk_substitution_member")),
    )


def _create_proposals() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("order_line_id", BigId, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.Column("chosen_key", sa.String(), nullable=True),
        sa.CheckConstraint("units > 0", name=op.f("ck_proposal_units")),
        sa.CheckConstraint("state IN ('open', 'chosen', 'expired', 'withdrawn')", name=op.f("ck_proposal_state")),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name=op.f("ck_proposal_ended")),
        sa.CheckConstraint("(state = 'chosen') = (chosen_key IS NOT NULL)", name=op.f("ck_proposal_chosen")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_proposal_order_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
        sa.UniqueConstraint("token", name=op.f("uq_proposal_token")),
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "uq_proposal_open",
        "proposal",
        ["order_line_id"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_proposal_line", "proposal", ["order_line_id"])


def _create_options() -> None:
    op.create_table(
        "proposal_option",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("proposal_id", BigId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("item_id", BigId, nullable=True),
        sa.Column("listing_id", BigId, nullable=True),
        sa.Column("location_id", BigId, nullable=True),
        sa.Column("expected_on", sa.Date(), nullable=True),
        sa.Column("due", ExactDecimal(), nullable=True),
        sa.Column("reservation_id", BigId, nullable=True),
        sa.CheckConstraint(
            "kind IN ('variant', 'higher_model', 'pickup', 'later', 'lower_model', 'cancel')",
            name=op.f("ck_proposal_option_kind"),
        ),
        sa.CheckConstraint(
            "(kind IN ('variant', 'higher_model', 'lower_model')) = (item_id IS NOT NULL)",
            name=op.f("ck_proposal_option_item"),
        ),
        sa.CheckConstraint("(kind = 'pickup') = (location_id IS NOT NULL)", name=op.f("ck_proposal_option_place")),
        sa.CheckConstraint("kind <> 'later' OR expected_on IS NOT NULL", name=op.f("ck_proposal_option_day")),
        sa.CheckConstraint(
            "(kind IN ('later', 'cancel')) = (reservation_id IS NULL)", name=op.f("ck_proposal_option_held")
        ),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_proposal_option_{column}"))
            for column, table in (
                ("proposal_id", "proposal"),
                ("item_id", "item"),
                ("listing_id", "listing"),
                ("location_id", "location"),
                ("reservation_id", "reservation"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_option")),
        sa.UniqueConstraint("proposal_id", "key", name=op.f("uq_proposal_option_proposal_id_key")),
    )
    op.create_index(op.f("ix_proposal_option_reservation_id"), "proposal_option", ["reservation_id"])


def _create_cuts() -> None:
    op.create_table(
        "line_cut",
        sa.Column("id", BigId, autoincrement=True, nullable=False),
        sa.Column("order_line_id", BigId, nullable=False),
        sa.Column("proposal_id", BigId, nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("substitute_line_id", BigId, nullable=True),
        sa.Column("cut_at", Utc(), nullable=False),
        sa.Column("known_at", Utc(), nullable=True),
        sa.CheckConstraint("units > 0", name=op.f("ck_line_cut_units")),
        sa.CheckConstraint("reason IN ('substituted', 'canceled')", name=op.f("ck_line_cut_reason")),
        sa.CheckConstraint(
            "(reason = 'substituted') = (substitute_line_id IS NOT NULL)", name=op.f("ck_line_cut_substitute")
        ),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_line_cut_{column}"))
            for column, table in (
                ("order_line_id", "order_line"),
                ("proposal_id", "proposal"),
                ("substitute_line_id", "order_line"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_cut")),
        sa.UniqueConstraint("proposal_id", name=op.f("uq_line_cut_proposal_id")),
    )
    op.create_index(op.f("ix_line_cut_order_line_id"), "line_cut", ["order_line_id"])


def downgrade() -> None:
    for name in ("line_cut", "proposal_option", "proposal", "substitution_member", "substitution_group"):
        op.drop_table(name)
    with op.batch_alter_table("shortfall") as table:
        table.drop_column("look_at")
    with op.batch_alter_table("fulfillment_order") as table:
        table.drop_column("delivery_method")
    with op.batch_alter_table("order_line") as table:
        table.drop_constraint(op.f("ck_order_line_stated"), type_="check")
        table.drop_constraint(op.f("fk_order_line_substitutes_id"), type_="foreignkey")
        table.drop_column("is_stated")
        table.drop_column("substitutes_id")
