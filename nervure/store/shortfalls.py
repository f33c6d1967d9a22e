"""Lines with units that cannot be served, in SQL."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.options import Paid
from nervure.orders.rules import Goal
from nervure.store import tables
from nervure.store.catalogue import ITEM
from nervure.store.orders import CHANNEL, IS_SERVED, LINE, LISTING, ORDER, SHORTFALL
from nervure.store.routing import Question
from schemas.orders import DeliveryMethod, OrderState

PROPOSAL = tables.of(tables.ProposalRow)

UNPLANNED = sa.case((SHORTFALL.c.is_overdue, SHORTFALL.c.units), else_=SHORTFALL.c.units - SHORTFALL.c.backorder_units)
"""Missing units that nobody promised for a day to come."""


@dataclass(frozen=True, slots=True)
class Short:
    """A line with units that cannot be served, read under its order's lock or in a look. `units` have no plan."""

    line_id: int
    order_id: int
    channel: str
    order: str
    number: str
    line: str
    sku: str
    title: str
    item_id: int
    units: int
    units_short: int
    paid: Paid
    question: Question
    is_gated: bool
    created_at: datetime
    promised_on: date | None

    @property
    def goal(self) -> Goal:
        return self.question.goal


class ShortfallStore:
    """The shortfalls of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def due(self, channels: Collection[str], limit: int = 100) -> list[int]:
        """Lines of these channels that it is time to look at, whose orders came first; without a lock."""
        had = sa.select(PROPOSAL.c.id).where(
            PROPOSAL.c.order_line_id == LINE.c.id, PROPOSAL.c.state.in_(["open", "expired"])
        )
        query = (
            sa.select(LINE.c.id)
            .select_from(SHORTFALL)
            .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(
                CHANNEL.c.name.in_(sorted(channels)),
                IS_SERVED,
                ORDER.c.state == OrderState.OPEN.value,
                UNPLANNED > 0,
                sa.or_(SHORTFALL.c.look_at.is_(None), SHORTFALL.c.look_at <= self._now),
                ~had.exists(),
            )
            .order_by(ORDER.c.id, LINE.c.id)
            .limit(limit)
        )
        return list(self._connection.execute(query).scalars())

    def look_again_at(self, line_id: int, at: datetime) -> None:
        """Nothing can be offered for a line now: it is looked again then."""
        self._connection.execute(SHORTFALL.update().where(SHORTFALL.c.order_line_id == line_id).values(look_at=at))

    def shorts(
        self, *, line_id: int | None = None, channel: str | None = None, order: str | None = None
    ) -> list[Short]:
        """Lines with missing units, by order: one of them, those of an order (by its id or number), or all."""
        query = (
            sa.select(
                LINE,
                ORDER.c.external_id.label("order_name"),
                *(ORDER.c[name] for name in ("channel_id", "number", "delivery_method", "stock_point", "country")),
                *(ORDER.c[name] for name in ("postal_code", "placed_at", "currency", "tax_included")),
                CHANNEL.c.name.label("channel"),
                CHANNEL.c.is_gated,
                ITEM.c.sku,
                ITEM.c.title.label("item_title"),
                SHORTFALL.c.units.label("short"),
                SHORTFALL.c.created_at,
                SHORTFALL.c.promised_on,
                UNPLANNED.label("unplanned"),
            )
            .select_from(SHORTFALL)
            .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(SHORTFALL.c.units > 0)
            .order_by(ORDER.c.id, LINE.c.id)
        )
        if line_id is not None:
            query = query.where(LINE.c.id == line_id)
        if channel is not None:
            query = query.where(CHANNEL.c.name == channel)
        if order is not None:
            query = query.where(sa.or_(ORDER.c.external_id == order, ORDER.c.number == order))
        return [_short(row) for row in self._connection.execute(query)]

    def may_be_proposed(self, order_id: int) -> bool:
        """Whether an order is one that may be sent, of a channel that the hub serves."""
        query = (
            sa.select(ORDER.c.id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(
                ORDER.c.id == order_id,
                ORDER.c.state == OrderState.OPEN.value,
                IS_SERVED,
            )
        )
        return self._connection.execute(query).first() is not None

    def listed(self, channel_id: int, item_ids: Collection[int]) -> dict[int, int]:
        """The first listing of each of these items on a channel."""
        query = (
            sa.select(LISTING.c.item_id, sa.func.min(LISTING.c.id))
            .where(LISTING.c.channel_id == channel_id, LISTING.c.item_id.in_(sorted(item_ids)))
            .group_by(LISTING.c.item_id)
        )
        return {item: int(listing) for item, listing in self._connection.execute(query)}


def paid_for(row: sa.Row[*tuple[object, ...]]) -> Paid:
    """What a line costs, from its columns and its order's currency and whether prices there include the tax."""
    gone = row.units_canceled - (row.units_ordered - row.units_charged)
    amount = row.line_total - row.discount_amount
    return Paid(
        row.units_charged,
        max(gone, 0),
        amount if row.tax_included else amount + row.tax_amount,
        row.currency,
    )


def _short(row: sa.Row[*tuple[object, ...]]) -> Short:
    goal = Goal(DeliveryMethod(row.delivery_method), row.country, row.postal_code, row.placed_at, row.channel)
    return Short(
        row.id,
        row.order_id,
        row.channel,
        row.order_name,
        row.number,
        row.external_id,
        row.sku,
        row.item_title,
        row.item_id,
        int(row.unplanned),
        row.short,
        paid_for(row),
        Question(row.channel_id, goal, row.stock_point),
        is_gated=bool(row.is_gated),
        created_at=row.created_at,
        promised_on=row.promised_on,
    )
