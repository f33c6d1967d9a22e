"""Channels as the settings name them in SQL: their buffers, and which locations each stock point stands for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.policy_log import Change, log
from nervure.store.statements import insert_new, note_items
from nervure.store.tables.catalogue import LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from schemas.policies import Logged, PolicyKind

_Shown = tuple[int | None, dict[int, list[int]]]


class StockPointStore:
    """The channels and stock points of one transaction at one time of the hub's clock.

    What a merchant changes here moves numbers as a sale does: the publications that it concerns are computed again.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put_channel(
        self,
        name: str,
        platform: str,
        *,
        buffer_units: int,
        stock_points: Mapping[str, Sequence[int]],
        orders_since: datetime,
        needs_cutover: bool = False,
        is_shadow: bool = False,
    ) -> int:
        """Writes a channel and which locations each of its stock points stands for; answers its internal id.

        A stock point of it that is not among them stands for none any more.
        `orders_since`: where the first pull of a new channel begins; a known channel keeps its own watermark.
        `needs_cutover`: a new channel is sent nothing before it was cut over; a known one stays as it is. A channel
        that needs none is open.
        `is_shadow`: the settings say that nothing may leave. A known channel follows when they begin to say so; out of
        the shadow it comes by a word of a person alone.
        """
        row = {"name": name, "platform": platform, "buffer_units": buffer_units, "is_paused": False}
        row |= {"orders_watermark": orders_since, "orders_since": orders_since, "is_gated": needs_cutover}
        mode = "shadow" if is_shadow else "live"
        row |= {"is_shadow": is_shadow, "settings_mode": mode}
        is_new = insert_new(self._connection, CHANNEL, [row])
        if not needs_cutover:
            gated = sa.and_(CHANNEL.c.name == name, CHANNEL.c.is_gated.is_(True))
            self._connection.execute(CHANNEL.update().where(gated).values(is_gated=False))
        said_anew = sa.and_(CHANNEL.c.name == name, CHANNEL.c.settings_mode.is_distinct_from(mode))
        values = {"settings_mode": mode} | ({"is_shadow": True} if is_shadow else {})
        self._connection.execute(CHANNEL.update().where(said_anew).values(**values))
        before = self._what_is_shown(name)
        channel = int(
            self._connection.execute(
                CHANNEL.update()
                .where(CHANNEL.c.name == name)
                .values(platform=platform, buffer_units=buffer_units)
                .returning(CHANNEL.c.id)
            ).scalar_one()
        )
        points = sa.select(POINT.c.id).where(
            POINT.c.channel_id == channel, POINT.c.external_id.not_in(sorted(stock_points))
        )
        self._connection.execute(POINT_LOCATION.delete().where(POINT_LOCATION.c.stock_point_id.in_(points)))
        for external_id, locations in stock_points.items():
            insert_new(self._connection, POINT, [{"channel_id": channel, "external_id": external_id}])
            point = self._connection.execute(
                sa.select(POINT.c.id).where(POINT.c.channel_id == channel, POINT.c.external_id == external_id)
            ).scalar_one()
            self._connection.execute(POINT_LOCATION.delete().where(POINT_LOCATION.c.stock_point_id == point))
            self._connection.execute(
                POINT_LOCATION.insert(),
                [
                    {"stock_point_id": point, "location_id": location, "rank": rank}
                    for rank, location in enumerate(locations)
                ],
            )
        after = self._what_is_shown(name)
        self._log_channel(channel, (None, {}) if is_new else before, after)
        if _without_ranks(after) != _without_ranks(before):
            items = sa.select(LISTING.c.item_id).where(LISTING.c.channel_id == channel, LISTING.c.item_id.is_not(None))
            note_items(self._connection, self._now, set(self._connection.execute(items).scalars()))
        return channel

    def channel_ids(self) -> dict[str, int]:
        """Internal ids by channel name."""
        return {row.name: row.id for row in self._connection.execute(sa.select(CHANNEL.c.name, CHANNEL.c.id))}

    def ruled_points(self, channel: str) -> set[str]:
        """The channel's stock points where its own count rules: it is the master of their (first) location."""
        query = (
            sa.select(POINT.c.external_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .join(POINT_LOCATION, POINT_LOCATION.c.stock_point_id == POINT.c.id)
            .join(LOCATION, LOCATION.c.id == POINT_LOCATION.c.location_id)
            .where(CHANNEL.c.name == channel, LOCATION.c.master == channel, POINT_LOCATION.c.rank == 0)
        )
        return set(self._connection.execute(query).scalars())

    def _what_is_shown(self, channel: str) -> _Shown:
        """The buffer of a channel, and which locations its stock points add up, in their order."""
        buffer = sa.select(CHANNEL.c.buffer_units).where(CHANNEL.c.name == channel)
        query = (
            sa.select(POINT.c.id, POINT_LOCATION.c.location_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .join(POINT_LOCATION, POINT_LOCATION.c.stock_point_id == POINT.c.id)
            .where(CHANNEL.c.name == channel)
            .order_by(POINT.c.id, POINT_LOCATION.c.rank)
        )
        pools: dict[int, list[int]] = {}
        for point, location in self._connection.execute(query):
            pools.setdefault(point, []).append(location)
        return self._connection.execute(buffer).scalar_one(), pools

    def _log_channel(self, channel_id: int, before: _Shown, after: _Shown) -> None:
        buffer, pools = after
        if before[0] != buffer:
            log(self._connection, self._now, [Change(PolicyKind.BUFFER, {"units": buffer}, channel_id=channel_id)])
        other = (
            Change(Logged.POOL, {"locations": pools.get(point, [])}, stock_point_id=point)
            for point in sorted({*pools, *before[1]})
            if pools.get(point) != before[1].get(point)
        )
        log(self._connection, self._now, other)


def _without_ranks(shown: _Shown) -> tuple[int | None, dict[int, set[int]]]:
    """The order of a pool's locations matters for routing, and for no number."""
    return shown[0], {point: set(locations) for point, locations in shown[1].items()}
