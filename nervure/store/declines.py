"""What locations declined of an order, in SQL, and what they have counted since."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.counts import Basis
from nervure.orders.declines import ABOUT_GOODS, DECLINES, MAY_PASS, Decline, name_of_count
from nervure.store import tables
from nervure.store.statements import KIT, OBSERVATION
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE
from schemas.fulfillment import RejectReason, StepKind
from schemas.locations import LocationKind
from schemas.stock import Condition

COUNT = tables.of(tables.CycleCountRow)
COUNT_LINE = tables.of(tables.CycleCountLineRow)

MAY_PASS_BY = sa.or_(
    FULFILLMENT_EVENT.c.kind == StepKind.TIMED_OUT.value,
    sa.and_(FULFILLMENT_EVENT.c.kind == StepKind.REJECTED.value, FULFILLMENT_EVENT.c.reason.in_(sorted(MAY_PASS))),
)
"""Whether a step was a decline for what may pass."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_REASONS = frozenset(RejectReason)
_BY_PEOPLE = (Basis.EVERYTHING.value, Basis.SHELF.value)


class DeclineStore:
    """The declines of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of_order(self, order_id: int) -> list[Decline]:
        """Every decline of a part of an order, in the order of their times."""
        query = (
            sa.select(FULFILLMENT_EVENT, FULFILLMENT.c.location_id.label("here"), LOCATION.c.kind.label("place"))
            .join(FULFILLMENT, FULFILLMENT_EVENT.c.fulfillment_order_id == FULFILLMENT.c.id)
            .join(
                LOCATION, LOCATION.c.id == sa.func.coalesce(FULFILLMENT_EVENT.c.location_id, FULFILLMENT.c.location_id)
            )
            .where(FULFILLMENT.c.order_id == order_id, FULFILLMENT_EVENT.c.kind.in_(sorted(DECLINES)))
            .order_by(FULFILLMENT_EVENT.c.recorded_at, FULFILLMENT_EVENT.c.id)
        )
        rows = self._connection.execute(query).all()
        declines = [
            Decline(
                row.here if row.location_id is None else row.location_id,
                StepKind(row.kind),
                RejectReason(row.reason) if row.reason in _REASONS else None,
                row.recorded_at,
                by_supplier=row.place == LocationKind.SUPPLIER.value,
            )
            for row in rows
        ]
        if any(one.reason in ABOUT_GOODS for one in declines):
            return self._with_goods(declines, rows)
        return declines

    def _with_goods(self, declines: list[Decline], rows: Sequence[sa.Row[Any]]) -> list[Decline]:
        """The declines with the goods that they are about, and what was counted of them since."""
        about = [row for one, row in zip(declines, rows, strict=True) if one.reason in ABOUT_GOODS]
        named = self._named({name_of_count(row.fulfillment_order_id, row.id) for row in about})
        goods = self._goods({row.fulfillment_order_id for row in about})
        found: list[Decline] = []
        for one, row in zip(declines, rows, strict=True):
            items: Collection[int] = ()
            if one.reason in ABOUT_GOODS:
                number = row.fulfillment_order_id
                # Who held it gave back what was missing; who was asked too holds nothing, and said it of all of it.
                items = named.get(name_of_count(number, row.id)) or {
                    item for item, is_given_back in goods[number] if is_given_back or row.location_id is not None
                }
            found.append(replace(one, items=frozenset(items)))
        counted = self._counted({item for one in found for item in one.items}, {one.location_id for one in found})
        return [
            replace(one, counted=frozenset(item for item in one.items if counted[item, one.location_id] > one.at))
            for one in found
        ]

    def _named(self, names: Collection[str]) -> dict[str, set[int]]:
        """The items of the counts of these names, by name: none where another system counts."""
        query = (
            sa.select(COUNT.c.name, COUNT_LINE.c.item_id)
            .join(COUNT_LINE, COUNT_LINE.c.cycle_count_id == COUNT.c.id)
            .where(COUNT.c.name.in_(sorted(names)))
        )
        found: dict[str, set[int]] = defaultdict(set)
        for name, item in self._connection.execute(query):
            found[name].add(item)
        return found

    def _goods(self, numbers: Collection[int]) -> dict[int, set[tuple[int, bool]]]:
        """By fulfillment order, the simple items of its lines, and whether units of the line were given back."""
        query = (
            sa.select(
                FULFILLMENT_LINE.c.fulfillment_order_id,
                sa.func.coalesce(KIT.c.part_id, LINE.c.item_id).label("item_id"),
                FULFILLMENT_LINE.c.units_given_back,
            )
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(KIT, KIT.c.kit_id == LINE.c.item_id, isouter=True)
            .where(FULFILLMENT_LINE.c.fulfillment_order_id.in_(sorted(numbers)))
        )
        found: dict[int, set[tuple[int, bool]]] = defaultdict(set)
        for row in self._connection.execute(query):
            found[row.fulfillment_order_id].add((row.item_id, row.units_given_back > 0))
        return found

    def _counted(self, items: Collection[int], locations: Collection[int]) -> dict[tuple[int, int], datetime]:
        """When people counted these items last, by item and location; long ago: never."""
        query = (
            sa.select(OBSERVATION.c.item_id, OBSERVATION.c.location_id, sa.func.max(OBSERVATION.c.observed_at))
            .where(
                OBSERVATION.c.item_id.in_(sorted(items)),
                OBSERVATION.c.location_id.in_(sorted(locations)),
                OBSERVATION.c.is_booked.is_(True),
                OBSERVATION.c.basis.in_(_BY_PEOPLE),
                OBSERVATION.c.condition == Condition.SELLABLE.value,
            )
            .group_by(OBSERVATION.c.item_id, OBSERVATION.c.location_id)
        )
        found: dict[tuple[int, int], datetime] = defaultdict(lambda: _NEVER)
        found.update({(item, location): at for item, location, at in self._connection.execute(query)})
        return found
