"""The whole truth in one consistent look: what invariants, verdicts and people who doubt a number need."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from nervure.orders.declines import DECLINES
from nervure.store.audit_claims import ClaimAuditStore
from nervure.store.audit_related import RelatedAuditStore
from nervure.store.candidates import CandidateStore
from nervure.store.channels import IS_NAMED
from nervure.store.publications import PUBLICATION
from nervure.store.purchases import receipts
from nervure.store.routing import RoutingStore
from nervure.store.statements import CLAIM, KIT, LEVEL, MOVEMENT
from nervure.store.tables.catalogue import ITEM, LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, SHORTFALL
from nervure.store.tasks import TASK
from nervure.store.transfers import in_transit
from schemas.publications import PublicationState


@dataclass(frozen=True, slots=True)
class LevelAudit:
    """One stock level beside what the ledger and the claims say it must be."""

    sku: str
    location: str
    owner: str
    condition: str
    lot: str
    on_hand: int
    reserved: int
    allocated: int
    sequence: int
    moved_units: int
    movements: int
    last_sequence: int
    distinct_sequences: int
    held_reserved: int
    held_allocated: int


@dataclass(frozen=True, slots=True)
class LineAudit:
    """One order line. `is_counted`: its order's units have been claimed."""

    channel: str
    order: str
    line: str
    sku: str
    is_counted: bool
    units_ordered: int
    units_canceled: int
    units_served: int
    units_short: int
    ever_short: bool
    has_task: bool
    units_backordered: int = 0


@dataclass(frozen=True, slots=True)
class ServedAudit:
    """Units of one order line in one fulfillment order."""

    channel: str
    order: str
    sku: str
    location: str
    state: str
    units: int
    fulfillment_order_id: int = 0


@dataclass(frozen=True, slots=True)
class PublicationAudit:
    """One publication."""

    channel: str
    sku: str
    stock_point: str
    salable_quantity: int
    state: str


@dataclass(frozen=True, slots=True)
class GoodsAudit:
    """Units as transfers or a purchase say them, beside what the ledger says."""

    subject: str
    sku: str
    location: str
    said_units: int
    booked_units: int


