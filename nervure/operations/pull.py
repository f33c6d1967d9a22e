"""Asking the platforms: everything heard is stored before it is understood."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.errors import ConnectorError, FatalError, ThrottledError
from nervure.operations.hub import Hub, set_problem
from nervure.operations.overlap import (
    DEEP_OVERLAP,
    DEEP_PERIOD_SECONDS,
    WHOLE_OVERLAP,
    note_delays,
    start_of_pull,
)
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.inbox import InboxStore
from schemas.documents import RawDocument

PROBLEM_SECONDS = 60.0
"""After a failure that waiting cannot heal, an account is asked again this late."""


def are_orders_due(hub: Hub, channel: str) -> bool:
    """Whether the account should be asked for orders now."""
    with hub.database.read() as connection:
        next_at = ChannelStore(connection, hub.clock.now()).get(channel).orders_next_at
    return next_at is None or next_at <= hub.clock.now()


def pull_orders(hub: Hub, channel: str) -> int:
    """Pulls what changed since the watermark, with an overlap; answers how many documents were new.

    Once in a period the overlap is the platform's own, or as long as rows were shown late before; each few hours it is
    a day, for what was shown later still.

    Raises:
        ConnectorError: the platform could not be asked; what was read before stays stored, and the watermark too.
    """
    account = hub.accounts[channel]
    started_at = hub.clock.now()
    with hub.database.read() as connection:
        channels = ChannelStore(connection, started_at)
        state = channels.get(channel)
        is_whole, is_deep = channels.is_free(channel, WHOLE_OVERLAP), channels.is_free(channel, DEEP_OVERLAP)
        whole_since = channels.taken_at(channel, WHOLE_OVERLAP, account.order_period.total_seconds())
    floor = account.record.capabilities.order_overlap_seconds
    since = start_of_pull(state, floor, started_at, is_whole=is_whole, is_deep=is_deep, whole_since=whole_since)
    new = 0
    try:
        for page in hub.connection(channel).pull_orders(since):
            stored = store(hub, channel, page.documents)
            if stored:
                note_delays(hub, channel, page.documents, state, started_at)
            new += stored
            if page.watermark is not None:
                _note(hub, channel, watermark=page.watermark, until=None, next_at=None)
    except ConnectorError as error:
        wait = timedelta(seconds=_seconds_until_next_try(error, account.order_period.total_seconds()))
        _note(hub, channel, watermark=None, until=None, next_at=hub.clock.now() + wait)
        if isinstance(error, FatalError):
            set_problem(hub, channel, str(error))
        raise
    periods = {WHOLE_OVERLAP: account.order_period.total_seconds(), DEEP_OVERLAP: DEEP_PERIOD_SECONDS}

    def work(connection: Connection) -> None:
        now = hub.clock.now()
        ChannelStore(connection, now).heard_orders(
            channel, watermark=None, until=started_at, next_at=now + account.order_period
        )
        for operation in [WHOLE_OVERLAP] * is_whole + [DEEP_OVERLAP] * is_deep:
            ChannelStore(connection, started_at).reserve(channel, operation, periods[operation])

    hub.database.run(work)
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
