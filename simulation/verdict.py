"""What really happened, against what the hub made of it: the same figures for the demo and the replay.

The world's own record says what was sold and what came back. From the hub comes only which location serves which
order (the world cannot know it); what must stand on each shelf is then computed here, by other code than the hub's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from nervure.invariants import check_all
from nervure.operations.suppliers import reference_of
from nervure.store.audit import AuditStore, LineAudit, ServedAudit
from nervure.store.database import Database
from nervure.store.reports import ReportStore
from simulation.catalogue import SUPPLIER
from simulation.measure import Latency, Taken, percentiles, settle_times
from simulation.record import Record

MANY = 1_000_000
LOOKED_AT_EVERY = timedelta(minutes=15)
"""More often than that the hub looks who may be asked again."""


@dataclass
class Verdict:
    """The figures. What must be 0 is 0, or the run has failed."""

    orders: int = 0
    lost: int = 0
    duplicated: int = 0
    oversold_in_hub: int = 0
    oversold_across_channels: int = 0
    refused_at_channel: int = 0
    unconfirmed: int = 0
    wrong_at_rest: int = 0
    units_not_conserved: int = 0
    rules_broken: int = 0
    uncanceled: int = 0
    untold: int = 0
    unserved: int = 0
    dead_letters: int = 0
    stock_points: int = 0
    sale_to_confirmed_seconds: dict[str, Latency] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether everything that must be 0 is 0."""
        return not (
            self.lost
            or self.duplicated
            or self.oversold_in_hub
            or self.unconfirmed
            or self.wrong_at_rest
            or self.units_not_conserved
            or self.rules_broken
            or self.uncanceled
            or self.untold
            or self.unserved
        )

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON knows them."""
        figures = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        times = {name: latency.as_json() for name, latency in sorted(self.sale_to_confirmed_seconds.items())}
        return {**figures, "sale_to_confirmed_seconds": times, "details": self.details[:50]}


@dataclass(frozen=True, slots=True)
class HubLook:
    """What the hub says, in one consistent look."""

    lines: list[LineAudit]
    served: list[ServedAudit]
    violations: list[str]
    unconfirmed: list[str]
    on_hand: dict[tuple[str, str], int]
    dead_letters: int
    left_too_early: frozenset[tuple[str, str]] = frozenset()
    """Orders of which units were canceled that had left, by account: somebody has the task."""
    declined: frozenset[tuple[str, str, str, str]] = frozenset()
    """(account, order, location, sku): who is not asked for that; sku empty: for nothing of it."""


def look(database: Database, now: datetime) -> HubLook:
    """Reads the hub."""
    with database.read() as connection:
        audit = AuditStore(connection)
        on_hand: Counter[tuple[str, str]] = Counter()
        for level in audit.levels():
            on_hand[level.sku, level.location] += level.on_hand
        return HubLook(
            list(audit.lines()),
            list(audit.served()),
            [f"{violation.rule}: {violation.subject}: {violation.text}" for violation in check_all(audit)],
            [
                f"{one.channel} {one.sku} at {one.stock_point} is {one.state}"
                for one in audit.publications()
                if one.state not in ("confirmed", "excluded")
            ],
            dict(on_hand),
            ReportStore(connection, now).status()["inbox"]["dead"],
            frozenset(
                (channel, order)
                for task in ReportStore(connection, now).tasks(limit=MANY)
                if task.kind == "canceled_after_shipping"
                for channel, order in [task.subject.rsplit(":", 1)[0].split(":", 1)]
            ),
            # Who may be asked again since a moment ago was not asked yet, perhaps.
            frozenset(audit.declines(now - LOOKED_AT_EVERY)),
        )


def judge(record: Record, hub: HubLook, adjusted: Mapping[tuple[str, str], int] | None = None) -> Verdict:
    """Compares. `adjusted`: signed units that were booked at own locations beside sales and returns."""
    verdict = Verdict(dead_letters=hub.dead_letters)
    _orders(record, hub, verdict)
    verdict.oversold_in_hub = sum("claims_within_stock" in text for text in hub.violations)
    verdict.rules_broken = len(hub.violations) - verdict.oversold_in_hub
    verdict.details += hub.violations
    verdict.unconfirmed = len(hub.unconfirmed)
    verdict.details += hub.unconfirmed[:20]
    left = _left(record, hub, adjusted or {})
    _at_rest(record, left, verdict)
    _conserved(record, hub, verdict, adjusted or {})
    _short(record, hub, left, verdict)
    _latencies(record, hub, verdict)
    return verdict


def _canceled(record: Record) -> dict[tuple[str, str], Counter[str]]:
    """Units that were taken off orders before they left, by (account, order)."""
    canceled: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for back in record.come_backs:
        if back.kind == "canceled" and back.order_id is not None:
            for line in back.lines:
                canceled[back.account, back.order_id][line.sku] += line.units
    return canceled


def _check_canceled(
    record: Record, hub: HubLook, canceled: Mapping[tuple[str, str], Counter[str]], verdict: Verdict
) -> None:
    """What was canceled in time is open no more."""
    still_open: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in hub.lines:
        still_open[line.channel, line.order][line.sku] += line.units_ordered - line.units_canceled
    for sale in record.sales:
        key = (sale.account, sale.purchase.order_id or "")
        if key not in canceled or key in hub.left_too_early:
            continue
        bought: Counter[str] = Counter()
        for bought_line in sale.purchase.lines:
            bought[bought_line.sku] += bought_line.units
        more = still_open[key] - (bought - canceled[key])
        verdict.uncanceled += bool(more)
        verdict.details += [f"{key[0]} {key[1]} {sku}: {units} canceled units are open" for sku, units in more.items()]


def _lines(hub: HubLook, verdict: Verdict) -> dict[tuple[str, str], Counter[str]]:
    """Units that the hub has heard of, by (account, order); lines that do not add up are counted."""
    known: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for line in hub.lines:
        known[line.channel, line.order][line.sku] += line.units_ordered
        accounted = line.units_canceled + line.units_served + line.units_short
        if line.is_counted and accounted != line.units_ordered:
            verdict.duplicated += accounted > line.units_ordered
            verdict.lost += accounted < line.units_ordered
            verdict.details.append(f"{line.channel} {line.order} {line.sku}: {accounted} of {line.units_ordered} units")
        if line.ever_short:
            verdict.oversold_across_channels += 1
            if not line.has_task:
                verdict.untold += 1
                verdict.details.append(f"{line.channel} {line.order} {line.sku} is short without a task")
    return known


def _orders(record: Record, hub: HubLook, verdict: Verdict) -> None:
    """Every purchase must be there once, with the units that were sold."""
    known = _lines(hub, verdict)
    canceled = _canceled(record)
    _check_canceled(record, hub, canceled, verdict)
    for sale in record.sales:
        verdict.refused_at_channel += sum(line.units for line in sale.purchase.refused)
        if sale.purchase.order_id is None:
            continue
        verdict.orders += 1
        bought: Counter[str] = Counter()
        for basket_line in sale.purchase.lines:
            bought[basket_line.sku] += basket_line.units
        heard = known.pop((sale.account, sale.purchase.order_id), None)
        # A platform may state a canceled unit as never ordered: who hears the order later cannot know of it.
        least = bought - canceled[sale.account, sale.purchase.order_id]
        if heard is None or any(heard[sku] < units for sku, units in least.items()):
            verdict.lost += 1
            verdict.details.append(f"lost: {sale.account} {sale.purchase.order_id}")
        elif any(units > bought[sku] for sku, units in heard.items()):
            verdict.duplicated += 1
            verdict.details.append(f"too much: {sale.account} {sale.purchase.order_id}")
    verdict.duplicated += len(known)
    verdict.details += [f"nobody bought: {account} {order}" for account, order in sorted(known)]


def _at_rest(record: Record, left: Mapping[tuple[str, str], int], verdict: Verdict) -> None:
    """Every shelf must show exactly what the world's own record and the serving locations leave."""
    for name, shelf in record.shelves.items():
        for (sku, point), shown in sorted(shelf.items()):
            parts = record.parts[sku]
            right = sum(
                min(max(left.get((part, place), 0), 0) // units for part, units in parts.items())
                for place in record.points[name][point]
            )
            verdict.stock_points += 1
            if shown != right:
                verdict.wrong_at_rest += 1
                verdict.details.append(f"{name} {sku} at {point} shows {shown}, right is {right}")


def _short(record: Record, hub: HubLook, left: Mapping[tuple[str, str], int], verdict: Verdict) -> None:
    """Nobody may wait for units that lie free at a place of ours that the channel sells from."""
    for line in hub.lines:
        if line.units_short <= line.units_backordered:
            continue
        places = {place for places in record.points[line.channel].values() for place in places} - {SUPPLIER.code}
        parts = record.parts[line.sku].items()
        skus = ("", *(part for part, _ in parts))
        places -= {p for p in places if any((line.channel, line.order, p, sku) in hub.declined for sku in skus)}
        free = [place for place in sorted(places) if all(left.get((part, place), 0) >= units for part, units in parts)]
        if free:
            verdict.unserved += 1
            verdict.details.append(f"{line.channel} {line.order} waits for {line.sku}, which lies free at {free[0]}")


def _conserved(record: Record, hub: HubLook, verdict: Verdict, adjusted: Mapping[tuple[str, str], int]) -> None:
    """What is on hand must lie there."""
    physical = _physical(record, hub, adjusted)
    for key in physical.keys() | hub.on_hand.keys():
        if physical.get(key, 0) != hub.on_hand.get(key, 0) and key[1] != SUPPLIER.code:
            verdict.units_not_conserved += 1
            verdict.details.append(
                f"{key[0]} at {key[1]}: on hand {hub.on_hand.get(key, 0)}, the world has {physical.get(key, 0)}"
            )


def _left(record: Record, hub: HubLook, adjusted: Mapping[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    """Units by (sku, location) that nobody has or waits for."""
    left = _start(record, adjusted)
    parts = record.parts
    for served in hub.served:
        is_suppliers = served.location == SUPPLIER.code
        if is_suppliers and reference_of(served.fulfillment_order_id) in record.supplier_shipped:
            continue  # the supplier's own number is without it, whether or not the hub has heard
        for part, units in parts[served.sku].items():
            left[part, served.location] -= served.units * units
    _add_returns(record, left)
    return left


def _physical(record: Record, hub: HubLook, adjusted: Mapping[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    """Units by (sku, location) that lie there."""
    here = _start(record, adjusted)
    parts = record.parts
    for served in hub.served:
        if served.state in ("shipped", "handed_over"):
            for part, units in parts[served.sku].items():
                here[part, served.location] -= served.units * units
    _add_returns(record, here)
    return here


def _start(record: Record, adjusted: Mapping[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    start = Counter({key: units for key, units in record.stock.items() if key[1] != SUPPLIER.code})
    for sku, units in record.supplier_stock.items():
        start[sku, SUPPLIER.code] = units
    for key, units in adjusted.items():
        start[key] += units
    return start


def _add_returns(record: Record, stock: Counter[tuple[str, str]]) -> None:
    parts = record.parts
    for back in record.come_backs:
        if back.kind != "returned":
            continue
        place = record.points[back.account][back.stock_point][0]
        for line in back.lines:
            for part, units in parts[line.sku].items():
                stock[part, place] += line.units * units


def _latencies(record: Record, hub: HubLook, verdict: Verdict) -> None:
    """From purchase to every other platform's shelf, for goods that are no kits.

    Sales that a platform tells only once a minute have a row of their own, and so have sales of the same goods in that
    minute: their delay is its ceiling, not ours.
    """
    waits: dict[str, list[float]] = {name: [] for name in record.points}
    waits |= {f"sold on {name}": [] for name in record.heard_slowly}
    placed = {
        (sale.account, sale.purchase.order_id): sale.purchase.at.timestamp()
        for sale in record.sales
        if sale.purchase.order_id is not None
    }
    parts = record.parts
    leaving = [
        (served, part, served.units * units, placed[served.channel, served.order])
        for served in hub.served
        if (served.channel, served.order) in placed
        for part, units in parts[served.sku].items()
    ]
    for name, points in record.points.items():
        opening: dict[tuple[str, str], int] = {}
        taken: list[Taken] = []
        back: list[Taken] = []
        for point, places in points.items():
            for (sku, place), units in record.stock.items():
                if place in places:
                    opening[sku, point] = opening.get((sku, point), 0) + units
            taken += [
                Taken(served.channel, part, point, units, at)
                for served, part, units, at in leaving
                if served.location in places
            ]
            back += list(_came_back(record, point))
        for account, seconds in settle_times(
            name, opening, taken, back, record.shelf_logs[name], heard_slowly=record.heard_slowly
        ):
            waits[f"sold on {account}" if account in record.heard_slowly else name].append(seconds)
    verdict.sale_to_confirmed_seconds = {name: percentiles(seconds) for name, seconds in waits.items()}


def _came_back(record: Record, point: str) -> Iterable[Taken]:
    """Everything that came back anywhere: a bound may only be too wide where it is not known how narrow it is."""
    parts = record.parts
    for back in record.come_backs:
        for line in back.lines:
            for part, units in parts[line.sku].items():
                yield Taken(back.account, part, point, line.units * units, back.at.timestamp())
