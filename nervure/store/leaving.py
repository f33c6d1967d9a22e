"""Which numbers may be sent to a channel now."""

from datetime import datetime

import sqlalchemy as sa

from nervure.store.falls import HELD_BACK
from nervure.store.inbox import INBOX
from nervure.store.publications import PUBLICATION
from nervure.store.tables.channels import CHANNEL
from schemas.publications import PublicationState

# What the pull stored must be understood too; what came after it need not be waited for.
_IS_ALL_UNDERSTOOD = (
    ~sa.select(INBOX.c.id)
    .where(
        INBOX.c.channel == CHANNEL.c.name,
        INBOX.c.state.in_(["waiting", "leased"]),
        INBOX.c.received_at <= CHANNEL.c.orders_stored_at,
    )
    .correlate(CHANNEL)
    .exists()
)
HAS_HEARD_ORDERS = sa.or_(
    PUBLICATION.c.waits_for_orders_since.is_(None),
    sa.and_(PUBLICATION.c.waits_for_orders_since < CHANNEL.c.orders_heard_until, _IS_ALL_UNDERSTOOD),
)
"""A number need not wait (any more) for the orders of its channel."""


def may_leave(now: datetime) -> sa.ColumnElement[bool]:
    """A number waits for nothing but its turn."""
    return sa.and_(
        PUBLICATION.c.state == PublicationState.PENDING.value,
        PUBLICATION.c.revision > 0,
        PUBLICATION.c.drift_units.is_(None),
        ~HELD_BACK,
        sa.or_(PUBLICATION.c.next_at.is_(None), PUBLICATION.c.next_at <= now),
        HAS_HEARD_ORDERS,
    )
