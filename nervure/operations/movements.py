"""What people book by hand beside receipts and counts: condition, owner, consumption, assembly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from nervure.inventory import movements as rules
from nervure.inventory.movements import Key, NotThereError, Occasion, OtherUnitsError
from nervure.inventory.stock import Entry, InsufficientStockError, cause_key
from nervure.inventory.transfers import IN_TRANSIT
from nervure.inventory.undo import BY_HAND
from nervure.operations.hub import Hub
from nervure.operations.lots import check_goods
from nervure.operations.names import check_names
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import RepeatError, booked_otherwise, place_of
from nervure.orders.reseating import reseat
from nervure.orders.settling import settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.movements import MovementStore, Used
from schemas.base import counted
from schemas.stock import OUR_OWN, AdjustmentReason, Condition


class MovementError(RefusalError):
    """A movement that cannot be booked: too few units lie there, or the item has no recipe."""


@dataclass(frozen=True, slots=True)
class Goods:
    """A stock key as people write it."""

    sku: str
    location: str
    owner: str = OUR_OWN
    condition: Condition = Condition.SELLABLE
    lot: str = ""


@dataclass(frozen=True, slots=True)
class _Work:
    """One transaction of a movement: its stock, the key that was named, and what makes it be booked."""

    connection: Connection
    stock: MovementStore
    key: Key
    now: datetime

    def occasion(self, kind: str, document: str, *details: str) -> Occasion:
        """`details`: what one document may book several times, once each."""
        place = self.key.place
        names = (kind, document, str(place.item_id), str(place.location_id), self.key.owner, self.key.lot, *details)
        return Occasion(f"{kind}:{document}", BY_HAND + cause_key(*names), self.now)


def change_condition(
    hub: Hub,
    goods: Goods,
    units: int,
    to: Condition,
    *,
    document: str,
    to_lot: str | None = None,
    expires_on: date | None = None,
) -> bool:
    """Moves units from one condition to another, as one pair; the same document again changes nothing (False).

    Whoever was promised what is no longer sellable is served elsewhere. `to_lot`: the units turn out to be of that
    lot; `expires_on`: its last day, where it is new.

    Raises:
        UnknownStockError: no such sku or location.
        MovementError: fewer units lie there, or nothing changes.
        RepeatError: the document was booked with other units.
    """

    def work(one: _Work) -> list[Entry]:
        target = one.key._replace(condition=to, lot=one.key.lot if to_lot is None else to_lot)
        if target == one.key:
            raise MovementError(f"nothing changes: the units are {to} already")
        if target.lot != one.key.lot:
            check_names(document, owner=target.owner, lot=target.lot)
            check_goods(one.connection, one.now, goods.sku, target.place.item_id, lot=target.lot, expires_on=expires_on)
        occasion = one.occasion("condition", document, one.key.condition, to, target.lot)
        return rules.change_key(one.stock, one.key, target, units, occasion)

    return _book(hub, goods, document, work)


def change_owner(hub: Hub, goods: Goods, units: int, to: str, *, document: str) -> bool:
    """Moves units from one owner to another, as one pair; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
        MovementError: fewer units lie there, or nothing changes.
        RepeatError: the document was booked with other units.
    """

    def work(one: _Work) -> list[Entry]:
        check_names(document, owner=to)
        if to == one.key.owner:
            raise MovementError(f"nothing changes: {to!r} owns the units already")
        occasion = one.occasion("ownership", document, one.key.condition, to)
        reason = AdjustmentReason.OWNERSHIP_CHANGE
        return rules.change_key(one.stock, one.key, one.key._replace(owner=to), units, occasion, reason=reason)

    return _book(hub, goods, document, work)


def consume(hub: Hub, goods: Goods, units: int, *, document: str) -> bool:
    """Books units that were used up, such as a supplier's; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
        MovementError: fewer units lie there.
        RepeatError: the document was booked with other units.
    """

    def work(one: _Work) -> list[Entry]:
        return rules.consume(one.stock, one.key, units, one.occasion("consumption", document, one.key.condition))

    return _book(hub, goods, document, work)


def assemble(hub: Hub, goods: Goods, units: int, *, document: str, expires_on: date | None = None) -> bool:
    """Makes units of an item from its recipe's parts, all or nothing; the same document again changes nothing (False).

    Parts that are promised to somebody stay.

    Raises:
        UnknownStockError: no such sku or location.
        MovementError: the item has no recipe, or parts are missing.
        RepeatError: the document was booked with other units.
    """

    def work(one: _Work) -> list[Entry]:
        recipe = _recipe(one, goods.sku)
        check_goods(one.connection, one.now, goods.sku, one.key.place.item_id, lot=goods.lot, expires_on=expires_on)
        return rules.assemble(one.stock, one.key, recipe, units, one.occasion("assembly", document))

    return _book(hub, goods, document, work)


def disassemble(hub: Hub, goods: Goods, units: int, *, document: str) -> bool:
    """Takes units of an item apart into its recipe's parts; the same document again changes nothing (False).

    Raises:
        UnknownStockError: no such sku or location.
        MovementError: the item has no recipe, fewer are free, or a part is kept by lots.
        RepeatError: the document was booked with other units.
    """

    def work(one: _Work) -> list[Entry]:
        recipe = _recipe(one, goods.sku)
        skus = CatalogueStore(one.connection, one.now).skus()
        for part in recipe:
            check_goods(one.connection, one.now, skus[part], part, lot="")
        return rules.disassemble(one.stock, one.key.place, recipe, units, one.occasion("disassembly", document))

    return _book(hub, goods, document, work)


def used_of(hub: Hub, owner: str, since: datetime, until: datetime) -> list[Used]:
    """What an owner's goods were used for, as heard in [since, until): what a consignment statement is made of."""
    with hub.database.read() as connection:
        return MovementStore(connection, hub.clock.now()).used(owner, since, until)


