"""Everything order work holds, over one connection."""

from datetime import datetime

from sqlalchemy.engine import Connection

from nervure.orders.desk import Desk
from nervure.store.bindings import BindingStore
from nervure.store.candidates import CandidateStore
from nervure.store.channel_notes import ChannelNoteStore
from nervure.store.fulfillment import FulfillmentStore
from nervure.store.orders import PERSONAL_DATA_DAYS, OrderStore
from nervure.store.outbox import OutboxStore
from nervure.store.returns import ReturnStore
from nervure.store.routing import RoutingStore
from nervure.store.shortfalls import ShortfallStore
from nervure.store.stock import StockStore
from nervure.store.tasks import TaskStore


def desk_of(connection: Connection, now: datetime, *, personal_data_days: int = PERSONAL_DATA_DAYS) -> Desk:
    """The desk of one transaction at one time of the hub's clock."""
    routing = RoutingStore(connection, now)
    return Desk(
        BindingStore(connection),
        OrderStore(connection, now, personal_data_days=personal_data_days),
        routing,
        CandidateStore(connection, now, routing),
        FulfillmentStore(connection, now),
        ShortfallStore(connection, now),
        ReturnStore(connection, now),
        OutboxStore(connection, now),
        TaskStore(connection, now),
        ChannelNoteStore(connection, now),
        StockStore(connection, now),
        now,
    )
