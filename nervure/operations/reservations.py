"""Holding units for a cart or a pending payment, until an event ends it: released, expired, or taken over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.operations.staff import UnknownStockError
from nervure.orders.reservations import Ask, LackingError, reserve, sum_asks, take_over
from nervure.orders.settling import cover, serve_shortfalls
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, savepoint
from nervure.store.reservations import HeldUnits, KnownOrder, ReservationState, ReservationStore
from nervure.store.stock import StockStore
from schemas.orders import DeliveryMethod

MAX_HOLD_MINUTES = 60 * 24 * 31
"""A month: what is held longer is no cart any more."""


class ReservationError(RefusalError):
    """A reservation cannot be made, changed or taken over as it was asked."""


class NotEnoughStockError(RefusalError):
    """Less is available than was asked for; nothing was taken."""


class UnknownReservationError(UnknownError):
    """Nobody has reserved anything under this reference."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Units of a sku, at a location, or (None) from the pool of the channel."""

    sku: str
    units: int
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was reserved and what became of it. `held`: the units it took, also after it ended.

    `is_new`: this call made it.
    """

    reference: str
    channel: str | None
    order: str | None
    state: str
    expires_at: datetime
    held: tuple[HeldUnits, ...]
    is_new: bool = False


def make_reservation(
    hub: Hub, reference: str, wishes: Sequence[Wish], *, expires_at: datetime, channel: str | None = None
) -> Reservation:
    """Holds all that is wished, or nothing. The same again answers the same, and may let it end later.

    Raises:
        NotEnoughStockError: with all that is missing.
        ReservationError: the reference was used for something else, or its reservation has ended.
        UnknownStockError: no such sku, location or channel.
    """
    if not wishes or any(wish.units <= 0 for wish in wishes):
        raise ReservationError(f"reservation {reference!r} asks for nothing: name skus with units above 0")
    now = hub.clock.now()
    if expires_at <= now:
        raise ReservationError(f"reservation {reference!r} would end before it begins")

    def work(connection: Connection) -> Reservation:
        store = ReservationStore(connection, now)
        channel_id = _channel_id(store, channel)
        asks = _asks(connection, now, wishes, has_pool=channel_id is not None)
        is_new = store.open(reference, channel_id, expires_at, asks)
        if is_new:
            pool = store.pool(channel_id) if channel_id is not None else []
            try:
                takes = reserve(StockStore(connection, now), asks, pool)
            except LackingError as error:
                raise NotEnoughStockError(_what_lacks(connection, now, error, channel)) from error
            store.hold(takes, reference=reference, expires_at=expires_at)
        else:
            _ask_again(store, reference, asks, channel, expires_at)
        return _seen(store, reference, is_new=is_new)

    def alone(connection: Connection) -> Reservation | RefusalError:
        try:
            with savepoint(connection):
                return work(connection)
        except RefusalError as refusal:
            return refusal

    # A flash sale is many carts at once for one item: on SQLite they share a commit, and wait for no other's.
    answer = hub.together.do(alone)
    if isinstance(answer, RefusalError):
        raise answer
    return answer


def _ask_again(
    store: ReservationStore, reference: str, asks: Sequence[Ask], channel: str | None, expires_at: datetime
) -> None:
    known = _locked(store, reference)
    if sum_asks(store.asks(known.id)) != list(asks) or (known.order is None and known.channel != channel):
        raise ReservationError(f"reservation {reference!r} was made for something else: use another reference")
    if known.state != "held":
        raise ReservationError(
            f"reservation {reference!r} was {known.state} at {_moment(known.ended_at)}: use another reference"
        )
    store.extend(known.id, expires_at)


def look_up(hub: Hub, reference: str) -> Reservation:
    """What a reservation holds, or what became of it.

    Raises:
        UnknownReservationError: there is none of that reference.
    """
    with hub.database.read() as connection:
        return _seen(ReservationStore(connection, hub.clock.now()), reference)


def release_reservation(hub: Hub, reference: str) -> bool:
    """Ends a hold and gives its units back; False: it had ended before.

    Raises:
        UnknownReservationError: there is none of that reference.
        ReservationError: an order has taken the units over; cancel that one.
    """

    def work(connection: Connection) -> bool:
        desk = hub.desk(connection)
        store = ReservationStore(connection, desk.now)
        known = _locked(store, reference)
        if known.state == "consumed":
            raise ReservationError(f"order {known.order!r} of {known.channel} has taken {reference!r} over: cancel it")
        given_back = store.release(known)
        serve_shortfalls({take.place.item_id for take in given_back}, desk)
        return known.state == "held"

    return hub.database.run(work)


def expire_reservations(hub: Hub) -> int:
    """Ends the holds whose time is over, and serves who waits with what they held; answers how many ended."""

    def work(connection: Connection) -> int:
        desk = hub.desk(connection)
        ended, given_back = ReservationStore(connection, desk.now).expire()
        serve_shortfalls({take.place.item_id for take in given_back}, desk)
        return ended

    return hub.database.run(work)


def give_to_order(hub: Hub, reference: str, channel: str, order: str) -> Reservation:
    """Says which order a hold was for. An order that was heard takes the units over now, another one when it is heard.

    A hold that has ended gives nothing: the order claims as any other does, and falls short where nothing is left.

    Raises:
        UnknownReservationError: there is none of that reference.
        ReservationError: it is for another channel or another order.
        UnknownStockError: no such channel.
    """

    def work(connection: Connection) -> Reservation:
        store = ReservationStore(connection, hub.clock.now())
        channel_id = store.channel_id(channel)
        if channel_id is None:
            raise UnknownStockError(f"channel {channel!r} is not known")
        heard = store.order(channel_id, order)
        known = _locked(store, reference)
        if known.channel not in {None, channel} or known.order not in {None, order}:
            whose = known.channel if known.order is None else f"order {known.order!r} of {known.channel}"
            raise ReservationError(f"reservation {reference!r} is for {whose}")
        if known.state == "held":
            store.name_order(known.id, channel_id, order)
            if heard is not None and heard.counts:
                _take_over(hub, connection, heard)
        return _seen(store, reference)

    return hub.database.run(work)


def _take_over(hub: Hub, connection: Connection, order: KnownOrder) -> None:
    desk = hub.desk(connection)
    is_handed_over = order.delivery is DeliveryMethod.HANDED_OVER
    lines = desk.orders.lines(order.id)
    freed = take_over(order.id, desk, lines, reference=None, may_allocate=not is_handed_over)
    if not is_handed_over:
        cover(order.id, desk, desk.orders.lines(order.id), may_split=order.delivery is DeliveryMethod.SHIP)
    serve_shortfalls(freed, desk)


def _asks(connection: Connection, now: datetime, wishes: Sequence[Wish], *, has_pool: bool) -> list[Ask]:
    catalogue = CatalogueStore(connection, now)
    items = catalogue.item_ids({wish.sku for wish in wishes})
    locations = catalogue.location_ids()
    asks = []
    for wish in wishes:
        if wish.sku not in items:
            raise UnknownStockError(f"sku {wish.sku!r} is not known")
        if wish.location is not None and wish.location not in locations:
            raise UnknownStockError(f"location {wish.location!r} is not known")
        if wish.location is None and not has_pool:
            raise ReservationError(f"{wish.sku!r} names no location: name one, or the channel whose pool is meant")
        asks.append(Ask(items[wish.sku], locations[wish.location] if wish.location else None, wish.units))
    return sum_asks(asks)


def _channel_id(store: ReservationStore, channel: str | None) -> int | None:
    if channel is None:
        return None
    found = store.channel_id(channel)
    if found is None:
        raise UnknownStockError(f"channel {channel!r} is not known")
    return found


def _locked(store: ReservationStore, reference: str) -> ReservationState:
    return _known(store.find(reference, locked=True), reference)


def _known(found: ReservationState | None, reference: str) -> ReservationState:
    if found is None:
        raise UnknownReservationError(f"there is no reservation {reference!r}")
    return found


def _seen(store: ReservationStore, reference: str, *, is_new: bool = False) -> Reservation:
    known = _known(store.find(reference), reference)
    return Reservation(
        known.reference,
        known.channel,
        known.order,
        known.state,
        known.expires_at,
        tuple(store.held(reference)),
        is_new,
    )


def _what_lacks(connection: Connection, now: datetime, error: LackingError, channel: str | None) -> str:
    catalogue = CatalogueStore(connection, now)
    codes = {number: code for code, number in catalogue.location_ids().items()}
    skus = catalogue.skus_of({lack.item_id for lack in error.lacks})
    lacks = sorted(
        f"{skus[lack.item_id]!r} at {codes[lack.location_id] if lack.location_id else f'the places of {channel}'}:"
        f" wanted {lack.wanted}, available {lack.there}"
        for lack in error.lacks
    )
    return f"not enough stock, nothing is reserved: {'; '.join(lacks)}"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
