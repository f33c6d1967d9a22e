"""From what a document says to what the hub does about it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from nervure.inventory.ledger import book, count_difference
from nervure.inventory.stock import Entry, Place
from nervure.operations.hub import Hub
from nervure.orders.intake import take_in
from nervure.orders.returns import take_back
from nervure.orders.settling import rebalance, serve_shortfalls
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.inbox import InboxStore
from nervure.store.orders import OrderStore
from nervure.store.publications import Number, PublicationStore
from nervure.store.stock import StockStore
from schemas.documents import Fact
from schemas.items import Item
from schemas.levels import LevelKey
from schemas.orders import Order, Return
from schemas.publications import ChannelListing, ChannelPlace, PublicationState
from schemas.stock import AdjustmentReason, ChannelMovement, StockObservation


def apply(hub: Hub, connection: Connection, facts: Sequence[Fact]) -> None:
    """Carries facts out inside one transaction.

    Raises:
        UnboundListingError: a listing has no item; nothing of these facts may be kept.
    """
    listings: list[ChannelListing] = []
    observations: list[StockObservation] = []
    for fact in facts:
        match fact:
            case Order():
                take_in(fact, hub.accounts[fact.channel].record.capabilities, hub.desk(connection))
            case Return():
                take_back(fact, hub.desk(connection))
            case ChannelMovement():
                _move(hub, connection, fact)
            case StockObservation():
                observations.append(fact)
            case ChannelListing():
                listings.append(fact)
            case ChannelPlace():
                pass  # stock points are mapped to locations by settings; a new one is seen by `nervure channels check`
            case _:
                raise TypeError(f"a channel cannot state a {type(fact).__name__}")
    if listings:
        put_listings(hub, connection, listings)
    if observations:
        observe(hub, connection, observations)


def put_listings(hub: Hub, connection: Connection, listings: Sequence[ChannelListing]) -> None:
    """Writes and binds listings, and gives what waited for a binding another chance."""
    now = hub.clock.now()
    channel = listings[0].channel
    if hub.accounts[channel].creates_items:
        _create_items(connection, listings)
    CatalogueStore(connection).put_listings(channel, listings)
    if PublicationStore(connection, now).create_missing(channel):
        InboxStore(connection, now).replay(reason_like=f"of channel {channel!r} is not bound")


def _create_items(connection: Connection, listings: Sequence[ChannelListing]) -> None:
    catalogue = CatalogueStore(connection)
    known = catalogue.item_ids([one.sku for one in listings if one.sku])
    fresh = {
        one.sku: Item(sku=one.sku, title=one.title, gtin=one.gtin, options=one.options)
        for one in listings
        if one.sku and one.sku not in known
    }
    catalogue.put_items(list(fresh.values()))


def _move(hub: Hub, connection: Connection, fact: ChannelMovement) -> None:
    desk = hub.desk(connection)
    bound = desk.orders.bind(fact.channel, [fact.listing_external_id])[fact.listing_external_id]
    location = desk.orders.location_of(fact.channel, fact.stock_point)
    entries = [
        Entry(
            place=Place(part, location),
            kind=fact.kind,
            units=fact.units * per,
            cause_key=f"movement|{fact.channel}|{fact.external_id}|{part}",
            occurred_at=fact.occurred_at,
            reason=fact.reason,
            condition=fact.condition,
        )
        for part, per in desk.stock.parts_of([bound.item_id])[bound.item_id].items()
    ]
    booked = book(desk.stock, entries)
    settle(hub, connection, booked)
    if booked:
        # The platform moved its own number with it, by an amount that it alone knows.
        desk.orders.channel_may_have_restocked(fact.channel, {bound.listing_id})


def settle(hub: Hub, connection: Connection, booked: Sequence[Entry]) -> None:
    """After physical facts: who was promised what is gone is served elsewhere, who waited is served now."""
    desk = hub.desk(connection)
    rebalance({entry.place for entry in booked if entry.units < 0}, desk)
    came_in = {entry.place.item_id for entry in booked if entry.units > 0}
    if came_in:
        serve_shortfalls(came_in, desk)


def observe(hub: Hub, connection: Connection, facts: Sequence[StockObservation]) -> None:
    """A channel shows numbers: another master's is booked, an echo changes nothing, anything else is drift.

    Most observations are echoes of our own writes, so all of them are compared in one query.
    """
    now = hub.clock.now()
    publications = PublicationStore(connection, now)
    channel = facts[0].channel
    if any(fact.is_physical_count for fact in facts):
        # What was sold there and heard before is off the number that the count is compared with.
        publications.refresh()
    listings = CatalogueStore(connection).listing_items(channel, {fact.listing_external_id for fact in facts})
    ours = [fact for fact in facts if fact.listing_external_id in listings]
    keys = {LevelKey(listings[fact.listing_external_id][1].stock_id, fact.stock_point) for fact in ours}
    numbers = {number.key: number for number in publications.numbers(channel, keys)}
    for fact in sorted(ours, key=lambda fact: fact.observed_at):
        item_id, listing = listings[fact.listing_external_id]
        key = LevelKey(listing.stock_id, fact.stock_point)
        number = numbers.get(key)
        if number is None or (number.channel_units == fact.units and not fact.is_physical_count):
            continue
        location = OrderStore(connection, now).location_of(channel, fact.stock_point)
        rules = publications.is_master(channel, location)
        if rules and not fact.is_physical_count and _is_overtaken(number, fact.observed_at):
            continue
        if rules or fact.is_physical_count:
            if _book_count(hub, connection, fact, Place(item_id, location), _expected(number, fact.observed_at)):
                # The next count is compared with this one.
                numbers[key] = replace(number, channel_units=fact.units, channel_units_at=fact.observed_at)
            publications.counted(number.publication_id, fact.units, fact.observed_at)
        else:
            publications.heard(number.publication_id, fact.units, fact.observed_at)


def _is_overtaken(number: Number, observed_at: datetime) -> bool:
    """Whether a running number was read before our last write there, or while one is on its way: it says nothing."""
    in_flight = number.state in {PublicationState.SENT, PublicationState.UNKNOWN}
    return in_flight or (number.channel_units_at is not None and observed_at <= number.channel_units_at)


def _expected(number: Number, counted_at: datetime) -> int:
    """What should have been there: what the channel showed before, or where only the count itself told us, our number.

    A platform may say first that its number moved, and only later that somebody counted.
    """
    if number.channel_units is None or (number.channel_units_at is not None and number.channel_units_at >= counted_at):
        return number.salable_quantity
    return number.channel_units


def _book_count(hub: Hub, connection: Connection, fact: StockObservation, place: Place, expected: int) -> bool:
    """Books what a count differs by; False: it was heard before, or a newer one was."""
    stock = StockStore(connection, hub.clock.now())
    last = stock.last_counts([place]).get(place)
    is_newest = last is None or last < fact.observed_at
    is_new = stock.record_observation(
        {
            "location_id": place.location_id,
            "item_id": place.item_id,
            "source": fact.channel,
            "version": fact.version or "",
            "units": fact.units,
            "expected_units": expected,
            "is_booked": is_newest,
            "observed_at": fact.observed_at,
        }
    )
    if not (is_new and is_newest):
        return False
    entry = count_difference(
        place,
        fact.units - expected,
        counted_at=fact.observed_at,
        cause_key=f"count|{fact.channel}|{place.item_id}|{place.location_id}|{fact.observed_at.isoformat()}",
        reason=AdjustmentReason.CYCLE_COUNT if fact.is_physical_count else AdjustmentReason.CORRECTION,
    )
    if entry is not None:
        settle(hub, connection, stock.book([entry]))
    return True
