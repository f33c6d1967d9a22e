"""Policies and safety stock in SQL: what holds, for thousands of numbers at once, and what changing one concerns."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.availability import PLAIN, Terms
from nervure.inventory.policies import Policy, terms_of, used_of
from nervure.store.backorders import POLICY, BackorderStore, policy_of
from nervure.store.orders import OrderStore
from nervure.store.policy_log import Change, log
from nervure.store.statements import CHANGE, SAFETY, as_one, insert_new, is_among, note_items
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import LINE, SHORTFALL
from nervure.store.tasks import TaskStore
from schemas.base import counted
from schemas.policies import BEYOND, Logged, PolicyKind

_OF_ITEMS = {
    dialect: sa.select(POLICY).where(is_among(POLICY.c.item_id, dialect)) for dialect in ("sqlite", "postgresql")
}
_OF_CHANNELS = (
    sa.select(CHANNEL.c.id.label("channel"), CHANNEL.c.buffer_units, POLICY)
    .join(POLICY, sa.and_(POLICY.c.channel_id == CHANNEL.c.id, POLICY.c.item_id.is_(None)), isouter=True)
    .where(CHANNEL.c.id.in_(sa.bindparam("channels", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class PolicySeen:
    """A policy as a person names it. `used`: open units sold beyond what is there, of a limit."""

    kind: PolicyKind
    units: int
    channel: str | None
    sku: str | None
    promised_on: date | None
    used: int | None


@dataclass(frozen=True, slots=True)
class TermsInForce:
    """What holds by channel, and by (item, channel) for the few items that have a policy of their own."""

    of_channels: Mapping[int, Terms]
    of_items: Mapping[tuple[int, int], Terms]

    def of(self, item: int, channel: int) -> Terms:
        """What holds for an item on a channel."""
        return self.of_items.get((item, channel), self.of_channels[channel])


class PolicyStore:
    """The policies of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._beyond = BackorderStore(connection, now)

    # -- what holds --------------------------------------------------------------------------------------------

    def terms(self, items: Collection[int], channels: Collection[int]) -> TermsInForce:
        """What holds for each of these items on each of these channels, by a few statements for all of them."""
        buffers, of_channel = self._of_channels(channels)
        common = {
            channel: self._terms(of_channel[channel], buffers[channel], {}, is_received=True) for channel in channels
        }
        of_item = self._of_items(items)
        if not of_item:
            return TermsInForce(common, {})
        limited = {item for item, policies in of_item.items() if any(one.kind in BEYOND for one in policies)}
        sold = self._beyond.sold(limited)
        received = self._beyond.received(StockStore(self._connection, self._now).parts_of(limited))
        found: dict[tuple[int, int], Terms] = {}
        for (item, policies), channel in product(of_item.items(), channels):
            own = [one for one in policies if one.channel_id in (None, channel)]
            if own:
                found[item, channel] = self._terms(
                    of_channel[channel] + own, buffers[channel], sold.get(item, {}), is_received=item in received
                )
        return TermsInForce(common, found)

    def _terms(
        self, policies: Sequence[Policy], buffer_units: int, sold: dict[int, int], *, is_received: bool
    ) -> Terms:
        if not policies and not buffer_units:
            return PLAIN
        return terms_of(policies, buffer_units=buffer_units, sold=sold, is_received=is_received, today=self._now.date())

    def _of_channels(self, channel_ids: Collection[int]) -> tuple[dict[int, int], dict[int, list[Policy]]]:
        """Of each channel the units it keeps back, and the policies of all its items."""
        buffers: dict[int, int] = {}
        policies: dict[int, list[Policy]] = defaultdict(list)
        for row in self._connection.execute(_OF_CHANNELS, {"channels": sorted(channel_ids)}):
            buffers[row.channel] = row.buffer_units
            if row.id is not None:
                policies[row.channel].append(policy_of(row))
        return buffers, policies

    def _of_items(self, item_ids: Collection[int]) -> dict[int, list[Policy]]:
        policies: dict[int, list[Policy]] = defaultdict(list)
        for row in self._connection.execute(_OF_ITEMS[self._connection.dialect.name], as_one(item_ids)):
            policies[row.item_id].append(policy_of(row))
        return policies

    # -- changing ----------------------------------------------------------------------------------------------

    def put(self, policy: Policy) -> bool:
        """Sets a policy, for every number that it concerns; False: it was so already."""
        values: dict[str, object] = {"units": policy.units, "promised_on": policy.promised_on, "is_over": False}
        row: dict[str, object] = {
            "kind": policy.kind.value,
            "scope": policy_scope(policy),
            "channel_id": policy.channel_id,
        }
        if not insert_new(self._connection, POLICY, [row | {"item_id": policy.item_id} | values]):
            its = sa.and_(POLICY.c.kind == policy.kind.value, POLICY.c.scope == policy_scope(policy))
            differs = sa.or_(POLICY.c.units != policy.units, POLICY.c.promised_on.is_distinct_from(policy.promised_on))
            if not self._connection.execute(POLICY.update().where(its, differs).values(**values)).rowcount:
                return False
        self._changed(policy, {"units": policy.units, "promised_on": _text(policy.promised_on)})
        return True

    def clear(self, policy: Policy) -> bool:
        """Takes a policy back; False: there was none."""
        gone = self._connection.execute(
            POLICY.delete().where(POLICY.c.kind == policy.kind.value, POLICY.c.scope == policy_scope(policy))
        )
        if gone.rowcount:
            self._changed(policy, None)
        return bool(gone.rowcount)

    def _changed(self, policy: Policy, value: dict[str, object] | None) -> None:
        change = Change(policy.kind, value, channel_id=policy.channel_id, item_id=policy.item_id)
        log(self._connection, self._now, [change])
        self._touch(policy.channel_id, policy.item_id)

    def _touch(self, channel_id: int | None, item_id: int | None) -> None:
        """Notes the numbers of this item on this channel: those, and no others, are computed again."""
        query = (
            sa.select(LISTING.c.item_id, POINT.c.id, sa.literal(self._now, CHANGE.c.changed_at.type))
            .join(POINT, POINT.c.channel_id == LISTING.c.channel_id)
            .where(LISTING.c.item_id.is_not(None))
            .distinct()
        )
        if channel_id is not None:
            query = query.where(LISTING.c.channel_id == channel_id)
        if item_id is not None:
            query = query.where(LISTING.c.item_id == item_id)
        self._connection.execute(CHANGE.insert().from_select(["item_id", "stock_point_id", "changed_at"], query))

    # -- safety stock ------------------------------------------------------------------------------------------

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
            kept = Change(Logged.SAFETY_STOCK, {"units": units}, item_id=item_id, location_id=location_id)
            log(self._connection, self._now, [kept])
            note_items(self._connection, self._now, [item_id])
        return bool(changed.rowcount)

    # -- days that pass ----------------------------------------------------------------------------------------

    def note_days(self) -> int:
        """Notes the policies and promises whose last day has passed: numbers are computed, tasks are opened.

        Answers how many there were.
        """
        ended = self._connection.execute(
            POLICY.update()
            .where(POLICY.c.promised_on < self._now.date(), POLICY.c.is_over.is_(False))
            .values(is_over=True)
            .returning(POLICY.c.channel_id, POLICY.c.item_id)
        ).all()
        for row in ended:
            self._touch(row.channel_id, row.item_id)
        orders, tasks = OrderStore(self._connection, self._now), TaskStore(self._connection, self._now)
        is_late = sa.and_(SHORTFALL.c.promised_on < self._now.date(), SHORTFALL.c.is_overdue.is_(False))
        late = (
            sa.select(LINE.c.id, LINE.c.external_id, LINE.c.order_id)
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id)
            .where(is_late)
            .order_by(LINE.c.order_id, LINE.c.id)
        )
        told = 0
        for line in self._connection.execute(late).all():
            orders.lock(line.order_id)
            # Asked again under the lock: meanwhile the units may have come, or the line may be canceled.
            missed = self._connection.execute(
                SHORTFALL.update()
                .where(SHORTFALL.c.order_line_id == line.id, is_late)
                .values(is_overdue=True)
                .returning(SHORTFALL.c.backorder_units, SHORTFALL.c.promised_on)
            ).one_or_none()
            if missed is not None:
                units = counted(missed.backorder_units, "unit")
                text = f"{units} of line {line.external_id} promised by {missed.promised_on} did not come"
                tasks.open("shortfall", f"order_line:{line.id}", text)
                told += 1
        return len(ended) + told

    def list(self, *, channel: str | None = None, sku: str | None = None) -> list[PolicySeen]:
        """The policies that concern a channel or a sku (without: all), in the order of their kinds."""
        query = (
            sa.select(POLICY, CHANNEL.c.name, ITEM.c.sku)
            .join(CHANNEL, CHANNEL.c.id == POLICY.c.channel_id, isouter=True)
            .join(ITEM, ITEM.c.id == POLICY.c.item_id, isouter=True)
        )
        if channel is not None:
            query = query.where(sa.or_(CHANNEL.c.name == channel, POLICY.c.channel_id.is_(None)))
        if sku is not None:
            query = query.where(sa.or_(ITEM.c.sku == sku, POLICY.c.item_id.is_(None)))
        rows = self._connection.execute(query).all()
        sold = self._beyond.sold({row.item_id for row in rows if row.promised_on is not None})
        kinds = list(PolicyKind)
        return sorted(
            (
                PolicySeen(
                    kind=PolicyKind(row.kind),
                    units=row.units,
                    channel=row.name,
                    sku=row.sku,
                    promised_on=row.promised_on,
                    used=used_of(policy_of(row), sold.get(row.item_id, {})) if row.promised_on else None,
                )
                for row in rows
            ),
            key=lambda seen: (kinds.index(seen.kind), seen.channel or "", seen.sku or ""),
        )


def policy_scope(policy: Policy) -> str:
    named = (("channel", policy.channel_id), ("item", policy.item_id))
    return " ".join(f"{what}:{number}" for what, number in named if number is not None)


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
