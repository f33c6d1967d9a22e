"""The durable state of each account: how far it was heard, when it may be called next, what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import insert_new
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION

CEILING = tables.of(tables.CallCeilingRow)
FEED = tables.of(tables.SupplierFeedRow)

IS_NAMED = (
    sa.select(POINT_LOCATION.c.location_id)
    .where(POINT_LOCATION.c.stock_point_id == POINT.c.id)
    .correlate(POINT)
    .exists()
)
"""The settings name this stock point: it stands for some location."""

IS_SERVED = sa.and_(CHANNEL.c.is_gated.is_(False), CHANNEL.c.is_shadow.is_(False))
"""The hub serves this channel. One that is not live yet, or is in the shadow, is served by others."""

CHECK_CONFIRMED = "check confirmed"
PULL_REPLIES = "pull replies"
"""Operations of which all processes share the slots, as all others; these two are waited for by name."""

REPLIES_HEARD = "replies heard"
"""Its slot is free at once: it was taken last when all that a supplier answered until then was stored."""

_STATE = sa.select(CHANNEL).where(CHANNEL.c.name == sa.bindparam("name"))


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One account's state."""

    name: str
    platform: str
    is_paused: bool
    is_gated: bool
    is_shadow: bool
    buffer_units: int
    orders_watermark: datetime | None
    orders_heard_until: datetime | None
    orders_since: datetime | None
    orders_late_seconds: float | None
    orders_late_at: datetime | None
    orders_next_at: datetime | None
    stock_next_at: datetime | None
    write_next_at: datetime | None
    hears_since: datetime | None
    problem: str | None


