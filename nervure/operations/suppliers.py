"""Suppliers: their feed is another master's count with an age; orders go to them, replies come back."""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from connectors.errors import ConnectorError, ContractError, FeedHeldError, NoAnswerError, RefusedError
from mappings.errors import UnreadableDocumentError
from nervure.inventory.counts import Basis, Count, difference
from nervure.inventory.ledger import count_difference
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.hub import Hub
from nervure.operations.shipping import send_off
from nervure.orders.desk import Desk
from nervure.orders.settling import cover, release, serve_shortfalls, settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.channels import REPLIES_HEARD, ChannelStore
from nervure.store.database import Connection
from nervure.store.inbox import InboxStore, Leased
from nervure.store.locations import LocationStore
from nervure.store.messages import Handover, MessageStore
from nervure.store.offers import OfferStore
from nervure.store.requests import SILENCE_OF, SILENT, RequestStore
from nervure.store.restores import RestoreStore
from nervure.store.routing import RoutingStore, is_fresh
from nervure.store.stock import StockStore
from nervure.store.tasks import TaskStore
from schemas.documents import Heard, RawDocument
from schemas.dropship import DropShipLine, DropShipOrder, SupplierReply
from schemas.fulfillment import FulfillmentState, Parcel
from schemas.stock import AdjustmentReason, MovementKind, SupplierOffer

REPLY_TOPIC = "reply"
OURS = "nervure"
"""What the references of our orders begin with, at a supplier who serves others too."""
_OUR_PREFIX = re.compile(rf"{OURS}(-r\d+)?")
LATE = "supplier_late"
MAX_DIGITS = 15
"""Of a fulfillment order's number; a longer one is none of ours."""


def pull_offers(hub: Hub, supplier: str) -> int:
    """Stores the supplier's newest complete feed; answers how many documents were new.

    Raises:
        ConnectorError: the supplier could not be reached, or the file alone shows that it must be held (FeedHeldError).
    """
    now = hub.clock.now()
    try:
        with hub.supplier(supplier) as exchange:
            pages = list(exchange.pull_offers())
    except FeedHeldError as error:
        reason = str(error)
        hub.database.run(lambda c: note_held(c, now, supplier, reason))
        raise
    documents = tuple(document for page in pages for document in page.documents)
    return hub.database.run(lambda c: InboxStore(c, now).put(supplier, documents))


def apply_feed(hub: Hub, connection: Connection, leased: Leased) -> None:
    """Applies one feed as a whole, or holds it as a whole.

    Raises:
        UnreadableDocumentError: the feed is held; the reason says why.
    """
    now = hub.clock.now()
    supplier = leased.channel
    offers = OfferStore(connection, now)
    rows, units = offers.totals(supplier)
    if leased.is_accepted:
        rows = units = None  # a person said that so large a change is meant
    verdict = hub.suppliers[supplier].record.read(leased.document, rows, units)
    if verdict.held_reason is not None:
        raise UnreadableDocumentError(f"the feed of {supplier} is held: {verdict.held_reason}")
    location = LocationStore(connection, now).of_supplier(supplier)
    if location is None:
        raise UnreadableDocumentError(f"no location has supplier {supplier!r} as its master")
    last = offers.lock_location(location)
    as_of = max((offer.as_of for offer in verdict.offers), default=now)
    if last is not None and as_of < last:
        return  # an older feed heard late says nothing new
    offers.put(supplier, verdict.offers, _bind(CatalogueStore(connection, now), verdict.offers))
    was_fresh = is_fresh(last, hub.suppliers[supplier].settings.ttl_seconds, now)
    LocationStore(connection, now).set_as_of(location, as_of)  # first: what waits is served from fresh figures only
    _book_difference(hub, connection, leased, location, as_of)
    if not was_fresh:
        serve_shortfalls({item for item, units in offers.offered(supplier).items() if units}, hub.desk(connection))
    ChannelStore(connection, now).feed_taken(supplier, len(verdict.offers), as_of)
    TaskStore(connection, now).close("feed_held", supplier)


