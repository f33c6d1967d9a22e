"""Orders as people look at them: their lines, who does what of them, and every step. Without personal data."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.declines import ASKED_AGAIN
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, SHORTFALL
from schemas.base import counted
from schemas.fulfillment import FulfillmentState, StepKind
from schemas.routing import RoutingMethod


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order in a list. `name`: the number that people know it by. `units_short`: nobody can serve them yet."""

    channel: str
    external_id: str
    name: str
    state: str
    placed_at: datetime
    units: int
    units_short: int


@dataclass(frozen=True, slots=True)
class LineRow:
    """Units of one line; `units_served` are with some location, sent or not."""

    sku: str
    title: str
    units_ordered: int
    units_canceled: int
    units_served: int
    units_short: int


@dataclass(frozen=True, slots=True)
class StepRow:
    """What happened to a fulfillment order. `by` empty: the hub itself. `location`: where, if it is not its own."""

    kind: StepKind
    by: str
    reason: str
    at: datetime
    location: str | None


@dataclass(frozen=True, slots=True)
class PartRow:
    """One fulfillment order: who does what, and what has happened."""

    number: int
    location: str
    state: FulfillmentState
    created_at: datetime
    ended_at: datetime | None
    tracking_number: str | None
    units: Mapping[str, int]
    steps: Sequence[StepRow]


@dataclass(frozen=True, slots=True)
class OrderPage:
    """An order with everything that is shown of it.

    `reasons`: why each location was kept, dropped or outranked; `bill`: the same in euros, where the merchant has said
    what things cost. `money_only`: what was bought and is no goods.
    """

    order: OrderRow
    delivery_method: str
    destination: str
    lines: Sequence[LineRow]
    parts: Sequence[PartRow]
    reasons: Mapping[str, str]
    bill: Mapping[str, Any]
    money_only: Sequence[Mapping[str, Any]]

    @property
    def said_of_the_bill(self) -> list[str]:
        """What the bill is as a whole, in sentences without their full stops; none without a bill."""
        if not self.bill:
            return []
        said = [f"{self.bill['cost']} euros, of that {self.bill['split']} for splitting; {_proof(self.bill)}"]
        anew = self.bill.get("replanned")
        if anew:
            units = f", and serves {counted(anew['units_gained'], 'unit')} more" if anew["units_gained"] else ""
            by = f" by {anew['by']}" if anew["by"] else ""
            said.append(f"planned anew {anew['at']}{by}: saves {anew['saved']} of {anew['before']} euros{units}")
        if "scarcity" in self.bill:
            worth = self.bill["scarcity"]
            said.append(f"its units are worth {worth} euros more to later orders; nobody pays that, but it counted")
        return said

    @property
    def beside_the_bill(self) -> dict[str, str]:
        """The reasons that the bill does not say: of who is not on it, or had declined and was asked again."""
        billed = self.bill.get("locations", {})
        return {place: why for place, why in self.reasons.items() if place not in billed or why.endswith(ASKED_AGAIN)}

    @property
    def served(self) -> list[tuple[str, str, str, int]]:
        """(location, state, sku, units) of everything that somebody has."""
        return [(part.location, part.state.value, sku, n) for part in self.parts for sku, n in part.units.items()]

    @property
    def shortfalls(self) -> list[tuple[str, int]]:
        """(sku, units) that nobody has, by line."""
        return [(line.sku, line.units_short) for line in self.lines if line.units_short]


def _proof(bill: Mapping[str, Any]) -> str:
    """How good the plan of a bill is known to be."""
    if anew := bill.get("replanned"):
        return f"planned anew together with {counted(anew['orders'] - 1, 'other order')}"
    if bill["method"] != RoutingMethod.COST:
        return f"in the order of {bill['method']}"
    if bill.get("missing_gap"):
        return f"at most {counted(bill['missing_gap'], 'unit')} fewer might be missing"
    return "no plan is cheaper" if bill["is_proved"] else f"at most {bill['gap']} above the cheapest"


