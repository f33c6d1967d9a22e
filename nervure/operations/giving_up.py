"""What a location will not do: rejected, not accepted in time, not fetched; and what becomes of the goods."""

from collections.abc import Collection, Mapping
from datetime import datetime

from nervure.inventory.stock import Place
from nervure.operations.desk import (
    AT_WORK,
    NOBODY,
    Actor,
    DeskRefusedError,
    deal_out,
    locked,
    refuse_what_is_over,
    said,
)
from nervure.operations.elsewhere import NowhereElseError, as_a_whole, move_or_wait
from nervure.operations.hub import Hub
from nervure.operations.offers import decline, offer, take_back
from nervure.operations.searching import NOT_FOUND, ask_for_count
from nervure.orders.declines import name_of_count
from nervure.orders.desk import Desk
from nervure.orders.handling import give_back
from nervure.orders.settling import cover, what_lacks
from nervure.orders.work import FulfillmentLineState
from nervure.store.candidates import CandidateStore
from nervure.store.database import Connection
from nervure.store.handling import HandlingStore
from nervure.store.offering import OfferingStore
from nervure.store.routing import RoutingStore
from schemas.fulfillment import FulfillmentState, RejectReason, StepKind
from schemas.orders import DeliveryMethod


def reject(
    hub: Hub, number: int, reason: RejectReason, actor: Actor = NOBODY, *, keeps: Mapping[str, int] | None = None
) -> bool:
    """The location will not send all of it: the rest is served from elsewhere at once. False: nothing changed.

    `keeps`: units of each sku that it will send; skus that are not named stay as they are. None: it sends nothing.
    `not_found`: the units are booked as lost there, and a count is opened.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it has left, waits for its customer, or holds no such sku.
    """

    def work(connection: Connection) -> bool:
        found = locked(hub, connection, number, actor, if_asked=True)
        now, desk = hub.clock.now(), hub.desk(connection)
        store = HandlingStore(connection, now)
        if actor.location not in {None, found.location}:
            declined = decline(hub, connection, found, (reason, keeps), actor)
            if declined is not None and declined[1]:
                _ask_for_count(connection, desk, name_of_count(number, declined[0]), declined[1])
            return declined is not None
        if found.state is FulfillmentState.CANCELED and any(
            event.kind is StepKind.REJECTED and event.location is None for event in store.events(number)
        ):
            return False
        refuse_what_is_over(found)
        if found.state not in AT_WORK:
            raise DeskRefusedError(f"fulfillment order {number} is {said(found)}: give it back to sale instead")
        lines = desk.fulfillment.lines(fulfillment_order_id=number)
        units = _given_up(connection, now, lines, keeps)
        if not units:
            return False
        event = store.note(number, StepKind.REJECTED, by=actor.by, reason=reason.value)
        is_lost = reason is RejectReason.NOT_FOUND
        store.forget_picks([line.id for line in units])
        places = give_back(desk, units, lost_in=f"rejected:{number}:{event}" if is_lost else None)
        desk.tasks.close("not_accepted", f"accept:fulfillment:{number}")
        if is_lost:
            _ask_for_count(connection, desk, name_of_count(number, event), places)
        return True

    return hub.database.run(work)


def return_to_sale(hub: Hub, number: int, actor: Actor = NOBODY, *, reason: str = "") -> bool:
    """What waited for a customer is for sale again; False: it is. The order's units are short until it is canceled.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not ready for pickup.
    """
    return hub.database.run(lambda connection: _unclaimed(hub, connection, number, actor, reason))


def put_back(hub: Hub, number: int, actor: Actor = NOBODY) -> bool:
    """Goods that were taken for a canceled fulfillment order lie on their shelf again; False: that was noted.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not canceled.
    """

    def work(connection: Connection) -> bool:
        found = locked(hub, connection, number, actor)
        if found.state is not FulfillmentState.CANCELED:
            raise DeskRefusedError(f"fulfillment order {number} is {said(found)}, and is not canceled")
        store = HandlingStore(connection, hub.clock.now())
        if any(event.kind is StepKind.PUT_BACK for event in store.events(number)):
            return False
        store.note(number, StepKind.PUT_BACK, by=actor.by)
        return True

    return hub.database.run(work)


def ask_again(hub: Hub) -> int:
    """Asks those again that declined a while ago, for what nobody else has; answers how many orders they serve now."""
    with hub.database.read() as connection:
        now = hub.clock.now()
        waiting = CandidateStore(connection, now, RoutingStore(connection, now)).to_ask_again()
    return sum(hub.database.run(lambda c: _serve_again(hub, c, order)) for order in waiting)  # noqa: B023 - runs at once


def _serve_again(hub: Hub, connection: Connection, order_id: int) -> bool:
    desk = hub.desk(connection)
    desk.orders.lock(order_id)
    short = [line for line in desk.orders.lines(order_id) if line.units_short]
    _, goods = what_lacks(desk, short, desk.stock.parts_of({line.item_id for line in short}))
    if not any(one.if_needed is not None for one in desk.candidates.of_order(order_id, goods)):
        return False
    cover(order_id, desk, short, may_split=True)
    return sum(line.units_short for line in desk.orders.lines(order_id)) < sum(line.units_short for line in short)


