"""What the past says of locations: what was not found there, what lies too long, what suppliers ask for a unit."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.orders.costs import micros
from nervure.orders.rules import Goods
from nervure.store import tables
from nervure.store.statements import LEVEL, MOVEMENT, chunks
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT
from schemas.fulfillment import FulfillmentState, RejectReason, StepKind
from schemas.locations import LocationKind
from schemas.routing import Markdown, RoutingSettings
from schemas.stock import Condition, MovementKind

NOT_FOUND = tables.of(tables.NotFoundRow)
OFFER = tables.of(tables.SupplierOfferRow)
REQUEST = tables.of(tables.SupplierRequestRow)

NOT_FOUND_DAYS = 90
"""So far back it is looked how often a location did not find what it was to send."""

_FOUND = (
    FulfillmentState.PACKED.value,
    FulfillmentState.READY_FOR_PICKUP.value,
    FulfillmentState.SHIPPED.value,
    FulfillmentState.HANDED_OVER.value,
)
_SALES = (MovementKind.SOLD.value, MovementKind.SHIPPED.value, MovementKind.RETURNED.value)


class HistoryOfPlaces:
    """The past as one transaction sees it at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def not_found(self, said: RoutingSettings, location_ids: Collection[int]) -> dict[int, float]:
        """By location, how much of what it is to send is not found there, 0 to 1: as last measured, and the prior."""
        query = sa.select(NOT_FOUND).where(NOT_FOUND.c.location_id.in_(sorted(location_ids)))
        found = {row.location_id: (row.tried, row.missed) for row in self._connection.execute(query)}
        prior = said.prior_share * said.prior_orders
        return {
            location: (misses + prior) / (tries + said.prior_orders)
            for location in location_ids
            for tries, misses in [found.get(location, (0, 0))]
        }

    def measure_not_found(self) -> int:
        """Counts anew what was not found in the last days; answers of how many locations anything is known.

        Of a place of ours fulfillment orders count: those it packed, and those of which it did not find something. Of a
        supplier units count: those it answered for, and those it refused.
        """
        since = self._now - timedelta(days=NOT_FOUND_DAYS)
        is_missed = sa.and_(
            FULFILLMENT_EVENT.c.fulfillment_order_id == FULFILLMENT.c.id,
            FULFILLMENT_EVENT.c.kind == StepKind.REJECTED.value,
            FULFILLMENT_EVENT.c.reason == RejectReason.NOT_FOUND.value,
            # What another store says of its own shelf, to which the same was offered, is nobody's fault here.
            FULFILLMENT_EVENT.c.location_id.is_(None),
        )
        missed = sa.case((FULFILLMENT_EVENT.c.id.is_not(None), FULFILLMENT.c.id))
        handled = (
            sa.select(
                FULFILLMENT.c.location_id,
                sa.func.count(FULFILLMENT.c.id.distinct()).label("tried"),
                sa.func.count(missed.distinct()).label("missed"),
            )
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(FULFILLMENT_EVENT, is_missed, isouter=True)
            .where(
                LOCATION.c.kind != LocationKind.SUPPLIER.value,
                FULFILLMENT.c.created_at >= since,
                FULFILLMENT.c.state.in_(_FOUND) | FULFILLMENT_EVENT.c.id.is_not(None),
            )
            .group_by(FULFILLMENT.c.location_id)
        )
        answered = (
            sa.select(REQUEST.c.location_id, sa.func.sum(REQUEST.c.units), sa.func.sum(REQUEST.c.units_refused))
            .join(LOCATION, LOCATION.c.id == REQUEST.c.location_id)
            .where(
                LOCATION.c.kind == LocationKind.SUPPLIER.value,
                REQUEST.c.asked_at >= since,
                REQUEST.c.answered_at.is_not(None),
            )
            .group_by(REQUEST.c.location_id)
        )
        rows = [
            {"location_id": location, "tried": int(tried), "missed": int(misses), "measured_at": self._now}
            for location, tried, misses in self._connection.execute(sa.union_all(handled, answered))
        ]
        made = {"sqlite": sqlite, "postgresql": postgresql}[self._connection.dialect.name].insert(NOT_FOUND)
        newest = {name: made.excluded[name] for name in ("tried", "missed", "measured_at")}
        is_newer = NOT_FOUND.c.measured_at <= made.excluded.measured_at
        upsert = made.on_conflict_do_update(index_elements=["location_id"], set_=newest, where=is_newer)
        for batch in chunks(sorted(rows, key=lambda row: row["location_id"])):
            self._connection.execute(upsert, batch)
        self._connection.execute(NOT_FOUND.delete().where(NOT_FOUND.c.measured_at < self._now))
        return len(rows)

    def reliefs(
        self, markdown: Markdown, location_ids: Collection[int], goods: Mapping[int, Goods]
    ) -> dict[int, dict[int, int]]:
        """By location of ours and item, what selling a unit there saves, in micros."""
        named = {item: markdown.skus[one.sku] for item, one in goods.items() if one.sku in markdown.skus}
        found: dict[int, dict[int, int]] = defaultdict(dict)
        for location in location_ids:
            found[location] = {item: micros(amount) for item, amount in named.items()}
        others = sorted(goods.keys() - named.keys())
        if markdown.days_of_cover is None or not others:
            return found
        for row in self._connection.execute(self._slow(markdown, location_ids, others)):
            if row.units * markdown.window_days > markdown.days_of_cover * (row.sold or 0):
                found[row.location_id][row.item_id] = micros(markdown.relief)
        return found

    def _slow(
        self, markdown: Markdown, location_ids: Collection[int], item_ids: Collection[int]
    ) -> sa.Select[int, int, int, int]:
        """What lies where, and what was sold of it since; only of what lay there before."""
        since = self._now - timedelta(days=markdown.window_days)
        sold = (
            sa.select(sa.func.sum(-MOVEMENT.c.units))
            .where(MOVEMENT.c.stock_level_id == LEVEL.c.id, MOVEMENT.c.occurred_at > since, MOVEMENT.c.kind.in_(_SALES))
            .scalar_subquery()
        )
        lay_there = (
            sa.select(MOVEMENT.c.id)
            .where(MOVEMENT.c.stock_level_id == LEVEL.c.id, MOVEMENT.c.sequence == 1, MOVEMENT.c.occurred_at <= since)
            .exists()
        )
        levels = (
            sa.select(
                LEVEL.c.location_id,
                LEVEL.c.item_id,
                LEVEL.c.on_hand,
                sold.label("sold"),
                sa.case((lay_there, 1), else_=0).label("is_old"),
            )
            .where(
                LEVEL.c.item_id.in_(item_ids),
                LEVEL.c.location_id.in_(sorted(location_ids)),
                LEVEL.c.condition == Condition.SELLABLE.value,
            )
            .subquery()
        )
        return (
            sa.select(
                levels.c.location_id,
                levels.c.item_id,
                sa.func.sum(levels.c.on_hand).label("units"),
                sa.func.sum(levels.c.sold).label("sold"),
            )
            .group_by(levels.c.location_id, levels.c.item_id)
            .having(sa.func.sum(levels.c.on_hand) > 0, sa.func.max(levels.c.is_old) == 1)
        )

    def prices(self, suppliers: Collection[str], goods: Mapping[int, Goods]) -> dict[str, dict[int, int]]:
        """By supplier and item, what a unit costs there, in micros: of the fullest offer, in euros, that says it."""
        query = sa.select(OFFER.c.supplier, OFFER.c.item_id, OFFER.c.unit_cost).where(
            OFFER.c.supplier.in_(sorted(suppliers)),
            OFFER.c.item_id.in_(sorted(goods)),
            OFFER.c.currency == "EUR",
            OFFER.c.unit_cost.is_not(None),
        )
        found: dict[str, dict[int, int]] = defaultdict(dict)
        # The fullest offer is the one that is asked for.
        for row in self._connection.execute(
            query.order_by(sa.func.coalesce(OFFER.c.units, 0), OFFER.c.supplier_sku.desc())
        ):
            found[row.supplier][row.item_id] = micros(row.unit_cost)
        return found
