"""Opening stock from the live system that is master of a location: what it shows, and what its open orders hold.

A shop takes the units of an order off its number when the order is placed; they lie on the shelf until it is sent. So
what lies there is the number and those units together, and that sum stands still while people buy. It is taken
when two looks in a row agree on it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nervure.inventory.counts import Count
from nervure.inventory.ledger import count_difference
from nervure.inventory.stock import Entry, Place
from nervure.operations.cutover import patiently, understand
from nervure.operations.hub import Hub
from nervure.operations.import_stock import DOCUMENT, opening_cause
from nervure.operations.pull import pull_orders
from nervure.operations.refusals import RefusalError
from nervure.orders.settling import settle
from nervure.store.cutover import CutoverStore, Shown
from nervure.store.database import Connection
from nervure.store.drift import DriftStore
from nervure.store.imports import OPENING, ImportStore
from nervure.store.locations import LocationStore
from nervure.store.publications import PublicationStore
from nervure.store.statements import chunks
from nervure.store.stock import StockStore
from schemas.base import counted
from schemas.capabilities import Capabilities, StockMeaning
from schemas.levels import LevelKey
from schemas.stock import AdjustmentReason, MovementKind

MAX_LOOKS = 6
KEYS_A_READ = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """A channel's stock point, whose number is the stock of a location."""

    channel: str
    point: str
    location: str


@dataclass
class Taken:
    """What became of one location: places booked, places that had an opening stock, and what a person must look at."""

    source: Source
    booked: int = 0
    units: int = 0
    known: int = 0
    remarks: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OnShelf:
    """What lies there of one item, as two looks agree; `seen_at` is the first of them."""

    item_id: int
    sku: str
    units: int
    seen_at: datetime


def find_source(hub: Hub, channel: str, location: str) -> Source:
    """The stock point of a channel that stands for a location.

    Raises:
        RefusalError: there is none, or more than one, or the channel is live already.
    """
    with hub.database.read() as connection:
        cutover = CutoverStore(connection, hub.clock.now())
        stage = cutover.stage(channel)
        found = [point for name, point, _ in cutover.points_at(location) if name == channel]
    if not stage.is_gated:
        raise RefusalError(f"{channel} is live: its numbers are the hub's own; count, or use `nervure stock adjust`")
    _require_heard(hub, channel)
    if len(found) != 1:
        count = "no stock point" if not found else f"{len(found)} stock points"
        raise RefusalError(f"channel {channel!r} has {count} for location {location!r}")
    return Source(channel, found[0], location)


def _require_heard(hub: Hub, channel: str) -> None:
    with hub.database.read() as connection:
        heard_at = CutoverStore(connection, hub.clock.now()).stage(channel).heard_at
    if heard_at is None:
        raise RefusalError(f"nothing was heard of {channel} yet: run `nervure cutover begin {channel}`")


def masters(hub: Hub) -> list[tuple[str, str]]:
    """Locations whose master is a gated channel: their numbers are taken from it without asking."""
    with hub.database.read() as connection:
        rows = ImportStore(connection, hub.clock.now()).locations()
        return [
            (str(row["master"]), code)
            for code, row in sorted(rows.items())
            if row["master"] in hub.accounts
            and row["opened_at"] is None
            and CutoverStore(connection, hub.clock.now()).stage(str(row["master"])).is_gated
        ]


def take_stock(hub: Hub, source: Source, *, also_less: Sequence[str] = ()) -> Taken:
    """Books what lies at a location; done again it books only what was not booked.

    `also_less`: channels whose open orders an old tool takes off this number too; the channel itself: the parts of
    the kits that it sold.

    Raises:
        RefusalError: a channel whose orders are to be added was not heard yet.
        ConnectorError: the channel cannot be read; nothing was booked.
    """
    for channel in also_less:
        _require_heard(hub, channel)
    taken = Taken(source)
    agreed, taken.remarks = _agreed(hub, source, also_less)
    taken.remarks += _differences(hub, source, agreed, also_less)

    def work(connection: Connection) -> tuple[int, int, int, list[tuple[str, str]]]:
        return _book(hub, connection, source, list(agreed.values()))

    taken.booked, taken.units, taken.known, more = hub.database.run(work)
    taken.remarks += more
    return taken


