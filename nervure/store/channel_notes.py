"""Notes of what a channel did to its own numbers: what it shows is another number than the one it was sent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store.channels import IS_NAMED, channel_id_of
from nervure.store.statements import CHANGE
from nervure.store.tables.channels import POINT
from nervure.store.tables.orders import ORDER
from schemas.base import MAX_UNITS


class ChannelNoteStore:
    """The notes of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def moved(self, order_id: int, units_by_listing: Mapping[int, int], moved_at: datetime) -> None:
        order = self._connection.execute(
            sa.select(ORDER.c.channel_id, ORDER.c.stock_point).where(ORDER.c.id == order_id)
        ).one()
        points = self._connection.execute(
            sa.select(POINT.c.external_id, POINT.c.id, IS_NAMED.label("is_named")).where(
                POINT.c.channel_id == order.channel_id
            )
        ).all()
        here = [point.id for point in points if point.external_id == order.stock_point]
        moved = here or [point.id for point in points if point.is_named]
        # With several stock points and none named, nobody knows which of its numbers the channel moved. And no channel
        # moves a number by more than it can show.
        is_known = len(moved) == 1
        known = {k: v if is_known and abs(v) <= MAX_UNITS else None for k, v in units_by_listing.items()}
        self._note_moves(moved, known, moved_at)

    def may_have_restocked(self, channel: str, listing_ids: Collection[int]) -> None:
        query = sa.select(POINT.c.id).where(POINT.c.channel_id == channel_id_of(self._connection, channel))
        points = list(self._connection.execute(query).scalars())
        self._note_moves(points, dict.fromkeys(listing_ids), self._now)

    def _note_moves(
        self, points: Sequence[int], units_by_listing: Mapping[int, int | None], moved_at: datetime
    ) -> None:
        rows = [
            {
                "listing_id": listing,
                "stock_point_id": point,
                "channel_delta": units,
                "moved_at": moved_at,
                "changed_at": self._now,
            }
            for listing, units in sorted(units_by_listing.items())
            for point in points
        ]
        if rows:
            self._connection.execute(CHANGE.insert(), rows)
