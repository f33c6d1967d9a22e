"""One fulfillment order offered to several stores: the first to accept gets it, and with it the units."""

from collections.abc import Mapping

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, InsufficientStockError, Place, cause_key
from nervure.operations.desk import NOBODY, Actor, DeskRefusedError, locked, refuse_what_waits, take_on
from nervure.operations.hub import Hub
from nervure.orders.desk import Desk
from nervure.orders.moving import as_taken, move
from nervure.orders.offering import rivals
from nervure.orders.reseating import reseat
from nervure.orders.settling import settle
from nervure.store.database import Connection
from nervure.store.handling import Handled, HandlingStore
from nervure.store.offering import Offer, OfferingStore
from nervure.store.picking import PickingStore
from nervure.store.routing import RoutingStore
from schemas.fulfillment import FulfillmentState, OfferState, RejectReason, StepKind
from schemas.orders import DeliveryMethod
from schemas.stock import AdjustmentReason, MovementKind


def offer(hub: Hub) -> int:
    """Offers what may be done now to the location that holds its units, and to other stores; answers how many."""
    with hub.database.read() as connection:
        waiting = OfferingStore(connection, hub.clock.now()).to_offer()
    return sum(hub.database.run(lambda c: _offer(hub, c, number)) for number in waiting)  # noqa: B023 - runs at once


def _offer(hub: Hub, connection: Connection, number: int) -> bool:
    found = locked(hub, connection, number, NOBODY)
    now = hub.clock.now()
    store = OfferingStore(connection, now)
    if not found.may_be_done or not store.begin(number):
        return False
    most = RoutingStore(connection, now).routing().offer_to - 1
    if most > 0 and found.is_store and found.delivery is DeliveryMethod.SHIP:
        store.ask(number, rivals(number, hub.desk(connection), most))
    return True


def take_back(hub: Hub) -> int:
    """Takes back what was offered of a channel that was put into the shadow since; answers how many.

    It is offered anew once the hub serves the channel again.
    """
    with hub.database.read() as connection:
        offered = OfferingStore(connection, hub.clock.now()).to_take_back()
    return sum(hub.database.run(lambda c: _take_back(hub, c, number)) for number in offered)  # noqa: B023 - runs at once


def _take_back(hub: Hub, connection: Connection, number: int) -> bool:
    found = locked(hub, connection, number, NOBODY)
    if found.is_served or found.state is not FulfillmentState.ALLOCATED:
        return False
    OfferingStore(connection, hub.clock.now()).take_back(number)
    hub.desk(connection).tasks.close("not_accepted", f"accept:fulfillment:{number}")
    return True


def accept(hub: Hub, number: int, actor: Actor = NOBODY) -> tuple[bool, int]:
    """The actor's location will do it; answers whether that is new, and the number that it does it under.

    Where another location holds the units, they are taken at the actor's and given back there, in this one step.

    Raises:
        UnknownFulfillmentError: as the error says.
        DeskRefusedError: another location was faster, the time is over, or the units are gone.
    """

    def work(connection: Connection) -> tuple[bool, int]:
        found = locked(hub, connection, number, actor, if_asked=True)
        if actor.location is None or actor.location == found.location:
            return take_on(hub, connection, found, StepKind.ACCEPTED, actor), number
        return _take_over(hub, connection, found, actor)

    try:
        return hub.database.run(work)
    except InsufficientStockError as error:
        hub.database.run(lambda connection: _note_lack(hub, connection, number, actor))
        raise DeskRefusedError(
            f"the units of fulfillment order {number} are not at {actor.location!r} any more", "lacks"
        ) from error


def _take_over(hub: Hub, connection: Connection, found: Handled, actor: Actor) -> tuple[bool, int]:
    number, now = found.number, hub.clock.now()
    store, mine = OfferingStore(connection, now), _asked(hub, connection, found, actor)
    if mine.state is OfferState.ACCEPTED and mine.moved_to is not None:
        return False, mine.moved_to
    if found.state is FulfillmentState.ALLOCATED:
        refuse_what_waits(found)
    if not store.answer(number, mine.location_id, OfferState.ACCEPTED):
        raise _too_late(found, mine)
    desk = hub.desk(connection)
    instead = move(number, mine.location_id, desk)
    HandlingStore(connection, now).note(number, StepKind.TAKEN)
    store.close(number)
    moved = locked(hub, connection, instead, actor)
    return take_on(hub, connection, moved, StepKind.ACCEPTED, actor), instead


