"""What scarcity is learned from, and the prices that were learned, in SQL."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place
from nervure.orders.replays import Arrival
from nervure.orders.rules import Goal
from nervure.store.expiries import is_promised
from nervure.store.routing import PRICE
from nervure.store.statements import LEVEL, MOVEMENT, as_one, chunks, is_among
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import ITEM
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import LINE, ORDER
from schemas.orders import DeliveryMethod, OrderState
from schemas.stock import Condition, MovementKind

AREA_LETTERS = 2
"""So many of the postal code, with the country, are an area: in France the department."""

CLOCKS_OFF = timedelta(days=1)
"""An order of a period may have left so long before it by another clock: units until then are summed in SQL."""


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


_OPEN_UNITS = LINE.c.units_ordered - LINE.c.units_canceled
_AREA = (
    sa.func.coalesce(sa.func.nullif(ORDER.c.country, ""), "?")
    .concat(" ")
    .concat(sa.func.substr(sa.func.trim(sa.func.coalesce(ORDER.c.postal_code, "")), 1, AREA_LETTERS))
    .label("area")
)
"""Where an order goes, as demand is counted."""


def _ordered(columns: Sequence[sa.ColumnElement[Any]], begin: datetime, end: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Lines of orders to be sent that were placed from `begin` on and before `end`."""
    return (
        sa.select(*columns)
        .select_from(ORDER)
        .join(LINE, LINE.c.order_id == ORDER.c.id)
        .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
        .where(
            ORDER.c.placed_at >= begin,
            ORDER.c.placed_at < end,
            ORDER.c.delivery_method == DeliveryMethod.SHIP.value,
            ORDER.c.state != OrderState.CANCELED.value,
            _OPEN_UNITS > 0,
        )
    )


class ScarcityStore:
    """One transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def orders(self, begin: datetime, end: datetime) -> list[PastOrder]:
        """The orders to be sent that were placed from `begin` on and before `end`, in the order of their times."""
        query = (
            _ordered(
                (
                    ORDER.c.id,
                    ORDER.c.channel_id,
                    ORDER.c.external_id,
                    ORDER.c.placed_at,
                    ORDER.c.country,
                    ORDER.c.postal_code,
                    CHANNEL.c.name.label("channel"),
                    LINE.c.id.label("line_id"),
                    LINE.c.item_id,
                    _OPEN_UNITS.label("units"),
                    ITEM.c.weight_grams,
                ),
                begin,
                end,
            )
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
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
        by_area = _ordered((LINE.c.item_id, _AREA, sa.func.sum(_OPEN_UNITS).label("units")), begin, end)
        rows = self._connection.execute(by_area.group_by(LINE.c.item_id, "area").order_by(LINE.c.item_id, "area")).all()
        parts_of = StockStore(self._connection, self._now).parts_of({row.item_id for row in rows})
        units: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for row in rows:
            for part, per in parts_of[row.item_id].items():
                units[part][row.area] += int(row.units) * per
        count = _ordered((sa.func.count(ORDER.c.id.distinct()),), begin, end)
        return dict(units), self._last_of_areas(begin, end), int(self._connection.execute(count).scalar_one())

    def _last_of_areas(self, begin: datetime, end: datetime) -> dict[str, Goal]:
        """Where the last order of each area went."""
        newest = sa.func.row_number().over(partition_by=_AREA, order_by=(ORDER.c.placed_at.desc(), ORDER.c.id.desc()))
        each = _ordered(
            (
                _AREA,
                ORDER.c.country,
                ORDER.c.postal_code,
                ORDER.c.placed_at,
                CHANNEL.c.name.label("channel"),
                newest.label("place"),
            ),
            begin,
            end,
        ).subquery()
        query = sa.select(each).where(each.c.place == 1).order_by(each.c.area)
        return {
            row.area: Goal(DeliveryMethod.SHIP, row.country, row.postal_code, row.placed_at, row.channel)
            for row in self._connection.execute(query)
        }

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
        here = (is_among(LEVEL.c.item_id, self._connection.dialect.name), LEVEL.c.condition == Condition.SELLABLE.value)
        columns, given = (LEVEL.c.item_id, LEVEL.c.location_id), as_one(item_ids)
        joined = MOVEMENT.join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
        summed = begin - CLOCKS_OFF
        before = sa.select(*columns, sa.func.sum(MOVEMENT.c.units).label("units")).select_from(joined)
        before = before.where(*here, MOVEMENT.c.occurred_at < summed).group_by(*columns)
        there = Counter(
            {Place(row.item_id, row.location_id): int(row.units) for row in self._connection.execute(before, given)}
        )
        since = sa.select(*columns, MOVEMENT.c.units, MOVEMENT.c.kind, MOVEMENT.c.document, MOVEMENT.c.occurred_at)
        since = since.select_from(joined).where(*here, MOVEMENT.c.occurred_at >= summed, MOVEMENT.c.occurred_at < end)
        lost: Counter[Place] = Counter()
        came: list[Arrival] = []
        for row in self._connection.execute(since.order_by(MOVEMENT.c.occurred_at, MOVEMENT.c.id), given):
            at = Place(row.item_id, row.location_id)
            if row.kind == MovementKind.SHIPPED.value and row.document in sent:
                continue
            if row.occurred_at < begin:
                there[at] += row.units
            elif row.units > 0:
                came.append(Arrival(row.occurred_at, at, row.units))
            else:
                lost[at] -= row.units
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