def _book_difference(hub: Hub, connection: Connection, leased: Leased, location: int, as_of: datetime) -> None:
    now, supplier = hub.clock.now(), leased.channel
    offers = OfferStore(connection, now)
    counts_ours = hub.suppliers[supplier].settings.feed_counts_our_orders
    said = {
        item: Count(
            place=Place(item, location),
            source=supplier,
            units=units,
            observed_at=as_of,
            basis=Basis.LESS_OUR_ORDERS if counts_ours else Basis.EVERYTHING,
            # A feed may be corrected, and still be of the same day: the later one is the last word.
            version=str(leased.id),
        )
        for item, units in sorted(offers.offered(supplier).items())
    }
    stock = StockStore(connection, now)
    stock.lock_sellable({count.place for count in said.values()})
    on_hand, ordered = offers.expected(location, as_of)
    counts = [
        replace(
            count, difference=difference(count, on_hand.get(item, 0), ordered.get(item, 0) if counts_ours else 0, 0)
        )
        for item, count in said.items()
    ]
    offers.observe(counts)
    entries = [
        entry
        for count in counts
        if (
            entry := count_difference(
                count.place,
                count.difference,
                counted_at=as_of,
                # Not by its time: a feed may be corrected, and still be of the same day.
                cause_key=cause_key("feed", supplier, count.place.item_id, leased.document.event_id),
                document=f"feed:{supplier}:{leased.document.event_id}",
                reason=AdjustmentReason.CORRECTION,
            )
        )
    ]
    settle(stock.book(entries), hub.desk(connection))


def _bind(catalogue: CatalogueStore, offers: Sequence[SupplierOffer]) -> list[int | None]:
    """Offers are bound by GTIN, else by a supplier's sku that equals ours; never by title."""
    by_gtin = catalogue.items_by_gtin([offer.gtin for offer in offers if offer.gtin])
    by_sku = catalogue.item_ids([offer.supplier_sku for offer in offers])

    def item_of(offer: SupplierOffer) -> int | None:
        candidates = by_gtin.get(offer.gtin or "", [])
        return candidates[0] if len(candidates) == 1 else by_sku.get(offer.supplier_sku)

    return [item_of(offer) for offer in offers]


def note_held(connection: Connection, now: datetime, supplier: str, reason: str) -> None:
    """Says that the newest feed is held, and why: somebody must ask the supplier."""
    ChannelStore(connection, now).feed_held(supplier, reason)
    TaskStore(connection, now).open("feed_held", supplier, reason)


def reference_of(fulfillment_order_id: int, restores: int = 0) -> str:
    """What a supplier is told to call an order of ours. `restores`: how many the database had seen when it was made.

    After a restore numbers begin again where the backup ended: the supplier may know them as other orders.
    """
    return f"{OURS}-r{restores}-{fulfillment_order_id}" if restores else f"{OURS}-{fulfillment_order_id}"


def send_drop_ship(hub: Hub, supplier: str, fulfillment_order_id: int) -> bool:
    """Hands one order over; False: there is nothing to hand over (any more). Done again it has no second effect.

    The order is marked before it leaves: a cancellation that is heard while it is on its way comes too late, and says
    so in a task, instead of being believed.
    """
    found = hub.database.run(lambda c: _mark_sent(hub, c, fulfillment_order_id))
    if found is None:
        return False
    order = DropShipOrder(
        reference=_reference(hub, fulfillment_order_id),
        placed_at=found.placed_at,
        recipient=found.recipient,
        lines=tuple(DropShipLine(line=line, supplier_sku=sku, units=units) for line, sku, units in found.lines),
    )
    try:
        with hub.supplier(supplier) as exchange:
            exchange.send_order(order)
    except ConnectorError as error:
        if found.is_first_try and not isinstance(error, NoAnswerError | ContractError | RefusedError):
            hub.database.run(lambda c: _mark_unsent(hub, c, fulfillment_order_id))
        raise
    if not found.is_first_try:
        hub.database.run(lambda c: _note_reached(hub, c, fulfillment_order_id))
    return True


def _note_reached(hub: Hub, connection: Connection, fulfillment_order_id: int) -> None:
    now = hub.clock.now()
    rules = RoutingStore(connection, now).routing().locations
    RequestStore(connection, now).reached(fulfillment_order_id, rules)


