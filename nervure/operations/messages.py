"""Sending what the outbox holds: shipments and acceptances to channels, orders to suppliers."""

import logging
from collections.abc import Callable

from connectors.errors import ConnectorError, FatalError, RefusedError, ThrottledError
from nervure.operations.hub import Hub
from nervure.operations.suppliers import send_drop_ship, take_refusal
from nervure.store.database import Connection
from nervure.store.messages import Message, MessageStore
from nervure.store.orders import OrderStore

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 900.0


def send_messages(hub: Hub, limit: int = 20) -> int:
    """Sends what is due; a failing message waits for its next try, a refused one becomes a task. Answers how many."""
    taken = hub.database.run(lambda c: MessageStore(c, hub.clock.now()).lease(limit))
    for message in taken:
        _send(hub, message)
    return len(taken)


def _send(hub: Hub, message: Message) -> None:
    kinds: dict[str, Callable[[Hub, Message], None]] = {
        "shipment": _shipment,
        "accept_order": _acceptance,
        "drop_ship": _drop_ship,
    }
    try:
        kinds[message.kind](hub, message)
    except RefusedError as error:
        _bury(hub, message, str(error))
    except ConnectorError as error:
        seconds = min(FIRST_RETRY_SECONDS * 2 ** min(message.attempts, 9), MAX_RETRY_SECONDS)
        if isinstance(error, ThrottledError):
            seconds = error.retry_after_seconds
        elif isinstance(error, FatalError):
            seconds = MAX_RETRY_SECONDS
        reason = str(error)
        hub.database.run(lambda c: MessageStore(c, hub.clock.now()).later(message.id, seconds, reason))
    else:
        hub.database.run(lambda c: MessageStore(c, hub.clock.now()).done(message.id))


def _bury(hub: Hub, message: Message, reason: str) -> None:
    logger.warning("%s for %s is refused: %s", message.reference, message.target, reason)
    now = hub.clock.now()

    def work(connection: Connection) -> None:
        MessageStore(connection, now).bury(message.id, reason)
        if message.kind == "drop_ship":
            take_refusal(hub, connection, int(message.payload["fulfillment_order"]))
        OrderStore(connection, now).open_task("message_refused", f"{message.kind}:{message.reference}", reason)

    hub.database.run(work)


def _shipment(hub: Hub, message: Message) -> None:
    with hub.database.read() as connection:
        shipment = MessageStore(connection, hub.clock.now()).shipment(int(message.payload["fulfillment_order"]))
    if hub.accounts[message.target].record.capabilities.can_push_shipments:
        hub.connection(message.target).push_shipment(shipment)


def _acceptance(hub: Hub, message: Message) -> None:
    hub.connection(message.target).accept_order(message.payload["order"], message.payload["lines"])


def _drop_ship(hub: Hub, message: Message) -> None:
    send_drop_ship(hub, message.target, int(message.payload["fulfillment_order"]))
