"""Holding units for a cart or a pending payment, until an event ends it: released, expired, or taken over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from nervure.inventory.stock import Take
from nervure.operations.carts import CartAsks, Destination, carts_of
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.operations.staff import UnknownStockError
from nervure.orders.reservations import Ask, LackingError, serve_in_turn, sum_asks, take_over
from nervure.orders.settling import cover, serve_shortfalls
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.reservations import HeldUnits, KnownOrder, NewReservation, ReservationState, ReservationStore
from nervure.store.stock_points import StockPointStore
from schemas.base import MAX_UNITS
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


@dataclass(frozen=True, slots=True)
class Request:
    """A cart: what it wants, until when, from the pool of which channel, and where it would go."""

    reference: str
    wishes: tuple[Wish, ...]
    expires_at: datetime
    channel: str | None
    destination: Destination | None = None


def make_reservation(
    hub: Hub,
    reference: str,
    wishes: Sequence[Wish],
    *,
    expires_at: datetime,
    channel: str | None = None,
    destination: Destination | None = None,
) -> Reservation:
    """Holds all that is wished, or nothing. The same again answers the same, and may let it end later.

    Units come from where an order of now would be served, at the merchant's costs and rules.

    A flash sale is many carts at once for one item: they are served in their order of arrival, as one set.

    Raises:
        NotEnoughStockError: with all that is missing.
        ReservationError: the reference was used for something else, or its reservation has ended.
        UnknownStockError: no such sku, location or channel.
    """
    if not wishes or any(wish.units <= 0 for wish in wishes):
        raise ReservationError(f"reservation {reference!r} asks for nothing: name skus with units above 0")
    if expires_at <= hub.clock.now():
        raise ReservationError(f"reservation {reference!r} would end before it begins")
    answer = hub.together(make_all).ask(Request(reference, tuple(wishes), expires_at, channel, destination))
    if isinstance(answer, RefusalError):
        raise answer
    return answer


def make_all(hub: Hub, connection: Connection, requests: Sequence[Request]) -> list[Reservation | RefusalError]:
    """Makes each reservation or says why not, in their order and by the same statements for all of them."""
    now = hub.clock.now()
    store = ReservationStore(connection, now)
    answers: dict[int, Reservation | RefusalError] = {}
    wanted: dict[str, tuple[int, NewReservation]] = {}
    later: list[int] = []
    for number, one in enumerate(_understood(connection, now, requests)):
        if isinstance(one, RefusalError):
            answers[number] = one
        elif one.reference in wanted:
            later.append(number)
        else:
            wanted[one.reference] = number, one
    made = store.open([one for _, one in wanted.values()])
    # Reservations are locked before the shelves, as everybody does who ends one.
    for reference, (number, one) in sorted(wanted.items()):
        if reference not in made:
            answers[number] = _ask_again(store, one, requests[number].channel)
    new = [(number, one) for reference, (number, one) in wanted.items() if reference in made]
    answers |= _hold(connection, now, store, new, requests)
    store.forget([made[one.reference] for number, one in new if isinstance(answers[number], RefusalError)])
    # Who names a reference that another has just named is answered by what became of that one.
    if later:
        answers |= zip(later, make_all(hub, connection, [requests[number] for number in later]), strict=True)
    return [answers[number] for number in range(len(requests))]


def _hold(
    connection: Connection,
    now: datetime,
    store: ReservationStore,
    new: Sequence[tuple[int, NewReservation]],
    requests: Sequence[Request],
) -> dict[int, Reservation | RefusalError]:
    """Takes the units of new reservations, in their order; answers by the requests' numbers."""
    asked = [
        CartAsks(
            one.asks, None if one.channel_id is None else (one.channel_id, request.channel or ""), request.destination
        )
        for number, one in new
        for request in [requests[number]]
    ]
    carts = carts_of(connection, now, asked)
    answers: dict[int, Reservation | RefusalError] = {}
    taken: dict[int, tuple[NewReservation, Sequence[Take]]] = {}
    for (number, one), takes in zip(new, serve_in_turn(store.stock, carts), strict=True):
        if isinstance(takes, LackingError):
            answers[number] = NotEnoughStockError(_what_lacks(connection, now, takes, requests[number].channel))
        else:
            taken[number] = one, takes
    store.hold(list(taken.values()))
    held = store.held([one.reference for one, _ in taken.values()])
    for number, (one, _) in taken.items():
        answers[number] = Reservation(
            one.reference,
            requests[number].channel,
            None,
            "held",
            one.expires_at,
            held.get(one.reference, ()),
            is_new=True,
        )
    return answers


