"""What the people at a location do with fulfillment orders: accept or reject, pick, pack, make ready, hand over.

Each step is one transaction under the order's lock: one conditional statement and one row that says who did it. The
same again changes nothing and says so.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from nervure.inventory.stock import InsufficientStockError
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.operations.staff import place_of
from nervure.orders.handling import give_back, split
from nervure.orders.shipping import ship
from nervure.orders.work import Desk, FulfillmentLineState
from nervure.store.cycle_counts import CycleCountStore
from nervure.store.database import Connection
from nervure.store.handling import Event, Handled, HandlingStore
from nervure.store.messages import MessageStore
from nervure.store.picking import PickingStore
from schemas.fulfillment import FulfillmentState, Parcel, RejectReason, StepKind
from schemas.orders import DeliveryMethod
from schemas.stock import Condition

MAX_WRONG_CODES = 5
WRONG_CODES_SECONDS = 600
"""So many wrong codes within this time, and a fulfillment order is handed over to nobody for a while."""

_AT_WORK = (FulfillmentState.ALLOCATED, FulfillmentState.ACCEPTED, FulfillmentState.PICKING, FulfillmentState.PACKED)
_COURSE = (*_AT_WORK, FulfillmentState.READY_FOR_PICKUP)
_LEADS_TO = {
    StepKind.ACCEPTED: FulfillmentState.ACCEPTED,
    StepKind.PICKING: FulfillmentState.PICKING,
    StepKind.PACKED: FulfillmentState.PACKED,
    StepKind.READY: FulfillmentState.READY_FOR_PICKUP,
}
_OVER = (FulfillmentState.SHIPPED, FulfillmentState.HANDED_OVER)


class DeskRefusedError(RefusalError):
    """A step that cannot be done as things stand; nothing was changed."""


class UnknownFulfillmentError(UnknownError):
    """There is no such fulfillment order at this location."""


class WrongCodeError(RefusalError):
    """The code is not the one of this fulfillment order."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. `location`: only what this location has to do is theirs; None: everything is."""

    by: str = ""
    location: str | None = None


NOBODY = Actor()


def new_pickup_code() -> str:
    """Six digits that nobody can guess in the few tries there are."""
    return f"{secrets.randbelow(1_000_000):06d}"


def accept(hub: Hub, number: int, actor: Actor = NOBODY) -> bool:
    """The location will do it; False: that was known.

    Raises:
        UnknownFulfillmentError, DeskRefusedError: as the errors say.
    """
    return hub.database.run(lambda connection: _take_on(hub, connection, number, StepKind.ACCEPTED, actor))


def start_picking(hub: Hub, number: int, actor: Actor = NOBODY) -> bool:
    """Somebody goes to fetch the goods, which accepts it too; False: that was known.

    Raises:
        UnknownFulfillmentError, DeskRefusedError: as the errors say.
    """
    return hub.database.run(lambda connection: _take_on(hub, connection, number, StepKind.PICKING, actor))


def _take_on(hub: Hub, connection: Connection, number: int, kind: StepKind, actor: Actor) -> bool:
    done = _advance(hub, connection, _locked(hub, connection, number, actor), kind, actor)
    if done:
        hub.desk(connection).orders.close_task("not_accepted", f"accept:fulfillment:{number}")
    return done


def pick(hub: Hub, number: int, scanned: str, actor: Actor = NOBODY, *, units: int = 1) -> str:
    """Counts what was scanned (a GTIN in any of its lengths, or a sku) as taken for this order; answers its sku.

    Units below 0 take back what was counted.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not being picked, does not hold the item, or has all of it.
    """

    def work(connection: Connection) -> str:
        found = _locked(hub, connection, number, actor)
        if found.state is not FulfillmentState.PICKING:
            raise DeskRefusedError(f"fulfillment order {number} is {_said(found)}, and is not being picked")
        picks = [one for one in PickingStore(connection, hub.clock.now()).picks(number) if one.is_named(scanned)]
        if not picks:
            raise DeskRefusedError(f"{scanned!r} is not in fulfillment order {number}: put it back")
        store = HandlingStore(connection, hub.clock.now())
        if not any(store.pick(one.line_id, one.item_id, units) for one in picks):
            raise DeskRefusedError(f"{picks[0].sku}: {'all units are' if units > 0 else 'no unit is'} picked")
        return picks[0].sku

    return hub.database.run(work)


