"""Decisions on bindings from a file: the binding report, with what the merchant wrote into it."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from nervure.operations.imports import Outcome, Verdict, in_batches, refused
from nervure.operations.sheets import Row, Sheet
from nervure.orders.settling import cover, release, serve_shortfalls
from nervure.publication.cutover import Decision
from nervure.store.catalogue import CatalogueStore
from nervure.store.cutover import CutoverStore
from nervure.store.database import Connection
from nervure.store.desk import desk_of
from nervure.store.inbox import InboxStore
from nervure.store.publications import PublicationStore
from nervure.store.stock import StockStore
from schemas.fulfillment import AT_LOCATION


class BindingLoader:
    """Columns: channel, listing, decision, and sku (to bind) or reason (to exclude). No decision: the row is passed."""

    needed = {"channel", "listing", "decision"}
    known = {*needed, "sku", "reason", "listing_sku", "listing_gtin", "title", "standing", "text"}

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = frozenset(channels)
        self._lines: dict[tuple[str, str], list[int]] = {}

    def look_over(self, sheet: Sheet) -> int:
        count = 0
        for row in self._decided(sheet):
            count += 1
            self._lines.setdefault((row.cells["channel"], row.cells["listing"]), []).append(row.line)
        return count

    def batches(self, sheet: Sheet) -> Iterator[list[Row]]:
        yield from in_batches(self._decided(sheet))

    def _decided(self, sheet: Sheet) -> Iterator[Row]:
        return (row for row in sheet.rows() if row.cells["decision"])

    def take(self, connection: Connection, rows: Sequence[Row], now: datetime, *, writes: bool) -> list[Verdict]:
        return [self._take(connection, row, now, writes=writes) for row in rows]

    def _take(self, connection: Connection, row: Row, now: datetime, *, writes: bool) -> Verdict:
        fault = self._fault_of(row)
        if fault is not None:
            return refused(row, fault)
        channel, external_id = row.cells["channel"], row.cells["listing"]
        found = CutoverStore(connection, now).find_listing(channel, external_id, locked=writes)
        if found is None:
            return refused(row, f"channel {channel!r} has no listing {external_id!r}")
        decide = _exclude if Decision(row.cells["decision"].lower()) is Decision.EXCLUDE else _bind
        return decide(connection, row, now, found, writes=writes)

    def _fault_of(self, row: Row) -> str | None:
        key = row.cells["channel"], row.cells["listing"]
        if key[0] not in self._channels:
            return f"no channel {key[0]!r} in the settings"
        if len(self._lines[key]) > 1:
            return f"listing {key[1]!r} is decided more than once: lines {', '.join(map(str, self._lines[key]))}"
        if row.cells["decision"].lower() not in set(Decision):
            return f"decision: {row.cells['decision']!r} is neither bind nor exclude"
        return None


def _exclude(
    connection: Connection, row: Row, now: datetime, found: tuple[int, int | None], *, writes: bool
) -> Verdict:
    cutover, reason = CutoverStore(connection, now), row.get("reason")
    if not reason:
        return refused(row, "exclude needs a reason")
    if cutover.decision(found[0]) == (Decision.EXCLUDE, reason):
        return Verdict(row, Outcome.UNCHANGED)
    if writes and cutover.is_in_flight(found[0]):
        return refused(row, "a number of this listing is on its way: try again in a minute")
    if writes:
        cutover.decide(found[0], Decision.EXCLUDE, reason)
    return Verdict(row, Outcome.CHANGED, f"{row.cells['channel']} {row.cells['listing']}: left out")


def _bind(connection: Connection, row: Row, now: datetime, found: tuple[int, int | None], *, writes: bool) -> Verdict:
    channel, sku = row.cells["channel"], row.get("sku") or ""
    listing_id, before = found
    item = CatalogueStore(connection, now).item_ids([sku]).get(sku)
    if item is None:
        return refused(row, f"sku {sku!r} is not known" if sku else "bind needs a sku")
    cutover = CutoverStore(connection, now)
    if item == before and cutover.decision(listing_id)[0] is Decision.BIND:
        return Verdict(row, Outcome.UNCHANGED)
    if writes:
        fault = rebind(connection, now, listing_id, before, item)
        if fault is not None:
            return refused(row, fault)
        cutover.decide(listing_id, Decision.BIND, None)
        PublicationStore(connection, now).create_missing(channel)
        InboxStore(connection, now).replay(reason_like=f"of channel {channel!r} is not bound")
    return Verdict(row, Outcome.CHANGED, f"{channel} {row.cells['listing']}: bound to {sku}")


def rebind(connection: Connection, now: datetime, listing_id: int, before: int | None, item: int) -> str | None:
    """Binds a listing to an item. What its orders had claimed of another item is given back and claimed of this one.

    Answers why it cannot be done: units have left under the item that it was bound to. Nothing was changed then.
    """
    cutover = CutoverStore(connection, now)
    if before == item:
        return None
    stock = StockStore(connection, now)
    desk = desk_of(connection, now)
    concerned = cutover.lines_of(listing_id) if before is not None else {}
    for order_id, line_ids in concerned.items():
        desk.orders.lock(order_id)
        for one in desk.fulfillment.lines(order_id=order_id):
            if one.order_line_id in line_ids and one.state not in AT_LOCATION:
                return "units of this listing have left as another item: adjust the stock of both items instead"
    for order_id, line_ids in concerned.items():
        for one in desk.fulfillment.lines(order_id=order_id):
            if one.order_line_id in line_ids:
                release(desk, one, one.units)
        cutover.set_item_of_lines(line_ids, item)
        cover(order_id, desk, [line for line in desk.orders.lines(order_id) if line.id in line_ids], may_split=True)
    cutover.set_item(listing_id, item)
    if before is not None and concerned:
        serve_shortfalls(set(stock.parts_of([before])[before]), desk)
    return None
