"""Open orders that may be planned anew, and what is free, in SQL."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.orders.replanning import OpenOrder, may_be_planned
from nervure.orders.routing import Wanted
from nervure.orders.work import FulfillmentLineState, LineState
from nervure.store.candidates import CandidateStore
from nervure.store.channels import IS_SERVED
from nervure.store.fulfillment import FulfillmentStore
from nervure.store.handling import SERIAL_CLAIM
from nervure.store.orders import OVER_STATES, OrderStore
from nervure.store.routing import RoutingStore
from nervure.store.shortfalls import PROPOSAL
from nervure.store.statements import KIT, LEVEL, chunks
from nervure.store.stock import StockStore
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, SHORTFALL
from schemas.fulfillment import FulfillmentState
from schemas.stock import Condition

_WAITING = (FulfillmentState.ALLOCATED.value, FulfillmentState.CANCELED.value)


class ReplanStore:
    """What is open at one time of the hub's clock; takes no lock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._orders = OrderStore(connection, now)
        self._fulfillment = FulfillmentStore(connection, now)
        self._routing = RoutingStore(connection, now)
        self._candidates = CandidateStore(connection, now, self._routing)
        self._stock = StockStore(connection, now)

    def count_open(self) -> int:
        """Orders of which no location has taken anything on, and which a plan could serve in another way."""
        return int(
            self._connection.execute(sa.select(sa.func.count()).select_from(_open_ids().subquery())).scalar_one()
        )

    def open_orders(self, limit: int, *, turn: int = 0) -> list[OpenOrder]:
        """So many of those that are counted, the oldest first; in the next turn the next ones.

        Left out: those of channels that others still serve, those with single units named, those of which a location is
        asked to accept something, or the customer what may come instead, those of which a part goes another way than
        the rest, and those of which a part lies where it would not be given today, or is made of other parts. Who only
        waits for what lies nowhere, as before the first receipt, is not counted.
        """
        query = _open_ids().order_by(ORDER.c.id).limit(limit).offset(turn * limit)
        found = [self._order(row.id) for row in self._connection.execute(query).all()]
        return [order for order in found if order is not None and may_be_planned(order)]

    def are_open(self, order_ids: Collection[int]) -> bool:
        """Whether all of these may be planned anew as far as it is known without a look at each; under their locks."""
        query = _open_ids().where(ORDER.c.id.in_(sorted(order_ids)))
        return len(self._connection.execute(query).all()) == len(set(order_ids))

    def free(self, item_ids: Collection[int]) -> dict[Place, int]:
        """Units that may be claimed by place; below 0 where more is owed than is there."""
        found: Counter[Place] = Counter()
        for batch in chunks(sorted(item_ids)):
            query = sa.select(LEVEL).where(LEVEL.c.item_id.in_(batch), LEVEL.c.condition == Condition.SELLABLE.value)
            for row in self._connection.execute(query):
                claimed = row.reserved + row.allocated
                if row.expires_at is None or row.expires_at > self._now or row.on_hand < claimed:
                    found[Place(row.item_id, row.location_id)] += row.on_hand - claimed
        return dict(found)

    def names(self, order_ids: Collection[int]) -> dict[int, str]:
        """The numbers of orders as people know them, with their channels."""
        found: dict[int, str] = {}
        for batch in chunks(sorted(order_ids)):
            query = sa.select(ORDER.c.id, ORDER.c.number, CHANNEL.c.name).join(CHANNEL).where(ORDER.c.id.in_(batch))
            found.update((row.id, f"{row.name} {row.number}") for row in self._connection.execute(query))
        return found

    def _order(self, order_id: int) -> OpenOrder | None:
        stated = self._orders.lines(order_id)
        lines = [line for line in stated if line.units_open]
        served = self._fulfillment.lines(order_id=order_id)
        parts = self._parts(lines, served)
        if parts is None or any(line.units_open != line.units_served + line.units_short for line in lines):
            return None
        made_of = {part for one in parts.values() for part in one}
        known = self._routing.goods_of(made_of | {line.item_id for line in lines})
        wanted = [Wanted(line.id, line.units_open, parts[line.id], known[line.item_id].grams) for line in lines]
        candidates = self._candidates.of_order(order_id, {part: known[part] for part in made_of}, anew=True)
        return OpenOrder(order_id, stated, served, wanted, candidates)

    def _parts(
        self, lines: Collection[LineState], served: Collection[FulfillmentLineState]
    ) -> dict[int, Mapping[int, int]] | None:
        """Of what a unit of each line is made; None: what was taken is made in another way than today."""
        today = self._stock.parts_of({line.item_id for line in lines})
        found: dict[int, Mapping[int, int]] = {line.id: today[line.item_id] for line in lines}
        held: dict[int, Counter[int]] = {one.id: Counter() for one in served}
        for claim in self._stock.held_for(list(held)):
            held[claim.fulfillment_line_id][claim.place.item_id] += claim.units
        for one in served:
            if held[one.id] != {part: one.units * per for part, per in found.get(one.order_line_id, {}).items()}:
                return None
        return found


def _open_ids() -> sa.Select[tuple[int]]:
    """Orders of which something waits or is short, and that nobody has taken on or is asked for."""
    of_it = FULFILLMENT.c.order_id == ORDER.c.id
    waits = sa.exists().where(of_it, FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value)
    begun = sa.exists().where(of_it, FULFILLMENT.c.state.not_in(_WAITING))
    # While a location may accept, and other ones with it, what they were shown stays where it is.
    asked = sa.exists().where(
        of_it, FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value, FULFILLMENT.c.accept_by.is_not(None)
    )
    # What the customer agreed to fetch at one place is at this place alone.
    agreed = sa.exists().where(
        of_it, FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value, FULFILLMENT.c.delivery_method.is_not(None)
    )
    parts = sa.select(KIT.c.part_id).where(KIT.c.kit_id == LINE.c.item_id).correlate(LINE)
    somewhere = (
        sa.exists()
        .where(
            LEVEL.c.item_id.in_(parts) | (LEVEL.c.item_id == LINE.c.item_id),
            LEVEL.c.condition == Condition.SELLABLE.value,
            LEVEL.c.on_hand > 0,
        )
        .correlate(LINE)
    )
    short = sa.exists().where(
        SHORTFALL.c.order_line_id == LINE.c.id, SHORTFALL.c.units > 0, LINE.c.order_id == ORDER.c.id, somewhere
    )
    proposed = sa.exists().where(
        PROPOSAL.c.order_line_id == LINE.c.id, PROPOSAL.c.state == "open", LINE.c.order_id == ORDER.c.id
    )
    named = sa.exists().where(
        SERIAL_CLAIM.c.fulfillment_line_id == FULFILLMENT_LINE.c.id,
        FULFILLMENT_LINE.c.fulfillment_order_id == FULFILLMENT.c.id,
        of_it,
        SERIAL_CLAIM.c.state == "held",
    )
    return (
        sa.select(ORDER.c.id)
        .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
        .where(
            ORDER.c.state.not_in(OVER_STATES),
            ORDER.c.is_counted.is_(True),
            IS_SERVED,
            waits | short,
            ~begun,
            ~asked,
            ~agreed,
            ~proposed,
            ~named,
        )
    )
