"""A channel shows numbers: another master's is booked, an echo changes nothing, anything else is drift."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from nervure.inventory.counts import Basis, Count, take
from nervure.inventory.stock import Place
from nervure.operations.hub import Hub
from nervure.orders.settling import settle
from nervure.store.bindings import BindingStore
from nervure.store.catalogue import CatalogueStore
from nervure.store.channels import ChannelStore
from nervure.store.cutover import CutoverStore
from nervure.store.database import Connection
from nervure.store.drift import DriftStore
from nervure.store.publications import Number, PublicationStore
from nervure.store.readback import ReadBackStore
from nervure.store.salable import SalableStore
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from schemas.levels import LevelKey
from schemas.publications import PublicationState
from schemas.stock import AdjustmentReason, StockObservation


def observe(hub: Hub, connection: Connection, facts: Sequence[StockObservation]) -> None:
    """Takes in what one channel shows. Most of it are echoes of our own writes, so all is compared set-wise."""
    now = hub.clock.now()
    publications = PublicationStore(connection, now)
    catalogue = CatalogueStore(connection, now)
    channel = facts[0].channel
    masters = StockPointStore(connection, now).ruled_points(channel)
    closed = CutoverStore(connection, now).closed_points(channel)
    listings = BindingStore(connection).listing_items(channel, {fact.listing_external_id for fact in facts})
    # A stock point that the settings do not name is not heard, also where it once had been.
    points = set(ChannelStore(connection, now).stock_points(channel))
    ours = [fact for fact in facts if fact.listing_external_id in listings and fact.stock_point in points]
    kits = catalogue.kits({listings[fact.listing_external_id][0] for fact in ours})

    def is_count(fact: StockObservation) -> bool:
        # A kit has no stock of its own: what is shown of it follows from its parts, also where somebody "counted" it.
        # Before a place's stock was taken, a number there is no difference to anything.
        return (
            (fact.is_physical_count or fact.stock_point in masters)
            and fact.stock_point not in closed
            and listings[fact.listing_external_id][0] not in kits
        )

    def key_of(fact: StockObservation) -> LevelKey:
        return LevelKey(listings[fact.listing_external_id][1].stock_id, fact.stock_point)

    counts = {key_of(fact): (listings[fact.listing_external_id][0], fact) for fact in ours if is_count(fact)}
    counting = _Counting.of(hub, connection, channel, counts) if counts else None
    if counting is not None:
        # What was sold there and heard before is off the number that a running number is compared with.
        publications.catch_up(channel, {key.stock_id for key in counts})
    keys = {key_of(fact) for fact in ours}
    numbers = {number.key: number for number in publications.numbers(channel, keys, locked=counting is not None)}
    if counting is not None:
        counting.look_back(numbers.values())
    shelf = _Shelf(hub, connection, channel)
    for fact in sorted(ours, key=lambda fact: fact.observed_at):
        key = key_of(fact)
        number = numbers.get(key)
        if number is None:
            continue
        if counting is not None and is_count(fact):
            if counting.take(fact, number):
                # The next running number is compared with this one.
                numbers[key] = replace(number, channel_units=fact.units, channel_units_at=fact.observed_at)
                publications.counted(number.publication_id, fact.units, fact.observed_at)
        else:
            shelf.take(fact, number)
    shelf.close()


@dataclass(slots=True)
class _Shelf:
    """Hears numbers of one channel that no count is behind: an echo, a write that has arrived, or drift."""

    hub: Hub
    connection: Connection
    channel: str
    arrived: dict[datetime, list[int]] = field(default_factory=dict)

    def take(self, fact: StockObservation, number: Number) -> None:
        if number.channel_units != fact.units:
            policy = self.hub.accounts[self.channel].drift
            drift = DriftStore(self.connection, self.hub.clock.now())
            drift.heard(number.publication_id, fact.units, fact.observed_at, policy)
        elif number.is_to_be_checked:
            self.arrived.setdefault(fact.observed_at, []).append(number.publication_id)

    def close(self) -> None:
        """What the channel itself said to have arrived need not be read back."""
        for observed_at, ids in sorted(self.arrived.items()):
            ReadBackStore(self.connection, self.hub.clock.now()).seen(ids, observed_at)


@dataclass(slots=True)
class _Counting:
    """What some counts of one channel are compared with, read under the locks of their levels."""

    hub: Hub
    connection: Connection
    stock: StockStore
    channel: str
    places: Mapping[LevelKey, Place]
    withheld: Mapping[Place, int]
    last_words: dict[Place, Count]
    sold: Mapping[Place, Sequence[tuple[datetime, int]]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, hub: Hub, connection: Connection, channel: str, counts: Mapping[LevelKey, tuple[int, StockObservation]]
    ) -> "_Counting":
        now = hub.clock.now()
        bindings = BindingStore(connection)
        locations = {
            point: bindings.location_of(channel, point) for point in sorted({key.stock_point for key in counts})
        }
        places = {key: Place(item_id, locations[key.stock_point]) for key, (item_id, _) in counts.items()}
        stock = StockStore(connection, now)
        # First of all: a sale is in the ledger and off the channel's number, or it is in neither.
        stock.lock_counted([Count(place, channel, 0, now) for place in places.values()])
        safety = stock.safety_stock(set(places.values()))
        withheld = {place: safety.get(place, 0) for place in places.values()}
        last_words = stock.last_words(set(places.values()), channel)
        return cls(hub, connection, stock, channel, places, withheld, last_words)

    def look_back(self, numbers: Iterable[Number]) -> None:
        """Reads what the channel sold by itself since its numbers were last known."""
        since: dict[Place, datetime] = {}
        for number in numbers:
            place = self.places.get(number.key)
            if place is not None and number.channel_units_at is not None:
                last = self.last_words.get(place)
                since[place] = min(number.channel_units_at, last.observed_at if last else number.channel_units_at)
        self.sold = self.stock.own_sales_since(since, self.channel)

    def take(self, fact: StockObservation, number: Number) -> bool:
        """Books what a count differs by; True: it says anew what the channel shows there."""
        place = self.places[number.key]
        last = self.last_words.get(place)
        said = Count(place, self.channel, fact.units, fact.observed_at, Basis.SHELF, version=fact.version or "")
        hidden = SalableStore(self.connection, self.hub.clock.now()).hidden(number.publication_id)
        said = replace(said, withheld_units=self.withheld[place] + hidden)
        reason = AdjustmentReason.CYCLE_COUNT
        if not fact.is_physical_count:
            if _is_overtaken(number, said, last):
                return False
            said = self._running(said, number, last)
            reason = AdjustmentReason.CORRECTION
            if last is not None and self._is_echo(said, last):
                self.last_words[place] = self.stock.go_on(last, said)
                return False
        document = f"observation:{self.channel}:{fact.observed_at:%Y-%m-%dT%H:%M:%SZ}"
        booked = take(self.stock, said, reason=reason, document=document)
        if booked is None:
            return False
        settle(booked, self.hub.desk(self.connection))
        if last is not None and last.rank > said.rank:
            return False
        self.last_words[place] = self.stock.last_words([place], self.channel)[place]
        return bool(booked) or said.basis is not Basis.RUNNING

    def _running(self, said: Count, number: Number, last: Count | None) -> Count:
        """A running number goes on from what the channel showed before; where nobody knows that, from the ledger."""
        if last is not None and (number.channel_units_at is None or last.observed_at >= number.channel_units_at):
            return self._on_base(said, last.units, last.observed_at)
        if number.channel_units is None or number.channel_units_at is None:
            return replace(said, basis=Basis.FREE)
        # What we believe is there counts every sale that was heard, also later ones; the base is without them.
        sold = self._sold(said.place, number.channel_units_at)
        return self._on_base(said, number.channel_units - sold, number.channel_units_at)

    def _on_base(self, said: Count, units: int, at: datetime) -> Count:
        return replace(said, basis=Basis.RUNNING, withheld_units=0, base_units=units, base_at=at)

    def _is_echo(self, said: Count, last: Count) -> bool:
        """Whether a running number was seen again as it was expected after its last word, which booked nothing."""
        if not (said.basis is last.basis is Basis.RUNNING and last.difference == 0):
            return False
        if said.base_at != last.observed_at or said.base_units is None:
            return False
        return said.units == said.base_units + self._sold(said.place, said.base_at, said.observed_at)

    def _sold(self, place: Place, since: datetime, until: datetime | None = None) -> int:
        return sum(units for at, units in self.sold.get(place, ()) if since < at and (until is None or at <= until))


def _is_overtaken(number: Number, said: Count, last: Count | None) -> bool:
    """Whether a running number says nothing: it was read before our last write there, or while one is on its way, or
    its system has said something newer. Of one instant the later version is the newer.
    """
    if number.state in {PublicationState.SENT, PublicationState.UNKNOWN}:
        return True
    if last is not None and last.observed_at >= said.observed_at:
        return last.rank >= said.rank
    return number.channel_units_at is not None and number.channel_units_at >= said.observed_at