class AuditStore(ClaimAuditStore, RelatedAuditStore):
    """Reads everything in one look."""

    def levels(self) -> Iterator[LevelAudit]:
        """Every stock level."""
        moved = (
            sa.select(
                MOVEMENT.c.stock_level_id,
                sa.func.sum(MOVEMENT.c.units).label("units"),
                sa.func.count().label("movements"),
                sa.func.max(MOVEMENT.c.sequence).label("last"),
                sa.func.count(MOVEMENT.c.sequence.distinct()).label("steps"),
            )
            .group_by(MOVEMENT.c.stock_level_id)
            .subquery()
        )
        held = (
            sa.select(
                CLAIM.c.stock_level_id,
                sa.func.sum(sa.case((CLAIM.c.kind == "reservation", CLAIM.c.units), else_=0)).label("reserved"),
                sa.func.sum(sa.case((CLAIM.c.kind == "allocation", CLAIM.c.units), else_=0)).label("allocated"),
            )
            .where(CLAIM.c.state == "held")
            .group_by(CLAIM.c.stock_level_id)
            .subquery()
        )
        query = (
            sa.select(
                LEVEL, ITEM.c.sku, LOCATION.c.code, moved, held.c.reserved.label("h_r"), held.c.allocated.label("h_a")
            )
            .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
            .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
            .join(moved, moved.c.stock_level_id == LEVEL.c.id, isouter=True)
            .join(held, held.c.stock_level_id == LEVEL.c.id, isouter=True)
            .order_by(LEVEL.c.id)
        )
        for row in self.stream(query):
            yield LevelAudit(
                row.sku,
                row.code,
                row.owner,
                row.condition,
                row.lot,
                row.on_hand,
                row.reserved,
                row.allocated,
                row.sequence,
                int(row.units or 0),
                int(row.movements or 0),
                int(row.last or 0),
                int(row.steps or 0),
                int(row.h_r or 0),
                int(row.h_a or 0),
            )

    def lines(self) -> Iterator[LineAudit]:
        """Every order line."""
        served = (
            sa.select(FULFILLMENT_LINE.c.order_line_id, sa.func.sum(FULFILLMENT_LINE.c.units).label("units"))
            .group_by(FULFILLMENT_LINE.c.order_line_id)
            .subquery()
        )
        subject = sa.literal("order_line:") + sa.cast(LINE.c.id, sa.String)
        has_task = sa.select(TASK.c.id).where(TASK.c.kind == "shortfall", TASK.c.subject == subject).exists()
        query = (
            sa.select(
                CHANNEL.c.name,
                ORDER.c.external_id,
                ORDER.c.is_counted,
                LINE.c.external_id.label("line"),
                ITEM.c.sku,
                LINE.c.units_ordered,
                LINE.c.units_canceled,
                served.c.units.label("served"),
                SHORTFALL.c.units.label("short"),
                SHORTFALL.c.backorder_units,
                has_task.label("has_task"),
            )
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(served, served.c.order_line_id == LINE.c.id, isouter=True)
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id, isouter=True)
            .order_by(LINE.c.id)
        )
        for row in self.stream(query):
            yield LineAudit(
                row.name,
                row.external_id,
                row.line,
                row.sku,
                row.is_counted,
                row.units_ordered,
                row.units_canceled,
                int(row.served or 0),
                int(row.short or 0),
                row.short is not None,
                bool(row.has_task),
                row.backorder_units or 0,
            )

    def served(self) -> Iterator[ServedAudit]:
        """Units by order line and location, whatever their state."""
        query = (
            sa.select(
                CHANNEL.c.name,
                ORDER.c.external_id,
                ITEM.c.sku,
                LOCATION.c.code,
                FULFILLMENT.c.state,
                FULFILLMENT_LINE.c.units,
                FULFILLMENT.c.id,
            )
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(FULFILLMENT_LINE.c.units > 0)
            .order_by(FULFILLMENT_LINE.c.id)
        )
        for row in self._connection.execute(query):
            yield ServedAudit(*row)

    def declines(self, now: datetime) -> Iterator[tuple[str, str, str, str]]:
        """(channel, order, location, sku) where a location does not serve that of an order; sku empty: nothing of it.

        `now`: who may be asked again by then declines no more.
        """
        query = (
            sa.select(ORDER.c.id, CHANNEL.c.name, ORDER.c.external_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .join(FULFILLMENT_EVENT, FULFILLMENT_EVENT.c.fulfillment_order_id == FULFILLMENT.c.id)
            .where(FULFILLMENT_EVENT.c.kind.in_(sorted(DECLINES)))
            .distinct()
        )
        places = {row.id: row.code for row in self._connection.execute(sa.select(LOCATION.c.id, LOCATION.c.code))}
        skus = {row.id: row.sku for row in self._connection.execute(sa.select(ITEM.c.id, ITEM.c.sku))}
        candidates = CandidateStore(self._connection, now, RoutingStore(self._connection, now))
        for row in self._connection.execute(query).all():
            for location, standing in sorted(candidates.standings(row.id).items()):
                is_out = standing.out is not None and not standing.again
                for sku in [""] if is_out else [skus[item] for item in standing.barred]:
                    yield row.name, row.external_id, places[location], sku

    def publications(self) -> Iterator[PublicationAudit]:
        """Every publication."""
        query = (
            sa.select(
                CHANNEL.c.name, ITEM.c.sku, POINT.c.external_id, PUBLICATION.c.salable_quantity, PUBLICATION.c.state
            )
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(ITEM, ITEM.c.id == LISTING.c.item_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .order_by(PUBLICATION.c.id)
        )
        for row in self._connection.execute(query):
            yield PublicationAudit(row.name, row.sku, row.external_id, row.salable_quantity, row.state)

    def goods(self) -> Iterator[GoodsAudit]:
        """Every stock key in transit, every line of a transfer, and every receipt of a purchase."""
        yield from (GoodsAudit(*one) for one in in_transit(self._connection))
        yield from (GoodsAudit(*one) for one in self.transfer_lines())
        yield from (GoodsAudit(*one) for one in receipts(self._connection))

    def missing_publications(self) -> int:
        """Bound listings and stock points that have no publication: they would fall outside all groups."""
        query = (
            sa.select(sa.func.count())
            .select_from(LISTING)
            .join(POINT, POINT.c.channel_id == LISTING.c.channel_id)
            .join(
                PUBLICATION,
                sa.and_(PUBLICATION.c.listing_id == LISTING.c.id, PUBLICATION.c.stock_point_id == POINT.c.id),
                isouter=True,
            )
            .where(LISTING.c.item_id.is_not(None), PUBLICATION.c.id.is_(None))
        )
        return int(self._connection.execute(query).scalar_one())

    def stray_publications(self) -> int:
        """Numbers of stock points that the settings do not name, and that are not excluded: they might be sent."""
        query = (
            sa.select(sa.func.count())
            .select_from(PUBLICATION)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .where(~IS_NAMED, PUBLICATION.c.state != PublicationState.EXCLUDED.value)
        )
        return int(self._connection.execute(query).scalar_one())

    def kits(self) -> dict[str, dict[str, int]]:
        """Parts of each kit, by sku."""
        part = ITEM.alias("part")
        query = (
            sa.select(ITEM.c.sku, part.c.sku.label("part_sku"), KIT.c.units)
            .join(KIT, KIT.c.kit_id == ITEM.c.id)
            .join(part, part.c.id == KIT.c.part_id)
        )
        kits: dict[str, dict[str, int]] = defaultdict(dict)
        for row in self._connection.execute(query):
            kits[row.sku][row.part_sku] = row.units
        return dict(kits)
