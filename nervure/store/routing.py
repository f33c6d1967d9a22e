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

from nervure.orders.declines import SOON, AskAgain
from nervure.orders.geography import distance_km, locate
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goal, Routing, Site, Way, terms, way
from nervure.store import tables
from nervure.store.statements import chunks
from schemas.fulfillment import OfferState
from schemas.locations import Coordinates, LocationKind
from schemas.orders import DeliveryMethod
from schemas.routing import LocationRouting, RoutingSettings

SETTING = tables.of(tables.RoutingSettingRow)
CHANNEL = tables.of(tables.ChannelRow)
LOCATION = tables.of(tables.LocationRow)
POINT = tables.of(tables.StockPointRow)
POINT_LOCATION = tables.of(tables.StockPointLocationRow)
FULFILLMENT = tables.of(tables.FulfillmentOrderRow)
ITEM = tables.of(tables.ItemRow)
OFFER = tables.of(tables.FulfillmentOfferRow)

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
)
"""What is asked of a location; there are hundreds of them for one basket."""

NAME = "routing"
_NO_PICKUP = (LocationKind.SUPPLIER.value, LocationKind.IN_TRANSIT.value, LocationKind.CONSIGNEE.value)
NOT_FOUND_DAYS = 90
"""So far back it is looked how often a location did not find what it was to send."""


@dataclass(frozen=True, slots=True)
class Question:
    """For which channel, and which order. `stock_point`: where a customer picks up."""

    channel_id: int
    goal: Goal
    stock_point: str | None = None


class RoutingStore:
    """Routing's settings and pools of one transaction, at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def put(self, routing: Routing) -> None:
        """Writes what the settings say now."""
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
        """What the settings say."""
        query = sa.select(SETTING.c.body).where(SETTING.c.name == NAME)
        return _read(self._connection.execute(query).scalar_one_or_none() or "{}")

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
        sites = self._sites(routing, rows)
        destination = locate(goal.country, goal.postal_code)
        return [
            Candidate(
                row.id,
                row.code,
                row.kind == LocationKind.SUPPLIER,
                row.rank,
                _distance(row, destination),
                terms(routing, site, goal, self._now),
                row.kind == LocationKind.STORE and row.accept_seconds is not None,
            )
            for row, site in zip(rows, sites, strict=True)
        ]

    def pickup_places(self, goal: Goal, near: int | None = None) -> list[Candidate]:
        """Every place of ours where customers collect and that is open, the nearest first.

        Near to where the order goes, or to the location `near`, where the customer meant to come.
        """
        query = sa.select(LOCATION).where(LOCATION.c.can_pickup.is_(True), LOCATION.c.kind.not_in(_NO_PICKUP))
        rows = self._connection.execute(query.order_by(LOCATION.c.id)).all()
        here = next((row for row in rows if row.id == near), None)
        target = locate(goal.country, goal.postal_code) if here is None else _place(here)
        ways = self.ways([row.id for row in rows], replace(goal, method=DeliveryMethod.PICKUP))
        found = [
            Candidate(row.id, row.code, is_supplier=False, rank=rank, distance_km=_distance(row, target))
            for rank, row in enumerate(rows)
            if row.id in ways and row.id != near and is_fresh(row.as_of, row.ttl_seconds, self._now)
        ]
        unknown = float("inf")
        return sorted(found, key=lambda one: (unknown if one.distance_km is None else one.distance_km, one.code))

    def is_gated(self, channel_id: int) -> bool:
        """Whether a channel has not gone live yet."""
        query = sa.select(CHANNEL.c.is_gated).where(CHANNEL.c.id == channel_id)
        return bool(self._connection.execute(query).scalar_one())

    def ways(self, location_ids: Collection[int], goal: Goal) -> dict[int, Way]:
        """How an order would leave these locations, without those that a rule drops."""
        routing = self.routing()
        rows = self._connection.execute(sa.select(*_SITE).where(LOCATION.c.id.in_(sorted(location_ids)))).all()
        found = {
            row.id: way(routing, site, goal, self._now)
            for row, site in zip(rows, self._sites(routing, rows), strict=True)
        }
        return {location: one for location, one in found.items() if isinstance(one, Way)}

    def grams_of(self, item_ids: Collection[int]) -> dict[int, int]:
        """What a unit of each item weighs; 0 where nobody knows."""
        found = dict.fromkeys(item_ids, 0)
        for batch in chunks(sorted(item_ids)):
            query = sa.select(ITEM.c.id, ITEM.c.weight_grams).where(ITEM.c.id.in_(batch), ITEM.c.weight_grams > 0)
            found.update((row.id, row.weight_grams) for row in self._connection.execute(query))
        return found

    def _sites(self, routing: Routing, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Site]:
        limited = {row.id: row.time_zone for row in rows if _is_limited(routing, row.code)}
        today = self._orders_today(limited)
        missed = self._not_found() if routing.settings and routing.settings.not_found else {}
        return [
            Site(row.code, LocationKind(row.kind), row.time_zone, today.get(row.id, 0), missed.get(row.id, 0.0))
            for row in rows
        ]

    def _orders_today(self, zones: Mapping[int, str]) -> Counter[int]:
        """Fulfillment orders that locations were given since their midnight."""
        counted: Counter[int] = Counter()
        midnights: dict[datetime, list[int]] = {}
        for location, zone in zones.items():
            local = self._now.astimezone(ZoneInfo(zone))
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
            midnights.setdefault(midnight.astimezone(self._now.tzinfo), []).append(location)
        for midnight, locations in midnights.items():
            query = (
                sa.select(FULFILLMENT.c.location_id, sa.func.count())
                .where(
                    FULFILLMENT.c.location_id.in_(locations),
                    FULFILLMENT.c.created_at >= midnight,
                    FULFILLMENT.c.state != "canceled",
                )
                .group_by(FULFILLMENT.c.location_id)
            )
            counted.update({row[0]: int(row[1]) for row in self._connection.execute(query)})
        return counted

    def _not_found(self) -> dict[int, float]:
        """By location, the share of its fulfillment orders that another location had to do instead.

        One that was offered to several, and that another one accepted first, is nobody's fault.
        """
        was_faster = OFFER.c.fulfillment_order_id == FULFILLMENT.c.id, OFFER.c.state == OfferState.ACCEPTED.value
        missed = sa.case((~sa.select(OFFER.c.id).where(*was_faster).exists(), FULFILLMENT.c.moved_to_id))
        query = (
            sa.select(FULFILLMENT.c.location_id, sa.func.count(), sa.func.count(missed))
            .where(FULFILLMENT.c.created_at >= self._now - timedelta(days=NOT_FOUND_DAYS))
            .group_by(FULFILLMENT.c.location_id)
        )
        return {row[0]: row[2] / row[1] for row in self._connection.execute(query) if row[2]}


def is_fresh(as_of: datetime | None, ttl_seconds: float | None, now: datetime) -> bool:
    """Whether a location's units may still be promised: always, but for a supplier whose number is too old."""
    return ttl_seconds is None or (as_of is not None and now < as_of + timedelta(seconds=ttl_seconds))


def _is_limited(routing: Routing, code: str) -> bool:
    own = routing.locations.get(code)
    return own is not None and own.daily_orders is not None


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
