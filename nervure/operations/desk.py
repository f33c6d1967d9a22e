"""What the people at a location do with fulfillment orders: accept, pick, pack, make ready, hand over.

Each step is one transaction under the order's lock: one conditional statement and one row that says who did it. The
same again changes nothing and says so.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from nervure.inventory.stock import InsufficientStockError
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.operations.shipping import send_off
from nervure.operations.staff import place_of
from nervure.orders.handling import split
from nervure.orders.shipping import ship
from nervure.orders.work import FulfillmentLineState
from nervure.store.database import Connection
from nervure.store.handling import Event, Handled, HandlingStore
from nervure.store.offering import OfferingStore
from nervure.store.outbox import OutboxStore
from nervure.store.picking import PickingStore
from schemas.fulfillment import FulfillmentState, Parcel, StepKind
from schemas.orders import DeliveryMethod

MAX_WRONG_CODES = 5
WRONG_CODES_SECONDS = 600
"""So many wrong codes within this time, and a fulfillment order is handed over to nobody for a while."""

AT_WORK = (FulfillmentState.ALLOCATED, FulfillmentState.ACCEPTED, FulfillmentState.PICKING, FulfillmentState.PACKED)
_COURSE = (*AT_WORK, FulfillmentState.READY_FOR_PICKUP)
_LEADS_TO = {
    StepKind.ACCEPTED: FulfillmentState.ACCEPTED,
    StepKind.PICKING: FulfillmentState.PICKING,
    StepKind.PACKED: FulfillmentState.PACKED,
    StepKind.READY: FulfillmentState.READY_FOR_PICKUP,
}
_OVER = (FulfillmentState.SHIPPED, FulfillmentState.HANDED_OVER)


Refusal = Literal[
    "all_picked",
    "amount",
    "extra",
    "lacks",
    "locked",
    "missing",
    "none_picked",
    "not_here",
    "not_served",
    "state",
    "taken",
    "too_late",
    "unpaid",
    "whole",
    "withdrawn",
    "wrong_code",
]
"""Why a step is refused, for other languages: each has its text there."""


class DeskRefusedError(RefusalError):
    """A step that cannot be done as things stand; nothing was changed. `kind`, `about`: for other languages."""

    def __init__(self, sentence: str, kind: Refusal = "state", about: str = "") -> None:
        super().__init__(sentence)
        self.kind, self.about = kind, about


class UnknownFulfillmentError(UnknownError):
    """There is no such fulfillment order at this location."""


class WrongCodeError(DeskRefusedError):
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


def start_picking(hub: Hub, number: int, actor: Actor = NOBODY) -> bool:
    """Somebody goes to fetch the goods, which accepts it too; False: that was known.

    Raises:
        UnknownFulfillmentError, DeskRefusedError: as the errors say.
    """
    return hub.database.run(
        lambda connection: take_on(hub, connection, locked(hub, connection, number, actor), StepKind.PICKING, actor)
    )


def take_on(hub: Hub, connection: Connection, found: Handled, kind: StepKind, actor: Actor) -> bool:
    """The location that holds the units does it from now on, and nobody else may; False: it did.

    Raises:
        DeskRefusedError: as the error says.
    """
    store = OfferingStore(connection, hub.clock.now())
    if found.state is FulfillmentState.CANCELED and store.was_taken(found.number):
        raise DeskRefusedError(f"another location has accepted fulfillment order {found.number} first", "taken")
    done = _advance(hub, connection, found, kind, actor)
    if done:
        store.close(found.number)
        hub.desk(connection).tasks.close("not_accepted", f"accept:fulfillment:{found.number}")
    return done


def pick(hub: Hub, number: int, scanned: str, actor: Actor = NOBODY, *, units: int = 1) -> str:
    """Counts what was scanned (a GTIN in any of its lengths, or a sku) as taken for this order; answers its sku.

    Units below 0 take back what was counted.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not being picked, does not hold the item, or has all of it.
    """

    def work(connection: Connection) -> str:
        found = locked(hub, connection, number, actor)
        if found.state is not FulfillmentState.PICKING:
            raise DeskRefusedError(f"fulfillment order {number} is {said(found)}, and is not being picked")
        picks = [one for one in PickingStore(connection, hub.clock.now()).picks(number) if one.is_named(scanned)]
        if not picks:
            raise DeskRefusedError(
                f"{scanned!r} is not in fulfillment order {number}: put it back", "not_here", scanned
            )
        store = HandlingStore(connection, hub.clock.now())
        if not any(store.pick(one.line_id, one.item_id, units) for one in picks):
            sentence = f"{picks[0].sku}: {'all units are' if units > 0 else 'no unit is'} picked"
            raise DeskRefusedError(sentence, "all_picked" if units > 0 else "none_picked", picks[0].sku)
        return picks[0].sku

    return hub.database.run(work)


def pack(hub: Hub, number: int, actor: Actor = NOBODY, *, unscanned: bool = False) -> bool:
    """The goods are in their parcel or bag; False: that was known. `unscanned`: they were not all checked by a scan.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not being picked, or something is not picked yet.
    """

    def work(connection: Connection) -> bool:
        found = locked(hub, connection, number, actor)
        if found.state is FulfillmentState.PICKING and not unscanned:
            picks = PickingStore(connection, hub.clock.now()).picks(number)
            extra = [f"{one.picked - one.units} of {one.sku}" for one in picks if one.picked > one.units]
            if extra:
                raise DeskRefusedError(f"too many are picked: {', '.join(extra)}", "extra", ", ".join(extra))
            missing = [f"{one.units - one.picked} of {one.sku}" for one in picks if one.picked < one.units]
            if missing:
                raise DeskRefusedError(f"not picked yet: {', '.join(missing)}", "missing", ", ".join(missing))
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
    over with. Its channel is told.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is to be shipped, or not packed yet.
    """

    def work(connection: Connection) -> tuple[bool, str]:
        found = locked(hub, connection, number, actor)
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
        if done:
            OutboxStore(connection, now).tell_ready(number)
        return done, code

    return hub.database.run(work)


