"""What the loops that ask do in one turn: platforms for orders and stock, suppliers for figures and answers."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from connectors.errors import CircuitOpenError, ConnectorError, FatalError, FeedHeldError, ThrottledError
from nervure.operations.hub import Hub
from nervure.operations.pull import are_orders_due, pull_catalogue, pull_orders, pull_stock
from nervure.operations.suppliers import pull_offers, pull_replies
from nervure.operations.windows import RETRY_PAUSE_SECONDS, Loops, Turn, Window
from nervure.store.channels import PULL_REPLIES, ChannelStore
from nervure.store.messages import MessageStore

LOOK_PAUSE_SECONDS = 0.25
"""How long after a look that found nothing the next one follows."""
PROBLEM_PAUSE_SECONDS = 60.0
MAX_OFFERS_PERIOD_SECONDS = 900.0
REPLIES_PERIOD_SECONDS = 30.0
"""How often a supplier is asked for answers while it has an order of ours; else as often as for its figures."""
READ_BACK_PERIOD_SECONDS = 900.0


def pulling_orders(window: Window) -> Loops:
    """Each channel is asked when it is due, or at once when it said that something happened."""
    return {channel: partial(_pull_orders, window, channel) for channel in window.hub.accounts}


def _pull_orders(window: Window, channel: str) -> float:
    if not are_orders_due(window.hub, channel):
        return LOOK_PAUSE_SECONDS
    asked(window, channel, "new documents", lambda: pull_orders(window.hub, channel))
    return LOOK_PAUSE_SECONDS


def pulling_catalogue(window: Window) -> Loops:
    """Each channel's listings, once."""

    def turn(channel: str) -> None:
        asked(window, channel, "new listings", lambda: pull_catalogue(window.hub, channel))

    return {channel: partial(turn, channel) for channel in window.hub.accounts}


def pulling_stock(window: Window) -> Loops:
    """What channels show, what suppliers have, and what suppliers answered."""
    loops: dict[str, Turn] = {channel: partial(pull_levels, window, channel) for channel in window.hub.accounts}
    for supplier in window.hub.suppliers:
        loops[supplier] = partial(_pull_offers, window, supplier)
        loops[f"{supplier} replies"] = partial(_pull_replies, window, supplier)
    return loops


def pull_levels(window: Window, channel: str) -> float:
    hub = window.hub
    capabilities = hub.accounts[channel].record.capabilities
    if not capabilities.can_read_levels:
        return PROBLEM_PAUSE_SECONDS
    with hub.database.read() as connection:
        next_at = ChannelStore(connection, hub.clock.now()).get(channel).stock_next_at
    if next_at is not None and next_at > hub.clock.now():
        return LOOK_PAUSE_SECONDS * 4
    period = min(capabilities.stock_poll_seconds, READ_BACK_PERIOD_SECONDS)
    # Taken before it is done: of the windows that pull and sweep only one asks.
    _stock_again_in(hub, channel, period)
    wait = asked(window, channel, "observations", lambda: pull_stock(hub, channel))
    if wait is not None:
        _stock_again_in(hub, channel, min(wait, period))
    return LOOK_PAUSE_SECONDS * 4


def _stock_again_in(hub: Hub, channel: str, seconds: float) -> None:
    next_at = hub.clock.now() + timedelta(seconds=seconds)
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).stock_heard(channel, next_at))


def _pull_offers(window: Window, supplier: str) -> float:
    period = min(window.hub.suppliers[supplier].settings.ttl_seconds / 4, MAX_OFFERS_PERIOD_SECONDS)
    wait = take_slot(window.hub, supplier, "pull offers", period)
    if wait == 0.0:
        asked(window, supplier, "feeds", lambda: pull_offers(window.hub, supplier))
        wait = period
    return wait


def _pull_replies(window: Window, supplier: str) -> float:
    hub = window.hub
    with hub.database.read() as connection:
        if not MessageStore(connection, hub.clock.now()).is_awaited(supplier):
            asked_at = ChannelStore(connection, hub.clock.now()).taken_at(
                supplier, PULL_REPLIES, REPLIES_PERIOD_SECONDS
            )
            if asked_at is not None and hub.clock.now() - asked_at < timedelta(seconds=MAX_OFFERS_PERIOD_SECONDS):
                return REPLIES_PERIOD_SECONDS
    wait = take_slot(window.hub, supplier, PULL_REPLIES, REPLIES_PERIOD_SECONDS)
    if wait == 0.0:
        asked(window, supplier, "replies read", lambda: pull_replies(window.hub, supplier), heals=False)
        wait = REPLIES_PERIOD_SECONDS
    return wait


def take_slot(hub: Hub, account: str, operation: str, period_seconds: float) -> float:
    """Takes the account's next slot, for all windows together; else the seconds until one is free."""
    return hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).reserve(account, operation, period_seconds))


def asked(window: Window, account: str, kind: str, ask: Callable[[], int], *, heals: bool = True) -> float | None:
    """Asks once and notes what became of it; answers None, or after a failure the seconds to wait."""
    try:
        window.tally.count(account, kind, ask())
    except ConnectorError as error:
        return note_failure(window, account, error)
    if heals:
        window.tally.heal(account)
    return None


def note_failure(window: Window, account: str, error: ConnectorError) -> float:
    match error:
        case CircuitOpenError():
            window.tally.warn(account, str(error))
            return error.retry_after_seconds
        case ThrottledError():
            window.tally.count(account, "throttled")
            return error.retry_after_seconds
        case FatalError() | FeedHeldError():
            window.tally.needs_person(account, str(error))
            return PROBLEM_PAUSE_SECONDS
        case _:
            window.tally.warn(account, str(error))
            return RETRY_PAUSE_SECONDS