def pack(hub: Hub, number: int, actor: Actor = NOBODY, *, unscanned: bool = False) -> bool:
    """The goods are in their parcel or bag; False: that was known. `unscanned`: they were not all checked by a scan.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not being picked, or something is not picked yet.
    """

    def work(connection: Connection) -> bool:
        found = _locked(hub, connection, number, actor)
        if found.state is FulfillmentState.PICKING and not unscanned:
            picks = PickingStore(connection, hub.clock.now()).picks(number)
            missing = [f"{one.units - one.picked} of {one.sku}" for one in picks if one.picked < one.units]
            if missing:
                raise DeskRefusedError(f"not picked yet: {', '.join(missing)}")
        return _advance(
            hub,
            connection,
            found,
            StepKind.PACKED,
            actor,
            only_from=FulfillmentState.PICKING,
            reason="unscanned" if unscanned else "",
        )

    return hub.database.run(work)


def make_ready(
    hub: Hub, number: int, actor: Actor = NOBODY, *, new_code: Callable[[], str] = new_pickup_code
) -> tuple[bool, str]:
    """What is packed waits for its customer from now on; answers whether it did not before, and the code to hand it
    over with.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is to be shipped, or not packed yet.
    """

    def work(connection: Connection) -> tuple[bool, str]:
        found = _locked(hub, connection, number, actor)
        now = hub.clock.now()
        if found.delivery is not DeliveryMethod.PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is to be shipped: nobody comes for it")
        seconds = found.hold_pickup_seconds
        code = found.pickup_code or new_code()
        done = _advance(
            hub,
            connection,
            found,
            StepKind.READY,
            actor,
            only_from=FulfillmentState.PACKED,
            pickup_code=code,
            pickup_until=None if seconds is None else now + timedelta(seconds=seconds),
        )
        return done, code

    return hub.database.run(work)


def note_told(hub: Hub, number: int, actor: Actor = NOBODY) -> bool:
    """The customer knows that the goods are ready; False: that was noted.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not ready.
    """

    def work(connection: Connection) -> bool:
        found = _locked(hub, connection, number, actor)
        if found.state is not FulfillmentState.READY_FOR_PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is {_said(found)}, and is not ready for pickup")
        store = HandlingStore(connection, hub.clock.now())
        if any(event.kind is StepKind.TOLD for event in store.events(number)):
            return False
        store.note(number, StepKind.TOLD, by=actor.by)
        return True

    return hub.database.run(work)


def hand_over(
    hub: Hub, number: int, code: str, actor: Actor = NOBODY, *, only: Mapping[str, int] | None = None
) -> tuple[bool, int]:
    """Hands goods over to who knows the code; answers whether they left now, and the number under which they did.

    `only`: units by sku, where the customer takes a part; the rest waits on under the number that it had.

    Raises:
        UnknownFulfillmentError: as the error says.
        WrongCodeError: the code is another one, or was wrong too often a moment ago.
        DeskRefusedError: it is not ready, or does not hold these units.
    """

    def work(connection: Connection) -> tuple[bool, int] | str:
        found = _locked(hub, connection, number, actor)
        if found.state is FulfillmentState.HANDED_OVER:
            return False, number
        if found.state is not FulfillmentState.READY_FOR_PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is {_said(found)}, and is not ready for pickup")
        store, desk = HandlingStore(connection, hub.clock.now()), hub.desk(connection)
        _refuse_guessing(store.events(number), hub.clock.now())
        if not hmac.compare_digest(code.strip().encode(), (found.pickup_code or "").encode()):
            store.note(number, StepKind.WRONG_CODE, by=actor.by)
            return f"{code.strip()!r} is not the code of fulfillment order {number}"
        lines = desk.orders.fulfillment_lines(fulfillment_order_id=number)
        leaving = _leaving(connection, hub.clock.now(), lines, only)
        part = number
        if sum(leaving.values()) < sum(line.units for line in lines):
            if store.has_serials([line.id for line, units in leaving.items() if units < line.units]):
                raise DeskRefusedError("single units are named for this line: hand it over whole")
            part = split(desk, store, leaving)
        ship(part, desk, shipped_at=desk.now, by=actor.by, state=FulfillmentState.HANDED_OVER)
        return True, part

    try:
        answer = hub.database.run(work)
    except InsufficientStockError as error:
        raise DeskRefusedError("more is owed here than is there: hand the lines over whole") from error
    if isinstance(answer, str):
        raise WrongCodeError(answer)  # the wrong try was committed: it counts
    return answer