def note_told(hub: Hub, number: int, actor: Actor = NOBODY) -> bool:
    """The customer knows that the goods are ready; False: that was noted.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: it is not ready.
    """

    def work(connection: Connection) -> bool:
        found = locked(hub, connection, number, actor)
        if found.state is not FulfillmentState.READY_FOR_PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is {said(found)}, and is not ready for pickup")
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
        found = locked(hub, connection, number, actor)
        if found.state is FulfillmentState.HANDED_OVER:
            return False, number
        if found.state is not FulfillmentState.READY_FOR_PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is {said(found)}, and is not ready for pickup")
        store, desk = HandlingStore(connection, hub.clock.now()), hub.desk(connection)
        _refuse_guessing(store.events(number), hub.clock.now())
        if not hmac.compare_digest(code.strip().encode(), (found.pickup_code or "").encode()):
            store.note(number, StepKind.WRONG_CODE, by=actor.by)
            return f"{code.strip()!r} is not the code of fulfillment order {number}"
        lines = desk.fulfillment.lines(fulfillment_order_id=number)
        leaving = _leaving(connection, hub.clock.now(), lines, only)
        part = number
        if sum(leaving.values()) < sum(line.units for line in lines):
            if store.has_serials([line.id for line, units in leaving.items() if units < line.units]):
                raise DeskRefusedError("single units are named for this line: hand it over whole", "whole")
            part = split(desk, store, leaving)
        ship(part, desk, shipped_at=desk.now, by=actor.by, state=FulfillmentState.HANDED_OVER)
        return True, part

    try:
        answer = hub.database.run(work)
    except InsufficientStockError as error:
        raise DeskRefusedError("more is owed here than is there: hand the lines over whole", "whole") from error
    if isinstance(answer, str):
        raise WrongCodeError(answer, "wrong_code")  # the wrong try was committed: it counts
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
        found = locked(hub, connection, number, actor)
        if found.state in _OVER:
            return False
        refuse_what_is_over(found)
        if found.delivery is DeliveryMethod.PICKUP:
            raise DeskRefusedError(f"fulfillment order {number} is for pickup: hand it over")
        at = shipped_at or hub.clock.now()
        return send_off(number, hub.desk(connection), connection, parcel, shipped_at=at, by=actor.by)

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


