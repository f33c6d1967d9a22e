"""Asking the platforms: everything heard is stored before it is understood."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.errors import ConnectorError, FatalError, ThrottledError
from nervure.operations.hub import Hub, set_problem
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.inbox import InboxStore
from schemas.documents import RawDocument

WHOLE_OVERLAP = "pull the whole overlap"
SHORT_OVERLAP_SECONDS = 30.0
"""Between two pulls with the platform's whole overlap, one that is wanted at once reads only so far back.

A busy shop would otherwise spend its calls on reading the same orders again and again.
"""

PROBLEM_SECONDS = 60.0
"""After a failure that waiting cannot heal, an account is asked again this late."""


def are_orders_due(hub: Hub, channel: str) -> bool:
    """Whether the account should be asked for orders now."""
    with hub.database.read() as connection:
        next_at = ChannelStore(connection, hub.clock.now()).get(channel).orders_next_at
    return next_at is None or next_at <= hub.clock.now()


def pull_orders(hub: Hub, channel: str) -> int:
    """Pulls what changed since the watermark, with an overlap; answers how many documents were new.

    Once in a period the overlap is the platform's own, for rows that it shows late.

    Raises:
        ConnectorError: the platform could not be asked; what was read before stays stored, and the watermark too.
    """
    account = hub.accounts[channel]
    started_at = hub.clock.now()
    with hub.database.read() as connection:
        watermark = ChannelStore(connection, started_at).get(channel).orders_watermark or started_at
        is_whole = ChannelStore(connection, started_at).is_free(channel, WHOLE_OVERLAP)
    overlap = account.record.capabilities.order_overlap_seconds
    since = watermark - timedelta(seconds=overlap if is_whole else min(overlap, SHORT_OVERLAP_SECONDS))
    new = 0
    try:
        for page in hub.connection(channel).pull_orders(since):
            new += store(hub, channel, page.documents)
            if page.watermark is not None:
                _note(hub, channel, watermark=page.watermark, until=None, next_at=None)
    except ConnectorError as error:
        wait = timedelta(seconds=_seconds_until_next_try(error, account.order_period.total_seconds()))
        _note(hub, channel, watermark=None, until=None, next_at=hub.clock.now() + wait)
        if isinstance(error, FatalError):
            set_problem(hub, channel, str(error))
        raise
    _note(hub, channel, watermark=None, until=started_at, next_at=hub.clock.now() + account.order_period)
    if is_whole:
        period = account.order_period.total_seconds()
        hub.database.run(lambda c: ChannelStore(c, started_at).reserve(channel, WHOLE_OVERLAP, period))
    return new


def pull_catalogue(hub: Hub, channel: str) -> int:
    """Pulls the account's listings; answers how many documents were new."""
    return sum(store(hub, channel, page.documents) for page in hub.connection(channel).pull_catalogue())


def pull_stock(hub: Hub, channel: str) -> int:
    """Pulls what the account shows, as observations; answers how many documents were new."""
    started_at = hub.clock.now()
    with hub.database.read() as connection:
        points = ChannelStore(connection, started_at).stock_points(channel)
    new = sum(store(hub, channel, page.documents) for page in hub.connection(channel).pull_stock(points))
    hub.database.run(lambda c: ChannelStore(c, hub.clock.now()).levels_heard(channel, started_at))
    return new


def store(hub: Hub, channel: str, documents: tuple[RawDocument, ...]) -> int:
    """Stores documents in the inbox; answers how many were new."""
    return hub.together(_store).ask((channel, documents)) if documents else 0


def _store(hub: Hub, connection: Connection, heard: Sequence[tuple[str, tuple[RawDocument, ...]]]) -> list[int]:
    return InboxStore(connection, hub.clock.now()).put_all(heard)


def _note(
    hub: Hub, channel: str, *, watermark: datetime | None, until: datetime | None, next_at: datetime | None
) -> None:
    hub.database.run(
        lambda c: ChannelStore(c, hub.clock.now()).heard_orders(
            channel, watermark=watermark, until=until, next_at=next_at
        )
    )


def _seconds_until_next_try(error: ConnectorError, period_seconds: float) -> float:
    if isinstance(error, ThrottledError):
        return error.retry_after_seconds
    return PROBLEM_SECONDS if isinstance(error, FatalError) else period_seconds
