"""Orders on listings that had been published at 0: the channel sells what it was told not to."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.publications import PUBLICATION
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import LINE, ORDER
from nervure.store.tasks import TASK
from schemas.orders import DeliveryMethod

TASK_KIND = "ghost_listing"
CLOCKS_APART = timedelta(seconds=60)
"""So far a platform's clock may be from ours."""


def note_ghosts(connection: Connection, now: datetime, channel: str, order_external_id: str) -> int:
    """Opens a task for each line of an order that was sold where our 0 had been confirmed before; answers how many.

    A line is told of once. Tickets of tills are facts: what was handed over was there.
    """
    order = connection.execute(
        sa.select(ORDER.c.id, ORDER.c.placed_at, ORDER.c.stock_point)
        .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
        .where(
            CHANNEL.c.name == channel,
            ORDER.c.external_id == order_external_id,
            ORDER.c.is_counted.is_(True),
            ORDER.c.delivery_method != DeliveryMethod.HANDED_OVER.value,
        )
    ).one_or_none()
    if order is None:
        return 0
    was_zero = sa.and_(
        PUBLICATION.c.sent_units == 0,
        PUBLICATION.c.confirmed_revision == PUBLICATION.c.sent_revision,
        PUBLICATION.c.confirmed_at <= order.placed_at - CLOCKS_APART,
        PUBLICATION.c.drift_units.is_(None),
    )
    subject = "order_line:" + sa.cast(LINE.c.id, sa.String)
    is_told = sa.select(TASK.c.id).where(TASK.c.kind == TASK_KIND, TASK.c.subject == subject).exists()
    query = (
        sa.select(LINE.c.id, LISTING.c.sku, sa.func.max(PUBLICATION.c.confirmed_at).label("since"))
        .join(LISTING, LISTING.c.id == LINE.c.listing_id)
        .join(PUBLICATION, PUBLICATION.c.listing_id == LINE.c.listing_id)
        .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
        .where(
            LINE.c.order_id == order.id,
            LINE.c.units_ordered > LINE.c.units_canceled,
            # Where the order names no stock point, every one of them must have been at 0.
            sa.true() if order.stock_point is None else POINT.c.external_id == order.stock_point,
            ~is_told,
        )
        .group_by(LINE.c.id, LISTING.c.sku)
        .having(sa.func.sum(sa.case((was_zero, 0), else_=1)) == 0)
        .order_by(LINE.c.id)
    )
    tasks = [
        {
            "kind": TASK_KIND,
            "subject": f"order_line:{row.id}",
            "text": f"{channel} sold {row.sku} although it had confirmed 0 at {row.since:%Y-%m-%d %H:%M} UTC:"
            " look whether the listing shows what it is told",
            "created_at": now,
        }
        for row in connection.execute(query)
    ]
    return insert_new(connection, TASK, tasks)
