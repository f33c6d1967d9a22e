"""Looking whether what a channel confirmed is there: a 200 is a claim, what shoppers see is the fact."""

from collections import Counter

from connectors.errors import FatalError
from nervure.operations.hub import Hub, set_problem
from nervure.store.channels import CHECK_CONFIRMED, ChannelStore
from nervure.store.database import Connection
from nervure.store.readback import ReadBackStore
from nervure.store.stock_points import StockPointStore
from schemas.capabilities import Capabilities

CALL_SHARE = 0.05
"""At most this part of the calls that a credential may make reads back what was confirmed."""


def pause_seconds(capabilities: Capabilities) -> float:
    """How long after one call of reading back the next one may follow."""
    return 60.0 / (CALL_SHARE * capabilities.calls_per_minute)


def check_confirmed(hub: Hub, channel: str) -> Counter[str]:
    """Reads the riskiest numbers back that are due, with one call; answers how many were what.

    Raises:
        ConnectorError: nothing could be read; the same numbers stay due.
    """
    account = hub.accounts[channel]
    capabilities = account.record.capabilities
    with hub.database.read() as connection:
        checks = ReadBackStore(connection, hub.clock.now()).due(channel, capabilities.read_batch)
        if not checks:
            return Counter()
        masters = StockPointStore(connection, hub.clock.now()).ruled_points(channel)
    # Taken before the call and only where there is something to read: all processes share it.
    wait = hub.database.run(
        lambda c: ChannelStore(c, hub.clock.now()).reserve(channel, CHECK_CONFIRMED, pause_seconds(capabilities))
    )
    if wait > 0:
        return Counter()
    read_at = hub.clock.now()
    try:
        readings = hub.connection(channel).read_levels([check.key for check in checks])
    except FatalError as error:
        set_problem(hub, channel, str(error))
        raise
    shown = {reading.key: reading.units for reading in readings}

    def work(connection: Connection) -> Counter[str]:
        outcomes = ReadBackStore(connection, hub.clock.now()).read(
            checks, shown, read_at, masters=masters, policy=account.drift
        )
        if outcomes["dropped in silence"]:
            ChannelStore(connection, hub.clock.now()).want_orders(channel)
        return outcomes

    return hub.database.run(work)
