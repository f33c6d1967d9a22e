"""What buffers are earned from, and the buffers themselves: read and written for all items of a channel at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.policies import Policy
from nervure.store.backorders import POLICY
from nervure.store.history import ANSWER
from nervure.store.policies import policy_scope
from nervure.store.policy_log import Change, log
from nervure.store.publications import PUBLICATION
from nervure.store.statements import CHANGE, KIT, as_one, chunks, is_among
from nervure.store.tables.catalogue import LISTING
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.orders import LINE, ORDER
from schemas.policies import PolicyKind

LOOK_BACK_DAYS = 14
SAMPLES = 500
"""The newest so many orders elsewhere, and answers to a channel's numbers, say how long both take."""

LONGEST_SECONDS = 3_600.0
"""What took longer was an outage or a pause: no buffer answers for that."""

SHORTEST_HISTORY = timedelta(hours=1)
"""A channel that was first asked later than this before now counts as if it had been asked for so long."""


@dataclass(frozen=True, slots=True)
class Sold:
    """Orders of an item on a channel that took so many units each, a second while the channel was heard."""

    channel_id: int
    item_id: int
    units: int
    orders_per_second: float


@dataclass(frozen=True, slots=True)
class Kept:
    """A buffer that was earned: `why` is what the log says of it, its units included."""

    channel_id: int
    item_id: int
    why: Mapping[str, Any] = field(hash=False)


def heard_since(now: datetime) -> sa.ColumnElement[bool]:
    """Orders of the last days, of each channel those that it was asked for from the beginning."""
    return sa.and_(
        ORDER.c.placed_at > now - timedelta(days=LOOK_BACK_DAYS),
        sa.or_(CHANNEL.c.orders_since.is_(None), ORDER.c.placed_at >= CHANNEL.c.orders_since),
    )


