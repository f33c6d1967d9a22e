"""A channel shows numbers: another master's is booked, an echo changes nothing, anything else is drift."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from nervure.inventory.ledger import count_difference
from nervure.inventory.stock import Place, cause_key
from nervure.operations.hub import Hub
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection
from nervure.store.orders import OrderStore
from nervure.store.publications import Number, PublicationStore
from nervure.store.stock import StockStore
from schemas.levels import LevelKey
from schemas.publications import PublicationState
from schemas.stock import AdjustmentReason, StockObservation


def observe(hub: Hub, connection: Connection, facts: Sequence[StockObservation]) -> None:
    """Takes in what one channel shows. Most of it are echoes of our own writes, so all is compared in one query."""
    now = hub.clock.now()
    publications = PublicationStore(connection, now)
    catalogue = CatalogueStore(connection, now)
    channel = facts[0].channel
    masters = catalogue.ruled_points(channel)
    listings = catalogue.listing_items(channel, {fact.listing_external_id for fact in facts})
    # A stock point that the settings do not name is not heard, also where it once had been.
    points = set(ChannelStore(connection, now).stock_points(channel))
    ours = [fact for fact in facts if fact.listing_external_id in listings and fact.stock_point in points]
    kits = catalogue.kits({listings[fact.listing_external_id][0] for fact in ours})

    def is_count(fact: StockObservation) -> bool:
        # A kit has no stock of its own: what is shown of it follows from its parts, also where somebody "counted" it.
        return (fact.is_physical_count or fact.stock_point in masters) and (
            listings[fact.listing_external_id][0] not in kits
        )

    counted = {listings[fact.listing_external_id][1].stock_id for fact in ours if is_count(fact)}
    if counted:
        # What was sold there and heard before is off the number that a count is compared with.
        publications.catch_up(channel, counted)
    keys = {LevelKey(listings[fact.listing_external_id][1].stock_id, fact.stock_point) for fact in ours}
    numbers = {number.key: number for number in publications.numbers(channel, keys, locked=bool(counted))}
    for fact in sorted(ours, key=lambda fact: fact.observed_at):
        item_id, listing = listings[fact.listing_external_id]
        key = LevelKey(listing.stock_id, fact.stock_point)
        number = numbers.get(key)
        if number is None or (number.channel_units == fact.units and not fact.is_physical_count):
            continue
        if not is_count(fact):
            publications.heard(number.publication_id, fact.units, fact.observed_at)
        elif fact.is_physical_count or not _is_overtaken(number, fact.observed_at):
            if _book_count(hub, connection, fact, item_id, number):
                # The next count is compared with this one.
                numbers[key] = replace(number, channel_units=fact.units, channel_units_at=fact.observed_at)
            publications.counted(number.publication_id, fact.units, fact.observed_at)


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


def _book_count(hub: Hub, connection: Connection, fact: StockObservation, item_id: int, number: Number) -> bool:
    """Books what a count differs by; False: it was heard before, or a newer one was."""
    now = hub.clock.now()
    place = Place(item_id, OrderStore(connection, now).location_of(fact.channel, fact.stock_point))
    stock = StockStore(connection, now)
    levels = stock.lock_sellable([place])
    difference = fact.units - _expected(number, fact.observed_at)
    if fact.is_physical_count and difference > 0:
        # Units that are held back or set aside for orders are not shown, but lie on the shelf: whoever counts may
        # have counted them or not, so a number in between says nothing.
        buffer_units = ChannelStore(connection, now).get(fact.channel).buffer_units
        hidden = sum(level.claimed for level in levels) + stock.safety_stock([place]).get(place, 0) + buffer_units
        difference = max(difference - hidden, 0)
    last = stock.last_counts([place]).get(place)
    is_newest = last is None or last < fact.observed_at
    is_new = stock.record_observation(
        {
            "location_id": place.location_id,
            "item_id": place.item_id,
            "source": fact.channel,
            "version": fact.version or "",
            "units": fact.units,
            "expected_units": fact.units - difference,
            "is_booked": is_newest,
            "observed_at": fact.observed_at,
        }
    )
    if not (is_new and is_newest):
        return False
    entry = count_difference(
        place,
        difference,
        counted_at=fact.observed_at,
        cause_key=cause_key("count", fact.channel, *place, fact.observed_at.isoformat()),
        document=f"observation:{fact.channel}:{fact.observed_at:%Y-%m-%dT%H:%M:%SZ}",
        reason=AdjustmentReason.CYCLE_COUNT if fact.is_physical_count else AdjustmentReason.CORRECTION,
    )
    if entry is not None:
        settle(stock.book([entry]), hub.desk(connection))
    return True