def _mark_unsent(hub: Hub, connection: Connection, fulfillment_order_id: int) -> None:
    MessageStore(connection, hub.clock.now()).not_sent_to_supplier(fulfillment_order_id)
    RequestStore(connection, hub.clock.now()).withdraw(fulfillment_order_id)


def _reference(hub: Hub, fulfillment_order_id: int) -> str:
    with hub.database.read() as connection:
        restores = RestoreStore(connection, hub.clock.now()).restores_before(fulfillment_order_id)
    return reference_of(fulfillment_order_id, restores)


def _mark_sent(hub: Hub, connection: Connection, fulfillment_order_id: int) -> Handover | None:
    desk = hub.desk(connection)
    messages = MessageStore(connection, desk.now)
    for order_id in messages.order_of(fulfillment_order_id):
        desk.orders.lock(order_id)
    # What the supplier does not offer (any more) cannot be asked of it: it is served from elsewhere.
    give_up(desk, fulfillment_order_id, dict.fromkeys(messages.not_offered(fulfillment_order_id), 0))
    found = messages.drop_ship(fulfillment_order_id)
    if found is not None:
        rules = RoutingStore(connection, desk.now).routing().locations
        RequestStore(connection, desk.now).ask(fulfillment_order_id, found.lines, rules)
    return found


def take_refusal(hub: Hub, connection: Connection, fulfillment_order_id: int) -> None:
    """The supplier refused a whole order when it was handed over: all of it is served from elsewhere."""
    desk = hub.desk(connection)
    lines = desk.fulfillment.lines(fulfillment_order_id=fulfillment_order_id)
    for order_id in sorted({line.order_id for line in lines}):
        desk.orders.lock(order_id)
    RequestStore(connection, desk.now).refuse(fulfillment_order_id)
    refused = dict.fromkeys((line.id for line in lines), 0)
    _trust_no_more(desk, give_up(desk, fulfillment_order_id, refused), fulfillment_order_id)


def pull_replies(hub: Hub, supplier: str) -> int:
    """Stores what the supplier says of our orders, each reply once; answers how many were read."""
    count, began = 0, hub.clock.now()
    with hub.supplier(supplier) as exchange:
        for reply in exchange.pull_replies():
            document = _reply_document(reply)
            hub.database.run(partial(_store_reply, hub, supplier, document))
            count += 1
    hub.database.run(lambda connection: ChannelStore(connection, began).reserve(supplier, REPLIES_HEARD, 0.0))
    return count


def _store_reply(hub: Hub, supplier: str, document: RawDocument, connection: Connection) -> None:
    InboxStore(connection, hub.clock.now()).put(supplier, [document])


def _reply_document(reply: SupplierReply) -> RawDocument:
    body = json.dumps(reply.model_dump(mode="json"), sort_keys=True).encode()
    event = f"{REPLY_TOPIC}:{hashlib.sha256(body).hexdigest()}"
    return RawDocument(REPLY_TOPIC, reply.reference, event, body, Heard.POLL, reply.happened_at)


def apply_reply(hub: Hub, connection: Connection, leased: Leased) -> None:
    """Carries one reply out; carried out again it changes nothing.

    Raises:
        UnreadableDocumentError: it names no order that this supplier was given.
    """
    reply = SupplierReply.model_validate_json(leased.document.body)
    prefix, _, number = reply.reference.rpartition("-")
    if not _OUR_PREFIX.fullmatch(prefix):
        return  # the supplier's other customers, or the merchant's other orders
    location = LocationStore(connection, hub.clock.now()).of_supplier(leased.channel)
    is_number = number.isascii() and number.isdigit() and len(number) <= MAX_DIGITS
    lies_at = MessageStore(connection, hub.clock.now()).location_of(int(number)) if is_number else None
    restores = RestoreStore(connection, hub.clock.now()).restores_before(int(number)) if is_number else 0
    if lies_at is None or lies_at != location or reply.reference != reference_of(int(number), restores):
        raise UnreadableDocumentError(
            f"{leased.channel} answers order {reply.reference[:80]!r}, which it was never given: nothing was booked"
        )
    _take_reply(hub.desk(connection), connection, int(number), reply)


