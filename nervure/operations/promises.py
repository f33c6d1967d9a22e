"""What a shop may promise before an order is placed: when it arrives, from where, in how many parcels."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from nervure.inventory.stock import Place
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.orders.costs import AS_EVER, Costs, euros
from nervure.orders.routing import Candidate, Effort, Plan, Wanted, route
from nervure.orders.rules import Goal, Journey
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.routing import Question, RoutingStore
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from schemas.orders import DeliveryMethod
from schemas.routing import RoutingMethod

OF_A_PROMISE = Effort(nodes=3_000, explains=False)
"""A customer waits: the search of a promise is shorter than that of an order, which may find a cheaper plan."""


@dataclass(frozen=True, slots=True)
class Basket:
    """What a customer would buy: units by sku, and how and where to it would go."""

    channel: str
    lines: Sequence[tuple[str, int]]
    method: DeliveryMethod = DeliveryMethod.SHIP
    country: str | None = None
    postal_code: str | None = None
    stock_point: str | None = None


@dataclass(frozen=True, slots=True)
class PromisedParcel:
    """What one location would send, or hand over. Days are in its time zone."""

    location: str
    leaves_on: date
    arrives_on: date
    units: dict[str, int]


@dataclass(frozen=True, slots=True)
class Promise:
    """A plan that holds while nobody else takes the units. `arrives_on` None: nothing can be promised.

    `cost` is in euros; None where the merchant has said nothing of costs. `missing`: units by sku.
    `is_proved`: no plan is cheaper, and none has fewer missing units. Else one could be cheaper by `gap` euros at most,
    or have fewer missing by `missing_gap` units at most: the order, which is planned with more work, may be served so.
    """

    arrives_on: date | None
    parcels: tuple[PromisedParcel, ...]
    missing: dict[str, int]
    cost: str | None
    is_proved: bool
    gap: str | None
    missing_gap: int

    @property
    def is_complete(self) -> bool:
        return not self.missing


@dataclass(frozen=True, slots=True)
class BasketQuestion:
    """A basket as a question of routing: all that its plan follows from. `goal`: where it goes; `prices`: of
    scarce units.
    """

    wanted: Sequence[Wanted]
    candidates: Sequence[Candidate]
    free: Mapping[Place, int]
    costs: Costs
    prices: Mapping[Place, int]
    goal: Goal
    may_split: bool

    def plan(self) -> Plan:
        """The plan that is promised."""
        return route(
            self.wanted,
            self.candidates,
            self.free,
            may_split=self.may_split,
            costs=self.costs,
            prices=self.prices,
            effort=OF_A_PROMISE,
        )


def promise(hub: Hub, basket: Basket) -> Promise:
    """Plans a basket from what is available to promise now.

    Raises:
        UnknownError: a channel, a sku or a stock point that the hub does not know.
        RefusalError: the delivery method is not promised.
    """
    if basket.method is DeliveryMethod.HANDED_OVER:
        raise RefusalError("what is handed over at a till needs no promise")
    if basket.method is DeliveryMethod.PICKUP and basket.stock_point is None:
        raise RefusalError("a pickup needs the stock_point where the customer comes")
    now = hub.clock.now()
    with hub.database.read() as connection:
        asked = question_of(connection, now, basket)
        plan = asked.plan()
        journeys = RoutingStore(connection, now).journeys({pick.location_id for pick in plan.picks}, asked.goal)
    codes = {one.location_id: one.code for one in asked.candidates}
    return _promised(basket, plan, journeys, codes, asked.costs)


def question_of(connection: Connection, now: datetime, basket: Basket) -> BasketQuestion:
    """Reads all that the plan of a basket follows from.

    Raises:
        UnknownError: a channel, a sku or a stock point that the hub does not know.
    """
    catalogue = CatalogueStore(connection, now)
    ids = catalogue.item_ids([sku for sku, _ in basket.lines])
    channels = StockPointStore(connection, now).channel_ids()
    unknown = sorted({sku for sku, _ in basket.lines} - ids.keys())
    if basket.channel not in channels:
        raise UnknownError(f"no channel {basket.channel!r}")
    if unknown:
        raise UnknownError(f"no item {unknown[0]!r}")
    store, stock = RoutingStore(connection, now), StockStore(connection, now)
    parts_of = stock.parts_of(set(ids.values()))
    parts = {part for made_of in parts_of.values() for part in made_of}
    known = store.goods_of(parts | set(ids.values()))
    goods = {part: known[part] for part in parts}
    goal = Goal(basket.method, basket.country, basket.postal_code, now, basket.channel, goods)
    question = Question(channels[basket.channel], goal, basket.stock_point)
    if basket.method is DeliveryMethod.PICKUP and not store.has_point(question):
        raise UnknownError(f"no stock point {basket.stock_point!r} on channel {basket.channel!r}")
    there = stock.at_items(parts)
    return BasketQuestion(
        wanted=[
            Wanted(number, units, parts_of[ids[sku]], known[ids[sku]].grams)
            for number, (sku, units) in enumerate(basket.lines)
        ],
        candidates=store.candidates(question, with_suppliers=not store.is_gated(question.channel_id)),
        free={place: one.available_to_promise for place, one in there.items()},
        costs=store.costs(),
        prices=store.prices(parts),
        goal=goal,
        may_split=basket.method is DeliveryMethod.SHIP,
    )


def _promised(basket: Basket, plan: Plan, journeys: dict[int, Journey], codes: dict[int, str], costs: Costs) -> Promise:
    units: dict[int, Counter[str]] = defaultdict(Counter)
    missing: Counter[str] = Counter()
    for pick in plan.picks:
        units[pick.location_id][basket.lines[pick.line_id][0]] += pick.units
    for line, count in plan.missing.items():
        missing[basket.lines[line][0]] += count
    parcels = tuple(
        PromisedParcel(codes[location], journeys[location].leaves_on, journeys[location].arrives_on, dict(inside))
        for location, inside in units.items()
    )
    arrives = max((parcel.arrives_on for parcel in parcels), default=None)
    is_priced = costs != AS_EVER
    return Promise(
        arrives,
        parcels,
        dict(missing),
        cost=euros(plan.cost) if is_priced and plan.picks else None,
        is_proved=costs.method is RoutingMethod.COST and not plan.gap and not plan.missing_gap,
        gap=euros(plan.gap) if is_priced else None,
        missing_gap=plan.missing_gap,
    )
