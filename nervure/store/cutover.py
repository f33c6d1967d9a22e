"""Going live in SQL: how far a channel is, what was decided of its listings, what it shows, and the gate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.cutover import Decision, Listed
from nervure.store import tables
from nervure.store.inbox import INBOX
from nervure.store.publications import DECISION, PUBLICATION
from nervure.store.statements import CHANGE, KIT, insert_new
from nervure.store.tables.catalogue import ITEM, LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER
from schemas.fulfillment import FulfillmentState
from schemas.locations import LocationKind
from schemas.orders import OrderState
from schemas.publications import PublicationState

CUTOVER = tables.of(tables.CutoverRow)
_LEFT = (FulfillmentState.SHIPPED.value, FulfillmentState.HANDED_OVER.value)


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one channel is. `began_at` None: not begun."""

    is_gated: bool
    began_at: datetime | None
    orders_since: datetime | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a channel is believed to show of a listing at a stock point, and what its own open orders hold of it.

    `open_units`: counted by the channel, not canceled, not gone. `unplaced_units`: those of them of which nobody
    knows from which stock point they were taken.
    """

    item_id: int
    sku: str
    listing: str
    units: int | None
    seen_at: datetime | None
    open_units: int
    unplaced_units: int


class CutoverStore:
    """The cutover in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- how far -----------------------------------------------------------------------------------------------

    def begin(self, channel: str, orders_since: datetime) -> None:
        """Notes that a cutover has begun; begun again with an earlier `orders_since`, that one counts."""
        row = {"channel_id": self._id(channel), "began_at": self._now, "orders_since": orders_since}
        if not insert_new(self._connection, CUTOVER, [row]):
            earlier = sa.and_(CUTOVER.c.channel_id == row["channel_id"], CUTOVER.c.orders_since > orders_since)
            self._connection.execute(CUTOVER.update().where(earlier).values(orders_since=orders_since))

    def heard(self, channel: str) -> None:
        """Everything that the channel had to say was read and stored."""
        mine = CUTOVER.c.channel_id == self._id(channel)
        self._connection.execute(CUTOVER.update().where(mine).values(heard_at=self._now))

    def stage(self, channel: str, *, locked: bool = False) -> Stage:
        """How far the channel is; `locked`: nobody changes it until the end of the transaction."""
        query = sa.select(CHANNEL.c.id, CHANNEL.c.is_gated).where(CHANNEL.c.name == channel)
        known = self._connection.execute(query.with_for_update() if locked else query).one()
        row = self._connection.execute(sa.select(CUTOVER).where(CUTOVER.c.channel_id == known.id)).one_or_none()
        if row is None:
            return Stage(known.is_gated, None, None, None)
        return Stage(known.is_gated, row.began_at, row.orders_since, row.heard_at)

    def open_gate(self, channel: str) -> bool:
        """Lets the channel's first number be sent; False: it was open. Every number waits for orders heard by now."""
        opened = self._connection.execute(
            CHANNEL.update().where(CHANNEL.c.name == channel, CHANNEL.c.is_gated.is_(True)).values(is_gated=False)
        )
        if opened.rowcount != 1:
            return False
        mine = CUTOVER.c.channel_id == self._id(channel)
        self._connection.execute(CUTOVER.update().where(mine).values(ended_at=self._now))
        return True

    def is_history(self, channel: str, order: str | None, happened_at: datetime) -> bool:
        """Whether something that is over happened before the hub's stock of that channel's places begins.

        Its units had left, or come back, when that stock was taken: it is in the number. An order that the hub knows
        is never history.
        """
        cutover = self._connection.execute(
            sa.select(CUTOVER.c.channel_id)
            .join(CHANNEL, CHANNEL.c.id == CUTOVER.c.channel_id)
            .where(CHANNEL.c.name == channel)
        ).scalar_one_or_none()
        if cutover is None:
            return False
        if order is not None:
            known = sa.select(ORDER.c.id).where(ORDER.c.channel_id == cutover, ORDER.c.external_id == order)
            if self._connection.execute(known).first() is not None:
                return False
        opened = (
            sa.select(sa.func.min(LOCATION.c.opened_at))
            .join(POINT_LOCATION, POINT_LOCATION.c.location_id == LOCATION.c.id)
            .join(POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id)
            .where(POINT.c.channel_id == cutover)
        )
        begins: datetime | None = self._connection.execute(opened).scalar_one()
        return begins is None or happened_at <= begins

    def closed_points(self, channel: str) -> set[str]:
        """Stock points of a gated channel whose (first) location has no stock yet: nothing counted there is booked."""
        query = (
            sa.select(POINT.c.external_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .join(POINT_LOCATION, POINT_LOCATION.c.stock_point_id == POINT.c.id)
            .join(LOCATION, LOCATION.c.id == POINT_LOCATION.c.location_id)
            .where(
                CHANNEL.c.name == channel,
                CHANNEL.c.is_gated.is_(True),
                POINT_LOCATION.c.rank == 0,
                LOCATION.c.opened_at.is_(None),
            )
        )
        return set(self._connection.execute(query).scalars())

    def unopened_locations(self, channel: str) -> list[str]:
        """Locations behind the channel's stock points, suppliers' left out, of which nobody said what lies there."""
        query = (
            sa.select(LOCATION.c.code)
            .join(POINT_LOCATION, POINT_LOCATION.c.location_id == LOCATION.c.id)
            .join(POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(
                CHANNEL.c.name == channel,
                LOCATION.c.opened_at.is_(None),
                LOCATION.c.kind != LocationKind.SUPPLIER.value,
            )
            .distinct()
            .order_by(LOCATION.c.code)
        )
        return list(self._connection.execute(query).scalars())

    def inbox(self, channel: str) -> dict[str, int]:
        """Documents of the channel by state: waiting (or in work), and dead."""
        query = (
            sa.select(INBOX.c.state, sa.func.count())
            .where(INBOX.c.channel == channel, INBOX.c.state.in_(["waiting", "leased", "dead"]))
            .group_by(INBOX.c.state)
        )
        return {state: int(count) for state, count in self._connection.execute(query)}

    # -- bindings ----------------------------------------------------------------------------------------------

    def listings(self, channel: str) -> list[Listed]:
        """Every listing of a channel with its binding and what was decided of it."""
        query = (
            sa.select(LISTING, ITEM.c.sku.label("item_sku"), DECISION.c.decision, DECISION.c.reason)
            .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
            .join(ITEM, ITEM.c.id == LISTING.c.item_id, isouter=True)
            .join(DECISION, DECISION.c.listing_id == LISTING.c.id, isouter=True)
            .where(CHANNEL.c.name == channel)
            .order_by(LISTING.c.sku, LISTING.c.external_id)
        )
        return [
            Listed(
                row.external_id,
                row.sku,
                row.gtin,
                row.title,
                row.item_sku,
                row.unbound_reason,
                Decision(row.decision) if row.decision else None,
                row.reason,
                row.is_goods,
            )
            for row in self._connection.execute(query)
        ]

    def skus_by_gtin(self) -> dict[str, list[str]]:
        """Skus of the items that carry each GTIN."""
        found: dict[str, list[str]] = {}
        for gtin, sku in self._connection.execute(sa.select(ITEM.c.gtin, ITEM.c.sku).where(ITEM.c.gtin.is_not(None))):
            found.setdefault(gtin, []).append(sku)
        return found

    def find_listing(self, channel: str, external_id: str, *, locked: bool) -> tuple[int, int | None] | None:
        """A listing's id and its item's, `locked` or not; None: the channel has no such listing of goods."""
        query = (
            sa.select(LISTING.c.id, LISTING.c.item_id)
            .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
            .where(CHANNEL.c.name == channel, LISTING.c.external_id == external_id, LISTING.c.is_goods.is_(True))
        )
        row = self._connection.execute(query.with_for_update(of=LISTING) if locked else query).one_or_none()
        return None if row is None else (row.id, row.item_id)

    def decision(self, listing_id: int) -> tuple[Decision | None, str | None]:
        """What was decided of a listing, and why."""
        query = sa.select(DECISION.c.decision, DECISION.c.reason).where(DECISION.c.listing_id == listing_id)
        row = self._connection.execute(query).one_or_none()
        return (None, None) if row is None else (Decision(row.decision), row.reason)

    def is_in_flight(self, listing_id: int) -> bool:
        """Whether a number of the listing is on its way."""
        query = sa.select(PUBLICATION.c.id).where(
            PUBLICATION.c.listing_id == listing_id, PUBLICATION.c.flight.is_not(None)
        )
        return self._connection.execute(query.with_for_update()).first() is not None

    def decide(self, listing_id: int, decision: Decision, reason: str | None) -> None:
        """Writes what a person decided, and brings the listing's publications to it."""
        row = {"decision": decision.value, "reason": reason, "decided_at": self._now}
        if not insert_new(self._connection, DECISION, [{"listing_id": listing_id, **row}]):
            self._connection.execute(DECISION.update().where(DECISION.c.listing_id == listing_id).values(**row))
        mine = sa.and_(PUBLICATION.c.listing_id == listing_id, PUBLICATION.c.flight.is_(None))
        excluded = PublicationState.EXCLUDED.value
        if decision is Decision.EXCLUDE:
            self._connection.execute(PUBLICATION.update().where(mine).values(state=excluded, reason=reason))
            return
        again = sa.and_(mine, PUBLICATION.c.state == excluded)
        self._connection.execute(
            PUBLICATION.update().where(again).values(state=PublicationState.PENDING.value, reason=None)
        )
        self._connection.execute(
            CHANGE.insert().from_select(
                ["listing_id", "stock_point_id", "channel_delta", "changed_at"],
                sa.select(
                    PUBLICATION.c.listing_id,
                    PUBLICATION.c.stock_point_id,
                    sa.literal(0),
                    sa.literal(self._now, CHANGE.c.changed_at.type),
                ).where(PUBLICATION.c.listing_id == listing_id),
            )
        )

    def set_item(self, listing_id: int, item_id: int) -> None:
        """Binds a listing to an item."""
        self._connection.execute(
            LISTING.update().where(LISTING.c.id == listing_id).values(item_id=item_id, unbound_reason=None)
        )

    def lines_of(self, listing_id: int) -> dict[int, set[int]]:
        """Order lines of a listing, by order."""
        found: dict[int, set[int]] = {}
        query = sa.select(LINE.c.order_id, LINE.c.id).where(LINE.c.listing_id == listing_id).order_by(LINE.c.order_id)
        for order, line in self._connection.execute(query):
            found.setdefault(order, set()).add(line)
        return found

    def set_item_of_lines(self, line_ids: Collection[int], item_id: int) -> None:
        """These lines are of another item than was thought."""
        self._connection.execute(LINE.update().where(LINE.c.id.in_(sorted(line_ids))).values(item_id=item_id))

    # -- what live systems show --------------------------------------------------------------------------------

    def points_at(self, location: str) -> list[tuple[str, str, tuple[str, ...]]]:
        """Stock points that stand for a location: channel, stock point, and all locations it stands for, best first."""
        query = (
            sa.select(CHANNEL.c.name, POINT.c.external_id, LOCATION.c.code)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(POINT_LOCATION, POINT_LOCATION.c.stock_point_id == POINT.c.id)
            .join(LOCATION, LOCATION.c.id == POINT_LOCATION.c.location_id)
            .order_by(CHANNEL.c.name, POINT.c.external_id, POINT_LOCATION.c.rank)
        )
        pools: dict[tuple[str, str], list[str]] = {}
        for channel, point, code in self._connection.execute(query):
            pools.setdefault((channel, point), []).append(code)
        return [(channel, point, tuple(codes)) for (channel, point), codes in pools.items() if location in codes]

    def shown(self, channel: str, point: str) -> list[Shown]:
        """What the channel shows at a stock point of every listing that is bound to a simple item and not left out."""
        here = sa.or_(ORDER.c.stock_point == point, sa.and_(ORDER.c.stock_point.is_(None), self._is_only(channel)))
        query = (
            sa.select(
                LISTING.c.item_id,
                ITEM.c.sku,
                LISTING.c.external_id,
                PUBLICATION.c.channel_units,
                PUBLICATION.c.channel_units_at,
                self._open(here).label("open_units"),
                self._open(sa.and_(ORDER.c.stock_point.is_(None), ~self._is_only(channel))).label("unplaced"),
            )
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(ITEM, ITEM.c.id == LISTING.c.item_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(
                CHANNEL.c.name == channel,
                POINT.c.external_id == point,
                PUBLICATION.c.state != PublicationState.EXCLUDED.value,
                LISTING.c.item_id.not_in(sa.select(KIT.c.kit_id)),
            )
            .order_by(ITEM.c.sku, LISTING.c.external_id)
        )
        return [Shown(*row) for row in self._connection.execute(query)]

    def _is_only(self, channel: str) -> sa.ColumnElement[bool]:
        """Whether a channel has one stock point only: then every order took from it."""
        count = (
            sa.select(sa.func.count())
            .select_from(POINT.join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id))
            .where(CHANNEL.c.name == channel)
            .scalar_subquery()
        )
        return count == 1

    def _open(self, where: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        left = self._left()
        return (
            sa.select(sa.func.coalesce(sa.func.sum(LINE.c.units_ordered - LINE.c.units_canceled - left), 0))
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .where(LINE.c.listing_id == LISTING.c.id, ORDER.c.is_counted.is_(True), where)
            .correlate(LISTING)
            .scalar_subquery()
        )

    def _left(self) -> sa.ColumnElement[int]:
        """Units of a line that left."""
        return (
            sa.select(sa.func.coalesce(sa.func.sum(FULFILLMENT_LINE.c.units), 0))
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .where(FULFILLMENT_LINE.c.order_line_id == LINE.c.id, FULFILLMENT.c.state.in_(_LEFT))
            .correlate(LINE)
            .scalar_subquery()
        )

    def open_units(self, channel: str) -> dict[int, int]:
        """Units that open orders of a channel hold, by item as it was bought."""
        query = (
            sa.select(LINE.c.item_id, sa.func.sum(LINE.c.units_ordered - LINE.c.units_canceled - self._left()))
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(CHANNEL.c.name == channel, ORDER.c.is_counted.is_(True))
            .group_by(LINE.c.item_id)
        )
        return {item: int(units) for item, units in self._connection.execute(query)}

    # -- orders that waited for the gate -----------------------------------------------------------------------

    def open_orders(self, channel: str) -> dict[int, OrderState]:
        """Orders of a channel that are not over, with their state."""
        over = [OrderState.COMPLETED.value, OrderState.CANCELED.value]
        query = (
            sa.select(ORDER.c.id, ORDER.c.state)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(CHANNEL.c.name == channel, ORDER.c.state.not_in(over))
            .order_by(ORDER.c.id)
        )
        return {row.id: OrderState(row.state) for row in self._connection.execute(query)}

    def at_suppliers(self, channel: str) -> Mapping[int, str]:
        """Fulfillment orders of a channel that a supplier must send and was not asked for, with the order's number."""
        query = (
            sa.select(FULFILLMENT.c.id, ORDER.c.number)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .where(
                CHANNEL.c.name == channel,
                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
                LOCATION.c.kind == LocationKind.SUPPLIER.value,
                LOCATION.c.master.is_not(None),
            )
            .order_by(FULFILLMENT.c.id)
        )
        return {row.id: row.number for row in self._connection.execute(query)}

    def _id(self, channel: str) -> int:
        return int(self._connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == channel)).scalar_one())