def send(
    hub: Hub, number: int, actor: Actor = NOBODY, *, parcel: Parcel | None = None, shipped_at: datetime | None = None
) -> bool:
    """A parcel has left; False: it had. Its channel is told.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is canceled, or a customer comes for it.
    """

    def work(connection: Connection) -> bool:
        found = _locked(hub, connection, number, actor)
        if found.state in _OVER:
            return False
        _refuse_what_is_over(found)
        if found.delivery is DeliveryMethod.PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is for pickup: hand it over")
        if parcel is not None:
            MessageStore(connection, hub.clock.now()).track(number, parcel.carrier, parcel.tracking_number)
        return ship(number, hub.desk(connection), shipped_at=shipped_at or hub.clock.now(), by=actor.by)

    return hub.database.run(work)


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
        found = _locked(hub, connection, number, actor)
        now, desk = hub.clock.now(), hub.desk(connection)
        store = HandlingStore(connection, now)
        if found.state is FulfillmentState.CANCELED and any(
            event.kind is StepKind.REJECTED for event in store.events(number)
        ):
            return False
        _refuse_what_is_over(found)
        if found.state not in _AT_WORK:
            raise DeskRefusedError(f"fulfillment order {number} is {_said(found)}: give it back to sale instead")
        lines = desk.orders.fulfillment_lines(fulfillment_order_id=number)
        units = _given_up(connection, now, lines, keeps)
        if not units:
            return False
        event = store.note(number, StepKind.REJECTED, by=actor.by, reason=reason.value)
        is_lost = reason is RejectReason.NOT_FOUND
        store.forget_picks([line.id for line in units])
        places = give_back(desk, units, lost_in=f"rejected:{number}:{event}" if is_lost else None)
        desk.orders.close_task("not_accepted", f"accept:fulfillment:{number}")
        if is_lost:
            _ask_for_count(connection, desk, f"not-found-{number}-{event}", {place.item_id for place in places}, lines)
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
        found = _locked(hub, connection, number, actor)
        if found.state is not FulfillmentState.CANCELED:
            raise DeskRefusedError(f"fulfillment order {number} is {_said(found)}, and is not canceled")
        store = HandlingStore(connection, hub.clock.now())
        if any(event.kind is StepKind.PUT_BACK for event in store.events(number)):
            return False
        store.note(number, StepKind.PUT_BACK, by=actor.by)
        return True

    return hub.database.run(work)


def put_shelf(hub: Hub, sku: str, location: str, shelf: str) -> None:
    """Writes where an item lies at a location; an empty name forgets it.

    Raises:
        UnknownStockError: no such sku or location.
    """

    def work(connection: Connection) -> None:
        now = hub.clock.now()
        place = place_of(connection, now, sku, location)
        PickingStore(connection, now).put_shelf(place.location_id, place.item_id, shelf.strip())

    hub.database.run(work)


# -- times ---------------------------------------------------------------------------------------------------------


def keep_times(hub: Hub) -> tuple[int, int, int]:
    """Offers what may be done now, serves from elsewhere what was not accepted in time, and gives back to sale what
    nobody fetched; answers how many of each.
    """
    offered = hub.database.run(lambda connection: HandlingStore(connection, hub.clock.now()).offer())
    with hub.database.read() as connection:
        store = HandlingStore(connection, hub.clock.now())
        late, unclaimed = store.not_accepted(), store.not_fetched()
    moved = sum(_time_out(hub, number) for number in late)
    back = sum(_give_up_waiting(hub, number) for number in unclaimed)
    return offered, moved, back


