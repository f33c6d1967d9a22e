"""Orders in SQL: headers, persons, lines, fulfillment orders, shortfalls."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.policies import Allowance
from nervure.inventory.stock import Place
from nervure.orders.costs import Costs
from nervure.orders.declines import Standing, standings
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goal, Goods
from nervure.orders.work import (
    BoundListing,
    FulfillmentLineState,
    KnownOrder,
    LineState,
    UnboundListingError,
    is_behind,
    is_older,
    is_tie,
)
from nervure.store import tables
from nervure.store.backorders import BackorderStore
from nervure.store.declines import MAY_PASS_BY, DeclineStore
from nervure.store.routing import Question, RoutingStore
from nervure.store.statements import KIT, LEVEL, chunks, insert_new
from nervure.store.tasks import TaskStore
from schemas.fulfillment import AT_LOCATION, FulfillmentState, StepKind
from schemas.orders import DeliveryMethod, Order, OrderLine, OrderState
from schemas.stock import Condition

ORDER = tables.of(tables.SalesOrderRow)
PERSON = tables.of(tables.OrderPersonRow)
LINE = tables.of(tables.OrderLineRow)
FULFILLMENT = tables.of(tables.FulfillmentOrderRow)
FULFILLMENT_LINE = tables.of(tables.FulfillmentLineRow)
FULFILLMENT_EVENT = tables.of(tables.FulfillmentEventRow)
SHORTFALL = tables.of(tables.ShortfallRow)
CUT = tables.of(tables.LineCutRow)

CHANNEL = tables.of(tables.ChannelRow)
LISTING = tables.of(tables.ListingRow)
LOCATION = tables.of(tables.LocationRow)
POINT = tables.of(tables.StockPointRow)
POINT_LOCATION = tables.of(tables.StockPointLocationRow)

DELIVERY = sa.func.coalesce(FULFILLMENT.c.delivery_method, ORDER.c.delivery_method).label("delivery")
"""How a part of an order goes: as the order does, unless its customer agreed on another way."""

IS_NAMED = (
    sa.select(POINT_LOCATION.c.location_id)
    .where(POINT_LOCATION.c.stock_point_id == POINT.c.id)
    .correlate(POINT)
    .exists()
)
"""The settings name this stock point: it stands for some location."""

LEFT = (FulfillmentState.SHIPPED.value, FulfillmentState.HANDED_OVER.value)
STILL_HERE = (*sorted(AT_LOCATION), FulfillmentState.SENT_TO_SUPPLIER.value)
LOOKED_AT_FOR = timedelta(days=1)
"""So long it is looked for what can be asked of who declined; later they are asked when units come in or are lost."""

_OVER = (OrderState.COMPLETED.value, OrderState.CANCELED.value)

TOLD_BY_HAND = ("substituted", "refund")
"""Tasks for what a person must tell the channel of an order line, until the channel says it."""

RELEASED_STATES = (OrderState.OPEN.value, OrderState.COMPLETED.value)
"""Only these orders may be sent: others wait for a payment or an acceptance, and may have no address yet."""

IS_SERVED = sa.and_(CHANNEL.c.is_gated.is_(False), CHANNEL.c.is_shadow.is_(False))
"""The hub serves this channel. One that is not live yet, or is in the shadow, is served by others."""

PERSONAL_DATA_DAYS = 90
"""How long names and addresses of an order are kept unless the merchant says otherwise."""


class OrderStore:
    """The orders of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime, *, personal_data_days: int = PERSONAL_DATA_DAYS) -> None:
        self._connection = connection
        self._now = now
        self._personal_data_days = personal_data_days
        self._routing = RoutingStore(connection, now)

    # -- orders ------------------------------------------------------------------------------------------------

    def upsert(self, order: Order) -> KnownOrder | None:
        channel_id = channel_id_of(self._connection, order.channel)
        header = _header(order)
        is_new = bool(
            insert_new(
                self._connection,
                ORDER,
                [{**header, "channel_id": channel_id, "recorded_at": self._now, "is_counted": False}],
            )
        )
        known = self._connection.execute(
            sa.select(ORDER.c.id, ORDER.c.updated_at, ORDER.c.state, ORDER.c.is_counted)
            .where(ORDER.c.channel_id == channel_id, ORDER.c.external_id == order.external_id)
            .with_for_update()
        ).one()
        ties = not is_new and is_tie(order, known.updated_at, OrderState(known.state))
        if not is_new:
            if is_older(order, known.updated_at, OrderState(known.state)):
                return None
            if ties and is_behind(order, self.lines(known.id)):
                return None
            self._connection.execute(ORDER.update().where(ORDER.c.id == known.id).values(**header))
        self._put_person(known.id, order)
        return KnownOrder(known.id, is_new=is_new, was_counted=known.is_counted, is_tie=ties)

    def _put_person(self, order_id: int, order: Order) -> None:
        customer, address = order.customer, order.delivery.address
        if customer is None and (address is None or not (address.lines or address.city)):
            return
        self._connection.execute(PERSON.delete().where(PERSON.c.order_id == order_id))
        self._connection.execute(
            PERSON.insert().values(
                order_id=order_id,
                name=customer.name if customer else None,
                email=customer.email if customer else None,
                phone=customer.phone if customer else None,
                city=address.city if address else None,
                address_lines=list(address.lines) if address else [],
                expires_at=self._now + timedelta(days=self._personal_data_days),
            )
        )

    def lock(self, order_id: int) -> None:
        self._connection.execute(sa.select(ORDER.c.id).where(ORDER.c.id == order_id).with_for_update())

    def mark_counted(self, order_id: int) -> None:
        self._connection.execute(ORDER.update().where(ORDER.c.id == order_id).values(is_counted=True))

    def bind(self, channel: str, listing_external_ids: Collection[str]) -> dict[str, BoundListing]:
        found: dict[str, BoundListing] = {}
        for batch in chunks(sorted(set(listing_external_ids))):
            query = (
                sa.select(LISTING.c.external_id, LISTING.c.id, LISTING.c.item_id)
                .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                .where(CHANNEL.c.name == channel, LISTING.c.external_id.in_(batch), LISTING.c.item_id.is_not(None))
            )
            found.update(
                (row.external_id, BoundListing(row.id, row.item_id)) for row in self._connection.execute(query)
            )
        missing = sorted(set(listing_external_ids) - found.keys())
        if missing:
            missing = sorted(set(missing) - self._not_goods(channel, missing))
        if missing:
            raise UnboundListingError(
                f"listing {', '.join(repr(one) for one in missing[:5])} of channel {channel!r} is not bound to an item"
            )
        return found

    def _not_goods(self, channel: str, listing_external_ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for batch in chunks(listing_external_ids):
            query = (
                sa.select(LISTING.c.external_id)
                .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                .where(CHANNEL.c.name == channel, LISTING.c.external_id.in_(batch), LISTING.c.is_goods.is_(False))
            )
            found.update(self._connection.execute(query).scalars())
        return found

    def lines_of(self, channel: str, order_external_id: str) -> list[LineState]:
        query = (
            sa.select(ORDER.c.id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(CHANNEL.c.name == channel, ORDER.c.external_id == order_external_id)
        )
        return [line for order_id in self._connection.execute(query).scalars() for line in self.lines(order_id)]

    def lines(self, order_id: int) -> list[LineState]:
        served = (
            sa.select(sa.func.coalesce(sa.func.sum(FULFILLMENT_LINE.c.units), 0))
            .where(FULFILLMENT_LINE.c.order_line_id == LINE.c.id)
            .scalar_subquery()
        )
        query = (
            sa.select(
                LINE, served.label("served"), SHORTFALL.c.units, SHORTFALL.c.backorder_units, SHORTFALL.c.is_overdue
            )
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id, isouter=True)
            .where(LINE.c.order_id == order_id)
            .order_by(LINE.c.id)
        )
        return [
            LineState(
                row.id,
                row.external_id,
                row.listing_id,
                row.item_id,
                row.units_ordered,
                row.units_canceled,
                int(row.served),
                row.units or 0,
                row.backorder_units or 0,
                is_overdue=bool(row.is_overdue),
                is_stated=bool(row.is_stated),
            )
            for row in self._connection.execute(query)
        ]

    def put_lines(self, order_id: int, lines: Sequence[tuple[OrderLine, BoundListing, int, int]]) -> None:
        known = set(
            self._connection.execute(sa.select(LINE.c.external_id).where(LINE.c.order_id == order_id)).scalars()
        )
        fresh: list[dict[str, object]] = []
        for line, bound, ordered, canceled in lines:
            values: dict[str, object] = {
                "title": line.title,
                "units_ordered": ordered,
                "units_canceled": canceled,
                "unit_price": line.unit_price,
                "line_total": line.line_total,
                "tax_amount": line.tax_amount,
                "units_charged": line.units if line.units_charged is None else line.units_charged,
                "discount_amount": line.discount_amount,
            }
            if line.external_id in known:
                self._connection.execute(
                    LINE.update()
                    .where(LINE.c.order_id == order_id, LINE.c.external_id == line.external_id)
                    .values(**values)
                )
            else:
                identity = {
                    "order_id": order_id,
                    "external_id": line.external_id,
                    "listing_id": bound.listing_id,
                    "item_id": bound.item_id,
                }
                fresh.append(identity | values)
        if fresh:
            self._connection.execute(LINE.insert(), fresh)

    def put_money_lines(self, order_id: int, lines: Sequence[OrderLine]) -> None:
        rows = [
            {"line": line.external_id, "title": line.title, "units": line.units, "amount": str(line.line_total)}
            for line in lines
        ]
        self._connection.execute(ORDER.update().where(ORDER.c.id == order_id).values(money_lines=rows))

    def cancel_units(self, line_id: int, units_canceled: int) -> None:
        self._connection.execute(LINE.update().where(LINE.c.id == line_id).values(units_canceled=units_canceled))

    def untold_cuts(self, order_id: int) -> dict[int, int]:
        query = (
            sa.select(CUT.c.order_line_id, sa.func.sum(CUT.c.units))
            .join(LINE, LINE.c.id == CUT.c.order_line_id)
            .where(LINE.c.order_id == order_id, CUT.c.known_at.is_(None))
            .group_by(CUT.c.order_line_id)
        )
        return {line: int(units) for line, units in self._connection.execute(query)}

    def told_cuts(self, line_ids: Collection[int]) -> None:
        told = (
            CUT.update()
            .where(CUT.c.order_line_id.in_(sorted(line_ids)), CUT.c.known_at.is_(None))
            .values(known_at=self._now)
            .returning(CUT.c.order_line_id, CUT.c.proposal_id)
        )
        tasks = TaskStore(self._connection, self._now)
        for line, proposal in self._connection.execute(told).all():
            for kind in TOLD_BY_HAND:
                tasks.close(kind, f"order_line:{line}:proposal:{proposal}")

    def name_line(self, line_id: int, external_id: str) -> None:
        self._connection.execute(
            LINE.update().where(LINE.c.id == line_id).values(external_id=external_id, is_stated=True)
        )

    # -- where -------------------------------------------------------------------------------------------------

    def candidates(self, order_id: int, goods: Mapping[int, Goods], *, anew: bool = False) -> list[Candidate]:
        order = self._connection.execute(
            sa.select(ORDER, CHANNEL.c.is_gated, CHANNEL.c.name)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(ORDER.c.id == order_id)
        ).one()
        method = DeliveryMethod(order.delivery_method)
        goal = Goal(method, order.country, order.postal_code, order.placed_at, order.name, goods)
        question = Question(order.channel_id, goal, order.stock_point, order_id if anew else None)
        few = self._routing.candidates(question, with_suppliers=not order.is_gated)
        standing = self.standings(order_id)
        return [_as_it_stands(one, standing.get(one.location_id)) for one in few]

    def lock_days(self, location_ids: Collection[int]) -> bool:
        return self._routing.lock_days(location_ids)

    def costs(self) -> Costs:
        return self._routing.costs()

    def goods_of(self, item_ids: Collection[int]) -> dict[int, Goods]:
        return self._routing.goods_of(item_ids)

    def prices(self, item_ids: Collection[int]) -> dict[Place, int]:
        return self._routing.prices(item_ids)

    def standings(self, order_id: int) -> dict[int, Standing]:
        """Where the locations stand that would not do a part of this order."""
        declines = DeclineStore(self._connection).of_order(order_id)
        return standings(declines, self._routing.routing().ask_again, self._now) if declines else {}

    def to_ask_again(self) -> list[int]:
        """Orders that lack something which lies free where it was declined, by who may be asked again since a while."""
        until = self._now - self._routing.routing().ask_again.after
        since = until - LOOKED_AT_FOR
        parts = sa.select(KIT.c.part_id).where(KIT.c.kit_id == LINE.c.item_id).correlate(LINE)
        free = sa.select(LEVEL.c.id).where(
            LEVEL.c.location_id == sa.func.coalesce(FULFILLMENT_EVENT.c.location_id, FULFILLMENT.c.location_id),
            sa.or_(LEVEL.c.item_id == LINE.c.item_id, LEVEL.c.item_id.in_(parts)),
            LEVEL.c.condition == Condition.SELLABLE.value,
            LEVEL.c.on_hand > LEVEL.c.reserved + LEVEL.c.allocated,
        )
        query = (
            sa.select(FULFILLMENT.c.order_id)
            .join(FULFILLMENT_EVENT, FULFILLMENT_EVENT.c.fulfillment_order_id == FULFILLMENT.c.id)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(LINE, LINE.c.order_id == ORDER.c.id)
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id)
            .where(
                SHORTFALL.c.units > 0,
                ORDER.c.state.not_in(_OVER),
                FULFILLMENT_EVENT.c.recorded_at.between(since, until),
                MAY_PASS_BY,
                free.correlate(FULFILLMENT, FULFILLMENT_EVENT, LINE).exists(),
            )
        )
        return sorted(set(self._connection.execute(query).scalars()))

    def location_of(self, channel: str, stock_point: str | None) -> int:
        query = (
            sa.select(POINT_LOCATION.c.location_id)
            .join(POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel)
            .order_by(POINT_LOCATION.c.rank, POINT.c.id)
            .limit(1)
        )
        if stock_point is not None:
            query = query.where(POINT.c.external_id == stock_point)
        found = self._connection.execute(query).scalar_one_or_none()
        if found is None:
            raise UnboundListingError(f"stock point {stock_point!r} of channel {channel!r} stands for no location")
        return int(found)

    # -- fulfillment -------------------------------------------------------------------------------------------

    def add_fulfillment(
        self, order_id: int, location_id: int, state: FulfillmentState, units: Mapping[int, int]
    ) -> dict[int, int]:
        made = self._connection.execute(
            FULFILLMENT.insert()
            .values(
                order_id=order_id,
                location_id=location_id,
                state=state.value,
                created_at=self._now,
                ended_at=self._now if state.value in LEFT else None,
            )
            .returning(FULFILLMENT.c.id)
        ).scalar_one()
        rows = self._connection.execute(
            FULFILLMENT_LINE.insert().returning(FULFILLMENT_LINE.c.order_line_id, FULFILLMENT_LINE.c.id),
            [
                {"fulfillment_order_id": made, "order_line_id": line, "units": count, "units_given_back": 0}
                for line, count in units.items()
            ],
        )
        return {row.order_line_id: row.id for row in rows}

    def fulfillment_lines(
        self, *, order_id: int | None = None, fulfillment_order_id: int | None = None, line_ids: Collection[int] = ()
    ) -> list[FulfillmentLineState]:
        query = (
            sa.select(
                FULFILLMENT_LINE, FULFILLMENT.c.location_id, FULFILLMENT.c.state, FULFILLMENT.c.order_id, LINE.c.item_id
            )
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .where(FULFILLMENT_LINE.c.units > 0)
            .order_by(FULFILLMENT_LINE.c.id)
        )
        if order_id is not None:
            query = query.where(FULFILLMENT.c.order_id == order_id)
        elif fulfillment_order_id is not None:
            query = query.where(FULFILLMENT.c.id == fulfillment_order_id)
        else:
            query = query.where(FULFILLMENT_LINE.c.id.in_(sorted(set(line_ids))))
        return [
            FulfillmentLineState(
                row.id,
                row.fulfillment_order_id,
                row.location_id,
                FulfillmentState(row.state),
                row.order_id,
                row.order_line_id,
                row.item_id,
                row.units,
            )
            for row in self._connection.execute(query)
        ]

    def shrink(self, fulfillment_line_id: int, units: int) -> None:
        number = self._connection.execute(
            FULFILLMENT_LINE.update()
            .where(FULFILLMENT_LINE.c.id == fulfillment_line_id)
            .values(
                units=FULFILLMENT_LINE.c.units - units,
                units_given_back=FULFILLMENT_LINE.c.units_given_back + units,
            )
            .returning(FULFILLMENT_LINE.c.fulfillment_order_id)
        ).scalar_one()
        left = sa.select(FULFILLMENT_LINE.c.id).where(
            FULFILLMENT_LINE.c.fulfillment_order_id == number, FULFILLMENT_LINE.c.units > 0
        )
        canceled = self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == number, FULFILLMENT.c.state != FulfillmentState.CANCELED.value, ~left.exists())
            .values(state=FulfillmentState.CANCELED.value, ended_at=self._now)
        )
        if canceled.rowcount:
            self.note_step(number, StepKind.CANCELED)

    def note_step(self, fulfillment_order_id: int, kind: StepKind, *, by: str = "", reason: str = "") -> None:
        """Writes what happened to a fulfillment order, and who did it; empty: the hub itself."""
        row = {"fulfillment_order_id": fulfillment_order_id, "kind": kind.value, "by": by, "reason": reason}
        self._connection.execute(FULFILLMENT_EVENT.insert().values(**row, recorded_at=self._now))

    def end_fulfillment(
        self, fulfillment_order_id: int, state: FulfillmentState, at: datetime, *, by: str = ""
    ) -> bool:
        order = sa.select(FULFILLMENT.c.order_id).where(FULFILLMENT.c.id == fulfillment_order_id)
        for order_id in self._connection.execute(order).scalars():
            self.lock(order_id)
        changed = self._connection.execute(
            FULFILLMENT.update()
            .where(
                FULFILLMENT.c.id == fulfillment_order_id,
                FULFILLMENT.c.state.in_(STILL_HERE),
            )
            .values(state=state.value, ended_at=at)
        )
        if changed.rowcount == 1:
            self.note_step(fulfillment_order_id, StepKind(state.value), by=by)
        return changed.rowcount == 1

    def moved(self, fulfillment_order_id: int, to_fulfillment_order_id: int) -> None:
        self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id == fulfillment_order_id)
            .values(moved_to_id=to_fulfillment_order_id)
        )

    def name_of(self, fulfillment_order_id: int) -> tuple[str, str]:
        query = (
            sa.select(CHANNEL.c.name, ORDER.c.external_id)
            .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
            .where(FULFILLMENT.c.id == fulfillment_order_id)
        )
        channel, external_id = self._connection.execute(query).one()
        return channel, external_id

    # -- what is missing ---------------------------------------------------------------------------------------

    def allowance(self, line_id: int) -> Allowance | None:
        return BackorderStore(self._connection, self._now).allowance(line_id)

    def set_shortfall(self, line_id: int, units: int, reason: str, backorder: tuple[int, date | None]) -> None:
        BackorderStore(self._connection, self._now).set_shortfall(line_id, units, reason, backorder)

    def short_lines(self, item_ids: Collection[int]) -> dict[int, set[int]]:
        found: dict[int, set[int]] = defaultdict(set)
        for batch in chunks(sorted(item_ids)):
            kits = sa.select(KIT.c.kit_id).where(KIT.c.part_id.in_(batch))
            query = (
                sa.select(LINE.c.order_id, LINE.c.id)
                .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id)
                .join(ORDER, ORDER.c.id == LINE.c.order_id)
                .where(ORDER.c.state.not_in(_OVER))
                .where(SHORTFALL.c.units > 0, LINE.c.item_id.in_(batch) | LINE.c.item_id.in_(kits))
                .order_by(LINE.c.order_id)
            )
            for order_id, line_id in self._connection.execute(query):
                found[order_id].add(line_id)
        return dict(sorted(found.items()))

    def explain(self, order_id: int, reasons: Mapping[str, str], bill: Mapping[str, Any] | None = None) -> None:
        routing = {"at": self._now.isoformat(), "locations": dict(reasons), **({"bill": dict(bill)} if bill else {})}
        self._connection.execute(ORDER.update().where(ORDER.c.id == order_id).values(routing=routing))


