"""What a stock point may show: the pool counted by the database, then what holds for its channel."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.availability import Terms, salable_quantity, shown_of
from nervure.store.availability import Wanted, pooled
from nervure.store.falls import PUBLICATION
from nervure.store.policies import PolicyStore
from nervure.store.routing import is_fresh
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import LISTING, LOCATION
from nervure.store.tables.channels import POINT, POINT_LOCATION

_AGING = sa.select(LOCATION.c.id, LOCATION.c.as_of, LOCATION.c.ttl_seconds).where(LOCATION.c.ttl_seconds.is_not(None))
_CHANNELS = sa.select(POINT.c.id, POINT.c.channel_id).where(POINT.c.id.in_(sa.bindparam("points", expanding=True)))


class SalableStore:
    """Salable quantities of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def of(self, wanted: Collection[Wanted]) -> dict[Wanted, int]:
        """Salable quantity by (item, stock point): every reader's one way to it."""
        return {one: shown_of(there, terms) for one, there, terms in self._facts(wanted)}

    def kept_back(self, wanted: Collection[Wanted]) -> dict[Wanted, tuple[int, int]]:
        """What is shown by (item, stock point), and what a buffer keeps back from it."""
        found = {}
        for one, there, terms in self._facts(wanted):
            shown = shown_of(there, terms)
            found[one] = shown, shown_of(there, replace(terms, buffer_units=0)) - shown
        return found

    def _facts(self, wanted: Collection[Wanted]) -> Iterator[tuple[Wanted, int, Terms]]:
        """What the pool of each stock point has of an item, and what holds for it there."""
        if not wanted:
            return
        items = sorted({item for item, _ in wanted})
        channels = self._channels({point for _, point in wanted})
        units = pooled(self._connection, self._now, items, channels, self._stale())
        terms = PolicyStore(self._connection, self._now).terms(items, set(channels.values()))
        if not terms.of_items:
            of_points = {point: terms.of_channels[channel] for point, channel in channels.items()}
            yield from ((one, units.get(one, 0), of_points[one[1]]) for one in wanted)
            return
        for one in wanted:
            yield one, units.get(one, 0), terms.of(one[0], channels[one[1]])

    def _stale(self) -> list[int]:
        """Locations whose units may not be promised now."""
        return [
            row.id for row in self._connection.execute(_AGING) if not is_fresh(row.as_of, row.ttl_seconds, self._now)
        ]

    def hidden(self, publication_id: int) -> int:
        """Units that could be promised at a stock point, and that share, buffer and cap do not show there."""
        query = (
            sa.select(LISTING.c.item_id, PUBLICATION.c.stock_point_id, LISTING.c.channel_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .where(PUBLICATION.c.id == publication_id)
        )
        item, point, channel = self._connection.execute(query).one()
        store = StockStore(self._connection, self._now)
        parts = store.parts_of({item})[item]
        stock, pool = store.at_items(parts.keys()), self._pools({point}).get(point, [])
        terms = PolicyStore(self._connection, self._now).terms([item], [channel]).of(item, channel)
        shown = salable_quantity(parts, pool, stock, replace(terms, beyond_units=0))
        return max(salable_quantity(parts, pool, stock) - shown, terms.buffer_units)

    def _channels(self, points: Collection[int]) -> dict[int, int]:
        return {row.id: row.channel_id for row in self._connection.execute(_CHANNELS, {"points": sorted(points)})}

    def _pools(self, points: Collection[int]) -> dict[int, list[int]]:
        pools: dict[int, list[int]] = {}
        query = (
            sa.select(POINT_LOCATION.c.stock_point_id, LOCATION.c.id, LOCATION.c.as_of, LOCATION.c.ttl_seconds)
            .join(LOCATION, LOCATION.c.id == POINT_LOCATION.c.location_id)
            .where(POINT_LOCATION.c.stock_point_id.in_(sorted(points)))
        )
        for point, location, as_of, ttl_seconds in self._connection.execute(query):
            if is_fresh(as_of, ttl_seconds, self._now):
                pools.setdefault(point, []).append(location)
        return pools