class _NowhereElseError(Exception):
    """Nobody else has the units."""


def _time_out(hub: Hub, number: int) -> bool:
    def work(connection: Connection) -> bool:
        found = _locked(hub, connection, number, NOBODY)
        desk = hub.desk(connection)
        if found.state is not FulfillmentState.ALLOCATED or found.accept_by is None or found.accept_by > desk.now:
            return False
        if found.delivery is DeliveryMethod.PICKUP:
            raise _NowhereElseError
        lines = desk.orders.fulfillment_lines(fulfillment_order_id=number)
        before = sum(line.units_short for line in desk.orders.lines(found.order_id))
        HandlingStore(connection, desk.now).note(number, StepKind.TIMED_OUT)
        give_back(desk, {line: line.units for line in lines})
        desk.orders.close_task("not_accepted", f"accept:fulfillment:{number}")
        if sum(line.units_short for line in desk.orders.lines(found.order_id)) > before:
            raise _NowhereElseError
        return True

    def wait(connection: Connection) -> None:
        found = _locked(hub, connection, number, NOBODY)
        now = hub.clock.now()
        if found.state is not FulfillmentState.ALLOCATED or found.accept_by is None or found.accept_by > now:
            return
        store = HandlingStore(connection, now)
        store.wait_until(number, now + timedelta(seconds=found.accept_seconds or 0.0))
        if not any(event.kind is StepKind.WAITS for event in store.events(number)):
            store.note(number, StepKind.WAITS)
        text = f"{found.location} did not accept fulfillment order {number} in time, and nobody else has its units"
        hub.desk(connection).orders.open_task("not_accepted", f"accept:fulfillment:{number}", text)

    try:
        return hub.database.run(work)
    except _NowhereElseError:
        hub.database.run(wait)
        return False


def _give_up_waiting(hub: Hub, number: int) -> bool:
    def work(connection: Connection) -> bool:
        found = _locked(hub, connection, number, NOBODY)
        is_due = found.pickup_until is not None and found.pickup_until <= hub.clock.now()
        if found.state is not FulfillmentState.READY_FOR_PICKUP or not is_due:
            return False
        return _unclaimed(hub, connection, number, NOBODY, "not fetched in time")

    return hub.database.run(work)


def _unclaimed(hub: Hub, connection: Connection, number: int, actor: Actor, reason: str) -> bool:
    found = _locked(hub, connection, number, actor)
    desk = hub.desk(connection)
    store = HandlingStore(connection, desk.now)
    if found.state is FulfillmentState.CANCELED and any(e.kind is StepKind.UNCLAIMED for e in store.events(number)):
        return False
    if found.state is not FulfillmentState.READY_FOR_PICKUP:
        raise DeskRefusedError(f"fulfillment order {number} is {_said(found)}, and is not ready for pickup")
    store.note(number, StepKind.UNCLAIMED, by=actor.by, reason=reason)
    lines = desk.orders.fulfillment_lines(fulfillment_order_id=number)
    give_back(desk, {line: line.units for line in lines})
    text = "nobody fetched it: it is for sale again; cancel and refund it in the channel, or agree on another way"
    desk.orders.open_task("unclaimed", f"pickup:fulfillment:{number}", text)
    return True


# ------------------------------------------------------------------------------------------------------------------


def _locked(hub: Hub, connection: Connection, number: int, actor: Actor) -> Handled:
    found = HandlingStore(connection, hub.clock.now()).locked(number)
    if found is None or actor.location not in {None, found.location}:
        where = f" at {actor.location!r}" if actor.location is not None else ""
        raise UnknownFulfillmentError(f"there is no fulfillment order {number}{where}")
    return found


