"""The locations that may serve an order, in SQL, with what the merchant's settings say of each."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from nervure.inventory.stock import Place
from nervure.orders.costs import Costs
from nervure.orders.declines import SOON, AskAgain
from nervure.orders.geography import distance_km, locate
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goal, Goods, Journey, Routing, Site, journey, terms
from nervure.store import tables
from nervure.store.places import HistoryOfPlaces
from nervure.store.statements import chunks
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE
from schemas.locations import Coordinates, LocationKind
from schemas.orders import DeliveryMethod
from schemas.routing import LocationRouting, RoutingSettings

SETTING = tables.of(tables.RoutingSettingRow)
PRICE = tables.of(tables.ScarcityPriceRow)

_SITE = (
    LOCATION.c.id,
    LOCATION.c.code,
    LOCATION.c.kind,
    LOCATION.c.time_zone,
    LOCATION.c.country,
    LOCATION.c.postal_code,
    LOCATION.c.latitude,
    LOCATION.c.longitude,
    LOCATION.c.as_of,
    LOCATION.c.ttl_seconds,
    LOCATION.c.opened_at,
    LOCATION.c.accept_seconds,
    LOCATION.c.master,
)
"""What is asked of a location; there are hundreds of them for one basket."""

NAME = "routing"
_NO_PICKUP = (LocationKind.SUPPLIER.value, LocationKind.IN_TRANSIT.value, LocationKind.CONSIGNEE.value)
_GOODS = sa.select(ITEM.c.id, ITEM.c.sku, ITEM.c.weight_grams, ITEM.c.temperature_class, ITEM.c.size_class).where(
    ITEM.c.id.in_(sa.bindparam("items", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Question:
    """For which channel, and which order. `stock_point`: where a customer picks up. `order_id`: its own part does not
    count among the orders of a day.
    """

    channel_id: int
    goal: Goal
    stock_point: str | None = None
    order_id: int | None = None


class RoutingStore:
    """Routing's settings and pools of one transaction, at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._said: Routing | None = None

    def put(self, routing: Routing) -> None:
        """Writes what the settings say now."""
        self._said = None
        body = {
            "settings": routing.settings.model_dump(mode="json") if routing.settings else None,
            "locations": {code: one.model_dump(mode="json") for code, one in sorted(routing.locations.items())},
            "offer_to": routing.offer_to,
            "ask_again": [routing.ask_again.after.total_seconds(), routing.ask_again.times],
        }
        made = {"sqlite": sqlite, "postgresql": postgresql}[self._connection.dialect.name].insert(SETTING)
        self._connection.execute(
            made.values(name=NAME, body=json.dumps(body)).on_conflict_do_update(
                index_elements=["name"], set_={"body": made.excluded.body}, where=SETTING.c.body != made.excluded.body
            )
        )

    def routing(self) -> Routing:
        """What the settings say; in one transaction it is read once."""
        if self._said is None:
            query = sa.select(SETTING.c.body).where(SETTING.c.name == NAME)
            self._said = _read(self._connection.execute(query).scalar_one_or_none() or "{}")
        return self._said

    def depends_on_goods(self) -> bool:
        """Whether a rule or a cost is another one for other goods."""
        routing = self.routing()
        return (routing.settings is not None and routing.settings.markdown is not None) or any(
            own.classes is not None or own.contract is not None for own in routing.locations.values()
        )

    def candidates(self, question: Question, *, with_suppliers: bool = True) -> list[Candidate]:
        """The locations of the channel, best first; those that a rule drops say so."""
        goal = question.goal
        ranks = (
            sa.select(POINT_LOCATION.c.location_id, sa.func.min(POINT_LOCATION.c.rank).label("rank"))
            .join(POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id)
            .where(POINT.c.channel_id == question.channel_id)
            .group_by(POINT_LOCATION.c.location_id)
        )
        is_pickup = goal.method is DeliveryMethod.PICKUP
        if is_pickup:
            ranks = ranks.where(POINT.c.external_id == question.stock_point)
        pool = ranks.subquery()
        can = LOCATION.c.can_pickup if is_pickup else LOCATION.c.can_ship
        query = sa.select(*_SITE, pool.c.rank).join(pool, pool.c.location_id == LOCATION.c.id).where(can.is_(True))
        rows = self._connection.execute(query.order_by(pool.c.rank, LOCATION.c.id)).all()
        if not with_suppliers and not any(row.opened_at for row in rows):
            # Before the stock of a channel that goes live was taken, its orders would all be given to suppliers.
            rows = [row for row in rows if row.kind != LocationKind.SUPPLIER]
        rows = [row for row in rows if is_fresh(row.as_of, row.ttl_seconds, self._now)]
        # Who picks up comes to one place: what it lacks is never looked for in another.
        rows = rows[:1] if is_pickup else rows
        routing = self.routing()
        return _candidates(routing, rows, self._sites(routing, rows, goal, question.order_id), goal, self._now)

    def senders(self, channel_id: int | None, goals: Sequence[Goal]) -> list[list[Candidate]]:
        """For each goal, the locations that would have been asked when it was placed, as far as is known now.

        Of a channel, or (None) our own of all channels. Nobody knows any more what a location was given on a day, and
        what lay there too long; what a contract limits for one order counts nothing, and neither do classes of goods.
        """
        pool = sa.select(POINT_LOCATION.c.location_id, sa.func.min(POINT_LOCATION.c.rank).label("rank")).join(
            POINT, POINT.c.id == POINT_LOCATION.c.stock_point_id
        )
        if channel_id is not None:
            pool = pool.where(POINT.c.channel_id == channel_id)
        ranks = pool.group_by(POINT_LOCATION.c.location_id).subquery()
        query = sa.select(*_SITE, ranks.c.rank).join(ranks, ranks.c.location_id == LOCATION.c.id)
        if channel_id is None:
            query = query.where(LOCATION.c.kind != LocationKind.SUPPLIER.value)
        query = query.where(LOCATION.c.can_ship.is_(True)).order_by(ranks.c.rank, LOCATION.c.id)
        rows = self._connection.execute(query).all()
        routing = self.routing()
        missed = self._missed(routing, rows)
        sites = [
            Site(row.code, LocationKind(row.kind), row.time_zone, not_found_share=missed.get(row.id, 0.0))
            for row in rows
        ]
        return [
            [
                replace(one, terms=replace(one.terms, limits=None))
                for one in _candidates(routing, rows, sites, goal, goal.placed_at)
            ]
            for goal in goals
        ]

    def prices(self, item_ids: Collection[int]) -> dict[Place, int]:
        """What units of these items are worth to later orders, in micros, as far as the settings want it."""
        said = self.routing().settings
        if said is None or said.scarcity is None or not item_ids:
            return {}
        fresh = PRICE.c.learned_at > self._now - timedelta(hours=said.scarcity.stale_hours)
        found: dict[Place, int] = {}
        for batch in chunks(sorted(item_ids)):
            query = sa.select(PRICE).where(PRICE.c.item_id.in_(batch), fresh)
            found.update((Place(row.item_id, row.location_id), row.price) for row in self._connection.execute(query))
        return found

    def pickup_places(self, goal: Goal, near: int | None = None) -> list[Candidate]:
        """Every place of ours where customers collect and that is open, the nearest first.

        Near to where the order goes, or to the location `near`, where the customer meant to come.
        """
        unranked = sa.literal(0).label("rank")
        query = sa.select(*_SITE, unranked).where(LOCATION.c.can_pickup.is_(True), LOCATION.c.kind.not_in(_NO_PICKUP))
        rows = self._connection.execute(query.order_by(LOCATION.c.id)).all()
        here = next((row for row in rows if row.id == near), None)
        target = locate(goal.country, goal.postal_code) if here is None else _place(here)
        goal, routing = replace(goal, method=DeliveryMethod.PICKUP), self.routing()
        few = _candidates(routing, rows, self._sites(routing, rows, goal), goal, self._now)
        found = [
            replace(one, distance_km=_distance(row, target))
            for row, one in zip(rows, few, strict=True)
            if one.terms.dropped is None and row.id != near and is_fresh(row.as_of, row.ttl_seconds, self._now)
        ]
        unknown = float("inf")
        return sorted(found, key=lambda one: (unknown if one.distance_km is None else one.distance_km, one.code))

    def lock_days(self, location_ids: Collection[int]) -> bool:
        """Locks those of these locations that have a limit of a day, so that it can be counted; whether there are any.

        Not against what only names them: rows of stock and of orders may be written meanwhile.
        """
        routing = self.routing()
        limited = [code for code in routing.locations if _is_limited(routing, code)]
        if not limited:
            return False
        query = sa.select(LOCATION.c.id).where(LOCATION.c.id.in_(sorted(location_ids)), LOCATION.c.code.in_(limited))
        return bool(self._connection.execute(query.order_by(LOCATION.c.id).with_for_update(key_share=True)).all())

    def costs(self) -> Costs:
        """What holds for every order."""
        return self.routing().costs

    def has_point(self, question: Question) -> bool:
        """Whether the channel has the stock point where the customer would come."""
        query = sa.select(POINT.c.id).where(
            POINT.c.channel_id == question.channel_id, POINT.c.external_id == question.stock_point
        )
        return self._connection.execute(query).first() is not None

    def is_gated(self, channel_id: int) -> bool:
        """Whether a channel has not gone live yet."""
        query = sa.select(CHANNEL.c.is_gated).where(CHANNEL.c.id == channel_id)
        return bool(self._connection.execute(query).scalar_one())

    def journeys(self, location_ids: Collection[int], goal: Goal) -> dict[int, Journey]:
        """How an order would leave these locations, without those that a rule drops."""
        routing = self.routing()
        rows = self._connection.execute(sa.select(*_SITE).where(LOCATION.c.id.in_(sorted(location_ids)))).all()
        found = {
            row.id: journey(routing, site, goal, self._now)
            for row, site in zip(rows, self._sites(routing, rows, goal), strict=True)
        }
        return {location: one for location, one in found.items() if isinstance(one, Journey)}

    def goods_of(self, item_ids: Collection[int]) -> dict[int, Goods]:
        """What routing must know of each item."""
        found: dict[int, Goods] = {}
        for batch in chunks(sorted(item_ids)):
            for row in self._connection.execute(_GOODS, {"items": batch}):
                classes = frozenset(filter(None, (row.temperature_class, row.size_class)))
                found[row.id] = Goods(row.sku, row.weight_grams or 0, classes)
        return found

    def _sites(
        self, routing: Routing, rows: Sequence[Row[*tuple[Any, ...]]], goal: Goal, without_order: int | None = None
    ) -> list[Site]:
        history = HistoryOfPlaces(self._connection, self._now)
        limited = {row.id: row.time_zone for row in rows if _is_limited(routing, row.code)}
        orders, units = self._given_today(limited, without_order)
        said = routing.settings
        ours = [row.id for row in rows if row.kind != LocationKind.SUPPLIER]
        bound = {
            row.id: row.master
            for row in rows
            if (own := routing.locations.get(row.code)) is not None
            and own.contract
            and own.contract.min_order
            and row.master
        }
        missed = self._missed(routing, rows)
        reliefs = history.reliefs(said.markdown, ours, goal.goods) if said and said.markdown else {}
        prices = history.prices(set(bound.values()), goal.goods) if bound else {}
        return [
            Site(
                row.code,
                LocationKind(row.kind),
                row.time_zone,
                orders[row.id],
                missed.get(row.id, 0.0),
                units[row.id],
                reliefs.get(row.id, {}),
                prices.get(bound.get(row.id, ""), {}),
            )
            for row in rows
        ]

    def _missed(self, routing: Routing, rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, float]:
        """By location, how much of what it is to send is not found there, where the settings want to know."""
        if routing.settings is None or not routing.settings.not_found:
            return {}
        return HistoryOfPlaces(self._connection, self._now).not_found(routing.settings, [row.id for row in rows])

    def _given_today(self, zones: Mapping[int, str], without_order: int | None) -> tuple[Counter[int], Counter[int]]:
        """Fulfillment orders, and units, that locations were given since their midnight, but for one order."""
        orders: Counter[int] = Counter()
        units: Counter[int] = Counter()
        midnights: dict[datetime, list[int]] = {}
        for location, zone in zones.items():
            local = self._now.astimezone(ZoneInfo(zone))
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            midnights.setdefault(midnight.astimezone(self._now.tzinfo), []).append(location)
        for midnight, locations in midnights.items():
            query = (
                sa.select(
                    FULFILLMENT.c.location_id,
                    sa.func.count(FULFILLMENT.c.id.distinct()),
                    sa.func.sum(FULFILLMENT_LINE.c.units),
                )
                .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.fulfillment_order_id == FULFILLMENT.c.id)
                .where(
                    FULFILLMENT.c.location_id.in_(locations),
                    FULFILLMENT.c.created_at >= midnight,
                    FULFILLMENT.c.state != "canceled",
                    sa.true() if without_order is None else FULFILLMENT.c.order_id != without_order,
                )
                .group_by(FULFILLMENT.c.location_id)
            )
            for location, count, total in self._connection.execute(query):
                orders[location], units[location] = int(count), int(total)
        return orders, units