# ------------------------------------------------------------------------------------------------------------------


def locked(hub: Hub, connection: Connection, number: int, actor: Actor, *, if_asked: bool = False) -> Handled:
    """A fulfillment order under its order's lock, if it is one of this actor's location.

    `if_asked`: or one that was offered to it.

    Raises:
        UnknownFulfillmentError: there is none.
    """
    now = hub.clock.now()
    found = HandlingStore(connection, now).locked(number)
    is_theirs = found is not None and actor.location in {None, found.location}
    if not is_theirs and if_asked and actor.location is not None:
        is_theirs = OfferingStore(connection, now).asked(number, actor.location) is not None
    if found is None or not is_theirs:
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
    refuse_what_is_over(found)
    refuse_what_waits(found)
    before = _COURSE[: _COURSE.index(to)] if only_from is None else (only_from,)
    store = HandlingStore(connection, hub.clock.now())
    if not store.step(found.number, kind, (before, to), by=actor.by, reason=reason, **values):
        raise DeskRefusedError(f"fulfillment order {found.number} is {said(found)}: it must be {only_from} first")
    return True


def refuse_what_is_over(found: Handled) -> None:
    """Whether its goods still lie at the location.

    Raises:
        DeskRefusedError: they have left, or it is canceled.
    """
    if found.state not in _COURSE:
        raise DeskRefusedError(f"fulfillment order {found.number} is {said(found)}")


def refuse_what_waits(found: Handled) -> None:
    """Whether it may be done now.

    Raises:
        DeskRefusedError: others serve its channel, or it waits for its payment or its acceptance.
    """
    if not found.is_served:
        raise DeskRefusedError(f"fulfillment order {found.number} is of a channel that others serve now", "not_served")
    if not found.may_be_done:
        raise DeskRefusedError(f"fulfillment order {found.number} waits for its payment or its acceptance", "unpaid")


def said(found: Handled) -> str:
    """Its state as a sentence says it."""
    return found.state.value.replace("_", " ")


def _refuse_guessing(events: list[Event], now: datetime) -> None:
    since = now - timedelta(seconds=WRONG_CODES_SECONDS)
    wrong = [event for event in events if event.kind is StepKind.WRONG_CODE and event.recorded_at > since]
    if len(wrong) >= MAX_WRONG_CODES:
        minutes = WRONG_CODES_SECONDS // 60
        raise WrongCodeError(f"{len(wrong)} wrong codes within {minutes} minutes: try again later", "locked")


def _leaving(
    connection: Connection, now: datetime, lines: list[FulfillmentLineState], only: Mapping[str, int] | None
) -> dict[FulfillmentLineState, int]:
    if only is None:
        return {line: line.units for line in lines}
    dealt = {line: units for line, units in deal_out(connection, now, lines, only).items() if units}
    if not dealt or sum(dealt.values()) < sum(only.values()):
        raise DeskRefusedError("that is nothing, or more than is held here", "amount")
    return dealt


def deal_out(
    connection: Connection, now: datetime, lines: list[FulfillmentLineState], units: Mapping[str, int]
) -> dict[FulfillmentLineState, int]:
    """Deals units of skus out to the lines of these skus, the first line first."""
    skus = PickingStore(connection, now).skus_of([line.item_id for line in lines])
    # None of what is not here (any more) is what stands here.
    unknown = sorted(sku for sku in units.keys() - set(skus.values()) if units[sku])
    if unknown:
        raise DeskRefusedError(f"{unknown[0]!r} is not in this fulfillment order", "not_here", unknown[0])
    left = dict(units)
    dealt: dict[FulfillmentLineState, int] = {}
    for line in lines:
        sku = skus[line.item_id]
        if sku in left:
            dealt[line] = min(max(left[sku], 0), line.units)
            left[sku] -= dealt[line]
    return dealt
