"""Lots: what receipts must say, and what happens on the day on which one expires."""

from datetime import date, datetime

from nervure.inventory.lots import LotError, check_lot
from nervure.inventory.movements import Key, Occasion, change_key
from nervure.inventory.stock import Entry
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.orders.reseating import serve_again
from nervure.orders.settling import serve_shortfalls, settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.lots import LotStock, LotStore
from nervure.store.movements import MovementStore
from schemas.stock import Condition


class GoodsError(RefusalError):
    """Goods that cannot be booked as they were named: a kit, or a lot that is missing or says something else."""


def check_goods(
    connection: Connection, now: datetime, sku: str, item_id: int, *, lot: str, expires_on: date | None = None
) -> None:
    """Whether goods may be booked under this sku and lot; a lot that is new is written.

    Raises:
        GoodsError: the item is a kit, or its lot is not named as the item asks.
    """
    if item_id in CatalogueStore(connection, now).kits([item_id]):
        raise GoodsError(f"{sku!r} is a kit and has no stock of its own: name its parts")
    lots = LotStore(connection, now)
    tracking = lots.tracking(item_id)
    known = lots.expires_on(item_id, lot) if lot else None
    try:
        check_lot(sku, tracking, lot, expires_on or known)
    except LotError as error:
        raise GoodsError(str(error)) from error
    if not lot:
        return
    known = lots.put(item_id, lot, expires_on)
    if expires_on is not None and known != expires_on:
        raise GoodsError(
            f"lot {lot!r} of {sku!r} expires on {known}, not on {expires_on}: correct it with `nervure stock lots`"
        )


def check_entry(connection: Connection, now: datetime, sku: str, entry: Entry, expires_on: date | None = None) -> None:
    """The same for a movement that is about to be booked."""
    check_goods(connection, now, sku, entry.place.item_id, lot=entry.lot, expires_on=expires_on)


def lots_of(hub: Hub, sku: str) -> list[LotStock]:
    """What lies of each lot of an item, the first to expire first.

    Raises:
        GoodsError: no such sku.
    """
    with hub.database.read() as connection:
        return LotStore(connection, hub.clock.now()).stock(_item(connection, hub.clock.now(), sku))


def correct_lot(hub: Hub, sku: str, lot: str, expires_on: date) -> None:
    """Writes another last day of a lot; what it may be promised for follows, and who waits is served.

    Raises:
        GoodsError: no such sku or lot.
    """

    def work(connection: Connection) -> None:
        now = hub.clock.now()
        item_id, lots = _item(connection, now, sku), LotStore(connection, now)
        try:
            check_lot(sku, lots.tracking(item_id), lot, expires_on)
        except LotError as error:
            raise GoodsError(str(error)) from error
        if not lots.correct(item_id, lot, expires_on):
            raise GoodsError(f"{sku!r} has no lot {lot!r}")
        serve_shortfalls([item_id], hub.desk(connection))

    hub.database.run(work)


def withdraw_expired(hub: Hub) -> int:
    """Puts units of lots that have expired on hold, and serves who was promised them from others; answers how many.

    They still lie there: somebody books them off once they are gone. What a cart holds follows once the cart has ended.
    """
    return hub.database.run(lambda connection: _withdraw(hub, connection))


def _withdraw(hub: Hub, connection: Connection) -> int:
    now = hub.clock.now()
    lots, stock = LotStore(connection, now), MovementStore(connection, now)
    seen = lots.expired()
    if not seen:
        return 0
    keys = {one.key for one in seen}
    stock.lock_keys(keys | {_held(key) for key in keys})
    # Read again under the locks: meanwhile some may have been sold, or withdrawn by somebody else.
    found = [one for one in lots.expired() if one.key in keys]
    booked: list[Entry] = []
    for one in found:
        cause = f"expiry|{one.level_id}|{one.sequence}"
        occasion = Occasion(f"expiry:{one.key.lot}", cause, now)
        booked += change_key(stock, one.key, _held(one.key), one.units, occasion)
    desk = hub.desk(connection)
    serve_again(lots.lines_on([one.level_id for one in found]), desk)
    settle([entry for entry in booked if entry.condition is Condition.SELLABLE], desk)
    return sum(one.units for one in found)


def _held(key: Key) -> Key:
    return key._replace(condition=Condition.ON_HOLD)


def _item(connection: Connection, now: datetime, sku: str) -> int:
    found = CatalogueStore(connection, now).item_ids([sku]).get(sku)
    if found is None:
        raise GoodsError(f"sku {sku!r} is not known")
    return found
