"""What the merchant has and where: items, locations, channels, listings and their bindings."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import bindings
from nervure.store.policy_log import Change, freshness, log, made_of
from nervure.store.statements import CHANGE, KIT, SAFETY, chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.movements import RECIPE
from nervure.store.tables.skus import ALIAS
from schemas.items import Item
from schemas.levels import LevelKey
from schemas.locations import Location
from schemas.policies import Logged, PolicyKind
from schemas.publications import ChannelListing


class CatalogueStore:
    """Master data of one transaction at one time of the hub's clock.

    What a merchant changes here moves numbers as a sale does: the publications that it concerns are computed again.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- items -------------------------------------------------------------------------------------------------

    def put_items(self, items: Sequence[Item]) -> int:
        """Writes items by sku, kits after their parts, and binds the listings that waited for them.

        Answers how many items were new.

        What is told of a sku that its item has given up is not taken: it makes no new item, and changes none.

        Raises:
            KeyError: a kit names a part that does not exist.
        """
        given_up = self.given_up([item.sku for item in items])
        items = [item for item in items if item.sku not in given_up]
        new = insert_new(self._connection, ITEM, [item_row(item) for item in items])
        taken_meanwhile = self.given_up([item.sku for item in items]) if new else set()
        if taken_meanwhile:
            # Somebody renamed an item while its old name waited to be written here.
            new -= self._connection.execute(ITEM.delete().where(ITEM.c.sku.in_(sorted(taken_meanwhile)))).rowcount
            items = [item for item in items if item.sku not in taken_meanwhile]
        ids = bindings.current_ids(self._connection, [item.sku for item in items])
        for batch in chunks(items):
            self._connection.execute(
                ITEM.update()
                .where(ITEM.c.id == sa.bindparam("item"))
                .values(**{name: sa.bindparam(f"new_{name}", type_=ITEM.c[name].type) for name in _REWRITTEN}),
                [
                    {"item": ids[item.sku]} | {f"new_{name}": item_row(item)[name] for name in _REWRITTEN}
                    for item in batch
                ],
            )
        kits = [item for item in items if item.components]
        before = self._recipes(ids.values())
        for some_ids in chunks(sorted(ids.values())):
            self._connection.execute(KIT.delete().where(KIT.c.kit_id.in_(some_ids)))
        parts = self.item_ids([component.sku for kit in kits for component in kit.components])
        for kit in kits:
            # Two names of one item, where one was merged into the other, are one part.
            recipe: Counter[int] = Counter()
            for component in kit.components:
                recipe[parts[component.sku]] += component.units
            self._connection.execute(
                KIT.insert(),
                [{"kit_id": ids[kit.sku], "part_id": part, "units": units} for part, units in recipe.items()],
            )
        after = self._recipes(ids.values())
        changed = {item for item in ids.values() if before.get(item) != after.get(item)}
        self._log(Change(Logged.KIT, made_of(after.get(item, {})), item_id=item) for item in sorted(changed))
        self._touch(changed)
        self._put_recipes(items, ids)
        bindings.bind_to(self._connection, self._now, ids, [item.gtin for item in items if item.gtin])
        return new

    def _put_recipes(self, items: Sequence[Item], ids: Mapping[str, int]) -> None:
        """Writes what items are assembled from. It moves no number: what is assembled holds stock of its own."""
        for some_ids in chunks(sorted(ids.values())):
            self._connection.execute(RECIPE.delete().where(RECIPE.c.product_id.in_(some_ids)))
        parts = self.item_ids([part.sku for item in items for part in item.recipe])
        rows = [
            {"product_id": ids[item.sku], "part_id": parts[part.sku], "units": part.units}
            for item in items
            for part in item.recipe
        ]
        for batch in chunks(rows):
            self._connection.execute(RECIPE.insert(), batch)

    def _recipes(self, item_ids: Collection[int]) -> dict[int, dict[int, int]]:
        found: dict[int, dict[int, int]] = {}
        for batch in chunks(sorted(item_ids)):
            for row in self._connection.execute(sa.select(KIT).where(KIT.c.kit_id.in_(batch))):
                found.setdefault(row.kit_id, {})[row.part_id] = row.units
        return found

    def _log(self, changes: Iterable[Change]) -> None:
        log(self._connection, self._now, changes)

    def _touch(self, item_ids: Collection[int]) -> None:
        rows = [{"item_id": item, "changed_at": self._now} for item in sorted(item_ids)]
        if rows:
            self._connection.execute(CHANGE.insert(), rows)

    def item_ids(self, skus: Collection[str]) -> dict[str, int]:
        """Internal ids by sku, or by a sku that the item had before; unknown skus are left out."""
        return bindings.item_ids(self._connection, skus)

    def given_up(self, skus: Collection[str]) -> set[str]:
        """Which of these are former names that their items keep from others."""
        found: set[str] = set()
        for batch in chunks(sorted(set(skus))):
            query = sa.select(ALIAS.c.sku).where(ALIAS.c.sku.in_(batch), ALIAS.c.freed_at.is_(None))
            found.update(self._connection.execute(query).scalars())
        return found

    def cause_sku(self, sku: str) -> str:
        """The name under which causes of an item's movements are written: its first one, however it is called now."""
        before = sa.select(ALIAS.c.origin).where(ALIAS.c.sku == sku, ALIAS.c.freed_at.is_(None))
        renamed = (
            sa.select(ALIAS.c.origin)
            .join(ITEM, ITEM.c.id == ALIAS.c.item_id)
            .where(ITEM.c.sku == sku, ALIAS.c.is_merged.is_(False))
            .order_by(ALIAS.c.id)
            .limit(1)
        )
        is_current = self._connection.execute(sa.select(ITEM.c.id).where(ITEM.c.sku == sku)).first() is not None
        found = self._connection.execute(renamed if is_current else before).scalar()
        return sku if found is None else str(found)

    def skus(self) -> dict[int, str]:
        """Every item's sku by internal id."""
        return {row.id: row.sku for row in self._connection.execute(sa.select(ITEM.c.id, ITEM.c.sku))}

    def skus_of(self, item_ids: Collection[int]) -> dict[int, str]:
        """The skus of these items by internal id."""
        found: dict[int, str] = {}
        for batch in chunks(sorted(item_ids)):
            query = sa.select(ITEM.c.id, ITEM.c.sku).where(ITEM.c.id.in_(batch))
            found.update((row.id, row.sku) for row in self._connection.execute(query))
        return found

    def items_by_gtin(self, gtins: Collection[str]) -> dict[str, list[int]]:
        """Items that carry a GTIN; more than one is ambiguous."""
        return bindings.items_by_gtin(self._connection, gtins)

    def put_safety_stock(self, item_id: int, location_id: int, units: int) -> bool:
        """Units held back from promises at one place; False: it was so already."""
        row = {"item_id": item_id, "location_id": location_id}
        insert_new(self._connection, SAFETY, [row | {"units": 0}])
        changed = self._connection.execute(
            SAFETY.update()
            .where(SAFETY.c.item_id == item_id, SAFETY.c.location_id == location_id, SAFETY.c.units != units)
            .values(units=units)
        )
        if changed.rowcount:
            self._log([Change(Logged.SAFETY_STOCK, {"units": units}, item_id=item_id, location_id=location_id)])
            self._touch({item_id})
        return bool(changed.rowcount)

    # -- places and channels -----------------------------------------------------------------------------------

    def put_location(self, location: Location, *, master: str | None = None, ttl_seconds: float | None = None) -> int:
        """Writes a location by its code; answers its internal id."""
        values = {
            "name": location.name,
            "kind": location.kind.value,
            "country": location.address.country if location.address else None,
            "postal_code": location.address.postal_code if location.address else None,
            "city": location.address.city if location.address else None,
            "latitude": location.coordinates.latitude if location.coordinates else None,
            "longitude": location.coordinates.longitude if location.coordinates else None,
            "time_zone": location.time_zone,
            "can_ship": location.can_ship,
            "can_pickup": location.can_pickup,
            "accept_seconds": location.accept_within_seconds,
            "hold_pickup_seconds": location.hold_pickup_seconds,
            "master": master,
            "ttl_seconds": ttl_seconds,
        }
        row = {"code": location.code, "was_fresh": ttl_seconds is None, **values}
        is_new = insert_new(self._connection, LOCATION, [row])
        its = LOCATION.c.code == location.code
        before = self._connection.execute(sa.select(LOCATION.c.ttl_seconds).where(its)).scalar_one()
        written = self._connection.execute(
            LOCATION.update().where(its).values(**values).returning(LOCATION.c.id, LOCATION.c.as_of)
        ).one()
        if before != ttl_seconds or (is_new and ttl_seconds is not None):
            self._log([freshness(written.id, ttl_seconds, written.as_of)])
        return int(written.id)

    def location_ids(self, codes: Collection[str] | None = None) -> dict[str, int]:
        """Internal ids by location code; of these codes, or of all."""
        query = sa.select(LOCATION.c.code, LOCATION.c.id)
        if codes is not None:
            query = query.where(LOCATION.c.code.in_(sorted(codes)))
        return {row.code: row.id for row in self._connection.execute(query)}

    def channel_ids(self) -> dict[str, int]:
        """Internal ids by channel name."""
        return {row.name: row.id for row in self._connection.execute(sa.select(CHANNEL.c.name, CHANNEL.c.id))}

    def supplier_location(self, supplier: str) -> int | None:
        """The location whose master is this supplier."""
        query = sa.select(LOCATION.c.id).where(LOCATION.c.master == supplier)
        return self._connection.execute(query).scalar_one_or_none()

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

    def kits(self, item_ids: Collection[int]) -> set[int]:
        """Which of these items are made of others."""
        found: set[int] = set()
        for batch in chunks(sorted(item_ids)):
            found.update(self._connection.execute(sa.select(KIT.c.kit_id).where(KIT.c.kit_id.in_(batch))).scalars())
        return found

    def set_as_of(self, location_id: int, as_of: datetime) -> None:
        """A supplier's numbers are from this time; an older one changes nothing."""
        moved = self._connection.execute(
            LOCATION.update()
            .where(LOCATION.c.id == location_id, sa.or_(LOCATION.c.as_of.is_(None), LOCATION.c.as_of < as_of))
            .values(as_of=as_of)
            .returning(LOCATION.c.ttl_seconds)
        ).one_or_none()
        if moved is not None:
            self._log([freshness(location_id, moved.ttl_seconds, as_of)])

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
            self._touch(set(self._connection.execute(items).scalars()))
        return channel

    def _what_is_shown(self, channel: str) -> "_Shown":
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

    def _log_channel(self, channel_id: int, before: "_Shown", after: "_Shown") -> None:
        buffer, pools = after
        if before[0] != buffer:
            self._log([Change(PolicyKind.BUFFER, {"units": buffer}, channel_id=channel_id)])
        self._log(
            Change(Logged.POOL, {"locations": pools.get(point, [])}, stock_point_id=point)
            for point in sorted({*pools, *before[1]})
            if pools.get(point) != before[1].get(point)
        )

    # -- listings ----------------------------------------------------------------------------------------------

    def put_listings(self, channel: str, listings: Sequence[ChannelListing]) -> tuple[int, int]:
        """Writes listings and binds those that are not bound; answers (bound, unbound) of these.

        Bound by sku, else by GTIN, never by title; what is ambiguous or unknown stays unbound with its reason. A
        binding once made is kept.
        """
        channel_id = self._connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == channel)).scalar_one()
        by_sku = self.item_ids([one.sku for one in listings if one.sku])
        by_gtin = self.items_by_gtin([one.gtin for one in listings if one.gtin])
        rows = []
        for one in listings:
            item, reason = bindings.item_of(one.sku, one.gtin, by_sku, by_gtin)
            if not one.is_goods:
                item, reason = None, bindings.NO_GOODS
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


_Shown = tuple[int | None, dict[int, list[int]]]


def _without_ranks(shown: _Shown) -> tuple[int | None, dict[int, set[int]]]:
    """The order of a pool's locations matters for routing, and for no number."""
    return shown[0], {point: set(locations) for point, locations in shown[1].items()}


_REWRITTEN = (
    "title",
    "kind",
    "gtin",
    "options",
    "tax_class",
    "weight_grams",
    "lot_tracking",
    "temperature_class",
    "size_class",
)


def item_row(item: Item) -> dict[str, object]:
    """An item as a row, without its recipe."""
    return {
        "sku": item.sku,
        "title": item.title,
        "kind": item.kind.value,
        "gtin": item.gtin,
        "options": item.options,
        "tax_class": item.tax_class,
        "weight_grams": item.weight_grams,
        "serial_tracking": item.serial_tracking,
        "lot_tracking": item.lot_tracking.value,
        "temperature_class": item.temperature_class,
        "size_class": item.size_class,
    }