class OrderPageStore:
    """One look."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def recent(self, limit: int = 20) -> list[OrderRow]:
        """The newest orders."""
        query = self._orders().order_by(ORDER.c.placed_at.desc(), ORDER.c.id.desc()).limit(limit)
        return [_as_order(row) for row in self._connection.execute(query)]

    def named(self, name: str, channel: str | None = None) -> list[OrderRow]:
        """The orders of this number or external id; more than one only where several channels have one."""
        query = self._orders().where(sa.or_(ORDER.c.number == name, ORDER.c.external_id == name))
        if channel is not None:
            query = query.where(CHANNEL.c.name == channel)
        return [_as_order(row) for row in self._connection.execute(query.order_by(ORDER.c.id))]

    def page(self, channel: str, external_id: str) -> OrderPage | None:
        """One order; None: there is none."""
        query = self._orders().add_columns(
            ORDER.c.id,
            ORDER.c.delivery_method,
            ORDER.c.country,
            ORDER.c.postal_code,
            ORDER.c.routing,
            ORDER.c.money_lines,
            ORDER.c.currency,
        )
        row = self._connection.execute(
            query.where(CHANNEL.c.name == channel, ORDER.c.external_id == external_id)
        ).one_or_none()
        if row is None:
            return None
        return OrderPage(
            _as_order(row),
            row.delivery_method,
            " ".join(part for part in (row.postal_code, row.country) if part),
            self._lines(row.id),
            self._parts(row.id),
            (row.routing or {}).get("locations", {}),
            (row.routing or {}).get("bill", {}),
            [{**line, "currency": row.currency} for line in row.money_lines],
        )

    @staticmethod
    def _orders() -> sa.Select[Any]:
        units = (
            sa.select(sa.func.sum(LINE.c.units_ordered - LINE.c.units_canceled))
            .where(LINE.c.order_id == ORDER.c.id)
            .scalar_subquery()
        )
        short = (
            sa.select(sa.func.sum(SHORTFALL.c.units))
            .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
            .where(LINE.c.order_id == ORDER.c.id)
            .scalar_subquery()
        )
        return sa.select(
            CHANNEL.c.name.label("channel"),
            ORDER.c.external_id,
            ORDER.c.number,
            ORDER.c.state,
            ORDER.c.placed_at,
            units.label("units"),
            short.label("units_short"),
        ).join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)

    def _lines(self, order_id: int) -> list[LineRow]:
        served = (
            sa.select(sa.func.sum(FULFILLMENT_LINE.c.units))
            .where(FULFILLMENT_LINE.c.order_line_id == LINE.c.id)
            .scalar_subquery()
        )
        query = (
            sa.select(LINE, ITEM.c.sku, served.label("served"), SHORTFALL.c.units.label("short"))
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id, isouter=True)
            .where(LINE.c.order_id == order_id)
            .order_by(LINE.c.id)
        )
        return [
            LineRow(row.sku, row.title, row.units_ordered, row.units_canceled, int(row.served or 0), row.short or 0)
            for row in self._connection.execute(query)
        ]

    def _parts(self, order_id: int) -> list[PartRow]:
        mine = FULFILLMENT.c.order_id == order_id
        units: dict[int, dict[str, int]] = defaultdict(dict)
        query = (
            sa.select(FULFILLMENT.c.id, ITEM.c.sku, sa.func.sum(FULFILLMENT_LINE.c.units).label("units"))
            .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.fulfillment_order_id == FULFILLMENT.c.id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(mine, FULFILLMENT_LINE.c.units > 0)
            .group_by(FULFILLMENT.c.id, ITEM.c.sku)
            .order_by(ITEM.c.sku)
        )
        for row in self._connection.execute(query):
            units[row.id][row.sku] = int(row.units)
        steps: dict[int, list[StepRow]] = defaultdict(list)
        events = (
            sa.select(FULFILLMENT_EVENT, LOCATION.c.code)
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_EVENT.c.fulfillment_order_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT_EVENT.c.location_id, isouter=True)
            .where(mine)
            .order_by(FULFILLMENT_EVENT.c.id)
        )
        for row in self._connection.execute(events):
            step = StepRow(StepKind(row.kind), row.by, row.reason, row.recorded_at, row.code)
            steps[row.fulfillment_order_id].append(step)
        parts = (
            sa.select(FULFILLMENT, LOCATION.c.code)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .where(mine)
            .order_by(FULFILLMENT.c.id)
        )
        return [
            PartRow(
                row.id,
                row.code,
                FulfillmentState(row.state),
                row.created_at,
                row.ended_at,
                row.tracking_number,
                units[row.id],
                steps[row.id],
            )
            for row in self._connection.execute(parts)
        ]


def _as_order(row: sa.Row[Any]) -> OrderRow:
    return OrderRow(
        row.channel,
        row.external_id,
        row.number or row.external_id,
        row.state,
        row.placed_at,
        int(row.units or 0),
        int(row.units_short or 0),
    )