# -- times ---------------------------------------------------------------------------------------------------------


def keep_times(hub: Hub) -> tuple[int, int, int]:
    """Offers what may be done now, serves from elsewhere what was not accepted in time, and gives back to sale what
    nobody fetched; answers how many of each.

    What others serve now is taken back first: no time of it ends. Offers come last: what was given to another location
    a moment ago is offered there at once.
    """
    with hub.database.read() as connection:
        # Most looks find nothing: they must not queue up with those that write.
        store = OfferingStore(connection, hub.clock.now())
        if not store.has_times():
            return 0, 0, 0
        are_open = store.are_open()
    take_back(hub)
    if are_open:
        hub.database.run(lambda connection: OfferingStore(connection, hub.clock.now()).expire())
    with hub.database.read() as connection:
        handling = HandlingStore(connection, hub.clock.now())
        late, unclaimed = handling.not_accepted(), handling.not_fetched()
    moved = sum(_time_out(hub, number) for number in late)
    back = sum(_give_up_waiting(hub, number) for number in unclaimed)
    if are_open:
        hub.database.run(lambda connection: OfferingStore(connection, hub.clock.now()).withdraw())
    return offer(hub), moved, back


def _time_out(hub: Hub, number: int) -> bool:
    def work(connection: Connection) -> bool:
        found = locked(hub, connection, number, NOBODY)
        desk = hub.desk(connection)
        if found.state is not FulfillmentState.ALLOCATED or found.accept_by is None or found.accept_by > desk.now:
            return False
        if found.delivery is DeliveryMethod.PICKUP:
            raise NowhereElseError
        lines = desk.fulfillment.lines(fulfillment_order_id=number)
        HandlingStore(connection, desk.now).note(number, StepKind.TIMED_OUT)
        with as_a_whole(desk, found.order_id):
            give_back(desk, {line: line.units for line in lines})
        desk.tasks.close("not_accepted", f"accept:fulfillment:{number}")
        return True

    def wait(connection: Connection) -> None:
        found = locked(hub, connection, number, NOBODY)
        now = hub.clock.now()
        if found.state is not FulfillmentState.ALLOCATED or found.accept_by is None or found.accept_by > now:
            return
        store = HandlingStore(connection, now)
        OfferingStore(connection, now).more_time(number)
        if not any(event.kind is StepKind.WAITS for event in store.events(number)):
            store.note(number, StepKind.WAITS)
        text = f"{found.location} did not accept fulfillment order {number} in time, and nobody else has its units"
        hub.desk(connection).tasks.open("not_accepted", f"accept:fulfillment:{number}", text)

    return move_or_wait(hub, work, wait)


def _give_up_waiting(hub: Hub, number: int) -> bool:
    def work(connection: Connection) -> bool:
        found = locked(hub, connection, number, NOBODY)
        is_due = found.pickup_until is not None and found.pickup_until <= hub.clock.now()
        if found.state is not FulfillmentState.READY_FOR_PICKUP or not is_due:
            return False
        return _unclaimed(hub, connection, number, NOBODY, "not fetched in time")

    return hub.database.run(work)


def _unclaimed(hub: Hub, connection: Connection, number: int, actor: Actor, reason: str) -> bool:
    found = locked(hub, connection, number, actor)
    desk = hub.desk(connection)
    store = HandlingStore(connection, desk.now)
    if found.state is FulfillmentState.CANCELED and any(e.kind is StepKind.UNCLAIMED for e in store.events(number)):
        return False
    if found.state is not FulfillmentState.READY_FOR_PICKUP:
        raise DeskRefusedError(f"fulfillment order {number} is {said(found)}, and is not ready for pickup")
    store.note(number, StepKind.UNCLAIMED, by=actor.by, reason=reason)
    lines = desk.fulfillment.lines(fulfillment_order_id=number)
    give_back(desk, {line: line.units for line in lines})
    text = "nobody fetched it: it is for sale again; cancel and refund it in the channel, or agree on another way"
    desk.tasks.open("unclaimed", f"pickup:fulfillment:{number}", text)
    return True


# ------------------------------------------------------------------------------------------------------------------


def _given_up(
    connection: Connection, now: datetime, lines: list[FulfillmentLineState], keeps: Mapping[str, int] | None
) -> dict[FulfillmentLineState, int]:
    """Units of each line that are not sent. What is kept of a sku goes to the first of its lines."""
    if keeps is None:
        return {line: line.units for line in lines}
    dealt = deal_out(connection, now, lines, keeps)
    return {line: line.units - dealt[line] for line in lines if line in dealt and line.units > dealt[line]}


def _ask_for_count(connection: Connection, desk: Desk, name: str, places: Collection[Place]) -> None:
    """Opens a count of what was not found, all of it at one location."""
    [location_id] = {place.location_id for place in places}
    ask_for_count(connection, desk, (name, NOT_FOUND), location_id, {place.item_id for place in places})
