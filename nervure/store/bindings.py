"""Bindings: which item a listing sells, and which location a stock point stands for.

A listing is bound by sku, else by GTIN, never by title; a binding once made is kept.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.work import BoundListing, UnboundListingError
from nervure.store.channels import channel_id_of
from nervure.store.inbox import InboxStore
from nervure.store.publications import PublicationStore
from nervure.store.statements import chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.skus import ALIAS
from schemas.levels import LevelKey
from schemas.publications import ChannelListing

NO_GOODS = "it is no goods: it moves money only"

IS_AMBIGUOUS = LISTING.c.unbound_reason.like("GTIN % belongs to % items")
"""A listing without an item for the second of the reasons below, each of which names another GTIN."""


def item_ids(connection: Connection, skus: Collection[str]) -> dict[str, int]:
    """Internal ids by sku, or by a sku that the item had before; unknown skus are left out."""
    found = current_ids(connection, skus)
    for batch in chunks(sorted(set(skus) - found.keys())):
        query = sa.select(ALIAS.c.sku, ALIAS.c.item_id).where(ALIAS.c.sku.in_(batch), ALIAS.c.freed_at.is_(None))
        found.update((row.sku, row.item_id) for row in connection.execute(query))
    return found


def current_ids(connection: Connection, skus: Collection[str]) -> dict[str, int]:
    """Internal ids by the skus that items have now."""
    found: dict[str, int] = {}
    for batch in chunks(sorted(set(skus))):
        query = sa.select(ITEM.c.sku, ITEM.c.id).where(ITEM.c.sku.in_(batch))
        found.update((row.sku, row.id) for row in connection.execute(query))
    return found


def items_by_gtin(connection: Connection, gtins: Collection[str]) -> dict[str, list[int]]:
    """Items that carry a GTIN; more than one is ambiguous."""
    found: dict[str, list[int]] = {}
    for batch in chunks(sorted(set(gtins))):
        query = sa.select(ITEM.c.gtin, ITEM.c.id).where(ITEM.c.gtin.in_(batch))
        for gtin, item in connection.execute(query):
            found.setdefault(gtin, []).append(item)
    return found


def item_of(
    sku: str | None, gtin: str | None, by_sku: Mapping[str, int], by_gtin: Mapping[str, Sequence[int]]
) -> tuple[int | None, str | None]:
    """The item that a listing sells, or why none can be told."""
    if sku and sku in by_sku:
        return by_sku[sku], None
    candidates = by_gtin.get(gtin or "", ())
    if len(candidates) == 1:
        return candidates[0], None
    if candidates:
        return None, f"GTIN {gtin} belongs to {len(candidates)} items"
    return None, "no item has this sku or GTIN" if sku or gtin else "the listing has neither sku nor GTIN"


def bind_channel(connection: Connection, now: datetime, channel: str) -> int:
    """Tries again to bind every unbound listing of a channel; answers how many were bound."""
    return _bind(connection, now, [CHANNEL.c.name == channel])


def bind_to(connection: Connection, now: datetime, skus: Iterable[str], gtins: Iterable[str]) -> int:
    """Binds the listings that waited for items of these skus and GTINs; answers how many."""
    wanted = [
        LISTING.c[name].in_(batch)
        for name, values in (("sku", skus), ("gtin", gtins))
        for batch in chunks(sorted(set(values)))
    ]
    return sum(_bind(connection, now, [one]) for one in wanted)


def _bind(connection: Connection, now: datetime, where: Sequence[sa.ColumnElement[bool]]) -> int:
    """Binds, publishes what is bound, and gives what waited for the binding another chance."""
    query = (
        sa.select(LISTING.c.id, LISTING.c.sku, LISTING.c.gtin, CHANNEL.c.name)
        .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
        .where(LISTING.c.item_id.is_(None), LISTING.c.is_goods.is_(True), *where)
    )
    rows = connection.execute(query).all()
    by_sku = item_ids(connection, [row.sku for row in rows if row.sku])
    by_gtin = items_by_gtin(connection, [row.gtin for row in rows if row.gtin])
    bound = 0
    channels: set[str] = set()
    for row in rows:
        item, _ = item_of(row.sku, row.gtin, by_sku, by_gtin)
        if item is not None:
            statement = LISTING.update().where(LISTING.c.id == row.id, LISTING.c.item_id.is_(None))
            bound += connection.execute(statement.values(item_id=item, unbound_reason=None)).rowcount
            channels.add(row.name)
    for channel in sorted(channels):
        PublicationStore(connection, now).create_missing(channel)
        replay_unbound(connection, now, channel)
    return bound


def replay_unbound(connection: Connection, now: datetime, channel: str) -> int:
    """Puts back the documents that waited for a binding of this channel."""
    return InboxStore(connection, now).replay(reason_like=f"of channel {channel!r} is not bound")


class BindingStore:
    """What a channel's own names stand for with us, in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put_listings(self, channel: str, listings: Sequence[ChannelListing]) -> tuple[int, int]:
        """Writes listings and binds those that are not bound; answers (bound, unbound) of these.

        Bound by sku, else by GTIN, never by title; what is ambiguous or unknown stays unbound with its reason. A
        binding once made is kept.
        """
        channel_id = channel_id_of(self._connection, channel)
        by_sku = item_ids(self._connection, [one.sku for one in listings if one.sku])
        by_gtin = items_by_gtin(self._connection, [one.gtin for one in listings if one.gtin])
        rows = []
        for one in listings:
            item, reason = item_of(one.sku, one.gtin, by_sku, by_gtin)
            if not one.is_goods:
                item, reason = None, NO_GOODS
            rows.append(
                {
                    "channel_id": channel_id,
                    "item_id": item,
                    "external_id": one.external_id,
                    "stock_id": one.stock_id,
                    "sku": one.sku,
                    "gtin": one.gtin,
                    "title": one.title,
                    "is_goods": one.is_goods,
                    "unbound_reason": reason,
                }
            )
        insert_new(self._connection, LISTING, rows)
        for row in rows:
            statement = LISTING.update().where(
                LISTING.c.channel_id == channel_id, LISTING.c.external_id == row["external_id"]
            )
            self._connection.execute(
                statement.values(stock_id=row["stock_id"], sku=row["sku"], gtin=row["gtin"], title=row["title"])
            )
            binding = {name: row[name] for name in ("item_id", "is_goods", "unbound_reason")}
            self._connection.execute(statement.where(LISTING.c.item_id.is_(None)).values(**binding))
        bound = sum(row["item_id"] is not None for row in rows)
        return bound, len(rows) - bound

    def listings_of(self, channel: str, listing_external_ids: Collection[str]) -> dict[str, BoundListing]:
        found: dict[str, BoundListing] = {}
        for batch in chunks(sorted(set(listing_external_ids))):
            query = (
                sa.select(LISTING.c.external_id, LISTING.c.id, LISTING.c.item_id)
                .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                .where(CHANNEL.c.name == channel, LISTING.c.external_id.in_(batch), LISTING.c.item_id.is_not(None))
            )
            found.update(
                (row.external_id, BoundListing(row.id, row.item_id)) for row in self._connection.execute(query)
            )
        missing = sorted(set(listing_external_ids) - found.keys())
        if missing:
            missing = sorted(set(missing) - self._not_goods(channel, missing))
        if missing:
            raise UnboundListingError(
                f"listing {', '.join(repr(one) for one in missing[:5])} of channel {channel!r} is not bound to an item"
            )
        return found

    def _not_goods(self, channel: str, listing_external_ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for batch in chunks(listing_external_ids):
            query = (
                sa.select(LISTING.c.external_id)
                .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                .where(CHANNEL.c.name == channel, LISTING.c.external_id.in_(batch), LISTING.c.is_goods.is_(False))
            )
            found.update(self._connection.execute(query).scalars())
        return found

    def location_of(self, channel: str, stock_point: str | None) -> int:
        query = (
            sa.select(POINT_LOCATION.c.location_id)
            .join(POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel)
            .order_by(POINT_LOCATION.c.rank, POINT.c.id)
            .limit(1)
        )
        if stock_point is not None:
            query = query.where(POINT.c.external_id == stock_point)
        found = self._connection.execute(query).scalar_one_or_none()
        if found is None:
            raise UnboundListingError(f"stock point {stock_point!r} of channel {channel!r} stands for no location")
        return int(found)

    def listing_items(self, channel: str, ids: Collection[str]) -> dict[str, tuple[int, LevelKey]]:
        """Bound listings by external id, or by the id their stock is kept under: the item, and that id.

        Some platforms name a listing by its stock id when they speak of stock.
        """
        found: dict[str, tuple[int, LevelKey]] = {}
        for batch in chunks(sorted(set(ids))):
            query = (
                sa.select(LISTING.c.external_id, LISTING.c.item_id, LISTING.c.stock_id)
                .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                .where(
                    CHANNEL.c.name == channel,
                    LISTING.c.external_id.in_(batch) | LISTING.c.stock_id.in_(batch),
                    LISTING.c.item_id.is_not(None),
                )
            )
            for row in self._connection.execute(query):
                found[row.external_id] = found[row.stock_id] = (row.item_id, LevelKey(row.stock_id, ""))
        return found

    def unbound(self, channel: str) -> list[tuple[str, str]]:
        """Goods of a channel that belong to no item: external id and reason."""
        query = (
            sa.select(LISTING.c.external_id, LISTING.c.unbound_reason)
            .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
            .where(CHANNEL.c.name == channel, LISTING.c.item_id.is_(None), LISTING.c.is_goods.is_(True))
            .order_by(LISTING.c.external_id)
        )
        return [(row.external_id, row.unbound_reason) for row in self._connection.execute(query)]