def _recipe(one: _Work, sku: str) -> dict[int, int]:
    recipe = one.stock.recipe(one.key.place.item_id)
    if not recipe:
        kits = CatalogueStore(one.connection, one.now).kits([one.key.place.item_id])
        why = "is a kit and is sold as its parts" if kits else "has no recipe"
        raise MovementError(f"{sku!r} {why}: only an item with a recipe is assembled")
    return recipe


def _book(hub: Hub, goods: Goods, document: str, work: Callable[[_Work], Sequence[Entry]]) -> bool:
    def transaction(connection: Connection) -> bool:
        now = hub.clock.now()
        check_names(document, owner=goods.owner, lot=goods.lot)
        if goods.location == IN_TRANSIT:
            raise MovementError("units in transit change nothing but their place: let them arrive first")
        place = place_of(connection, now, goods.sku, goods.location)
        key = Key(place, goods.owner, goods.condition, goods.lot)
        try:
            booked = work(_Work(connection, MovementStore(connection, now), key, now))
        except NotThereError as error:
            raise MovementError(_not_there(error, goods)) from error
        except OtherUnitsError as error:
            raise RepeatError(booked_otherwise(error.document, error.before, error.units)) from error
        except InsufficientStockError as error:
            raise MovementError(_missing(error, connection, now, goods.location)) from error
        desk = hub.desk(connection)
        settle(booked, desk)
        reseat({entry.place for entry in booked if entry.units < 0}, desk)
        return bool(booked)

    return hub.database.run(transaction)


def _not_there(error: NotThereError, goods: Goods) -> str:
    whose = "" if goods.owner == OUR_OWN else f" of {goods.owner!r}"
    lot = f" of lot {goods.lot!r}" if goods.lot else ""
    return (
        f"{counted(error.wanted, 'unit')} of {goods.sku!r} at {goods.location!r} cannot be moved:"
        f" {counted(error.there, f'{goods.condition} unit')}{whose}{lot} {'lies' if error.there == 1 else 'lie'} there;"
        " count first, or book what was found"
    )


def _missing(error: InsufficientStockError, connection: Connection, now: datetime, location: str) -> str:
    skus = CatalogueStore(connection, now).skus()
    lacking = ", ".join(
        f"{one.there} of {one.wanted} {skus[one.place.item_id]!r}"
        for one in sorted(error.shortages, key=lambda one: one.place)
    )
    return f"not enough at {location!r} that nobody has claimed: {lacking}"
