"""Cycle counts: opened, entered while sales go on, confirmed, and booked as of the moment of counting."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from nervure.inventory.counts import Count, CountLimits, take
from nervure.inventory.stock import Entry, Place
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError
from nervure.operations.staff import UnknownStockError
from nervure.orders.settling import serve_shortfalls, settle
from nervure.store.catalogue import CatalogueStore
from nervure.store.cycle_counts import CycleCountStore, Document, Line
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.stock import StockStore
from schemas.stock import OUR_OWN, AdjustmentReason, Condition

REASONS = frozenset(
    {AdjustmentReason.CYCLE_COUNT, AdjustmentReason.LOST, AdjustmentReason.FOUND, AdjustmentReason.DAMAGED}
)
"""Why a count may differ."""


class UnknownCountError(UnknownError):
    """There is no count of this name."""


class CountRefusedError(RefusalError):
    """A count cannot be opened, entered, confirmed or ended like this."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody found: `units` of a sku in one condition at `counted_at` (None: now).

    `owner`, `lot` None: those of the only units there.
    """

    sku: str
    units: int
    counted_at: datetime | None = None
    by: str = ""
    reason: AdjustmentReason = AdjustmentReason.CYCLE_COUNT
    condition: Condition = Condition.SELLABLE
    owner: str | None = None
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class LineView:
    """A line as people see it. `expected`: by the ledger, at the moment of counting; None: not counted yet."""

    line: Line
    expected: int | None
    difference: int | None
    needs_second_person: bool

    @property
    def state(self) -> str:
        """To count, entered, second person or booked."""
        if self.line.difference is not None:
            return "booked"
        if self.line.units is None:
            return "to count"
        return "second person" if self.needs_second_person else "entered"


def open_count(hub: Hub, name: str, location: str, skus: Collection[str], *, is_everything: bool = False) -> int:
    """Opens a count for some skus, or for everything at a location; answers how many stock keys are to be counted.

    Raises:
        UnknownStockError: no such sku or location.
        CountRefusedError: the name is taken, the place is counted by somebody else, or a sku is a kit.
    """
    if not name.strip() or "|" in name:
        raise CountRefusedError("a count needs a name, without '|'")
    if bool(skus) == is_everything:
        raise CountRefusedError("a count is of some skus, or of everything: name skus, or say --all")

    def work(connection: Connection) -> int:
        now = hub.clock.now()
        catalogue, store = CatalogueStore(connection, now), CycleCountStore(connection, now)
        location_id = LocationStore(connection, now).ids().get(location)
        if location_id is None:
            raise UnknownStockError(f"location {location!r} is not known")
        _refuse_other_master(location, store.master_of(location_id))
        items = _simple_items(catalogue, skus)
        if not store.open(name, location_id, is_open_to_all=is_everything):
            raise CountRefusedError(f"there is a count {name!r} already")
        document = _open_document(store, name)
        kept = store.kept_at(location_id, None if is_everything else items)
        wanted = kept.keys() if is_everything else items
        keys = {
            (item, owner, Condition.SELLABLE, lot) for item in wanted for owner, lot in kept.get(item, [(OUR_OWN, "")])
        }
        store.add_lines(document, keys)
        return len(keys)

    return hub.database.run(work)


def enter(hub: Hub, name: str, entered: Entered) -> bool:
    """Writes what was found; False: this very entry is known. A line that is not booked is replaced by a recount.

    Raises:
        UnknownCountError, UnknownStockError: no such count or sku.
        CountRefusedError: the count has ended, or the entry does not say enough or too much.
    """
    if entered.reason not in REASONS:
        allowed = ", ".join(sorted(REASONS))
        raise CountRefusedError(f"{entered.reason} is no reason of a count; there are: {allowed}")
    if entered.units < 0:
        raise CountRefusedError(f"{entered.sku!r}: nobody counts {entered.units} units")

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        counted_at = entered.counted_at or now
        if counted_at > now:
            raise CountRefusedError(f"{entered.sku!r} cannot have been counted at {counted_at:%Y-%m-%d %H:%M} UTC yet")
        store = CycleCountStore(connection, now)
        document = _open_document(store, name)
        line = _line_for(store, document, _simple_items(CatalogueStore(connection, now), [entered.sku])[0], entered)
        said = (entered.units, entered.by, entered.reason)
        if (line.units, line.counted_by, line.reason) == said and entered.counted_at in {None, line.counted_at}:
            return False
        _refuse_wrong_sign(StockStore(connection, now), document, line, replace(entered, counted_at=counted_at))
        if line.difference is not None:
            store.add_lines(document, [(line.item_id, line.owner, line.condition, line.lot)], turn=line.round + 1)
            line = _newest(store.lines(document), line.item_id, line.owner, line.condition, line.lot)
        store.enter(line, entered.units, counted_at, entered.by, entered.reason)
        return True

    return hub.database.run(work)


def show(hub: Hub, name: str) -> tuple[Document, list[LineView]]:
    """A count with all its lines, as the ledger sees them now.

    Raises:
        UnknownCountError: no such count.
    """
    with hub.database.read() as connection:
        now = hub.clock.now()
        store = CycleCountStore(connection, now)
        document = store.find(name)
        if document is None:
            raise UnknownCountError(f"there is no count {name!r}")
        return document, _views(hub, connection, document)


def confirm(hub: Hub, name: str, by: str) -> list[LineView]:
    """Books every entered line that this person may confirm; answers them as they were booked.

    Lines above the limits need somebody else than who counted; they stay entered.

    Raises:
        UnknownCountError: no such count.
        CountRefusedError: the count has ended, the place is counted by somebody else now, or nobody is named.
    """
    if not by.strip():
        raise CountRefusedError("a count is confirmed by somebody: name the person with --by")

    def work(connection: Connection) -> list[LineView]:
        now = hub.clock.now()
        store, stock = CycleCountStore(connection, now), StockStore(connection, now)
        document = _open_document(store, name)
        _refuse_other_master(document.location, document.master)
        counts = {line.id: _as_count(document, line) for line in store.lines(document) if line.units is not None}
        stock.lock_counted(list(counts.values()))
        done: list[LineView] = []
        booked: list[Entry] = []
        for view in _views(hub, connection, document):
            if view.state not in {"entered", "second person"} or view.difference is None:
                continue
            if view.needs_second_person and not is_somebody_else(by, view.line.counted_by):
                continue
            if store.book(view.line, view.difference, by):
                reason = view.line.reason or AdjustmentReason.CYCLE_COUNT
                booked += take(stock, counts[view.line.id], reason=reason, document=f"count:{name}") or []
                done.append(view)
        desk = hub.desk(connection)
        settle(booked, desk)
        # A count that found what was expected says so too: an order for which the goods were not found may have them.
        came_in = {entry.place.item_id for entry in booked if entry.units > 0}
        serve_shortfalls({view.line.item_id for view in done} - came_in, desk)
        return done

    return hub.database.run(work)


def is_somebody_else(by: str, counted_by: str) -> bool:
    """Whether a second person confirms; who counted must be known for that."""
    first, second = counted_by.strip().casefold(), by.strip().casefold()
    return bool(first) and first != second


def close(hub: Hub, name: str) -> None:
    """Ends a count whose entries are all booked.

    Raises:
        UnknownCountError: no such count.
        CountRefusedError: it has ended, or entries wait for a confirmation.
    """

    def work(connection: Connection) -> None:
        store = CycleCountStore(connection, hub.clock.now())
        document = _open_document(store, name)
        waiting = sum(line.units is not None and line.difference is None for line in store.lines(document))
        if waiting:
            raise CountRefusedError(f"count {name!r} has {waiting} entered lines that nobody confirmed")
        store.end(document, "closed")
        hub.desk(connection).tasks.close("count", f"count:{name}")

    hub.database.run(work)


def cancel(hub: Hub, name: str) -> None:
    """Ends a count without booking what is not booked yet; what is booked stays.

    Raises:
        UnknownCountError: no such count.
        CountRefusedError: it has ended.
    """

    def work(connection: Connection) -> None:
        store = CycleCountStore(connection, hub.clock.now())
        store.end(_open_document(store, name), "canceled")
        hub.desk(connection).tasks.close("count", f"count:{name}")

    hub.database.run(work)


def _open_document(store: CycleCountStore, name: str) -> Document:
    document = store.find(name, locked=True)
    if document is None:
        raise UnknownCountError(f"there is no count {name!r}")
    if document.state != "open":
        raise CountRefusedError(f"count {name!r} is {document.state}")
    return document


def _refuse_other_master(location: str, master: str | None) -> None:
    if master is not None:
        raise CountRefusedError(f"location {location!r} is counted by {master!r}, its master: count there")


def _simple_items(catalogue: CatalogueStore, skus: Collection[str]) -> list[int]:
    ids = catalogue.item_ids(skus)
    kits = catalogue.kits(ids.values())
    for sku in skus:
        if sku not in ids:
            raise UnknownStockError(f"sku {sku!r} is not known")
        if ids[sku] in kits:
            raise CountRefusedError(f"{sku!r} is a kit and has no stock of its own: count its parts")
    return sorted(ids.values())


def _line_for(store: CycleCountStore, document: Document, item_id: int, entered: Entered) -> Line:
    """The newest line of what was counted; a condition or lot that nobody expected there gets a line."""
    lines = [line for line in store.lines(document) if line.item_id == item_id]
    if not lines and not document.is_open_to_all:
        raise CountRefusedError(f"{entered.sku!r} is not in count {document.name!r}")
    owner, lot = _owner_and_lot(store, document, item_id, entered)
    store.add_lines(document, [(item_id, owner, entered.condition, lot)])
    return _newest(store.lines(document), item_id, owner, entered.condition, lot)


def _owner_and_lot(store: CycleCountStore, document: Document, item_id: int, entered: Entered) -> tuple[str, str]:
    kept = store.kept_at(document.location_id, [item_id], entered.condition).get(item_id, [])
    fitting = [(owner, lot) for owner, lot in kept if entered.owner in {None, owner} and entered.lot in {None, lot}]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting or (entered.owner is not None and entered.lot is not None):
        return entered.owner or OUR_OWN, entered.lot or ""
    names = ", ".join(f"owner {owner!r} lot {lot!r}" for owner, lot in fitting)
    raise CountRefusedError(
        f"{entered.sku!r} at {document.location!r} is of several owners or lots: say which with --owner and --lot:"
        f" {names}"
    )


def _newest(lines: Sequence[Line], item_id: int, owner: str, condition: Condition, lot: str) -> Line:
    key = (item_id, owner, condition, lot)
    return [line for line in lines if (line.item_id, line.owner, line.condition, line.lot) == key][-1]


def _refuse_wrong_sign(stock: StockStore, document: Document, line: Line, entered: Entered) -> None:
    said = replace(line, units=entered.units, counted_at=entered.counted_at)
    units = entered.units - stock.on_hand_counted(_as_count(document, said))
    if (units > 0 and entered.reason in {AdjustmentReason.LOST, AdjustmentReason.DAMAGED}) or (
        units < 0 and entered.reason is AdjustmentReason.FOUND
    ):
        more = "more" if units > 0 else "less"
        raise CountRefusedError(f"{abs(units)} {more} of {entered.sku!r} than expected are not {entered.reason}")


def _as_count(document: Document, line: Line) -> Count:
    if line.units is None or line.counted_at is None:
        raise ValueError(f"line {line.id} is not counted")
    return Count(
        place=Place(line.item_id, document.location_id),
        source=f"count:{document.name}",
        units=line.units,
        observed_at=line.counted_at,
        version=str(line.round),
        condition=line.condition,
        owner=line.owner,
        lot=line.lot,
        is_whole=False,
    )


def _views(hub: Hub, connection: Connection, document: Document) -> list[LineView]:
    now = hub.clock.now()
    store, stock = CycleCountStore(connection, now), StockStore(connection, now)
    lines = store.lines(document)
    costs = store.unit_costs([line.item_id for line in lines]) if hub.count_limits.value is not None else {}
    return [_view(stock, document, line, hub.count_limits, costs.get(line.item_id)) for line in lines]


def _view(
    stock: StockStore, document: Document, line: Line, limits: CountLimits, unit_cost: Decimal | None
) -> LineView:
    if line.units is None:
        return LineView(line, None, None, needs_second_person=False)
    if line.difference is not None:
        return LineView(line, line.units - line.difference, line.difference, needs_second_person=False)
    expected = stock.on_hand_counted(_as_count(document, line))
    units = line.units - expected
    return LineView(line, expected, units, needs_second_person=limits.are_passed(units, expected, unit_cost))
