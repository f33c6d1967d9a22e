"""Sending what the outbox holds: to channels what left, waits, is accepted or is canceled; to suppliers orders."""

import logging
from collections.abc import Callable
from datetime import timedelta

from connectors.errors import ConnectorError, FatalError, RefusedError, ThrottledError
from nervure.operations.hub import Hub
from nervure.operations.suppliers import send_drop_ship, take_refusal
from nervure.operations.telling import take_refusal as refuse_cancellation
from nervure.store.database import Connection
from nervure.store.handling import HandlingStore
from nervure.store.messages import LEASE_SECONDS, Message, MessageStore
from nervure.store.tasks import TaskStore
from schemas.fulfillment import StepKind

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 2.0
MAX_RETRY_SECONDS = 900.0


def targets(hub: Hub) -> list[str]:
    """Everybody to whom messages go: each is sent to by itself, so that a slow one holds nobody else."""
    return [*hub.accounts, *hub.suppliers]


def send_messages(hub: Hub) -> int:
    """Sends what is due to all targets, one after the other; answers how many were tried."""
    return sum(send_to(hub, target) for target in targets(hub))


def send_to(hub: Hub, target: str, limit: int = 20) -> int:
    """Sends what is due to one target, in the order in which it was queued; answers how many were tried.

    A failing message waits for its next try, a refused one becomes a task.
    """
    with hub.database.read() as connection:
        if not MessageStore(connection, hub.clock.now()).has_due(target):
            return 0
    # Longer than half of the lease, and another window may take what is not tried yet for lost.
    until = hub.clock.now() + timedelta(seconds=LEASE_SECONDS / 2)
    taken = hub.database.run(lambda c: MessageStore(c, hub.clock.now()).lease(target, limit))
    for tried, message in enumerate(taken):
        if hub.clock.now() > until:
            left = [one.id for one in taken[tried:]]
            hub.database.run(lambda c: MessageStore(c, hub.clock.now()).give_back(left))  # noqa: B023 - runs at once
            return tried
        _send(hub, message)
    return len(taken)


def _send(hub: Hub, message: Message) -> None:
    kinds: dict[str, Callable[[Hub, Message], StepKind | None]] = {
        "shipment": _shipment,
        "ready": _ready,
        "accept_order": _acceptance,
        "drop_ship": _drop_ship,
        "cancellation": _cancellation,
    }
    try:
        step = kinds[message.kind](hub, message)
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
        hub.database.run(lambda connection: _done(hub, connection, message, step))


def _done(hub: Hub, connection: Connection, message: Message, step: StepKind | None) -> None:
    now = hub.clock.now()
    if MessageStore(connection, now).done(message.id) and step is not None:
        HandlingStore(connection, now).note(int(message.payload["fulfillment_order"]), step)


def _bury(hub: Hub, message: Message, reason: str) -> None:
    logger.warning("%s for %s is refused: %s", message.reference, message.target, reason)
    now = hub.clock.now()

    def work(connection: Connection) -> None:
        if not MessageStore(connection, now).bury(message.id, reason):
            return
        if message.kind == "drop_ship":
            take_refusal(hub, connection, int(message.payload["fulfillment_order"]))
        if message.kind == "ready":
            number = int(message.payload["fulfillment_order"])
            HandlingStore(connection, now).note(number, StepKind.NOT_NOTIFIED, reason=reason)
        if message.kind == "cancellation":
            refuse_cancellation(hub, connection, int(message.payload["proposal"]), reason)
            return
        TaskStore(connection, now).open("message_refused", f"{message.kind}:{message.reference}", reason)

    hub.database.run(work)


def _shipment(hub: Hub, message: Message) -> None:
    with hub.database.read() as connection:
        shipment = MessageStore(connection, hub.clock.now()).shipment(int(message.payload["fulfillment_order"]))
    if not shipment.lines:
        return  # its channel has canceled there what the substitutes in this parcel took the place of
    if hub.accounts[message.target].record.capabilities.can_push_shipments:
        hub.connection(message.target).push_shipment(shipment)


def _ready(hub: Hub, message: Message) -> StepKind | None:
    """What waits no more is not told; what the channel has no word for is noted, for the people at the desk."""
    with hub.database.read() as connection:
        notice = MessageStore(connection, hub.clock.now()).ready(int(message.payload["fulfillment_order"]))
    if notice is None:
        return None
    can_be_told = hub.accounts[message.target].record.capabilities.can_push_ready
    is_told = can_be_told and hub.connection(message.target).push_ready(notice)
    return StepKind.NOTIFIED if is_told else StepKind.NOT_NOTIFIED


def _acceptance(hub: Hub, message: Message) -> None:
    hub.connection(message.target).accept_order(message.payload["order"], message.payload["lines"])


def _cancellation(hub: Hub, message: Message) -> None:
    hub.connection(message.target).push_cancellation(message.payload["order"], message.payload["lines"])


def _drop_ship(hub: Hub, message: Message) -> None:
    send_drop_ship(hub, message.target, int(message.payload["fulfillment_order"]))
