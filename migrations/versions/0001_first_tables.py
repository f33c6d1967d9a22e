"""first tables

Revision: 0001, after none
"""

import sqlalchemy as sa
from alembic import op

from nervure.store.columns import ExactDecimal, Json, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_ceiling",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("free_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("account", "operation", name=op.f("pk_call_ceiling")),
    )
    op.create_table(
        "channel",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("buffer_units", sa.Integer(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("orders_watermark", Utc(), nullable=True),
        sa.Column("orders_heard_until", Utc(), nullable=True),
        sa.Column("orders_next_at", Utc(), nullable=True),
        sa.Column("stock_next_at", Utc(), nullable=True),
        sa.Column("write_next_at", Utc(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.CheckConstraint("buffer_units >= 0", name=op.f("ck_channel_buffer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
        sa.UniqueConstraint("name", name=op.f("uq_channel_name")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("document_id", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("heard", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("lease", sa.String(), nullable=True),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("happened_at", Utc(), nullable=True),
        sa.Column("received_at", Utc(), nullable=False),
        sa.Column("handled_at", Utc(), nullable=True),
        sa.Column("told_at", Utc(), nullable=True),
        sa.CheckConstraint("state <> 'dead' OR reason IS NOT NULL", name=op.f("ck_inbox_reason")),
        sa.CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name=op.f("ck_inbox_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("channel", "event_id", name=op.f("uq_inbox_channel_event_id")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_document", ["channel", "document_id"], unique=False)
        batch_op.create_index(
            "ix_inbox_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state IN ('waiting', 'leased')"),
            postgresql_where=sa.text("state IN ('waiting', 'leased')"),
        )
        batch_op.create_index("ix_inbox_state", ["state"], unique=False)

    op.create_table(
        "item",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("gtin", sa.String(), nullable=True),
        sa.Column("options", Json, nullable=False),
        sa.Column("tax_class", sa.String(), nullable=True),
        sa.Column("weight_grams", sa.Integer(), nullable=True),
        sa.CheckConstraint("kind IN ('simple', 'kit')", name=op.f("ck_item_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint("sku", name=op.f("uq_item_sku")),
    )
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_item_gtin"), ["gtin"], unique=False)

    op.create_table(
        "location",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("postal_code", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("can_ship", sa.Boolean(), nullable=False),
        sa.Column("can_pickup", sa.Boolean(), nullable=False),
        sa.Column("master", sa.String(), nullable=True),
        sa.Column("ttl_seconds", sa.Float(), nullable=True),
        sa.Column("as_of", Utc(), nullable=True),
        sa.Column("was_fresh", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location")),
        sa.UniqueConstraint("code", name=op.f("uq_location_code")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", Utc(), nullable=False),
        sa.Column("lease_until", Utc(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name=op.f("ck_outbox_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("kind", "reference", name=op.f("uq_outbox_kind_reference")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_open",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state IN ('waiting', 'leased')"),
            postgresql_where=sa.text("state IN ('waiting', 'leased')"),
        )

    op.create_table(
        "supplier_feed",
        sa.Column("supplier", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("as_of", Utc(), nullable=False),
        sa.Column("taken_at", Utc(), nullable=False),
        sa.Column("held_reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("supplier", name=op.f("pk_supplier_feed")),
    )
    op.create_table(
        "task",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index(
            "uq_task_open",
            ["kind", "subject"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "goods_return",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("order_external_id", sa.String(), nullable=True),
        sa.Column("occurred_at", Utc(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.Column("refund_amount", ExactDecimal(), nullable=True),
        sa.Column("refund_currency", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_goods_return_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_return")),
        sa.UniqueConstraint("channel_id", "external_id", name=op.f("uq_goods_return_channel_id_external_id")),
    )
    op.create_table(
        "inbox_body",
        sa.Column("inbox_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_inbox_body_inbox_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("inbox_id", name=op.f("pk_inbox_body")),
    )
    with op.batch_alter_table("inbox_body", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_inbox_body_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "kit_component",
        sa.Column("kit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("part_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("kit_id <> part_id", name=op.f("ck_kit_component_not_itself")),
        sa.CheckConstraint("units > 0", name=op.f("ck_kit_component_units")),
        sa.ForeignKeyConstraint(["kit_id"], ["item.id"], name=op.f("fk_kit_component_kit_id")),
        sa.ForeignKeyConstraint(["part_id"], ["item.id"], name=op.f("fk_kit_component_part_id")),
        sa.PrimaryKeyConstraint("kit_id", "part_id", name=op.f("pk_kit_component")),
    )
    with op.batch_alter_table("kit_component", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_kit_component_part_id"), ["part_id"], unique=False)

    op.create_table(
        "listing",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("stock_id", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=True),
        sa.Column("gtin", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("unbound_reason", sa.String(), nullable=True),
        sa.CheckConstraint("(item_id IS NULL) = (unbound_reason IS NOT NULL)", name=op.f("ck_listing_binding")),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_listing_channel_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_listing_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
        sa.UniqueConstraint("channel_id", "external_id", name=op.f("uq_listing_channel_id_external_id")),
    )
    with op.batch_alter_table("listing", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_listing_item_id"), ["item_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_listing_stock_id"), ["stock_id"], unique=False)

    op.create_table(
        "safety_stock",
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("units >= 0", name=op.f("ck_safety_stock_units")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_safety_stock_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_safety_stock_location_id")),
        sa.PrimaryKeyConstraint("item_id", "location_id", name=op.f("pk_safety_stock")),
    )
    op.create_table(
        "sales_order",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("placed_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total", ExactDecimal(), nullable=False),
        sa.Column("shipping_amount", ExactDecimal(), nullable=False),
        sa.Column("tax_amount", ExactDecimal(), nullable=False),
        sa.Column("tax_included", sa.Boolean(), nullable=False),
        sa.Column("discount_amount", ExactDecimal(), nullable=False),
        sa.Column("difference", ExactDecimal(), nullable=False),
        sa.Column("delivery_method", sa.String(), nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.Column("stock_point", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("postal_code", sa.String(), nullable=True),
        sa.Column("routing", Json, nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_sales_order_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales_order")),
        sa.UniqueConstraint("channel_id", "external_id", name=op.f("uq_sales_order_channel_id_external_id")),
    )
    op.create_table(
        "stock_level",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("lot", sa.String(), nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("allocated", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "condition = 'sellable' OR (reserved = 0 AND allocated = 0)",
            name=op.f("ck_stock_level_claims_are_sellable"),
        ),
        sa.CheckConstraint("reserved >= 0 AND allocated >= 0 AND sequence >= 0", name=op.f("ck_stock_level_signs")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_stock_level_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_stock_level_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_level")),
        sa.UniqueConstraint(
            "item_id",
            "location_id",
            "owner",
            "condition",
            "lot",
            name=op.f("uq_stock_level_item_id_location_id_owner_condition_lot"),
        ),
    )
    with op.batch_alter_table("stock_level", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stock_level_location_id"), ["location_id"], unique=False)

    op.create_table(
        "stock_observation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("expected_units", sa.Integer(), nullable=False),
        sa.Column("is_booked", sa.Boolean(), nullable=False),
        sa.Column("observed_at", Utc(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_stock_observation_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_stock_observation_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_observation")),
        sa.UniqueConstraint(
            "location_id",
            "item_id",
            "source",
            "observed_at",
            "version",
            name=op.f("uq_stock_observation_location_id_item_id_source_observed_at_version"),
        ),
    )
    with op.batch_alter_table("stock_observation", schema=None) as batch_op:
        batch_op.create_index("ix_stock_observation_newest", ["item_id", "location_id", "observed_at"], unique=False)

    op.create_table(
        "stock_point",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["channel.id"], name=op.f("fk_stock_point_channel_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_point")),
        sa.UniqueConstraint("channel_id", "external_id", name=op.f("uq_stock_point_channel_id_external_id")),
    )
    op.create_table(
        "supplier_offer",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("supplier", sa.String(), nullable=False),
        sa.Column("supplier_sku", sa.String(), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("gtin", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=True),
        sa.Column("unit_cost", ExactDecimal(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("lead_time_days", sa.Integer(), nullable=True),
        sa.Column("as_of", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_supplier_offer_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier_offer")),
        sa.UniqueConstraint("supplier", "supplier_sku", name=op.f("uq_supplier_offer_supplier_supplier_sku")),
    )
    with op.batch_alter_table("supplier_offer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_supplier_offer_item_id"), ["item_id"], unique=False)

    op.create_table(
        "availability_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("listing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("stock_point_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("channel_delta", sa.Integer(), nullable=True),
        sa.Column("moved_at", Utc(), nullable=True),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_availability_change_item_id")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_availability_change_listing_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_availability_change_location_id")),
        sa.ForeignKeyConstraint(
            ["stock_point_id"], ["stock_point.id"], name=op.f("fk_availability_change_stock_point_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_change")),
    )
    op.create_table(
        "fulfillment_order",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("carrier", sa.String(), nullable=True),
        sa.Column("tracking_number", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('allocated', 'sent_to_supplier', 'shipped', 'handed_over', 'canceled')",
            name=op.f("ck_fulfillment_order_state"),
        ),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_fulfillment_order_location_id")),
        sa.ForeignKeyConstraint(["order_id"], ["sales_order.id"], name=op.f("fk_fulfillment_order_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfillment_order")),
    )
    with op.batch_alter_table("fulfillment_order", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fulfillment_order_order_id"), ["order_id"], unique=False)
        batch_op.create_index("ix_fulfillment_order_state", ["state", "location_id"], unique=False)

    op.create_table(
        "goods_return_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("goods_return_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_line", sa.String(), nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("restocked", sa.Boolean(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_goods_return_line_units")),
        sa.ForeignKeyConstraint(
            ["goods_return_id"], ["goods_return.id"], name=op.f("fk_goods_return_line_goods_return_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_goods_return_line_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_goods_return_line")),
        sa.UniqueConstraint(
            "goods_return_id", "external_id", name=op.f("uq_goods_return_line_goods_return_id_external_id")
        ),
    )
    op.create_table(
        "order_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("listing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("units_ordered", sa.Integer(), nullable=False),
        sa.Column("units_canceled", sa.Integer(), nullable=False),
        sa.Column("unit_price", ExactDecimal(), nullable=False),
        sa.Column("line_total", ExactDecimal(), nullable=False),
        sa.Column("tax_amount", ExactDecimal(), nullable=False),
        sa.CheckConstraint("units_canceled BETWEEN 0 AND units_ordered", name=op.f("ck_order_line_canceled")),
        sa.CheckConstraint("units_ordered > 0", name=op.f("ck_order_line_ordered")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_order_line_item_id")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_order_line_listing_id")),
        sa.ForeignKeyConstraint(["order_id"], ["sales_order.id"], name=op.f("fk_order_line_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line")),
        sa.UniqueConstraint("order_id", "external_id", name=op.f("uq_order_line_order_id_external_id")),
    )
    with op.batch_alter_table("order_line", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_order_line_item_id"), ["item_id"], unique=False)

    op.create_table(
        "order_person",
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("address_lines", Json, nullable=False),
        sa.Column("expires_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["sales_order.id"], name=op.f("fk_order_person_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_person")),
    )
    with op.batch_alter_table("order_person", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_order_person_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "publication",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("listing_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stock_point_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("salable_quantity", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("channel_units", sa.Integer(), nullable=True),
        sa.Column("channel_units_at", Utc(), nullable=True),
        sa.Column("sent_revision", sa.Integer(), nullable=False),
        sa.Column("sent_units", sa.Integer(), nullable=True),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("flight", sa.String(), nullable=True),
        sa.Column("flight_until", Utc(), nullable=True),
        sa.Column("receipt", sa.String(), nullable=True),
        sa.Column("confirmed_revision", sa.Integer(), nullable=False),
        sa.Column("confirmed_at", Utc(), nullable=True),
        sa.Column("next_at", Utc(), nullable=True),
        sa.Column("waits_for_orders_since", Utc(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint("(state IN ('sent', 'unknown')) = (flight IS NOT NULL)", name=op.f("ck_publication_flight")),
        sa.CheckConstraint(
            "state <> 'confirmed' OR confirmed_revision = revision", name=op.f("ck_publication_confirmed")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'sent', 'unknown', 'confirmed', 'failed', 'excluded')",
            name=op.f("ck_publication_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('failed', 'excluded') OR reason IS NOT NULL", name=op.f("ck_publication_reason")
        ),
        sa.CheckConstraint("salable_quantity >= 0", name=op.f("ck_publication_salable")),
        sa.CheckConstraint(
            "sent_revision <= revision AND confirmed_revision <= revision", name=op.f("ck_publication_revisions")
        ),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_publication_listing_id")),
        sa.ForeignKeyConstraint(["stock_point_id"], ["stock_point.id"], name=op.f("fk_publication_stock_point_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publication")),
        sa.UniqueConstraint("listing_id", "stock_point_id", name=op.f("uq_publication_listing_id_stock_point_id")),
    )
    with op.batch_alter_table("publication", schema=None) as batch_op:
        batch_op.create_index(
            "ix_publication_flight",
            ["flight"],
            unique=False,
            sqlite_where=sa.text("flight IS NOT NULL"),
            postgresql_where=sa.text("flight IS NOT NULL"),
        )
        batch_op.create_index("ix_publication_state", ["stock_point_id", "state", "salable_quantity"], unique=False)

    op.create_table(
        "stock_movement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("stock_level_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("cause_key", sa.String(), nullable=False),
        sa.Column("occurred_at", Utc(), nullable=False),
        sa.Column("recorded_at", Utc(), nullable=False),
        sa.Column("compensates_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("(kind = 'adjusted') = (reason IS NOT NULL)", name=op.f("ck_stock_movement_reason")),
        sa.CheckConstraint("sequence > 0", name=op.f("ck_stock_movement_sequence")),
        sa.CheckConstraint("units <> 0", name=op.f("ck_stock_movement_moves")),
        sa.ForeignKeyConstraint(
            ["compensates_id"], ["stock_movement.id"], name=op.f("fk_stock_movement_compensates_id")
        ),
        sa.ForeignKeyConstraint(["stock_level_id"], ["stock_level.id"], name=op.f("fk_stock_movement_stock_level_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movement")),
        sa.UniqueConstraint("cause_key", name=op.f("uq_stock_movement_cause_key")),
        sa.UniqueConstraint("stock_level_id", "sequence", name=op.f("uq_stock_movement_stock_level_id_sequence")),
    )
    op.create_table(
        "stock_point_location",
        sa.Column("stock_point_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("location_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_stock_point_location_location_id")),
        sa.ForeignKeyConstraint(
            ["stock_point_id"], ["stock_point.id"], name=op.f("fk_stock_point_location_stock_point_id")
        ),
        sa.PrimaryKeyConstraint("stock_point_id", "location_id", name=op.f("pk_stock_point_location")),
    )
    with op.batch_alter_table("stock_point_location", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stock_point_location_location_id"), ["location_id"], unique=False)

    op.create_table(
        "fulfillment_line",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("fulfillment_order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("order_line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint("units >= 0", name=op.f("ck_fulfillment_line_units")),
        sa.ForeignKeyConstraint(
            ["fulfillment_order_id"], ["fulfillment_order.id"], name=op.f("fk_fulfillment_line_fulfillment_order_id")
        ),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_fulfillment_line_order_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fulfillment_line")),
        sa.UniqueConstraint(
            "fulfillment_order_id", "order_line_id", name=op.f("uq_fulfillment_line_fulfillment_order_id_order_line_id")
        ),
    )
    with op.batch_alter_table("fulfillment_line", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_fulfillment_line_order_line_id"), ["order_line_id"], unique=False)

    op.create_table(
        "shortfall",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("order_line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.CheckConstraint("units >= 0", name=op.f("ck_shortfall_units")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_shortfall_order_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shortfall")),
        sa.UniqueConstraint("order_line_id", name=op.f("uq_shortfall_order_line_id")),
    )
    op.create_table(
        "claim",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("stock_level_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("fulfillment_line_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.CheckConstraint("(kind = 'allocation') = (fulfillment_line_id IS NOT NULL)", name=op.f("ck_claim_purpose")),
        sa.CheckConstraint("(kind = 'reservation') = (expires_at IS NOT NULL)", name=op.f("ck_claim_expiry")),
        sa.CheckConstraint("kind IN ('reservation', 'allocation')", name=op.f("ck_claim_kind")),
        sa.CheckConstraint("state IN ('held', 'consumed', 'released')", name=op.f("ck_claim_state")),
        sa.CheckConstraint("units > 0", name=op.f("ck_claim_units")),
        sa.ForeignKeyConstraint(
            ["fulfillment_line_id"], ["fulfillment_line.id"], name=op.f("fk_claim_fulfillment_line_id")
        ),
        sa.ForeignKeyConstraint(["stock_level_id"], ["stock_level.id"], name=op.f("fk_claim_stock_level_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim")),
    )
    with op.batch_alter_table("claim", schema=None) as batch_op:
        batch_op.create_index("ix_claim_fulfillment_line_id_state", ["fulfillment_line_id", "state"], unique=False)
        batch_op.create_index(
            "ix_claim_held",
            ["stock_level_id"],
            unique=False,
            sqlite_where=sa.text("state = 'held'"),
            postgresql_where=sa.text("state = 'held'"),
        )
        batch_op.create_index(batch_op.f("ix_claim_reference"), ["reference"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("claim", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_claim_reference"))
        batch_op.drop_index(
            "ix_claim_held", sqlite_where=sa.text("state = 'held'"), postgresql_where=sa.text("state = 'held'")
        )
        batch_op.drop_index("ix_claim_fulfillment_line_id_state")

    op.drop_table("claim")
    op.drop_table("shortfall")
    with op.batch_alter_table("fulfillment_line", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_fulfillment_line_order_line_id"))

    op.drop_table("fulfillment_line")
    with op.batch_alter_table("stock_point_location", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stock_point_location_location_id"))

    op.drop_table("stock_point_location")
    op.drop_table("stock_movement")
    with op.batch_alter_table("publication", schema=None) as batch_op:
        batch_op.drop_index("ix_publication_state")
        batch_op.drop_index(
            "ix_publication_flight",
            sqlite_where=sa.text("flight IS NOT NULL"),
            postgresql_where=sa.text("flight IS NOT NULL"),
        )

    op.drop_table("publication")
    with op.batch_alter_table("order_person", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_order_person_expires_at"))

    op.drop_table("order_person")
    with op.batch_alter_table("order_line", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_order_line_item_id"))

    op.drop_table("order_line")
    op.drop_table("goods_return_line")
    with op.batch_alter_table("fulfillment_order", schema=None) as batch_op:
        batch_op.drop_index("ix_fulfillment_order_state")
        batch_op.drop_index(batch_op.f("ix_fulfillment_order_order_id"))

    op.drop_table("fulfillment_order")
    op.drop_table("availability_change")
    with op.batch_alter_table("supplier_offer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_supplier_offer_item_id"))

    op.drop_table("supplier_offer")
    op.drop_table("stock_point")
    with op.batch_alter_table("stock_observation", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_observation_newest")

    op.drop_table("stock_observation")
    with op.batch_alter_table("stock_level", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stock_level_location_id"))

    op.drop_table("stock_level")
    op.drop_table("sales_order")
    op.drop_table("safety_stock")
    with op.batch_alter_table("listing", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_listing_stock_id"))
        batch_op.drop_index(batch_op.f("ix_listing_item_id"))

    op.drop_table("listing")
    with op.batch_alter_table("kit_component", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_kit_component_part_id"))

    op.drop_table("kit_component")
    with op.batch_alter_table("inbox_body", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inbox_body_expires_at"))

    op.drop_table("inbox_body")
    op.drop_table("goods_return")
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_task_open", sqlite_where=sa.text("closed_at IS NULL"), postgresql_where=sa.text("closed_at IS NULL")
        )

    op.drop_table("task")
    op.drop_table("supplier_feed")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_outbox_open",
            sqlite_where=sa.text("state IN ('waiting', 'leased')"),
            postgresql_where=sa.text("state IN ('waiting', 'leased')"),
        )

    op.drop_table("outbox")
    op.drop_table("location")
    with op.batch_alter_table("item", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_item_gtin"))

    op.drop_table("item")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index("ix_inbox_state")
        batch_op.drop_index(
            "ix_inbox_open",
            sqlite_where=sa.text("state IN ('waiting', 'leased')"),
            postgresql_where=sa.text("state IN ('waiting', 'leased')"),
        )
        batch_op.drop_index("ix_inbox_document")

    op.drop_table("inbox")
    op.drop_table("channel")
    op.drop_table("call_ceiling")
