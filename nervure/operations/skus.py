"""Renaming, merging and splitting skus: events, each with its document. Stock is kept under ids that never change."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nervure.inventory.claims import share_out
from nervure.inventory.ledger import book
from nervure.inventory.stock import Entry, InsufficientStockError, Place, cause_key
from nervure.inventory.transfers import IN_TRANSIT
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import UnknownStockError
from nervure.orders.settling import serve_shortfalls, settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection, RuleBrokenError, savepoint
from nervure.store.incoming import IncomingStore
from nervure.store.locations import LocationStore
from nervure.store.skus import ItemEvent, ItemState, LevelUnits, SkuStore
from nervure.store.stock import StockStore
from schemas.base import counted
from schemas.stock import AdjustmentReason, Condition, MovementKind

MAX_SKU = 128


class SkuError(RefusalError):
    """A sku cannot be renamed, merged or split as it was asked; nothing was changed."""


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """How an item is called now, the names it had (with the time of giving each up), and what became of it."""

    sku: str
    names: tuple[tuple[str, datetime, datetime | None], ...]
    events: tuple[ItemEvent, ...]


def rename(hub: Hub, old: str, new: str) -> bool:
    """Gives an item another sku; the old one stays known and goes to no other item. False: that was done before.

    Raises:
        SkuError: the new name belongs, or belonged, to another item.
        UnknownStockError: no item is called so.
    """
    _check_name(new)

    def work(connection: Connection) -> bool:
        store = SkuStore(connection, hub.clock.now())
        found = store.lock(old, new)
        if old == new and old in found:
            return False
        if old not in found:
            if new in found and store.alias(old) == found[new].id:
                return False
            raise UnknownStockError(f"sku {old!r} is not known")
        if new in found:
            raise SkuError(f"{new!r} is another item: to make them one, use `nervure items merge {old} {new}`")
        item = found[old]
        if store.alias(new) == item.id:
            store.free(new)  # it gets back a name of its own
        _refuse_kept_name(store, new)
        origin = CatalogueStore(connection, hub.clock.now()).cause_sku(old)
        store.give_up(item.id, old, origin)
        try:
            with savepoint(connection):
                store.rename(item.id, new)
        except RuleBrokenError as error:
            raise SkuError(f"{new!r} was taken by another item in this moment") from error
        details = {"old": old, "new": new}
        store.note("renamed", _next_document(store, f"rename:{old}:{new}"), item.id, None, details)
        return True

    return hub.database.run(work)


def merge(hub: Hub, sku: str, into: str) -> bool:
    """Makes two items one: stock, listings, offers, serial numbers of the first go to the second. False: done before.

    It is refused while carts or orders hold units of the first: a claim names the very level that it took from, and
    what is packed now must leave under the name on its label. Order lines that wait, and returns that come later,
    name the old item: it lives on as a kit of one unit of the new one, so they find the new one's stock.

    Raises:
        SkuError: units are claimed, one of them is a kit, or a serial number is known of both.
        UnknownStockError: no item is called so.
    """

    def work(connection: Connection) -> bool:
        desk = hub.desk(connection)
        store = SkuStore(connection, desk.now)
        found = store.lock(sku, into)
        if into not in found:
            raise UnknownStockError(f"sku {into!r} is not known")
        if sku not in found:
            if store.alias(sku) == found[into].id:
                return False
            raise UnknownStockError(f"sku {sku!r} is not known")
        gone, kept = found[sku], found[into]
        _refuse_merge(store, gone, kept)
        coming = IncomingStore(connection, desk.now).incoming([gone.id])
        if coming:
            raise SkuError(
                f"units of {sku!r} are to come with {coming[0].document}: let them arrive, or close it first"
            )
        levels = store.lock_levels(gone.id)
        claimed = store.open_claims([level.id for level in levels])
        if claimed:
            raise SkuError(
                f"{counted(claimed, 'unit')} of {sku!r} {'is' if claimed == 1 else 'are'} set aside for carts and"
                " orders: let them leave or be released first"
            )
        origin = CatalogueStore(connection, desk.now).cause_sku(sku)
        document = _next_document(store, f"merge:{sku}:{into}")
        booked = book(StockStore(connection, desk.now), _merging(levels, gone, kept, document, desk.now))
        listings = store.point_to(kept.id, gone.id)
        store.rename(gone.id, f"{sku} (merged into {into}, item {gone.id})")
        store.give_up(gone.id, sku, origin, to_item_id=kept.id)
        details = {"from": sku, "into": into, "listings": listings}
        store.note("merged", document, kept.id, gone.id, details)
        settle(booked, desk)
        serve_shortfalls([kept.id], desk)  # also where nothing moved: who waited for the one may have the other
        return True

    return hub.database.run(work)


def split(hub: Hub, sku: str, new: str, units: Mapping[str, int], *, document: str | None = None) -> bool:
    """Moves sellable units, by location, from one item to another, which is made like the first where it is new.

    The same document again changes nothing (False).

    Raises:
        SkuError: a location has fewer free units, an item is a kit or asks for serial numbers, or the name is kept.
        UnknownStockError: no such sku or location.
    """
    _check_name(new)
    if not units or any(count <= 0 for count in units.values()):
        raise SkuError(f"say how many units of {sku!r} become {new!r}, above 0, and where")
    name = document or f"split:{sku}:{new}"
    details = {"from": sku, "into": new, "units": dict(sorted(units.items()))}

    def work(connection: Connection) -> bool:
        desk = hub.desk(connection)
        store, stock = SkuStore(connection, desk.now), StockStore(connection, desk.now)
        found = store.lock(sku, new)
        if sku not in found:
            raise UnknownStockError(f"sku {sku!r} is not known")
        known = store.event(name)
        if known is not None:
            if known.details != details:
                raise SkuError(f"{name} was booked before, with other units: name this one with --document")
            return False
        _refuse_lots(store, found[sku])
        other_id = _split_target(connection, store, found, sku, new)
        codes = LocationStore(connection, desk.now).ids()
        for location in units:
            _check_place(location, codes)
        by_id = {codes[location]: count for location, count in units.items()}
        try:
            entries = _splitting(stock, (found[sku].id, other_id), by_id, name, desk.now)
        except InsufficientStockError as error:
            raise SkuError(_what_lacks(error, sku, {number: code for code, number in codes.items()})) from error
        store.note("split", name, found[sku].id, other_id, details)
        settle(book(stock, entries), desk)
        return True

    return hub.database.run(work)


def free(hub: Hub, sku: str) -> None:
    """Lets a former sku be given to another item. What named it before that item came still means the old one.

    Raises:
        UnknownStockError: no item keeps that name.
    """
    if not hub.database.run(lambda connection: SkuStore(connection, hub.clock.now()).free(sku)):
        raise UnknownStockError(f"{sku!r} is no former sku of an item")


def look_up(hub: Hub, sku: str, at: datetime | None = None) -> ItemHistory:
    """The item that a sku means, or meant at a time, with its history.

    Raises:
        UnknownStockError: no item was ever called so.
    """
    with hub.database.read() as connection:
        store = SkuStore(connection, hub.clock.now())
        item_id = store.resolve(sku, at)
        if item_id is None:
            raise UnknownStockError(f"sku {sku!r} is not known")
        name = CatalogueStore(connection, hub.clock.now()).skus_of([item_id])[item_id]
        return ItemHistory(name, tuple(store.names(item_id)), tuple(store.history(item_id)))


def _check_place(location: str, codes: Mapping[str, int]) -> None:
    if location == IN_TRANSIT:
        raise SkuError("units under way are split where they arrive")
    if location not in codes:
        raise UnknownStockError(f"location {location!r} is not known")


def _refuse_lots(store: SkuStore, item: ItemState) -> None:
    if store.has_lots(item.id):
        raise SkuError(f"{item.sku!r} is kept by lots, whose last days would be lost: sell it out first")


def _refuse_merge(store: SkuStore, gone: ItemState, kept: ItemState) -> None:
    if gone.id == kept.id:
        raise SkuError(f"{gone.sku!r} cannot be merged into itself")
    for item in (gone, kept):
        if item.is_kit:
            raise SkuError(f"{item.sku!r} is a kit, which has no stock of its own")
    for item in (gone, kept):
        _refuse_lots(store, item)
    product = store.recipe_of(gone.id)
    if product is not None:
        raise SkuError(f"{gone.sku!r} is in the recipe of {product!r}: change that first")
    if gone.has_serials != kept.has_serials:
        raise SkuError(f"one of {gone.sku!r} and {kept.sku!r} asks for serial numbers and the other does not")
    both = store.same_serials(gone.id, kept.id)
    if both:
        raise SkuError(f"serial {both[0]!r} is known of {gone.sku!r} and of {kept.sku!r}")


def _merging(levels: list[LevelUnits], gone: ItemState, kept: ItemState, document: str, now: datetime) -> list[Entry]:
    return [
        Entry(
            place=Place(item.id, level.location_id),
            kind=MovementKind.ADJUSTED,
            reason=AdjustmentReason.CORRECTION,
            units=sign * level.on_hand,
            cause_key=cause_key("merge", gone.id, level.id, "out" if item is gone else "in"),
            document=document,
            occurred_at=now,
            owner=level.owner,
            condition=Condition(level.condition),
            lot=level.lot,
        )
        for level in levels
        if level.on_hand
        for item, sign in ((gone, -1), (kept, 1))
    ]


def _split_target(connection: Connection, store: SkuStore, found: Mapping[str, ItemState], sku: str, new: str) -> int:
    for item in found.values():
        if item.is_kit:
            raise SkuError(f"{item.sku!r} is a kit, which has no stock of its own")
        if item.has_serials:
            raise SkuError(f"{item.sku!r} asks for serial numbers: its units cannot be split by number alone")
    if new == sku:
        raise SkuError(f"{sku!r} cannot be split into itself")
    if new in found:
        return found[new].id
    _refuse_kept_name(store, new)
    try:
        with savepoint(connection):
            return store.copy(found[sku].id, new)
    except RuleBrokenError as error:
        raise SkuError(f"{new!r} was taken by another item in this moment") from error


def _splitting(
    stock: StockStore, items: tuple[int, int], units: Mapping[int, int], document: str, now: datetime
) -> list[Entry]:
    """The movements out of one item and into the other, owner by owner and lot by lot.

    Raises:
        InsufficientStockError: with every location that has fewer free units.
    """
    source, target = items
    demand = {Place(source, location): count for location, count in units.items()}
    takes, shortages = share_out(demand, stock.lock_sellable(demand), {})
    if shortages:
        raise InsufficientStockError(shortages)
    owners_and_lots = stock.owners_and_lots({take.level_id for take in takes})
    return [
        Entry(
            place=Place(item, take.place.location_id),
            kind=MovementKind.ADJUSTED,
            reason=AdjustmentReason.CORRECTION,
            units=sign * take.units,
            cause_key=cause_key("split", document, take.level_id, "out" if item == source else "in"),
            document=document,
            occurred_at=now,
            owner=owner,
            lot=lot,
        )
        for take in takes
        for owner, lot in [owners_and_lots[take.level_id]]
        for item, sign in ((source, -1), (target, 1))
    ]


def _what_lacks(error: InsufficientStockError, sku: str, codes: Mapping[int, str]) -> str:
    lacks = "; ".join(
        f"{codes[s.place.location_id]!r} has {counted(s.there, 'free unit')}, {counted(s.wanted, 'was', 'were')} named"
        for s in error.shortages
    )
    return f"not enough free units of {sku!r}, nothing was split: {lacks}"


def _refuse_kept_name(store: SkuStore, sku: str) -> None:
    if store.alias(sku) is not None:
        raise SkuError(f"{sku!r} was the name of another item: `nervure items free {sku}` lets it be used again")


def _next_document(store: SkuStore, document: str) -> str:
    """The same thing can happen again later, when a name was given back; it is another event then."""
    number, name = 1, document
    while store.event(name) is not None:
        number += 1
        name = f"{document}:{number}"
    return name


def _check_name(sku: str) -> None:
    if not sku or sku != sku.strip() or len(sku) > MAX_SKU:
        raise SkuError(f"{sku!r} is no sku: 1 to {MAX_SKU} characters, without blanks around them")