def _agreed(hub: Hub, source: Source, also_less: Sequence[str]) -> tuple[dict[int, OnShelf], list[tuple[str, str]]]:
    """What looks in a row agree on, and what must be looked at."""
    before, _ = _look(hub, source, also_less)
    agreed: dict[int, OnShelf] = {}
    remarks: dict[str, str] = {}
    for _ in range(MAX_LOOKS):
        now, remarks = _look(hub, source, also_less)
        for item, one in now.items():
            last = before.get(item)
            if item not in agreed and last is not None and last.units == one.units:
                agreed[item] = last
        before = now
        if now.keys() <= agreed.keys():
            break
    for item, one in before.items():
        if item not in agreed:
            remarks[one.sku] = "its number moved while we looked: run this again"
    return agreed, sorted(remarks.items())


def _look(hub: Hub, source: Source, also_less: Sequence[str]) -> tuple[dict[int, OnShelf], dict[str, str]]:
    """One look: the numbers are read first, then the orders that explain them."""
    begun = hub.clock.now()
    with hub.database.read() as connection:
        numbers = PublicationStore(connection, begun).numbers(source.channel)
    ids = {number.key: number.publication_id for number in numbers if number.key.stock_point == source.point}
    for keys in chunks(sorted(ids, key=lambda key: key.stock_id), KEYS_A_READ):
        _read(hub, source.channel, keys, ids)
    for channel in dict.fromkeys((source.channel, *also_less)):
        patiently(hub, lambda channel=channel: pull_orders(hub, channel))  # type: ignore[misc]  # bound now
        understand(hub, channel)
    with hub.database.read() as connection:
        cutover = CutoverStore(connection, hub.clock.now())
        shown = cutover.shown(source.channel, source.point)
        others = _held_by_others(connection, hub.clock.now(), source.channel, also_less)
    return on_shelf(shown, others, hub.accounts[source.channel].record.capabilities, begun)


def _read(hub: Hub, channel: str, keys: Sequence[LevelKey], ids: Mapping[LevelKey, int]) -> None:
    seen_at = hub.clock.now()
    readings: list[tuple[LevelKey, int]] = []

    def ask() -> int:
        readings.extend(
            (one.key, one.units) for one in hub.connection(channel).read_levels(keys) if one.units is not None
        )
        return len(readings)

    patiently(hub, ask)

    def note(connection: Connection) -> None:
        drift = DriftStore(connection, hub.clock.now())
        for key, units in readings:
            drift.heard(ids[key], units, seen_at)

    hub.database.run(note)


def on_shelf(
    shown: Sequence[Shown], others: Mapping[int, int], capabilities: Capabilities, begun: datetime
) -> tuple[dict[int, OnShelf], dict[str, str]]:
    """What lies at a stock point by item, and by sku why it cannot be said. `others`: units that other orders hold."""
    holds_orders = capabilities.committed_included or capabilities.stock_meaning is StockMeaning.ON_HAND
    by_item: dict[int, list[Shown]] = defaultdict(list)
    for one in shown:
        by_item[one.item_id].append(one)
    found: dict[int, OnShelf] = {}
    remarks: dict[str, str] = {}
    for item, listings in by_item.items():
        one = listings[0]
        held = others.get(item, 0) + (0 if holds_orders else one.open_units)
        fault = _fault_of(listings, held, knows_point=holds_orders or not one.unplaced_units)
        if fault is not None or one.units is None:
            remarks[one.sku] = fault or ""
        else:
            found[item] = OnShelf(item, one.sku, one.units + held, min(one.seen_at or begun, begun))
    return found, remarks


def _fault_of(listings: Sequence[Shown], held: int, *, knows_point: bool) -> str | None:
    """Why what lies there cannot be said from what the channel shows; None: it can."""
    one = listings[0]
    if len(listings) > 1:
        numbers = ", ".join(f"{each.listing}: {each.units}" for each in listings)
        return f"{len(listings)} listings show it ({numbers}): exclude all but one, or import its stock"
    if one.units is None:
        return "the channel shows no number of it"
    if not knows_point:
        return (
            f"{counted(one.unplaced_units, 'unit is', 'units are')} in open orders, and the channel does not say"
            " from which stock point: import its stock"
        )
    if one.units + held < 0:
        return f"the channel shows {one.units}, and open orders hold {held}: count it"
    return None


