"""Suppliers that do not answer in time: a person is told, and what their contract lets go is served from elsewhere."""

from datetime import datetime

from connectors.errors import ConnectorError
from nervure.operations.hub import Hub
from nervure.operations.suppliers import give_up, pull_replies
from nervure.orders.work import Desk
from nervure.store.database import Connection
from nervure.store.inbox import InboxStore
from nervure.store.messages import MessageStore
from nervure.store.requests import SILENCE_OF, SILENT, RequestStore
from nervure.store.routing import RoutingStore
from schemas.fulfillment import StepKind


class _NowhereElseError(Exception):
    """Nobody else has the units."""


def break_silence(hub: Hub) -> int:
    """Looks after orders that suppliers should have answered; answers how many are served from elsewhere now.

    A contract may say that what is not answered in time may not be sent any more: such an order is served from
    elsewhere, if it can be as a whole, and if the supplier still says nothing when it is asked once more. Every other
    one stays with its supplier. Either way there is a task, and nothing more is done while it is open.
    """
    with hub.database.read() as connection:
        silent = RequestStore(connection, hub.clock.now()).silent()
    return sum(_break_one(hub, number) for number in silent)


def _break_one(hub: Hub, number: int) -> bool:
    with hub.database.read() as connection:
        now = hub.clock.now()
        supplier, _ = RequestStore(connection, now).place_of(number)
        is_void = _is_void_if_silent(connection, now, number)
    may_move = is_void and _is_heard(hub, supplier)
    with hub.database.read() as connection:
        if is_void and InboxStore(connection, hub.clock.now()).open_count(supplier):
            return False  # what it says is understood first

    def move(connection: Connection) -> bool:
        desk = _locked(hub, connection, number)
        if desk is None or not _is_void_if_silent(connection, desk.now, number):
            return False
        [order_id] = MessageStore(connection, desk.now).order_of(number)
        lines = desk.orders.fulfillment_lines(fulfillment_order_id=number)
        before = sum(line.units_short for line in desk.orders.lines(order_id))
        desk.orders.note_step(number, StepKind.TIMED_OUT)
        give_up(desk, number, {line.id: 0 for line in lines})
        if sum(line.units_short for line in desk.orders.lines(order_id)) > before:
            raise _NowhereElseError
        _tell(desk, connection, number, "it is served from elsewhere now")
        return True

    def tell(connection: Connection) -> None:
        desk = _locked(hub, connection, number)
        if desk is not None:
            _tell(desk, connection, number, "ask it, or cancel there and reject it")

    try:
        if may_move and hub.database.run(move):
            return True
    except _NowhereElseError:
        pass
    hub.database.run(tell)
    return False


def _is_heard(hub: Hub, supplier: str) -> bool:
    """Asks a supplier once more: what it answered in time while the hub was down was said all the same."""
    try:
        pull_replies(hub, supplier)
    except ConnectorError:
        return False
    return True


def _locked(hub: Hub, connection: Connection, number: int) -> Desk | None:
    """The desk with the order's lock, if the supplier is silent still."""
    desk = hub.desk(connection)
    for order_id in MessageStore(connection, desk.now).order_of(number):
        desk.orders.lock(order_id)
    return desk if number in RequestStore(connection, desk.now).silent() else None


def _is_void_if_silent(connection: Connection, now: datetime, number: int) -> bool:
    requests = RequestStore(connection, now)
    _, code = requests.place_of(number)
    own = RoutingStore(connection, now).routing().locations.get(code)
    is_agreed = own is not None and own.contract is not None and own.contract.is_void_if_silent
    # Who has answered for a part of it sends that part: it is no silence, and a person asks for the rest.
    return is_agreed and not requests.has_answered(number)


def _tell(desk: Desk, connection: Connection, number: int, what: str) -> None:
    supplier, _ = RequestStore(connection, desk.now).place_of(number)
    text = f"{supplier} has not answered fulfillment order {number} in time: {what}"
    desk.orders.open_task(SILENT, f"{SILENCE_OF}{number}", text)
