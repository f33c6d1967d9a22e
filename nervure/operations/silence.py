"""Suppliers that do not answer in time: a person is told, and what their contract lets go is served from elsewhere."""

import logging
from datetime import datetime

from connectors.errors import ConnectorError
from nervure.operations.asking import REPLIES_PERIOD_SECONDS, take_slot
from nervure.operations.elsewhere import NowhereElseError, as_a_whole, move_or_wait
from nervure.operations.hub import Hub
from nervure.operations.suppliers import give_up, pull_replies
from nervure.orders.desk import Desk
from nervure.store.channels import PULL_REPLIES, REPLIES_HEARD, ChannelStore
from nervure.store.database import Connection
from nervure.store.inbox import InboxStore
from nervure.store.messages import MessageStore
from nervure.store.requests import SILENCE_OF, SILENT, RequestStore
from nervure.store.routing import RoutingStore
from schemas.fulfillment import StepKind

logger = logging.getLogger(__name__)


def break_silence(hub: Hub) -> int:
    """Looks after orders that suppliers should have answered; answers how many are served from elsewhere now.

    A contract may say that what is not answered in time may not be sent any more: such an order is served from
    elsewhere, if it can be as a whole, and if the supplier still says nothing when it is asked once more. Every other
    one stays with its supplier. Either way there is a task, and nothing more is done while it is open.

    Raises:
        ExceptionGroup: of what failed with single orders, after all others were looked after.
    """
    with hub.database.read() as connection:
        silent = RequestStore(connection, hub.clock.now()).silent()
    moved, asked, failures = 0, dict[str, bool](), list[Exception]()
    for number in silent:
        try:
            moved += _break_one(hub, number, asked)
        except Exception as error:
            logger.exception("the silence about fulfillment order %d could not be looked after", number)
            failures.append(error)
    if failures:
        raise ExceptionGroup("the silence of suppliers", failures)
    return moved


def _break_one(hub: Hub, number: int, asked: dict[str, bool]) -> bool:
    with hub.database.read() as connection:
        now = hub.clock.now()
        awaited = RequestStore(connection, now).awaited(number)
        if awaited is None:
            return False  # it was heard meanwhile
        supplier, code, answer_by = awaited
        is_void = _is_void_if_silent(connection, now, number, code)
    is_heard = _is_heard(hub, supplier, answer_by, asked) if is_void else False
    if is_heard is None:
        return False
    with hub.database.read() as connection:
        if is_void and InboxStore(connection, hub.clock.now()).open_count(supplier):
            return False  # what it says is understood first

    def move(connection: Connection) -> bool:
        desk = _locked(hub, connection, number)
        if desk is None:
            return False
        if not is_heard or not _is_void_if_silent(connection, desk.now, number, code):
            raise NowhereElseError
        [order_id] = MessageStore(connection, desk.now).order_of(number)
        lines = desk.fulfillment.lines(fulfillment_order_id=number)
        desk.fulfillment.note_step(number, StepKind.TIMED_OUT)
        with as_a_whole(desk, order_id):
            give_up(desk, number, {line.id: 0 for line in lines})
        _tell(desk, supplier, number, "it is served from elsewhere now")
        return True

    def tell(connection: Connection) -> None:
        desk = _locked(hub, connection, number)
        if desk is not None:
            _tell(desk, supplier, number, "ask it, or cancel there and reject it")

    return move_or_wait(hub, move, tell)


def _is_heard(hub: Hub, supplier: str, since: datetime, asked: dict[str, bool]) -> bool | None:
    """Whether all is stored that a supplier had answered at a time after `since`; None: it is being asked.

    What it answered in time while the hub was down was said all the same. It is asked in turn with all windows, and
    once for all its orders. `asked`: whom this turn has asked, and whether that went well.
    """
    if supplier not in hub.suppliers:
        return False
    if supplier in asked:
        return asked[supplier]
    with hub.database.read() as connection:
        heard_at = ChannelStore(connection, hub.clock.now()).taken_at(supplier, REPLIES_HEARD, 0.0)
    if heard_at is not None and heard_at >= since:
        return True
    wait = take_slot(hub, supplier, PULL_REPLIES, REPLIES_PERIOD_SECONDS)
    if wait > 0.0:
        # Whoever asked half a period ago and has not heard it yet found nobody.
        return None if wait > REPLIES_PERIOD_SECONDS / 2 else False
    try:
        pull_replies(hub, supplier)
    except ConnectorError:
        asked[supplier] = False
    else:
        asked[supplier] = True
    return asked[supplier]


def _locked(hub: Hub, connection: Connection, number: int) -> Desk | None:
    """The desk with the order's lock, if the supplier is silent still."""
    desk = hub.desk(connection)
    for order_id in MessageStore(connection, desk.now).order_of(number):
        desk.orders.lock(order_id)
    return desk if number in RequestStore(connection, desk.now).silent() else None


def _is_void_if_silent(connection: Connection, now: datetime, number: int, code: str) -> bool:
    own = RoutingStore(connection, now).routing().locations.get(code)
    is_agreed = own is not None and own.contract is not None and own.contract.is_void_if_silent
    # Who has answered for a part of it sends that part: it is no silence, and a person asks for the rest.
    return is_agreed and not RequestStore(connection, now).has_answered(number)


def _tell(desk: Desk, supplier: str, number: int, what: str) -> None:
    text = f"{supplier} has not answered fulfillment order {number} in time: {what}"
    desk.tasks.open(SILENT, f"{SILENCE_OF}{number}", text)