def _held_by_others(connection: Connection, now: datetime, channel: str, also_less: Sequence[str]) -> dict[int, int]:
    """Units by item that open orders of these channels hold; of the channel itself the parts of its kits alone."""
    cutover, stock = CutoverStore(connection, now), StockStore(connection, now)
    held: dict[int, int] = defaultdict(int)
    for name in also_less:
        bought = cutover.open_units(name)
        for item, parts in stock.parts_of(bought.keys()).items():
            for part, per in parts.items():
                if name != channel or part != item:
                    held[part] += bought[item] * per
    return dict(held)


def _differences(
    hub: Hub, source: Source, agreed: Mapping[int, OnShelf], also_less: Sequence[str]
) -> list[tuple[str, str]]:
    """What other systems show for the very same locations, where it is something else. Nobody takes a mean of them."""
    with hub.database.read() as connection:
        cutover = CutoverStore(connection, hub.clock.now())
        points = cutover.points_at(source.location)
        mine = {pool for name, point, pool in points if (name, point) == (source.channel, source.point)}
        others = [
            Source(name, point, source.location)
            for name, point, pool in points
            if {*pool} in [{*one} for one in mine] and name != source.channel and name in hub.accounts
            if cutover.stage(name).is_gated and cutover.stage(name).heard_at is not None
        ]
    found: list[tuple[str, str]] = []
    for other in others:
        # What an old tool keeps in step shows the same everywhere, the orders of all of them taken off.
        their, _ = _look(hub, other, [*dict.fromkeys((*also_less, source.channel))] if also_less else [])
        found += [
            (one.sku, f"{source.channel} gives {agreed[item].units}, {other.channel} gives {one.units}")
            for item, one in their.items()
            if item in agreed and agreed[item].units != one.units
        ]
    return found


def _book(
    hub: Hub, connection: Connection, source: Source, shelf: Sequence[OnShelf]
) -> tuple[int, int, int, list[tuple[str, str]]]:
    now = hub.clock.now()
    store, stock = ImportStore(connection, now), StockStore(connection, now)
    location = LocationStore(connection, now).ids()[source.location]
    places = {one.item_id: Place(one.item_id, location) for one in shelf}
    store.lock_places(list(places.values()))
    there = _on_hand(store, places, shelf)
    causes = {one.item_id: opening_cause(one.sku, source.location) for one in shelf}
    booked = store.booked(causes.values())
    opened = store.opened(list(places.values())) | {places[i] for i, cause in causes.items() if cause in booked}
    entries: list[Entry] = []
    remarks: list[tuple[str, str]] = []
    known = 0
    for one in shelf:
        place, cause = places[one.item_id], causes[one.item_id]
        difference = one.units - there.get(place, 0)
        if place in opened:
            known += 1
            if difference:
                remarks.append((one.sku, f"the hub has {one.units - difference}, {source.channel} gives {one.units}"))
            continue
        _observe(stock, place, source.channel, one, difference)
        entry = _opening(place, difference, cause, one)
        if entry is not None:
            entries.append(entry)
    store.note_opening([location], min((one.seen_at for one in shelf), default=now))
    settle(stock.book(entries), hub.desk(connection))
    return len(entries), sum(entry.units for entry in entries), known, remarks


def _on_hand(store: ImportStore, places: Mapping[int, Place], shelf: Sequence[OnShelf]) -> dict[Place, int]:
    """What the hub has there, of what happened until the number was seen."""
    by_moment: dict[datetime, list[Place]] = defaultdict(list)
    for one in shelf:
        by_moment[one.seen_at].append(places[one.item_id])
    return {place: units for at, some in by_moment.items() for place, units in store.on_hand(some, at).items()}


def _observe(stock: StockStore, place: Place, channel: str, one: OnShelf, difference: int) -> None:
    """Keeps the number as a count: a ticket or a return from before it that is heard later is not counted twice."""
    stock.record_count(
        Count(
            place=place,
            source=f"cutover:{channel}",
            units=one.units,
            observed_at=one.seen_at,
            version=OPENING,
            difference=difference,
        )
    )


def _opening(place: Place, difference: int, cause: str, one: OnShelf) -> Entry | None:
    if difference > 0:
        return Entry(place, MovementKind.RECEIVED, difference, cause, one.seen_at, document=DOCUMENT)
    return count_difference(
        place,
        difference,
        counted_at=one.seen_at,
        cause_key=cause,
        reason=AdjustmentReason.CORRECTION,
        document=DOCUMENT,
    )
