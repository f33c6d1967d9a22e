"""What a number followed from at a moment: the ledger, the claims and the log of policies, read until then."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.availability import Parts
from nervure.inventory.explain import Decisions, Expired, Held, Moved, Sale, Shelf, Site
from nervure.inventory.policies import Policy
from nervure.inventory.stock import ClaimKind, Place
from nervure.orders.work import order_document
from nervure.publication.earned import sentence
from nervure.store.backorders import BACKORDER_CHANGE, BackorderStore
from nervure.store.history import Answer, HistoryStore
from nervure.store.policy_log import POLICY_CHANGE, Change, held_at, of_items
from nervure.store.publications import PUBLICATION
from nervure.store.routing import is_fresh
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT, chunks
from nervure.store.tables.catalogue import ITEM, LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import FULFILLMENT_LINE, LINE, ORDER
from schemas.locations import LocationKind
from schemas.policies import Logged, PolicyKind
from schemas.publications import PublicationState
from schemas.stock import AdjustmentReason, Condition, MovementKind

_Level: TypeAlias = sa.Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class PointListed:
    """A stock point on which an item is listed."""

    channel_id: int
    channel: str
    point_id: int
    stock_point: str
    publication_id: int | None


@dataclass(frozen=True, slots=True)
class PublicationNow:
    """Where a publication stands now: what must be shown, and what is under way or was seen last."""

    salable_quantity: int
    state: PublicationState
    reason: str | None
    sent_units: int | None
    sent_at: datetime | None
    channel_units: int | None
    channel_units_at: datetime | None


class ExplainStore:
    """The facts of one moment, in one consistent look.

    A transaction counts from the time it was recorded, which is a little before others could see it.
    """

    def __init__(self, connection: Connection, moment: datetime) -> None:
        self._connection = connection
        self._moment = moment

    # -- what is asked for -------------------------------------------------------------------------------------

    def points(self, item_id: int, channel: str | None) -> list[PointListed]:
        """Where an item is listed, on one channel or on all of them."""
        query = (
            sa.select(CHANNEL.c.id, CHANNEL.c.name, POINT.c.id, POINT.c.external_id, sa.func.min(PUBLICATION.c.id))
            .join(LISTING, LISTING.c.channel_id == CHANNEL.c.id)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(
                PUBLICATION,
                sa.and_(PUBLICATION.c.listing_id == LISTING.c.id, PUBLICATION.c.stock_point_id == POINT.c.id),
                isouter=True,
            )
            .where(LISTING.c.item_id == item_id)
            .group_by(CHANNEL.c.id, CHANNEL.c.name, POINT.c.id, POINT.c.external_id)
            .order_by(CHANNEL.c.id, POINT.c.id)
        )
        if channel is not None:
            query = query.where(CHANNEL.c.name == channel)
        return [PointListed(*row) for row in self._connection.execute(query)]

    def recipe(self, item_id: int) -> Parts:
        """What an item was made of; a simple item is one of itself."""
        found = held_at(self._connection, self._moment, of_items([item_id], Logged.KIT))
        parts = {int(part): int(units) for change in found for part, units in (change.value or {})["parts"].items()}
        return parts or {item_id: 1}

    def skus(self, item_ids: Collection[int]) -> dict[int, str]:
        """Names of a few items."""
        query = sa.select(ITEM.c.id, ITEM.c.sku).where(ITEM.c.id.in_(sorted(item_ids)))
        return {row.id: row.sku for row in self._connection.execute(query)}

    # -- places ------------------------------------------------------------------------------------------------

    def pools(self, point_ids: Collection[int]) -> dict[int, tuple[Site, ...]]:
        """The locations that each stock point stood for."""
        concerned = sa.and_(
            POLICY_CHANGE.c.kind == Logged.POOL.value, POLICY_CHANGE.c.stock_point_id.in_(sorted(point_ids))
        )
        held = held_at(self._connection, self._moment, concerned)
        members = {change.stock_point_id: (change.value or {})["locations"] for change in held}
        sites = self.sites({location for locations in members.values() for location in locations})
        return {
            point: tuple(sites[location] for location in members[point]) if point in members else ()
            for point in point_ids
        }

    def sites(self, location_ids: Collection[int]) -> dict[int, Site]:
        """Locations by id, and whether their numbers could be promised."""
        concerned = sa.and_(
            POLICY_CHANGE.c.kind == Logged.FRESHNESS.value, POLICY_CHANGE.c.location_id.in_(sorted(location_ids))
        )
        fresh = {change.location_id: change for change in held_at(self._connection, self._moment, concerned)}
        query = sa.select(LOCATION.c.id, LOCATION.c.code, LOCATION.c.kind, LOCATION.c.master)
        rows = self._connection.execute(query.where(LOCATION.c.id.in_(sorted(location_ids))))
        return {
            row.id: Site(
                row.id,
                row.code,
                row.master if row.kind == LocationKind.SUPPLIER.value else None,
                self._is_fresh(fresh.get(row.id)),
            )
            for row in rows
        }

    def _is_fresh(self, change: Change | None) -> bool:
        value = (change.value if change else None) or {"ttl_seconds": None, "as_of": None}
        as_of = datetime.fromisoformat(value["as_of"]) if value["as_of"] else None
        return is_fresh(as_of, value["ttl_seconds"], self._moment)

    # -- stock -------------------------------------------------------------------------------------------------

    def shelves(self, item_ids: Collection[int], location_ids: Collection[int]) -> dict[Place, Shelf]:
        """Everything that stood there, and how it came to."""
        levels: dict[int, _Level] = {}
        query = sa.select(LEVEL).where(LEVEL.c.item_id.in_(sorted(item_ids)))
        for batch in chunks(sorted(location_ids)):
            found = self._connection.execute(query.where(LEVEL.c.location_id.in_(batch)))
            levels.update({row.id: row for row in found})
        moved, held = self._moved(levels), self._held(levels)
        expired: dict[Place, list[Expired]] = defaultdict(list)
        for number, level in levels.items():
            free = sum(one.units for one in moved[number]) - sum(one.units for one in held[number])
            if free > 0 and level.condition == Condition.SELLABLE.value and self._has_expired(level.expires_at):
                expired[_place(level)].append(Expired(level.lot, free, level.expires_at))
        kept = held_at(self._connection, self._moment, of_items(sorted(item_ids), Logged.SAFETY_STOCK))
        safety = {
            Place(change.item_id, change.location_id): (change.value or {})["units"]
            for change in kept
            if change.item_id is not None and change.location_id is not None
        }
        # Safety stock of a shelf on which nothing ever stood keeps nothing back: there is nothing.
        return {
            place: Shelf(
                tuple(sorted((one for number in numbers for one in moved[number]), key=lambda one: one.recorded_at)),
                tuple(one for number in numbers for one in held[number]),
                safety.get(place, 0),
                tuple(expired[place]),
            )
            for place, numbers in _by_place(levels).items()
        }

    def _has_expired(self, expires_at: datetime | None) -> bool:
        return expires_at is not None and expires_at <= self._moment

    def _moved(self, levels: Mapping[int, _Level]) -> dict[int, list[Moved]]:
        moved: dict[int, list[Moved]] = defaultdict(list)
        for batch in chunks(sorted(levels)):
            query = (
                sa.select(MOVEMENT)
                .where(MOVEMENT.c.stock_level_id.in_(batch), MOVEMENT.c.recorded_at <= self._moment)
                .order_by(MOVEMENT.c.id)
            )
            for row in self._connection.execute(query):
                level = levels[row.stock_level_id]
                moved[row.stock_level_id].append(
                    Moved(
                        row.units,
                        MovementKind(row.kind),
                        AdjustmentReason(row.reason) if row.reason else None,
                        row.document,
                        level.owner,
                        Condition(level.condition),
                        row.occurred_at,
                        row.recorded_at,
                    )
                )
        return moved

    def _held(self, levels: Mapping[int, _Level]) -> dict[int, list[Held]]:
        held: dict[int, list[Held]] = defaultdict(list)
        for batch in chunks(sorted(levels)):
            query = (
                sa.select(CLAIM, CHANNEL.c.name, ORDER.c.external_id)
                .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.id == CLAIM.c.fulfillment_line_id, isouter=True)
                .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id, isouter=True)
                .join(ORDER, ORDER.c.id == LINE.c.order_id, isouter=True)
                .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id, isouter=True)
                .where(
                    CLAIM.c.stock_level_id.in_(batch),
                    CLAIM.c.created_at <= self._moment,
                    sa.or_(CLAIM.c.end_recorded_at.is_(None), CLAIM.c.end_recorded_at > self._moment),
                )
                .order_by(CLAIM.c.id)
            )
            for row in self._connection.execute(query):
                document = row.reference if row.name is None else order_document(row.name, row.external_id)
                held[row.stock_level_id].append(
                    Held(row.units, ClaimKind(row.kind), document, row.created_at, row.expires_at)
                )
        return held

    # -- decisions ---------------------------------------------------------------------------------------------

    def decisions(self, item_id: int, sku: str, parts: Parts, points: Sequence[PointListed]) -> dict[int, Decisions]:
        """What had been decided of an item on each channel, and what counted against it, by channel."""
        kinds = [kind.value for kind in PolicyKind]
        concerned = sa.and_(
            POLICY_CHANGE.c.kind.in_(kinds),
            sa.or_(
                POLICY_CHANGE.c.item_id == item_id,
                sa.and_(
                    POLICY_CHANGE.c.item_id.is_(None),
                    POLICY_CHANGE.c.channel_id.in_(sorted({point.channel_id for point in points})),
                ),
            ),
        )
        policies = [_policy(change) for change in held_at(self._connection, self._moment, concerned)]
        sales = self._sales(item_id)
        is_received = bool(BackorderStore(self._connection, self._moment).received({item_id: parts}))
        return {
            point.channel_id: Decisions(
                point.channel,
                sku,
                tuple(one for one in policies if one.channel_id in (None, point.channel_id)),
                sales,
                is_received,
                self._moment.date(),
            )
            for point in points
        }

    def _sales(self, item_id: int) -> tuple[Sale, ...]:
        units = sa.func.sum(BACKORDER_CHANGE.c.units)
        query = (
            sa.select(CHANNEL.c.id, CHANNEL.c.name, ORDER.c.external_id, units)
            .join(LINE, LINE.c.id == BACKORDER_CHANGE.c.order_line_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(BACKORDER_CHANGE.c.item_id == item_id, BACKORDER_CHANGE.c.recorded_at <= self._moment)
            .group_by(CHANNEL.c.id, CHANNEL.c.name, ORDER.c.id, ORDER.c.external_id)
            .having(units != 0)
            .order_by(ORDER.c.id)
        )
        return tuple(
            Sale(channel_id, order_document(channel, order), int(open_units))
            for channel_id, channel, order, open_units in self._connection.execute(query)
        )

    # -- what was told -----------------------------------------------------------------------------------------

    def answers(self, points: Sequence[PointListed]) -> dict[int, Answer]:
        """The last answer of each publication until the moment."""
        return HistoryStore(self._connection, self._moment).newest(
            [point.publication_id for point in points if point.publication_id is not None], self._moment
        )

    def publications(self, points: Sequence[PointListed]) -> dict[int, PublicationNow]:
        """Where each publication stands now."""
        ids = [point.publication_id for point in points if point.publication_id is not None]
        return {
            row.id: PublicationNow(
                row.salable_quantity,
                PublicationState(row.state),
                row.reason,
                row.sent_units,
                row.sent_at,
                row.channel_units,
                row.channel_units_at,
            )
            for row in self._connection.execute(sa.select(PUBLICATION).where(PUBLICATION.c.id.in_(ids)))
        }


def _place(level: _Level) -> Place:
    return Place(level.item_id, level.location_id)


def _by_place(levels: Mapping[int, _Level]) -> dict[Place, list[int]]:
    found: dict[Place, list[int]] = defaultdict(list)
    for number, level in sorted(levels.items()):
        found[_place(level)].append(number)
    return found


def _policy(change: Change) -> Policy:
    value = change.value or {}
    day = value.get("promised_on")
    return Policy(
        PolicyKind(change.kind),
        value["units"],
        change.channel_id,
        change.item_id,
        date.fromisoformat(day) if day else None,
        because=sentence(value) if change.kind is PolicyKind.EARNED else "",
    )