def _candidates(
    routing: Routing, rows: Sequence[Row[*tuple[Any, ...]]], sites: Sequence[Site], goal: Goal, now: datetime
) -> list[Candidate]:
    destination = locate(goal.country, goal.postal_code)
    return [
        Candidate(
            row.id,
            row.code,
            row.kind == LocationKind.SUPPLIER,
            row.rank,
            _distance(row, destination),
            terms(routing, site, goal, now),
            row.kind == LocationKind.STORE and row.accept_seconds is not None,
        )
        for row, site in zip(rows, sites, strict=True)
    ]


def is_fresh(as_of: datetime | None, ttl_seconds: float | None, now: datetime) -> bool:
    """Whether a location's units may still be promised: always, but for a supplier whose number is too old."""
    return ttl_seconds is None or (as_of is not None and now < as_of + timedelta(seconds=ttl_seconds))


def _is_limited(routing: Routing, code: str) -> bool:
    own = routing.locations.get(code)
    if own is None:
        return False
    return own.daily_orders is not None or (own.contract is not None and own.contract.daily_units is not None)


@lru_cache(maxsize=8)
def _read(body: str) -> Routing:
    read = json.loads(body)
    return Routing(
        RoutingSettings.model_validate_json(json.dumps(read["settings"])) if read.get("settings") else None,
        {code: LocationRouting.model_validate_json(json.dumps(one)) for code, one in read.get("locations", {}).items()},
        read.get("offer_to", 1),
        _ask_again(read["ask_again"]) if "ask_again" in read else SOON,
    )


def _ask_again(said: tuple[float, int]) -> AskAgain:
    return AskAgain(timedelta(seconds=said[0]), said[1])


def _place(row: Row[*tuple[Any, ...]]) -> Coordinates | None:
    if row.latitude is None or row.longitude is None:
        return locate(row.country, row.postal_code)
    return Coordinates(latitude=row.latitude, longitude=row.longitude)


def _distance(row: Row[*tuple[Any, ...]], destination: Coordinates | None) -> float | None:
    place = _place(row)
    return None if destination is None or place is None else distance_km(place, destination)