class EarnedStore:
    """Earned buffers in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._since = now - timedelta(days=LOOK_BACK_DAYS)

    # -- what they are earned from -------------------------------------------------------------------------------

    def channels(self) -> dict[str, int]:
        """Every channel by its name."""
        return {row.name: row.id for row in self._connection.execute(sa.select(CHANNEL.c.id, CHANNEL.c.name))}

    def sold(self) -> tuple[list[Sold], dict[int, int]]:
        """What was sold of each item on each channel in the last days, by the units of an order; and prices.

        A price is that of one unit in micros of a euro, the mean over what was sold in euros.
        """
        units = LINE.c.units_ordered - LINE.c.units_canceled
        is_euro = ORDER.c.currency == "EUR"
        paid = sa.cast(LINE.c.line_total, sa.Float) - sa.cast(LINE.c.discount_amount, sa.Float)
        query = (
            sa.select(
                ORDER.c.channel_id,
                LINE.c.item_id,
                units.label("units"),
                sa.func.count().label("orders"),
                sa.func.sum(sa.case((is_euro, LINE.c.units_charged), else_=0)).label("priced"),
                sa.func.sum(sa.case((is_euro, paid), else_=0.0)).label("euros"),
            )
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(heard_since(self._now))
            .group_by(ORDER.c.channel_id, LINE.c.item_id, units)
        )
        seconds = self._seconds_heard()
        found: list[Sold] = []
        amounts: defaultdict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in self._connection.execute(query):
            if row.units > 0:
                found.append(Sold(row.channel_id, row.item_id, int(row.units), row.orders / seconds[row.channel_id]))
            amounts[row.item_id][0] += float(row.priced)
            amounts[row.item_id][1] += float(row.euros)
        return found, {item: round(1e6 * euros / of) for item, (of, euros) in amounts.items() if of}

    def _seconds_heard(self) -> dict[int, float]:
        """For how long each channel was heard within the last days."""
        query = sa.select(CHANNEL.c.id, CHANNEL.c.orders_since)
        return {
            row.id: max(self._now - max(row.orders_since or self._since, self._since), SHORTEST_HISTORY).total_seconds()
            for row in self._connection.execute(query)
        }

    def recipes(self) -> dict[int, dict[int, int]]:
        """What each kit is made of."""
        found: dict[int, dict[int, int]] = defaultdict(dict)
        for row in self._connection.execute(sa.select(KIT)):
            found[row.kit_id][row.part_id] = row.units
        return dict(found)

    def neighbours(self) -> dict[int, set[int]]:
        """Which other channels sell from a location of each channel."""
        pools: dict[int, set[int]] = defaultdict(set)
        query = sa.select(POINT.c.channel_id, POINT_LOCATION.c.location_id).join(
            POINT_LOCATION, POINT_LOCATION.c.stock_point_id == POINT.c.id
        )
        for channel, location in self._connection.execute(query):
            pools[location].add(channel)
        found: dict[int, set[int]] = defaultdict(set)
        for channels in pools.values():
            for channel in channels:
                found[channel] |= channels - {channel}
        return found

    def listed(self, channel_id: int) -> set[int]:
        """The items that a channel sells."""
        query = sa.select(LISTING.c.item_id).where(LISTING.c.channel_id == channel_id, LISTING.c.item_id.is_not(None))
        return set(self._connection.execute(query).scalars())

    def heard_after(self, channel_ids: Collection[int]) -> list[float]:
        """Seconds from an order to the hub's hearing of it, of the newest orders of these channels together."""
        query = (
            sa.select(ORDER.c.placed_at, ORDER.c.recorded_at)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(ORDER.c.channel_id.in_(sorted(channel_ids)), heard_since(self._now))
            .order_by(ORDER.c.id.desc())
            .limit(SAMPLES)
        )
        # A platform's clock may be ahead of ours.
        return _within(max((row.recorded_at - row.placed_at).total_seconds(), 0.0) for row in self._rows(query))

    def published_after(self, channel_id: int) -> list[float]:
        """Seconds from a change in the hub to the channel's confirmation, of its newest answers."""
        query = (
            sa.select(ANSWER.c.noted_at, ANSWER.c.answered_at)
            .join(PUBLICATION, PUBLICATION.c.id == ANSWER.c.publication_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .where(POINT.c.channel_id == channel_id, ANSWER.c.noted_at.is_not(None), ANSWER.c.answered_at > self._since)
            .order_by(ANSWER.c.id.desc())
            .limit(SAMPLES)
        )
        return _within((row.answered_at - row.noted_at).total_seconds() for row in self._rows(query))

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        return self._connection.execute(query).all()

    # -- the buffers -------------------------------------------------------------------------------------------

    def kept(self) -> dict[tuple[int, int], int]:
        """Units that were earned, by channel and item."""
        query = sa.select(POLICY.c.channel_id, POLICY.c.item_id, POLICY.c.units).where(_IS_EARNED)
        return {(row.channel_id, row.item_id): row.units for row in self._connection.execute(query)}

    def numbers_with_buffer(self, channel_id: int) -> set[tuple[int, int]]:
        """The (item, stock point) of a channel from which a buffer keeps units back."""
        has_own = (
            sa.select(POLICY.c.id)
            .where(
                POLICY.c.channel_id == channel_id, POLICY.c.item_id == LISTING.c.item_id, POLICY.c.kind.in_(_BUFFERS)
            )
            .exists()
        )
        query = (
            sa.select(LISTING.c.item_id, POINT.c.id)
            .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .where(LISTING.c.channel_id == channel_id, LISTING.c.item_id.is_not(None))
            .where(sa.or_(CHANNEL.c.buffer_units > 0, has_own))
        )
        return {(item, point) for item, point in self._connection.execute(query)}

    def put(self, buffers: Sequence[Kept]) -> int:
        """Writes these buffers, 0 for none, and notes the numbers of those that changed; answers how many."""
        changed: list[Change] = []
        gone: defaultdict[int, list[int]] = defaultdict(list)
        rows: list[dict[str, object]] = []
        for one in buffers:
            if not one.why["units"]:
                gone[one.channel_id].append(one.item_id)
                continue
            policy = Policy(PolicyKind.EARNED, one.why["units"], one.channel_id, one.item_id)
            row: dict[str, object] = {
                "kind": policy.kind.value,
                "scope": policy_scope(policy),
                "units": policy.units,
                "is_over": False,
            }
            rows.append(row | {"channel_id": one.channel_id, "item_id": one.item_id})
        why = {(one.channel_id, one.item_id): one.why for one in buffers}
        # In the order of their keys: two that write at once must not wait for each other.
        for part in chunks(sorted(rows, key=lambda row: str(row["scope"])), 500):
            for channel, item in self._connection.execute(self._upsert(), part):
                changed.append(Change(PolicyKind.EARNED, why[channel, item], channel_id=channel, item_id=item))
        for channel, items in sorted(gone.items()):
            changed += self._take_back(channel, is_among(POLICY.c.item_id, self._dialect), as_one(sorted(items)))
        return self._note(changed)

    def keep_to(self, channels: Collection[str]) -> int:
        """Takes back what other channels than these have earned; answers how many buffers."""
        others = (
            sa.select(POLICY.c.channel_id)
            .join(CHANNEL, CHANNEL.c.id == POLICY.c.channel_id)
            .where(_IS_EARNED, CHANNEL.c.name.not_in(sorted(channels)))
        )
        gone = sorted(self._connection.execute(others.distinct()).scalars())
        return self._note([change for channel in gone for change in self._take_back(channel, sa.true(), {})])

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def _upsert(self) -> Any:
        """What is there already in as many units is not written, and not answered."""
        insert = (postgresql if self._dialect == "postgresql" else sqlite).insert(POLICY)
        return insert.on_conflict_do_update(
            index_elements=[POLICY.c.kind, POLICY.c.scope],
            set_={"units": insert.excluded.units},
            where=POLICY.c.units != insert.excluded.units,
        ).returning(POLICY.c.channel_id, POLICY.c.item_id)

    def _take_back(self, channel: int, which: sa.ColumnElement[bool], given: Mapping[str, Any]) -> list[Change]:
        gone = POLICY.delete().where(_IS_EARNED, POLICY.c.channel_id == channel, which).returning(POLICY.c.item_id)
        items = self._connection.execute(gone, dict(given)).scalars()
        return [Change(PolicyKind.EARNED, None, channel_id=channel, item_id=item) for item in sorted(items)]

    def _note(self, changes: Sequence[Change]) -> int:
        """Writes changes down, and notes the numbers that follow from them: those, and no others."""
        log(self._connection, self._now, changes)
        items: defaultdict[int, list[int]] = defaultdict(list)
        for change in changes:
            if change.channel_id is not None and change.item_id is not None:
                items[change.channel_id].append(change.item_id)
        for channel, whose in sorted(items.items()):
            query = (
                sa.select(LISTING.c.item_id, POINT.c.id, sa.literal(self._now, CHANGE.c.changed_at.type))
                .join(POINT, POINT.c.channel_id == LISTING.c.channel_id)
                .where(LISTING.c.channel_id == channel, is_among(LISTING.c.item_id, self._dialect))
                .distinct()
            )
            noted = CHANGE.insert().from_select(["item_id", "stock_point_id", "changed_at"], query)
            self._connection.execute(noted, as_one(whose))
        return len(changes)


_BUFFERS = [PolicyKind.BUFFER.value, PolicyKind.EARNED.value]
_IS_EARNED = POLICY.c.kind == PolicyKind.EARNED.value


def _within(seconds: Any) -> list[float]:
    return [one for one in seconds if one <= LONGEST_SECONDS]
