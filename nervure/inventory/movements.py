"""Movements that people book by hand: what changes its condition or owner, is consumed, assembled or taken apart.

Each function locks every level that it concerns first, in primary-key order, then asks whether the document is known,
then whether the units are there: the same document twice is one movement, and what is refused has written nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from nervure.inventory.claims import share_out
from nervure.inventory.ledger import LedgerRepository, book
from nervure.inventory.stock import Entry, InsufficientStockError, Level, Place
from schemas.base import counted
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind


class Key(NamedTuple):
    """The stock key in internal ids."""

    place: Place
    owner: str = OUR_OWN
    condition: Condition = Condition.SELLABLE
    lot: str = ""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What makes somebody book: the document as people call it, what its cause keys begin with, and when."""

    document: str
    cause: str
    occurred_at: datetime


class NotThereError(Exception):
    """More units were named than lie there; nothing was written."""

    def __init__(self, key: Key, wanted: int, there: int) -> None:
        self.key, self.wanted, self.there = key, wanted, there
        super().__init__(f"{counted(wanted, 'unit')} wanted of {key}, {there} there")


class OtherUnitsError(Exception):
    """A document was booked before with other units; nothing was written."""

    def __init__(self, document: str, before: int, units: int) -> None:
        self.document, self.before, self.units = document, before, units
        super().__init__(f"{document} was booked before with {counted(before, 'unit')}, not with {units}")


class MovementRepository(LedgerRepository, Protocol):
    """What movements by hand need of storage, within one transaction."""

    def lock_keys(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """Locks the levels of these keys in primary-key order, making those that are missing; answers on_hand."""

    def moved(self, occasion: Occasion, item_id: int) -> int | None:
        """Units of an item that came or left on an occasion, the greater of both; None: it is not booked."""

    def owners_and_lots(self, level_ids: Collection[int]) -> Mapping[int, tuple[str, str]]: ...


def change_key(
    stock: MovementRepository,
    source: Key,
    target: Key,
    units: int,
    occasion: Occasion,
    *,
    reason: AdjustmentReason | None = None,
) -> list[Entry]:
    """Books a pair that takes units off one key and brings them to another; answers what was new.

    With a reason the pair is `adjusted` (another owner), else `condition_changed`. Claims do not stand in the way:
    what they lose is for `settle`.

    Raises:
        NotThereError: fewer units lie there.
        OtherUnitsError: the document was booked with other units.
    """
    there = stock.lock_keys([source, target])
    if _is_booked(stock, source.place.item_id, occasion, units):
        return []
    if there[source] < units:
        raise NotThereError(source, units, there[source])
    kind = MovementKind.CONDITION_CHANGED if reason is None else MovementKind.ADJUSTED
    pair = ((source, -units, f"{occasion.cause}|from"), (target, units, f"{occasion.cause}|to"))
    return book(stock, [_entry(key, signed, kind, cause, occasion, reason) for key, signed, cause in pair])


def consume(stock: MovementRepository, key: Key, units: int, occasion: Occasion) -> list[Entry]:
    """Books units that were used up, whoever owns them; answers what was new.

    Raises:
        NotThereError: fewer units lie there.
        OtherUnitsError: the document was booked with other units.
    """
    there = stock.lock_keys([key])
    if _is_booked(stock, key.place.item_id, occasion, units):
        return []
    if there[key] < units:
        raise NotThereError(key, units, there[key])
    return book(stock, [_entry(key, -units, MovementKind.CONSUMED, occasion.cause, occasion)])


def assemble(
    stock: MovementRepository, product: Key, recipe: Mapping[int, int], units: int, occasion: Occasion
) -> list[Entry]:
    """Takes the parts of `units` of a product and brings the product, all or nothing; answers what was new.

    Only claimable parts are taken: what expires first, then our own. The product is ours.

    Raises:
        InsufficientStockError: with every part that lacks units.
        OtherUnitsError: the document was booked with other units.
    """
    location = product.place.location_id
    demand = {Place(part, location): units * per for part, per in recipe.items()}
    stock.lock_keys([product])
    levels = [one for one in stock.lock_sellable({*demand, product.place}) if one.place in demand]
    if _is_booked(stock, product.place.item_id, occasion, units):
        return []
    parts = _leaving(stock, demand, levels, MovementKind.ASSEMBLED, occasion)
    made = _entry(product, units, MovementKind.ASSEMBLED, f"{occasion.cause}|product", occasion)
    return book(stock, [*parts, made])


def disassemble(
    stock: MovementRepository, product: Place, recipe: Mapping[int, int], units: int, occasion: Occasion
) -> list[Entry]:
    """Takes `units` of a product that nobody has claimed and brings its parts; answers what was new.

    Raises:
        InsufficientStockError: fewer are free.
        OtherUnitsError: the document was booked with other units.
    """
    parts = [Key(Place(part, product.location_id)) for part in sorted(recipe)]
    stock.lock_keys(parts)
    levels = [one for one in stock.lock_sellable({product, *(key.place for key in parts)}) if one.place == product]
    if _is_booked(stock, product.item_id, occasion, units):
        return []
    causes = {key: f"{occasion.cause}|part|{key.place.item_id}" for key in parts}
    gone = _leaving(stock, {product: units}, levels, MovementKind.DISASSEMBLED, occasion)
    brought = [
        _entry(key, units * recipe[key.place.item_id], MovementKind.DISASSEMBLED, causes[key], occasion)
        for key in parts
    ]
    return book(stock, [*gone, *brought])


def _is_booked(stock: MovementRepository, item_id: int, occasion: Occasion, units: int) -> bool:
    before = stock.moved(occasion, item_id)
    if before not in (None, units):
        raise OtherUnitsError(occasion.document, before, units)
    return before is not None


def _leaving(
    stock: MovementRepository,
    demand: Mapping[Place, int],
    levels: Collection[Level],
    kind: MovementKind,
    occasion: Occasion,
) -> list[Entry]:
    takes, shortages = share_out(demand, levels, {})
    if shortages:
        raise InsufficientStockError(shortages)
    whose = stock.owners_and_lots({take.level_id for take in takes})
    entries = []
    for take in takes:
        owner, lot = whose[take.level_id]
        key = Key(take.place, owner, lot=lot)
        entries.append(_entry(key, -take.units, kind, f"{occasion.cause}|level|{take.level_id}", occasion))
    return entries


def _entry(  # noqa: PLR0917 - one row of the ledger, column by column
    key: Key,
    units: int,
    kind: MovementKind,
    cause: str,
    occasion: Occasion,
    reason: AdjustmentReason | None = None,
) -> Entry:
    return Entry(
        place=key.place,
        kind=kind,
        units=units,
        cause_key=cause,
        occurred_at=occasion.occurred_at,
        reason=reason,
        owner=key.owner,
        condition=key.condition,
        lot=key.lot,
        document=occasion.document,
    )