def _advance(
    hub: Hub,
    connection: Connection,
    found: Handled,
    kind: StepKind,
    actor: Actor,
    *,
    only_from: FulfillmentState | None = None,
    reason: str = "",
    **values: object,
) -> bool:
    """One step on the course; False: it is there or beyond."""
    to = _LEADS_TO[kind]
    if found.state in _OVER or (found.state in _COURSE and _COURSE.index(found.state) >= _COURSE.index(to)):
        return False
    _refuse_what_is_over(found)
    if not found.may_be_done:
        raise DeskRefusedError(f"fulfillment order {found.number} waits for its payment or its acceptance")
    before = _COURSE[: _COURSE.index(to)] if only_from is None else (only_from,)
    store = HandlingStore(connection, hub.clock.now())
    if not store.step(found.number, kind, (before, to), by=actor.by, reason=reason, **values):
        raise DeskRefusedError(f"fulfillment order {found.number} is {_said(found)}: it must be {only_from} first")
    return True


def _refuse_what_is_over(found: Handled) -> None:
    if found.state not in _COURSE:
        raise DeskRefusedError(f"fulfillment order {found.number} is {_said(found)}")


def _said(found: Handled) -> str:
    return found.state.value.replace("_", " ")


def _refuse_guessing(events: list[Event], now: datetime) -> None:
    since = now - timedelta(seconds=WRONG_CODES_SECONDS)
    wrong = [event for event in events if event.kind is StepKind.WRONG_CODE and event.recorded_at > since]
    if len(wrong) >= MAX_WRONG_CODES:
        minutes = WRONG_CODES_SECONDS // 60
        raise WrongCodeError(f"{len(wrong)} wrong codes within {minutes} minutes: try again later")


def _given_up(
    connection: Connection, now: datetime, lines: list[FulfillmentLineState], keeps: Mapping[str, int] | None
) -> dict[FulfillmentLineState, int]:
    """Units of each line that are not sent. What is kept of a sku goes to the first of its lines."""
    if keeps is None:
        return {line: line.units for line in lines}
    dealt = _deal(connection, now, lines, keeps)
    return {line: line.units - dealt[line] for line in lines if line in dealt and line.units > dealt[line]}


def _leaving(
    connection: Connection, now: datetime, lines: list[FulfillmentLineState], only: Mapping[str, int] | None
) -> dict[FulfillmentLineState, int]:
    if only is None:
        return {line: line.units for line in lines}
    dealt = {line: units for line, units in _deal(connection, now, lines, only).items() if units}
    if not dealt or sum(dealt.values()) < sum(only.values()):
        raise DeskRefusedError("that is nothing, or more than is held here")
    return dealt


def _deal(
    connection: Connection, now: datetime, lines: list[FulfillmentLineState], units: Mapping[str, int]
) -> dict[FulfillmentLineState, int]:
    """Deals units of skus out to the lines of these skus, the first line first."""
    skus = PickingStore(connection, now).skus_of([line.item_id for line in lines])
    unknown = sorted(units.keys() - set(skus.values()))
    if unknown:
        raise DeskRefusedError(f"{unknown[0]!r} is not in this fulfillment order")
    left = dict(units)
    dealt: dict[FulfillmentLineState, int] = {}
    for line in lines:
        sku = skus[line.item_id]
        if sku in left:
            dealt[line] = min(max(left[sku], 0), line.units)
            left[sku] -= dealt[line]
    return dealt


def _ask_for_count(
    connection: Connection, desk: Desk, name: str, items: set[int], lines: list[FulfillmentLineState]
) -> None:
    """Opens a count of what was not found; where another system counts, the task alone."""
    location_id = lines[0].location_id
    counts = CycleCountStore(connection, desk.now)
    text = f"not found where it should be: count it and enter what is there with `nervure count enter {name}`"
    if counts.master_of(location_id) is not None:
        text = "not found where it should be: count it in the system that is the master there"
    elif counts.open(name, location_id, is_open_to_all=False):
        document = counts.find(name, locked=True)
        assert document is not None
        kept = counts.kept_at(location_id, items)
        counts.add_lines(
            document,
            {(item, owner, Condition.SELLABLE, lot) for item in items for owner, lot in kept.get(item, [("us", "")])},
        )
    desk.orders.open_task("count", f"count:{name}", text)