def _asked(hub: Hub, connection: Connection, found: Handled, actor: Actor) -> Offer:
    mine = OfferingStore(connection, hub.clock.now()).asked(found.number, actor.location or "")
    assert mine is not None, "who was not asked does not find it"
    return mine


def _too_late(found: Handled, mine: Offer) -> DeskRefusedError:
    number = found.number
    if mine.state is OfferState.EXPIRED:
        return DeskRefusedError(f"the time to accept fulfillment order {number} is over", "too_late")
    is_done = found.state not in {FulfillmentState.ALLOCATED, FulfillmentState.CANCELED}
    if mine.state is OfferState.TAKEN or (mine.state is OfferState.OPEN and is_done):
        return DeskRefusedError(f"another location has accepted fulfillment order {number} first", "taken")
    return DeskRefusedError(f"fulfillment order {number} is not offered here any more", "withdrawn")


def _note_lack(hub: Hub, connection: Connection, number: int, actor: Actor) -> None:
    found = locked(hub, connection, number, actor, if_asked=True)
    mine = _asked(hub, connection, found, actor)
    if OfferingStore(connection, hub.clock.now()).answer(number, mine.location_id, OfferState.LACKING):
        store = HandlingStore(connection, hub.clock.now())
        store.note(number, StepKind.LACKS, by=actor.by, location_id=mine.location_id)


def decline(
    hub: Hub,
    connection: Connection,
    found: Handled,
    answer: tuple[RejectReason, Mapping[str, int] | None],
    actor: Actor,
) -> tuple[int, Mapping[Place, int]] | None:
    """A location that was asked will not do it, and is not asked again for this order; None: that was known.

    `answer`: why, and the units of each sku that are there. Answers the event, and what was not found there by place;
    nothing of it is held by this order.

    Raises:
        DeskRefusedError: it is not offered to it any more.
    """
    reason, there = answer
    number, now = found.number, hub.clock.now()
    mine = _asked(hub, connection, found, actor)
    if mine.state is OfferState.DECLINED:
        return None
    if not OfferingStore(connection, now).answer(number, mine.location_id, OfferState.DECLINED):
        raise _too_late(found, mine)
    store = HandlingStore(connection, now)
    event = store.note(number, StepKind.REJECTED, by=actor.by, reason=reason.value, location_id=mine.location_id)
    if reason is not RejectReason.NOT_FOUND:
        return event, {}
    desk = hub.desk(connection)
    lines = desk.fulfillment.lines(fulfillment_order_id=number)
    held = desk.stock.held_for([line.id for line in lines])
    skus = PickingStore(connection, now).skus_of([line.item_id for line in lines])
    left = dict(there or {})
    missing: dict[Place, int] = {}
    for line in lines:
        kept = min(max(left.get(skus[line.item_id], 0), 0), line.units)
        left[skus[line.item_id]] = left.get(skus[line.item_id], 0) - kept
        for part, per in as_taken(line, held).parts.items():
            place = Place(part, mine.location_id)
            # Of a kit nobody knows which part is missing: it is counted, and nothing is booked.
            units = (line.units - kept) * per if part == line.item_id else 0
            missing[place] = missing.get(place, 0) + units
    _book_as_lost(desk, missing, f"rejected:{number}:{event}")
    return event, missing


def _book_as_lost(desk: Desk, missing: Mapping[Place, int], document: str) -> None:
    """Takes what was not found off what is free there; what others were promised is theirs to look for."""
    entries: list[Entry] = []
    left = dict(missing)
    for level in desk.stock.lock_sellable(missing):
        units = min(left[level.place], max(level.claimable, 0))
        left[level.place] -= units
        if units:
            entries.append(
                Entry(
                    place=level.place,
                    kind=MovementKind.ADJUSTED,
                    units=-units,
                    cause_key=cause_key("not_found", document, level.id),
                    document=document,
                    occurred_at=desk.now,
                    reason=AdjustmentReason.LOST,
                    owner=level.owner,
                    lot=level.lot,
                )
            )
    booked = book(desk.stock, entries)
    settle(booked, desk)
    reseat({one.place for one in booked if one.units < 0}, desk)
