"""What is ordered or on its way, and who waits for it, in SQL."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.incoming import Incoming, is_overdue
from nervure.inventory.stock import Place
from nervure.store.purchases import PURCHASE, PURCHASE_LINE, UNITS_RECEIVED
from nervure.store.routing import is_fresh
from nervure.store.statements import KIT, chunks
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import POINT, POINT_LOCATION
from nervure.store.tables.orders import LINE, ORDER, SHORTFALL
from nervure.store.transfers import IS_UNDER_WAY, TRANSFER, TRANSFER_LINE, UNITS_UNDER_WAY
from schemas.locations import LocationKind
from schemas.orders import DeliveryMethod
from schemas.stock import Condition

NOT_PROMISED_FROM = (LocationKind.IN_TRANSIT.value, LocationKind.CONSIGNEE.value)


class IncomingStore:
    """What comes in, in one look at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def incoming(self, item_ids: Collection[int] | None = None) -> list[Incoming]:
        """Open purchases and transfers under way of these items (None: all), by day; those without one come last."""
        found = self._purchases(item_ids) + self._transfers(item_ids)
        return sorted(found, key=lambda one: (one.expected_on is None, str(one.expected_on), one.document, one.place))

    def _purchases(self, item_ids: Collection[int] | None) -> list[Incoming]:
        received = UNITS_RECEIVED.label("received")
        query = (
            sa.select(PURCHASE.c.name, PURCHASE_LINE, LOCATION.c.time_zone, received)
            .join(PURCHASE, PURCHASE.c.id == PURCHASE_LINE.c.purchase_id)
            .join(LOCATION, LOCATION.c.id == PURCHASE_LINE.c.location_id)
            .where(PURCHASE.c.closed_at.is_(None), PURCHASE_LINE.c.units_expected > UNITS_RECEIVED)
        )
        if item_ids is not None:
            query = query.where(PURCHASE_LINE.c.item_id.in_(sorted(item_ids)))
        return [
            Incoming(
                f"purchase:{row.name}",
                Place(row.item_id, row.location_id),
                row.units_expected - int(row.received),
                row.expected_on,
                is_overdue=is_overdue(row.expected_on, row.time_zone, self._now),
            )
            for row in self._connection.execute(query)
        ]

    def _transfers(self, item_ids: Collection[int] | None) -> list[Incoming]:
        line = TRANSFER_LINE.c
        query = (
            sa.select(
                TRANSFER.c.name,
                TRANSFER.c.destination_id,
                TRANSFER.c.expected_on,
                LOCATION.c.time_zone,
                line.item_id,
                line.condition,
                sa.func.sum(UNITS_UNDER_WAY).label("units"),
            )
            .join(TRANSFER, TRANSFER.c.id == line.transfer_id)
            .join(LOCATION, LOCATION.c.id == TRANSFER.c.destination_id)
            .where(IS_UNDER_WAY)
            .group_by(TRANSFER.c.id, LOCATION.c.id, line.item_id, line.condition)
        )
        if item_ids is not None:
            query = query.where(line.item_id.in_(sorted(item_ids)))
        return [
            Incoming(
                f"transfer:{row.name}",
                Place(row.item_id, row.destination_id),
                int(row.units),
                row.expected_on,
                Condition(row.condition),
                is_overdue(row.expected_on, row.time_zone, self._now),
            )
            for row in self._connection.execute(query)
        ]

    def promised_from(self) -> list[int]:
        """The locations whose units can be promised now: not what is in transit, no supplier whose word is too old."""
        query = sa.select(LOCATION).where(LOCATION.c.kind.not_in(NOT_PROMISED_FROM)).order_by(LOCATION.c.id)
        return [row.id for row in self._connection.execute(query) if is_fresh(row.as_of, row.ttl_seconds, self._now)]

    def owed(
        self, part_ids: Collection[int], location_ids: Collection[int], *, before: tuple[int, int] | None = None
    ) -> Mapping[int, int]:
        """Units of each part that accepted orders lack and one of these locations may serve.

        `before`: an order and a line of it; only what is served before that line counts.
        """
        pool = (
            sa.select(POINT_LOCATION.c.location_id)
            .join(POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id)
            .where(
                POINT.c.channel_id == ORDER.c.channel_id,
                POINT_LOCATION.c.location_id.in_(sorted(location_ids)),
                sa.or_(
                    ORDER.c.delivery_method != DeliveryMethod.PICKUP.value,
                    POINT.c.external_id == ORDER.c.stock_point,
                ),
            )
            .correlate(ORDER)
        )
        part = sa.func.coalesce(KIT.c.part_id, LINE.c.item_id)
        comes_first: sa.ColumnElement[bool] = sa.true()
        if before is not None:
            order, line = before
            comes_first = sa.or_(ORDER.c.id < order, sa.and_(ORDER.c.id == order, LINE.c.id < line))
        found: dict[int, int] = {}
        for batch in chunks(sorted(part_ids)):
            kits = sa.select(KIT.c.kit_id).where(KIT.c.part_id.in_(batch))
            query = (
                sa.select(part, sa.func.sum(SHORTFALL.c.units * sa.func.coalesce(KIT.c.units, 1)))
                .select_from(SHORTFALL)
                .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
                .join(ORDER, ORDER.c.id == LINE.c.order_id)
                .join(KIT, KIT.c.kit_id == LINE.c.item_id, isouter=True)
                .where(
                    SHORTFALL.c.units > 0,
                    LINE.c.item_id.in_(batch) | LINE.c.item_id.in_(kits),
                    part.in_(batch),
                    pool.exists(),
                    comes_first,
                )
                .group_by(part)
            )
            found.update((item, int(units)) for item, units in self._connection.execute(query))
        return found