def _understood(
    connection: Connection, now: datetime, requests: Sequence[Request]
) -> list[NewReservation | RefusalError]:
    """What each request names, in internal ids, or which name is not known."""
    catalogue = CatalogueStore(connection, now)
    wishes = [wish for one in requests for wish in one.wishes]
    items = catalogue.item_ids({wish.sku for wish in wishes})
    codes = {wish.location for wish in wishes if wish.location is not None}
    locations = LocationStore(connection, now).ids(codes) if codes else {}
    channels = (
        StockPointStore(connection, now).channel_ids() if any(one.channel is not None for one in requests) else {}
    )
    found: list[NewReservation | RefusalError] = []
    for one in requests:
        try:
            channel_id = None if one.channel is None else _channel_id(channels, one.channel)
            asks = _asks(one.wishes, items, locations, has_pool=channel_id is not None)
            found.append(NewReservation(one.reference, channel_id, one.expires_at, asks))
        except RefusalError as refusal:
            found.append(refusal)
    return found


def _ask_again(store: ReservationStore, one: NewReservation, channel: str | None) -> Reservation | RefusalError:
    known = _locked(store, one.reference)
    if sum_asks(store.asks(known.id)) != list(one.asks) or (known.order is None and known.channel != channel):
        return ReservationError(f"reservation {one.reference!r} was made for something else: use another reference")
    if known.state != "held":
        return ReservationError(
            f"reservation {one.reference!r} was {known.state} at {_moment(known.ended_at)}: use another reference"
        )
    store.extend(known.id, one.expires_at)
    return _seen(store, one.reference)


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
        channel_id = _channel_id(StockPointStore(connection, hub.clock.now()).channel_ids(), channel)
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


def _asks(
    wishes: Sequence[Wish], items: Mapping[str, int], locations: Mapping[str, int], *, has_pool: bool
) -> list[Ask]:
    asks = []
    for wish in wishes:
        if wish.sku not in items:
            raise UnknownStockError(f"sku {wish.sku!r} is not known")
        if wish.location is not None and wish.location not in locations:
            raise UnknownStockError(f"location {wish.location!r} is not known")
        if wish.location is None and not has_pool:
            raise ReservationError(f"{wish.sku!r} names no location: name one, or the channel whose pool is meant")
        asks.append(Ask(items[wish.sku], locations[wish.location] if wish.location else None, wish.units))
    summed = sum_asks(asks)
    too_many = {one.item_id for one in summed if one.units > MAX_UNITS}
    if too_many:
        sku = next(wish.sku for wish in wishes if items[wish.sku] in too_many)
        raise ReservationError(f"more than {MAX_UNITS:,} units of {sku!r} are asked for in all: nobody has as many")
    return summed


def _channel_id(channels: Mapping[str, int], channel: str) -> int:
    found = channels.get(channel)
    if found is None:
        raise UnknownStockError(f"channel {channel!r} is not known")
    return found


def _locked(store: ReservationStore, reference: str) -> ReservationState:
    return _known(store.find(reference, locked=True), reference)


def _known(found: ReservationState | None, reference: str) -> ReservationState:
    if found is None:
        raise UnknownReservationError(f"there is no reservation {reference!r}")
    return found


def _seen(store: ReservationStore, reference: str) -> Reservation:
    known = _known(store.find(reference), reference)
    held = store.held([reference]).get(reference, ())
    return Reservation(known.reference, known.channel, known.order, known.state, known.expires_at, held)


def _what_lacks(connection: Connection, now: datetime, error: LackingError, channel: str | None) -> str:
    catalogue = CatalogueStore(connection, now)
    codes = {number: code for code, number in LocationStore(connection, now).ids().items()}
    skus = catalogue.skus_of({lack.item_id for lack in error.lacks})
    lacks = sorted(
        f"{skus[lack.item_id]!r} at {codes[lack.location_id] if lack.location_id else f'the places of {channel}'}:"
        f" wanted {lack.wanted}, available {lack.there}"
        for lack in error.lacks
    )
    return f"not enough stock, nothing is reserved: {'; '.join(lacks)}"


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