def channel_id_of(connection: Connection, name: str) -> int:
    """The id of a channel by its name."""
    return int(connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == name)).scalar_one())


def _header(order: Order) -> dict[str, object]:
    address = order.delivery.address
    return {
        "external_id": order.external_id,
        "number": order.number,
        "state": order.state.value,
        "placed_at": order.placed_at,
        "updated_at": order.updated_at,
        "currency": order.currency,
        "total": order.total,
        "shipping_amount": order.shipping_amount,
        "tax_amount": order.tax_amount,
        "tax_included": order.tax_included,
        "discount_amount": order.discount_amount,
        "difference": order.difference,
        "money_lines": [],
        "delivery_method": order.delivery.method.value,
        "stock_point": order.delivery.stock_point,
        "country": address.country if address else None,
        "postal_code": address.postal_code if address else None,
    }


def _as_it_stands(one: Candidate, standing: Standing | None) -> Candidate:
    """A candidate as far as it has not declined: out, out but for what nobody else has, or without some goods."""
    if standing is None:
        return one
    terms = replace(one.terms, barred={**one.terms.barred, **standing.barred})
    if standing.out is None or terms.dropped is not None:
        return replace(one, terms=terms)
    return replace(one, terms=replace(terms, dropped=standing.out), if_needed=terms if standing.again else None)
