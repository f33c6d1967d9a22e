"""What carts ask for, with the pool, the rules and the costs that an order of now would be served by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nervure.orders.reservations import Ask, Cart
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goal, Goods
from nervure.store.database import Connection
from nervure.store.routing import Question, RoutingStore
from nervure.store.stock import StockStore
from schemas.orders import DeliveryMethod


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a parcel would go. A cart without one is planned without the rules and prices that depend on it."""

    country: str
    postal_code: str | None = None


@dataclass(frozen=True, slots=True)
class CartAsks:
    """What one cart asks for. `channel`: from whose pool, by number and name; None: each ask names its location."""

    asks: Sequence[Ask]
    channel: tuple[int, str] | None
    destination: Destination | None


def carts_of(connection: Connection, now: datetime, asked: Sequence[CartAsks]) -> list[Cart]:
    """The carts in their order. Pools are read once for all that ask the same there."""
    routing = RoutingStore(connection, now)
    parts_of = StockStore(connection, now).parts_of({ask.item_id for one in asked for ask in one.asks})
    known = routing.goods_of(parts_of.keys() | {part for parts in parts_of.values() for part in parts})
    grams = {item: goods.grams for item, goods in known.items()}
    costs, depends_on_goods = routing.costs(), routing.depends_on_goods()
    prices = routing.prices(known.keys())
    pools: dict[tuple[object, ...], list[Candidate]] = {}
    carts: list[Cart] = []
    for one in asked:
        if one.channel is None:
            carts.append(Cart(one.asks, (), costs, grams, prices))
            continue
        parts = frozenset(part for ask in one.asks if ask.location_id is None for part in parts_of[ask.item_id])
        key = (one.channel, one.destination, parts if depends_on_goods else None)
        if key not in pools:
            goods = {part: known[part] for part in parts} if depends_on_goods else {}
            is_open = not routing.is_gated(one.channel[0])
            pools[key] = routing.candidates(_question(one, one.channel, goods, now), with_suppliers=is_open)
        carts.append(Cart(one.asks, pools[key], costs, grams, prices))
    return carts


def _question(one: CartAsks, channel: tuple[int, str], goods: Mapping[int, Goods], now: datetime) -> Question:
    to = one.destination
    country, postal_code = (to.country, to.postal_code) if to else (None, None)
    goal = Goal(DeliveryMethod.SHIP, country, postal_code, now, channel[1], goods, has_destination=to is not None)
    return Question(channel[0], goal)