class ChannelStore:
    """Channel states of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def get(self, name: str) -> ChannelState:
        row = self._connection.execute(_STATE, {"name": name}).one()
        return ChannelState(
            row.name,
            row.platform,
            row.is_paused,
            row.is_gated,
            row.is_shadow,
            row.buffer_units,
            row.orders_watermark,
            row.orders_heard_until,
            row.orders_since,
            row.orders_late_seconds,
            row.orders_late_at,
            row.orders_next_at,
            row.stock_next_at,
            row.write_next_at,
            row.hears_since,
            row.problem,
        )

    def stock_points(self, name: str) -> list[str]:
        """External ids of the stock points that the settings name of a channel."""
        query = (
            sa.select(POINT.c.external_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == name, IS_NAMED)
            .order_by(POINT.c.id)
        )
        return list(self._connection.execute(query).scalars())

    def heard_orders(
        self, name: str, *, watermark: datetime | None, until: datetime | None, next_at: datetime | None
    ) -> None:
        """A pull went this far; a watermark never goes back. `until`: it is done, and began then.

        Whoever wanted orders while it ran is not forgotten: what they wait for may have come after it was read.
        """
        values: dict[str, object] = {}
        due = CHANNEL.c.orders_next_at
        if next_at is not None and until is not None:
            wanted_since = sa.and_(due > until, due <= self._now)
            values["orders_next_at"] = sa.case((wanted_since, due), else_=sa.literal(next_at, due.type))
        elif next_at is not None:
            values["orders_next_at"] = next_at
        if watermark is not None:
            known = CHANNEL.c.orders_watermark
            newer = sa.literal(watermark, known.type)
            values["orders_watermark"] = sa.case((sa.or_(known.is_(None), known < newer), newer), else_=known)
        if until is not None:
            values |= {"orders_heard_until": until, "orders_stored_at": self._now, "problem": None}
        self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(**values))

    def heard_late(self, name: str, seconds: float, *, forgotten_before: datetime) -> None:
        """A change was shown to a pull so late. The longest time stays, unless it was seen before a moment."""
        is_longer = sa.or_(
            CHANNEL.c.orders_late_at.is_(None),
            CHANNEL.c.orders_late_at < forgotten_before,
            CHANNEL.c.orders_late_seconds <= seconds,
        )
        self._connection.execute(
            CHANNEL.update()
            .where(CHANNEL.c.name == name, is_longer)
            .values(orders_late_seconds=seconds, orders_late_at=self._now)
        )

    def want_orders(self, name: str) -> None:
        """Orders are wanted at once."""
        self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(orders_next_at=self._now))

    def stock_heard(self, name: str, next_at: datetime) -> None:
        """Stock was read; the next time is `next_at`."""
        self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(stock_next_at=next_at))

    def levels_heard(self, name: str, until: datetime) -> None:
        """What the channel shows was read and stored; reading began at `until`."""
        values = {"levels_heard_until": until, "levels_stored_at": self._now}
        self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(**values))

    def write_after(self, name: str, next_at: datetime | None) -> None:
        """Nothing is written to the channel before `next_at`."""
        self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(write_next_at=next_at))

    def set_problem(self, name: str, problem: str | None) -> None:
        """What a person must mend before the channel works again; None: it works."""
        self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(problem=problem))

    def set_paused(self, name: str, *, is_paused: bool) -> bool:
        """Stops or starts publishing to a channel; False: there is no such channel."""
        changed = self._connection.execute(CHANNEL.update().where(CHANNEL.c.name == name).values(is_paused=is_paused))
        return changed.rowcount == 1

    def reserve(self, account: str, operation: str, period_seconds: float) -> float:
        """Takes the account's next slot for an operation in one statement; else the seconds until one is free."""
        free_at = self._now + timedelta(seconds=period_seconds)
        row = {"account": account, "operation": operation, "free_at": free_at}
        if insert_new(self._connection, CEILING, [row]):
            return 0.0
        mine = sa.and_(CEILING.c.account == account, CEILING.c.operation == operation)
        taken = self._connection.execute(
            CEILING.update().where(mine, CEILING.c.free_at <= self._now).values(free_at=free_at)
        )
        if taken.rowcount == 1:
            return 0.0
        known: datetime = self._connection.execute(sa.select(CEILING.c.free_at).where(mine)).scalar_one()
        return max((known - self._now).total_seconds(), 0.001)

    def keep(self, account: str, operation: str, seconds: float) -> None:
        """The account's slot for an operation is taken for so long from now on."""
        mine = sa.and_(CEILING.c.account == account, CEILING.c.operation == operation)
        self._connection.execute(CEILING.update().where(mine).values(free_at=self._now + timedelta(seconds=seconds)))

    def is_free(self, account: str, operation: str) -> bool:
        """Whether the account's slot for an operation could be taken now."""
        taken = sa.select(CEILING.c.account).where(
            CEILING.c.account == account, CEILING.c.operation == operation, CEILING.c.free_at > self._now
        )
        return self._connection.execute(taken).first() is None

    def taken_at(self, account: str, operation: str, period_seconds: float) -> datetime | None:
        """When the account's slot for an operation was taken last, for that period; None: never."""
        mine = sa.and_(CEILING.c.account == account, CEILING.c.operation == operation)
        free_at = self._connection.execute(sa.select(CEILING.c.free_at).where(mine)).scalar_one_or_none()
        return None if free_at is None else free_at - timedelta(seconds=period_seconds)

    # -- supplier feeds ----------------------------------------------------------------------------------------

    def feed_as_of(self, supplier: str) -> datetime | None:
        """Of what time the figures of the last feed are."""
        return self._connection.execute(sa.select(FEED.c.as_of).where(FEED.c.supplier == supplier)).scalar_one_or_none()

    def feed_taken(self, supplier: str, rows: int, as_of: datetime) -> None:
        """A feed was applied."""
        values = {"rows": rows, "as_of": as_of, "taken_at": self._now, "held_reason": None}
        if not insert_new(self._connection, FEED, [{"supplier": supplier, **values}]):
            self._connection.execute(FEED.update().where(FEED.c.supplier == supplier).values(**values))

    def feed_held(self, supplier: str, reason: str) -> None:
        """The newest feed is held back; the last one taken stays in force."""
        self._connection.execute(FEED.update().where(FEED.c.supplier == supplier).values(held_reason=reason))


def channel_id_of(connection: Connection, name: str) -> int:
    """The id of a channel by its name."""
    return int(connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == name)).scalar_one())