def _take_reply(desk: Desk, connection: Connection, fulfillment_order_id: int, reply: SupplierReply) -> None:
    messages, requests = MessageStore(connection, desk.now), RequestStore(connection, desk.now)
    for order_id in messages.order_of(fulfillment_order_id):
        desk.orders.lock(order_id)
    _note_answer(desk, requests, fulfillment_order_id, reply)
    # Whoever answers has the order, also where no answer came when it was handed over.
    messages.sent_to_supplier(fulfillment_order_id)
    kept = _kept(desk, messages, fulfillment_order_id, reply)
    _trust_no_more(desk, give_up(desk, fulfillment_order_id, kept), fulfillment_order_id, reply.happened_at)
    if reply.tracking_number is not None:
        parcel = Parcel(carrier=reply.carrier or "", tracking_number=reply.tracking_number)
        send_off(fulfillment_order_id, desk, connection, parcel, shipped_at=reply.happened_at)


def _note_answer(desk: Desk, requests: RequestStore, fulfillment_order_id: int, reply: SupplierReply) -> None:
    """What a supplier says is kept; what it still means to send of an order that it lost by its silence is a task."""
    requests.answer(fulfillment_order_id, reply)
    subject = f"{SILENCE_OF}{fulfillment_order_id}"
    desk.tasks.close(SILENT, subject)
    sends = reply.tracking_number is not None or any(reply.confirmed.values())
    if sends and requests.is_void(fulfillment_order_id):
        text = (
            f"the supplier answers {reply.reference} after its time: it is served from elsewhere, tell it not to send"
        )
        desk.tasks.open(LATE, subject, text)


def _kept(desk: Desk, messages: MessageStore, fulfillment_order_id: int, reply: SupplierReply) -> dict[int, int]:
    """Units of each fulfillment line that the supplier will send; of a kit as many as its scarcest part allows."""
    asked: dict[int, dict[str, int]] = defaultdict(dict)
    for name, line_id, _, units in messages.asked_of_supplier(fulfillment_order_id):
        asked[line_id][name] = units
    return {
        line.id: min(
            (_confirmed(reply, name, units) * line.units // units for name, units in asked[line.id].items()),
            default=line.units,
        )
        for line in desk.fulfillment.lines(fulfillment_order_id=fulfillment_order_id)
    }


def give_up(desk: Desk, fulfillment_order_id: int, kept: Mapping[int, int]) -> set[Place]:
    """What the supplier will not send (all but `kept` units of a line) is served from elsewhere at once.

    Answers the places that gave units back.
    """
    lost: dict[int, int] = {}
    places: set[Place] = set()
    avoid: set[int] = set()
    for line in desk.fulfillment.lines(fulfillment_order_id=fulfillment_order_id):
        if line.state not in {FulfillmentState.ALLOCATED, FulfillmentState.SENT_TO_SUPPLIER}:
            continue
        units = line.units - kept.get(line.id, line.units)
        if units > 0:
            places.update(claim.place for claim in desk.stock.held_for([line.id]))
            release(desk, line, units)
            lost[line.order_line_id] = line.order_id
            avoid.add(line.location_id)
    for order_id in sorted(set(lost.values())):
        again = [line for line in desk.orders.lines(order_id) if line.id in lost]
        cover(order_id, desk, again, may_split=True, avoid=avoid)
    return places


def _trust_no_more(
    desk: Desk, places: Collection[Place], fulfillment_order_id: int, refused_at: datetime | None = None
) -> None:
    """Who refuses an order has no more of it: what the feed said to be free there is promised to nobody else.

    The next feed says anew what there is.
    """
    free: Counter[Place] = Counter()
    for level in desk.stock.lock_sellable(places):
        free[level.place] += level.claimable
    entries = [
        Entry(
            place=place,
            kind=MovementKind.ADJUSTED,
            units=-units,
            cause_key=cause_key("refused", fulfillment_order_id, place.item_id, place.location_id),
            document=f"fulfillment:{fulfillment_order_id}",
            occurred_at=refused_at or desk.now,
            reason=AdjustmentReason.CORRECTION,
        )
        for place, units in sorted(free.items())
        if units > 0
    ]
    desk.stock.book(entries)


def _confirmed(reply: SupplierReply, name: str, units: int) -> int:
    return 0 if name in reply.refused else min(reply.confirmed.get(name, units), units)
