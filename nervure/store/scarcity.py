"""What scarcity is learned from, and the prices that were learned, in SQL."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.orders.replays import Arrival
from nervure.orders.rules import Goal
from nervure.store.expiries import is_promised
from nervure.store.orders import CHANNEL, LINE, ORDER
from nervure.store.routing import ITEM, PRICE
from nervure.store.statements import LEVEL, MOVEMENT, as_one, chunks, is_among
from nervure.store.stock import StockStore
from schemas.orders import DeliveryMethod, OrderState
from schemas.stock import Condition, MovementKind

AREA_LETTERS = 2
"""So many of the postal code, with the country, are an area: in France the department."""


@dataclass(frozen=True, slots=True)
class PastLine:
    line_id: int
    item_id: int
    units: int
    grams: int


@dataclass(frozen=True, slots=True)
class PastOrder:
    """An order that was sent, as it was in the end. `document`: what movements of it are called."""

    channel_id: int
    goal: Goal
    document: str
    lines: tuple[PastLine, ...]


def area_of(goal: Goal) -> str:
    """Where an order goes, as demand is counted."""
    return f"{goal.country or '?'} {(goal.postal_code or '').strip()[:AREA_LETTERS]}"


class ScarcityStore:
    """One transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def orders(self, begin: datetime, end: datetime) -> list[PastOrder]:
        """The orders to be sent that were placed from `begin` on and before `end`, in the order of their times."""
        open_units = LINE.c.units_ordered - LINE.c.units_canceled
        query = (
            sa.select(
                ORDER.c.id,
                ORDER.c.channel_id,
                ORDER.c.external_id,
                ORDER.c.placed_at,
                ORDER.c.country,
                ORDER.c.postal_code,
                CHANNEL.c.name.label("channel"),
                LINE.c.id.label("line_id"),
                LINE.c.item_id,
                open_units.label("units"),
                ITEM.c.weight_grams,
            )
            .join(LINE, LINE.c.order_id == ORDER.c.id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(
                ORDER.c.placed_at >= begin,
                ORDER.c.placed_at < end,
                ORDER.c.delivery_method == DeliveryMethod.SHIP.value,
                ORDER.c.state != OrderState.CANCELED.value,
                open_units > 0,
            )
            .order_by(ORDER.c.placed_at, ORDER.c.id, LINE.c.id)
        )
        found: dict[int, PastOrder] = {}
        lines: defaultdict[int, list[PastLine]] = defaultdict(list)
        for row in self._connection.execute(query):
            lines[row.id].append(PastLine(row.line_id, row.item_id, row.units, row.weight_grams or 0))
            if row.id not in found:
                goal = Goal(DeliveryMethod.SHIP, row.country, row.postal_code, row.placed_at, row.channel)
                found[row.id] = PastOrder(row.channel_id, goal, f"order:{row.channel}:{row.external_id}", ())
        return [PastOrder(one.channel_id, one.goal, one.document, tuple(lines[order])) for order, one in found.items()]

    def demand(self, begin: datetime, end: datetime) -> tuple[dict[int, Counter[str]], dict[str, Goal], int]:
        """Units by item and area that were ordered, kits as their parts; of each area where its last order went; and
        how many orders they were.
        """
        orders = self.orders(begin, end)
        parts_of = StockStore(self._connection, self._now).parts_of(
            {line.item_id for one in orders for line in one.lines}
        )
        units: defaultdict[int, Counter[str]] = defaultdict(Counter)
        goals: dict[str, Goal] = {}
        for one in orders:
            area = area_of(one.goal)
            goals[area] = one.goal
            for line in one.lines:
                for part, per in parts_of[line.item_id].items():
                    units[part][area] += line.units * per
        return dict(units), goals, len(orders)

    def stock(self, item_ids: Mapping[int, object]) -> dict[int, dict[int, int]]:
        """Units of these items that nobody has claimed, by item and location."""
        free = sa.func.sum(LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated)
        query = (
            sa.select(LEVEL.c.item_id, LEVEL.c.location_id, free.label("units"))
            .where(
                is_among(LEVEL.c.item_id, self._connection.dialect.name),
                LEVEL.c.condition == Condition.SELLABLE.value,
                is_promised(self._now),
            )
            .group_by(LEVEL.c.item_id, LEVEL.c.location_id)
        )
        found: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for row in self._connection.execute(query, as_one(item_ids)):
            found[row.item_id][row.location_id] = int(row.units)
        return dict(found)

    def put(self, prices: Mapping[Place, int]) -> None:
        """Keeps these prices, and no older ones."""
        made = {"sqlite": sqlite, "postgresql": postgresql}[self._connection.dialect.name].insert(PRICE)
        upsert = made.on_conflict_do_update(
            index_elements=["item_id", "location_id"],
            set_={"price": made.excluded.price, "learned_at": made.excluded.learned_at},
            where=PRICE.c.learned_at <= made.excluded.learned_at,
        )
        rows = [
            {"item_id": place.item_id, "location_id": place.location_id, "price": price, "learned_at": self._now}
            for place, price in sorted(prices.items())
        ]
        for batch in chunks(rows):
            self._connection.execute(upsert, batch)
        self._connection.execute(PRICE.delete().where(PRICE.c.learned_at < self._now))

    def opening(
        self, item_ids: Mapping[int, object], begin: datetime, end: datetime, sent: frozenset[str]
    ) -> tuple[dict[Place, int], list[Arrival]]:
        """What could be sent from each place when a period began, and what came in later.

        `sent`: documents of the orders that are played again; their shipments do not count. What left otherwise was
        never there for them, whenever it left.
        """
        query = (
            sa.select(
                LEVEL.c.item_id,
                LEVEL.c.location_id,
                MOVEMENT.c.units,
                MOVEMENT.c.kind,
                MOVEMENT.c.document,
                MOVEMENT.c.occurred_at,
            )
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .where(
                is_among(LEVEL.c.item_id, self._connection.dialect.name),
                LEVEL.c.condition == Condition.SELLABLE.value,
                MOVEMENT.c.occurred_at < end,
            )
            .order_by(MOVEMENT.c.occurred_at, MOVEMENT.c.id)
        )
        there: Counter[Place] = Counter()
        lost: Counter[Place] = Counter()
        came: list[Arrival] = []
        for row in self._connection.execute(query, as_one(item_ids)):
            place = Place(row.item_id, row.location_id)
            if row.kind == MovementKind.SHIPPED.value and row.document in sent:
                continue
            if row.occurred_at < begin:
                there[place] += row.units
            elif row.units > 0:
                came.append(Arrival(row.occurred_at, place, row.units))
            else:
                lost[place] -= row.units
        stock: dict[Place, int] = {}
        for place, units in there.items():
            stock[place] = max(units - lost[place], 0)
            lost[place] -= units - stock[place]
        arrivals = []
        for one in came:
            units = max(one.units - max(lost[one.place], 0), 0)
            lost[one.place] -= one.units - units
            if units:
                arrivals.append(Arrival(one.at, one.place, units))
        return stock, arrivals
