"""From what a document says to what the hub does about it."""

from collections.abc import Sequence
from datetime import datetime

from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, Place, cause_key
from nervure.operations.hub import Hub
from nervure.operations.observations import observe
from nervure.orders.intake import take_in
from nervure.orders.returns import take_back
from nervure.orders.settling import settle
from nervure.store.bindings import BindingStore, replay_unbound
from nervure.store.catalogue import CatalogueStore
from nervure.store.cutover import CutoverStore
from nervure.store.database import Connection
from nervure.store.ghosts import note_ghosts
from nervure.store.publications import PublicationStore
from schemas.documents import Fact
from schemas.items import Item
from schemas.orders import Order, OrderState, Return
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import ChannelMovement, StockObservation

_OVER = frozenset({OrderState.COMPLETED, OrderState.CANCELED})


def apply(hub: Hub, connection: Connection, facts: Sequence[Fact]) -> None:
    """Carries facts out inside one transaction.

    Raises:
        UnboundListingError: a listing has no item; nothing of these facts may be kept.
    """
    listings: list[ChannelListing] = []
    observations: list[StockObservation] = []
    for fact in (one for one in facts if not _is_history(hub, connection, one)):
        match fact:
            case Order():
                take_in(fact, hub.accounts[fact.channel].record.capabilities, hub.desk(connection))
                note_ghosts(connection, hub.clock.now(), fact.channel, fact.external_id)
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


def _is_history(hub: Hub, connection: Connection, fact: Fact) -> bool:
    """Whether it was over before the hub's stock begins: a channel that goes live is read from long before."""
    cutover = CutoverStore(connection, hub.clock.now())
    match fact:
        case Order() if fact.state in _OVER:
            return cutover.is_history(fact.channel, fact.external_id, fact.changed_at)
        case Return():
            return cutover.is_history(fact.channel, fact.order, fact.occurred_at)
        case ChannelMovement():
            return cutover.is_history(fact.channel, None, fact.occurred_at)
        case _:
            return False


def put_listings(hub: Hub, connection: Connection, listings: Sequence[ChannelListing]) -> None:
    """Writes and binds listings, and gives what waited for a binding another chance."""
    now = hub.clock.now()
    channel = listings[0].channel
    if hub.accounts[channel].creates_items:
        _create_items(connection, listings, now)
    BindingStore(connection).put_listings(channel, listings)
    if PublicationStore(connection, now).create_missing(channel) or not all(one.is_goods for one in listings):
        replay_unbound(connection, now, channel)


def _create_items(connection: Connection, listings: Sequence[ChannelListing], now: datetime) -> None:
    catalogue = CatalogueStore(connection, now)
    known = catalogue.item_ids([one.sku for one in listings if one.sku])
    fresh = {
        one.sku: Item(sku=one.sku, title=one.title, gtin=one.gtin, options=one.options)
        for one in listings
        if one.is_goods and one.sku and one.sku not in known
    }
    catalogue.put_items(list(fresh.values()))


def _move(hub: Hub, connection: Connection, fact: ChannelMovement) -> None:
    desk = hub.desk(connection)
    bound = desk.bindings.listings_of(fact.channel, [fact.listing_external_id]).get(fact.listing_external_id)
    if bound is None:
        return  # no goods
    location = desk.bindings.location_of(fact.channel, fact.stock_point)
    entries = [
        Entry(
            place=Place(part, location),
            kind=fact.kind,
            units=fact.units * per,
            cause_key=cause_key("movement", fact.channel, fact.external_id, part),
            document=f"movement:{fact.channel}:{fact.external_id}",
            occurred_at=fact.occurred_at,
            reason=fact.reason,
            condition=fact.condition,
        )
        for part, per in desk.stock.parts_of([bound.item_id])[bound.item_id].items()
    ]
    booked = book(desk.stock, entries)
    settle(booked, desk)
    if booked:
        # The platform moved its own number with it, by an amount that it alone knows.
        desk.channel_notes.may_have_restocked(fact.channel, {bound.listing_id})
