"""Times that platforms state, in the hub's time: taken off is what their clocks are known to be ahead."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from nervure.operations.hub import Hub
from nervure.store.clocks import ClockStore
from nervure.store.database import Connection
from schemas.capabilities import Capabilities
from schemas.documents import Fact
from schemas.orders import Order, Return
from schemas.stock import ChannelMovement, StockObservation


def clocks_ahead(hub: Hub, connection: Connection) -> Mapping[str, timedelta]:
    """By how much times of each channel are corrected (negative: its clock is behind); no entry: not at all."""
    off = {
        credential: timedelta(seconds=measured.ahead)
        for credential, measured in ClockStore(connection, hub.clock.now()).all().items()
        if measured.ahead
    }
    if not off:
        return {}
    credentials = {name: hub.credential(name) for name in hub.accounts}
    return {name: off[credential] for name, credential in credentials.items() if credential in off}


def in_hub_time(facts: Sequence[Fact], ahead: timedelta, capabilities: Capabilities) -> Sequence[Fact]:
    """The facts of one document with their times on the hub's clock.

    The time that tells statements of an order or a return apart stays the channel's own: it is compared with itself
    alone, and two of them must not change places because the clock was measured in between. Levels that have the time
    of our reading are right as they are.
    """
    return [_in_hub_time(fact, ahead, capabilities) for fact in facts] if ahead else facts


def _in_hub_time(fact: Fact, ahead: timedelta, capabilities: Capabilities) -> Fact:
    match fact:
        case Order():
            left_at = fact.units_left_at and fact.units_left_at - ahead
            times = {"placed_at": fact.placed_at - ahead, "units_left_at": left_at, "clock_ahead": ahead}
            return fact.model_copy(update=times)
        case Return():
            return fact.model_copy(update={"occurred_at": fact.occurred_at - ahead, "clock_ahead": ahead})
        case ChannelMovement():
            return fact.model_copy(update={"occurred_at": fact.occurred_at - ahead})
        case StockObservation() if capabilities.dates_levels:
            return fact.model_copy(update={"observed_at": fact.observed_at - ahead})
        case _:
            return fact
