"""Lines with units that cannot be served, in SQL: written, looked for again, offered something else."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.policies import Allowance
from nervure.orders.options import Paid
from nervure.orders.rules import Goal
from nervure.store import tables
from nervure.store.backorders import BackorderStore
from nervure.store.channels import IS_SERVED
from nervure.store.orders import OVER_STATES
from nervure.store.routing import Question
from nervure.store.statements import KIT, chunks, insert_new
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import LINE, ORDER, SHORTFALL
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
        self._backorders = BackorderStore(connection, now)

    def allowance(self, line_id: int) -> Allowance | None:
        return self._backorders.allowance(line_id)

    def put(self, line_id: int, units: int, reason: str, backorder: tuple[int, date | None]) -> None:
        insert_new(
            self._connection,
            SHORTFALL,
            [{"order_line_id": line_id, "units": 0, "reason": reason, "created_at": self._now}],
        )
        known = self._connection.execute(
            sa.select(SHORTFALL.c.backorder_units, SHORTFALL.c.promised_on, SHORTFALL.c.is_overdue)
            .where(SHORTFALL.c.order_line_id == line_id)
            .with_for_update()
        ).one()
        sold, promised_on = backorder[0], known.promised_on or backorder[1]
        self._connection.execute(
            SHORTFALL.update()
            .where(SHORTFALL.c.order_line_id == line_id)
            .values(
                units=units,
                reason=reason,
                backorder_units=sold,
                promised_on=promised_on if sold else None,
                is_overdue=known.is_overdue and sold > 0,
            )
        )
        if sold != known.backorder_units:
            self._backorders.log(line_id, sold - known.backorder_units, promised_on)

    def agree_on(self, line_id: int, units: int, day: date) -> int:
        """The customer waits for so many more units of a line until the end of this day (UTC): they are a backorder.

        A day that has passed binds nobody any more; one that has not stays where it is the later one: a line has one
        day. Answers how many missing units of the line nobody planned.
        """
        known = self._connection.execute(
            sa.select(SHORTFALL.c.units, SHORTFALL.c.backorder_units, SHORTFALL.c.promised_on, SHORTFALL.c.is_overdue)
            .where(SHORTFALL.c.order_line_id == line_id)
            .with_for_update()
        ).one()
        stands = 0 if known.is_overdue else known.backorder_units
        sold = min(stands + units, known.units)
        on = max(day, known.promised_on) if stands and known.promised_on else day
        self._connection.execute(
            SHORTFALL.update()
            .where(SHORTFALL.c.order_line_id == line_id)
            .values(backorder_units=sold, promised_on=on, is_overdue=False)
        )
        if sold != known.backorder_units:
            self._backorders.log(line_id, sold - known.backorder_units, on)
        return int(known.units - sold)

    def lines_waiting_for(self, item_ids: Collection[int]) -> dict[int, set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for batch in chunks(sorted(item_ids)):
            kits = sa.select(KIT.c.kit_id).where(KIT.c.part_id.in_(batch))
            query = (
                sa.select(LINE.c.order_id, LINE.c.id)
                .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id)
                .join(ORDER, ORDER.c.id == LINE.c.order_id)
                .where(ORDER.c.state.not_in(OVER_STATES))
                .where(SHORTFALL.c.units > 0, LINE.c.item_id.in_(batch) | LINE.c.item_id.in_(kits))
                .order_by(LINE.c.order_id)
            )
            for order_id, line_id in self._connection.execute(query):
                found[order_id].add(line_id)
        return dict(sorted(found.items()))

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
