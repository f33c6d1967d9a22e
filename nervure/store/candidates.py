"""Where an order may be served, in SQL: by routing, but for who declined it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.declines import Standing, standings
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goal, Goods
from nervure.store.declines import MAY_PASS_BY, DeclineStore
from nervure.store.orders import OVER_STATES
from nervure.store.routing import Question, RoutingStore
from nervure.store.statements import KIT, LEVEL
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.desk import FULFILLMENT_EVENT
from nervure.store.tables.orders import FULFILLMENT, LINE, ORDER, SHORTFALL
from schemas.orders import DeliveryMethod
from schemas.stock import Condition

LOOKED_AT_FOR = timedelta(days=1)
"""So long it is looked for what can be asked of who declined; later they are asked when units come in or are lost."""


class CandidateStore:
    """Who may serve an order, in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime, routing: RoutingStore) -> None:
        self._connection = connection
        self._now = now
        self._routing = routing

    def of_order(self, order_id: int, goods: Mapping[int, Goods], *, anew: bool = False) -> list[Candidate]:
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
                ORDER.c.state.not_in(OVER_STATES),
                FULFILLMENT_EVENT.c.recorded_at.between(since, until),
                MAY_PASS_BY,
                free.correlate(FULFILLMENT, FULFILLMENT_EVENT, LINE).exists(),
            )
        )
        return sorted(set(self._connection.execute(query).scalars()))


def _as_it_stands(one: Candidate, standing: Standing | None) -> Candidate:
    """A candidate as far as it has not declined: out, out but for what nobody else has, or without some goods."""
    if standing is None:
        return one
    terms = replace(one.terms, barred={**one.terms.barred, **standing.barred})
    if standing.out is None or terms.dropped is not None:
        return replace(one, terms=terms)
    return replace(one, terms=replace(terms, dropped=standing.out), if_needed=terms if standing.again else None)
